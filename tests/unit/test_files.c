/* Names of files for the composer: which are found, what they have in common, and that a look is a
 * job whose result nobody gets who has gone on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ui/files.h"

struct fixture {
    struct loop *loop;
    struct job_pool *jobs;
    struct sandbox *sandbox;
    char dir[64], *workspace;
    struct buf told; /* "channel prefix total;" */
};

static void nothing(void *arg) { (void)arg; }

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    struct cause why;
    strcpy(f->dir, "/tmp/test-files-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    char *w = xasprintf("%s/ws", f->dir), *h = xasprintf("%s/home", f->dir);
    assert_int_equal(mkdir(w, 0700), 0);
    assert_int_equal(mkdir(h, 0700), 0);
    f->loop = loop_new(LOOP_INLINE);
    f->jobs = job_pool_new(f->loop, 1, 1);
    const struct sandbox_config config = {.launcher = "/bin/false", .spacebot_home = h};
    assert_int_equal(sandbox_new(f->loop, &config, nothing, NULL, &f->sandbox, &why), STATUS_OK);
    assert_int_equal(sandbox_workspace(f->sandbox, w, &f->workspace, &why), STATUS_OK);
    x_free(&w);
    x_free(&h);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    char *cmd = xasprintf("rm -rf %s", f->dir);
    buf_free(&f->told);
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

static void make(struct fixture *f, const char *name) {
    char *path = xasprintf("%s/%s", f->workspace, name);
    size_t n = strlen(path);
    if (path[n - 1] == '/') {
        assert_int_equal(mkdir(path, 0700), 0);
    } else {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    x_free(&path);
}

static struct files_found find(struct fixture *f, const char *prefix) {
    static const atomic_bool never = false;
    struct files_found found = {0};
    files_begin_with(f->sandbox, f->workspace, prefix, &never, &found);
    return found;
}

/* "total common: names" */
static void finds(struct fixture *f, const char *prefix, const char *wanted) {
    struct files_found found = find(f, prefix);
    struct buf b = BUF_INIT;
    buf_printf(&b, "%zu %s:", found.total, found.common ? found.common : "-");
    for (size_t i = 0; i < found.names.n; i++)
        buf_printf(&b, " %s", found.names.v[i]);
    assert_string_equal(buf_str(&b), wanted);
    assert_false(found.cut);
    buf_free(&b);
    files_found_free(&found);
}

static void names_and_what_they_have_in_common(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {"doc/",      "doc/whales.txt", "doc/wheat.txt", ".hidden",
                                        "two words", "bad\x1b[31m",    "bad\xff",       "h\xc3\xa9",
                                        "h\xc3\xa8", "drop.c"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        make(f, names[i]);
    finds(f, "d", "2 d: doc/ drop.c");
    finds(f, "do", "1 doc/: doc/");
    finds(f, "doc/w", "2 doc/wh: doc/whales.txt doc/wheat.txt");
    finds(f, "doc/whe", "1 doc/wheat.txt: doc/wheat.txt");
    finds(f, "h", "2 h: h\xc3\xa8 h\xc3\xa9"); /* no half of a character */
    finds(f, ".h", "1 .hidden: .hidden");
    finds(f, "t", "0 -:");
    finds(f, "bad", "0 -:");
    finds(f, "none/", "0 -:");
    finds(f, "../home/", "0 -:");
    finds(f, "/etc/", "0 -:");
}

/* What is not named counts all the same: the completion is right for every one of them. */
static void more_than_are_named_are_counted(void **state) {
    struct fixture *f = *state;
    char name[32];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "part-a%03d", i);
        make(f, name);
    }
    make(f, "part-z");
    struct files_found found = find(f, "p");
    assert_int_equal(found.total, 301);
    assert_int_equal(found.names.n, FILES_MAX);
    assert_string_equal(found.common, "part-");
    files_found_free(&found);
}

static void a_look_that_is_not_wanted_ends_early(void **state) {
    struct fixture *f = *state;
    static const atomic_bool already = true;
    struct files_found found = {0};
    make(f, "a");
    files_begin_with(f->sandbox, f->workspace, "", &already, &found);
    assert_int_equal(found.total, 0);
    files_found_free(&found);
}

/* --- as jobs ------------------------------------------------------------------------------------
 */

static void on_found(void *arg, const char *channel, const char *prefix,
                     const struct files_found *found) {
    struct fixture *f = arg;
    buf_printf(&f->told, "%s %s %zu;", channel, prefix, found->total);
}

static void turns(struct fixture *f) {
    for (int i = 0; i < 6; i++)
        loop_turn(f->loop, 0);
}

static void the_last_one_asked_for_is_told(void **state) {
    struct fixture *f = *state;
    struct cause why;
    struct files_look *l = files_look_new(f->jobs, f->sandbox, on_found, f);
    make(f, "a1");
    make(f, "b1");
    assert_int_equal(files_look(l, "c1", f->workspace, "a", &why), STATUS_OK);
    turns(f);
    assert_string_equal(buf_str(&f->told), "c1 a 1;");
    buf_truncate(&f->told, 0);
    assert_int_equal(files_look(l, "c1", f->workspace, "a", &why), STATUS_OK);
    assert_int_equal(files_look(l, "c1", f->workspace, "b", &why), STATUS_UNAVAILABLE);
    assert_int_equal(files_look(l, "c2", f->workspace, "b1", &why), STATUS_UNAVAILABLE);
    assert_non_null(strstr(why.text, "has not answered"));
    turns(f);
    assert_string_equal(buf_str(&f->told), "c2 b1 1;");
    files_look_free(&l);
}

static void whoever_is_gone_is_not_told(void **state) {
    struct fixture *f = *state;
    struct cause why;
    struct files_look *l = files_look_new(f->jobs, f->sandbox, on_found, f);
    assert_int_equal(files_look(l, "c1", f->workspace, "a", &why), STATUS_OK);
    assert_int_equal(files_look(l, "c1", f->workspace, "b", &why), STATUS_UNAVAILABLE);
    files_look_free(&l);
    assert_null(l);
    turns(f);
    assert_string_equal(buf_str(&f->told), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(names_and_what_they_have_in_common),   TEST(more_than_are_named_are_counted),
        TEST(a_look_that_is_not_wanted_ends_early), TEST(the_last_one_asked_for_is_told),
        TEST(whoever_is_gone_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
