/* agent: holds the parts together, supplies the tools with what acts on processes, and says how
 * things stand. */
#include "agent/agent.h"

#include <stdio.h>
#include <string.h>

#include "agent/branch.h"
#include "agent/channel.h"
#include "agent/delegate.h"
#include "agent/exchange.h"
#include "agent/gate.h"
#include "agent/inbox.h"
#include "agent/limit.h"
#include "agent/record.h"
#include "agent/routing.h"
#include "agent/turn.h"
#include "agent/undo.h"
#include "agent/voice.h"
#include "agent/worker.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "base/utf8.h"
#include "conf/config_keys.h"
#include "llm/local.h"
#include "llm/price.h"
#include "llm/rehearsal.h"
#include "memory/memory.h"
#include "store/queries.gen.h"
#include "tools/snapshot.h"

#define SHUTDOWN_PENDING (16u * 1024u * 1024u)
#define MIB (INT64_C(1024) * 1024)
#define SHUTDOWN_DRAIN_NS (INT64_C(5) * NS_PER_SEC)

struct agent {
    struct agent_parts parts;
    struct process_table *processes;
    struct bus *bus;
    struct tool_host host;
    struct gate *gate;
    struct inbox *inbox;
    size_t interrupted;
    struct local *look; /* servers of this machine are being asked */
    char *found;        /* the model that one of them has; kept to the end: channels lend it */
    struct limit_day *day;
    struct route *route;
    struct record_partials partials;
    struct snapshots snapshots;
    struct undo *undo;
    struct exchanges *exchanges;
    struct memories *memories;
    char run_id[ID_UUID_SIZE];
};

struct process_table *agent_processes(const struct agent *a) {
    return a->processes;
}
struct bus *agent_bus(const struct agent *a) {
    return a->bus;
}
const struct agent_parts *agent_parts(const struct agent *a) { return &a->parts; }
struct gate *agent_gate(const struct agent *a) {
    return a->gate;
}
struct inbox *agent_inbox(const struct agent *a) {
    return a->inbox;
}
const struct tool_host *agent_tool_host(const struct agent *a) { return &a->host; }
size_t agent_interrupted_count(const struct agent *a) { return a->interrupted; }
void agent_set_interrupted(struct agent *a, size_t n) { a->interrupted = n; }
struct limit_day *agent_day(const struct agent *a) {
    return a->day;
}
struct route *agent_route(const struct agent *a) {
    return a->route;
}
struct record_partials *agent_partials(struct agent *a) {
    return &a->partials;
}
struct undo **agent_undo(struct agent *a) {
    return &a->undo;
}
struct exchanges *agent_exchanges(const struct agent *a) {
    return a->exchanges;
}
struct memories *agent_memories(const struct agent *a) {
    return a->memories;
}
const char *agent_run_id(const struct agent *a) { return a->run_id; }

/* --- what tools may ask -------------------------------------------------------------------------
 */

static void tool_cancel_process(struct tool_call *c, const char *type, const char *id,
                                const char *reason) {
    const struct turn *t = turn_of(c);
    struct agent *a = turn_agent(t);
    const struct process *asker = turn_process(t);
    struct process *p = NULL;
    struct cause why;
    enum process_kind kind;
    if (process_kind_from_string(type, &kind) != STATUS_OK) {
        tool_call_donef(c, true, "process_type \"%.40s\" is not known", type);
        return;
    }
    if (process_resolve(a->processes, id, &p, &why) != STATUS_OK) {
        tool_call_donef(c, true, "%s", why.text);
        return;
    }
    if (p->kind != kind || !str_eq(p->channel, asker->channel)) {
        tool_call_donef(c, true, "this conversation has no %s \"%.60s\"", type, id);
        return;
    }
    if (kind != PROCESS_WORKER && kind != PROCESS_BRANCH) {
        tool_call_donef(c, true, "only workers and branches can be cancelled from here, not a %s",
                        type);
        return;
    }
    bool done = agent_cancel(a, p, str_empty(reason) ? "cancelled by the channel" : reason);
    cJSON *o = json_new_obj();
    json_add_bool(o, "cancelled", done);
    json_add_str(o, "process_type", type);
    json_add_str(o, "process_id", p->bare);
    json_add_str(o, "message", done ? "it is being ended" : "it had ended already");
    char *text = json_print(o);
    cJSON_Delete(o);
    tool_call_done(c, false, text, strlen(text));
    x_free(&text);
}

