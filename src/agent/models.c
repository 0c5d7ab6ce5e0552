/* models: one GET a provider, all at once; then one job that reads the file, puts the answers into
 * it, and writes it. */
#include "agent/models.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/listing.h"
#include "llm/price.h"

/* What a provider answered. */
struct answer {
    char *provider, *error; /* error NULL: there is a body */
    struct buf body;
    bool local; /* it is not configured: that it is not there is no failure */
};

/* What the job owns. */
struct update {
    char *path;
    struct answer *v;
    size_t n;
    int64_t now_ms;
    struct catalog catalog;
    char *trouble; /* NULL: none */
};

struct question {
    struct models *models;
    struct listing *listing; /* NULL: it was answered */
    struct answer answer;
};

struct models {
    struct models_options o;
    struct catalog catalog;
    struct loop_timer *timer;
    struct question *questions;
    size_t nquestions, open;
    bool asked;
};

const struct catalog *models_catalog(const struct models *m) { return &m->catalog; }

/* ---- slots ---- */

void models_slots(const struct config *c, models_slot_fn *fn, void *arg) {
    fn(arg, "channel", c->routing.channel);
    fn(arg, "branch", c->routing.branch);
    fn(arg, "worker", c->routing.worker);
    if (!str_eq(c->routing.voice, "none"))
        fn(arg, "voice", c->routing.voice);
    for (size_t i = 0; i < c->routing.ntask_overrides; i++) {
        char *slot = xasprintf("task %s", c->routing.task_overrides[i].task);
        fn(arg, slot, c->routing.task_overrides[i].model);
        x_free(&slot);
    }
    for (size_t i = 0; i < c->routing.nfallbacks; i++)
        for (size_t k = 0; k < c->routing.fallbacks[i].then.n; k++)
            fn(arg, "fallback", c->routing.fallbacks[i].then.v[k]);
}

struct users {
    const char *model;
    struct buf *out;
    size_t from;
    bool fallback; /* told: it may stand in for several */
};

static void add_user(void *arg, const char *slot, const char *model) {
    struct users *u = arg;
    bool fallback = str_eq(slot, "fallback");
    if (!str_eq(model, u->model) || (fallback && u->fallback))
        return;
    u->fallback |= fallback;
    buf_printf(u->out, "%s%s", u->out->len > u->from ? ", " : "", slot);
}

void models_used_by(const struct config *c, const char *model, struct buf *out) {
    struct users u = {model, out, out->len, false};
    models_slots(c, add_user, &u);
}

/* ---- what is gone ---- */

struct missing {
    const struct models *models;
    struct strv seen;
    struct buf text;
};

static void look_for(void *arg, const char *slot, const char *model) {
    struct missing *g = arg;
    const struct models *m = g->models;
    const struct catalog_list *l = NULL;
    const char *slash = strchr(model ? model : "", '/');
    (void)slot;
    for (size_t i = 0; i < g->seen.n; i++)
        if (str_eq(g->seen.v[i], model))
            return;
    if (!slash || !llm_has_provider(m->o.llm, model))
        return;
    strv_push(&g->seen, model);
    (void)catalog_model(&m->catalog, model, &l);
    if (!l || !l->listed_ms || !l->whole || !l->n || catalog_lists(l, slash + 1))
        return;
    const char *nearest = catalog_nearest(l, slash + 1);
    buf_printf(&g->text, "%s%s no longer lists %s (", g->text.len ? "; " : "", l->provider,
               slash + 1);
    models_used_by(m->o.config, model, &g->text);
    if (nearest)
        buf_printf(&g->text, "); nearest to it is %s", nearest);
    else
        buf_puts(&g->text, ") nor one like it");
}

static void say_what_is_gone(const struct models *m) {
    struct missing g = {.models = m};
    models_slots(m->o.config, look_for, &g);
    if (g.text.len)
        log_warn("%s. `spacebot models` shows all; routing in %s chooses", buf_str(&g.text),
                 m->o.config->path);
    strv_free(&g.seen);
    buf_free(&g.text);
}

/* ---- the file, in a job ---- */

static void answer_free(struct answer *a) {
    x_free(&a->provider);
    x_free(&a->error);
    buf_free(&a->body);
}

static void update_free(struct update *u) {
    for (size_t i = 0; i < u->n; i++)
        answer_free(&u->v[i]);
    x_free(&u->v);
    catalog_free(&u->catalog);
    x_free(&u->path);
    x_free(&u->trouble);
    x_free(&u);
}

static void put_in(struct update *u, const struct answer *a) {
    const struct catalog_list *known = catalog_find(&u->catalog, a->provider);
    struct cause why = {""};
    if (a->error && a->local && (!known || !known->listed_ms))
        return;
    struct catalog_list *l = catalog_add(&u->catalog, a->provider);
    if (a->error)
        catalog_refused(l, a->error, u->now_ms);
    else if (catalog_take(l, buf_str(&a->body), a->body.len, u->now_ms, &why) != STATUS_OK)
        catalog_refused(l, why.text, u->now_ms);
}

