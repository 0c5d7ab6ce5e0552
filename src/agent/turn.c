/* turn: one state at a time — calling the model, waiting to call again, recording an intent,
 * running a tool — and each has exactly one thing that can be cancelled. */
#include "agent/turn.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/event.h"
#include "agent/exchange.h"
#include "agent/gate.h"
#include "agent/guard.h"
#include "agent/leak.h"
#include "agent/limit.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "agent/routing.h"
#include "agent/toolset.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/arg_stream.h"
#include "llm/route.h"
#include "tools/file_memory.h"

#define FIT_PERCENT 85 /* of the ceiling (SPEC C) */
#define FIT_ROUNDS 8
#define MONEY_NS (NS_PER_SEC / 4)  /* between looks whether some is free */
#define STALL_NS (30 * NS_PER_SEC) /* silent for so long, a call is shown as stalled */

static const char leaks_text[] =
    "not run: it holds what looks like a password, token or private key, and would have said it to "
    "people. Say it without: name what it is and where it is kept, none of its characters.";

struct turn {
    struct turn_options o;
    struct process_table *processes;
    struct bus *bus;
    struct route_call *call;     /* a model call is in flight */
    struct loop_timer *timer;    /* the first step, or the next tool */
    struct loop_timer *stall;    /* looks whether the call under way has gone silent */
    struct loop_timer *wall;     /* its time is over; not while a person is asked */
    int64_t left_ns, since_ns;   /* what is left of it, and since when it runs */
    struct gate_wait *gate;      /* a person is asked whether a tool may run */
    struct store_after *intent;  /* an intent is being written */
    bool intended;               /* it was, or is being */
    struct tool_call *tool;      /* a tool runs, or will when it may and its intent is safe */
    int64_t calls;               /* model calls made */
    struct llm_message response; /* whose tool calls are being run; blocks [0..next) are done */
    size_t next;
    struct llm_message results;
    struct journal_entry *text, *thinking, *entry, *output; /* open journal entries */
    struct toolset toolset;
    struct llm_tool *tools; /* they, as a request has them */
    struct limit_hold hold; /* what the call under way may cost */
    struct cause over;      /* why it may not be made; "" */
    int64_t overhead;       /* tokens of a request beside the history, as it was last */
    struct guard guard;
    bool guarded;         /* the guard keeps the present call from being run */
    unsigned refused;     /* calls in a row that it has kept from being run */
    const char *stopping; /* turn_stop() was called: why */
    struct arg_stream reply;
    size_t reply_index;
    bool reply_open;
    struct scrub said, thought, replied; /* what streams passes through these */
    span_id span, call_span, tool_span;
    struct record_partial partial;
};

static struct process *self(const struct turn *t) {
    return process_get(t->processes, t->o.process);
}

const struct process *turn_process(const struct turn *t) { return self(t); }
struct turn *turn_of(const struct tool_call *c) {
    return c->arg;
}
void *turn_arg(const struct turn *t) { return t->o.arg; }
struct agent *turn_agent(const struct turn *t) {
    return t->o.agent;
}

static void step(struct turn *t);
static void next_tool(struct turn *t);

static const char overflow_text[] = "the model's context was full: the oldest part was left out";

/* --- journal ------------------------------------------------------------------------------------
 */

static void close_entry(struct turn *t, struct journal_entry **e) {
    struct process *p = self(t);
    if (*e) {
        journal_close(&p->journal, *e);
        record_journal(t->o.agent, p, *e);
        *e = NULL;
        process_changed(t->processes, p);
    }
}

static void stream(struct turn *t, struct journal_entry **e, enum journal_kind kind,
                   const char *text, size_t n) {
    struct process *p = self(t);
    if (!*e)
        *e = journal_open(&p->journal, kind, NULL, NULL);
    journal_append(&p->journal, *e, text, n);
    process_changed(t->processes, p);
}

/* The call will not be made again: what it had written is not lost. */
static void keep_partial(struct turn *t) {
    if (t->text && t->text->text.len)
        llm_history_push_text(t->o.history, LLM_ROLE_ASSISTANT, buf_str(&t->text->text));
}

