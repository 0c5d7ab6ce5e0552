/* load: see load.h. */
#include "tests/bench/load.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

#define CHANNEL_WORKERS 50 /* that one channel starts */
#define OPEN_MS 120000     /* for all streams to be open */
#define SETTLE_MS 120000
#define WARM_MS 300 /* before a measurement: the first events of a pace find cold caches */

static void pause_ms(int ms) { (void)poll(NULL, 0, ms); }

static struct load_server start_server(void) {
    char *program = xasprintf("%s/tests/fake/bench-server", where_build());
    const char *argv[] = {program, NULL};
    struct load_server s = {.run = run_start(&(struct run_spec){.argv = argv, .open_stdin = true})};
    if (!run_wait_out(s.run, "\n", WAIT_MS) || sscanf(run_out(s.run), "port %d", &s.port) != 1) {
        fprintf(stderr, "the bench server does not start: %s\n", run_err(s.run));
        exit(1);
    }
    free(program);
    return s;
}

void load_begin(struct load *l) {
    memset(l, 0, sizeof(*l));
    l->provider = start_server();
    l->bare = start_server();
    l->home = tmphome_new(NULL);
    char *url = xasprintf("http://127.0.0.1:%d", l->provider.port);
    tmphome_setenv(l->home, "ANTHROPIC_BASE_URL", url);
    tmphome_setenv(l->home, "ANTHROPIC_API_KEY", "sk-ant-bench");
    free(url);
    tmphome_config(l->home, "limits = { workers = 10000; branches = 1000; silence_secs = 3600; "
                            "worker_wall_secs = 36000; dollars_a_day = 0.0; };\n");
}

void load_end(struct load *l) {
    run_free(&l->reader);
    run_free(&l->node);
    struct run *stop = tmphome_spacebot(l->home, ARGS("stop"), NULL);
    run_free(&stop);
    run_free(&l->daemon);
    tmphome_free(&l->home);
    run_free(&l->provider.run);
    run_free(&l->bare.run);
}

/* ---- the servers ---- */

static struct run *server_of(struct load *l, const char *group) {
    return str_eq(group, LOAD_BARE) || str_eq(group, LOAD_NODE) ? l->bare.run : l->provider.run;
}

void load_pace(struct load *l, const char *group, double per_second) {
    char *line = xasprintf("pace %s %.3f\n", group, per_second);
    run_write(server_of(l, group), line);
    free(line);
}

void load_finish(struct load *l, const char *group) {
    char *line = xasprintf("finish %s\n", group);
    run_write(server_of(l, group), line);
    free(line);
}

struct load_count load_count(struct load *l, const char *group) {
    struct load_count c = {0};
    struct run *server = server_of(l, group);
    char *line = xasprintf("count %s\n", group);
    size_t before = strlen(run_out(server));
    unsigned long long events = 0, skipped = 0;
    long long late = 0;
    run_write(server, line);
    if (!run_wait_more(server, before, WAIT_MS) ||
        sscanf(run_out(server) + before,
               "count %*s streams %zu events %llu skipped %llu late_us %lld", &c.streams, &events,
               &skipped, &late) != 4) {
        fprintf(stderr, "the bench server said: %s\n", run_out(server) + before);
        exit(1);
    }
    c.events = events;
    c.skipped = skipped;
    c.late_us = late;
    free(line);
    return c;
}

static bool wait_streams(struct load *l, const char *group, size_t streams, struct cause *why) {
    int64_t deadline = wait_until(OPEN_MS);
    size_t open = 0;
    while ((open = load_count(l, group).streams) < streams && wait_left(deadline) > 0)
        pause_ms(50);
    if (open >= streams)
        return true;
    (void)cause_set(why, STATUS_TIMEOUT, "only %zu of %zu streams have opened", open, streams);
    return false;
}

/* ---- the engine and the reader ---- */

