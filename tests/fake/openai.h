/* openai: the Chat Completions format of the fake provider: refuses what strict
 * servers refuse, and turns a request into the shape that scenarios look at. */
#ifndef FAKE_OPENAI_H
#define FAKE_OPENAI_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/status.h"

/* False with the API's kind of message in why. */
bool openai_check(const cJSON *root, struct cause *why);
/* The same request as a Messages one, for request_read(); of a tree that openai_check() has passed.
 * The caller deletes. */
cJSON *openai_translate(const cJSON *root);

/* Errors as both of OpenAI's APIs have them, see struct dialect. */
char *openai_error(int status, const char *type, const char *message);

#endif
