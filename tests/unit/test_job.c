/* job: order of completion, cancelling at each stage, the bound, inline mode, and a pool that ends
 * while a job runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/job.h"
#include "loop/loop-internal.h"

static struct loop *l;
static struct job_pool *pool;
static struct buf said;
static int completed;

/* A job's input: what it waits for and what it did. */
struct task {
    const char *name;
    sem_t *begun, *may_end; /* NULL: none */
    bool until_cancelled;
    bool worked;
    bool on_loop_thread;
    pthread_t loop_thread;
};

static struct task *task(const char *name) {
    struct task *t = xcalloc(1, sizeof(*t));
    t->name = name;
    t->loop_thread = pthread_self();
    return t;
}

static void work(void *input, const atomic_bool *cancelled) {
    struct task *t = input;
    t->worked = true;
    t->on_loop_thread = pthread_equal(pthread_self(), t->loop_thread);
    if (t->begun)
        sem_post(t->begun);
    if (t->may_end)
        sem_wait(t->may_end);
    while (t->until_cancelled && !atomic_load(cancelled))
        continue;
}

static void done(void *arg, void *input, bool cancelled) {
    struct task *t = input;
    buf_printf(arg, "%s%s%s ", t->name, t->worked ? "" : "-", cancelled ? "!" : "");
    assert_true(pthread_equal(pthread_self(), t->loop_thread));
    completed++;
    free(t);
}

static struct job *submit(struct task *t) {
    struct job *j;
    struct cause why;
    if (job_submit(pool, t->name, work, done, &said, t, &j, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return j;
}

static void turn_until(int n) {
    while (completed < n)
        loop_turn(l, -1);
}

static int setup(enum loop_mode mode, unsigned threads) {
    l = loop_new(mode);
    pool = job_pool_new(l, threads, 100);
    completed = 0;
    return 0;
}
static int setup_one(void **state) {
    (void)state;
    return setup(LOOP_REAL, 1);
}
static int setup_four(void **state) {
    (void)state;
    return setup(LOOP_REAL, 4);
}
static int setup_inline(void **state) {
    (void)state;
    return setup(LOOP_INLINE, 4);
}
static int teardown(void **state) {
    (void)state;
    job_pool_free(&pool);
    assert_null(pool);
    loop_free(&l);
    buf_free(&said);
    return 0;
}

static void in_order(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        submit(task(names[i]));
    turn_until(5);
    assert_string_equal(buf_str(&said), "a b c d e ");
}

/* Told in order of completion, not of submission. */
static void order_of_completion(void **state) {
    (void)state;
    sem_t begun, may_end;
    sem_init(&begun, 0, 0);
    sem_init(&may_end, 0, 0);
    struct task *slow = task("slow");
    slow->begun = &begun;
    slow->may_end = &may_end;
    submit(slow);
    sem_wait(&begun);
    submit(task("quick"));
    turn_until(1);
    sem_post(&may_end);
    turn_until(2);
    assert_string_equal(buf_str(&said), "quick slow ");
    sem_destroy(&begun);
    sem_destroy(&may_end);
}

static void cancel_waiting(void **state) {
    (void)state;
    sem_t begun, may_end;
    sem_init(&begun, 0, 0);
    sem_init(&may_end, 0, 0);
    struct task *first = task("first");
    first->begun = &begun;
    first->may_end = &may_end;
    submit(first);
    sem_wait(&begun);
    struct job *waiting = submit(task("waiting"));
    submit(task("after"));
    job_cancel(waiting);
    turn_until(1); /* told at once, though the one thread is busy */
    assert_string_equal(buf_str(&said), "waiting-! ");
    sem_post(&may_end);
    turn_until(3);
    assert_string_equal(buf_str(&said), "waiting-! first after ");
    sem_destroy(&begun);
    sem_destroy(&may_end);
}

static void cancel_running(void **state) {
    (void)state;
    sem_t begun;
    sem_init(&begun, 0, 0);
    struct task *t = task("running");
    t->begun = &begun;
    t->until_cancelled = true;
    struct job *j = submit(t);
    sem_wait(&begun);
    job_cancel(j);
    job_cancel(j);
    turn_until(1);
    assert_string_equal(buf_str(&said), "running! ");
    sem_destroy(&begun);
}

static void bounded(void **state) {
    (void)state;
    job_pool_free(&pool);
    pool = job_pool_new(l, 1, 2);
    sem_t begun, may_end;
    sem_init(&begun, 0, 0);
    sem_init(&may_end, 0, 0);
    struct task *first = task("1");
    first->begun = &begun;
    first->may_end = &may_end;
    submit(first);
    sem_wait(&begun); /* it runs, and waits no more */
    submit(task("2"));
    struct job *third = submit(task("3"));
    struct task *refused = task("refused");
    struct job *j = (struct job *)1;
    struct cause why;
    assert_int_equal(job_submit(pool, "r", work, done, &said, refused, &j, &why), STATUS_LIMIT);
    assert_null(j);
    assert_string_equal(why.text, "2 jobs are waiting already");
    free(refused); /* stays the caller's */
    job_cancel(third);
    submit(task("4")); /* a cancelled one waits no more */
    sem_post(&may_end);
    turn_until(4);
    sem_destroy(&begun);
    sem_destroy(&may_end);
}

static void many(void **state) {
    (void)state;
    int n = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 90; i++, n++) {
            struct job *j = submit(task("x"));
            if (i % 7 == 0)
                job_cancel(j);
        }
        turn_until(n);
    }
    assert_int_equal(completed, 50 * 90);
}

