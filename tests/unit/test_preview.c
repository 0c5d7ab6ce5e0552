/* What a person reads of a change before allowing it: the beginning, what is left out, and the
 * difference of an edit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tools/preview.h"

static void takes(char *text, const char *wanted) {
    assert_string_equal(text, wanted);
    x_free(&text);
}

static void a_short_text_is_shown_whole(void **state) {
    (void)state;
    takes(preview_write("one\ntwo\n"), "+ one\n+ two");
    takes(preview_write("one\n\ntwo"), "+ one\n+ \n+ two");
    takes(preview_write("\n"), "+ ");
    takes(preview_write(""), "[an empty file]");
}

static char *lines(size_t n) {
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%zu\n", i);
    return buf_steal(&b);
}

static size_t newlines(const char *s) {
    size_t n = 0;
    for (; (s = strchr(s, '\n')) != NULL; s++)
        n++;
    return n;
}

static void what_is_left_out_is_counted(void **state) {
    (void)state;
    char *text = lines(PREVIEW_LINES), *shown = preview_write(text);
    assert_null(strstr(shown, "more"));
    x_free(&shown);
    x_free(&text);
    text = lines(PREVIEW_LINES + 1);
    shown = preview_write(text);
    assert_true(str_suffix(shown, "\n+ 39\n+ [1 more line, 3 bytes]"));
    x_free(&shown);
    x_free(&text);
    text = lines(100000);
    shown = preview_write(text);
    assert_true(str_suffix(shown, "\n+ 39\n+ [99960 more lines, 588780 bytes]"));
    assert_int_equal(newlines(shown), PREVIEW_LINES);
    x_free(&shown);
    x_free(&text);
}

/* Cut between characters, and never longer than it says. */
static void a_line_without_end_is_cut(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    buf_putc(&b, 'x');
    for (int i = 0; i < 100000; i++)
        buf_puts(&b, "\xE2\x82\xAC");
    char *shown = preview_write(buf_str(&b));
    assert_true(strlen(shown) < PREVIEW_LINE + 40);
    assert_true(utf8_valid(shown, strlen(shown)));
    assert_true(str_suffix(shown, " [299763 more bytes in this line]"));
    x_free(&shown);
    buf_free(&b);
}

static void an_edit_shows_what_differs(void **state) {
    (void)state;
    takes(preview_edit("x = 1", "x = 2", false), "- x = 1\n+ x = 2");
    takes(preview_edit("a\nb\nc\nd\n", "a\nb\nC\nd\n", false), "  b\n- c\n+ C\n  d");
    takes(preview_edit("a\nb", "a\nb\nc", true), "[wherever it stands]\n  a\n- b\n+ b\n+ c");
    takes(preview_edit("a\nb\n", "", false), "- a\n- b");
    takes(preview_edit("a\n", "a\na\n", false), "  a\n+ a");
    takes(preview_edit("\n", "\n\n", false), "  \n+ ");
    takes(preview_edit("same", "same", false), "  same");
}

static void both_sides_of_an_edit_have_room(void **state) {
    (void)state;
    static const struct {
        size_t was, becomes, minus, plus;
    } cases[] = {
        {100, 100, 20, 20}, {2, 100, 2, 38}, {100, 3, 37, 3}, {20, 20, 20, 20}, {100, 20, 20, 20}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf a = BUF_INIT, b = BUF_INIT;
        for (size_t k = 0; k < cases[i].was; k++)
            buf_puts(&a, "old\n");
        for (size_t k = 0; k < cases[i].becomes; k++)
            buf_puts(&b, "new\n");
        char *shown = preview_edit(buf_str(&a), buf_str(&b), false);
        size_t minus = 0, plus = 0;
        for (const char *p = shown; (p = strstr(p, "- old")) != NULL; p++)
            minus++;
        for (const char *p = shown; (p = strstr(p, "+ new")) != NULL; p++)
            plus++;
        assert_int_equal(minus, cases[i].minus);
        assert_int_equal(plus, cases[i].plus);
        assert_true((minus < cases[i].was) == (strstr(shown, "- [") != NULL));
        assert_true((plus < cases[i].becomes) == (strstr(shown, "+ [") != NULL));
        x_free(&shown);
        buf_free(&a);
        buf_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_text_is_shown_whole),
        cmocka_unit_test(what_is_left_out_is_counted),
        cmocka_unit_test(a_line_without_end_is_cut),
        cmocka_unit_test(an_edit_shows_what_differs),
        cmocka_unit_test(both_sides_of_an_edit_have_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
