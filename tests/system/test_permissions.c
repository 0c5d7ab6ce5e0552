/* Permissions and questions with the real program: in scripts, from the command line, and on the
 * screen, also when nobody looked at it when they came. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/pty.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"

struct fixture {
    struct fake *fake;
    struct tmphome *home;
    struct pty *pty;
    struct vt *vt;
    struct run *run;
};
static struct fixture f;

static int teardown(void **state) {
    (void)state;
    pty_free(&f.pty);
    vt_free(&f.vt);
    run_free(&f.run);
    tmphome_free(&f.home);
    fake_stop(&f.fake);
    memset(&f, 0, sizeof f);
    return 0;
}

/* Told to read a file outside, a worker does and says what it was told. */
#define SCENE_READ                                                                                 \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"has come back\",\"step\":0},"          \
    "\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":"                                    \
    "{\"content\":\"It says: ${worker_result}\"}}}]},"                                             \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"read it\",\"step\":0},"                \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Read the file outside.\"}}}]},"                                                   \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"read it\",\"step\":1},"                \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]},"                              \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Read the file\",\"step\":0},"           \
    "\"respond\":[{\"tool_use\":{\"name\":\"file_read\",\"input\":"                                \
    "{\"path\":\"/usr/share/base-files/motd\"}}}]},"                                               \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Read the file\",\"step\":1},"           \
    "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"                               \
    "{\"status\":\"<<${tool_result_line:1}>>\",\"kind\":\"outcome\"}}}]},"                         \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Read the file\",\"step\":2},"           \
    "\"respond\":[{\"text\":\"Done.\"}]}"

static void start(const char *scenario) {
    f.fake = fake_start(scenario);
    f.home = tmphome_new(f.fake);
}

static const char *spacebot(const char *const *args, int code) {
    run_free(&f.run);
    f.run = tmphome_spacebot(f.home, args, NULL);
    run_expect_code(f.run, code);
    return run_out(f.run);
}

static void has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* A path outside that is there on every system this is built on. */
static char *outside_file(void) { return xasprintf("%s/outside.txt", f.home->dir); }

/* The scenario with the path of the test's own file in it. */
static void start_with(const char *scenario) {
    start(scenario);
    tmphome_file(f.home, "outside.txt", "the words outside\n");
    fake_stop(&f.fake);
    char *path = outside_file();
    static const char name[] = "/usr/share/base-files/motd";
    struct buf own = BUF_INIT;
    for (const char *at; (at = strstr(scenario, name)) != NULL; scenario = at + strlen(name)) {
        buf_append(&own, scenario, (size_t)(at - scenario));
        buf_puts(&own, path);
    }
    buf_puts(&own, scenario);
    f.fake = fake_start(buf_str(&own));
    tmphome_setenv(f.home, "ANTHROPIC_BASE_URL", fake_url(f.fake));
    buf_free(&own);
    x_free(&path);
}

static void start_reading(void) { start_with(SCENE(SCENE_READ)); }

/* Until `spacebot inbox --json` lists something; its first line, owned by f.run. */
static const char *until_asked(void) {
    int64_t deadline = wait_until(WAIT_MS);
    while (!*spacebot(ARGS("inbox", "--json"), 0)) {
        if (!wait_left(deadline))
            fail_msg("nothing reaches the inbox");
        (void)wait_poll(NULL, 0, wait_until(20));
    }
    return run_out(f.run);
}

/* --- scripts ------------------------------------------------------------------------------------
 */

static void a_script_is_denied_with_the_rule_that_would_allow(void **state) {
    (void)state;
    start_reading();
    char *path = outside_file();
    const char *out = spacebot(ARGS("exec", "read it"), 0);
    char *wanted = xasprintf("--allow 'file_read:%s'", path);
    has(out, wanted);
    has(out, "denied: outside the workspace");
    x_free(&wanted);
    char *allow = xasprintf("file_read:%s", path);
    out = spacebot(ARGS("exec", "--allow", "shell:x", "--allow", allow, "read it"), 0);
    has(out, "It says: the words outside");
    (void)spacebot(ARGS("exec", "--allow", "shel", "read it"), 2);
    has(run_err(f.run), "did you mean `shell`?");
    x_free(&allow);
    x_free(&path);
}

