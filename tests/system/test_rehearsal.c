/* The rehearsal in the real program: the sentences that the screen suggests, from the person's
 * words through channel, worker, sandbox and back, without any key; and who is never answered by
 * it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/home.h"
#include "ctl/client.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

#define MODEL "--model", "rehearsal/default"
#define AT_ONCE "{\"chunk_ms\":0,\"work_ms\":0,\"rules\":[]}"

struct fixture {
    struct tmphome *home;
    struct run *run, *other;
    cJSON *lines;
    struct ctl_conn *conn;
};

static struct fixture f;

static int setup(void **state) {
    (void)state;
    f.home = tmphome_new(NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    cJSON_Delete(f.lines);
    ctl_conn_free(&f.conn);
    run_free(&f.run);
    run_free(&f.other);
    tmphome_free(&f.home);
    memset(&f, 0, sizeof(f));
    return 0;
}

/* No pauses: what is tested is what comes of it. */
static void scenario(const char *text) {
    tmphome_file(f.home, "scene.json", text);
    char *path = xasprintf("%s/scene.json", f.home->dir);
    tmphome_setenv(f.home, "SPACEBOT_REHEARSAL", path);
    x_free(&path);
}

/* A file of so many lines in the workspace. */
static void lines_in(const char *name, int n) {
    struct buf b = BUF_INIT;
    char *path = xasprintf("home/workspace/%s", name);
    for (int i = 1; i <= n; i++)
        buf_printf(&b, "line %d\n", i);
    tmphome_file(f.home, path, buf_str(&b));
    buf_free(&b);
    x_free(&path);
}

static void spacebot(const char *const *args, int code) {
    run_free(&f.run);
    cJSON_Delete(f.lines);
    f.lines = NULL;
    f.run = tmphome_spacebot(f.home, args, NULL);
    run_expect_code(f.run, code);
}

