/* The command line: what it refuses and how, exit codes, and what verbs do with and without an
 * engine. */
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
#include <sqlite3.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"

static struct tmphome *home;
static struct run *last;

static int setup(void **state) {
    (void)state;
    home = tmphome_new(NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    run_free(&last);
    tmphome_free(&home);
    return 0;
}

#define RUN(code, ...) spacebot(code, ARGS(__VA_ARGS__), __FILE__, __LINE__)
static void spacebot(int code, const char *const *args, const char *file, int line) {
    run_free(&last);
    last = tmphome_spacebot(home, args, NULL);
    run_expect(last, code, file, line);
}

static void has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

#define OUT run_out(last)
#define ERR run_err(last)

static void test_help(void **state) {
    (void)state;
    static const char *const verbs[] = {
        "exec",        "say",    "ps",     "log",  "trace", "cancel", "attach", "inbox", "answer",
        "permissions", "daemon", "status", "stop", "usage", "models", "config", "doctor"};
    RUN(0, "--help");
    char *all = xstrdup(OUT);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        char *entry = xasprintf("\n  %s ", verbs[i]);
        has(all, entry);
        free(entry);
        RUN(0, verbs[i], "--help");
        char *usage = xasprintf("usage: spacebot %s", verbs[i]);
        assert_true(str_prefix(OUT, usage));
        assert_string_equal(ERR, "");
        free(usage);
    }
    free(all);
    RUN(0, "--version");
    assert_true(str_prefix(OUT, "spacebot "));
}

static void test_usage(void **state) {
    (void)state;
    RUN(2, "stauts");
    has(ERR, "did you mean `status`?");
    assert_string_equal(OUT, "");
    RUN(2, "qqqqqqqq");
    has(ERR, "there is no verb");
    RUN(2, "--verson");
    has(ERR, "did you mean --version?");
    RUN(2, "-x");
    RUN(2, "exec", "--jsn", "hi");
    has(ERR, "did you mean --json?");
    RUN(2, "exec", "--json=1", "hi");
    RUN(2, "exec", "--json", "--json", "hi");
    RUN(2, "exec", "--channel");
    has(ERR, "--channel ID");
    RUN(2, "exec", "two", "words");
    has(ERR, "quotes");
    RUN(2, "exec", "");
    RUN(2, "exec"); /* standard input is empty */
    RUN(2, "exec", "--timeout", "soon", "hi");
    RUN(2, "exec", "--timeout", "-1", "hi");
    RUN(2, "exec", "--workspace", "/nowhere", "hi");
    RUN(2, "exec", "--workspace", "/etc/passwd", "hi");
    RUN(2, "exec", "\xff");
    RUN(2, "say", "inbox");
    RUN(2, "say", "", "x");
    RUN(2, "log");
    RUN(2, "cancel");
    RUN(2, "status", "x");
    RUN(2, "config");
    RUN(2, "config", "shwo");
    has(ERR, "did you mean `show`?");
    RUN(2); /* no terminal */
    RUN(2, "attach");
    /* None of these made an engine. */
    assert_int_equal(tmphome_engine(home), 0);
}

static void test_without_engine(void **state) {
    (void)state;
    RUN(6, "status");
    RUN(6, "status", "--json");
    assert_string_equal(OUT, "{\"running\":false}\n");
    RUN(6, "say", "inbox", "x");
    has(ERR, "no engine runs");
    has(ERR, "spacebot daemon");
    RUN(6, "ps");
    RUN(6, "ps", "--json");
    assert_string_equal(OUT, "");
    RUN(6, "cancel", "x");
    RUN(6, "stop");
    RUN(6, "attach", "--plain");
    RUN(6, "log", "--follow", "inbox");
    RUN(1, "log", "inbox");
    has(ERR, "no process \"inbox\" is known");
}

/* ---- models ---- */

static const char *const lists[] = {"claude-sonnet-4-6", "claude-haiku-4-5-20251001", "odd-1"};

