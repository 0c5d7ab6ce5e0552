/* loop: the order of a turn, watches that come and go in each other's callbacks, waking, signals,
 * phases; all of it over both backends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop-internal.h"

static const struct backend *backend;
static struct loop *l;
static struct buf said; /* what the callbacks of a test say, in order */

static int setup(void **state) {
    (void)state;
    l = loop_new_on(LOOP_REAL, backend);
    buf_reset(&said);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    loop_free(&l);
    assert_null(l);
    buf_free(&said);
    return 0;
}

static void pair(int fds[2]) {
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

static void put(int fd) { assert_int_equal(write(fd, "x", 1), 1); }

static void close_pair(int fds[2]) {
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
}

static struct loop_watch *watch(int fd, unsigned events, loop_fd_fn *fn, void *arg) {
    struct loop_watch *w;
    assert_int_equal(loop_watch(l, fd, events, fn, arg, "test", &w), STATUS_OK);
    return w;
}

static void say_events(void *arg, int fd, unsigned events) {
    (void)fd;
    buf_printf(&said, "%s:%s%s%s ", (const char *)arg, events & LOOP_READ ? "r" : "",
               events & LOOP_WRITE ? "w" : "", events & LOOP_HUP ? "h" : "");
}

static void say(void *arg) { buf_printf(&said, "%s ", (const char *)arg); }

#define SAID(text)                                                                                 \
    do {                                                                                           \
        assert_string_equal(buf_str(&said), text);                                                 \
        buf_reset(&said);                                                                          \
    } while (0)

/* ---- watches ---- */

static void readiness(void **state) {
    (void)state;
    int p[2];
    pair(p);
    struct loop_watch *w = watch(p[0], LOOP_READ, say_events, "a");
    assert_false(loop_turn(l, 0));
    SAID("");
    put(p[1]);
    assert_true(loop_turn(l, -1));
    assert_true(loop_turn(l, -1)); /* level-triggered: nothing was read */
    SAID("a:r a:r ");
    loop_watch_events(w, LOOP_READ | LOOP_WRITE);
    loop_turn(l, -1);
    SAID("a:rw ");
    loop_watch_events(w, LOOP_WRITE);
    loop_turn(l, -1);
    SAID("a:w ");
    loop_watch_events(w, 0);
    assert_false(loop_turn(l, 0));
    SAID("");
    loop_watch_events(w, LOOP_READ);
    loop_turn(l, -1);
    SAID("a:r ");
    loop_unwatch(&w);
    assert_null(w);
    loop_unwatch(&w);
    assert_false(loop_turn(l, 0));
    SAID("");
    close_pair(p);
}

static void hang_up(void **state) {
    (void)state;
    int p[2];
    pair(p);
    struct loop_watch *w = watch(p[0], LOOP_READ, say_events, "a");
    close(p[1]);
    loop_turn(l, -1);
    SAID("a:rh ");
    loop_watch_events(w, 0); /* muted means muted, hang-ups too: nothing spins */
    assert_false(loop_turn(l, 0));
    SAID("");
    loop_watch_events(w, LOOP_WRITE);
    loop_turn(l, -1);
    assert_non_null(strchr(buf_str(&said), 'h'));
    loop_unwatch(&w);
    close(p[0]);

    /* A pipe without a reader, watched for writing only. */
    buf_reset(&said);
    assert_int_equal(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
    close(p[0]);
    w = watch(p[1], LOOP_WRITE, say_events, "b");
    loop_turn(l, -1);
    SAID("b:rwh ");
    assert_int_equal(write(p[1], "x", 1), -1); /* SIGPIPE does not end us */
    loop_unwatch(&w);
    close(p[1]);
}

static void refused(void **state) {
    (void)state;
    struct loop_watch *w = (struct loop_watch *)1;
    int p[2];
    pair(p);
    struct loop_watch *first = watch(p[0], LOOP_READ, say_events, "a");
    assert_int_equal(loop_watch(l, p[0], LOOP_READ, say_events, "b", "b", &w), STATUS_EXISTS);
    assert_null(w);
    loop_unwatch(&first);
    close_pair(p);
    assert_int_equal(loop_watch(l, -1, LOOP_READ, say_events, "b", "b", &w), STATUS_INVALID);
    assert_int_equal(loop_watch(l, p[0], LOOP_READ, say_events, "b", "b", &w), STATUS_INVALID);
    const char *const paths[] = {"/proc/self/exe", "/dev/null", "/"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(loop_watch(l, fd, LOOP_READ, say_events, "b", "b", &w), STATUS_INVALID);
        assert_null(w);
        close(fd);
    }
    assert_false(loop_turn(l, 0));
    SAID("");
}

/* The number is closed and opened again without a word, as libcurl does. */
static void reused_number(void **state) {
    (void)state;
    int p[2], q[2];
    pair(p);
    struct loop_watch *w = watch(p[0], LOOP_READ, say_events, "a");
    pair(q);
    put(q[1]);
    assert_int_equal(dup2(q[0], p[0]), p[0]);
    loop_watch_events(w, LOOP_READ);
    loop_turn(l, -1);
    SAID("a:r ");
    /* Closed before it was unwatched, then another behind the same number. */
    close(p[0]);
    loop_unwatch(&w);
    assert_int_equal(dup2(q[0], p[0]), p[0]);
    w = watch(p[0], LOOP_READ, say_events, "b");
    loop_turn(l, -1);
    SAID("b:r ");
    loop_unwatch(&w);
    close_pair(p);
    close_pair(q);
}

/* Two watches that are ready in the same turn; whichever is called deletes the other. */
struct rivals {
    struct loop_watch *w[2];
    int fd[2];
    int replace; /* what to do to the other: 0 delete, 1 replace, 2 mute */
    int calls, fresh;
};

static void say_fresh(void *arg, int fd, unsigned events) {
    struct rivals *r = arg;
    (void)fd;
    (void)events;
    r->fresh++;
}

static void attack(void *arg, int fd, unsigned events) {
    struct rivals *r = arg;
    (void)events;
    if (r->calls++)
        return;
    int other = fd == r->fd[0] ? 1 : 0;
    if (r->replace == 2) {
        loop_watch_events(r->w[other], 0);
        return;
    }
    loop_unwatch(&r->w[other]);
    if (r->replace == 1)
        r->w[other] = watch(r->fd[other], LOOP_READ, say_fresh, r);
}

static void deleted_by_another(void **state) {
    (void)state;
    for (int replace = 0; replace < 3; replace++) {
        int p[2], q[2];
        pair(p);
        pair(q);
        if (replace == 2) { /* a hang-up cannot be masked out, only kept back */
            close(p[1]);
            close(q[1]);
            p[1] = q[1] = -1;
        } else {
            put(p[1]);
            put(q[1]);
        }
        struct rivals r = {.fd = {p[0], q[0]}, .replace = replace};
        r.w[0] = watch(p[0], LOOP_READ, attack, &r);
        r.w[1] = watch(q[0], LOOP_READ, attack, &r);
        loop_turn(l, -1);
        assert_int_equal(r.calls, 1);
        assert_int_equal(r.fresh, 0); /* the event was the old one's */
        loop_turn(l, 0);
        assert_int_equal(r.fresh, replace == 1 ? 1 : 0);
        loop_unwatch(&r.w[0]);
        loop_unwatch(&r.w[1]);
        close_pair(p);
        close_pair(q);
    }
}

/* Any sequence of watching, changing and forgetting leaves exactly the interest that an array says.
 */
struct source {
    struct loop_watch *w;
    unsigned wants, got;
    int fds[2];
};

static void note(void *arg, int fd, unsigned events) {
    struct source *s = arg;
    assert_int_equal(fd, s->fds[0]);
    s->got |= events;
}

static void property(void **state) {
    (void)state;
    enum { N = 12 };
    struct source s[N] = {0};
    uint64_t rnd = 88172645463325252u;
    for (size_t i = 0; i < N; i++) {
        pair(s[i].fds);
        put(s[i].fds[1]); /* ready for both, always */
    }
    for (int step = 0; step < 3000; step++) {
        rnd ^= rnd << 13;
        rnd ^= rnd >> 7;
        rnd ^= rnd << 17;
        struct source *one = &s[rnd % N];
        unsigned wants = rnd >> 20 & 3;
        if (!one->w) {
            one->w = watch(one->fds[0], wants, note, one);
        } else if (rnd >> 30 & 1) {
            loop_unwatch(&one->w);
            wants = 0;
        } else {
            loop_watch_events(one->w, wants);
        }
        one->wants = wants;
        for (size_t i = 0; i < N; i++)
            s[i].got = 0;
        loop_turn(l, 0);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(s[i].got, s[i].wants);
    }
    for (size_t i = 0; i < N; i++) {
        loop_unwatch(&s[i].w);
        close_pair(s[i].fds);
    }
}

static struct loop_watch *own;
static void delete_self(void *arg, int fd, unsigned events) {
    say_events(arg, fd, events);
    loop_unwatch(&own);
    close(fd);
}

static void deletes_itself(void **state) {
    (void)state;
    int p[2];
    pair(p);
    put(p[1]);
    own = watch(p[0], LOOP_READ, delete_self, "gone");
    loop_turn(l, -1);
    assert_false(loop_turn(l, 0));
    SAID("gone:r ");
    close(p[1]);
}

static void urgent_first(void **state) {
    (void)state;
    enum { N = 8 };
    int p[N][2];
    struct loop_watch *w[N];
    static const char *const names[N] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    for (size_t i = 0; i < N; i++) {
        pair(p[i]);
        put(p[i][1]);
        w[i] = watch(p[i][0], LOOP_READ, say_events, (void *)(uintptr_t)names[i]);
    }
    loop_watch_urgent(w[5]);
    loop_watch_urgent(w[5]);
    loop_turn(l, -1);
    assert_memory_equal(buf_str(&said), "5:r ", 4);
    assert_int_equal(said.len, N * 4);
    for (size_t i = 0; i < N; i++) {
        loop_unwatch(&w[i]);
        close_pair(p[i]);
    }
}

/* More are ready than a turn serves: the keyboard is in every turn all the same, and the others
 * come in turn. */
static int calls_of[LOOP_READY_MAX * 3];
static void count_call(void *arg, int fd, unsigned events) {
    (void)fd;
    (void)events;
    ++*(int *)arg;
}

static void fair_when_many(void **state) {
    (void)state;
    size_t n = LOOP_READY_MAX * 2 + 50;
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
    if (r.rlim_cur < n + 64) {
        r.rlim_cur = n + 64;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
    }
    int p[2], *fds = xcalloc(n, sizeof(*fds));
    struct loop_watch **w = xcalloc(n, sizeof(struct loop_watch *));
    pair(p);
    put(p[1]);
    memset(calls_of, 0, sizeof(calls_of));
    for (size_t i = 0; i < n; i++) {
        fds[i] = dup(p[0]);
        assert_true(fds[i] >= 0);
        w[i] = watch(fds[i], LOOP_READ, count_call, &calls_of[i]);
    }
    loop_watch_urgent(w[n - 1]);
    for (int turn = 1; turn <= 3; turn++) {
        assert_true(loop_turn(l, 0));
        assert_int_equal(calls_of[n - 1], turn);
    }
    for (size_t i = 0; i < n; i++)
        assert_in_range(calls_of[i], 1, 3);
    for (size_t i = 0; i < n; i++) {
        loop_unwatch(&w[i]);
        close(fds[i]);
    }
    free(w);
    free(fds);
    close_pair(p);
}

/* ---- patience ---- */

/* Says its name and takes what is there. */
static void say_and_take(void *arg, int fd, unsigned events) {
    char room[64];
    (void)events;
    ssize_t n = read(fd, room, sizeof(room));
    buf_printf(&said, "%s%d ", (const char *)arg, (int)n);
}

/* Two that come close together: the next ones wait for each other, but no key, timer or wake does.
 */
static void patient_together(void **state) {
    (void)state;
    int stream[2], other[2], key[2];
    pair(stream);
    pair(other);
    pair(key);
    struct loop_watch *s = watch(stream[0], LOOP_READ, say_and_take, (void *)"s"),
                      *o = watch(other[0], LOOP_READ, say_and_take, (void *)"o"),
                      *k = watch(key[0], LOOP_READ, say_and_take, (void *)"k");
    loop_watch_patient(s);
    loop_watch_urgent(k);
    l->patience_ns = 3600 * NS_PER_SEC;
    put(stream[1]);
    loop_turn(l, -1);
    put(stream[1]); /* the first had nobody before it */
    loop_turn(l, -1);
    SAID("s1 s1 ");
    put(stream[1]);
    put(other[1]);
    assert_false(loop_turn(l, 0));
    put(key[1]);
    loop_turn(l, -1);
    loop_timer(l, 0, say, "t", "test");
    loop_turn(l, -1);
    loop_wake(l);
    assert_true(loop_turn(l, -1));
    put(stream[1]);
    assert_false(loop_turn(l, 0));
    SAID("k1 t ");
    l->rest_ns = 0; /* it is over */
    loop_turn(l, -1);
    assert_non_null(strstr(buf_str(&said), "s2 "));
    assert_non_null(strstr(buf_str(&said), "o1 "));
    loop_unwatch(&s);
    loop_unwatch(&o);
    loop_unwatch(&k);
    close_pair(stream);
    close_pair(other);
    close_pair(key);
}

/* The rest ends by itself, and nobody else makes one. */
static void patience_ends(void **state) {
    (void)state;
    int stream[2], other[2];
    pair(stream);
    pair(other);
    struct loop_watch *s = watch(stream[0], LOOP_READ, say_and_take, (void *)"s"),
                      *o = watch(other[0], LOOP_READ, say_and_take, (void *)"o");
    l->patience_ns = 3600 * NS_PER_SEC;
    for (int i = 0; i < 3; i++) {
        put(other[1]);
        loop_turn(l, 0);
    }
    SAID("o1 o1 o1 ");
    loop_watch_patient(s);
    l->patience_ns = 20 * NS_PER_MS;
    for (int i = 0; i < 3; i++) {
        put(stream[1]);
        loop_turn(l, -1);
    }
    SAID("s1 s1 s1 ");
    l->patience_ns = 1; /* all that comes, comes late */
    for (int i = 0; i < 3; i++) {
        put(stream[1]);
        assert_true(loop_turn(l, -1));
    }
    SAID("s1 s1 s1 ");
    loop_unwatch(&s);
    loop_unwatch(&o);
    close_pair(stream);
    close_pair(other);
}

/* ---- the time of a turn ---- */

static void burn_and_say(void *arg) {
    int64_t start = clock_thread_cpu_ns();
    while (clock_thread_cpu_ns() - start < 4 * NS_PER_MS)
        continue;
    say(arg);
}

static void burn_fd(void *arg, int fd, unsigned events) {
    (void)fd;
    (void)events;
    burn_and_say(arg);
}

/* What takes long gets a turn of its own, a descriptor and a timer side by side. */
static void long_ones_apart(void **state) {
    (void)state;
    enum { N = 3 };
    static const char *const names[N] = {"a", "b", "c"};
    int p[N][2];
    struct loop_watch *w[N];
    for (size_t i = 0; i < N; i++) {
        pair(p[i]);
        put(p[i][1]);
        w[i] = watch(p[i][0], LOOP_READ, burn_fd, (void *)(uintptr_t)names[i]);
        loop_timer(l, 0, burn_and_say, "t", "test");
    }
    bool served[N] = {false};
    for (size_t turn = 0; turn < N; turn++) {
        loop_turn(l, -1);
        assert_int_equal(said.len, 4);
        assert_string_equal(buf_str(&said) + 1, " t ");
        served[said.data[0] - 'a'] = true;
        buf_reset(&said);
    }
    for (size_t i = 0; i < N; i++) {
        assert_true(served[i]); /* who has waited longest came first */
        loop_unwatch(&w[i]);
        close_pair(p[i]);
    }
}

/* ---- deferral and phases ---- */

static void defer_again(void *arg) {
    say("first");
    loop_defer(l, say, arg);
}

static void deferred(void **state) {
    (void)state;
    loop_defer(l, defer_again, "again");
    loop_defer(l, say, "second");
    loop_defer(l, say, "taken back");
    loop_undefer(l, say, (void *)(uintptr_t) "no such");
    assert_true(loop_turn(l, -1)); /* does not wait */
    SAID("first second taken back ");
    assert_true(loop_turn(l, -1));
    SAID("again ");
    assert_false(loop_turn(l, 0));
    SAID("");
}

static char victim[] = "victim";
static void take_back(void *arg) {
    say(arg);
    loop_undefer(l, say, victim);
}

static void taken_back(void **state) {
    (void)state;
    loop_defer(l, say, victim);
    loop_undefer(l, say, victim);
    assert_false(loop_turn(l, 0));
    loop_defer(l, take_back, "taker");
    loop_defer(l, say, victim);
    loop_defer(l, say, "last");
    loop_turn(l, -1);
    SAID("taker last ");
}

static void on_fd_defer(void *arg, int fd, unsigned events) {
    (void)events;
    (void)arg;
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
    say("fd");
    loop_defer(l, say, "deferred");
    loop_timer(l, 0, say, "armed", "t");
}

static void order_of_a_turn(void **state) {
    (void)state;
    int p[2];
    pair(p);
    loop_on_phase(l, PHASE_PAINT, say, "paint");
    loop_on_phase(l, PHASE_FLUSH, say, "flush");
    loop_on_phase(l, PHASE_COMMIT, say, "commit1");
    loop_on_phase(l, PHASE_COMMIT, say, "commit2");
    loop_on_phase(l, PHASE_DONE, say, "done");
    struct loop_watch *w = watch(p[0], LOOP_READ, on_fd_defer, NULL);
    loop_timer(l, 0, say, "timer", "t");
    put(p[1]);
    loop_turn(l, -1);
    SAID("fd timer armed deferred done commit1 commit2 flush paint ");
    loop_wake(l);
    loop_turn(l, -1);
    SAID("done commit1 commit2 flush paint ");
    loop_off_phase(l, PHASE_COMMIT, say, (void *)(uintptr_t) "commit1");
    loop_turn(l, 0);
    loop_unwatch(&w);
    close_pair(p);
}

static char leaver[] = "leaver", stayer[] = "stayer";
static void leave(void *arg) {
    say(arg);
    loop_off_phase(l, PHASE_FLUSH, leave, arg);
    loop_off_phase(l, PHASE_PAINT, say, leaver);
}

static void phases_left(void **state) {
    (void)state;
    loop_on_phase(l, PHASE_FLUSH, leave, leaver);
    loop_on_phase(l, PHASE_FLUSH, say, stayer);
    loop_on_phase(l, PHASE_PAINT, say, leaver);
    loop_on_phase(l, PHASE_PAINT, say, stayer);
    loop_turn(l, 0);
    SAID("leaver stayer stayer ");
    loop_turn(l, 0);
    SAID("stayer stayer ");
}

/* ---- wake, stop, signals ---- */

static void wake_in_callback(void *arg) {
    say(arg);
    loop_wake(l);
}

static void wakes(void **state) {
    (void)state;
    loop_wake(l);
    loop_wake(l);
    assert_true(loop_turn(l, -1));
    assert_false(loop_turn(l, 0));
    /* From a late phase of a turn that was itself woken: another turn, not a lost wake. */
    loop_on_phase(l, PHASE_PAINT, wake_in_callback, "p");
    loop_wake(l);
    for (int i = 0; i < 5; i++)
        assert_true(loop_turn(l, -1));
    SAID("p p p p p ");
}

static void *wake_often(void *arg) {
    atomic_int *n = arg;
    for (int i = 0; i < 1000; i++) {
        atomic_fetch_add(n, 1);
        loop_wake(l);
    }
    return NULL;
}

/* Whatever a thread did before its last wake is seen by a turn after it. */
static void wakes_from_threads(void **state) {
    (void)state;
    atomic_int n = 0;
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, wake_often, &n), 0);
    while (atomic_load(&n) < 3000)
        assert_true(loop_turn(l, -1));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
}

