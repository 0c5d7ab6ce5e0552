/* Whole screens against goldens (tests/screen/golden): the real program on a real pseudo-terminal.
 * What differs from run to run (times, durations, counts of tokens, the temporary home) is masked,
 * nothing else. After a change that is meant: SPACEBOT_UPDATE_GOLDENS=1, then look at the
 * difference. */
#include <errno.h>
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

#include "base/mem.h"
#include "tests/lib/fake.h"
#include "tests/lib/golden.h"
#include "tests/lib/pty.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"

static struct {
    struct fake *fake;
    struct tmphome *home;
    struct pty *pty;
    struct vt *vt;
} f;

static int teardown(void **state) {
    (void)state;
    pty_free(&f.pty);
    vt_free(&f.vt);
    tmphome_free(&f.home);
    struct fake *fake = f.fake;
    memset(&f, 0, sizeof(f));
    fake_stop(&fake);
    return 0;
}

static void open_screen(int cols, int rows) {
    f.vt = vt_new(cols, rows);
    f.pty = tmphome_screen(f.home, ARGS(), cols, rows);
    vt_attach(f.vt, f.pty);
    vt_expect(f.vt, "\\? help");
}

static void start(const char *scenario, int cols, int rows) {
    f.fake = fake_start(scenario);
    f.home = tmphome_new(f.fake);
    scene_numbers(f.home, 4321);
    open_screen(cols, rows);
}

/* What differs from run to run, in the order in which it is looked for. Numbers that are flush
 * right are taken with the blanks before them: a slow machine makes them wider. */
static const struct {
    const char *pattern, *label; /* without a label: filled */
    char filler;
} masks[] = {
    {"[A-Za-z0-9]{6}/home/", NULL, '/'}, /* the temporary directory, wherever the line breaks */
    {" +[0-9.]+ ms$", " # ms", 0},
    {" ctx +[0-9.]+k?", " ctx #", 0},
    {"[ ─]+[0-9]+s +[0-9.]+k? tok", " #s # tok", 0}, /* in the header of a live pane */
    {" +[0-9.]+k? tok", " # tok", 0},
    {"~?\\$[0-9.]+", NULL, '$'},
    {"[0-9][0-9]:[0-9][0-9]", "hh:mm", 0},
    {"succeeded  +[0-9.]+s", "succeeded #s", 0},
    {"  ok +[0-9.]+s  [0-9]+ lines", "ok #s", 0},
    {"  ok +[0-9.]+s", "ok #s", 0},
    {" +[0-9.]+s( │)", " #s │", 0},
    {" +[0-9.]+s$", " #s", 0},
};

static void check(const char *name) {
    char *text = vt_dump(f.vt);
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        char *masked = masks[i].label ? golden_field(text, masks[i].pattern, masks[i].label)
                                      : golden_mask(text, masks[i].pattern, masks[i].filler);
        x_free(&text);
        text = masked;
    }
    golden_check(name, text);
    x_free(&text);
}

static void quit(void) {
    pty_type(f.pty, "\x03\x03");
    assert_true(pty_wait_exit(f.pty, WAIT_MS));
}

static void count(void) {
    pty_type(f.pty, SCENE_QUESTION "\r");
    vt_expect(f.vt, "Counted – wc says");
    vt_expect(f.vt, "0 running");
    vt_expect_gone(f.vt, "# inbox +[0-9]"); /* seen */ /* seen by the person who looks */
}

static void the_first_screen_without_a_key(void **state) {
    (void)state;
    f.home = tmphome_new(NULL);
    open_screen(80, 24);
    check("first-no-provider-80x24");
    quit();
}

static void the_first_screen(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT), 80, 24);
    check("first-80x24");
    quit();
}

static void a_conversation_80x24(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT), 80, 24);
    count();
    check("answered-80x24");
    quit();
}

static void a_conversation_200x50(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT), 200, 50);
    count();
    check("answered-200x50");
    quit();
}

