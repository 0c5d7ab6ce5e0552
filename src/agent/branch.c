/* branch: thinks with the channel's history as it was, while the channel goes on. It may look at
 * files, and may hand the doing to one worker, which ends it. */
#include "agent/branch.h"

#include <assert.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/delegate.h"
#include "agent/event.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "agent/trim.h"
#include "agent/turn.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define BRANCH_TASK_MAX 50000u  /* bytes */
#define BRANCH_OVERFLOWS_MAX 2u /* SPEC A.4 */

struct branch {
    struct delegate d; /* first */
    char *delegated;   /* the conclusion when it handed its task to a worker */
    unsigned overflows;
};

static const int64_t branch_backoff_ms[] = {500, 1000}; /* SPEC C */

static const char *status_word(enum process_outcome o) {
    switch (o) {
    case PROCESS_OUTCOME_SUCCEEDED:
    case PROCESS_OUTCOME_PARTIAL:
        return "done";
    case PROCESS_OUTCOME_CANCELLED:
        return "cancelled";
    case PROCESS_OUTCOME_BLOCKED:
    case PROCESS_OUTCOME_FAILED:
    case PROCESS_OUTCOME_TIMED_OUT:
        return "failed";
    }
    return "failed";
}

/* --- the end ------------------------------------------------------------------------------------
 */

static void announce(struct delegate *d, struct process *p) {
    char *transcript = llm_history_json(&d->history);
    event_tell(d->agent, p,
               event_branch_result(p->bare, d->result, status_word(p->outcome), transcript,
                                   strlen(transcript), p->tool_calls));
    x_free(&transcript);
}

static const struct delegate_ops branch_ops = {.announce = announce, .free = branch_free};

/* Takes `conclusion`. */
static void end(struct branch *b, enum process_outcome o, char *conclusion) {
    struct process *p = delegate_process(&b->d);
    turn_cancel(&b->d.turn, "it had ended"); /* first, so that the transcript is whole */
    conclusion = scrub_take(agent_parts(b->d.agent)->values, conclusion);
    uint64_t seq = record_branch_ended(b->d.agent, p, status_word(o), conclusion, &b->d.history);
    delegate_end(&b->d, o, conclusion, seq);
}

bool branch_cancel(struct agent *a, struct process *p, const char *reason) {
    struct branch *b = p->body;
    if (!b || b->d.ended)
        return false;
    process_set_state(agent_processes(a), p, PROCESS_STATE_CANCELLING);
    turn_cancel(&b->d.turn, reason);
    char *what = xasprintf("Branch cancelled: %s", reason);
    end(b, PROCESS_OUTCOME_CANCELLED, delegate_with_last_words(&b->d, what));
    x_free(&what);
    return true;
}

void branch_free(struct agent *a, struct process *p) {
    struct branch *b = p->body;
    (void)a;
    if (!b)
        return;
    p->body = NULL;
    delegate_clear(&b->d);
    x_free(&b->delegated);
    x_free(&b);
}

/* --- the turn -----------------------------------------------------------------------------------
 */

/* The worker that has the task: its own, or one that was at the very same already. */
static const struct process *delegate_of(const struct branch *b, const char *task) {
    const struct process *self = delegate_process(&b->d), *same = NULL;
    size_t pos = 0;
    for (const struct process *p; (p = process_next(agent_processes(b->d.agent), &pos));) {
        if (p->kind != PROCESS_WORKER)
            continue;
        if (process_get(agent_processes(b->d.agent), p->parent) == self)
            return p;
        if (p->body && str_eq(p->channel, self->channel) && str_eq(p->task, task))
            same = p;
    }
    return same;
}

static bool turn_after_tool(void *arg, const struct tool_call *c, bool is_error) {
    struct branch *b = arg;
    const char *task = json_str(c->args, "task", "");
    if (is_error || c->tool != tool_get(TOOL_SPAWN_WORKER))
        return false;
    const struct process *w = delegate_of(b, task);
    x_free(&b->delegated);
    b->delegated = xasprintf("delegated to worker %s: %s", w ? w->bare : "", task);
    return true;
}

static bool turn_overflow(void *arg) {
    struct branch *b = arg;
    struct llm_history *h = &b->d.history;
    size_t cut = trim_cut(h, 0, h->n * 3 / 4, 0);
    if (b->overflows >= BRANCH_OVERFLOWS_MAX || cut == 0)
        return false;
    b->overflows++;
    char *recap = trim_recap(h, cut > b->d.own ? b->d.own : cut, cut);
    delegate_trim(&b->d, 0, cut, recap);
    x_free(&recap);
    char *again = xasprintf("[system] The conversation was too long for you: its oldest part is "
                            "gone. Go on with your task and end with your conclusion:\n\n%s",
                            delegate_process(&b->d)->task);
    llm_history_push_text(h, LLM_ROLE_USER, again);
    x_free(&again);
    return true;
}

