/* What a channel delegated comes back: once, together with what ends at the same time, across the
 * ends of turns, channels and engines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/worker.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/queries.gen.h"
#include "tests/lib/agent_home.h"

#define ALMOST "[" TEXT("almost there") "," CALL("set_status", "{\"status\":\"at it\"}") "]"

static bool count_row(void *arg, const struct q_results_pending_row *row) {
    (void)row;
    ++*(unsigned *)arg;
    return true;
}

static unsigned untold(struct agent_home *h, const char *channel) {
    struct cause why;
    unsigned n = 0;
    assert_int_equal(q_results_pending(store_read(h->store), channel, count_row, &n, &why),
                     STATUS_OK);
    return n;
}

/* The channel has delegated to `n` workers that are at it. */
static void at_work(struct agent_home *h, unsigned n) {
    struct buf b = BUF_INIT;
    for (unsigned i = 0; i < n; i++)
        buf_printf(&b,
                   "%s{\"type\":\"tool_use\",\"name\":\"spawn_worker\",\"input\":{\"task\":"
                   "\"task %u\"}}",
                   i ? "," : "[", i);
    buf_putc(&b, ']');
    script_push(SCRIPT_CHANNEL, buf_str(&b));
    buf_free(&b);
    script_push(SCRIPT_CHANNEL, "[]");
    for (unsigned i = 0; i < n; i++)
        script_push(SCRIPT_WORKER, ALMOST);
    for (unsigned i = 0; i < n; i++)
        script_push_hang(SCRIPT_WORKER, "");
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
}

static void end_one(struct agent_home *h, const char *reason) {
    size_t pos = 0;
    for (struct process *p; (p = process_next(agent_processes(h->agent), &pos));)
        if (p->kind != PROCESS_CHANNEL && p->body) {
            assert_true(agent_cancel(h->agent, p, reason));
            return;
        }
    fail_msg("nothing is at work");
}

static void two_branches_finishing_within_the_debounce(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" BRANCH("one") "," BRANCH("two") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_BRANCH, "first thought");
    script_push_hang(SCRIPT_BRANCH, "second thought");
    agent_say(h, "c1", NULL, "think");
    agent_pass(h, 100);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    script_push(SCRIPT_CHANNEL, REPLY("both came"));
    end_one(h, "a");
    agent_pass(h, 450);
    end_one(h, "b"); /* the debounce begins again */
    agent_pass(h, 450);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
    agent_pass(h, 100);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
    expect_in(script_last_history(SCRIPT_CHANNEL), "Branch cancelled: a");
    expect_in(script_last_history(SCRIPT_CHANNEL), "Branch cancelled: b");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
    assert_int_equal(untold(h, "c1"), 0);
}

/* While results are being told another one comes: it is told by itself, after them. */
static void a_result_during_the_telling_is_told_after_it(void **state) {
    struct agent_home *h = *state;
    at_work(h, 2);
    script_push_hang(SCRIPT_CHANNEL, "I was just going to say");
    end_one(h, "a");
    agent_pass(h, 1000);
    end_one(h, "b");
    agent_pass(h, 5000);
    assert_int_equal(untold(h, "c1"), 2);
    script_push(SCRIPT_CHANNEL, REPLY("and b"));
    assert_true(channel_interrupt(h->agent, agent_process(h, "channel:c1"), "stop"));
    agent_settle(h);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    assert_int_equal(count_in(sent, "<result process"), 2);
    expect_in(sent, "I have not told the person of these results yet");
    assert_int_equal(untold(h, "c1"), 0);
}

static void a_fourth_retrigger(void **state) {
    struct agent_home *h = *state;
    at_work(h, 4);
    for (int i = 0; i < 3; i++) {
        script_push(SCRIPT_CHANNEL, REPLY("one more is back"));
        end_one(h, "enough");
        agent_pass(h, 1000);
    }
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    end_one(h, "the fourth");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls); /* no turn */
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE),
              "ask for them"); /* and it is said */
    expect_in(buf_str(&h->events), "notice");
    assert_int_equal(untold(h, "c1"),
                     0); /* recorded in the conversation, where a restart finds it */
    agent_home_restart(h, true);
    script_push(SCRIPT_CHANNEL, REPLY("the fourth was enough"));
    agent_say(h, "c1", NULL, "and the fourth?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "the fourth");
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
}

