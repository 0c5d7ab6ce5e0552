/* record: rows out of processes, and processes out of rows. Times in rows are wall-clock
 * milliseconds. */
#include "agent/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/leak.h"
#include "agent/limit.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

static struct store *store_of(const struct agent *a) { return agent_parts(a)->store; }

/* --- journal ------------------------------------------------------------------------------------
 */

static void append(struct agent *a, const char *process_id, const struct journal_entry *e) {
    store_journal_append(store_of(a), &(struct store_journal_append){
                                          .process_id = process_id,
                                          .seq = (int64_t)e->seq,
                                          .kind = journal_kind_name(e->kind),
                                          .at = e->at_ms,
                                          .ended_at = e->ended_ms,
                                          .title = e->title,
                                          .ref = e->ref,
                                          .text = buf_str(&e->text),
                                          .result = e->result.len ? buf_str(&e->result) : NULL,
                                          .is_error = e->is_error,
                                          .interrupted = e->interrupted});
}

void record_journal(struct agent *a, const struct process *p, const struct journal_entry *e) {
    if (e->kind != JOURNAL_OUTPUT)
        append(a, p->id, e);
}

static bool load_entry(void *arg, const struct q_journal_newest_row *row) {
    struct process *p = arg;
    enum journal_kind kind;
    if (journal_kind_from_string(row->kind, &kind) != STATUS_OK)
        return true; /* of a later version: not known here, not lost there */
    struct journal *j = &p->journal;
    j->next_seq = (uint64_t)row->seq;
    struct journal_entry *e = journal_open(j, kind, row->title, row->ref);
    journal_append(j, e, row->text, strlen(row->text));
    if (row->result)
        journal_set_result(j, e, row->result, strlen(row->result));
    e->is_error = row->is_error;
    e->interrupted = row->interrupted;
    journal_close(j, e);
    e->at_ms = row->at;
    e->ended_ms = row->ended_at;
    return true;
}

void record_load_journal(struct agent *a, struct process *p, int64_t limit) {
    struct cause why = {""};
    if (q_journal_newest(store_read(store_of(a)), p->id, limit, load_entry, p, &why) != STATUS_OK)
        log_error("%s: its earlier journal could not be read: %s", p->id, why.text);
}

/* --- tool runs ----------------------------------------------------------------------------------
 */

struct store_after *record_tool_intended(struct agent *a, const struct process *p,
                                         const struct tool_call *c, store_after_fn *fn, void *arg) {
    char *clean = leak_input(agent_parts(a)->values, c->input);
    uint64_t seq = store_tool_intend(store_of(a), p->id, p->channel, c->id, c->tool->name,
                                     clean ? clean : c->input, clock_wall_ms());
    x_free(&clean);
    return store_after(store_of(a), seq, fn, arg);
}

void record_tool_done(struct agent *a, const struct process *p, const struct tool_call *c,
                      const char *result, bool is_error) {
    if (c->tool->effects)
        store_tool_done(store_of(a), is_error, clock_wall_ms(), result, p->id, c->id);
}

/* --- usage --------------------------------------------------------------------------------------
 */

void record_usage(struct agent *a, const struct process *p, const char *asked, const char *said,
                  const struct llm_usage *u) {
    const char *slash = strchr(asked, '/');
    char *provider = slash ? xstrndup(asked, (size_t)(slash - asked)) : xstrdup("anthropic");
    char now[CLOCK_RFC3339_SIZE], day[11];
    clock_rfc3339(clock_wall_ms(), now);
    memcpy(day, now, 10);
    day[10] = '\0';
    limit_day_spend(agent_day(a), u->cost_usd, u->cost_is_estimate);
    record_turn_used(a, p, u);
    store_usage_add(store_of(a), &(struct store_usage_add){
                                     .process_id = p->id,
                                     .day = day,
                                     .provider = provider,
                                     .model = !str_empty(said) ? said
                                              : slash          ? slash + 1
                                                               : asked,
                                     .cost_status = u->cost_is_estimate ? "estimated" : "known",
                                     .agent_id = "main",
                                     .process_type = process_kind_name(p->kind),
                                     .conversation_id = p->channel,
                                     .input_tokens = u->input_tokens,
                                     .output_tokens = u->output_tokens,
                                     .cache_read_tokens = u->cache_read_tokens,
                                     .cache_write_tokens = u->cache_write_tokens,
                                     .request_count = 1,
                                     .estimated_cost_usd = u->cost_usd,
                                     .recorded_at = clock_wall_ms()});
    x_free(&provider);
}