static void a_conversation_50x12(void **state) {
    (void)state;
    start(SCENE(SCENE_COUNT), 50, 12);
    count();
    check("answered-50x12");
    quit();
}

static void a_failed_call(void **state) {
    (void)state;
    start("{\"rules\":[{\"faults\":{\"status\":401,\"message\":\"invalid x-api-key\"}}]}", 80, 24);
    pty_type(f.pty, "hello\r");
    vt_expect(f.vt, "the key was refused");
    vt_expect(f.vt, "0 running");
    check("refused-80x24");
    quit();
}

/* A worker needs a file outside of the workspace. */
#define SCENE_OUTSIDE                                                                              \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"look\",\"step\":0},"                   \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Look there.\"}}}]},"                                                              \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"look\",\"step\":1},"                   \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]},"                              \
    "{\"match\":{" SCENE_WORKER ",\"step\":0},"                                                    \
    "\"respond\":[{\"tool_use\":{\"name\":\"file_read\",\"input\":"                                \
    "{\"path\":\"/etc/passwd\"}}}]}"

static void inbox_at(int cols, int rows, const char *name) {
    start(SCENE(SCENE_OUTSIDE), cols, rows);
    pty_type(f.pty, "look\r");
    vt_expect(f.vt, "inbox 1!");
    pty_type(f.pty, "\x1b");
    vt_expect(f.vt, "i inbox");
    pty_type(f.pty, "i");
    vt_expect(f.vt, "\\[y\\] once");
    check(name);
    quit();
}

/* One provider fails, the other answers: one line says so, at the first time only. */
static void stand_in_at(int cols, int rows, const char *name) {
    f.fake = fake_start("{\"rules\":[{\"match\":{\"model\":\"alpha\"},\"faults\":{\"status\":529}},"
                        "{\"match\":{\"last_user_contains\":\"And now\"},"
                        "\"respond\":[{\"text\":\"It still is.\"}]},"
                        "{\"respond\":[{\"text\":\"All is well.\"}]}]}");
    f.home = tmphome_new(f.fake);
    char *config =
        xasprintf("routing = { channel = \"anthropic/alpha\"; rate_limit_cooldown_secs = 86400;\n"
                  "  fallbacks = ( { then = [ \"chat/beta\" ]; } ); };\n"
                  "providers = ( { id = \"chat\"; api = \"openai_completions\"; base_url = \"%s\"; "
                  "api_key = \"k\"; } );\n",
                  fake_url(f.fake));
    tmphome_config(f.home, config);
    x_free(&config);
    open_screen(cols, rows);
    pty_type(f.pty, "How is it?\r");
    vt_expect(f.vt, "All is well\\.");
    vt_expect(f.vt, "0 running");
    pty_type(f.pty, "And now?\r");
    vt_expect(f.vt, "It still is\\.");
    vt_expect(f.vt, "0 running");
    vt_expect_gone(f.vt, "# inbox +[0-9]"); /* seen */
    check(name);
    quit();
}

static void a_stand_in_80x24(void **state) {
    (void)state;
    stand_in_at(80, 24, "stand-in-80x24");
}

static void a_stand_in_200x50(void **state) {
    (void)state;
    stand_in_at(200, 50, "stand-in-200x50");
}

static void the_inbox_80x24(void **state) {
    (void)state;
    inbox_at(80, 24, "inbox-80x24");
}

static void the_inbox_200x50(void **state) {
    (void)state;
    inbox_at(200, 50, "inbox-200x50");
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_screen_without_a_key),
        TEST(the_first_screen),
        TEST(a_conversation_80x24),
        TEST(a_conversation_200x50),
        TEST(a_conversation_50x12),
        TEST(a_failed_call),
        TEST(a_stand_in_80x24),
        TEST(a_stand_in_200x50),
        TEST(the_inbox_80x24),
        TEST(the_inbox_200x50),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
