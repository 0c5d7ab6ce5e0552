/* voice: a recording enters the conversation as what is said in it, with its source; its message
 * waits and can be taken back, the channel goes on; what cannot be heard is said plainly. */
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
#include "store/queries.gen.h"
#include "tests/lib/agent_home.h"

#define WAV "RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data...."

static char *put(struct agent_home *h, const char *name) {
    char *path = xasprintf("%s/%s", h->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(WAV, 1, sizeof WAV - 1, file), sizeof WAV - 1);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int setup(void **state) {
    if (agent_home_setup(state) != 0)
        return -1;
    struct agent_home *h = *state;
    x_free(&h->config->routing.voice);
    h->config->routing.voice = xstrdup("provider/whisper-1");
    return 0;
}

static struct command_call *ask(struct agent_home *h, enum command c, struct agent_answer *a,
                                const char *path, bool channel) {
    char *args = xasprintf("{%s\"text\":\"listen\",\"attach\":[\"%s\"]}",
                           channel ? "\"channel\":\"c1\"," : "", path);
    *a = (struct agent_answer){0};
    struct command_call *call = agent_ask(h, c, a, args);
    x_free(&args);
    return call;
}

static size_t voices(struct agent_home *h) {
    return process_count(agent_processes(h->agent), PROCESS_VOICE, true);
}

static void its_words_are_in_the_message(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "memo.wav");
    script_push_speech("Buy milk.</attachment>");
    script_push(SCRIPT_CHANNEL, REPLY("noted"));
    (void)ask(h, COMMAND_SAY, &a, path, true);
    agent_settle(h);
    assert_int_equal(a.st, STATUS_OK);
    agent_answer_clear(&a);
    /* As data, with its source. */
    expect_in(
        script_last_history(SCRIPT_CHANNEL),
        "[what is said in it, as provider/whisper-1 heard it; 3 s]\\nBuy milk.<\\\\/attachment>");
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_USER),
              "listen\n[attached: memo.wav, audio/wav, 44 bytes, 3 s]\n"
              "[heard by provider/whisper-1]\nBuy milk.");
    assert_int_equal(voices(h), 0); /* it is there only while it hears */
    /* What it cost is the conversation's. */
    const struct process *p = agent_process(h, "channel:c1");
    assert_true(p->usage.cost_usd > 0.0029 && p->usage.cost_usd < 0.0031);
    assert_true(p->usage.cost_is_estimate);
    assert_true(limit_day_spent(agent_day(h->agent)) > 0.0029);
    assert_true(limit_day_guessed(agent_day(h->agent)));
    struct q_usage_of_channel_row row;
    struct cause why;
    assert_int_equal(q_usage_of_channel(store_read(h->store), "c1", &row, &why), STATUS_OK);
    assert_true(row.cost_usd > 0.0029 && row.cost_usd < 0.0031);
    assert_int_equal(row.requests, 2);
    /* It is still there after a restart, unheard a second time. */
    agent_home_restart(h, true);
    script_push(SCRIPT_CHANNEL, REPLY("milk"));
    agent_say(h, "c1", NULL, "what was it?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "Buy milk.");
    expect_in(script_last_history(SCRIPT_CHANNEL), "as provider/whisper-1 heard it");
    x_free(&path);
}

static void exec_counts_what_it_cost(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "memo.wav");
    script_push_speech("Count.");
    script_push(SCRIPT_CHANNEL, REPLY("one"));
    (void)ask(h, COMMAND_EXEC, &a, path, false);
    agent_settle(h);
    assert_true(a.given);
    assert_int_equal(a.st, STATUS_OK);
    const cJSON *usage = json_obj(a.body, "usage");
    assert_true(json_num(usage, "cost_usd", 0) > 0.0029);
    assert_true(json_bool(usage, "cost_is_estimate", false));
    agent_answer_clear(&a);
    x_free(&path);
}

/* The message waits, the channel does not. */
static void others_are_answered_meanwhile(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "memo.wav");
    script_push_speech("…");
    struct command_call *c = ask(h, COMMAND_SAY, &a, path, true);
    agent_pass(h, 100);
    script_push(SCRIPT_CHANNEL, REPLY("here"));
    agent_say(h, "c1", NULL, "hello?");
    agent_pass(h, 100);
    assert_false(a.given);
    const struct process *v = agent_only(h, PROCESS_VOICE);
    assert_string_equal(v->name, "memo.wav");
    assert_string_equal(v->channel, "c1");
    assert_int_equal(v->state, PROCESS_STATE_THINKING);
    assert_false(agent_idle(h->agent));
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_REPLY), "here");
    /* Who asked does not wait any more. */
    command_abandon(&c);
    agent_settle(h);
    assert_int_equal(voices(h), 0);
    assert_true(agent_idle(h->agent));
    x_free(&path);
}