static int counted;
static void count_and_stop(void *arg) {
    (void)arg;
    if (++counted == 3)
        loop_stop(l);
    else
        loop_defer(l, count_and_stop, NULL);
}

static void runs_until_stopped(void **state) {
    (void)state;
    counted = 0;
    loop_defer(l, count_and_stop, NULL);
    loop_run(l);
    assert_int_equal(counted, 3);
    assert_int_equal(loop_turns(l), 3);
    loop_stop(l);
    loop_run(l); /* stopped before it ran: no turn */
    assert_int_equal(loop_turns(l), 3);
}

static void signals(void **state) {
    (void)state;
    assert_int_equal(loop_signal(l, SIGUSR1, say, "usr1"), STATUS_OK);
    assert_int_equal(loop_signal(l, SIGUSR2, say, "usr2"), STATUS_OK);
    assert_int_equal(loop_signal(l, SIGUSR2, say, "usr2"), STATUS_EXISTS);
    assert_int_equal(loop_signal(l, SIGKILL, say, "kill"), STATUS_INVALID);
    assert_int_equal(loop_signal(l, 0, say, "none"), STATUS_INVALID);
    assert_int_equal(loop_signal(l, 4000, say, "none"), STATUS_INVALID);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    loop_turn(l, -1);
    SAID("usr2 ");
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    loop_turn(l, -1);
    SAID("usr1 usr2 ");
    /* One that comes after the last turn is swallowed with the loop, and nothing stays blocked. */
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    loop_free(&l);
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_int_equal(sigismember(&now, SIGUSR1), 0);
    l = loop_new_on(LOOP_REAL, backend);
}

