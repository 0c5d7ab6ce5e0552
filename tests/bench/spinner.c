/* spinner: see spinner.h. */
#include "tests/bench/spinner.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/usage.h"

#define LOOK_NS (2 * NS_PER_MS) /* how often it notes what the bench itself has used */
#define GAP_NS NS_PER_MS        /* shorter ones are not looked into */

struct spinner {
    pthread_t thread;
    int core;
    clockid_t caller;  /* the CPU clock of the main thread */
    int64_t caller_ns; /* when it was read last */
    int64_t here_ns;   /* what of it was used on this core */
    atomic_bool stop;
    int64_t longest_ns;
};

struct sum {
    int core;
    int64_t ns;
};

static void add_one(void *arg, pid_t pid, int core) {
    struct sum *s = arg;
    int64_t ns = core == s->core ? usage_cpu_ns(pid) : -1;
    if (ns > 0)
        s->ns += ns;
}

/* CPU time that the bench itself has used on this core; descendants that have ended stay in it
 * through their parents, or here once they are reaped. */
static int64_t own_ns(struct spinner *s) {
    struct sum sum = {.core = s->core};
    struct timespec t;
    struct rusage r;
    usage_descendants(getpid(), add_one, &sum);
    if (clock_gettime(s->caller, &t) == 0) {
        int64_t ns = t.tv_sec * NS_PER_SEC + t.tv_nsec;
        if (usage_core(getpid()) == s->core)
            s->here_ns += ns - s->caller_ns;
        s->caller_ns = ns;
    }
    sum.ns += s->here_ns;
    if (getrusage(RUSAGE_CHILDREN, &r) == 0)
        sum.ns += (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * NS_PER_SEC +
                  (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000;
    return sum.ns;
}

static void *spin(void *arg) {
    struct spinner *s = arg;
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){.sched_priority = 0});
    int64_t last = clock_real_mono_ns(), looked = last, own = own_ns(s);
    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        int64_t now = clock_real_mono_ns(), gap = now - last;
        last = now;
        if (gap < GAP_NS && now - looked < LOOK_NS)
            continue;
        int64_t fresh = own_ns(s), foreign = gap - (fresh - own);
        if (gap >= GAP_NS && foreign > s->longest_ns)
            s->longest_ns = foreign;
        own = fresh;
        last = looked = clock_real_mono_ns();
    }
    return NULL;
}

struct spinner *spinner_start(int core) {
    struct spinner *s = xcalloc(1, sizeof(*s));
    cpu_set_t here;
    pthread_attr_t attr;
    s->core = core;
    (void)pthread_getcpuclockid(pthread_self(), &s->caller);
    CPU_ZERO(&here);
    CPU_SET((size_t)core, &here);
    pthread_attr_init(&attr);
    pthread_attr_setaffinity_np(&attr, sizeof(here), &here);
    int rc = pthread_create(&s->thread, &attr, spin, s);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        x_free(&s);
    return s;
}

int64_t spinner_stop(struct spinner **sp) {
    struct spinner *s = *sp;
    if (!s)
        return 0;
    *sp = NULL;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    int64_t longest = s->longest_ns;
    free(s);
    return longest;
}
