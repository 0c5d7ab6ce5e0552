/* `spacebot exec`: the real program, a real worker, a real command; only the model is scripted, and
 * it does not know the answer. What a script relies on: lines on standard output, exit codes,
 * nothing left behind. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/proc.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"

struct fixture {
    struct fake *fake;
    struct tmphome *home;
    struct run *run;
    cJSON *lines;
};

static struct fixture f;

static int teardown(void **state) {
    (void)state;
    cJSON_Delete(f.lines);
    run_free(&f.run);
    tmphome_free(&f.home);
    struct fake *fake = f.fake;
    memset(&f, 0, sizeof(f));
    fake_stop(&fake);
    return 0;
}

static void start(const char *scenario) {
    f.fake = fake_start(scenario);
    f.home = tmphome_new(f.fake);
}

/* Runs to its end, expects the code, parses standard output as lines of JSON. */
static void spacebot(const char *const *args, int code) {
    run_free(&f.run);
    cJSON_Delete(f.lines);
    f.lines = NULL;
    f.run = tmphome_spacebot(f.home, args, NULL);
    run_expect_code(f.run, code);
    f.lines = jsonl_parse(run_out(f.run));
}

static const cJSON *result(void) {
    const cJSON *last = cJSON_GetArrayItem(f.lines, cJSON_GetArraySize(f.lines) - 1);
    assert_string_equal(json_str(last, "type", ""), "result");
    return last;
}

static void assert_has(const char *text, const char *part) {
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text ? text : "(nothing)");
}

static void assert_lacks(const char *text, const char *part) {
    if (strstr(text, part))
        fail_msg("\"%s\" is in: %s", part, text);
}

/* The place of the nth event of a type whose member `key` is `value`. */
static int place(const char *type, const char *key, const char *value) {
    int i = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, f.lines) {
        if (str_eq(json_str(it, "type", ""), type) && str_eq(json_str(it, key, NULL), value))
            return i;
        i++;
    }
    fail_msg("no %s with %s = %s in:\n%s", type, key, value, run_out(f.run));
    return -1;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void assert_order(void) {
    int started = place("worker_started", "task", "Count the lines of numbers.txt with wc.");
    int call = place("tool_started", "tool_name", "shell");
    int line = place("tool_output", "line", "4321 numbers.txt");
    int called = place("tool_completed", "tool_name", "shell");
    int complete = place("worker_complete", "outcome_kind", "succeeded");
    assert_true(started < call);
    assert_true(call < line);
    assert_true(line < called);
    assert_true(called < complete);
    assert_int_equal(cJSON_GetArraySize(f.lines) - 1, jsonl_index(f.lines, "result", 0));
}

static void assert_names(void) {
    const cJSON *worker = jsonl_must(f.lines, "worker_started", 0);
    const cJSON *call = cJSON_GetArrayItem(f.lines, place("tool_started", "tool_name", "shell"));
    const char *id = json_str(worker, "id", "");
    assert_true(str_prefix(id, "worker:"));
    assert_string_equal(json_str(worker, "worker_id", ""), id + strlen("worker:"));
    assert_string_equal(json_str(call, "process_id", ""), id);
    assert_true(*json_str(call, "call_id", ""));
    const char *channel = json_str(result(), "channel", "");
    assert_true(str_prefix(channel, "cli:"));
    assert_string_equal(json_str(worker, "channel_id", ""), channel);
    assert_true(str_prefix(json_str(worker, "parent", ""), "channel:cli:"));
    const cJSON *it;
    cJSON_ArrayForEach(it, f.lines) {
        const char *ts = json_str(it, "ts", NULL);
        if (it != result() && (!ts || strlen(ts) != 24 || ts[10] != 'T' || ts[23] != 'Z'))
            fail_msg("no time in a line of type %s", json_str(it, "type", ""));
    }
}

