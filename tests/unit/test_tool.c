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

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tools/file_memory.h"
#include "tools/tool.h"

struct fixture {
    struct loop *loop;
    struct job_pool *jobs;
    struct sandbox *sandbox;
    struct tool_host host;
    char dir[64], *workspace;
    struct file_memory *memory; /* of the calls; NULL: none */
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
    c->memory = f->memory;
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

/* --- secrets ------------------------------------------------------------------------------------
 */

struct lines {
    struct buf text;
    bool done;
};

static void on_line(void *arg, struct tool_call *c, int stream, const char *line, size_t n) {
    struct lines *l = arg;
    (void)c;
    assert_null(memchr(line, '\n', n));
    buf_printf(&l->text, "%d:%.*s\n", stream, (int)n, line);
}

static void on_last(void *arg, struct tool_call *c, bool is_error, const char *text, size_t n) {
    struct lines *l = arg;
    assert_false(is_error);
    assert_true(n <= TOOL_RESULT_MAX);
    buf_printf(&l->text, "=%.*s", (int)n, text);
    l->done = true;
    tool_call_free(&c);
}

static void say_line(struct tool_call *c, int stream, const char *line) {
    tool_call_output(c, stream, line, strlen(line));
}

/* On two streams, over several lines, and at the place where a result is cut. */
static void no_secret_leaves_a_tool(void **state) {
    struct fixture *f = *state;
    struct lines l = {0};
    struct tool_call *c = NULL;
    struct cause why;
    assert_int_equal(
        tool_call_new(tool_get(TOOL_FILE_LIST), &f->host, f->workspace, "id", "{}", &c, &why),
        STATUS_OK);
    c->arg = &l;
    c->on_output = on_line;
    c->on_done = on_last;
    say_line(c, 1, "one");
    say_line(c, 1, "-----BEGIN PRIVATE KEY-----");
    say_line(c, 2,
             "AKIA"
             "A2B3C4D5E6F7G2H3 is it");
    say_line(c, 1, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC");
    say_line(c, 1, "-----END PRIVATE KEY-----");
    say_line(c, 1, "");
    say_line(c, 1, "two");
    say_line(c, 2, "-----BEGIN PRIVATE KEY-----");
    char *text = xmalloc(3 * TOOL_RESULT_MAX);
    size_t n = 3 * (size_t)TOOL_RESULT_MAX;
    memset(text, '.', n);
    static const char token[] = "sk-ant-"
                                "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8";
    for (size_t at = 0; at + sizeof token < n; at += 1000)
        memcpy(text + at, token, sizeof token - 1);
    tool_call_done(c, false, text, n);
    assert_true(l.done);
    char *result = strchr(buf_str(&l.text), '=');
    assert_non_null(result);
    assert_null(strstr(result, "aB3dE5"));
    *result = '\0';
    assert_string_equal(buf_str(&l.text), "1:one\n2:[LEAKED_SECRET_REDACTED] is it\n"
                                          "1:[LEAKED_SECRET_REDACTED]\n1:\n1:two\n"
                                          "2:-----BEGIN PRIVATE KEY-----\n");
    free(text);
    buf_free(&l.text);
}

/* --- file_edit ----------------------------------------------------------------------------------
 */

static void put(struct fixture *f, const char *name, const char *text) {
    char *path = xasprintf("%s/ws/%s", f->dir, name);
    FILE *s = fopen(path, "w");
    assert_non_null(s);
    fputs(text, s);
    fclose(s);
    x_free(&path);
}

static void holds(struct fixture *f, const char *name, const char *text) {
    char *path = xasprintf("%s/ws/%s", f->dir, name), got[256] = "";
    FILE *s = fopen(path, "r");
    assert_non_null(s);
    got[fread(got, 1, sizeof got - 1, s)] = '\0';
    fclose(s);
    assert_string_equal(got, text);
    x_free(&path);
}

static void edit_fails(struct fixture *f, const char *input, const char *message) {
    const char *text = call(f, TOOL_FILE_EDIT, input);
    assert_true(f->is_error);
    if (!strstr(text, message))
        fail_msg("\"%s\" does not say \"%s\"", text, message);
}

static void an_edit_changes_one_passage_and_keeps_the_mode(void **state) {
    struct fixture *f = *state;
    char *path = xasprintf("%s/ws/run.sh", f->dir);
    struct stat st;
    put(f, "run.sh", "one\ntwo\nthree\n");
    assert_int_equal(chmod(path, 0750), 0);
    assert_string_equal(call(f, TOOL_FILE_EDIT,
                             "{\"path\":\"run.sh\",\"old_string\":\"two\\nth\","
                             "\"new_string\":\"2\\nTh\"}"),
                        "replaced 1 passage in run.sh (line 2), 12 bytes");
    assert_false(f->is_error);
    holds(f, "run.sh", "one\n2\nThree\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    call(f, TOOL_FILE_EDIT, "{\"path\":\"run.sh\",\"old_string\":\"one\\n\",\"new_string\":\"\"}");
    holds(f, "run.sh", "2\nThree\n");
    x_free(&path);
}

/* What a model has not seen it does not write over. */
static void what_was_changed_meanwhile_is_read_again_first(void **state) {
    struct fixture *f = *state;
    struct file_memory *memory = file_memory_new();
    char *path = xasprintf("%s/a.txt", f->workspace);
    f->memory = memory;
    (void)call(f, TOOL_FILE_WRITE, "{\"path\":\"a.txt\",\"content\":\"one\"}");
    assert_string_equal(call(f, TOOL_FILE_WRITE, "{\"path\":\"./a.txt\",\"content\":\"two\"}"),
                        "replaced ./a.txt, 3 bytes");
    put(f, "a.txt", "somebody else's");
    const char *text = call(f, TOOL_FILE_WRITE, "{\"path\":\"a.txt\",\"content\":\"three\"}");
    assert_true(f->is_error);
    assert_non_null(strstr(text, "changed since you last read or wrote it; read it again"));
    assert_string_equal(call(f, TOOL_FILE_READ, "{\"path\":\"a.txt\"}"), "somebody else's");
    (void)call(f, TOOL_FILE_WRITE, "{\"path\":\"a.txt\",\"content\":\"three\"}");
    assert_false(f->is_error);
    /* An edit shows one passage; the rest has still not been seen. */
    put(f, "a.txt", "three and more");
    (void)call(f, TOOL_FILE_EDIT,
               "{\"path\":\"a.txt\",\"old_string\":\"three\",\"new_string\":\"four\"}");
    assert_false(f->is_error);
    (void)call(f, TOOL_FILE_WRITE, "{\"path\":\"a.txt\",\"content\":\"five\"}");
    assert_true(f->is_error);
    /* What is gone is not written over. */
    assert_int_equal(unlink(path), 0);
    assert_string_equal(call(f, TOOL_FILE_WRITE, "{\"path\":\"a.txt\",\"content\":\"five\"}"),
                        "created a.txt, 4 bytes");
    f->memory = NULL;
    file_memory_free(&memory);
    x_free(&path);
}

static void an_edit_that_fits_nowhere_or_twice_changes_nothing(void **state) {
    struct fixture *f = *state;
    put(f, "a", "x = 1\ny = 1\nz = 2\n");
    edit_fails(f, "{\"path\":\"a\",\"old_string\":\"= 3\",\"new_string\":\"= 4\"}",
               "occurs 0 times in a. Read the passage with file_read");
    edit_fails(f, "{\"path\":\"a\",\"old_string\":\"= 1\",\"new_string\":\"= 4\"}",
               "occurs 2 times in a (lines 1, 2). Give more of the text around it");
    assert_non_null(strstr(f->text, "replace_all"));
    edit_fails(f, "{\"path\":\"a\",\"old_string\":\"z\",\"new_string\":\"z\"}", "are the same");
    holds(f, "a", "x = 1\ny = 1\nz = 2\n");
    put(f, "b", "aaa"); /* two places, though they share a letter */
    edit_fails(f, "{\"path\":\"b\",\"old_string\":\"aa\",\"new_string\":\"b\"}", "occurs 2 times");
    holds(f, "b", "aaa");
    put(f, "c", "one\r\ntwo\r\n");
    edit_fails(f, "{\"path\":\"c\",\"old_string\":\"one\\ntwo\",\"new_string\":\"\"}",
               "lines of this file end in \\r\\n");
    put(f, "d", "");
    edit_fails(f, "{\"path\":\"d\",\"old_string\":\"a\",\"new_string\":\"b\"}", "occurs 0 times");
}

static void replace_all_changes_every_place(void **state) {
    struct fixture *f = *state;
    put(f, "a", "x = 1\ny = 1\nz = 2\n");
    assert_string_equal(call(f, TOOL_FILE_EDIT,
                             "{\"path\":\"a\",\"old_string\":\"= 1\",\"new_string\":\"= 1 + 1\","
                             "\"replace_all\":true}"),
                        "replaced 2 passages in a (lines 1, 2), 26 bytes");
    holds(f, "a", "x = 1 + 1\ny = 1 + 1\nz = 2\n");
    edit_fails(f,
               "{\"path\":\"a\",\"old_string\":\"none\",\"new_string\":\"\",\"replace_all\":true}",
               "occurs 0 times");
}

static void an_edit_cannot_grow_a_file_without_end(void **state) {
    struct fixture *f = *state;
    char *many = xmalloc(10001), *input;
    memset(many, 'x', 10000);
    many[10000] = '\0';
    put(f, "a", many);
    input = xasprintf("{\"path\":\"a\",\"old_string\":\"x\",\"new_string\":\"%s\","
                      "\"replace_all\":true}",
                      many);
    edit_fails(f, input, "more than 8 MiB");
    edit_fails(f, "{\"path\":\"a\",\"old_string\":\"x\",\"new_string\":\"y\"}",
               "occurs 1000 or more times in a (lines 1, 1, 1, 1, 1, ...)");
    x_free(&input);
    x_free(&many);
}

static void only_text_files_of_the_workspace_are_edited(void **state) {
    struct fixture *f = *state;
    char *outside = xasprintf("%s/home/secret", f->dir), *link = xasprintf("%s/ws/link", f->dir),
         *pipe_path = xasprintf("%s/ws/pipe", f->dir), *bin = xasprintf("%s/ws/bin", f->dir);
    put(f, "../home/secret", "secret");
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    FILE *s = fopen(bin, "w");
    assert_non_null(s);
    fwrite("a\0b", 1, 3, s);
    fclose(s);
    static const struct {
        const char *path, *message;
    } wrong[] = {{"../home/secret", "outside the workspace"},
                 {"link", "symbolic link"},
                 {"pipe", "not a regular file"},
                 {"bin", "not text"},
                 {".", "name of a file"},
                 {"none", "use file_write to make a new file"},
                 {"no/where", "does not exist"}};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char *input = xasprintf("{\"path\":\"%s\",\"old_string\":\"secret\",\"new_string\":\"\"}",
                                wrong[i].path);
        edit_fails(f, input, wrong[i].message);
        x_free(&input);
    }
    holds(f, "../home/secret", "secret");
    x_free(&outside);
    x_free(&link);
    x_free(&pipe_path);
    x_free(&bin);
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
        cmocka_unit_test_setup_teardown(no_secret_leaves_a_tool, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_changed_meanwhile_is_read_again_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_edit_changes_one_passage_and_keeps_the_mode, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_edit_that_fits_nowhere_or_twice_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(replace_all_changes_every_place, setup, teardown),
        cmocka_unit_test_setup_teardown(an_edit_cannot_grow_a_file_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(only_text_files_of_the_workspace_are_edited, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(errors_name_the_remedy, setup, teardown),
        cmocka_unit_test_setup_teardown(results_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_job_answers_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(no_shell_without_containment, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
