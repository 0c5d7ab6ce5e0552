/* buf: growth, termination, cutting, giving away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void empty(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    assert_string_equal(buf_str(&b), "");
    buf_append(&b, NULL, 0);
    buf_consume(&b, 0);
    buf_truncate(&b, 0);
    buf_reset(&b);
    assert_null(b.data);
    char *s = buf_steal(&b);
    assert_string_equal(s, "");
    free(s);
    buf_free(&b);
}

static void append_and_cut(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    buf_puts(&b, "one ");
    buf_putc(&b, '2');
    buf_append(&b, "\0x", 2);
    assert_int_equal(b.len, 7);
    assert_memory_equal(b.data, "one 2\0x", 8); /* and its terminator */
    buf_consume(&b, 4);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "2\0x", 4);
    buf_truncate(&b, 1);
    assert_string_equal(buf_str(&b), "2");
    buf_consume(&b, 1);
    assert_int_equal(b.len, 0);
    assert_string_equal(buf_str(&b), "");
    buf_free(&b);
}

static void grows(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    for (int i = 0; i < 100000; i++) {
        buf_putc(&b, (char)('a' + i % 26));
        assert_true(b.cap > b.len);
    }
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_int_equal(b.data[100000], 0);
    size_t cap = b.cap;
    buf_reset(&b);
    assert_int_equal(b.cap, cap);
    buf_free(&b);
    assert_int_equal(b.cap, 0);
}

static void prints(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    /* Around the first guess at the size, where vsnprintf has to be asked again. */
    for (int n = 0; n < 400; n++) {
        size_t before = b.len;
        buf_printf(&b, "%*s|%d", n, "", n);
        assert_int_equal(b.data[b.len], 0);
        char want[16];
        int m = snprintf(want, sizeof(want), "|%d", n);
        assert_int_equal(b.len - before, (size_t)n + (size_t)m);
        assert_string_equal(b.data + before + n, want);
        if (n % 50 == 0)
            buf_free(&b);
    }
    buf_free(&b);
}

static void room(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    char *to = buf_room(&b, 1000);
    memset(to, 'x', 1000);
    buf_added(&b, 400);
    assert_int_equal(strlen(buf_str(&b)), 400);
    char *s = buf_steal(&b);
    assert_int_equal(strlen(s), 400);
    assert_null(b.data);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),  cmocka_unit_test(append_and_cut), cmocka_unit_test(grows),
        cmocka_unit_test(prints), cmocka_unit_test(room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