static size_t told_to_ask(struct agent_home *h) {
    const struct journal *j = &agent_process(h, "channel:c1")->journal;
    size_t n = 0;
    for (size_t i = 0; i < j->n; i++)
        n += j->v[i]->kind == JOURNAL_NOTICE && strstr(buf_str(&j->v[i]->text), "ask for them");
    return n;
}

/* However many come in then; and anew when a person has said something meanwhile. */
static void that_more_came_in_is_said_once(void **state) {
    struct agent_home *h = *state;
    at_work(h, 6);
    script_default(SCRIPT_CHANNEL, REPLY("ok"));
    for (int i = 0; i < 6; i++) {
        end_one(h, "enough");
        agent_pass(h, 1000);
    }
    assert_int_equal(told_to_ask(h), 1);
    agent_say(h, "c1", NULL, "thanks");
    agent_settle(h);
    at_work(h, 4);
    script_default(SCRIPT_CHANNEL, REPLY("ok"));
    for (int i = 0; i < 4; i++) {
        end_one(h, "enough");
        agent_pass(h, 1000);
    }
    assert_int_equal(told_to_ask(h), 2);
}

static void the_cap_begins_anew_with_each_message_of_a_person(void **state) {
    struct agent_home *h = *state;
    at_work(h, 5);
    script_default(SCRIPT_CHANNEL, REPLY("ok"));
    for (int i = 0; i < 4; i++) {
        if (i == 2)
            agent_say(h, "c1", NULL, "thanks");
        end_one(h, "enough");
        agent_pass(h, 1000);
    }
    size_t calls = script_calls(SCRIPT_CHANNEL);
    end_one(h, "the fifth");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
}

static void a_worker_finishing_after_its_channel_was_closed(void **state) {
    struct agent_home *h = *state;
    at_work(h, 1);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    agent_home_restart(h, true); /* ends the worker, and the channel with it */
    agent_pass(h, 5000);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls); /* nobody is there to be told */
    assert_int_equal(untold(h, "c1"), 1);
    struct agent_answer a = {0};
    script_push(SCRIPT_CHANNEL, REPLY("it had almost been there"));
    agent_ask(h, COMMAND_OPEN, &a, "{\"channel\":\"c1\"}");
    agent_answer_clear(&a);
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "almost there");
    assert_int_equal(untold(h, "c1"), 0);
    agent_home_restart(h, true); /* told once */
    agent_ask(h, COMMAND_OPEN, &a, "{\"channel\":\"c1\"}");
    agent_answer_clear(&a);
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
}

static void results_survive_a_crash(void **state) {
    struct agent_home *h = *state;
    at_work(h, 1);
    script_push_hang(SCRIPT_CHANNEL, "well");
    end_one(h, "found");
    agent_pass(h, 2000); /* it is being told */
    assert_int_equal(untold(h, "c1"), 1);
    agent_home_restart(h, false);
    assert_int_equal(untold(h, "c1"), 1);
    script_push(SCRIPT_CHANNEL, REPLY("found"));
    struct agent_answer a = {0};
    agent_ask(h, COMMAND_OPEN, &a, "{\"channel\":\"c1\"}");
    agent_answer_clear(&a);
    agent_settle(h);
    assert_int_equal(count_in(script_last_history(SCRIPT_CHANNEL), "<result process"), 1);
    expect_in(script_last_history(SCRIPT_CHANNEL), "found");
    /* The reply and the end of the waiting are one write: it is not told again. */
    size_t calls = script_calls(SCRIPT_CHANNEL);
    agent_home_restart(h, false);
    agent_ask(h, COMMAND_OPEN, &a, "{\"channel\":\"c1\"}");
    agent_answer_clear(&a);
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
}

