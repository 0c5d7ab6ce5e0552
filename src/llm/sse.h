/* sse: framing of server-sent events by the WHATWG rules (HTML, section 9.2.6), byte by byte: how
 * the stream was cut into pieces never changes what comes out. Bytes only: what the data means, and
 * whether it is UTF-8, is the decoder's business. */
#ifndef LLM_SSE_H
#define LLM_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The most bytes that one event (and one line) may have, where the caller names no other bound. */
#define SSE_EVENT_MAX ((size_t)4 << 20)

/* Lent for the callback; NUL-terminated behind their last byte. */
struct sse_event {
    const char *type; /* "message" when the stream named none */
    const char *data; /* lines joined by \n; may hold NUL and anything else but CR */
    size_t n;
    const char *id; /* the last event id of the stream, "" at first */
};
/* Returns false to leave the rest of the bytes alone. */
typedef bool sse_fn(void *arg, const struct sse_event *e);

/* Its buffers grow to the longest line and event and are used again: nothing is allocated an event.
 */
struct sse {
    struct buf line; /* the beginning of a line whose end has not arrived */
    struct buf data, type, id;
    size_t max;
    int64_t retry_ms; /* what the stream last asked for; -1 when nothing */
    bool has_data;    /* a data field came, an empty one too */
    bool skip_lf;     /* the last byte was CR: a LF now belongs to it */
    unsigned bom;     /* bytes of the byte order mark seen; 3: past the beginning */
    bool failed;
};

/* `max`: 0 is SSE_EVENT_MAX. */
void sse_init(struct sse *s, size_t max);
void sse_free(struct sse *s);

/* Takes the next bytes and calls fn for each event that they complete; one that the stream's end
 * cuts off never comes. STATUS_LIMIT when a line or an event passes `max`: the stream is of no use
 * after that, every further call says the same. STATUS_CANCELLED when fn returned false; then
 * neither is the rest to be fed. */
enum status sse_feed(struct sse *s, const char *bytes, size_t n, sse_fn *fn, void *arg,
                     struct cause *why) MUST_CHECK;

#endif