/* --- channels -----------------------------------------------------------------------------------
 */

void record_load_channel(struct agent *a, struct process *p) {
    struct q_channel_row row;
    struct cause why = {""};
    enum status st = q_channel(store_read(store_of(a)), p->bare, &row, &why);
    if (st == STATUS_OK) {
        if (row.model)
            channel_set_model(a, p, row.model);
        if (row.workspace) {
            x_free(&p->workspace);
            p->workspace = xstrdup(row.workspace);
        }
        p->started_ms = row.created_at;
        q_channel_free(&row);
    } else if (st != STATUS_NOT_FOUND) {
        log_error("%s: could not be read: %s", p->id, why.text);
    }
}

bool record_has_channel(const struct agent *a, const char *bare) {
    struct q_channel_row row;
    struct cause why = {""};
    enum status st = q_channel(store_read(store_of(a)), bare, &row, &why);
    if (st == STATUS_OK)
        q_channel_free(&row);
    else if (st != STATUS_NOT_FOUND)
        log_error("channel:%s: could not be read: %s", bare, why.text);
    return st == STATUS_OK;
}

static char *platform(const char *channel) {
    const char *colon = strchr(channel, ':');
    return colon ? xstrndup(channel, (size_t)(colon - channel)) : xstrdup("terminal");
}

void record_channel(struct agent *a, const struct process *p) {
    char *kind = platform(p->bare);
    const char *workspace =
        str_eq(p->workspace, agent_parts(a)->home->workspace) ? NULL : p->workspace;
    store_channel_touch(store_of(a), p->bare, kind, p->name, workspace, channel_model_told(p),
                        clock_wall_ms());
    x_free(&kind);
}

void record_channel_model(struct agent *a, const struct process *p) {
    record_channel(a, p);
    store_channel_model(store_of(a), channel_model_told(p), p->bare);
}

uint64_t record_message(struct agent *a, const struct process *channel, enum llm_role role,
                        const char *sender, const char *text, const char *metadata,
                        char id[ID_UUID_SIZE]) {
    id_uuid(id);
    record_channel(a, channel);
    return store_message_insert(
        store_of(a),
        &(struct store_message_insert){.id = id,
                                       .channel_id = channel->bare,
                                       .role = role == LLM_ROLE_USER ? "user" : "assistant",
                                       .sender_name = sender,
                                       .sender_id = NULL,
                                       .content = text,
                                       .metadata = metadata,
                                       .turn_id = role == LLM_ROLE_ASSISTANT
                                                      ? channel_turn_id(channel)
                                                      : NULL, /* the turn that hears it says so */
                                       .created_at = clock_wall_ms()});
}

struct loading {
    void (*message)(void *arg, const struct record_message_row *row);
    void (*result)(void *arg, const struct record_result *row);
    void *arg;
};

static void give_message(const struct loading *l, struct record_message_row *m,
                         const char *metadata) {
    cJSON *meta = NULL;
    m->system = str_eq(m->sender, "system");
    if (metadata && json_parse(metadata, strlen(metadata), &meta, NULL) == STATUS_OK) {
        m->command = json_bool(meta, "command", false);
        m->system = m->system || json_bool(meta, "system", false);
        m->attachments = json_arr(meta, "attachments");
    }
    l->message(l->arg, m);
    cJSON_Delete(meta);
}

