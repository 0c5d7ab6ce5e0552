/* Random schedules of an agent: messages, routes, cancels, interrupts, timeouts, abandoned
 * commands, limits, failing and hanging models and tools, restarts, in every order. The loop is
 * inline and the clock virtual, so that a seed is repeated exactly: one that fails prints the trace
 * of its steps, and SPACEBOT_SEED=N runs it alone. SPACEBOT_SCHEDULES=N sets how many seeds are
 * tried. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/command.h"
#include "agent/delegate.h"
#include "agent/worker.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"
#include "tests/lib/script_llm.h"
#include "tests/lib/script_shell.h"

#define SCHEDULES 200
#define STEPS 60
#define CALLS_MAX 64
#define SEEN_MAX 512
#define TRACE_MAX (256u * 1024)

struct asked {
    struct world *w;
    unsigned slot;
    enum command command;
};

/* What is known of a process from what was told outward. */
struct known {
    unsigned results; /* that its channel must have been told: first ones and the end */
    bool ended;
    enum process_outcome outcome;
};

/* A handle and whose it was. */
struct seen {
    struct process_handle handle;
    char *id;
};

struct world {
    uint64_t seed, rng;
    struct buf trace;
    struct home home;
    struct config *config;
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *spans;
    struct llm *llm;
    struct sandbox *sandbox;
    struct agent *agent;
    struct bus_listener *listener;
    struct map *known; /* process id -> struct known: of this run of the engine */
    struct seen seen[SEEN_MAX];
    size_t nseen;
    bool calm; /* models answer at once and well */
    struct command_call *calls[CALLS_MAX];
    struct asked asked[CALLS_MAX];
    bool open[CALLS_MAX]; /* asked and not answered */
    unsigned given;
    unsigned long models, tasks;
};

static unsigned pick(struct world *w, unsigned n) {
    w->rng ^= w->rng << 13;
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return (unsigned)((w->rng >> 11) % n);
}

#define BROKEN(w, ...)                                                                             \
    do {                                                                                           \
        STEP(w, "BROKEN: " __VA_ARGS__);                                                           \
        abort();                                                                                   \
    } while (0)

#define STEP(w, ...)                                                                               \
    do {                                                                                           \
        if ((w)->trace.len < TRACE_MAX) {                                                          \
            buf_printf(&(w)->trace, "%10.3f ", (double)clock_mono_ns() / 1e9);                     \
            buf_printf(&(w)->trace, __VA_ARGS__);                                                  \
            buf_putc(&(w)->trace, '\n');                                                           \
        }                                                                                          \
    } while (0)

/* Whatever ends a schedule in the middle, an assertion of the program included, says how to get
 * there again. */
static struct world *under_way;

static void on_abort(int sig) {
    (void)sig;
    const struct world *w = under_way;
    if (!w)
        return;
    fputs(buf_str(&w->trace), stderr);
    fprintf(stderr, "seed %llu failed: run it alone with SPACEBOT_SEED=%llu\n",
            (unsigned long long)w->seed, (unsigned long long)w->seed);
}

/* --- what models are sent and what they answer --------------------------------------------------
 */

static bool answered(const struct llm_message *next, const char *id) {
    unsigned n = 0;
    for (size_t i = 0; next && i < next->n; i++)
        n += next->blocks[i].kind == LLM_BLOCK_TOOL_RESULT && str_eq(next->blocks[i].id, id);
    return n == 1;
}

static bool called(const struct llm_message *before, const char *id) {
    unsigned n = 0;
    for (size_t i = 0; before && i < before->n; i++)
        n += before->blocks[i].kind == LLM_BLOCK_TOOL_USE && str_eq(before->blocks[i].id, id);
    return n == 1;
}

/* No tool call without its result right behind it, no result without its call, the person speaks
 * first and last. */
