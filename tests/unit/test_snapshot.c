/* What files held: kept by its hash, open to nobody else, and the oldest goes first. */
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
#include "base/str.h"
#include "tools/snapshot.h"

struct fixture {
    char dir[64], *kept;
};

static int setup(void **state) {
    struct fixture *f = xcalloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/test-snapshot-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->kept = xasprintf("%s/snapshots", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    char *cmd = xasprintf("rm -rf %s", f->dir);
    assert_int_equal(system(cmd), 0);
    x_free(&cmd);
    x_free(&f->kept);
    x_free(&f);
    return 0;
}

static void keep(const struct fixture *f, const char *text, char hash[SHA256_HEX_SIZE]) {
    struct cause why;
    sha256_of(text, strlen(text), hash);
    assert_int_equal(snapshot_keep(f->kept, hash, text, strlen(text), &why), STATUS_OK);
}

static enum status get(const struct fixture *f, const char *hash, struct buf *out) {
    struct cause why;
    return snapshot_read(f->kept, hash, out, &why);
}

static void what_is_kept_is_there_and_nobody_elses(void **state) {
    struct fixture *f = *state;
    char hash[SHA256_HEX_SIZE], empty[SHA256_HEX_SIZE];
    struct buf b = BUF_INIT;
    struct stat st;
    keep(f, "what it held", hash);
    keep(f, "what it held", hash); /* again: one file */
    keep(f, "", empty);
    assert_int_equal(get(f, hash, &b), STATUS_OK);
    assert_int_equal(get(f, empty, &b), STATUS_OK);
    assert_string_equal(buf_str(&b), "what it held");
    assert_int_equal(stat(f->kept, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    char *path = xasprintf("%s/%s", f->kept, hash);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* Whoever changes one gives nobody a content that was never there. */
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("what it heeld", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(get(f, hash, &b), STATUS_INVALID);
    assert_string_equal(buf_str(&b), "what it held");
    x_free(&path);
    buf_free(&b);
}

/* Times are set, as the clock of a file system may stand still for a moment. */
static void set_age(const struct fixture *f, const char *hash, time_t at) {
    char *path = xasprintf("%s/%s", f->kept, hash);
    const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    x_free(&path);
}

static void the_oldest_goes_first(void **state) {
    struct fixture *f = *state;
    char hash[8][SHA256_HEX_SIZE], text[8][101];
    struct buf b = BUF_INIT;
    for (int i = 0; i < 8; i++) {
        memset(text[i], 'a' + i, 100);
        text[i][100] = '\0';
        keep(f, text[i], hash[i]);
        set_age(f, hash[i], 1000 + i);
    }
    snapshot_trim(f->kept, 100000);
    assert_int_equal(get(f, hash[0], &b), STATUS_OK);
    keep(f, text[0], hash[0]); /* is the newest again */
    snapshot_trim(f->kept, 400);
    assert_int_equal(get(f, hash[0], &b), STATUS_OK);
    for (int i = 1; i < 8; i++)
        assert_int_equal(get(f, hash[i], &b), i < 6 ? STATUS_NOT_FOUND : STATUS_OK);
    snapshot_trim(f->kept, 0);
    assert_int_equal(get(f, hash[7], &b), STATUS_NOT_FOUND);
    buf_free(&b);
}

static void it_is_counted_when_to_look(void **state) {
    (void)state;
    struct snapshots s = {.max_bytes = 1600};
    snapshot_count(&s, 99);
    assert_false(s.trim);
    snapshot_count(&s, 1);
    assert_true(s.trim);
    assert_int_equal(s.unlooked, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_kept_is_there_and_nobody_elses, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_goes_first, setup, teardown),
        cmocka_unit_test(it_is_counted_when_to_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
