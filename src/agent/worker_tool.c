/* worker_tool: what models may do with workers: start one, write to one, look into one, and, being
 * one, say how it stands. */
#include "agent/worker-internal.h"

#include <assert.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/event.h"
#include "agent/record.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/queries.gen.h"

#define INSPECT_RESULT_MAX 2000u /* bytes (SPEC H) */
#define INSPECT_ARGS_MAX 200u
#define INSPECT_LIMIT 20

static void done_json(struct tool_call *c, cJSON *o) {
    char *text = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, text, strlen(text));
    x_free(&text);
}

/* --- spawn_worker -------------------------------------------------------------------------------
 */

static void spawn_reply(struct tool_call *c, const struct process *p, bool spawned,
                        bool interactive, const char *message) {
    assert(p);
    cJSON *o = json_new_obj();
    json_add_str(o, "worker_id", p->bare);
    json_add_bool(o, "spawned", spawned);
    json_add_bool(o, "interactive", interactive);
    json_add_str(o, "message", message);
    done_json(c, o);
}

void worker_tool_spawn(struct tool_call *c, const char *task, bool interactive, bool fork) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    struct process *parent = process_get(agent_processes(a), turn_process(t)->handle), *p = NULL;
    struct cause why;
    const struct worker_options o = {.task_type = json_str(c->args, "task_type", NULL),
                                     .interactive = interactive,
                                     .fork = fork};
    enum status st = worker_start(a, parent, task, &o, &p, &why);
    if (st == STATUS_OK)
        spawn_reply(c, p, true, interactive,
                    interactive
                        ? "It works on its own now; its first result will come to you by itself, "
                          "and then it waits for what you route to it."
                        : "It works on its own now; its result will come to you by itself.");
    else if (st == STATUS_EXISTS && p)
        spawn_reply(c, p, false, false, why.text);
    else
        tool_call_donef(c, true, "%s", why.text);
}

/* --- set_status ---------------------------------------------------------------------------------
 */

void worker_tool_set_status(struct tool_call *c, const char *status, const char *kind) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    struct process *p = process_get(agent_processes(a), turn_process(t)->handle);
    struct worker *w = p->body;
    bool blocked = str_eq(kind, "blocked"), outcome = blocked || str_eq(kind, "outcome");
    if (str_empty(status)) {
        tool_call_donef(c, true, "status is empty");
        return;
    }
    char *said = scrub_take(agent_parts(a)->values, xstrdup(status));
    char *shown = xstrndup(said, utf8_cut(said, strlen(said), WORKER_STATUS_MAX));
    x_free(&p->status);
    p->status = xstrdup(shown);
    if (outcome) {
        x_free(&w->outcome);
        w->outcome = xstrdup(said);
        w->blocked = blocked;
        if (w->lifecycle == LIFECYCLE_RUNNING && !w->interactive)
            worker_move(w, LIFECYCLE_COMPLETING);
    } else {
        struct journal_entry *e = journal_open(&p->journal, JOURNAL_STATUS, NULL, NULL);
        journal_append(&p->journal, e, shown, strlen(shown));
        journal_close(&p->journal, e);
        record_journal(a, p, e);
    }
    process_changed(agent_processes(a), p);
    event_tell(a, p, event_worker_status(p->bare, shown, kind));
    x_free(&shown);
    x_free(&said);
    cJSON *o = json_new_obj();
    json_add_bool(o, "success", true);
    json_add_str(o, "worker_id", p->bare);
    json_add_str(o, "kind", kind);
    done_json(c, o);
}

/* --- route --------------------------------------------------------------------------------------
 */

/* A worker of the same conversation, or NULL and the call is done. */
static struct process *named(struct tool_call *c, const char *id) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    struct process *p = NULL;
    struct cause why;
    if (process_resolve(agent_processes(a), id, &p, &why) != STATUS_OK) {
        tool_call_donef(c, true, "%s", why.text);
        return NULL;
    }
    if (p->kind != PROCESS_WORKER || !str_eq(p->channel, turn_process(t)->channel)) {
        tool_call_donef(c, true, "this conversation has no worker \"%.60s\"", id);
        return NULL;
    }
    return p;
}

void worker_tool_route(struct tool_call *c, const char *id, const char *message, bool end) {
    struct process *p = named(c, id);
    struct cause why = {""};
    const char *how = "";
    if (!p)
        return;
    enum status st =
        worker_route(turn_agent(turn_of(c)), p, "the conversation", message, end, &how, &why);
    if (st != STATUS_OK && st != STATUS_GONE) {
        tool_call_donef(c, true, "%s", why.text);
        return;
    }
    if (st == STATUS_OK)
        process_set_work(p, channel_message_of(turn_process(turn_of(c))));
    cJSON *o = json_new_obj();
    json_add_bool(o, "routed", st == STATUS_OK);
    json_add_str(o, "worker_id", p->bare);
    json_add_str(o, "message", st == STATUS_OK ? how : why.text);
    done_json(c, o);
}

/* --- worker_inspect -----------------------------------------------------------------------------
 */

