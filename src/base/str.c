/* str: small questions about C strings, and vectors of them. */
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

bool str_eq(const char *a, const char *b) {
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_prefix(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_suffix(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_empty(const char *s) { return !s || !*s; }

enum status str_to_i64(const char *s, int64_t *out) {
    const char *p = s;
    bool negative = *p == '-';
    if (negative)
        p++;
    if (!*p)
        return STATUS_INVALID;
    /* Counted downwards: INT64_MIN has no positive twin. */
    int64_t value = 0;
    for (; *p; p++) {
        if (*p < '0' || *p > '9')
            return STATUS_INVALID;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *p - '0', &value))
            return STATUS_INVALID;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return STATUS_INVALID;
    *out = value;
    return STATUS_OK;
}

enum status str_to_double(const char *s, double *out) {
    /* strtod also takes white space, hex, "inf" and "nan": allow decimal notation only. */
    if (!*s || s[strspn(s, "0123456789+-.eE")])
        return STATUS_INVALID;
    if (*s == '+')
        return STATUS_INVALID;
    char *end;
    errno = 0;
    double value = strtod(s, &end);
    if (end == s || *end || !isfinite(value))
        return STATUS_INVALID;
    *out = value;
    return STATUS_OK;
}

/* Optimal string alignment: insertion, deletion, substitution and a swap of neighbours cost 1 each.
 */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m) {
    size_t rows[3][STR_DISTANCE_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[m];
}

size_t str_distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    return n > STR_DISTANCE_MAX || m > STR_DISTANCE_MAX ? SIZE_MAX : edit_distance(a, n, b, m);
}

const char *str_nearest(const char *s, const char *const *names, size_t n) {
    size_t len = strlen(s);
    if (!len || len > STR_DISTANCE_MAX)
        return NULL;
    size_t allowed = len / 3 > 2 ? len / 3 : 2;
    /* An answer that shares nothing with the question helps nobody. */
    if (allowed >= len)
        allowed = len - 1;
    const char *best = NULL;
    size_t best_distance = allowed + 1;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(names[i]);
        if (m > STR_DISTANCE_MAX)
            continue;
        size_t d = edit_distance(s, len, names[i], m);
        if (d < best_distance) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

static void strv_take(struct strv *v, char *s) {
    if (v->n + 2 > v->cap) {
        v->cap = v->cap ? v->cap * 2 : 8;
        v->v = xreallocarray(v->v, v->cap, sizeof(*v->v));
    }
    v->v[v->n++] = s;
    v->v[v->n] = NULL;
}

void strv_push(struct strv *v, const char *s) { strv_take(v, xstrdup(s)); }

void strv_pushf(struct strv *v, const char *fmt, ...) {
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    strv_take(v, buf_steal(&b));
}

void strv_free(struct strv *v) {
    for (size_t i = 0; i < v->n; i++)
        free(v->v[i]);
    free(v->v);
    *v = (struct strv){0};
}
