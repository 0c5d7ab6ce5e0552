/* bench-server: a model provider for measuring, over plain HTTP/1.1 on 127.0.0.1: thousands of
 * streams at a pace that is told, as even as one thread can make it (it spins rather than sleeps
 * for less than SPIN_NS, so it wants a core of its own). What a request gets: see bench.c.
 *
 *     bench-server [--port N]
 *
 * Says "port N" on standard output. Takes on standard input, a line each:
 *     pace GROUP N     N events a second from all streams of the group together, 0: rest
 *     finish GROUP     its streams end properly
 *     count GROUP      says "count GROUP streams N events N skipped N late_us N"
 * and ends when that closes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench.h"
#include "listen.h"

#define EVENTS_A_TURN 256
#define SPIN_NS 200000 /* waits shorter than this are spun away: sleeping is coarser */
#define LOOK_NS 100000 /* while it spins, sockets and commands are looked at so often */

struct program {
    struct bench bench;
    int listen_fd, signal_fd;
    struct buf commands;
    bool running;
};

static char listen_tag, stdin_tag, signal_tag;

static void command(struct bench *b, const char *line) {
    char name[BENCH_NAME] = "";
    double n = 0;
    bool pace = sscanf(line, "pace %15[a-z] %lf", name, &n) == 2;
    bool finish = !pace && sscanf(line, "finish %15[a-z]", name) == 1;
    bool count = !pace && !finish && sscanf(line, "count %15[a-z]", name) == 1;
    struct bench_group *g = *name ? bench_group(b, name) : NULL;
    if (g && pace) {
        bench_pace(g, n, clock_mono_ns());
    } else if (g && finish) {
        bench_finish(b, g);
    } else if (g && count) {
        printf("count %s streams %zu events %llu skipped %llu late_us %lld\n", name, g->n,
               (unsigned long long)g->events, (unsigned long long)g->skipped,
               (long long)(g->late_ns / 1000));
        g->late_ns = 0;
    } else {
        printf("unknown command %.100s\n", line);
    }
    fflush(stdout);
}

/* False when the other side is gone. */
static bool read_commands(struct program *p) {
    ssize_t n = read(STDIN_FILENO, buf_room(&p->commands, 4096), 4096);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    buf_added(&p->commands, (size_t)n);
    for (char *nl; p->commands.len && (nl = memchr(p->commands.data, '\n', p->commands.len));) {
        *nl = '\0';
        command(&p->bench, p->commands.data);
        buf_consume(&p->commands, (size_t)(nl - p->commands.data) + 1);
    }
    return true;
}

static void handle(struct program *p, const struct epoll_event *e) {
    void *tag = e->data.ptr;
    if (tag == &listen_tag) {
        for (int fd; (fd = listen_accept(p->listen_fd)) >= 0;) {
            listen_nodelay(fd);
            bench_accept(&p->bench, fd);
        }
    } else if (tag == &signal_tag) {
        p->running = false;
    } else if (tag == &stdin_tag) {
        p->running = read_commands(p) && p->running;
    } else {
        bench_ready(&p->bench, tag, e->events);
    }
}

static void serve(struct program *p) {
    int64_t looked = 0;
    while (p->running) {
        int64_t now = clock_mono_ns();
        int64_t wait = bench_turn(&p->bench, now);
        bool spin = wait >= 0 && wait < SPIN_NS;
        if (spin && now - looked < LOOK_NS)
            continue;
        looked = now;
        struct epoll_event events[EVENTS_A_TURN];
        int n = epoll_wait(p->bench.epoll_fd, events, EVENTS_A_TURN,
                           spin       ? 0
                           : wait < 0 ? -1
                                      : (int)((wait - SPIN_NS) / 1000000));
        for (int i = 0; i < n; i++)
            handle(p, &events[i]);
        bench_reap(&p->bench);
    }
}

int main(int argc, char **argv) {
    struct program p = {.running = true};
    int64_t port = 0;
    uint16_t bound = 0;
    if (argc != 1 && !(argc == 3 && str_eq(argv[1], "--port") &&
                       str_to_i64(argv[2], &port) == STATUS_OK && port >= 0 && port <= 65535)) {
        fprintf(stderr, "usage: bench-server [--port N]\n");
        return 2;
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    /* Whoever drives it from the same core and waits for a key's letter comes first. */
    if (nice(10) < 0)
        fprintf(stderr, "bench-server: its driver will have to wait for it\n");
    listen_raise_files();
    p.signal_fd = listen_signals();
    list_init(&p.bench.conns);
    p.bench.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p.listen_fd = listen_on((uint16_t)port, &bound);
    if (p.bench.epoll_fd < 0 || p.listen_fd < 0 ||
        !listen_watch(p.bench.epoll_fd, p.listen_fd, &listen_tag) ||
        !listen_watch(p.bench.epoll_fd, p.signal_fd, &signal_tag) ||
        !listen_watch(p.bench.epoll_fd, STDIN_FILENO, &stdin_tag)) {
        fprintf(stderr, "bench-server: cannot listen: %s\n", strerror(errno));
        return 1;
    }
    printf("port %u\n", bound);
    fflush(stdout);
    serve(&p);
    bench_close_all(&p.bench);
    buf_free(&p.commands);
    close(p.listen_fd);
    close(p.signal_fd);
    close(p.bench.epoll_fd);
    return 0;
}
