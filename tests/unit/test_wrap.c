/* Wrapping: lines fit, nothing is lost, and a text that came in pieces has the same lines as the
 * whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ui/text.h"
#include "ui/wrap.h"

static void expect(const char *raw, int width, const char *lines) {
    struct wrap w = {0};
    struct buf out = BUF_INIT;
    wrap_feed(&w, raw, strlen(raw), width, true);
    for (size_t i = 0; i < wrap_lines(&w); i++) {
        size_t n;
        int indent;
        const char *text = wrap_line(&w, i, &n, &indent);
        buf_printf(&out, "%*s%.*s|", indent, "", (int)n, text);
    }
    assert_string_equal(buf_str(&out), lines);
    buf_free(&out);
    wrap_free(&w);
}

static void lines(void **state) {
    (void)state;
    expect("", 10, "");
    expect("one two three", 7, "one two|three|");
    expect("one\n\ntwo\n", 10, "one||two|");
    expect("averyverylongword x", 10, "averyveryl|ongword x|");
    expect("- a bullet that wraps", 12, "- a bullet|  that wraps|");
    expect("    indented text here", 14, "    indented|    text here|");
    expect("12. numbered item", 13, "12. numbered|    item|");
    expect("well-known-fact", 8, "well-|known-|fact|");
    expect("\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", 5, "\xe6\xbc\xa2\xe5\xad\x97|\xe6\xbc\xa2|");
    expect("a\tb", 20, "a       b|");
    expect("a\r\nb", 20, "a|b|");
    expect("\x1b[31mred\x07", 20, "^[[31mred^G|");
    expect("word   ", 4, "word   |");
}

static void pieces_are_the_whole(void **state) {
    (void)state;
    static const char *const parts[] = {"a",
                                        "bc",
                                        " ",
                                        "  ",
                                        "\n",
                                        "-",
                                        "\t",
                                        "\xe6\xbc\xa2",
                                        "e\xcc\x81",
                                        "\r\n",
                                        "\xf0\x9f\x98\x80",
                                        "1. ",
                                        "- ",
                                        "\x1b",
                                        "\xe2\x80\x8d"};
    unsigned seed = 3;
    for (int round = 0; round < 20000; round++) {
        char text[512];
        size_t n = 0;
        for (int i = rand_r(&seed) % 40; i > 0; i--) {
            const char *p = parts[(size_t)rand_r(&seed) % ARRAY_LEN(parts)];
            memcpy(text + n, p, strlen(p));
            n += strlen(p);
        }
        int width = 1 + rand_r(&seed) % 16;
        struct wrap whole = {0}, grown = {0};
        wrap_feed(&whole, text, n, width, true);
        for (size_t at = 0; at < n;) {
            at += 1 + (size_t)rand_r(&seed) % 5;
            wrap_feed(&grown, text, at < n ? at : n, width, false);
        }
        wrap_feed(&grown, text, n, width, true);
        assert_int_equal(whole.n, grown.n);
        assert_int_equal(whole.text.len, grown.text.len);
        for (size_t i = 0; i < whole.n; i++) {
            assert_int_equal(whole.v[i].off, grown.v[i].off);
            assert_int_equal(whole.v[i].len, grown.v[i].len);
            assert_int_equal(whole.v[i].indent, grown.v[i].indent);
            const char *line = buf_str(&whole.text) + whole.v[i].off;
            size_t len = whole.v[i].len;
            while (len && line[len - 1] == ' ') /* spaces may hang over the edge */
                len--;
            int one;
            if (len && text_next(line, len, &one) < len) /* but for one character wider than all */
                assert_true(whole.v[i].indent + text_width(line, len) <= width);
        }
        wrap_free(&whole);
        wrap_free(&grown);
    }
}

/* A stream of 256 KB in small pieces: the work is that of the text, not of text times pieces. */
static void streaming_costs_what_is_new(void **state) {
    (void)state;
    struct wrap w = {0};
    struct buf text = BUF_INIT;
    for (int i = 0; i < 40000; i++) {
        buf_puts(&text, i % 12 == 11 ? "word\n" : "token ");
        wrap_feed(&w, text.data, text.len, 72, false);
    }
    assert_true(wrap_lines(&w) > 3000);
    assert_int_equal(w.raw, text.len);
    struct wrap once = {0};
    wrap_feed(&once, text.data, text.len, 72, true);
    assert_int_equal(wrap_lines(&once), wrap_lines(&w));
    wrap_free(&once);
    wrap_free(&w);
    buf_free(&text);
}

static void widths(void **state) {
    (void)state;
    int w;
    assert_int_equal(text_width("abc", 3), 3);
    assert_int_equal(text_width("\xe6\xbc\xa2", 3), 2);
    assert_int_equal(text_next("e\xcc\x81x", 4, &w),
                     3); /* a letter with its accent is one character */
    assert_int_equal(w, 1);
    assert_int_equal(text_fit("\xe6\xbc\xa2\xe5\xad\x97", 6, 3, &w), 3); /* no half characters */
    assert_int_equal(w, 2);
    assert_int_equal(text_next("\xff", 1, &w), 1);
    assert_int_equal(text_width("\x1b\x07", 2), 2);
}

static int setup(void **state) {
    (void)state;
    text_locale();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines), cmocka_unit_test(pieces_are_the_whole),
        cmocka_unit_test(streaming_costs_what_is_new), cmocka_unit_test(widths)};
    return cmocka_run_group_tests_name("wrap", tests, setup, NULL);
}
