/* loop: readiness, timers, signals and the fixed order of a turn. It never does work of its own.
 *
 * A turn: wait -> callbacks (fds, timers, signals; they change state and set dirty flags) ->
 * finished jobs and commits -> PHASE_COMMIT (the turn's writes go to the writer as one batch) ->
 * PHASE_FLUSH (sockets)
 * -> PHASE_PAINT (at most once). Everything here runs on the loop's thread unless it says
 * otherwise. Watches and timers may be added and deleted from any callback; a deleted one is never
 * called again. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct loop;
struct loop_watch; /* one watched descriptor */
struct loop_timer; /* one-shot */

enum loop_mode {
    LOOP_REAL,
    LOOP_INLINE /* virtual clock; jobs and writer complete at a fixed point of the turn on this
                   thread */
};

/* Never NULL; ends the program where the kernel has no epoll. One loop a process. */
struct loop *loop_new(enum loop_mode mode);
void loop_free(struct loop **l);
enum loop_mode loop_mode(const struct loop *l);

#define LOOP_READ 1u
#define LOOP_WRITE 2u
#define LOOP_HUP 4u /* error or hang-up; reported without being asked for, with READ set too */

typedef void loop_fd_fn(void *arg, int fd, unsigned events);
typedef void loop_fn(void *arg);

/* Watches `fd`, which the caller keeps and closes only after loop_unwatch(). `name` (static) is for
 * the trace. `urgent` watches (the keyboard) are called before all others of the turn. EPERM
 * (regular files) is STATUS_INVALID; a number that is watched already is STATUS_EXISTS.
 * Level-triggered. */
enum status loop_watch(struct loop *l, int fd, unsigned events, loop_fd_fn *fn, void *arg,
                       const char *name, struct loop_watch **out) MUST_CHECK;
void loop_watch_urgent(struct loop_watch *w);
/* Nobody minds when what comes here comes a few milliseconds later (a stream of a provider): while
 * such watches are ready in quick succession, descriptors are served together, every
 * LOOP_PATIENCE_NS, and the urgent ones, timers and wakes as ever. A wake-up costs several times
 * what an event does. One that comes alone is served at once. */
void loop_watch_patient(struct loop_watch *w);
void loop_watch_events(struct loop_watch *w,
                       unsigned events);  /* 0 mutes; ENOENT and EEXIST are mended */
void loop_unwatch(struct loop_watch **w); /* NULL is fine; sets NULL */

/* Calls fn once, `delay_ns` from the turn's start or later. */
struct loop_timer *loop_timer(struct loop *l, int64_t delay_ns, loop_fn *fn, void *arg,
                              const char *name);
/* Moves a pending timer, or re-arms one from within its own callback (it stays valid then). */
void loop_timer_again(struct loop_timer *t, int64_t delay_ns);
/* NULL is fine; sets NULL. After its callback returned without loop_timer_again() a timer is freed
 * by the loop: the callback must forget its pointer first. */
void loop_timer_del(struct loop_timer **t);

/* Signals by signalfd (blocked in every thread: call before any thread exists; children get a clean
 * mask). One handler a signal, else STATUS_EXISTS. SIGPIPE is ignored from loop_new() on: a child
 * must have its default restored. */
enum status loop_signal(struct loop *l, int signo, loop_fn *fn, void *arg) MUST_CHECK;

/* PHASE_DONE is where finished jobs and commits are told (their threads call loop_wake() first),
 * and where they are done at all in inline mode. */
enum loop_phase { PHASE_DONE, PHASE_COMMIT, PHASE_FLUSH, PHASE_PAINT };
/* Called once every turn in that phase, in order of registration, until the loop or
 * loop_off_phase() ends it. */
void loop_on_phase(struct loop *l, enum loop_phase phase, loop_fn *fn, void *arg);
void loop_off_phase(struct loop *l, enum loop_phase phase, loop_fn *fn, void *arg);

/* Runs fn at the end of the present callback stage (before jobs); for work that may not be done
 * inside a foreign callback (curl). Order kept. Things deferred by deferred things run in the next
 * turn. */
void loop_defer(struct loop *l, loop_fn *fn, void *arg);
/* Takes back every deferred call of fn with arg: for an owner that goes away. */
void loop_undefer(struct loop *l, loop_fn *fn, void *arg);

/* Asks for another turn without waiting. From any thread; async-signal-safe. */
void loop_wake(struct loop *l);

void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l); /* after the present turn */
/* One turn, waiting at most `max_wait_ns` (-1: until something happens). In inline mode, when
 * nothing is ready, the virtual clock jumps to the next timer instead of waiting, if `max_wait_ns`
 * allows it. Returns false when nothing happened. */
bool loop_turn(struct loop *l, int64_t max_wait_ns);
/* Inline mode: while held, the clock never jumps; it moves by clock_advance() alone, and a turn
 * waits for descriptors in real time (screens of the real program under test). */
void loop_hold_clock(struct loop *l, bool held);
/* Turns begun so far. */
uint64_t loop_turns(const struct loop *l);

/* Monotonic time at the turn's start; between turns the time now (virtual in inline mode). */
int64_t loop_now_ns(const struct loop *l);

/* Observer, filled by trace/: every callback and phase that ran, with its wall and thread CPU time.
 * Called after each turn for the turn itself (name "turn"), and for any callback over 10 ms by its
 * name. CPU time is up to 1 ms too much, never too little, and no more than the wall time. */
typedef void loop_observe_fn(void *arg, const char *name, int64_t wall_ns, int64_t cpu_ns);
void loop_observe(struct loop *l, loop_observe_fn *fn, void *arg);

#endif