static cJSON *status_of(struct tmphome *home) {
    struct run *r = tmphome_spacebot(home, ARGS("status", "--json"), NULL);
    cJSON *status = NULL;
    if (run_code(r) == 0)
        (void)!json_parse(run_out(r), strlen(run_out(r)), &status, NULL);
    run_free(&r);
    return status;
}

cJSON *load_status(struct load *l) { return status_of(l->home); }

bool load_find_engine(struct load *l, struct cause *why) {
    int64_t deadline = wait_until(WAIT_MS);
    while (!(l->engine = tmphome_engine(l->home)) && wait_left(deadline) > 0)
        pause_ms(20);
    if (!l->engine)
        (void)cause_set(why, STATUS_TIMEOUT, "the engine does not start");
    return l->engine != 0;
}

bool load_engine(struct load *l, struct cause *why) {
    bench_subject_core();
    l->daemon = tmphome_start(l->home, ARGS("daemon", "--foreground"));
    bench_driver_core();
    return load_find_engine(l, why);
}

bool load_workers(struct load *l, const char *group, int workers, int bytes, struct cause *why) {
    size_t before = load_count(l, group).streams;
    for (int left = workers; left > 0; left -= CHANNEL_WORKERS) {
        int n = left < CHANNEL_WORKERS ? left : CHANNEL_WORKERS;
        char *channel = xasprintf("load-%d", l->channels++);
        char *text = xasprintf("[[spawn %d %s %d]]", n, group, bytes);
        struct run *r = tmphome_spacebot(l->home, ARGS("say", channel, text), NULL);
        bool said = run_code(r) == 0;
        if (!said)
            (void)cause_set(why, STATUS_IO, "%s", run_err(r));
        run_free(&r);
        free(channel);
        free(text);
        if (!said)
            return false;
    }
    return wait_streams(l, group, before + (size_t)workers, why);
}

/* On the subject's core, until its standard input closes; NULL when it does not get ready. */
static struct run *start_client(const char *const *argv, const char *what, struct cause *why) {
    bench_subject_core();
    struct run *r = run_start(&(struct run_spec){.argv = argv, .open_stdin = true});
    bench_driver_core();
    if (!run_wait_out(r, "ready\n", OPEN_MS)) {
        (void)cause_set(why, STATUS_IO, "%s: %.300s", what, run_err(r));
        run_free(&r);
    }
    return r;
}

static bool start_reader(struct load *l, int port, int streams, int each, struct cause *why) {
    char *argv[] = {xasprintf("%s/tests/bench/control_reader", where_build()),
                    xasprintf("%d", port),
                    xasprintf("%d", streams),
                    xstrdup(LOAD_BARE),
                    each ? xasprintf("%d", each) : NULL,
                    NULL};
    run_free(&l->reader);
    l->reader = start_client((const char *const *)argv, "the bare reader", why);
    for (size_t i = 0; i < ARRAY_LEN(argv); i++)
        free(argv[i]);
    return l->reader != NULL;
}

bool load_reader(struct load *l, int streams, struct cause *why) {
    return start_reader(l, l->bare.port, streams, 0, why);
}

bool load_reader_http2(struct load *l, int port, int streams, int each, struct cause *why) {
    return start_reader(l, port, streams, each, why);
}

bool load_node(struct load *l, int streams, struct cause *why) {
    char *script = xasprintf("%s/tests/bench/control_node.js", where_source());
    char port[16], n[16];
    snprintf(port, sizeof(port), "%d", l->bare.port);
    snprintf(n, sizeof(n), "%d", streams);
    const char *argv[] = {"node", script, port, n, LOAD_NODE, NULL};
    run_free(&l->node);
    l->node = start_client(argv, "the client in node", why);
    free(script);
    return l->node != NULL;
}

