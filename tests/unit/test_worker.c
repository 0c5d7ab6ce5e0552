/* Workers: how they end and who owns the end, what they are told meanwhile, what interactive ones
 * wait for, and what they may use. Models and commands are scripted, the clock is virtual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/inbox.h"
#include "agent/limit.h"
#include "agent/worker.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/price.h"
#include "store/queries.gen.h"
#include "tests/lib/script_shell.h"
#include "tests/lib/scripted.h"

static struct process *worker(struct scripted_home *f) { return scripted_only(f, PROCESS_WORKER); }

/* A channel that has started one worker and says no more; the worker's answers come next. */
static void delegate_with(struct scripted_home *f, const char *spawn) {
    script_push(SCRIPT_CHANNEL, spawn);
    script_push(SCRIPT_CHANNEL, "[]");
    scripted_say(f, "go");
}

static void cancel(struct scripted_home *f) {
    assert_true(agent_cancel(f->agent, worker(f), "not needed"));
}

static void expect_end(struct scripted_home *f, enum process_outcome o, const char *owner,
                       const char *result) {
    struct q_worker_row row;
    struct cause why = {""};
    const struct process *p = worker(f);
    assert_int_equal(p->state, PROCESS_STATE_ENDED);
    assert_int_equal(p->outcome, o);
    assert_int_equal(q_worker(store_read(f->store), p->bare, &row, &why), STATUS_OK);
    assert_string_equal(row.outcome_kind, process_outcome_name(o));
    assert_string_equal(row.terminal_owner, owner);
    assert_int_equal(row.outcome_version, 1);
    scripted_expect(row.result, result);
    q_worker_free(&row);
    assert_int_equal(script_shell_running(), 0);
    assert_int_equal(scripted_count(buf_str(&f->events), "worker_complete"), 1);
}

/* The channel thinks about what came back, and has nothing to add. */
static void settle(struct scripted_home *f) {
    script_push(SCRIPT_CHANNEL, SKIP);
    scripted_settle(f);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

/* --- who owns the end ---------------------------------------------------------------------------
 */

static void cancel_while_completing(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("forty-two"));
    script_push_hang(SCRIPT_WORKER, "my last words are");
    delegate_with(f, "[" SPAWN("count") "]");
    scripted_turns(f, 30, 10);
    cancel(f);
    assert_false(agent_cancel(f->agent, worker(f), "again")); /* it has been asked */
    assert_int_not_equal(worker(f)->state, PROCESS_STATE_ENDED);
    int64_t before = clock_mono_ns();
    while (worker(f)->state != PROCESS_STATE_ENDED)
        loop_turn(f->loop, NS_PER_MS * 100);
    assert_in_range(clock_mono_ns() - before, WORKER_COMPLETING_NS - NS_PER_SEC / 5,
                    WORKER_COMPLETING_NS + NS_PER_SEC / 5);
    settle(f);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "cancel", "forty-two");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "forty-two");
}

static void a_worker_cut_short_asks_no_more(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("forty-two"));
    script_push(SCRIPT_WORKER,
                "[" CALL("shell", "{\"command\":\"say x\",\"unsandboxed\":true}") "]");
    delegate_with(f, "[" SPAWN("count") "]");
    scripted_turns(f, 30, 10);
    assert_int_equal(worker(f)->state, PROCESS_STATE_ASKING);
    cancel(f);
    unsigned between = 0;
    while (worker(f)->state != PROCESS_STATE_ENDED) {
        loop_turn(f->loop, NS_PER_MS * 100);
        if (inbox_count(agent_inbox(f->agent)))
            continue;
        assert_int_not_equal(worker(f)->state, PROCESS_STATE_ASKING);
        between++;
    }
    assert_true(between > 1); /* its end was still to be stored */
    settle(f);
}

static void last_words_beat_a_cancel(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("forty-two"));
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERLOADED, "overloaded"); /* again in 5 s */
    script_push(SCRIPT_WORKER, "[" TEXT("Done.") "]");
    f->config->limits.worker_wall_secs = 100;
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_calls(SCRIPT_WORKER) < 2)
        loop_turn(f->loop, NS_PER_MS);
    scripted_turns(f, 45, 100); /* half a second before it is tried again */
    cancel(f);
    settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "forty-two");
}

