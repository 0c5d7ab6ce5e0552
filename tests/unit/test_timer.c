/* timer: order, re-arming and deletion at every moment, in real time and by property in virtual
 * time, over both backends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop-internal.h"

static const struct backend *backend;
static struct loop *l;
static struct buf said;

static int setup_real(void **state) {
    (void)state;
    l = loop_new_on(LOOP_REAL, backend);
    return 0;
}

static int setup_inline(void **state) {
    (void)state;
    l = loop_new_on(LOOP_INLINE, backend);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    loop_free(&l);
    assert_false(clock_is_virtual()); /* the loop that set it, set it back */
    buf_free(&said);
    return 0;
}

static void say(void *arg) { buf_printf(&said, "%s ", (const char *)arg); }

static void say_and_stop(void *arg) {
    say(arg);
    loop_stop(l);
}

/* In one turn, so that all three count from the same moment however slow the machine. */
static void arm_three(void *arg) {
    (void)arg;
    loop_timer(l, 6 * NS_PER_MS, say_and_stop, "c", "c");
    loop_timer(l, 2 * NS_PER_MS, say, "a", "a");
    loop_timer(l, 4 * NS_PER_MS + 1, say, "b", "b");
}

static void real_time(void **state) {
    (void)state;
    int64_t start = clock_mono_ns();
    loop_defer(l, arm_three, NULL);
    struct loop_timer *never = loop_timer(l, INT64_MAX, say, "never", "never");
    loop_run(l);
    assert_string_equal(buf_str(&said), "a b c ");
    assert_true(clock_mono_ns() - start >= 6 * NS_PER_MS); /* never early */
    loop_timer_del(&never);
    assert_null(never);
    loop_timer_del(&never);
    assert_false(loop_turn(l, NS_PER_MS)); /* a wait with an end */
}

static void equal_times(void **state) {
    (void)state;
    loop_timer(l, 5, say, "1", "t");
    loop_timer(l, 5, say, "2", "t");
    struct loop_timer *t = loop_timer(l, 5, say, "moved", "t");
    loop_timer(l, 5, say, "3", "t");
    loop_timer_again(t, 5);
    loop_timer(l, -7, say, "now", "t");
    while (loop_turn(l, -1) && said.len < strlen("now 1 2 3 moved "))
        continue;
    assert_string_equal(buf_str(&said), "now 1 2 3 moved ");
    assert_int_equal(loop_now_ns(l), 5);
}

/* ---- from within callbacks ---- */

static struct loop_timer *self, *other;
static int left;
static void again(void *arg) {
    say(arg);
    if (--left > 0)
        loop_timer_again(self, NS_PER_SEC);
}

static void rearmed_by_itself(void **state) {
    (void)state;
    left = 3;
    self = loop_timer(l, NS_PER_SEC, again, "x", "x");
    for (int i = 1; i <= 3; i++) {
        assert_true(loop_turn(l, -1));
        assert_int_equal(loop_now_ns(l), i * NS_PER_SEC);
    }
    assert_string_equal(buf_str(&said), "x x x ");
    assert_false(loop_turn(l, 0));
}

static void delete_both(void *arg) {
    say(arg);
    loop_timer_del(&self);
    loop_timer_del(&other);
}

static void again_then_delete(void *arg) {
    say(arg);
    loop_timer_again(self, 1);
    loop_timer_del(&self);
}

static void delete_then_say(void *arg) {
    loop_timer_del(&self);
    say(arg); /* still ours to use: the timer was, the argument is not the loop's */
}

static void deleted_within(void **state) {
    (void)state;
    self = loop_timer(l, 1, delete_both, "self", "t");
    other = loop_timer(l, 1, say, "other", "t");
    loop_turn(l, -1);
    self = loop_timer(l, 1, again_then_delete, "twice", "t");
    loop_turn(l, -1);
    self = loop_timer(l, 1, delete_then_say, "gone", "t");
    loop_turn(l, -1);
    assert_null(self);
    assert_false(loop_turn(l, 10));
    assert_string_equal(buf_str(&said), "self twice gone ");
}