static void part(struct buf *b, const char *what, const char *text, size_t max) {
    size_t n = text ? strlen(text) : 0, cut = text ? utf8_cut(text, n, max) : 0;
    if (n == 0)
        return;
    buf_puts(b, what);
    buf_append(b, text, cut);
    if (cut < n)
        buf_printf(b, "... [%zu bytes left out]", n - cut);
    buf_putc(b, '\n');
}

static void steps(struct buf *b, const struct llm_history *h, int64_t limit) {
    size_t from = (uint64_t)limit * 2 < h->n ? h->n - (size_t)limit * 2 : 0;
    if (from)
        buf_printf(b, "... %zu earlier messages; ask with a higher limit\n", from);
    for (size_t i = from; i < h->n; i++) {
        const struct llm_message *m = &h->v[i];
        for (size_t k = 0; k < m->n; k++) {
            const struct llm_block *block = &m->blocks[k];
            switch (block->kind) {
            case LLM_BLOCK_TEXT:
                part(b, m->role == LLM_ROLE_ASSISTANT ? "it wrote: " : "it was told: ", block->text,
                     INSPECT_RESULT_MAX);
                break;
            case LLM_BLOCK_TOOL_USE:
                buf_printf(b, "%.64s ", block->name);
                part(b, "", block->input ? block->input : "{}", INSPECT_ARGS_MAX);
                break;
            case LLM_BLOCK_TOOL_RESULT:
                part(b, block->is_error ? "  error: " : "  result: ", block->text,
                     INSPECT_RESULT_MAX);
                break;
            case LLM_BLOCK_FILE:
                buf_printf(b, "it was given a file: %.200s\n", block->name ? block->name : "");
                break;
            case LLM_BLOCK_THINKING:
            case LLM_BLOCK_REDACTED_THINKING:
                break;
            }
        }
    }
}

static void inspect_live(struct buf *b, const struct process *p, int64_t limit) {
    const struct worker *w = p->body;
    buf_printf(b, "%s: %s, %u tool calls\n", p->id, process_state_name(p->state), p->tool_calls);
    part(b, "task: ", p->task, INSPECT_RESULT_MAX);
    part(b, "status: ", p->status, WORKER_STATUS_MAX);
    steps(b, &w->d.history, limit);
}

static void inspect_stored(struct buf *b, const struct q_worker_row *row, int64_t limit) {
    struct llm_history h = {0};
    struct cause why = {""};
    buf_printf(b, "worker:%s: %s, %lld tool calls\n", row->id,
               row->outcome_kind ? row->outcome_kind : row->lifecycle, (long long)row->tool_calls);
    part(b, "task: ", row->task, INSPECT_RESULT_MAX);
    part(b, "result: ", row->result, INSPECT_RESULT_MAX);
    if (!row->transcript)
        return;
    if (llm_history_parse(row->transcript, row->transcript_len, &h, &why) == STATUS_OK)
        steps(b, &h, limit);
    else
        buf_printf(b, "what it did cannot be read: %s\n", why.text);
    llm_history_free(&h);
}

static bool list_one(void *arg, const struct q_workers_recent_row *row) {
    struct buf *b = arg;
    char started[CLOCK_RFC3339_SIZE];
    clock_rfc3339(row->started_at, started);
    buf_printf(b, "worker:%s, %s, %lld tool calls, since %s: ", row->id,
               row->outcome_kind ? row->outcome_kind : row->lifecycle, (long long)row->tool_calls,
               started);
    part(b, "", row->task, INSPECT_ARGS_MAX);
    part(b, "  result: ", row->outcome_summary, INSPECT_RESULT_MAX);
    return true;
}

static const char *bare_of(const char *id) {
    return str_prefix(id, "worker:") ? id + strlen("worker:") : id;
}

void worker_tool_inspect(struct tool_call *c, const char *id, int64_t limit) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    struct store_read *r = store_read(agent_parts(a)->store);
    const char *channel = turn_process(t)->channel;
    struct cause why = {""}, ignored;
    struct buf b = BUF_INIT;
    struct process *p = NULL;
    enum status st = STATUS_OK;
    if (limit <= 0)
        limit = INSPECT_LIMIT;
    if (str_empty(id)) {
        st = q_workers_recent(r, channel, limit, list_one, &b, &why);
        if (st == STATUS_OK && b.len == 0)
            buf_puts(&b, "this conversation has had no workers\n");
    } else if (process_resolve(agent_processes(a), id, &p, &ignored) == STATUS_OK && p->body &&
               p->kind == PROCESS_WORKER && str_eq(p->channel, channel)) {
        inspect_live(&b, p, limit);
    } else {
        struct q_worker_row row;
        st = q_worker(r, p ? p->bare : bare_of(id), &row, &why);
        if (st == STATUS_OK && !str_eq(row.channel_id, channel))
            st = STATUS_NOT_FOUND;
        else if (st == STATUS_OK)
            inspect_stored(&b, &row, limit);
        q_worker_free(&row);
        if (st == STATUS_NOT_FOUND)
            cause_set(&why, st, "this conversation has no worker \"%.60s\"", id);
    }
    if (st == STATUS_OK)
        tool_call_done(c, false, buf_str(&b), b.len);
    else
        tool_call_donef(c, true, "%s", why.text);
    buf_free(&b);
}