static void timeout_while_cancelling(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.worker_wall_secs = 10;
    script_push(SCRIPT_WORKER,
                "[" TEXT("So far: 7.") "," CALL("shell", "{\"command\":\"never\"}") "]");
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_shell_running() == 0)
        loop_turn(f->loop, NS_PER_MS);
    int64_t over = worker(f)->started_ns + 10 * NS_PER_SEC;
    while (clock_mono_ns() < over - 100 * NS_PER_MS)
        loop_turn(f->loop, over - 100 * NS_PER_MS - clock_mono_ns());
    cancel(f); /* its tool has half a second, the worker a tenth */
    assert_int_equal(worker(f)->state, PROCESS_STATE_CANCELLING);
    settle(f);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "timeout", "So far: 7.");
}

static void timeout_while_cancelling_without_a_word(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.worker_wall_secs = 10;
    script_push(SCRIPT_WORKER, SHELL("never"));
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_shell_running() == 0)
        loop_turn(f->loop, NS_PER_MS);
    int64_t over = worker(f)->started_ns + 10 * NS_PER_SEC;
    while (clock_mono_ns() < over - 100 * NS_PER_MS)
        loop_turn(f->loop, over - 100 * NS_PER_MS - clock_mono_ns());
    cancel(f);
    settle(f);
    expect_end(f, PROCESS_OUTCOME_CANCELLED, "timeout", "not needed");
}

static void timeout_while_completing(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.worker_wall_secs = 10;
    script_push(SCRIPT_WORKER, OUTCOME("forty-two"));
    script_push_hang(SCRIPT_WORKER, "my last");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "timeout", "forty-two");
}

static void a_cancelled_command_keeps_what_it_had(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, SHELL("long half of the lines"));
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_shell_running() == 0)
        loop_turn(f->loop, NS_PER_MS);
    cancel(f);
    settle(f);
    expect_end(f, PROCESS_OUTCOME_CANCELLED, "cancel", "not needed");
    struct q_worker_row row;
    struct cause why;
    assert_int_equal(q_worker(store_read(f->store), worker(f)->bare, &row, &why), STATUS_OK);
    char *transcript = xstrndup(row.transcript, row.transcript_len);
    scripted_expect(transcript, "half of the lines");
    x_free(&transcript);
    q_worker_free(&row);
}

static void a_tool_that_never_returns(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER,
                "[" TEXT("I run it.") "," CALL("shell", "{\"command\":\"never\"}") "," CALL(
                    "shell", "{\"command\":\"say more\"}") "]");
    delegate_with(f, "[" SPAWN("count") "]");
    int64_t before = clock_mono_ns();
    settle(f);
    assert_true(clock_mono_ns() - before >= f->config->limits.worker_wall_secs * NS_PER_SEC);
    expect_end(f, PROCESS_OUTCOME_TIMED_OUT, "timeout", "ended after 1800 s");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "I run it.");
    script_push(SCRIPT_CHANNEL, REPLY("still here")); /* nothing hangs because of it */
    scripted_say(f, "hello?");
    scripted_settle(f);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static void a_model_that_only_ever_calls_the_same_tool(void **state) {
    struct scripted_home *f = *state;
    script_default(SCRIPT_WORKER,
                   "[" TEXT("Looking.") "," CALL("shell", "{\"command\":\"say same\"}") "]");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    assert_in_range(script_calls(SCRIPT_WORKER), 8, 15);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "worker", "got nothing new");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "Looking.");
}

static void an_empty_final_text(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("five lines"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "five lines");
}

static void an_empty_final_text_without_an_outcome(void **state) {
    struct scripted_home *f = *state;
    script_default(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    assert_int_equal(script_calls(SCRIPT_WORKER), 3); /* nudged twice */
    expect_end(f, PROCESS_OUTCOME_FAILED, "worker", "without saying anything");
}

static void nudges_are_counted_in_a_row(void **state) {
    struct scripted_home *f = *state;
    for (int i = 0; i < 2; i++) {
        script_push(SCRIPT_WORKER, "[" TEXT("Hm.") "]");
        script_push(SCRIPT_WORKER, "[" TEXT("Well.") "]");
        script_push(SCRIPT_WORKER, i ? SHELL("say b") : SHELL("say a"));
    }
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "done");
    assert_null(strstr(script_last_history(SCRIPT_WORKER), "Hm.")); /* rolled out */
}

/* Events as followers get them. */
static void hear(void *arg, const struct bus_event *e) {
    if (!event_type_is_delta(e->type))
        bus_event_json(e, arg);
}

