/* turn_call: one call of the model, or several until one succeeds: what it may cost, what is shown
 * and kept while it streams, and what becomes of its answer. */
#include "agent/turn-internal.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/event.h"
#include "agent/exchange.h"
#include "agent/leak.h"
#include "agent/prompt.h"
#include "agent/routing.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define FIT_PERCENT 85 /* of the ceiling (SPEC C) */
#define FIT_ROUNDS 8
#define MONEY_NS (NS_PER_SEC / 4)  /* between looks whether some is free */
#define STALL_NS (30 * NS_PER_SEC) /* silent for so long, a call is shown as stalled */

static const char overflow_text[] = "the model's context was full: the oldest part was left out";

/* --- journal ------------------------------------------------------------------------------------
 */

void turn_close_entry(struct turn *t, struct journal_entry **e) {
    struct process *p = turn_self(t);
    if (*e) {
        journal_close(&p->journal, *e);
        record_journal(t->o.agent, p, *e);
        *e = NULL;
        process_changed(t->processes, p);
    }
}

static void stream(struct turn *t, struct journal_entry **e, enum journal_kind kind,
                   const char *text, size_t n) {
    struct process *p = turn_self(t);
    if (!*e)
        *e = journal_open(&p->journal, kind, NULL, NULL);
    journal_append(&p->journal, *e, text, n);
    process_changed(t->processes, p);
}

void turn_keep_partial(struct turn *t) {
    if (t->text && t->text->text.len)
        llm_history_push_text(t->o.history, LLM_ROLE_ASSISTANT, buf_str(&t->text->text));
}

void turn_interrupt_entries(struct turn *t) {
    if (t->text)
        t->text->interrupted = true;
    if (t->thinking)
        t->thinking->interrupted = true;
    turn_close_entry(t, &t->text);
    turn_close_entry(t, &t->thinking);
    if (t->o.ops->interrupted)
        t->o.ops->interrupted(t->o.arg);
    t->reply_open = false;
}
/* --- what streams ------------------------------------------------------------------------------
 */