bool agent_cancel_by(struct agent *a, struct process *p, enum lifecycle_owner by,
                     const char *reason) {
    switch (p->kind) {
    case PROCESS_CHANNEL:
        return p->body && channel_interrupt(a, p, reason);
    case PROCESS_WORKER:
        return worker_cancel(a, p, by, reason);
    case PROCESS_BRANCH:
        return branch_cancel(a, p, reason);
    case PROCESS_VOICE:
        return voice_cancel(a, p, reason);
    case PROCESS_COMPACTOR:
    case PROCESS_CORTEX:
        return false; /* none of these runs yet */
    }
    return false;
}

bool agent_cancel(struct agent *a, struct process *p, const char *reason) {
    return agent_cancel_by(a, p, OWNER_CANCEL, reason);
}

static void fill_host(struct agent *a) {
    a->host = (struct tool_host){.values = a->parts.values,
                                 .loop = a->parts.loop,
                                 .jobs = a->parts.jobs,
                                 .sandbox = a->parts.sandbox,
                                 .shell_secs = a->parts.config->limits.shell_secs,
                                 .memories = a->memories,
                                 .snapshots = &a->snapshots,
                                 .changed = undo_record,
                                 .changed_arg = a->parts.store,
                                 .reply = channel_tool_reply,
                                 .ask = channel_tool_ask,
                                 .skip = channel_tool_skip,
                                 .channel = channel_tool,
                                 .branch = branch_tool_start,
                                 .spawn_worker = worker_tool_spawn,
                                 .cancel = tool_cancel_process,
                                 .route = worker_tool_route,
                                 .inspect = worker_tool_inspect,
                                 .set_status = worker_tool_set_status,
                                 .abandon = channel_tool_abandon};
}

/* --- life ---------------------------------------------------------------------------------------
 */

/* Who saved it tells, and the conversation keeps it in mind. */
static void on_memory(void *arg, const struct memory_news *n) {
    struct agent *a = arg;
    char summary[161];
    char *id = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), n->channel ? n->channel : "");
    const struct process *channel = process_find(a->processes, id);
    const struct process *by = process_find(a->processes, n->by);
    size_t line = strcspn(n->content, "\r\n");
    snprintf(summary, sizeof summary, "%.*s", (int)utf8_cut(n->content, line, 160), n->content);
    x_free(&id);
    if (channel)
        record_working_memory(a, channel, "memory_saved", summary, n->id, n->importance);
    if (by || channel)
        BUS_EMIT(a->bus, a->processes, by ? by : channel, EVENT_MEMORY_SAVED,
                 BUS_STR("memory_id", n->id), BUS_STR("memory_type", memory_type_name(n->type)),
                 BUS_NUM("importance", n->importance), BUS_STR("content_summary", summary));
}

enum status agent_new(const struct agent_parts *parts, struct agent **out, struct cause *why) {
    struct agent *a = xcalloc(1, sizeof *a);
    a->parts = *parts;
    a->processes = process_table_new();
    a->bus = bus_new();
    id_uuid(a->run_id);
    record_partials_init(&a->partials);
    if (parts->config->limits.snapshot_mb)
        a->snapshots = (struct snapshots){.dir = xasprintf("%s/snapshots", parts->home->dir),
                                          .max_bytes = parts->config->limits.snapshot_mb * MIB,
                                          .trim = true};
    a->memories = memories_new(parts->loop, parts->store, parts->jobs);
    memories_on_saved(a->memories, on_memory, a);
    fill_host(a);
    a->exchanges = exchanges_new(a);
    a->day = xcalloc(1, sizeof *a->day);
    enum status st = limit_day_load(a->day, store_read(parts->store), why);
    if (st == STATUS_OK)
        st = routing_new(a, &a->route, why);
    if (st == STATUS_OK)
        st = record_reconcile(a, why);
    if (st == STATUS_OK)
        st = gate_new(a, &a->gate, why);
    if (st == STATUS_OK)
        st = inbox_new(a, &a->inbox, why);
    if (st == STATUS_OK)
        st = worker_resume_all(a, why);
    if (st != STATUS_OK) {
        agent_free(&a);
        return st;
    }
    *out = a;
    return STATUS_OK;
}

static void body_free(struct agent *a, struct process *p) {
    switch (p->kind) {
    case PROCESS_WORKER:
        worker_free(a, p);
        break;
    case PROCESS_BRANCH:
        branch_free(a, p);
        break;
    case PROCESS_CHANNEL:
        channel_free(a, p);
        break;
    case PROCESS_COMPACTOR:
    case PROCESS_CORTEX:
    case PROCESS_VOICE:
        break;
    }
}

/* A worker that waits for somebody to write goes on waiting when the engine is back. */
static void shut_down(struct agent *a, struct process *p) {
    if (p->kind != PROCESS_WORKER || !worker_waits(p))
        agent_cancel_by(a, p, OWNER_SHUTDOWN, "the engine ended");
    body_free(a, p);
}

