/* exec beside others in one channel: what it waits for, hears, may do and takes back is what its
 * own message set going, and nothing of what a person or another client does there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/inbox.h"
#include "agent/worker.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/agent_home.h"

#define HANG "going on and on"

/* The worker or branch with that task. */
static struct process *with_task(struct agent_home *h, const char *task) {
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(h->agent), &pos));)
        if (str_eq(p->task, task))
            return p;
    fail_msg("nobody has the task %s", task);
    return NULL;
}

static struct command_call *exec(struct agent_home *h, struct agent_answer *a, const char *more) {
    char *args = xasprintf("{\"channel\":\"c1\",\"text\":\"a script\"%s}", more);
    *a = (struct agent_answer){0};
    struct command_call *call = agent_ask(h, COMMAND_EXEC, a, args);
    x_free(&args);
    return call;
}

/* A person has asked for work that takes for ever, and so has a script. */
static struct command_call *both_at_work(struct agent_home *h, struct agent_answer *a) {
    script_push(SCRIPT_CHANNEL, "[" SPAWN("of a person") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, HANG);
    agent_say(h, "c1", NULL, "work for me");
    agent_pass(h, 100);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("of a script") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, HANG);
    struct command_call *call = exec(h, a, "");
    agent_pass(h, 100);
    assert_int_equal(with_task(h, "of a script")->state, PROCESS_STATE_THINKING);
    return call;
}

static void an_abandoned_script_leaves_a_persons_work(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    struct command_call *call = both_at_work(h, &a);
    command_abandon(&call);
    agent_pass(h, 5000);
    assert_int_equal(with_task(h, "of a script")->outcome, PROCESS_OUTCOME_CANCELLED);
    assert_int_equal(with_task(h, "of a script")->state, PROCESS_STATE_ENDED);
    assert_int_equal(with_task(h, "of a person")->state, PROCESS_STATE_THINKING);
    assert_false(with_task(h, "of a person")->unwanted);
    assert_false(a.given);
    /* Its result is told as ever. */
    script_push(SCRIPT_CHANNEL, REPLY("it was ended"));
    assert_true(agent_cancel(h->agent, with_task(h, "of a person"), "enough"));
    agent_settle(h);
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_REPLY), "it was ended");
}

static void an_abandoned_script_does_not_interrupt_a_person(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push_hang(SCRIPT_CHANNEL, HANG);
    agent_say(h, "c1", NULL, "think about this");
    agent_pass(h, 100);
    struct command_call *call = exec(h, &a, "");
    agent_pass(h, 100);
    command_abandon(&call);
    agent_pass(h, 100);
    assert_int_equal(agent_process(h, "channel:c1")->state, PROCESS_STATE_THINKING);
    /* Its own message is noted and never answered. */
    assert_true(channel_interrupt(h->agent, agent_process(h, "channel:c1"), "enough"));
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 1);
    script_push(SCRIPT_CHANNEL, REPLY("yes"));
    agent_say(h, "c1", NULL, "still there?");
    agent_settle(h);
    assert_int_equal(count_in(script_last_history(SCRIPT_CHANNEL), "a script"), 1);
}

static void an_abandoned_script_ends_its_own_turn_alone(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push_hang(SCRIPT_CHANNEL, HANG);
    struct command_call *call = exec(h, &a, "");
    agent_pass(h, 100);
    script_push(SCRIPT_CHANNEL, REPLY("to you"));
    agent_say(h, "c1", NULL, "and I?");
    command_abandon(&call);
    agent_settle(h);
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_REPLY), "to you");
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 2);
}

static void an_abandoned_script_leaves_a_persons_results(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    struct command_call *call = both_at_work(h, &a);
    assert_true(agent_cancel(h->agent, with_task(h, "of a person"), "enough"));
    agent_turns(h, 20); /* it has come back, and waits for others a moment */
    command_abandon(&call);
    script_push(SCRIPT_CHANNEL, REPLY("told"));
    agent_settle(h);
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_REPLY), "told");
    char *json = llm_history_json(channel_history(agent_process(h, "channel:c1")));
    assert_int_equal(count_in(json, "<task>of a person</task>"), 1);
    assert_int_equal(count_in(json, "<task>of a script</task>"), 1); /* recorded, not told */
    x_free(&json);
}

/* In one turn nobody could be asked for the person either, and it would end with the script. */
static void results_of_a_script_are_told_apart(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    (void)both_at_work(h, &a);
    script_push(SCRIPT_CHANNEL, REPLY("one"));
    script_push(SCRIPT_CHANNEL, REPLY("the other"));
    assert_true(agent_cancel(h->agent, with_task(h, "of a person"), "enough"));
    assert_true(agent_cancel(h->agent, with_task(h, "of a script"), "enough"));
    agent_settle(h);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
    assert_true(a.given);
    assert_string_equal(json_str(a.body, "reply", ""), "the other");
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "replies")), 1);
    agent_answer_clear(&a);
}