static void assert_requests(void) {
    cJSON *requests = fake_requests(f.fake), *it;
    bool worker_seen = false, told = false;
    cJSON_ArrayForEach(it, requests) {
        const cJSON *body = json_obj(it, "body"), *headers = json_obj(it, "headers");
        char *text = json_print(body);
        assert_string_equal(json_str(headers, "x-api-key", ""), "sk-ant-test-0123456789abcdef");
        assert_string_equal(json_str(headers, "anthropic-version", ""), "2023-06-01");
        assert_string_equal(json_str(it, "path", ""), "/v1/messages");
        assert_true(json_bool(body, "stream", false));
        assert_lacks(text, "sk-ant-test"); /* the key is in no prompt */
        if (strstr(text, "\"name\":\"shell\"")) {
            worker_seen = true;
            assert_has(text, f.home->workspace);
            assert_has(text, "\"file_read\"");
            assert_string_equal(json_str(body, "model", ""), "claude-haiku-5-5");
        } else {
            assert_has(text, "\"reply\"");
            assert_string_equal(json_str(body, "model", ""), "claude-sonnet-5-5");
            told = told || strstr(text, "<<4321 numbers.txt>>");
        }
        x_free(&text);
    }
    assert_true(worker_seen);
    assert_true(told);
    cJSON_Delete(requests);
    fake_assert_clean(f.fake);
}

/* Of a request for the model with that tool: its system prompt as one text, and its tools' names.
 */
static char *sent(const char *tool, struct strv *names) {
    cJSON *requests = fake_requests(f.fake), *it;
    struct buf system = BUF_INIT;
    cJSON_ArrayForEach(it, requests) {
        const cJSON *body = json_obj(it, "body"), *part;
        bool right = false;
        cJSON_ArrayForEach(part, json_arr(body, "tools")) right |=
            str_eq(json_str(part, "name", ""), tool);
        if (!right)
            continue;
        cJSON_ArrayForEach(part, json_arr(body, "system"))
            buf_puts(&system, json_str(part, "text", ""));
        cJSON_ArrayForEach(part, json_arr(body, "tools"))
            strv_push(names, json_str(part, "name", ""));
        break;
    }
    cJSON_Delete(requests);
    return buf_steal(&system);
}

/* A worker is told when it began. */
static char *without_digits(char *text) {
    for (char *at = text; *at; at++)
        if (*at >= '0' && *at <= '9')
            *at = '0';
    return text;
}

static void shown_as_sent(const char *kind, const char *tool) {
    struct strv names = {0};
    char *system = sent(tool, &names);
    spacebot(ARGS("config", "show", "--prompt", kind, "--channel", "#c1", "--tools", "--json"), 0);
    const cJSON *o = cJSON_GetArrayItem(f.lines, 0), *it;
    char *shown = without_digits(xstrdup(json_str(o, "system", "")));
    assert_string_equal(shown, without_digits(system));
    x_free(&shown);
    size_t i = 0;
    cJSON_ArrayForEach(it, json_arr(o, "tools")) {
        assert_true(i < names.n);
        assert_string_equal(json_str(it, "name", ""), names.v[i++]);
        assert_non_null(json_obj(it, "input_schema"));
    }
    assert_int_equal(i, names.n);
    strv_free(&names);
    x_free(&system);
}

/* What is shown is, byte for byte, what the model got: the home's words and the conversation's own
 * workspace in it; but for a key that somebody wrote there, which is said to nobody. */
static void a_prompt_is_shown_as_it_is_sent(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 4321);
    tmphome_file(f.home, "home/SOUL.md", "You are patient.\n");
    tmphome_file(f.home, "home/workspace/AGENTS.md", "Count with care.\n");
    spacebot(ARGS("exec", "--json", "--channel", "c1", SCENE_QUESTION), 0);
    shown_as_sent("channel", "reply");
    assert_has(run_out(f.run), "You are patient.");
    assert_has(run_out(f.run), "Count with care.");
    shown_as_sent("worker", "shell");
    tmphome_file(f.home, "home/SOUL.md", "Use sk-ant-test-0123456789abcdef for it.\n");
    spacebot(ARGS("config", "show", "--prompt", "channel", "--json"), 0);
    assert_lacks(run_out(f.run), "0123456789abcdef");
    assert_has(run_out(f.run), "Use [");
}

