/* status: how a call went. Every failure but lack of memory is a value that the caller looks at,
 * with a cause that a person can read. Nothing here knows of any other room. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

/* X(NAME, "name"): the whole list; stored and printed by name, never by number. */
#define STATUS_TABLE(X)                                                                            \
    X(OK, "ok")                                                                                    \
    X(INVALID, "invalid") /* input that is wrong; the cause names the place */                     \
    X(NOT_FOUND, "not_found")                                                                      \
    X(EXISTS, "exists")                                                                            \
    X(DENIED, "denied")                                                                            \
    X(LIMIT, "limit") /* a bound was reached */                                                    \
    X(TIMEOUT, "timeout")                                                                          \
    X(CANCELLED, "cancelled")                                                                      \
    X(IO, "io")             /* the system refused */                                               \
    X(PROTOCOL, "protocol") /* the other side said something it may not */                         \
    X(CONFIG, "config")                                                                            \
    X(PROVIDER, "provider")       /* a model provider failed */                                    \
    X(UNAVAILABLE, "unavailable") /* not there now; may come */                                    \
    X(GONE, "gone")               /* a handle whose process has ended */

enum status {
#define X(name, text) STATUS_##name,
    STATUS_TABLE(X)
#undef X
};

/* Why a call failed, for a person: one line, no newline, at most 511 bytes (cut at a UTF-8
 * boundary). */
struct cause {
    char text[512];
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* The name of a status ("ok", "invalid", ...). Static storage. */
const char *status_name(enum status s);

/* Writes the cause; `why` may be NULL. Returns `s`, so that `return cause_set(why, STATUS_IO, ...)`
 * reads well. */
enum status cause_set(struct cause *why, enum status s, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with strerror(err) behind ": ". */
enum status cause_errno(struct cause *why, enum status s, int err, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

#endif
