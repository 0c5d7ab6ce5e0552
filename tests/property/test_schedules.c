/* Random schedules of an agent: messages, cancels, interrupts, abandoned commands, failing and
 * hanging models, restarts, in every order. The loop is inline and the clock virtual, so that a
 * seed is repeated exactly: SPACEBOT_SEED=N runs that one alone, with a trace of its steps.
 * SPACEBOT_SCHEDULES=N sets how many seeds are tried. */
#include <setjmp.h>
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
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"
#include "tests/lib/script_llm.h"

#define SCHEDULES 50
#define STEPS 60
#define CALLS_MAX 64

struct asked {
    struct world *w;
    unsigned slot;
};

struct world {
    uint64_t seed, rng;
    bool trace;
    char dir[64];
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
    struct map *started; /* process id -> itself: what began in this run of the engine */
    struct map *ended;   /* and what ended */
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
        fprintf(stderr, "seed %llu: ", (unsigned long long)(w)->seed);                             \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fprintf(stderr, "\nrun it alone with SPACEBOT_SEED=%llu\n",                                \
                (unsigned long long)(w)->seed);                                                    \
        abort();                                                                                   \
    } while (0)

#define STEP(w, ...)                                                                               \
    do {                                                                                           \
        if ((w)->trace) {                                                                          \
            fprintf(stderr, "%8.3f ", (double)clock_mono_ns() / 1e9);                              \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
        }                                                                                          \
    } while (0)

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

static char *spawn_block(struct world *w, const char *tool, const char *key) {
    return xasprintf("{\"type\":\"tool_use\",\"name\":\"%s\",\"input\":{\"%s\":\"task %lu\"}}",
                     tool, key, pick(w, 4) ? ++w->tasks : w->tasks);
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
        char *s = pick(w, 3) ? spawn_block(w, "spawn_worker", "task")
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
        "[{\"type\":\"tool_use\",\"name\":\"shell\",\"input\":{\"command\":\"true\"}}]"};
    return xstrdup(answers[pick(w, ARRAY_LEN(answers))]);
}