/* Every call, byte for byte but for blanks, in its order; the key in none. */
static void every_request_can_be_looked_at(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 4321);
    spacebot(ARGS("exec", "--json", "--channel", "c1", SCENE_QUESTION), 0);
    spacebot(ARGS("trace", "--request", "--json", "c1"), 0);
    cJSON *requests = fake_requests(f.fake), *it;
    assert_int_equal(cJSON_GetArraySize(f.lines), cJSON_GetArraySize(requests));
    int i = 0;
    bool worker = false;
    cJSON_ArrayForEach(it, f.lines) {
        char *shown = json_print(json_obj(it, "request"));
        char *sent_text = json_print(json_obj(cJSON_GetArrayItem(requests, i++), "body"));
        assert_string_equal(shown, sent_text);
        x_free(&shown);
        x_free(&sent_text);
        assert_has(json_str(it, "url", ""), "/v1/messages");
        assert_int_equal(json_i64(it, "status", 0), 200);
        assert_non_null(json_arr(json_obj(it, "response"), "messages"));
        worker |= str_prefix(json_str(it, "process_id", ""), "worker:");
    }
    assert_true(worker);
    assert_has(run_out(f.run), "\"x-api-key: [key]\"");
    assert_lacks(run_out(f.run), "0123456789abcdef");
    cJSON_Delete(requests);
}

/* It is in the home before the model is asked, whatever becomes of the original. */
static void a_file_comes_with_the_message(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 4321);
    char *path = xasprintf("%s/../given.txt", f.home->workspace);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs("what I was given", out) >= 0);
    assert_int_equal(fclose(out), 0);
    spacebot(ARGS("exec", "--json", "--attach", path, "--channel", "c1", SCENE_QUESTION), 0);
    const cJSON *said = jsonl_must(f.lines, "channel_user_message", 0);
    const cJSON *file = cJSON_GetArrayItem(json_arr(said, "attachments"), 0);
    assert_string_equal(json_str(file, "filename", ""), "given.txt");
    assert_string_equal(json_str(file, "mime_type", ""), "text/plain");
    assert_int_equal(json_i64(file, "size_bytes", 0), strlen("what I was given"));
    assert_true(strlen(json_str(file, "id", "")) == 36);
    cJSON *requests = fake_requests(f.fake);
    char *text = json_print(cJSON_GetArrayItem(requests, 0));
    assert_has(text, "what I was given");
    assert_has(text, "</attachment>");
    x_free(&text);
    cJSON_Delete(requests);
    fake_assert_clean(f.fake);
    assert_int_equal(unlink(path), 0);
    spacebot(ARGS("say", "--attach", path, "c1", "again"), 2);
    assert_has(run_err(f.run), "given.txt");
    spacebot(ARGS("log", "--json", "channel:c1"), 0);
    assert_has(run_out(f.run), "[attached: given.txt, text/plain, 16 bytes]");
    x_free(&path);
}

static void the_reply_carries_what_the_command_printed(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 4321);
    spacebot(ARGS("exec", "--json", SCENE_QUESTION), 0);
    assert_order();
    assert_names();
    assert_true(json_bool(result(), "ok", false));
    assert_string_equal(json_str(result(), "reply", ""), "Counted – wc says: 4321 numbers.txt.");
    const cJSON *replies = json_arr(result(), "replies");
    assert_int_equal(cJSON_GetArraySize(replies), 2);
    assert_string_equal(cJSON_GetArrayItem(replies, 0)->valuestring, "I am having them counted.");
    const cJSON *processes = json_obj(result(), "processes"), *usage = json_obj(result(), "usage");
    assert_int_equal(json_i64(processes, "started", -1), 1);
    assert_int_equal(json_i64(processes, "succeeded", -1), 1);
    assert_int_equal(json_i64(processes, "failed", -1), 0);
    assert_int_equal(json_i64(processes, "cancelled", -1), 0);
    assert_true(json_i64(usage, "input_tokens", 0) > 100);
    assert_true(json_i64(usage, "output_tokens", 0) > 5);
    assert_requests();
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void the_number_is_the_files_own(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 17);
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, ARGS("exec", SCENE_QUESTION), NULL);
    run_expect_code(f.run, 0);
    assert_has(run_out(f.run), "Counted – wc says: 17 numbers.txt.\n");
    assert_null(strchr(run_out(f.run), '\033'));
}

static void replies_stream_as_they_are_written(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("exec", "--json", "say hello"), 0);
    char *text = xstrdup("");
    int n = jsonl_count(f.lines, "text_delta");
    for (int i = 0; i < n; i++) {
        char *longer =
            xasprintf("%s%s", text, json_str(jsonl_nth(f.lines, "text_delta", i), "delta", ""));
        x_free(&text);
        text = longer;
    }
    assert_string_equal(text, "Hello there.");
    assert_int_equal(json_i64(json_obj(result(), "processes"), "started", -1), 0);
    x_free(&text);
}

