/* delegate: begins and ends what a channel delegates. */
#include "agent/delegate.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/prompt.h"
#include "agent/record.h"
#include "agent/routing.h"
#include "agent/toolset.h"
#include "agent/trim.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define RESERVE_PERCENT 15 /* of the context, for its own work (SPEC A.4) */
#define FORK_KEEP 4u       /* messages that a trimmed conversation keeps at least */

const char delegate_left_out[] =
    "[system] The conversation before this point is left out: it is too long.";

struct process *delegate_process(const struct delegate *d) {
    return process_get(agent_processes(d->agent), d->process);
}

struct process *delegate_channel(const struct delegate *d) {
    return channel_of_process(d->agent, delegate_process(d));
}

/* --- the beginning ------------------------------------------------------------------------------
 */

enum status delegate_add(struct agent *a, enum process_kind kind, const char *id,
                         const struct process *parent, const char *task, const char *task_type,
                         const char *model, struct delegate *d, const struct delegate_ops *ops,
                         struct process **out, struct cause *why) {
    char uuid[ID_UUID_SIZE];
    struct process *p = NULL;
    if (!id)
        id_uuid(uuid);
    if (process_add(agent_processes(a), kind, id ? id : uuid, parent->handle, &p) != STATUS_OK)
        return cause_set(why, STATUS_EXISTS, "%s:%s is there already", process_kind_name(kind),
                         id ? id : uuid);
    d->agent = a;
    d->process = p->handle;
    d->ops = ops;
    p->body = d;
    p->task = xstrdup(task);
    process_set_name(p, task);
    p->channel = xstrdup(parent->channel);
    p->task_type = xstrdup_null(task_type);
    p->model = xstrdup(model ? model : routing_model(a, kind, task_type, delegate_channel(d)));
    p->workspace = xstrdup(parent->workspace);
    p->reply_to = xstrdup_null(channel_message_of(parent));
    *out = p;
    return STATUS_OK;
}

void delegate_note_start(struct delegate *d) {
    struct agent *a = d->agent;
    struct process *p = delegate_process(d), *channel = delegate_channel(d);
    struct journal_entry *e = journal_open(&p->journal, JOURNAL_TASK, NULL, p->reply_to);
    journal_append(&p->journal, e, p->task, strlen(p->task));
    journal_close(&p->journal, e);
    record_journal(a, p, e);
    e = journal_open(&channel->journal, JOURNAL_LINK, p->name, p->id);
    journal_close(&channel->journal, e);
    record_journal(a, channel, e);
    process_changed(agent_processes(a), p);
    process_changed(agent_processes(a), channel);
}

const struct llm_history *delegate_context(const struct process *p) {
    const struct delegate *d = p->body;
    return p->kind == PROCESS_CHANNEL ? channel_history(p) : &d->history;
}

/* The call that a result before message `end` belongs to; NULL: there is none. */
static const struct llm_block *call_of(const struct llm_history *h, size_t end, const char *id) {
    for (size_t i = end; i-- > 0;)
        for (size_t k = 0; k < h->v[i].n; k++) {
            const struct llm_block *b = &h->v[i].blocks[k];
            if (b->kind == LLM_BLOCK_TOOL_USE && str_eq(b->id, id))
                return b;
        }
    return NULL;
}

static bool has_tool(const struct toolset *tools, const char *name) {
    enum tool_id id;
    return tool_from_string(name, &id) == STATUS_OK && toolset_has(tools, id);
}

/* A message has something to say: thinking alone is no answer. */
static bool says(const struct llm_message *m) {
    for (size_t i = 0; i < m->n; i++)
        if (m->blocks[i].kind != LLM_BLOCK_THINKING &&
            m->blocks[i].kind != LLM_BLOCK_REDACTED_THINKING)
            return true;
    return false;
}

/* Calls of tools that it has not got would make it call them. */
static void copy_message(struct llm_history *to, const struct llm_history *from, size_t i,
                         const struct toolset *tools) {
    struct llm_message m = {.role = from->v[i].role}, given = {.role = LLM_ROLE_USER};
    for (size_t k = 0; k < from->v[i].n; k++) {
        const struct llm_block *b = &from->v[i].blocks[k];
        switch (b->kind) {
        case LLM_BLOCK_TOOL_USE:
            if (has_tool(tools, b->name))
                llm_message_add_copy(&m, b);
            break;
        case LLM_BLOCK_TOOL_RESULT: {
            const struct llm_block *call = call_of(from, i, b->id);
            if (call && has_tool(tools, call->name)) {
                llm_message_add_copy(&m, b);
            } else {
                char *text =
                    xasprintf("[%s gave] %s", call ? call->name : "a tool", b->text ? b->text : "");
                llm_message_add_text(&given, text);
                x_free(&text);
            }
            break;
        }
        case LLM_BLOCK_TEXT:
        case LLM_BLOCK_FILE:
        case LLM_BLOCK_THINKING:
        case LLM_BLOCK_REDACTED_THINKING:
            llm_message_add_copy(&m, b);
            break;
        }
    }
    if (says(&m))
        llm_history_push(to, &m);
    if (says(&given)) /* behind the results, which come first in what is sent */
        llm_history_push(to, &given);
    llm_message_free(&m);
    llm_message_free(&given);
}