static void a_loser_adopts_the_stored_outcome(void **state) {
    struct scripted_home *f = *state;
    struct buf heard = BUF_INIT;
    struct bus_listener *l = bus_listen(agent_bus(f->agent), hear, &heard);
    script_push(SCRIPT_WORKER, SHELL("after 1000 x"));
    script_push(SCRIPT_WORKER, OUTCOME("mine"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_shell_running() == 0)
        loop_turn(f->loop, NS_PER_MS);
    store_worker_end(f->store, &(struct store_worker_end){.id = worker(f)->bare,
                                                          .from = "running",
                                                          .outcome = "blocked",
                                                          .outcome_summary = "theirs",
                                                          .result = "theirs",
                                                          .terminal_owner = "supervisor",
                                                          .completed_at = 5});
    settle(f);
    expect_end(f, PROCESS_OUTCOME_BLOCKED, "supervisor", "theirs");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "theirs");
    assert_null(strstr(script_last_history(SCRIPT_CHANNEL), "mine"));
    scripted_expect(buf_str(&heard), "\"terminal_owner\":\"supervisor\"");
    bus_unlisten(&l);
    buf_free(&heard);
}

static void events_say_where_and_for_which_message(void **state) {
    struct scripted_home *f = *state;
    struct buf heard = BUF_INIT;
    struct bus_listener *l = bus_listen(agent_bus(f->agent), hear, &heard);
    script_push(SCRIPT_BRANCH, "[" SPAWN("count") "]");
    script_push_hang(SCRIPT_WORKER, "counting");
    delegate_with(f, "[" BRANCH("weigh it") "]");
    scripted_turns(f, 30, 10);
    char *id = xasprintf("\"reply_to_message_id\":\"%s\"",
                         channel_message_id(scripted_only(f, PROCESS_CHANNEL)));
    scripted_expect(buf_str(&heard), id);
    scripted_expect(buf_str(&heard), "\"input\":\"[system] You are a branch");
    char *where = xasprintf("\"directory\":\"%s\"", worker(f)->workspace);
    scripted_expect(buf_str(&heard), where);
    cancel(f);
    settle(f);
    scripted_expect(buf_str(&heard), "\"terminal_owner\":\"cancel\"");
    bus_unlisten(&l);
    x_free(&where);
    x_free(&id);
    buf_free(&heard);
}

/* --- segments and retries -----------------------------------------------------------------------
 */

static void segments_go_on_until_the_turns_are_used_up(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.worker_turns = 40;
    for (int i = 0; i < 40; i++) {
        char *s =
            xasprintf("[" TEXT("step %d") "," CALL("shell", "{\"command\":\"say %d\"}") "]", i, i);
        script_push(SCRIPT_WORKER, s);
        x_free(&s);
    }
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    assert_int_equal(script_calls(SCRIPT_WORKER), 40);
    assert_int_equal(scripted_count(script_last_history(SCRIPT_WORKER), "where you left off"), 2);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "worker", "stopped after 40 model calls");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "step 39");
}

static void an_overflow_is_trimmed_away_twice(void **state) {
    struct scripted_home *f = *state;
    for (int i = 0; i < 6; i++) {
        char *s = xasprintf(SHELL("say result %d"), i);
        script_push(SCRIPT_WORKER, s);
        x_free(&s);
    }
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    script_push(SCRIPT_WORKER, OUTCOME("done all the same"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "done all the same");
    const char *h = script_last_history(SCRIPT_WORKER);
    scripted_expect(h, "count");     /* the task stays */
    scripted_expect(h, "In short:"); /* and a recap */
    assert_int_equal(scripted_count(h, "\"tool_use\""), scripted_count(h, "\"tool_result\""));
}

static void a_third_overflow_ends_it_with_what_it_has(void **state) {
    struct scripted_home *f = *state;
    for (int i = 0; i < 6; i++) {
        char *s =
            xasprintf("[" TEXT("found %d") "," CALL("shell", "{\"command\":\"say %d\"}") "]", i, i);
        script_push(SCRIPT_WORKER, s);
        x_free(&s);
    }
    for (int i = 0; i < 3; i++)
        script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    assert_int_equal(script_left(SCRIPT_WORKER), 0);
    expect_end(f, PROCESS_OUTCOME_FAILED, "worker", "anthropic: too long");
}

static void transient_failures_have_their_own_budget(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, SHELL("say a"));
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERFLOW, "anthropic: too long");
    for (int i = 0; i < 3; i++)
        script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERLOADED, "anthropic: overloaded");
    script_push(SCRIPT_WORKER, OUTCOME("after all"));
    script_push(SCRIPT_WORKER, "[]");
    int64_t before = clock_mono_ns();
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "after all");
    assert_true(clock_mono_ns() - before >= 35 * NS_PER_SEC);
}

