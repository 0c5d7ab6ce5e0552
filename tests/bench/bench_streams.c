/* bench_streams: what an event of a stream costs the engine, held against a program that only reads
 * it; and how long a key takes to its letter while a thousand streams run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/bench/stage.h"
#include "tests/lib/wait.h"

#define PER_STREAM 50 /* events a second */
#define GROUP "work"
#define COLS 200
#define ROWS 50
#define KEYS 25 /* a round: they have room in the composer beside the live panes */
#define KEYS_QUICK 20
#define ROUNDS 15 /* short ones */

struct streams {
    struct load load;
    int n;
    struct stage screen;
    double slowest_ms;
};

/* ---- an event -------------------------------------------------------------------------------- */

static bool measure(struct streams *b, const char *group, pid_t pid, double *values,
                    struct cause *why) {
    struct usage used;
    struct load_count sent;
    if (!load_measure(&b->load, group, (double)b->n * PER_STREAM, 700, pid, &used, &sent, why))
        return false;
    values[0] = (double)used.main_ns / 1000 / (double)sent.events;
    values[1] = (double)used.cpu_ns / 1000 / (double)sent.events;
    if (sent.skipped)
        bench_note(b->n == 200 ? "stream200_loop" : "stream1000_loop",
                   "%s: %llu events were not taken in time", group,
                   (unsigned long long)sent.skipped);
    return true;
}

static bool event_subject(void *arg, double *values, struct cause *why) {
    struct streams *b = arg;
    return measure(b, GROUP, b->load.engine, values, why);
}

static bool event_control(void *arg, double *values, struct cause *why) {
    struct streams *b = arg;
    return measure(b, LOAD_BARE, run_pid(b->load.reader), values, why);
}

static void bench_events(struct streams *b, int n, const struct bench_figure *figures) {
    struct cause why = {""};
    bool ready = load_workers(&b->load, GROUP, n - b->n, 0, &why) && load_reader(&b->load, n, &why);
    b->n = n;
    if (ready)
        bench_run(&(struct bench_case){.figures = figures,
                                       .n = 2,
                                       .subject = event_subject,
                                       .control = event_control,
                                       .arg = b,
                                       .rounds = ROUNDS});
    for (size_t i = 0; !ready && i < 2; i++)
        bench_skip(&figures[i], why.text);
}

static const struct bench_figure events_200[] = {
    {.name = "stream200_loop",
     .what = "loop thread per streamed event, 200 streams x 50 a second; control: epoll and recv",
     .unit = "us",
     .kind = BENCH_RATIO_MAX,
     .goal = 1.5},
    {.name = "stream200_whole",
     .what = "the whole engine per event then",
     .unit = "us",
     .kind = BENCH_RATIO_MAX,
     .goal = 2},
};
static const struct bench_figure events_1000[] = {
    {.name = "stream1000_loop",
     .what = "loop thread per streamed event, 1,000 streams x 50 a second; control: epoll and recv",
     .unit = "us",
     .kind = BENCH_RATIO_MAX,
     .goal = 1.5},
    {.name = "stream1000_whole",
     .what = "the whole engine per event then",
     .unit = "us",
     .kind = BENCH_RATIO_MAX,
     .goal = 2},
};

static bool node_control(void *arg, double *values, struct cause *why) {
    struct streams *b = arg;
    double both[2]; /* whichever thread does it, the process has the cost */
    if (!measure(b, LOAD_NODE, run_pid(b->load.node), both, why))
        return false;
    values[0] = both[1];
    return true;
}

static bool node_subject(void *arg, double *values, struct cause *why) {
    struct streams *b = arg;
    double both[2];
    if (!measure(b, GROUP, b->load.engine, both, why))
        return false;
    values[0] = both[1];
    return true;
}

static void bench_node(struct streams *b) {
    static const struct bench_figure figure = {
        .name = "stream1000_node",
        .what = "the whole engine per event, 1,000 streams x 50 a second; control: a client in "
                "node, its http module and JSON.parse and nothing else",
        .unit = "us",
        .kind = BENCH_REPORTED};
    struct cause why = {""};
    if (!load_node(&b->load, b->n, &why)) {
        bench_skip(&figure, why.text);
        return;
    }
    bench_run(&(struct bench_case){
        .figures = &figure, .n = 1, .subject = node_subject, .control = node_control, .arg = b});
    run_free(&b->load.node);
}

/* ---- a key ----------------------------------------------------------------------------------- */

struct typing {
    struct stage *stage;
    char text[KEYS + 1];
    size_t n;
};

static bool typed(void *arg) {
    struct typing *t = arg;
    int row, col;
    return vt_find(t->stage->vt, t->text, &row, &col);
}

/* Milliseconds from a key to the arrival of the bytes that paint it, while all streams run. */
static bool key_subject(void *arg, double *values, struct cause *why) {
    struct streams *b = arg;
    (void)values;
    struct typing t = {.stage = &b->screen};
    int keys = bench_quick() ? KEYS_QUICK : KEYS;
    load_pace(&b->load, GROUP, (double)b->n * PER_STREAM);
    stage_watch(&b->screen, 300);
    for (int i = 0; i < keys; i++) {
        stage_watch(&b->screen, 15 + i % 7 * 5);
        char key = (char)('a' + (i * 7 + 3) % 26);
        t.text[t.n++] = key;
        t.text[t.n] = '\0';
        int64_t start = clock_real_mono_ns();
        pty_write(b->screen.pty, &key, 1);
        if (!stage_until(&b->screen, typed, &t, WAIT_MS)) {
            load_pace(&b->load, GROUP, 0);
            (void)cause_set(why, STATUS_TIMEOUT, "a key is lost");
            return false;
        }
        double ms = (double)(b->screen.last_ns - start) / NS_PER_MS;
        bench_sample(0, ms);
        bench_sample(1, ms);
    }
    load_pace(&b->load, GROUP, 0);
    pty_write(b->screen.pty, "\x15", 1);
    stage_watch(&b->screen, 300);
    return true;
}

static void bench_keys(struct streams *b) {
    static const struct bench_figure figures[] = {
        {.name = "key_paint_loaded",
         .what = "key to painted letter while 1,000 streams carry 50,000 events a second: p99, "
                 "none lost",
         .unit = "ms",
         .kind = BENCH_MAX,
         .goal = 8,
         .alone = true,
         .percentile = 0.99},
        {.name = "key_paint_loaded_median",
         .what = "the median of them",
         .unit = "ms",
         .kind = BENCH_REPORTED,
         .alone = true,
         .percentile = 0.5},
    };
    stage_spacebot(&b->screen, b->load.home, ARGS("attach"), COLS, ROWS);
    stage_expect(&b->screen, "\\? help");
    bench_run(&(struct bench_case){.figures = figures,
                                   .n = ARRAY_LEN(figures),
                                   .subject = key_subject,
                                   .arg = b,
                                   .rounds = 2 * ROUNDS});
    stage_end(&b->screen);
}

int main(int argc, char **argv) {
    struct streams b = {.n = 0};
    struct cause why = {""};
    bench_begin(argc, argv);
    load_begin(&b.load);
    if (!load_engine(&b.load, &why)) {
        fprintf(stderr, "bench_streams: %s\n", why.text);
        return 1;
    }
    bench_events(&b, 200, events_200);
    bench_events(&b, 1000, events_1000);
    bench_node(&b);
    bench_keys(&b);
    load_turns(b.load.home, "stream", "with up to 1,000 streams and a screen");
    load_end(&b.load);
    return bench_end();
}