static void interrupt_entries(struct turn *t) {
    if (t->text)
        t->text->interrupted = true;
    if (t->thinking)
        t->thinking->interrupted = true;
    close_entry(t, &t->text);
    close_entry(t, &t->thinking);
    if (t->o.ops->interrupted)
        t->o.ops->interrupted(t->o.arg);
    t->reply_open = false;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void turn_free(struct turn *t) {
    route_call_cancel(&t->call);
    limit_release(t->o.agent, &t->hold);
    loop_timer_del(&t->timer);
    loop_timer_del(&t->stall);
    loop_timer_del(&t->wall);
    gate_wait_cancel(&t->gate);
    store_after_cancel(&t->intent);
    tool_call_free(&t->tool);
    llm_message_free(&t->response);
    llm_message_free(&t->results);
    arg_stream_free(&t->reply);
    scrub_free(&t->said);
    scrub_free(&t->thought);
    scrub_free(&t->replied);
    x_free(&t->tools);
    struct process *p = self(t);
    record_partial_end(t->o.agent, &t->partial);
    p->span = 0;
    x_free(&t);
}

static void finish(struct turn *t, enum turn_end how, const struct llm_error *error) {
    struct trace *trace = agent_parts(t->o.agent)->trace;
    span_end(trace, t->span, how == TURN_END_FAILED ? STATUS_PROVIDER : STATUS_OK,
             error ? error->text : "");
    const struct turn_ops *ops = t->o.ops;
    void *arg = t->o.arg;
    process_set_state(t->processes, self(t), PROCESS_STATE_WAITING);
    struct llm_error copy;
    if (error)
        copy = *error;
    turn_free(t);
    ops->end(arg, how, error ? &copy : NULL);
}

/* What the history keeps the journal need not keep again. */
static void share(struct turn *t, const struct llm_message *m) {
    for (size_t i = 0; i < m->n; i++) {
        journal_share(&self(t)->journal, m->blocks[i].text);
        journal_share(&self(t)->journal, m->blocks[i].input);
    }
}

static void push_results(struct turn *t) {
    if (t->results.n) {
        share(t, &t->results);
        t->results.role = LLM_ROLE_USER;
        llm_history_push(t->o.history, &t->results);
    }
}

/* Every call of the response gets a result, so that no history ever holds a call without one. */
static void answer_rest(struct turn *t, const char *reason) {
    for (size_t i = t->next; i < t->response.n; i++)
        if (t->response.blocks[i].kind == LLM_BLOCK_TOOL_USE)
            llm_message_add_result(&t->results, t->response.blocks[i].id, reason, true);
    t->next = t->response.n;
    push_results(t);
}

static void delta_event(struct turn *t, enum event_type type, const char *text, size_t n) {
    char *piece = xstrndup(text, n);
    BUS_EMIT(t->bus, t->processes, self(t), type, BUS_STR("process_id", self(t)->id),
             BUS_STR("delta", piece));
    x_free(&piece);
}

static void pass_text(struct turn *t, const struct buf *b) {
    if (!b->len)
        return;
    if (t->o.ops->text_delta)
        t->o.ops->text_delta(t->o.arg, b->data, b->len);
    else
        stream(t, &t->text, JOURNAL_TEXT, b->data, b->len);
    record_partial_add(t->o.agent, self(t), &t->partial, b->data, b->len);
    delta_event(t, EVENT_TEXT_DELTA, b->data, b->len);
}

static void pass_thinking(struct turn *t, const struct buf *b) {
    if (!b->len)
        return;
    stream(t, &t->thinking, JOURNAL_THINKING, b->data, b->len);
    delta_event(t, EVENT_REASONING_DELTA, b->data, b->len);
}

static void pass_reply(struct turn *t, const struct buf *b) {
    if (!b->len)
        return;
    t->o.ops->reply_delta(t->o.arg, false, b->data, b->len);
    record_partial_add(t->o.agent, self(t), &t->partial, b->data, b->len);
    delta_event(t, EVENT_TEXT_DELTA, b->data, b->len);
}

static void end_scrub(struct turn *t, struct scrub *s,
                      void (*pass)(struct turn *t, const struct buf *b)) {
    struct buf rest = BUF_INIT;
    scrub_end(s, &rest);
    pass(t, &rest);
    buf_free(&rest);
}

void turn_cut_text(struct turn *t) {
    end_scrub(t, &t->thought, pass_thinking);
    end_scrub(t, &t->said, pass_text);
    end_scrub(t, &t->replied, pass_reply);
}

/* Whatever is under way ends here and now, and every call has a result. */
static void abort_all(struct turn *t, const char *reason) {
    struct trace *trace = agent_parts(t->o.agent)->trace;
    route_call_cancel(&t->call);
    limit_release(t->o.agent, &t->hold);
    loop_timer_del(&t->timer);
    store_after_cancel(&t->intent);
    turn_cut_text(t);
    keep_partial(t);
    interrupt_entries(t);
    if (t->tool) {
        if (t->entry) {
            t->entry->interrupted = true;
            t->entry->is_error = true;
            journal_set_result(&self(t)->journal, t->entry, reason, strlen(reason));
        }
        if (t->intended)
            record_tool_done(t->o.agent, self(t), t->tool, reason, true);
        process_set_tool(t->processes, self(t), NULL);
        event_tell(
            t->o.agent, self(t),
            event_tool_completed(self(t)->id, t->tool->id, t->tool->tool->name, reason, true));
    }
    close_entry(t, &t->output);
    close_entry(t, &t->entry);
    answer_rest(t, reason);
    tool_call_free(&t->tool);
    span_end(trace, t->call_span, STATUS_CANCELLED, reason);
    span_end(trace, t->tool_span, STATUS_CANCELLED, reason);
    t->call_span = t->tool_span = 0;
}

void turn_cancel(struct turn **tp, const char *reason) {
    struct turn *t = *tp;
    if (!t)
        return;
    *tp = NULL;
    abort_all(t, reason);
    span_end(agent_parts(t->o.agent)->trace, t->span, STATUS_CANCELLED, reason);
    turn_free(t);
}

bool turn_stop(struct turn *t, const char *reason) {
    if (!t || !t->tool || t->intent || !tool_call_stop(t->tool))
        return false;
    t->stopping = reason;
    return true;
}

static void end_budget(struct turn *t, const char *why) {
    struct llm_error error = {.fault = LLM_FAULT_CANCELLED, .retry_after_ms = -1};
    snprintf(error.text, sizeof error.text, "%s", why);
    finish(t, TURN_END_BUDGET, &error);
}

static void on_wall(void *arg) {
    struct turn *t = arg;
    char why[80];
    t->wall = NULL;
    snprintf(why, sizeof why, "ended after %lld s (limits.%s_wall_secs)", (long long)t->o.wall_secs,
             process_kind_name(self(t)->kind));
    abort_all(t, why);
    end_budget(t, why);
}

/* The time that a person takes to answer is nobody's work. */
static void clock_runs(struct turn *t, bool runs) {
    int64_t now = clock_mono_ns();
    if (t->o.wall_secs && runs) {
        t->since_ns = now;
        t->wall = loop_timer(agent_parts(t->o.agent)->loop, t->left_ns > 0 ? t->left_ns : 0,
                             on_wall, t, "turn wall clock");
    } else if (t->o.wall_secs) {
        t->left_ns -= now - t->since_ns;
        loop_timer_del(&t->wall);
    }
}

static void asking(struct turn *t, bool asks) {
    clock_runs(t, !asks);
    if (t->o.ops->asking)
        t->o.ops->asking(t->o.arg, asks);
}

/* --- model calls --------------------------------------------------------------------------------
 */

static void on_bytes(void *arg) {
    struct turn *t = arg;
    struct process *p = self(t);
    p->last_byte_ns = clock_mono_ns();
    if (p->state == PROCESS_STATE_STALLED)
        process_set_state(t->processes, p, PROCESS_STATE_THINKING);
}

static void look_for_stall(void *arg) {
    struct turn *t = arg;
    struct process *p = self(t);
    int64_t silent = clock_mono_ns() - p->last_byte_ns;
    if (p->state == PROCESS_STATE_THINKING && silent >= STALL_NS)
        process_set_state(t->processes, p, PROCESS_STATE_STALLED);
    loop_timer_again(t->stall, silent >= STALL_NS ? STALL_NS : STALL_NS - silent);
}

static void on_text(void *arg, const char *text, size_t n) {
    struct turn *t = arg;
    struct buf clean = BUF_INIT;
    end_scrub(t, &t->thought, pass_thinking);
    close_entry(t, &t->thinking);
    scrub_feed(&t->said, text, n, &clean);
    pass_text(t, &clean);
    buf_free(&clean);
}

static void on_thinking(void *arg, const char *text, size_t n) {
    struct turn *t = arg;
    struct buf clean = BUF_INIT;
    scrub_feed(&t->thought, text, n, &clean);
    pass_thinking(t, &clean);
    buf_free(&clean);
}

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    struct turn *t = arg;
    (void)id;
    turn_cut_text(t);
    close_entry(t, &t->thinking);
    close_entry(t, &t->text);
    if (t->o.ops->reply_delta && !t->reply_open && str_eq(name, tool_get(TOOL_REPLY)->name)) {
        arg_stream_free(&t->reply);
        arg_stream_init(&t->reply, "content");
        t->reply_index = index;
        t->reply_open = true;
        t->o.ops->reply_delta(t->o.arg, true, "", 0);
    }
}

