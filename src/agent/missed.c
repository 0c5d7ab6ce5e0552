/* missed: journal entries of the store, turned back into the events that told of them. */
#include "agent/missed.h"

#include <string.h>

#include "agent/event.h"
#include "agent/inbox.h"
#include "agent/journal.h"
#include "agent/kind.h"
#include "agent/prompt.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

/* An entry closes a moment before the event that tells of it: so much earlier is still the same. */
#define BEFORE_MS 1000

struct page {
    struct agent *agent;
    struct missed *m;
    bus_fn *fn;
    void *arg;
    int64_t rows;
};

/* Who told of it: */
struct teller {
    const char *id, *parent, *channel;
};

static void tell_at(const struct page *p, const struct teller *who, int64_t ts_ms,
                    const struct event *e) {
    struct bus_field all[EVENT_FIELDS_MAX + 1];
    size_t n = e->n;
    memcpy(all, e->fields, n * sizeof *all);
    all[n++] = BUS_BOOL("from_store", true);
    p->fn(p->arg, &(struct bus_event){.type = e->type,
                                      .ts_ms = ts_ms,
                                      .id = who->id,
                                      .parent = who->parent,
                                      .channel = who->channel,
                                      .fields = all,
                                      .n = n});
}

static void tell_then(const struct page *p, const struct q_journal_between_row *row, int64_t ts_ms,
                      const struct event *e) {
    const char *channel = str_prefix(row->process_id, "channel:")
                              ? row->process_id + strlen("channel:")
                              : row->channel_id;
    char *parent = str_prefix(row->process_id, "branch:") ? xasprintf("channel:%s", channel)
                                                          : xstrdup_null(row->parent);
    tell_at(p, &(struct teller){row->process_id, parent, channel}, ts_ms, e);
    x_free(&parent);
}

static void tell(const struct page *p, const struct q_journal_between_row *row, struct event e) {
    tell_then(p, row, row->ended_at, &e);
}

/* The entry shows what came with it too: the message alone has its own row. */
static void tell_heard(const struct page *p, const struct q_journal_between_row *row) {
    struct q_message_row m;
    struct cause why = {""};
    cJSON *meta = NULL;
    if (!row->ref) /* a line for the shell, or written to a worker */
        return;
    bool found =
        q_message(store_read(agent_parts(p->agent)->store), row->ref, &m, &why) == STATUS_OK;
    bool told =
        found && m.metadata && json_parse(m.metadata, strlen(m.metadata), &meta, &why) == STATUS_OK;
    const cJSON *files = told ? json_arr(meta, "attachments") : NULL;
    char *list = files ? json_print(files) : xstrdup("[]");
    tell(p, row, event_user_message(row->ref, row->title, found ? m.content : row->text, list));
    x_free(&list);
    cJSON_Delete(meta);
    if (found)
        q_message_free(&m);
}

static void tell_started(const struct page *p, const struct q_journal_between_row *row,
                         const char *bare) {
    if (!str_prefix(row->process_id, "branch:")) {
        tell(p, row, event_worker_started(bare, row->text, row->interactive, row->directory));
        return;
    }
    char *input = prompt_branch_task(row->text);
    tell(p, row,
         event_branch_started(&(struct event_branch){.bare = bare,
                                                     .description = row->text,
                                                     .profile = row->profile,
                                                     .model = row->model,
                                                     .reply_to = row->ref,
                                                     .max_turns = row->max_turns,
                                                     .input = input}));
    x_free(&input);
}

/* How a worker or a branch came to its end, or to a result after which it waits. */
static void tell_result(const struct page *p, const struct q_journal_between_row *row,
                        const char *bare) {
    enum process_outcome o;
    if (str_prefix(row->process_id, "channel:"))
        return; /* says what the worker's own says */
    if (process_outcome_from_string(row->title, &o) != STATUS_OK) {
        tell(p, row, event_worker_result(bare, row->text));
    } else if (str_prefix(row->process_id, "branch:")) {
        char *transcript = row->transcript ? xstrndup(row->transcript, row->transcript_len) : NULL;
        tell(p, row,
             event_branch_result(bare, row->text, row->status, transcript, row->transcript_len,
                                 row->tool_calls));
        x_free(&transcript);
    } else {
        tell(p, row,
             event_worker_complete(
                 &(struct event_worker_end){.bare = bare,
                                            .result = row->text,
                                            .outcome = row->title,
                                            .owner = row->terminal_owner,
                                            .notify = !row->result,
                                            .outcome_version = row->outcome_version,
                                            .transcript_version = row->transcript_version}));
    }
}

