/* The ways in which a channel's turn can end, what the person reads of each, and what it leaves in
 * the history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/agent_home.h"

/* What the history is now, as the next request would send it before its own message. */
static const char *history(struct agent_home *h) {
    static char *json;
    x_free(&json);
    json = llm_history_json(channel_history(agent_process(h, "channel:c1")));
    return json;
}

static void an_empty_final_text(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    /* It is asked once more, and may answer then. */
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("sorry, here"));
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_string_equal(json_str(a.body, "reply", ""), "sorry, here");
    agent_answer_clear(&a);
    expect_not_in(history(h), "without a word");
    /* If not, the person is told. */
    script_push(SCRIPT_CHANNEL, "[" TEXT(" \\n ") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"and now\"}");
    assert_false(json_bool(a.body, "ok", true));
    agent_answer_clear(&a);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "without a word");
    expect_in(history(h), "[no answer]");
    /* Where work is under way, no word is no fault. */
    script_push(SCRIPT_CHANNEL, "[" SPAWN("x") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("done"));
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"work\"}");
    assert_string_equal(json_str(a.body, "reply", ""), "done");
    agent_answer_clear(&a);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static void a_reply_and_a_skip_in_one_turn(void **state) {
    struct agent_home *h = *state;
    static const char *const turns[] = {
        "[" CALL("reply", "{\"content\":\"said\"}") "," CALL("skip", "{}") "]",
        "[" CALL("skip", "{}") "," CALL("reply", "{\"content\":\"said\"}") "]"};
    for (size_t i = 0; i < 2; i++) {
        struct agent_answer a;
        script_push(SCRIPT_CHANNEL, turns[i]);
        agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
        assert_string_equal(json_str(a.body, "reply", ""), "said");
        assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "replies")), 1);
        agent_answer_clear(&a);
        assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
    }
    assert_int_equal(count_in(history(h), "said"), 2);
    expect_not_in(history(h), "tool_use"); /* no scaffolding stays behind a reply */
}

static void what_stands_beside_a_reply_is_done_too(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push(SCRIPT_CHANNEL, "[" CALL("reply", "{\"content\":\"on it\"}") "," SPAWN("look") "]");
    script_push(SCRIPT_WORKER, OUTCOME("seen"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, "[" CALL("reply", "{\"content\":\"one\"}") "," CALL(
                                    "reply", "{\"content\":\"two\"}") "]");
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_int_equal(json_i64(json_obj(a.body, "processes"), "succeeded", 0), 1);
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "replies")), 3);
    agent_answer_clear(&a);
    expect_in(history(h), "one\\n\\ntwo");
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static void an_answer_like_data_is_corrected(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push(SCRIPT_CHANNEL, "[" TEXT("{\\\"thought\\\":\\\"hm\\\"}") "]");
    script_push(SCRIPT_CHANNEL, "[" TEXT("(thinking)") "]");
    script_push(SCRIPT_CHANNEL, "[" TEXT("in words") "]");
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_string_equal(json_str(a.body, "reply", ""), "in words");
    agent_answer_clear(&a);
    expect_in(script_last_history(SCRIPT_CHANNEL), "looks like data");
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "thought");
    expect_not_in(history(h), "looks like data");
    expect_not_in(history(h), "<status>"); /* the envelope of the live copy */
    expect_in(history(h), "in words");
    /* After two corrections nothing is shown, and that is said. */
    for (int i = 0; i < 3; i++)
        script_push(SCRIPT_CHANNEL, "[" TEXT("{\\\"again\\\":1}") "]");
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"more\"}");
    assert_false(json_bool(a.body, "ok", true));
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "replies")), 0);
    agent_answer_clear(&a);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_ERROR), "data instead of words");
    expect_not_in(history(h), "again");
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static void a_reply_written_as_text_is_said(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push(SCRIPT_CHANNEL, "[" TEXT("reply({\\\"content\\\":\\\"hello\\\"})") "]");
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_string_equal(json_str(a.body, "reply", ""), "hello");
    agent_answer_clear(&a);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 1);
    expect_not_in(history(h), "reply(");
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_REPLY), "hello");
}