static void on_tool_input(void *arg, size_t index, const char *fragment, size_t n) {
    struct turn *t = arg;
    if (!t->reply_open || index != t->reply_index)
        return;
    struct buf out = BUF_INIT, clean = BUF_INIT;
    arg_stream_feed(&t->reply, fragment, n, &out);
    scrub_feed(&t->replied, buf_str(&out), out.len, &clean);
    pass_reply(t, &clean);
    buf_free(&out);
    buf_free(&clean);
}

static void notice(struct turn *t, enum journal_kind kind, const char *text) {
    struct process *p = self(t);
    struct journal_entry *e = journal_open(&p->journal, kind, NULL, NULL);
    journal_append(&p->journal, e, text, strlen(text));
    close_entry(t, &e);
    event_tell(t->o.agent, p, event_notice(p->id, kind == JOURNAL_ERROR, text));
}

/* The slot's word; whether the model can be told its full name decides (llm/effort.h). */
static enum llm_effort effort_of(const struct agent *a, const struct process *p) {
    const struct config *c = agent_parts(a)->config;
    enum llm_effort e = LLM_EFFORT_AUTO;
    switch (p->kind) {
    case PROCESS_CHANNEL:
        (void)llm_effort_from(c->routing.channel_thinking_effort, &e);
        break;
    case PROCESS_BRANCH:
        (void)llm_effort_from(c->routing.branch_thinking_effort, &e);
        break;
    case PROCESS_WORKER:
        (void)llm_effort_from(c->routing.worker_thinking_effort, &e);
        break;
    case PROCESS_COMPACTOR:
    case PROCESS_CORTEX:
    case PROCESS_VOICE:
        break;
    }
    return e;
}

