/* batch: the writes of a turn as bytes, and how they are run in one transaction. Knows nothing of
 * threads or of who waits. */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

/* Operations in order; their sequence numbers are first, first + 1, ... */
struct batch {
    struct buf ops;
    uint64_t first;
    uint64_t count;
    size_t open; /* where the operation under construction begins */
};

/* Appends an operation: begin, its arguments in order, end. Everything is copied. */
void batch_begin(struct batch *b, unsigned query);
void batch_int(struct batch *b, int64_t v);
void batch_real(struct batch *b, double v);
void batch_text(struct batch *b, const char *v, size_t n);
void batch_blob(struct batch *b, const void *v, size_t n);
void batch_null(struct batch *b);
void batch_refused(struct batch *b); /* NULL where none may be: the operation will fail */
void batch_end(struct batch *b);
void batch_drop(struct batch *b); /* forgets the one under construction */
void batch_reset(struct batch *b);
void batch_free(struct batch *b);

/* An operation that failed alone. */
struct batch_failure {
    uint64_t seq;
    enum status status;
    struct cause why;
};

struct batch_result {
    bool again; /* nothing of it is stored: to be run again, for the reason in why */
    enum status status;
    struct cause why;
    struct batch_failure *failures; /* owned by the result, in order */
    size_t nfailures;
    int64_t start_ns, end_ns; /* clock_mono_ns() */
};
void batch_result_free(struct batch_result *r);

/* Runs b on db, whose statements are cached in cache[store_query_count]. */
void batch_run(const struct batch *b, sqlite3 *db, sqlite3_stmt **cache, struct batch_result *out);

#endif
