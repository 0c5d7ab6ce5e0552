/* The wall in the real program on a real pseudo-terminal: many processes at once, each seen to move
 * while it works, whatever is done to the screen meanwhile; and a hundred of them, still readable.
 * Every step of every process waits at a gate, so that nothing here depends on how fast a machine
 * is. */
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

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/pty.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"

#define JOBS 8
#define CANCELLED 8 /* the job that is */
#define MANY 100
#define INTERRUPT "\x03"
#define ESCAPE "\x1b"

static struct {
    struct fake *fake;
    struct tmphome *home;
    struct pty *pty;
    struct vt *vt;
} f;

static const char *const thoughts[] = {"alpha", "gamma"};

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

/* ---- the scenario ---------------------------------------------------------------------------- */

#define IS_CHANNEL "\"has_tool\":\"reply\""
#define NOT_CHANNEL "\"lacks_tool\":\"reply\""

/* A worker says a line, waits, says another, waits, and says the last. */
static void job_rules(struct buf *b, int job) {
    buf_printf(b,
               "{\"match\":{" NOT_CHANNEL ",\"last_user_contains\":\"Job %d:\",\"step\":0},"
               "\"respond\":[{\"tool_use\":{\"name\":\"shell\",\"input\":{\"command\":"
               "\"echo first of 'job' %d; cat gate%da; echo second of 'job' %d; cat gate%db; "
               "echo third of 'job' %d\"}}}]},",
               job, job, job, job, job, job);
    buf_printf(b,
               "{\"match\":{" NOT_CHANNEL ",\"last_user_contains\":\"Job %d:\",\"step\":1},"
               "\"respond\":[{\"tool_use\":{\"name\":\"set_status\",\"input\":"
               "{\"status\":\"job %d is over\",\"kind\":\"outcome\"}}}]},"
               "{\"match\":{" NOT_CHANNEL ",\"last_user_contains\":\"Job %d:\",\"step\":2},"
               "\"respond\":[{\"text\":\"Done.\"}]},",
               job, job, job);
}

/* A branch begins to write, waits, looks at the folder, writes on, waits, and concludes. The words
 * before a gate are one delta, up to a comma: a letter that a key begins with would be held back
 * until the next one is there. */
static void thought_rules(struct buf *b, const char *name) {
    buf_printf(b,
               "{\"match\":{" NOT_CHANNEL ",\"last_user_contains\":\"Think of %s\",\"step\":0},"
               "\"respond\":[{\"text\":\"%s begins, and looks.\"},{\"tool_use\":{\"name\":"
               "\"file_list\",\"input\":{\"path\":\".\"}}}],\"delta_chars\":13,"
               "\"faults\":{\"hold\":\"%s-1\",\"hold_after_events\":4}},",
               name, name, name);
    buf_printf(b,
               "{\"match\":{" NOT_CHANNEL ",\"last_user_contains\":\"Think of %s\",\"step\":1},"
               "\"respond\":[{\"text\":\"%s onward, it ends.\"}],\"delta_chars\":13,"
               "\"faults\":{\"hold\":\"%s-2\",\"hold_after_events\":4}},",
               name, name, name);
}

static char *crowd_scenario(void) {
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"rules\":[");
    for (int job = 1; job <= JOBS; job++)
        job_rules(&b, job);
    for (size_t i = 0; i < ARRAY_LEN(thoughts); i++)
        thought_rules(&b, thoughts[i]);
    buf_puts(&b, "{\"match\":{" IS_CHANNEL ",\"last_user_contains\":\"all at once\",\"step\":0},"
                 "\"respond\":[");
    for (int job = 1; job <= JOBS; job++)
        buf_printf(&b,
                   "{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":{\"task\":\"Job %d: pass "
                   "the gates\"}}},",
                   job);
    for (size_t i = 0; i < ARRAY_LEN(thoughts); i++)
        buf_printf(
            &b,
            "%s{\"tool_use\":{\"name\":\"branch\",\"input\":{\"description\":\"Think of %s\"}}}",
            i ? "," : "", thoughts[i]);
    buf_puts(&b, "]},{\"match\":{" IS_CHANNEL "},\"respond\":[{\"tool_use\":{\"name\":\"reply\","
                 "\"input\":{\"content\":\"So it is.\"}}}]}]}");
    return buf_steal(&b);
}

