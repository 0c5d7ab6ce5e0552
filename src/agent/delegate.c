/* delegate: begins and ends what a channel delegates. */
#include "agent/delegate.h"

#include <string.h>

#include "agent/channel.h"
#include "agent/record.h"
#include "agent/routing.h"
#include "agent/trim.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

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
    struct journal_entry *e = journal_open(&p->journal, JOURNAL_TASK, NULL, NULL);
    journal_append(&p->journal, e, p->task, strlen(p->task));
    journal_close(&p->journal, e);
    record_journal(a, p, e);
    e = journal_open(&channel->journal, JOURNAL_LINK, p->name, p->id);
    journal_close(&channel->journal, e);
    record_journal(a, channel, e);
    process_changed(agent_processes(a), p);
    process_changed(agent_processes(a), channel);
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