static void a_long_history_is_trimmed_before_it_overflows(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.context_window = 5000;
    for (int i = 0; i < 20; i++) {
        char *s = xasprintf(SHELL("say %d %0500d"), i, i);
        script_push(SCRIPT_WORKER, s);
        x_free(&s);
    }
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "done");
    assert_int_equal(scripted_count(script_last_history(SCRIPT_WORKER), "In short:"), 1);
}

/* --- being written to ---------------------------------------------------------------------------
 */

static enum status route(struct scripted_home *f, const char *text, bool end) {
    struct cause why;
    const char *how;
    return worker_route(f->agent, worker(f), "you", text, end, &how, &why);
}

static void a_running_worker_reads_before_its_next_step(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, SHELL("after 1000 first"));
    script_push(SCRIPT_WORKER, OUTCOME("both"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_shell_running() == 0)
        loop_turn(f->loop, NS_PER_MS);
    assert_int_equal(route(f, "count the words too", false), STATUS_OK);
    assert_int_equal(route(f, "", false), STATUS_INVALID);
    assert_int_equal(route(f, "x", true), STATUS_INVALID); /* it ends by itself */
    settle(f);
    scripted_expect(script_last_history(SCRIPT_WORKER), "count the words too");
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "both");
    assert_int_equal(route(f, "more", false), STATUS_GONE);
}

/* Written to while it writes what would have been its last words: it goes on, and keeps them. */
static void a_message_at_the_end_is_read_and_costs_no_nudge(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("five"));
    script_push_fault(SCRIPT_WORKER, LLM_FAULT_OVERLOADED, "overloaded");
    script_push(SCRIPT_WORKER, "[" TEXT("Five it is.") "]");
    script_push(SCRIPT_WORKER, OUTCOME("five and six"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_calls(SCRIPT_WORKER) < 3)
        loop_turn(f->loop, NS_PER_SEC);
    assert_int_equal(route(f, "and the other file", false), STATUS_OK);
    settle(f);
    scripted_expect(script_last_history(SCRIPT_WORKER), "Five it is.");
    scripted_expect(script_last_history(SCRIPT_WORKER), "and the other file");
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "five and six");
}

static void injections_are_bounded_and_counted_when_unread(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, SHELL("never"));
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_shell_running() == 0)
        loop_turn(f->loop, NS_PER_MS);
    for (unsigned i = 0; i < WORKER_INJECTIONS_MAX; i++)
        assert_int_equal(route(f, "more", false), STATUS_OK);
    assert_int_equal(route(f, "too much", false), STATUS_LIMIT);
    cancel(f);
    assert_int_equal(route(f, "late", false), STATUS_GONE);
    settle(f);
    expect_end(f, PROCESS_OUTCOME_CANCELLED, "cancel", "8 messages sent to it had not been read");
}

static void an_interactive_worker_reports_waits_and_goes_on(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("first result"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN_INTERACTIVE("edit") "]");
    script_push(SCRIPT_CHANNEL, REPLY("It says: first result."));
    scripted_settle(f);
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "first result");
    assert_true(worker_waits(worker(f)));
    assert_int_equal(worker(f)->state, PROCESS_STATE_WAITING);
    scripted_expect(buf_str(&f->events), "worker_initial_result");
    scripted_expect(buf_str(&f->events), "worker_idle");
    /* It waits for longer than a worker has. */
    scripted_turns(f, 3, 10000 * 1000);
    clock_advance(5000 * NS_PER_SEC);
    scripted_turns(f, 3, 0);
    assert_true(worker_waits(worker(f)));
    script_push(SCRIPT_WORKER, SHELL("say x"));
    script_push(SCRIPT_WORKER, "[" TEXT("Which of the two?") "]"); /* no nudge: it may ask */
    script_push(SCRIPT_CHANNEL, REPLY("It asks."));
    assert_int_equal(route(f, "now the second", false), STATUS_OK);
    assert_false(worker_waits(worker(f)));
    scripted_settle(f);
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "Which of the two?");
    assert_int_equal(scripted_count(script_last_history(SCRIPT_CHANNEL), "It says:"), 1);
    assert_int_equal(scripted_count(buf_str(&f->events), "worker_initial_result"), 2);
    /* And is ended, which wakes nobody. */
    assert_int_equal(route(f, NULL, true), STATUS_OK);
    scripted_settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "ended after 2 results");
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