/* All workers wait at one gate in the middle of a sentence. */
static char *many_scenario(void) {
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"rules\":[{\"match\":{" NOT_CHANNEL ",\"last_user_contains\":\"Part\"},"
                 "\"respond\":[{\"text\":\"Half of a long way.\"}],\"delta_chars\":9,"
                 "\"faults\":{\"hold\":\"many\",\"hold_after_events\":4}},"
                 "{\"match\":{" IS_CHANNEL ",\"last_user_contains\":\"a hundred\",\"step\":0},"
                 "\"respond\":[");
    for (int i = 1; i <= MANY; i++)
        buf_printf(
            &b, "%s{\"tool_use\":{\"name\":\"spawn_worker\",\"input\":{\"task\":\"Part %03d\"}}}",
            i > 1 ? "," : "", i);
    buf_puts(&b, "]},{\"match\":{" IS_CHANNEL "},\"respond\":[{\"tool_use\":{\"name\":\"reply\","
                 "\"input\":{\"content\":\"So it is.\"}}}]}]}");
    return buf_steal(&b);
}

static void start(char *scenario) {
    f.fake = fake_start(scenario);
    free(scenario);
    f.home = tmphome_new(f.fake);
}

static void open_screen(int cols, int rows) {
    f.vt = vt_new(cols, rows);
    f.pty = tmphome_screen(f.home, ARGS(), cols, rows);
    vt_attach(f.vt, f.pty);
    vt_expect(f.vt, "^.*> *$|> *│");
    vt_expect(f.vt, "\\? help");
}

/* ---- gates ----------------------------------------------------------------------------------- */

static char *gate(int job, char which) {
    return xasprintf("%s/gate%d%c", f.home->workspace, job, which);
}

static void make_gates(void) {
    for (int job = 1; job <= JOBS; job++) {
        for (char which = 'a'; which <= 'b'; which++) {
            char *path = gate(job, which);
            assert_int_equal(mkfifo(path, 0600), 0);
            x_free(&path);
        }
    }
}

/* The command may not have come to the gate yet: a pipe without a reader cannot be opened for
 * writing. */
static void open_gate(int job, char which) {
    char *path = gate(job, which);
    int64_t deadline = wait_until(WAIT_MS);
    int fd;
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && wait_left(deadline))
        (void)pty_pump(f.pty, wait_until(2));
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
    x_free(&path);
}

static void release(const char *thought, int which) {
    char *name = xasprintf("%s-%d", thought, which);
    fake_release(f.fake, name);
    x_free(&name);
}

/* ---- what is seen ---------------------------------------------------------------------------- */