static void a_script_hears_its_own_replies_and_waits_for_its_own_work(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("of a person") "]");
    script_push(SCRIPT_CHANNEL, REPLY("it takes for ever"));
    script_push_hang(SCRIPT_WORKER, HANG);
    agent_say(h, "c1", NULL, "work for me");
    script_push(SCRIPT_CHANNEL, REPLY("to the script"));
    struct command_call *call = exec(h, &a, "");
    assert_non_null(call);
    agent_pass(h, 2000);
    assert_true(a.given);
    assert_int_equal(a.st, STATUS_OK);
    assert_string_equal(json_str(a.body, "reply", ""), "to the script");
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "replies")), 1);
    assert_int_equal(with_task(h, "of a person")->state, PROCESS_STATE_THINKING);
    agent_answer_clear(&a);
}

/* A person's turns and workers in the same channel, before and meanwhile, are not on its bill. */
static void a_script_is_told_what_it_has_used_itself(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    (void)both_at_work(h, &a); /* two turns of a model each, and a worker each that has no end */
    script_push(SCRIPT_CHANNEL, REPLY("to the person"));
    assert_true(agent_cancel(h->agent, with_task(h, "of a person"), "enough"));
    agent_pass(h, 5000);
    script_push(SCRIPT_CHANNEL, REPLY("and again"));
    agent_say(h, "c1", NULL, "one more thing");
    agent_pass(h, 5000);
    assert_false(a.given);
    script_push(SCRIPT_CHANNEL, REPLY("to the script"));
    assert_true(agent_cancel(h->agent, with_task(h, "of a script"), "enough"));
    agent_settle(h);
    assert_true(a.given);
    const cJSON *used = json_obj(a.body, "usage"), *n = json_obj(a.body, "processes");
    const struct process *w = with_task(h, "of a script");
    assert_int_equal(json_i64(used, "input_tokens", -1), 300 + w->usage.input_tokens);
    assert_int_equal(json_i64(used, "output_tokens", -1), 30 + w->usage.output_tokens);
    assert_int_equal(json_i64(n, "started", -1), 1);
    assert_int_equal(json_i64(n, "cancelled", -1), 1);
    assert_int_equal(json_i64(n, "succeeded", -1), 0);
    assert_int_equal(json_i64(n, "failed", -1), 0);
    agent_answer_clear(&a);
}

static void a_failed_turn_of_a_person_is_not_the_scripts(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push_fault(SCRIPT_CHANNEL, LLM_FAULT_AUTH, "provider: no");
    agent_say(h, "c1", NULL, "and I?");
    script_push(SCRIPT_CHANNEL, REPLY("to the script"));
    (void)exec(h, &a, "");
    agent_settle(h);
    assert_true(a.given);
    assert_int_equal(a.st, STATUS_OK);
    agent_answer_clear(&a);
}

/* --- rules --------------------------------------------------------------------------------------
 */

static void reads(struct agent_home *h, const char *task) {
    char *spawn = xasprintf("[" CALL("spawn_worker", "{\"task\":\"%s\"}") "]", task);
    char *read = xasprintf("[" CALL("file_read", "{\"path\":\"%s/outside\"}") "]", h->dir);
    script_push(SCRIPT_CHANNEL, spawn);
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, read);
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    x_free(&spawn);
    x_free(&read);
}

static const char *result_of(struct agent_home *h, const char *task) {
    const struct journal *j = &with_task(h, task)->journal;
    for (size_t i = 0; i < j->n; i++)
        if (j->v[i]->kind == JOURNAL_TOOL && str_eq(j->v[i]->title, "file_read"))
            return buf_str(&j->v[i]->result);
    return "";
}

static void put_outside(struct agent_home *h) {
    char *path = xasprintf("%s/outside", h->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("what is out there", file);
    fclose(file);
    x_free(&path);
}

static void what_a_script_may_is_not_allowed_to_others(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    put_outside(h);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("of a script") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, HANG);
    struct command_call *call = exec(h, &a, ",\"allow\":[\"file_read\"]");
    agent_pass(h, 100);
    reads(h, "of a person");
    agent_say(h, "c1", NULL, "read it");
    agent_pass(h, 100);
    assert_int_equal(with_task(h, "of a person")->state, PROCESS_STATE_ASKING);
    assert_int_equal(inbox_count(agent_inbox(h->agent)), 1);
    command_abandon(&call);
    script_push(SCRIPT_CHANNEL, REPLY("denied"));
    agent_settle(h);
    expect_in(result_of(h, "of a person"), "nobody answered");
}

