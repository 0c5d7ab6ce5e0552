/* missed: journal entries of the store, turned back into events. */
#include "agent/missed.h"

#include <string.h>

#include "agent/journal.h"
#include "agent/kind.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

/* An entry closes a moment before the event that tells of it: so much earlier is still the same. */
#define BEFORE_MS 1000

struct page {
    struct missed *m;
    bus_fn *fn;
    void *arg;
    int64_t rows;
};

static void tell(const struct page *p, const struct q_journal_between_row *row,
                 enum event_type type, const struct bus_field *fields, size_t n) {
    struct bus_field all[8];
    memcpy(all, fields, n * sizeof(*fields));
    all[n++] = BUS_BOOL("from_store", true);
    const char *channel = str_prefix(row->process_id, "channel:")
                              ? row->process_id + strlen("channel:")
                              : row->channel_id;
    p->fn(p->arg, &(struct bus_event){.type = type,
                                      .ts_ms = row->ended_at,
                                      .id = row->process_id,
                                      .parent = row->parent,
                                      .channel = channel,
                                      .fields = all,
                                      .n = n});
}

#define TELL(type, ...)                                                                            \
    tell(p, row, type, (const struct bus_field[]){__VA_ARGS__},                                    \
         sizeof((const struct bus_field[]){__VA_ARGS__}) / sizeof(struct bus_field))

/* How a worker or a branch came to its end. */
static void tell_end(const struct page *p, const struct q_journal_between_row *row,
                     const char *bare) {
    if (str_prefix(row->process_id, "branch:"))
        TELL(EVENT_BRANCH_RESULT, BUS_STR("branch_id", bare), BUS_STR("conclusion", row->text),
             BUS_STR("status", row->title));
    else
        TELL(EVENT_WORKER_COMPLETE, BUS_STR("worker_id", bare), BUS_STR("result", row->text),
             BUS_BOOL("notify", true),
             BUS_BOOL("success",
                      str_eq(row->title, process_outcome_name(PROCESS_OUTCOME_SUCCEEDED))),
             BUS_STR("outcome_kind", row->title));
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
        TELL(EVENT_CHANNEL_USER_MESSAGE, BUS_STR("sender", row->title), BUS_STR("text", row->text));
        break;
    case JOURNAL_REPLY:
        TELL(EVENT_CHANNEL_ASSISTANT_MESSAGE, BUS_STR("text", row->text));
        break;
    case JOURNAL_TASK:
        if (str_prefix(row->process_id, "branch:"))
            TELL(EVENT_BRANCH_STARTED, BUS_STR("branch_id", bare),
                 BUS_STR("description", row->text));
        else
            TELL(EVENT_WORKER_STARTED, BUS_STR("worker_id", bare), BUS_STR("task", row->text));
        break;
    case JOURNAL_TEXT:
        TELL(EVENT_PROCESS_TEXT, BUS_STR("process_id", row->process_id),
             BUS_STR("text", row->text));
        break;
    case JOURNAL_TOOL:
        TELL(EVENT_TOOL_COMPLETED, BUS_STR("process_id", row->process_id),
             BUS_STR("call_id", row->ref), BUS_STR("tool_name", row->title),
             BUS_STR("args", row->text), BUS_STR("result", row->result),
             BUS_BOOL("is_error", row->is_error));
        break;
    case JOURNAL_STATUS:
        TELL(EVENT_WORKER_STATUS, BUS_STR("worker_id", bare), BUS_STR("status", row->text),
             BUS_STR("kind", "progress"));
        break;
    case JOURNAL_RESULT:
        if (!row->ref) /* with one it stands in the channel and says what the worker's own says */
            tell_end(p, row, bare);
        break;
    case JOURNAL_NOTICE:
    case JOURNAL_ERROR:
        TELL(EVENT_NOTICE, BUS_STR("process_id", row->process_id),
             BUS_STR("level", kind == JOURNAL_ERROR ? "error" : "notice"),
             BUS_STR("text", row->text));
        break;
    case JOURNAL_THINKING: /* streamed only */
    case JOURNAL_OUTPUT:   /* not kept */
    case JOURNAL_LINK:     /* said by the process that was started */
        break;
    }
    return true;
}

enum status missed_page(struct agent *a, struct missed *m, bus_fn *fn, void *arg, bool *more,
                        struct cause *why) {
    if (!m->at_ms) {
        m->at_ms = m->since_ms - BEFORE_MS;
        m->place = 0;
    }
    struct page p = {.m = m, .fn = fn, .arg = arg};
    enum status st = q_journal_between(store_read(agent_parts(a)->store), m->at_ms, m->place,
                                       m->until_ms, MISSED_PAGE, on_row, &p, why);
    *more = st == STATUS_OK && p.rows == MISSED_PAGE;
    return st;
}
