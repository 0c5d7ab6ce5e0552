/* Window: what reaches the terminal is printable text inside its rectangle, whatever was put. */
#include <stdio.h>

#include "tests/unit/ui_screen.h"
#include "ui/text.h"
#include "ui/window.h"

static void flush(struct screen *s) {
    (void)term_flush(s->term);
    screen_settle(s);
}

static void clips_by_columns(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 40, 10);
    struct window w = {.r = {10, 2, 8, 3}, .theme = term_theme(s.term)};
    assert_int_equal(window_puts(&w, 0, 0, STYLE_TEXT, "0123456789"), 8);
    assert_int_equal(window_puts(&w, 1, 6, STYLE_TEXT, "ab\xe6\xbc\xa2"), 8);
    /* A wide character that does not fit whole is left out. */
    assert_int_equal(window_puts(&w, 2, 5, STYLE_TEXT, "\xe6\xbc\xa2\xe5\xad\x97"), 7);
    window_puts(&w, 3, 0, STYLE_TEXT, "below");
    window_puts(&w, -1, 0, STYLE_TEXT, "above");
    window_puts(&w, 0, 9, STYLE_TEXT, "right");
    flush(&s);
    screen_row_is(&s, 1, "");
    screen_row_is(&s, 2, "          01234567");
    screen_row_is(&s, 3, "                ab");
    screen_row_is(&s, 4, "               \xe6\xbc\xa2");
    screen_row_is(&s, 5, "");
    screen_end(&s);
}

static void cuts_and_aligns(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 40, 10);
    struct window w = {.r = {0, 0, 12, 4}, .theme = term_theme(s.term)};
    window_puts_cut(&w, 0, 0, 8, STYLE_TEXT, "exactly8");
    window_puts_cut(&w, 1, 0, 8, STYLE_TEXT, "more than 8");
    window_puts_cut(&w, 2, 0, 8, STYLE_TEXT, "a\nb");
    assert_int_equal(window_puts_right(&w, 3, 12, STYLE_TEXT, "45s"), 9);
    flush(&s);
    screen_row_is(&s, 0, "exactly8");
    screen_row_is(&s, 1, "more th\xe2\x80\xa6");
    screen_row_is(&s, 2, "a\xe2\x80\xa6");
    screen_row_is(&s, 3, "         45s");
    screen_end(&s);
}

static void wide_and_combining(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 40, 10);
    struct window w = {.r = {0, 0, 40, 6}, .theme = term_theme(s.term)};
    /* é of two code points, a family joined by ZWJ, a heart with its selector, a lone accent */
    window_puts(&w, 0, 0, STYLE_TEXT, "\xe6\xbc\xa2\xe5\xad\x97|e\xcc\x81|\xf0\x9f\x98\x80|");
    window_puts(&w, 1, 0, STYLE_TEXT, "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb|");
    window_puts(&w, 2, 0, STYLE_TEXT, "\xe2\x9d\xa4\xef\xb8\x8f|");
    window_puts(&w, 3, 0, STYLE_TEXT, "\xcc\x81|");
    flush(&s);
    struct vt_cell c = vt_cell(s.vt, 0, 0);
    assert_string_equal(c.text, "\xe6\xbc\xa2");
    assert_int_equal(c.width, 2);
    assert_string_equal(vt_cell(s.vt, 0, 4).text, "|");
    assert_string_equal(vt_cell(s.vt, 0, 5).text, "e\xcc\x81");
    assert_string_equal(vt_cell(s.vt, 0, 6).text, "|");
    assert_string_equal(vt_cell(s.vt, 0, 9).text, "|");
    /* Whatever a terminal makes of such sequences, the bar stands where it was counted to be. */
    int col = text_width("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", 11);
    assert_string_equal(vt_cell(s.vt, 1, col).text, "|");
    assert_string_equal(vt_cell(s.vt, 2, text_width("\xe2\x9d\xa4\xef\xb8\x8f", 6)).text, "|");
    /* Half of a wide character that was written over leaves no debris. */
    window_puts(&w, 0, 1, STYLE_TEXT, "x");
    flush(&s);
    assert_string_equal(vt_cell(s.vt, 0, 1).text, "x");
    assert_string_equal(vt_cell(s.vt, 0, 2).text, "\xe5\xad\x97");
    screen_end(&s);
}

/* Every byte below a space, the C1 range, escape sequences, bidirectional overrides: none gets
 * through. */
