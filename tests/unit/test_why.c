/* The chain behind a reply, read back from the store: who said what, who was started, what was
 * called, what it cost; across retriggers, cuts, crashes and restarts. */
#include "agent/why.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

#define LIST(path) CALL("file_list", "{\"path\":\"" path "\"}")

static struct why *load(struct agent_home *h, const char *which) {
    char id[ID_UUID_SIZE];
    struct why *w = NULL;
    struct cause why = {""};
    agent_turns(h, 5);
    if (why_find(store_read(h->store), which, id, &why) != STATUS_OK ||
        why_load(store_read(h->store), id, 0, &w, &why) != STATUS_OK)
        fail_msg("%s: %s", which, why.text);
    assert_string_equal(w->asked, id);
    return w;
}

/* A line for each row: depth by dots, kind, name or words, state. */
static char *tree(const struct why *w) {
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < w->n; i++) {
        const struct why_row *r = &w->v[i];
        for (int k = 0; k < r->depth; k++)
            buf_puts(&b, ". ");
        buf_puts(&b, why_kind_name(r->kind));
        switch (r->kind) {
        case WHY_MESSAGE:
        case WHY_REPLY:
            buf_printf(&b, " %s: %s", r->name, r->text);
            break;
        case WHY_TURN:
            buf_printf(&b, " %s", *r->text ? r->text : "of messages");
            break;
        case WHY_BRANCH:
        case WHY_WORKER:
        case WHY_MEMORY:
            buf_printf(&b, " %s%s", r->name, r->told ? " told" : "");
            break;
        case WHY_TOOL:
            buf_printf(&b, " %s", r->label ? r->label : r->name);
            break;
        }
        if (r->state)
            buf_printf(&b, " [%s]", r->state);
        if (r->left_out)
            buf_printf(&b, " +%zu", r->left_out);
        buf_putc(&b, '\n');
    }
    return buf_steal(&b);
}

static void tree_is(struct agent_home *h, const char *which, const char *expected) {
    struct why *w = load(h, which);
    char *text = tree(w);
    assert_string_equal(text, expected);
    x_free(&text);
    why_free(&w);
}

static const struct why_row *row(const struct why *w, enum why_kind kind, size_t nth) {
    for (size_t i = 0; i < w->n; i++)
        if (w->v[i].kind == kind && nth-- == 0)
            return &w->v[i];
    fail_msg("there is no such row");
    return NULL;
}

/* What a chain says a process cost is what token_usage has, and the sum is that of the channel,
 * where the chain is all that was ever said there. */
static void costs_are_those_of_the_store(struct agent_home *h, const struct why *w) {
    struct q_usage_of_channel_row all;
    struct q_usage_of_process_row of;
    struct cause why;
    struct llm_usage turns = {0};
    int64_t calls = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct why_row *r = &w->v[i];
        if (r->kind == WHY_TURN) {
            llm_usage_add(&turns, &r->usage);
            calls += r->calls;
        }
        if (r->kind != WHY_BRANCH && r->kind != WHY_WORKER)
            continue;
        assert_int_equal(q_usage_of_process(store_read(h->store), r->id, &of, &why), STATUS_OK);
        assert_int_equal(r->usage.input_tokens, of.input_tokens);
        assert_int_equal(r->usage.output_tokens, of.output_tokens);
        assert_int_equal(r->calls, of.requests);
        assert_true(r->calls > 0 && r->usage.cost_usd == of.cost_usd);
        q_usage_of_process_free(&of);
    }
    char *channel = xasprintf("channel:%s", w->channel);
    assert_int_equal(q_usage_of_process(store_read(h->store), channel, &of, &why), STATUS_OK);
    assert_int_equal(turns.input_tokens, of.input_tokens);
    assert_int_equal(calls, of.requests);
    x_free(&channel);
    q_usage_of_process_free(&of);
    assert_int_equal(q_usage_of_channel(store_read(h->store), w->channel, &all, &why), STATUS_OK);
    assert_int_equal(w->usage.input_tokens, all.input_tokens);
    assert_int_equal(w->usage.output_tokens, all.output_tokens);
    assert_int_equal(w->calls, all.requests);
    assert_true(w->usage.cost_usd > all.cost_usd - 1e-9 && w->usage.cost_usd < all.cost_usd + 1e-9);
    assert_int_equal(w->usage.cost_is_estimate, all.estimated_rows > 0);
    q_usage_of_channel_free(&all);
}

