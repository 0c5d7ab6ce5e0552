/* Branches: what they begin with, how they end, and what the conversation gets of them, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/branch.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/route.h"
#include "tests/lib/script_shell.h"
#include "tests/lib/scripted.h"

static struct process *branch(struct scripted_home *f) { return scripted_only(f, PROCESS_BRANCH); }

static void think(struct scripted_home *f) {
    script_push(SCRIPT_CHANNEL, "[" BRANCH("weigh it") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    scripted_say(f, "go");
    scripted_turns(f, 20, 1);
}

static void settle(struct scripted_home *f) {
    script_push(SCRIPT_CHANNEL, SKIP);
    scripted_settle(f);
}

/* The conclusion is in the conversation, once. */
static void expect_once(struct scripted_home *f, const char *conclusion) {
    settle(f);
    assert_int_equal(scripted_count(script_last_history(SCRIPT_CHANNEL), conclusion), 1);
    assert_int_equal(scripted_count(buf_str(&f->events), "branch_result"), 1);
    script_push(SCRIPT_CHANNEL, REPLY("as said"));
    scripted_say(f, "so?");
    scripted_settle(f);
    assert_int_equal(scripted_count(script_last_history(SCRIPT_CHANNEL), conclusion), 1);
}

static void a_conclusion_comes_back_once(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_BRANCH, "[" TEXT("Take the second.") "]");
    think(f);
    expect_once(f, "Take the second.");
    assert_int_equal(branch(f)->outcome, PROCESS_OUTCOME_SUCCEEDED);
}

static void a_long_conversation_is_trimmed_first(void **state) {
    struct scripted_home *f = *state;
    for (int i = 0; i < 12; i++) {
        char *said = xasprintf("message %02d %0800d", i, i);
        script_push(SCRIPT_CHANNEL, REPLY("noted"));
        scripted_say(f, said);
        scripted_settle(f);
        x_free(&said);
    }
    /* The conversation has some 2,500 tokens; the branches' model has turned out to take fewer. */
    x_free(&f->config->routing.branch);
    f->config->routing.branch = xstrdup("anthropic/claude-haiku-5-5");
    health_set_ceiling(route_health(agent_route(f->agent)), f->config->routing.branch, 2400);
    script_push(SCRIPT_BRANCH, "[" TEXT("Take the second.") "]");
    think(f);
    settle(f);
    const char *h = script_last_history(SCRIPT_BRANCH);
    scripted_expect(h, "is left out: it is too long");
    scripted_expect(h, "weigh it");
    scripted_expect(h, "message 11");
    assert_null(strstr(h, "message 00"));
    assert_true(strlen(h) / 4 < 2400);
}

/* What it saves is there for later conversations: in their prompts, once, and told to all. */
static void a_branch_remembers(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_BRANCH, "[" CALL("memory_save", "{\"content\":\"The server runs Debian 12 "
                                                       "with two cores.\",\"memory_type\":"
                                                       "\"decision\"}") "]");
    script_push(SCRIPT_BRANCH, "[" CALL("memory_save", "{\"content\":\"The server runs Debian 13 "
                                                       "with two cores.\",\"memory_type\":"
                                                       "\"decision\"}") "]");
    script_push(SCRIPT_BRANCH, "[" CALL("memory_save", "{\"content\":\"The server runs Debian 12 "
                                                       "with two cores.\"}") "]");
    script_push(SCRIPT_BRANCH, "[" CALL("memory_save", "{\"content\":\"x\",\"memory_type\":"
                                                       "\"human\"}") "]");
    script_push(SCRIPT_BRANCH,
                "[" CALL("memory_save", "{\"content\":\"token ghp_"
                                        "abcdefghijklmnopqrstuvwxyz0123456789\"}") "]");
    script_push(SCRIPT_BRANCH, "[" CALL("memory_delete", "{\"memory_id\":\"nothing\"}") "]");
    script_push(SCRIPT_BRANCH,
                "[" CALL("memory_consolidate", "{\"partition\":\"decision\",\"batch\":[{"
                                               "\"survivor_id\":\"aaaaaaaa\",\"absorbed_id\":"
                                               "\"bbbbbbbb\",\"merged_content\":\"m\"}]}") "]");
    script_push(SCRIPT_BRANCH, "[" CALL("memory_recall", "{\"mode\":\"important\"}") "]");
    script_push(SCRIPT_BRANCH, "[" TEXT("It is Debian.") "]");
    think(f);
    settle(f);
    const char *h = script_last_history(SCRIPT_BRANCH);
    scripted_expect(h, "says the same with other figures");
    scripted_expect(h, "was known already");
    scripted_expect(h, "needs the person whom it is about");
    scripted_expect(h, "holds what looks like a password");
    scripted_expect(h, "memory_recall shows the ids");
    scripted_expect(h, "nothing was merged");
    scripted_expect(h, "total_found");
    assert_int_equal(scripted_count(buf_str(&f->events), "memory_saved"), 2);
    script_push(SCRIPT_CHANNEL, REPLY("yes"));
    scripted_say(f, "and?");
    scripted_settle(f);
    const char *system = script_last_system(SCRIPT_CHANNEL);
    scripted_expect(system, "Decisions (2 of 2)");
    scripted_expect(system, "- The server runs Debian 13 with two cores.");
}