static void expect(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void expect(const char *fmt, ...) {
    va_list ap;
    struct buf b = BUF_INIT;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    vt_expect(f.vt, buf_str(&b));
    buf_free(&b);
}

static void fail_with_screen(const char *what) {
    char *shown = vt_dump(f.vt);
    fprintf(stderr, "%s\n%s\n", what, shown);
    free(shown);
    fail();
}

/* The words stand in the pane whose header has that name: below it, and not right of its end. */
static void expect_in_pane(const char *name, const char *words) {
    int row, col, at_row, at_col;
    expect("%s", words);
    if (!vt_find(f.vt, name, &row, &col) || !vt_find(f.vt, words, &at_row, &at_col) ||
        at_row <= row || at_row > row + 12 || at_col < col - 4 || at_col > col + 60) {
        char *what = xasprintf("\"%s\" is not in the pane of %s", words, name);
        fail_with_screen(what);
    }
}

static void expect_jobs(const char *which, int last) {
    for (int job = 1; job <= last; job++) {
        char *name = xasprintf("Job %d:", job), *words = xasprintf("%s of job %d", which, job);
        expect_in_pane(name, words);
        x_free(&name);
        x_free(&words);
    }
}

static void expect_thoughts(const char *words) {
    for (size_t i = 0; i < ARRAY_LEN(thoughts); i++) {
        char *name = xasprintf("Think of %s", thoughts[i]);
        char *all = xasprintf("%s %s", thoughts[i], words);
        expect_in_pane(name, all);
        x_free(&name);
        x_free(&all);
    }
}

/* The row under the cursor has these words. */
static bool on_cursor(void *arg) {
    int row, col;
    return vt_find(f.vt, arg, &row, &col) && vt_cell(f.vt, row, col).reverse;
}

static void expect_under_cursor(char *words) {
    if (!pty_pump_until(f.pty, on_cursor, words, WAIT_MS))
        fail_with_screen(words);
}

static void quit(void) {
    pty_type(f.pty, INTERRUPT);
    pty_type(f.pty, INTERRUPT);
    if (!pty_wait_exit(f.pty, WAIT_MS))
        fail_with_screen("the screen does not close");
    assert_int_equal(pty_code(f.pty), 0);
    struct termios before = pty_modes_before(f.pty), after = pty_modes(f.pty);
    assert_true(pty_modes_equal(&before, &after));
    assert_false(vt_altscreen(f.vt));
    int row, col;
    bool visible;
    vt_cursor(f.vt, &row, &col, &visible);
    assert_true(visible);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void ten_at_once(void **state) {
    (void)state;
    start(crowd_scenario());
    make_gates();
    open_screen(200, 50);
    pty_type(f.pty, "all at once\r");
    expect("%d running", JOBS + 2);

    /* All of them, side by side, each at its first word; then each at its second. */
    pty_type(f.pty, ESCAPE);
    vt_expect(f.vt, "w wall");
    pty_type(f.pty, "w");
    expect_jobs("first", JOBS);
    expect_thoughts("begins");
    assert_false(vt_matches(f.vt, "second of job"));
    for (int job = 1; job <= JOBS; job++)
        open_gate(job, 'a');
    for (size_t i = 0; i < ARRAY_LEN(thoughts); i++)
        release(thoughts[i], 1);
    expect_jobs("second", JOBS);
    expect_thoughts("onward");
    expect("%d running", JOBS + 2);

    /* One alone. */
    pty_type(f.pty, "w\t\t");
    vt_expect(f.vt, "z zoom");
    pty_type(f.pty, "z");
    vt_expect_gone(f.vt, "of job 2");
    int row, col;
    assert_true(vt_find(f.vt, "Job 1:", &row, &col));
    assert_true(row == 1 && col < 6);

    /* A search in it, and a resize in the middle. */
    pty_type(f.pty, "/first of\r");
    expect_under_cursor("first of job 1");
    vt_resize(f.vt, 80, 24);
    vt_expect(f.vt, "^.{80}$");
    expect_under_cursor("first of job 1");
    pty_type(f.pty, "z");
    vt_expect(f.vt, "Job 2:"); /* all of them again, on the smaller screen */
    expect("%d running", JOBS + 2);

    /* One is cancelled: the tenth from the beginning is the second branch. */
    pty_type(f.pty, "wGhh");
    pty_type(f.pty, "x");
    expect("x again cancels worker Job %d:", CANCELLED);
    pty_type(f.pty, "x");
    expect("Job %d:.*cancelled", CANCELLED);
    expect("%d running", JOBS + 1);

    /* The others go on to their ends. */
    for (int job = 1; job <= JOBS; job++)
        if (job != CANCELLED)
            open_gate(job, 'b');
    for (size_t i = 0; i < ARRAY_LEN(thoughts); i++)
        release(thoughts[i], 2);
    vt_expect(f.vt, " 0 running");
    for (int job = 1; job <= JOBS; job++)
        if (job != CANCELLED)
            expect("Job %d:.*succeeded", job);
    expect_thoughts("onward, it ends");
    quit();
    fake_assert_clean(f.fake);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

static void a_hundred_at_once(void **state) {
    (void)state;
    start(many_scenario());
    tmphome_config(f.home, "limits = { workers = 120; };\n");
    open_screen(200, 50);
    pty_type(f.pty, "a hundred\r");
    expect("%d running", MANY);
    vt_expect(f.vt, "[+]92 more"); /* eight have panes of their own */
    pty_type(f.pty, ESCAPE);
    vt_expect(f.vt, "w wall");
    pty_type(f.pty, "w");
    for (int i = 1; i <= MANY; i++) /* every one of them, by name */
        expect("Part %03d", i);
    vt_resize(f.vt, 80, 24); /* as many as have a row, the rest counted, and a key away */
    expect("and [0-9]+ more: t shows all %d, a row each", MANY);
    vt_expect(f.vt, "Part 030");
    pty_type(f.pty, "t");
    vt_expect(f.vt, "^KIND NAME");
    vt_expect(f.vt, "thinking");
    pty_type(f.pty, "G");
    expect("Part %03d", MANY);
    fake_release(f.fake, "many");
    vt_expect(f.vt, " 0 running");
    quit();
    tmphome_expect_quiet(f.home, WAIT_MS);
}

/* All eight have a pane on the screen, with a header and at least a row of what they do. */
static bool eight_panes(void *arg) {
    int row, col;
    (void)arg;
    for (int part = 1; part <= 8; part++) {
        char *header = xasprintf("─ * part %d of", part);
        bool there = vt_find(f.vt, header, &row, &col);
        x_free(&header);
        if (!there)
            return false;
        struct vt_cell below = vt_cell(f.vt, row + 1, col + 2),
                       right = vt_cell(f.vt, row + 1, col + 8);
        if (!below.text[0] && !right.text[0])
            return false;
    }
    return true;
}

/* A newcomer without a key types the one sentence that the screen suggests, as it stands there. */
static void the_sentence_on_the_first_screen(void **state) {
    (void)state;
    static const char begin[] = "  start ";
    f.home = tmphome_new(NULL);
    open_screen(80, 24);
    int row, col;
    vt_expect(f.vt, begin);
    assert_true(vt_find(f.vt, begin, &row, &col));
    char *line = vt_row(f.vt, row);
    const char *sentence = strstr(line, begin) + 2;
    pty_type(f.pty, sentence);
    pty_type(f.pty, "\r");
    free(line);
    if (!pty_pump_until(f.pty, eight_panes, NULL, WAIT_MS))
        fail_with_screen("there are no eight panes");
    quit(); /* the work goes on, which takes its time */
    struct run *stop = tmphome_spacebot(f.home, ARGS("stop"), NULL);
    run_expect_code(stop, 0);
    run_free(&stop);
    tmphome_expect_quiet(f.home, WAIT_MS);
}

/* W: the whole way from the question to the reply, and from there to who did the work. */
static void what_led_to_a_reply(void **state) {
    (void)state;
    f.home = tmphome_new(NULL);
    tmphome_file(f.home, "scene.json", "{\"chunk_ms\":0,\"work_ms\":0,\"rules\":[]}");
    char *scene = xasprintf("%s/scene.json", f.home->dir);
    tmphome_setenv(f.home, "SPACEBOT_REHEARSAL", scene);
    x_free(&scene);
    scene_numbers(f.home, 10);
    open_screen(120, 40);
    vt_expect(f.vt, "  start ");
    pty_type(f.pty, "start 2 workers that count the lines in this folder\r");
    vt_expect(f.vt, "Together");
    pty_type(f.pty, ESCAPE);
    vt_expect(f.vt, "W why");
    pty_type(f.pty, "W");
    vt_expect(f.vt, "replied after .*first word .* calls");
    vt_expect(f.vt, "you start 2 workers");
    vt_expect(f.vt, "\\* part 1 of 2.*succeeded");
    vt_expect(f.vt, "\\* part 2 of 2.*succeeded");
    vt_expect(f.vt, "shell .* ok");
    vt_expect(f.vt, "# results of part ");
    pty_type(f.pty, "gjj");
    expect_under_cursor("part 1 of 2");
    pty_type(f.pty, "\r");
    vt_expect_gone(f.vt, "replied after");
    vt_expect(f.vt, "^\\* part 1 of 2");
    pty_type(f.pty, "W"); /* of a worker: the reply that tells of it */
    vt_expect(f.vt, "replied after");
    pty_type(f.pty, "W");
    vt_expect_gone(f.vt, "replied after");
    quit();
    tmphome_expect_quiet(f.home, WAIT_MS);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(ten_at_once),
        TEST(a_hundred_at_once),
        TEST(the_sentence_on_the_first_screen),
        TEST(what_led_to_a_reply),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
