/* channel: a conversation's life: opened with what the store has of it, settled when nothing of it
 * is under way, closed with everything it holds. */
#include "agent/channel-internal.h"

#include <ctype.h>
#include <string.h>

#include "agent/attachment.h"
#include "agent/delegate.h"
#include "agent/record.h"
#include "agent/routing.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define CHANNEL_ID_MAX 120u

struct process *channel_self(const struct channel *ch) {
    return process_get(agent_processes(ch->agent), ch->process);
}

void channel_note(struct channel *ch, enum journal_kind kind, const char *title, const char *ref,
                  const char *text) {
    struct process *p = channel_self(ch);
    struct journal_entry *e = journal_open(&p->journal, kind, title, ref);
    journal_append(&p->journal, e, text, strlen(text));
    journal_close(&p->journal, e);
    record_journal(ch->agent, p, e);
    process_changed(agent_processes(ch->agent), p);
}

const struct llm_history *channel_history(const struct process *p) {
    const struct channel *ch = p->body;
    return ch->turn ? &ch->live : &ch->history;
}

const struct strv *channel_people(const struct process *p) {
    const struct channel *ch = p->body;
    return &ch->people;
}

const char *channel_message_id(const struct process *p) {
    const struct channel *ch = p->body;
    return ch->current && ch->current->message_id ? ch->current->message_id : ch->last_message;
}

const char *channel_message_of(const struct process *p) {
    return p->kind == PROCESS_CHANNEL ? channel_message_id(p) : p->reply_to;
}

const char *channel_turn_id(const struct process *p) {
    const struct channel *ch = p->body;
    return ch && ch->turn_id[0] ? ch->turn_id : NULL;
}

struct process *channel_of_process(const struct agent *a, const struct process *p) {
    char *id = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), p->channel);
    struct process *channel = process_find(agent_processes(a), id);
    x_free(&id);
    return channel;
}

/* --- totals -------------------------------------------------------------------------------------
 */

bool channel_watches(const struct channel_watch *w, const char *message) {
    return w->message && str_eq(w->message, message);
}

void channel_delegated(struct process *p, const struct process *child) {
    struct channel *ch = p->body;
    ch->totals.started++;
    list_for(&ch->watches, it) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        w->totals->started += channel_watches(w, child->reply_to);
    }
}

void channel_used(const struct agent *a, const struct process *p, const struct llm_usage *u) {
    const struct process *channel = p->kind == PROCESS_CHANNEL ? p : channel_of_process(a, p);
    const char *message = p->work ? p->work : channel_message_of(p);
    if (!channel)
        return;
    const struct channel *ch = channel->body;
    list_for(&ch->watches, it) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        if (channel_watches(w, message))
            llm_usage_add(&w->totals->usage, u);
    }
}

static void count_outcome(struct channel_totals *t, enum process_outcome o) {
    switch (o) {
    case PROCESS_OUTCOME_SUCCEEDED:
        t->succeeded++;
        return;
    case PROCESS_OUTCOME_CANCELLED:
        t->cancelled++;
        return;
    case PROCESS_OUTCOME_PARTIAL:
    case PROCESS_OUTCOME_BLOCKED:
    case PROCESS_OUTCOME_FAILED:
    case PROCESS_OUTCOME_TIMED_OUT:
        t->failed++;
        return;
    }
}

void channel_count(struct channel *ch, const struct process *from) {
    llm_usage_add(&ch->totals.usage, &from->usage);
    count_outcome(&ch->totals, from->outcome);
    list_for(&ch->watches, it) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        if (channel_watches(w, from->reply_to))
            count_outcome(w->totals, from->outcome);
    }
}

struct channel_totals channel_totals(const struct agent *a, const struct process *p) {
    const struct channel *ch = p->body;
    struct channel_totals t = ch->totals;
    llm_usage_add(&t.usage, &p->usage);
    size_t pos = 0;
    for (const struct process *w; (w = process_next(agent_processes(a), &pos));)
        if (w->kind != PROCESS_CHANNEL && w->body && str_eq(w->channel, p->channel))
            llm_usage_add(&t.usage, &w->usage);
    return t;
}

/* --- settling -----------------------------------------------------------------------------------
 */

