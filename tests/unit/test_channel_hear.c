/* What people say to a channel: who waits for whom, who is answered, and what is obeyed. */
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

/* Two people are known, nothing is under way. */
static void two_people(struct agent_home *h) {
    script_push(SCRIPT_CHANNEL, REPLY("hello ana"));
    agent_say(h, "team", "ana", "I am ana");
    agent_settle(h);
    script_push(SCRIPT_CHANNEL, REPLY("hello bo"));
    agent_say(h, "team", "bo", "I am bo");
    agent_settle(h);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static void messages_of_several_people_are_answered_together(void **state) {
    struct agent_home *h = *state;
    two_people(h);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    script_push(SCRIPT_CHANNEL, REPLY("both"));
    agent_say(h, "team", "ana", "first question");
    agent_pass(h, 1200);
    agent_say(h, "team", "bo", "second question");
    agent_pass(h, 250);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls); /* 1.45 s after the first */
    agent_pass(h, 60);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    expect_in(sent, "[2 messages]");
    expect_in(sent, "[ana, ");
    expect_in(sent, "first question");
    expect_in(sent, "[bo, ");
    expect_in(sent, "second question");
    expect_in(sent, "2 messages of 2 people came together within 1.5 s");
    agent_settle(h);
    /* Each was stored by itself; the hint is not part of the history. */
    script_push(SCRIPT_CHANNEL, REPLY("yes"));
    agent_say(h, "team", "ana", "and?");
    agent_settle(h);
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "came together");
    expect_in(script_last_history(SCRIPT_CHANNEL), "[2 messages]");
    agent_home_restart(h, true);
    script_push(SCRIPT_CHANNEL, REPLY("again"));
    agent_say(h, "team", "ana", "still there?");
    agent_settle(h);
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "[2 messages]");
    expect_in(script_last_history(SCRIPT_CHANNEL), "first question");
}

static void a_few_messages_put_the_answer_off_up_to_the_ceiling(void **state) {
    struct agent_home *h = *state;
    h->config->coalesce.min_messages = 10;
    two_people(h);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    script_push(SCRIPT_CHANNEL, REPLY("all"));
    for (int i = 0; i < 4; i++) { /* each within the debounce of the one before */
        agent_say(h, "team", "ana", "more");
        if (i < 3)
            agent_pass(h, 1400);
    }
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls); /* 4.2 s */
    agent_pass(h, 700);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
    agent_pass(h, 150); /* 5.05 s: not another debounce */
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
    expect_in(script_last_history(SCRIPT_CHANNEL), "[4 messages]");
    expect_in(script_last_history(SCRIPT_CHANNEL), "of 1 person came together within 5.0 s");
    agent_settle(h);
}

static void one_person_never_waits(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, REPLY("at once"));
    int64_t before = clock_mono_ns();
    agent_say(h, "inbox", NULL, "hi");
    agent_settle(h);
    assert_true(clock_mono_ns() - before < 100 * NS_PER_MS);
    /* Unless the config says so. */
    h->config->coalesce.multi_user_only = false;
    script_push(SCRIPT_CHANNEL, REPLY("later"));
    before = clock_mono_ns();
    agent_say(h, "inbox", NULL, "hi");
    agent_settle(h);
    assert_true(clock_mono_ns() - before >= 1500 * NS_PER_MS);
    h->config->coalesce.enabled = false;
    script_push(SCRIPT_CHANNEL, REPLY("at once again"));
    before = clock_mono_ns();
    agent_say(h, "inbox", NULL, "hi");
    agent_settle(h);
    assert_true(clock_mono_ns() - before < 100 * NS_PER_MS);
}

static void a_slash_does_not_wait_and_takes_what_waits_along(void **state) {
    struct agent_home *h = *state;
    two_people(h);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    agent_say(h, "team", "ana", "wait for me");
    agent_say(h, "team", "bo", "/status"); /* a command is no reason to stop waiting */
    agent_pass(h, 100);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
    script_push(SCRIPT_CHANNEL, REPLY("one"));
    script_push(SCRIPT_CHANNEL, REPLY("two"));
    agent_say(h, "team", "bo", "/no-such-command is a sentence");
    agent_pass(h, 100);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 2);
    agent_settle(h);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    assert_true(strstr(sent, "wait for me") < strstr(sent, "/no-such-command"));
    expect_in(sent, "wait for me");
}

static void work_that_begins_or_ends_ends_the_waiting(void **state) {
    struct agent_home *h = *state;
    two_people(h);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("look") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, "looking");
    agent_say(h, "team", "ana", "/do look"); /* at once: it begins with a slash */
    agent_pass(h, 300);
    struct process *w = agent_only(h, PROCESS_WORKER);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    agent_say(h, "team", "bo", "while it works");
    agent_pass(h, 100);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
    script_push(SCRIPT_CHANNEL, REPLY("to bo"));
    script_push(SCRIPT_CHANNEL, REPLY("it ended"));
    assert_true(agent_cancel(h->agent, w, "enough"));
    agent_pass(h, 100); /* long before 1.5 s, and before the result is told */
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 1);
    expect_in(script_last_history(SCRIPT_CHANNEL), "while it works");
    agent_settle(h);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

