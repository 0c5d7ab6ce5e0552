/* chaos: see chaos.h. */
#include "chaos.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

static const char *const names[] = {
#define X(name, text) [CHAOS_##name] = text,
    CHAOS_TABLE(X)
#undef X
};

const char *chaos_name(enum chaos_kind k) { return names[k]; }

bool chaos_is_whole(enum chaos_kind k) {
    return k == CHAOS_NONE || k == CHAOS_SLOW_HEAD || k == CHAOS_SLOW_EVENTS;
}

bool chaos_init(struct chaos *c, const cJSON *obj, struct cause *why) {
    *c = (struct chaos){0};
    if (!obj)
        return true;
    c->on = true;
    c->seed = (uint64_t)json_i64(obj, "seed", -1);
    c->percent = (int)json_i64(obj, "percent", -1);
    c->asked = map_new();
    if (c->percent >= 0 && c->percent <= 100 && json_i64(obj, "seed", -1) >= 0)
        return true;
    cause_set(why, STATUS_INVALID, "scenario: chaos needs a seed, and a percent up to 100");
    return false;
}

void chaos_free(struct chaos *c) {
    size_t pos = 0;
    for (int *n; c->asked && (n = map_next(c->asked, &pos, NULL));)
        free(n);
    map_free(&c->asked);
}

/* splitmix64. */
static uint64_t draw(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* FNV-1a: base/hash.h has another key in every process. */
static uint64_t hash_of(const char *s) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h;
}

static const char *mark_of(const char *text) {
    for (const char *p = strchr(text, '#'); p; p = strchr(p + 1, '#'))
        if (isdigit((unsigned char)p[1]))
            return p;
    return text;
}

/* Who asks what for the nth time. */
static uint64_t state_of(struct chaos *c, const struct request *r) {
    const char *mark = mark_of(buf_str(&r->user));
    size_t n = *mark == '#' ? 1 + strspn(mark + 1, "0123456789") : strlen(mark);
    char *who = xasprintf("%.*s %s %d %d", (int)n, mark,
                          request_has_tool(r, "reply")   ? "channel"
                          : request_has_tool(r, "shell") ? "worker"
                                                         : "branch",
                          r->step, strstr(buf_str(&r->user), "has come back") != NULL);
    int *times = map_get(c->asked, who);
    if (!times) {
        times = xcalloc(1, sizeof(*times));
        map_put(c->asked, who, times);
    }
    char *key = xasprintf("%s %d", who, (*times)++);
    uint64_t state = c->seed ^ hash_of(key);
    x_free(&who);
    x_free(&key);
    return state;
}

static void afflict(struct faults *f, enum chaos_kind kind, uint64_t *state) {
    int some = (int)(draw(state) % 9); /* events */
    switch (kind) {
    case CHAOS_NONE:
    case CHAOS_TRUNCATED: /* chaos_bend() */
        return;
    case CHAOS_CLOSED:
        f->refuse = true;
        return;
    case CHAOS_RESET:
        f->refuse = f->cut_reset = true;
        return;
    case CHAOS_SLOW_HEAD:
        f->delay_ms = 100 + 50 * some;
        return;
    case CHAOS_SLOW_EVENTS:
        f->slow_ms = 10 + 5 * some;
        return;
    case CHAOS_CUT:
        f->cut_after_bytes = 100 + (long)(draw(state) % 1500);
        return;
    case CHAOS_CUT_RESET:
        f->cut_after_bytes = 100 + (long)(draw(state) % 1500);
        f->cut_reset = true;
        return;
    case CHAOS_STALL:
        f->silence_after = some;
        return;
    case CHAOS_RATE:
        f->status = 429;
        return;
    case CHAOS_RATE_TOLD:
        f->status = 429;
        f->retry_after = "1";
        return;
    case CHAOS_SERVER:
        f->status = 500;
        return;
    case CHAOS_UNAVAILABLE:
        f->status = 503;
        return;
    case CHAOS_OVERLOADED:
        f->status = 529;
        return;
    case CHAOS_BAD_JSON:
        f->garbage = GARBAGE_JSON;
        f->garbage_after = some;
        return;
    case CHAOS_NOISE:
        f->garbage = GARBAGE_SSE;
        f->garbage_after = some;
        return;
    case CHAOS_ERROR_EVENT:
        f->error = true;
        f->error_after = some;
        f->error_type = some % 2 ? "overloaded_error" : "api_error";
        f->error_message = "it broke in the middle";
        return;
    case CHAOS_PAGE:
        f->html = true;
        return;
    case CHAOS_PAGE_200:
        f->html = true;
        f->status = 200;
        return;
    case CHAOS_REDIRECT:
        f->status = 302;
        f->location = "http://127.0.0.1:1/elsewhere";
        return;
    case CHAOS_OVERFLOW:
        f->status = 400;
        f->message = "prompt is too long: 210000 tokens > 200000 maximum";
        return;
    }
}

const struct rule *chaos_strike(struct chaos *c, const struct rule *rule, const struct request *r,
                                struct rule *own, enum chaos_kind *kind) {
    *kind = CHAOS_NONE;
    if (!c->on)
        return rule;
    uint64_t state = state_of(c, r);
    if ((int)(draw(&state) % 100) >= c->percent)
        return rule;
    *kind = (enum chaos_kind)(1 + draw(&state) % (ARRAY_LEN(names) - 1));
    *own = *rule;
    afflict(&own->faults, *kind, &state);
    return own;
}

void chaos_bend(enum chaos_kind kind, struct plan *p) {
    if (kind == CHAOS_TRUNCATED && p->n > 2)
        p->n = p->n * 2 / 3;
}