static enum llm_role role_of(const char *name) {
    return str_eq(name, "assistant") ? LLM_ROLE_ASSISTANT : LLM_ROLE_USER;
}

static bool load_message(void *arg, const struct q_messages_newest_row *row) {
    struct record_message_row m = {.id = row->id,
                                   .sender = row->sender_name,
                                   .text = row->content,
                                   .role = role_of(row->role),
                                   .at_ms = row->created_at,
                                   .seq = row->seq};
    give_message(arg, &m, row->metadata);
    return true;
}

static bool recall_message(void *arg, const struct q_messages_between_row *row) {
    struct record_message_row m = {.id = row->id,
                                   .sender = row->sender_name,
                                   .text = row->content,
                                   .role = role_of(row->role),
                                   .at_ms = row->created_at,
                                   .seq = row->seq};
    give_message(arg, &m, row->metadata);
    return true;
}

void record_recall(struct agent *a, const char *channel, int64_t after, int64_t before,
                   int64_t limit, bool oldest,
                   void (*fn)(void *arg, const struct record_message_row *row), void *arg) {
    struct cause why = {""};
    struct loading l = {.message = fn, .arg = arg};
    if (q_messages_between(store_read(store_of(a)), channel, after, before, oldest, limit,
                           recall_message, &l, &why) != STATUS_OK)
        log_error("channel:%s: its messages could not be read: %s", channel, why.text);
}

struct listing {
    void (*fn)(void *arg, const char *bare);
    void *arg;
};

static bool list_channel(void *arg, const struct q_channels_recent_row *row) {
    const struct listing *l = arg;
    l->fn(l->arg, row->id);
    return true;
}

void record_channels(struct agent *a, int64_t limit, void (*fn)(void *arg, const char *bare),
                     void *arg) {
    struct cause why = {""};
    struct listing l = {fn, arg};
    if (q_channels_recent(store_read(store_of(a)), limit, list_channel, &l, &why) != STATUS_OK)
        log_error("the channels could not be read: %s", why.text);
}

void record_working_memory(struct agent *a, const struct process *channel, const char *type,
                           const char *summary, const char *detail, double importance) {
    char id[ID_UUID_SIZE], now[CLOCK_RFC3339_SIZE], day[11];
    id_uuid(id);
    clock_rfc3339(clock_wall_ms(), now);
    memcpy(day, now, 10);
    day[10] = '\0';
    store_working_memory_insert(store_of(a),
                                &(struct store_working_memory_insert){.id = id,
                                                                      .event_type = type,
                                                                      .timestamp = clock_wall_ms(),
                                                                      .channel_id = channel->bare,
                                                                      .summary = summary,
                                                                      .detail = detail,
                                                                      .importance = importance,
                                                                      .day = day});
}

void record_load_messages(struct agent *a, const char *channel, int64_t limit,
                          void (*fn)(void *arg, const struct record_message_row *row), void *arg) {
    struct cause why = {""};
    struct loading l = {.message = fn, .arg = arg};
    if (q_messages_newest(store_read(store_of(a)), channel, limit, load_message, &l, &why) !=
        STATUS_OK)
        log_error("channel:%s: its earlier messages could not be read: %s", channel, why.text);
}

char *record_load_settings(const struct agent *a, const char *channel) {
    struct q_settings_row row;
    struct cause why = {""};
    enum status st = q_settings(store_read(store_of(a)), channel, &row, &why);
    char *text = st == STATUS_OK ? xstrdup(row.settings) : NULL;
    if (st == STATUS_OK)
        q_settings_free(&row);
    else if (st != STATUS_NOT_FOUND)
        log_error("channel:%s: its settings could not be read: %s", channel, why.text);
    return text;
}

void record_settings(struct agent *a, const struct process *channel, const char *json) {
    store_settings_save(store_of(a), channel->bare, json, clock_wall_ms());
}

/* --- results on their way -----------------------------------------------------------------------
 */

