/* bench: see bench.h. What a request gets is said in its last user text:
 *   [[spawn N GROUP]]          to a channel: N workers with streams of that group
 *   [[spawn N GROUP BYTES]]    … which first write a text of so many bytes
 *   [[spawn N GROUP BYTES M]]  … and M branches that do the same
 *   [[stream GROUP]]           to a worker or a branch: a stream of that group
 *   [[stream GROUP BYTES]]     … after a text of so many bytes
 * Whoever's stream was finished, and a channel that has spawned or is told of results, end
 * their turns. */
#include "bench.h"

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
#include "http1.h"
#include "request.h"

#define SPAWN_MAX 250 /* calls in one answer; a client takes 256 blocks */
#define BEHIND_MAX 64 /* events that a turn makes up for before it looks at its sockets again */

/* ---- bytes ---- */

static void leave(struct bench_conn *c) {
    struct bench_group *g = c->group;
    if (!g)
        return;
    struct bench_conn *last = g->wheel[--g->n];
    g->wheel[c->place] = last;
    last->place = c->place;
    if (g->next >= g->n)
        g->next = 0;
    c->group = NULL;
}

static void join(struct bench_group *g, struct bench_conn *c) {
    if (g->n == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 64;
        g->wheel = xreallocarray(g->wheel, g->cap, sizeof(struct bench_conn *));
    }
    c->group = g;
    c->place = g->n;
    c->sent = 0;
    g->wheel[g->n++] = c;
}

static void hang_up(struct bench *b, struct bench_conn *c) {
    if (c->dead)
        return;
    leave(c);
    close(c->fd);
    c->dead = b->any_dead = true;
}

static void want_write(struct bench *b, struct bench_conn *c, bool want) {
    if (want == c->want_write)
        return;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | (want ? (unsigned)EPOLLOUT : 0),
                             .data.ptr = c};
    (void)epoll_ctl(b->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
    c->want_write = want;
}

