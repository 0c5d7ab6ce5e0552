/* store: the one SQLite file and who may touch it. One writer thread owns the only write
 * connection; the loop has a read connection for history. The functions that read (q_*) and write
 * (store_*) rows are generated from store/queries into "store/queries.gen.h"; no SQL text is in any
 * .c file.
 *
 * A write copies its arguments into the turn's batch and returns its sequence number at once. In
 * PHASE_COMMIT the batch goes to the writer (at most one is in flight; what comes meanwhile is the
 * next one), which commits it with one sync. Whoever must not speak before a write is safe waits
 * with store_after(). All writes of one turn are in one transaction: after a crash either all of
 * them are there or none.
 *
 * All functions are for the loop's thread; none blocks, but store_open(), store_drain() and
 * store_close(). */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "loop/loop.h"

struct store;
struct store_read;  /* a read-only connection with its cached statements; one thread at a time */
struct store_after; /* one who waits for a sequence number */

/* Opens or creates the store (0600) and brings its schema up to date. Only the holder of the home's
 * lock may. Refused with a sentence for people and the file left as it was: STATUS_INVALID for a
 * file that is not ours, is damaged, or was written by a newer version; STATUS_IO when the system
 * refuses; STATUS_UNAVAILABLE when another program holds its write lock. On an inline loop there is
 * no thread: batches run in PHASE_COMMIT. */
enum status store_open(struct loop *l, const char *path, struct store **out,
                       struct cause *why) MUST_CHECK;

/* Blocks until everything written so far is committed, and calls the waiting callbacks.
 * STATUS_TIMEOUT after `max_wait_ns` (real time; retries of a paused store count), with what keeps
 * it. */
enum status store_drain(struct store *s, int64_t max_wait_ns, struct cause *why) MUST_CHECK;

/* Drains (at most 5 s), truncates the write-ahead log, and frees. No callback is called any more:
 * who wants the last ones calls store_drain() first. Not OK: writes were lost, and the cause says
 * how many and why. NULL is fine; sets NULL. Read connections that store_read() lent are gone with
 * it. */
enum status store_close(struct store **s, struct cause *why);

/* --- Writing
 * ------------------------------------------------------------------------------------------------
 * uint64_t store_<name>(struct store *s, arguments…): more than six arguments come in a struct
 * store_<name>. Returns the sequence number, counting from 1 in each run of the program; 0 when the
 * queue is full (below). NULL text for a column that may not be NULL fails that operation. */

/* Most bytes that wait for the writer, the batch in flight included. A write that would pass it is
 * refused and returns 0, and so are all further ones until the queue has fallen to half, so that no
 * later write overtakes a refused one; the state is STORE_FULL meanwhile (a single write larger
 * than half the bound may be refused alone). Only a store that is paused or a very slow disk comes
 * here. */
#define STORE_QUEUE_MAX (64u * 1024u * 1024u)

uint64_t store_seq(const struct store *s); /* last issued; 0: none */
uint64_t
store_committed(const struct store *s); /* everything up to here is on disk, or failed alone */
size_t store_pending_bytes(const struct store *s);

/* Calls fn once, from a later stage or turn of the loop and never from within this call, when
 * everything up to `seq` is decided: STATUS_OK with why "" when operation `seq` itself is on disk;
 * STATUS_EXISTS, STATUS_INVALID or STATUS_NOT_FOUND (a guarded update met no row) when that
 * operation failed alone, with the reason. seq 0 (a refused write) gives STATUS_LIMIT, one that was
 * never issued STATUS_INVALID. Callbacks come in order of seq, then of registration. Of failed
 * operations that nobody waited for at their commit the last 256 are remembered. */
typedef void store_after_fn(void *arg, enum status st, const char *why);
struct store_after *store_after(struct store *s, uint64_t seq, store_after_fn *fn, void *arg);
/* Not called any more. The handle is dead once fn was called: fn forgets it first. NULL is fine;
 * sets NULL. */
void store_after_cancel(struct store_after **a);

/* X(NAME, "name") */
#define STORE_STATE_TABLE(X)                                                                       \
    X(RUNNING, "running")                                                                          \
    X(PAUSED, "paused") /* the disk is full or refuses: the batch is kept and tried again */       \
    X(FULL, "full")     /* paused or slow for so long that writes are refused */
enum store_state {
#define X(name, text) STORE_##name,
    STORE_STATE_TABLE(X)
#undef X
};
const char *store_state_name(enum store_state st);
enum store_state store_state(const struct store *s);
/* Why it is paused or full, for people; "" while running. */
const char *store_state_why(const struct store *s);
/* One listener: called when the state changes. While not RUNNING nothing new should be started. */
typedef void store_state_fn(void *arg, enum store_state st, const char *why);
void store_on_state(struct store *s, store_state_fn *fn, void *arg);

/* One listener: called for each attempt to write a batch, with clock_mono_ns() times taken on the
 * writer. A STATUS_IO or STATUS_UNAVAILABLE attempt will be repeated; OK ones may contain
 * operations that failed alone. */
typedef void store_batch_fn(void *arg, uint64_t rows, int64_t start_ns, int64_t end_ns,
                            enum status st);
void store_on_batch(struct store *s, store_batch_fn *fn, void *arg);

/* Bytes on disk: the file and its write-ahead log. */
int64_t store_bytes(const struct store *s);
const char *store_path(const struct store *s);

/* --- Reading
 * ------------------------------------------------------------------------------------------------
 * enum status q_<name>(struct store_read *r, arguments…, row function, arg, why) for many rows: the
 * row is lent for the call, and false from the function ends the query with STATUS_OK. For one row:
 * q_<name>(r, arguments…, &row, why), STATUS_NOT_FOUND when there is none (row zeroed, why
 * untouched); its text is owned: q_<name>_free(&row). Rows are struct q_<name>_row. Queries may be
 * nested. STATUS_TIMEOUT when one runs over the limit. */

/* The loop's own read connection; lent. It does not see a write before that is committed. */
struct store_read *store_read(struct store *s);

/* A read-only connection without an engine, or for a job; beside a running engine it sees what is
 * committed. Refuses what store_open() refuses, and a store of an older schema
 * (STATUS_UNAVAILABLE); STATUS_NOT_FOUND when there is no file. */
enum status store_open_readonly(const char *path, struct store_read **out,
                                struct cause *why) MUST_CHECK;
void store_read_close(struct store_read **r);

/* A query may take this long (real time) before it is cut; not in inline mode. 0: no limit, for
 * jobs and verbs without an engine. The loop's connection starts with STORE_READ_LIMIT_NS, others
 * with 0. */
#define STORE_READ_LIMIT_NS (INT64_C(50) * 1000 * 1000)
void store_read_limit(struct store_read *r, int64_t limit_ns);

#endif
