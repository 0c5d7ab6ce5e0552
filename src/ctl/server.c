/* server: the control socket of an engine, and the rules by which an engine ends. */
#include "ctl/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/peer.h"
#include "ctl/server-internal.h"

#define BACKLOG 64
#define ACCEPT_MAX 16 /* new clients in one turn: the rest waits */

static int spare_fd(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

static void on_again(void *arg) {
    struct ctl_server *s = arg;
    s->again = NULL;
    if (s->spare < 0)
        s->spare = spare_fd();
    loop_watch_events(s->watch, LOOP_READ);
}

/* The spare descriptor is given up for as long as it takes to say so. False: there is none. */
static bool turn_away(struct ctl_server *s, const char *why) {
    if (s->spare < 0)
        return false;
    close(s->spare);
    int client = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) {
        struct buf line = BUF_INIT;
        proto_put_ended(&line, why);
        ssize_t n = send(client, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)n; /* who does not read it sees that it was hung up on */
        buf_free(&line);
        close(client);
    }
    s->spare = spare_fd();
    return client >= 0;
}

/* Whoever waits is told, and hung up on; a listener that stays readable would keep the loop busy.
 */
static void no_descriptor(struct ctl_server *s) {
    struct rlimit r = {0};
    char why[160];
    (void)getrlimit(RLIMIT_NOFILE, &r);
    snprintf(why, sizeof(why),
             "the engine has no file descriptor left (%llu are allowed): end something, or raise "
             "ulimit -n",
             (unsigned long long)r.rlim_cur);
    if (!s->crowded)
        log_warn("control socket: a client was turned away: %s", why);
    s->crowded = true;
    for (int i = 0; i < ACCEPT_MAX && turn_away(s, why); i++)
        ;
    loop_watch_events(s->watch, 0);
    s->again = loop_timer(s->loop, CROWDED_NS, on_again, s, "ctl accept");
}

static bool is_ours(int err) {
    return err == EMFILE || err == ENFILE || err == ENOMEM || err == ENOBUFS;
}

static void on_accept(void *arg, int fd, unsigned events) {
    (void)events;
    struct ctl_server *s = arg;
    for (int i = 0; i < ACCEPT_MAX; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) {
            if (is_ours(errno))
                no_descriptor(s);
            return;
        }
        s->crowded = false;
        pid_t pid = 0;
        struct cause why;
        if (peer_check(client, &pid, &why) != STATUS_OK) {
            log_warn("control socket: refused: %s", why.text);
            close(client);
            continue;
        }
        client_new(s, client, pid);
    }
}

/* A file that only we can read, whole or not there at all. */
static enum status write_token(const struct ctl_server *s, struct cause *why) {
    char *path = xasprintf("%s.new", s->o.home->token);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write(fd, s->token, PROTO_TOKEN_LEN) == (ssize_t)PROTO_TOKEN_LEN;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    ok = ok && rename(path, s->o.home->token) == 0;
    enum status st = ok ? STATUS_OK : cause_errno(why, STATUS_IO, errno, "%s", s->o.home->token);
    if (!ok)
        unlink(path);
    free(path);
    return st;
}

static void make_token(struct ctl_server *s) {
    unsigned char raw[PROTO_TOKEN_LEN / 2];
    id_random(raw, sizeof(raw));
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(s->token + 2 * i, 3, "%02x", (unsigned)raw[i]);
    explicit_bzero(raw, sizeof(raw));
}

/* We hold the home's lock: whatever socket stands there belongs to nobody any more. */
static enum status listen_at(struct ctl_server *s, struct cause *why) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const char *path = s->o.home->socket;
    if (strlen(path) >= sizeof(sa.sun_path))
        return cause_set(why, STATUS_CONFIG, "%s is too long for a socket", path);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return cause_errno(why, STATUS_IO, errno, "a socket");
    unlink(path);
    mode_t mask = umask(0177);
    int rc = bind(s->fd, (struct sockaddr *)&sa, sizeof(sa));
    int err = errno;
    umask(mask);
    if (rc != 0 || listen(s->fd, BACKLOG) != 0)
        return cause_errno(why, STATUS_IO, rc != 0 ? err : errno, "%s", path);
    return loop_watch(s->loop, s->fd, LOOP_READ, on_accept, s, "ctl accept", &s->watch);
}

void server_stop(struct ctl_server *s) {
    if (s->stopping)
        return;
    s->stopping = true;
    s->o.on_stop(s->o.arg);
}

static void on_first(void *arg) {
    struct ctl_server *s = arg;
    s->first = NULL;
    s->had_client = true; /* it came and went, as far as the rules go */
    loop_wake(s->loop);
}

static void on_linger(void *arg) {
    struct ctl_server *s = arg;
    s->linger = NULL;
    if (server_live_clients(s) == 0 && agent_idle(s->o.agent)) {
        log_info("idle for %lld s since the terminal was lost: ending",
                 (long long)s->o.linger_secs);
        server_stop(s);
    }
}

/* Every turn: does the engine have a reason to go on? */
static void check_life(void *arg) {
    struct ctl_server *s = arg;
    if (s->stopping || s->o.daemon || !s->had_client)
        return;
    bool alone = server_live_clients(s) == 0;
    if (!alone && !s->ending) {
        loop_timer_del(&s->linger);
        return;
    }
    if (!agent_idle(s->o.agent)) {
        loop_timer_del(&s->linger);
        return;
    }
    if (s->ending || !s->lost)
        server_stop(s);
    else if (!s->linger)
        s->linger = loop_timer(s->loop, s->o.linger_secs * NS_PER_SEC, on_linger, s, "linger");
}