void record_result(struct agent *a, const struct process *from, enum process_outcome outcome,
                   const char *result, char row[ID_UUID_SIZE]) {
    id_uuid(row);
    store_result_insert(store_of(a),
                        &(struct store_result_insert){.id = row,
                                                      .channel_id = from->channel,
                                                      .process_id = from->id,
                                                      .name = from->name,
                                                      .task = from->task,
                                                      .outcome = process_outcome_name(outcome),
                                                      .result = result,
                                                      .reply_to = from->reply_to,
                                                      .created_at = clock_wall_ms()});
}

void record_result_over(struct agent *a, const char *row) { store_result_delete(store_of(a), row); }

static bool load_result(void *arg, const struct q_results_pending_row *row) {
    const struct loading *l = arg;
    struct record_result r = {.row = row->id,
                              .process_id = row->process_id,
                              .name = row->name,
                              .task = row->task,
                              .text = row->result,
                              .reply_to = row->reply_to};
    if (process_outcome_from_string(row->outcome, &r.outcome) == STATUS_OK)
        l->result(l->arg, &r);
    return true;
}

void record_load_results(struct agent *a, const char *channel,
                         void (*fn)(void *arg, const struct record_result *row), void *arg) {
    struct cause why = {""};
    struct loading l = {.result = fn, .arg = arg};
    if (q_results_pending(store_read(store_of(a)), channel, load_result, &l, &why) != STATUS_OK)
        log_error("channel:%s: its waiting results could not be read: %s", channel, why.text);
}

/* --- workers ------------------------------------------------------------------------------------
 */

/* Only what a channel's turn started itself belongs to it. */
static const char *turn_of_parent(const struct process *parent) {
    return parent && parent->kind == PROCESS_CHANNEL ? channel_turn_id(parent) : NULL;
}

uint64_t record_worker_created(struct agent *a, const struct process *w, bool interactive) {
    const struct process *parent = process_get(agent_processes(a), w->parent);
    return store_worker_insert(store_of(a),
                               &(struct store_worker_insert){.id = w->bare,
                                                             .channel_id = w->channel,
                                                             .parent = parent ? parent->id : NULL,
                                                             .name = w->name,
                                                             .task = w->task,
                                                             .interactive = interactive,
                                                             .model = w->model,
                                                             .directory = w->workspace,
                                                             .run_id = agent_run_id(a),
                                                             .turn_id = turn_of_parent(parent),
                                                             .started_at = w->started_ms});
}

void record_worker_lifecycle(struct agent *a, const struct process *w, enum lifecycle from,
                             enum lifecycle to) {
    store_worker_transition(store_of(a), lifecycle_name(from), lifecycle_name(to), w->bare);
}

uint64_t record_worker_waits(struct agent *a, const struct process *w, const char *result,
                             const struct llm_history *transcript, int64_t active_ms) {
    char *json = llm_history_json(transcript);
    uint64_t seq = store_worker_wait(store_of(a), w->bare, active_ms, w->tool_calls, result, json,
                                     strlen(json));
    x_free(&json);
    return seq;
}

uint64_t record_worker_ended(struct agent *a, const struct process *w, enum lifecycle from,
                             enum process_outcome o, const char *result, enum lifecycle_owner owner,
                             const struct llm_history *transcript) {
    char *json = llm_history_json(transcript);
    uint64_t seq = store_worker_end(
        store_of(a), &(struct store_worker_end){.from = lifecycle_name(from),
                                                .outcome = process_outcome_name(o),
                                                .outcome_summary = result,
                                                .result = result,
                                                .terminal_owner = lifecycle_owner_name(owner),
                                                .transcript = json,
                                                .transcript_len = strlen(json),
                                                .tool_calls = w->tool_calls,
                                                .completed_at = clock_wall_ms(),
                                                .id = w->bare});
    x_free(&json);
    return seq;
}

