/* What a subscriber that was too slow is told out of the store: the very events that it would have
 * heard, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/missed.h"
#include "agent/ring.h"
#include "agent/worker.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/agent_home.h"

#define BRANCH_OF(text) CALL("branch", "{\"description\":\"" text "\"}")
#define STATUS(text) CALL("set_status", "{\"status\":\"" text "\"}")

struct heard {
    struct strv live, late; /* events as JSON */
    struct ring *ring;
};

static void hear(void *arg, const struct bus_event *e) {
    struct heard *h = arg;
    struct buf json = BUF_INIT;
    bus_event_json(e, &json);
    ring_push(h->ring, e);
    strv_push(&h->live, buf_str(&json));
    buf_free(&json);
}

static void catch_up(void *arg, const struct bus_event *e) {
    struct heard *h = arg;
    struct buf json = BUF_INIT;
    bus_event_json(e, &json);
    strv_push(&h->late, buf_str(&json));
    buf_free(&json);
}

/* Those of which nothing is kept, or that are told by what follows them. */
static bool is_kept(const cJSON *e) {
    static const char *const others[] = {"text_delta",       "reasoning_delta", "tool_output",
                                         "status_update",    "worker_idle",     "request_ended",
                                         "settings_updated", "working_memory"};
    const char *type = json_str(e, "type", "");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_eq(type, others[i]))
            return false;
    return !str_eq(type, "worker_status") || str_eq(json_str(e, "kind", ""), "progress");
}

static cJSON *parsed(const char *json) {
    cJSON *e = NULL;
    struct cause why = {""};
    if (json_parse(json, strlen(json), &e, &why) != STATUS_OK)
        fail_msg("%s: %s", why.text, json);
    return e;
}

/* Without what differs by nature. The caller frees. */
static char *essence(cJSON *e, bool late) {
    if (late)
        assert_true(json_bool(e, "from_store", false));
    cJSON_DeleteItemFromObject(e, "from_store");
    assert_int_equal(strlen(json_str(e, "ts", "")), 24);
    cJSON_DeleteItemFromObject(e, "ts");
    return json_print(e);
}

/* Takes the first of them that is the same. */
static bool take(struct strv *from, const char *text) {
    for (size_t i = 0; i < from->n; i++)
        if (str_eq(from->v[i], text)) {
            x_free(&from->v[i]);
            memmove(from->v + i, from->v + i + 1, (from->n - i) * sizeof *from->v);
            from->n--;
            return true;
        }
    return false;
}

static size_t count(const struct strv *v, const char *type) {
    size_t n = 0;
    char *part = xasprintf("\"type\":\"%s\"", type);
    for (size_t i = 0; i < v->n; i++)
        n += strstr(v->v[i], part) != NULL;
    x_free(&part);
    return n;
}

/* All that is told, once by each way; returns how many. */
static void compare(struct agent_home *f, struct heard *h) {
    struct ring_lag lag;
    struct cause why = {""};
    struct strv live = {0};
    bool more = true;
    assert_true(ring_lag(h->ring, &lag));
    struct missed m = {.since_ms = lag.since_ms, .until_ms = clock_wall_ms()};
    for (int pages = 0; more; pages++) {
        assert_true(pages < 50);
        if (missed_page(f->agent, &m, catch_up, h, &more, &why) != STATUS_OK)
            fail_msg("%s", why.text);
    }
    for (size_t i = 0; i < h->live.n; i++) {
        cJSON *e = parsed(h->live.v[i]);
        if (is_kept(e)) {
            char *text = essence(e, false);
            strv_push(&live, text);
            x_free(&text);
        }
        cJSON_Delete(e);
    }
    for (size_t i = 0; i < h->late.n; i++) {
        cJSON *e = parsed(h->late.v[i]);
        char *text = essence(e, true);
        if (!take(&live, text)) {
            for (size_t k = 0; k < live.n; k++)
                fprintf(stderr, "live: %s\n", live.v[k]);
            fail_msg("not heard live: %s", text);
        }
        x_free(&text);
        cJSON_Delete(e);
    }
    for (size_t i = 0; i < live.n; i++)
        fail_msg("not told late: %s", live.v[i]);
    strv_free(&live);
}