static void endless(void *arg) {
    ++*(int *)arg;
    loop_timer(l, 0, endless, arg, "endless");
}

/* A timer that arms one for now cannot hold the turn. */
static void zero_delay(void **state) {
    (void)state;
    int n = 0;
    loop_timer(l, 0, endless, &n, "endless");
    for (int i = 1; i <= 10; i++) {
        loop_turn(l, -1);
        assert_int_equal(n, i);
    }
}

static void on_readable(void *arg, int fd, unsigned events) {
    (void)events;
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
    say(arg);
}

static void bounded_a_turn(void **state) {
    (void)state;
    static char t[] = "t";
    for (int i = 0; i < LOOP_TIMERS_MAX * 2 + 10; i++)
        loop_timer(l, 1, say, t, "t");
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    struct loop_watch *w;
    assert_int_equal(loop_watch(l, p[0], LOOP_READ, on_readable, "K", "keys", &w), STATUS_OK);
    loop_turn(l, -1);
    assert_int_equal(said.len, LOOP_TIMERS_MAX * 2);
    assert_int_equal(write(p[1], "x", 1), 1);
    loop_turn(l, -1);
    assert_memory_equal(said.data + (size_t)LOOP_TIMERS_MAX * 2, "K t ", 4);
    loop_turn(l, -1);
    assert_int_equal(said.len, (LOOP_TIMERS_MAX * 2 + 11) * 2);
    loop_unwatch(&w);
    close(p[0]);
    close(p[1]);
}

/* ---- the virtual clock ---- */

static void jumps(void **state) {
    (void)state;
    int64_t real = clock_real_mono_ns();
    loop_timer(l, 3600 * NS_PER_SEC, say, "hour", "t");
    int64_t wall = clock_wall_ms();
    assert_false(loop_turn(l, 60 * NS_PER_SEC)); /* a bounded wait takes its time, virtually */
    assert_int_equal(clock_mono_ns(), 60 * NS_PER_SEC);
    assert_false(loop_turn(l, 0));
    assert_int_equal(clock_mono_ns(), 60 * NS_PER_SEC);
    assert_true(loop_turn(l, -1));
    assert_int_equal(clock_mono_ns(), 3600 * NS_PER_SEC);
    assert_int_equal(clock_wall_ms() - wall, 3600 * 1000);
    assert_string_equal(buf_str(&said), "hour ");
    assert_true(clock_real_mono_ns() - real < 60 * NS_PER_SEC);
}

/* What is ready comes before time passes. */
static void readiness_first(void **state) {
    (void)state;
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    struct loop_watch *w;
    assert_int_equal(loop_watch(l, p[0], LOOP_READ, on_readable, "fd", "fd", &w), STATUS_OK);
    loop_timer(l, 1, say, "timer", "t");
    assert_int_equal(write(p[1], "x", 1), 1);
    loop_turn(l, -1);
    assert_string_equal(buf_str(&said), "fd ");
    assert_int_equal(clock_mono_ns(), 0);
    loop_turn(l, -1);
    assert_string_equal(buf_str(&said), "fd timer ");
    loop_unwatch(&w);
    close(p[0]);
    close(p[1]);
}

static void held(void **state) {
    (void)state;
    loop_hold_clock(l, true);
    loop_timer(l, 5 * NS_PER_MS, say, "timer", "t");
    assert_false(loop_turn(l, 0));
    assert_false(loop_turn(l, NS_PER_MS)); /* real time, and the timer's does not pass */
    assert_int_equal(clock_mono_ns(), 0);
    loop_wake(l);
    assert_true(loop_turn(l, -1));
    assert_string_equal(buf_str(&said), "");
    clock_advance(5 * NS_PER_MS);
    assert_true(loop_turn(l, -1));
    assert_string_equal(buf_str(&said), "timer ");
    loop_timer(l, 5 * NS_PER_MS, say, "freed", "t");
    loop_hold_clock(l, false);
    assert_true(loop_turn(l, -1));
    assert_int_equal(clock_mono_ns(), 10 * NS_PER_MS);
}

