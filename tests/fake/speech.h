/* speech: POST …/audio/transcriptions: a form with a file in it, checked as strictly as a call, and
 * answered by the scenario's list, one after the other (the last one from then on):
 *
 *  "speech": [{"text": S, "seconds": N, "input_tokens": N, "output_tokens": N,
 *              "body": S           sent as it is
 *              "status": N, "message": S     an error
 *              "hold": S}]         nothing comes until "release S" on standard input
 *
 * Said as "speech N MODEL FILENAME BYTES SHA256". It is no call, and no rule is about it. */
#ifndef FAKE_SPEECH_H
#define FAKE_SPEECH_H

#include "conn.h"

bool speech_asked(const struct http1_request *h);
void speech_plan(struct server *s, struct conn *c, const struct http1_request *h);

#endif
