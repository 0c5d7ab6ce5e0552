/* arg_stream: reads one top-level string member out of JSON that arrives in pieces, so that a reply can be shown
 * while its tool call is still being written. Tolerates any garbage; allocates only its output. */
#ifndef LLM_ARG_STREAM_H
#define LLM_ARG_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct arg_stream {
    const char *key; /* lent, e.g. "content" */
    int state, depth;
    bool done;
    struct buf token; /* the key or escape being read; bounded */
    unsigned surrogate;
};
void arg_stream_init(struct arg_stream *s, const char *key);
void arg_stream_free(struct arg_stream *s);
/* Appends to `out` what has become readable of the value (decoded; whole UTF-8 characters). */
void arg_stream_feed(struct arg_stream *s, const char *fragment, size_t n, struct buf *out);

#endif