enum status record_worker_outcome(struct agent *a, const struct process *w, enum process_outcome *o,
                                  enum lifecycle_owner *owner, int64_t *transcripts, char **result,
                                  struct cause *why) {
    struct q_worker_row row;
    enum status st = q_worker(store_read(store_of(a)), w->bare, &row, why);
    if (st != STATUS_OK)
        return st;
    st = process_outcome_from_string(row.outcome_kind, o);
    if (st == STATUS_OK)
        st = lifecycle_owner_from_string(row.terminal_owner, owner);
    if (st == STATUS_OK) {
        *transcripts = row.transcript_version;
        *result = xstrdup(row.result ? row.result : "");
    } else {
        st = cause_set(why, STATUS_NOT_FOUND, "it has no end");
    }
    q_worker_free(&row);
    return st;
}

/* --- branches -----------------------------------------------------------------------------------
 */

void record_branch_created(struct agent *a, const struct process *b, int64_t max_turns) {
    const struct process *parent = process_get(agent_processes(a), b->parent);
    store_branch_insert(store_of(a),
                        &(struct store_branch_insert){.id = b->bare,
                                                      .channel_id = b->channel,
                                                      .description = b->task,
                                                      .model = b->model,
                                                      .max_turns = max_turns,
                                                      .run_id = agent_run_id(a),
                                                      .turn_id = turn_of_parent(parent),
                                                      .started_at = b->started_ms});
}

uint64_t record_branch_ended(struct agent *a, const struct process *b, const char *status,
                             const char *conclusion, const struct llm_history *transcript) {
    char *json = llm_history_json(transcript);
    uint64_t seq = store_branch_end(store_of(a), b->tool_calls, clock_wall_ms(), status, conclusion,
                                    json, strlen(json), b->bare);
    x_free(&json);
    return seq;
}

/* --- what an earlier engine left ----------------------------------------------------------------
 */

/* A line in the journal of a process that is not in the table. */
static void note_for(struct agent *a, const char *process_id, enum journal_kind kind,
                     const char *text) {
    struct q_journal_last_row last = {0};
    struct cause why = {""};
    enum status st = q_journal_last(store_read(store_of(a)), process_id, &last, &why);
    if (st != STATUS_OK && st != STATUS_NOT_FOUND)
        log_error("%s: its journal could not be read: %s", process_id, why.text);
    struct journal_entry e = {.seq = (uint64_t)last.seq + 1,
                              .kind = kind,
                              .at_ms = clock_wall_ms(),
                              .ended_ms = clock_wall_ms(),
                              .is_error = kind == JOURNAL_ERROR};
    buf_puts(&e.text, text);
    append(a, process_id, &e);
    buf_free(&e.text);
}

struct reconcile {
    struct agent *a;
    struct partial *partial; /* while texts are put together */
    size_t n;
    struct strv notes; /* process id, text, ... : written when the query is over */
};

static void remember(struct reconcile *r, const char *process_id, const char *text) {
    strv_push(&r->notes, process_id);
    strv_push(&r->notes, text);
}

static bool tool_interrupted(void *arg, const struct q_tools_intended_row *row) {
    struct reconcile *r = arg;
    char *label = tool_label(row->tool, row->args);
    char *text = xasprintf(
        "the engine ended while this ran: %s. It may have had effects, and is not run again.",
        label ? label : row->tool);
    x_free(&label);
    remember(r, row->process_id, text);
    if (row->channel_id) {
        char *channel = xasprintf("channel:%s", row->channel_id);
        if (!str_eq(channel, row->process_id))
            remember(r, channel, text);
        x_free(&channel);
    }
    x_free(&text);
    r->n++;
    return true;
}

/* So that the channel's model is told of it too. */
static void result_of_interrupted(struct agent *a, const char *channel, const char *process_id,
                                  const char *name, const char *task) {
    char row[ID_UUID_SIZE];
    id_uuid(row);
    store_result_insert(store_of(a),
                        &(struct store_result_insert){
                            .id = row,
                            .channel_id = channel,
                            .process_id = process_id,
                            .name = name,
                            .task = task,
                            .outcome = process_outcome_name(PROCESS_OUTCOME_FAILED),
                            .result = "interrupted: the engine ended while it was at work. It may "
                                      "have had effects; it is not started again.",
                            .created_at = clock_wall_ms()});
}

