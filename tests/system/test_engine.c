/* The engine as a process: that it starts, answers, ends when told, and what is left when it is
 * killed in the middle of things: no child, a store in order, a run that is shown and not run
 * again. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/lock.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/proc.h"
#include "tests/lib/pty.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"

struct fixture {
    struct fake *fake;
    struct tmphome *home;
    struct run *run, *client;
};

static struct fixture f;

static int teardown(void **state) {
    (void)state;
    run_free(&f.run);
    run_free(&f.client);
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

/* Runs a verb to its end; what it printed is lent until the next. */
static const char *spacebot(const char *const *args, int code) {
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, args, NULL);
    run_expect_code(f.run, code);
    return run_out(f.run);
}

static cJSON *spacebot_json(const char *const *args, int code) {
    return jsonl_parse(spacebot(args, code));
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static bool is_string(const cJSON *obj, const char *key) {
    return cJSON_IsString(cJSON_GetObjectItemCaseSensitive(obj, key));
}

static bool is_number(const cJSON *obj, const char *key) {
    return cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(obj, key));
}

static bool is_null(const cJSON *obj, const char *key) {
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(obj, key));
}

/* ---- starting, answering, stopping ---------------------------------------------------------- */

static void without_an_engine_the_verbs_say_so(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    assert_string_equal(spacebot(ARGS("status", "--json"), 6), "{\"running\":false}\n");
    assert_string_equal(spacebot(ARGS("ps", "--json"), 6), "");
    assert_string_equal(spacebot(ARGS("say", "inbox", "hello"), 6), "");
    assert_string_equal(spacebot(ARGS("cancel", "abcd"), 6), "");
    assert_string_equal(spacebot(ARGS("stop"), 6), "");
    assert_true(strlen(run_err(f.run)) > 10);
    assert_string_equal(spacebot(ARGS("attach", "--plain"), 6), "");
}

static void a_daemon_answers_until_it_is_stopped(void **state) {
    (void)state;
    static const char *const kinds[] = {"channel",   "branch", "worker",
                                        "compactor", "cortex", "voice"};
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("daemon"), 0);
    cJSON *lines = spacebot_json(ARGS("status", "--json"), 0);
    assert_int_equal(cJSON_GetArraySize(lines), 1);
    const cJSON *s = cJSON_GetArrayItem(lines, 0);
    assert_true(json_bool(s, "running", false));
    pid_t engine = (pid_t)json_i64(s, "pid", 0);
    assert_int_equal(kill(engine, 0), 0);
    assert_string_equal(json_str(s, "home", ""), f.home->home);
    assert_true(is_string(s, "version") && is_string(s, "sandbox"));
    assert_string_equal(json_str(s, "model", ""), "anthropic/claude-sonnet-5-5");
    assert_true(is_number(s, "uptime_ms") && is_number(s, "followers"));
    assert_true(is_null(s, "screen"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        assert_true(is_number(json_obj(s, "processes"), kinds[i]));
    assert_true(is_number(json_obj(s, "loop"), "p99_us") &&
                is_number(json_obj(s, "loop"), "max_us") &&
                is_number(json_obj(s, "loop"), "turns"));
    static const char *const clocks[] = {"wall_us", "cpu_us"}, *const shares[] = {"p50", "p99",
                                                                                  "p999", "max"};
    for (size_t i = 0; i < ARRAY_LEN(clocks) * ARRAY_LEN(shares); i++)
        assert_true(is_number(json_obj(json_obj(s, "loop"), clocks[i % ARRAY_LEN(clocks)]),
                              shares[i / ARRAY_LEN(clocks)]));
    assert_true(is_number(json_obj(s, "store"), "bytes") && is_number(json_obj(s, "store"), "seq"));
    cJSON_Delete(lines);
    assert_int_not_equal(getsid(engine), getsid(0)); /* it has let go of what started it */
    spacebot(ARGS("stop"), 0);
    assert_true(wait_pid(engine, wait_until(WAIT_MS)));
    tmphome_expect_quiet(f.home, WAIT_MS);
    spacebot(ARGS("status"), 6);
}

static void a_message_can_be_left_and_read_later(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("daemon"), 0);
    spacebot(ARGS("say", "news", "say hello"), 0);
    fake_expect(f.fake, "end 1 done", 1);
    f.client = tmphome_start(f.home, ARGS("log", "news", "--follow"));
    assert_true(run_wait_out(f.client, "Hello there.", WAIT_MS));
    assert_has(run_out(f.client), "say hello");
    cJSON *lines = spacebot_json(ARGS("ps", "--json"), 0);
    assert_string_equal(json_str(cJSON_GetArrayItem(lines, 0), "id", ""), "channel:news");
    cJSON_Delete(lines);
    spacebot(ARGS("stop"), 0);
    assert_true(run_wait_exit(f.client, WAIT_MS));
}

