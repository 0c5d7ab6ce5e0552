/* conn: see conn.h. */
#include "conn.h"
#include "speech.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define OUT_ENOUGH (256u * 1024u) /* more is not prepared before it is taken */

struct conn *conn_new(struct server *s, int fd) {
    struct conn *c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->id = ++s->accepted;
    list_push_back(&s->conns, &c->node);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        abort();
    return c;
}

static bool answering(const struct conn *c) {
    return c->state != CONN_READING && c->state != CONN_DEAD;
}

/* What the answer has cost, when chaos makes that a question. */
static void tell_account(struct server *s, struct conn *c, bool aborted) {
    if (!s->chaos.on || !c->model)
        return;
    struct account a;
    bool stream = c->plan.status == 200 && c->chaos != CHAOS_PAGE_200;
    size_t n = stream ? (size_t)c->bytes : 0;
    account_read(&a, buf_str(&c->plan.data), n, c->request, stream && aborted);
    report_account(&s->report, c->call, c->model, chaos_name(c->chaos), &a,
                   aborted && !a.whole && c->chaos != CHAOS_STALL);
    x_free(&c->model);
}

void conn_close(struct server *s, struct conn *c, const char *how) {
    if (c->state == CONN_DEAD)
        return;
    if (answering(c))
        tell_account(s, c, str_eq(how, "aborted"));
    else if (s->chaos.on && c->in.len) /* half a request, or one that was not looked at in time */
        report_account(&s->report, 0, "", "", &(struct account){0}, true);
    if (answering(c))
        report_end(&s->report, c->call, c->id, how, c->bytes);
    timers_clear(&s->timers, &c->timer);
    close(c->fd);
    c->state = CONN_DEAD;
}

void conn_reap(struct server *s) {
    list_for_safe(&s->conns, it, next) {
        struct conn *c = list_entry(it, struct conn, node);
        if (c->state != CONN_DEAD)
            continue;
        list_remove(it);
        buf_free(&c->in);
        buf_free(&c->out);
        plan_free(&c->plan);
        x_free(&c->model);
        free(c);
    }
}

static void close_reset(struct server *s, struct conn *c, const char *how) {
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    conn_close(s, c, how);
}

/* Writes what the socket takes; false when the connection died of it. */
static bool flush(struct server *s, struct conn *c) {
    while (c->out.len) {
        ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            conn_close(s, c, "aborted");
            return false;
        }
        buf_consume(&c->out, (size_t)n);
    }
    bool want = c->out.len > 0;
    if (want != c->want_write) {
        struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | (want ? (unsigned)EPOLLOUT : 0),
                                 .data.ptr = c};
        (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
        c->want_write = want;
    }
    return true;
}

static bool is_released(const struct server *s, const char *name) {
    for (size_t i = 0; i < s->nreleased; i++)
        if (strcmp(s->released[i], name) == 0)
            return true;
    return false;
}

/* Puts n bytes of the body into `out`, in chunks of the plan's size. */
static void put_body(struct conn *c, const char *data, size_t n) {
    if (!c->plan.chunked) {
        buf_append(&c->out, data, n);
        return;
    }
    size_t most = c->plan.split ? (size_t)c->plan.split : n;
    for (size_t at = 0; at < n; at += most) {
        size_t len = n - at < most ? n - at : most;
        buf_printf(&c->out, "%zx\r\n", len);
        buf_append(&c->out, data + at, len);
        buf_puts(&c->out, "\r\n");
    }
}

static void finish_body(struct conn *c, enum plan_end after) {
    if (after == PLAN_DONE && c->plan.chunked)
        buf_puts(&c->out, "0\r\n\r\n");
    c->after = after;
    c->state = CONN_DRAIN;
}

/* Prepares one event; moves to the next state where one follows from it. */
static void put_step(struct server *s, struct conn *c) {
    const struct plan *p = &c->plan;
    if (p->cut_after >= 0 && c->bytes >= p->cut_after) {
        finish_body(c, p->cut);
        return;
    }
    if (c->step == p->n) {
        finish_body(c, p->end);
        return;
    }
    const struct plan_step *step = &p->steps[c->step];
    size_t n = step->len;
    if (p->cut_after >= 0 && n > (size_t)(p->cut_after - c->bytes))
        n = (size_t)(p->cut_after - c->bytes);
    put_body(c, p->data.data + step->off, n);
    c->bytes += (long)n;
    c->events++;
    if (++c->repeat >= step->repeat) {
        c->repeat = 0;
        c->step++;
    }
    if (p->slow_ms) {
        timers_set(&s->timers, &c->timer, clock_mono_ns() + p->slow_ms * NS_PER_MS);
        c->state = CONN_WAITING;
    }
}