static const cJSON *result(void) {
    f.lines = jsonl_parse(run_out(f.run));
    const cJSON *last = cJSON_GetArrayItem(f.lines, cJSON_GetArraySize(f.lines) - 1);
    assert_string_equal(json_str(last, "type", ""), "result");
    return last;
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void assert_lacks(const char *text, const char *part) {
    if (strstr(text, part))
        fail_msg("\"%s\" is in: %s", part, text);
}

static const char *reply(const cJSON *r, int i) {
    const cJSON *it = cJSON_GetArrayItem(json_arr(r, "replies"), i);
    if (!cJSON_IsString(it))
        fail_msg("there is no reply %d", i);
    return it->valuestring;
}

/* ---- sentences ------------------------------------------------------------------------------ */

static void a_command_is_really_run(void **state) {
    (void)state;
    char *dir = xasprintf("%s/elsewhere", f.home->dir);
    tmphome_file(f.home, "elsewhere/Makefile.am", "a\nb\nc\n");
    spacebot(ARGS("exec", MODEL, "--workspace", dir, "run: wc -l Makefile.am"), 0);
    assert_has(run_out(f.run), "3 Makefile.am");
    assert_has(run_out(f.run), "exit code 0");
    x_free(&dir);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void copy_to(const char *from, const char *name, const char *to) {
    char *command = xasprintf("cp %s/%s %s/", from, name, to);
    assert_int_equal(system(command), 0);
    x_free(&command);
}

/* A source tree that was built in place is a workspace like any other, also of the program that was
 * built in it. */
static void a_command_is_run_in_the_tree_it_was_built_in(void **state) {
    (void)state;
    tmphome_file(f.home, "tree/build/README", "built here\n");
    char *tree = xasprintf("%s/tree", f.home->dir), *build = xasprintf("%s/build", tree);
    char *program = xasprintf("%s/spacebot", build);
    copy_to(where_source(), "Makefile.am", tree);
    copy_to(where_build(), "spacebot", build);
    copy_to(where_build(), "spacebot-run", build);
    const struct run_spec counted = {.argv = ARGS("wc", "-l", "Makefile.am"), .dir = tree};
    struct run *count = run_all(&counted, WAIT_MS);
    const struct run_spec spec = {
        .argv = ARGS(program, "exec", MODEL, "--workspace", ".", "run: wc -l Makefile.am"),
        .env = f.home->env.v,
        .dir = tree};
    f.run = run_all(&spec, WAIT_MS);
    run_expect_code(f.run, 0);
    char *line = xstrndup(run_out(count), strcspn(run_out(count), "\n"));
    assert_has(line, " Makefile.am");
    assert_has(run_out(f.run), line);
    assert_has(run_out(f.run), "exit code 0");
    run_free(&count);
    char *all[] = {tree, build, program, line};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void it_says_what_it_is_and_costs_nothing(void **state) {
    (void)state;
    scenario(AT_ONCE);
    lines_in("x", 4321);
    spacebot(ARGS("exec", "--json", MODEL, "run: wc -l x; ls nowhere"), 0);
    const cJSON *r = result(), *usage = json_obj(r, "usage");
    assert_has(reply(r, 0), "This is a rehearsal, not a model");
    assert_has(reply(r, 0), "export ANTHROPIC_API_KEY=");
    assert_has(reply(r, 1), "4321 x");
    assert_has(reply(r, 1), "exit code 2");
    assert_has(reply(r, 1), "nowhere");
    assert_true(json_i64(usage, "input_tokens", 0) > 100);
    assert_true(json_num(usage, "cost_usd", 1.0) == 0.0);
    assert_false(json_bool(usage, "cost_is_estimate", true));
}

static void eight_workers_count_this_folder(void **state) {
    (void)state;
    scenario(AT_ONCE);
    int sum = 0;
    for (int i = 1; i <= 20; i++) {
        char *name = xasprintf("d %d/f%d", i % 3, i);
        lines_in(name, i * 7);
        sum += i * 7;
        x_free(&name);
    }
    spacebot(ARGS("exec", "--json", MODEL,
                  "start 8 workers that count the lines in this folder and 2 branches that think "
                  "about the folder"),
             0);
    const cJSON *r = result(), *processes = json_obj(r, "processes"), *it;
    assert_int_equal(json_i64(processes, "started", 0), 10);
    assert_int_equal(json_i64(processes, "succeeded", 0), 10);
    /* Each told of its part, in however many replies. */
    long long total = 0;
    int parts = 0;
    cJSON_ArrayForEach(it, f.lines) {
        long long n;
        if (str_eq(json_str(it, "type", ""), "worker_complete") &&
            sscanf(json_str(it, "result", ""), "%lld lines in", &n) == 1) {
            total += n;
            parts++;
        }
    }
    assert_int_equal(parts, 8);
    assert_int_equal(total, sum);
    assert_int_equal(jsonl_count(f.lines, "branch_result"), 2);
    assert_has(json_str(jsonl_must(f.lines, "branch_result", 0), "conclusion", ""),
               "3 directories");
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void an_empty_folder_still_shows_something(void **state) {
    (void)state;
    scenario(AT_ONCE);
    spacebot(ARGS("exec", "--json", MODEL, "start 2 workers that count the lines here"), 0);
    const cJSON *r = result();
    int last = cJSON_GetArraySize(json_arr(r, "replies")) - 1;
    assert_has(reply(r, last), "/usr/share");
    assert_int_equal(json_i64(json_obj(r, "processes"), "succeeded", 0), 2);
}

static void a_conversation_goes_on(void **state) {
    (void)state;
    scenario(AT_ONCE);
    spacebot(ARGS("exec", "--json", MODEL, "--channel", "talk", "the parser is slow"), 0);
    assert_has(reply(result(), 0), "This is a rehearsal");
    spacebot(ARGS("exec", "--json", MODEL, "--channel", "talk", "think about the parser"), 0);
    const cJSON *r = result();
    assert_lacks(reply(r, 0), "This is a rehearsal");
    assert_has(reply(r, 1), "“the parser is slow”");
}

static void what_runs_can_be_cancelled_by_a_sentence(void **state) {
    (void)state;
    scenario(AT_ONCE);
    spacebot(ARGS("daemon"), 0);
    char *path = xasprintf("%s/up", f.home->workspace);
    assert_int_equal(mkfifo(path, 0600), 0);
    int up = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    f.other = tmphome_start(
        f.home, ARGS("exec", "--json", MODEL, "--channel", "talk", "run: echo up >up; sleep 1000"));
    struct pollfd fd = {.fd = up, .events = POLLIN};
    assert_int_equal(wait_poll(&fd, 1, wait_until(WAIT_MS)), 1);
    close(up);
    x_free(&path);
    spacebot(ARGS("exec", "--json", MODEL, "--channel", "talk", "cancel everything"), 0);
    assert_true(run_wait_exit(f.other, WAIT_MS));
    assert_has(run_out(f.other), "Cancelled: 1.");
    cJSON *lines = jsonl_parse(run_out(f.other));
    assert_int_equal(
        json_i64(json_obj(jsonl_must(lines, "result", 0), "processes"), "cancelled", 0), 1);
    cJSON_Delete(lines);
    spacebot(ARGS("stop"), 0);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

/* ---- scenarios ------------------------------------------------------------------------------ */

static void a_scenario_comes_first(void **state) {
    (void)state;
    scenario("{\"chunk_ms\":0,\"rules\":[{\"match\":{\"who\":\"channel\",\"text\":\"weather\"},"
             "\"text\":\"It is dry in here.\"}]}");
    spacebot(ARGS("exec", MODEL, "how is the weather?"), 0);
    assert_has(run_out(f.run), "It is dry in here.");
}

static void a_wrong_scenario_stops_the_start(void **state) {
    (void)state;
    scenario("{\"rules\":[{\"match\":{\"whom\":\"channel\"}}]}");
    spacebot(ARGS("exec", MODEL, "hello"), 3);
    assert_has(run_err(f.run), "scene.json: unknown key `rules[0].match.whom`");
}

/* ---- who is answered by it ------------------------------------------------------------------ */

static void nobody_who_did_not_ask_for_it(void **state) {
    (void)state;
    spacebot(ARGS("exec", "hello"), 3);
    assert_string_equal(run_out(f.run), "");
    assert_has(run_err(f.run), "ANTHROPIC_API_KEY");
}

static void connect_to_engine(void) {
    struct cause why = {""};
    struct home *h = NULL;
    setenv("SPACEBOT_DIR", f.home->home, 1);
    setenv("XDG_RUNTIME_DIR", f.home->run, 1);
    if (home_open(&h, &why) != STATUS_OK || ctl_connect(h, &f.conn, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    home_free(&h);
}

static enum status command(const char *name, const char *channel, const char *text, bool screen) {
    struct cause why = {""};
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_str(args, "channel", channel);
    if (text)
        json_add_str(args, "text", text);
    if (screen)
        json_add_bool(args, "screen", true);
    enum status st = ctl_request(f.conn, name, args, WAIT_MS * NS_PER_MS, &body, &why);
    cJSON_Delete(args);
    cJSON_Delete(body);
    return st;
}

static void expect_model(const char *process, const char *model) {
    struct cause why = {""};
    cJSON *body = NULL;
    const cJSON *it;
    bool found = false;
    if (ctl_request(f.conn, "ps", NULL, WAIT_MS * NS_PER_MS, &body, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    cJSON_ArrayForEach(it, json_arr(body, "processes")) {
        if (!str_eq(json_str(it, "id", NULL), process))
            continue;
        found = true;
        assert_string_equal(json_str(it, "model", ""), model);
    }
    assert_true(found);
    cJSON_Delete(body);
}

static void a_screen_without_a_model_gets_it_for_now(void **state) {
    (void)state;
    scenario(AT_ONCE);
    spacebot(ARGS("daemon"), 0);
    connect_to_engine();
    assert_int_equal(command("open", "inbox", NULL, true), STATUS_OK);
    expect_model("channel:inbox", "rehearsal/default");
    assert_int_equal(command("say", "inbox", "run: echo really", true), STATUS_OK);
    /* Not a script, on the same channel. */
    spacebot(ARGS("say", "inbox", "hello"), 3);
    assert_has(run_err(f.run), "ANTHROPIC_API_KEY");
    spacebot(ARGS("exec", "--channel", "inbox", "hello"), 3);
    f.other = tmphome_start(f.home, ARGS("log", "channel:inbox", "--follow"));
    assert_true(run_wait_out(f.other, "really\n", WAIT_MS));
    ctl_conn_free(&f.conn);
    spacebot(ARGS("stop"), 0);

    /* With a key the next engine has forgotten it. */
    tmphome_setenv(f.home, "ANTHROPIC_API_KEY", "sk-ant-test-0123456789abcdef");
    spacebot(ARGS("daemon"), 0);
    connect_to_engine();
    assert_int_equal(command("open", "inbox", NULL, true), STATUS_OK);
    expect_model("channel:inbox", "anthropic/claude-sonnet-5-5");
    ctl_conn_free(&f.conn);
    spacebot(ARGS("stop"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_really_run),
        TEST(a_command_is_run_in_the_tree_it_was_built_in),
        TEST(it_says_what_it_is_and_costs_nothing),
        TEST(eight_workers_count_this_folder),
        TEST(an_empty_folder_still_shows_something),
        TEST(a_conversation_goes_on),
        TEST(what_runs_can_be_cancelled_by_a_sentence),
        TEST(a_scenario_comes_first),
        TEST(a_wrong_scenario_stops_the_start),
        TEST(nobody_who_did_not_ask_for_it),
        TEST(a_screen_without_a_model_gets_it_for_now),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