static void a_crash_is_told_as_a_result(void **state) {
    struct agent_home *h = *state;
    at_work(h, 1);
    agent_home_restart(h, false); /* the worker never ended */
    script_push(SCRIPT_CHANNEL, REPLY("the engine ended under it"));
    struct agent_answer a = {0};
    agent_ask(h, COMMAND_OPEN, &a, "{\"channel\":\"c1\"}");
    agent_answer_clear(&a);
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "<task>task 0</task>");
    expect_in(script_last_history(SCRIPT_CHANNEL), "outcome=\\\"failed\\\"");
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static bool last_metadata(void *arg, const struct q_messages_newest_row *row) {
    char **out = arg;
    x_free(out);
    *out = xstrdup(row->metadata ? row->metadata : "");
    return true;
}

static void a_told_result_goes_back_to_the_message_that_asked(void **state) {
    struct agent_home *h = *state;
    at_work(h, 1);
    struct process *w = agent_only(h, PROCESS_WORKER);
    char *asked = xstrdup(channel_message_id(agent_process(h, "channel:c1")));
    assert_string_equal(w->reply_to, asked);
    script_push(SCRIPT_CHANNEL, REPLY("other things"));
    agent_say(h, "c1", NULL, "something else");
    agent_pass(h, 100);
    script_push(SCRIPT_CHANNEL, REPLY("and now this"));
    end_one(h, "found");
    agent_settle(h);
    char *meta = NULL;
    struct cause why;
    assert_int_equal(q_messages_newest(store_read(h->store), "c1", 1, last_metadata, &meta, &why),
                     STATUS_OK);
    expect_in(meta, asked);
    expect_in(meta, w->id);
    x_free(&meta);
    x_free(&asked);
}

static void results_do_not_pass_for_the_question_before_them(void **state) {
    struct agent_home *h = *state;
    at_work(h, 1);
    script_push_fault(SCRIPT_CHANNEL, LLM_FAULT_AUTH, "anthropic: the key was refused (401)");
    agent_say(h, "c1", NULL, "a question without an answer");
    agent_pass(h, 100);
    script_push(SCRIPT_CHANNEL, REPLY("here"));
    end_one(h, "found");
    agent_settle(h);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    const char *question = strstr(sent, "a question without an answer");
    assert_non_null(question);
    const char *bridge = strstr(question, "\"role\":\"assistant\"");
    assert_non_null(bridge);
    assert_true(bridge < strstr(question, "[system] Work that you delegated"));
}

static void a_retrigger_that_says_nothing_is_made_good_by_the_next_answer(void **state) {
    struct agent_home *h = *state;
    at_work(h, 1);
    script_push_fault(SCRIPT_CHANNEL, LLM_FAULT_AUTH, "anthropic: the key was refused (401)");
    end_one(h, "found it in the attic");
    agent_settle(h);
    assert_int_equal(untold(h, "c1"), 0);
    script_push(SCRIPT_CHANNEL, REPLY("in the attic"));
    agent_say(h, "c1", NULL, "well?");
    agent_settle(h);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    assert_int_equal(count_in(sent, "<result process"), 1);
    expect_in(sent, "my next answer includes them");
    expect_in(sent, "come back just now"); /* the status block names it until it is told */
    script_push(SCRIPT_CHANNEL, REPLY("yes"));
    agent_say(h, "c1", NULL, "sure?");
    agent_settle(h);
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "come back just now");
}

static void a_skip_of_results_with_words_says_the_words(void **state) {
    struct agent_home *h = *state;
    at_work(h, 2);
    script_push(SCRIPT_CHANNEL, "[" TEXT("By the way: it is done.") "," CALL("skip", "{}") "]");
    end_one(h, "done");
    agent_pass(h, 1000);
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_REPLY),
                        "By the way: it is done.");
    script_push(SCRIPT_CHANNEL, "[" CALL("skip", "{}") "]");
    end_one(h, "done too");
    agent_settle(h);
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_REPLY),
                        "By the way: it is done.");
    assert_int_equal(untold(h, "c1"), 0);
    script_push(SCRIPT_CHANNEL, REPLY("hi"));
    agent_say(h, "c1", NULL, "hi"); /* what was skipped on purpose is not brought up again */
    agent_settle(h);
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "come back just now");
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "my next answer includes them");
}