/* Starts a daemon and, by a client that listens, a worker whose command prints "up" and lasts; both
 * it and what it has put in a session of its own are there when this returns. The number makes its
 * commands known. */
static char sleep_command[48];

static void find_sleepers(const char *text, struct proc_list *out) {
    proc_find_command(text, out);
    size_t n = 0;
    for (size_t i = 0; i < out->n; i++) {
        char *command = proc_command(out->pid[i]);
        if (strcmp(command, text) == 0)
            out->pid[n++] = out->pid[i];
        x_free(&command);
    }
    out->n = n;
}

static void start_sleepers(void) {
    snprintf(sleep_command, sizeof(sleep_command), "sleep 1000.%d", (int)getpid());
    char *command =
        xasprintf("echo ran >>ran.txt; setsid %s & echo up; %s", sleep_command, sleep_command);
    struct buf scenario = BUF_INIT;
    const char *rules = SCENE(SCENE_SAY "," SCENE_RUN("%COMMAND%")),
               *at = strstr(rules, "%COMMAND%");
    buf_append(&scenario, rules, (size_t)(at - rules));
    buf_puts(&scenario, command);
    buf_puts(&scenario, at + strlen("%COMMAND%"));
    start(buf_str(&scenario));
    buf_free(&scenario);
    x_free(&command);
    spacebot(ARGS("daemon"), 0);
    f.client = tmphome_start(f.home, ARGS("exec", "--json", "--channel", "work", "run it"));
    if (!run_wait_line(f.client, ((const char *const[]){"\"tool_output\"", "\"up\"", NULL}),
                       WAIT_MS))
        fail_msg("the command does not run:\n%s%s", run_out(f.client), run_err(f.client));
    assert_true(proc_wait_some(find_sleepers, sleep_command, 2, WAIT_MS));
}

/* The worker's line of ps. The caller deletes *lines. */
static const cJSON *find_worker(cJSON **lines, const char *all) {
    *lines = spacebot_json(all ? ARGS("ps", "--json", all) : ARGS("ps", "--json"), 0);
    const cJSON *it;
    cJSON_ArrayForEach(it, *lines) if (str_eq(json_str(it, "kind", ""), "worker")) return it;
    fail_msg("no worker in: %s", run_out(f.run));
    return NULL;
}

static void a_worker_is_listed_and_cancelled_by_the_start_of_its_id(void **state) {
    (void)state;
    start_sleepers();
    cJSON *lines;
    const cJSON *w = find_worker(&lines, NULL);
    const char *id = json_str(w, "id", "");
    assert_true(str_prefix(id, "worker:"));
    assert_string_equal(json_str(w, "state", ""), "running");
    assert_string_equal(json_str(w, "parent", ""), "channel:work");
    assert_string_equal(json_str(w, "channel", ""), "work");
    assert_has(json_str(w, "tool", ""), "shell echo ran");
    assert_true(is_null(w, "outcome") && is_string(w, "name"));
    assert_true(is_number(w, "elapsed_ms") && is_number(w, "silent_ms") &&
                is_number(w, "cost_usd"));
    assert_true(json_i64(w, "input_tokens", 0) > 0 && json_i64(w, "output_tokens", 0) > 0);

    spacebot(ARGS("cancel", "0000beef"), 1);
    char *prefix = xasprintf("%.8s", id + strlen("worker:"));
    int64_t before = clock_real_mono_ns();
    spacebot(ARGS("cancel", prefix), 0);
    x_free(&prefix);
    assert_true(proc_wait_none(find_sleepers, sleep_command, WAIT_MS));
    assert_true(clock_real_mono_ns() - before < 5 * NS_PER_SEC);
    assert_true(run_wait_exit(f.client, WAIT_MS)); /* the channel was told and has answered */
    run_expect_code(f.client, 0);
    cJSON_Delete(lines);
    w = find_worker(&lines, "--all");
    assert_string_equal(json_str(w, "state", ""), "ended");
    assert_string_equal(json_str(w, "outcome", ""), "cancelled");
    cJSON_Delete(lines);
    spacebot(ARGS("stop"), 0);
}

