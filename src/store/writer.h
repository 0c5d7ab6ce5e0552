/* writer: the thread that owns the write connection. It takes one batch, runs it, says so, and uses
 * the time between batches for checkpoints. All locking of the store is in writer.c. */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <sqlite3.h>

#include "loop/loop.h"
#include "store/batch.h"

struct writer;

/* Takes db. Without a thread (inline loops) a batch runs when its result is taken. */
struct writer *writer_new(sqlite3 *db, struct loop *l);
/* Hands b over; it belongs to the writer until writer_take() returns true. One at a time. */
void writer_give(struct writer *w, const struct batch *b);
/* True when the batch that was given has been run: its result, once. */
bool writer_take(struct writer *w, struct batch_result *out);
/* Blocks until writer_take() will return true, or the real time `until_ns`. */
void writer_wait(struct writer *w, int64_t until_ns);
/* Ends the thread once it is done with what it has, truncates the log, closes the connection. */
void writer_free(struct writer **w);

#endif
