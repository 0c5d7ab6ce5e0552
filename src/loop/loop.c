/* loop: the fixed order of a turn, and what is called in it. Readiness comes from a backend
 * (epoll.c, poll.c); no input or output of anybody's belongs here.
 *
 * Events are matched to watches by descriptor and generation when they are delivered, not when they
 * are collected: that is how a watch deleted (or replaced) by another callback of the same turn is
 * never called. */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop-internal.h"

#define SLOW_NS (10 * NS_PER_MS)
#define CPU_CHECK_NS                                                                               \
    NS_PER_MS /* the thread's CPU clock is a system call: read it this often at most */
#define STAGE_NS (2 * NS_PER_MS) /* for descriptors, the keyboard's aside, and again for timers */
#define WAKE_TAG UINT64_MAX      /* no descriptor is -1 */
/* Where inline mode's wall clock starts when nobody set one: 2026-01-01T00:00:00Z. */
#define INLINE_WALL_MS INT64_C(1767225600000)

struct loop *loop_new(enum loop_mode mode) {
#ifdef SPACEBOT_POLL_BACKEND
    return loop_new_on(mode, &backend_poll);
#else
    return loop_new_on(mode, &backend_epoll);
#endif
}

struct loop *loop_new_on(enum loop_mode mode, const struct backend *backend) {
    struct loop *l = xcalloc(1, sizeof(*l));
    l->mode = mode;
    if (mode == LOOP_INLINE && !clock_is_virtual()) {
        clock_set_virtual(INLINE_WALL_MS);
        l->owns_clock = true;
    }
    /* A peer that left is EPIPE where it was written to, never the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    l->backend = backend;
    l->batch = LOOP_READY_MAX;
    l->patience_ns = LOOP_PATIENCE_NS;
    l->rest_ns = INT64_MIN / 2; /* long ago */
    l->urgent_fds = xmalloc(sizeof(*l->urgent_fds));
    l->backend_self = backend->open();
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0 || backend->set(l->backend_self, l->wake_fd, LOOP_READ, WAKE_TAG) != 0) {
        log_error("no event descriptor: %s", strerror(errno));
        abort();
    }
    signals_init(l);
    l->now_ns = clock_mono_ns();
    return l;
}

void loop_free(struct loop **lp) {
    struct loop *l = *lp;
    if (!l)
        return;
    assert(!l->in_turn);
    signals_free(l);
    timers_free(l);
    for (size_t i = 0; i < l->nfd; i++)
        free(l->by_fd[i]);
    free(l->by_fd);
    free(l->urgent);
    free(l->urgent_fds);
    free(l->deferred.v);
    free(l->deferring.v);
    for (size_t i = 0; i < ARRAY_LEN(l->phases); i++)
        free(l->phases[i].v);
    l->backend->forget(l->backend_self, l->wake_fd);
    l->backend->close(l->backend_self);
    close(l->wake_fd);
    if (l->owns_clock)
        clock_set_real();
    x_free(lp);
}

enum loop_mode loop_mode(const struct loop *l) { return l->mode; }

int64_t loop_now_ns(const struct loop *l) { return l->in_turn ? l->now_ns : clock_mono_ns(); }

uint64_t loop_turns(const struct loop *l) { return l->turns; }

void loop_hold_clock(struct loop *l, bool held) { l->clock_held = held; }

void loop_observe(struct loop *l, loop_observe_fn *fn, void *arg) {
    l->observe = fn;
    l->observe_arg = arg;
}

/* ---- watches ---- */

static uint64_t tag_of(const struct loop_watch *w) {
    return (uint64_t)w->generation << 32 | (uint32_t)w->fd;
}