static void what_a_script_may_holds_for_all_that_it_set_going(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    put_outside(h);
    script_push(SCRIPT_CHANNEL, "[" BRANCH("think") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_BRANCH, "[" SPAWN("below a branch") "]");
    reads(h, "not used");
    (void)exec(h, &a, ",\"allow\":[\"file_read\"]");
    agent_pass(h, 300);
    assert_string_equal(result_of(h, "below a branch"), "what is out there");
    /* And for what the news of it set going. */
    script_reset();
    reads(h, "after the news");
    script_default(SCRIPT_CHANNEL, REPLY("so it is"));
    agent_settle(h);
    assert_string_equal(result_of(h, "after the news"), "what is out there");
    assert_true(a.given);
    agent_answer_clear(&a);
}

static void a_script_without_rules_does_not_keep_others_from_asking(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push_hang(SCRIPT_WORKER, HANG);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("of a script") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    struct command_call *call = exec(h, &a, "");
    agent_pass(h, 100);
    script_push(SCRIPT_CHANNEL,
                "[" CALL("ask", "{\"question\":\"which?\",\"options\":[{\"label\":\"a\"},"
                                "{\"label\":\"b\"}]}") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    agent_say(h, "c1", NULL, "ask me");
    agent_pass(h, 100);
    assert_int_equal(inbox_count(agent_inbox(h->agent)), 1);
    command_abandon(&call);
    agent_settle(h);
}

/* --- what cannot be answered --------------------------------------------------------------------
 */

static void a_script_in_a_paused_channel_is_told_at_once(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    agent_say(h, "c1", NULL, "/pause lunch");
    agent_settle(h);
    assert_null(exec(h, &a, ""));
    assert_true(a.given);
    assert_int_equal(a.st, STATUS_DENIED);
    expect_in(a.why, "channel:c1 is paused");
    expect_in(json_str(a.body, "error", ""), "/pause off");
    agent_answer_clear(&a);
    agent_say(h, "c1", NULL, "/pause off");
    agent_say(h, "c1", NULL, "/quiet");
    agent_settle(h);
    assert_null(exec(h, &a, ""));
    assert_int_equal(a.st, STATUS_DENIED);
    expect_in(a.why, "/active");
    agent_answer_clear(&a);
}

static void a_script_may_command(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push_hang(SCRIPT_CHANNEL, HANG);
    agent_say(h, "c1", NULL, "think");
    agent_pass(h, 100);
    a = (struct agent_answer){0};
    agent_ask(h, COMMAND_EXEC, &a, "{\"channel\":\"c1\",\"text\":\"/whoami\"}");
    agent_pass(h, 100); /* beside the turn that is under way */
    assert_true(a.given);
    assert_int_equal(a.st, STATUS_OK);
    expect_in(json_str(a.body, "reply", ""), "you may change this conversation");
    agent_answer_clear(&a);
    assert_true(channel_interrupt(h->agent, agent_process(h, "channel:c1"), "enough"));
    agent_settle(h);
}

/* Two people talk: what they say waits for more. A script's message does not, nor is it answered
 * together with theirs. */
static void a_script_is_not_answered_together_with_others(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    script_push(SCRIPT_CHANNEL, REPLY("hello Ann"));
    agent_say(h, "c1", "ann", "hello");
    agent_settle(h);
    script_push(SCRIPT_CHANNEL, REPLY("hello Ben"));
    script_push(SCRIPT_CHANNEL, REPLY("to the script"));
    agent_say(h, "c1", "ben", "hello");
    (void)exec(h, &a, "");
    agent_settle(h);
    assert_true(a.given);
    assert_string_equal(json_str(a.body, "reply", ""), "to the script");
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "replies")), 1);
    agent_answer_clear(&a);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(7);
    const struct CMUnitTest tests[] = {
        TEST(an_abandoned_script_leaves_a_persons_work),
        TEST(an_abandoned_script_does_not_interrupt_a_person),
        TEST(an_abandoned_script_ends_its_own_turn_alone),
        TEST(an_abandoned_script_leaves_a_persons_results),
        TEST(results_of_a_script_are_told_apart),
        TEST(a_script_hears_its_own_replies_and_waits_for_its_own_work),
        TEST(a_script_is_told_what_it_has_used_itself),
        TEST(a_failed_turn_of_a_person_is_not_the_scripts),
        TEST(what_a_script_may_is_not_allowed_to_others),
        TEST(what_a_script_may_holds_for_all_that_it_set_going),
        TEST(a_script_without_rules_does_not_keep_others_from_asking),
        TEST(a_script_in_a_paused_channel_is_told_at_once),
        TEST(a_script_may_command),
        TEST(a_script_is_not_answered_together_with_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
