/* channel_say: what is said to the person: streamed while it is written, stored, then said. */
#include "agent/channel-internal.h"

#include <string.h>

#include "agent/event.h"
#include "agent/gate.h"
#include "agent/inbox.h"
#include "agent/record.h"
#include "agent/shape.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define DECISION_IMPORTANCE 0.8 /* SPEC A.3 */

void channel_said_append(struct channel *ch, enum journal_kind kind, const char *text, size_t n) {
    struct process *p = channel_self(ch);
    if (!ch->said)
        ch->said = journal_open(&p->journal, kind, NULL, NULL);
    journal_append(&p->journal, ch->said, text, n);
    process_changed(agent_processes(ch->agent), p);
}

/* Text beside tool calls stays TEXT, what the model wrote to itself; a reply in the making is its
 * own entry. */
void channel_said_close(struct channel *ch, bool interrupted) {
    struct process *p = channel_self(ch);
    if (!ch->said)
        return;
    ch->said->interrupted = interrupted;
    journal_close(&p->journal, ch->said);
    record_journal(ch->agent, p, ch->said);
    ch->said = NULL;
    process_changed(agent_processes(ch->agent), p);
}

void channel_failed(struct channel *ch, enum status st, const char *text) {
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        if (channel_watches(w, ch->current->message_id))
            w->ops->failed(w->arg, st, text);
    }
}

void channel_tell(struct channel *ch, enum journal_kind kind, const char *text) {
    channel_note(ch, kind, NULL, NULL, text);
    const struct process *p = channel_self(ch);
    event_tell(ch->agent, p, event_notice(p->id, kind == JOURNAL_ERROR, text));
}

/* --- storing, then saying -----------------------------------------------------------------------
 */

void delivery_free(struct delivery *d) {
    store_after_cancel(&d->wait);
    list_remove(&d->link);
    x_free(&d->text);
    x_free(&d->message_id);
    x_free(&d->reply_to);
    x_free(&d);
}

static void announce(struct channel *ch, const struct delivery *d) {
    struct process *p = channel_self(ch);
    struct process_table *t = agent_processes(ch->agent);
    if (!d->system) {
        p->unread++;
        p->seen = false;
    }
    process_changed(t, p);
    event_tell(ch->agent, p,
               d->system ? event_system_message(d->text)
                         : event_assistant_message(d->message_id, d->text));
    list_for_safe(&ch->watches, it, tmp) {
        struct channel_watch *w = list_entry(it, struct channel_watch, link);
        if (channel_watches(w, d->reply_to))
            w->ops->reply(w->arg, d->text);
    }
}

static void delivered(void *arg, enum status st, const char *why) {
    struct delivery *d = arg;
    struct channel *ch = d->channel;
    struct process *p = channel_self(ch);
    d->wait = NULL;
    struct tool_call *call = d->call;
    if (st != STATUS_OK) {
        d->entry->is_error = true;
        log_error("%s: a reply could not be stored: %s", p->id, why);
        if (call) /* the model hears of it and may try again */
            x_free(&ch->replied);
    }
    journal_close(&p->journal, d->entry);
    record_journal(ch->agent, p, d->entry);
    announce(ch, d);
    delivery_free(d);
    if (call) {
        call->state = NULL;
        if (st == STATUS_OK)
            tool_call_donef(call, false, "{\"success\":true}");
        else
            tool_call_donef(call, true, "the reply could not be stored: %s", why);
    } else {
        channel_next(ch);
    }
}

static struct delivery *delivery_new(struct channel *ch, const char *text,
                                     struct journal_entry *e) {
    struct process *p = channel_self(ch);
    struct delivery *d = xcalloc(1, sizeof *d);
    d->channel = ch;
    d->text = xstrdup(text);
    d->entry = e;
    journal_set_text(&p->journal, e, text, strlen(text));
    process_changed(agent_processes(ch->agent), p);
    list_push_back(&ch->deliveries, &d->link);
    return d;
}

/* A reply that tells of a decision is worth remembering (SPEC A.3). */
static void remember_decision(struct channel *ch, const char *text) {
    char *summary = shape_decision(text);
    if (!summary)
        return;
    record_working_memory(ch->agent, channel_self(ch), "decision", summary, NULL,
                          DECISION_IMPORTANCE);
    BUS_EMIT(agent_bus(ch->agent), agent_processes(ch->agent), channel_self(ch),
             EVENT_WORKING_MEMORY, BUS_STR("event_type", "decision"), BUS_STR("summary", summary),
             BUS_NUM("importance", DECISION_IMPORTANCE));
    x_free(&summary);
}

