/* status: names, and causes that stay one line of whole characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "base/utf8.h"

static void names(void **state) {
    (void)state;
    assert_string_equal(status_name(STATUS_OK), "ok");
    assert_string_equal(status_name(STATUS_NOT_FOUND), "not_found");
    assert_string_equal(status_name(STATUS_GONE), "gone");
}

static void causes(void **state) {
    (void)state;
    struct cause why;
    assert_int_equal(cause_set(NULL, STATUS_IO, "%d", 1), STATUS_IO);
    assert_int_equal(cause_set(&why, STATUS_LIMIT, "more than %d", 8), STATUS_LIMIT);
    assert_string_equal(why.text, "more than 8");
    assert_int_equal(cause_errno(&why, STATUS_IO, ENOENT, "%s", "a.conf"), STATUS_IO);
    assert_string_equal(why.text, "a.conf: No such file or directory");
    cause_set(&why, STATUS_INVALID, "two\nlines\x1b[2J");
    assert_string_equal(why.text, "two lines [2J");
}

/* The cut falls on every place of a two-, three- and four-byte character. */
static void cut_at_characters(void **state) {
    (void)state;
    const char *const chars[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t c = 0; c < 3; c++) {
        for (int lead = 0; lead < 4; lead++) {
            char text[1024];
            size_t n = (size_t)lead;
            memset(text, 'a', n);
            while (n + 5 < sizeof(text)) {
                memcpy(text + n, chars[c], strlen(chars[c]));
                n += strlen(chars[c]);
            }
            text[n] = '\0';
            struct cause why;
            cause_set(&why, STATUS_INVALID, "%s", text);
            size_t len = strlen(why.text);
            assert_true(utf8_valid(why.text, len));
            assert_in_range(len, sizeof(why.text) - 4, sizeof(why.text) - 1);
            assert_memory_equal(why.text, text, len);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(causes),
        cmocka_unit_test(cut_at_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