/* One attempt of the call under way is about to be made, by the model that r names. */
static char *prepare(void *arg, struct llm_request *r, struct cause *why) {
    struct turn *t = arg;
    char *system = prompt_system(agent_parts(t->o.agent), self(t));
    r->tools = t->tools;
    r->ntools = t->toolset.n;
    r->tap = exchanges_tap(agent_exchanges(t->o.agent));
    r->tapped = self(t);
    r->effort = effort_of(t->o.agent, self(t));
    t->overhead = (int64_t)strlen(system) / 4;
    for (size_t i = 0; i < t->toolset.n; i++)
        t->overhead += (int64_t)strlen(t->tools[i].schema) / 4;
    limit_release(t->o.agent, &t->hold);
    if (limit_allows(t->o.agent, self(t), &t->o.before, r->model,
                     llm_history_tokens(r->history) + t->overhead, &t->hold,
                     &t->over) == LIMIT_NO) {
        *why = t->over;
        x_free(&system);
        return NULL;
    }
    r->max_tokens = t->hold.max_tokens;
    return system;
}

static void on_restart(void *arg) {
    struct turn *t = arg;
    turn_cut_text(t);
    interrupt_entries(t);
    record_partial_end(t->o.agent, &t->partial);
}

static void on_pause(void *arg, const struct llm_error *error, int64_t ms) {
    struct turn *t = arg;
    char *text = ms % 1000
                     ? xasprintf("%s; trying again in %.1f s", error->text, (double)ms / 1000)
                     : xasprintf("%s; trying again in %lld s", error->text, (long long)(ms / 1000));
    notice(t, JOURNAL_NOTICE, text);
    x_free(&text);
}