enum status loop_watch(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg,
                       const char *name, struct loop_watch **out) {
    *out = NULL;
    if (fd < 0)
        return STATUS_INVALID;
    if ((size_t)fd >= l->nfd) {
        size_t n = l->nfd ? l->nfd : 64;
        while (n <= (size_t)fd)
            n *= 2;
        l->by_fd = xreallocarray(l->by_fd, n, sizeof(*l->by_fd));
        memset(l->by_fd + l->nfd, 0, (n - l->nfd) * sizeof(*l->by_fd));
        l->nfd = n;
    }
    if (l->by_fd[fd])
        return STATUS_EXISTS;
    struct loop_watch *w = xmalloc(sizeof(*w));
    *w = (struct loop_watch){.loop = l,
                             .fd = fd,
                             .events = events & (LOOP_READ | LOOP_WRITE),
                             .generation = l->next_generation++,
                             .fn = fn,
                             .arg = arg,
                             .name = name};
    int err = l->backend->set(l->backend_self, fd, w->events, tag_of(w));
    if (err) {
        free(w);
        return err == EPERM || err == EBADF ? STATUS_INVALID : STATUS_IO;
    }
    l->by_fd[fd] = w;
    *out = w;
    return STATUS_OK;
}

void loop_watch_urgent(struct loop_watch *w) {
    struct loop *l = w->loop;
    if (w->urgent)
        return;
    w->urgent = true;
    if (l->nurgent == l->urgent_cap) {
        l->urgent_cap = l->urgent_cap ? l->urgent_cap * 2 : 4;
        l->urgent = xreallocarray(l->urgent, l->urgent_cap, sizeof(struct loop_watch *));
        l->urgent_fds = xreallocarray(l->urgent_fds, l->urgent_cap + 1, sizeof(*l->urgent_fds));
    }
    l->urgent[l->nurgent++] = w;
}

void loop_watch_patient(struct loop_watch *w) { w->patient = true; }

void loop_watch_events(struct loop_watch *w, unsigned events) {
    /* Set even when nothing changes: libcurl asks again for a number that it closed and opened in
     * between, and the kernel has forgotten the old one. */
    events &= LOOP_READ | LOOP_WRITE;
    w->events = events;
    int err = w->loop->backend->set(w->loop->backend_self, w->fd, events, tag_of(w));
    if (err)
        log_error("%s: watching descriptor %d: %s", w->name, w->fd, strerror(err));
}

void loop_unwatch(struct loop_watch **wp) {
    struct loop_watch *w = *wp;
    if (!w)
        return;
    struct loop *l = w->loop;
    l->backend->forget(l->backend_self, w->fd);
    l->by_fd[w->fd] = NULL;
    if (w->urgent) {
        size_t i = 0;
        while (l->urgent[i] != w)
            i++;
        l->nurgent--;
        memmove(&l->urgent[i], &l->urgent[i + 1], (l->nurgent - i) * sizeof(struct loop_watch *));
    }
    x_free(wp);
}

static struct loop_watch *watch_of(const struct loop *l, uint64_t tag) {
    size_t fd = (uint32_t)tag;
    struct loop_watch *w = fd < l->nfd ? l->by_fd[fd] : NULL;
    return w && tag_of(w) == tag ? w : NULL;
}

static void deliver(struct loop *l, const struct ready *r) {
    struct loop_watch *w = watch_of(l, r->tag);
    if (!w || !w->events)
        return; /* deleted, replaced or muted since it was collected */
    unsigned events = r->events & w->events;
    if (r->events & LOOP_HUP)
        events |= LOOP_HUP | LOOP_READ;
    if (!events)
        return;
    const char *name = w->name; /* the callback may delete w */
    w->served = l->turns;
    l->patient |= w->patient && events == LOOP_READ;
    w->fn(w->arg, w->fd, events);
    loop_lap(l, name);
}

/* Asks about the urgent watches and the wake alone. Appends those that are ready and not among
 * ready[0..n), and returns the new number. */