static void the_prompt_may_come_by_standard_input(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    f.run = tmphome_spacebot(f.home, ARGS("exec", "-"), "please\nsay hello\n");
    run_expect_code(f.run, 0);
    assert_has(run_out(f.run), "Hello there.");
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, ARGS("exec"), "say hello");
    run_expect_code(f.run, 0);
    cJSON *requests = fake_requests(f.fake);
    char *first = json_print(json_obj(cJSON_GetArrayItem(requests, 0), "body"));
    assert_has(first, "please\\nsay hello");
    x_free(&first);
    cJSON_Delete(requests);
}

static void a_channel_goes_on_where_it_was(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("exec", "--json", "--channel", "talk", "first: say hello"), 0);
    assert_string_equal(json_str(result(), "channel", ""), "talk");
    spacebot(ARGS("exec", "--json", "--channel", "talk", "second: say hello"), 0);
    fake_assert_clean(f.fake);
    cJSON *requests = fake_requests(f.fake);
    assert_int_equal(cJSON_GetArraySize(requests), 2);
    const cJSON *messages = json_arr(json_obj(cJSON_GetArrayItem(requests, 1), "body"), "messages");
    assert_int_equal(cJSON_GetArraySize(messages), 3);
    char *text = json_print(messages);
    assert_has(text, "first: say hello");
    assert_has(text, "Hello there.");
    x_free(&text);
    cJSON_Delete(requests);
}

static void a_workspace_can_be_named(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT));
    tmphome_file(f.home, "elsewhere/numbers.txt", "1\n2\n3\n");
    char *dir = xasprintf("%s/elsewhere", f.home->dir);
    spacebot(ARGS("exec", "--json", "--workspace", dir, SCENE_QUESTION), 0);
    assert_has(json_str(result(), "reply", ""), "3 numbers.txt");
    x_free(&dir);
}

static void a_bad_tool_call_is_told_to_the_model(void **state) {
    (void)state;
    start(SCENE("{\"match\":{" SCENE_CHANNEL ",\"step\":0},\"respond\":[{\"tool_use\":{\"name\":"
                "\"spawn_worker\",\"input\":{\"tsk\":1}}},{\"tool_use\":{\"name\":\"no_such_tool\","
                "\"input\":{}}}]},"
                "{\"match\":{" SCENE_CHANNEL
                ",\"step\":1},\"respond\":[{\"text\":\"I was told: ${tool_result}\"}]}"));
    spacebot(ARGS("exec", "--json", "go"), 0);
    assert_has(json_str(result(), "reply", ""), "no_such_tool");
    cJSON *requests = fake_requests(f.fake);
    const cJSON *messages = json_arr(json_obj(cJSON_GetArrayItem(requests, 1), "body"), "messages");
    const cJSON *last = cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1);
    const cJSON *answer = cJSON_GetArrayItem(json_arr(last, "content"), 0);
    assert_true(json_bool(answer, "is_error", false));
    char *text = json_print(answer);
    assert_has(text, "task");
    x_free(&text);
    cJSON_Delete(requests);
    fake_assert_clean(f.fake);
}

static void a_failing_command_is_a_result_too(void **state) {
    (void)state;
    start(SCENE(SCENE_RUN("echo so far; echo oops >&2; exit 3")));
    spacebot(ARGS("exec", "--json", "run it"), 0);
    place("tool_output", "line", "so far");
    const cJSON *err = cJSON_GetArrayItem(f.lines, place("tool_output", "line", "oops"));
    assert_string_equal(json_str(err, "stream", ""), "stderr");
    const cJSON *call = cJSON_GetArrayItem(f.lines, place("tool_completed", "tool_name", "shell"));
    assert_true(json_bool(call, "is_error", false));
    assert_has(json_str(call, "result", ""), "exit code 3");
    assert_string_equal(json_str(result(), "reply", ""), "It is over.");
}

/* ---- ways to end ---------------------------------------------------------------------------- */