/* Said once when another model comes in, and once when the first one is back. */
static void on_answers(void *arg, const struct route_stand_in *s) {
    struct turn *t = arg;
    struct process *p = self(t);
    if (s ? str_eq(s->model, p->answered_by) : !p->answered_by)
        return;
    char *text = s ? routing_stand_in_text(s) : xasprintf("%s answers again", p->model);
    x_free(&p->answered_by);
    p->answered_by = xstrdup_null(s ? s->model : NULL);
    notice(t, JOURNAL_NOTICE, text);
    x_free(&text);
}

static void on_usage(void *arg, const char *model, const char *said, const struct llm_usage *u) {
    struct turn *t = arg;
    llm_usage_add(&self(t)->usage, u);
    channel_used(t->o.agent, self(t), u);
    record_usage(t->o.agent, self(t), model, said, u);
}

static void on_error(void *arg, const struct llm_error *error) {
    struct turn *t = arg;
    t->call = NULL;
    limit_release(t->o.agent, &t->hold);
    span_end(agent_parts(t->o.agent)->trace, t->call_span, STATUS_PROVIDER, error->text);
    t->call_span = 0;
    turn_cut_text(t);
    bool overflow = error->fault == LLM_FAULT_OVERFLOW && t->o.ops->overflow;
    if (!overflow)
        keep_partial(t);
    interrupt_entries(t);
    record_partial_end(t->o.agent, &t->partial);
    if (overflow && t->o.ops->overflow(t->o.arg)) {
        notice(t, JOURNAL_NOTICE, overflow_text);
        t->calls--; /* the attempt does not count as a call that was made */
        step(t);
    } else if (*t->over.text) {
        end_budget(t, t->over.text);
    } else {
        notice(t, JOURNAL_ERROR, error->text);
        finish(t, TURN_END_FAILED, error);
    }
}

/* From here on the message is as everybody may read it; `text` is what its own was. */
static void kept_text(struct turn *t, struct llm_response *r, const char *text) {
    const struct process *p = self(t);
    bool leaked = leak_message(agent_parts(t->o.agent)->values, &r->message);
    char *clean = leaked ? llm_message_text(&r->message) : NULL;
    if (*text && !t->o.ops->text_delta) /* SPEC A.2: a channel's is said, or is nothing */
        event_tell(t->o.agent, p, event_process_text(p->id, clean ? clean : text));
    x_free(&clean);
}

static void on_done(void *arg, struct llm_response *r) {
    struct turn *t = arg;
    struct process *p = self(t);
    t->call = NULL;
    limit_release(t->o.agent, &t->hold);
    p->model_calls++;
    p->context_tokens = r->usage.input_tokens + r->usage.cache_read_tokens +
                        r->usage.cache_write_tokens + r->usage.output_tokens;
    span_end(agent_parts(t->o.agent)->trace, t->call_span, STATUS_OK, "");
    t->call_span = 0;
    turn_cut_text(t);
    close_entry(t, &t->thinking);
    close_entry(t, &t->text);
    record_partial_end(t->o.agent, &t->partial);

    size_t before = t->o.history->n;
    char *text = llm_message_text(&r->message);
    bool calls = false;
    for (size_t i = 0; i < r->message.n; i++)
        calls |= r->message.blocks[i].kind == LLM_BLOCK_TOOL_USE;
    llm_message_free(&t->response);
    if (calls)
        llm_message_copy(&t->response, &r->message);
    kept_text(t, r, text);
    share(t, &r->message);
    if (r->message.n)
        llm_history_push(t->o.history, &r->message);
    if (r->stop == LLM_STOP_MAX_TOKENS)
        notice(t, JOURNAL_NOTICE, "the model's answer was cut at its length limit");
    if (r->stop == LLM_STOP_REFUSAL)
        notice(t, JOURNAL_NOTICE, "the model declined to answer");
    if (calls) {
        x_free(&text);
        if (t->o.ops->text_done)
            t->o.ops->text_done(t->o.arg);
        t->next = 0;
        next_tool(t);
        return;
    }
    bool keep = false;
    char *nudge = t->o.ops->nudge ? t->o.ops->nudge(t->o.arg, text, &keep) : NULL;
    x_free(&text);
    if (!nudge) {
        finish(t, TURN_END_ANSWERED, NULL);
        return;
    }
    if (!keep)
        llm_history_truncate(t->o.history, before);
    llm_history_push_text(t->o.history, LLM_ROLE_USER, nudge);
    x_free(&nudge);
    step(t);
}