static void check_request(void *arg, enum script_who who, const struct llm_request *r) {
    struct world *w = arg;
    const struct llm_history *h = r->history;
    (void)who;
    if (h->n == 0 || h->v[h->n - 1].role != LLM_ROLE_USER)
        BROKEN(w, "a request does not end with a user's message");
    for (size_t i = 0; i < h->n; i++) {
        const struct llm_message *m = &h->v[i];
        for (size_t k = 0; k < m->n; k++) {
            const struct llm_block *b = &m->blocks[k];
            if (b->kind == LLM_BLOCK_TOOL_USE &&
                !answered(i + 1 < h->n ? &h->v[i + 1] : NULL, b->id))
                BROKEN(w, "call %s of %s has no result", b->id, b->name);
            if (b->kind == LLM_BLOCK_TOOL_RESULT && !called(i ? &h->v[i - 1] : NULL, b->id))
                BROKEN(w, "result %s has no call", b->id);
        }
    }
}

static struct process *any_process(struct world *w) {
    size_t pos = 0, n = 0;
    while (process_next(agent_processes(w->agent), &pos))
        n++;
    if (n == 0)
        return NULL;
    size_t k = pick(w, (unsigned)n);
    pos = 0;
    struct process *p = NULL;
    do
        p = process_next(agent_processes(w->agent), &pos);
    while (k--);
    return p;
}

static char *spawn_block(struct world *w, const char *tool, const char *key) {
    bool interactive = str_eq(tool, "spawn_worker") && pick(w, 3) == 0;
    return xasprintf("{\"type\":\"tool_use\",\"name\":\"%s\",\"input\":{\"%s\":\"task %lu\"%s}}",
                     tool, key, pick(w, 4) ? ++w->tasks : w->tasks,
                     interactive ? ",\"interactive\":true" : "");
}

/* To a process of whichever kind and channel: most must be refused. */
static char *process_block(struct world *w) {
    const struct process *p = any_process(w);
    if (pick(w, 2))
        return xasprintf("{\"type\":\"tool_use\",\"name\":\"route\",\"input\":{\"worker_id\":"
                         "\"%s\",\"message\":\"go on\",\"end\":%s}}",
                         p ? p->id : "nobody", pick(w, 3) ? "false" : "true");
    return xasprintf("{\"type\":\"tool_use\",\"name\":\"cancel\",\"input\":{\"process_type\":"
                     "\"%s\",\"process_id\":\"%s\"}}",
                     pick(w, 4) ? "worker" : "branch", p ? p->id : "nobody");
}

static char *channel_answer(struct world *w) {
    static const char *const plain[] = {
        "[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{\"content\":\"said\"}}]",
        "[{\"type\":\"text\",\"text\":\"said plainly\"}]",
        "[{\"type\":\"tool_use\",\"name\":\"skip\",\"input\":{}}]",
        "[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{}}]",
        ("[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{\"content\":\"a\"}},"
         "{\"type\":\"tool_use\",\"name\":\"skip\",\"input\":{}}]"),
        "[]"};
    unsigned n = pick(w, 12);
    if (n < ARRAY_LEN(plain))
        return xstrdup(plain[n]);
    struct buf b = BUF_INIT;
    buf_puts(&b, "[{\"type\":\"text\",\"text\":\"let me see\"}");
    for (unsigned i = 0, count = 1 + pick(w, 3); i < count; i++) {
        char *s = pick(w, 4) == 0 ? process_block(w)
                  : pick(w, 3)    ? spawn_block(w, "spawn_worker", "task")
                                  : spawn_block(w, "branch", "description");
        buf_printf(&b, ",%s", s);
        x_free(&s);
    }
    if (pick(w, 3) == 0)
        buf_puts(
            &b,
            ",{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{\"content\":\"under way\"}}");
    buf_putc(&b, ']');
    return buf_steal(&b);
}

