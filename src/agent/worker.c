/* worker: created -> running -> completing -> an outcome. Whoever moves it towards its end first
 * (itself, a cancel, the clock) owns the end; the others find it taken. */
#include "agent/worker.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "agent/turn.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

struct worker {
    struct agent *agent;
    struct process_handle process;
    struct llm_history history;
    struct turn *turn;
    struct loop_timer *wall;
    struct store_after *ending; /* its outcome is being stored */
    enum worker_lifecycle lifecycle;
    char *outcome; /* what it said with set_status(outcome) */
    char *result;  /* what the channel will be told */
    unsigned nudges;
    bool ended; /* the end has an owner */
};

static const enum tool_id worker_tools[] = {TOOL_SET_STATUS, TOOL_SHELL, TOOL_FILE_READ,
                                            TOOL_FILE_WRITE, TOOL_FILE_LIST};
static const int64_t worker_backoff_ms[] = {5000, 10000, 20000}; /* SPEC A.5 */

static const char nudge_text[] = "[system] You answered without calling a tool and without "
                                 "reporting an outcome. Go on with the task, or, "
                                 "if it is done or cannot be done, call set_status with kind "
                                 "\"outcome\" and say what came of it.";

static struct process *self(const struct worker *w) {
    return process_get(agent_processes(w->agent), w->process);
}

static void move(struct worker *w, enum worker_lifecycle to) {
    if (w->lifecycle == to)
        return;
    record_worker_lifecycle(w->agent, self(w), w->lifecycle, to);
    w->lifecycle = to;
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void forget_oldest(struct agent *a) {
    struct process_table *t = agent_processes(a);
    size_t ended = process_count(t, PROCESS_WORKER, true) - process_count(t, PROCESS_WORKER, false);
    if (ended <= WORKER_KEEP_ENDED)
        return;
    size_t pos = 0;
    for (struct process *p; (p = process_next(t, &pos));) {
        if (p->kind == PROCESS_WORKER && p->state == PROCESS_STATE_ENDED && !p->body) {
            process_remove(t, p->handle);
            return;
        }
    }
}

/* The outcome is in the store: now everybody may know. */
static void outcome_stored(void *arg, enum status st, const char *why) {
    struct worker *w = arg;
    struct agent *a = w->agent;
    struct process_table *t = agent_processes(a);
    struct process *p = self(w);
    w->ending = NULL;
    if (st != STATUS_OK)
        log_error("%s: its outcome could not be stored: %s", p->id, why);
    enum process_outcome o = p->outcome;
    process_end(t, p, o);
    struct journal_entry *e =
        journal_open(&p->journal, JOURNAL_RESULT, process_outcome_name(o), NULL);
    journal_append(&p->journal, e, w->result, strlen(w->result));
    e->is_error = o != PROCESS_OUTCOME_SUCCEEDED;
    journal_close(&p->journal, e);
    record_journal(a, p, e);
    process_changed(t, p);
    BUS_EMIT(agent_bus(a), t, p, EVENT_WORKER_COMPLETE, BUS_STR("worker_id", p->bare),
             BUS_STR("result", w->result), BUS_BOOL("notify", true),
             BUS_BOOL("success", o == PROCESS_OUTCOME_SUCCEEDED),
             BUS_STR("outcome_kind", process_outcome_name(o)), BUS_I64("outcome_version", 1));
    struct process *channel = process_get(t, p->parent);
    char *result = w->result;
    w->result = NULL;
    worker_free(a, p);
    if (channel) {
        channel_worker_ended(a, channel, p, result);
        channel_check(a, channel);
    }
    x_free(&result);
    forget_oldest(a);
}

/* Takes `result`. */
static void end(struct worker *w, enum process_outcome o, char *result, const char *owner) {
    struct process *p = self(w);
    w->ended = true;
    turn_cancel(&w->turn, "the worker ended");
    loop_timer_del(&w->wall);
    w->result = result;
    p->outcome = o;
    uint64_t seq = record_worker_ended(w->agent, p, o, result, owner, &w->history);
    w->ending = store_after(agent_parts(w->agent)->store, seq, outcome_stored, w);
}

/* What it last said, for ends that nobody planned. "" when nothing. */
static char *last_words(const struct worker *w) {
    if (w->outcome)
        return xstrdup(w->outcome);
    for (size_t i = w->history.n; i-- > 0;) {
        if (w->history.v[i].role != LLM_ROLE_ASSISTANT)
            continue;
        char *text = llm_message_text(&w->history.v[i]);
        if (*text)
            return text;
        x_free(&text);
    }
    return xstrdup("");
}

static char *with_last_words(const struct worker *w, const char *what) {
    char *words = last_words(w);
    char *text = *words ? xasprintf("%s\n\nIts last words:\n%s", what, words) : xstrdup(what);
    x_free(&words);
    return text;
}

bool worker_cancel(struct agent *a, struct process *p, const char *owner, const char *reason) {
    struct worker *w = p->body;
    if (!w || w->ended)
        return false;
    bool timeout = str_eq(owner, "timeout");
    bool had_outcome = w->lifecycle == WORKER_COMPLETING;
    move(w, timeout ? WORKER_TIMING_OUT : WORKER_CANCELLING);
    process_set_state(agent_processes(a), p, PROCESS_STATE_CANCELLING);
    turn_cancel(&w->turn, reason);
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
                             (long long)agent_parts(w->agent)->config->limits.worker_wall_secs);
    worker_cancel(w->agent, self(w), "timeout", reason);
    x_free(&reason);
}

