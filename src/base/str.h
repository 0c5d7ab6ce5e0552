/* str: small questions about C strings, and vectors of them. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_prefix(const char *s, const char *prefix);
bool str_suffix(const char *s, const char *suffix);
bool str_empty(const char *s); /* NULL or "" */

/* Whole-string decimal; rejects space, sign where unsigned, overflow, trailing text. */
enum status str_to_i64(const char *s, int64_t *out) MUST_CHECK;
enum status str_to_double(const char *s, double *out) MUST_CHECK;

/* Edit distance: insertion, deletion, substitution and a swap of neighbours cost 1 each. SIZE_MAX
 * where one is longer than STR_DISTANCE_MAX bytes. */
#define STR_DISTANCE_MAX 64u
size_t str_distance(const char *a, const char *b);

/* The entry of names[0..n) nearest to `s` by edit distance (at most a third of its length, at least
 * 2 edits allowed), or NULL: for "unknown X, did you mean Y". */
const char *str_nearest(const char *s, const char *const *names, size_t n);

/* A growing vector of owned strings, NULL-terminated (fit for execve). */
struct strv {
    char **v;
    size_t n, cap;
};
void strv_push(struct strv *v, const char *s);
void strv_pushf(struct strv *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strv_free(struct strv *v);

#endif
