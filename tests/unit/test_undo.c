/* Undo: what a request has done to files is taken back as a whole, and nothing that somebody else
 * did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/undo.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/agent_home.h"
#include "tools/snapshot.h"

#define WRITE(path, text) CALL("file_write", "{\"path\":\"" path "\",\"content\":\"" text "\"}")
#define EDIT(path, old, new)                                                                       \
    CALL("file_edit",                                                                              \
         "{\"path\":\"" path "\",\"old_string\":\"" old "\",\"new_string\":\"" new "\"}")

static void put(struct agent_home *h, const char *name, const char *text) {
    char *path = xasprintf("%s/%s", h->home.workspace, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    x_free(&path);
}

/* NULL: it must not be there. */
static void holds(struct agent_home *h, const char *name, const char *text) {
    char *path = xasprintf("%s/%s", h->home.workspace, name), got[256] = "";
    FILE *f = fopen(path, "r");
    if (!text) {
        assert_null(f);
    } else {
        assert_non_null(f);
        got[fread(got, 1, sizeof got - 1, f)] = '\0';
        assert_int_equal(fclose(f), 0);
        assert_string_equal(got, text);
    }
    x_free(&path);
}

/* A person asks, and a worker makes these calls. */
static void request(struct agent_home *h, const char *channel, const char *text,
                    const char *calls) {
    char *all = xasprintf("[%s]", calls), *spawn = xasprintf("[" SPAWN("%s") "]", text);
    script_push(SCRIPT_CHANNEL, spawn);
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, all);
    script_push(SCRIPT_WORKER, OUTCOME("done"));
    script_push(SCRIPT_WORKER, "[]");
    script_push(SCRIPT_CHANNEL, REPLY("so it is"));
    agent_say(h, channel, NULL, text);
    agent_settle(h);
    x_free(&spawn);
    x_free(&all);
}

static const char *worker_result(struct agent_home *h) {
    size_t pos = 0;
    const char *last = "";
    for (const struct process *p; (p = process_next(agent_processes(h->agent), &pos));)
        for (size_t i = 0; p->kind == PROCESS_WORKER && i < p->journal.n; i++)
            if (p->journal.v[i]->kind == JOURNAL_TOOL &&
                str_prefix(p->journal.v[i]->title, "file_"))
                last = buf_str(&p->journal.v[i]->result);
    return last;
}

static void ask_back(struct agent_home *h, enum command c, const char *args, enum status wanted,
                     struct agent_answer *a) {
    agent_ask(h, c, a, args);
    for (int i = 0; i < 200 && !a->given; i++)
        agent_turns(h, 1);
    assert_true(a->given);
    if (a->st != wanted)
        fail_msg("%s: %s", status_name(a->st), a->why);
}

/* Of the n-th file. */
static void result_is(const struct agent_answer *a, int n, const char *name, const char *result) {
    const cJSON *f = cJSON_GetArrayItem(json_arr(a->body, "files"), n);
    assert_non_null(f);
    assert_true(str_suffix(json_str(f, "path", ""), name));
    assert_string_equal(json_str(f, "result", ""), result);
}

