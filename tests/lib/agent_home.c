/* agent_home: see the header. */
#include "tests/lib/agent_home.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
    struct agent_home *h = arg;
    if (!event_type_is_delta(e->type) && e->type != EVENT_STATUS_UPDATE &&
        e->type != EVENT_PROCESS_TEXT)
        buf_printf(&h->events, "%s ", event_type_name(e->type));
}

static void nothing(void *arg) { (void)arg; }

static void start(struct agent_home *h) {
    struct cause why = {""};
    const struct llm_config lc = {0};
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = h->home.dir, .required = true};
    h->loop = loop_new(LOOP_INLINE);
    h->jobs = job_pool_new(h->loop, 1, 64);
    h->trace = trace_new(256, 256);
    h->llm = llm_new(h->loop, &lc);
    assert_int_equal(store_open(h->loop, h->home.db, &h->store, &why), STATUS_OK);
    assert_int_equal(sandbox_new(h->loop, &sc, nothing, NULL, &h->sandbox, &why), STATUS_OK);
    const struct agent_parts parts = {.loop = h->loop,
                                      .jobs = h->jobs,
                                      .store = h->store,
                                      .trace = h->trace,
                                      .llm = h->llm,
                                      .sandbox = h->sandbox,
                                      .config = h->config,
                                      .home = &h->home,
                                      .values = h->values};
    if (agent_new(&parts, &h->agent, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    h->listener = bus_listen(agent_bus(h->agent), hear, h);
}

/* What the crashed agent had not committed never was: its file is taken as it stands, and the rest
 * of it is let go so that no memory is lost. */
static void stop(struct agent_home *h, bool orderly) {
    struct cause why = {""};
    char *copy = xasprintf("%s/crashed.db", h->dir);
    if (!orderly) {
        char *cmd = xasprintf("cp %s %s && { test ! -f %s-wal || cp %s-wal %s-wal; }", h->home.db,
                              copy, h->home.db, h->home.db, copy);
        assert_int_equal(system(cmd), 0);
        x_free(&cmd);
    }
    bus_unlisten(&h->listener);
    agent_free(&h->agent);
    job_pool_free(&h->jobs); /* what it has to tell is stored, too */
    assert_int_equal(store_close(&h->store, &why), STATUS_OK);
    if (!orderly) {
        char *cmd = xasprintf("rm -f %s-wal %s-shm && mv %s %s && { test ! -f %s-wal || mv %s-wal "
                              "%s-wal; }",
                              h->home.db, h->home.db, copy, h->home.db, copy, copy, h->home.db);
        assert_int_equal(system(cmd), 0);
        x_free(&cmd);
    }
    x_free(&copy);
    sandbox_free(&h->sandbox);
    llm_free(&h->llm);
    trace_free(&h->trace);
    child_shutdown();
    loop_free(&h->loop);
}

void agent_home_restart(struct agent_home *h, bool orderly) {
    stop(h, orderly);
    start(h);
}

int agent_home_setup(void **state) {
    struct agent_home *h = xcalloc(1, sizeof *h);
    struct cause why;
    strcpy(h->dir, "/tmp/test-agent-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    h->home.dir = xasprintf("%s/home", h->dir);
    h->home.db = xasprintf("%s/home/spacebot.db", h->dir);
    h->home.workspace = xasprintf("%s/ws", h->dir);
    assert_int_equal(mkdir(h->home.dir, 0700), 0);
    assert_int_equal(mkdir(h->home.workspace, 0700), 0);
    char *conf = xasprintf("%s/none.conf", h->dir);
    assert_int_equal(config_load(conf, &h->config, &why), STATUS_OK);
    h->values = scrub_values_new();
    assert_true(scrub_values_add(h->values, "provider", AGENT_SECRET));
    x_free(&conf);
    start(h);
    *state = h;
    return 0;
}

int agent_home_teardown(void **state) {
    struct agent_home *h = *state;
    char *cmd = xasprintf("rm -rf %s", h->dir);
    stop(h, true);
    script_reset();
    config_free(&h->config);
    scrub_values_free(&h->values);
    buf_free(&h->events);
    x_free(&h->home.dir);
    x_free(&h->home.db);
    x_free(&h->home.workspace);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&h);
    return 0;
}

/* --- asking and looking -------------------------------------------------------------------------
 */

static void take(void *arg, enum status st, cJSON *body, const char *why) {
    struct agent_answer *a = arg;
    assert_false(a->given);
    *a = (struct agent_answer){true, st, body, xstrdup(why)};
}

void agent_answer_clear(struct agent_answer *a) {
    cJSON_Delete(a->body);
    x_free(&a->why);
    *a = (struct agent_answer){0};
}

struct command_call *agent_ask(struct agent_home *h, enum command c, struct agent_answer *a,
                               const char *args) {
    cJSON *o = NULL;
    struct cause why;
    assert_int_equal(json_parse(args, strlen(args), &o, &why), STATUS_OK);
    struct command_call *call = command_run(h->agent, c, o, take, a);
    cJSON_Delete(o);
    return call;
}

void agent_turns(struct agent_home *h, int n) {
    while (n-- > 0)
        loop_turn(h->loop, 0);
}

void agent_pass(struct agent_home *h, int64_t ms) {
    int64_t end = clock_mono_ns() + ms * NS_PER_MS;
    agent_turns(h, 20);
    while (clock_mono_ns() < end && loop_turn(h->loop, end - clock_mono_ns()))
        ;
    if (clock_mono_ns() < end)
        clock_advance(end - clock_mono_ns());
    agent_turns(h, 20);
}

void agent_settle(struct agent_home *h) {
    agent_turns(h, 3);
    for (int i = 0; i < 2000 && !agent_idle(h->agent); i++)
        loop_turn(h->loop, NS_PER_SEC * 40);
    assert_true(agent_idle(h->agent));
    agent_turns(h, 5); /* what was written last is stored */
}

void agent_exec(struct agent_home *h, struct agent_answer *a, const char *args) {
    *a = (struct agent_answer){0};
    agent_ask(h, COMMAND_EXEC, a, args);
    for (int i = 0; i < 5000 && !a->given; i++)
        loop_turn(h->loop, NS_PER_SEC * 40);
    assert_true(a->given);
}

void agent_say(struct agent_home *h, const char *channel, const char *sender, const char *text) {
    struct agent_answer a = {0};
    cJSON *o = json_new_obj();
    json_add_str(o, "channel", channel);
    json_add_str(o, "text", text);
    if (sender)
        json_add_str(o, "sender", sender);
    command_run(h->agent, COMMAND_SAY, o, take, &a);
    cJSON_Delete(o);
    for (int i = 0; i < 20 && !a.given; i++)
        loop_turn(h->loop, 0);
    assert_true(a.given);
    if (a.st != STATUS_OK)
        fail_msg("say: %s", a.why);
    agent_answer_clear(&a);
}

struct process *agent_process(struct agent_home *h, const char *id) {
    struct process *p = process_find(agent_processes(h->agent), id);
    assert_non_null(p);
    return p;
}

struct process *agent_only(struct agent_home *h, enum process_kind kind) {
    size_t pos = 0;
    struct process *found = NULL;
    for (struct process *p; (p = process_next(agent_processes(h->agent), &pos));)
        if (p->kind == kind) {
            assert_null(found);
            found = p;
        }
    assert_non_null(found);
    return found;
}

const char *agent_last_entry(struct agent_home *h, const char *id, enum journal_kind kind) {
    const struct journal_entry *e = journal_last(&agent_process(h, id)->journal, kind);
    return e ? buf_str(&e->text) : "";
}

void agent_expect_not_stored(struct agent_home *h, const char *text) {
    static const char *const ends[] = {"", "-wal"};
    size_t seen = 0;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char *path = xasprintf("%s%s", h->home.db, ends[i]), piece[65536];
        struct buf all = BUF_INIT;
        FILE *f = fopen(path, "r");
        x_free(&path);
        if (!f)
            continue;
        for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
            buf_append(&all, piece, n);
        fclose(f);
        seen += all.len;
        if (all.len && memmem(all.data, all.len, text, strlen(text)))
            fail_msg("\"%s\" is in the store", text);
        buf_free(&all);
    }
    assert_true(seen > 0);
}

void expect_in(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

void expect_not_in(const char *text, const char *part) {
    if (strstr(text, part))
        fail_msg("\"%s\" is in: %s", part, text);
}

unsigned count_in(const char *text, const char *part) {
    unsigned n = 0;
    for (const char *s = text; (s = strstr(s, part)); s++)
        n++;
    return n;
}