static void hostile_text(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 60, 12);
    struct window w = {.r = {0, 0, 60, 10}, .theme = term_theme(s.term)};
    flush(&s);
    buf_reset(&s.seen);
    window_puts(&w, 0, 0, STYLE_TEXT, "\x1b]0;title\x07\x1b[2J\x1b[10;10Hgone");
    window_puts(&w, 1, 0, STYLE_TEXT,
                "\xc2\x9b"
                "31m|\xc2\x90|\x0e\x0f\x05");
    window_puts(&w, 2, 0, STYLE_TEXT,
                "\xe2\x80\xae"
                "abc\xe2\x80\x8b|\xff\xfe");
    window_puts(&w, 3, 0, STYLE_TEXT, "a\rb\nc\td\x7f");
    flush(&s);
    screen_row_is(&s, 0, "^[]0;title^G^[[2J^[[10;10Hgone");
    screen_row_is(&s, 1, "<U+009B>31m|<U+0090>|^N^O^E");
    screen_row_is(&s, 2, "<U+202E>abc<U+200B>|\xef\xbf\xbd\xef\xbf\xbd");
    screen_row_is(&s, 3, "a^Mb?c?d^?");
    assert_string_equal(vt_title(s.vt), "");
    assert_int_equal(vt_bells(s.vt), 0);
    /* The bytes themselves: curses' own sequences, no control character of the text's. */
    for (size_t i = 0; i < s.seen.len; i++) {
        unsigned char c = (unsigned char)s.seen.data[i];
        assert_true(c >= 0x20 || c == 0x1b || c == '\r' || c == '\n' || c == '\b' || c == '\t');
        assert_true(c != 0x7f);
    }
    assert_null(memmem(s.seen.data, s.seen.len, "\x1b]", 2));
    assert_null(memmem(s.seen.data, s.seen.len, "\xc2\x9b", 2));
    screen_end(&s);
}

static void styles(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 40, 10);
    struct window w = {.r = {0, 0, 40, 6}, .theme = term_theme(s.term)};
    assert_int_equal(w.theme->colors, 256);
    window_puts(&w, 0, 0, STYLE_BAD, "x");
    window_puts(&w, 0, 1, STYLE_TEXT | STYLE_BOLD, "x");
    window_puts(&w, 0, 2, STYLE_TEXT | STYLE_REVERSED, "x");
    flush(&s);
    assert_int_not_equal(vt_cell(s.vt, 0, 0).fg, VT_DEFAULT);
    assert_true(vt_cell(s.vt, 0, 1).bold);
    assert_int_equal(vt_cell(s.vt, 0, 1).fg, VT_DEFAULT);
    assert_true(vt_cell(s.vt, 0, 2).reverse);
    /* NO_COLOR: the same told by weight. */
    term_close(&s.term, true);
    screen_open_term(&s, "xterm-256color", 40, 10, true, false);
    w.theme = term_theme(s.term);
    assert_int_equal(w.theme->colors, 0);
    window_puts(&w, 0, 0, STYLE_BAD, "x");
    flush(&s);
    assert_int_equal(vt_cell(s.vt, 0, 0).fg, VT_DEFAULT);
    assert_true(vt_cell(s.vt, 0, 0).bold);
    screen_end(&s);
}

static void plain_terminals_get_ascii(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "vt100", 40, 10);
    struct window w = {.r = {0, 0, 40, 6}, .theme = term_theme(s.term)};
    assert_true(w.theme->ascii);
    window_symbol(&w, 0, 0, STYLE_TEXT, SYMBOL_TEE);
    window_line(&w, 1, 0, 10, STYLE_RULE, SYMBOL_LINE, false);
    window_puts(&w, 2, 0, STYLE_TEXT, "caf\xc3\xa9 \xe6\xbc\xa2|");
    flush(&s);
    screen_row_is(&s, 0, "|-");
    screen_row_is(&s, 1, "----------");
    screen_row_is(&s, 2, "caf? ??|");
    for (size_t i = 0; i < s.seen.len; i++)
        assert_true((unsigned char)s.seen.data[i] < 0x80);
    term_close(&s.term, true);
    screen_open_term(&s, "linux", 40, 10, false, false); /* symbols in ASCII, text as it is */
    w.theme = term_theme(s.term);
    assert_true(w.theme->ascii);
    window_puts(&w, 0, 0, STYLE_TEXT, "caf\xc3\xa9");
    flush(&s);
    screen_row_is(&s, 0, "caf\xc3\xa9");
    screen_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(clips_by_columns),
                                       cmocka_unit_test(cuts_and_aligns),
                                       cmocka_unit_test(wide_and_combining),
                                       cmocka_unit_test(hostile_text),
                                       cmocka_unit_test(styles),
                                       cmocka_unit_test(plain_terminals_get_ascii)};
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