/* ---- property: any sequence of arming, moving and deleting, in and out of callbacks ---- */

#define MANY 10000

struct model {
    struct loop_timer *timer; /* NULL: not pending */
    int64_t due;
    uint64_t order;
};
static struct model models[MANY];
static uint64_t rnd, orders;
static size_t pending, fired;
static int64_t last_due;
static uint64_t last_order;

static uint64_t random_next(void) {
    rnd ^= rnd << 13;
    rnd ^= rnd >> 7;
    rnd ^= rnd << 17;
    return rnd;
}

static void fire(void *arg);

static void model_arm(struct model *m, int64_t delay) {
    if (m->timer)
        loop_timer_again(m->timer, delay);
    else {
        m->timer = loop_timer(l, delay, fire, m, "model");
        pending++;
    }
    m->due = loop_now_ns(l) + delay;
    m->order = orders++;
}

static void disturb(void) {
    struct model *m = &models[random_next() % MANY];
    /* Few distinct times, so that many are equal. */
    int64_t delay = (int64_t)(random_next() % 500) * NS_PER_MS;
    if (random_next() % 3 == 0 && m->timer) {
        loop_timer_del(&m->timer);
        pending--;
    } else {
        model_arm(m, delay);
    }
}

static void fire(void *arg) {
    struct model *m = arg;
    assert_non_null(m->timer); /* never after deletion */
    assert_int_equal(m->due, loop_now_ns(l));
    assert_true(m->due > last_due || (m->due == last_due && m->order > last_order));
    last_due = m->due;
    last_order = m->order;
    fired++;
    if (fired < 3 * MANY && random_next() % 2) {
        model_arm(m, (int64_t)(random_next() % 500) * NS_PER_MS); /* itself, again */
    } else {
        m->timer = NULL;
        pending--;
    }
    if (fired < 3 * MANY)
        disturb();
}

static void property(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        memset(models, 0, sizeof(models));
        rnd = seed * UINT64_C(0x9E3779B97F4A7C15);
        orders = last_order = 0;
        last_due = -1;
        pending = fired = 0;
        for (size_t i = 0; i < MANY; i++)
            model_arm(&models[i], (int64_t)(random_next() % 500) * NS_PER_MS);
        for (int i = 0; i < MANY; i++)
            disturb();
        while (pending)
            assert_true(loop_turn(l, -1));
        assert_true(fired >= 3 * MANY);
        assert_false(loop_turn(l, 0));
        assert_int_equal(l->timers.n, 0);
    }
}

static void count(void *arg) { ++*(size_t *)arg; }

static void hundred_thousand(void **state) {
    (void)state;
    size_t n = 100000, called = 0;
    struct loop_timer **t = xcalloc(n, sizeof(struct loop_timer *));
    for (size_t i = 0; i < n; i++)
        t[i] = loop_timer(l, (int64_t)((i * 7919) % n), count, &called, "many");
    for (size_t i = 0; i < n; i += 2)
        loop_timer_del(&t[i]);
    while (called < n / 2)
        assert_true(loop_turn(l, -1));
    assert_false(loop_turn(l, 0));
    free(t);
}

int main(void) {
#define REAL(fn) cmocka_unit_test_setup_teardown(fn, setup_real, teardown)
#define INLINE(fn) cmocka_unit_test_setup_teardown(fn, setup_inline, teardown)
    const struct CMUnitTest tests[] = {
        REAL(real_time),        INLINE(equal_times),      INLINE(rearmed_by_itself),
        INLINE(deleted_within), INLINE(zero_delay),       INLINE(bounded_a_turn),
        INLINE(jumps),          INLINE(readiness_first),  INLINE(held),
        INLINE(property),       INLINE(hundred_thousand),
    };
    backend = &backend_epoll;
    int failed = cmocka_run_group_tests_name("timers over epoll", tests, NULL, NULL);
    backend = &backend_poll;
    return failed + cmocka_run_group_tests_name("timers over poll", tests, NULL, NULL);
}
