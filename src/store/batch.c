/* batch: see batch.h. An operation is its query, then for each argument a tag and its bytes, then
 * an end tag; lengths are eight bytes; nothing is aligned. */
#include "store/batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/queries.gen.h"
#include "store/query.h"

enum tag { TAG_END, TAG_INT, TAG_REAL, TAG_TEXT, TAG_BLOB, TAG_NULL, TAG_REFUSED };

/* A batch's memory is kept for the next one up to this size. */
#define KEEP_BYTES (1024u * 1024u)

/* ---- building ---- */

void batch_begin(struct batch *b, unsigned query) {
    b->open = b->ops.len;
    buf_append(&b->ops, &query, sizeof(query));
}

static void tagged(struct batch *b, enum tag tag, const void *v, size_t n) {
    buf_putc(&b->ops, (char)tag);
    buf_append(&b->ops, v, n);
}

void batch_int(struct batch *b, int64_t v) { tagged(b, TAG_INT, &v, sizeof(v)); }
void batch_real(struct batch *b, double v) { tagged(b, TAG_REAL, &v, sizeof(v)); }
void batch_null(struct batch *b) { buf_putc(&b->ops, (char)TAG_NULL); }
void batch_refused(struct batch *b) { buf_putc(&b->ops, (char)TAG_REFUSED); }

void batch_text(struct batch *b, const char *v, size_t n) {
    tagged(b, TAG_TEXT, &n, sizeof(n));
    buf_append(&b->ops, v, n);
}

void batch_blob(struct batch *b, const void *v, size_t n) {
    tagged(b, TAG_BLOB, &n, sizeof(n));
    if (n)
        buf_append(&b->ops, v, n);
}

void batch_end(struct batch *b) {
    buf_putc(&b->ops, (char)TAG_END);
    b->count++;
}

void batch_drop(struct batch *b) { buf_truncate(&b->ops, b->open); }

void batch_reset(struct batch *b) {
    if (b->ops.cap > KEEP_BYTES)
        buf_free(&b->ops);
    else
        buf_reset(&b->ops);
    b->count = 0;
}

void batch_free(struct batch *b) { buf_free(&b->ops); }

void batch_result_free(struct batch_result *r) {
    x_free(&r->failures);
    *r = (struct batch_result){0};
}

/* ---- running ---- */

struct reader {
    const char *at;
};

static void take(struct reader *r, void *out, size_t n) {
    memcpy(out, r->at, n);
    r->at += n;
}

struct run {
    sqlite3 *db;
    sqlite3_stmt **cache;
    struct batch_result *out;
    size_t known; /* failures of an earlier pass: those operations are left out */
};

static void fail(struct run *run, uint64_t seq, unsigned query, enum status st, const char *text) {
    struct batch_result *out = run->out;
    out->failures = xreallocarray(out->failures, out->nfailures + 1, sizeof(*out->failures));
    struct batch_failure *f = &out->failures[out->nfailures++];
    f->seq = seq;
    f->status = cause_set(&f->why, st, "%s: %s", store_queries[query].name, text);
}

static bool has_failed(const struct run *run, uint64_t seq) {
    for (size_t i = 0; i < run->known; i++)
        if (run->out->failures[i].seq == seq)
            return true;
    return false;
}

/* Errors of the operation itself: it would fail the same way each time. All others may pass by. */
static bool is_its_own(int rc) {
    if (rc == SQLITE_CORRUPT_VTAB) /* a full-text index: the rest of the store goes on without it */
        return true;
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
        return true;
    }
    return false;
}

/* The prepared statement of a query, or NULL and *rc. */
static sqlite3_stmt *statement(struct run *run, unsigned query, int *rc) {
    *rc = SQLITE_OK;
    if (!run->cache[query])
        *rc = sqlite3_prepare_v3(run->db, store_queries[query].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                 &run->cache[query], NULL);
    return run->cache[query];
}

/* Binds what follows in r, lent until the statement is reset. Always reads to the operation's end;
 * st may be NULL. *refused: the parameter that was NULL, or 0. */
static int bind_all(struct reader *r, sqlite3_stmt *st, int *refused) {
    int rc = SQLITE_OK;
    *refused = 0;
    for (int i = 1;; i++) {
        enum tag tag = (enum tag)(unsigned char)*r->at++;
        int64_t integer;
        double real;
        size_t n;
        int got = SQLITE_OK;
        switch (tag) {
        case TAG_END:
            return rc;
        case TAG_INT:
            take(r, &integer, sizeof(integer));
            got = st ? sqlite3_bind_int64(st, i, integer) : SQLITE_OK;
            break;
        case TAG_REAL:
            take(r, &real, sizeof(real));
            got = st ? sqlite3_bind_double(st, i, real) : SQLITE_OK;
            break;
        case TAG_TEXT:
            take(r, &n, sizeof(n));
            got = st ? sqlite3_bind_text64(st, i, r->at, n, SQLITE_STATIC, SQLITE_UTF8) : SQLITE_OK;
            r->at += n;
            break;
        case TAG_BLOB:
            take(r, &n, sizeof(n));
            got = st ? sqlite3_bind_blob64(st, i, r->at, n, SQLITE_STATIC) : SQLITE_OK;
            r->at += n;
            break;
        case TAG_NULL:
            got = st ? sqlite3_bind_null(st, i) : SQLITE_OK;
            break;
        case TAG_REFUSED:
            *refused = i;
            break;
        }
        if (rc == SQLITE_OK)
            rc = got;
    }
}

