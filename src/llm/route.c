/* route: which model a call asks next, when, and what of its failures anybody hears. A call is in
 * one of three states: an attempt is under way, it pauses before the next one, or it waits to hear
 * how another call fares with a model that had failed. */
#include "llm/route.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/mend.h"
#include "llm/replay.h"

#define CANDIDATES_MAX (1 + ROUTE_THEN_MAX)
#define JITTER_PERCENT 25  /* a pause is so much longer at most: never shorter than told */
#define JITTER_MAX_MS 2000 /* however long it is */
#define PATIENCE_MS 2000   /* told to wait longer, another model is asked first */
#define WAIT_NS (INT64_C(30) * NS_PER_SEC) /* for another call's attempt; then it asks itself */

/* Between attempts while another model could answer instead (SPEC C). */
static const int64_t short_ms[] = {500, 1000};

struct route {
    struct route_config config;
    struct health *health;
    struct list calls;
    uint64_t random;
};

struct candidate {
    char *model;
    unsigned failed;         /* attempts in a row */
    bool out;                /* this call asks it no more */
    struct llm_error *error; /* its last one; NULL: none */
};

struct route_call {
    struct list link;
    struct route *route;
    const struct llm_history *history;
    const int64_t *backoff_ms;
    size_t nbackoff;
    const char *const *instead;
    size_t ninstead;
    const struct route_events *ev;
    void *arg;
    struct candidate v[CANDIDATES_MAX];
    size_t n, at; /* at: the one being asked, paused or waited for */
    struct llm_call *call;
    struct loop_timer *timer; /* a pause, a wait or an end that was decided already */
    int64_t paused_ms;        /* so far, all pauses */
    int64_t sent;             /* tokens of the last attempt, estimated */
    bool trying;              /* this call tries a model that had failed */
    bool waits;               /* for the call that does */
    bool answered;            /* the attempt under way has said something */
    bool busy, dead;
    struct llm_error *heard; /* what another call's attempt came to, or why this one is not made */
    struct replay replay;
    struct llm_history mended; /* sent instead, once the provider would not take the history */
    bool has_mended;
};

/* ---- the route ---- */

struct route *route_new(const struct route_config *c) {
    struct route *r = xcalloc(1, sizeof *r);
    r->config = *c;
    r->health = health_new(c->cooldown_ms);
    r->random = c->seed;
    list_init(&r->calls);
    return r;
}

struct health *route_health(const struct route *r) {
    return r->health;
}

static void call_free(struct route_call *c);

void route_free(struct route **rp) {
    struct route *r = *rp;
    if (!r)
        return;
    while (!list_empty(&r->calls)) {
        struct route_call *c = list_entry(r->calls.next, struct route_call, link);
        list_remove(&c->link);
        call_free(c);
    }
    health_free(&r->health);
    x_free(rp);
}

