/* status: names of results, and causes for people. */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *status_name(enum status s) {
    switch (s) {
#define X(name, text)                                                                              \
    case STATUS_##name:                                                                            \
        return text;
        STATUS_TABLE(X)
#undef X
    }
    return "?";
}

/* vsnprintf may have cut inside a character; and a cause is one line whatever went into it. */
static void cause_tidy(struct cause *why) {
    size_t len = strlen(why->text);
    if (len == sizeof(why->text) - 1) {
        /* A cut sequence is at most three bytes of the last four. */
        size_t from = len - 4;
        while (from < len && ((unsigned char)why->text[from] & 0xC0) == 0x80)
            from++;
        while (from < len) {
            uint32_t cp;
            int n = utf8_decode(why->text + from, len - from, &cp);
            if (n == 0)
                break;
            from += n < 0 ? 1u : (size_t)n;
        }
        why->text[from < len ? from : len] = '\0';
    }
    for (char *p = why->text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
}

enum status cause_set(struct cause *why, enum status s, const char *fmt, ...) {
    if (!why)
        return s;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(why->text, sizeof(why->text), fmt, ap) < 0)
        why->text[0] = '\0';
    va_end(ap);
    cause_tidy(why);
    return s;
}

/* strerror_r comes in two shapes; overloading on the result type is not C, so go by what is asked
 * for: with _GNU_SOURCE (always, see configure) it returns the text. */
enum status cause_errno(struct cause *why, enum status s, int err, const char *fmt, ...) {
    if (!why)
        return s;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(why->text, sizeof(why->text), fmt, ap) < 0)
        why->text[0] = '\0';
    va_end(ap);
    size_t len = strlen(why->text);
    char name[128];
    snprintf(why->text + len, sizeof(why->text) - len, ": %s", strerror_r(err, name, sizeof(name)));
    cause_tidy(why);
    return s;
}
