/* rehearsal: the server. Everything on the engine's loop: one socket, connections that are read one
 * request at a time, and one timer for all answers under way, so that a hundred of them wake the
 * loop as often as one. */
#include "llm/rehearsal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "llm/rehearsal-internal.h"
#include "loop/outq.h"

#define SOCKET_NAME "rehearsal"
#define BACKLOG 1024
#define ACCEPT_MAX 32u                /* new connections in one turn */
#define READ_MAX ((size_t)65536)      /* bytes taken of one connection in one turn */
#define STEP_MAX 64u                  /* events of one answer in one turn */
#define OUT_MAX ((size_t)4 << 20)     /* bytes waiting to be read: hung up on */
#define OUT_PAUSE ((size_t)256 << 10) /* from here on an answer waits for its reader */
#define TICK_NS (20 * NS_PER_MS)      /* answers move on at multiples of it */

struct rehearsal {
    struct loop *loop;
    char *path;
    char key[65]; /* what our client's requests carry */
    int fd;
    dev_t dev; /* of the socket file, which is ours to remove only while it is this one */
    ino_t ino;
    struct loop_watch *watch;
    struct list connections;
    size_t n;
    bool full; /* nobody is accepted */
    struct loop_timer *tick;
    int64_t due_ns; /* when the tick comes */
    struct rehearsal_scenario *scenario;
};

struct connection {
    struct list link;
    struct rehearsal *owner;
    int fd;
    struct loop_watch *watch;
    struct outq *out;
    struct buf in;
    struct rehearsal_stream *stream; /* the answer under way */
    int64_t due_ns;                  /* when it goes on; -1: never */
    bool closing;                    /* hung up on once what waits has been written */
    bool refused;                    /* nothing it sends is read any more: until it hangs up */
};

static void wait_for(struct rehearsal *r, int64_t due_ns);

/* ---- connections ---- */

static void connection_free(struct connection *c) {
    struct rehearsal *r = c->owner;
    list_remove(&c->link);
    r->n--;
    rehearsal_stream_free(&c->stream);
    loop_unwatch(&c->watch);
    outq_free(&c->out);
    close(c->fd);
    buf_free(&c->in);
    free(c);
    if (r->full)
        loop_watch_events(r->watch, LOOP_READ);
    r->full = false;
}

static void on_drain(void *arg) {
    struct connection *c = arg;
    if (c->closing)
        connection_free(c);
    else if (c->stream && c->due_ns >= 0)
        wait_for(c->owner, c->due_ns);
}

static void on_lost(void *arg, int err) {
    (void)err; /* whoever asked has gone */
    connection_free(arg);
}

/* False when the connection is gone. */
static bool finish_closing(struct connection *c) {
    c->closing = true;
    if (outq_pending(c->out))
        return true;
    connection_free(c);
    return false;
}

/* False when the connection is gone. */
static bool put(struct connection *c, const struct buf *b) {
    /* After an error on_lost() comes by itself. */
    if (!b->len || outq_write(c->out, b->data, b->len) != STATUS_LIMIT)
        return true;
    connection_free(c);
    return false;
}

/* ---- answers ---- */

/* What else was sent, and still comes, is not understood either; hanging up in the middle of it
 * would lose the answer. */
static void refuse(struct connection *c, int status, const char *message) {
    struct buf out = BUF_INIT;
    c->refused = true;
    buf_free(&c->in);
    rehearsal_stream_error(&out, status, NULL, message, -1);
    (void)put(c, &out);
    buf_free(&out);
}