static void a_wrong_rule_is_told_with_its_line(void **state) {
    (void)state;
    start_reading();
    tmphome_config(f.home, "permissions = (\n  { tool = \"file_reed\"; action = \"deny\"; }\n);\n");
    (void)spacebot(ARGS("config", "check"), 3);
    has(run_err(f.run),
        "spacebot.conf:2: permissions: there is no tool \"file_reed\"; did you mean "
        "`file_read`?");
    (void)spacebot(ARGS("exec", "read it"), 3);
    has(run_err(f.run), "spacebot.conf:2:");
}

static void a_request_is_answered_from_the_command_line(void **state) {
    (void)state;
    start_reading();
    char *path = outside_file();
    (void)spacebot(ARGS("daemon"), 0);
    (void)spacebot(ARGS("inbox"), 0);
    has(run_err(f.run), "nothing waits for you");
    (void)spacebot(ARGS("say", "c1", "read it"), 0);
    cJSON *r = NULL;
    const char *line = until_asked();
    assert_int_equal(json_parse(line, strlen(line) - 1, &r, NULL), STATUS_OK);
    assert_int_equal(json_i64(r, "id", 0), 1);
    assert_string_equal(json_str(r, "kind", ""), "permission");
    assert_string_equal(json_str(r, "tool", ""), "file_read");
    assert_string_equal(json_str(r, "text", ""), path);
    assert_int_equal(cJSON_GetArraySize(json_arr(r, "path")), 2);
    cJSON_Delete(r);
    has(spacebot(ARGS("ps", "--json"), 0), "\"state\":\"asking\"");
    has(spacebot(ARGS("inbox"), 0), "1  permission  #c1 ▸ * Read the file outside. ▸ file_read");
    (void)spacebot(ARGS("answer", "7", "once"), 1);
    (void)spacebot(ARGS("answer", "1", "perhaps"), 2);
    (void)spacebot(ARGS("answer", "1", "always"), 0);
    (void)spacebot(ARGS("answer", "1", "once"), 1);
    has(run_err(f.run), "no request 1 waits");
    fake_expect(f.fake, "request 6", 1);
    has(spacebot(ARGS("permissions"), 0), "file_read:");
    has(spacebot(ARGS("permissions", "list", "--json"), 0), "\"source\":\"remembered\"");
    (void)spacebot(ARGS("permissions", "revoke", "1"), 0);
    (void)spacebot(ARGS("permissions", "revoke", "1"), 1);
    assert_string_equal(spacebot(ARGS("permissions", "--json"), 0), "");
    (void)spacebot(ARGS("stop"), 0);
    tmphome_expect_quiet(f.home, WAIT_MS);
    (void)spacebot(ARGS("permissions", "revoke", "1"), 1); /* the same without an engine */
    has(run_err(f.run), "no rule 1 is remembered");
    x_free(&path);
}

/* --- the screen ---------------------------------------------------------------------------------
 */

static void open_screen(void) {
    f.vt = vt_new(100, 30);
    f.pty = tmphome_screen(f.home, ARGS(), 100, 30);
    vt_attach(f.vt, f.pty);
    vt_expect(f.vt, "^> *$");
}

static void a_request_is_answered_on_the_screen(void **state) {
    (void)state;
    start_reading();
    open_screen();
    pty_type(f.pty, "read it\r");
    vt_expect(f.vt, "inbox 1!");
    pty_type(f.pty, "\x1b"); /* to the processes, where letters are keys */
    vt_expect(f.vt, "i inbox");
    pty_type(f.pty, "i");
    vt_expect(f.vt, "^1 +permission +#inbox.*Read the file .* file_read");
    vt_expect(f.vt, "outside\\.txt *$");
    vt_expect(f.vt, "^   outside the workspace *$");
    vt_expect(f.vt, "\\[y\\] once +\\[n\\] no +\\[a\\] always for file_read:/");
    pty_type(f.pty, "y");
    vt_expect(f.vt, "nothing waits for you");
    pty_type(f.pty, "\x1b");
    vt_expect(f.vt, "It says: the words outside");
    fake_assert_clean(f.fake);
}