/* Its beginning was heard where it lies before what was missed. */
static void tell_tool(const struct page *p, const struct q_journal_between_row *row) {
    char *label = tool_label(row->title, row->text);
    const struct event began =
        event_tool_started(row->process_id, row->ref, row->title, row->text, label);
    if (row->at >= p->m->since_ms)
        tell_then(p, row, row->at, &began);
    tell(p, row,
         event_tool_completed(row->process_id, row->ref, row->title, row->result, row->is_error));
    x_free(&label);
}

/* Most are told as what they are; some stand for an event of their own, named in `ref`. */
static void tell_notice(const struct page *p, const struct q_journal_between_row *row, bool error) {
    enum event_type type;
    struct cause why;
    cJSON *facts = NULL;
    if (!row->ref || event_type_from_string(row->ref, &type) != STATUS_OK)
        tell(p, row, event_notice(row->process_id, error, row->text));
    else if (type == EVENT_CHANNEL_SYSTEM_MESSAGE)
        tell(p, row, event_system_message(row->text));
    else if (row->result && json_parse(row->result, strlen(row->result), &facts, &why) == STATUS_OK)
        tell(p, row, event_of_facts(type, facts));
    cJSON_Delete(facts);
}

static bool on_row(void *arg, const struct q_journal_between_row *row) {
    struct page *p = arg;
    p->rows++;
    p->m->at_ms = row->ended_at;
    p->m->place = row->place;
    enum journal_kind kind;
    if (journal_kind_from_string(row->kind, &kind) != STATUS_OK)
        return true; /* of a later version */
    const char *colon = strchr(row->process_id, ':'), *bare = colon ? colon + 1 : row->process_id;
    switch (kind) {
    case JOURNAL_USER:
        tell_heard(p, row);
        break;
    case JOURNAL_REPLY:
        if (row->ref) /* else it was cut off, and never said */
            tell(p, row, event_assistant_message(row->ref, row->text));
        break;
    case JOURNAL_TASK:
        tell_started(p, row, bare);
        break;
    case JOURNAL_TEXT:
        /* What a channel writes beside its calls, and what was cut off, only streams. */
        if (!row->interrupted && !str_prefix(row->process_id, "channel:"))
            tell(p, row, event_process_text(row->process_id, row->text));
        break;
    case JOURNAL_TOOL:
        tell_tool(p, row);
        break;
    case JOURNAL_STATUS:
        tell(p, row, event_worker_status(bare, row->text, "progress"));
        break;
    case JOURNAL_RESULT:
        tell_result(p, row, bare);
        break;
    case JOURNAL_NOTICE:
    case JOURNAL_ERROR:
        tell_notice(p, row, kind == JOURNAL_ERROR);
        break;
    case JOURNAL_THINKING: /* streamed only */
    case JOURNAL_OUTPUT:   /* not kept */
    case JOURNAL_LINK:     /* said by the process that was started */
        break;
    }
    return true;
}

/* What began then and is not over, which the store does not have yet: calls that run, and what a
 * person can still do something about. */
static void tell_open(const struct page *p) {
    struct process_table *t = agent_processes(p->agent);
    size_t pos = 0;
    for (const struct process *q; (q = process_next(t, &pos));) {
        const struct journal_entry *e = journal_last(&q->journal, JOURNAL_TOOL);
        if (!e || !e->open || e->at_ms < p->m->since_ms || e->at_ms > p->m->until_ms)
            continue;
        const struct process *parent = process_get(t, q->parent);
        char *label = tool_label(e->title, buf_str(&e->text));
        const struct event began =
            event_tool_started(q->id, e->ref, e->title, buf_str(&e->text), label);
        tell_at(p, &(struct teller){q->id, parent ? parent->id : NULL, q->channel}, e->at_ms,
                &began);
        x_free(&label);
    }
    inbox_tell_again(agent_inbox(p->agent), p->m->since_ms, p->m->until_ms, p->fn, p->arg);
}

enum status missed_page(struct agent *a, struct missed *m, bus_fn *fn, void *arg, bool *more,
                        struct cause *why) {
    if (!m->at_ms) {
        m->at_ms = m->since_ms - BEFORE_MS;
        m->place = 0;
    }
    struct page p = {.agent = a, .m = m, .fn = fn, .arg = arg};
    enum status st = q_journal_between(store_read(agent_parts(a)->store), m->at_ms, m->place,
                                       m->until_ms, MISSED_PAGE, on_row, &p, why);
    *more = st == STATUS_OK && p.rows == MISSED_PAGE;
    if (!*more)
        tell_open(&p);
    return st;
}