void server_screen_lost(struct ctl_server *s, struct ctl_client *c) {
    c->screen = false;
    c->released = true;
    if (s->screen == c) {
        s->screen = NULL;
        s->lost = true;
    }
    s->o.screen->detach(s->o.screen->arg, c);
}

enum status ctl_server_new(const struct ctl_server_options *o, struct ctl_server **out,
                           struct cause *why) {
    *out = NULL;
    struct ctl_server *s = xcalloc(1, sizeof(*s));
    s->o = *o;
    s->loop = agent_parts(o->agent)->loop;
    s->fd = -1;
    s->spare = spare_fd();
    s->started_ns = clock_mono_ns();
    list_init(&s->clients);
    make_token(s);
    enum status st = write_token(s, why);
    if (st == STATUS_OK)
        st = listen_at(s, why);
    if (st != STATUS_OK) {
        ctl_server_free(&s);
        return st;
    }
    s->listener = bus_listen(agent_bus(o->agent), follow_event, s);
    loop_on_phase(s->loop, PHASE_FLUSH, check_life, s);
    if (!o->daemon)
        s->first = loop_timer(s->loop, FIRST_NS, on_first, s, "first client");
    *out = s;
    return STATUS_OK;
}

static bool anything_pending(const struct ctl_server *s) {
    list_for(&s->clients, it) {
        const struct ctl_client *c = list_entry(it, const struct ctl_client, link);
        if (!c->doomed && outq_pending(c->out) > 0)
            return true;
    }
    return false;
}

/* Everybody hears why; those who read get to read it. */
static void say_goodbye(struct ctl_server *s) {
    list_for(&s->clients, it) {
        struct ctl_client *c = list_entry(it, struct ctl_client, link);
        if (c->doomed)
            continue;
        follow_flush(c);
        calls_end(c, "the engine ends");
        client_part(c, "the engine ends");
    }
    int64_t until = clock_real_mono_ns() + FLUSH_NS;
    while (anything_pending(s) && clock_real_mono_ns() < until)
        (void)loop_turn(s->loop, NS_PER_MS);
}

void ctl_server_free(struct ctl_server **server) {
    struct ctl_server *s = *server;
    if (!s)
        return;
    s->stopping = true;
    bus_unlisten(&s->listener);
    loop_timer_del(&s->again);
    loop_unwatch(&s->watch);
    if (s->fd >= 0) {
        close(s->fd);
        unlink(s->o.home->socket);
        unlink(s->o.home->token);
        say_goodbye(s);
    }
    list_for_safe(&s->clients, it, next) client_free(list_entry(it, struct ctl_client, link));
    loop_off_phase(s->loop, PHASE_FLUSH, check_life, s);
    connections_forget(s);
    loop_timer_del(&s->first);
    loop_timer_del(&s->linger);
    if (s->spare >= 0)
        close(s->spare);
    buf_free(&s->event);
    explicit_bzero(s->token, sizeof(s->token));
    x_free(server);
}

static const char *release_name(enum ctl_release why) {
    switch (why) {
    case CTL_QUIT:
        return "quit";
    case CTL_TAKEN:
        return "taken";
    case CTL_STOPPING:
        return "stopping";
    }
    return "?";
}

void ctl_client_release(struct ctl_client *c, enum ctl_release why, const char *text) {
    struct ctl_server *s = c->server;
    if (!c->screen)
        return;
    c->screen = false;
    c->released = true;
    if (s->screen == c)
        s->screen = NULL;
    struct buf line = BUF_INIT;
    proto_put_screen(&line, "released", release_name(why), text);
    client_write(c, &line);
    buf_free(&line);
}

void ctl_client_suspend(struct ctl_client *c) {
    struct buf line = BUF_INIT;
    proto_put_screen(&line, "suspend", NULL, NULL);
    client_write(c, &line);
    buf_free(&line);
}

static size_t working(const struct ctl_server *s) {
    const struct process_table *t = agent_processes(s->o.agent);
    size_t pos = 0, n = 0;
    for (const struct process *p = process_next(t, &pos); p; p = process_next(t, &pos))
        n += p->state != PROCESS_STATE_ENDED && p->state != PROCESS_STATE_WAITING;
    return n;
}

const char *ctl_server_quit(struct ctl_server *s, struct ctl_client *c) {
    (void)c;
    s->lost = false;
    if (s->o.daemon) {
        snprintf(s->sentence, sizeof(s->sentence),
                 "spacebot runs on as a daemon: `spacebot attach` shows it again, `spacebot stop` "
                 "ends it.");
        return s->sentence;
    }
    if (agent_idle(s->o.agent)) {
        s->ending = true;
        loop_wake(s->loop);
        return NULL;
    }
    size_t n = working(s);
    snprintf(s->sentence, sizeof(s->sentence),
             "%zu %s still at work, spacebot ends when it is done: `spacebot attach` shows it "
             "again, `spacebot stop` ends it now.",
             n ? n : 1, n > 1 ? "processes are" : "process is");
    return s->sentence;
}