static void delta_event(struct turn *t, enum event_type type, const char *text, size_t n) {
    char *piece = xstrndup(text, n);
    BUS_EMIT(t->bus, t->processes, turn_self(t), type, BUS_STR("process_id", turn_self(t)->id),
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
    record_partial_add(t->o.agent, turn_self(t), &t->partial, b->data, b->len);
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
    record_partial_add(t->o.agent, turn_self(t), &t->partial, b->data, b->len);
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
/* --- model calls --------------------------------------------------------------------------------
 */

static void on_bytes(void *arg) {
    struct turn *t = arg;
    struct process *p = turn_self(t);
    p->last_byte_ns = clock_mono_ns();
    if (p->state == PROCESS_STATE_STALLED)
        process_set_state(t->processes, p, PROCESS_STATE_THINKING);
}

static void look_for_stall(void *arg) {
    struct turn *t = arg;
    struct process *p = turn_self(t);
    int64_t silent = clock_mono_ns() - p->last_byte_ns;
    if (p->state == PROCESS_STATE_THINKING && silent >= STALL_NS)
        process_set_state(t->processes, p, PROCESS_STATE_STALLED);
    loop_timer_again(t->stall, silent >= STALL_NS ? STALL_NS : STALL_NS - silent);
}

static void on_text(void *arg, const char *text, size_t n) {
    struct turn *t = arg;
    struct buf clean = BUF_INIT;
    end_scrub(t, &t->thought, pass_thinking);
    turn_close_entry(t, &t->thinking);
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
    turn_close_entry(t, &t->thinking);
    turn_close_entry(t, &t->text);
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
    struct process *p = turn_self(t);
    struct journal_entry *e = journal_open(&p->journal, kind, NULL, NULL);
    journal_append(&p->journal, e, text, strlen(text));
    turn_close_entry(t, &e);
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
    char *system = prompt_system(agent_parts(t->o.agent), turn_self(t));
    r->tools = t->tools;
    r->ntools = t->toolset.n;
    r->tap = exchanges_tap(agent_exchanges(t->o.agent));
    r->tapped = turn_self(t);
    r->effort = effort_of(t->o.agent, turn_self(t));
    t->overhead = (int64_t)strlen(system) / 4;
    for (size_t i = 0; i < t->toolset.n; i++)
        t->overhead += (int64_t)strlen(t->tools[i].schema) / 4;
    limit_release(t->o.agent, &t->hold);
    if (limit_allows(t->o.agent, turn_self(t), &t->o.before, r->model,
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
    turn_interrupt_entries(t);
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
    struct process *p = turn_self(t);
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
    llm_usage_add(&turn_self(t)->usage, u);
    channel_used(t->o.agent, turn_self(t), u);
    record_usage(t->o.agent, turn_self(t), model, said, u);
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
        turn_keep_partial(t);
    turn_interrupt_entries(t);
    record_partial_end(t->o.agent, &t->partial);
    if (overflow && t->o.ops->overflow(t->o.arg)) {
        notice(t, JOURNAL_NOTICE, overflow_text);
        t->calls--; /* the attempt does not count as a call that was made */
        turn_step(t);
    } else if (*t->over.text) {
        turn_end_budget(t, t->over.text);
    } else {
        notice(t, JOURNAL_ERROR, error->text);
        turn_finish(t, TURN_END_FAILED, error);
    }
}

/* From here on the message is as everybody may read it; `text` is what its own was. */
static void kept_text(struct turn *t, struct llm_response *r, const char *text) {
    const struct process *p = turn_self(t);
    bool leaked = leak_message(agent_parts(t->o.agent)->values, &r->message);
    char *clean = leaked ? llm_message_text(&r->message) : NULL;
    if (*text && !t->o.ops->text_delta) /* SPEC A.2: a channel's is said, or is nothing */
        event_tell(t->o.agent, p, event_process_text(p->id, clean ? clean : text));
    x_free(&clean);
}

static void on_done(void *arg, struct llm_response *r) {
    struct turn *t = arg;
    struct process *p = turn_self(t);
    t->call = NULL;
    limit_release(t->o.agent, &t->hold);
    p->model_calls++;
    p->context_tokens = r->usage.input_tokens + r->usage.cache_read_tokens +
                        r->usage.cache_write_tokens + r->usage.output_tokens;
    span_end(agent_parts(t->o.agent)->trace, t->call_span, STATUS_OK, "");
    t->call_span = 0;
    turn_cut_text(t);
    turn_close_entry(t, &t->thinking);
    turn_close_entry(t, &t->text);
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
    turn_share(t, &r->message);
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
        turn_next_tool(t);
        return;
    }
    bool keep = false;
    char *nudge = t->o.ops->nudge ? t->o.ops->nudge(t->o.arg, text, &keep) : NULL;
    x_free(&text);
    if (!nudge) {
        turn_finish(t, TURN_END_ANSWERED, NULL);
        return;
    }
    if (!keep)
        llm_history_truncate(t->o.history, before);
    llm_history_push_text(t->o.history, LLM_ROLE_USER, nudge);
    x_free(&nudge);
    turn_step(t);
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
    const struct process *p = turn_self(t);
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
    turn_step(t);
}

/* Money that is kept for others may become free. */
static bool waits_for_money(struct turn *t) {
    const struct process *p = turn_self(t);
    struct cause why = {""};
    int64_t input = llm_history_tokens(t->o.history) + t->overhead;
    if (limit_allows(t->o.agent, p, &t->o.before, p->model, input, NULL, &why) != LIMIT_LATER)
        return false;
    t->timer = loop_timer(agent_parts(t->o.agent)->loop, MONEY_NS, on_later, t, "money");
    return true;
}

void turn_step(struct turn *t) {
    struct process *p = turn_self(t);
    turn_share(t, &t->response);    /* the inputs of its calls: their entries are closed now */
    llm_message_free(&t->response); /* its calls are done, and the history has it */
    if (t->calls >= t->o.limit) {
        turn_finish(t, TURN_END_LIMIT, NULL);
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