static void work(void *input, const atomic_bool *cancelled) {
    struct update *u = input;
    struct cause why = {""};
    (void)cancelled;
    /* What cannot be read is known afresh in a moment. */
    enum status st = catalog_read(u->path, &u->catalog, &why);
    if (st != STATUS_OK && st != STATUS_NOT_FOUND)
        u->trouble = xstrdup(why.text);
    for (size_t i = 0; i < u->n; i++)
        put_in(u, &u->v[i]);
    if (u->n && catalog_write(u->path, &u->catalog, &why) != STATUS_OK && !u->trouble)
        u->trouble = xstrdup(why.text);
}

static void ask_all(struct models *m);

static void complete(struct models *m) {
    if (!m->o.now)
        say_what_is_gone(m);
    if (m->o.done)
        m->o.done(m->o.arg);
}

static void updated(void *arg, void *input, bool cancelled) {
    struct models *m = arg;
    struct update *u = input;
    if (u->trouble)
        log_warn("%s", u->trouble);
    if (!cancelled) {
        struct catalog before = m->catalog;
        m->catalog = u->catalog;
        u->catalog = before;
    }
    update_free(u);
    if (cancelled)
        return;
    if (m->asked)
        complete(m);
    else
        ask_all(m);
}

/* Takes the answers. */
static void update(struct models *m) {
    struct update *u = xcalloc(1, sizeof *u);
    struct cause why = {""};
    u->path = xstrdup(m->o.path);
    u->now_ms = clock_wall_ms();
    u->v = xcalloc(m->nquestions + 1, sizeof *u->v);
    for (; u->n < m->nquestions; u->n++) {
        u->v[u->n] = m->questions[u->n].answer;
        m->questions[u->n].answer = (struct answer){.provider = NULL};
    }
    m->nquestions = 0;
    if (job_submit(m->o.jobs, "models", work, updated, m, u, NULL, &why) == STATUS_OK)
        return;
    log_warn("the providers' lists of models are not looked at: %s", why.text);
    update_free(u);
}

/* ---- asking ---- */

static void on_listed(void *arg, const char *error, const char *body, size_t n) {
    struct question *q = arg;
    struct models *m = q->models;
    q->listing = NULL;
    q->answer.error = xstrdup_null(error);
    buf_append(&q->answer.body, body, n);
    if (--m->open == 0)
        update(m);
}

static bool is_due(const struct models *m, const char *id) {
    const struct catalog_list *l = catalog_find(&m->catalog, id);
    int64_t age = l ? clock_wall_ms() - l->asked_ms : MODELS_FRESH_MS;
    return m->o.now || age < 0 || age >= MODELS_FRESH_MS;
}

static void add_question(struct models *m, const char *id, bool local) {
    char *any = xasprintf("%s/", id);
    bool can = llm_has_provider(m->o.llm, any);
    x_free(&any);
    for (size_t i = 0; i < m->nquestions; i++)
        can = can && !str_eq(m->questions[i].answer.provider, id);
    if (!can || (m->o.only && !str_eq(id, m->o.only)) || !is_due(m, id))
        return;
    m->questions[m->nquestions++] =
        (struct question){.models = m, .answer = {.provider = xstrdup(id), .local = local}};
}

/* A server of this machine is not asked for through a proxy. */
static bool is_local(const struct config *c, const char *id) {
    for (size_t i = 0; i < c->nlocals; i++)
        if (str_eq(c->locals[i].id, id))
            return true;
    return false;
}

static void ask_all(struct models *m) {
    const struct config *c = m->o.config;
    m->asked = true;
    if (!m->o.cached && (m->o.now || c->routing.list_models)) {
        m->questions = xcalloc(c->nproviders + c->nlocals + 1, sizeof *m->questions);
        for (size_t i = 0; i < c->nproviders; i++)
            add_question(m, c->providers[i].id, false);
        for (size_t i = 0; m->o.now && i < c->nlocals; i++)
            add_question(m, c->locals[i].id, true);
    }
    m->open = m->nquestions;
    if (!m->open) {
        complete(m);
        return;
    }
    for (size_t i = 0; i < m->nquestions; i++) {
        struct question *q = &m->questions[i];
        q->listing = listing_start(m->o.loop, m->o.llm, q->answer.provider,
                                   is_local(c, q->answer.provider), on_listed, q);
    }
}

/* ---- life ---- */

static void on_time(void *arg) {
    struct models *m = arg;
    m->timer = NULL;
    update(m); /* nothing is there to put in: it is read */
}

struct models *models_new(const struct models_options *o) {
    struct models *m = xcalloc(1, sizeof *m);
    m->o = *o;
    price_offers(&m->catalog);
    m->timer = loop_timer(o->loop, o->now ? 0 : MODELS_DELAY_MS * NS_PER_MS, on_time, m, "models");
    return m;
}

void models_free(struct models **mp) {
    struct models *m = *mp;
    *mp = NULL;
    if (!m)
        return;
    price_offers(NULL);
    loop_timer_del(&m->timer);
    for (size_t i = 0; i < m->nquestions; i++) {
        listing_cancel(&m->questions[i].listing);
        answer_free(&m->questions[i].answer);
    }
    x_free(&m->questions);
    catalog_free(&m->catalog);
    x_free(&m);
}
