/* buf: a growing byte string, NUL-terminated at all times once it has memory. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

char *buf_room(struct buf *b, size_t n) {
    if (n >= SIZE_MAX / 2 - b->len)
        (void)xreallocarray(NULL, SIZE_MAX, 2); /* cannot be had: ends here like any other lack */
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap += cap / 2;
        b->data = xrealloc(b->data, cap);
        b->cap = cap;
        b->data[b->len] = '\0';
    }
    return b->data + b->len;
}

void buf_added(struct buf *b, size_t n) {
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_append(struct buf *b, const void *data, size_t n) {
    if (!n)
        return;
    char *to = buf_room(b, n);
    memcpy(to, data, n);
    buf_added(b, n);
}

void buf_puts(struct buf *b, const char *s) { buf_append(b, s, strlen(s)); }

void buf_putc(struct buf *b, char c) {
    *buf_room(b, 1) = c;
    buf_added(b, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    char *to = buf_room(b, 127);
    size_t room = b->cap - b->len;
    int n = vsnprintf(to, room, fmt, ap);
    if (n >= 0 && (size_t)n >= room) {
        to = buf_room(b, (size_t)n);
        n = vsnprintf(to, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n < 0)
        b->data[b->len] = '\0'; /* a format the C library refuses adds nothing */
    else
        buf_added(b, (size_t)n);
}

void buf_consume(struct buf *b, size_t n) {
    if (!n)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len + 1);
}

void buf_truncate(struct buf *b, size_t n) {
    if (!b->data)
        return;
    b->len = n;
    b->data[n] = '\0';
}

void buf_reset(struct buf *b) { buf_truncate(b, 0); }

void buf_free(struct buf *b) {
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

const char *buf_str(const struct buf *b) { return b->data ? b->data : ""; }

void buf_fit(struct buf *b) {
    if (b->cap > b->len + 1 + b->len / 16) {
        b->cap = b->len + 1;
        b->data = xrealloc(b->data, b->cap);
    }
}

char *buf_steal(struct buf *b) {
    buf_fit(b); /* who steals, keeps */
    char *s = b->data ? b->data : xstrdup("");
    *b = (struct buf)BUF_INIT;
    return s;
}
