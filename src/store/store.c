/* store: the loop's side of the one file: the queue of writes, who waits for them, and what happens
 * when the disk refuses. SQL is in store/queries, threads are in writer.c. */
#include "store/store.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/after.h"
#include "store/db.h"
#include "store/query.h"
#include "store/read.h"
#include "store/writer.h"

/* How long store_open() waits for another program's lock. */
#define OPEN_BUSY_MS 2000
/* Pauses between attempts while the disk refuses: doubled from the first to the last. */
#define RETRY_FIRST_NS (INT64_C(250) * NS_PER_MS)
#define RETRY_LAST_NS (INT64_C(10) * NS_PER_SEC)
#define CLOSE_LIMIT_NS (INT64_C(5) * NS_PER_SEC)
/* The pause between attempts of a drain, which blocks anyway. */
#define DRAIN_RETRY_MS 50

struct store {
    struct loop *loop;
    char *path;
    struct store_read *read;
    struct writer *writer;

    struct batch batches[2];
    struct batch *turn;   /* collects this turn's writes */
    struct batch *flight; /* handed over, or kept to be tried again; NULL: none */
    bool writing;         /* the writer has it */
    uint64_t last;        /* issued */
    uint64_t committed;
    bool op_refused; /* the operation under construction does not fit */

    struct after_list after;

    bool paused, full;
    struct cause paused_why, full_why;
    struct loop_timer *retry;
    int64_t retry_ns;

    enum store_state told; /* what the listener knows */
    store_state_fn *on_state;
    void *on_state_arg;
    store_batch_fn *on_batch;
    void *on_batch_arg;
};

const char *store_state_name(enum store_state st) {
    switch (st) {
#define X(name, text)                                                                              \
    case STORE_##name:                                                                             \
        return text;
        STORE_STATE_TABLE(X)
#undef X
    }
    return "?";
}

/* ---- small questions ---- */

uint64_t store_seq(const struct store *s) { return s->last; }
uint64_t store_committed(const struct store *s) { return s->committed; }
const char *store_path(const struct store *s) { return s->path; }
struct store_read *store_read(struct store *s) {
    return s->read;
}

size_t store_pending_bytes(const struct store *s) {
    return s->turn->ops.len + (s->flight ? s->flight->ops.len : 0);
}

enum store_state store_state(const struct store *s) {
    return s->full ? STORE_FULL : s->paused ? STORE_PAUSED : STORE_RUNNING;
}

const char *store_state_why(const struct store *s) {
    return s->full ? s->full_why.text : s->paused ? s->paused_why.text : "";
}

int64_t store_bytes(const struct store *s) {
    struct stat file, log;
    char *name = xasprintf("%s-wal", s->path);
    int64_t n = stat(s->path, &file) == 0 ? (int64_t)file.st_size : 0;
    n += stat(name, &log) == 0 ? (int64_t)log.st_size : 0;
    x_free(&name);
    return n;
}

void store_on_state(struct store *s, store_state_fn *fn, void *arg) {
    s->on_state = fn;
    s->on_state_arg = arg;
}

void store_on_batch(struct store *s, store_batch_fn *fn, void *arg) {
    s->on_batch = fn;
    s->on_batch_arg = arg;
}

/* From the phases only, so that no writer is called back from inside its own write. */
static void tell_state(struct store *s) {
    enum store_state now = store_state(s);
    if (now == s->told)
        return;
    s->told = now;
    if (now == STORE_RUNNING)
        log_info("store: writing again");
    else
        log_warn("store: %s: %s", store_state_name(now), store_state_why(s));
    if (s->on_state)
        s->on_state(s->on_state_arg, now, store_state_why(s));
}

/* ---- writes, called by generated code ---- */

void store_op_begin(struct store *s, unsigned query) {
    s->op_refused = s->full;
    batch_begin(s->turn, query);
}

/* May n more bytes be queued? Looked at before they are copied. */
static bool fits(struct store *s, size_t n) {
    if (n > STORE_QUEUE_MAX || store_pending_bytes(s) > STORE_QUEUE_MAX - n)
        s->op_refused = true;
    return !s->op_refused;
}

