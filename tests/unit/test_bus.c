/* The bus: every listener hears every event, and may leave while it is being told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/bus.h"
#include "base/json.h"

struct ear {
    struct bus_listener *listener;
    int heard;
    bool leaves;
    struct buf json;
};

static void hear(void *arg, const struct bus_event *e) {
    struct ear *ear = arg;
    ear->heard++;
    buf_reset(&ear->json);
    bus_event_json(e, &ear->json);
    if (ear->leaves)
        bus_unlisten(&ear->listener);
}

static void listeners_may_leave(void **state) {
    (void)state;
    struct bus *b = bus_new();
    struct process_table *t = process_table_new();
    struct process *p;
    assert_int_equal(process_add(t, PROCESS_CHANNEL, "inbox", PROCESS_NONE, &p), STATUS_OK);
    struct ear a = {.leaves = true}, c = {0};
    a.listener = bus_listen(b, hear, &a);
    c.listener = bus_listen(b, hear, &c);
    for (int i = 0; i < 3; i++)
        BUS_EMIT(b, t, p, EVENT_NOTICE, BUS_STR("text", "x"));
    assert_int_equal(a.heard, 1);
    assert_int_equal(c.heard, 3);
    bus_unlisten(&c.listener);
    assert_null(c.listener);
    BUS_EMIT(b, t, p, EVENT_NOTICE, BUS_STR("text", "x"));
    assert_int_equal(c.heard, 3);
    buf_free(&a.json);
    buf_free(&c.json);
    bus_free(&b);
    process_table_free(&t);
}

static void an_event_as_json(void **state) {
    (void)state;
    struct bus *b = bus_new();
    struct process_table *t = process_table_new();
    struct process *channel, *p;
    struct cause why;
    assert_int_equal(process_add(t, PROCESS_CHANNEL, "inbox", PROCESS_NONE, &channel), STATUS_OK);
    assert_int_equal(process_add(t, PROCESS_WORKER, "u-1", channel->handle, &p), STATUS_OK);
    struct ear ear = {0};
    ear.listener = bus_listen(b, hear, &ear);
    BUS_EMIT(b, t, p, EVENT_WORKER_COMPLETE, BUS_STR("result", "a \"b\"\n\xff"),
             BUS_BOOL("success", true), BUS_I64("outcome_version", 1), BUS_NUM("cost", 0.25),
             BUS_RAW("raw", "[1]"), BUS_STR("none", NULL));
    cJSON *o = NULL;
    assert_int_equal(json_parse(ear.json.data, ear.json.len, &o, &why), STATUS_OK);
    assert_string_equal(json_str(o, "type", ""), "worker_complete");
    assert_string_equal(json_str(o, "id", ""), "worker:u-1");
    assert_string_equal(json_str(o, "parent", ""), "channel:inbox");
    assert_string_equal(json_str(o, "agent_id", ""), "main");
    assert_string_equal(json_str(o, "result", ""), "a \"b\"\n\xef\xbf\xbd");
    assert_true(json_bool(o, "success", false));
    assert_int_equal(json_i64(o, "outcome_version", 0), 1);
    assert_int_equal(cJSON_GetArraySize(json_arr(o, "raw")), 1);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(o, "none")));
    assert_null(strchr(ear.json.data, '\n'));
    cJSON_Delete(o);
    buf_free(&ear.json);
    bus_unlisten(&ear.listener);
    bus_free(&b);
    process_table_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_may_leave),
        cmocka_unit_test(an_event_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