static char *worker_answer(struct world *w) {
    static const char *const answers[] = {
        "[{\"type\":\"tool_use\",\"name\":\"set_status\",\"input\":{\"kind\":\"outcome\","
        "\"status\":\"done\"}}]",
        "[{\"type\":\"tool_use\",\"name\":\"set_status\",\"input\":{\"status\":\"at it\"}}]",
        "[{\"type\":\"text\",\"text\":\"words\"}]",
        "[]",
        "[{\"type\":\"tool_use\",\"name\":\"file_list\",\"input\":{}}]",
        "[{\"type\":\"tool_use\",\"name\":\"file_write\",\"input\":{\"path\":\"f\",\"content\":"
        "\"x\"}}]",
        "[{\"type\":\"tool_use\",\"name\":\"file_read\",\"input\":{\"path\":\"f\"}},"
        "{\"type\":\"tool_use\",\"name\":\"nothing\",\"input\":{}}]",
        "[{\"type\":\"text\",\"text\":\"so far\"},"
        "{\"type\":\"tool_use\",\"name\":\"shell\",\"input\":{\"command\":\"say x\"}}]"};
    static const char *const commands[] = {"say y", "fail z",      "long half",
                                           "never", "after 300 a", "after 20000 b"};
    unsigned n = pick(w, ARRAY_LEN(answers) + 3);
    if (n < ARRAY_LEN(answers))
        return xstrdup(answers[n]);
    return xasprintf("[{\"type\":\"tool_use\",\"name\":\"shell\",\"input\":{\"command\":\"%s\"}},"
                     "{\"type\":\"tool_use\",\"name\":\"file_list\",\"input\":{}}]",
                     commands[pick(w, ARRAY_LEN(commands))]);
}

static char *branch_answer(struct world *w) {
    switch (pick(w, 5)) {
    case 4:
        return xstrdup("[{\"type\":\"tool_use\",\"name\":\"worker_inspect\",\"input\":{}}]");
    case 0: {
        char *s = spawn_block(w, "spawn_worker", "task");
        char *text = xasprintf("[%s]", s);
        x_free(&s);
        return text;
    }
    case 1:
        return xstrdup("[]");
    case 2:
        return xstrdup("[{\"type\":\"tool_use\",\"name\":\"file_list\",\"input\":{}}]");
    default:
        return xstrdup("[{\"type\":\"text\",\"text\":\"concluded\"}]");
    }
}

static char *choose(void *arg, enum script_who who, enum llm_fault *fault) {
    struct world *w = arg;
    w->models++;
    if (w->calm)
        return xstrdup(
            who == SCRIPT_CHANNEL
                ? "[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{\"content\":\"calm\"}}]"
                : "[{\"type\":\"text\",\"text\":\"calm\"}]");
    switch (pick(w, 20)) {
    case 3:
        *fault = LLM_FAULT_OVERFLOW;
        return NULL;
    case 0:
        *fault = LLM_FAULT_OVERLOADED;
        return NULL;
    case 1:
        *fault = LLM_FAULT_AUTH;
        return NULL;
    case 2:
        return xstrdup(""); /* hangs */
    default:
        break;
    }
    switch (who) {
    case SCRIPT_CHANNEL:
        return channel_answer(w);
    case SCRIPT_WORKER:
        return worker_answer(w);
    case SCRIPT_BRANCH:
        return branch_answer(w);
    }
    return NULL;
}

/* --- what is told outward -----------------------------------------------------------------------
 */

static struct known *known(struct world *w, const char *id) { return map_get(w->known, id); }

static const char *field(const struct bus_event *e, const char *key) {
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->fields[i].key, key))
            return e->fields[i].str;
    return NULL;
}

static bool flag(const struct bus_event *e, const char *key) {
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->fields[i].key, key))
            return e->fields[i].i64 != 0;
    return false;
}