void store_op_int(struct store *s, int64_t v) {
    if (fits(s, sizeof(v)))
        batch_int(s->turn, v);
}

void store_op_real(struct store *s, double v) {
    if (fits(s, sizeof(v)))
        batch_real(s->turn, v);
}

void store_op_text(struct store *s, const char *v) {
    if (v)
        store_op_text_null(s, v);
    else
        batch_refused(s->turn);
}

void store_op_blob(struct store *s, const void *v, size_t n) {
    if (v)
        store_op_blob_null(s, v, n);
    else
        batch_refused(s->turn);
}

void store_op_int_null(struct store *s, const int64_t *v) {
    if (v)
        store_op_int(s, *v);
    else
        batch_null(s->turn);
}

void store_op_real_null(struct store *s, const double *v) {
    if (v)
        store_op_real(s, *v);
    else
        batch_null(s->turn);
}

void store_op_text_null(struct store *s, const char *v) {
    size_t n = v ? strlen(v) : 0;
    if (!v)
        batch_null(s->turn);
    else if (fits(s, n))
        batch_text(s->turn, v, n);
}

void store_op_blob_null(struct store *s, const void *v, size_t n) {
    if (!v)
        batch_null(s->turn);
    else if (fits(s, n))
        batch_blob(s->turn, v, n);
}

/* A single write too large for the queue is only refused itself. */
static void refuse_all(struct store *s) {
    if (s->full || store_pending_bytes(s) <= STORE_QUEUE_MAX / 2)
        return;
    s->full = true;
    cause_set(&s->full_why, STATUS_LIMIT, "%u MB wait to be written, nothing more is accepted%s%s",
              STORE_QUEUE_MAX / 1024 / 1024, s->paused ? ": " : "",
              s->paused ? s->paused_why.text : "");
}

uint64_t store_op_end(struct store *s) {
    if (s->op_refused) {
        batch_drop(s->turn);
        refuse_all(s);
        return 0;
    }
    batch_end(s->turn);
    s->last++;
    if (s->turn->count == 1) {
        s->turn->first = s->last;
        loop_wake(s->loop); /* outside a turn nothing else would bring about its PHASE_COMMIT */
    }
    return s->last;
}

/* ---- waiting ---- */

struct store_after *store_after(struct store *s, uint64_t seq, store_after_fn *fn, void *arg) {
    enum status fixed = seq == 0 ? STATUS_LIMIT : seq > s->last ? STATUS_INVALID : STATUS_OK;
    if (seq <= s->committed || fixed != STATUS_OK)
        loop_wake(s->loop); /* nothing else may bring about a turn */
    return after_add(&s->after, fixed == STATUS_OK ? seq : 0, fixed, fn, arg);
}

/* ---- batches ---- */

static void hand_over(struct store *s) {
    if (!s->flight && s->turn->count) {
        s->flight = s->turn;
        s->turn = &s->batches[s->turn == &s->batches[0]];
    }
    if (s->flight && !s->writing && !s->retry) {
        s->writing = true;
        writer_give(s->writer, s->flight);
    }
}

static void retry_now(void *arg) {
    struct store *s = arg;
    s->retry = NULL; /* PHASE_COMMIT of this turn hands the batch over again */
}

/* The batch could not be stored: it is kept, and tried again after a while. */
static void pause_for(struct store *s, const struct batch_result *result) {
    s->paused = true;
    s->paused_why = result->why;
    s->retry_ns = s->retry_ns ? s->retry_ns * 2 : RETRY_FIRST_NS;
    if (s->retry_ns > RETRY_LAST_NS)
        s->retry_ns = RETRY_LAST_NS;
    s->retry = loop_timer(s->loop, s->retry_ns, retry_now, s, "store retry");
}

static void committed(struct store *s) {
    s->committed = s->flight->first + s->flight->count - 1;
    batch_reset(s->flight);
    s->flight = NULL;
    s->paused = false;
    s->retry_ns = 0;
    if (s->full && store_pending_bytes(s) <= STORE_QUEUE_MAX / 2)
        s->full = false;
}