/* A question that a branch and two workers are sent out for; the branch sends another one. */
static void question(struct agent_home *h) {
    script_push(SCRIPT_CHANNEL,
                "[" BRANCH("recall auth") "," SPAWN("count lines") "," SPAWN(
                    "run the tests") "," CALL("reply", "{\"content\":\"I am on it.\"}") "]");
    script_push(SCRIPT_BRANCH, "[" LIST(".") "," LIST("nowhere") "]");
    script_push(SCRIPT_BRANCH, "[" SPAWN("look into auth.c") "]");
    script_default(SCRIPT_WORKER, "[" TEXT("so it is") "]");
    script_push(SCRIPT_WORKER, "[" LIST(".") "," CALL("set_status", "{\"status\":\"at it\"}") "]");
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[" TEXT("so it is") "]"); /* the second one has ended */
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_default(SCRIPT_CHANNEL, REPLY("All of it is in."));
    agent_say(h, "c1", NULL, "what do we know, and do the tests pass?");
    agent_settle(h);
}

static void branches_and_workers_and_what_they_called(void **state) {
    struct agent_home *h = *state;
    question(h);
    struct why *w = load(h, "c1");
    char *text = tree(w);
    expect_in(text, "message you: what do we know, and do the tests pass?\n"
                    "turn of messages [done]\n"
                    ". branch recall auth told [succeeded]\n"
                    ". . tool file_list . [ok]\n"
                    ". . tool file_list nowhere [error]\n"
                    ". . worker look into auth.c told [");
    expect_in(text, "\n. worker count lines told [succeeded]\n");
    expect_in(text, "\n. worker run the tests told [succeeded]\n");
    expect_in(text, "\n. reply spacebot: I am on it.\n");
    expect_in(text, "\nturn results of ");
    expect_in(text, "[done]\n. reply spacebot: All of it is in.\n");
    expect_not_in(text, "tool spawn_worker"); /* what they started stands in their place */
    expect_not_in(text, "tool branch");
    expect_not_in(text, "tool reply");
    assert_int_equal(count_in(text, "worker "), 3);
    costs_are_those_of_the_store(h, w);
    assert_false(w->running);
    assert_int_equal(w->left_out, 0);
    const struct why_row *branch = row(w, WHY_BRANCH, 0);
    assert_string_equal(branch->text, "recall auth");
    expect_in(branch->outcome, "delegated to worker");
    assert_non_null(branch->model);
    assert_true(branch->started_ms > 0 && branch->ended_ms >= branch->started_ms);
    x_free(&text);
    why_free(&w);
}

/* The answer that was given at once is part of the same turn, and known by its own id. */
static void the_first_of_two_replies(void **state) {
    struct agent_home *h = *state;
    question(h);
    struct why *all = load(h, "");
    char *first = xstrdup(row(all, WHY_REPLY, 0)->id);
    struct why *w = load(h, first);
    char *text = tree(w);
    expect_in(text, "reply spacebot: I am on it.");
    expect_not_in(text, "All of it is in."); /* that came of it later */
    assert_int_equal(count_in(text, "turn "), 1);
    x_free(&text);
    x_free(&first);
    why_free(&w);
    why_free(&all);
}