bool load_measure(struct load *l, const char *group, double per_second, int ms, pid_t pid,
                  struct usage *used, struct load_count *sent, struct cause *why) {
    struct usage from, to;
    load_pace(l, group, per_second);
    pause_ms(WARM_MS);
    struct load_count before = load_count(l, group);
    bool ok = usage_read(pid, &from);
    pause_ms(ms);
    *sent = load_count(l, group);
    ok = ok && usage_read(pid, &to);
    load_pace(l, group, 0);
    if (!ok || sent->events <= before.events) {
        (void)cause_set(why, STATUS_GONE, ok ? "nothing was sent" : "the process is gone");
        return false;
    }
    sent->events -= before.events;
    sent->skipped -= before.skipped;
    *used = (struct usage){.at_ns = to.at_ns - from.at_ns,
                           .cpu_ns = to.cpu_ns - from.cpu_ns,
                           .main_ns = to.main_ns - from.main_ns,
                           .voluntary = to.voluntary - from.voluntary,
                           .forced = to.forced - from.forced,
                           .rss_kb = to.rss_kb - from.rss_kb,
                           .private_kb = to.private_kb - from.private_kb};
    pause_ms(WARM_MS); /* what is on its way arrives, and is no part of the other side's time */
    return true;
}

bool load_settled(struct load *l, struct cause *why) {
    int64_t deadline = wait_until(SETTLE_MS);
    int64_t left = -1;
    while (left != 0 && wait_left(deadline) > 0) {
        cJSON *status = load_status(l);
        left = status ? json_i64(json_obj(status, "processes"), "worker", -1) : -1;
        cJSON_Delete(status);
        if (left)
            pause_ms(100);
    }
    if (left)
        (void)cause_set(why, STATUS_TIMEOUT, "%lld workers have not ended", (long long)left);
    return left == 0;
}

/* ---- turns ---- */

static bool read_turns(void *arg, double *values, struct cause *why) {
    const cJSON *cpu = json_obj(arg, "cpu_us");
    (void)why;
    values[0] = (double)json_i64(cpu, "p999", -1) / 1000;
    values[1] = (double)json_i64(cpu, "max", -1) / 1000;
    return true;
}

/* "p50 0.1, p99 0.2, p99.9 0.3, longest 0.4 ms" */
static char *four(const cJSON *loop, const char *clock) {
    const cJSON *t = json_obj(loop, clock);
    return xasprintf("p50 %.3f, p99 %.3f, p99.9 %.3f, longest %.3f ms",
                     (double)json_i64(t, "p50", 0) / 1000, (double)json_i64(t, "p99", 0) / 1000,
                     (double)json_i64(t, "p999", 0) / 1000, (double)json_i64(t, "max", 0) / 1000);
}

void load_turns(struct tmphome *home, const char *name, const char *during) {
    char *names[] = {xasprintf("%s_turn", name), xasprintf("%s_turn_longest", name)};
    char *whats[] = {
        xasprintf("99.9 %% of the loop's turns take at most, by its thread's CPU, %s", during),
        xasprintf("the longest turn of the loop, by its thread's CPU, %s", during)};
    struct bench_figure figures[2];
    for (size_t i = 0; i < 2; i++)
        figures[i] = (struct bench_figure){.name = names[i],
                                           .what = whats[i],
                                           .unit = "ms",
                                           .kind = BENCH_MAX,
                                           .goal = i == 0 ? 5 : 20,
                                           .alone = true,
                                           .exact = true};
    cJSON *status = status_of(home),
          *loop = status ? cJSON_DetachItemFromObject(status, "loop") : NULL;
    if (loop) {
        char *cpu = four(loop, "cpu_us"), *wall = four(loop, "wall_us");
        bench_note(names[0], "CPU: %s; wall: %s; %lld turns", cpu, wall,
                   (long long)json_i64(loop, "turns", 0));
        bench_run(&(struct bench_case){
            .figures = figures, .n = 2, .subject = read_turns, .arg = loop, .rounds = 1});
        free(cpu);
        free(wall);
    }
    cJSON_Delete(loop);
    cJSON_Delete(status);
    for (size_t i = 0; i < 2; i++) {
        free(names[i]);
        free(whats[i]);
    }
}
