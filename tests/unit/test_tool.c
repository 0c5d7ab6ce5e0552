/* Tool calls: arguments refused with words, results bounded, files held to the workspace. Jobs run
 * inline. */
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

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tools/tool.h"

struct fixture {
    struct loop *loop;
    struct job_pool *jobs;
    struct sandbox *sandbox;
    struct tool_host host;
    char dir[64], *workspace;
    /* the last result */
    bool done, is_error;
    char *text;
    size_t n;
};

static void on_done(void *arg, struct tool_call *c, bool is_error, const char *text, size_t n) {
    struct fixture *f = arg;
    assert_false(f->done);
    f->done = true;
    f->is_error = is_error;
    f->text = xstrndup(text, n);
    f->n = n;
    tool_call_free(&c);
}

static void nothing(void *arg) { (void)arg; }

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    struct cause why;
    strcpy(f->dir, "/tmp/test-tool-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    char *w = xasprintf("%s/ws", f->dir), *h = xasprintf("%s/home", f->dir);
    assert_int_equal(mkdir(w, 0700), 0);
    assert_int_equal(mkdir(h, 0700), 0);
    f->loop = loop_new(LOOP_REAL);
    f->jobs = job_pool_new(f->loop, 1, 16);
    const struct sandbox_config config = {
        .launcher = "/bin/false", .home = NULL, .spacebot_home = h, .required = true};
    assert_int_equal(sandbox_new(f->loop, &config, nothing, NULL, &f->sandbox, &why), STATUS_OK);
    assert_int_equal(sandbox_workspace(f->sandbox, w, &f->workspace, &why), STATUS_OK);
    f->host = (struct tool_host){
        .loop = f->loop, .jobs = f->jobs, .sandbox = f->sandbox, .shell_secs = 5};
    x_free(&w);
    x_free(&h);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    char *cmd = xasprintf("rm -rf %s", f->dir);
    x_free(&f->text);
    x_free(&f->workspace);
    sandbox_free(&f->sandbox);
    job_pool_free(&f->jobs);
    child_shutdown();
    loop_free(&f->loop);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&f);
    return 0;
}

static struct tool_call *prepare(struct fixture *f, enum tool_id id, const char *input) {
    struct tool_call *c = NULL;
    struct cause why;
    x_free(&f->text);
    f->done = false;
    assert_int_equal(tool_call_new(tool_get(id), &f->host, f->workspace, "c1", input, &c, &why),
                     STATUS_OK);
    c->arg = f;
    c->on_done = on_done;
    return c;
}

static const char *call(struct fixture *f, enum tool_id id, const char *input) {
    tool_call_start(prepare(f, id, input));
    while (!f->done)
        loop_turn(f->loop, 5 * NS_PER_SEC);
    return f->text;
}

static void refused(const char *input, const char *message) {
    struct tool_call *c = NULL;
    struct cause why;
    struct tool_host host = {0};
    assert_int_not_equal(tool_call_new(tool_get(TOOL_SHELL), &host, "/", "c1", input, &c, &why),
                         STATUS_OK);
    assert_null(c);
    if (!strstr(why.text, message))
        fail_msg("\"%s\" does not say \"%s\"", why.text, message);
}

static void bad_arguments_are_told_in_words(void **state) {
    (void)state;
    refused("", "shell: command is missing");
    refused("{", "shell: the arguments are not valid JSON");
    refused("[]", "must be an object");
    refused("{\"command\":5}", "command must be a string, not a number");
    refused("{\"command\":\"\"}", "command must be at least 1 characters long");
    refused("{\"command\":\"true\",\"timeout_second\":5}",
            "timeout_second is not known here; did you mean \"timeout_seconds\"");
    refused("{\"command\":\"true\",\"timeout_seconds\":0}", "at least 1");
    refused("{\"command\":\"true\",\"timeout_seconds\":1801}", "at most 1800");
}

static void write_read_list(void **state) {
    struct fixture *f = *state;
    assert_string_equal(
        call(f, TOOL_FILE_WRITE, "{\"path\":\"a/b/c.txt\",\"content\":\"one\\ntwo\\nthree\\n\"}"),
        "created a/b/c.txt, 14 bytes");
    assert_string_equal(call(f, TOOL_FILE_READ, "{\"path\":\"a/b/c.txt\"}"), "one\ntwo\nthree\n");
    assert_string_equal(
        call(f, TOOL_FILE_READ, "{\"path\":\"a/b/c.txt\",\"offset\":2,\"limit\":\"1\"}"),
        "     2\ttwo\n");
    assert_string_equal(call(f, TOOL_FILE_READ, "{\"path\":\"a/b/c.txt\",\"offset\":9}"),
                        "[the file has no such line]");
    assert_string_equal(call(f, TOOL_FILE_WRITE, "{\"path\":\"a/b/c.txt\",\"content\":\"\"}"),
                        "replaced a/b/c.txt, 0 bytes");
    assert_string_equal(call(f, TOOL_FILE_READ, "{\"path\":\"a/b/c.txt\"}"), "[the file is empty]");
    assert_string_equal(call(f, TOOL_FILE_LIST, "{}"), "a/\n");
    assert_string_equal(call(f, TOOL_FILE_LIST, "{\"path\":\"a/b\"}"), "c.txt  0 bytes\n");
    assert_false(f->is_error);
}