/* exec makes a channel for one message: nobody will write to what waits in it. */
static void exec_ends_what_waits_in_its_throwaway_channel(void **state) {
    struct scripted_home *f = *state;
    struct scripted_answer a;
    script_push(SCRIPT_CHANNEL, "[" SPAWN_INTERACTIVE("edit") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, OUTCOME("first result"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("It says: first result."));
    scripted_exec(f, &a, "{\"text\":\"go\"}");
    assert_int_equal(a.st, STATUS_OK);
    assert_string_equal(json_str(a.body, "reply", ""), "It says: first result.");
    const cJSON *n = json_obj(a.body, "processes");
    assert_int_equal(json_i64(n, "started", 0), 1);
    assert_int_equal(json_i64(n, "succeeded", 0), 1);
    scripted_clear(&a);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "ended after 1 result");
    const struct journal_entry *e = journal_last(&worker(f)->journal, JOURNAL_RESULT);
    scripted_expect(buf_str(&e->text), "ended after 1 result");
    assert_int_equal(scripted_count(buf_str(&f->events), "worker_initial_result"), 1);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
}

static void exec_leaves_what_waits_in_a_channel_that_stays(void **state) {
    struct scripted_home *f = *state;
    struct scripted_answer a;
    script_push(SCRIPT_CHANNEL, "[" SPAWN_INTERACTIVE("edit") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, OUTCOME("first result"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("It says: first result."));
    scripted_exec(f, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_int_equal(a.st, STATUS_OK);
    assert_int_equal(json_i64(json_obj(a.body, "processes"), "succeeded", -1), 0);
    scripted_clear(&a);
    assert_true(worker_waits(worker(f)));
}

static void the_clock_runs_only_while_it_works(void **state) {
    struct scripted_home *f = *state;
    f->config->limits.worker_wall_secs = 100;
    script_push(SCRIPT_WORKER, SHELL("after 60000 x"));
    script_push(SCRIPT_WORKER, "[" TEXT("a") "]");
    script_push(SCRIPT_WORKER, "[" TEXT("a") "]");
    script_push(SCRIPT_WORKER, "[" TEXT("a") "]");
    delegate_with(f, "[" SPAWN_INTERACTIVE("edit") "]");
    settle(f);
    script_push(SCRIPT_WORKER, SHELL("after 60000 y"));
    assert_int_equal(route(f, "more", false), STATUS_OK);
    int64_t before = clock_mono_ns();
    settle(f);
    expect_end(f, PROCESS_OUTCOME_TIMED_OUT, "timeout", "ended after 100 s");
    assert_in_range(clock_mono_ns() - before, 39 * NS_PER_SEC, 60 * NS_PER_SEC);
}

static void an_interactive_worker_outlives_the_engine(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("first result"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN_INTERACTIVE("edit the file") "]");
    settle(f);
    char *id = xstrdup(worker(f)->id);
    scripted_restart(f);
    assert_string_equal(worker(f)->id, id);
    assert_true(worker_waits(worker(f)));
    assert_true(agent_idle(f->agent));
    assert_int_equal(agent_interrupted_count(f->agent), 0);
    script_push(SCRIPT_WORKER, "[" TEXT("second result") "]");
    assert_int_equal(route(f, "go on", false), STATUS_OK);
    settle(f);
    scripted_expect(script_last_history(SCRIPT_WORKER), "edit the file");
    scripted_expect(script_last_history(SCRIPT_WORKER), "first result");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "second result");
    cancel(f);
    scripted_settle(f);
    expect_end(f, PROCESS_OUTCOME_CANCELLED, "cancel", "not needed");
    x_free(&id);
}

static void what_comes_in_while_it_works_is_read_in_order(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, SHELL("after 1000 x"));
    delegate_with(f, "[" SPAWN_INTERACTIVE("edit") "]");
    while (script_shell_running() == 0)
        loop_turn(f->loop, NS_PER_MS);
    for (unsigned i = 0; i < WORKER_INJECTIONS_MAX + WORKER_INPUTS_MAX; i++) {
        char *text = xasprintf("message %u", i);
        assert_int_equal(route(f, text, false), STATUS_OK);
        x_free(&text);
    }
    assert_int_equal(route(f, "too much", false), STATUS_LIMIT);
    assert_int_equal(route(f, NULL, true), STATUS_OK);
    assert_int_equal(route(f, "after the end", false), STATUS_GONE);
    script_default(SCRIPT_WORKER, OUTCOME("done"));
    script_default(SCRIPT_CHANNEL, SKIP);
    for (unsigned i = 0; i <= WORKER_INPUTS_MAX; i++) {
        script_push(SCRIPT_WORKER, OUTCOME("done"));
        script_push(SCRIPT_WORKER, "[]");
    }
    scripted_settle(f);
    const char *h = script_last_history(SCRIPT_WORKER);
    const char *at = h;
    for (unsigned i = 0; i < WORKER_INJECTIONS_MAX + WORKER_INPUTS_MAX; i++) {
        char *text = xasprintf("message %u\"", i);
        char *injected = xasprintf("message %u\\n", i);
        const char *found = strstr(at, text);
        if (!found)
            found = strstr(at, injected);
        if (!found)
            fail_msg("%s is not behind the one before", text);
        at = found;
        x_free(&text);
        x_free(&injected);
    }
    assert_int_equal(worker(f)->outcome, PROCESS_OUTCOME_SUCCEEDED);
}