static void stopping_ends_what_runs(void **state) {
    (void)state;
    start_sleepers();
    spacebot(ARGS("stop"), 0);
    assert_true(proc_wait_none(find_sleepers, sleep_command, WAIT_MS));
    assert_true(run_wait_exit(f.client, WAIT_MS));
    assert_true(run_code(f.client) == 1 || run_code(f.client) == 130);
    cJSON *lines = jsonl_parse(run_out(f.client));
    assert_false(json_bool(jsonl_must(lines, "result", 0), "ok", true));
    cJSON_Delete(lines);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

/* ---- kill -9 -------------------------------------------------------------------------------- */

/* The first column of the only row of a question to the store. The caller frees. */
static char *ask_store(const char *sql) {
    char *path = xasprintf("%s/spacebot.db", f.home->home), *answer = NULL;
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, WAIT_MS) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        answer = xstrdup((const char *)sqlite3_column_text(s, 0));
    if (!answer)
        fail_msg("%s: %s: %s", path, sql, sqlite3_errmsg(db));
    sqlite3_finalize(s);
    sqlite3_close(db);
    x_free(&path);
    return answer;
}

static void assert_store(const char *sql, const char *want) {
    char *answer = ask_store(sql);
    if (strcmp(answer, want) != 0)
        fail_msg("%s: \"%s\", expected \"%s\"", sql, answer, want);
    x_free(&answer);
}

static int count_requests(void) {
    cJSON *all = fake_requests(f.fake);
    int n = cJSON_GetArraySize(all);
    cJSON_Delete(all);
    return n;
}

/* Kills the engine; within a second nothing of the worker's is left. */
static void kill_engine(void) {
    pid_t engine = tmphome_engine(f.home);
    assert_true(engine > 0);
    assert_int_equal(kill(engine, SIGKILL), 0);
    int64_t before = clock_real_mono_ns();
    if (!proc_wait_none(find_sleepers, sleep_command, 1000)) {
        char *left = tmphome_strays(f.home);
        fail_msg("a second after kill -9 there are:\n%s", left ? left : "");
    }
    assert_true(run_wait_exit(f.client, WAIT_MS)); /* the client has noticed */
    assert_int_equal(run_code(f.client), 1);
    tmphome_expect_quiet(f.home, WAIT_MS);
    assert_true(clock_real_mono_ns() - before < 5 * NS_PER_SEC);
}

static void a_killed_engine_leaves_no_child_and_runs_nothing_twice(void **state) {
    (void)state;
    start_sleepers();
    kill_engine();
    assert_store("PRAGMA integrity_check", "ok");
    assert_store("SELECT state || ' ' || tool FROM tool_runs", "intended shell");
    assert_store("SELECT content FROM conversation_messages WHERE channel_id = 'work'", "run it");
    int asked = count_requests();
    cJSON *lines = jsonl_parse(run_out(f.client));
    char *id = xstrdup(json_str(jsonl_must(lines, "worker_started", 0), "id", ""));
    cJSON_Delete(lines);

    spacebot(ARGS("daemon"), 0);
    lines = spacebot_json(ARGS("status", "--json"), 0);
    assert_int_equal(json_i64(cJSON_GetArrayItem(lines, 0), "interrupted", 0), 1);
    cJSON_Delete(lines);
    assert_has(spacebot(ARGS("log", id), 0), "may have had effects");
    x_free(&id);
    assert_store("SELECT state FROM tool_runs", "interrupted");
    assert_store("SELECT outcome_kind || ' ' || terminal_owner FROM worker_runs",
                 "failed reconcile");

    /* The new engine works, and has not touched the old run: it answers the message, and tells what
     * became of the run. */
    spacebot(ARGS("exec", "--channel", "work", "say hello"), 0);
    fake_expect(f.fake, "request", asked + 2);
    assert_int_equal(count_requests(), asked + 2);
    char *ran = tmphome_read(f.home, "home/workspace/ran.txt");
    assert_string_equal(ran, "ran\n");
    x_free(&ran);
    struct proc_list found;
    find_sleepers(sleep_command, &found);
    assert_int_equal(found.n, 0);
    spacebot(ARGS("stop"), 0);
    assert_store("PRAGMA integrity_check", "ok");
}

static void the_next_screen_shows_the_interrupted_run(void **state) {
    (void)state;
    start_sleepers();
    kill_engine();
    struct vt *v = vt_new(100, 30);
    struct pty *p = tmphome_screen(f.home, ARGS(), 100, 30);
    vt_attach(v, p);
    vt_expect(v, "1 interrupted");
    pty_type(p, "\x03");
    pty_type(p, "\x03");
    assert_true(pty_wait_exit(p, WAIT_MS));
    pty_free(&p);
    vt_free(&v);
    char *ran = tmphome_read(f.home, "home/workspace/ran.txt");
    assert_string_equal(ran, "ran\n");
    x_free(&ran);
}