/* splitmix64: repeatable from the seed. */
static uint64_t draw(struct route *r) {
    uint64_t z = r->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Calls that failed together do not come back together. */
static int64_t with_jitter(struct route *r, int64_t ms) {
    int64_t most = ms * JITTER_PERCENT / 100;
    if (most > JITTER_MAX_MS)
        most = JITTER_MAX_MS;
    return most > 0 ? ms + (int64_t)(draw(r) % (uint64_t)(most + 1)) : ms;
}

/* ---- the end of a call ---- */

static struct llm_error *error_copy(const struct llm_error *e) {
    struct llm_error *copy = xmalloc(sizeof *copy);
    *copy = *e;
    return copy;
}

static void call_free(struct route_call *c) {
    llm_call_cancel(&c->call);
    loop_timer_del(&c->timer);
    for (size_t i = 0; i < c->n; i++) {
        x_free(&c->v[i].model);
        x_free(&c->v[i].error);
    }
    x_free(&c->heard);
    replay_free(&c->replay);
    if (c->has_mended)
        llm_history_free(&c->mended);
    x_free(&c);
}

static void wake(struct route *r, const char *model, const struct llm_error *e);

/* Nobody hears of it any more; what it tried, the next one tries. */
static void retire(struct route_call *c) {
    struct route *r = c->route;
    list_remove(&c->link);
    c->dead = true;
    llm_call_cancel(&c->call);
    loop_timer_del(&c->timer);
    if (c->trying) {
        c->trying = false;
        health_untried(r->health, c->v[c->at].model);
        wake(r, c->v[c->at].model, NULL);
    }
    if (!c->busy)
        call_free(c);
}

static void tell_usage(struct route_call *c, const char *said, const struct llm_usage *u) {
    bool used =
        u->input_tokens || u->output_tokens || u->cache_read_tokens || u->cache_write_tokens;
    if (used && c->ev->on_usage)
        c->ev->on_usage(c->arg, c->v[c->at].model, said, u);
}

/* The attempt under way is paid for as far as it came. */
void route_call_cancel(struct route_call **cp) {
    struct route_call *c = *cp;
    struct llm_usage u;
    const char *said;
    *cp = NULL;
    if (!c || c->dead)
        return;
    if (c->call) {
        llm_call_used(c->call, &u, &said);
        tell_usage(c, said, &u);
    }
    retire(c);
}

static void enter(struct route_call *c) { c->busy = true; }

static void leave(struct route_call *c) {
    c->busy = false;
    if (c->dead)
        call_free(c);
}

static void end_with(struct route_call *c, const struct llm_error *e) {
    const struct route_events *ev = c->ev;
    void *arg = c->arg;
    struct llm_error copy = *e;
    copy.usage = (struct llm_usage){0}; /* told already */
    copy.delivered = replay_delivered(&c->replay);
    retire(c);
    ev->on_error(arg, &copy);
}

static void on_end(void *arg) {
    struct route_call *c = arg;
    c->timer = NULL;
    enter(c);
    struct llm_error e = *c->heard;
    end_with(c, &e);
    leave(c);
}

/* Told from the next turn on, as everything is: this may be the beginning of the call. */
static void end_soon(struct route_call *c, const struct llm_error *e) {
    c->heard = error_copy(e);
    c->timer = loop_timer(c->route->config.loop, 0, on_end, c, "call failed");
}

/* Everybody has failed: with what the first one said, and the others behind it. */
static void end_failed(struct route_call *c) {
    struct llm_error e = {.fault = LLM_FAULT_CANCELLED, .retry_after_ms = -1};
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->v[i].error)
            continue;
        if (!text.len)
            e = *c->v[i].error;
        buf_printf(&text, "%s%s", text.len ? "; " : "", c->v[i].error->text);
    }
    size_t n = utf8_cut(buf_str(&text), text.len, sizeof e.text - 1);
    memcpy(e.text, buf_str(&text), n);
    e.text[n] = '\0';
    buf_free(&text);
    end_soon(c, &e);
}

/* ---- waiting for one another ---- */

static void go(struct route_call *c);
static void failed(struct route_call *c, const struct llm_error *e, bool own);

static void on_woken(void *arg) {
    struct route_call *c = arg;
    c->timer = NULL;
    c->waits = false;
    enter(c);
    if (c->heard) {
        struct llm_error e = *c->heard;
        x_free(&c->heard);
        failed(c, &e, false);
    } else {
        go(c);
    }
    leave(c);
}

/* Those that wait for it hear how it went: with an error as if it had been theirs, so that a
 * hundred calls ask a model that fails no oftener than one does. */
static void wake(struct route *r, const char *model, const struct llm_error *e) {
    list_for(&r->calls, it) {
        struct route_call *c = list_entry(it, struct route_call, link);
        if (!c->waits || !str_eq(c->v[c->at].model, model) || c->heard)
            continue;
        if (e)
            c->heard = error_copy(e);
        loop_timer_again(c->timer, 0);
    }
}

static void wait(struct route_call *c, size_t i) {
    c->at = i;
    c->waits = true;
    c->timer = loop_timer(c->route->config.loop, WAIT_NS, on_woken, c, "another call's attempt");
}

/* ---- attempts ---- */

static const struct llm_events attempt_events;