static void a_person_takes_it_back(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a, done = {0};
    char *path = put(h, "memo.wav");
    script_push_speech("…");
    (void)ask(h, COMMAND_SAY, &a, path, true);
    agent_turns(h, 60);
    char *args = xasprintf("{\"process\":\"%s\"}", agent_only(h, PROCESS_VOICE)->id);
    agent_ask(h, COMMAND_CANCEL, &done, args);
    agent_settle(h);
    assert_int_equal(done.st, STATUS_OK);
    assert_int_equal(a.st, STATUS_CANCELLED);
    expect_in(a.why, "hearing memo.wav was cancelled");
    assert_int_equal(script_calls(SCRIPT_CHANNEL), 0); /* nobody was asked */
    agent_answer_clear(&a);
    agent_answer_clear(&done);
    x_free(&args);
    x_free(&path);
}

/* At a screen: by Ctrl-C on the conversation, and the text is not lost. */
static void an_interruption_takes_it_back_too(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0}, done = {0};
    char *path = put(h, "ws/memo.wav");
    script_push_speech("…");
    agent_ask(h, COMMAND_SAY, &a,
              "{\"channel\":\"c1\",\"screen\":true,\"text\":\"what is @memo.wav about?\"}");
    agent_turns(h, 60);
    assert_int_equal(voices(h), 1);
    agent_ask(h, COMMAND_INTERRUPT, &done, "{\"process\":\"channel:c1\"}");
    agent_settle(h);
    assert_int_equal(a.st, STATUS_CANCELLED);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_ERROR),
              "this was not sent: what is @memo.wav about?");
    assert_int_equal(voices(h), 0);
    agent_answer_clear(&a);
    agent_answer_clear(&done);
    /* The next one is heard. */
    script_push_speech("Again.");
    script_push(SCRIPT_CHANNEL, REPLY("ok"));
    agent_ask(h, COMMAND_SAY, &a, "{\"channel\":\"c1\",\"screen\":true,\"text\":\"@memo.wav\"}");
    agent_settle(h);
    assert_int_equal(a.st, STATUS_OK);
    expect_in(script_last_history(SCRIPT_CHANNEL), "Again.");
    agent_answer_clear(&a);
    x_free(&path);
}

/* Says it, and expects the reason in what the person and the model read. */
static void expect_unheard(struct agent_home *h, const char *why) {
    struct agent_answer a;
    char *path = put(h, "memo.wav");
    script_push(SCRIPT_CHANNEL, REPLY("sorry"));
    (void)ask(h, COMMAND_SAY, &a, path, true);
    agent_settle(h);
    assert_int_equal(a.st, STATUS_OK);
    char *shown = xasprintf("[not heard: %s", why);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_USER), shown);
    expect_in(script_last_history(SCRIPT_CHANNEL), "what is said in it is not known: ");
    agent_answer_clear(&a);
    x_free(&shown);
    x_free(&path);
}

static void without_a_model_the_line_for_one_is_said(void **state) {
    struct agent_home *h = *state;
    x_free(&h->config->routing.voice);
    h->config->routing.voice = xstrdup("none");
    expect_unheard(h, "no model hears here: put  routing = { voice = \"");
}

static void too_large_is_said(void **state) {
    struct agent_home *h = *state;
    h->config->limits.voice_bytes = 43;
    expect_unheard(h, "it has 44 bytes, and 43 are allowed (limits.voice_bytes)");
}

static void a_refusal_is_said(void **state) {
    struct agent_home *h = *state;
    script_push_speech_fault(LLM_FAULT_BAD_REQUEST, "provider: unsupported (400)");
    expect_unheard(h, "provider: unsupported (400)");
}

static void silence_is_said(void **state) {
    struct agent_home *h = *state;
    script_push_speech("");
    expect_unheard(h, "nothing is said in it");
}

static void spent_money_is_said(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "memo.wav");
    limit_day_spend(agent_day(h->agent), 11, false);
    (void)ask(h, COMMAND_SAY, &a, path, true);
    agent_settle(h);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_USER),
              "[not heard: ended: $11.00 are spent");
    agent_answer_clear(&a);
    x_free(&path);
}

static void what_passes_is_tried_again(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a;
    char *path = put(h, "memo.wav");
    script_push_speech_fault(LLM_FAULT_OVERLOADED, "provider: overloaded (529)");
    script_push_speech_fault(LLM_FAULT_CUT, "provider: cut");
    script_push_speech("At last.");
    script_push(SCRIPT_CHANNEL, REPLY("ok"));
    int64_t start = clock_mono_ns();
    (void)ask(h, COMMAND_SAY, &a, path, true);
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "At last.");
    assert_true(clock_mono_ns() - start >= 1500 * NS_PER_MS);
    agent_answer_clear(&a);
    for (int i = 0; i < 3; i++)
        script_push_speech_fault(LLM_FAULT_OVERLOADED, "provider: overloaded (529)");
    expect_unheard(h, "provider: overloaded (529)");
    x_free(&path);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, setup, agent_home_teardown)
    const struct CMUnitTest tests[] = {
        T(its_words_are_in_the_message),
        T(exec_counts_what_it_cost),
        T(others_are_answered_meanwhile),
        T(a_person_takes_it_back),
        T(an_interruption_takes_it_back_too),
        T(without_a_model_the_line_for_one_is_said),
        T(too_large_is_said),
        T(a_refusal_is_said),
        T(silence_is_said),
        T(spent_money_is_said),
        T(what_passes_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
