/* read: cursors over a read-only connection. Statements are prepared once and kept; every cursor
 * resets its own when it closes, so that no query holds a snapshot past its end and checkpoints get
 * through. */
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/query.h"
#include "store/read.h"

/* Steps of SQLite's machine between two looks at the clock: some microseconds. */
#define PROGRESS_STEPS 1000

struct store_read {
    sqlite3 *db;
    sqlite3_stmt **idle; /* by query; NULL when it is in use or was never used */
    int64_t limit_ns;    /* 0: none */
    int64_t until_ns;    /* the running step's */
    unsigned open;       /* cursors */
};

struct store_cursor {
    struct store_read *r;
    unsigned query;
    sqlite3_stmt *st;
    int bound;
    int64_t spent_ns; /* inside SQLite; what the row function does is not the query's time */
    enum status status;
    struct cause why;
};

static int progress(void *arg) {
    const struct store_read *r = arg;
    return r->limit_ns && clock_real_mono_ns() > r->until_ns;
}

enum status store_open_readonly(const char *path, struct store_read **out, struct cause *why) {
    *out = NULL;
    sqlite3 *db;
    enum status st = db_open_read(path, &db, why);
    if (st != STATUS_OK)
        return st;
    struct store_read *r = xcalloc(1, sizeof(*r));
    r->db = db;
    r->idle = xcalloc(store_query_count, sizeof(sqlite3_stmt *));
    sqlite3_progress_handler(db, PROGRESS_STEPS, progress, r);
    *out = r;
    return STATUS_OK;
}

void store_read_close(struct store_read **rp) {
    struct store_read *r = *rp;
    if (!r)
        return;
    assert(r->open == 0);
    for (unsigned i = 0; i < store_query_count; i++)
        sqlite3_finalize(r->idle[i]);
    db_close(&r->db);
    x_free(&r->idle);
    x_free(rp);
}

sqlite3 *store_read_db(const struct store_read *r) { return r->db; }

void store_read_limit(struct store_read *r, int64_t limit_ns) { r->limit_ns = limit_ns; }

bool store_read_idle(const struct store_read *r) {
    return r->open == 0 && sqlite3_txn_state(r->db, NULL) == SQLITE_TXN_NONE;
}

/* ---- cursors ---- */

static void fail(struct store_cursor *c, int rc) {
    if (c->status != STATUS_OK)
        return;
    const char *name = store_queries[c->query].name;
    struct cause inner = {""};
    c->status = db_cause(c->r->db, rc, &inner);
    if (c->status == STATUS_TIMEOUT)
        cause_set(&c->why, c->status, "%s took longer than %lld ms and was cut", name,
                  (long long)(c->r->limit_ns / NS_PER_MS));
    else
        cause_set(&c->why, c->status, "%s: %s", name, inner.text);
}

/* Never NULL: what went wrong is told by close. */
struct store_cursor *store_cursor_open(struct store_read *r, unsigned query) {
    struct store_cursor *c = xcalloc(1, sizeof(*c));
    c->r = r;
    c->query = query;
    c->st = r->idle[query];
    r->idle[query] = NULL;
    r->open++;
    if (!c->st) {
        int rc = sqlite3_prepare_v3(r->db, store_queries[query].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                    &c->st, NULL);
        if (rc != SQLITE_OK)
            fail(c, rc);
    }
    return c;
}

static void bound(struct store_cursor *c, int rc) {
    if (rc != SQLITE_OK)
        fail(c, rc);
}

static void refuse_null(struct store_cursor *c) {
    if (c->status == STATUS_OK)
        c->status =
            cause_set(&c->why, STATUS_INVALID, "%s: %s may not be NULL",
                      store_queries[c->query].name, store_queries[c->query].params[c->bound - 1]);
}

void store_cursor_bind_int(struct store_cursor *c, int64_t v) {
    bound(c, sqlite3_bind_int64(c->st, ++c->bound, v));
}

void store_cursor_bind_int_null(struct store_cursor *c, const int64_t *v) {
    bound(c, v ? sqlite3_bind_int64(c->st, ++c->bound, *v) : sqlite3_bind_null(c->st, ++c->bound));
}

void store_cursor_bind_real(struct store_cursor *c, double v) {
    bound(c, sqlite3_bind_double(c->st, ++c->bound, v));
}