/* Numbers are never used again. */
static void a_request_with_a_long_number(void **state) {
    (void)state;
    start_reading();
    (void)spacebot(ARGS("daemon"), 0); /* which makes the store */
    (void)spacebot(ARGS("stop"), 0);
    tmphome_expect_quiet(f.home, WAIT_MS);
    char *path = xasprintf("%s/spacebot.db", f.home->home);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "INSERT INTO requests (n, kind, process_id, channel_id, call_id,"
                                  " path, tool, text, state, asked_at, ended_at) VALUES (12345,"
                                  " 'question', 'channel:x', 'x', 'c', '[]', 'ask', 'Which?',"
                                  " 'withdrawn', 1, 2)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    x_free(&path);
    open_screen();
    pty_type(f.pty, "read it\r");
    vt_expect(f.vt, "inbox 1!");
    pty_type(f.pty, "\x1b");
    vt_expect(f.vt, "i inbox");
    pty_type(f.pty, "i");
    vt_expect(f.vt, "^12346 permission +#inbox");
    pty_type(f.pty, "n");
    vt_expect(f.vt, "nothing waits for you");
}

/* A path of forty lines. */
#define SCENE_LONG                                                                                 \
    "{\"match\":{" SCENE_CHANNEL ",\"step\":0},"                                                   \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Look there.\"}}}]},"                                                              \
    "{\"match\":{" SCENE_CHANNEL "},"                                                              \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]},"                              \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Look there\",\"step\":0},"              \
    "\"respond\":[{\"tool_use\":{\"name\":\"file_read\",\"input\":"                                \
    "{\"path\":\"/etc/first" FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE "last\"}}}]},"                \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Look there\",\"step\":1},"              \
    "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"                               \
    "{\"status\":\"<<${tool_result_line:1}>>\",\"kind\":\"outcome\"}}}]},"                         \
    "{\"match\":{" SCENE_WORKER "},\"respond\":[{\"text\":\"So be it.\"}]}"
#define FIVE "\\n\\n\\n\\n\\n"

static void nobody_allows_what_is_not_there_to_read(void **state) {
    (void)state;
    start(SCENE(SCENE_LONG));
    open_screen();
    pty_type(f.pty, "look there\r");
    vt_expect(f.vt, "inbox 1!");
    pty_type(f.pty, "\x1b");
    vt_expect(f.vt, "i inbox");
    pty_type(f.pty, "i");
    vt_expect(f.vt, "^   /etc/first *$");
    pty_type(f.pty, "y");
    vt_expect(f.vt, "not all of it is on the screen yet: Down shows the rest");
    vt_expect(f.vt, "rows 1 to [0-9]+ of 84; Down and Up move");
    pty_type(f.pty, "G"); /* towards the end, but over nothing that was not there */
    vt_expect(f.vt, "rows 26 to 50 of 84");
    vt_expect(f.vt, "^   last *$");
    vt_expect_gone(f.vt, "not all of it");
    pty_type(f.pty, "y");
    vt_expect(f.vt, "not all of it is on the screen yet");
    pty_type(f.pty, "G");
    vt_expect(f.vt, "rows 51 to 75 of 84");
    pty_type(f.pty, "G");
    vt_expect(f.vt, "rows 60 to 84 of 84");
    pty_type(f.pty, "gk"); /* and all of it counts from now on */
    vt_expect(f.vt, "rows 1 to 25 of 84");
    pty_type(f.pty, "y");
    vt_expect(f.vt, "nothing waits for you");
}