static const struct route_events route_events = {.prepare = prepare,
                                                 .on_text = on_text,
                                                 .on_thinking = on_thinking,
                                                 .on_tool_start = on_tool_start,
                                                 .on_tool_input = on_tool_input,
                                                 .on_bytes = on_bytes,
                                                 .on_restart = on_restart,
                                                 .on_pause = on_pause,
                                                 .on_answers = on_answers,
                                                 .on_usage = on_usage,
                                                 .on_done = on_done,
                                                 .on_error = on_error};

/* What is known not to fit is not sent. */
static void fit(struct turn *t) {
    const struct process *p = self(t);
    int64_t ceiling = routing_ceiling(t->o.agent, p->model);
    int64_t room = ceiling * FIT_PERCENT / 100 - t->overhead;
    for (int i = 0; i < FIT_ROUNDS && room > 0 && t->o.ops->overflow; i++) {
        if (llm_history_tokens(t->o.history) <= room || !t->o.ops->overflow(t->o.arg))
            return;
        if (i == 0)
            notice(t, JOURNAL_NOTICE, overflow_text);
    }
}

static void on_later(void *arg) {
    struct turn *t = arg;
    t->timer = NULL;
    step(t);
}

/* Money that is kept for others may become free. */
static bool waits_for_money(struct turn *t) {
    const struct process *p = self(t);
    struct cause why = {""};
    int64_t input = llm_history_tokens(t->o.history) + t->overhead;
    if (limit_allows(t->o.agent, p, &t->o.before, p->model, input, NULL, &why) != LIMIT_LATER)
        return false;
    t->timer = loop_timer(agent_parts(t->o.agent)->loop, MONEY_NS, on_later, t, "money");
    return true;
}

static void step(struct turn *t) {
    struct process *p = self(t);
    share(t, &t->response);         /* the inputs of its calls: their entries are closed now */
    llm_message_free(&t->response); /* its calls are done, and the history has it */
    if (t->calls >= t->o.limit) {
        finish(t, TURN_END_LIMIT, NULL);
        return;
    }
    if (waits_for_money(t))
        return;
    if (t->o.ops->before_call)
        t->o.ops->before_call(t->o.arg);
    fit(t);
    t->calls++;
    t->reply_open = false;
    t->over.text[0] = '\0';
    const struct agent_parts *parts = agent_parts(t->o.agent);
    t->call_span = span_begin(parts->trace, SPAN_MODEL_CALL, t->span, p->model, p->id);
    p->last_byte_ns = clock_mono_ns();
    process_set_state(t->processes, p, PROCESS_STATE_THINKING);
    if (t->stall)
        loop_timer_again(t->stall, STALL_NS);
    else
        t->stall = loop_timer(parts->loop, STALL_NS, look_for_stall, t, "stall");
    struct route_request r = {.model = p->model,
                              .history = t->o.history,
                              .backoff_ms = t->o.backoff_ms,
                              .nbackoff = t->o.nbackoff};
    routing_fallbacks(t->o.agent, p, &r);
    t->call = route_call_start(agent_route(t->o.agent), &r, &route_events, t);
}

/* --- tools --------------------------------------------------------------------------------------
 */

static const char *input_of(const struct llm_block *b) { return b->input ? b->input : ""; }

/* What the model reads: the result, and what the guard says of it. */
static void add_result(struct turn *t, const struct llm_block *b, bool is_error, const char *text,
                       size_t n) {
    struct cause note = {""};
    if (t->guarded || !guard_after(&t->guard, b->name, input_of(b), text, n, &note)) {
        llm_message_add_result(&t->results, b->id, text, is_error);
        return;
    }
    char *noted = xasprintf("%s\n%s", text, note.text);
    llm_message_add_result(&t->results, b->id, noted, is_error);
    x_free(&noted);
}

