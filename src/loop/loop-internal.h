/* loop-internal: what loop.c, its two backends, timers, signals and jobs share. Nobody outside
 * src/loop and its tests includes this. */
#ifndef LOOP_LOOP_INTERNAL_H
#define LOOP_LOOP_INTERNAL_H

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "loop/loop.h"

/* A readiness backend. `tag` comes back with the event; nothing is ever looked up by pointer, since
 * the kernel may still report a descriptor whose watch is gone. */
struct ready {
    uint64_t tag;
    unsigned events; /* LOOP_* */
};
struct backend {
    const char *name;
    void *(*open)(void);
    void (*close)(void *self);
    /* Sets the interest in `fd` (events 0: none, and nothing is reported). 0 or an errno. */
    int (*set)(void *self, int fd, unsigned events, uint64_t tag);
    void (*forget)(void *self, int fd);
    /* Fills at most `max` and returns their number, taking turns among descriptors when more are
     * ready; -1 for no limit of time. EINTR is 0 events. */
    size_t (*wait)(void *self, int timeout_ms, struct ready *out, size_t max);
};
extern const struct backend backend_epoll;
extern const struct backend backend_poll;

/* loop_new() with the backend named: for the tests. */
struct loop *loop_new_on(enum loop_mode mode, const struct backend *backend);

/* Most descriptors served in one turn, and most timers: what is left over comes in the next one,
 * and the keyboard before it. */
#define LOOP_READY_MAX 256
#define LOOP_READY_MIN 16 /* asked for at least, to choose among */
#define LOOP_TIMERS_MAX 256
/* How long patient watches wait for company at most: a quarter of a frame at sixty a second. */
#define LOOP_PATIENCE_NS (4 * NS_PER_MS)

struct loop_watch {
    struct loop *loop;
    int fd;
    unsigned events;
    uint32_t generation;
    bool urgent, patient;
    uint64_t served; /* the turn of its last callback */
    loop_fd_fn *fn;
    void *arg;
    const char *name;
};

struct timers {
    struct loop_timer **heap; /* binary heap by due time, then by order of arming */
    size_t n, cap;
    uint64_t armed; /* how many ever, the order among equals */
    struct loop_timer *running;
};

struct call {
    loop_fn *fn; /* NULL: taken back */
    void *arg;
};
struct calls {
    struct call *v;
    size_t n, cap;
};

#define LOOP_SIGNAL_MAX 64 /* the kernel's */
struct signals {
    int fd; /* -1 until the first */
    sigset_t mask;
    sigset_t were_blocked; /* before us, to be left so */
    struct call handlers[LOOP_SIGNAL_MAX + 1];
    struct loop_watch *watch;
};

struct loop {
    enum loop_mode mode;
    const struct backend *backend;
    void *backend_self;

    struct loop_watch **by_fd; /* a descriptor's watch, or NULL */
    size_t nfd;
    uint32_t next_generation;
    struct loop_watch **urgent;
    struct pollfd *urgent_fds; /* room to ask about them and the wake */
    size_t nurgent, urgent_cap;

    struct timers timers;
    struct signals signals;
    struct calls deferred, deferring; /* waiting; being run */
    struct calls phases[PHASE_PAINT + 1];
    bool phases_thinned; /* some were taken back during a turn */

    int wake_fd;
    atomic_bool wake_pending;

    bool in_turn, stop, clock_held, owns_clock;
    size_t batch;                   /* descriptors that the present turn may serve */
    bool overran;                   /* the last turn left some for the next */
    int64_t began_ns;               /* the present turn, real time */
    int64_t stage_ns, stage_cpu_ns; /* its present stage: descriptors, timers */
    bool patient;                   /* the present turn has served a patient watch */
    int64_t rest_ns;                /* until then descriptors wait, but for the urgent ones */
    int64_t patience_ns;
    uint64_t turns;
    int64_t now_ns;

    loop_observe_fn *observe;
    void *observe_arg;
    int64_t lap_wall_ns; /* when the present callback began */
    int64_t lap_cpu_ns, lap_cpu_at_ns;
    int64_t turn_cpu_ns; /* the last reading before the present turn */
};

/* Says that what ran since the last lap was `name`; reported when it was slow. */
void loop_lap(struct loop *l, const char *name);

/* The present stage has used up its time: what is left over comes in the next turn, which finds it
 * still ready. Not in inline mode, where nothing depends on real time. */
bool loop_out_of_time(const struct loop *l);

/* timer.c: -1 when there is none, else the due time of the first. */
int64_t timers_next_ns(const struct loop *l);
/* Calls what is due and was armed before the call. True when any was. */
bool timers_run(struct loop *l);
void timers_free(struct loop *l);

/* signal.c */
void signals_init(struct loop *l);
void signals_free(struct loop *l);

#endif
