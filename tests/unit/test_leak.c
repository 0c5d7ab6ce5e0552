/* leak: a secret that a tool found or that a model wrote reaches neither people nor the store nor
 * the model again; what would have said it to people is not run, and the model reads why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/leak.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/scrub.h"
#include "base/str.h"
#include "tests/lib/agent_home.h"

#define TOKEN                                                                                      \
    "sk-ant-"                                                                                      \
    "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8"
#define GONE "[REDACTED:provider]"

/* All that the bus tells, deltas joined as whoever reads along sees them. */
struct told {
    struct bus_listener *listener;
    struct buf events, deltas;
};

static void hear(void *arg, const struct bus_event *e) {
    struct told *t = arg;
    bus_event_json(e, &t->events);
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->fields[i].key, "delta"))
            buf_puts(&t->deltas, e->fields[i].str);
}

static struct told told;

static int setup(void **state) {
    int rc = agent_home_setup(state);
    struct agent_home *h = *state;
    told = (struct told){0};
    told.listener = bus_listen(agent_bus(h->agent), hear, &told);
    return rc;
}

static int teardown(void **state) {
    bus_unlisten(&told.listener);
    buf_free(&told.events);
    buf_free(&told.deltas);
    return agent_home_teardown(state);
}

static void write_file(struct agent_home *h, const char *name, const char *text) {
    char *path = xasprintf("%s/%s", h->home.workspace, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    x_free(&path);
}

static void expect_nowhere(struct agent_home *h, const char *secret) {
    size_t pos = 0;
    expect_not_in(buf_str(&told.events), secret);
    expect_not_in(buf_str(&told.deltas), secret);
    agent_expect_not_stored(h, secret);
    for (const struct process *p; (p = process_next(agent_processes(h->agent), &pos));) {
        for (size_t i = 0; i < p->journal.n; i++) {
            expect_not_in(buf_str(&p->journal.v[i]->text), secret);
            expect_not_in(buf_str(&p->journal.v[i]->result), secret);
        }
        expect_not_in(p->tool ? p->tool : "", secret);
        expect_not_in(p->status ? p->status : "", secret);
    }
}

static void exec(struct agent_home *h, const char *reply) {
    struct agent_answer a;
    agent_exec(h, &a, "{\"channel\":\"c1\",\"text\":\"go\"}");
    if (reply)
        assert_string_equal(json_str(a.body, "reply", ""), reply);
    else
        assert_false(json_bool(a.body, "ok", true));
    agent_answer_clear(&a);
    agent_turns(h, 10);
    assert_int_equal(script_left(SCRIPT_CHANNEL), 0);
    assert_int_equal(script_left(SCRIPT_WORKER), 0);
}

static void what_a_tool_returns_is_clean(void **state) {
    struct agent_home *h = *state;
    write_file(h, ".env", "A=" AGENT_SECRET "\nB=" TOKEN "\nPORT=8080\n");
    script_push(SCRIPT_CHANNEL, "[" SPAWN("look") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, "[" CALL("file_read", "{\"path\":\".env\"}") "]");
    script_push(SCRIPT_WORKER, OUTCOME("seen"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    exec(h, "seen");
    expect_in(script_last_history(SCRIPT_WORKER), "A=" GONE "\\nB=" SCRUB_MARK "\\nPORT=8080");
    expect_in(buf_str(&told.events), "PORT=8080");
    expect_nowhere(h, AGENT_SECRET);
    expect_nowhere(h, TOKEN);
}

/* Halves of it come in pieces of their own: script_llm cuts every text in the middle. */
static void what_streams_is_clean(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("look") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, "[" TEXT(AGENT_SECRET " " TOKEN) "," CALL("file_list", "{}") "]");
    script_push(SCRIPT_WORKER, OUTCOME("it is " TOKEN ", see"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("seen"));
    exec(h, "seen");
    expect_in(buf_str(&told.deltas), GONE " " SCRUB_MARK);
    expect_in(script_last_history(SCRIPT_WORKER), GONE " " SCRUB_MARK);
    expect_in(script_last_history(SCRIPT_CHANNEL), "it is " SCRUB_MARK ", see");
    expect_nowhere(h, AGENT_SECRET);
    expect_nowhere(h, TOKEN);
}

static void what_a_call_holds_is_used_and_not_kept(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" SPAWN("write") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER,
                "[" CALL("file_write", "{\"path\":\"k\",\"content\":\"" AGENT_SECRET "\"}") "]");
    script_push(SCRIPT_WORKER, OUTCOME("written"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("written"));
    exec(h, "written");
    char *path = xasprintf("%s/k", h->home.workspace), text[256] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    x_free(&path);
    assert_string_equal(text, AGENT_SECRET);
    expect_in(script_last_history(SCRIPT_WORKER), GONE);
    expect_nowhere(h, AGENT_SECRET);
}

static void a_reply_with_a_secret_is_not_said(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, REPLY("the key is " TOKEN));
    script_push(SCRIPT_CHANNEL, REPLY("the key is in .env"));
    exec(h, "the key is in .env");
    expect_in(script_last_history(SCRIPT_CHANNEL), "none of its characters");
    assert_int_equal(count_in(buf_str(&told.events), "\"channel_assistant_message\""), 1);
    /* It had been seen as it came, without the secret, and is marked as not said. */
    expect_in(buf_str(&told.deltas), "the key is " SCRUB_MARK);
    const struct journal *j = &agent_process(h, "channel:c1")->journal;
    bool interrupted = false;
    for (size_t i = 0; i < j->n; i++)
        if (j->v[i]->kind == JOURNAL_REPLY && strstr(buf_str(&j->v[i]->text), SCRUB_MARK))
            interrupted = j->v[i]->interrupted;
    assert_true(interrupted);
    expect_nowhere(h, TOKEN);
}

/* Written with escapes it is the same. */
static void a_question_with_a_secret_is_not_asked(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL,
                "[" CALL("ask", "{\"question\":\"which\",\"options\":[{\"label\":\"\\u0073k-ant-"
                                "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8\"},{\"label\":\"none\"}]}") "]");
    script_push(SCRIPT_CHANNEL, REPLY("never mind"));
    exec(h, "never mind");
    expect_in(script_last_history(SCRIPT_CHANNEL), "none of its characters");
    expect_nowhere(h, TOKEN);
}

static void a_text_with_a_secret_is_asked_for_again(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" TEXT("it is " TOKEN) "]");
    script_push(SCRIPT_CHANNEL, "[" TEXT("it is in .env") "]");
    exec(h, "it is in .env");
    expect_in(script_last_history(SCRIPT_CHANNEL), "was not shown");
    expect_nowhere(h, TOKEN);
    for (int i = 0; i < 3; i++)
        script_push(SCRIPT_CHANNEL, "[" TEXT("it is " TOKEN) "]");
    exec(h, NULL);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_ERROR), "nothing was said");
    char *json = llm_history_json(channel_history(agent_process(h, "channel:c1")));
    expect_in(json, "[no answer: a secret was in it]");
    expect_not_in(json, "was not shown");
    x_free(&json);
    expect_nowhere(h, TOKEN);
}