/* The last words of very many at once would be more than the store's queue takes: it is emptied in
 * between. What that calls may take others out of the table. */
static void shut_down_all(struct agent *a, enum process_kind kind) {
    size_t pos = 0;
    for (struct process *p; (p = process_next(a->processes, &pos));) {
        if (p->kind != kind || !p->body)
            continue;
        shut_down(a, p);
        struct cause why;
        if (store_pending_bytes(a->parts.store) > SHUTDOWN_PENDING &&
            store_drain(a->parts.store, SHUTDOWN_DRAIN_NS, &why) == STATUS_OK)
            pos = 0;
    }
}

void agent_free(struct agent **ap) {
    struct agent *a = *ap;
    if (!a)
        return;
    shut_down_all(a, PROCESS_WORKER);
    shut_down_all(a, PROCESS_BRANCH);
    shut_down_all(a, PROCESS_CHANNEL);
    record_partials_stop(&a->partials);
    undo_forget(a);
    memories_free(&a->memories);
    local_free(&a->look);
    gate_free(&a->gate);
    inbox_free(&a->inbox);
    route_free(&a->route);
    exchanges_free(&a->exchanges);
    price_forget();
    bus_free(&a->bus);
    process_table_free(&a->processes);
    x_free(&a->found);
    x_free(&a->snapshots.dir);
    x_free(&a->day);
    x_free(ap);
}

bool agent_idle(const struct agent *a) {
    size_t pos = 0;
    for (const struct process *p; (p = process_next(a->processes, &pos));) {
        switch (p->kind) {
        case PROCESS_CHANNEL:
            if (!channel_idle(p))
                return false;
            break;
        case PROCESS_WORKER:
        case PROCESS_BRANCH:
        case PROCESS_COMPACTOR:
        case PROCESS_CORTEX:
            break;
        case PROCESS_VOICE:
            return false; /* it is there only while it hears */
        }
    }
    return delegate_busy(a, NULL) == 0;
}

/* --- how things stand ---------------------------------------------------------------------------
 */

static void add_turn_times(const struct trace *t, enum trace_clock clock, cJSON *out) {
    json_add_i64(out, "p50", trace_turn_us(t, clock, 0.5));
    json_add_i64(out, "p99", trace_turn_us(t, clock, 0.99));
    json_add_i64(out, "p999", trace_turn_us(t, clock, 0.999));
    json_add_i64(out, "max", trace_turn_max_us(t, clock));
}