static void an_abandoned_command_wants_no_results(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, ALMOST);
    script_push_hang(SCRIPT_WORKER, "");
    struct command_call *c = agent_ask(h, COMMAND_EXEC, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    agent_pass(h, 100);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    int64_t before = clock_mono_ns();
    command_abandon(&c);
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
    assert_true(clock_mono_ns() - before < 400 * NS_PER_MS); /* no debounce is waited for */
    assert_int_equal(untold(h, "c1"), 0);
    script_push(SCRIPT_CHANNEL, REPLY("it was cut off"));
    agent_say(h, "c1", NULL, "what of it?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "almost"); /* and what it had is not lost */
}

/* Whoever else waits for the channel is answered though nothing is left to tell. */
static void an_abandoned_command_leaves_another_answered(void **state) {
    struct agent_home *h = *state;
    struct agent_answer gone = {0}, other = {0};
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("hi"));
    script_push(SCRIPT_WORKER, ALMOST);
    script_push_hang(SCRIPT_WORKER, "");
    struct command_call *c =
        agent_ask(h, COMMAND_EXEC, &gone, "{\"channel\":\"c1\",\"text\":\"go\"}");
    agent_ask(h, COMMAND_EXEC, &other, "{\"channel\":\"c1\",\"text\":\"hi\"}");
    agent_pass(h, 100);
    end_one(h, "done early");
    agent_pass(h, 100); /* its result waits for the debounce */
    assert_int_equal(untold(h, "c1"), 1);
    command_abandon(&c);
    agent_pass(h, 1000);
    assert_true(other.given);
    agent_answer_clear(&other);
}

/* Also in the moment in which its first result is being stored: the store keeps none that was told,
 * or the next engine would tell it again. */
static void a_result_is_told_once_whenever_its_worker_is_cancelled(void **state) {
    struct agent_home *h = *state;
    bool waited = false;
    for (int n = 0; n < 24; n++) {
        script_reset();
        char *spawn = xasprintf(
            "[" CALL("spawn_worker", "{\"task\":\"count %d\",\"interactive\":true}") "]", n);
        script_push(SCRIPT_CHANNEL, spawn);
        script_push(SCRIPT_CHANNEL, "[]");
        script_push(SCRIPT_WORKER, OUTCOME("forty-two"));
        script_push(SCRIPT_WORKER, "[]");
        script_default(SCRIPT_CHANNEL, REPLY("told"));
        x_free(&spawn);
        agent_say(h, "c1", NULL, "go");
        for (int i = 0; i < n; i++)
            loop_turn(h->loop, NS_PER_MS);
        size_t pos = 0;
        for (struct process *p; (p = process_next(agent_processes(h->agent), &pos));)
            if (p->kind == PROCESS_WORKER && p->body) {
                waited |= worker_waits(p);
                (void)agent_cancel(h->agent, p, "enough");
            }
        agent_settle(h);
        unsigned left = untold(h, "c1");
        if (left)
            fail_msg("cancelled after %d turns of the loop, %u results are told again", n, left);
    }
    assert_true(waited); /* the last ones had told and waited */
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)
    const struct CMUnitTest tests[] = {
        T(two_branches_finishing_within_the_debounce),
        T(a_result_during_the_telling_is_told_after_it),
        T(a_fourth_retrigger),
        T(that_more_came_in_is_said_once),
        T(the_cap_begins_anew_with_each_message_of_a_person),
        T(a_worker_finishing_after_its_channel_was_closed),
        T(results_survive_a_crash),
        T(a_crash_is_told_as_a_result),
        T(a_told_result_goes_back_to_the_message_that_asked),
        T(results_do_not_pass_for_the_question_before_them),
        T(a_retrigger_that_says_nothing_is_made_good_by_the_next_answer),
        T(a_skip_of_results_with_words_says_the_words),
        T(an_abandoned_command_wants_no_results),
        T(an_abandoned_command_leaves_another_answered),
        T(a_result_is_told_once_whenever_its_worker_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