static void channels_route_and_end(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("first"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN_INTERACTIVE("edit") "]");
    char *call = xasprintf("[" CALL("route", "{\"worker_id\":\"%s\",\"message\":\"again\"}") "]",
                           "will-be-set");
    x_free(&call);
    settle(f);
    call = xasprintf("[" CALL("route", "{\"worker_id\":\"%.8s\",\"message\":\"again\","
                                       "\"end\":true}") "]",
                     worker(f)->bare);
    script_push(SCRIPT_CHANNEL, call);
    script_push(SCRIPT_CHANNEL, REPLY("it is told"));
    script_push(SCRIPT_WORKER, OUTCOME("second"));
    script_push(SCRIPT_WORKER, "[]");
    scripted_say(f, "let it do it again, then no more");
    script_push(SCRIPT_CHANNEL, SKIP);
    scripted_settle(f);
    expect_end(f, PROCESS_OUTCOME_SUCCEEDED, "worker", "second");
    assert_int_equal(scripted_count(script_last_history(SCRIPT_CHANNEL), "second"), 1);
    script_push(SCRIPT_CHANNEL, call);
    script_push(SCRIPT_CHANNEL, REPLY("it is over"));
    scripted_say(f, "again?");
    scripted_settle(f);
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "\\\"routed\\\":false");
    x_free(&call);
}

static void a_person_writes_to_a_worker(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, OUTCOME("first"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN_INTERACTIVE("edit") "]");
    settle(f);
    char *args = xasprintf("{\"process\":\"%s\",\"text\":\"from me\"}", worker(f)->id);
    script_push(SCRIPT_WORKER, "[" TEXT("for you") "]");
    assert_int_equal(scripted_do(f, COMMAND_ROUTE, args), STATUS_OK);
    settle(f);
    scripted_expect(script_last_history(SCRIPT_WORKER), "from me");
    assert_int_equal(scripted_do(f, COMMAND_ROUTE, "{\"process\":\"c1\",\"text\":\"x\"}"),
                     STATUS_INVALID);
    assert_int_equal(scripted_do(f, COMMAND_ROUTE, "{\"process\":\"nobody\",\"text\":\"x\"}"),
                     STATUS_NOT_FOUND);
    x_free(&args);
}

/* --- what it may use ----------------------------------------------------------------------------
 */

/* What a request of a worker has beside its history, by the same reckoning as turn.c's. */
static int64_t overhead(void) {
    static const enum tool_id tools[] = {TOOL_SET_STATUS, TOOL_SHELL,     TOOL_FILE_READ,
                                         TOOL_FILE_WRITE, TOOL_FILE_EDIT, TOOL_FILE_LIST};
    int64_t n = (int64_t)strlen(script_last_system(SCRIPT_WORKER)) / 4;
    for (size_t i = 0; i < ARRAY_LEN(tools); i++)
        n += (int64_t)strlen(tool_get(tools[i])->schema) / 4;
    return n;
}

