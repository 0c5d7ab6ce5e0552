/* scripted: see the header. */
#include "tests/lib/scripted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"

static void hear(void *arg, const struct bus_event *e) {
    struct scripted_home *f = arg;
    if (!event_type_is_delta(e->type) && e->type != EVENT_STATUS_UPDATE &&
        e->type != EVENT_PROCESS_TEXT)
        buf_printf(&f->events, "%s ", event_type_name(e->type));
}

static void nothing(void *arg) { (void)arg; }

static void start(struct scripted_home *f) {
    struct cause why = {""};
    const struct llm_config lc = {0};
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = f->home.dir, .required = true};
    f->loop = loop_new(LOOP_INLINE);
    f->jobs = job_pool_new(f->loop, 1, 64);
    f->trace = trace_new(256, 256);
    f->llm = llm_new(f->loop, &lc);
    assert_int_equal(store_open(f->loop, f->home.db, &f->store, &why), STATUS_OK);
    assert_int_equal(sandbox_new(f->loop, &sc, nothing, NULL, &f->sandbox, &why), STATUS_OK);
    const struct agent_parts parts = {f->loop,    f->jobs,   f->store, f->trace, f->llm,
                                      f->sandbox, f->config, &f->home, NULL,     NULL};
    if (agent_new(&parts, &f->agent, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    f->listener = bus_listen(agent_bus(f->agent), hear, f);
}

static void stop(struct scripted_home *f) {
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

void scripted_restart(struct scripted_home *f) {
    stop(f);
    start(f);
}

int scripted_setup(void **state) {
    struct scripted_home *f = xcalloc(1, sizeof *f);
    struct cause why;
    strcpy(f->dir, "/tmp/test-scripted-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->home.dir = xasprintf("%s/home", f->dir);
    f->home.db = xasprintf("%s/home/spacebot.db", f->dir);
    f->home.workspace = xasprintf("%s/ws", f->dir);
    assert_int_equal(mkdir(f->home.dir, 0700), 0);
    assert_int_equal(mkdir(f->home.workspace, 0700), 0);
    char *conf = xasprintf("%s/none.conf", f->dir);
    assert_int_equal(config_load(conf, &f->config, &why), STATUS_OK);
    x_free(&conf);
    start(f);
    *state = f;
    return 0;
}

int scripted_teardown(void **state) {
    struct scripted_home *f = *state;
    char *cmd = xasprintf("rm -rf %s", f->dir);
    stop(f);
    script_reset();
    config_free(&f->config);
    buf_free(&f->events);
    x_free(&f->home.dir);
    x_free(&f->home.db);
    x_free(&f->home.workspace);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&f);
    return 0;
}

/* --- asking and looking -------------------------------------------------------------------------
 */

static void take(void *arg, enum status st, cJSON *body, const char *why) {
    struct scripted_answer *a = arg;
    assert_false(a->given);
    *a = (struct scripted_answer){true, st, body, xstrdup(why)};
}

void scripted_clear(struct scripted_answer *a) {
    cJSON_Delete(a->body);
    x_free(&a->why);
    *a = (struct scripted_answer){0};
}

struct command_call *scripted_ask(struct scripted_home *f, enum command c,
                                  struct scripted_answer *a, const char *args) {
    cJSON *o = NULL;
    struct cause why;
    *a = (struct scripted_answer){0};
    assert_int_equal(json_parse(args, strlen(args), &o, &why), STATUS_OK);
    struct command_call *call = command_run(f->agent, c, o, take, a);
    cJSON_Delete(o);
    return call;
}

enum status scripted_do(struct scripted_home *f, enum command c, const char *args) {
    struct scripted_answer a;
    assert_null(scripted_ask(f, c, &a, args));
    enum status st = a.st;
    assert_true(a.given);
    scripted_clear(&a);
    return st;
}

void scripted_exec(struct scripted_home *f, struct scripted_answer *a, const char *args) {
    scripted_ask(f, COMMAND_EXEC, a, args);
    for (int i = 0; i < 5000 && !a->given; i++)
        loop_turn(f->loop, NS_PER_SEC * 40);
    assert_true(a->given);
}

void scripted_say(struct scripted_home *f, const char *text) {
    struct scripted_answer a;
    char *args = xasprintf("{\"channel\":\"c1\",\"text\":\"%s\"}", text);
    scripted_ask(f, COMMAND_SAY, &a, args);
    for (int i = 0; i < 100 && !a.given; i++)
        loop_turn(f->loop, 0);
    assert_true(a.given);
    assert_int_equal(a.st, STATUS_OK);
    scripted_clear(&a);
    x_free(&args);
}

void scripted_turns(struct scripted_home *f, int n, int64_t ms) {
    while (n-- > 0)
        loop_turn(f->loop, ms * NS_PER_MS);
}

void scripted_settle(struct scripted_home *f) {
    scripted_turns(f, 3, 0);
    for (int i = 0; i < 5000 && !agent_idle(f->agent); i++)
        loop_turn(f->loop, NS_PER_SEC * 40);
    assert_true(agent_idle(f->agent));
}

struct process *scripted_only(struct scripted_home *f, enum process_kind kind) {
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

void scripted_expect(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

unsigned scripted_count(const char *text, const char *part) {
    unsigned n = 0;
    for (const char *s = text; (s = strstr(s, part)); s++)
        n++;
    return n;
}