void delegate_fork(struct delegate *d, const struct llm_history *context, const char *task) {
    const struct process *p = delegate_process(d);
    struct llm_history *h = &d->history;
    struct toolset tools = toolset_of(p->kind);
    size_t n = context->n;
    /* The answer that is just being carried out has calls without results: not part of the copy. */
    if (n && context->v[n - 1].role == LLM_ROLE_ASSISTANT)
        n--;
    for (size_t i = 0; i < n; i++)
        copy_message(h, context, i, &tools);
    char *system = prompt_system(agent_parts(d->agent), p);
    int64_t window = routing_ceiling(d->agent, p->model);
    int64_t room =
        window - window * RESERVE_PERCENT / 100 - (int64_t)(strlen(system) + strlen(task)) / 4;
    x_free(&system);
    while (llm_history_tokens(h) > room) {
        size_t cut = trim_cut(h, 0, h->n / 2, FORK_KEEP);
        if (cut <= 1) /* a notice in the place of one message would make nothing shorter */
            break;
        trim_replace(h, 0, cut, delegate_left_out);
    }
    d->own = h->n;
}

size_t delegate_count(const struct agent *a, enum process_kind kind, const char *channel) {
    size_t pos = 0, n = 0;
    for (const struct process *p; (p = process_next(agent_processes(a), &pos));)
        n += p->kind == kind && p->body && (!channel || str_eq(p->channel, channel));
    return n;
}

static bool busy(const struct process *p) {
    const struct delegate *d =
        p->kind == PROCESS_WORKER || p->kind == PROCESS_BRANCH ? p->body : NULL;
    return d && !d->rests;
}

size_t delegate_busy(const struct agent *a, const char *channel) {
    size_t pos = 0, n = 0;
    for (const struct process *p; (p = process_next(agent_processes(a), &pos));)
        n += busy(p) && (!channel || str_eq(p->channel, channel));
    return n;
}

size_t delegate_busy_for(const struct agent *a, const char *message) {
    size_t pos = 0, n = 0;
    for (const struct process *p; (p = process_next(agent_processes(a), &pos));)
        n += busy(p) && str_eq(p->reply_to, message);
    return n;
}

void delegate_trim(struct delegate *d, size_t from, size_t cut, const char *notice) {
    trim_replace(&d->history, from, cut, notice);
    if (d->own >= cut)
        d->own -= cut - from - 1;
    else if (d->own > from)
        d->own = from + 1;
}

/* --- the end ------------------------------------------------------------------------------------
 */

char *delegate_last_words(const struct delegate *d) {
    for (size_t i = d->history.n; i-- > d->own;) {
        if (d->history.v[i].role != LLM_ROLE_ASSISTANT)
            continue;
        char *text = llm_message_text(&d->history.v[i]);
        if (*text)
            return text;
        x_free(&text);
    }
    return xstrdup("");
}

char *delegate_with_last_words(const struct delegate *d, const char *what) {
    char *words = delegate_last_words(d);
    char *text = *words ? xasprintf("%s\n\nIts last words:\n%s", what, words) : xstrdup(what);
    x_free(&words);
    return text;
}

static void forget_oldest(struct agent *a) {
    struct process_table *t = agent_processes(a);
    struct process *oldest = NULL;
    size_t pos = 0, ended = 0;
    for (struct process *p; (p = process_next(t, &pos));) {
        if (p->state != PROCESS_STATE_ENDED || p->body)
            continue;
        ended++;
        if (!oldest)
            oldest = p;
    }
    if (ended > DELEGATE_KEEP_ENDED)
        process_remove(t, oldest->handle);
}

/* The end is in the store: now everybody may know. */
static void end_stored(void *arg, enum status st, const char *why) {
    struct delegate *d = arg;
    struct agent *a = d->agent;
    struct process_table *t = agent_processes(a);
    struct process *p = delegate_process(d), *channel = delegate_channel(d);
    d->ending = NULL;
    if (st == STATUS_NOT_FOUND && d->ops->adopt)
        d->ops->adopt(d, p); /* the row was not in the state to end from: somebody was first */
    else if (st != STATUS_OK)
        log_error("%s: its outcome could not be stored: %s", p->id, why);
    char *result = d->result;
    bool told = d->told;
    process_end(t, p, p->outcome);
    struct journal_entry *e =
        journal_open(&p->journal, JOURNAL_RESULT, process_outcome_name(p->outcome), NULL);
    journal_append(&p->journal, e, result, strlen(result));
    if (told)
        journal_set_result(&p->journal, e, DELEGATE_TOLD, strlen(DELEGATE_TOLD));
    e->is_error = p->outcome != PROCESS_OUTCOME_SUCCEEDED;
    journal_close(&p->journal, e);
    record_journal(a, p, e);
    process_changed(t, p);
    d->ops->announce(d, p);
    d->result = NULL;
    char row[ID_UUID_SIZE];
    memcpy(row, d->row, sizeof row);
    d->ops->free(a, p); /* d is gone */
    if (channel) {
        if (told)
            channel_closed(a, channel, p);
        else
            channel_result(a, channel, p, result, row);
        channel_check(a, channel);
    }
    x_free(&result);
    forget_oldest(a);
}

void delegate_end(struct delegate *d, enum process_outcome o, char *result, uint64_t seq) {
    d->ended = true;
    turn_cancel(&d->turn, "it had ended");
    d->result = result;
    delegate_process(d)->outcome = o;
    if (!d->told) /* in the batch of its end */
        record_result(d->agent, delegate_process(d), o, result, d->row);
    d->ending = store_after(agent_parts(d->agent)->store, seq, end_stored, d);
}

void delegate_clear(struct delegate *d) {
    turn_cancel(&d->turn, "the engine ended");
    store_after_cancel(&d->ending);
    llm_history_free(&d->history);
    x_free(&d->result);
}
