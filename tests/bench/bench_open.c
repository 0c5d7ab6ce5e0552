/* bench_open: what is open and says little: ten thousand streams that carry a thousand events a
 * second together, and a thousand processes with a history of 100 KB each. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

#define STREAMS 10000
#define EVENTS 1000 /* a second, of all streams together */
#define SPARE 500   /* descriptors besides the streams' */
#define HOLDERS 1000
#define HISTORY (100 * 1024)
#define REST_MS 4000 /* a second after a burst the engine gives back what it left free */
#define GROUP "work"

/* ---- ten thousand streams -------------------------------------------------------------------- */

static bool measure(struct load *l, const char *group, pid_t pid, double *values,
                    struct cause *why) {
    struct usage used;
    struct load_count sent;
    if (!load_measure(l, group, EVENTS, 1000, pid, &used, &sent, why))
        return false;
    values[0] = 100.0 * (double)used.cpu_ns / (double)used.at_ns;
    values[1] = 100.0 * (double)used.main_ns / (double)used.at_ns;
    return true;
}

static bool open_subject(void *arg, double *values, struct cause *why) {
    struct load *l = arg;
    return measure(l, GROUP, l->engine, values, why);
}

static bool open_control(void *arg, double *values, struct cause *why) {
    struct load *l = arg;
    return measure(l, LOAD_BARE, run_pid(l->reader), values, why);
}

static const struct bench_figure open_figures[] = {
    {.name = "open10000_cpu",
     .what =
         "processor with 10,000 open streams that carry 1,000 events a second together, HTTP/1.1; "
         "control: epoll and recv",
     .unit = "% of a core",
     .kind = BENCH_BEYOND_MAX,
     .goal = 2},
    {.name = "open10000_loop",
     .what = "the loop's thread of it",
     .unit = "% of a core",
     .kind = BENCH_REPORTED},
};

static const char *files_forbid(void) {
    static char why[96];
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max >= STREAMS + SPARE)
        return NULL;
    snprintf(why, sizeof(why), "the hard limit of descriptors is %llu, %d are needed",
             (unsigned long long)files.rlim_max, STREAMS + SPARE);
    return why;
}

static void bench_open(void) {
    struct load l;
    struct cause why = {""};
    const char *forbidden = files_forbid();
    bool ready = false;
    if (!forbidden) {
        load_begin(&l);
        ready = load_engine(&l, &why) && load_workers(&l, GROUP, STREAMS, 0, &why) &&
                load_reader(&l, STREAMS, &why);
        if (ready)
            bench_run(&(struct bench_case){.figures = open_figures,
                                           .n = ARRAY_LEN(open_figures),
                                           .subject = open_subject,
                                           .control = open_control,
                                           .arg = &l,
                                           .rounds = 15});
        if (ready)
            load_turns(l.home, "open", "while 10,000 streams are opened and held");
        load_end(&l);
    }
    for (size_t i = 0; !ready && i < ARRAY_LEN(open_figures); i++)
        bench_skip(&open_figures[i], forbidden ? forbidden : why.text);
}

/* ---- a thousand histories -------------------------------------------------------------------- */

struct holders {
    struct load load;
    struct usage before;
};

static bool memory_subject(void *arg, double *values, struct cause *why) {
    struct holders *h = arg;
    struct usage now;
    if (!usage_read(h->load.engine, &now)) {
        (void)cause_set(why, STATUS_GONE, "the engine is gone");
        return false;
    }
    values[0] = (double)now.rss_kb / 1024;
    values[1] = (double)(now.rss_kb - h->before.rss_kb) / HOLDERS;
    return true;
}

static void bench_memory(void) {
    static const struct bench_figure figures[] = {
        {.name = "history_memory",
         .what = "resident memory of the engine with 1,000 processes that hold a history of 100 KB "
                 "each and wait for their model",
         .unit = "MB",
         .kind = BENCH_MAX,
         .goal = 150,
         .alone = true,
         .exact = true},
        {.name = "history_memory_each",
         .what = "what each of them adds",
         .unit = "KB",
         .kind = BENCH_REPORTED,
         .alone = true,
         .exact = true},
    };
    struct holders h;
    struct cause why = {""};
    load_begin(&h.load);
    bool ready = load_engine(&h.load, &why) && usage_read(h.load.engine, &h.before) &&
                 load_workers(&h.load, GROUP, HOLDERS, HISTORY, &why);
    if (ready) {
        (void)poll(NULL, 0, REST_MS);
        bench_run(&(struct bench_case){.figures = figures,
                                       .n = ARRAY_LEN(figures),
                                       .subject = memory_subject,
                                       .arg = &h,
                                       .rounds = 1});
        load_turns(h.load.home, "history", "while they write it");
    }
    for (size_t i = 0; !ready && i < ARRAY_LEN(figures); i++)
        bench_skip(&figures[i], why.text);
    load_end(&h.load);
}

int main(int argc, char **argv) {
    bench_begin(argc, argv);
    bench_memory();
    bench_open();
    return bench_end();
}