static void test_models(void **state) {
    (void)state;
    RUN(3, "models");
    has(ERR, "no provider is connected");
    RUN(3, "models", "openai");
    has(ERR, "OPENAI_API_KEY");
    RUN(2, "models", "opnai");
    has(ERR, "did you mean openai?");

    struct fake *f = fake_start("{\"rules\":[],\"models\":[\"odd-1\",\"claude-sonnet-4-6\","
                                "\"claude-haiku-4-5-20251001\"]}");
    int dead;
    char *url = fake_dead_url(&dead);
    tmphome_setenv(home, "ANTHROPIC_API_KEY", "k");
    tmphome_setenv(home, "ANTHROPIC_BASE_URL", fake_url(f));
    tmphome_setenv(home, "OPENAI_BASE_URL", url);
    RUN(4, "models", "--cached");
    has(ERR, "no provider has said");
    RUN(0, "models");
    has(OUT, "anthropic (Anthropic): 3 models\n");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        has(OUT, lists[i]);
    has(OUT, "anthropic/claude-haiku-4-5-20251001        –  1.00   5.00    0.10  2025-10");
    has(OUT, "not listed: anthropic/claude-sonnet-5-5 (channel, branch); nearest to it is "
             "anthropic/claude-sonnet-4-6\n");
    has(OUT, "openai (OpenAI)\n  cannot be asked now: openai: cannot connect");

    RUN(0, "models", "--json", "anthropic");
    has(OUT, "\"model\":\"anthropic/odd-1\"");
    has(OUT, "\"price\":null");
    has(OUT, "\"listed\":false");
    has(OUT, "\"nearest\":\"anthropic/claude-haiku-4-5-20251001\"");
    assert_null(strstr(OUT, "openai"));

    /* Offline: what was said last, and that it is that. */
    fake_stop(&f);
    RUN(0, "models", "anthropic");
    has(OUT, "anthropic (Anthropic): 3 models, as of ");
    has(OUT, "cannot be asked now");
    has(OUT, "anthropic/odd-1");
    RUN(0, "models", "--cached", "--json");
    has(OUT, "\"cached\":true");
    RUN(4, "models", "openai");
    /* None of these made an engine. */
    assert_int_equal(tmphome_engine(home), 0);
    close(dead);
    free(url);
}

/* ---- usage ---- */

