/* bench_stall: a subscriber that does not read for ten seconds while a thousand streams carry
 * 50,000 events a second: what it costs the engine in memory, whether anything is lost to it, and
 * how soon it has caught up. The control is the same load without a subscriber: texts grow in any
 * case. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/home.h"
#include "ctl/client.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"

#define STREAMS 1000
#define PER_SECOND 50000
#define ENDING 20 /* workers that come to their end while it does not read */
#define STALL_MS 10000
#define STALL_QUICK_MS 3000
#define PIECE 20 /* bytes of a delta: "0000041 lorem ipsum " */
#define LATE_NS (INT64_C(30) * NS_PER_SEC)

struct stall {
    struct load load;
    struct home *home;
};

/* What the subscriber has heard. */
struct heard {
    struct map *next; /* process id: the number after its last delta, plus 1 */
    uint64_t deltas, gaps;
    int ended;
    int64_t lagged;
};

static void hear(struct heard *h, const cJSON *e) {
    const char *type = json_str(e, "type", ""), *id = json_str(e, "id", "");
    h->ended += str_eq(type, "worker_complete");
    if (str_eq(type, "lagged"))
        h->lagged += json_i64(e, "missed", 0);
    if (!str_eq(type, "text_delta"))
        return;
    const char *text = json_str(e, "delta", "");
    uintptr_t next = (uintptr_t)map_get(h->next, id);
    for (size_t n = strlen(text), at = 0; at + PIECE <= n; at += PIECE) {
        uintptr_t number = (uintptr_t)strtoul(text + at, NULL, 10) + 1;
        h->gaps += next && number != next;
        next = number + 1;
        h->deltas++;
    }
    if (next)
        (void)map_put(h->next, id, (void *)next);
}

/* Reads until everything has come, or nothing comes any more. Seconds it took; -1: it never came.
 */
static double catch_up(struct ctl_conn *c, struct heard *h, uint64_t deltas, int ended,
                       struct cause *why) {
    int64_t start = clock_real_mono_ns();
    while (h->deltas < deltas || h->ended < ended) {
        cJSON *line = NULL;
        enum status st = ctl_conn_read(c, NS_PER_SEC, &line, why);
        if (st == STATUS_OK && ctl_line_event(line))
            hear(h, ctl_line_event(line));
        cJSON_Delete(line);
        if (st != STATUS_OK || clock_real_mono_ns() - start > LATE_NS)
            return -1;
    }
    return (double)(clock_real_mono_ns() - start) / NS_PER_SEC;
}

/* The engine's growth in MB while all streams run for the time of a stall. */
static bool run_streams(struct stall *b, bool ending, double *grown, uint64_t *sent,
                        struct cause *why) {
    struct usage from, to;
    int ms = bench_quick() ? STALL_QUICK_MS : STALL_MS;
    uint64_t before = load_count(&b->load, "work").events;
    bool ok = usage_read(b->load.engine, &from);
    load_pace(&b->load, "work", PER_SECOND);
    (void)poll(NULL, 0, ms / 2);
    if (ending)
        load_finish(&b->load, "ending");
    (void)poll(NULL, 0, ms / 2);
    ok = ok && usage_read(b->load.engine, &to);
    load_pace(&b->load, "work", 0);
    (void)poll(NULL, 0, 300);
    *sent = load_count(&b->load, "work").events - before;
    if (!ok)
        (void)cause_set(why, STATUS_GONE, "the engine is gone");
    *grown = (double)(to.rss_kb - from.rss_kb) / 1024;
    return ok;
}

static bool stall_subject(void *arg, double *values, struct cause *why) {
    struct stall *b = arg;
    struct ctl_conn *c = NULL;
    struct heard h = {.next = map_new()};
    uint64_t sent = 0;
    bench_heed(false); /* memory and counts are what they are; the time to catch up is measured */
    bool ok = load_workers(&b->load, "ending", ENDING, 0, why) &&
              ctl_connect(b->home, &c, why) == STATUS_OK &&
              ctl_request(c, "follow", NULL, CTL_WAIT_NS, NULL, why) == STATUS_OK &&
              run_streams(b, true, &values[0], &sent, why);
    if (ok) {
        struct cause late = {""};
        bench_heed(true);
        double seconds = catch_up(c, &h, sent, ENDING, &late);
        if (seconds >= 0)
            values[1] = seconds;
        bench_heed(false);
        values[2] = (double)(sent - h.deltas + h.gaps) + ENDING - h.ended;
        if (h.lagged)
            bench_note("stall_lost", "it was told of %lld missed events", (long long)h.lagged);
    }
    ctl_conn_free(&c);
    map_free(&h.next);
    return ok;
}

static bool stall_control(void *arg, double *values, struct cause *why) {
    uint64_t sent = 0;
    bench_heed(false);
    return run_streams(arg, false, &values[0], &sent, why);
}

int main(int argc, char **argv) {
    static const struct bench_figure figures[] = {
        {.name = "stall_memory",
         .what =
             "growth of the engine while a subscriber does not read for 10 s at 50,000 events a "
             "second; control: no subscriber",
         .unit = "MB",
         .kind = BENCH_BEYOND_MAX,
         .goal = 64,
         .exact = true},
        {.name = "stall_caught_up",
         .what = "until the subscriber, reading again, has had everything",
         .unit = "s",
         .kind = BENCH_MAX,
         .goal = 5,
         .alone = true},
        {.name = "stall_lost",
         .what = "deltas and ends of workers that it never heard of, or out of order",
         .unit = "events",
         .kind = BENCH_MAX,
         .goal = 0,
         .alone = true,
         .exact = true},
    };
    struct stall b;
    struct cause why = {""};
    bench_begin(argc, argv);
    load_begin(&b.load);
    setenv("SPACEBOT_DIR", b.load.home->home, 1);
    setenv("XDG_RUNTIME_DIR", b.load.home->run, 1);
    bool ready = load_engine(&b.load, &why) && home_open(&b.home, &why) == STATUS_OK &&
                 load_workers(&b.load, "work", STREAMS, 0, &why);
    if (ready) {
        bench_run(&(struct bench_case){.figures = figures,
                                       .n = ARRAY_LEN(figures),
                                       .subject = stall_subject,
                                       .control = stall_control,
                                       .arg = &b});
        load_turns(b.load.home, "stall", "with 1,000 streams and a stalled subscriber");
        home_free(&b.home);
    }
    for (size_t i = 0; !ready && i < ARRAY_LEN(figures); i++)
        bench_skip(&figures[i], why.text);
    load_end(&b.load);
    return bench_end();
}
