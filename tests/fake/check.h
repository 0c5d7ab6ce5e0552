/* check: refuses what the real Messages API refuses, so that no test passes with a request that
 * would fail in a person's hands. Looks at a parsed body only. */
#ifndef FAKE_CHECK_H
#define FAKE_CHECK_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/status.h"

/* False with the API's kind of message ("messages.1.content.0: …") in why. */
bool check_request(const cJSON *root, struct cause *why);

/* The signature that belongs to a thinking text; check_request() refuses any other one in a
 * history. */
#define CHECK_SIGNATURE_SIZE 32
void check_signature(const char *thinking, char out[CHECK_SIGNATURE_SIZE]);

#endif