/* --- the turn -----------------------------------------------------------------------------------
 */

static char *turn_system(void *arg) {
    struct worker *w = arg;
    return prompt_worker_system(w->agent, self(w));
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
    w->turn = NULL;
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
                               (long long)agent_parts(w->agent)->config->limits.worker_turns);
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

size_t worker_count(const struct agent *a, const char *channel) {
    size_t pos = 0, n = 0;
    for (struct process *p; (p = process_next(agent_processes(a), &pos));)
        n += p->kind == PROCESS_WORKER && p->body && (!channel || str_eq(p->channel, channel));
    return n;
}

static struct process *same_task(const struct agent *a, const struct process *channel,
                                 const char *task) {
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(a), &pos));)
        if (p->kind == PROCESS_WORKER && p->body && str_eq(p->channel, channel->channel) &&
            str_eq(p->task, task))
            return p;
    return NULL;
}

enum status worker_start(struct agent *a, struct process *channel, const char *task,
                         struct process **out, struct cause *why) {
    const struct agent_parts *parts = agent_parts(a);
    struct process_table *t = agent_processes(a);
    if (str_empty(task))
        return cause_set(why, STATUS_INVALID, "the task is empty");
    if (strlen(task) > WORKER_TASK_MAX)
        return cause_set(why, STATUS_LIMIT, "the task has over %u bytes; put details in a file",
                         WORKER_TASK_MAX);
    if ((*out = same_task(a, channel, task)))
        return cause_set(why, STATUS_EXISTS, "%s is at this very task already", (*out)->id);
    if ((int64_t)worker_count(a, channel->channel) >= parts->config->limits.workers)
        return cause_set(
            why, STATUS_LIMIT,
            "this channel has %lld workers at once, which is its limit: wait for one to end, "
            "or cancel one",
            (long long)parts->config->limits.workers);
    char uuid[ID_UUID_SIZE];
    id_uuid(uuid);
    struct process *p;
    if (process_add(t, PROCESS_WORKER, uuid, channel->handle, &p) != STATUS_OK)
        return cause_set(why, STATUS_EXISTS, "worker %s is there already", uuid);
    struct worker *w = xcalloc(1, sizeof *w);
    w->agent = a;
    w->process = p->handle;
    w->lifecycle = WORKER_CREATED;
    p->body = w;
    p->task = xstrdup(task);
    process_set_name(p, task);
    p->channel = xstrdup(channel->channel);
    p->model = xstrdup(channel_worker_model(a, channel));
    p->workspace = xstrdup(channel->workspace);
    channel_worker_started(channel);
    record_worker_created(a, p);
    move(w, WORKER_RUNNING);

    struct journal_entry *e = journal_open(&p->journal, JOURNAL_TASK, NULL, NULL);
    journal_append(&p->journal, e, task, strlen(task));
    journal_close(&p->journal, e);
    record_journal(a, p, e);
    e = journal_open(&channel->journal, JOURNAL_LINK, p->name, p->id);
    journal_close(&channel->journal, e);
    record_journal(a, channel, e);
    process_changed(t, channel);
    BUS_EMIT(agent_bus(a), t, p, EVENT_WORKER_STARTED, BUS_STR("worker_id", p->bare),
             BUS_STR("task", task), BUS_STR("worker_type", "builtin"),
             BUS_BOOL("interactive", false));

    llm_history_push_text(&w->history, LLM_ROLE_USER, task);
    w->wall = loop_timer(parts->loop, parts->config->limits.worker_wall_secs * NS_PER_SEC,
                         wall_clock, w, "worker wall clock");
    w->turn = turn_start(&(struct turn_options){.agent = a,
                                                .process = p->handle,
                                                .history = &w->history,
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
    turn_cancel(&w->turn, "the engine ended");
    loop_timer_del(&w->wall);
    store_after_cancel(&w->ending);
    llm_history_free(&w->history);
    x_free(&w->outcome);
    x_free(&w->result);
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
    struct process *channel = process_get(agent_processes(a), turn_process(t)->handle), *p = NULL;
    struct cause why;
    enum status st = worker_start(a, channel, task, &p, &why);
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