static void a_branch_at_its_turns_ends_with_its_last_words(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.branch_turns = 2;
    script_push(SCRIPT_BRANCH, "[" TEXT("Perhaps the second.") "," CALL("file_list", "{}") "]");
    script_push(SCRIPT_BRANCH, "[" CALL("file_list", "{\"path\":\".\"}") "]");
    think(f);
    expect_once(f, "Perhaps the second.");
    assert_int_equal(branch(f)->outcome, PROCESS_OUTCOME_PARTIAL);
}

static void a_branch_at_its_turns_without_a_word_says_so(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.branch_turns = 1;
    script_push(SCRIPT_BRANCH, "[" CALL("file_list", "{}") "]");
    think(f);
    expect_once(f, "limits.branch_turns");
}

static void an_overflow_is_trimmed_away_twice(void **state) {
    struct scripted_home *f = *state;
    for (int i = 0; i < 5; i++) {
        /* With words enough that there is something to leave out. */
        char *s = xasprintf(
            "[" TEXT("step %d %02000d") "," CALL("file_list", "{\"path\":\"d%d\"}") "]", i, i, i);
        script_push(SCRIPT_BRANCH, s);
        x_free(&s);
    }
    script_push_fault(SCRIPT_BRANCH, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push_fault(SCRIPT_BRANCH, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push(SCRIPT_BRANCH, "[" TEXT("The second.") "]");
    think(f);
    settle(f);
    const char *h = script_last_history(SCRIPT_BRANCH);
    scripted_expect(h, "weigh it"); /* it still knows its task */
    assert_int_equal(scripted_count(h, "\"tool_use\""), scripted_count(h, "\"tool_result\""));
    assert_int_equal(branch(f)->outcome, PROCESS_OUTCOME_SUCCEEDED);
}

static void a_third_overflow_ends_it(void **state) {
    struct scripted_home *f = *state;
    for (int i = 0; i < 3; i++)
        script_push_fault(SCRIPT_BRANCH, LLM_FAULT_OVERFLOW, "anthropic: too long");
    think(f);
    expect_once(f, "Branch failed: anthropic: too long");
}

static void it_delegates_once(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_BRANCH, "[" SPAWN("do the second") "," SPAWN("and the first") "]");
    script_push(SCRIPT_WORKER, SHELL("after 60000 x"));
    think(f);
    while (branch(f)->state != PROCESS_STATE_ENDED)
        loop_turn(f->loop, NS_PER_MS);
    struct process *w = scripted_only(f, PROCESS_WORKER);
    assert_string_equal(w->task, "do the second");
    script_push(SCRIPT_CHANNEL, SKIP);
    for (int i = 0; i < 40; i++)
        loop_turn(f->loop, NS_PER_MS * 50);
    char *conclusion = xasprintf("delegated to worker %s: do the second", w->bare);
    scripted_expect(script_last_history(SCRIPT_CHANNEL), conclusion);
    x_free(&conclusion);
    script_push(SCRIPT_WORKER, OUTCOME("did it"));
    script_push(SCRIPT_WORKER, "[]");
    settle(f);
    assert_int_equal(w->outcome, PROCESS_OUTCOME_SUCCEEDED);
}

static void money_and_time_are_limited(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.branch_wall_secs = 60;
    script_push_hang(SCRIPT_BRANCH, "I think that the");
    think(f);
    expect_once(f, "ended after 60 s (limits.branch_wall_secs)");
    assert_int_equal(branch(f)->outcome, PROCESS_OUTCOME_PARTIAL);
}

static void tokens_are_limited(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_BRANCH, "[" TEXT("So far: yes.") "," CALL("file_list", "{}") "]");
    script_push(SCRIPT_CHANNEL, "[" BRANCH("weigh it") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    scripted_say(f, "go");
    for (int i = 0; i < 50 && !script_calls(SCRIPT_BRANCH); i++)
        scripted_turns(f, 1, 1);
    f->config->limits.branch_tokens = 200; /* used are 110, and the next call has more than 90 */
    expect_once(f, "So far: yes.");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "limits.branch_tokens");
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, scripted_setup, scripted_teardown)
    const struct CMUnitTest tests[] = {
        T(a_conclusion_comes_back_once),
        T(a_long_conversation_is_trimmed_first),
        T(a_branch_remembers),
        T(a_branch_remembers),
        T(a_branch_at_its_turns_ends_with_its_last_words),
        T(a_branch_at_its_turns_without_a_word_says_so),
        T(an_overflow_is_trimmed_away_twice),
        T(a_third_overflow_ends_it),
        T(it_delegates_once),
        T(money_and_time_are_limited),
        T(tokens_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