static void take_request(struct server *s, struct conn *c);

/* The answer is out: what now? */
static void drained(struct server *s, struct conn *c) {
    switch (c->after) {
    case PLAN_DONE:
        if (!c->keep_alive) {
            conn_close(s, c, "done");
            return;
        }
        tell_account(s, c, false);
        report_end(&s->report, c->call, c->id, "done", c->bytes);
        plan_free(&c->plan);
        c->state = CONN_READING;
        take_request(s, c);
        return;
    case PLAN_CLOSE:
        conn_close(s, c, "cut");
        return;
    case PLAN_RESET:
        close_reset(s, c, "cut");
        return;
    case PLAN_SILENT:
        c->state = CONN_SILENT;
        report_say(&s->report, "silent %d", c->call);
        return;
    }
}

/* Prepares events until the connection waits for something or enough is prepared; false: it died.
 */
static bool fill(struct server *s, struct conn *c) {
    while (c->state == CONN_SENDING && c->out.len < OUT_ENOUGH) {
        if (!c->head_sent) {
            buf_append(&c->out, c->plan.head.data, c->plan.head.len);
            c->head_sent = true;
        }
        if (c->plan.hold && c->events == c->plan.hold_after && !is_released(s, c->plan.hold)) {
            c->state = CONN_HELD;
            if (!flush(s, c))
                return false;
            report_say(&s->report, "held %s", c->plan.hold);
            return true;
        }
        put_step(s, c);
    }
    return flush(s, c);
}

static void advance(struct server *s, struct conn *c) {
    do {
        if (!fill(s, c))
            return;
    } while (c->state == CONN_SENDING && c->out.len == 0);
    if (c->state == CONN_DRAIN && c->out.len == 0)
        drained(s, c);
}

static void start_answer(struct server *s, struct conn *c, bool keep_alive) {
    c->keep_alive = keep_alive;
    c->head_sent = false;
    c->step = 0;
    c->repeat = c->events = 0;
    c->bytes = 0;
    if (c->plan.delay_ms) {
        timers_set(&s->timers, &c->timer, clock_mono_ns() + c->plan.delay_ms * NS_PER_MS);
        c->state = CONN_WAITING;
        return;
    }
    c->state = CONN_SENDING;
    advance(s, c);
}

/* The list of models is asked for without a body; no rule is about it, and it is no call. */
static void plan_models(struct server *s, struct conn *c, const struct http1_request *h) {
    const char *key = http1_header(h, "x-api-key"), *bearer = http1_header(h, "authorization");
    if (bearer && str_prefix(bearer, "Bearer "))
        bearer += strlen("Bearer ");
    if (s->key && !str_eq(key, s->key) && !str_eq(bearer, s->key))
        plan_error(&c->plan, &dialect_anthropic, 401, "invalid x-api-key");
    else if (s->scenario.models)
        plan_body(&c->plan, s->scenario.models);
    else
        plan_error(&c->plan, &dialect_anthropic, 404, "Not found");
    report_say(&s->report, "models %d %s", ++s->lists, h->path);
}

