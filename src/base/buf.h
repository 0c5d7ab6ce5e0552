/* buf: a growing byte string. `data` is NULL while empty and never grown, else NUL-terminated. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/status.h"

struct buf {
    char *data;
    size_t len; /* bytes used, the terminator not counted */
    size_t cap;
};

/* clang-format off */
#define BUF_INIT {0}
/* clang-format on */

void buf_append(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Makes room for `n` more bytes and returns where they go; add them with buf_added(). */
char *buf_room(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
/* Drops the first `n` bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* Cuts to `n` bytes (n <= len). */
void buf_truncate(struct buf *b, size_t n);
/* Length 0, memory kept. */
void buf_reset(struct buf *b);
/* Memory given back; the buf can be used again. */
void buf_free(struct buf *b);
/* The text, never NULL ("" when empty). Lent until the next change. */
const char *buf_str(const struct buf *b);
/* Gives back the room that is left: for what will not grow any more. */
void buf_fit(struct buf *b);
/* Gives the text away as a NUL-terminated string that the caller frees; the buf is empty after. */
char *buf_steal(struct buf *b);

#endif
