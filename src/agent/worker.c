/* worker: created -> running -> completing -> an outcome. Whoever moves it towards its end first
 * (itself, a cancel, the clock) owns the end; the others find it taken. */
#include "agent/worker.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/delegate.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "agent/turn.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

struct worker {
    struct delegate d; /* first */
    struct loop_timer *wall;
    enum worker_lifecycle lifecycle;
    char *outcome; /* what it said with set_status(outcome) */
    unsigned nudges;
};

static const enum tool_id worker_tools[] = {TOOL_SET_STATUS, TOOL_SHELL, TOOL_FILE_READ,
                                            TOOL_FILE_WRITE, TOOL_FILE_LIST};
static const int64_t worker_backoff_ms[] = {5000, 10000, 20000}; /* SPEC A.5 */

static const char nudge_text[] = "[system] You answered without calling a tool and without "
                                 "reporting an outcome. Go on with the task, or, "
                                 "if it is done or cannot be done, call set_status with kind "
                                 "\"outcome\" and say what came of it.";

static struct process *self(const struct worker *w) { return delegate_process(&w->d); }

static void move(struct worker *w, enum worker_lifecycle to) {
    if (w->lifecycle == to)
        return;
    record_worker_lifecycle(w->d.agent, self(w), w->lifecycle, to);
    w->lifecycle = to;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void announce(struct delegate *d, struct process *p) {
    BUS_EMIT(agent_bus(d->agent), agent_processes(d->agent), p, EVENT_WORKER_COMPLETE,
             BUS_STR("worker_id", p->bare), BUS_STR("result", d->result), BUS_BOOL("notify", true),
             BUS_BOOL("success", p->outcome == PROCESS_OUTCOME_SUCCEEDED),
             BUS_STR("outcome_kind", process_outcome_name(p->outcome)),
             BUS_I64("outcome_version", 1));
}

static const struct delegate_ops worker_ops = {.announce = announce, .free = worker_free};

/* Takes `result`. */
static void end(struct worker *w, enum process_outcome o, char *result, const char *owner) {
    turn_cancel(&w->d.turn, "it had ended"); /* first, so that the transcript is whole */
    loop_timer_del(&w->wall);
    uint64_t seq = record_worker_ended(w->d.agent, self(w), o, result, owner, &w->d.history);
    delegate_end(&w->d, o, result, seq);
}

/* What it has to say at its end: the outcome it reported, else what it wrote last. */
static char *last_words(const struct worker *w) {
    return w->outcome ? xstrdup(w->outcome) : delegate_last_words(&w->d);
}

static char *with_last_words(const struct worker *w, const char *what) {
    return w->outcome ? xasprintf("%s\n\nIt had reported:\n%s", what, w->outcome)
                      : delegate_with_last_words(&w->d, what);
}

bool worker_cancel(struct agent *a, struct process *p, const char *owner, const char *reason) {
    struct worker *w = p->body;
    if (!w || w->d.ended)
        return false;
    bool timeout = str_eq(owner, "timeout");
    bool had_outcome = w->lifecycle == WORKER_COMPLETING;
    move(w, timeout ? WORKER_TIMING_OUT : WORKER_CANCELLING);
    process_set_state(agent_processes(a), p, PROCESS_STATE_CANCELLING);
    turn_cancel(&w->d.turn, reason);
    enum process_outcome o = had_outcome ? PROCESS_OUTCOME_PARTIAL
                             : timeout   ? PROCESS_OUTCOME_TIMED_OUT
                                         : PROCESS_OUTCOME_CANCELLED;
    end(w, o, with_last_words(w, reason), owner);
    return true;
}

static void wall_clock(void *arg) {
    struct worker *w = arg;
    w->wall = NULL;
    char *reason = xasprintf("ended after %lld s (limits.worker_wall_secs)",
                             (long long)agent_parts(w->d.agent)->config->limits.worker_wall_secs);
    worker_cancel(w->d.agent, self(w), "timeout", reason);
    x_free(&reason);
}

/* --- the turn -----------------------------------------------------------------------------------
 */

static char *turn_system(void *arg) {
    struct worker *w = arg;
    return prompt_worker_system(w->d.agent, self(w));
}

static char *turn_nudge(void *arg, const char *text) {
    struct worker *w = arg;
    (void)text;
    if (w->outcome || w->nudges >= WORKER_NUDGES_MAX)
        return NULL;
    w->nudges++;
    return xstrdup(nudge_text);
}

static bool turn_after_tool(void *arg, const struct tool_call *c, bool is_error) {
    struct worker *w = arg;
    (void)c;
    if (!is_error)
        w->nudges = 0;
    return false;
}

static void turn_ended(void *arg, enum turn_end how, const struct llm_error *error) {
    struct worker *w = arg;
    w->d.turn = NULL;
    switch (how) {
    case TURN_END_TERMINAL:
    case TURN_END_ANSWERED: {
        char *words = last_words(w);
        if (w->outcome)
            end(w, PROCESS_OUTCOME_SUCCEEDED, words, "worker");
        else if (*words) /* it never said that this is the outcome, but it is what it found */
            end(w, PROCESS_OUTCOME_PARTIAL, words, "worker");
        else {
            x_free(&words);
            end(w, PROCESS_OUTCOME_FAILED, xstrdup("it ended without saying anything"), "worker");
        }
        break;
    }
    case TURN_END_LIMIT: {
        char *what = xasprintf("stopped after %lld model calls (limits.worker_turns)",
                               (long long)agent_parts(w->d.agent)->config->limits.worker_turns);
        end(w, PROCESS_OUTCOME_PARTIAL, with_last_words(w, what), "worker");
        x_free(&what);
        break;
    }
    case TURN_END_FAILED:
        end(w, w->outcome ? PROCESS_OUTCOME_PARTIAL : PROCESS_OUTCOME_FAILED,
            with_last_words(w, error->text), "worker");
        break;
    }
}

static const struct turn_ops worker_turn_ops = {
    .system = turn_system, .nudge = turn_nudge, .after_tool = turn_after_tool, .end = turn_ended};

/* --- the beginning ------------------------------------------------------------------------------
 */

static struct process *same_task(const struct agent *a, const struct process *channel,
                                 const char *task) {
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(a), &pos));)
        if (p->kind == PROCESS_WORKER && p->body && str_eq(p->channel, channel->channel) &&
            str_eq(p->task, task))
            return p;
    return NULL;
}