static void hear(void *arg, const struct bus_event *e) {
    struct world *w = arg;
    bool begins = e->type == EVENT_WORKER_STARTED || e->type == EVENT_BRANCH_STARTED;
    bool ends = e->type == EVENT_WORKER_COMPLETE || e->type == EVENT_BRANCH_RESULT;
    struct known *k = known(w, e->id);
    if (!event_type_is_delta(e->type) && e->type != EVENT_STATUS_UPDATE)
        STEP(w, "  %s %s", e->id, event_type_name(e->type));
    if (k && k->ended)
        BROKEN(w, "%s speaks after its end: %s", e->id, event_type_name(e->type));
    if (begins && k)
        BROKEN(w, "%s began twice", e->id);
    if (begins)
        map_put(w->known, e->id, xcalloc(1, sizeof(struct known)));
    if (ends && !k)
        BROKEN(w, "%s ended and never began", e->id);
    if (e->type == EVENT_WORKER_INITIAL_RESULT && k)
        k->results++;
    if (!ends || !k)
        return;
    k->ended = true;
    k->results += e->type == EVENT_BRANCH_RESULT || flag(e, "notify");
    const char *outcome = field(e, "outcome_kind");
    if (outcome && process_outcome_from_string(outcome, &k->outcome) != STATUS_OK)
        BROKEN(w, "%s ended as %s", e->id, outcome);
}

/* --- the engine ---------------------------------------------------------------------------------
 */

static void nothing(void *arg) { (void)arg; }

static unsigned occurrences(const char *text, const char *part) {
    unsigned n = 0;
    for (const char *s = text; (s = strstr(s, part)); s++)
        n++;
    return n;
}

/* How often a result of that process stands in its channel's history. */
static unsigned results_in_history(struct world *w, const struct process *p) {
    char *h = llm_history_json(channel_history(channel_of_process(w->agent, p)));
    char *mark = xasprintf("<result process=\\\"%s\\\"", p->id);
    unsigned n = occurrences(h, mark);
    x_free(&mark);
    x_free(&h);
    return n;
}

struct to_tell {
    const char *id;
    unsigned n;
};

static bool count_to_tell(void *arg, const struct q_results_pending_row *row) {
    struct to_tell *t = arg;
    t->n += str_eq(row->process_id, t->id);
    return true;
}

/* Those that wait since an earlier run are known as well: what of theirs stands in the
 * conversation, and what is still to be told. */
static void know_waiting(struct world *w) {
    size_t pos = 0;
    struct cause why;
    for (const struct process *p; (p = process_next(agent_processes(w->agent), &pos));) {
        if (p->kind != PROCESS_WORKER || !p->body)
            continue;
        struct known *k = xcalloc(1, sizeof *k);
        struct to_tell t = {.id = p->id};
        if (q_results_pending(store_read(w->store), p->channel, count_to_tell, &t, &why) !=
            STATUS_OK)
            BROKEN(w, "%s", why.text);
        k->results = results_in_history(w, p) + t.n;
        map_put(w->known, p->id, k);
    }
}

