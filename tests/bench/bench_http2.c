/* bench_http2: a thousand streams over HTTP/2 and TLS: what they cost, and how many connections
 * they take. nghttpx stands in front of both servers; the control reads the same frames behind the
 * same proxy without TLS and without looking at them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/lib/nghttpx.h"

#define STREAMS 1000
#define EACH 100         /* on a connection, as most providers allow */
#define QUIET 1000       /* events a second, of all streams together */
#define BUSY (10 * 1000) /* the same, as many as the proxy passes on beside the two servers */
#define GROUP "work"

struct http2 {
    struct load load;
    struct nghttpx *provider, *bare;
};

/* ---- processor ------------------------------------------------------------------------------- */

static bool measure(struct load *l, const char *group, pid_t pid, int events, struct usage *used,
                    struct load_count *sent, struct cause *why) {
    return load_measure(l, group, events, bench_quick() ? 2000 : 4000, pid, used, sent, why);
}

static bool quiet_side(struct load *l, const char *group, pid_t pid, double *values,
                       struct cause *why) {
    struct usage used;
    struct load_count sent;
    if (!measure(l, group, pid, QUIET, &used, &sent, why))
        return false;
    values[0] = 100.0 * (double)used.cpu_ns / (double)used.at_ns;
    values[1] = 100.0 * (double)used.main_ns / (double)used.at_ns;
    return true;
}

static bool busy_side(struct load *l, const char *group, pid_t pid, double *values,
                      struct cause *why) {
    struct usage used;
    struct load_count sent;
    if (!measure(l, group, pid, BUSY, &used, &sent, why))
        return false;
    values[0] = (double)used.main_ns / 1000 / (double)sent.events;
    values[1] = (double)used.cpu_ns / 1000 / (double)sent.events;
    return true;
}

static bool quiet_subject(void *arg, double *values, struct cause *why) {
    struct http2 *b = arg;
    return quiet_side(&b->load, GROUP, b->load.engine, values, why);
}

static bool quiet_control(void *arg, double *values, struct cause *why) {
    struct http2 *b = arg;
    return quiet_side(&b->load, LOAD_BARE, run_pid(b->load.reader), values, why);
}

static bool busy_subject(void *arg, double *values, struct cause *why) {
    struct http2 *b = arg;
    return busy_side(&b->load, GROUP, b->load.engine, values, why);
}

static bool busy_control(void *arg, double *values, struct cause *why) {
    struct http2 *b = arg;
    return busy_side(&b->load, LOAD_BARE, run_pid(b->load.reader), values, why);
}

static const struct bench_figure quiet_figures[] = {
    {.name = "open1000_http2",
     .what = "processor with 1,000 open streams over HTTP/2 and TLS that carry 1,000 events a "
             "second together; control: epoll and recv behind the same proxy, without TLS",
     .unit = "% of a core",
     .kind = BENCH_BEYOND_MAX,
     .goal = 2},
    {.name = "open1000_http2_loop",
     .what = "the loop's thread of it",
     .unit = "% of a core",
     .kind = BENCH_REPORTED},
};
static const struct bench_figure busy_figures[] = {
    {.name = "stream1000_http2_loop",
     .what = "loop thread per event, 1,000 streams over HTTP/2 and TLS x 10 a second; control as "
             "above",
     .unit = "us",
     .kind = BENCH_REPORTED},
    {.name = "stream1000_http2_whole",
     .what = "the whole engine per event then",
     .unit = "us",
     .kind = BENCH_REPORTED},
};

/* ---- connections ----------------------------------------------------------------------------- */

/* Established connections of this machine to that port of 127.0.0.1. */
static int connections(int port) {
    char line[256];
    int n = 0;
    FILE *f = fopen("/proc/net/tcp", "re");
    while (f && fgets(line, sizeof(line), f)) {
        unsigned to_port, state;
        if (sscanf(line, " %*d: %*8x:%*x %*8x:%x %x", &to_port, &state) == 2)
            n += to_port == (unsigned)port && state == 1;
    }
    if (f)
        fclose(f);
    return n;
}

static bool connections_subject(void *arg, double *values, struct cause *why) {
    struct http2 *b = arg;
    (void)why;
    values[0] = connections(nghttpx_port(b->provider));
    return true;
}

static bool connections_control(void *arg, double *values, struct cause *why) {
    struct http2 *b = arg;
    (void)why;
    values[0] = connections(nghttpx_plain_port(b->bare));
    return true;
}

static const struct bench_figure connections_figure = {
    .name = "http2_connections",
    .what = "connections that these 1,000 streams share; control: 100 on each, as the proxy allows",
    .unit = "connections",
    .kind = BENCH_REPORTED,
    .exact = true};

/* ---- around them ----------------------------------------------------------------------------- */

static struct nghttpx *proxy(struct http2 *b, const char *name, int backend, struct cause *why) {
    char *dir = xasprintf("%s/%s", b->load.home->dir, name);
    struct nghttpx *x = NULL;
    if (mkdir(dir, 0700) == 0)
        x = nghttpx_start(&(struct nghttpx_spec){.dir = dir, .backend = backend, .streams = EACH},
                          why);
    free(dir);
    return x;
}

static bool set_up(struct http2 *b, struct cause *why) {
    load_begin(&b->load);
    b->provider = proxy(b, "provider", b->load.provider.port, why);
    b->bare = b->provider ? proxy(b, "bare", b->load.bare.port, why) : NULL;
    if (!b->bare)
        return false;
    char *url = xasprintf("https://127.0.0.1:%d", nghttpx_port(b->provider));
    tmphome_setenv(b->load.home, "ANTHROPIC_BASE_URL", url);
    tmphome_setenv(b->load.home, "SSL_CERT_FILE", nghttpx_authority(b->provider));
    free(url);
    return load_engine(&b->load, why) && load_workers(&b->load, GROUP, STREAMS, 0, why) &&
           load_reader_http2(&b->load, nghttpx_plain_port(b->bare), STREAMS, EACH, why);
}

int main(int argc, char **argv) {
    struct http2 b = {.provider = NULL};
    struct cause why = {""};
    bench_begin(argc, argv);
    bench_note("http2_connections",
               "each opened its own, up to 64, before only a few requests at a time could be on "
               "their way to a connection");
    bench_note("open1000_http2",
               "curl turns to each stream of a connection on which something arrives: with a "
               "hundred on each this was 35 points more, with sixteen 3; at eight a connection "
               "there are more connections and less to turn to");
    if (set_up(&b, &why)) {
        bench_run(&(struct bench_case){.figures = &connections_figure,
                                       .n = 1,
                                       .subject = connections_subject,
                                       .control = connections_control,
                                       .arg = &b,
                                       .rounds = 1});
        bench_run(&(struct bench_case){.figures = quiet_figures,
                                       .n = ARRAY_LEN(quiet_figures),
                                       .subject = quiet_subject,
                                       .control = quiet_control,
                                       .arg = &b});
        bench_run(&(struct bench_case){.figures = busy_figures,
                                       .n = ARRAY_LEN(busy_figures),
                                       .subject = busy_subject,
                                       .control = busy_control,
                                       .arg = &b});
        load_turns(b.load.home, "http2", "with 1,000 streams over HTTP/2 and TLS");
    } else {
        bench_skip(&connections_figure, why.text);
        for (size_t i = 0; i < 2; i++)
            bench_skip(&quiet_figures[i], why.text);
        for (size_t i = 0; i < 2; i++)
            bench_skip(&busy_figures[i], why.text);
    }
    load_end(&b.load);
    nghttpx_stop(&b.bare);
    nghttpx_stop(&b.provider);
    return bench_end();
}
