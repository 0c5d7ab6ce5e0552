/* bench_thousand: a thousand workers and two hundred branches over twenty channels at once, each
 * with a history of 100 KB and a stream under way: what an event costs then, what they hold, how
 * long the loop's turns are from their beginning to their end, and what is left when they have
 * settled. */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/lib/wait.h"

#define CHANNELS 20
#define WORKERS 50 /* of one channel */
#define BRANCHES 10
#define ALL (CHANNELS * (WORKERS + BRANCHES))
#define HISTORY (100 * 1024)
#define PER_STREAM 50  /* events a second */
#define REST_MS 4000   /* a second after a burst the engine gives back what it left free */
#define OPEN_MS 180000 /* for all of them to be at it */
#define SETTLE_MS 120000
#define GROUP "work"

struct thousand {
    struct load load;
    int files, children; /* of the engine before it began */
    struct usage rest;   /* when all histories are written and nothing streams */
    double settle_ms;
};

/* ---- looking ----------------------------------------------------------------------------------
 */

static int open_files(pid_t pid) {
    char path[48];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    int n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void count_one(void *arg, pid_t pid) {
    (void)pid;
    ++*(int *)arg;
}

static int children_of(pid_t pid) {
    int n = 0;
    usage_descendants(pid, count_one, &n);
    return n;
}

static int64_t living(struct load *l, const char *kind) {
    cJSON *status = load_status(l);
    int64_t n = status ? json_i64(json_obj(status, "processes"), kind, -1) : -1;
    cJSON_Delete(status);
    return n;
}

/* ---- beginning --------------------------------------------------------------------------------
 */

static bool begin(struct thousand *t, struct cause *why) {
    struct load *l = &t->load;
    char text[64];
    if (!load_engine(l, why))
        return false;
    /* The first status comes when the engine's own trial of its sandbox is over. */
    int64_t deadline = wait_until(OPEN_MS);
    while (children_of(l->engine) && wait_left(deadline) > 0)
        (void)poll(NULL, 0, 20);
    t->files = open_files(l->engine);
    t->children = children_of(l->engine);
    snprintf(text, sizeof(text), "[[spawn %d %s %d %d]]", WORKERS, GROUP, HISTORY, BRANCHES);
    for (int i = 0; i < CHANNELS; i++) {
        char channel[16];
        snprintf(channel, sizeof(channel), "c%d", i);
        struct run *r = tmphome_spacebot(l->home, ARGS("say", channel, text), NULL);
        bool said = run_code(r) == 0;
        if (!said)
            (void)cause_set(why, STATUS_IO, "%s", run_err(r));
        run_free(&r);
        if (!said)
            return false;
    }
    size_t streams = 0;
    deadline = wait_until(OPEN_MS);
    while ((streams = load_count(l, GROUP).streams) < ALL && wait_left(deadline) > 0)
        (void)poll(NULL, 0, 50);
    int64_t workers = living(l, "worker"), branches = living(l, "branch");
    if (streams < ALL || workers != CHANNELS * WORKERS || branches != CHANNELS * BRANCHES) {
        (void)cause_set(why, STATUS_TIMEOUT, "%zu of %d streams, %lld workers and %lld branches",
                        streams, ALL, (long long)workers, (long long)branches);
        return false;
    }
    (void)poll(NULL, 0, REST_MS);
    if (usage_read(l->engine, &t->rest))
        return true;
    (void)cause_set(why, STATUS_GONE, "the engine is gone");
    return false;
}

/* ---- while they are at it ---------------------------------------------------------------------
 */

static bool measure(struct thousand *t, const char *group, pid_t pid, double *values,
                    struct cause *why) {
    struct usage used;
    struct load_count sent;
    if (!load_measure(&t->load, group, (double)ALL * PER_STREAM, bench_quick() ? 1000 : 2500, pid,
                      &used, &sent, why))
        return false;
    values[0] = (double)used.main_ns / 1000 / (double)sent.events;
    values[1] = (double)used.cpu_ns / 1000 / (double)sent.events;
    return true;
}

static bool event_subject(void *arg, double *values, struct cause *why) {
    struct thousand *t = arg;
    return measure(t, GROUP, t->load.engine, values, why);
}

static bool event_control(void *arg, double *values, struct cause *why) {
    struct thousand *t = arg;
    return measure(t, LOAD_BARE, run_pid(t->load.reader), values, why);
}

static const struct bench_figure events[] = {
    {.name = "thousand_loop",
     .what = "loop thread per streamed event, 1,000 workers and 200 branches over 20 channels x 50 "
             "a second; control: epoll and recv",
     .unit = "us",
     .kind = BENCH_RATIO_MAX,
     .goal = 1.5},
    {.name = "thousand_whole",
     .what = "the whole engine per event then",
     .unit = "us",
     .kind = BENCH_RATIO_MAX,
     .goal = 2},
};

static bool memory_subject(void *arg, double *values, struct cause *why) {
    const struct thousand *t = arg;
    (void)why;
    values[0] = (double)t->rest.rss_kb / 1024 * 1000 / ALL;
    return true;
}

static const struct bench_figure memory[] = {
    {.name = "thousand_memory",
     .what = "resident memory of the engine for every 1,000 of them, with a history of 100 KB each",
     .unit = "MB",
     .kind = BENCH_MAX,
     .goal = 150,
     .alone = true,
     .exact = true},
};

/* ---- the end ----------------------------------------------------------------------------------
 */

static bool settle(struct thousand *t, struct cause *why) {
    struct load *l = &t->load;
    int64_t start = clock_real_mono_ns(), deadline = wait_until(SETTLE_MS);
    load_finish(l, GROUP);
    if (!load_settled(l, why))
        return false;
    while (living(l, "branch") != 0 && wait_left(deadline) > 0)
        (void)poll(NULL, 0, 50);
    t->settle_ms = (double)(clock_real_mono_ns() - start) / NS_PER_MS;
    int64_t left = living(l, "branch");
    if (left)
        (void)cause_set(why, STATUS_TIMEOUT, "%lld branches have not ended", (long long)left);
    return left == 0;
}

static bool left_subject(void *arg, double *values, struct cause *why) {
    struct thousand *t = arg;
    (void)why;
    values[0] = open_files(t->load.engine) - t->files;
    values[1] = children_of(t->load.engine) - t->children;
    values[2] = t->settle_ms;
    return true;
}

static const struct bench_figure left[] = {
    {.name = "thousand_files_left",
     .what = "descriptors of the engine more than before, when all have settled (connections that "
             "may serve the next call)",
     .unit = "",
     .kind = BENCH_MAX,
     .goal = 64,
     .alone = true,
     .exact = true},
    {.name = "thousand_children_left",
     .what = "child processes more than before then",
     .unit = "",
     .kind = BENCH_MAX,
     .goal = 0,
     .alone = true,
     .exact = true},
    {.name = "thousand_settle",
     .what = "from the end of all streams to the end of all of them, results stored and told",
     .unit = "ms",
     .kind = BENCH_REPORTED,
     .alone = true},
};

static void skip_all(const struct bench_figure *f, size_t n, const char *why) {
    for (size_t i = 0; i < n; i++)
        bench_skip(&f[i], why);
}

int main(int argc, char **argv) {
    struct thousand t = {.settle_ms = 0};
    struct cause why = {""};
    bench_begin(argc, argv);
    load_begin(&t.load);
    bool ready = begin(&t, &why);
    if (ready)
        bench_run(&(struct bench_case){.figures = memory,
                                       .n = ARRAY_LEN(memory),
                                       .subject = memory_subject,
                                       .arg = &t,
                                       .rounds = 1});
    else
        skip_all(memory, ARRAY_LEN(memory), why.text);
    if (ready && load_reader(&t.load, ALL, &why))
        bench_run(&(struct bench_case){.figures = events,
                                       .n = ARRAY_LEN(events),
                                       .subject = event_subject,
                                       .control = event_control,
                                       .arg = &t});
    else
        skip_all(events, ARRAY_LEN(events), why.text);
    if (ready && settle(&t, &why))
        bench_run(&(struct bench_case){.figures = left,
                                       .n = ARRAY_LEN(left),
                                       .subject = left_subject,
                                       .arg = &t,
                                       .rounds = 1});
    else
        skip_all(left, ARRAY_LEN(left), why.text);
    load_turns(t.load.home, "thousand", "from the beginning of 1,200 processes to their end");
    load_end(&t.load);
    return bench_end();
}