static bool worker_interrupted(void *arg, const struct q_workers_unfinished_row *row) {
    struct reconcile *r = arg;
    char *id = xasprintf("worker:%s", row->id);
    remember(r, id, "the engine ended while this worker was at work");
    if (row->channel_id) {
        char *channel = xasprintf("channel:%s", row->channel_id);
        char *text = xasprintf("the engine ended while a worker was at: %s",
                               row->name ? row->name : row->task);
        remember(r, channel, text);
        result_of_interrupted(r->a, row->channel_id, id, row->name ? row->name : row->task,
                              row->task);
        x_free(&text);
        x_free(&channel);
    }
    x_free(&id);
    r->n++;
    return true;
}

static bool branch_interrupted(void *arg, const struct q_branches_unfinished_row *row) {
    struct reconcile *r = arg;
    char *id = xasprintf("branch:%s", row->id), *channel = xasprintf("channel:%s", row->channel_id);
    char *text = xasprintf("the engine ended while a branch thought about: %s", row->description);
    remember(r, id, "the engine ended while this branch was thinking");
    remember(r, channel, text);
    result_of_interrupted(r->a, row->channel_id, id, row->description, row->description);
    x_free(&id);
    x_free(&channel);
    x_free(&text);
    r->n++;
    return true;
}

/* All pieces of one text. */
struct partial {
    char *process, *channel; /* process NULL: none yet */
    struct buf text;
    int64_t at_ms;
    bool any; /* there were pieces */
};

static void partial_whole(struct reconcile *r, struct partial *p) {
    if (!p->process)
        return;
    char id[ID_UUID_SIZE];
    buf_puts(&p->text, "\n[interrupted: the engine ended]");
    if (str_prefix(p->process, "channel:") && p->channel) {
        struct q_turn_running_row turn;
        struct cause why = {""};
        id_uuid(id);
        if (q_turn_running(store_read(store_of(r->a)), p->channel, &turn, &why) != STATUS_OK &&
            why.text[0])
            log_warn("channel:%s: the turn that was cut off could not be read: %s", p->channel,
                     why.text);
        store_message_insert(store_of(r->a),
                             &(struct store_message_insert){.id = id,
                                                            .channel_id = p->channel,
                                                            .role = "assistant",
                                                            .sender_name = "spacebot",
                                                            .content = buf_str(&p->text),
                                                            .metadata = "{\"interrupted\":true}",
                                                            .turn_id = turn.id,
                                                            .created_at = p->at_ms});
        q_turn_running_free(&turn);
    }
    remember(r, p->process, buf_str(&p->text));
    x_free(&p->process);
    x_free(&p->channel);
    buf_reset(&p->text);
}

static bool partial_interrupted(void *arg, const struct q_partials_row *row) {
    struct reconcile *r = arg;
    struct partial *p = r->partial;
    if (!str_eq(p->process, row->process_id)) {
        partial_whole(r, p);
        p->process = xstrdup(row->process_id);
        p->channel = xstrdup_null(row->channel_id);
    }
    buf_puts(&p->text, row->text);
    p->any = true;
    p->at_ms = row->updated_at;
    return true;
}

static enum status reconcile_partials(struct reconcile *r, struct cause *why) {
    struct partial p = {0};
    r->partial = &p;
    enum status st = q_partials(store_read(store_of(r->a)), partial_interrupted, r, why);
    partial_whole(r, &p);
    buf_free(&p.text);
    r->partial = NULL;
    if (p.any) /* else a start would wait for a disk that has nothing to write */
        store_partials_clear(store_of(r->a));
    return st;
}

static enum status reconcile_turns(struct agent *a, struct cause *why) {
    struct q_turns_running_row row;
    enum status st = q_turns_running(store_read(store_of(a)), &row, why);
    if (st == STATUS_OK && row.running)
        store_turns_reconcile(store_of(a), clock_wall_ms());
    return st;
}