/* ---- the observer ---- */

static int64_t turn_wall, turn_cpu, slow_wall, slow_cpu;
static int slow_burners, slow_flushes;
static void observe(void *arg, const char *name, int64_t wall_ns, int64_t cpu_ns) {
    (void)arg;
    if (strcmp(name, "turn") == 0) {
        turn_wall = wall_ns;
        turn_cpu = cpu_ns;
    } else if (strcmp(name, "burner") == 0) {
        slow_burners++;
        slow_wall = wall_ns;
        slow_cpu = cpu_ns;
    } else if (strcmp(name, "flush") == 0) {
        slow_flushes++;
    }
}

static void burn(void *arg) {
    int64_t start = clock_thread_cpu_ns();
    while (clock_thread_cpu_ns() - start < *(const int64_t *)arg)
        continue;
}

/* Says nothing of the wall time of quick ones: a busy machine may make anything slow. */
static void observed(void **state) {
    (void)state;
    static int64_t much = 12 * NS_PER_MS;
    slow_burners = slow_flushes = 0;
    loop_observe(l, observe, NULL);
    loop_timer(l, 15 * NS_PER_MS, say, "quick", "quick");
    loop_turn(l, -1);
    assert_true(turn_wall > 0 && turn_cpu >= 0 && turn_cpu < 10 * NS_PER_MS);
    loop_timer(l, 0, burn, &much, "burner");
    loop_turn(l, -1);
    assert_int_equal(slow_burners, 1);
    assert_true(slow_wall >= much);
    assert_true(slow_cpu >= much - NS_PER_MS && slow_cpu <= slow_wall);
    assert_true(turn_wall >= slow_wall && turn_cpu >= much);
    loop_on_phase(l, PHASE_FLUSH, burn, &much);
    loop_turn(l, 0);
    assert_int_equal(slow_flushes, 1);
    loop_observe(l, NULL, NULL);
    loop_turn(l, 0);
    assert_int_equal(slow_flushes, 1);
}