static void the_same_after_a_restart_and_without_an_engine(void **state) {
    struct agent_home *h = *state;
    struct store_read *r = NULL;
    struct cause why;
    question(h);
    struct why *w = load(h, "c1"), *again = NULL;
    char *before = tree(w), *json = NULL, *json_again = NULL;
    cJSON *o = why_json(w);
    json = json_print(o);
    cJSON_Delete(o);
    agent_home_restart(h, false);
    tree_is(h, "c1", before);
    assert_int_equal(store_open_readonly(h->home.db, &r, &why), STATUS_OK);
    assert_int_equal(why_load(r, w->asked, 0, &again, &why), STATUS_OK);
    o = why_json(again);
    json_again = json_print(o);
    cJSON_Delete(o);
    assert_string_equal(json, json_again);
    store_read_close(&r);
    x_free(&before);
    x_free(&json);
    x_free(&json_again);
    why_free(&w);
    why_free(&again);
}

/* The engine ends between the worker's result and its telling: the chain holds across it. */
static void a_restart_in_between(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("count") "," CALL("reply", "{\"content\":\"soon\"}") "]");
    script_push(SCRIPT_WORKER, OUTCOME("42 lines"));
    script_default(SCRIPT_WORKER, "[" TEXT("42") "]");
    agent_say(h, "c1", NULL, "how many?");
    agent_pass(h, 200); /* it has come back, and waits to be told */
    agent_home_restart(h, false);
    script_push(SCRIPT_CHANNEL, REPLY("42 lines."));
    struct agent_answer a = {0};
    agent_ask(h, COMMAND_OPEN, &a, "{\"channel\":\"c1\"}");
    agent_answer_clear(&a);
    agent_settle(h);
    tree_is(h, "c1",
            "message you: how many?\n"
            "turn of messages [done]\n"
            ". worker count told [succeeded]\n"
            ". . tool set_status outcome [ok]\n"
            ". reply spacebot: soon\n"
            "turn results of count [done]\n"
            ". reply spacebot: 42 lines.\n");
}

static void messages_that_were_answered_together(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, REPLY("hello ana"));
    agent_say(h, "team", "ana", "I am ana");
    agent_settle(h);
    script_push(SCRIPT_CHANNEL, REPLY("hello bo"));
    agent_say(h, "team", "bo", "I am bo");
    agent_settle(h);
    script_push(SCRIPT_CHANNEL, REPLY("both"));
    agent_say(h, "team", "ana", "first");
    agent_pass(h, 400);
    agent_say(h, "team", "bo", "second");
    agent_settle(h);
    tree_is(h, "#team",
            "message ana: first\n"
            "message bo: second\n"
            "turn of messages [done]\n"
            ". reply spacebot: both\n");
    struct why *w = load(h, "channel:team");
    /* The one who spoke first has waited for the other. */
    assert_true(w->first_word_ms >= 1500 && w->first_word_ms < 1700);
    assert_int_equal(w->elapsed_ms,
                     row(w, WHY_REPLY, 0)->ended_ms - row(w, WHY_MESSAGE, 0)->started_ms);
    why_free(&w);
}

/* Results are told, that starts more, and those results are told in turn. */
static void a_retrigger_after_a_retrigger(void **state) {
    struct agent_home *h = *state;
    for (int i = 0; i < 2; i++) {
        script_push(SCRIPT_WORKER, OUTCOME("done"));
        script_push(SCRIPT_WORKER, "[" TEXT("so it is") "]");
    }
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "," CALL("reply", "{\"content\":\"a\"}") "]");
    script_push(SCRIPT_CHANNEL, "[" SPAWN("two") "," CALL("reply", "{\"content\":\"b\"}") "]");
    script_push(SCRIPT_CHANNEL, REPLY("c"));
    agent_say(h, "c1", NULL, "go");
    agent_settle(h);
    agent_say(h, "c1", NULL, "/status"); /* a command is nobody's turn */
    agent_settle(h);
    script_push(SCRIPT_CHANNEL, REPLY("thanks"));
    tree_is(h, "c1",
            "message you: go\n"
            "turn of messages [done]\n"
            ". worker one told [succeeded]\n"
            ". . tool set_status outcome [ok]\n"
            ". reply spacebot: a\n"
            "turn results of one [done]\n"
            ". worker two told [succeeded]\n"
            ". . tool set_status outcome [ok]\n"
            ". reply spacebot: b\n"
            "turn results of two [done]\n"
            ". reply spacebot: c\n");
    struct why *w = load(h, "c1");
    costs_are_those_of_the_store(h, w);
    why_free(&w);
    agent_say(h, "c1", NULL, "good"); /* what was before is no cause of that */
    agent_settle(h);
    tree_is(h, "c1", "message you: good\nturn of messages [done]\n. reply spacebot: thanks\n");
}