static void expect_types(const struct heard *h) {
    static const char *const types[] = {"channel_user_message",
                                        "channel_assistant_message",
                                        "channel_system_message",
                                        "branch_started",
                                        "branch_result",
                                        "worker_started",
                                        "worker_status",
                                        "worker_initial_result",
                                        "worker_complete",
                                        "worker_question",
                                        "worker_permission",
                                        "tool_started",
                                        "tool_completed",
                                        "process_text",
                                        "reaction",
                                        "file_offered",
                                        "notice"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (!count(&h->late, types[i]))
            fail_msg("%s is not among what was told late", types[i]);
}

static void put_file(const struct agent_home *f, const char *name, size_t n) {
    char *path = xasprintf("%s/%s", f->home.workspace, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < n; i++)
        fputs("0123456789abcde\n", file);
    assert_int_equal(fclose(file), 0);
    x_free(&path);
}

/* A conversation in which everything happens that an event tells of. */
static void live_a_little(struct agent_home *f) {
    struct agent_answer a;
    char *args = xasprintf("{\"channel\":\"c1\",\"text\":\"look at this\",\"attach\":[\"%s/"
                           "small\"]}",
                           f->home.workspace);
    put_file(f, "small", 3);
    put_file(f, "large", 6000);
    script_push(
        SCRIPT_CHANNEL,
        "[" CALL("react", "{\"emoji\":\"👍\"}") "," CALL(
            "send_file",
            "{\"file_path\":\"small\","
            "\"caption\":\"it\"}") "," BRANCH_OF("weigh it") "," SPAWN("do it") "," CALL("spawn_"
                                                                                         "worker",
                                                                                         "{\"task\""
                                                                                         ":\"wait "
                                                                                         "for "
                                                                                         "me\","
                                                                                         "\"interac"
                                                                                         "tive\":"
                                                                                         "true}") "]");
    script_push(SCRIPT_CHANNEL, "[" TEXT("On its way.") "]");
    script_push(SCRIPT_BRANCH, "[" TEXT("Let me see.") "," CALL("file_list", "{}") "]");
    script_push(SCRIPT_BRANCH, "[" TEXT("The second.") "]");
    for (int i = 0; i < 2; i++) /* both workers, each step */
        script_push(SCRIPT_WORKER,
                    "[" STATUS("half of it") "," CALL("file_read", "{\"path\":\"large\"}") "," CALL(
                        "file_read",
                        "{\"path\":\"missing\"}") "," CALL("file_read",
                                                           "{\"path\":7}") "," CALL("no_such_tool",
                                                                                    "{}") "]");
    for (int i = 0; i < 2; i++)
        script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_default(SCRIPT_WORKER, "[]");
    script_default(SCRIPT_CHANNEL, REPLY("It is the second."));
    agent_exec(f, &a, args);
    agent_answer_clear(&a);
    x_free(&args);
    agent_settle(f);
    agent_say(f, "c1", NULL, "/status");
    agent_settle(f);
    script_push_hang(SCRIPT_CHANNEL, "I thi");
    agent_say(f, "c1", "ann", "and now?");
    agent_pass(f, 3000); /* others might have joined in */
    assert_true(agent_cancel(f->agent, agent_process(f, "channel:c1"), "cancelled by you"));
    agent_settle(f);
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(f->agent), &pos));)
        if (p->kind == PROCESS_WORKER && worker_waits(p))
            assert_true(agent_cancel(f->agent, p, "no more"));
    agent_settle(f);
    script_default(SCRIPT_WORKER, NULL);
    script_default(SCRIPT_CHANNEL, NULL);
    /* And two that still wait for a person. */
    script_push(
        SCRIPT_CHANNEL,
        "[" CALL("ask",
                 "{\"question\":\"Which?\",\"options\":[{\"label\":\"a\"},"
                 "{\"label\":\"b\",\"description\":\"the other\"}]}") "," SPAWN("write it") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER,
                "[" CALL("file_write", "{\"path\":\"/srv/spacebot-x\",\"content\":\"1\\n2\"}") "]");
    agent_say(f, "c1", NULL, "write it there");
    agent_pass(f, 5000);
}

static void what_was_missed_is_told_as_it_was(void **state) {
    struct agent_home *f = *state;
    struct heard h = {.ring = ring_new(64)}; /* room for nothing: it lags from the first on */
    struct bus_listener *l = bus_listen(agent_bus(f->agent), hear, &h);
    live_a_little(f);
    bus_unlisten(&l);
    compare(f, &h);
    expect_types(&h);
    ring_free(&h.ring);
    strv_free(&h.live);
    strv_free(&h.late);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_missed_is_told_as_it_was, agent_home_setup,
                                        agent_home_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