static void answer(struct connection *c, const struct rehearsal_request *request) {
    struct rehearsal *r = c->owner;
    struct rehearsal_ask q;
    struct cause why = {""};
    if (rehearsal_ask_read(request->body, request->n, &q, &why) != STATUS_OK) {
        refuse(c, 400, why.text);
        return;
    }
    if (strcmp(q.model, REHEARSAL_NAME) != 0) {
        char *text = xasprintf("model: %.80s (there is only %s)", q.model, REHEARSAL_MODEL);
        rehearsal_ask_free(&q);
        refuse(c, 404, text);
        free(text);
        return;
    }
    struct rehearsal_answer a;
    struct rehearsal_pace pace = rehearsal_scenario_pace(r->scenario);
    rehearsal_answer_init(&a, &pace);
    if (!rehearsal_scenario_answer(r->scenario, &q, &a))
        rehearsal_script(&q, &a);
    int64_t delay = a.delay_ms;
    c->stream = rehearsal_stream_new(&q, &a);
    rehearsal_answer_free(&a);
    rehearsal_ask_free(&q);
    c->due_ns = loop_now_ns(r->loop) + delay * NS_PER_MS;
    wait_for(r, c->due_ns);
}

/* The request that has come whole, if one has. */
static void take_request(struct connection *c) {
    struct rehearsal_request request;
    int status = rehearsal_http_read(&c->in, c->owner->key, &request);
    if (status == 0)
        return;
    if (status != 200) {
        refuse(c, status, NULL);
        return;
    }
    /* The bytes leave the connection first: it may be gone when its answer has begun. */
    struct buf in = c->in;
    c->in = (struct buf)BUF_INIT;
    buf_append(&c->in, in.data + request.used, in.len - request.used);
    answer(c, &request);
    buf_free(&in);
}

/* One event after another while they are due. False when the connection is gone. */
static bool move_on(struct connection *c, int64_t now) {
    struct buf out = BUF_INIT;
    enum rehearsal_stream_end end = REHEARSAL_GOING;
    for (unsigned i = 0; i < STEP_MAX && c->due_ns <= now && end == REHEARSAL_GOING; i++) {
        int64_t wait_ms;
        end = rehearsal_stream_step(c->stream, &out, &wait_ms);
        c->due_ns += wait_ms * NS_PER_MS;
    }
    bool there = put(c, &out);
    buf_free(&out);
    if (!there)
        return false;
    switch (end) {
    case REHEARSAL_GOING:
        break;
    case REHEARSAL_SILENT:
        c->due_ns = -1;
        break;
    case REHEARSAL_CUT:
        return finish_closing(c);
    case REHEARSAL_WHOLE:
        rehearsal_stream_free(&c->stream);
        break;
    }
    return true;
}

static void on_tick(void *arg) {
    struct rehearsal *r = arg;
    int64_t now = loop_now_ns(r->loop);
    r->tick = NULL;
    list_for_safe(&r->connections, it, next) {
        struct connection *c = list_entry(it, struct connection, link);
        if (!c->stream || c->due_ns < 0 || c->closing || outq_pending(c->out) > OUT_PAUSE)
            continue;
        if (c->due_ns > now || move_on(c, now)) {
            /* What is left of it asks for the next tick. */
            if (c->stream && c->due_ns >= 0 && !c->closing)
                wait_for(r, c->due_ns);
        }
    }
}

/* The tick comes at the first multiple of TICK_NS from `due_ns` on, or before. */
static void wait_for(struct rehearsal *r, int64_t due_ns) {
    int64_t now = loop_now_ns(r->loop);
    if (due_ns > now)
        due_ns += TICK_NS - 1 - (due_ns - 1) % TICK_NS;
    if (r->tick && r->due_ns <= due_ns)
        return;
    r->due_ns = due_ns;
    int64_t delay = due_ns > now ? due_ns - now : 0;
    if (r->tick)
        loop_timer_again(r->tick, delay);
    else
        r->tick = loop_timer(r->loop, delay, on_tick, r, "rehearsal");
}

/* ---- reading ---- */

static void on_readable(void *arg, int fd, unsigned events) {
    struct connection *c = arg;
    (void)events;
    ssize_t n = read(fd, buf_room(&c->in, READ_MAX), READ_MAX);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* Our client asks for one thing at a time: while it is answered it can only hang up. */
    if (n <= 0 || c->stream || c->closing) {
        connection_free(c);
        return;
    }
    if (c->refused)
        return;
    buf_added(&c->in, (size_t)n);
    take_request(c);
}

static bool is_ourselves(int fd) {
    struct ucred cred;
    socklen_t len = sizeof(cred);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid == getpid() &&
           cred.uid == geteuid();
}