static int64_t tokens_of(const struct llm_request *r) {
    size_t n = r->system ? strlen(r->system) : 0;
    for (size_t i = 0; i < r->ntools; i++)
        n +=
            strlen(r->tools[i].name) + strlen(r->tools[i].description) + strlen(r->tools[i].schema);
    return llm_history_tokens(r->history) + (int64_t)((n + 3) / 4);
}

static void ask(struct route_call *c, size_t i, bool trying) {
    struct route *route = c->route;
    struct cause why = {""};
    c->at = i;
    c->answered = false;
    struct llm_request r = {.model = c->v[i].model,
                            .history = c->has_mended ? &c->mended : c->history};
    char *system = c->ev->prepare(c->arg, &r, &why);
    if (c->dead) {
        x_free(&system);
        return;
    }
    if (!system) {
        struct llm_error e = {.fault = LLM_FAULT_CANCELLED, .retry_after_ms = -1};
        snprintf(e.text, sizeof e.text, "%s", why.text);
        end_soon(c, &e);
        return;
    }
    r.system = system;
    c->sent = tokens_of(&r);
    c->trying = trying;
    if (trying)
        health_tried(route->health, c->v[i].model);
    replay_again(&c->replay);
    c->call = llm_call_start(route->config.llm, &r, &attempt_events, c);
    x_free(&system);
}

static void on_paused(void *arg) {
    struct route_call *c = arg;
    c->timer = NULL;
    enter(c);
    go(c);
    leave(c);
}

static void pause_for(struct route_call *c, int64_t ms) {
    c->paused_ms += ms;
    c->timer = loop_timer(c->route->config.loop, ms * NS_PER_MS, on_paused, c, "next attempt");
}

/* Of what it may pause in all. */
static int64_t time_left_ms(const struct route_call *c) {
    return c->route->config.retry_ms - c->paused_ms;
}

/* Another one than c->at that could be asked now. */
static bool has_other(const struct route_call *c) {
    for (size_t i = 0; i < c->n; i++) {
        enum health_state s = health_of(c->route->health, c->v[i].model);
        if (i != c->at && !c->v[i].out && (s == HEALTH_WELL || s == HEALTH_DUE))
            return true;
    }
    return false;
}

static void give_up(struct route_call *c, size_t i, enum llm_fault fault, const char *text) {
    struct candidate *v = &c->v[i];
    v->out = true;
    if (!v->error) {
        v->error = xcalloc(1, sizeof *v->error);
        v->error->fault = fault;
        v->error->retry_after_ms = -1;
        snprintf(v->error->text, sizeof v->error->text, "%s", text);
    }
}

/* The one that rests is all there is. It is asked nevertheless, unless it said how long it wants to
 * be left alone: then that is waited for, or too long to be waited for. */