void agent_status(const struct agent *a, cJSON *out) {
    json_add_str(out, "model", a->parts.config->routing.channel);
    json_add_bool(out, "connected",
                  llm_has_provider(a->parts.llm, a->parts.config->routing.channel));
    json_add_str(out, "sandbox", sandbox_mode_name(sandbox_mode(a->parts.sandbox)));
    cJSON *n = json_add_obj(out, "processes");
#define X(name, text, symbol, ascii)                                                               \
    json_add_i64(n, text, (int64_t)process_count(a->processes, PROCESS_##name, false));
    PROCESS_KIND_TABLE(X)
#undef X
    cJSON *today = json_add_obj(out, "today");
    json_add_num(today, "cost_usd", limit_day_spent(a->day));
    json_add_bool(today, "cost_is_estimate", limit_day_guessed(a->day));
    json_add_num(today, "limit_usd", a->parts.config->limits.dollars_a_day);
    json_add_i64(out, "interrupted", (int64_t)a->interrupted);
    json_add_i64(out, "inbox", (int64_t)inbox_count(a->inbox));
    cJSON *loop = json_add_obj(out, "loop");
    json_add_i64(loop, "p99_us", trace_turn_us(a->parts.trace, TRACE_WALL, 0.99));
    json_add_i64(loop, "max_us", trace_turn_max_us(a->parts.trace, TRACE_WALL));
    json_add_i64(loop, "turns", (int64_t)trace_turns(a->parts.trace));
    add_turn_times(a->parts.trace, TRACE_WALL, json_add_obj(loop, "wall_us"));
    add_turn_times(a->parts.trace, TRACE_CPU, json_add_obj(loop, "cpu_us"));
    cJSON *store = json_add_obj(out, "store");
    json_add_i64(store, "bytes", store_bytes(a->parts.store));
    json_add_i64(store, "seq", (int64_t)store_committed(a->parts.store));
    json_add_str(store, "state", store_state_name(store_state(a->parts.store)));
}

cJSON *agent_ps_json(const struct agent *a, const struct process *p) {
    const struct process *parent = process_get(a->processes, p->parent);
    bool ended = p->state == PROCESS_STATE_ENDED;
    char started[CLOCK_RFC3339_SIZE];
    clock_rfc3339(p->started_ms, started);
    cJSON *o = json_new_obj();
    json_add_str(o, "id", p->id);
    json_add_str(o, "kind", process_kind_name(p->kind));
    json_add_str(o, "name", p->name);
    json_add_str(o, "state", process_state_name(p->state));
    json_add_str(o, "outcome", ended ? process_outcome_name(p->outcome) : NULL);
    json_add_str(o, "parent", parent ? parent->id : NULL);
    json_add_str(o, "channel", p->channel);
    json_add_str(o, "tool", p->tool);
    json_add_str(o, "status", p->status);
    json_add_str(o, "task", p->task);
    json_add_str(o, "model", p->model);
    json_add_str(o, "started_at", started);
    json_add_i64(o, "elapsed_ms", process_elapsed_ms(p));
    json_add_i64(o, "silent_ms", process_silent_ms(p));
    json_add_i64(o, "input_tokens",
                 p->usage.input_tokens + p->usage.cache_read_tokens + p->usage.cache_write_tokens);
    json_add_i64(o, "output_tokens", p->usage.output_tokens);
    json_add_num(o, "cost_usd", p->usage.cost_usd);
    json_add_bool(o, "cost_is_estimate", p->usage.cost_is_estimate);
    return o;
}

enum status agent_no_provider(const struct agent *a, const char *model, struct cause *why) {
    const char *slash = strchr(model, '/');
    int n = slash ? (int)(slash - model) : (int)strlen("anthropic");
    const char *provider = slash ? model : "anthropic";
    if (a->parts.config->nproviders == 0 && str_eq(model, a->parts.config->routing.channel))
        return cause_set(why, STATUS_CONFIG,
                         "no model is connected: set " PROVIDER_KEYS_TEXT
                         " and start again, or name a provider in %s (spacebot config init writes "
                         "a commented one)",
                         a->parts.config->path);
    char *id = xstrndup(provider, (size_t)n);
    const struct provider_info *known = provider_find(id);
    x_free(&id);
    if (known)
        return cause_set(why, STATUS_CONFIG,
                         "model %.80s: provider \"%s\" has no key; set %s and start again, or name "
                         "it in providers in %s",
                         model, known->id, known->key_var, a->parts.config->path);
    return cause_set(why, STATUS_CONFIG,
                     "model %.80s: no provider \"%.*s\" is configured; add it to providers in %s",
                     model, n, provider, a->parts.config->path);
}

const char *agent_default_model(const struct agent *a) {
    const struct agent_parts *p = &a->parts;
    if (llm_has_provider(p->llm, p->config->routing.channel))
        return NULL;
    if (a->found)
        return a->found;
    return llm_has_provider(p->llm, REHEARSAL_MODEL) ? REHEARSAL_MODEL : NULL;
}

const char *agent_found_model(const struct agent *a) { return a->found; }

static void on_found(void *arg, const char *model) {
    struct agent *a = arg;
    a->found = xstrdup_null(model);
    local_free(&a->look);
    if (!a->found)
        return;
    log_info("%s answers on this machine", a->found);
    char *words =
        xasprintf("%s, found on this machine, answers from your next message on. To "
                  "choose another, name it under routing in %s, or set " PROVIDER_KEYS_TEXT
                  " and start spacebot again.",
                  a->found, a->parts.config->path);
    size_t pos = 0;
    for (struct process *p; (p = process_next(a->processes, &pos));)
        if (p->kind == PROCESS_CHANNEL && p->body && channel_stood_in(p))
            channel_stand_in(a, p, a->found, words);
    x_free(&words);
}

void agent_look_for_model(struct agent *a) {
    const struct config *c = a->parts.config;
    if (a->look || a->found || llm_has_provider(a->parts.llm, c->routing.channel))
        return;
    struct local_server list[LOCAL_SERVERS_MAX];
    size_t n = 0;
    for (; n < c->nlocals && n < LOCAL_SERVERS_MAX; n++)
        list[n] = (struct local_server){.id = c->locals[n].id, .base_url = c->locals[n].base_url};
    if (n)
        a->look = local_look(a->parts.loop, list, n, on_found, a);
}

enum status agent_dismiss(struct agent *a, const char *call_id, struct cause *why) {
    if (a->interrupted == 0)
        return cause_set(why, STATUS_NOT_FOUND, "no interrupted run \"%.60s\" waits", call_id);
    store_tool_dismiss(a->parts.store, clock_wall_ms(), call_id);
    a->interrupted--;
    return STATUS_OK;
}