static void what_was_said_survives_a_kill(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("daemon"), 0);
    for (int i = 0; i < 3; i++) {
        pid_t engine = tmphome_engine(f.home);
        spacebot(ARGS("exec", "--channel", "kept", "say hello"), 0);
        assert_int_equal(kill(engine, SIGKILL), 0);
        assert_true(wait_pid(engine, wait_until(WAIT_MS)));
        spacebot(ARGS("daemon"), 0);
    }
    assert_store("SELECT group_concat(role || ' ' || seq) FROM conversation_messages",
                 "user 1,assistant 2,user 3,assistant 4,user 5,assistant 6");
    spacebot(ARGS("stop"), 0);
}

static void a_reply_that_was_cut_off_is_kept_and_says_so(void **state) {
    (void)state;
    start("{\"rules\":[{\"match\":{\"last_user_contains\":\"tell\"},"
          "\"respond\":[{\"text\":\"It began well, and then it went on for a "
          "while\"}],\"delta_chars\":8,"
          "\"faults\":{\"slow_ms_per_event\":120,\"silence_after_events\":8}}]}");
    spacebot(ARGS("daemon"), 0);
    f.client = tmphome_start(f.home, ARGS("exec", "--json", "--channel", "tale", "tell"));
    fake_expect(f.fake, "silent 1", 1);
    assert_true(run_wait_out(f.client, "it went", WAIT_MS));
    pid_t engine = tmphome_engine(f.home);
    /* Written text is saved at least every 250 ms. */
    int64_t deadline = wait_until(WAIT_MS);
    for (char *n = NULL;; x_free(&n)) {
        n = ask_store("SELECT count(DISTINCT process_id) FROM partial_pieces");
        bool there = strcmp(n, "1") == 0;
        if (there || !wait_left(deadline)) {
            x_free(&n);
            assert_true(there);
            break;
        }
    }
    assert_int_equal(kill(engine, SIGKILL), 0);
    assert_true(run_wait_exit(f.client, WAIT_MS));
    spacebot(ARGS("daemon"), 0);
    const char *log = spacebot(ARGS("log", "tale"), 0);
    assert_has(log, "It began");
    assert_has(log, "interrupted");
    spacebot(ARGS("stop"), 0);
}

static void one_home_has_one_engine(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("daemon"), 0);
    pid_t engine = tmphome_engine(f.home);
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, ARGS("daemon"), NULL);
    assert_has(run_err(f.run), "already");
    assert_int_equal(tmphome_engine(f.home), engine);
    spacebot(ARGS("stop"), 0);
}

/* ---- the socket ----------------------------------------------------------------------------- */

/* As the lock tells it: the rehearsal's socket lies beside it. The caller frees. */
static char *socket_path(void) {
    struct home place = {0};
    pid_t pid = 0;
    char *path = NULL;
    place.lock = xasprintf("%s/lock", f.home->home);
    assert_int_equal(lock_holder(&place, &pid, &path), STATUS_OK);
    x_free(&place.lock);
    return path;
}

/* Sends a line, returns all that comes until the other side hangs up. */
static char *talk(const char *path, const char *line) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct buf got = BUF_INIT;
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
    int64_t deadline = wait_until(WAIT_MS);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(wait_poll(&p, 1, deadline), 1);
        ssize_t n = read(fd, buf_room(&got, 4096), 4096);
        if (n <= 0)
            break;
        buf_added(&got, (size_t)n);
    }
    close(fd);
    return buf_steal(&got);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void the_socket_wants_the_token(void **state) {
    (void)state;
    start(SCENE(SCENE_SAY));
    spacebot(ARGS("daemon"), 0);
    char *path = socket_path();
    static const char *const lines[] = {
        "{\"id\":1,\"cmd\":\"status\"}\n",
        "{\"id\":1,\"cmd\":\"hello\",\"protocol\":1,\"version\":\"x\",\"token\":\"" ZEROS "\"}\n",
        "{\"id\":1,\"cmd\":\"hello\",\"protocol\":1,\"token\":\"\"}\n",
        "GET / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char *answer = talk(path, lines[i]);
        assert_null(strstr(answer, "\"ok\":true"));
        assert_null(strstr(answer, "\"pid\""));
        x_free(&answer);
    }
    x_free(&path);
    assert_true(tmphome_engine(f.home) > 0);
    spacebot(ARGS("stop"), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_an_engine_the_verbs_say_so),
        TEST(a_daemon_answers_until_it_is_stopped),
        TEST(a_message_can_be_left_and_read_later),
        TEST(a_worker_is_listed_and_cancelled_by_the_start_of_its_id),
        TEST(stopping_ends_what_runs),
        TEST(a_killed_engine_leaves_no_child_and_runs_nothing_twice),
        TEST(the_next_screen_shows_the_interrupted_run),
        TEST(what_was_said_survives_a_kill),
        TEST(a_reply_that_was_cut_off_is_kept_and_says_so),
        TEST(one_home_has_one_engine),
        TEST(the_socket_wants_the_token),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