static void without_a_provider_it_says_how_to_connect_one(void **state) {
    (void)state;
    f.home = tmphome_new(NULL);
    spacebot(ARGS("exec", "--json", "hello"), 3);
    assert_int_equal(cJSON_GetArraySize(f.lines), 0);
    assert_has(run_err(f.run), "ANTHROPIC_API_KEY");
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void wrong_use_is_2(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("exec", "--jsn", "hello"), 2);
    assert_has(run_err(f.run), "--json"); /* the nearest */
    spacebot(ARGS("exec", "--json", ""), 2);
    spacebot(ARGS("exce", "hello"), 2);
    assert_has(run_err(f.run), "exec");
    spacebot(ARGS("exec", "--json", "--timeout", "soon", "hello"), 2);
    assert_int_equal(cJSON_GetArraySize(f.lines), 0);
    cJSON *requests = fake_requests(f.fake);
    assert_int_equal(cJSON_GetArraySize(requests), 0);
    cJSON_Delete(requests);
}

static void no_prompt_on_a_terminal_is_2(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    struct pty *p = tmphome_screen(f.home, ARGS("exec", "--json"), 80, 24);
    assert_true(pty_wait_exit(p, WAIT_MS));
    assert_int_equal(pty_code(p), 2);
    pty_free(&p);
}

static void a_bad_configuration_is_3_with_file_and_line(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    tmphome_config(f.home, "limits = {\n  wrokers = 3;\n};\n");
    spacebot(ARGS("exec", "--json", "say hello"), 3);
    assert_int_equal(cJSON_GetArraySize(f.lines), 0);
    assert_has(run_err(f.run), "spacebot.conf:2");
    assert_has(run_err(f.run), "workers");
}