static void tool_ended(struct turn *t, bool is_error, const char *text, size_t n) {
    struct process *p = self(t);
    const struct llm_block *b = &t->response.blocks[t->next];
    p->tool_calls++;
    p->last_byte_ns = clock_mono_ns();
    add_result(t, b, is_error, text, n);
    close_entry(t, &t->output);
    if (t->entry) {
        t->entry->is_error = is_error;
        journal_set_result(&p->journal, t->entry, text, n);
    }
    close_entry(t, &t->entry);
    process_set_tool(t->processes, p, NULL);
    event_tell(t->o.agent, p, event_tool_completed(p->id, b->id, b->name, text, is_error));
    span_end(agent_parts(t->o.agent)->trace, t->tool_span, is_error ? STATUS_INVALID : STATUS_OK,
             "");
    t->tool_span = 0;
}

static void on_output(void *arg, struct tool_call *c, int stream_number, const char *line,
                      size_t n) {
    struct turn *t = arg;
    struct process *p = self(t);
    p->last_byte_ns = clock_mono_ns();
    if (!t->output)
        t->output = journal_open(&p->journal, JOURNAL_OUTPUT, "stdout", c->id);
    journal_append(&p->journal, t->output, line, n);
    journal_append(&p->journal, t->output, "\n", 1);
    process_changed(t->processes, p);
    char *text = xstrndup(line, n);
    BUS_EMIT(t->bus, t->processes, p, EVENT_TOOL_OUTPUT, BUS_STR("process_id", p->id),
             BUS_STR("call_id", c->id), BUS_STR("tool_name", c->tool->name),
             BUS_CUT("line", text, EVENT_RESULT_MAX),
             BUS_STR("stream", stream_number == 2 ? "stderr" : "stdout"));
    x_free(&text);
}

static void after_tool_deferred(void *arg) {
    struct turn *t = arg;
    t->timer = NULL;
    next_tool(t);
}

/* The next call starts in a callback of its own: a chain of tools that finish at once neither
 * recurses nor holds the turn of the loop. */
static void next_tool_soon(struct turn *t) {
    t->next++;
    t->timer = loop_timer(agent_parts(t->o.agent)->loop, 0, after_tool_deferred, t, "turn");
}

static void on_tool_done(void *arg, struct tool_call *c, bool is_error, const char *text,
                         size_t n) {
    struct turn *t = arg;
    record_tool_done(t->o.agent, self(t), c, text, is_error);
    tool_ended(t, is_error, text, n);
    bool terminal = t->o.ops->after_tool && t->o.ops->after_tool(t->o.arg, c, is_error);
    t->tool = NULL;
    tool_call_free(&c);
    if (t->stopping || terminal) {
        t->next++;
        answer_rest(t, t->stopping ? t->stopping : "not run: the turn had ended");
        finish(t, t->stopping ? TURN_END_STOPPED : TURN_END_TERMINAL, NULL);
        return;
    }
    next_tool_soon(t);
}

/* Not run at all: the model reads why. */
static void refuse_tool(struct turn *t, const char *why) {
    tool_ended(t, true, why, strlen(why));
    tool_call_free(&t->tool);
    next_tool_soon(t);
}

/* In the name of the process, and of what it works on by now. */
static void begin_call(struct turn *t) {
    struct process *p = self(t);
    const char *work = p->work ? p->work : channel_message_of(p);
    if (!p->files && t->tool->tool->reach == TOOL_REACH_PATH)
        p->files = file_memory_new();
    t->tool->memory = p->files;
    t->tool->author = (struct tool_author){p->channel, p->id, work ? work : p->id};
    tool_call_start(t->tool);
}

static void run_tool(void *arg, enum status st, const char *why) {
    struct turn *t = arg;
    t->intent = NULL;
    if (st != STATUS_OK) {
        /* What cannot be recorded beforehand does not happen. */
        char *text = xasprintf("not run: its intent could not be stored (%s)", why);
        refuse_tool(t, text);
        x_free(&text);
        return;
    }
    begin_call(t);
}

/* It may run. */
static void start_tool(struct turn *t) {
    t->intended = t->tool->tool->effects;
    if (t->intended)
        t->intent = record_tool_intended(t->o.agent, self(t), t->tool, run_tool, t);
    else
        begin_call(t);
}

static void on_gate(void *arg, bool allowed, const char *why) {
    struct turn *t = arg;
    struct process *p = self(t);
    t->gate = NULL;
    asking(t, false);
    char *label = tool_call_label(t->tool);
    process_set_tool(t->processes, p, label ? label : t->tool->tool->name);
    process_set_state(t->processes, p, PROCESS_STATE_RUNNING);
    x_free(&label);
    if (allowed)
        start_tool(t);
    else
        refuse_tool(t, why);
}

