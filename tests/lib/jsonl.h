/* jsonl: lines of JSON as tests look at them: `exec --json`, `ps --json`, the fake's log. */
#ifndef TESTLIB_JSONL_H
#define TESTLIB_JSONL_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* An array of the objects, one a line. Fails the test when a line is not exactly one JSON object. A
 * last line without newline fails too, unless it is empty. The caller deletes. */
cJSON *jsonl_parse(const char *text);
/* How many have "type" = type. */
int jsonl_count(const cJSON *lines, const char *type);
/* The nth (from 0) of that type, or NULL. Lent. */
const cJSON *jsonl_nth(const cJSON *lines, const char *type, int nth);
/* The place of the nth of that type in the array; -1 when there is none: for questions of order. */
int jsonl_index(const cJSON *lines, const char *type, int nth);
/* The same as jsonl_nth() but fails the test, with all types that were there. */
const cJSON *jsonl_must(const cJSON *lines, const char *type, int nth);

#endif