static void test_usage_verb(void **state) {
    (void)state;
    RUN(2, "usage", "--by", "modle");
    has(ERR, "did you mean model?");
    RUN(2, "usage", "--since", "soon");
    has(ERR, "7d");
    RUN(0, "usage");
    has(ERR, "no model was asked yet");
    has(OUT, "today (UTC) $0.000 of $10.00, 0 % (limits.dollars_a_day)\n");

    struct fake *f = fake_start(SCENE(SCENE_COUNT));
    tmphome_setenv(home, "ANTHROPIC_API_KEY", "k");
    tmphome_setenv(home, "ANTHROPIC_BASE_URL", fake_url(f));
    scene_numbers(home, 7);
    tmphome_config(home, "routing = { channel = \"anthropic/claude-sonnet-9\"; "
                         "worker = \"anthropic/claude-haiku-4-5\"; };\n"
                         "limits = { worker_dollars = 2.5; };\n");
    RUN(0, "exec", "--json", "--channel", "sums", SCENE_QUESTION);
    char *result = xstrdup(strstr(OUT, "{\"type\":\"result\""));

    RUN(0, "usage");
    has(OUT, "MODEL ");
    has(OUT, "anthropic/claude-sonnet-9 ");
    has(OUT, "~$"); /* its family's price is a guess, and so is a sum with it */
    has(OUT, "\ntotal ");
    has(OUT, " of $10.00");
    has(OUT, "a worker may cost $2.50 (limits.worker_dollars)\n");
    RUN(0, "usage", "--by", "process", "--since", "today");
    has(OUT, "channel:sums");
    has(OUT, "Count the lines of numbers.txt with wc.");
    RUN(0, "usage", "--by", "channel");
    has(OUT, "\n#sums ");
    RUN(0, "usage", "--by", "day", "--since", "7d");
    RUN(0, "usage", "--since", "2999-01-01");
    has(ERR, "no model was asked since 2999-01-01");

    /* What it says is what exec said, and what the server counted. */
    RUN(0, "usage", "--json");
    cJSON *lines = jsonl_parse(OUT), *said = cJSON_Parse(result);
    int n = cJSON_GetArraySize(lines);
    const cJSON *total = cJSON_GetArrayItem(lines, n - 2), *of = json_obj(said, "usage");
    const cJSON *today = cJSON_GetArrayItem(lines, n - 1);
    assert_string_equal(json_str(total, "type", ""), "total");
    assert_int_equal(json_i64(total, "input_tokens", -1), json_i64(of, "input_tokens", -2));
    assert_int_equal(json_i64(total, "output_tokens", -1), json_i64(of, "output_tokens", -2));
    assert_true(json_num(total, "cost_usd", 0) > 0);
    assert_true(json_bool(total, "cost_is_estimate", false));
    assert_true(json_bool(of, "cost_is_estimate", false));
    assert_string_equal(json_str(today, "type", ""), "today");
    assert_true(json_num(today, "limit_usd", 0) > 9.99);
    double sum = 0;
    bool known = false;
    for (int i = 0; i < n - 2; i++) {
        const cJSON *row = cJSON_GetArrayItem(lines, i);
        assert_string_equal(json_str(row, "by", ""), "model");
        sum += json_num(row, "cost_usd", 0);
        known = known || !json_bool(row, "cost_is_estimate", true);
    }
    assert_true(known); /* the worker's model has a price */
    assert_true(sum - json_num(total, "cost_usd", 0) < 1e-9);
    assert_true(json_num(total, "cost_usd", 0) - sum < 1e-9);
    cJSON_Delete(lines);
    cJSON_Delete(said);
    free(result);
    fake_stop(&f);
}

static void test_config(void **state) {
    (void)state;
    RUN(0, "config", "path");
    char *path = xasprintf("%s/spacebot.conf\n", home->home);
    assert_string_equal(OUT, path);
    free(path);
    RUN(0, "config", "check");
    has(OUT, "does not exist");
    RUN(0, "config", "init");
    RUN(0, "config", "check");
    has(OUT, ": ok");
    RUN(1, "config", "init");
    has(ERR, "exists already");
    RUN(0, "config", "show");
    has(OUT, "workers = 16;");
    RUN(2, "config", "show", "--tools");
    has(ERR, "--tools goes with `config show --prompt KIND` only");
    RUN(2, "config", "check", "--prompt", "channel");
    RUN(2, "config", "show", "--prompt", "wroker");
    has(ERR, "did you mean worker?");
    RUN(2, "config", "show", "--prompt", "voice");
    has(ERR, "channel, branch and worker do");
    RUN(1, "config", "show", "--prompt", "channel", "--channel", "nowhere");
    has(ERR, "there is no channel \"nowhere\"");
    tmphome_config(home, "limits = {\n  wokers = 1;\n};\n");
    RUN(3, "config", "check");
    has(ERR, "spacebot.conf:2: unknown key `limits.wokers`; did you mean `workers`?");
    RUN(3, "daemon");
    has(ERR, "spacebot.conf:2:");
    RUN(3, "exec", "--json", "hi");
    assert_string_equal(OUT, "");
    RUN(6, "status");
    RUN(1, "doctor");
    has(OUT, "fail  config");
}

static void test_no_provider(void **state) {
    (void)state;
    RUN(3, "exec", "--json", "hi");
    assert_string_equal(OUT, "");
    has(ERR, "ANTHROPIC_API_KEY");
    /* The engine that was started for it has ended with it. */
    RUN(6, "status");
}