bool channel_idle(const struct process *p) {
    const struct channel *ch = p->body;
    bool results = ch->telling || channel_results_waiting(ch);
    return !channel_busy(ch) && list_empty(&ch->uses) && list_empty(&ch->attaching) &&
           list_empty(&ch->queue) && ch->together.n == 0 &&
           (!results || settings_paused(&ch->settings)); /* what a pause keeps back is stored */
}

/* Nothing that this message set going is under way or waits. */
static bool settled(const struct channel *ch, const char *message) {
    if (ch->current && str_eq(ch->current->message_id, message))
        return false;
    list_for(&ch->queue, it) {
        const struct incoming *in = list_entry(it, const struct incoming, link);
        if (str_eq(in->message_id, message))
            return false;
    }
    list_for(&ch->deliveries, it) {
        const struct delivery *d = list_entry(it, const struct delivery, link);
        if (str_eq(d->reply_to, message))
            return false;
    }
    /* What a pause keeps back is stored. */
    if (channel_results_of(ch, message) && !settings_paused(&ch->settings))
        return false;
    return delegate_busy_for(ch->agent, message) == 0;
}

void channel_check(struct agent *a, struct process *p) {
    struct channel *ch = p->body;
    (void)a;
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        if (!w->message || !settled(ch, w->message))
            continue;
        const struct channel_watch_ops *ops = w->ops;
        void *arg = w->arg;
        channel_unwatch(&w);
        ops->settled(arg);
    }
}

struct channel_watch *channel_watch(struct process *p, const char *message,
                                    const struct channel_watch_ops *ops,
                                    struct channel_totals *totals, void *arg) {
    struct channel *ch = p->body;
    struct channel_watch *w = xcalloc(1, sizeof *w);
    w->message = xstrdup_null(message);
    w->ops = ops;
    w->totals = totals;
    w->arg = arg;
    list_push_back(&ch->watches, &w->link);
    return w;
}

void channel_unwatch(struct channel_watch **wp) {
    if (*wp) {
        list_remove(&(*wp)->link);
        x_free(&(*wp)->message);
        x_free(wp);
    }
}

/* --- being opened and closed --------------------------------------------------------------------
 */

static bool id_valid(const char *bare) {
    size_t n = strlen(bare);
    if (n == 0 || n > CHANNEL_ID_MAX || !utf8_valid(bare, n))
        return false;
    for (; *bare; bare++)
        if (isspace((unsigned char)*bare) || iscntrl((unsigned char)*bare) || *bare == '/')
            return false;
    return true;
}

static void set_text(char **to, const char *value) {
    x_free(to);
    *to = xstrdup(value);
}

const char *channel_model_told(const struct process *p) {
    const struct channel *ch = p->body;
    return ch->model;
}

const char *channel_model_override(const struct process *p) {
    const struct channel *ch = p->body;
    return ch->model ? ch->model : ch->stand_in;
}

bool channel_stood_in(const struct process *p) {
    const struct channel *ch = p->body;
    return !ch->model && ch->stand_in;
}

static void put_stand_in(struct agent *a, struct process *p, const char *model) {
    struct channel *ch = p->body;
    ch->stand_in = model;
    ch->next_stand_in = NULL;
    if (ch->model)
        return;
    set_text(&p->model, model ? model : agent_parts(a)->config->routing.channel);
    process_changed(agent_processes(a), p);
}

void channel_stand_in(struct agent *a, struct process *p, const char *model, const char *words) {
    struct channel *ch = p->body;
    if (model && ch->stand_in && !str_eq(model, ch->stand_in) && (ch->handled || !channel_idle(p)))
        ch->next_stand_in = model;
    else
        put_stand_in(a, p, model);
    if (words && p->journal.n)
        channel_tell(ch, JOURNAL_NOTICE, words);
}

void channel_next_stand_in(struct channel *ch) {
    if (ch->next_stand_in)
        put_stand_in(ch->agent, channel_self(ch), ch->next_stand_in);
}

void channel_set_model(struct agent *a, struct process *p, const char *model) {
    struct channel *ch = p->body;
    set_text(&ch->model, model);
    set_text(&p->model, model);
    process_changed(agent_processes(a), p);
}