enum status worker_start(struct agent *a, struct process *parent, const char *task,
                         struct process **out, struct cause *why) {
    const struct agent_parts *parts = agent_parts(a);
    struct process_table *t = agent_processes(a);
    struct process *channel = channel_of_process(a, parent);
    if (str_empty(task))
        return cause_set(why, STATUS_INVALID, "the task is empty");
    if (strlen(task) > WORKER_TASK_MAX)
        return cause_set(why, STATUS_LIMIT, "the task has over %u bytes; put details in a file",
                         WORKER_TASK_MAX);
    if ((*out = same_task(a, channel, task)))
        return cause_set(why, STATUS_EXISTS, "%s is at this very task already", (*out)->id);
    if ((int64_t)delegate_count(a, PROCESS_WORKER, channel->channel) >=
        parts->config->limits.workers)
        return cause_set(
            why, STATUS_LIMIT,
            "this channel has %lld workers at once, which is its limit: wait for one to end, "
            "or cancel one",
            (long long)parts->config->limits.workers);
    struct worker *w = xcalloc(1, sizeof *w);
    struct process *p;
    enum status st = delegate_add(a, PROCESS_WORKER, parent, task, channel_worker_model(a, channel),
                                  &w->d, &worker_ops, &p, why);
    if (st != STATUS_OK) {
        x_free(&w);
        return st;
    }
    w->lifecycle = WORKER_CREATED;
    channel_delegated(channel);
    record_worker_created(a, p);
    move(w, WORKER_RUNNING);
    delegate_note_start(&w->d);
    BUS_EMIT(agent_bus(a), t, p, EVENT_WORKER_STARTED, BUS_STR("worker_id", p->bare),
             BUS_STR("task", task), BUS_STR("worker_type", "builtin"),
             BUS_BOOL("interactive", false));

    llm_history_push_text(&w->d.history, LLM_ROLE_USER, task);
    w->wall = loop_timer(parts->loop, parts->config->limits.worker_wall_secs * NS_PER_SEC,
                         wall_clock, w, "worker wall clock");
    w->d.turn = turn_start(&(struct turn_options){.agent = a,
                                                  .process = p->handle,
                                                  .history = &w->d.history,
                                                  .tools = worker_tools,
                                                  .ntools = ARRAY_LEN(worker_tools),
                                                  .host = agent_tool_host(a),
                                                  .limit = parts->config->limits.worker_turns,
                                                  .backoff_ms = worker_backoff_ms,
                                                  .nbackoff = ARRAY_LEN(worker_backoff_ms),
                                                  .ops = &worker_turn_ops,
                                                  .arg = w});
    *out = p;
    return STATUS_OK;
}