static bool permission_interrupted(void *arg, const struct q_requests_waiting_row *row) {
    struct reconcile *r = arg;
    if (!str_eq(row->kind, "permission"))
        return true; /* a question waits on */
    char *text = xasprintf("the engine ended while a person was asked: %s %.300s. It was not run.",
                           row->tool, row->text);
    char *channel = xasprintf("channel:%s", row->channel_id);
    remember(r, row->process_id, text);
    if (!str_eq(channel, row->process_id))
        remember(r, channel, text);
    x_free(&channel);
    x_free(&text);
    return true;
}

static bool count_interrupted(void *arg, const struct q_tools_interrupted_row *row) {
    (void)row;
    ++*(size_t *)arg;
    return true;
}

enum status record_reconcile(struct agent *a, struct cause *why) {
    struct store_read *r = store_read(store_of(a));
    struct reconcile rec = {.a = a};
    size_t waiting = 0;
    enum status st = q_tools_interrupted(r, count_interrupted, &waiting, why);
    if (st == STATUS_OK)
        st = q_tools_intended(r, tool_interrupted, &rec, why);
    waiting += rec.n;
    if (st == STATUS_OK)
        st = q_requests_waiting(r, permission_interrupted, &rec, why);
    if (st == STATUS_OK && rec.notes.n)
        store_requests_interrupt(store_of(a), clock_wall_ms());
    if (st == STATUS_OK)
        st = q_workers_unfinished(r, worker_interrupted, &rec, why);
    if (st == STATUS_OK)
        st = q_branches_unfinished(r, branch_interrupted, &rec, why);
    if (st == STATUS_OK)
        st = reconcile_partials(&rec, why);
    if (st == STATUS_OK)
        st = reconcile_turns(a, why);
    if (st == STATUS_OK && rec.n) {
        store_tools_interrupt(store_of(a), clock_wall_ms());
        store_branches_reconcile(store_of(a), "Branch failed: the engine ended", clock_wall_ms());
        store_workers_reconcile(store_of(a), "interrupted: the engine ended", clock_wall_ms());
    }
    if (st == STATUS_OK) {
        /* One after the other through the store, since each needs the number after the last. */
        struct cause slow = {""};
        for (size_t i = 0; i + 1 < rec.notes.n; i += 2) {
            note_for(a, rec.notes.v[i], JOURNAL_ERROR, rec.notes.v[i + 1]);
            st = store_drain(store_of(a), 10 * NS_PER_SEC, &slow);
            if (st != STATUS_OK)
                break;
        }
        if (st == STATUS_OK)
            st = store_drain(store_of(a), 10 * NS_PER_SEC, &slow);
        if (st != STATUS_OK)
            cause_set(why, st, "what an earlier engine left could not be put in order: %s",
                      slow.text);
        if (rec.n)
            log_warn(
                "the engine had ended in the middle of things: %zu %s cut off and not run again "
                "(d among the processes puts that away)",
                rec.n, rec.n == 1 ? "run was" : "runs were");
    }
    strv_free(&rec.notes);
    agent_set_interrupted(a, waiting);
    return st;
}

static bool list_interrupted(void *arg, const struct q_tools_interrupted_row *row) {
    cJSON *o = json_new_obj();
    char started[CLOCK_RFC3339_SIZE];
    clock_rfc3339(row->started_at, started);
    json_add_str(o, "process", row->process_id);
    json_add_str(o, "channel", row->channel_id);
    json_add_str(o, "call_id", row->call_id);
    json_add_str(o, "tool", row->tool);
    json_add_str(o, "args", row->args);
    json_add_str(o, "started_at", started);
    cJSON_AddItemToArray(arg, o);
    return true;
}

enum status record_interrupted(struct agent *a, cJSON *out, struct cause *why) {
    return q_tools_interrupted(store_read(store_of(a)), list_interrupted, json_add_arr(out, "runs"),
                               why);
}