static void begin_tool(struct turn *t, const struct llm_block *b) {
    struct process *p = self(t);
    const struct agent_parts *parts = agent_parts(t->o.agent);
    struct cause why = {""};
    enum tool_id id;
    const char *input = input_of(b);
    t->guarded = guard_before(&t->guard, b->name, input, &why) != GUARD_RUN;
    t->refused = t->guarded ? t->refused + 1 : 0;
    enum status st = t->guarded ? STATUS_LIMIT : tool_from_string(b->name, &id);
    if (st == STATUS_OK && !toolset_has(&t->toolset, id))
        st = STATUS_NOT_FOUND;
    if (st == STATUS_OK)
        st = tool_call_new(tool_get(id), t->o.host, p->workspace, b->id, input, &t->tool, &why);
    else if (!t->guarded)
        cause_set(&why, st, "there is no tool \"%.80s\" here", b->name);

    if (st == STATUS_OK && tool_call_leaks(t->tool)) {
        st = cause_set(&why, STATUS_DENIED, "%s", leaks_text);
        if (t->o.ops->interrupted) /* what was shown of it was not said */
            t->o.ops->interrupted(t->o.arg);
    }
    char *clean = leak_input(parts->values, input);
    const char *shown = clean ? clean : input;
    t->entry = journal_open(&p->journal, JOURNAL_TOOL, b->name, b->id);
    journal_append(&p->journal, t->entry, shown, strlen(shown));
    char *label = tool_label(b->name, buf_str(&t->entry->text));
    process_set_tool(t->processes, p, label ? label : b->name);
    process_set_state(t->processes, p, PROCESS_STATE_RUNNING);
    t->tool_span = span_begin(parts->trace, SPAN_TOOL_CALL, t->span, b->name, p->id);
    event_tell(t->o.agent, p,
               event_tool_started(p->id, b->id, b->name, buf_str(&t->entry->text), label));
    x_free(&clean);
    x_free(&label);
    t->intended = false;
    if (st != STATUS_OK) {
        refuse_tool(t, why.text);
        return;
    }
    assert(t->tool); /* as there is a status for whatever keeps it from being made */
    t->tool->arg = t;
    t->tool->on_output = on_output;
    t->tool->on_done = on_tool_done;
    switch (gate_call(agent_gate(t->o.agent), p, t->tool, on_gate, t, &t->gate, &why)) {
    case GATE_OPEN:
        start_tool(t);
        break;
    case GATE_SHUT:
        refuse_tool(t, why.text);
        break;
    case GATE_ASKS:
        asking(t, true);
        break;
    }
}

static void next_tool(struct turn *t) {
    while (t->next < t->response.n && t->response.blocks[t->next].kind != LLM_BLOCK_TOOL_USE)
        t->next++;
    if (t->next < t->response.n) {
        begin_tool(t, &t->response.blocks[t->next]);
        return;
    }
    push_results(t);
    if (t->refused >= GUARD_GIVE_UP)
        end_budget(t, "ended: it kept making calls that it had made before and got nothing new");
    else
        step(t);
}

/* --- the beginning ------------------------------------------------------------------------------
 */

static void on_first(void *arg) {
    struct turn *t = arg;
    t->timer = NULL;
    step(t);
}

struct turn *turn_start(const struct turn_options *o) {
    struct turn *t = xcalloc(1, sizeof *t);
    t->o = *o;
    t->processes = agent_processes(o->agent);
    t->bus = agent_bus(o->agent);
    struct process *p = self(t);
    guard_reset(&t->guard, p->kind);
    t->said.values = t->thought.values = t->replied.values = agent_parts(o->agent)->values;
    t->toolset = toolset_of(p->kind);
    t->tools = toolset_describe(&t->toolset);
    t->span = span_begin(agent_parts(o->agent)->trace, SPAN_TURN, 0, p->name, p->id);
    p->span = t->span;
    process_set_state(t->processes, p, PROCESS_STATE_THINKING);
    t->timer = loop_timer(agent_parts(o->agent)->loop, 0, on_first, t, "turn");
    t->left_ns = o->wall_secs * NS_PER_SEC;
    clock_runs(t, true);
    return t;
}
