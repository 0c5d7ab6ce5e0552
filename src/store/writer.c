/* writer: see writer.h. Between the loop and this thread there are one batch one way and one result
 * back, under one lock; SQLite is called without holding it. */
#include "store/writer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/job.h"
#include "store/db.h"
#include "store/query.h"

/* Pages the log may gain before a passive checkpoint, and bytes it may have before it is truncated.
 * The first bounds what a checkpoint has to copy, the second the file (DESIGN: past 64 MB). */
#define CHECKPOINT_PAGES 1000
#define TRUNCATE_BYTES (INT64_C(64) * 1024 * 1024)

#define BUSY_MS 1000

struct writer {
    struct loop *loop;
    bool threaded;
    pthread_t thread;

    pthread_mutex_t lock; /* over the next four */
    pthread_cond_t changed;
    const struct batch *todo; /* given, not begun */
    bool finished;            /* result is there */
    bool stop;
    struct batch_result result;

    /* The running thread's own. */
    sqlite3 *db;
    sqlite3_stmt **cache;
    int busy_ms; /* how long a batch waits for another program's lock */
    int64_t page_bytes;
    int log_pages;     /* in the log after the last commit */
    int settled_pages; /* of them, when last a checkpoint was tried */
    bool ailing;       /* a checkpoint failed and that was logged */
};

static int committed(void *arg, sqlite3 *db, const char *name, int pages) {
    struct writer *w = arg;
    (void)db;
    (void)name;
    if (pages < w->log_pages) /* the log began anew */
        w->settled_pages = 0;
    w->log_pages = pages;
    return SQLITE_OK;
}

/* Not needed for safety: what is in the log is safe. A failure is told once and tried again later.
 */
static void checkpoint(struct writer *w, int mode) {
    /* A reader that stays is not waited for: the next batch may be. */
    sqlite3_busy_timeout(w->db, 0);
    int rc = sqlite3_wal_checkpoint_v2(w->db, "main", mode, NULL, NULL);
    sqlite3_busy_timeout(w->db, w->busy_ms);
    w->settled_pages = w->log_pages;
    if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE)
        w->log_pages = w->settled_pages = 0;
    bool failed = rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED;
    if (failed && !w->ailing) {
        struct cause why = {""};
        db_cause(w->db, rc, &why);
        log_warn("store: the write-ahead log could not be checkpointed: %s", why.text);
    }
    w->ailing = failed;
}

static bool checkpoint_due(const struct writer *w) {
    return w->log_pages - w->settled_pages >= CHECKPOINT_PAGES;
}

static bool log_is_long(const struct writer *w) {
    return (int64_t)w->log_pages * w->page_bytes > TRUNCATE_BYTES;
}

static void checkpoint_if_due(struct writer *w) {
    if (checkpoint_due(w))
        checkpoint(w, log_is_long(w) ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE);
}

/* ---- the thread ---- */

static void *writer_main(void *arg) {
    struct writer *w = arg;
    job_thread_behind();
    pthread_mutex_lock(&w->lock);
    while (w->todo || !w->stop) {
        /* A batch goes first, unless the log has become long. */
        if (checkpoint_due(w) && (!w->todo || log_is_long(w))) {
            pthread_mutex_unlock(&w->lock);
            checkpoint_if_due(w);
            pthread_mutex_lock(&w->lock);
            continue;
        }
        if (!w->todo) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        const struct batch *b = w->todo;
        struct batch_result result;
        pthread_mutex_unlock(&w->lock);
        batch_run(b, w->db, w->cache, &result);
        pthread_mutex_lock(&w->lock);
        w->todo = NULL;
        w->result = result;
        w->finished = true;
        pthread_cond_broadcast(&w->changed);
        loop_wake(w->loop);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void start(struct writer *w) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int err = pthread_create(&w->thread, NULL, writer_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err) {
        /* Slower, and right: batches run on the loop's thread. */
        log_error("store: no thread for the writer, it will run on the loop: error %d", err);
        w->threaded = false;
    }
}

struct writer *writer_new(sqlite3 *db, struct loop *l) {
    struct writer *w = xcalloc(1, sizeof(*w));
    w->loop = l;
    w->db = db;
    w->cache = xcalloc(store_query_count, sizeof(sqlite3_stmt *));
    int page = 4096;
    if (db_pragma_get(db, "page_size", &page) == SQLITE_OK)
        w->page_bytes = page;
    sqlite3_wal_hook(db, committed, w);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&w->lock, NULL);
    w->threaded = loop_mode(l) == LOOP_REAL;
    w->busy_ms = w->threaded ? BUSY_MS : 0;
    sqlite3_busy_timeout(db, w->busy_ms);
    if (w->threaded)
        start(w);
    return w;
}

void writer_free(struct writer **wp) {
    struct writer *w = *wp;
    if (!w)
        return;
    if (w->threaded) {
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    for (unsigned i = 0; i < store_query_count; i++)
        sqlite3_finalize(w->cache[i]);
    checkpoint(w, SQLITE_CHECKPOINT_TRUNCATE);
    db_close(&w->db);
    batch_result_free(&w->result);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    x_free(&w->cache);
    x_free(wp);
}

/* ---- the loop's side ---- */

void writer_give(struct writer *w, const struct batch *b) {
    pthread_mutex_lock(&w->lock);
    assert(!w->todo && !w->finished);
    w->todo = b;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (!w->threaded)
        loop_wake(w->loop); /* its result is due in the next turn */
}

bool writer_take(struct writer *w, struct batch_result *out) {
    if (!w->threaded && w->todo) {
        batch_run(w->todo, w->db, w->cache, &w->result);
        w->todo = NULL;
        w->finished = true;
        checkpoint_if_due(w);
    }
    pthread_mutex_lock(&w->lock);
    bool finished = w->finished;
    if (finished) {
        *out = w->result;
        w->result = (struct batch_result){0};
        w->finished = false;
    }
    pthread_mutex_unlock(&w->lock);
    return finished;
}

void writer_wait(struct writer *w, int64_t until_ns) {
    if (!w->threaded)
        return;
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_SEC),
                             .tv_nsec = (long)(until_ns % NS_PER_SEC)};
    pthread_mutex_lock(&w->lock);
    int err = 0;
    while (!w->finished && err == 0)
        err = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    pthread_mutex_unlock(&w->lock);
}