void worker_free(struct agent *a, struct process *p) {
    struct worker *w = p->body;
    (void)a;
    if (!w)
        return;
    p->body = NULL;
    loop_timer_del(&w->wall);
    delegate_clear(&w->d);
    x_free(&w->outcome);
    x_free(&w);
}

/* --- tools --------------------------------------------------------------------------------------
 */

static void spawn_reply(struct tool_call *c, const struct process *p, bool spawned,
                        const char *message) {
    cJSON *o = json_new_obj();
    json_add_str(o, "worker_id", p->bare);
    json_add_bool(o, "spawned", spawned);
    json_add_bool(o, "interactive", false);
    json_add_str(o, "message", message);
    char *text = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, text, strlen(text));
    x_free(&text);
}

void worker_tool_spawn(struct tool_call *c, const char *task) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    struct process *parent = process_get(agent_processes(a), turn_process(t)->handle), *p = NULL;
    struct cause why;
    enum status st = worker_start(a, parent, task, &p, &why);
    if (st == STATUS_OK)
        spawn_reply(c, p, true, "It works on its own now; its result will come to you by itself.");
    else if (st == STATUS_EXISTS && p)
        spawn_reply(c, p, false, why.text);
    else
        tool_call_donef(c, true, "%s", why.text);
}

void worker_tool_set_status(struct tool_call *c, const char *status, bool outcome) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    struct process *p = process_get(agent_processes(a), turn_process(t)->handle);
    struct worker *w = p->body;
    if (str_empty(status)) {
        tool_call_donef(c, true, "status is empty");
        return;
    }
    char *shown = xstrndup(status, utf8_cut(status, strlen(status), WORKER_STATUS_MAX));
    x_free(&p->status);
    p->status = xstrdup(shown);
    if (outcome) {
        x_free(&w->outcome);
        w->outcome = xstrdup(status);
        if (w->lifecycle == WORKER_RUNNING)
            move(w, WORKER_COMPLETING);
    } else {
        struct journal_entry *e = journal_open(&p->journal, JOURNAL_STATUS, NULL, NULL);
        journal_append(&p->journal, e, shown, strlen(shown));
        journal_close(&p->journal, e);
        record_journal(a, p, e);
    }
    process_changed(agent_processes(a), p);
    BUS_EMIT(agent_bus(a), agent_processes(a), p, EVENT_WORKER_STATUS,
             BUS_STR("worker_id", p->bare), BUS_STR("status", shown),
             BUS_STR("kind", outcome ? "outcome" : "progress"));
    x_free(&shown);
    cJSON *o = json_new_obj();
    json_add_bool(o, "success", true);
    json_add_str(o, "worker_id", p->bare);
    json_add_str(o, "kind", outcome ? "outcome" : "progress");
    char *text = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, text, strlen(text));
    x_free(&text);
}