static size_t add_urgent(const struct loop *l, int timeout_ms, struct ready *ready, size_t n) {
    size_t before = n;
    for (size_t i = 0; i < l->nurgent; i++) {
        const struct loop_watch *w = l->urgent[i];
        l->urgent_fds[i] =
            (struct pollfd){.fd = w->events ? w->fd : -1, /* muted: not asked about */
                            .events = (short)((w->events & LOOP_READ ? POLLIN : 0) |
                                              (w->events & LOOP_WRITE ? POLLOUT : 0))};
    }
    l->urgent_fds[l->nurgent] = (struct pollfd){.fd = l->wake_fd, .events = POLLIN};
    if (poll(l->urgent_fds, l->nurgent + 1, timeout_ms) <= 0)
        return n;
    for (size_t i = 0; i <= l->nurgent && n < 2 * LOOP_READY_MAX; i++) {
        short got = l->urgent_fds[i].revents;
        uint64_t tag = i < l->nurgent ? tag_of(l->urgent[i]) : WAKE_TAG;
        bool have = !got;
        for (size_t j = 0; j < before && !have; j++)
            have = ready[j].tag == tag;
        if (have)
            continue;
        unsigned events = (got & POLLIN ? LOOP_READ : 0) | (got & POLLOUT ? LOOP_WRITE : 0) |
                          (got & (POLLERR | POLLHUP) ? LOOP_HUP : 0);
        ready[n++] = (struct ready){tag, events};
    }
    return n;
}

/* ---- deferred calls and phases ----
 *
 * The queue of deferred calls has no bound of its own: whoever defers does so once for each object
 * that has something pending, and those are bounded. */

static void calls_push(struct calls *c, loop_fn *fn, void *arg) {
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 8;
        c->v = xreallocarray(c->v, c->cap, sizeof(*c->v));
    }
    c->v[c->n++] = (struct call){fn, arg};
}

static void calls_take_back(struct calls *c, loop_fn *fn, const void *arg) {
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].fn == fn && c->v[i].arg == arg)
            c->v[i].fn = NULL;
}

static void calls_thin(struct calls *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->v[i].fn)
            c->v[n++] = c->v[i];
    c->n = n;
}

void loop_defer(struct loop *l, loop_fn *fn, void *arg) { calls_push(&l->deferred, fn, arg); }

void loop_undefer(struct loop *l, loop_fn *fn, void *arg) {
    calls_take_back(&l->deferred, fn, arg);
    calls_take_back(&l->deferring, fn, arg);
    calls_thin(&l->deferred);
}

static bool run_deferred(struct loop *l) {
    if (!l->deferred.n)
        return false;
    struct calls now = l->deferred;
    l->deferred = l->deferring;
    l->deferred.n = 0;
    l->deferring = now;
    for (size_t i = 0; i < l->deferring.n; i++) {
        struct call c = l->deferring.v[i];
        if (!c.fn)
            continue;
        c.fn(c.arg);
        loop_lap(l, "deferred");
    }
    l->deferring.n = 0;
    return true;
}

void loop_on_phase(struct loop *l, enum loop_phase phase, loop_fn *fn, void *arg) {
    calls_push(&l->phases[phase], fn, arg);
}

void loop_off_phase(struct loop *l, enum loop_phase phase, loop_fn *fn, void *arg) {
    calls_take_back(&l->phases[phase], fn, arg);
    if (l->in_turn)
        l->phases_thinned = true;
    else
        calls_thin(&l->phases[phase]);
}

static const char *phase_name(enum loop_phase phase) {
    switch (phase) {
    case PHASE_DONE:
        return "done";
    case PHASE_COMMIT:
        return "commit";
    case PHASE_FLUSH:
        return "flush";
    case PHASE_PAINT:
        return "paint";
    }
    return "?";
}

static void run_phase(struct loop *l, enum loop_phase phase) {
    /* By index: the array may move when one is added. */
    for (size_t i = 0; i < l->phases[phase].n; i++) {
        struct call c = l->phases[phase].v[i];
        if (!c.fn)
            continue;
        c.fn(c.arg);
        loop_lap(l, phase_name(phase));
    }
}

/* ---- wake ---- */

/* Nothing here but an atomic and write(2): async-signal-safe. The flag spares the system call when
 * a wake is under way; it is cleared before any callback runs, so whoever finds it set is served by
 * the turn about to run. */
void loop_wake(struct loop *l) {
    if (atomic_exchange(&l->wake_pending, true))
        return;
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof(one));
    (void)n; /* EAGAIN: the counter is full, so the descriptor is ready all the same */
}

static void wake_taken(struct loop *l) {
    uint64_t count;
    ssize_t n = read(l->wake_fd, &count, sizeof(count));
    (void)n; /* EAGAIN cannot hurt: level-triggered */
    atomic_exchange(&l->wake_pending, false);
}