/* Makes the plan for a complete request and writes its line in the log. */
static void plan_answer(struct server *s, struct conn *c, const struct http1_request *h) {
    struct cause why = {{0}};
    cJSON *root = NULL;
    const struct api *api = api_find(h);
    int status = api_check_headers(api, h, s->key, &why), index = -1;
    bool rejected = true;
    if (status == 0 && json_parse(buf_str(&h->body), h->body.len, &root, &why) != STATUS_OK)
        status = 400;
    if (status == 0 && !api->check(root, &why))
        status = 400;
    if (status == 0 && api->translate) {
        cJSON *other = api->translate(root);
        cJSON_Delete(root);
        root = other;
    }
    if (status == 0) {
        struct request r;
        request_read(&r, root, buf_str(&h->body), h->body.len, c->call);
        struct rule *rule = scenario_match(&s->scenario, &r);
        if (!rule) {
            status = 400;
            cause_set(&why, STATUS_NOT_FOUND,
                      "scenario: no rule matches the request; last user text: %.200s",
                      buf_str(&r.user));
        } else {
            struct rule own;
            index = (int)(rule - s->scenario.rules);
            x_free(&c->model);
            c->model = xstrdup(r.model);
            c->request = h->body.len;
            if (plan_rule(&c->plan, api->dialect,
                          chaos_strike(&s->chaos, rule, &r, &own, &c->chaos), &r, &why)) {
                chaos_bend(c->chaos, &c->plan);
                rejected = false;
                status = c->plan.status;
            } else {
                plan_free(&c->plan);
                status = 400;
            }
        }
        request_free(&r);
    }
    if (rejected)
        plan_error(&c->plan, api->dialect, status, why.text);
    report_request(&s->report, c->call, c->id, h, index, status, rejected ? why.text : NULL);
    report_say(&s->report, "request %d rule %d", c->call, index);
    cJSON_Delete(root);
}

static void take_request(struct server *s, struct conn *c) {
    struct http1_request h;
    struct cause why = {{0}};
    switch (http1_parse(&c->in, &h, &why)) {
    case HTTP1_MORE:
        return;
    case HTTP1_CONTINUE:
        if (!c->continued) {
            buf_puts(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
            c->continued = true;
            (void)flush(s, c);
        }
        return;
    case HTTP1_TOO_LARGE:
    case HTTP1_BAD: {
        struct http1_request none = {.method = (char[]){""}, .path = (char[]){""}};
        bool large = !why.text[0];
        c->call = ++s->calls;
        plan_error(&c->plan, &dialect_anthropic, large ? 413 : 400,
                   large ? "Request exceeds the maximum size" : why.text);
        report_request(&s->report, c->call, c->id, &none, -1, c->plan.status,
                       large ? "too large" : why.text);
        start_answer(s, c, false);
        return;
    }
    case HTTP1_DONE:
        break;
    }
    c->continued = false;
    c->call = 0;
    if (api_is_list(&h)) {
        plan_models(s, c, &h);
    } else if (speech_asked(&h)) {
        speech_plan(s, c, &h);
    } else {
        c->call = ++s->calls;
        plan_answer(s, c, &h);
    }
    bool keep_alive = h.keep_alive;
    http1_free(&h);
    start_answer(s, c, keep_alive);
}

void conn_ready(struct server *s, struct conn *c, unsigned events) {
    if (c->state == CONN_DEAD)
        return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        for (;;) {
            ssize_t n = recv(c->fd, buf_room(&c->in, 65536), 65536, MSG_DONTWAIT);
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0 && errno == EAGAIN)
                break;
            if (n <= 0) {
                /* A reset: what was sent last has not been read, though nothing was wrong with it.
                 */
                if (n < 0 && s->chaos.on && c->state == CONN_READING && chaos_is_whole(c->chaos))
                    report_account(&s->report, 0, "", "", &(struct account){0}, true);
                conn_close(s, c, "aborted");
                return;
            }
            buf_added(&c->in, (size_t)n);
            if (c->in.len > HTTP1_BODY_MAX + 2 * HTTP1_HEAD_MAX)
                break;
        }
        if (c->state == CONN_READING)
            take_request(s, c);
    }
    if ((events & EPOLLOUT) && c->state != CONN_DEAD)
        advance(s, c);
}

void conn_timer(struct server *s, struct conn *c) {
    if (c->state != CONN_WAITING)
        return;
    c->state = CONN_SENDING;
    advance(s, c);
}

void conn_release(struct server *s, const char *name) {
    if (!is_released(s, name) && s->nreleased < ARRAY_LEN(s->released))
        s->released[s->nreleased++] = xstrdup(name);
    list_for_safe(&s->conns, it, next) {
        struct conn *c = list_entry(it, struct conn, node);
        if (c->state == CONN_HELD && str_eq(c->plan.hold, name)) {
            c->state = CONN_SENDING;
            advance(s, c);
        }
    }
}
