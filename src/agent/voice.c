/* voice: asked again when it fails in a way that may pass, booked like any other model call. */
#include "agent/voice.h"

#include <stdio.h>
#include <string.h>

#include "agent/limit.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/price.h"
#include "prompts/prompts.gen.h"

#define ATTEMPTS 3u
#define TOKENS_A_SECOND 12 /* of speech, about: what a call may cost is reckoned with it */

static const int64_t backoff_ms[] = {500, 1000}; /* SPEC C */

struct voice {
    struct agent *agent;
    struct process_handle process;
    char *path, *mime, *name;
    int64_t bytes, duration_ms;
    unsigned attempts;
    struct transcribe *call;
    struct loop_timer *timer; /* before the next attempt, or before it is told that there is none */
    struct limit_hold hold;
    struct llm_usage usage;
    enum status st;
    struct cause why; /* of what is told by the timer */
    voice_fn *fn;
    void *arg;
};

bool voice_is_for(const char *mime) { return str_prefix(mime, "audio/"); }

static struct process *self(const struct voice *v) {
    return process_get(agent_processes(v->agent), v->process);
}

/* Its process goes with it: what it has used is told, and kept by whoever is told. */
static void voice_free(struct voice *v) {
    transcribe_cancel(&v->call);
    loop_timer_del(&v->timer);
    limit_release(v->agent, &v->hold);
    struct process *p = self(v);
    if (p) {
        p->body = NULL;
        process_remove(agent_processes(v->agent), v->process);
    }
    x_free(&v->path);
    x_free(&v->mime);
    x_free(&v->name);
    x_free(&v);
}

static void end(struct voice *v, enum status st, const char *why, const struct transcript *t) {
    voice_fn *fn = v->fn;
    void *arg = v->arg;
    struct llm_usage usage = v->usage;
    struct cause copy;
    cause_set(&copy, st, "%s", why);
    voice_free(v);
    fn(arg, st, copy.text, t, &usage);
}

static void on_refused(void *arg) {
    struct voice *v = arg;
    v->timer = NULL;
    end(v, v->st, v->why.text, NULL);
}

/* Told from a later turn, as everything is. */
static void refuse(struct voice *v, enum status st) {
    v->st = st;
    v->timer = loop_timer(agent_parts(v->agent)->loop, 0, on_refused, v, "voice refused");
}

static void book(struct voice *v, const char *said, const struct llm_usage *u) {
    struct process *p = self(v);
    bool used = u->input_tokens || u->output_tokens || u->cost_usd > 0 || u->cost_is_estimate;
    limit_release(v->agent, &v->hold);
    if (!used)
        return;
    record_usage(v->agent, p, p->model, said, u);
    llm_usage_add(&p->usage, u);
    llm_usage_add(&v->usage, u);
    process_changed(agent_processes(v->agent), p);
}

static void on_bytes(void *arg) {
    const struct voice *v = arg;
    self(v)->last_byte_ns = clock_mono_ns();
}

static void on_done(void *arg, const struct transcript *t) {
    struct voice *v = arg;
    v->call = NULL;
    book(v, t->model, &t->usage);
    struct process *p = self(v);
    struct transcript heard = *t;
    (void)snprintf(heard.model, sizeof heard.model, "%s", p->model);
    if (*t->text)
        end(v, STATUS_OK, "", &heard);
    else
        end(v, STATUS_NOT_FOUND, "nothing is said in it", NULL);
}

static void attempt(void *arg);

static void on_error(void *arg, const struct llm_error *e) {
    struct voice *v = arg;
    v->call = NULL;
    book(v, "", &e->usage);
    if (!llm_fault_retriable(e->fault) || v->attempts >= ATTEMPTS) {
        end(v, e->fault == LLM_FAULT_NOT_CONFIGURED ? STATUS_CONFIG : STATUS_PROVIDER, e->text,
            NULL);
        return;
    }
    int64_t ms = e->retry_after_ms > backoff_ms[v->attempts - 1] ? e->retry_after_ms
                                                                 : backoff_ms[v->attempts - 1];
    int64_t most = agent_parts(v->agent)->config->routing.retry_secs * 1000;
    process_set_state(agent_processes(v->agent), self(v), PROCESS_STATE_WAITING);
    v->timer = loop_timer(agent_parts(v->agent)->loop, (ms < most ? ms : most) * NS_PER_MS, attempt,
                          v, "voice again");
}