/* ---- the turn ---- */

void loop_lap(struct loop *l, const char *name) {
    if (!l->in_turn)
        return;
    int64_t now = clock_real_mono_ns();
    int64_t wall = now - l->lap_wall_ns;
    l->lap_wall_ns = now;
    if (now - l->lap_cpu_at_ns < CPU_CHECK_NS)
        return;
    int64_t cpu = clock_thread_cpu_ns();
    int64_t spent = cpu - l->lap_cpu_ns;
    l->lap_cpu_ns = cpu;
    l->lap_cpu_at_ns = now;
    if (wall > SLOW_NS && l->observe) {
        /* The reading before may be up to CPU_CHECK_NS older than the callback. */
        l->observe(l->observe_arg, name, wall, spent < wall ? spent : wall);
        l->lap_wall_ns = clock_real_mono_ns();
    }
}

static int ms_until(int64_t ns) {
    if (ns <= 0)
        return 0;
    int64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS ? 1 : 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* How long the backend may wait for real, in ms (-1: no limit). *jump_ns: what the virtual clock
 * moves by when nothing is ready then. */
static int wait_for(const struct loop *l, int64_t max_wait_ns, int64_t *jump_ns) {
    *jump_ns = 0;
    if (l->deferred.n || max_wait_ns == 0)
        return 0;
    int64_t next = timers_next_ns(l);
    int64_t until = -1;
    if (next >= 0) {
        until = next - clock_mono_ns();
        if (until <= 0)
            return 0;
    }
    bool frozen = l->mode == LOOP_INLINE && l->clock_held;
    if (until < 0 || frozen)
        until = max_wait_ns;
    else if (max_wait_ns > 0 && max_wait_ns < until)
        until = max_wait_ns;
    if (l->mode == LOOP_INLINE && !frozen && until > 0) {
        *jump_ns = until;
        return 0;
    }
    return until < 0 ? -1 : ms_until(until);
}

/* How much longer the watches that are not urgent may wait. */
static int64_t rest_left(const struct loop *l) {
    return l->mode == LOOP_REAL ? l->rest_ns - clock_real_mono_ns() : 0;
}

/* After a turn that has served streams. One that follows the last of them, or the rest behind it,
 * within the patience shows that they come in quick succession; where there were more than a turn
 * has room or time for, nobody rests. */
static void plan_rest(struct loop *l, bool more) {
    if (!l->patient)
        return;
    l->patient = false;
    bool close = l->began_ns - l->rest_ns < l->patience_ns;
    l->rest_ns = l->began_ns + (close && !more ? l->patience_ns : 0);
}

/* Waits and collects; room for twice LOOP_READY_MAX. */
static size_t collect(struct loop *l, int64_t max_wait_ns, struct ready *ready, bool *woken) {
    int64_t jump_ns, rest = rest_left(l);
    int timeout = wait_for(l, max_wait_ns, &jump_ns);
    size_t n = 0;
    bool rested = true; /* and all are looked at */
    if (rest > 0) {
        rested = timeout < 0 || timeout >= ms_until(rest); /* else a timer comes first */
        n = add_urgent(l, rested ? ms_until(rest) : timeout, ready, 0);
        timeout = wait_for(l, max_wait_ns, &jump_ns);
    }
    if (rested && n == 0) {
        do {
            n = l->backend->wait(l->backend_self, timeout, ready, l->batch);
        } while (n == 0 && timeout < 0); /* interrupted: a stopped process went on */
        if (n == 0 && jump_ns > 0)
            clock_advance(jump_ns);
        if (n == l->batch)
            n = add_urgent(l, 0, ready, n);
    }
    for (size_t i = 0; i < n; i++)
        if (ready[i].tag == WAKE_TAG) {
            *woken = true;
            ready[i] = ready[--n];
            break;
        }
    return n;
}

struct due {
    uint64_t served; /* the turn in which it had its last one */
    const struct ready *ready;
};

static int by_waiting(const void *a, const void *b) {
    const struct due *x = a, *y = b;
    if (x->served != y->served)
        return x->served < y->served ? -1 : 1;
    return x->ready < y->ready ? -1 : 1;
}

bool loop_out_of_time(const struct loop *l) {
    if (l->mode != LOOP_REAL || l->lap_wall_ns - l->stage_ns <= STAGE_NS)
        return false;
    /* The processor may have been somebody else's meanwhile. */
    return clock_thread_cpu_ns() - l->stage_cpu_ns > STAGE_NS;
}

static void stage_begins(struct loop *l) {
    l->stage_ns = l->lap_wall_ns;
    l->stage_cpu_ns = l->lap_cpu_ns;
}

/* Who has waited longest comes first when some were left over. */
static void dispatch(struct loop *l, const struct ready *ready, size_t n) {
    struct due later[2 * LOOP_READY_MAX];
    size_t nlater = 0;
    bool more = n >= l->batch; /* there may be */
    for (size_t i = 0; i < n; i++) {
        const struct loop_watch *w = watch_of(l, ready[i].tag);
        if (w && w->urgent)
            deliver(l, &ready[i]);
        else if (w)
            later[nlater++] = (struct due){w->served, &ready[i]};
    }
    if (l->overran)
        qsort(later, nlater, sizeof(*later), by_waiting);
    l->overran = false;
    for (size_t i = 0; i < nlater && !l->overran; i++) {
        deliver(l, later[i].ready);
        l->overran = i + 1 < nlater && loop_out_of_time(l);
        /* The kernel looks at each that it hands over: hardly more next time than there was time
         * for. */
        if (l->overran)
            l->batch = i + 1 > LOOP_READY_MIN ? i + 1 : LOOP_READY_MIN;
    }
    if (!l->overran)
        l->batch = l->batch < LOOP_READY_MAX / 2 ? l->batch * 2 : LOOP_READY_MAX;
    plan_rest(l, more || l->overran);
}

/* The thread's CPU clock is a system call, which most turns are too short for: a turn of less than
 * CPU_CHECK_NS counts as having worked all the time, and a longer one is measured from a reading
 * that is at most so much older than it. What is told is never too little. */
static void turn_begins(struct loop *l) {
    int64_t now = l->began_ns = l->lap_wall_ns = clock_real_mono_ns();
    if (now - l->lap_cpu_at_ns >= CPU_CHECK_NS) {
        l->lap_cpu_at_ns = now;
        l->lap_cpu_ns = clock_thread_cpu_ns();
    }
    l->turn_cpu_ns = l->lap_cpu_ns;
}

static void turn_ended(const struct loop *l) {
    int64_t wall = clock_real_mono_ns() - l->began_ns, cpu = wall;
    if (wall >= CPU_CHECK_NS) {
        int64_t spent = clock_thread_cpu_ns() - l->turn_cpu_ns;
        cpu = spent < wall ? spent : wall;
    }
    l->observe(l->observe_arg, "turn", wall, cpu);
}

bool loop_turn(struct loop *l, int64_t max_wait_ns) {
    assert(!l->in_turn); /* no turns inside turns */
    struct ready ready[2 * LOOP_READY_MAX];
    bool woken = false;
    size_t n = collect(l, max_wait_ns, ready, &woken);

    l->in_turn = true;
    l->turns++;
    l->now_ns = clock_mono_ns();
    turn_begins(l);
    if (woken)
        wake_taken(l); /* before any callback: a wake asked for from here on means another turn */

    bool happened = n > 0 || woken;
    stage_begins(l);
    dispatch(l, ready, n);
    stage_begins(l);
    happened |= timers_run(l);
    happened |= run_deferred(l);
    run_phase(l, PHASE_DONE);
    run_phase(l, PHASE_COMMIT);
    run_phase(l, PHASE_FLUSH);
    run_phase(l, PHASE_PAINT);

    if (l->phases_thinned) {
        for (size_t i = 0; i < ARRAY_LEN(l->phases); i++)
            calls_thin(&l->phases[i]);
        l->phases_thinned = false;
    }
    if (l->observe)
        turn_ended(l);
    l->in_turn = false;
    return happened;
}

void loop_run(struct loop *l) {
    while (!l->stop)
        (void)loop_turn(l, -1);
    l->stop = false;
}

void loop_stop(struct loop *l) { l->stop = true; }
