/* responses: the Responses format of the fake provider: refuses what the real API refuses, and
 * turns a request into the shape that scenarios look at. */
#ifndef FAKE_RESPONSES_H
#define FAKE_RESPONSES_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/status.h"

/* False with the API's kind of message in why. */
bool responses_check(const cJSON *root, struct cause *why);
/* The same request as a Messages one, for request_read(); of a tree that responses_check() has
 * passed. The caller deletes. */
cJSON *responses_translate(const cJSON *root);

#endif