/* The message that a turn without a reply was about leads to it. */
static char *last_message(struct agent_home *h) {
    const char *id = channel_message_id(agent_process(h, "channel:c1"));
    assert_non_null(id);
    return xstrdup(id);
}

static void a_turn_that_failed(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "]");
    script_push_hang(SCRIPT_WORKER, "half of it");
    script_push_fault(SCRIPT_CHANNEL, LLM_FAULT_AUTH, "the key was refused (401)");
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 100);
    char *id = last_message(h);
    struct why *w = load(h, id);
    char *text = tree(w);
    assert_string_equal(text, "message you: go\n"
                              "turn of messages [failed]\n"
                              ". worker one [running]\n");
    assert_true(w->running);
    assert_int_equal(w->elapsed_ms, -1);
    assert_int_equal(w->first_word_ms, -1);
    x_free(&text);
    why_free(&w);
    x_free(&id);
}

static void what_was_interrupted(void **state) {
    struct agent_home *h = *state;
    script_push_hang(SCRIPT_CHANNEL, "It is as f");
    agent_say(h, "c1", NULL, "and now?");
    agent_pass(h, 100);
    char *id = last_message(h);
    tree_is(h, id, "message you: and now?\nturn of messages [running]\n");
    assert_true(channel_interrupt(h->agent, agent_process(h, "channel:c1"), "stop"));
    agent_settle(h);
    tree_is(h, id, "message you: and now?\nturn of messages [cancelled]\n");
    x_free(&id);
}

/* A crash in the middle of a call and of an answer: nothing is said to run on. */
static void what_a_crash_cut_off(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "]");
    script_push_hang(SCRIPT_WORKER, "");
    script_push_hang(SCRIPT_CHANNEL, "Two things are k");
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 1000);
    char *id = last_message(h);
    agent_home_restart(h, false);
    struct why *w = load(h, id);
    char *text = tree(w);
    expect_in(text, "turn of messages [interrupted]\n. worker one [failed]\n");
    expect_in(text, ". reply spacebot: Two things are");
    expect_in(text, "[interrupted: the engine ended] [interrupted]");
    assert_false(w->running);
    assert_int_equal(w->first_word_ms, -1); /* nobody knows */
    x_free(&text);
    x_free(&id);
    why_free(&w);
}

static void a_long_text_is_cut(void **state) {
    struct agent_home *h = *state;
    struct buf b = BUF_INIT;
    buf_puts(&b, "[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{\"content\":\"");
    for (int i = 0; i < 5000; i++)
        buf_puts(&b, "\xc3\xa9");
    buf_puts(&b, "\"}}]");
    script_push(SCRIPT_CHANNEL, buf_str(&b));
    buf_free(&b);
    agent_say(h, "c1", NULL, "say much");
    agent_settle(h);
    struct why *w = load(h, "c1");
    const struct why_row *reply = row(w, WHY_REPLY, 0);
    assert_int_equal(reply->bytes, 10000);
    assert_int_equal(strlen(reply->text), 2 * WHY_TEXT_MAX); /* whole characters */
    why_free(&w);
}