/* Said between the end of the work and the telling of it: said first. */
static void what_waits_goes_before_results(void **state) {
    struct agent_home *h = *state;
    two_people(h);
    script_push(SCRIPT_CHANNEL, "[" SPAWN("look") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, "looking");
    agent_say(h, "team", "ana", "/do look");
    agent_pass(h, 300);
    size_t calls = script_calls(SCRIPT_CHANNEL);
    assert_true(agent_cancel(h->agent, agent_only(h, PROCESS_WORKER), "enough"));
    agent_pass(h, 100);
    script_push(SCRIPT_CHANNEL, REPLY("to bo"));
    script_push(SCRIPT_CHANNEL, REPLY("it ended"));
    agent_say(h, "team", "bo", "how far is it");
    agent_pass(h, 1000); /* the results are told 0.5 s after the end; bo would wait 1.5 s */
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls + 2);
    const char *sent = script_last_history(SCRIPT_CHANNEL);
    expect_in(sent, "how far is it");
    assert_true(strstr(sent, "how far is it") < strstr(sent, "has come back"));
    agent_settle(h);
}

static void what_waits_survives_the_end_of_the_engine(void **state) {
    struct agent_home *h = *state;
    two_people(h);
    agent_say(h, "team", "ana", "do not lose me");
    agent_home_restart(h, true);
    script_push(SCRIPT_CHANNEL, REPLY("I have not"));
    agent_say(h, "team", "ana", "well?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "do not lose me");
}

/* --- response modes -----------------------------------------------------------------------------
 */

static void a_quiet_channel_notes_and_does_not_answer(void **state) {
    struct agent_home *h = *state;
    agent_say(h, "c1", NULL, "/Quiet"); /* case does not matter */
    agent_settle(h);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "observe");
    agent_say(h, "c1", NULL, "the key is under the mat");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 0);
    agent_say(h, "c1", NULL, "/active");
    script_push(SCRIPT_CHANNEL, REPLY("under the mat"));
    agent_say(h, "c1", NULL, "where is the key?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "the key is under the mat");
    expect_not_in(script_last_history(SCRIPT_CHANNEL), "/active");
}

static void a_channel_can_wait_to_be_named(void **state) {
    struct agent_home *h = *state;
    h->config->channel.response_mode[0] = '\0';
    x_free(&h->config->channel.response_mode);
    h->config->channel.response_mode = xstrdup("mention_only"); /* the config's word, no setting */
    agent_say(h, "c1", NULL, "just talking");
    agent_say(h, "c1", NULL, "mail me at ana@spacebots.example");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 0);
    script_push(SCRIPT_CHANNEL, REPLY("yes?"));
    agent_say(h, "c1", NULL, "hey @Spacebot, are you there?");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 1);
    expect_in(script_last_history(SCRIPT_CHANNEL), "just talking");
    /* A conversation of two is not asked to name whom it means. */
    script_push(SCRIPT_CHANNEL, REPLY("here"));
    agent_say(h, "x:dm:ana", NULL, "hi");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 2);
}

static void settings_persist_and_come_before_the_config(void **state) {
    struct agent_home *h = *state;
    agent_say(h, "c1", NULL, "/mention_only"); /* "_" is "-" */
    agent_settle(h);
    expect_in(buf_str(&h->events), "settings_updated");
    agent_home_restart(h, true);
    agent_say(h, "c1", NULL, "anybody?");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 0);
    script_push(SCRIPT_CHANNEL, REPLY("other channels are as they were"));
    agent_say(h, "c2", NULL, "anybody?");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 1);
}

/* --- commands -----------------------------------------------------------------------------------
 */

static void commands_are_answered_in_the_middle_of_a_turn(void **state) {
    struct agent_home *h = *state;
    script_push_hang(SCRIPT_CHANNEL, "thinking");
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 50);
    agent_say(h, "c1", NULL, "/status");
    agent_pass(h, 50);
    const char *said = agent_last_entry(h, "channel:c1", JOURNAL_NOTICE);
    expect_in(said, "thinking");
    expect_in(said, "mode active");
    expect_in(buf_str(&h->events), "channel_system_message");
    agent_say(h, "c1", NULL, "/help@spacebot");
    agent_pass(h, 50);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "/mention-only");
    agent_say(h, "c1", NULL, "/whoami");
    agent_pass(h, 50);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "you may change");
    agent_say(h, "c1", NULL, "/AGENT_ID");
    agent_pass(h, 50);
    assert_string_equal(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "main");
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 1);
    assert_true(channel_interrupt(h->agent, agent_process(h, "channel:c1"), "enough"));
}