static void start(struct world *w) {
    struct cause why = {""};
    const struct llm_config lc = {0};
    w->spans = trace_new(64, 256);
    w->llm = llm_new(w->loop, &lc);
    w->known = map_new();
    if (store_open(w->loop, w->home.db, &w->store, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    const struct agent_parts parts = {w->loop, w->jobs,    w->store,  w->spans,
                                      w->llm,  w->sandbox, w->config, &w->home, NULL};
    if (agent_new(&parts, &w->agent, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    know_waiting(w);
    w->listener = bus_listen(agent_bus(w->agent), hear, w);
}

/* Whoever has no end in the store waits to be written to. */
static bool unfinished(void *arg, const struct q_workers_unfinished_row *row) {
    BROKEN((struct world *)arg, "worker %s is left %s in the store", row->id, row->lifecycle);
}

static bool one_end(void *arg, const struct q_workers_recent_row *row) {
    struct world *w = arg;
    struct q_worker_row full;
    struct cause why;
    char *id = xasprintf("worker:%s", row->id);
    const struct known *k = known(w, id);
    if (q_worker(store_read(w->store), row->id, &full, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    if (full.outcome_kind && full.outcome_version != 1)
        BROKEN(w, "%s has %d ends", id, (int)full.outcome_version);
    if (k && k->ended && !str_eq(full.outcome_kind, process_outcome_name(k->outcome)))
        BROKEN(w, "%s ended as %s, and is stored as %s", id, process_outcome_name(k->outcome),
               full.outcome_kind ? full.outcome_kind : full.lifecycle);
    q_worker_free(&full);
    x_free(&id);
    return true;
}

static void forget(struct world *w) {
    size_t pos = 0;
    for (struct known *k; (k = map_next(w->known, &pos, NULL));)
        x_free(&k);
    map_free(&w->known);
    for (size_t i = 0; i < w->nseen; i++)
        x_free(&w->seen[i].id);
    w->nseen = 0;
}

static void stop(struct world *w) {
    struct cause why = {""};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        command_abandon(&w->calls[i]);
        w->open[i] = false;
    }
    bus_unlisten(&w->listener);
    agent_free(&w->agent);
    if (script_shell_running())
        BROKEN(w, "%zu commands still run", script_shell_running());
    if (store_drain(w->store, 10 * NS_PER_SEC, &why) != STATUS_OK ||
        q_workers_unfinished(store_read(w->store), unfinished, w, &why) != STATUS_OK ||
        q_workers_recent(store_read(w->store), NULL, 1000, one_end, w, &why) != STATUS_OK ||
        store_close(&w->store, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    if (llm_calls_open(w->llm))
        BROKEN(w, "%zu model calls are left", llm_calls_open(w->llm));
    llm_free(&w->llm);
    trace_free(&w->spans);
    forget(w);
}

/* --- steps --------------------------------------------------------------------------------------
 */

static void replied(void *arg, enum status st, cJSON *body, const char *why) {
    struct asked *a = arg;
    if (!a->w->open[a->slot])
        BROKEN(a->w, "command %u was answered twice", a->slot);
    STEP(a->w, "  answer %u: %s %s", a->slot, status_name(st), why);
    /* A channel takes a message at any moment; only its full queue refuses one. */
    if (a->command == COMMAND_SAY && st != STATUS_OK && st != STATUS_LIMIT)
        BROKEN(a->w, "a message was refused: %s", why);
    a->w->open[a->slot] = false;
    a->w->calls[a->slot] = NULL;
    cJSON_Delete(body);
}

static void ask(struct world *w, enum command c, const char *args) {
    unsigned slot = w->given++ % CALLS_MAX;
    if (w->open[slot])
        return;
    cJSON *o = NULL;
    if (json_parse(args, strlen(args), &o, NULL) != STATUS_OK)
        BROKEN(w, "bad arguments %s", args);
    STEP(w, "ask %u: %d %s", slot, (int)c, args);
    struct asked *a = &w->asked[slot];
    *a = (struct asked){w, slot, c};
    w->open[slot] = true;
    struct command_call *call = command_run(w->agent, c, o, replied, a);
    if (w->open[slot])
        w->calls[slot] = call;
    cJSON_Delete(o);
}

/* A handle leads to the process it was taken from, or nowhere. */
static void check_handles(struct world *w) {
    const struct process_table *t = agent_processes(w->agent);
    size_t pos = 0;
    for (size_t i = 0; i < w->nseen; i++) {
        const struct process *p = process_get(t, w->seen[i].handle);
        if (p && !str_eq(p->id, w->seen[i].id))
            BROKEN(w, "a handle of %s leads to %s", w->seen[i].id, p->id);
    }
    for (const struct process *p; (p = process_next(t, &pos));) {
        bool old = false;
        for (size_t i = 0; i < w->nseen && !old; i++)
            old = str_eq(w->seen[i].id, p->id);
        if (!old && w->nseen < SEEN_MAX)
            w->seen[w->nseen++] = (struct seen){p->handle, xstrdup(p->id)};
    }
}

static void pass(struct world *w, int turns, int64_t wait) {
    for (int i = 0; i < turns; i++)
        loop_turn(w->loop, wait);
}

static void step(struct world *w) {
    char *args;
    struct process *p;
    switch (pick(w, 13)) {
    case 10:
    case 11:
        if ((p = any_process(w))) {
            args = xasprintf("{\"process\":\"%s\",\"text\":\"route %u\",\"end\":%s}", p->id,
                             w->given, pick(w, 4) ? "false" : "true");
            ask(w, COMMAND_ROUTE, args);
            x_free(&args);
        }
        break;
    case 12:
        STEP(w, "pass 15 min");
        pass(w, 10, NS_PER_SEC * 180);
        break;
    case 0:
    case 1:
    case 2:
        args = xasprintf("{\"channel\":\"c%u\",\"text\":\"message %u\"}", pick(w, 3), w->given);
        ask(w, COMMAND_SAY, args);
        x_free(&args);
        break;
    case 3:
        args = xasprintf("{\"channel\":\"c%u\",\"text\":\"exec %u\"}", pick(w, 3), w->given);
        ask(w, COMMAND_EXEC, args);
        x_free(&args);
        break;
    case 4:
    case 5:
        if ((p = any_process(w))) {
            args = xasprintf("{\"process\":\"%s\"}", p->id);
            ask(w, pick(w, 2) ? COMMAND_CANCEL : COMMAND_INTERRUPT, args);
            x_free(&args);
        }
        break;
    case 6: {
        unsigned slot = pick(w, CALLS_MAX);
        if (w->open[slot] && w->calls[slot]) {
            STEP(w, "abandon %u", slot);
            command_abandon(&w->calls[slot]);
            w->open[slot] = false; /* an answer now would break the schedule */
        }
        break;
    }
    case 7:
        STEP(w, "pass 2 s");
        pass(w, 30, NS_PER_SEC * 2);
        break;
    default:
        pass(w, (int)pick(w, 6), NS_PER_MS * (int64_t)pick(w, 400));
        break;
    }
}

/* Each result is in its channel's history exactly once: none lost, none told twice. */
static void check_results(struct world *w) {
    size_t pos = 0;
    const char *id;
    for (const struct known *k; (k = map_next(w->known, &pos, &id));) {
        struct process *p = process_find(agent_processes(w->agent), id);
        if (!p)
            continue;
        unsigned n = results_in_history(w, p);
        if (n != k->results)
            BROKEN(w, "%u results of %s are in its channel's history, not %u", n, id, k->results);
        if (!k->ended && !(p->kind == PROCESS_WORKER && worker_waits(p)))
            BROKEN(w, "%s has neither ended nor waits", id);
    }
}

/* Whatever has happened, a message is answered. */
static void check_answers(struct world *w) {
    w->calm = true;
    for (unsigned i = 0; i < 3; i++) {
        char *id = xasprintf("channel:c%u", i);
        const struct process *p = process_find(agent_processes(w->agent), id);
        uint64_t before = p ? p->journal.next_seq : 0;
        char *args = xasprintf("{\"channel\":\"c%u\",\"text\":\"still there?\"}", i);
        w->given = i; /* all slots are free */
        ask(w, COMMAND_SAY, args);
        for (int n = 0; n < 200 && !agent_idle(w->agent); n++)
            loop_turn(w->loop, NS_PER_SEC);
        p = process_find(agent_processes(w->agent), id);
        const struct journal_entry *e = p ? journal_last(&p->journal, JOURNAL_REPLY) : NULL;
        if (!e || e->seq < before || !str_eq(buf_str(&e->text), "calm"))
            BROKEN(w, "%s does not answer any more", id);
        x_free(&args);
        x_free(&id);
    }
    w->calm = false;
}

static void settle(struct world *w) {
    for (int i = 0; i < 20000 && !agent_idle(w->agent); i++)
        loop_turn(w->loop, NS_PER_SEC * 3600);
    if (!agent_idle(w->agent)) {
        /* Only a channel's model call may hang for ever here: the real client ends it by its
         * silence limit. */
        size_t pos = 0;
        for (struct process *p; (p = process_next(agent_processes(w->agent), &pos));)
            if (p->kind == PROCESS_CHANNEL || p->kind == PROCESS_BRANCH)
                agent_cancel(w->agent, p, "silent for too long");
    }
}

/* One loop and one sandbox for all schedules: trying out how to contain commands takes real
 * processes, and is not part of any. */
static struct world common;

static void clean(void) {
    static const char *const left[] = {"home/spacebot.db", "home/spacebot.db-wal",
                                       "home/spacebot.db-shm", "ws/f"};
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        char *path = xasprintf("%.*s%s", (int)(strlen(common.home.dir) - strlen("home")),
                               common.home.dir, left[i]);
        unlink(path);
        x_free(&path);
    }
}

static void schedule(uint64_t seed) {
    struct world w = common;
    w.seed = seed;
    w.rng = seed * 0x9E3779B97F4A7C15u + 1;
    struct script_chooser chooser = {choose, check_request, &w};
    clock_set_virtual(INT64_C(1796000000000));
    under_way = &w;
    id_seed(seed);
    script_choose(&chooser);
    w.config->limits.workers = 4;
    w.config->limits.branches = 2;
    w.config->limits.worker_turns = 5 + pick(&w, 30);
    w.config->limits.worker_tokens = pick(&w, 3) ? 0 : 110 * pick(&w, 20);
    w.config->limits.context_window = pick(&w, 3) ? 128000 : 1000;
    w.config->limits.branch_wall_secs = pick(&w, 3) ? 0 : 60;
    start(&w);
    for (int i = 0; i < STEPS; i++) {
        step(&w);
        check_handles(&w);
        if (pick(&w, 60) == 0) {
            STEP(&w, "restart");
            stop(&w);
            start(&w);
        }
    }
    for (int i = 0; i < 40 && !agent_idle(w.agent); i++)
        settle(&w);
    pass(&w, 5, 0); /* what was written last is stored and answered */
    if (!agent_idle(w.agent))
        BROKEN(&w, "it never settles");
    if (script_shell_running())
        BROKEN(&w, "%zu commands still run", script_shell_running());
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (w.open[i])
            BROKEN(&w, "command %u was never answered", i);
    check_results(&w);
    check_answers(&w);
    check_handles(&w);
    stop(&w);
    under_way = NULL;
    script_choose(NULL);
    script_reset();
    buf_free(&w.trace);
    clean();
}

static void random_schedules(void **state) {
    (void)state;
    const char *one = getenv("SPACEBOT_SEED"), *many = getenv("SPACEBOT_SCHEDULES");
    uint64_t n = many ? strtoull(many, NULL, 10) : SCHEDULES;
    if (one) {
        schedule(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= n; seed++)
        schedule(seed);
}

static int setup(void **state) {
    struct cause why = {""};
    static char dir[64];
    (void)state;
    /* In memory: what is tested is the order of things, not the disk. */
    strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/test-schedules-XXXXXX"
                                              : "/tmp/test-schedules-XXXXXX");
    assert_non_null(mkdtemp(dir));
    common.home.dir = xasprintf("%s/home", dir);
    common.home.db = xasprintf("%s/home/spacebot.db", dir);
    common.home.workspace = xasprintf("%s/ws", dir);
    assert_int_equal(mkdir(common.home.dir, 0700), 0);
    assert_int_equal(mkdir(common.home.workspace, 0700), 0);
    char *conf = xasprintf("%s/none.conf", dir);
    assert_int_equal(config_load(conf, &common.config, &why), STATUS_OK);
    x_free(&conf);
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = common.home.dir, .required = true};
    common.loop = loop_new(LOOP_INLINE);
    common.jobs = job_pool_new(common.loop, 1, 64);
    assert_int_equal(sandbox_new(common.loop, &sc, nothing, NULL, &common.sandbox, &why),
                     STATUS_OK);
    while (!sandbox_ready(common.sandbox))
        loop_turn(common.loop, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sandbox_free(&common.sandbox);
    job_pool_free(&common.jobs);
    child_shutdown();
    loop_free(&common.loop);
    config_free(&common.config);
    rmdir(common.home.workspace);
    char *cmd =
        xasprintf("rm -rf %.*s", (int)(strlen(common.home.dir) - strlen("/home")), common.home.dir);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&common.home.dir);
    x_free(&common.home.db);
    x_free(&common.home.workspace);
    return 0;
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    log_set_level(LOG_ERROR);
    signal(SIGABRT, on_abort);
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_schedules)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