/* Very many calls: so many are shown, and the others are counted. */
static void bounds(void **state) {
    struct agent_home *h = *state;
    struct buf b = BUF_INIT;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("many") "," CALL("reply", "{\"content\":\"yes\"}") "]");
    for (int i = 0; i < 5; i++) {
        buf_reset(&b);
        for (int k = 0; k < 50; k++)
            buf_printf(&b,
                       "%s{\"type\":\"tool_use\",\"name\":\"set_status\",\"input\":{\"status\":"
                       "\"step %d\"}}",
                       k ? "," : "[", i * 50 + k);
        buf_putc(&b, ']');
        script_push(SCRIPT_WORKER, buf_str(&b));
    }
    buf_free(&b);
    script_default(SCRIPT_WORKER, "[" TEXT("so it is") "]");
    script_push(SCRIPT_CHANNEL, REPLY("done"));
    agent_say(h, "c1", NULL, "go");
    agent_settle(h);
    struct why *w = load(h, "c1");
    assert_int_equal(row(w, WHY_WORKER, 0)->left_out, 250 - WHY_CALLS_MAX);
    assert_int_equal(w->n, 2 + 1 + WHY_CALLS_MAX + 1 + 2);
    assert_string_equal(w->v[w->n - 1].text, "done");
    cJSON *o = why_json(w);
    const cJSON *worker =
        cJSON_GetArrayItem(json_arr(cJSON_GetArrayItem(json_arr(o, "steps"), 1), "steps"), 0);
    assert_string_equal(json_str(worker, "kind", ""), "worker");
    assert_int_equal(json_i64(worker, "left_out", 0), 250 - WHY_CALLS_MAX);
    assert_int_equal(cJSON_GetArraySize(json_arr(worker, "steps")), WHY_CALLS_MAX);
    cJSON_Delete(o);
    why_free(&w);
}

static void which_message_is_meant(void **state) {
    struct agent_home *h = *state;
    struct cause why = {""};
    char id[ID_UUID_SIZE], first[ID_UUID_SIZE];
    struct store_read *r = store_read(h->store);
    assert_int_equal(why_find(r, "", id, &why), STATUS_NOT_FOUND);
    expect_in(why.text, "nothing has been replied yet");
    script_default(SCRIPT_CHANNEL, REPLY("yes"));
    agent_say(h, "c1", NULL, "one");
    agent_settle(h);
    assert_int_equal(why_find(r, "c1", first, &why), STATUS_OK);
    agent_say(h, "c2", NULL, "two");
    agent_settle(h);
    assert_int_equal(why_find(r, "", id, &why), STATUS_OK);
    assert_string_not_equal(id, first);
    assert_int_equal(why_find(r, "#c1", id, &why), STATUS_OK);
    assert_string_equal(id, first);
    assert_int_equal(why_find(r, first, id, &why), STATUS_OK);
    assert_string_equal(id, first);
    char prefix[9] = "";
    memcpy(prefix, first, sizeof prefix - 1);
    assert_int_equal(why_find(r, prefix, id, &why), STATUS_OK);
    assert_string_equal(id, first);
    prefix[3] = '\0';
    assert_int_equal(why_find(r, prefix, id, &why), STATUS_NOT_FOUND);
    expect_in(why.text, "there is no reply and no channel");
    struct agent_answer a = {0};
    agent_ask(h, COMMAND_OPEN, &a, "{\"channel\":\"quiet\"}");
    agent_answer_clear(&a);
    agent_turns(h, 5);
    assert_int_equal(why_find(r, "quiet", id, &why), STATUS_NOT_FOUND);
    expect_in(why.text, "nothing has been replied in #quiet yet");
    struct why *w;
    assert_int_equal(why_load(r, "no-such-message", 0, &w, &why), STATUS_NOT_FOUND);
    assert_null(w);
    for (int i = 0; i < 2; i++) {     /* two that begin alike */
        char same[ID_UUID_SIZE + 16]; /* room for any number */
        snprintf(same, sizeof same, "aaaaaaaa-0000-4000-8000-00000000000%d", i);
        store_message_insert(h->store,
                             &(struct store_message_insert){.id = same,
                                                            .channel_id = "quiet",
                                                            .role = "assistant",
                                                            .sender_name = "spacebot",
                                                            .content = "alike",
                                                            .created_at = clock_wall_ms()});
    }
    agent_turns(h, 5);
    assert_int_equal(why_find(r, "aaaaaaaa", id, &why), STATUS_INVALID);
    expect_in(why.text, "several messages begin so");
}