/* One operation. SQLITE_OK also when it failed alone; else the batch cannot go on. */
static int run_one(struct run *run, struct reader *r, uint64_t seq) {
    unsigned query;
    take(r, &query, sizeof(query));
    int rc = SQLITE_OK, refused;
    sqlite3_stmt *st = has_failed(run, seq) ? NULL : statement(run, query, &rc);
    int bound = bind_all(r, st, &refused);
    if (has_failed(run, seq))
        return SQLITE_OK;
    bool met = true;
    if (refused) {
        char text[96];
        snprintf(text, sizeof(text), "%.64s may not be NULL",
                 store_queries[query].params[refused - 1]);
        fail(run, seq, query, STATUS_INVALID, text);
    } else if (st && bound == SQLITE_OK) {
        rc = sqlite3_step(st);
        met = !store_queries[query].guarded || sqlite3_changes64(run->db) > 0;
    } else if (st) {
        rc = bound;
    }
    bool done = rc == SQLITE_OK || rc == SQLITE_DONE;
    if (!done && is_its_own(rc)) {
        fail(run, seq, query, db_status(rc), sqlite3_errmsg(run->db));
        done = true;
    } else if (done && !met) {
        fail(run, seq, query, STATUS_NOT_FOUND, "no row is in the state it should be in");
    }
    if (!done)
        db_cause(run->db, rc, &run->out->why);
    if (st) {
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
    }
    return done ? SQLITE_OK : rc;
}

static int control(struct run *run, enum store_query_id id) {
    int rc;
    sqlite3_stmt *st = statement(run, id, &rc);
    if (st) {
        rc = sqlite3_step(st);
        /* Looked at before the reset, which may replace the message. */
        if (rc != SQLITE_DONE)
            db_cause(run->db, rc, &run->out->why);
        sqlite3_reset(st);
    } else {
        db_cause(run->db, rc, &run->out->why);
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* FULL, IOERR and their like may have rolled back by themselves: look before rolling back. */
static void roll_back(struct run *run) {
    struct cause why = run->out->why;
    if (!sqlite3_get_autocommit(run->db))
        control(run, STORE_Q_batch_rollback);
    run->out->why = why;
}

/* One pass over all operations. *restart: an operation that failed alone took the transaction with
 * it; once more without it. */
static int pass(struct run *run, const struct batch *b, bool *restart) {
    struct reader r = {buf_str(&b->ops)};
    int rc = control(run, STORE_Q_batch_begin);
    for (uint64_t i = 0; i < b->count && rc == SQLITE_OK; i++) {
        rc = run_one(run, &r, b->first + i);
        if (rc == SQLITE_OK && sqlite3_get_autocommit(run->db)) {
            *restart = true;
            return SQLITE_OK;
        }
    }
    if (rc == SQLITE_OK)
        rc = control(run, STORE_Q_batch_commit);
    return rc;
}

static int by_seq(const void *a, const void *b) {
    uint64_t x = ((const struct batch_failure *)a)->seq, y = ((const struct batch_failure *)b)->seq;
    return x < y ? -1 : x > y;
}

void batch_run(const struct batch *b, sqlite3 *db, sqlite3_stmt **cache, struct batch_result *out) {
    *out = (struct batch_result){.start_ns = clock_mono_ns()};
    struct run run = {.db = db, .cache = cache, .out = out};
    int rc;
    bool restart;
    do {
        restart = false;
        run.known = out->nfailures;
        rc = pass(&run, b, &restart);
        /* Each restart knows one more failure, so this ends. */
    } while (restart && out->nfailures > run.known);
    if (restart) /* the transaction went away and no operation says why */
        rc = SQLITE_ABORT;
    if (rc != SQLITE_OK) {
        roll_back(&run);
        x_free(&out->failures);
        out->nfailures = 0;
        out->again = true;
        out->status = db_status(rc) == STATUS_UNAVAILABLE ? STATUS_UNAVAILABLE : STATUS_IO;
        if (!out->why.text[0])
            cause_set(&out->why, out->status, "%s", sqlite3_errstr(rc));
    } else if (out->nfailures > 1) {
        qsort(out->failures, out->nfailures, sizeof(*out->failures), by_seq);
    }
    out->end_ns = clock_mono_ns();
}