/* Nothing was started and nobody was asked: no result line. */
static void test_refused_before_it_begins(void **state) {
    (void)state;
    tmphome_setenv(home, "ANTHROPIC_API_KEY", "unused");
    RUN(2, "exec", "--json", "--workspace", "/", "hi");
    assert_string_equal(OUT, "");
    has(ERR, "workspace");
    RUN(2, "exec", "--json", "--channel", "a b", "hi");
    assert_string_equal(OUT, "");
    RUN(3, "exec", "--json", "--model", "nobody/x", "hi");
    assert_string_equal(OUT, "");
    has(ERR, "no provider \"nobody\"");
}

static void test_daemon(void **state) {
    (void)state;
    RUN(0, "daemon");
    RUN(0, "status", "--json");
    cJSON *lines = jsonl_parse(OUT);
    const cJSON *s = cJSON_GetArrayItem(lines, 0);
    assert_true(json_bool(s, "running", false));
    assert_string_equal(json_str(s, "home", ""), home->home);
    assert_true(json_i64(s, "pid", 0) > 1);
    assert_non_null(json_obj(s, "processes"));
    assert_non_null(json_obj(s, "loop"));
    assert_non_null(json_obj(s, "store"));
    assert_true(json_i64(s, "uptime_ms", -1) >= 0);
    assert_true(*json_str(s, "model", ""));
    assert_true(*json_str(s, "version", ""));
    cJSON_Delete(lines);
    RUN(1, "daemon");
    has(ERR, "runs here already");
    RUN(0, "ps");
    RUN(0, "say", "inbox", "hello");
    RUN(0, "ps", "--json");
    lines = jsonl_parse(OUT);
    assert_int_equal(cJSON_GetArraySize(lines), 1);
    assert_string_equal(json_str(cJSON_GetArrayItem(lines, 0), "id", ""), "channel:inbox");
    cJSON_Delete(lines);
    RUN(0, "ps");
    has(OUT, "KIND");
    has(OUT, "inbox");
    RUN(1, "cancel", "nobody");
    RUN(1, "log", "nobody");
    RUN(0, "log", "inbox");
    has(OUT, "hello");
    RUN(0, "stop");
    RUN(6, "stop");
    /* What was said is in the store, by any of its names. */
    RUN(0, "log", "channel:inbox");
    has(OUT, "hello");
    RUN(0, "log", "--json", "inbox");
    lines = jsonl_parse(OUT);
    assert_string_equal(json_str(cJSON_GetArrayItem(lines, 0), "text", ""), "hello");
    cJSON_Delete(lines);
    tmphome_expect_quiet(home, WAIT_MS);
}

static void store_run(const char *sql) {
    char *path = xasprintf("%s/spacebot.db", home->home), *error = NULL;
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, WAIT_MS) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error ? error : sqlite3_errmsg(db));
    sqlite3_close(db);
    x_free(&path);
}

/* What a model asks can neither reach the terminal's controls nor look like a request of its own.
 */
static void test_inbox_of_hostile_text(void **state) {
    (void)state;
    RUN(0, "daemon");
    RUN(0, "stop");
    store_run("INSERT INTO requests (n, kind, process_id, channel_id, call_id, path, tool, text, "
              "options, asked_at) VALUES (7, 'question', 'worker:w', 'inbox', 'c', "
              "'[{\"kind\":\"channel\",\"id\":\"channel:inbox\",\"name\":\"in\\u001bbox\"}]', "
              "'ask', 'which?' || char(10) || '8  permission  #inbox' || char(27) || '[2J', "
              "'[{\"label\":\"a\\n9  question\"}]', 1000);");
    RUN(0, "inbox");
    assert_string_equal(OUT, "7  question  #in^[box ▸ ask    which?\n"
                             "   | 8  permission  #inbox^[[2J\n"
                             "   1 a\n   | 9  question\n"
                             "   spacebot answer 7 N\n");
}