static void a_request_is_taken_back_and_put_again(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    struct stat st;
    put(h, "a.txt", "one\n");
    char *path = xasprintf("%s/a.txt", h->home.workspace);
    assert_int_equal(chmod(path, 0640), 0);
    request(
        h, "c1", "change them",
        WRITE("a.txt", "two") "," EDIT("a.txt", "two", "three") "," WRITE("sub/new.txt", "new"));
    holds(h, "a.txt", "three");
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    assert_string_equal(json_str(a.body, "channel", ""), "c1");
    assert_string_equal(json_str(a.body, "request", ""), "change them");
    result_is(&a, 0, "/a.txt", "restored");
    result_is(&a, 1, "/sub/new.txt", "removed");
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "files")), 2);
    agent_answer_clear(&a);
    holds(h, "a.txt", "one\n");
    holds(h, "sub/new.txt", NULL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    /* It stands in the transcript, and the model hears of it. */
    expect_in(agent_last_entry(h, "channel:c1", JOURNAL_NOTICE),
              "undone, what was changed for \"change them\":\nrestored a.txt\nremoved sub/new.txt");
    ask_back(h, COMMAND_UNDO, "{\"channel\":\"c1\"}", STATUS_NOT_FOUND, &a);
    expect_in(a.why, "nothing to undo in c1");
    agent_answer_clear(&a);
    ask_back(h, COMMAND_REDO, "{}", STATUS_OK, &a);
    result_is(&a, 0, "/a.txt", "restored");
    result_is(&a, 1, "/sub/new.txt", "restored");
    agent_answer_clear(&a);
    holds(h, "a.txt", "three");
    holds(h, "sub/new.txt", "new");
    ask_back(h, COMMAND_REDO, "{}", STATUS_NOT_FOUND, &a);
    agent_answer_clear(&a);
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    agent_answer_clear(&a);
    holds(h, "a.txt", "one\n");
    script_push(SCRIPT_CHANNEL, REPLY("I see"));
    agent_say(h, "c1", NULL, "and now?");
    agent_settle(h);
    expect_in(script_last_history(SCRIPT_CHANNEL), "The person has taken back changes of files");
    x_free(&path);
}

static void the_newest_goes_first_and_a_restart_forgets_nothing(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    request(h, "c1", "first", WRITE("a.txt", "one"));
    request(h, "c1", "second", EDIT("a.txt", "one", "two"));
    request(h, "c2", "elsewhere", WRITE("b.txt", "b"));
    agent_home_restart(h, true);
    ask_back(h, COMMAND_UNDO, "{\"channel\":\"c1\"}", STATUS_OK, &a);
    assert_string_equal(json_str(a.body, "request", ""), "second");
    agent_answer_clear(&a);
    holds(h, "a.txt", "one");
    ask_back(h, COMMAND_UNDO, "{\"channel\":\"c1\"}", STATUS_OK, &a);
    assert_string_equal(json_str(a.body, "request", ""), "first");
    agent_answer_clear(&a);
    holds(h, "a.txt", NULL);
    holds(h, "b.txt", "b");
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    assert_string_equal(json_str(a.body, "channel", ""), "c2");
    agent_answer_clear(&a);
    holds(h, "b.txt", NULL);
}

static void what_somebody_else_changed_is_left_unless_forced(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    put(h, "a.txt", "old a");
    put(h, "b.txt", "old b");
    request(h, "c1", "change both", WRITE("a.txt", "new a") "," WRITE("b.txt", "new b"));
    put(h, "b.txt", "mine");
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    result_is(&a, 0, "/a.txt", "restored");
    result_is(&a, 1, "/b.txt", "refused");
    const cJSON *f = cJSON_GetArrayItem(json_arr(a.body, "files"), 1);
    expect_in(json_str(f, "message", ""), "something else changed it since; what it held before");
    /* And where that is, it is. */
    const char *at = strstr(json_str(f, "message", ""), "is in ");
    assert_non_null(at);
    assert_int_equal(access(at + strlen("is in "), R_OK), 0);
    agent_answer_clear(&a);
    holds(h, "a.txt", "old a");
    holds(h, "b.txt", "mine");
    ask_back(h, COMMAND_UNDO, "{}", STATUS_NOT_FOUND, &a); /* it is not asked for again and again */
    agent_answer_clear(&a);
    ask_back(h, COMMAND_UNDO, "{\"force\":true}", STATUS_OK, &a);
    result_is(&a, 0, "/b.txt", "restored");
    agent_answer_clear(&a);
    holds(h, "b.txt", "old b");
    ask_back(h, COMMAND_REDO, "{}", STATUS_OK, &a); /* what was forced away is not lost */
    agent_answer_clear(&a);
    holds(h, "b.txt", "mine");
}

