/* fake-provider: a model provider for tests. Speaks the Anthropic Messages format and, at its own
 * path, the OpenAI Chat Completions format, streamed, over plain HTTP/1.1 on 127.0.0.1, answers by
 * a scenario file (see scenario.h), and refuses what the real API would refuse.
 *
 *     fake-provider [--log FILE] [--port N] [--key K] SCENARIO
 *
 * Says "port N" on standard output, then what happens (see report.h). Takes "release NAME" lines on
 * standard input, and ends when that closes: a test that holds the pipe cannot leave it behind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conn.h"
#include "listen.h"

#define EVENTS_A_TURN 256

struct options {
    const char *scenario, *log, *key;
    uint16_t port;
};

static bool parse_options(int argc, char **argv, struct options *o) {
    *o = (struct options){0};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        int64_t port;
        if (strcmp(argv[i], "--log") == 0 && value)
            o->log = value, i++;
        else if (strcmp(argv[i], "--key") == 0 && value)
            o->key = value, i++;
        else if (strcmp(argv[i], "--port") == 0 && value && str_to_i64(value, &port) == STATUS_OK &&
                 port >= 0 && port <= 65535)
            o->port = (uint16_t)port, i++;
        else if (argv[i][0] != '-' && !o->scenario)
            o->scenario = argv[i];
        else
            return false;
    }
    return o->scenario != NULL;
}

static void accept_all(struct server *s, int listen_fd) {
    for (;;) {
        int fd = listen_accept(listen_fd);
        if (fd < 0)
            return;
        if (s->accepted < s->scenario.refuse_first) {
            struct linger hard = {.l_onoff = 1, .l_linger = 0};
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
            close(fd);
            report_say(&s->report, "refused %d", ++s->accepted);
            continue;
        }
        listen_nodelay(fd); /* an event is to leave when it is written */
        struct conn *c = conn_new(s, fd);
        conn_ready(s, c, EPOLLIN);
    }
}

/* Reads commands; false when the other side is gone. */
static bool read_commands(struct server *s, struct buf *in) {
    ssize_t n = read(STDIN_FILENO, buf_room(in, 4096), 4096);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    buf_added(in, (size_t)n);
    for (char *nl; (nl = memchr(in->data, '\n', in->len));) {
        *nl = '\0';
        if (str_prefix(in->data, "release "))
            conn_release(s, in->data + strlen("release "));
        else
            report_say(&s->report, "unknown command %.100s", in->data);
        buf_consume(in, (size_t)(nl - in->data) + 1);
        if (in->len == 0)
            break;
    }
    return true;
}

static void serve(struct server *s, int listen_fd, int signal_fd) {
    static char listen_tag, stdin_tag, signal_tag, stdout_tag;
    struct buf commands = BUF_INIT;
    bool running = true, stdout_watched = false;
    if (!listen_watch(s->epoll_fd, listen_fd, &listen_tag) ||
        !listen_watch(s->epoll_fd, signal_fd, &signal_tag))
        abort();
    if (!listen_watch(s->epoll_fd, STDIN_FILENO, &stdin_tag)) {
        fprintf(stderr, "fake-provider: standard input must be a pipe or a terminal\n");
        running = false;
    }
    while (running) {
        struct epoll_event events[EVENTS_A_TURN];
        int n = epoll_wait(s->epoll_fd, events, EVENTS_A_TURN,
                           timers_wait_ms(&s->timers, clock_mono_ns()));
        for (int i = 0; i < n; i++) {
            void *tag = events[i].data.ptr;
            if (tag == &listen_tag)
                accept_all(s, listen_fd);
            else if (tag == &signal_tag)
                running = false;
            else if (tag == &stdin_tag)
                running = read_commands(s, &commands) && running;
            else if (tag != &stdout_tag)
                conn_ready(s, tag, events[i].events);
        }
        int64_t now = clock_mono_ns();
        for (struct timer *t; (t = timers_pop(&s->timers, now));)
            conn_timer(s, list_entry(t, struct conn, timer));
        conn_reap(s);
        bool pending = !report_flush(&s->report);
        if (pending != stdout_watched) {
            struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = &stdout_tag};
            (void)epoll_ctl(s->epoll_fd, pending ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, STDOUT_FILENO,
                            &ev);
            stdout_watched = pending;
        }
    }
    buf_free(&commands);
    list_for(&s->conns, it) conn_close(s, list_entry(it, struct conn, node), "stopped");
    conn_reap(s);
}

int main(int argc, char **argv) {
    struct options o;
    struct cause why = {{0}};
    struct server s = {0};
    uint16_t port = 0;
    if (!parse_options(argc, argv, &o)) {
        fprintf(stderr, "usage: fake-provider [--log FILE] [--port N] [--key K] SCENARIO\n");
        return 2;
    }
    listen_raise_files();
    int signal_fd = listen_signals();
    s.key = o.key;
    list_init(&s.conns);
    if (!scenario_load(o.scenario, &s.scenario, &why) ||
        !chaos_init(&s.chaos, json_obj(s.scenario.root, "chaos"), &why) ||
        !report_open(&s.report, o.log, STDOUT_FILENO, &why)) {
        fprintf(stderr, "fake-provider: %s\n", why.text);
        return 1;
    }
    s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listen_fd = listen_on(o.port, &port);
    if (s.epoll_fd < 0 || listen_fd < 0 || signal_fd < 0) {
        fprintf(stderr, "fake-provider: cannot listen: %s\n", strerror(errno));
        return 1;
    }
    report_say(&s.report, "port %u", port);
    serve(&s, listen_fd, signal_fd);
    report_flush(&s.report);
    report_close(&s.report);
    chaos_free(&s.chaos);
    scenario_free(&s.scenario);
    timers_free(&s.timers);
    for (size_t i = 0; i < s.nreleased; i++)
        free(s.released[i]);
    close(listen_fd);
    close(signal_fd);
    close(s.epoll_fd);
    return 0;
}
