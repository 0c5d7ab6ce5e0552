/* sweep: what the engine does as reaper of orphaned descendants. A launcher that is killed cannot
 * end what it started; those processes become our children without being any child of child.c, and
 * are killed and reaped here. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/descend.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/child-internal.h"
#include "loop/child.h"

#define SWEEP_AGAIN_NS (2 * NS_PER_MS)
#define SWEEP_SLOW_NS (50 * NS_PER_MS)
#define SWEEP_FAST_ROUNDS 100u /* then the rest is stuck in the kernel: look less often */

static struct {
    bool subreaper;
    pid_t *spared; /* children older than child_subreaper() */
    size_t nspared;
    struct loop_timer *timer;
    unsigned rounds;
    size_t left; /* orphans that could not yet be reaped in this round */
} sweep;

static void spare(void *arg, pid_t pid) {
    (void)arg;
    sweep.spared = xreallocarray(sweep.spared, sweep.nspared + 1, sizeof *sweep.spared);
    sweep.spared[sweep.nspared++] = pid;
}

static bool is_ours(void *arg, pid_t pid) {
    (void)arg;
    for (size_t i = 0; i < sweep.nspared; i++)
        if (sweep.spared[i] == pid)
            return true;
    return child_owns(pid);
}

static void reap_orphan(void *arg, pid_t pid) {
    if (!is_ours(arg, pid) && waitpid(pid, NULL, WNOHANG) == 0)
        sweep.left++;
}

/* One round. False when nothing is left to come back for. */
static bool sweep_once(void) {
    sweep.left = 0;
    if (descend_signal(SIGKILL, is_ours, NULL) >= 0 && descend_children(reap_orphan, NULL) >= 0)
        return sweep.left > 0;
    log_warn("cannot look for orphaned processes: %s", strerror(errno));
    return false;
}

static void sweep_again(void *arg) {
    sweep.timer = NULL;
    child_sweep(arg);
}

void child_sweep(struct loop *l) {
    if (!sweep_once()) {
        loop_timer_del(&sweep.timer);
        sweep.rounds = 0;
        return;
    }
    int64_t delay = sweep.rounds++ < SWEEP_FAST_ROUNDS ? SWEEP_AGAIN_NS : SWEEP_SLOW_NS;
    if (sweep.timer)
        loop_timer_again(sweep.timer, delay);
    else
        sweep.timer = loop_timer(l, delay, sweep_again, l, "sweep");
}

void child_sweep_after_exit(struct loop *l) {
    if (sweep.subreaper)
        child_sweep(l);
}

void child_sweep_end(void) {
    if (sweep.subreaper)
        (void)sweep_once();
    loop_timer_del(&sweep.timer);
    x_free(&sweep.spared);
    sweep.nspared = 0;
    sweep.subreaper = false;
}

void child_subreaper(void) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        log_warn("cannot become the reaper of orphaned processes: %s", strerror(errno));
    sweep.nspared = 0;
    if (descend_children(spare, NULL) < 0)
        log_warn("cannot list child processes: %s", strerror(errno));
    sweep.subreaper = true;
}