static void tokens_are_limited(void **state) {
    struct scripted_home *f = *state;
    script_push(SCRIPT_WORKER, "[" TEXT("one") "," CALL("shell", "{\"command\":\"say 1\"}") "]");
    script_push(SCRIPT_WORKER, "[" TEXT("two") "," CALL("shell", "{\"command\":\"say 2\"}") "]");
    script_push(SCRIPT_WORKER, "[" TEXT("three") "," CALL("shell", "{\"command\":\"say 3\"}") "]");
    delegate_with(f, "[" SPAWN("count") "]");
    while (script_calls(SCRIPT_WORKER) == 0)
        scripted_turns(f, 1, 1);
    /* A scripted call uses 110: a second one has room, a third one has not. */
    f->config->limits.worker_tokens = overhead() + 210;
    char *said = xasprintf("and %lld are allowed (limits.worker_tokens)",
                           (long long)f->config->limits.worker_tokens);
    settle(f);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "worker", said);
    x_free(&said);
    /* It ended before the limit was passed, and what it had is kept. */
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "ended after 220 tokens");
    scripted_expect(script_last_history(SCRIPT_CHANNEL), "two");
    assert_int_equal(script_left(SCRIPT_WORKER), 1);
    script_reset();
}

static void money_is_limited(void **state) {
    struct scripted_home *f = *state;
    price_say(f->config->routing.worker, &(struct price){1, 5, 0.1, 1.25, false, ""});
    /* A scripted call costs 0.001; the next one, with an answer of 1,024 tokens, may cost 0.006. */
    f->config->limits.worker_dollars = 0.0075;
    script_push(SCRIPT_WORKER, SHELL("say 1"));
    script_push(SCRIPT_WORKER, SHELL("say 2"));
    delegate_with(f, "[" SPAWN("count") "]");
    settle(f);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "worker", "limits.worker_dollars");
    scripted_expect(script_last_history(SCRIPT_CHANNEL),
                    "ended after $0.002: the next call may cost ~$0.006, and ");
    assert_in_range(script_max_tokens(SCRIPT_WORKER), 1024, 1400); /* what is left pays for them */
}

