/* turn: one state at a time — calling the model, waiting to call again, recording an intent,
 * running a tool — and each has exactly one thing that can be cancelled. */
#include "agent/turn-internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/event.h"
#include "agent/leak.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tools/file_memory.h"

static const char leaks_text[] =
    "not run: it holds what looks like a password, token or private key, and would have said it to "
    "people. Say it without: name what it is and where it is kept, none of its characters.";

const struct process *turn_process(const struct turn *t) { return turn_self(t); }
struct turn *turn_of(const struct tool_call *c) {
    return c->arg;
}
void *turn_arg(const struct turn *t) { return t->o.arg; }
struct agent *turn_agent(const struct turn *t) {
    return t->o.agent;
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
    struct process *p = turn_self(t);
    record_partial_end(t->o.agent, &t->partial);
    p->span = 0;
    x_free(&t);
}

void turn_finish(struct turn *t, enum turn_end how, const struct llm_error *error) {
    struct trace *trace = agent_parts(t->o.agent)->trace;
    span_end(trace, t->span, how == TURN_END_FAILED ? STATUS_PROVIDER : STATUS_OK,
             error ? error->text : "");
    const struct turn_ops *ops = t->o.ops;
    void *arg = t->o.arg;
    process_set_state(t->processes, turn_self(t), PROCESS_STATE_WAITING);
    struct llm_error copy;
    if (error)
        copy = *error;
    turn_free(t);
    ops->end(arg, how, error ? &copy : NULL);
}

void turn_share(struct turn *t, const struct llm_message *m) {
    for (size_t i = 0; i < m->n; i++) {
        journal_share(&turn_self(t)->journal, m->blocks[i].text);
        journal_share(&turn_self(t)->journal, m->blocks[i].input);
    }
}

static void push_results(struct turn *t) {
    if (t->results.n) {
        turn_share(t, &t->results);
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

/* Whatever is under way ends here and now, and every call has a result. */
static void abort_all(struct turn *t, const char *reason) {
    struct trace *trace = agent_parts(t->o.agent)->trace;
    route_call_cancel(&t->call);
    limit_release(t->o.agent, &t->hold);
    loop_timer_del(&t->timer);
    store_after_cancel(&t->intent);
    turn_cut_text(t);
    turn_keep_partial(t);
    turn_interrupt_entries(t);
    if (t->tool) {
        if (t->entry) {
            t->entry->interrupted = true;
            t->entry->is_error = true;
            journal_set_result(&turn_self(t)->journal, t->entry, reason, strlen(reason));
        }
        if (t->intended)
            record_tool_done(t->o.agent, turn_self(t), t->tool, reason, true);
        process_set_tool(t->processes, turn_self(t), NULL);
        event_tell(
            t->o.agent, turn_self(t),
            event_tool_completed(turn_self(t)->id, t->tool->id, t->tool->tool->name, reason, true));
    }
    turn_close_entry(t, &t->output);
    turn_close_entry(t, &t->entry);
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

void turn_end_budget(struct turn *t, const char *why) {
    struct llm_error error = {.fault = LLM_FAULT_CANCELLED, .retry_after_ms = -1};
    snprintf(error.text, sizeof error.text, "%s", why);
    turn_finish(t, TURN_END_BUDGET, &error);
}

static void on_wall(void *arg) {
    struct turn *t = arg;
    char why[80];
    t->wall = NULL;
    snprintf(why, sizeof why, "ended after %lld s (limits.%s_wall_secs)", (long long)t->o.wall_secs,
             process_kind_name(turn_self(t)->kind));
    abort_all(t, why);
    turn_end_budget(t, why);
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
    struct process *p = turn_self(t);
    const struct llm_block *b = &t->response.blocks[t->next];
    p->tool_calls++;
    p->last_byte_ns = clock_mono_ns();
    add_result(t, b, is_error, text, n);
    turn_close_entry(t, &t->output);
    if (t->entry) {
        t->entry->is_error = is_error;
        journal_set_result(&p->journal, t->entry, text, n);
    }
    turn_close_entry(t, &t->entry);
    process_set_tool(t->processes, p, NULL);
    event_tell(t->o.agent, p, event_tool_completed(p->id, b->id, b->name, text, is_error));
    span_end(agent_parts(t->o.agent)->trace, t->tool_span, is_error ? STATUS_INVALID : STATUS_OK,
             "");
    t->tool_span = 0;
}

static void on_output(void *arg, struct tool_call *c, int stream_number, const char *line,
                      size_t n) {
    struct turn *t = arg;
    struct process *p = turn_self(t);
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
    turn_next_tool(t);
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
    record_tool_done(t->o.agent, turn_self(t), c, text, is_error);
    tool_ended(t, is_error, text, n);
    bool terminal = t->o.ops->after_tool && t->o.ops->after_tool(t->o.arg, c, is_error);
    t->tool = NULL;
    tool_call_free(&c);
    if (t->stopping || terminal) {
        t->next++;
        answer_rest(t, t->stopping ? t->stopping : "not run: the turn had ended");
        turn_finish(t, t->stopping ? TURN_END_STOPPED : TURN_END_TERMINAL, NULL);
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
    struct process *p = turn_self(t);
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
        t->intent = record_tool_intended(t->o.agent, turn_self(t), t->tool, run_tool, t);
    else
        begin_call(t);
}

static void on_gate(void *arg, bool allowed, const char *why) {
    struct turn *t = arg;
    struct process *p = turn_self(t);
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
    struct process *p = turn_self(t);
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

void turn_next_tool(struct turn *t) {
    while (t->next < t->response.n && t->response.blocks[t->next].kind != LLM_BLOCK_TOOL_USE)
        t->next++;
    if (t->next < t->response.n) {
        begin_tool(t, &t->response.blocks[t->next]);
        return;
    }
    push_results(t);
    if (t->refused >= GUARD_GIVE_UP)
        turn_end_budget(t,
                        "ended: it kept making calls that it had made before and got nothing new");
    else
        turn_step(t);
}

/* --- the beginning ------------------------------------------------------------------------------
 */

static void on_first(void *arg) {
    struct turn *t = arg;
    t->timer = NULL;
    turn_step(t);
}

struct turn *turn_start(const struct turn_options *o) {
    struct turn *t = xcalloc(1, sizeof *t);
    t->o = *o;
    t->processes = agent_processes(o->agent);
    t->bus = agent_bus(o->agent);
    struct process *p = turn_self(t);
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
