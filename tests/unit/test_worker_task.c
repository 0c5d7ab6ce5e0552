/* What a worker begins with (its task alone, or behind a copy of the conversation), and an end
 * where only a person can go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/worker.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/route.h"
#include "store/queries.gen.h"
#include "tests/lib/script_shell.h"
#include "tests/lib/scripted.h"

#define FORK(task) CALL("spawn_worker", "{\"task\":\"" task "\",\"history\":\"fork\"}")
#define FORK_INTERACTIVE(task)                                                                     \
    CALL("spawn_worker", "{\"task\":\"" task "\",\"history\":\"fork\",\"interactive\":true}")
#define BLOCKED(text) "[" CALL("set_status", "{\"kind\":\"blocked\",\"status\":\"" text "\"}") "]"

static struct process *worker(struct scripted_home *f) { return scripted_only(f, PROCESS_WORKER); }

/* Both sides of a conversation, `n` times. */
static void talk(struct scripted_home *f, int n) {
    for (int i = 0; i < n; i++) {
        char *said = xasprintf("message %02d %0800d", i, i);
        script_push(SCRIPT_CHANNEL, REPLY("noted"));
        scripted_say(f, said);
        scripted_settle(f);
        x_free(&said);
    }
}

static void spawn(struct scripted_home *f, const char *answer) {
    script_push(SCRIPT_CHANNEL, answer);
    script_push(SCRIPT_CHANNEL, "[]");
    scripted_say(f, "go");
}