static void go_to_resting(struct route_call *c, size_t i) {
    const struct health *h = c->route->health;
    const char *model = c->v[i].model;
    int64_t ms = (health_until_ns(h, model) - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
    if (!health_told(h, model) || ms <= 0) {
        ask(c, i, true);
    } else if (ms <= time_left_ms(c)) {
        c->at = i;
        pause_for(c, with_jitter(c->route, ms));
    } else {
        char *text = xasprintf("%s; it asks to be left alone for %lld s more", health_why(h, model),
                               (long long)(ms / 1000));
        x_free(&c->v[i].error);
        give_up(c, i, LLM_FAULT_RATE_LIMITED, text);
        x_free(&text);
        end_failed(c);
    }
}

/* The first that is well, or whose rest is over; else the first at all. */
static void go(struct route_call *c) {
    size_t first = c->n;
    for (size_t i = 0; i < c->n; i++) {
        if (c->v[i].out)
            continue;
        if (first == c->n)
            first = i;
        switch (health_of(c->route->health, c->v[i].model)) {
        case HEALTH_WELL:
            ask(c, i, false);
            return;
        case HEALTH_DUE:
            ask(c, i, true);
            return;
        case HEALTH_RESTS:
        case HEALTH_TRIED:
            break;
        }
    }
    if (first == c->n)
        end_failed(c);
    else if (health_of(c->route->health, c->v[first].model) == HEALTH_TRIED)
        wait(c, first);
    else
        go_to_resting(c, first);
}

/* ---- failures ---- */

/* It says something about the model or its provider, not about this one request. */
static bool is_the_models(enum llm_fault f) {
    switch (f) {
    case LLM_FAULT_NOT_CONFIGURED:
    case LLM_FAULT_CONNECT:
    case LLM_FAULT_TLS:
    case LLM_FAULT_AUTH:
    case LLM_FAULT_NOT_FOUND:
    case LLM_FAULT_RATE_LIMITED:
    case LLM_FAULT_OVERLOADED:
    case LLM_FAULT_SERVER:
    case LLM_FAULT_REDIRECT:
    case LLM_FAULT_CUT:
    case LLM_FAULT_SILENCE:
    case LLM_FAULT_TIMEOUT:
    case LLM_FAULT_GARBAGE:
        return true;
    case LLM_FAULT_BAD_REQUEST:
    case LLM_FAULT_OVERFLOW:
    case LLM_FAULT_CANCELLED:
        return false;
    }
    return false;
}

static void rest(struct route_call *c, const struct llm_error *e) {
    struct route *r = c->route;
    const char *model = c->v[c->at].model;
    health_failed(r->health, model, e->retry_after_ms, e->text);
    if (!c->trying)
        return;
    c->trying = false;
    health_untried(r->health, model);
    wake(r, model, e);
}

/* The pause before the model is asked again by this call; -1: not again. */
static int64_t pause_after(const struct route_call *c, const struct llm_error *e, bool other) {
    const struct candidate *v = &c->v[c->at];
    size_t n = other ? ARRAY_LEN(short_ms) : c->nbackoff;
    if (!llm_fault_retriable(e->fault) || v->failed > n)
        return -1;
    if (other && (c->trying || e->retry_after_ms > PATIENCE_MS))
        return -1;
    int64_t ms = other ? short_ms[v->failed - 1] : c->backoff_ms[v->failed - 1];
    if (e->retry_after_ms > ms)
        ms = e->retry_after_ms;
    return ms <= time_left_ms(c) ? with_jitter(c->route, ms) : -1;
}

static void add(struct route_call *c, const char *model) {
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->v[i].model, model))
            return;
    if (c->n < CANDIDATES_MAX)
        c->v[c->n++].model = xstrdup(model);
}

/* own: the attempt was this call's; else another's, whose answer this one waited for. */
static void failed(struct route_call *c, const struct llm_error *e, bool own) {
    struct candidate *v = &c->v[c->at];
    if (e->fault == LLM_FAULT_CANCELLED) {
        end_soon(c, e);
        return;
    }
    if (e->fault == LLM_FAULT_NOT_FOUND && c->n == 1)
        for (size_t i = 0; i < c->ninstead; i++)
            add(c, c->instead[i]);
    bool other = has_other(c);
    v->failed++;
    x_free(&v->error);
    v->error = error_copy(e);
    int64_t ms = pause_after(c, e, other);
    if (own && is_the_models(e->fault) && (c->trying || ms < 0))
        rest(c, e);
    if (ms < 0) {
        v->out = true;
        go(c);
        return;
    }
    pause_for(c, ms);
    if (!other && c->ev->on_pause)
        c->ev->on_pause(c->arg, e, ms);
}

/* It has answered, whatever it said: those that wait may come. */
static void is_well(struct route_call *c) {
    struct route *r = c->route;
    const char *model = c->v[c->at].model;
    c->trying = false;
    if (health_answers(r->health, model))
        wake(r, model, NULL);
}

static void learn(struct route_call *c) {
    struct route *r = c->route;
    int64_t ceiling = health_overflowed(r->health, c->v[c->at].model, c->sent);
    if (ceiling && r->config.on_learned)
        r->config.on_learned(r->config.arg, c->v[c->at].model, ceiling);
}

/* What did not fit together is left out, once, and the same model asked again. */
static bool mend(struct route_call *c, const struct llm_error *e) {
    if (e->fault != LLM_FAULT_BAD_REQUEST || c->has_mended || !mend_helps(e->text))
        return false;
    c->has_mended = mend_history(&c->mended, c->history);
    return c->has_mended;
}

