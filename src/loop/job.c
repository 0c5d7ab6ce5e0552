/* job: a small pool of threads for what takes long. One of the two places with locks (the store's
 * writer is the other): the lock guards the two lists and the counts, never a job's input, which
 * has one owner at a time: submitter, thread, done(). */
#include "loop/job.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/loop-internal.h"

#define DONE_MAX 64 /* completions told in one turn */

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct job {
    struct list link; /* in waiting, running or done */
    struct job_pool *pool;
    enum job_state state;
    atomic_bool cancelled;
    uint64_t turn; /* in which it was submitted */
    const char *name;
    job_work_fn *work;
    job_done_fn *done;
    void *arg, *input;
    int64_t start_ns, end_ns;
};

struct job_pool {
    struct loop *loop;
    bool is_inline;
    unsigned nthreads, limit;
    pthread_t *threads;
    unsigned started;
    bool delivering;
    job_observe_fn *observe;
    void *observe_arg;

    pthread_mutex_t lock; /* guards what follows, and each job's state */
    pthread_cond_t work_waits;
    bool stop;
    unsigned nwaiting;
    struct list waiting, running, done;
};

static void on_done_phase(void *arg);

struct job_pool *job_pool_new(struct loop *l, unsigned threads, unsigned limit) {
    struct job_pool *p = xcalloc(1, sizeof(*p));
    p->loop = l;
    p->is_inline = loop_mode(l) == LOOP_INLINE;
    p->nthreads = threads ? threads : 1;
    p->limit = limit;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work_waits, NULL);
    list_init(&p->waiting);
    list_init(&p->running);
    list_init(&p->done);
    loop_on_phase(l, PHASE_DONE, on_done_phase, p);
    return p;
}

void job_observe(struct job_pool *p, job_observe_fn *fn, void *arg) {
    p->observe = fn;
    p->observe_arg = arg;
}

static void run(struct job *j) {
    j->start_ns = clock_mono_ns();
    j->work(j->input, &j->cancelled);
    j->end_ns = clock_mono_ns();
}

static void move_to(struct job *j, struct list *to, enum job_state state) {
    list_remove(&j->link);
    list_push_back(to, &j->link);
    j->state = state;
}

void job_thread_behind(void) {
    struct sched_param none = {.sched_priority = 0};
    /* Where it is forbidden, turns are a little longer: nothing to tell anybody. */
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
}

static void *thread_main(void *arg) {
    struct job_pool *p = arg;
    job_thread_behind();
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && list_empty(&p->waiting))
            pthread_cond_wait(&p->work_waits, &p->lock);
        if (p->stop)
            break;
        struct job *j = list_entry(p->waiting.next, struct job, link);
        move_to(j, &p->running, JOB_RUNNING);
        p->nwaiting--;
        pthread_mutex_unlock(&p->lock);
        run(j);
        pthread_mutex_lock(&p->lock);
        move_to(j, &p->done, JOB_DONE);
        loop_wake(p->loop);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* All at the first job. The kernel may refuse some of them; with none there is no pool. */
