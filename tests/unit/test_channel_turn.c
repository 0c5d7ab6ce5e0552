/* The ways in which a channel's turn can end, what the person reads of each, and what it leaves in
 * the history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"
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
    while (!sandbox_ready(h->sandbox)) /* the prompt tells of it */
        agent_turns(h, 1);
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

static void a_message_arriving_during_emergency_trimming(void **state) {
    struct agent_home *h = *state;
    char text[40];
    for (int i = 0; i < 6; i++) {
        snprintf(text, sizeof text, "answer %d", i);
        char *blocks = xasprintf("[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":"
                                 "{\"content\":\"%s\"}}]",
                                 text);
        script_push(SCRIPT_CHANNEL, blocks);
        x_free(&blocks);
        snprintf(text, sizeof text, "question %d", i);
        agent_say(h, "c1", NULL, text);
        agent_settle(h);
    }
    script_push_fault(SCRIPT_CHANNEL, LLM_FAULT_OVERFLOW, "anthropic: prompt is too long (400)");
    script_push(SCRIPT_CHANNEL, REPLY("it fits now"));
    script_push(SCRIPT_CHANNEL, REPLY("and the other"));
    struct agent_answer a = {0}, b = {0};
    agent_ask(h, COMMAND_SAY, &a, "{\"channel\":\"c1\",\"text\":\"the long one\"}");
    for (int i = 0; i < 50 && script_left(SCRIPT_CHANNEL) > 2; i++)
        loop_turn(h->loop, NS_PER_MS); /* the call that will not fit is under way */
    agent_ask(h, COMMAND_SAY, &b, "{\"channel\":\"c1\",\"text\":\"in between\"}");
    agent_settle(h);
    assert_int_equal(a.st, STATUS_OK);
    assert_int_equal(b.st, STATUS_OK);
    agent_answer_clear(&a);
    agent_answer_clear(&b);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
    const char *kept = history(h);
    expect_not_in(kept, "question 0");
    assert_int_equal(count_in(kept, "is left out here"), 1);
    static const char *const order[] = {"question 5",  "answer 5",   "the long one",
                                        "it fits now", "in between", "and the other"};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_int_equal(count_in(kept, order[i]), 1);
        kept = strstr(kept, order[i]);
    }
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "context was full");
    /* What is gone from the prompt is not gone: it can be read back. */
    script_push(SCRIPT_CHANNEL,
                "[" CALL("channel_recall", "{\"oldest_first\":true,\"limit\":2}") "]");
    script_push(SCRIPT_CHANNEL, REPLY("you asked 0"));
    agent_say(h, "c1", NULL, "what did I ask first?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "question 0");
    expect_not_in(strstr(script_last_history(SCRIPT_CHANNEL), "question 0"), "question 1");
}

static void what_is_too_long_for_any_context_is_told(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push_fault(SCRIPT_CHANNEL, LLM_FAULT_OVERFLOW, "anthropic: prompt is too long (400)");
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"one huge message\"}");
    assert_int_equal(a.st, STATUS_PROVIDER);
    expect_in(json_str(a.body, "error", ""), "too long");
    agent_answer_clear(&a);
}

/* --- tools of the conversation ------------------------------------------------------------------
 */

static void a_file_is_offered_and_a_message_marked(void **state) {
    struct agent_home *h = *state;
    char *path = xasprintf("%s/report.txt", h->home.workspace);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("12345", f) >= 0);
    assert_int_equal(fclose(f), 0);
    script_push(SCRIPT_CHANNEL,
                "[" CALL("react", "{\"emoji\":\"\xf0\x9f\x91\x8d\"}") "," CALL(
                    "send_file", "{\"file_path\":\"report.txt\",\"caption\":\"the numbers\"}") "]");
    script_push(SCRIPT_CHANNEL,
                "[" CALL("react", "{\"emoji\":\"ok\"}") "," CALL(
                    "send_file",
                    "{\"file_path\":\"/etc/"
                    "passwd\"}") "," CALL("send_file",
                                          "{\"file_path\":\"gone.txt\"}") "," CALL("send_file",
                                                                                   "{\"file_path\":"
                                                                                   "\".\"}") "]");
    script_push(SCRIPT_CHANNEL, REPLY("there"));
    agent_say(h, "c1", NULL, "send it");
    agent_settle(h);
    expect_in(buf_str(&h->events), "reaction");
    expect_in(buf_str(&h->events), "file_offered");
    assert_int_equal(count_in(buf_str(&h->events), "file_offered"), 1);
    char *line = xasprintf("file: %s (5 bytes): the numbers", path);
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), line);
    x_free(&line);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    expect_in(sent, "\\\"size_bytes\\\":5");
    expect_in(sent, "is no emoji");
    expect_in(sent, "is no regular file");
    x_free(&path);
}

static void a_model_can_look_how_things_stand(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("count") "]");
    script_push(SCRIPT_CHANNEL, "[" CALL("get_status", "{}") "]");
    script_push(SCRIPT_CHANNEL, REPLY("one worker"));
    script_push_hang(SCRIPT_WORKER, "counting");
    agent_say(h, "c1", NULL, "how far?");
    agent_pass(h, 100);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    expect_in(sent, "\\\"task\\\":\\\"count\\\"");
    expect_in(sent, "\\\"mode\\\":\\\"active\\\"");
    struct process *w = agent_only(h, PROCESS_WORKER);
    w->unwanted = true;
    assert_true(agent_cancel(h->agent, w, "end"));
    agent_settle(h);
    /* What is said elsewhere stays there. */
    script_push(SCRIPT_CHANNEL, REPLY("noted"));
    agent_say(h, "other", NULL, "a secret");
    agent_settle(h);
    script_push(SCRIPT_CHANNEL, "[" CALL("channel_recall", "{\"channel\":\"other\"}") "," CALL(
                                    "channel_recall", "{}") "]");
    script_push(SCRIPT_CHANNEL, REPLY("no"));
    agent_say(h, "c1", NULL, "what was said elsewhere?");
    agent_settle(h);
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "a secret");
    expect_in(script_last_history(SCRIPT_CHANNEL), "is not this one");
    expect_in(script_last_history(SCRIPT_CHANNEL), "available_channels");
}

static bool first_event(void *arg, const struct q_working_memory_recent_row *row) {
    char **out = arg;
    if (!*out)
        *out = xasprintf("%s %.1f %s", row->event_type, row->importance, row->summary);
    return true;
}

static void a_decision_is_remembered(void **state) {
    struct agent_home *h = *state;
    struct cause why;
    char *found = NULL;
    script_push(SCRIPT_CHANNEL, REPLY("Fine. We are going with JWT. It is simpler."));
    agent_say(h, "c1", NULL, "JWT or sessions?");
    agent_settle(h);
    assert_int_equal(
        q_working_memory_recent(store_read(h->store), "c1", 10, first_event, &found, &why),
        STATUS_OK);
    assert_string_equal(found, "decision 0.8 We are going with JWT.");
    x_free(&found);
    expect_in(buf_str(&h->events), "working_memory");
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
        T(a_message_arriving_during_emergency_trimming),
        T(what_is_too_long_for_any_context_is_told),
        T(a_file_is_offered_and_a_message_marked),
        T(a_model_can_look_how_things_stand),
        T(a_decision_is_remembered),
        T(prompts_are_byte_stable_for_caching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