/* Takes the writer's result, if there is one; calls who waits unless `quiet`. */
static void collect(struct store *s, bool quiet) {
    struct batch_result result;
    bool finished = s->writing && writer_take(s->writer, &result);
    if (finished) {
        s->writing = false;
        uint64_t rows = s->flight->count;
        if (result.again)
            pause_for(s, &result);
        else
            committed(s);
        for (size_t i = 0; i < result.nfailures; i++)
            log_error("store: %s", result.failures[i].why.text);
        after_remember(&s->after, result.failures, result.nfailures);
        if (!quiet && s->on_batch)
            s->on_batch(s->on_batch_arg, rows, result.start_ns, result.end_ns, result.status);
    }
    if (quiet) {
        if (finished)
            batch_result_free(&result);
        return;
    }
    tell_state(s);
    s->after.fresh = finished ? result.failures : NULL;
    s->after.nfresh = finished ? result.nfailures : 0;
    after_call(&s->after, s->committed);
    s->after.nfresh = 0;
    if (finished)
        batch_result_free(&result);
}

static void phase_done(void *arg) { collect(arg, false); }

static void phase_commit(void *arg) {
    struct store *s = arg;
    assert(store_read_idle(s->read)); /* a snapshot held past its turn starves checkpoints */
    hand_over(s);
    tell_state(s);
}

/* ---- opening, draining, closing ---- */

enum status store_open(struct loop *l, const char *path, struct store **out, struct cause *why) {
    *out = NULL;
    sqlite3 *db;
    enum status st = db_open_write(path, OPEN_BUSY_MS, &db, why);
    if (st != STATUS_OK)
        return st;
    struct store_read *read;
    st = store_open_readonly(path, &read, why);
    if (st != STATUS_OK) {
        db_close(&db);
        return st;
    }
    struct store *s = xcalloc(1, sizeof(*s));
    s->loop = l;
    s->path = xstrdup(path);
    s->read = read;
    s->turn = &s->batches[0];
    after_init(&s->after);
    store_read_limit(read, loop_mode(l) == LOOP_INLINE ? 0 : STORE_READ_LIMIT_NS);
    s->writer = writer_new(db, l);
    loop_on_phase(l, PHASE_DONE, phase_done, s);
    loop_on_phase(l, PHASE_COMMIT, phase_commit, s);
    *out = s;
    return STATUS_OK;
}

static enum status drain(struct store *s, int64_t max_wait_ns, bool quiet, struct cause *why) {
    assert(!s->after.calling);
    uint64_t target = s->last;
    int64_t until = clock_real_mono_ns() + max_wait_ns;
    for (;;) {
        collect(s, quiet);
        if (s->committed >= target)
            return STATUS_OK;
        if (clock_real_mono_ns() >= until)
            return cause_set(why, STATUS_TIMEOUT, "%llu writes are not on disk: %s",
                             (unsigned long long)(target - s->committed),
                             s->paused ? s->paused_why.text : "the disk is slow");
        if (s->retry) {
            /* The next attempt comes sooner than by its timer: somebody stands and waits. */
            poll(NULL, 0, DRAIN_RETRY_MS);
            loop_timer_del(&s->retry);
        }
        hand_over(s);
        writer_wait(s->writer, until);
    }
}

enum status store_drain(struct store *s, int64_t max_wait_ns, struct cause *why) {
    return drain(s, max_wait_ns, false, why);
}

enum status store_close(struct store **sp, struct cause *why) {
    struct store *s = *sp;
    if (!s)
        return STATUS_OK;
    struct cause inner = {""};
    enum status st = drain(s, CLOSE_LIMIT_NS, true, &inner);
    if (st != STATUS_OK)
        cause_set(why, st, "%s: %s", s->path, inner.text);
    loop_off_phase(s->loop, PHASE_DONE, phase_done, s);
    loop_off_phase(s->loop, PHASE_COMMIT, phase_commit, s);
    loop_timer_del(&s->retry);
    store_read_close(&s->read);
    writer_free(&s->writer);
    after_clear(&s->after);
    batch_free(&s->batches[0]);
    batch_free(&s->batches[1]);
    x_free(&s->path);
    x_free(sp);
    return st;
}