void channel_tell_model(struct agent *a, struct process *p, const char *model) {
    struct channel *ch = p->body;
    x_free(&ch->model);
    ch->model = xstrdup_null(model);
    record_channel_model(a, p);
    routing_changed(a, p);
    BUS_EMIT(agent_bus(a), agent_processes(a), p, EVENT_SETTINGS_UPDATED, BUS_STR("key", "model"),
             BUS_STR("value", model));
}

static void heard_before(void *arg, const struct record_message_row *row) {
    struct channel *ch = arg;
    if (row->command)
        return; /* it was for the engine */
    if (row->role == LLM_ROLE_ASSISTANT) {
        llm_history_push_text(&ch->history, row->role, row->text);
        return;
    }
    struct buf all = BUF_INIT;
    buf_puts(&all, row->text);
    attachment_tell(&all, row->attachments, NULL);
    char *text = channel_said_by(row->system ? NULL : row->sender, row->at_ms, buf_str(&all));
    buf_free(&all);
    llm_history_push_text(&ch->history, row->role, text);
    x_free(&text);
    if (!row->system) {
        channel_met(ch, row->sender);
        x_free(&ch->last_message);
        ch->last_message = xstrdup(row->id);
    }
}

enum status channel_open(struct agent *a, const char *bare, const char *model,
                         const char *workspace, struct process **out, struct cause *why) {
    const struct agent_parts *parts = agent_parts(a);
    struct process_table *t = agent_processes(a);
    if (!bare || !id_valid(bare))
        return cause_set(why, STATUS_INVALID,
                         "\"%.60s\" is no channel name: 1 to %u bytes without white space or /",
                         bare ? bare : "", CHANNEL_ID_MAX);
    char *id = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), bare);
    struct process *p = process_find(t, id);
    x_free(&id);
    bool fresh = !p;
    if (fresh) {
        if (process_add(t, PROCESS_CHANNEL, bare, PROCESS_NONE, &p) != STATUS_OK)
            return cause_set(why, STATUS_EXISTS, "channel %s is there already", bare);
        struct channel *ch = xcalloc(1, sizeof *ch);
        ch->agent = a;
        ch->process = p->handle;
        list_init(&ch->queue);
        list_init(&ch->together.messages);
        list_init(&ch->results);
        list_init(&ch->deliveries);
        list_init(&ch->watches);
        list_init(&ch->uses);
        list_init(&ch->attaching);
        p->body = ch;
        p->channel = xstrdup(bare);
        p->model = xstrdup(parts->config->routing.channel);
        p->workspace = xstrdup(parts->home->workspace);
        record_load_channel(a, p);
        settings_load(&ch->settings, a, bare);
        record_load_messages(a, bare, CHANNEL_HYDRATE, heard_before, ch);
        record_load_journal(a, p, JOURNAL_ENTRIES_MAX / 4);
        channel_results_load(ch);
    }
    if (model)
        channel_set_model(a, p, model);
    if (workspace)
        set_text(&p->workspace, workspace);
    if (fresh || model || workspace)
        record_channel(a, p);
    process_changed(t, p);
    *out = p;
    return STATUS_OK;
}

void channel_free(struct agent *a, struct process *p) {
    struct channel *ch = p->body;
    (void)a;
    turn_cancel(&ch->turn, "the engine ended");
    channel_uses_free(ch);
    channel_attach_clear(ch);
    loop_timer_del(&ch->retrigger);
    channel_forget_together(ch);
    channel_results_clear(ch);
    list_for_safe(&ch->deliveries, it, tmp) delivery_free(list_entry(it, struct delivery, link));
    list_for_safe(&ch->queue, it, tmp) {
        struct incoming *in = list_entry(it, struct incoming, link);
        list_remove(&in->link);
        incoming_free(&in);
    }
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        channel_unwatch(&w);
    }
    incoming_free(&ch->current);
    llm_history_free(&ch->history);
    llm_history_free(&ch->live);
    x_free(&ch->replied);
    x_free(&ch->last_message);
    x_free(&ch->model);
    strv_free(&ch->people);
    settings_free(&ch->settings);
    x_free(&ch);
    p->body = NULL;
}