static const struct transcribe_events events = {
    .on_bytes = on_bytes, .on_done = on_done, .on_error = on_error};

static void attempt(void *arg) {
    struct voice *v = arg;
    const struct agent_parts *parts = agent_parts(v->agent);
    struct process *p = self(v);
    const struct llm_usage before = {0};
    int64_t tokens = v->duration_ms > 0 ? v->duration_ms / 1000 * TOKENS_A_SECOND : 0;
    v->timer = NULL;
    if (limit_allows(v->agent, p, &before, p->model, tokens, &v->hold, &v->why) == LIMIT_NO) {
        refuse(v, STATUS_LIMIT);
        return;
    }
    v->attempts++;
    p->model_calls++;
    struct buf system = BUF_INIT;
    prompt_voice_render(&system);
    process_set_state(agent_processes(v->agent), p, PROCESS_STATE_THINKING);
    v->call = transcribe_start(parts->loop, parts->llm,
                               &(struct transcribe_request){.model = p->model,
                                                            .path = v->path,
                                                            .mime = v->mime,
                                                            .name = v->name,
                                                            .bytes = v->bytes,
                                                            .duration_ms = v->duration_ms,
                                                            .system = buf_str(&system)},
                               &events, v);
    buf_free(&system);
}

/* What can be said for sure before anybody is asked. */
static enum status check(struct voice *v) {
    const struct agent_parts *parts = agent_parts(v->agent);
    int64_t most = parts->config->limits.voice_bytes;
    const char *model = parts->config->routing.voice;
    if (str_empty(model) || str_eq(model, "none"))
        return cause_set(&v->why, STATUS_CONFIG,
                         "no model hears here: put  routing = { voice = "
                         "\"openai/gpt-4o-mini-transcribe\"; };  or another into %s",
                         parts->config->path);
    if (v->bytes > most)
        return cause_set(&v->why, STATUS_LIMIT,
                         "it has %lld bytes, and %lld are allowed (limits.voice_bytes)",
                         (long long)v->bytes, (long long)most);
    if (v->bytes == 0)
        return cause_set(&v->why, STATUS_INVALID, "it is empty");
    return STATUS_OK;
}

struct voice *voice_start(struct agent *a, const struct voice_request *r, voice_fn *fn, void *arg) {
    struct voice *v = xcalloc(1, sizeof *v);
    struct process_table *t = agent_processes(a);
    char *channel = xasprintf("channel:%s", r->channel), id[ID_UUID_SIZE];
    const struct process *parent = process_find(t, channel);
    struct process *p = NULL;
    v->agent = a;
    v->path = xstrdup(r->path);
    v->mime = xstrdup(r->mime);
    v->name = xstrdup(r->name);
    v->bytes = r->bytes;
    v->duration_ms = r->duration_ms;
    v->fn = fn;
    v->arg = arg;
    id_uuid(id);
    enum status st = check(v);
    if (st == STATUS_OK)
        st = process_add(t, PROCESS_VOICE, id, parent ? parent->handle : PROCESS_NONE, &p);
    if (st != STATUS_OK) {
        refuse(v, st);
    } else {
        v->process = p->handle;
        p->body = v;
        p->channel = xstrdup(r->channel);
        p->model = xstrdup(agent_parts(a)->config->routing.voice);
        p->task = xasprintf("hear %s", r->name);
        process_set_name(p, r->name);
        process_changed(t, p);
        attempt(v);
    }
    x_free(&channel);
    return v;
}

void voice_forget(struct voice **vp) {
    struct voice *v = *vp;
    *vp = NULL;
    if (v)
        voice_free(v);
}

bool voice_cancel(struct agent *a, struct process *p, const char *reason) {
    struct voice *v = p->body;
    (void)a;
    if (!v)
        return false;
    char *why = xasprintf("hearing %s was cancelled: %s", v->name, reason);
    end(v, STATUS_CANCELLED, why, NULL); /* p is gone */
    x_free(&why);
    return true;
}

bool voice_cancel_all(struct agent *a, const char *channel, const char *reason) {
    bool any = false;
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(a), &pos));) {
        if (p->kind != PROCESS_VOICE || !str_eq(p->channel, channel))
            continue;
        any = voice_cancel(a, p, reason) || any;
        pos = 0; /* the table has changed */
    }
    return any;
}