/* The document's shape is a contract; the other form fits 80 columns, one row a step. */
static void test_trace(void **state) {
    (void)state;
    RUN(1, "trace");
    has(ERR, "nothing has been replied yet");
    RUN(2, "trace", "inbox", "--last");
    scene_numbers(home, 10);
    RUN(0, "exec", "--channel", "c1", "--model", "rehearsal/default",
        "start 2 workers that count the "
        "lines in this folder");
    RUN(0, "trace", "--json");
    cJSON *doc = cJSON_Parse(OUT);
    assert_non_null(doc);
    assert_ptr_equal(strchr(OUT, '\n'), OUT + strlen(OUT) - 1);
    const cJSON *steps = json_arr(doc, "steps"), *turn = cJSON_GetArrayItem(steps, 1);
    assert_string_equal(json_str(doc, "channel", ""), "c1");
    assert_string_equal(json_str(cJSON_GetArrayItem(steps, 0), "kind", ""), "message");
    assert_string_equal(json_str(turn, "kind", ""), "turn");
    assert_string_equal(json_str(turn, "state", ""), "done");
    assert_string_equal(json_str(turn, "model", ""), "rehearsal/default");
    int workers = 0;
    int64_t tokens = 0;
    const cJSON *t, *w;
    cJSON_ArrayForEach(t, steps) {
        tokens += json_i64(t, "input_tokens", 0);
        cJSON_ArrayForEach(w, json_arr(t, "steps")) {
            tokens += json_i64(w, "input_tokens", 0);
            workers += str_eq(json_str(w, "kind", ""), "worker") &&
                       str_eq(json_str(w, "state", ""), "succeeded");
        }
    }
    assert_int_equal(workers, 2);
    assert_int_equal(tokens, json_i64(doc, "input_tokens", -1));
    char *id = xstrdup(json_str(doc, "message_id", "")), *json = xstrdup(OUT);
    cJSON_Delete(doc);
    /* By its id, and while an engine runs. */
    RUN(0, "daemon");
    RUN(0, "trace", "--json", id);
    assert_string_equal(OUT, json);
    RUN(0, "trace", "c1");
    has(OUT, "you: start 2 workers");
    has(OUT, "\n# rehearsal/default ");
    has(OUT, "├─ * part 1 of 2");
    has(OUT, "│  ├─ ▸ shell");
    has(OUT, "\n# results of ");
    for (const char *line = OUT; *line; line += strcspn(line, "\n") + 1) {
        int columns = 0;
        for (const char *c = line; *c != '\n'; c++)
            columns += (*c & 0xc0) != 0x80;
        assert_in_range(columns, 0, 80);
    }
    RUN(1, "trace", "nowhere");
    has(ERR, "there is no reply and no channel \"nowhere\"");
    RUN(0, "stop");
    x_free(&id);
    x_free(&json);
}

static void test_foreground_and_signal(void **state) {
    (void)state;
    struct run *d = tmphome_start(home, ARGS("daemon", "--foreground"));
    pid_t engine = 0;
    int64_t until = wait_until(WAIT_MS);
    while (!engine && wait_left(until))
        engine = tmphome_engine(home);
    assert_int_equal(engine, run_pid(d));
    assert_int_equal(kill(engine, SIGTERM), 0);
    assert_true(run_wait_exit(d, WAIT_MS));
    assert_int_equal(run_code(d), 0);
    run_free(&d);
    RUN(6, "status");
}

static void test_many_at_once_make_one_engine(void **state) {
    (void)state;
    enum { N = 6 };
    struct run *r[N];
    int made = 0;
    for (int i = 0; i < N; i++)
        r[i] = tmphome_start(home, ARGS("daemon"));
    for (int i = 0; i < N; i++) {
        assert_true(run_wait_exit(r[i], WAIT_MS));
        made += run_code(r[i]) == 0;
        run_free(&r[i]);
    }
    assert_int_equal(made, 1);
    RUN(0, "stop");
}

