/* home: where everything is, and what is refused. */
#include "conf/home.h"

#include <limits.h>
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
#include "base/str.h"

static char dir[64];

static int setup(void **state) {
    (void)state;
    strcpy(dir, "/tmp/test_home.XXXXXX");
    assert_non_null(mkdtemp(dir));
    unsetenv("XDG_RUNTIME_DIR");
    unsetenv("SPACEBOT_DIR");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    char *cmd = xasprintf("chmod -R u+w %s; rm -rf %s", dir, dir);
    int rc = system(cmd);
    free(cmd);
    return rc;
}

static void set_dir(const char *name) {
    char *p = xasprintf("%s/%s", dir, name);
    setenv("SPACEBOT_DIR", p, 1);
    free(p);
}

static mode_t mode_of(const char *path) {
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    return sb.st_mode & 07777;
}

static struct home *must_open(void) {
    struct home *h = NULL;
    struct cause why;
    if (home_open(&h, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    return h;
}

static void test_made_private(void **state) {
    (void)state;
    set_dir("a/b/home");
    struct home *h = must_open();
    assert_true(str_suffix(h->dir, "/a/b/home"));
    assert_int_equal(mode_of(h->dir), 0700);
    assert_int_equal(mode_of(h->workspace), 0700);
    assert_int_equal(mode_of(h->run), 0700);
    assert_true(str_prefix(h->run, h->dir));
    assert_true(str_suffix(h->socket, "/run/ctl"));
    assert_true(access(h->config, F_OK) != 0);
    home_free(&h);
    assert_null(h);
}

static void test_links_are_resolved(void **state) {
    (void)state;
    set_dir("real");
    struct home *h = must_open();
    char *link = xasprintf("%s/link", dir);
    assert_int_equal(symlink(h->dir, link), 0);
    set_dir("link");
    struct home *same = must_open();
    assert_string_equal(h->dir, same->dir);
    assert_string_equal(h->socket, same->socket);
    free(link);
    home_free(&h);
    home_free(&same);
}

static void test_default_is_in_the_users_home(void **state) {
    (void)state;
    char *before = xstrdup(getenv("HOME") ? getenv("HOME") : "/");
    setenv("HOME", dir, 1);
    struct home *h = must_open();
    assert_true(str_suffix(h->dir, "/.spacebot"));
    home_free(&h);
    setenv("HOME", before, 1);
    free(before);
}

static void test_others_may_not_write(void **state) {
    (void)state;
    set_dir("open");
    assert_int_equal(mkdir(getenv("SPACEBOT_DIR"), 0700), 0);
    assert_int_equal(chmod(getenv("SPACEBOT_DIR"), 0770), 0);
    struct home *h = NULL;
    struct cause why;
    assert_int_equal(home_open(&h, &why), STATUS_DENIED);
    assert_non_null(strstr(why.text, "chmod go-w"));
    assert_null(h);
}

static void test_a_file_is_no_home(void **state) {
    (void)state;
    set_dir("file");
    FILE *f = fopen(getenv("SPACEBOT_DIR"), "w");
    fclose(f);
    struct home *h = NULL;
    struct cause why;
    assert_int_equal(home_open(&h, &why), STATUS_IO);
    set_dir("file/below");
    assert_int_equal(home_open(&h, &why), STATUS_IO);
}

static void test_runtime_dir(void **state) {
    (void)state;
    char *xdg = xasprintf("%s/x", dir);
    assert_int_equal(mkdir(xdg, 0700), 0);
    setenv("XDG_RUNTIME_DIR", xdg, 1);
    set_dir("one");
    struct home *one = must_open();
    assert_true(str_prefix(one->run, xdg));
    assert_int_equal(mode_of(one->run), 0700);
    set_dir("two");
    struct home *two = must_open();
    assert_string_not_equal(one->run, two->run);
    home_free(&two);
    home_free(&one);
    /* One that others may write into is not used. */
    assert_int_equal(chmod(xdg, 0777), 0);
    one = must_open();
    assert_true(str_prefix(one->run, one->dir));
    home_free(&one);
    free(xdg);
}

static void test_socket_path_is_bounded(void **state) {
    (void)state;
    char *name = xasprintf("%0100d", 7);
    set_dir(name);
    struct home *h = NULL;
    struct cause why;
    assert_int_equal(home_open(&h, &why), STATUS_CONFIG);
    assert_non_null(strstr(why.text, "too long for a socket"));
    free(name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_private, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_resolved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_default_is_in_the_users_home, setup, teardown),
        cmocka_unit_test_setup_teardown(test_others_may_not_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_is_no_home, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runtime_dir, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_path_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