static void turn_ended(void *arg, enum turn_end how, const struct llm_error *error) {
    struct branch *b = arg;
    b->d.turn = NULL;
    char *words = delegate_last_words(&b->d);
    switch (how) {
    case TURN_END_TERMINAL:
        end(b, PROCESS_OUTCOME_SUCCEEDED, xstrdup(b->delegated));
        break;
    case TURN_END_ANSWERED:
        if (*words)
            end(b, PROCESS_OUTCOME_SUCCEEDED, xstrdup(words));
        else
            end(b, PROCESS_OUTCOME_FAILED, xstrdup("Branch failed: it came to no conclusion"));
        break;
    case TURN_END_LIMIT:
        end(b, PROCESS_OUTCOME_PARTIAL,
            *words ? xstrdup(words)
                   : xstrdup(
                         "It used up its model calls (limits.branch_turns) without a conclusion."));
        break;
    case TURN_END_BUDGET:
        end(b, PROCESS_OUTCOME_PARTIAL, delegate_with_last_words(&b->d, error->text));
        break;
    case TURN_END_STOPPED: /* its tools are never asked to end early */
        break;
    case TURN_END_FAILED: {
        if (error->fault == LLM_FAULT_OVERFLOW && *words) {
            end(b, PROCESS_OUTCOME_PARTIAL, xstrdup(words));
            break;
        }
        char *what = xasprintf("Branch failed: %s", error->text);
        end(b, PROCESS_OUTCOME_FAILED, delegate_with_last_words(&b->d, what));
        x_free(&what);
        break;
    }
    }
    x_free(&words);
}

static const struct turn_ops branch_turn_ops = {
    .overflow = turn_overflow, .after_tool = turn_after_tool, .end = turn_ended};

/* --- the beginning ------------------------------------------------------------------------------
 */

enum status branch_start(struct agent *a, struct process *channel,
                         const struct llm_history *history, const char *description,
                         const char *task_type, struct process **out, struct cause *why) {
    const struct config *config = agent_parts(a)->config;
    if (str_empty(description))
        return cause_set(why, STATUS_INVALID, "the description is empty");
    if (strlen(description) > BRANCH_TASK_MAX)
        return cause_set(why, STATUS_LIMIT, "the description has over %u bytes", BRANCH_TASK_MAX);
    if ((int64_t)delegate_count(a, PROCESS_BRANCH, channel->channel) >= config->limits.branches)
        return cause_set(
            why, STATUS_LIMIT,
            "this channel has %lld branches at once, which is its limit: wait for one to come back",
            (long long)config->limits.branches);
    struct branch *b = xcalloc(1, sizeof *b);
    struct process *p;
    enum status st = delegate_add(a, PROCESS_BRANCH, NULL, channel, description, task_type, NULL,
                                  &b->d, &branch_ops, &p, why);
    if (st != STATUS_OK) {
        x_free(&b);
        return st;
    }
    channel_delegated(channel, p);
    record_branch_created(a, p, config->limits.branch_turns);
    delegate_note_start(&b->d);
    char *text = prompt_branch_task(description);
    event_tell(a, p,
               event_branch_started(&(struct event_branch){.bare = p->bare,
                                                           .description = description,
                                                           .profile = "default",
                                                           .model = p->model,
                                                           .reply_to = p->reply_to,
                                                           .max_turns = config->limits.branch_turns,
                                                           .input = text}));
    delegate_fork(&b->d, history, text);
    llm_history_push_text(&b->d.history, LLM_ROLE_USER, text);
    x_free(&text);
    b->d.turn = turn_start(&(struct turn_options){.agent = a,
                                                  .process = p->handle,
                                                  .history = &b->d.history,
                                                  .host = agent_tool_host(a),
                                                  .limit = config->limits.branch_turns,
                                                  .backoff_ms = branch_backoff_ms,
                                                  .nbackoff = ARRAY_LEN(branch_backoff_ms),
                                                  .wall_secs = config->limits.branch_wall_secs,
                                                  .ops = &branch_turn_ops,
                                                  .arg = b});
    *out = p;
    return STATUS_OK;
}

/* --- tools --------------------------------------------------------------------------------------
 */

void branch_tool_start(struct tool_call *c, const char *description) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    struct process *channel = process_get(agent_processes(a), turn_process(t)->handle), *p = NULL;
    struct cause why;
    if (branch_start(a, channel, channel_history(channel), description,
                     json_str(c->args, "task_type", NULL), &p, &why) != STATUS_OK) {
        tool_call_donef(c, true, "%s", why.text);
        return;
    }
    assert(p);
    cJSON *o = json_new_obj();
    json_add_str(o, "branch_id", p->bare);
    json_add_bool(o, "spawned", true);
    json_add_str(o, "message",
                 "It thinks on its own now; its conclusion will come to you by itself.");
    char *text = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, text, strlen(text));
    x_free(&text);
}