static void on_error(void *arg, const struct llm_error *e) {
    struct route_call *c = arg;
    c->call = NULL;
    enter(c);
    tell_usage(c, e->model, &e->usage);
    if (!c->dead && !is_the_models(e->fault) && e->fault != LLM_FAULT_CANCELLED)
        is_well(c);
    if (c->dead) {
        /* by the one who was told */
    } else if (e->fault == LLM_FAULT_OVERFLOW) {
        learn(c);
        end_with(c, e);
    } else if (mend(c, e)) {
        ask(c, c->at, false);
    } else {
        failed(c, e, true);
    }
    leave(c);
}

/* ---- answers ---- */

static void answers(struct route_call *c) {
    if (c->answered)
        return;
    c->answered = true;
    is_well(c);
    if (!c->ev->on_answers)
        return;
    if (c->at == 0) {
        c->ev->on_answers(c->arg, NULL);
        return;
    }
    const struct health *h = c->route->health;
    int64_t left = health_until_ns(h, c->v[0].model) - clock_mono_ns();
    const char *why = c->v[0].error ? c->v[0].error->text : health_why(h, c->v[0].model);
    c->ev->on_answers(c->arg, &(struct route_stand_in){
                                  .model = c->v[c->at].model,
                                  .why = why,
                                  .until_ms = left > 0 ? clock_wall_ms() + left / NS_PER_MS : 0});
}

static void on_text(void *arg, const char *text, size_t n) {
    struct route_call *c = arg;
    enter(c);
    answers(c);
    if (!c->dead)
        replay_text(&c->replay, text, n);
    leave(c);
}

static void on_thinking(void *arg, const char *text, size_t n) {
    struct route_call *c = arg;
    enter(c);
    answers(c);
    if (!c->dead)
        replay_thinking(&c->replay, text, n);
    leave(c);
}

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    struct route_call *c = arg;
    enter(c);
    answers(c);
    if (!c->dead)
        replay_tool_start(&c->replay, index, id, name);
    leave(c);
}

static void on_tool_input(void *arg, size_t index, const char *fragment, size_t n) {
    struct route_call *c = arg;
    enter(c);
    answers(c);
    if (!c->dead)
        replay_tool_input(&c->replay, index, fragment, n);
    leave(c);
}

static void on_bytes(void *arg) {
    struct route_call *c = arg;
    if (c->ev->on_bytes)
        c->ev->on_bytes(c->arg);
}

static void on_done(void *arg, struct llm_response *response) {
    struct route_call *c = arg;
    c->call = NULL;
    enter(c);
    answers(c);
    if (!c->dead)
        replay_done(&c->replay);
    if (!c->dead)
        tell_usage(c, response->model, &response->usage);
    if (!c->dead) {
        const struct route_events *ev = c->ev;
        void *ev_arg = c->arg;
        retire(c);
        ev->on_done(ev_arg, response);
    }
    leave(c);
}

static const struct llm_events attempt_events = {.on_text = on_text,
                                                 .on_thinking = on_thinking,
                                                 .on_tool_start = on_tool_start,
                                                 .on_tool_input = on_tool_input,
                                                 .on_bytes = on_bytes,
                                                 .on_done = on_done,
                                                 .on_error = on_error};

/* ---- the beginning ---- */

struct route_call *route_call_start(struct route *r, const struct route_request *request,
                                    const struct route_events *ev, void *arg) {
    struct route_call *c = xcalloc(1, sizeof *c);
    c->route = r;
    c->history = request->history;
    c->backoff_ms = request->backoff_ms;
    c->nbackoff = request->nbackoff;
    c->instead = request->instead;
    c->ninstead = request->ninstead;
    c->ev = ev;
    c->arg = arg;
    const struct replay_sink sink = {ev->on_text, ev->on_thinking, ev->on_tool_start,
                                     ev->on_tool_input, ev->on_restart};
    replay_init(&c->replay, &sink, arg, &c->dead);
    add(c, request->model);
    for (size_t i = 0; i < request->nthen; i++)
        add(c, request->then[i]);
    list_push_back(&r->calls, &c->link);
    go(c);
    return c;
}