/* The channel thinks aside, the branch delegates, and the worker's tool asks while nobody looks. */
#define SCENE_DEEP                                                                                 \
    "{\"match\":{\"has_tool\":\"branch\",\"last_user_contains\":\"look into it\",\"step\":0},"     \
    "\"respond\":[{\"tool_use\":{\"name\":\"branch\",\"input\":"                                   \
    "{\"description\":\"plan the reading\"}}}]},"                                                  \
    "{\"match\":{\"has_tool\":\"branch\",\"last_user_contains\":\"look into it\",\"step\":1},"     \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]},"                              \
    "{\"match\":{\"has_tool\":\"spawn_worker\",\"lacks_tool\":\"branch\"},"                        \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Read the file outside.\"}}}]},"

static void a_permission_asked_at_depth_three_while_the_screen_is_detached(void **state) {
    (void)state;
    start_with(SCENE(SCENE_DEEP SCENE_READ));
    (void)spacebot(ARGS("daemon"), 0);
    (void)spacebot(ARGS("say", "release", "look into it"), 0);
    has(until_asked(), "\"kind\":\"branch\""); /* no screen was ever open */
    open_screen();
    vt_expect(f.vt, "inbox 1!");
    pty_type(f.pty, "\x1b");
    vt_expect(f.vt, "i inbox");
    pty_type(f.pty, "i");
    vt_expect(f.vt, "^1 +permission +#release.*plan the reading.*Read the file .* file_read");
    pty_type(f.pty, "\x1b");
    vt_expect_gone(f.vt, "^1 +permission"); /* answered by number, from anywhere */
    pty_type(f.pty, ":");
    vt_expect(f.vt, "^: *$");
    pty_type(f.pty, "answer 1 once\r");
    fake_expect(f.fake, "request 6", 1);
    assert_string_equal(spacebot(ARGS("inbox", "--json"), 0), "");
}

/* A text of sixty lines, the first of which would turn the screen red. */
#define SCENE_WRITE                                                                                \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"write it\",\"step\":0},"               \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Write it there.\"}}}]},"                                                          \
    "{\"match\":{" SCENE_CHANNEL "},"                                                              \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]},"                              \
    "{\"match\":{" SCENE_WORKER ",\"step\":0},"                                                    \
    "\"respond\":[{\"tool_use\":{\"name\":\"file_write\",\"input\":"                               \
    "{\"path\":\"/usr/share/base-files/motd\","                                                    \
    "\"content\":\"first \\u001b[31mred\\nsecond\\n" ROWS ROWS ROWS ROWS "end\"}}}]},"             \
    "{\"match\":{" SCENE_WORKER ",\"step\":1},"                                                    \
    "\"respond\":[{\"tool_use\":{\"name\":\"file_edit\",\"input\":"                                \
    "{\"path\":\"/usr/share/base-files/motd\","                                                    \
    "\"old_string\":\"second\\nrow\",\"new_string\":\"second\\nROW\"}}}]},"                        \
    "{\"match\":{" SCENE_WORKER ",\"step\":2},"                                                    \
    "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"                               \
    "{\"status\":\"<<${tool_result_line:1}>>\",\"kind\":\"outcome\"}}}]},"                         \
    "{\"match\":{" SCENE_WORKER "},\"respond\":[{\"text\":\"Done.\"}]}"
#define ROWS "row\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\nrow\\n"

static void open_inbox(void) {
    pty_type(f.pty, "\x1b");
    vt_expect(f.vt, "i inbox");
    pty_type(f.pty, "i");
}

/* As much of it as there is room for, the rest counted; what would act on a terminal is harmless.
 */
static void what_would_be_written_is_shown(void **state) {
    (void)state;
    start_with(SCENE(SCENE_WRITE));
    open_screen();
    pty_type(f.pty, "write it\r");
    vt_expect(f.vt, "inbox 1!");
    open_inbox();
    vt_expect(f.vt, "^   \\+ first \\^\\[\\[31mred *$");
    vt_expect(f.vt, "^   \\+ second *$");
    vt_expect(f.vt, "^   \\[[0-9]+ more rows; spacebot inbox shows them\\]");
    vt_expect(f.vt, "^   outside the workspace *$");
    vt_expect(f.vt, "\\[y\\] once");
    has(spacebot(ARGS("inbox"), 0), "\n   | + first ^[[31mred\n   | + second\n   | + row\n");
    has(run_out(f.run),
        "\n   | + row\n   | + [19 more lines, 75 bytes]\n   outside the workspace;");
    has(spacebot(ARGS("inbox", "--json"), 0),
        "\"preview\":\"+ first \\u001b[31mred\\n+ second\\n+ row");
    vt_resize(f.vt, 60, 16);
    vt_expect(f.vt, "^   \\[[0-9]+ more rows; spacebot inbox shows them\\]");
    pty_type(f.pty, "y");
    vt_expect(f.vt, "^2 +permission");
    vt_expect(f.vt, "^     second *$");
    vt_expect(f.vt, "^   - row *$");
    vt_expect(f.vt, "^   \\+ ROW *$");
    pty_type(f.pty, "y");
    vt_expect(f.vt, "nothing waits for you");
    fake_expect(f.fake, "request 5", 1);
    char *text = tmphome_read(f.home, "outside.txt");
    has(text, "second\nROW\nrow\n");
    x_free(&text);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_script_is_denied_with_the_rule_that_would_allow),
        TEST(a_wrong_rule_is_told_with_its_line),
        TEST(a_request_is_answered_from_the_command_line),
        TEST(a_request_is_answered_on_the_screen),
        TEST(a_request_with_a_long_number),
        TEST(nobody_allows_what_is_not_there_to_read),
        TEST(what_would_be_written_is_shown),
        TEST(a_permission_asked_at_depth_three_while_the_screen_is_detached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
