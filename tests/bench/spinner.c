/* spinner: see spinner.h. */
#include "tests/bench/spinner.h"

#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define GAP_NS NS_PER_MS /* shorter ones are not looked into */
/* Where the bench itself has the core for long, a smaller share of others than this is no gap. */
#define SHARE 20

/* Processor time on the watched core of the thread that called spinner_begin(), and of all threads
 * and processes that were started below it since, the ended ones too: the kernel keeps this sum. */
static int counter = -1;

struct spinner {
    pthread_t thread;
    atomic_bool stop, ignore;
    int64_t longest_ns;
};

bool spinner_begin(int core) {
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_SW_TASK_CLOCK,
                                   .inherit = 1,
                                   .exclude_kernel = 1, /* as anybody may; a clock counts all */
                                   .exclude_hv = 1};
    counter = (int)syscall(SYS_perf_event_open, &attr, 0, core, -1, PERF_FLAG_FD_CLOEXEC);
    return counter >= 0;
}

/* What the bench has used of the core so far, the calling thread's part left out. */
static int64_t own_ns(void) {
    uint64_t all = 0;
    if (read(counter, &all, sizeof(all)) != (ssize_t)sizeof(all))
        return 0;
    return (int64_t)all - clock_thread_cpu_ns();
}

/* The thread may lose the core between its two readings as well: then what the bench used meanwhile
 * is in the sum one round before the gap is seen. */
static void *spin(void *arg) {
    struct spinner *s = arg;
    (void)sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){.sched_priority = 0});
    int64_t last = clock_real_mono_ns(), own = own_ns(), older = own;
    while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
        int64_t now = clock_real_mono_ns(), gap = now - last, oldest = older;
        last = now;
        older = own;
        own = own_ns();
        int64_t foreign = gap - (own - oldest);
        if (gap >= GAP_NS && !atomic_load(&s->ignore) && foreign > s->longest_ns &&
            foreign > gap / SHARE)
            s->longest_ns = foreign;
    }
    return NULL;
}

struct spinner *spinner_start(int core) {
    struct spinner *s;
    cpu_set_t here;
    pthread_attr_t attr;
    if (counter < 0)
        return NULL;
    s = xcalloc(1, sizeof(*s));
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

void spinner_heed(struct spinner *s, bool heed) {
    if (s)
        atomic_store(&s->ignore, !heed);
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