/* {"reply_to":…,"relays":[…]}: the message it goes back to, and whose results it tells. */
static char *metadata(const struct channel *ch) {
    cJSON *o = json_new_obj();
    if (ch->current && ch->current->message_id)
        json_add_str(o, "reply_to", ch->current->message_id);
    if (ch->current && ch->current->results) {
        cJSON *ids = json_add_arr(o, "relays");
        list_for(&ch->results, it) {
            const struct result *r = list_entry(it, const struct result, link);
            if (r->state == RESULT_TELLING)
                cJSON_AddItemToArray(ids, cJSON_CreateString(r->id));
        }
    }
    char *text = json_print(o);
    cJSON_Delete(o);
    return text;
}

void channel_deliver(struct channel *ch, const char *text, struct tool_call *call) {
    struct process *p = channel_self(ch);
    struct journal_entry *e =
        ch->said ? ch->said : journal_open(&p->journal, JOURNAL_REPLY, NULL, NULL);
    ch->said = NULL;
    e->kind = JOURNAL_REPLY;
    struct delivery *d = delivery_new(ch, text, e);
    d->call = call;
    if (call)
        call->state = d;
    char id[ID_UUID_SIZE], *meta = metadata(ch);
    uint64_t seq = record_message(ch->agent, p, LLM_ROLE_ASSISTANT, "spacebot", text, meta, id);
    x_free(&meta);
    remember_decision(ch, text);
    d->message_id = xstrdup(id);
    d->reply_to = xstrdup_null(channel_message_id(p));
    journal_set_ref(&p->journal, e, id);
    /* In the same batch: after a crash it is either told, or still to be told. */
    if (ch->current && ch->current->results)
        channel_results_told(ch);
    else
        channel_results_seen(ch);
    d->wait = store_after(agent_parts(ch->agent)->store, seq, delivered, d);
}

void channel_answer(struct channel *ch, const char *text, uint64_t seq) {
    struct process *p = channel_self(ch);
    struct delivery *d = delivery_new(ch, text,
                                      journal_open(&p->journal, JOURNAL_NOTICE, NULL,
                                                   event_type_name(EVENT_CHANNEL_SYSTEM_MESSAGE)));
    d->system = true;
    d->reply_to = xstrdup_null(ch->last_message); /* the command that was just heard */
    d->wait = store_after(agent_parts(ch->agent)->store, seq, delivered, d);
}

/* --- tools --------------------------------------------------------------------------------------
 */

static struct channel *channel_of(const struct tool_call *c) { return turn_arg(turn_of(c)); }

void channel_tool_reply(struct tool_call *c, const char *content) {
    struct channel *ch = channel_of(c);
    if (str_empty(content)) {
        tool_call_donef(c, true, "content is empty: there is nothing to say");
        return;
    }
    char *all = ch->replied ? xasprintf("%s\n\n%s", ch->replied, content) : xstrdup(content);
    x_free(&ch->replied);
    ch->replied = all;
    channel_deliver(ch, content, c);
}

/* What is asked is said too: it stands in the conversation, and in its history after a restart. */
void channel_tool_ask(struct tool_call *c, const char *question, const cJSON *options,
                      bool multi_select) {
    struct channel *ch = channel_of(c);
    struct process *p = channel_self(ch);
    if (gate_is_unattended(agent_gate(ch->agent), p)) {
        tool_call_donef(c, true,
                        "nobody can be asked here: decide yourself, or say in your reply what you "
                        "would need to know");
        return;
    }
    struct buf text = BUF_INIT;
    const cJSON *option;
    int n = 0;
    buf_puts(&text, question);
    cJSON_ArrayForEach(option, options) {
        const char *more = json_str(option, "description", NULL);
        buf_printf(&text, "\n%d. %s%s%s", ++n, json_str(option, "label", ""), more ? ": " : "",
                   more ? more : "");
    }
    const struct inbox_request *r =
        inbox_question(agent_inbox(ch->agent), p, c->id, question, options, multi_select);
    char *all =
        ch->replied ? xasprintf("%s\n\n%s", ch->replied, buf_str(&text)) : xstrdup(buf_str(&text));
    x_free(&ch->replied);
    ch->replied = all;
    channel_deliver(ch, buf_str(&text), NULL);
    buf_free(&text);
    cJSON *o = json_new_obj();
    json_add_i64(o, "question_id", r->number);
    json_add_str(o, "question", question);
    json_add_i64(o, "options_count", n);
    json_add_str(o, "message", "It is asked; the answer will come as a message of the person.");
    char *json = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, json, strlen(json));
    x_free(&json);
}

void channel_tool_skip(struct tool_call *c, const char *reason) {
    struct channel *ch = channel_of(c);
    (void)reason;
    ch->skipped = true;
    tool_call_donef(c, false, "{\"skipped\":true}");
}

void channel_tool_abandon(struct tool_call *c) {
    struct delivery *d = c->state;
    if (d)
        d->call = NULL;
    c->state = NULL;
}