/* How many of the bytes the socket took; -1 when it is dead. */
static ssize_t push(struct bench *b, struct bench_conn *c, const char *data, size_t n) {
    ssize_t took;
    do
        took = send(c->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (took < 0 && errno == EINTR);
    if (took < 0 && errno != EAGAIN) {
        hang_up(b, c);
        return -1;
    }
    return took < 0 ? 0 : took;
}

static void flush(struct bench *b, struct bench_conn *c) {
    if (c->out.len) {
        ssize_t n = push(b, c, c->out.data, c->out.len);
        if (n < 0)
            return;
        buf_consume(&c->out, (size_t)n);
    }
    want_write(b, c, c->out.len > 0);
    if (!c->out.len)
        buf_free(&c->out); /* ten thousand connections are held at once */
}

/* An event as an HTTP chunk of its own. */
static void put(struct bench_conn *c, const char *name, const char *data) {
    size_t n = strlen("event: \ndata: \n\n") + strlen(name) + strlen(data);
    buf_printf(&c->out, "%zx\r\nevent: %s\ndata: ", n, name);
    buf_puts(&c->out, data);
    buf_puts(&c->out, "\n\n\r\n");
}

/* ---- answers ---- */

static void put_head(struct bench_conn *c) {
    buf_puts(&c->out, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                      "transfer-encoding: chunked\r\n\r\n");
    put(c, "message_start",
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":\"bench\",\"content\":[],\"stop_reason\":null,"
        "\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}");
}

static void put_text_start(struct bench_conn *c, int index) {
    char *data = xasprintf("{\"type\":\"content_block_start\",\"index\":%d,"
                           "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
                           index);
    put(c, "content_block_start", data);
    free(data);
}

static void put_stop(struct bench_conn *c, int index) {
    char *data = xasprintf("{\"type\":\"content_block_stop\",\"index\":%d}", index);
    put(c, "content_block_stop", data);
    free(data);
}

static void put_call(struct bench_conn *c, int index, const char *tool, const char *input) {
    struct buf data = BUF_INIT;
    buf_printf(&data,
               "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":{\"type\":"
               "\"tool_use\",\"id\":\"toolu_%d\",\"name\":\"%s\",\"input\":{}}}",
               index, index, tool);
    put(c, "content_block_start", buf_str(&data));
    buf_reset(&data);
    buf_printf(&data,
               "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":"
               "\"input_json_delta\",\"partial_json\":",
               index);
    json_quote(&data, input, strlen(input));
    buf_puts(&data, "}}");
    put(c, "content_block_delta", buf_str(&data));
    buf_free(&data);
    put_stop(c, index);
}

static void put_end(struct bench_conn *c, const char *reason) {
    char *data = xasprintf("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\"},"
                           "\"usage\":{\"output_tokens\":10}}",
                           reason);
    put(c, "message_delta", data);
    free(data);
    put(c, "message_stop", "{\"type\":\"message_stop\"}");
    buf_puts(&c->out, "0\r\n\r\n");
}

static void put_text(struct bench_conn *c, int index, size_t bytes) {
    static const char line[] = "The quick brown fox jumps over the lazy dog. ";
    struct buf text = BUF_INIT, data = BUF_INIT;
    while (text.len < bytes)
        buf_append(&text, line,
                   bytes - text.len < sizeof(line) - 1 ? bytes - text.len : sizeof(line) - 1);
    put_text_start(c, index);
    for (size_t at = 0; at < bytes; at += 1000) {
        buf_reset(&data);
        buf_printf(&data,
                   "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":"
                   "\"text_delta\",\"text\":",
                   index);
        json_quote(&data, text.data + at, bytes - at < 1000 ? bytes - at : 1000);
        buf_puts(&data, "}}");
        put(c, "content_block_delta", buf_str(&data));
    }
    put_stop(c, index);
    buf_free(&text);
    buf_free(&data);
}

static void put_word(struct bench_conn *c, const char *text) {
    put_head(c);
    put_text(c, 0, 0);
    if (*text)
        put_call(c, 1, text, "{}");
    put_end(c, *text ? "tool_use" : "end_turn");
}

static void put_spawns(struct bench_conn *c, int workers, int branches, const char *group,
                       size_t bytes) {
    put_head(c);
    for (int i = 0; i < workers + branches && i < SPAWN_MAX; i++) {
        bool worker = i < workers;
        char *input = xasprintf("{\"%s\":\"[[stream %s %zu]] number %d\"}",
                                worker ? "task" : "description", group, bytes, i);
        put_call(c, i, worker ? "spawn_worker" : "branch", input);
        free(input);
    }
    put_end(c, "tool_use");
}

static void put_refusal(struct bench_conn *c, const char *why) {
    struct buf body = BUF_INIT;
    buf_puts(&body, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                    "\"message\":");
    json_quote(&body, why, strlen(why));
    buf_puts(&body, "}}");
    buf_printf(&c->out,
               "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
               "content-length: %zu\r\n\r\n%s",
               body.len, buf_str(&body));
    buf_free(&body);
}

static void begin_stream(struct bench *b, struct bench_conn *c, const char *group) {
    struct bench_group *g = bench_group(b, group);
    if (!g) {
        put_refusal(c, "too many groups");
        return;
    }
    put_head(c);
    put_text_start(c, 0);
    join(g, c);
}

static void answer(struct bench *b, struct bench_conn *c, const struct request *r) {
    const char *user = buf_str(&r->user), *at;
    char group[BENCH_NAME] = "";
    int n = 0, branches = 0;
    unsigned long bytes = 0;
    if (request_has_tool(r, "reply")) {
        at = r->step == 0 && !strstr(user, "has come back") ? strstr(user, "[[spawn ") : NULL;
        if (at && sscanf(at, "[[spawn %d %15[a-z] %lu %d", &n, group, &bytes, &branches) >= 2)
            put_spawns(c, n, branches, group, bytes);
        else
            put_word(c, "skip");
        return;
    }
    at = strstr(user, "[[stream ");
    if (!at || sscanf(at, "[[stream %15[a-z] %lu", group, &bytes) < 1) {
        put_word(c, "");
    } else if (bytes && r->step == 0) {
        put_head(c);
        put_text(c, 0, bytes);
        if (request_has_tool(r, "set_status"))
            put_call(c, 1, "set_status", "{\"status\":\"half way\",\"kind\":\"progress\"}");
        else
            put_call(c, 1, "worker_inspect", "{\"worker_id\":\"0\"}");
        put_end(c, "tool_use");
    } else if (r->step > (bytes ? 1 : 0)) {
        put_word(c, "");
    } else {
        begin_stream(b, c, group);
    }
}

static void take_request(struct bench *b, struct bench_conn *c) {
    struct http1_request h;
    struct cause why = {""};
    switch (http1_parse(&c->in, &h, &why)) {
    case HTTP1_MORE:
        return;
    case HTTP1_CONTINUE:
    case HTTP1_TOO_LARGE:
    case HTTP1_BAD:
        hang_up(b, c);
        return;
    case HTTP1_DONE:
        break;
    }
    cJSON *root = NULL;
    if (json_parse(buf_str(&h.body), h.body.len, &root, &why) == STATUS_OK) {
        struct request r;
        request_read(&r, root, buf_str(&h.body), h.body.len, ++b->calls);
        answer(b, c, &r);
        request_free(&r);
    } else {
        put_refusal(c, why.text);
    }
    cJSON_Delete(root);
    http1_free(&h);
    buf_free(&c->in);
    flush(b, c);
}

/* ---- connections ---- */

void bench_accept(struct bench *b, int fd) {
    struct bench_conn *c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    list_push_back(&b->conns, &c->node);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
    if (epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        abort();
}

void bench_ready(struct bench *b, struct bench_conn *c, unsigned events) {
    if (c->dead)
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        ssize_t n = recv(c->fd, buf_room(&c->in, 65536), 65536, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            hang_up(b, c);
            return;
        }
        if (n > 0)
            buf_added(&c->in, (size_t)n);
        if (!c->group)
            take_request(b, c);
    }
    if ((events & EPOLLOUT) && !c->dead)
        flush(b, c);
}

void bench_reap(struct bench *b) {
    if (!b->any_dead)
        return;
    b->any_dead = false;
    list_for_safe(&b->conns, it, next) {
        struct bench_conn *c = list_entry(it, struct bench_conn, node);
        if (!c->dead)
            continue;
        list_remove(it);
        buf_free(&c->in);
        buf_free(&c->out);
        free(c);
    }
}

void bench_close_all(struct bench *b) {
    list_for(&b->conns, it) hang_up(b, list_entry(it, struct bench_conn, node));
    bench_reap(b);
    for (size_t i = 0; i < b->ngroups; i++)
        free(b->groups[i].wheel);
}

/* ---- groups ---- */

struct bench_group *bench_group(struct bench *b, const char *name) {
    for (size_t i = 0; i < b->ngroups; i++)
        if (str_eq(b->groups[i].name, name))
            return &b->groups[i];
    if (b->ngroups == BENCH_GROUPS || strlen(name) >= BENCH_NAME)
        return NULL;
    struct bench_group *g = &b->groups[b->ngroups++];
    strcpy(g->name, name);
    return g;
}

void bench_pace(struct bench_group *g, double per_second, int64_t now_ns) {
    g->period_ns = per_second > 0 ? (int64_t)(1e9 / per_second) : 0;
    g->due_ns = now_ns + g->period_ns;
}

void bench_finish(struct bench *b, struct bench_group *g) {
    while (g->n) {
        struct bench_conn *c = g->wheel[g->n - 1];
        leave(c);
        put_stop(c, 0);
        put_call(c, 1, "set_status", "{\"status\":\"the stream is over\",\"kind\":\"outcome\"}");
        put_end(c, "tool_use");
        flush(b, c);
    }
}

/* The digits and words of a delta are written into the ready bytes of an event. */
static void send_delta(struct bench *b, struct bench_group *g, struct bench_conn *c) {
    static const char *const words[] = {"lorem ipsum ", "dolor sit am", "et consectet",
                                        "adipiscing e"};
    static char frame[] =
        "00\r\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
        "\"delta\":{\"type\":\"text_delta\",\"text\":\"0000000 lorem ipsum \"}}\n\n\r\n";
    static char *number;
    if (!number) {
        number = strstr(frame, "0000000");
        char size[3];
        snprintf(size, sizeof(size), "%02zx", sizeof(frame) - 1 - 6);
        memcpy(frame, size, 2);
    }
    if (c->out.len) {
        g->skipped++;
        return;
    }
    uint32_t v = c->sent;
    for (int i = 6; i >= 0; i--, v /= 10)
        number[i] = (char)('0' + v % 10);
    memcpy(number + 8, words[c->sent & 3], 12);
    ssize_t took = push(b, c, frame, sizeof(frame) - 1);
    if (took < 0)
        return;
    if (took == 0) {
        g->skipped++;
        return;
    }
    c->sent++;
    g->events++;
    if ((size_t)took < sizeof(frame) - 1) {
        buf_append(&c->out, frame + took, sizeof(frame) - 1 - (size_t)took);
        want_write(b, c, true);
    }
}

int64_t bench_turn(struct bench *b, int64_t now_ns) {
    int64_t wait = -1;
    for (size_t i = 0; i < b->ngroups; i++) {
        struct bench_group *g = &b->groups[i];
        if (!g->period_ns || !g->n)
            continue;
        for (int k = 0; k < BEHIND_MAX && g->n && g->due_ns <= now_ns; k++) {
            if (now_ns - g->due_ns > g->late_ns)
                g->late_ns = now_ns - g->due_ns;
            struct bench_conn *c = g->wheel[g->next];
            g->next = g->next + 1 < g->n ? g->next + 1 : 0;
            g->due_ns += g->period_ns;
            send_delta(b, g, c);
        }
        int64_t left = g->due_ns - now_ns;
        if (wait < 0 || left < wait)
            wait = left > 0 ? left : 0;
    }
    return wait;
}