static void submit_next(void *arg, void *input, bool cancelled) {
    done(arg, input, cancelled);
    if (completed < 20)
        assert_int_equal(job_submit(pool, "chain", work, submit_next, arg, task("c"), NULL, NULL),
                         STATUS_OK);
}

static void chained(void **state) {
    (void)state;
    assert_int_equal(job_submit(pool, "chain", work, submit_next, &said, task("c"), NULL, NULL),
                     STATUS_OK);
    turn_until(20);
}

static void free_with_all_kinds(void **state) {
    (void)state;
    sem_t begun;
    sem_init(&begun, 0, 0);
    struct task *first = task("finished");
    submit(first);
    turn_until(1);
    struct task *running = task("running");
    running->begun = &begun;
    running->until_cancelled = true;
    submit(running);
    sem_wait(&begun);
    submit(task("waiting"));
    job_pool_free(&pool);
    assert_string_equal(buf_str(&said), "finished waiting-! running! ");
    loop_turn(l, 0); /* its place in the turn is gone too */
    sem_destroy(&begun);
}

static void check_signals(void *input, const atomic_bool *cancelled) {
    (void)cancelled;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    struct task *t = input;
    t->worked = sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGCHLD) == 1;
}

static void signals_are_the_loops(void **state) {
    (void)state;
    assert_int_equal(job_submit(pool, "s", check_signals, done, &said, task("s"), NULL, NULL),
                     STATUS_OK);
    turn_until(1);
    assert_string_equal(buf_str(&said), "s ");
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_int_equal(sigismember(&now, SIGTERM), 0);
}

static void on_observed(void *arg, const char *name, int64_t start_ns, int64_t end_ns,
                        bool cancelled) {
    (void)arg;
    buf_printf(&said, "%s%s:%d ", name, cancelled ? "!" : "", end_ns >= start_ns);
}

static void observed(void **state) {
    (void)state;
    job_observe(pool, on_observed, NULL);
    submit(task("a"));
    turn_until(1);
    assert_string_equal(buf_str(&said), "a:1 a ");
}

/* ---- inline mode ---- */

static void do_submit(void *arg) {
    submit(task(arg));
    buf_puts(&said, "submitted ");
}
static void say_commit(void *arg) {
    (void)arg;
    buf_puts(&said, "| ");
}

static void inline_order(void **state) {
    (void)state;
    loop_on_phase(l, PHASE_COMMIT, say_commit, NULL);
    loop_defer(l, do_submit, "job");
    loop_turn(l, -1);
    assert_string_equal(buf_str(&said), "submitted | ");
    assert_true(loop_turn(l, -1)); /* the turn after, without waiting */
    assert_string_equal(buf_str(&said), "submitted | job | ");
    assert_int_equal(clock_mono_ns(), 0);
}

static void inline_on_this_thread(void **state) {
    (void)state;
    struct task *t = task("t");
    submit(t);
    struct job *cancelled = submit(task("c"));
    job_cancel(cancelled);
    turn_until(2);
    assert_string_equal(buf_str(&said), "c-! t ");
}

static void inline_many(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++)
        submit(task("x"));
    turn_until(100); /* over several turns, each without waiting */
    assert_true(loop_turns(l) >= 2);
    assert_false(loop_turn(l, 0));
}

int main(void) {
#define TEST(fn, setup_fn) cmocka_unit_test_setup_teardown(fn, setup_fn, teardown)
    const struct CMUnitTest tests[] = {
        TEST(in_order, setup_one),
        TEST(order_of_completion, setup_four),
        TEST(cancel_waiting, setup_one),
        TEST(cancel_running, setup_four),
        TEST(bounded, setup_one),
        TEST(many, setup_four),
        TEST(chained, setup_four),
        TEST(free_with_all_kinds, setup_one),
        TEST(signals_are_the_loops, setup_one),
        TEST(observed, setup_one),
        TEST(inline_order, setup_inline),
        TEST(inline_on_this_thread, setup_inline),
        TEST(inline_many, setup_inline),
        TEST(chained, setup_inline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