static void settle(struct scripted_home *f) {
    script_push(SCRIPT_CHANNEL, SKIP);
    scripted_settle(f);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static void expect_paired(const char *history) {
    assert_int_equal(scripted_count(history, "\"tool_use\""),
                     scripted_count(history, "\"tool_result\""));
}

static void may_take(struct scripted_home *f, int64_t tokens) {
    health_set_ceiling(route_health(agent_route(f->agent)), "anthropic/claude-haiku-5-5", tokens);
}

static void a_worker_knows_its_task_alone(void **state) {
    struct scripted_home *f = *state;
    talk(f, 1);
    script_push(SCRIPT_WORKER, OUTCOME("found"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" SPAWN("look") "]");
    settle(f);
    scripted_expect(script_last_history(SCRIPT_WORKER), "look");
    assert_null(strstr(script_last_history(SCRIPT_WORKER), "message 00"));
}

static void a_forked_worker_has_the_conversation_before_its_task(void **state) {
    struct scripted_home *f = *state;
    talk(f, 1);
    script_push(SCRIPT_CHANNEL, "[" CALL("get_status", "{}") "," SPAWN("other") "]");
    script_push(SCRIPT_WORKER, OUTCOME("one"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_WORKER, "[" TEXT("I look") "," CALL("file_list", "{}") "]");
    script_push(SCRIPT_WORKER, OUTCOME("two"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" TEXT("I hand it over") "," FORK("look") "]");
    settle(f);
    const char *h = script_last_history(SCRIPT_WORKER);
    const char *said = strstr(h, "message 00"), *task = strstr(h, "Your task:\\n\\nlook");
    assert_non_null(said);
    assert_non_null(task);
    assert_true(said < task);
    scripted_expect(h, "noted");
    /* It cannot do what the conversation can, and sees no such calls; what they gave it does. */
    assert_null(strstr(h, "\"spawn_worker\""));
    assert_null(strstr(h, "\"get_status\""));
    scripted_expect(h, "[get_status gave] ");
    scripted_expect(h, "[spawn_worker gave] ");
    /* The answer that forked it is still being carried out. */
    assert_null(strstr(h, "I hand it over"));
    scripted_expect(h, "\"file_list\"");
    expect_paired(h);
}

static void a_branch_forks_with_what_it_has_found(void **state) {
    struct scripted_home *f = *state;
    talk(f, 1);
    script_push(SCRIPT_BRANCH, "[" TEXT("the second is better") "," CALL("file_list", "{}") "]");
    script_push(SCRIPT_BRANCH, "[" FORK("build it") "]");
    script_push(SCRIPT_WORKER, OUTCOME("built"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" BRANCH("weigh it") "]");
    settle(f);
    const char *h = script_last_history(SCRIPT_WORKER);
    scripted_expect(h, "message 00");
    scripted_expect(h, "the second is better");
    scripted_expect(h, "\"file_list\""); /* which it has too */
    assert_null(strstr(h, "\"branch\""));
    expect_paired(h);
}

static void a_fork_leaves_room_for_the_work(void **state) {
    struct scripted_home *f = *state;
    talk(f, 12);
    may_take(f, 3200);
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" FORK("look") "]");
    settle(f);
    const char *h = script_last_history(SCRIPT_WORKER);
    scripted_expect(h, "is left out: it is too long");
    scripted_expect(h, "message 11");
    scripted_expect(h, "Your task:\\n\\nlook");
    assert_null(strstr(h, "message 00"));
    assert_true(strlen(h) / 4 < 3200);
}

/* What was copied goes first, bit by bit, then what was done; never the task. */
static void too_long_a_fork_keeps_its_task(void **state) {
    struct scripted_home *f = *state;
    talk(f, 4);
    for (int i = 0; i < 4; i++) {
        char *call = xasprintf("[" CALL("file_list", "{\"path\":\"d%d\"}") "]", i);
        script_push(SCRIPT_WORKER, call);
        x_free(&call);
    }
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" FORK("look") "]");
    settle(f);
    const char *h = script_last_history(SCRIPT_WORKER);
    assert_null(strstr(h, "message 0"));
    assert_int_equal(scripted_count(h, "is left out: it is too long"), 1);
    scripted_expect(h, "Your task:\\n\\nlook");
    scripted_expect(h, "d0");
    expect_paired(h);
    assert_int_equal(worker(f)->outcome, PROCESS_OUTCOME_SUCCEEDED);
}

static void a_fork_finds_its_task_after_the_engine(void **state) {
    struct scripted_home *f = *state;
    const char *how = "";
    struct cause why = {""};
    talk(f, 3);
    script_push(SCRIPT_WORKER, OUTCOME("first"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" FORK_INTERACTIVE("look") "]");
    settle(f);
    scripted_restart(f);
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push(SCRIPT_WORKER, "[" TEXT("second") "]");
    assert_int_equal(worker_route(f->agent, worker(f), "you", "more", false, &how, &why),
                     STATUS_OK);
    settle(f);
    const char *h = script_last_history(SCRIPT_WORKER);
    assert_null(strstr(h, "message 00"));
    scripted_expect(h, "Your task:\\n\\nlook");
    scripted_expect(h, "more");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "second");
}

static void only_a_person_can_go_on(void **state) {
    struct scripted_home *f = *state;
    struct q_worker_row row;
    struct cause why = {""};
    script_push(SCRIPT_WORKER, BLOCKED("example.org asks for a captcha"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" SPAWN("fetch it") "]");
    settle(f);
    assert_int_equal(worker(f)->outcome, PROCESS_OUTCOME_BLOCKED);
    assert_int_equal(q_worker(store_read(f->store), worker(f)->bare, &row, &why), STATUS_OK);
    assert_string_equal(row.lifecycle, "blocked");
    assert_string_equal(row.outcome_kind, "blocked");
    assert_string_equal(row.result, "example.org asks for a captcha");
    assert_int_equal(row.transcript_version, 1);
    q_worker_free(&row);
    const char *h = script_last_history(SCRIPT_CHANNEL);
    scripted_expect(h, "outcome=\\\"blocked\\\"");
    scripted_expect(h, "asks for a captcha");
}

static void one_that_waits_may_be_blocked_and_go_on(void **state) {
    struct scripted_home *f = *state;
    const char *how = "";
    struct cause why = {""};
    script_push(SCRIPT_WORKER, BLOCKED("log in first"));
    script_push(SCRIPT_WORKER, "[]");
    spawn(f, "[" SPAWN_INTERACTIVE("fetch it") "]");
    settle(f);
    assert_true(worker_waits(worker(f)));
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "outcome=\\\"blocked\\\"");
    script_push(SCRIPT_WORKER, OUTCOME("fetched"));
    script_push(SCRIPT_WORKER, "[]");
    assert_int_equal(worker_route(f->agent, worker(f), "you", "you are in", true, &how, &why),
                     STATUS_OK);
    settle(f);
    assert_int_equal(worker(f)->outcome, PROCESS_OUTCOME_SUCCEEDED);
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "outcome=\\\"succeeded\\\"");
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, scripted_setup, scripted_teardown)
    const struct CMUnitTest tests[] = {
        T(a_worker_knows_its_task_alone),
        T(a_forked_worker_has_the_conversation_before_its_task),
        T(a_branch_forks_with_what_it_has_found),
        T(a_fork_leaves_room_for_the_work),
        T(too_long_a_fork_keeps_its_task),
        T(a_fork_finds_its_task_after_the_engine),
        T(only_a_person_can_go_on),
        T(one_that_waits_may_be_blocked_and_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