static void changes_of_others_in_between_are_not_lost(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    script_push(SCRIPT_CHANNEL, "[" SPAWN("twice") "]");
    script_push(SCRIPT_CHANNEL, "[]");
    script_push(SCRIPT_WORKER, "[" WRITE("a.txt", "one\\ntwo\\n") "]");
    script_push_hang(SCRIPT_WORKER, "thinking");
    agent_say(h, "c1", NULL, "twice");
    agent_pass(h, 100);
    put(h, "a.txt", "one\ntwo\nmine\n");
    struct process *w = agent_only(h, PROCESS_WORKER);
    w->unwanted = true;
    assert_true(agent_cancel(h->agent, w, "enough"));
    agent_settle(h);
    request(h, "c1", "on", EDIT("a.txt", "two", "three"));
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    agent_answer_clear(&a);
    holds(h, "a.txt", "one\ntwo\nmine\n");
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    result_is(&a, 0, "/a.txt", "refused");
    agent_answer_clear(&a);
    holds(h, "a.txt", "one\ntwo\nmine\n");
}

static void no_link_leads_an_undo_astray(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    char *sub = xasprintf("%s/sub", h->home.workspace), *out = xasprintf("%s/out", h->dir),
         *victim = xasprintf("%s/out/a.txt", h->dir), got[64] = "";
    request(h, "c1", "make it", WRITE("sub/a.txt", "new"));
    char *cmd = xasprintf("mv %s %s && ln -s %s %s", sub, out, out, sub);
    assert_int_equal(system(cmd), 0);
    ask_back(h, COMMAND_UNDO, "{\"force\":true}", STATUS_OK, &a);
    result_is(&a, 0, "/sub/a.txt", "failed");
    agent_answer_clear(&a);
    FILE *f = fopen(victim, "r");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, sizeof got, f), 3);
    assert_int_equal(fclose(f), 0);
    x_free(&cmd);
    x_free(&victim);
    x_free(&out);
    x_free(&sub);
}

static void what_is_too_large_is_told_and_not_undone(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    char *path = xasprintf("%s/big.bin", h->home.workspace);
    put(h, "big.bin", "x");
    assert_int_equal(truncate(path, 8 * 1024 * 1024 + 1), 0);
    request(h, "c1", "replace it", WRITE("big.bin", "small"));
    expect_in(worker_result(h), "too large to be kept: this cannot be undone");
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    result_is(&a, 0, "/big.bin", "failed");
    agent_answer_clear(&a);
    holds(h, "big.bin", "small");
    x_free(&path);
}

static void where_nothing_is_kept_it_is_told(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    h->config->limits.snapshot_mb = 0;
    agent_home_restart(h, true);
    put(h, "a.txt", "old");
    request(h, "c1", "replace it", WRITE("a.txt", "new") "," WRITE("b.txt", "new"));
    ask_back(h, COMMAND_UNDO, "{}", STATUS_OK, &a);
    result_is(&a, 0, "/a.txt", "failed");
    agent_answer_clear(&a);
    holds(h, "a.txt", "new");
}

static void a_conversation_that_is_not_there_is_no_empty_one(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0};
    ask_back(h, COMMAND_UNDO, "{\"channel\":\"c9\"}", STATUS_NOT_FOUND, &a);
    expect_in(a.why, "there is no conversation \"c9\"");
    agent_answer_clear(&a);
    request(h, "c9", "nothing", WRITE("a.txt", "x"));
    ask_back(h, COMMAND_REDO, "{\"channel\":\"c9\"}", STATUS_NOT_FOUND, &a);
    expect_in(a.why, "nothing to redo in c9");
    agent_answer_clear(&a);
}

