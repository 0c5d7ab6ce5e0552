/* Texts that several hold: the last one to drop it frees it, and nobody before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void a_text_is_a_string(void **state) {
    (void)state;
    const char *t = text_new("hello world", 5);
    assert_string_equal(t, "hello");
    assert_int_equal(text_len(t), 5);
    text_drop(&t);
    assert_null(t);
    t = text_new("", 0);
    assert_string_equal(t, "");
    assert_int_equal(text_len(t), 0);
    text_drop(&t);
}

static void it_lives_as_long_as_somebody_holds_it(void **state) {
    (void)state;
    const char *first = text_of("the same words"), *second = text_keep(first);
    assert_ptr_equal(first, second);
    const char *third = text_keep(second);
    text_drop(&first);
    assert_string_equal(second, "the same words");
    text_drop(&third);
    assert_string_equal(second, "the same words");
    text_drop(&second);
}

static void none_stays_none(void **state) {
    (void)state;
    const char *none = NULL;
    assert_null(text_of(NULL));
    assert_null(text_keep(NULL));
    text_drop(&none);
    assert_null(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_a_string),
        cmocka_unit_test(it_lives_as_long_as_somebody_holds_it),
        cmocka_unit_test(none_stays_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