static void connection_new(struct rehearsal *r, int fd) {
    struct connection *c = xcalloc(1, sizeof(*c));
    c->owner = r;
    c->fd = fd;
    c->due_ns = -1;
    list_push_back(&r->connections, &c->link);
    r->n++;
    c->out = outq_new(r->loop, fd, OUT_MAX, on_drain, on_lost, c);
    if (loop_watch(r->loop, fd, LOOP_READ, on_readable, c, "rehearsal", &c->watch) != STATUS_OK)
        connection_free(c);
}

static void on_accept(void *arg, int fd, unsigned events) {
    struct rehearsal *r = arg;
    (void)events;
    for (unsigned i = 0; i < ACCEPT_MAX && r->n < REHEARSAL_CONNECTIONS_MAX; i++) {
        int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer < 0)
            return;
        if (!is_ourselves(peer)) {
            log_warn("rehearsal: refused a connection from another process");
            close(peer);
            continue;
        }
        connection_new(r, peer);
    }
    /* The rest waits where it is until one of these has ended. */
    r->full = r->n >= REHEARSAL_CONNECTIONS_MAX;
    if (r->full)
        loop_watch_events(r->watch, 0);
}

/* ---- the whole ---- */

static enum status listen_at(struct rehearsal *r, struct cause *why) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(r->path) >= sizeof(sa.sun_path))
        return cause_set(why, STATUS_CONFIG, "%s is too long for a socket", r->path);
    memcpy(sa.sun_path, r->path, strlen(r->path) + 1);
    r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (r->fd < 0)
        return cause_errno(why, STATUS_IO, errno, "a socket");
    unlink(r->path); /* an engine before this one may have left it */
    mode_t mask = umask(0177);
    int rc = bind(r->fd, (struct sockaddr *)&sa, sizeof(sa)), err = errno;
    umask(mask);
    struct stat sb;
    if (rc != 0 || listen(r->fd, BACKLOG) != 0 || lstat(r->path, &sb) != 0)
        return cause_errno(why, STATUS_IO, rc != 0 ? err : errno, "%s", r->path);
    r->dev = sb.st_dev;
    r->ino = sb.st_ino;
    return loop_watch(r->loop, r->fd, LOOP_READ, on_accept, r, "rehearsal", &r->watch);
}

enum status rehearsal_new(const struct rehearsal_options *o, struct rehearsal **out,
                          struct cause *why) {
    struct rehearsal *r = xcalloc(1, sizeof(*r));
    unsigned char raw[32];
    *out = r;
    r->loop = o->loop;
    r->fd = -1;
    r->path = xasprintf("%s/" SOCKET_NAME, o->dir);
    list_init(&r->connections);
    id_random(raw, sizeof(raw));
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(r->key + 2 * i, 3, "%02x", (unsigned)raw[i]);
    enum status st =
        o->scenario ? rehearsal_scenario_load(o->scenario, &r->scenario, why) : STATUS_OK;
    if (st == STATUS_OK)
        st = listen_at(r, why);
    if (st != STATUS_OK)
        rehearsal_free(out);
    return st;
}

void rehearsal_free(struct rehearsal **pr) {
    struct rehearsal *r = *pr;
    struct stat sb;
    if (!r)
        return;
    while (!list_empty(&r->connections))
        connection_free(list_entry(r->connections.next, struct connection, link));
    loop_timer_del(&r->tick);
    loop_unwatch(&r->watch);
    if (r->fd >= 0)
        close(r->fd);
    if (r->ino && lstat(r->path, &sb) == 0 && sb.st_dev == r->dev && sb.st_ino == r->ino)
        unlink(r->path);
    rehearsal_scenario_free(&r->scenario);
    explicit_bzero(r->key, sizeof(r->key));
    free(r->path);
    x_free(pr);
}

struct llm_provider rehearsal_provider(const struct rehearsal *r) {
    return (struct llm_provider){.id = REHEARSAL_ID,
                                 .api = PROVIDER_API_ANTHROPIC,
                                 .base_url = "http://rehearsal",
                                 .api_key = r->key,
                                 .socket = r->path};
}