static void one_at_a_time_and_nobody_has_to_wait(void **state) {
    struct agent_home *h = *state;
    struct agent_answer a = {0}, b = {0};
    request(h, "c1", "make it", WRITE("a.txt", "new"));
    struct command_call *c = agent_ask(h, COMMAND_UNDO, &a, "{}");
    assert_non_null(c);
    agent_ask(h, COMMAND_UNDO, &b, "{}");
    assert_int_equal(b.st, STATUS_UNAVAILABLE);
    agent_answer_clear(&b);
    command_abandon(&c);
    agent_turns(h, 50);
    assert_false(a.given);
    holds(h, "a.txt", NULL);
    ask_back(h, COMMAND_REDO, "{}", STATUS_OK, &a);
    agent_answer_clear(&a);
    holds(h, "a.txt", "new");
    /* The engine ends in the middle of one. */
    c = agent_ask(h, COMMAND_UNDO, &a, "{}");
    command_abandon(&c); /* as the server does for whoever was connected */
    agent_home_restart(h, true);
    assert_false(a.given);
}

/* Two edits of each of `files` files, which are as they were before by now. */
static void many_edits(struct agent_home *h, const char *channel, int files) {
    static const char *const hashes[] = {"", "a", "b"};
    for (int i = 0; i < 2 * files; i++) {
        char *path = xasprintf("%s/many-%s/%d", h->home.workspace, channel, i / 2);
        struct file_change c = {.channel = channel,
                                .work = channel,
                                .process = "worker:w",
                                .call = "c",
                                .tool = "file_write",
                                .workspace = h->home.workspace,
                                .path = path,
                                .before = {.state = i % 2 ? SNAPSHOT_KEPT : SNAPSHOT_ABSENT},
                                .after = {.state = SNAPSHOT_NOT_KEPT}};
        strcpy(c.before.hash, hashes[i % 2]);
        strcpy(c.after.hash, hashes[i % 2 + 1]);
        undo_record(agent_parts(h->agent)->store, &c);
        x_free(&path);
        if (i % 100 == 99)
            agent_turns(h, 1);
    }
    agent_turns(h, 5);
}

/* Processor time of an undo of so many, in ns. */
static int64_t undo_of_many(struct agent_home *h, const char *channel, int files) {
    struct agent_answer a = {0};
    struct timespec from, to;
    char *args = xasprintf("{\"channel\":\"%s\"}", channel);
    many_edits(h, channel, files);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from), 0);
    ask_back(h, COMMAND_UNDO, args, STATUS_OK, &a);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to), 0);
    assert_int_equal(cJSON_GetArraySize(json_arr(a.body, "files")), files);
    const cJSON *f;
    cJSON_ArrayForEach(f, json_arr(a.body, "files"))
        assert_string_equal(json_str(f, "result", ""), "unchanged");
    agent_answer_clear(&a);
    ask_back(h, COMMAND_UNDO, args, STATUS_NOT_FOUND, &a);
    agent_answer_clear(&a);
    x_free(&args);
    return (to.tv_sec - from.tv_sec) * NS_PER_SEC + to.tv_nsec - from.tv_nsec;
}

/* Ten times as much takes about ten times as long; where every edit looks at all others it takes
 * a hundred times as long. */
static void five_thousand_edits_are_no_matter(void **state) {
    struct agent_home *h = *state;
    int64_t few = undo_of_many(h, "c1", 250), many = undo_of_many(h, "c2", 2500);
    print_message("500 edits: %lld us, 5000: %lld us\n", (long long)few / 1000,
                  (long long)many / 1000);
    assert_true(many < 25 * few);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_home_setup, agent_home_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_taken_back_and_put_again),
        TEST(the_newest_goes_first_and_a_restart_forgets_nothing),
        TEST(what_somebody_else_changed_is_left_unless_forced),
        TEST(changes_of_others_in_between_are_not_lost),
        TEST(no_link_leads_an_undo_astray),
        TEST(what_is_too_large_is_told_and_not_undone),
        TEST(where_nothing_is_kept_it_is_told),
        TEST(five_thousand_edits_are_no_matter),
        TEST(a_conversation_that_is_not_there_is_no_empty_one),
        TEST(one_at_a_time_and_nobody_has_to_wait),
    };
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
