/* Workers that wait to be written to, in the real program: who writes to one from the command line,
 * and what becomes of one when the command that asked for it has its answer. The models know what
 * to run and not what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"

struct fixture {
    struct fake *fake;
    struct tmphome *home;
    struct run *run, *log;
};

static struct fixture f;

static int teardown(void **state) {
    (void)state;
    run_free(&f.run);
    run_free(&f.log);
    tmphome_free(&f.home);
    struct fake *fake = f.fake;
    memset(&f, 0, sizeof(f));
    fake_stop(&fake);
    return 0;
}

/* The worker, written to with `said`, runs `command` and reports its first line of output. */
#define WORK(said, command)                                                                        \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"" said "\",\"step\":0},"                \
    "\"respond\":[{\"tool_use\":{\"name\":\"shell\",\"input\":{\"command\":\"" command "\"}}}]},"  \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"" said "\",\"step\":1},"                \
    "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"                               \
    "{\"status\":\"<<${tool_result_line:1}>>\",\"kind\":\"outcome\"}}}]},"                         \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"" said "\",\"step\":2},"                \
    "\"respond\":[{\"text\":\"Done.\"}]}"

#define NOTE(said, line) WORK(said, "echo " line " >>notes.txt; paste -s -d+ notes.txt")

/* What comes back is told to the person; the results come before the request (see SCENE_RUN). */
#define CHANNEL                                                                                    \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"<<\",\"step\":0},"                     \
    "\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":"                                    \
    "{\"content\":\"The notes are ${worker_result}.\"}}}]},"                                       \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"keep notes\",\"step\":0},"             \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Write the first note.\",\"interactive\":true}}}]},"                               \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"keep notes\",\"step\":1},"             \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]}"

#define NOTES                                                                                      \
    SCENE(CHANNEL "," NOTE("the first note",                                                       \
                           "one") "," NOTE("a second", "two") "," NOTE("and a third", "three"))

static void start(void) {
    f.fake = fake_start(NOTES);
    f.home = tmphome_new(f.fake);
    f.run = tmphome_spacebot(f.home, ARGS("daemon"), NULL);
    run_expect_code(f.run, 0);
}

static void spacebot(const char *const *args, int code) {
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, args, NULL);
    run_expect_code(f.run, code);
}

static void assert_has(const char *text, const char *part) {
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text ? text : "(nothing)");
}

/* The only worker as `ps --all` shows it. The caller deletes *lines. */
static const cJSON *worker(cJSON **lines) {
    spacebot(ARGS("ps", "--all", "--json"), 0);
    *lines = jsonl_parse(run_out(f.run));
    const cJSON *it, *found = NULL;
    cJSON_ArrayForEach(it, *lines) {
        if (str_eq(json_str(it, "kind", ""), "worker")) {
            assert_null(found);
            found = it;
        }
    }
    assert_non_null(found);
    return found;
}

static void expect_worker(const char *state, const char *outcome) {
    cJSON *lines;
    const cJSON *w = worker(&lines);
    assert_string_equal(json_str(w, "state", ""), state);
    assert_string_equal(json_str(w, "outcome", "none"), outcome);
    cJSON_Delete(lines);
}

static void expect_reply(const char *text) {
    if (!run_wait_out(f.log, text, WAIT_MS))
        fail_msg("\"%s\" never came:\n%s\n%s", text, run_out(f.log), run_err(f.log));
}

/* ---- say --to ------------------------------------------------------------------------------- */

static void a_worker_that_waits_is_written_to_and_ended(void **state) {
    (void)state;
    cJSON *lines;
    start();
    spacebot(ARGS("say", "work", "please keep notes"), 0);
    f.log = tmphome_start(f.home, ARGS("log", "work", "--follow"));
    expect_reply("The notes are one.");
    char *id = xstrdup(json_str(worker(&lines), "id", ""));
    cJSON_Delete(lines);
    expect_worker("waiting", "none");

    spacebot(ARGS("say", "--to", id, "now a second"), 0);
    assert_has(run_err(f.run), "it goes on with it now");
    expect_reply("The notes are one+two.");
    expect_worker("waiting", "none");

    /* By the first characters of its name, and for the last time. */
    char *brief = xasprintf("%.8s", strchr(id, ':') + 1);
    spacebot(ARGS("say", "--to", brief, "--end", "and a third"), 0);
    assert_has(run_err(f.run), id);
    expect_reply("The notes are one+two+three.");
    expect_worker("ended", "succeeded");
    char *notes = tmphome_read(f.home, "home/workspace/notes.txt");
    assert_string_equal(notes, "one\ntwo\nthree\n");
    spacebot(ARGS("say", "--to", id, "a fourth"), 1);
    assert_has(run_err(f.run), "has ended");

    fake_assert_clean(f.fake);
    spacebot(ARGS("stop"), 0);
    assert_true(run_wait_exit(f.log, WAIT_MS));
    x_free(&notes);
    x_free(&brief);
    x_free(&id);
}

static void an_end_without_a_word_ends_it_at_once(void **state) {
    (void)state;
    cJSON *lines;
    start();
    spacebot(ARGS("say", "work", "please keep notes"), 0);
    f.log = tmphome_start(f.home, ARGS("log", "work", "--follow"));
    expect_reply("The notes are one.");
    char *id = xstrdup(json_str(worker(&lines), "id", ""));
    cJSON_Delete(lines);
    spacebot(ARGS("say", "--to", id), 2); /* neither a text nor an end */
    spacebot(ARGS("say", "--to", id, "--end"), 0);
    assert_has(run_err(f.run), "it has ended");
    spacebot(ARGS("stop"), 0);
    assert_true(run_wait_exit(f.log, WAIT_MS));
    spacebot(ARGS("daemon"), 0);
    expect_worker("ended", "succeeded"); /* it is not taken up again */
    fake_assert_clean(f.fake);
    spacebot(ARGS("stop"), 0);
    x_free(&id);
}

/* ---- exec ----------------------------------------------------------------------------------- */

static void exec_ends_a_worker_that_waits_for_nobody(void **state) {
    (void)state;
    start();
    spacebot(ARGS("exec", "--json", "please keep notes"), 0);
    cJSON *lines = jsonl_parse(run_out(f.run));
    const cJSON *first = jsonl_must(lines, "worker_initial_result", 0),
                *complete = jsonl_must(lines, "worker_complete", 0),
                *result = jsonl_must(lines, "result", 0);
    assert_string_equal(json_str(first, "result", ""), "<<one>>");
    assert_string_equal(json_str(complete, "outcome_kind", ""), "succeeded");
    assert_string_equal(json_str(result, "reply", ""), "The notes are one.");
    assert_int_equal(json_i64(json_obj(result, "processes"), "succeeded", 0), 1);
    cJSON_Delete(lines);
    expect_worker("ended", "succeeded");
    fake_assert_clean(f.fake);
    spacebot(ARGS("stop"), 0);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_worker_that_waits_is_written_to_and_ended),
        TEST(an_end_without_a_word_ends_it_at_once),
        TEST(exec_ends_a_worker_that_waits_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
