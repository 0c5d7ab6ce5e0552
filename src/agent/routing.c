/* routing: the configuration's words about models, applied to processes. */
#include "agent/routing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/channel.h"
#include "agent/connect.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "conf/config_keys.h"
#include "store/queries.gen.h"

#define MODEL_MAX 200u /* bytes of a name */
#define NAMES_MAX 500u /* that are offered: further ones come when more is typed */

/* ---- who is asked ---- */

static const char *slot(const struct config *c, enum process_kind kind) {
    switch (kind) {
    case PROCESS_CHANNEL:
        return c->routing.channel;
    case PROCESS_BRANCH:
        return c->routing.branch;
    case PROCESS_WORKER:
        return c->routing.worker;
    case PROCESS_VOICE:
        return c->routing.voice;
    case PROCESS_COMPACTOR:
    case PROCESS_CORTEX:
        break; /* none of these runs yet */
    }
    return c->routing.channel;
}

const char *routing_configured(const struct config *c, enum process_kind kind,
                               const char *task_type) {
    for (size_t i = 0; kind != PROCESS_CHANNEL && i < c->routing.ntask_overrides; i++)
        if (str_eq(c->routing.task_overrides[i].task, task_type))
            return c->routing.task_overrides[i].model;
    return slot(c, kind);
}

const char *routing_model(const struct agent *a, enum process_kind kind, const char *task_type,
                          const struct process *channel) {
    const char *told = channel_model_override(channel);
    return told ? told : routing_configured(agent_parts(a)->config, kind, task_type);
}

void routing_changed(struct agent *a, const struct process *channel) {
    struct process_table *t = agent_processes(a);
    size_t pos = 0;
    for (struct process *p; (p = process_next(t, &pos));) {
        if (!p->body || !str_eq(p->channel, channel->channel))
            continue;
        const char *model = routing_model(a, p->kind, p->task_type, channel);
        if (str_eq(model, p->model))
            continue;
        x_free(&p->model);
        x_free(&p->answered_by);
        p->model = xstrdup(model);
        process_changed(t, p);
    }
}

static const struct strv *chain_of(const struct config *c, const struct process *p) {
    const struct strv *kind = NULL, *all = NULL;
    for (size_t i = 0; i < c->routing.nfallbacks; i++) {
        const struct config_fallback *f = &c->routing.fallbacks[i];
        if (f->model && str_eq(f->model, p->model))
            return &f->then;
        if (!kind && f->process && str_eq(f->process, process_kind_name(p->kind)))
            kind = &f->then;
        if (!all && !f->model && !f->process)
            all = &f->then;
    }
    return kind ? kind : all;
}

/* The usual model of the provider that a model is of, for that kind of process; NULL: none. */
static const char *const *usual_model(const struct process *p) {
    enum model_use use = p->kind == PROCESS_WORKER ? MODEL_WORKS : MODEL_THINKS;
    for (size_t i = 0; i < provider_ninfos; i++) {
        const char *id = provider_infos[i].id;
        size_t len = strlen(id);
        if (strncmp(p->model, id, len) == 0 && p->model[len] == '/')
            return provider_default_slot(id, use);
    }
    return NULL;
}

void routing_fallbacks(const struct agent *a, const struct process *p, struct route_request *r) {
    const struct strv *chain = chain_of(agent_parts(a)->config, p);
    if (chain) {
        r->then = (const char *const *)chain->v;
        r->nthen = chain->n;
    }
    r->instead = usual_model(p);
    r->ninstead = r->instead != NULL;
}

char *routing_stand_in_text(const struct route_stand_in *s) {
    char when[32] = "";
    if (s->until_ms) {
        time_t t = (time_t)(s->until_ms / 1000);
        struct tm at;
        localtime_r(&t, &at);
        snprintf(when, sizeof when, ", tried again at %02d:%02d", at.tm_hour % 24, at.tm_min % 60);
    }
    return *s->why ? xasprintf("%s%s; %s answers now", s->why, when, s->model)
                   : xasprintf("%s answers now", s->model);
}

/* ---- names ---- */