static void what_is_outside_stays_outside(void **state) {
    struct fixture *f = *state;
    char *link = xasprintf("%s/ws/link", f->dir), *secret = xasprintf("%s/home/secret", f->dir);
    FILE *s = fopen(secret, "w");
    assert_non_null(s);
    fputs("secret", s);
    fclose(s);
    assert_int_equal(symlink(secret, link), 0);
    static const char *const paths[] = {"../home/secret", "/etc/passwd", "link",
                                        "a/../../home/secret"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char *input = xasprintf("{\"path\":\"%s\"}", paths[i]);
        call(f, TOOL_FILE_READ, input);
        assert_true(f->is_error);
        assert_null(strstr(f->text, "secret\n"));
        x_free(&input);
        input = xasprintf("{\"path\":\"%s\",\"content\":\"gone\"}", paths[i]);
        call(f, TOOL_FILE_WRITE, input);
        assert_true(f->is_error);
        x_free(&input);
    }
    char content[16] = "";
    s = fopen(secret, "r");
    assert_non_null(fgets(content, sizeof content, s));
    fclose(s);
    assert_string_equal(content, "secret");
    x_free(&link);
    x_free(&secret);
}

static void errors_name_the_remedy(void **state) {
    struct fixture *f = *state;
    assert_non_null(strstr(call(f, TOOL_FILE_READ, "{\"path\":\"none\"}"), "does not exist"));
    assert_true(f->is_error);
    assert_non_null(strstr(call(f, TOOL_FILE_READ, "{\"path\":\".\"}"), "use file_list"));
    assert_non_null(
        strstr(call(f, TOOL_FILE_WRITE, "{\"path\":\"x/\",\"content\":\"\"}"), "name of a file"));
    call(f, TOOL_FILE_WRITE, "{\"path\":\"bin\",\"content\":\"ok\"}");
    char *path = xasprintf("%s/ws/bin", f->dir);
    FILE *s = fopen(path, "w");
    fwrite("a\0b", 1, 3, s);
    fclose(s);
    x_free(&path);
    assert_non_null(strstr(call(f, TOOL_FILE_READ, "{\"path\":\"bin\"}"), "not text"));
    assert_true(f->is_error);
}

static void results_are_bounded(void **state) {
    struct fixture *f = *state;
    char *path = xasprintf("%s/ws/big", f->dir);
    FILE *s = fopen(path, "w");
    for (int i = 0; i < 100000; i++)
        fputs("€uro\n", s);
    fclose(s);
    x_free(&path);
    call(f, TOOL_FILE_READ, "{\"path\":\"big\"}");
    assert_true(f->n <= TOOL_RESULT_MAX);
    assert_true(utf8_valid(f->text, f->n));
    assert_non_null(strstr(f->text, "read on with offset"));
    struct tool_call *c = prepare(f, TOOL_SKIP, "{}");
    char *big = xmalloc(200001);
    memset(big, 'x', 200000);
    big[200000] = '\0';
    tool_call_done(c, false, big, 200000);
    assert_true(f->n <= TOOL_RESULT_MAX);
    assert_non_null(strstr(f->text, "of 200000 bytes shown"));
    x_free(&big);
}

static void a_cancelled_job_answers_nobody(void **state) {
    struct fixture *f = *state;
    struct tool_call *c = prepare(f, TOOL_FILE_LIST, "{}");
    tool_call_start(c);
    tool_call_free(&c);
    int64_t end = clock_mono_ns() + NS_PER_SEC / 20;
    while (clock_mono_ns() < end)
        loop_turn(f->loop, NS_PER_MS);
    assert_false(f->done);
}

static void no_shell_without_containment(void **state) {
    struct fixture *f = *state; /* its launcher is no launcher: nothing can contain */
    while (!sandbox_ready(f->sandbox))
        loop_turn(f->loop, 5 * NS_PER_SEC);
    const char *text = call(f, TOOL_SHELL, "{\"command\":\"echo hello\"}");
    assert_true(f->is_error);
    assert_non_null(strstr(text, "not run"));
    assert_null(strstr(text, "hello"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_arguments_are_told_in_words),
        cmocka_unit_test_setup_teardown(write_read_list, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_outside_stays_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_name_the_remedy, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_job_answers_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(no_shell_without_containment, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