static void a_day_has_its_money(void **state) {
    struct scripted_home *f = *state;
    struct scripted_answer a;
    f->config->limits.dollars_a_day = 1;
    script_push(SCRIPT_CHANNEL, REPLY("one"));
    scripted_exec(f, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    scripted_clear(&a);
    scripted_restart(f); /* what was spent is not forgotten */
    script_push(SCRIPT_CHANNEL, "[" SPAWN("count") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, "[" TEXT("so far 3") "," CALL("shell", "{\"command\":\"say\"}") "]");
    scripted_ask(f, COMMAND_EXEC, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    for (int i = 0; i < 100 && !script_calls(SCRIPT_WORKER); i++)
        scripted_turns(f, 1, 1);
    price_say(f->config->routing.worker, &(struct price){1, 5, 0.1, 1.25, false, ""});
    price_say(f->config->routing.channel, &(struct price){3, 15, 0.3, 3.75, false, ""});
    limit_day_spend(agent_day(f->agent), 0.994, true); /* a call may cost 0.006 */
    for (int i = 0; i < 1000 && !a.given; i++)
        scripted_turns(f, 1, 1000);
    assert_int_equal(a.st, STATUS_LIMIT); /* the channel says so too */
    scripted_expect(json_str(a.body, "error", ""), "limits.dollars_a_day");
    scripted_clear(&a);
    expect_end(f, PROCESS_OUTCOME_PARTIAL, "worker", "limits.dollars_a_day");
    assert_int_equal(script_left(SCRIPT_WORKER) + script_left(SCRIPT_CHANNEL), 0);
    const struct process *ch = process_find(agent_processes(f->agent), "channel:c1");
    scripted_expect(buf_str(&journal_last(&ch->journal, JOURNAL_ERROR)->text),
                    "~$0.998 are spent today, the next call may cost ~$0.");
    /* Tomorrow it goes on. */
    clock_advance(24 * 3600 * NS_PER_SEC);
    script_push(SCRIPT_CHANNEL, REPLY("good morning"));
    scripted_exec(f, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_int_equal(a.st, STATUS_OK);
    scripted_clear(&a);
}

static void a_channel_says_that_it_is_at_its_limit(void **state) {
    struct scripted_home *f = *state;
    struct scripted_answer a;
    script_push(SCRIPT_CHANNEL, "[" CALL("look", "{}") "]");
    scripted_ask(f, COMMAND_EXEC, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    for (int i = 0; i < 100 && !script_calls(SCRIPT_CHANNEL); i++)
        scripted_turns(f, 1, 1);
    f->config->limits.channel_tokens = 200; /* used are 110, and the next call has more than 90 */
    for (int i = 0; i < 100 && !a.given; i++)
        scripted_turns(f, 1, 1);
    assert_int_equal(a.st, STATUS_LIMIT);
    scripted_expect(json_str(a.body, "error", ""), "limits.channel_tokens");
    scripted_expect(json_str(a.body, "error", ""), "ended after 110 tokens");
    scripted_clear(&a);
    f->config->limits.channel_tokens = 100000;
    process_find(agent_processes(f->agent), "channel:c1")->usage.input_tokens += 1000000;
    script_push(SCRIPT_CHANNEL, REPLY("a new message, a new allowance"));
    scripted_exec(f, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_int_equal(a.st, STATUS_OK);
    scripted_clear(&a);
}

static void a_channel_has_its_time(void **state) {
    struct scripted_home *f = *state;
    struct scripted_answer a;
    f->config->limits.channel_wall_secs = 30;
    script_push_hang(SCRIPT_CHANNEL, "I am");
    scripted_exec(f, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    assert_int_equal(a.st, STATUS_LIMIT);
    scripted_expect(json_str(a.body, "error", ""), "ended after 30 s (limits.channel_wall_secs)");
    scripted_clear(&a);
}

/* --- looking into one ---------------------------------------------------------------------------
 */

static void a_branch_looks_into_workers(void **state) {
    struct scripted_home *f = *state;
    char *big = xasprintf("say %02500d", 7);
    char *shell = xasprintf(SHELL("%s"), big);
    script_push(SCRIPT_WORKER, shell);
    script_push(SCRIPT_WORKER, OUTCOME("it is seven"));
    script_push(SCRIPT_WORKER, "[]");
    delegate_with(f, "[" SPAWN("count it") "]");
    settle(f);
    char *look =
        xasprintf("[" CALL("worker_inspect", "{}") "," CALL(
                      "worker_inspect",
                      "{\"worker_id\":\"%s\"}") "," CALL("worker_inspect",
                                                         "{\"worker_id\":\"00000000\"}") "]",
                  worker(f)->bare);
    script_push(SCRIPT_CHANNEL, "[" BRANCH("what did it do?") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_BRANCH, look);
    script_push(SCRIPT_BRANCH, "[" TEXT("It counted.") "]");
    script_push(SCRIPT_CHANNEL, REPLY("It counted."));
    scripted_say(f, "what did it do?");
    scripted_settle(f);
    const char *h = script_last_history(SCRIPT_BRANCH);
    scripted_expect(h, "succeeded, 2 tool calls");
    scripted_expect(h, "it is seven");
    scripted_expect(h, "500 bytes left out"); /* 2000 of 2500 */
    scripted_expect(h, "has no worker \\\"00000000\\\"");
    x_free(&look);
    x_free(&shell);
    x_free(&big);
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
#define T(name) cmocka_unit_test_setup_teardown(name, scripted_setup, scripted_teardown)
    const struct CMUnitTest tests[] = {
        T(cancel_while_completing),
        T(a_worker_cut_short_asks_no_more),
        T(last_words_beat_a_cancel),
        T(timeout_while_cancelling),
        T(timeout_while_cancelling_without_a_word),
        T(timeout_while_completing),
        T(a_cancelled_command_keeps_what_it_had),
        T(a_tool_that_never_returns),
        T(a_model_that_only_ever_calls_the_same_tool),
        T(an_empty_final_text),
        T(an_empty_final_text_without_an_outcome),
        T(nudges_are_counted_in_a_row),
        T(a_loser_adopts_the_stored_outcome),
        T(events_say_where_and_for_which_message),
        T(segments_go_on_until_the_turns_are_used_up),
        T(an_overflow_is_trimmed_away_twice),
        T(a_third_overflow_ends_it_with_what_it_has),
        T(transient_failures_have_their_own_budget),
        T(a_long_history_is_trimmed_before_it_overflows),
        T(a_running_worker_reads_before_its_next_step),
        T(a_message_at_the_end_is_read_and_costs_no_nudge),
        T(injections_are_bounded_and_counted_when_unread),
        T(an_interactive_worker_reports_waits_and_goes_on),
        T(exec_ends_what_waits_in_its_throwaway_channel),
        T(exec_leaves_what_waits_in_a_channel_that_stays),
        T(the_clock_runs_only_while_it_works),
        T(an_interactive_worker_outlives_the_engine),
        T(what_comes_in_while_it_works_is_read_in_order),
        T(channels_route_and_end),
        T(a_person_writes_to_a_worker),
        T(tokens_are_limited),
        T(money_is_limited),
        T(a_day_has_its_money),
        T(a_channel_says_that_it_is_at_its_limit),
        T(a_channel_has_its_time),
        T(a_branch_looks_into_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