/* A store of a version that kept no turns: what the reply itself names is there. */
static void a_reply_of_an_earlier_version(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("one") "," CALL("reply", "{\"content\":\"a\"}") "]");
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_default(SCRIPT_WORKER, "[" TEXT("so it is") "]");
    script_push(SCRIPT_CHANNEL, REPLY("b"));
    agent_say(h, "c1", NULL, "go");
    agent_settle(h);
    struct why *w = load(h, "c1");
    char *meta = xasprintf("{\"reply_to\":\"%s\",\"relays\":[\"%s\"]}", row(w, WHY_MESSAGE, 0)->id,
                           row(w, WHY_WORKER, 0)->id);
    store_message_insert(
        h->store, &(struct store_message_insert){.id = "aaaaaaaa-0000-4000-8000-000000000001",
                                                 .channel_id = "c1",
                                                 .role = "assistant",
                                                 .sender_name = "spacebot",
                                                 .content = "of old",
                                                 .metadata = meta,
                                                 .created_at = clock_wall_ms()});
    x_free(&meta);
    why_free(&w);
    agent_turns(h, 5);
    tree_is(h, "aaaaaaaa",
            "message you: go\n"
            "worker one told [succeeded]\n"
            ". tool set_status outcome [ok]\n"
            "reply spacebot: of old\n");
}

static void as_json(void **state) {
    struct agent_home *h = *state;
    question(h);
    struct why *w = load(h, "c1");
    cJSON *o = why_json(w);
    assert_string_equal(json_str(o, "message_id", ""), w->asked);
    assert_string_equal(json_str(o, "channel", ""), "c1");
    assert_int_equal(json_i64(o, "input_tokens", 0), w->usage.input_tokens);
    assert_int_equal(json_i64(o, "model_calls", 0), w->calls);
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(o, "cost_usd")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(o, "cost_is_estimate")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(o, "running")));
    assert_true(json_i64(o, "elapsed_ms", -1) > 0);
    assert_true(json_i64(o, "first_word_ms", -1) >= 0);
    const cJSON *message = cJSON_GetArrayItem(json_arr(o, "steps"), 0);
    assert_string_equal(json_str(message, "kind", ""), "message");
    assert_null(cJSON_GetObjectItem(message, "cost_usd"));
    const cJSON *turn = cJSON_GetArrayItem(json_arr(o, "steps"), 1);
    const cJSON *branch = cJSON_GetArrayItem(json_arr(turn, "steps"), 0);
    assert_string_equal(json_str(branch, "kind", ""), "branch");
    assert_true(str_prefix(json_str(branch, "id", ""), "branch:"));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(branch, "told")));
    const cJSON *tool = cJSON_GetArrayItem(json_arr(branch, "steps"), 0);
    assert_string_equal(json_str(tool, "name", ""), "file_list");
    assert_string_equal(json_str(tool, "label", ""), "file_list .");
    assert_string_equal(json_str(tool, "state", ""), "ok");
    assert_int_equal(json_i64(tool, "duration_ms", -1) >= 0, 1);
    cJSON_Delete(o);
    why_free(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(branches_and_workers_and_what_they_called),
                                       TEST(the_first_of_two_replies),
                                       TEST(the_same_after_a_restart_and_without_an_engine),
                                       TEST(a_restart_in_between),
                                       TEST(messages_that_were_answered_together),
                                       TEST(a_retrigger_after_a_retrigger),
                                       TEST(a_turn_that_failed),
                                       TEST(what_was_interrupted),
                                       TEST(what_a_crash_cut_off),
                                       TEST(a_long_text_is_cut),
                                       TEST(bounds),
                                       TEST(which_message_is_meant),
                                       TEST(a_reply_of_an_earlier_version),
                                       TEST(as_json)};
    clock_set_virtual(INT64_C(1795521720000));
    id_seed(7);
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