void store_cursor_bind_real_null(struct store_cursor *c, const double *v) {
    bound(c, v ? sqlite3_bind_double(c->st, ++c->bound, *v) : sqlite3_bind_null(c->st, ++c->bound));
}

/* Arguments are lent until close, which clears them: no copy. */
void store_cursor_bind_text_null(struct store_cursor *c, const char *v) {
    bound(c, v ? sqlite3_bind_text(c->st, ++c->bound, v, -1, SQLITE_STATIC)
               : sqlite3_bind_null(c->st, ++c->bound));
}

void store_cursor_bind_text(struct store_cursor *c, const char *v) {
    store_cursor_bind_text_null(c, v);
    if (!v)
        refuse_null(c);
}

void store_cursor_bind_blob_null(struct store_cursor *c, const void *v, size_t n) {
    bound(c, v ? sqlite3_bind_blob64(c->st, ++c->bound, v, n, SQLITE_STATIC)
               : sqlite3_bind_null(c->st, ++c->bound));
}

void store_cursor_bind_blob(struct store_cursor *c, const void *v, size_t n) {
    store_cursor_bind_blob_null(c, v, n);
    if (!v)
        refuse_null(c);
}

bool store_cursor_step(struct store_cursor *c) {
    if (c->status != STATUS_OK)
        return false;
    int64_t start = c->r->limit_ns ? clock_real_mono_ns() : 0;
    c->r->until_ns = start + c->r->limit_ns - c->spent_ns;
    int rc = sqlite3_step(c->st);
    if (c->r->limit_ns)
        c->spent_ns += clock_real_mono_ns() - start;
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        fail(c, rc);
    return false;
}

/* True when a value is there. */
static bool present(struct store_cursor *c, int column) {
    if (sqlite3_column_type(c->st, column) != SQLITE_NULL)
        return true;
    if (c->status == STATUS_OK)
        c->status = cause_set(&c->why, STATUS_INVALID, "%s: column %s is NULL",
                              store_queries[c->query].name, sqlite3_column_name(c->st, column));
    return false;
}

int64_t store_cursor_int(struct store_cursor *c, int column) {
    return present(c, column) ? sqlite3_column_int64(c->st, column) : 0;
}

int64_t store_cursor_int_null(struct store_cursor *c, int column, bool *is_null) {
    *is_null = sqlite3_column_type(c->st, column) == SQLITE_NULL;
    return sqlite3_column_int64(c->st, column);
}

double store_cursor_real(struct store_cursor *c, int column) {
    return present(c, column) ? sqlite3_column_double(c->st, column) : 0;
}

double store_cursor_real_null(struct store_cursor *c, int column, bool *is_null) {
    *is_null = sqlite3_column_type(c->st, column) == SQLITE_NULL;
    return sqlite3_column_double(c->st, column);
}

const char *store_cursor_text(struct store_cursor *c, int column) {
    return present(c, column) ? (const char *)sqlite3_column_text(c->st, column) : "";
}

const char *store_cursor_text_null(struct store_cursor *c, int column) {
    return (const char *)sqlite3_column_text(c->st, column);
}

const void *store_cursor_blob_null(struct store_cursor *c, int column, size_t *n) {
    const void *p = sqlite3_column_blob(c->st, column);
    *n = (size_t)sqlite3_column_bytes(c->st, column);
    if (!p && sqlite3_column_type(c->st, column) != SQLITE_NULL)
        p = ""; /* SQLite has no address for an empty one */
    return p;
}

const void *store_cursor_blob(struct store_cursor *c, int column, size_t *n) {
    if (present(c, column))
        return store_cursor_blob_null(c, column, n);
    *n = 0;
    return "";
}

bool store_cursor_row_ok(const struct store_cursor *c) { return c->status == STATUS_OK; }

enum status store_cursor_close(struct store_cursor *c, struct cause *why) {
    struct store_read *r = c->r;
    enum status st = c->status;
    if (c->st) {
        sqlite3_reset(c->st);
        sqlite3_clear_bindings(c->st);
    }
    if (r->idle[c->query])
        sqlite3_finalize(c->st); /* a nested query of the same name gave its own back first */
    else
        r->idle[c->query] = c->st;
    r->open--;
    if (st != STATUS_OK)
        cause_set(why, st, "%s", c->why.text);
    x_free(&c);
    return st;
}
