/* anthropic: the Messages API as bytes: what a request looks like, and what the events of its
 * answer mean. No sockets, no retries; whoever feeds it decides what to do with a failure. */
#ifndef LLM_ANTHROPIC_H
#define LLM_ANTHROPIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "base/str.h"
#include "llm/client.h"
#include "llm/sse.h"

#define ANTHROPIC_MAX_TOKENS 16000 /* where the request names none */

/* Appends the JSON body for `model` (without its provider). The history is made acceptable on the
 * way: neighbours of one role become one message; results come first and each answers a call of the
 * message before (a call that has none is answered as interrupted, a result that answers none
 * becomes text); what the API refuses (blank text, thinking without its signature, thinking at the
 * end) is left out. The same history gives the same bytes. STATUS_INVALID when the history does not
 * end with something from the user, or a tool's schema is no object. */
enum status anthropic_request(const struct llm_request *r, const char *model, struct buf *out,
                              struct cause *why) MUST_CHECK;

/* Adds "name: value" lines. Wipe them after use: one holds the key. */
void anthropic_headers(const char *key, struct strv *out);

/* Bounds of one answer; past them it is STATUS_LIMIT. */
#define ANTHROPIC_BLOCKS_MAX ((size_t)256)
#define ANTHROPIC_INPUT_MAX ((size_t)1 << 20)     /* of one tool call */
#define ANTHROPIC_RESPONSE_MAX ((size_t)32 << 20) /* of everything */

/* What an error event says; valid UTF-8, else as received: clean it before showing it. */
struct anthropic_error {
    char type[64];
    char message[1024];
};

struct anthropic_stream;
/* `ev` is lent for the stream's life; only its pieces are called (text, thinking, tool start and
 * input). */
struct anthropic_stream *anthropic_stream_new(const struct llm_events *ev, void *arg);
void anthropic_stream_free(struct anthropic_stream **s);

/* What an event did. X(NAME) */
enum anthropic_step {
    ANTHROPIC_MORE,  /* go on */
    ANTHROPIC_DONE,  /* message_stop: the response is complete */
    ANTHROPIC_ERROR, /* an error event: see anthropic_stream_error() */
    ANTHROPIC_BAD    /* not the protocol, or too large: see `why` */
};
enum anthropic_step anthropic_event(struct anthropic_stream *s, const struct sse_event *e,
                                    struct cause *why) MUST_CHECK;
const struct anthropic_error *anthropic_stream_error(const struct anthropic_stream *s);

bool anthropic_stream_stopped(const struct anthropic_stream *s);   /* a stop reason has come */
bool anthropic_stream_delivered(const struct anthropic_stream *s); /* some piece was passed on */
/* What was used so far, without cost. Where the provider's last word on it is missing, the tokens
 * that came are counted at four bytes each and it is marked as an estimate. */
void anthropic_stream_usage(const struct anthropic_stream *s, struct llm_usage *out);
/* Moves the answer out; its usage as above. The stream is of no use after that. */
void anthropic_stream_take(struct anthropic_stream *s, struct llm_response *out);

#endif
