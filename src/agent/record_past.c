/* record_past: what earlier engines started, as `ps --all` lists it: read from the store, since the
 * process table knows this engine's processes only. */
#include <stdlib.h>
#include <string.h>

#include "agent/record.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"

struct past {
    const struct agent *agent;
    cJSON *list;
};

/* What all kinds have in common. NULL: this engine's own, which the table has. */
static cJSON *add(const struct past *p, enum process_kind kind, const char *bare, const char *name,
                  const char *channel, int64_t started_ms, int64_t completed_ms) {
    char *id = xasprintf("%s:%s", process_kind_name(kind), bare);
    bool known = process_find(agent_processes(p->agent), id) != NULL;
    char started[CLOCK_RFC3339_SIZE];
    clock_rfc3339(started_ms, started);
    cJSON *o = known ? NULL : json_new_obj();
    if (o) {
        struct process named = {0};
        process_set_name(&named, name);
        json_add_str(o, "id", id);
        json_add_str(o, "kind", process_kind_name(kind));
        json_add_str(o, "name", named.name);
        x_free(&named.name);
        json_add_str(o, "state", process_state_name(PROCESS_STATE_ENDED));
        json_add_str(o, "channel", channel);
        json_add_null(o, "tool");
        json_add_str(o, "started_at", started);
        json_add_i64(o, "elapsed_ms", completed_ms > started_ms ? completed_ms - started_ms : 0);
        json_add_i64(o, "silent_ms", 0);
        cJSON_AddItemToArray(p->list, o);
    }
    x_free(&id);
    return o;
}

static void add_usage(const struct past *p, cJSON *o) {
    struct q_usage_of_process_row u;
    struct cause why;
    if (q_usage_of_process(store_read(agent_parts(p->agent)->store), json_str(o, "id", ""), &u,
                           &why) != STATUS_OK)
        return;
    json_add_i64(o, "input_tokens", u.input_tokens + u.cache_read_tokens + u.cache_write_tokens);
    json_add_i64(o, "output_tokens", u.output_tokens);
    json_add_num(o, "cost_usd", u.cost_usd);
    json_add_bool(o, "cost_is_estimate", u.estimated_rows > 0);
    q_usage_of_process_free(&u);
}

static bool add_worker(void *arg, const struct q_workers_recent_row *row) {
    cJSON *o = add(arg, PROCESS_WORKER, row->id, row->name ? row->name : row->task, row->channel_id,
                   row->started_at, row->completed_at);
    if (!o)
        return true;
    json_add_str(o, "outcome", row->outcome_kind);
    json_add_str(o, "parent", row->parent);
    json_add_str(o, "status", row->outcome_summary);
    json_add_str(o, "task", row->task);
    add_usage(arg, o);
    return true;
}

const char *record_branch_state(const char *status) {
    if (str_eq(status, "running"))
        return status;
    enum process_outcome o = str_eq(status, "done")        ? PROCESS_OUTCOME_SUCCEEDED
                             : str_eq(status, "cancelled") ? PROCESS_OUTCOME_CANCELLED
                                                           : PROCESS_OUTCOME_FAILED;
    return process_outcome_name(o);
}

static bool add_branch(void *arg, const struct q_branches_recent_row *row) {
    cJSON *o = add(arg, PROCESS_BRANCH, row->id, row->description, row->channel_id, row->started_at,
                   row->completed_at);
    if (!o)
        return true;
    char *parent = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), row->channel_id);
    json_add_str(o, "outcome", row->completed_at ? record_branch_state(row->status) : NULL);
    json_add_str(o, "parent", parent);
    json_add_str(o, "status", row->conclusion);
    json_add_str(o, "task", row->description);
    add_usage(arg, o);
    x_free(&parent);
    return true;
}

/* RFC 3339 in UTC sorts as text. */
static int by_start(const void *a, const void *b) {
    return strcmp(json_str(*(cJSON *const *)a, "started_at", ""),
                  json_str(*(cJSON *const *)b, "started_at", ""));
}

/* Workers and branches among each other, the oldest first, before what runs now. */
static void move_sorted(cJSON *from, cJSON *to) {
    int n = cJSON_GetArraySize(from);
    cJSON **items = xcalloc((size_t)n + 1, sizeof(cJSON *));
    for (int i = 0; i < n; i++)
        items[i] = cJSON_DetachItemFromArray(from, 0);
    qsort(items, (size_t)n, sizeof(cJSON *), by_start);
    for (int i = 0; i < n; i++)
        cJSON_AddItemToArray(to, items[i]);
    free(items);
}

void record_past(struct agent *a, cJSON *out) {
    struct store_read *r = store_read(agent_parts(a)->store);
    struct past p = {.agent = a, .list = json_new_arr()};
    struct cause why = {""};
    enum status st = q_workers_recent(r, NULL, RECORD_PAST_MAX, add_worker, &p, &why);
    if (st == STATUS_OK)
        st = q_branches_recent(r, NULL, RECORD_PAST_MAX, add_branch, &p, &why);
    if (st != STATUS_OK)
        log_warn("what earlier engines started could not be read: %s", why.text);
    move_sorted(p.list, out);
    cJSON_Delete(p.list);
}
