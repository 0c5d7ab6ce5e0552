/* arg_stream: reads one top-level string member out of JSON that arrives in pieces, so that a reply
 * can be shown while its tool call is still being written. Tolerates any garbage; allocates only
 * its output. */
#ifndef LLM_ARG_STREAM_H
#define LLM_ARG_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct arg_stream {
    const char *key; /* lent, e.g. "content" */
    int state, depth;
    bool done;          /* the value has ended; nothing more comes */
    struct buf token;   /* the key being read; bounded by the length of `key` */
    unsigned surrogate; /* the first half of a pair, waiting for the second */
    unsigned hex, nhex; /* a \u escape being read */
    char tail[4];       /* a character whose end has not arrived */
    size_t ntail;
};
void arg_stream_init(struct arg_stream *s, const char *key);
void arg_stream_free(struct arg_stream *s);
/* Appends to `out` what has become readable of the value (decoded; whole UTF-8 characters; what is
 * none becomes U+FFFD). The first member of that name counts, as it does for whoever parses the
 * whole; a value that is no string gives nothing. */
void arg_stream_feed(struct arg_stream *s, const char *fragment, size_t n, struct buf *out);

#endif
