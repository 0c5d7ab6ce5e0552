/* The shell tool and a command that waits for an answer: real children, a clock that moves only
 * when it is told to. What a command prints, and that containment holds, is tested elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/tool.h"

struct fixture {
    struct loop *loop;
    struct sandbox *sandbox;
    struct tool_host host;
    char dir[64], *workspace, *launcher;
    struct tool_call *call;
    bool is_error;
    char *text;         /* the result; NULL: none yet */
    struct buf on_line; /* what was shown */
};

static void nothing(void *arg) { (void)arg; }

/* The launcher: named by make check, or beside this program's directory. */
static char *launcher_path(void) {
    const char *named = getenv("SPACEBOT_RUN");
    char self[PATH_MAX];
    if (named)
        return xstrdup(named);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(self, '/') = '\0';
    return xasprintf("%s/spacebot-run", self);
}

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    struct cause why;
    strcpy(f->dir, "/tmp/test-shell-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    char *w = xasprintf("%s/ws", f->dir), *h = xasprintf("%s/home", f->dir);
    assert_int_equal(mkdir(w, 0700), 0);
    assert_int_equal(mkdir(h, 0700), 0);
    f->loop = loop_new(LOOP_INLINE);
    loop_hold_clock(f->loop, true);
    f->launcher = launcher_path();
    const struct sandbox_config config = {.launcher = f->launcher, .spacebot_home = h};
    assert_int_equal(sandbox_new(f->loop, &config, nothing, NULL, &f->sandbox, &why), STATUS_OK);
    assert_int_equal(sandbox_workspace(f->sandbox, w, &f->workspace, &why), STATUS_OK);
    f->host = (struct tool_host){.loop = f->loop, .sandbox = f->sandbox, .shell_secs = 60};
    x_free(&w);
    x_free(&h);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    char *cmd = xasprintf("rm -rf %s", f->dir);
    tool_call_free(&f->call);
    x_free(&f->text);
    x_free(&f->workspace);
    x_free(&f->launcher);
    buf_free(&f->on_line);
    sandbox_free(&f->sandbox);
    child_shutdown();
    loop_free(&f->loop);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&f);
    return 0;
}

static void on_output(void *arg, struct tool_call *c, int stream, const char *line, size_t n) {
    struct fixture *f = arg;
    (void)c;
    (void)stream;
    buf_append(&f->on_line, line, n);
    buf_putc(&f->on_line, '\n');
}

static void on_done(void *arg, struct tool_call *c, bool is_error, const char *text, size_t n) {
    struct fixture *f = arg;
    assert_null(f->text);
    f->is_error = is_error;
    f->text = xstrndup(text, n);
    tool_call_free(&c);
    f->call = NULL;
}

static void begin(struct fixture *f, const char *command) {
    cJSON *args = json_new_obj();
    struct cause why;
    cJSON_AddStringToObject(args, "command", command);
    char *input = json_print(args);
    if (tool_call_new(tool_get(TOOL_SHELL), &f->host, f->workspace, "c1", input, &f->call, &why) !=
        STATUS_OK)
        fail_msg("%s", why.text);
    f->call->arg = f;
    f->call->on_output = on_output;
    f->call->on_done = on_done;
    f->call->uncontained = true;
    tool_call_start(f->call);
    x_free(&input);
    cJSON_Delete(args);
}

/* What it printed before that has been read, too. */
static void until_shown(struct fixture *f, const char *what) {
    while (!f->text && !strstr(buf_str(&f->on_line), what))
        loop_turn(f->loop, NS_PER_SEC);
    if (f->text)
        fail_msg("it has ended: %s", f->text);
    for (int i = 0; i < 3; i++)
        loop_turn(f->loop, 0); /* both streams were ready */
}

static void pass(struct fixture *f, int64_t ms) {
    clock_advance(ms * NS_PER_MS);
    for (int i = 0; i < 3; i++)
        loop_turn(f->loop, 0);
}

static void until_done(struct fixture *f) {
    int64_t end = clock_real_mono_ns() + 60 * NS_PER_SEC;
    while (!f->text && clock_real_mono_ns() < end)
        loop_turn(f->loop, NS_PER_SEC);
    assert_non_null(f->text);
}

static void holds(struct fixture *f, const char *what) {
    if (!strstr(f->text, what))
        fail_msg("\"%s\" does not say \"%s\"", f->text, what);
}

/* A pipe with a name: the command waits at it until it is let go on. */
static void gate(struct fixture *f, const char *name) {
    char *path = xasprintf("%s/ws/%s", f->dir, name);
    assert_int_equal(mkfifo(path, 0600), 0);
    x_free(&path);
}

static void let_go(struct fixture *f, const char *name) {
    char *path = xasprintf("%s/ws/%s", f->dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    x_free(&path);
}

static void a_command_that_asks_is_ended_and_the_model_told(void **state) {
    struct fixture *f = *state;
    begin(f, "echo before; printf 'Overwrite? '; echo ready >&2; exec sleep 1000");
    until_shown(f, "ready");
    pass(f, 4900);
    assert_null(f->text);
    pass(f, 200);
    until_done(f);
    assert_true(f->is_error);
    holds(f, "before\nOverwrite? ");
    holds(f, "[exit code -2, waiting_for_input: true. It printed \"Overwrite? \" and then nothing");
    holds(f, "-y, --yes");
    holds(f, "here-document");
}

static void one_that_works_in_silence_is_left_alone(void **state) {
    struct fixture *f = *state;
    gate(f, "go");
    begin(f, "printf 'Linking: '; echo ready >&2; cat go; echo linked");
    until_shown(f, "ready");
    pass(f, 30000);
    assert_null(f->text);
    let_go(f, "go");
    until_done(f);
    assert_false(f->is_error);
    holds(f, "Linking: linked\n");
}

/* The question was answered, or was none; and what comes on the other stream is no silence. */
static void what_comes_behind_the_question_counts(void **state) {
    struct fixture *f = *state;
    gate(f, "go");
    gate(f, "on");
    begin(f, "printf 'Overwrite? '; echo ready >&2; cat go; echo yes >&2; cat go; echo no; "
             "echo going on >&2; cat on");
    until_shown(f, "ready");
    pass(f, 4900);
    let_go(f, "go");
    until_shown(f, "yes");
    pass(f, 4900);
    let_go(f, "go");
    until_shown(f, "going on");
    pass(f, 30000);
    assert_null(f->text);
    let_go(f, "on");
    until_done(f);
    assert_false(f->is_error);
}

static void input_of_its_own_answers(void **state) {
    struct fixture *f = *state;
    gate(f, "go");
    begin(f, "printf 'y\\n' | { read x; printf 'Overwrite? '; echo ready >&2; cat go; echo $x; }");
    until_shown(f, "ready");
    pass(f, 30000);
    assert_null(f->text);
    let_go(f, "go");
    until_done(f);
    assert_false(f->is_error);
    holds(f, "Overwrite? y\n");
}

/* Its time is over while the watch runs: it is told once, and as that. */
static void the_time_that_is_over_wins(void **state) {
    struct fixture *f = *state;
    f->host.shell_secs = 3;
    begin(f, "printf 'Overwrite? '; echo ready >&2; exec sleep 1000");
    until_shown(f, "ready");
    pass(f, 3100);
    until_done(f);
    holds(f, "timed out after 3 s");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_command_that_asks_is_ended_and_the_model_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_that_works_in_silence_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_behind_the_question_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(input_of_its_own_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(the_time_that_is_over_wins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