enum status routing_check(const struct agent *a, const char *model, struct cause *why) {
    const char *slash = strchr(model, '/');
    if (!*model || strlen(model) > MODEL_MAX || strpbrk(model, " \t\r\n") || (slash && !slash[1]))
        return cause_set(why, STATUS_INVALID,
                         "\"%.60s\" is no model; write provider/model, as in %s", model,
                         agent_parts(a)->config->routing.channel);
    if (!llm_has_provider(agent_parts(a)->llm, model))
        return agent_no_provider(a, model, why);
    return STATUS_OK;
}

static void offer(const struct agent *a, const char *prefix, const char *model, struct strv *out) {
    if (!model || !str_prefix(model, prefix) || !llm_has_provider(agent_parts(a)->llm, model))
        return;
    for (size_t i = 0; i < out->n; i++)
        if (str_eq(out->v[i], model))
            return;
    strv_push(out, model);
}

/* All that its provider has; they are many: only those that begin so. */
static void offer_list(const struct agent *a, const char *prefix, const struct catalog_list *l,
                       struct strv *out) {
    for (size_t i = 0; i < l->n && out->n < NAMES_MAX; i++) {
        char *full = xasprintf("%s/%s", l->provider, l->v[i].name);
        offer(a, prefix, full, out);
        x_free(&full);
    }
}

void routing_names(const struct agent *a, const char *prefix, struct strv *out) {
    const struct config *c = agent_parts(a)->config;
    size_t pos = 0;
    offer(a, prefix, c->routing.channel, out);
    offer(a, prefix, c->routing.branch, out);
    offer(a, prefix, c->routing.worker, out);
    for (size_t i = 0; i < c->routing.ntask_overrides; i++)
        offer(a, prefix, c->routing.task_overrides[i].model, out);
    for (size_t i = 0; i < c->routing.nfallbacks; i++)
        for (size_t k = 0; k < c->routing.fallbacks[i].then.n; k++)
            offer(a, prefix, c->routing.fallbacks[i].then.v[k], out);
    for (const struct process *p; (p = process_next(agent_processes(a), &pos));)
        offer(a, prefix, p->model, out);
    offer(a, prefix, agent_found_model(a), out);
    for (size_t i = 0; i < provider_ninfos; i++) {
        offer(a, prefix, provider_default_model(provider_infos[i].id, MODEL_THINKS), out);
        offer(a, prefix, provider_default_model(provider_infos[i].id, MODEL_WORKS), out);
    }
    for (size_t i = 0; i < c->nprices; i++)
        offer(a, prefix, c->prices[i].model, out);
    const struct catalog *offered = agent_parts(a)->catalog;
    for (size_t i = 0; offered && *prefix && i < offered->n; i++)
        offer_list(a, prefix, &offered->v[i], out);
}

/* ---- the route ---- */

int64_t routing_ceiling(const struct agent *a, const char *model) {
    return health_ceiling(route_health(agent_route(a)), model,
                          agent_parts(a)->config->limits.context_window);
}

static void on_learned(void *arg, const char *model, int64_t tokens) {
    struct agent *a = arg;
    log_info("%s takes less than was thought: %lld tokens are counted on from now on", model,
             (long long)tokens);
    store_model_limit_save(agent_parts(a)->store, model, tokens, clock_wall_ms());
}

static bool on_limit(void *arg, const struct q_model_limits_row *row) {
    health_set_ceiling(arg, row->model, row->context_tokens);
    return true;
}

enum status routing_new(struct agent *a, struct route **out, struct cause *why) {
    const struct agent_parts *parts = agent_parts(a);
    const char *run = agent_run_id(a);
    connect_prices(parts->config);
    *out = route_new(&(struct route_config){
        .loop = parts->loop,
        .llm = parts->llm,
        .cooldown_ms = parts->config->routing.rate_limit_cooldown_secs * 1000,
        .retry_ms = parts->config->routing.retry_secs * 1000,
        .seed = hash_bytes(run, strlen(run)),
        .on_learned = on_learned,
        .arg = a});
    return q_model_limits(store_read(parts->store), on_limit, route_health(*out), why);
}
