/* log: one line a message to the home's log file; warnings and errors also to whoever listens. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/status.h"

/* clang-format off */
#define LOG_LEVEL_TABLE(X)                                                                         \
    X(DEBUG, "debug")                                                                              \
    X(INFO, "info")                                                                                \
    X(WARN, "warn")                                                                                \
    X(ERROR, "error")
/* clang-format on */
enum log_level {
#define X(name, text) LOG_##name,
    LOG_LEVEL_TABLE(X)
#undef X
};

/* Appends to `path` (0600, O_APPEND); before, and without it, messages go to stderr. */
enum status log_open(const char *path, struct cause *why) MUST_CHECK;
void log_close(void);
void log_set_level(enum log_level least);
/* Called on the logging thread for WARN and ERROR, text without newline. One listener. */
void log_set_listener(void (*fn)(void *arg, enum log_level, const char *text), void *arg);
/* "2026-…Z warn text\n" in one write(2); control characters made visible; thread-safe. */
void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
