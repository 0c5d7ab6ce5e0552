/* str: numbers read whole, the nearest name, vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void compares(void **state) {
    (void)state;
    assert_true(str_eq("a", "a"));
    assert_false(str_eq("a", "b"));
    assert_false(str_eq("a", NULL));
    assert_true(str_eq(NULL, NULL));
    assert_true(str_prefix("worker:1", "worker:"));
    assert_false(str_prefix("work", "worker:"));
    assert_true(str_suffix("a.json", ".json"));
    assert_false(str_suffix("json", ".json"));
    assert_true(str_empty(NULL));
    assert_true(str_empty(""));
    assert_false(str_empty(" "));
}

static void integers(void **state) {
    (void)state;
    int64_t v = 7;
    assert_int_equal(str_to_i64("0", &v), STATUS_OK);
    assert_int_equal(v, 0);
    assert_int_equal(str_to_i64("-12", &v), STATUS_OK);
    assert_int_equal(v, -12);
    assert_int_equal(str_to_i64("9223372036854775807", &v), STATUS_OK);
    assert_true(v == INT64_MAX);
    assert_int_equal(str_to_i64("-9223372036854775808", &v), STATUS_OK);
    assert_true(v == INT64_MIN);
    const char *const bad[] = {"",   "-",    " 1",  "1 ",
                               "+1", "0x10", "1.0", "9223372036854775808",
                               "1a", "--1",  "１",  "-9223372036854775809"};
    v = 42;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(str_to_i64(bad[i], &v), STATUS_INVALID);
    assert_int_equal(v, 42);
}

static void doubles(void **state) {
    (void)state;
    double v = 0;
    assert_int_equal(str_to_double("1.5", &v), STATUS_OK);
    assert_true(v == 1.5);
    assert_int_equal(str_to_double("-2e3", &v), STATUS_OK);
    assert_true(v == -2000);
    const char *const bad[] = {"",      " 1",   "1 ", "inf", "nan", "0x1p3",
                               "1e999", "1.5x", "+1", "e",   "."};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(str_to_double(bad[i], &v), STATUS_INVALID);
}

static void nearest(void **state) {
    (void)state;
    const char *const names[] = {"workers", "branches", "silence_secs", "shell_secs"};
    assert_string_equal(str_nearest("worker", names, 4), "workers");
    assert_string_equal(str_nearest("wrokers", names, 4), "workers");
    assert_string_equal(str_nearest("silence_sec", names, 4), "silence_secs");
    assert_null(str_nearest("temperature", names, 4));
    assert_null(str_nearest("", names, 4));
    assert_null(str_nearest("xy", (const char *const[]){"ab"}, 1));
    assert_null(str_nearest("workers", names, 0));
    char longer[200];
    memset(longer, 'w', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_null(str_nearest(longer, names, 4));
}

static void vectors(void **state) {
    (void)state;
    struct strv v = {0};
    for (int i = 0; i < 100; i++) {
        strv_pushf(&v, "item %d", i);
        assert_null(v.v[v.n]);
    }
    strv_push(&v, "last");
    assert_int_equal(v.n, 101);
    assert_string_equal(v.v[57], "item 57");
    assert_string_equal(v.v[100], "last");
    strv_free(&v);
    assert_null(v.v);
    assert_int_equal(v.n, 0);
}

static void frees_to_null(void **state) {
    (void)state;
    char *s = xasprintf("%s-%d", "a", 1);
    assert_string_equal(s, "a-1");
    x_free(&s);
    assert_null(s);
    x_free(&s);
    assert_null(xstrdup_null(NULL));
    s = xstrndup("abcdef", 3);
    assert_string_equal(s, "abc");
    x_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares), cmocka_unit_test(integers), cmocka_unit_test(doubles),
        cmocka_unit_test(nearest),  cmocka_unit_test(vectors),  cmocka_unit_test(frees_to_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