static char *branch_answer(struct world *w) {
    switch (pick(w, 4)) {
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
    switch (pick(w, 20)) {
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

static void hear(void *arg, const struct bus_event *e) {
    struct world *w = arg;
    bool begins = e->type == EVENT_WORKER_STARTED || e->type == EVENT_BRANCH_STARTED;
    bool ends = e->type == EVENT_WORKER_COMPLETE || e->type == EVENT_BRANCH_RESULT;
    if (map_get(w->ended, e->id))
        BROKEN(w, "%s speaks after its end: %s", e->id, event_type_name(e->type));
    if (begins && map_put(w->started, e->id, w))
        BROKEN(w, "%s began twice", e->id);
    if (ends && !map_get(w->started, e->id))
        BROKEN(w, "%s ended and never began", e->id);
    if (ends)
        map_put(w->ended, e->id, w);
}

/* --- the engine ---------------------------------------------------------------------------------
 */

static void nothing(void *arg) { (void)arg; }

static void start(struct world *w) {
    struct cause why = {""};
    const struct llm_config lc = {0};
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = w->home.dir, .required = true};
    w->loop = loop_new(LOOP_INLINE);
    w->jobs = job_pool_new(w->loop, 1, 64);
    w->spans = trace_new(64, 256);
    w->llm = llm_new(w->loop, &lc);
    w->started = map_new();
    w->ended = map_new();
    if (store_open(w->loop, w->home.db, &w->store, &why) != STATUS_OK ||
        sandbox_new(w->loop, &sc, nothing, NULL, &w->sandbox, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    while (!sandbox_ready(w->sandbox)) /* tries real processes; not part of the schedule */
        loop_turn(w->loop, 0);
    const struct agent_parts parts = {w->loop, w->jobs,    w->store,  w->spans,
                                      w->llm,  w->sandbox, w->config, &w->home};
    if (agent_new(&parts, &w->agent, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    w->listener = bus_listen(agent_bus(w->agent), hear, w);
}

static bool none(void *arg, const struct q_workers_unfinished_row *row) {
    BROKEN((struct world *)arg, "worker %s has no end in the store", row->id);
}

static void stop(struct world *w) {
    struct cause why = {""};
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        command_abandon(&w->calls[i]);
        w->open[i] = false;
    }
    bus_unlisten(&w->listener);
    agent_free(&w->agent);
    if (store_drain(w->store, 10 * NS_PER_SEC, &why) != STATUS_OK ||
        q_workers_unfinished(store_read(w->store), none, w, &why) != STATUS_OK ||
        store_close(&w->store, &why) != STATUS_OK)
        BROKEN(w, "%s", why.text);
    sandbox_free(&w->sandbox);
    if (llm_calls_open(w->llm))
        BROKEN(w, "%zu model calls are left", llm_calls_open(w->llm));
    llm_free(&w->llm);
    trace_free(&w->spans);
    job_pool_free(&w->jobs);
    child_shutdown();
    loop_free(&w->loop);
    map_free(&w->started);
    map_free(&w->ended);
}

/* --- steps --------------------------------------------------------------------------------------
 */

static void replied(void *arg, enum status st, cJSON *body, const char *why) {
    struct asked *a = arg;
    if (!a->w->open[a->slot])
        BROKEN(a->w, "command %u was answered twice", a->slot);
    STEP(a->w, "  answer %u: %s %s", a->slot, status_name(st), why);
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
    *a = (struct asked){w, slot};
    w->open[slot] = true;
    struct command_call *call = command_run(w->agent, c, o, replied, a);
    if (w->open[slot])
        w->calls[slot] = call;
    cJSON_Delete(o);
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

static void pass(struct world *w, int turns, int64_t wait) {
    for (int i = 0; i < turns; i++)
        loop_turn(w->loop, wait);
}

static void step(struct world *w) {
    char *args;
    struct process *p;
    switch (pick(w, 10)) {
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

static unsigned occurrences(const char *text, const char *part) {
    unsigned n = 0;
    for (const char *s = text; (s = strstr(s, part)); s++)
        n++;
    return n;
}

/* Each result is in its channel's history exactly once: none lost, none told twice. */
static void check_results(struct world *w) {
    size_t pos = 0;
    const char *id;
    while (map_next(w->ended, &pos, &id)) {
        struct process *p = process_find(agent_processes(w->agent), id);
        if (!p)
            continue;
        struct process *channel = channel_of_process(w->agent, p);
        char *h = llm_history_json(channel_history(channel));
        char *mark = xasprintf("<result process=\\\"%s\\\"", id);
        unsigned n = occurrences(h, mark);
        if (n != 1)
            BROKEN(w, "the result of %s is %u times in the history of %s", id, n, channel->id);
        x_free(&mark);
        x_free(&h);
    }
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

static void schedule(uint64_t seed, bool trace) {
    struct world w = {.seed = seed, .rng = seed * 0x9E3779B97F4A7C15u + 1, .trace = trace};
    struct cause why;
    struct script_chooser chooser = {choose, check_request, &w};
    /* In memory: what is tested is the order of things, not the disk. */
    strcpy(w.dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/test-schedules-XXXXXX"
                                                : "/tmp/test-schedules-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    w.home.dir = xasprintf("%s/home", w.dir);
    w.home.db = xasprintf("%s/home/spacebot.db", w.dir);
    w.home.workspace = xasprintf("%s/ws", w.dir);
    assert_int_equal(mkdir(w.home.dir, 0700), 0);
    assert_int_equal(mkdir(w.home.workspace, 0700), 0);
    char *conf = xasprintf("%s/none.conf", w.dir);
    assert_int_equal(config_load(conf, &w.config, &why), STATUS_OK);
    w.config->limits.workers = 4;
    w.config->limits.branches = 2;
    id_seed(seed);
    script_choose(&chooser);
    start(&w);
    for (int i = 0; i < STEPS; i++) {
        step(&w);
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
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (w.open[i])
            BROKEN(&w, "command %u was never answered", i);
    if (map_count(w.started) != map_count(w.ended))
        BROKEN(&w, "%zu began and %zu ended", map_count(w.started), map_count(w.ended));
    check_results(&w);
    stop(&w);
    script_choose(NULL);
    script_reset();
    config_free(&w.config);
    x_free(&conf);
    x_free(&w.home.dir);
    x_free(&w.home.db);
    x_free(&w.home.workspace);
    char *cmd = xasprintf("rm -rf %s", w.dir);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
}

static void random_schedules(void **state) {
    (void)state;
    const char *one = getenv("SPACEBOT_SEED"), *many = getenv("SPACEBOT_SCHEDULES");
    if (one) {
        schedule(strtoull(one, NULL, 10), true);
        return;
    }
    uint64_t n = many ? strtoull(many, NULL, 10) : SCHEDULES;
    for (uint64_t seed = 1; seed <= n; seed++)
        schedule(seed, false);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
