/* log: one line a message. A line is made in memory of its own and leaves in one write(2) on an
 * O_APPEND descriptor, so threads need no lock. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#define MESSAGE_MAX 8192 /* bytes of a message; what is longer is cut and marked */

static atomic_int log_fd = -1;
static atomic_int log_least = LOG_INFO;

typedef void listener_fn(void *arg, enum log_level, const char *text);
static _Atomic(listener_fn *) listener;
static _Atomic(void *) listener_arg;

enum status log_open(const char *path, struct cause *why) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return cause_errno(why, STATUS_IO, errno, "%s", path);
    log_close();
    atomic_store(&log_fd, fd);
    return STATUS_OK;
}

void log_close(void) {
    int fd = atomic_exchange(&log_fd, -1);
    if (fd >= 0)
        close(fd);
}

void log_set_level(enum log_level least) { atomic_store(&log_least, (int)least); }

void log_set_listener(void (*fn)(void *arg, enum log_level, const char *text), void *arg) {
    /* Off first, so that no thread pairs the old function with the new argument. */
    atomic_store(&listener, NULL);
    atomic_store(&listener_arg, arg);
    atomic_store(&listener, fn);
}

static const char *level_name(enum log_level level) {
    switch (level) {
#define X(name, text)                                                                              \
    case LOG_##name:                                                                               \
        return text;
        LOG_LEVEL_TABLE(X)
#undef X
    }
    return "?";
}

void log_write(enum log_level level, const char *fmt, ...) {
    if ((int)level < atomic_load_explicit(&log_least, memory_order_relaxed))
        return;
    int saved = errno; /* a message must not change what its caller looks at next */
    struct buf raw = BUF_INIT, line = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&raw, fmt, ap);
    va_end(ap);

    char when[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), when);
    buf_printf(&line, "%s %s ", when, level_name(level));
    size_t text_at = line.len;
    size_t keep = utf8_cut(buf_str(&raw), raw.len, MESSAGE_MAX);
    utf8_append_visible(&line, buf_str(&raw), keep);
    /* One message, one line: what append_visible leaves as it is, is made visible here. */
    for (size_t i = text_at; i < line.len; i++)
        if (line.data[i] == '\n' || line.data[i] == '\t')
            line.data[i] = ' ';
    if (keep < raw.len)
        buf_puts(&line, " [cut]");

    size_t text_len = line.len;
    buf_putc(&line, '\n');
    int fd = atomic_load(&log_fd);
    ssize_t n = write(fd >= 0 ? fd : STDERR_FILENO, line.data, line.len);
    (void)n; /* a full disk must not stop the program; there is nowhere to say so */

    listener_fn *fn = atomic_load(&listener);
    if (fn && level >= LOG_WARN) {
        buf_truncate(&line, text_len);
        fn(atomic_load(&listener_arg), level, line.data + text_at);
    }
    buf_free(&raw);
    buf_free(&line);
    errno = saved;
}