/* A wait is no part of its turn. The least of several: a busy machine makes any turn slow. */
static void wait_not_counted(void **state) {
    (void)state;
    loop_observe(l, observe, NULL);
    int64_t least = INT64_MAX;
    for (int i = 0; i < 20 && least >= 5 * NS_PER_MS; i++) {
        loop_timer(l, 5 * NS_PER_MS, say, "quick", "quick");
        loop_turn(l, -1);
        if (turn_wall < least)
            least = turn_wall;
    }
    assert_true(least < 5 * NS_PER_MS);
}

static void thousands_of_watches(void **state) {
    (void)state;
    int p[2];
    pair(p);
    /* Watched and forgotten many times over: nothing grows, nothing is left. */
    for (int i = 0; i < 20000; i++) {
        struct loop_watch *w = watch(p[0], i % 2 ? LOOP_READ : LOOP_WRITE, say_events, "x");
        loop_unwatch(&w);
    }
    assert_false(loop_turn(l, 0));
    SAID("");
    close_pair(p);
}

int main(void) {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(readiness),
        TEST(hang_up),
        TEST(refused),
        TEST(reused_number),
        TEST(deleted_by_another),
        TEST(property),
        TEST(deletes_itself),
        TEST(urgent_first),
        TEST(fair_when_many),
        TEST(patient_together),
        TEST(patience_ends),
        TEST(long_ones_apart),
        TEST(deferred),
        TEST(taken_back),
        TEST(order_of_a_turn),
        TEST(phases_left),
        TEST(wakes),
        TEST(wakes_from_threads),
        TEST(runs_until_stopped),
        TEST(signals),
        TEST(observed),
        TEST(wait_not_counted),
        TEST(thousands_of_watches),
    };
    backend = &backend_epoll;
    int failed = cmocka_run_group_tests_name("loop over epoll", tests, NULL, NULL);
    backend = &backend_poll;
    return failed + cmocka_run_group_tests_name("loop over poll", tests, NULL, NULL);
}