static void a_limit_is_told_and_the_work_so_far_is_kept(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    h->config->limits.max_turns = 2;
    for (int i = 0; i < 2; i++)
        script_push(SCRIPT_CHANNEL,
                    "[" TEXT("still looking") "," CALL(
                        "cancel", "{\"process_type\":\"worker\",\"process_id\":\"abcd\"}") "]");
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_int_equal(a.st, STATUS_LIMIT);
    agent_answer_clear(&a);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_ERROR), "limits.max_turns");
    expect_in(buf_str(&h->events), "notice");
    assert_int_equal(count_in(history(h), "still looking"), 2);
    script_push(SCRIPT_CHANNEL, REPLY("going on"));
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go on\"}");
    assert_int_equal(a.st, STATUS_OK);
    agent_answer_clear(&a);
}

/* What others put into the history while a turn runs stays in it. */
static void write_back_extends_and_never_replaces(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, "at it");
    agent_say(h, "c1", NULL, "first");
    agent_pass(h, 100);
    script_push_hang(SCRIPT_CHANNEL, "let me think");
    agent_say(h, "c1", NULL, "second");
    agent_pass(h, 100);
    struct process *w = agent_only(h, PROCESS_WORKER);
    w->unwanted = true; /* its result is recorded at once, in the middle of the turn */
    assert_true(agent_cancel(h->agent, w, "enough of one"));
    agent_pass(h, 100);
    assert_true(channel_interrupt(h->agent, agent_process(h, "channel:c1"), "stop"));
    agent_settle(h);
    expect_in(history(h), "enough of one");
    expect_in(history(h), "second");
    expect_in(history(h), "first");
}

/* Caching of prompts: each request repeats the one before it byte for byte, up to that one's own
 * message, whose live copy alone knows the time. */
static char *first_part(const char *sent, const char *upto) {
    const char *end = strstr(sent, upto);
    assert_non_null(end);
    return xstrndup(sent, (size_t)(end - sent));
}

static void prompts_are_byte_stable_for_caching(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, REPLY("one"));
    agent_say(h, "c1", NULL, "first question");
    agent_settle(h);
    char *system = xstrdup(script_last_system(SCRIPT_CHANNEL));
    agent_pass(h, 90 * 60 * 1000); /* an hour and a half later */
    script_push(SCRIPT_CHANNEL, "[" SPAWN("look") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, "looking");
    agent_say(h, "c1", NULL, "second question");
    agent_pass(h, 100);
    char *second = first_part(script_last_history(SCRIPT_CHANNEL), "<status>");
    expect_in(second, "first question");
    agent_pass(h, 60 * 1000); /* with a worker in the status block */
    script_push(SCRIPT_CHANNEL, REPLY("three"));
    agent_say(h, "c1", NULL, "third question");
    agent_pass(h, 100);
    char *third = first_part(script_last_history(SCRIPT_CHANNEL), "<status>");
    assert_true(strlen(third) > strlen(second));
    assert_memory_equal(third, second, strlen(second));
    expect_in(third, "second question");
    assert_string_equal(script_last_system(SCRIPT_CHANNEL), system);
    x_free(&system);
    x_free(&second);
    x_free(&third);
    struct process *w = agent_only(h, PROCESS_WORKER);
    w->unwanted = true;
    assert_true(agent_cancel(h->agent, w, "end"));
    agent_settle(h);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)
    const struct CMUnitTest tests[] = {
        T(an_empty_final_text),
        T(a_reply_and_a_skip_in_one_turn),
        T(what_stands_beside_a_reply_is_done_too),
        T(an_answer_like_data_is_corrected),
        T(a_reply_written_as_text_is_said),
        T(a_limit_is_told_and_the_work_so_far_is_kept),
        T(write_back_extends_and_never_replaces),
        T(prompts_are_byte_stable_for_caching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