/* kill -9 leaves a socket, a token and a name in the lock: none of them is believed. */
static void test_stale_files(void **state) {
    (void)state;
    RUN(0, "daemon");
    pid_t engine = tmphome_engine(home);
    assert_true(engine > 0);
    assert_int_equal(kill(engine, SIGKILL), 0);
    assert_true(wait_pid(engine, wait_until(WAIT_MS)));
    RUN(6, "status");
    RUN(6, "stop");
    RUN(0, "daemon");
    assert_true(tmphome_engine(home) != engine);
    RUN(0, "stop");
}

static void test_follow_ends_with_the_engine(void **state) {
    (void)state;
    RUN(0, "daemon");
    RUN(0, "say", "inbox", "first");
    struct run *log = tmphome_start(home, ARGS("log", "--follow", "inbox"));
    struct run *plain = tmphome_start(home, ARGS("attach", "--plain"));
    assert_true(run_wait_out(log, "first", WAIT_MS));
    /* It follows once the engine counts it. */
    int64_t until = wait_until(WAIT_MS);
    for (bool both = false; !both && wait_left(until);) {
        RUN(0, "status", "--json");
        both = strstr(OUT, "\"followers\":2") != NULL;
    }
    RUN(0, "say", "inbox", "second");
    assert_true(run_wait_out(log, "second", WAIT_MS));
    assert_true(run_wait_out(plain, "#inbox  you: second", WAIT_MS));
    RUN(0, "stop");
    assert_true(run_wait_exit(log, WAIT_MS));
    assert_true(run_wait_exit(plain, WAIT_MS));
    assert_int_equal(run_code(log), 0);
    assert_int_equal(run_code(plain), 0);
    run_free(&log);
    run_free(&plain);
}

static void test_interrupted_followers(void **state) {
    (void)state;
    RUN(0, "daemon");
    RUN(0, "say", "inbox", "first");
    struct run *log = tmphome_start(home, ARGS("log", "--follow", "inbox"));
    assert_true(run_wait_out(log, "first", WAIT_MS));
    assert_int_equal(kill(run_pid(log), SIGINT), 0);
    assert_true(run_wait_exit(log, WAIT_MS));
    assert_int_equal(run_code(log), 130);
    run_free(&log);
    RUN(0, "stop");
}

static void test_doctor(void **state) {
    (void)state;
    run_free(&last);
    last = tmphome_spacebot(home, ARGS("doctor", "--json"), NULL);
    assert_true(run_code(last) == 0 || run_code(last) == 1);
    cJSON *lines = jsonl_parse(OUT);
    assert_true(cJSON_GetArraySize(lines) >= 8);
    const cJSON *it;
    bool failed = false, network = false;
    cJSON_ArrayForEach(it, lines) {
        network |= str_eq(json_str(it, "check", ""), "network") &&
                   strstr(json_str(it, "text", ""), "names looked up ") &&
                   str_prefix(json_str(it, "text", ""), "TLS by ");
        const char *result = json_str(it, "result", "");
        assert_true(str_eq(result, "ok") || str_eq(result, "warn") || str_eq(result, "fail"));
        failed |= str_eq(result, "fail");
        assert_true(*json_str(it, "check", "") && *json_str(it, "text", ""));
    }
    assert_true(network);
    assert_int_equal(run_code(last), failed ? 1 : 0);
    cJSON_Delete(lines);
    /* A damaged store is found. */
    tmphome_file(home, "home/spacebot.db", "this is no database, and it is long enough to be one");
    RUN(1, "doctor");
    has(OUT, "fail  store");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_help),
        TEST(test_usage),
        TEST(test_without_engine),
        TEST(test_models),
        TEST(test_usage_verb),
        TEST(test_config),
        TEST(test_no_provider),
        TEST(test_refused_before_it_begins),
        TEST(test_daemon),
        TEST(test_inbox_of_hostile_text),
        TEST(test_trace),
        TEST(test_foreground_and_signal),
        TEST(test_many_at_once_make_one_engine),
        TEST(test_stale_files),
        TEST(test_follow_ends_with_the_engine),
        TEST(test_interrupted_followers),
        TEST(test_doctor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