/* What stands in a result that was scrubbed may be spoken of. */
static void the_mark_itself_may_be_said(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, REPLY("it says " SCRUB_MARK " there"));
    exec(h, "it says " SCRUB_MARK " there");
}

static void conclusions_are_clean(void **state) {
    struct agent_home *h = *state;
    script_push(SCRIPT_CHANNEL, "[" BRANCH("think") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_BRANCH, "[" TEXT("take " AGENT_SECRET " for it") "]");
    script_push(SCRIPT_CHANNEL, REPLY("taken"));
    exec(h, "taken");
    expect_in(script_last_history(SCRIPT_CHANNEL), "take " GONE " for it");
    expect_nowhere(h, AGENT_SECRET);
}

static void a_person_who_interrupts_keeps_what_was_shown(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    script_push_hang(SCRIPT_CHANNEL, "as it stands " AGENT_SECRET);
    agent_say(h, "c1", NULL, "go");
    agent_pass(h, 1000); /* what is half written is saved */
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_TEXT), "as it stands");
    expect_nowhere(h, AGENT_SECRET);
    agent_ask(h, COMMAND_INTERRUPT, &a, "{\"process\":\"channel:c1\"}");
    agent_answer_clear(&a);
    agent_settle(h);
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_TEXT), "as it stands " GONE);
    expect_nowhere(h, AGENT_SECRET);
}

static void arguments_stay_json(void **state) {
    static const char *const inputs[] = {
        "{\"a\":\"x " TOKEN "\",\"b\":[1,{\"c\":\"" TOKEN "\"}],\"d\":true}",
        "{\"k\":\"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEF\\\" and\"}",
        "{\"" TOKEN "\":1}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
        char *clean = leak_input(NULL, inputs[i]);
        cJSON *o = NULL;
        assert_non_null(clean);
        assert_int_equal(json_parse(clean, strlen(clean), &o, NULL), STATUS_OK);
        assert_false(scrub_finds(NULL, clean, strlen(clean)));
        cJSON_Delete(o);
        x_free(&clean);
    }
    assert_null(leak_input(NULL, "{\"n\":9007199254740993}"));
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_a_tool_returns_is_clean),
        T(what_streams_is_clean),
        T(what_a_call_holds_is_used_and_not_kept),
        T(a_reply_with_a_secret_is_not_said),
        T(a_question_with_a_secret_is_not_asked),
        T(a_text_with_a_secret_is_asked_for_again),
        T(the_mark_itself_may_be_said),
        T(conclusions_are_clean),
        T(a_person_who_interrupts_keeps_what_was_shown),
        cmocka_unit_test(arguments_stay_json),
    };
    clock_set_virtual(INT64_C(1764000000000));
    id_seed(7);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
