/* json: reading and writing cJSON trees without ten checks at each place. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Parses exactly text[0..n): nothing but white space may follow; depth at most 64; invalid UTF-8
 * and embedded NUL refused. The caller owns *out (cJSON_Delete). The cause names the byte offset.
 */
enum status json_parse(const char *text, size_t n, cJSON **out, struct cause *why) MUST_CHECK;

/* Members of an object; the fallback when absent or of another type. Lent. `obj` may be NULL. */
const char *json_str(const cJSON *obj, const char *key, const char *fallback);
int64_t json_i64(const cJSON *obj, const char *key, int64_t fallback); /* clamped, fraction cut */
double json_num(const cJSON *obj, const char *key, double fallback);
bool json_bool(const cJSON *obj, const char *key, bool fallback);
const cJSON *json_obj(const cJSON *obj, const char *key); /* NULL unless an object */
const cJSON *json_arr(const cJSON *obj, const char *key); /* NULL unless an array */

/* Adders; end the program when memory runs out. A NULL string becomes JSON null. */
void json_add_str(cJSON *obj, const char *key, const char *value);
void json_add_i64(cJSON *obj, const char *key, int64_t value);
void json_add_num(cJSON *obj, const char *key, double value);
void json_add_bool(cJSON *obj, const char *key, bool value);
void json_add_null(cJSON *obj, const char *key);
cJSON *json_add_obj(cJSON *obj, const char *key);
cJSON *json_add_arr(cJSON *obj, const char *key);
cJSON *json_new_obj(void);
cJSON *json_new_arr(void);

/* One line, no trailing newline; the caller frees. */
char *json_print(const cJSON *item);

/* Appends s[0..n) as a quoted JSON string; invalid UTF-8 becomes U+FFFD. */
struct buf;
void json_quote(struct buf *out, const char *s, size_t n);

#endif