static void time_is_up_is_5_and_everything_ends(void **state) {
    (void)state;
    start(SCENE(SCENE_RUN("echo up; setsid sleep 1000 & sleep 1000")));
    spacebot(ARGS("exec", "--json", "--timeout", "2", "run it"), 5);
    assert_false(json_bool(result(), "ok", true));
    assert_has(json_str(result(), "error", ""), "time");
    assert_int_equal(json_i64(json_obj(result(), "processes"), "cancelled", -1), 1);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void an_interrupt_is_130_and_everything_ends(void **state) {
    (void)state;
    start(SCENE(SCENE_RUN("echo up; setsid sleep 1000 & sleep 1000")));
    f.run = tmphome_start(f.home, ARGS("exec", "--json", "run it"));
    assert_true(
        run_wait_line(f.run, ((const char *const[]){"\"tool_output\"", "\"up\"", NULL}), WAIT_MS));
    kill(run_pid(f.run), SIGINT);
    assert_true(run_wait_exit(f.run, WAIT_MS));
    run_expect_code(f.run, 130);
    f.lines = jsonl_parse(run_out(f.run));
    assert_false(json_bool(result(), "ok", true));
    assert_true(*json_str(result(), "error", ""));
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void a_client_that_dies_takes_its_work_along(void **state) {
    (void)state;
    start(SCENE(SCENE_RUN("echo up; setsid sleep 1000 & sleep 1000")));
    f.run = tmphome_start(f.home, ARGS("exec", "--json", "run it"));
    assert_true(
        run_wait_line(f.run, ((const char *const[]){"\"tool_output\"", "\"up\"", NULL}), WAIT_MS));
    kill(run_pid(f.run), SIGKILL);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

/* ---- with an engine that runs already ------------------------------------------------------- */

static void an_engine_that_runs_is_used_and_stays(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT "," SCENE_SAY));
    scene_numbers(f.home, 99);
    spacebot(ARGS("daemon"), 0);
    pid_t engine = tmphome_engine(f.home);
    assert_true(engine > 0);
    spacebot(ARGS("exec", "--json", SCENE_QUESTION), 0);
    assert_has(json_str(result(), "reply", ""), "99 numbers.txt");
    spacebot(ARGS("exec", "--json", "--model", "anthropic/claude-other", "say hello"), 0);
    assert_int_equal(tmphome_engine(f.home), engine);
    cJSON *requests = fake_requests(f.fake);
    const cJSON *last = cJSON_GetArrayItem(requests, cJSON_GetArraySize(requests) - 1);
    assert_string_equal(json_str(json_obj(last, "body"), "model", ""), "claude-other");
    cJSON_Delete(requests);
    spacebot(ARGS("stop"), 0);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void messages_at_once_stay_apart(void **state) {
    (void)state;
    enum { AT_ONCE = 4 };
    start(SCENE(SCENE_COUNT));
    scene_numbers(f.home, 5);
    spacebot(ARGS("daemon"), 0);
    struct run *all[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        all[i] = tmphome_start(f.home, ARGS("exec", "--json", SCENE_QUESTION));
    for (int i = 0; i < AT_ONCE; i++) {
        assert_true(run_wait_exit(all[i], WAIT_MS));
        run_expect_code(all[i], 0);
        cJSON *lines = jsonl_parse(run_out(all[i]));
        assert_int_equal(jsonl_count(lines, "worker_started"), 1); /* its own and no other */
        assert_has(json_str(jsonl_must(lines, "result", 0), "reply", ""), "5 numbers.txt");
        cJSON_Delete(lines);
        run_free(&all[i]);
    }
    spacebot(ARGS("stop"), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

/* A recording goes to the model that hears, and its words into the conversation; what that cost is
 * in the sum. Where no model is named the person and the model are told how to name one. */
static void a_recording_is_heard(void **state) {
    (void)state;
    start("{\"speech\":[{\"text\":\"The password is swordfish.\",\"seconds\":60}],\"rules\":["
          "{\"match\":{\"last_user_contains\":\"swordfish\"},\"respond\":[{\"text\":"
          "\"I heard it.\"}]},"
          "{\"match\":{\"last_user_contains\":\"no model hears here\"},\"respond\":[{\"text\":"
          "\"I am deaf.\"}]}]}");
    tmphome_file(f.home, "memo.wav", "RIFF....WAVEfmt nothing of use in here");
    char *path = xasprintf("%s/memo.wav", f.home->dir);
    spacebot(ARGS("exec", "--json", "--attach", path, "what is said?"), 0);
    assert_string_equal(json_str(result(), "reply", ""), "I am deaf.");

    tmphome_setenv(f.home, "OPENAI_API_KEY", "k");
    tmphome_setenv(f.home, "OPENAI_BASE_URL", fake_url(f.fake));
    tmphome_config(f.home, "routing = { voice = \"openai/whisper-1\"; channel = "
                           "\"anthropic/claude-haiku-4-5\"; };\n");
    spacebot(ARGS("exec", "--json", "--attach", path, "what is said?"), 0);
    assert_string_equal(json_str(result(), "reply", ""), "I heard it.");
    fake_expect(f.fake, "speech 1 whisper-1 speech.wav 38 ", 1);
    /* A minute is 0.006 dollars. */
    const cJSON *usage = json_obj(result(), "usage");
    assert_true(json_num(usage, "cost_usd", 0) > 0.006);
    assert_false(json_bool(usage, "cost_is_estimate", true));
    double sum = json_num(usage, "cost_usd", 0);
    spacebot(ARGS("usage", "--json"), 0);
    bool found = false;
    const cJSON *it;
    cJSON_ArrayForEach(it, f.lines) {
        if (!strstr(json_str(it, "name", ""), "whisper-1"))
            continue;
        found = true;
        assert_string_equal(json_str(it, "name", ""), "openai/whisper-1");
        assert_true(json_num(it, "cost_usd", 0) > 0.00599 && json_num(it, "cost_usd", 0) < sum);
        assert_int_equal(json_i64(it, "calls", 0), 1);
    }
    assert_true(found);
    fake_assert_clean(f.fake);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_reply_carries_what_the_command_printed),
        TEST(a_file_comes_with_the_message),
        TEST(a_recording_is_heard),
        TEST(a_prompt_is_shown_as_it_is_sent),
        TEST(every_request_can_be_looked_at),
        TEST(the_number_is_the_files_own),
        TEST(replies_stream_as_they_are_written),
        TEST(the_prompt_may_come_by_standard_input),
        TEST(a_channel_goes_on_where_it_was),
        TEST(a_workspace_can_be_named),
        TEST(a_bad_tool_call_is_told_to_the_model),
        TEST(a_failing_command_is_a_result_too),
        TEST(without_a_provider_it_says_how_to_connect_one),
        TEST(wrong_use_is_2),
        TEST(no_prompt_on_a_terminal_is_2),
        TEST(a_bad_configuration_is_3_with_file_and_line),
        TEST(time_is_up_is_5_and_everything_ends),
        TEST(an_interrupt_is_130_and_everything_ends),
        TEST(a_client_that_dies_takes_its_work_along),
        TEST(an_engine_that_runs_is_used_and_stays),
        TEST(messages_at_once_stay_apart),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
