/* :undo and :redo with the real program: a worker changes files, a person takes that back on the
 * screen, and what somebody else did meanwhile is left as it is and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "tests/lib/fake.h"
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
};
static struct fixture f;

static int teardown(void **state) {
    (void)state;
    pty_free(&f.pty);
    vt_free(&f.vt);
    tmphome_free(&f.home);
    fake_stop(&f.fake);
    memset(&f, 0, sizeof f);
    return 0;
}

/* A worker replaces a file, changes a passage of another, and makes a third. */
#define SCENE_CHANGE                                                                               \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"has come back\",\"step\":0},"          \
    "\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":"                                    \
    "{\"content\":\"All of it is changed.\"}}}]},"                                                 \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"change them\",\"step\":0},"            \
    "\"respond\":[{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":"                             \
    "{\"task\":\"Change the files.\"}}}]},"                                                        \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"change them\",\"step\":1},"            \
    "\"respond\":[{\"tool_use\":{\"name\":\"skip\",\"input\":{}}}]},"                              \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Change the files\",\"step\":0},"        \
    "\"respond\":[{\"tool_use\":{\"name\":\"file_write\",\"input\":"                               \
    "{\"path\":\"a.txt\",\"content\":\"new a\\n\"}}},"                                             \
    "{\"tool_use\":{\"name\":\"file_edit\",\"input\":"                                             \
    "{\"path\":\"b.txt\",\"old_string\":\"old b\",\"new_string\":\"new b\"}}},"                    \
    "{\"tool_use\":{\"name\":\"file_write\",\"input\":"                                            \
    "{\"path\":\"sub/c.txt\",\"content\":\"new c\\n\"}}}]},"                                       \
    "{\"match\":{" SCENE_WORKER ",\"last_user_contains\":\"Change the files\",\"step\":1},"        \
    "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"                               \
    "{\"status\":\"three files\",\"kind\":\"outcome\"}}}]},"                                       \
    "{\"match\":{" SCENE_WORKER "},\"respond\":[{\"text\":\"Done.\"}]}"

static void open_screen(void) {
    f.vt = vt_new(100, 40);
    f.pty = tmphome_screen(f.home, ARGS(), 100, 40);
    vt_attach(f.vt, f.pty);
    vt_expect(f.vt, "^> *$");
}

static void put(const char *name, const char *text) {
    char *path = xasprintf("home/workspace/%s", name);
    tmphome_file(f.home, path, text);
    x_free(&path);
}

/* NULL: it is not there. */
static void holds(const char *name, const char *text) {
    char *path = xasprintf("home/workspace/%s", name), *got = tmphome_read(f.home, path);
    if (text && got)
        assert_string_equal(got, text);
    else
        assert_true(!text && !got);
    x_free(&got);
    x_free(&path);
}

static void start_changed(void) {
    f.fake = fake_start(SCENE(SCENE_CHANGE));
    f.home = tmphome_new(f.fake);
    put("a.txt", "old a\n");
    put("b.txt", "first\nold b\n");
    open_screen();
    pty_type(f.pty, "change them\r");
    vt_expect(f.vt, "All of it is changed\\.");
    holds("a.txt", "new a\n");
    holds("b.txt", "first\nnew b\n");
    holds("sub/c.txt", "new c\n");
}

static void command(const char *name) {
    pty_type(f.pty, ":");
    vt_expect(f.vt, "^: *$");
    pty_type(f.pty, name);
    pty_type(f.pty, "\r");
}

static void a_request_is_taken_back_and_what_others_did_is_left(void **state) {
    (void)state;
    start_changed();
    put("b.txt", "mine\n");
    command("undo");
    vt_expect(f.vt, "undo: 2 of 3 files, change them; :undo force takes what something else");
    vt_expect(f.vt, "undone, what was changed for \"change them\":");
    vt_expect(f.vt, "restored a\\.txt");
    vt_expect(f.vt, "refused b\\.txt: something else changed it since; what it held");
    vt_expect(f.vt, "removed sub/c\\.txt");
    holds("a.txt", "old a\n");
    holds("b.txt", "mine\n");
    holds("sub/c.txt", NULL);

    command("redo");
    vt_expect(f.vt, "redo: 2 of 2 files, change them");
    holds("a.txt", "new a\n");
    holds("b.txt", "mine\n");
    holds("sub/c.txt", "new c\n");
    command("redo");
    vt_expect(f.vt, "nothing to redo in inbox: no undo is left");

    command("undo");
    vt_expect(f.vt, "undo: 2 of 2 files, change them; :redo takes that back");
    command("undo");
    vt_expect(f.vt, "nothing to undo in inbox; undo by force takes what was refused before");
    holds("b.txt", "mine\n");
    command("undo force");
    vt_expect(f.vt, "undo: 1 of 1 file, change them");
    holds("a.txt", "old a\n");
    holds("b.txt", "first\nold b\n");
    command("redo"); /* what was forced away can be had again */
    vt_expect(f.vt, "redo: 1 of 1 file, change them");
    holds("b.txt", "mine\n");
    fake_assert_clean(f.fake);
}

/* What is kept of the files outlives an engine that is killed. */
static void it_is_taken_back_after_a_crash(void **state) {
    (void)state;
    start_changed();
    pid_t engine = tmphome_engine(f.home);
    assert_true(engine > 0);
    assert_int_equal(kill(engine, SIGKILL), 0);
    assert_true(pty_wait_exit(f.pty, WAIT_MS));
    pty_free(&f.pty);
    vt_free(&f.vt);
    tmphome_expect_quiet(f.home, WAIT_MS);
    open_screen();
    command("undo");
    vt_expect(f.vt, "undo: 3 of 3 files, change them; :redo takes that back");
    holds("a.txt", "old a\n");
    holds("b.txt", "first\nold b\n");
    holds("sub/c.txt", NULL);
    command("redo");
    vt_expect(f.vt, "redo: 3 of 3 files, change them");
    holds("a.txt", "new a\n");
    holds("b.txt", "first\nnew b\n");
    holds("sub/c.txt", "new c\n");
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_taken_back_and_what_others_did_is_left),
        TEST(it_is_taken_back_after_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