static void a_command_is_answered_to_whoever_executes_it(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"/help\"}");
    assert_int_equal(a.st, STATUS_OK);
    expect_in(json_str(a.body, "reply", ""), "/whoami");
    agent_answer_clear(&a);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 0);
}

static void a_command_with_words_behind_it_is_a_sentence(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, REPLY("no"));
    agent_say(h, "c1", NULL, "/status of the build?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "/status of the build?");
    script_push(SCRIPT_CHANNEL, REPLY("no"));
    agent_say(h, "c1", NULL, "/etc/passwd holds what?");
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 2);
}

static void commands_without_authority_change_nothing(void **state) {
    struct agent_home *h = *state;
    struct process *p;
    struct cause why;
    char id[ID_UUID_SIZE];
    assert_int_equal(channel_open(h->agent, "c1", NULL, NULL, &p, &why), STATUS_OK);
    struct channel_message m = {.sender = "stranger", .text = "/observe"};
    assert_int_equal(channel_say(h->agent, p, &m, NULL, NULL, NULL, id, &why), STATUS_OK);
    agent_settle(h);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "needs authority");
    m.text = "/whoami";
    assert_int_equal(channel_say(h->agent, p, &m, NULL, NULL, NULL, id, &why), STATUS_OK);
    agent_settle(h);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "stranger");
    script_push(SCRIPT_CHANNEL, REPLY("still active"));
    m.text = "and now?";
    assert_int_equal(channel_say(h->agent, p, &m, NULL, NULL, NULL, id, &why), STATUS_OK);
    agent_settle(h);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 1);
}

static void the_model_is_changed_in_mid_course(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("look") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, "looking");
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
    const struct process *p = process_find(agent_processes(h->agent), "channel:c1");
    char *usual = xstrdup(p->model);
    agent_say(h, "c1", NULL, "/model openai/gpt-5.2");
    agent_pass(h, 50);
    assert_string_equal(p->model, "openai/gpt-5.2");
    assert_string_equal(agent_only(h, PROCESS_WORKER)->model, "openai/gpt-5.2");
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "next call on: openai/gpt-5.2");
    agent_say(h, "c1", NULL, "/model openai/");
    agent_pass(h, 50);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "is no model");
    assert_true(agent_cancel(h->agent, agent_only(h, PROCESS_WORKER), "found"));
    script_push(SCRIPT_CHANNEL, REPLY("well"));
    agent_settle(h);
    agent_home_restart(h, true);
    agent_say(h, "c1", NULL, "/status");
    agent_pass(h, 5000);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "openai/gpt-5.2");
    agent_say(h, "c1", NULL, "/model default");
    agent_pass(h, 5000);
    p = process_find(agent_processes(h->agent), "channel:c1");
    assert_string_equal(p->model, usual);
    agent_home_restart(h, true);
    agent_say(h, "c1", NULL, "/model");
    agent_pass(h, 5000);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), usual);
    x_free(&usual);
}

static void a_paused_channel_keeps_messages_and_results(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("look") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push_hang(SCRIPT_WORKER, "looking");
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
    agent_say(h, "c1", NULL, "/pause lunch");
    agent_pass(h, 50);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "paused: lunch");
    size_t calls = script_calls(SCRIPT_CHANNEL);
    assert_true(agent_cancel(h->agent, agent_only(h, PROCESS_WORKER), "found"));
    agent_say(h, "c1", NULL, "noted meanwhile");
    agent_pass(h, 5000);
    assert_int_equal(script_calls(SCRIPT_CHANNEL), calls);
    assert_true(agent_idle(h->agent)); /* a pause does not keep the engine from ending */
    agent_home_restart(h, true);
    agent_say(h, "c1", NULL, "/status");
    agent_pass(h, 5000);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "paused: lunch");
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE), "1 results waiting");
    script_push(SCRIPT_CHANNEL, REPLY("it was found"));
    agent_say(h, "c1", NULL, "/pause off");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "<task>look</task>");
    expect_in(script_last_history(SCRIPT_CHANNEL), "noted meanwhile");
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)
    const struct CMUnitTest tests[] = {
        T(messages_of_several_people_are_answered_together),
        T(a_few_messages_put_the_answer_off_up_to_the_ceiling),
        T(one_person_never_waits),
        T(a_slash_does_not_wait_and_takes_what_waits_along),
        T(work_that_begins_or_ends_ends_the_waiting),
        T(what_waits_goes_before_results),
        T(what_waits_survives_the_end_of_the_engine),
        T(a_quiet_channel_notes_and_does_not_answer),
        T(a_channel_can_wait_to_be_named),
        T(settings_persist_and_come_before_the_config),
        T(commands_are_answered_in_the_middle_of_a_turn),
        T(a_command_is_answered_to_whoever_executes_it),
        T(a_command_with_words_behind_it_is_a_sentence),
        T(commands_without_authority_change_nothing),
        T(the_model_is_changed_in_mid_course),
        T(a_paused_channel_keeps_messages_and_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
