/* What is paid for without an answer is in the accounts all the same: of the process, of the turn,
 * of the day, and in the store, marked as the guess that it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/limit.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"
#include "tests/lib/agent_home.h"

/* What the scripted client guesses of one that was cut off behind `text`. */
#define GUESS_INPUT 100
#define GUESS_COST 0.0005
#define TEXT_SAID "half of the ans" /* 15 bytes: 4 tokens */

static bool near(double a, double b) { return a > b - 1e-9 && a < b + 1e-9; }

static struct q_usage_of_process_row of_process(struct agent_home *h, const char *id) {
    struct q_usage_of_process_row row;
    struct cause why = {""};
    agent_turns(h, 5);
    if (q_usage_of_process(store_read(h->store), id, &row, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return row;
}

static void interrupt(struct agent_home *h, const char *channel) {
    struct agent_answer a;
    char *args = xasprintf("{\"process\":\"%s\"}", channel);
    (void)agent_ask(h, COMMAND_INTERRUPT, &a, args);
    agent_turns(h, 3);
    assert_true(a.given);
    agent_answer_clear(&a);
    x_free(&args);
}

static void an_interrupted_turn_is_paid_for(void **state) {
    struct agent_home *h = *state;
    struct q_why_turn_row turn;
    struct cause why = {""};
    char id[ID_UUID_SIZE];
    script_push_hang(SCRIPT_CHANNEL, TEXT_SAID);
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
    struct process *p = agent_process(h, "channel:c1");
    assert_int_equal(p->usage.input_tokens, 0);
    assert_non_null(channel_turn_id(p));
    snprintf(id, sizeof id, "%s", channel_turn_id(p));
    interrupt(h, "c1");
    agent_settle(h);
    assert_int_equal(p->usage.input_tokens, GUESS_INPUT);
    assert_int_equal(p->usage.output_tokens, 4);
    assert_true(p->usage.cost_is_estimate);
    assert_true(near(limit_day_spent(agent_day(h->agent)), GUESS_COST));
    struct q_usage_of_process_row u = of_process(h, "channel:c1");
    assert_int_equal(u.input_tokens, GUESS_INPUT);
    assert_int_equal(u.output_tokens, 4);
    assert_int_equal(u.requests, 1);
    assert_int_equal(u.estimated_rows, 1);
    assert_true(near(u.cost_usd, GUESS_COST));
    q_usage_of_process_free(&u);
    if (q_why_turn(store_read(h->store), id, &turn, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    assert_int_equal(turn.input_tokens, GUESS_INPUT);
    assert_int_equal(turn.output_tokens, 4);
    assert_int_equal(turn.model_calls, 1);
    assert_int_equal(turn.estimated, 1);
    assert_true(near(turn.cost_usd, GUESS_COST));
    q_why_turn_free(&turn);
}

static void a_cancelled_worker_and_a_branch_are_paid_for(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("count") "," BRANCH("think") "]");
    script_push(SCRIPT_CHANNEL, REPLY("at it"));
    script_default(SCRIPT_CHANNEL, "[" CALL("skip", "{}") "]");
    script_push_hang(SCRIPT_WORKER, TEXT_SAID);
    script_push_hang(SCRIPT_BRANCH, TEXT_SAID);
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 200);
    double before = limit_day_spent(agent_day(h->agent));
    static const enum process_kind kinds[] = {PROCESS_WORKER, PROCESS_BRANCH};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct process *p = agent_only(h, kinds[i]);
        char *id = xstrdup(p->id);
        assert_true(agent_cancel(h->agent, p, "not wanted any more"));
        agent_pass(h, 20000);
        struct q_usage_of_process_row u = of_process(h, id);
        assert_int_equal(u.input_tokens, GUESS_INPUT);
        assert_int_equal(u.output_tokens, 4);
        assert_int_equal(u.estimated_rows, 1);
        q_usage_of_process_free(&u);
        x_free(&id);
    }
    assert_true(limit_day_spent(agent_day(h->agent)) > before + 2 * GUESS_COST - 1e-9);
    agent_settle(h);
}

/* The last money may be spent on answers that nobody got: then no call is made any more. */
static void a_budget_knows_of_it(void **state) {
    struct agent_home *h = *state;
    h->config->limits.dollars_a_day = GUESS_COST;
    script_push_hang(SCRIPT_CHANNEL, TEXT_SAID);
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    interrupt(h, "c1");
    agent_settle(h);
    struct agent_answer a;
    agent_exec(h, &a, "{\"channel\":\"c2\",\"text\":\"and now?\"}");
    expect_in(json_str(a.body, "error", ""), "limits.dollars_a_day");
    agent_answer_clear(&a);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
}

/* The engine ends in mid-stream. */
static void what_ran_at_the_end_of_the_engine_is_paid_for(void **state) {
    struct agent_home *h = *state;
    script_push_hang(SCRIPT_CHANNEL, TEXT_SAID);
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
    agent_home_restart(h, true);
    struct q_usage_of_process_row u = of_process(h, "channel:c1");
    assert_int_equal(u.input_tokens, GUESS_INPUT);
    assert_int_equal(u.estimated_rows, 1);
    q_usage_of_process_free(&u);
    assert_true(near(limit_day_spent(agent_day(h->agent)), GUESS_COST)); /* found again */
    script_default(SCRIPT_CHANNEL, REPLY("again"));
    agent_settle(h);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)
    const struct CMUnitTest tests[] = {
        T(an_interrupted_turn_is_paid_for),
        T(a_cancelled_worker_and_a_branch_are_paid_for),
        T(a_budget_knows_of_it),
        T(what_ran_at_the_end_of_the_engine_is_paid_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
