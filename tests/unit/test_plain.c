/* plain: events as lines: who, what, and nothing that a terminal would obey. */
#include "ctl/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/json.h"

static void line(struct plain *p, const char *event, const char *want) {
    struct buf out = BUF_INIT;
    cJSON *e = NULL;
    assert_int_equal(json_parse(event, strlen(event), &e, NULL), STATUS_OK);
    plain_event(p, e, &out);
    assert_string_equal(buf_str(&out), want);
    cJSON_Delete(e);
    buf_free(&out);
}

#define WORKER "\"id\":\"worker:w1\",\"channel_id\":\"c\","

static void test_progress(void **state) {
    (void)state;
    const struct plain_options o = {0};
    struct plain *p = plain_new(&o);
    line(p, "{\"type\":\"worker_started\"," WORKER "\"task\":\"count lines\"}",
         "count lines  started\n");
    line(p, "{\"type\":\"tool_started\"," WORKER "\"tool_name\":\"shell\",\"label\":\"shell wc\"}",
         "count lines  ▸ shell wc\n");
    line(p, "{\"type\":\"tool_output\"," WORKER "\"line\":\"4321\"}", "");
    line(p, "{\"type\":\"tool_completed\"," WORKER "\"tool_name\":\"shell\",\"result\":\"4321\"}",
         "");
    line(p,
         "{\"type\":\"tool_completed\"," WORKER
         "\"tool_name\":\"shell\",\"result\":\"no wc\\nmore\",\"is_error\":true}",
         "count lines  shell failed: no wc\n");
    line(p, "{\"type\":\"worker_status\"," WORKER "\"kind\":\"progress\",\"status\":\"half\"}",
         "count lines  says: half\n");
    line(p, "{\"type\":\"worker_status\"," WORKER "\"kind\":\"outcome\",\"status\":\"all\"}", "");
    line(p, "{\"type\":\"text_delta\"," WORKER "\"delta\":\"x\"}", "");
    line(p, "{\"type\":\"channel_assistant_message\",\"id\":\"channel:c\",\"text\":\"hi\"}", "");
    line(p,
         "{\"type\":\"notice\",\"id\":\"channel:c\",\"level\":\"error\",\"text\":\"overloaded\"}",
         "#c  error: overloaded\n");
    line(p,
         "{\"type\":\"worker_complete\"," WORKER
         "\"outcome_kind\":\"partial\",\"result\":\"a\\nb\"}",
         "count lines  partial: a\n");
    line(p, "{\"type\":\"no_such_event\",\"id\":\"x\"}", "");
    line(p, "{}", "");
    plain_free(&p);
    assert_null(p);
}

static void test_everything(void **state) {
    (void)state;
    const struct plain_options o = {.times = true, .messages = true, .output = true};
    struct plain *p = plain_new(&o);
    setenv("TZ", "UTC", 1);
    tzset();
    line(p,
         "{\"ts\":\"2026-11-24T09:51:26.123Z\",\"type\":\"channel_user_message\","
         "\"id\":\"channel:inbox\",\"sender\":\"you\",\"text\":\"one\\ntwo\\n\"}",
         "09:51:26 #inbox  you: one\n09:51:26 #inbox  you: two\n");
    plain_name(p, "worker:w1", "named before");
    line(p,
         "{\"ts\":\"2026-11-24T09:51:27.000Z\",\"type\":\"tool_output\"," WORKER
         "\"line\":\"4321\"}",
         "09:51:27 named before  │ 4321\n");
    plain_free(&p);
}

static void test_hostile_text(void **state) {
    (void)state;
    const struct plain_options o = {.messages = true};
    struct plain *p = plain_new(&o);
    line(p,
         "{\"type\":\"channel_assistant_message\",\"id\":\"channel:a\\u001b[2J\","
         "\"text\":\"\\u001b]0;x\\u0007\\u202e\"}",
         "#a^[[2J  spacebot: ^[]0;x^G<U+202E>\n");
    /* A name is one line of at most 40 bytes, cut between characters. */
    line(p,
         "{\"type\":\"worker_started\"," WORKER
         "\"task\":\"0123456789012345678901234567890123456\\u20ac\\u20ac\\nsecond\"}",
         "0123456789012345678901234567890123456€  started: "
         "0123456789012345678901234567890123456€€\n");
    plain_free(&p);
}

/* A command is not allowed by somebody who has seen its first line. */
static void test_asking_shows_everything(void **state) {
    (void)state;
    const struct plain_options o = {0};
    struct plain *p = plain_new(&o);
    line(p,
         "{\"type\":\"worker_permission\",\"id\":\"channel:c\",\"tool_name\":\"unsandboxed\","
         "\"description\":\"ls\\nrm x\",\"reason\":\"outside the sandbox\","
         "\"permission_id\":3}",
         "#c  asks: unsandboxed ls\n"
         "#c  asks: rm x (outside the sandbox): spacebot answer 3 once|always|deny\n");
    line(p,
         "{\"type\":\"worker_question\",\"id\":\"channel:c\",\"question\":\"which?\\nof these\","
         "\"options\":[{\"label\":\"a\"}],\"question_id\":4}",
         "#c  asks: which?\n#c  asks: of these  1 a: spacebot answer 4 N\n");
    plain_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_asking_shows_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
