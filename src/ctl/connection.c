/* connection: one client's bytes in and out, and its end. Nothing is freed under a caller's feet: a
 * connection that is over is doomed first and freed at the end of the stage. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/server-internal.h"

static void reap(void *arg) {
    struct ctl_server *s = arg;
    s->reaping = false;
    list_for_safe(&s->clients, it, next) {
        struct ctl_client *c = list_entry(it, struct ctl_client, link);
        if (c->doomed)
            client_free(c);
    }
}

void connections_forget(struct ctl_server *s) { loop_undefer(s->loop, reap, s); }

void client_close(struct ctl_client *c) {
    struct ctl_server *s = c->server;
    if (c->doomed)
        return;
    c->doomed = true;
    loop_unwatch(&c->watch);
    if (!s->reaping) {
        s->reaping = true;
        loop_defer(s->loop, reap, s);
        loop_wake(s->loop);
    }
}

void client_free(struct ctl_client *c) {
    struct ctl_server *s = c->server;
    list_for_safe(&c->calls, it, next) call_abandon(list_entry(it, struct ctl_call, link));
    if (c->screen)
        server_screen_lost(s, c);
    follow_free(c);
    loop_unwatch(&c->watch);
    loop_timer_del(&c->timer);
    outq_free(&c->out);
    if (c->passed_fd >= 0)
        close(c->passed_fd);
    close(c->fd);
    proto_reader_free(&c->in);
    list_remove(&c->link);
    s->nclients--;
    free(c);
}

static void on_timer(void *arg) {
    struct ctl_client *c = arg;
    c->timer = NULL;
    client_close(c);
}

static void set_timer(struct ctl_client *c, int64_t delay_ns) {
    loop_timer_del(&c->timer);
    c->timer = loop_timer(c->server->loop, delay_ns, on_timer, c, "ctl client");
}

void client_part(struct ctl_client *c, const char *why) {
    if (c->doomed || c->parting)
        return;
    struct buf line = BUF_INIT;
    proto_put_ended(&line, why);
    c->parting = true;
    loop_unwatch(&c->watch);
    /* The queue's own limit leaves room for this one line. */
    enum status st = outq_write(c->out, buf_str(&line), line.len);
    buf_free(&line);
    if (st != STATUS_OK || outq_pending(c->out) == 0)
        client_close(c);
    else
        set_timer(c, PARTING_NS);
}

void client_write(struct ctl_client *c, const struct buf *line) {
    if (c->doomed || c->parting)
        return;
    if (outq_pending(c->out) + line->len > OUT_MAX) {
        log_warn("control client %ld does not read: dropped", (long)c->pid);
        client_part(c, "too slow: 64 MB were waiting for you");
        return;
    }
    c->written += line->len;
    if (outq_write(c->out, line->data, line->len) != STATUS_OK)
        client_close(c);
}

void client_reply(struct ctl_client *c, int64_t id, enum status st, const cJSON *body,
                  const char *error) {
    struct buf line = BUF_INIT;
    proto_put_reply(&line, id, st, body, error);
    client_write(c, &line);
    buf_free(&line);
}

/* Keeps the newest descriptor that came along; a client cannot make us hoard them. */
static void take_descriptors(struct ctl_client *c, struct msghdr *m) {
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (c->passed_fd >= 0)
                close(c->passed_fd);
            c->passed_fd = fd;
        }
    }
}

static ssize_t receive(struct ctl_client *c, char *into, size_t n) {
    char control[CMSG_SPACE(sizeof(int) * 4)];
    struct iovec iov = {into, n};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    ssize_t got;
    do
        got = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        take_descriptors(c, &m);
    return got;
}

static void take_lines(struct ctl_client *c) {
    while (!c->doomed && !c->parting) {
        const char *line = NULL;
        size_t n = 0;
        enum status st = proto_reader_line(&c->in, &line, &n);
        if (st == STATUS_LIMIT)
            client_part(c, "a line is longer than 1 MiB");
        if (st != STATUS_OK)
            return;
        request_handle(c, line, n);
        if (c->hello && c->timer && !c->parting)
            loop_timer_del(&c->timer);
    }
}

static void on_ready(void *arg, int fd, unsigned events) {
    (void)fd;
    (void)events;
    struct ctl_client *c = arg;
    for (size_t taken = 0; taken < READ_MAX && !c->doomed && !c->parting;) {
        ssize_t n = receive(c, proto_reader_room(&c->in, 16384), 16384);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            client_close(c);
            return;
        }
        proto_reader_added(&c->in, (size_t)n);
        taken += (size_t)n;
        take_lines(c);
    }
}

static void on_drain(void *arg) {
    struct ctl_client *c = arg;
    if (c->parting)
        client_close(c);
    else
        follow_pump(c);
}

static void on_error(void *arg, int err) {
    (void)err;
    client_close(arg);
}

void client_new(struct ctl_server *s, int fd, pid_t pid) {
    struct ctl_client *c = xcalloc(1, sizeof(*c));
    c->server = s;
    c->fd = fd;
    c->pid = pid;
    c->passed_fd = -1;
    list_init(&c->calls);
    list_init(&c->follows);
    list_push_back(&s->clients, &c->link);
    s->nclients++;
    c->out = outq_new(s->loop, fd, (size_t)OUT_MAX + 4096, on_drain, on_error, c);
    if (loop_watch(s->loop, fd, LOOP_READ, on_ready, c, "ctl client", &c->watch) != STATUS_OK) {
        client_close(c);
        return;
    }
    if (s->nclients > CLIENTS_MAX)
        client_part(c, "too many are connected");
    else
        set_timer(c, HELLO_NS);
}

size_t server_live_clients(const struct ctl_server *s) {
    size_t n = 0;
    list_for(&s->clients, it) {
        const struct ctl_client *c = list_entry(it, const struct ctl_client, link);
        n += c->hello && !c->released && !c->doomed && !c->parting;
    }
    return n;
}
