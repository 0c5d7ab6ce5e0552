/* agent_fixture: an agent with scripted models, an inline loop, a real store in a directory of its
 * own, and what tests ask of it. For tests that link tests/lib/script_llm.c. */
#ifndef TESTS_AGENT_FIXTURE_H
#define TESTS_AGENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/command.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/script_llm.h"

#define CALL(name, input) "{\"type\":\"tool_use\",\"name\":\"" name "\",\"input\":" input "}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define REPLY(text) "[" CALL("reply", "{\"content\":\"" text "\"}") "]"
#define SPAWN(task) CALL("spawn_worker", "{\"task\":\"" task "\"}")
#define OUTCOME(text) "[" CALL("set_status", "{\"kind\":\"outcome\",\"status\":\"" text "\"}") "]"

struct fixture {
    char dir[64];
    char *conf;
    struct home home;
    struct config *config;
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *trace;
    struct llm *llm;
    struct sandbox *sandbox;
    struct agent *agent;
    struct bus_listener *listener;
    struct buf events; /* as JSON lines, without deltas */
};

static inline void fixture_hear(void *arg, const struct bus_event *e) {
    struct fixture *f = arg;
    if (event_type_is_delta(e->type))
        return;
    bus_event_json(e, &f->events);
    buf_putc(&f->events, '\n');
}

static inline void fixture_ready(void *arg) { (void)arg; }

/* The engine's part: what a restart takes apart and builds again. */
static inline void fixture_start(struct fixture *f) {
    struct cause why = {""};
    const struct llm_config lc = {0};
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = f->home.dir, .required = true};
    f->loop = loop_new(LOOP_INLINE);
    f->jobs = job_pool_new(f->loop, 1, 64);
    f->trace = trace_new(256, 256);
    f->llm = llm_new(f->loop, &lc);
    assert_int_equal(store_open(f->loop, f->home.db, &f->store, &why), STATUS_OK);
    assert_int_equal(sandbox_new(f->loop, &sc, fixture_ready, NULL, &f->sandbox, &why), STATUS_OK);
    const struct agent_parts parts = {f->loop,    f->jobs,   f->store, f->trace, f->llm,
                                      f->sandbox, f->config, &f->home, NULL,     NULL};
    if (agent_new(&parts, &f->agent, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    f->listener = bus_listen(agent_bus(f->agent), fixture_hear, f);
}

static inline void fixture_stop(struct fixture *f) {
    struct cause why = {""};
    bus_unlisten(&f->listener);
    agent_free(&f->agent);
    assert_int_equal(store_close(&f->store, &why), STATUS_OK);
    sandbox_free(&f->sandbox);
    llm_free(&f->llm);
    trace_free(&f->trace);
    job_pool_free(&f->jobs);
    child_shutdown();
    loop_free(&f->loop);
}

static inline void fixture_shell(const char *script, const char *dir) {
    char *cmd = xasprintf("cd %s && %s", dir, script);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
}

/* Another engine that finds the store as this one has it on disk now. */
static inline void fixture_crash(struct fixture *f) {
    fixture_shell("mkdir kept && cp home/spacebot.db* kept", f->dir);
    fixture_stop(f);
    fixture_shell("rm home/spacebot.db* && mv kept/* home && rmdir kept", f->dir);
    fixture_start(f);
}

static inline void fixture_configure(struct fixture *f, const char *text) {
    struct cause why = {""};
    FILE *file = fopen(f->conf, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    config_free(&f->config);
    if (config_load(f->conf, &f->config, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static inline int fixture_setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/test-agent-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->home.dir = xasprintf("%s/home", f->dir);
    f->home.db = xasprintf("%s/home/spacebot.db", f->dir);
    f->home.workspace = xasprintf("%s/ws", f->dir);
    f->conf = xasprintf("%s/spacebot.conf", f->dir);
    assert_int_equal(mkdir(f->home.dir, 0700), 0);
    assert_int_equal(mkdir(f->home.workspace, 0700), 0);
    fixture_configure(f, "");
    fixture_start(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state) {
    struct fixture *f = *state;
    char *cmd = xasprintf("rm -rf %s", f->dir);
    fixture_stop(f);
    script_reset();
    config_free(&f->config);
    buf_free(&f->events);
    x_free(&f->home.dir);
    x_free(&f->home.db);
    x_free(&f->home.workspace);
    x_free(&f->conf);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&f);
    return 0;
}

struct answer {
    bool given;
    enum status st;
    cJSON *body;
    char *why;
};

static inline void fixture_take(void *arg, enum status st, cJSON *body, const char *why) {
    struct answer *a = arg;
    assert_false(a->given);
    *a = (struct answer){true, st, body, xstrdup(why)};
}

static inline void answer_clear(struct answer *a) {
    cJSON_Delete(a->body);
    x_free(&a->why);
    *a = (struct answer){0};
}

static inline void turns(struct fixture *f, int n) {
    while (n-- > 0)
        loop_turn(f->loop, 0);
}

/* Asks, and waits until it is answered; no virtual time passes but what waits for nothing else. */
static inline void ask(struct fixture *f, enum command c, struct answer *a, const char *args) {
    cJSON *o = NULL;
    struct cause why;
    assert_int_equal(json_parse(args, strlen(args), &o, &why), STATUS_OK);
    *a = (struct answer){0};
    command_run(f->agent, c, o, fixture_take, a);
    cJSON_Delete(o);
    for (int i = 0; i < 50 && !a->given; i++)
        loop_turn(f->loop, 0);
    assert_true(a->given);
}

static inline void say(struct fixture *f, const char *channel, const char *text) {
    struct answer a;
    char *args = xasprintf("{\"channel\":\"%s\",\"text\":\"%s\"}", channel, text);
    ask(f, COMMAND_SAY, &a, args);
    assert_int_equal(a.st, STATUS_OK);
    answer_clear(&a);
    x_free(&args);
}

/* Until nothing is under way; virtual time passes as it must. */
static inline void settle(struct fixture *f) {
    turns(f, 3);
    for (int i = 0; i < 2000 && !agent_idle(f->agent); i++)
        loop_turn(f->loop, NS_PER_SEC * 40);
    assert_true(agent_idle(f->agent));
}

static inline struct process *named_process(struct fixture *f, const char *id) {
    struct process *p = process_find(agent_processes(f->agent), id);
    assert_non_null(p);
    return p;
}

static inline struct process *only_one(struct fixture *f, enum process_kind kind) {
    size_t pos = 0;
    struct process *found = NULL;
    for (struct process *p; (p = process_next(agent_processes(f->agent), &pos));)
        if (p->kind == kind) {
            assert_null(found);
            found = p;
        }
    assert_non_null(found);
    return found;
}

static inline void expect_in(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static inline void expect_not_in(const char *text, const char *part) {
    if (strstr(text, part))
        fail_msg("\"%s\" is in: %s", part, text);
}

static inline void put_file(const char *dir, const char *name, const char *text) {
    char *path = xasprintf("%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    x_free(&path);
}

/* The caller frees; NULL: not there. */
static inline char *get_file(const char *dir, const char *name) {
    char *path = xasprintf("%s/%s", dir, name), text[8192];
    FILE *file = fopen(path, "r");
    x_free(&path);
    if (!file)
        return NULL;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    return xstrndup(text, n);
}

#endif