static enum status start_threads(struct job_pool *p, struct cause *why) {
    if (p->started)
        return STATUS_OK;
    p->threads = xreallocarray(p->threads, p->nthreads, sizeof(*p->threads));
    /* Every signal is the loop's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = 0;
    while (p->started < p->nthreads) {
        err = pthread_create(&p->threads[p->started], NULL, thread_main, p);
        if (err)
            break;
        (void)pthread_setname_np(p->threads[p->started], "job");
        p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->started ? STATUS_OK : cause_errno(why, STATUS_UNAVAILABLE, err, "job threads");
}

enum status job_submit(struct job_pool *p, const char *name, job_work_fn *work, job_done_fn *done,
                       void *arg, void *input, struct job **out, struct cause *why) {
    if (out)
        *out = NULL;
    if (!p->is_inline) {
        enum status s = start_threads(p, why);
        if (s != STATUS_OK)
            return s;
    }
    struct job *j = xcalloc(1, sizeof(*j));
    list_init(&j->link);
    j->pool = p;
    j->name = name;
    j->work = work;
    j->done = done;
    j->arg = arg;
    j->input = input;
    j->turn = loop_turns(p->loop);

    pthread_mutex_lock(&p->lock);
    bool full = p->nwaiting >= p->limit;
    if (!full) {
        move_to(j, &p->waiting, JOB_WAITING);
        p->nwaiting++;
        pthread_cond_signal(&p->work_waits);
    }
    pthread_mutex_unlock(&p->lock);
    if (full) {
        free(j);
        return cause_set(why, STATUS_LIMIT, "%u jobs are waiting already", p->limit);
    }
    if (p->is_inline)
        loop_wake(p->loop);
    if (out)
        *out = j;
    return STATUS_OK;
}

void job_cancel(struct job *j) {
    struct job_pool *p = j->pool;
    atomic_store(&j->cancelled, true);
    pthread_mutex_lock(&p->lock);
    if (j->state == JOB_WAITING) {
        move_to(j, &p->done, JOB_DONE);
        p->nwaiting--;
        loop_wake(p->loop);
    }
    pthread_mutex_unlock(&p->lock);
}

/* Tells and frees. Not under the lock: done() may submit and cancel. */
static void tell(struct job_pool *p, struct job *j, bool cancelled) {
    if (p->observe)
        p->observe(p->observe_arg, j->name, j->start_ns, j->end_ns, cancelled);
    j->done(j->arg, j->input, cancelled);
    loop_lap(p->loop, j->name);
    free(j);
}

static struct job *take_done(struct job_pool *p) {
    struct job *j = NULL;
    pthread_mutex_lock(&p->lock);
    if (!list_empty(&p->done)) {
        j = list_entry(p->done.next, struct job, link);
        list_remove(&j->link);
    }
    pthread_mutex_unlock(&p->lock);
    return j;
}

/* Inline mode: work happens here and nowhere else, one turn after it was asked for. */
static void run_inline(struct job_pool *p) {
    for (int i = 0; i < DONE_MAX && !list_empty(&p->waiting); i++) {
        struct job *j = list_entry(p->waiting.next, struct job, link);
        if (j->turn >= loop_turns(p->loop))
            break;
        move_to(j, &p->running, JOB_RUNNING);
        p->nwaiting--;
        run(j);
        move_to(j, &p->done, JOB_DONE);
    }
}

static void on_done_phase(void *arg) {
    struct job_pool *p = arg;
    if (p->is_inline)
        run_inline(p);
    p->delivering = true;
    for (int i = 0; i < DONE_MAX; i++) {
        struct job *j = take_done(p);
        if (!j)
            break;
        tell(p, j, atomic_load(&j->cancelled));
    }
    p->delivering = false;
    pthread_mutex_lock(&p->lock);
    if (!list_empty(&p->done) || (p->is_inline && !list_empty(&p->waiting)))
        loop_wake(p->loop);
    pthread_mutex_unlock(&p->lock);
}

void job_pool_free(struct job_pool **pp) {
    struct job_pool *p = *pp;
    if (!p)
        return;
    assert(!p->delivering); /* not from within done() */
    loop_off_phase(p->loop, PHASE_DONE, on_done_phase, p);
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    while (!list_empty(&p->waiting))
        move_to(list_entry(p->waiting.next, struct job, link), &p->done, JOB_DONE);
    list_for(&p->done, at) atomic_store(&list_entry(at, struct job, link)->cancelled, true);
    list_for(&p->running, at) atomic_store(&list_entry(at, struct job, link)->cancelled, true);
    p->nwaiting = p->limit; /* a done() below cannot submit again */
    pthread_cond_broadcast(&p->work_waits);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->threads[i], NULL);
    for (struct job *j; (j = take_done(p));)
        tell(p, j, true);
    pthread_cond_destroy(&p->work_waits);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    x_free(pp);
}
