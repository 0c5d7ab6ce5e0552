/* Markdown as lines: each construct, every width, and that a text that streams in ends as the same
 * lines as one given whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ui/markdown.h"
#include "ui/text.h"
#include "ui/theme.h"

static void dump(const struct markdown *m, struct buf *out) {
    buf_reset(out);
    for (size_t i = 0; i < m->nlines; i++) {
        const struct markdown_line *l = &m->lines[i];
        for (uint32_t s = l->first; s < l->first + l->n; s++)
            buf_append(out, m->text.data + m->spans[s].off, m->spans[s].len);
        while (out->len && out->data[out->len - 1] == ' ')
            buf_truncate(out, out->len - 1);
        buf_putc(out, '\n');
    }
}

static void expect(const char *raw, int width, const char *lines) {
    struct markdown m = {0};
    struct buf b = BUF_INIT;
    markdown_feed(&m, raw, strlen(raw), width, false, true);
    dump(&m, &b);
    assert_string_equal(buf_str(&b), lines);
    buf_free(&b);
    markdown_free(&m);
}

static void constructs(void **state) {
    (void)state;
    expect("", 40, "");
    expect("plain words\n", 40, "plain words\n");
    expect("one\ntwo\n\nthree", 40, "one two\n\nthree\n");
    expect("hard  \nbreak", 40, "hard\nbreak\n");
    expect("# Title\n\ntext", 40, "Title\n\ntext\n");
    expect("a **b** *c* `d` ~~e~~", 40, "a b c d e\n");
    expect("- one\n- two\n  - deep\n- three", 40, "• one\n• two\n  • deep\n• three\n");
    expect("9. nine\n10. ten", 40, "9. nine\n10. ten\n");
    expect("- [ ] open\n- [x] done", 40, "[ ] open\n[x] done\n");
    expect("> quoted\n> more", 40, "│ quoted more\n");
    expect("```c\nint x;\n\n  y();\n```\nafter", 40, " int x;\n\n   y();\n\nafter\n");
    expect("```\n    four\n     five\n                    twenty\n```", 40,
           "     four\n      five\n                     twenty\n");
    expect("[text](http://x.y)", 40, "text (http://x.y)\n");
    expect("<http://x.y>", 40, "http://x.y\n");
    expect("![alt](p.png)", 40, "image: alt (p.png)\n");
    expect("a\n\n---\n\nb", 10, "a\n\n──────────\n\nb\n");
    expect("a &amp; b &#x41; &lt;", 40, "a & b A <\n");
    expect("<b>not html</b>", 40, "<b>not html</b>\n");
}

static void tables(void **state) {
    (void)state;
    expect("| name | n |\n|------|--:|\n| a | 1 |\n| bcd | 20 |\n", 40,
           "name   n\n────  ──\na      1\nbcd   20\n");
    /* Too wide: the widest column gives way and is wrapped. */
    expect("| k | text |\n|---|------|\n| x | some words that are long |\n", 16,
           "k  text\n─  ─────────────\nx  some words\n   that are long\n");
}

static void wrapping(void **state) {
    (void)state;
    expect("some words that wrap", 10, "some words\nthat wrap\n");
    expect("- some words that wrap", 12, "• some words\n  that wrap\n");
    expect("abcdefghijklmnop", 10, "abcdefghij\nklmnop\n");
    expect("日本語日本語", 8, "日本語日\n本語\n");
    expect("```\nabcdefghijklmnop\n```", 12, " abcdefghijk\n lmnop\n");
}

static void hostile_text_is_shown(void **state) {
    (void)state;
    expect("a\x1b[2Jb", 40, "a^[[2Jb\n");
    expect("[safe](http://evil\x1b]0;x\x07)", 60, "[safe](http://evil^[]0;x^G)\n");
    expect("x \xE2\x80\xAE y", 40, "x <U+202E> y\n");
    expect("bad \xff byte", 40, "bad \xEF\xBF\xBD byte\n");
}

static const char sample[] =
    "# A page\n\nSome *words* and **more** of `them`, long enough that they wrap over several "
    "lines.\n\n"
    "- one\n- two\n\n  still two\n- three\n\n1. first\n2. second\n\n> quoted\n> lines\n\n"
    "| a | b |\n|---|--:|\n| x | 1 |\n\n```sh\necho one\n\necho two\n```\n\nThe end: "
    "[link](http://x.y/z).\n\n"
    "Ünïcödé 日本語 text — with dashes.\n";

static void a_stream_ends_as_the_whole(void **state) {
    (void)state;
    static const int sizes[] = {20, 40, 76};
    for (size_t w = 0; w < ARRAY_LEN(sizes); w++) {
        struct markdown whole = {0}, m = {0};
        struct buf want = BUF_INIT, got = BUF_INIT;
        markdown_feed(&whole, sample, sizeof sample - 1, sizes[w], false, true);
        dump(&whole, &want);
        for (size_t i = 0; i < sizeof sample; i++)
            markdown_feed(&m, sample, i, sizes[w], false, i == sizeof sample - 1);
        dump(&m, &got);
        assert_string_equal(buf_str(&got), buf_str(&want));
        buf_free(&want);
        buf_free(&got);
        markdown_free(&whole);
        markdown_free(&m);
    }
}

/* What lies in memory behind the text so far is no part of it. */
static void the_text_ends_where_it_ends(void **state) {
    (void)state;
    static const char raw[] = "see [a](b) and (c) and (d)";
    struct markdown m = {0};
    struct buf got = BUF_INIT;
    for (size_t n = 1; n < sizeof raw; n++)
        markdown_feed(&m, raw, n, 40, false, false);
    markdown_feed(&m, raw, strlen("see [a](b"), 40, false, true);
    dump(&m, &got);
    assert_string_equal(buf_str(&got), "see [a](b\n");
    buf_free(&got);
    markdown_free(&m);
}

static void a_long_code_block_streams(void **state) {
    (void)state;
    struct buf raw = BUF_INIT, want = BUF_INIT, got = BUF_INIT;
    struct markdown whole = {0}, m = {0};
    buf_puts(&raw, "Look:\n\n```c\n");
    for (int i = 0; i < 350; i++) {
        buf_printf(&raw, "line %d;\n", i);
        markdown_feed(&m, raw.data, raw.len, 40, false, false);
    }
    buf_puts(&raw, "```\n\nafter\n");
    markdown_feed(&m, raw.data, raw.len, 40, false, true);
    markdown_feed(&whole, raw.data, raw.len, 40, false, true);
    assert_true(m.raw > 2000); /* most of it is laid out for good */
    dump(&whole, &want);
    dump(&m, &got);
    assert_string_equal(buf_str(&got), buf_str(&want));
    buf_free(&raw);
    buf_free(&want);
    buf_free(&got);
    markdown_free(&whole);
    markdown_free(&m);
}

/* The words of all lines, in order, without the blanks between and a quote's bars. */
static void squeeze(const struct markdown *m, struct buf *out) {
    struct buf b = BUF_INIT;
    dump(m, &b);
    for (size_t i = 0; i < b.len; i++)
        if (memcmp(b.data + i, "\xe2\x94\x82", b.len - i < 3 ? b.len - i : 3) == 0)
            i += 2;
        else if (b.data[i] != ' ' && b.data[i] != '\n')
            buf_putc(out, b.data[i]);
    buf_free(&b);
}

/* A block of 120 KB that streams in: a frame parses a step of it at most twice (once for good),
 * nothing is lost, and no line is blank that was none. */
static void stream_long(const char *piece, const char *begin) {
    struct markdown m = {0}, whole = {0};
    struct buf raw = BUF_INIT, streamed = BUF_INIT, at_once = BUF_INIT;
    buf_puts(&raw, begin);
    size_t n = strlen(piece);
    while (raw.len < 120 * 1024) {
        size_t before = m.parsed, fresh = raw.len;
        while (raw.len - fresh < 200)
            buf_append(&raw, piece, n);
        markdown_feed(&m, raw.data, raw.len, 60, false, false);
        if (m.parsed - before > 2 * MARKDOWN_STEP + (raw.len - fresh))
            fail_msg("%zu bytes are parsed at %zu", m.parsed - before, raw.len);
    }
    for (size_t i = 1; i + 1 < m.nlines; i++)
        assert_true(m.lines[i].n > 0);
    markdown_feed(&whole, raw.data, raw.len, 60, false, true);
    squeeze(&m, &streamed);
    squeeze(&whole, &at_once);
    assert_string_equal(buf_str(&streamed), buf_str(&at_once));
    buf_free(&raw);
    buf_free(&streamed);
    buf_free(&at_once);
    markdown_free(&m);
    markdown_free(&whole);
}

static void a_long_block_costs_a_step(void **state) {
    (void)state;
    stream_long("a line of a paragraph that\nnever seems to end, ", "");
    stream_long("words and words ", ""); /* one line */
    stream_long("word", "");             /* one word */
    stream_long("\xe6\x95\xb0\xe3\x81\x88", "");
    stream_long("- an item of a list\n", "");
    stream_long("- a loose item\n\n", "");
    stream_long("> quoted words\n", "");
    stream_long("x", "```\n");
    stream_long("code line;\n", "```c\n");
}

static void no_line_is_too_wide(void **state) {
    (void)state;
    for (int width = 12; width < 100; width++) {
        struct markdown m = {0};
        struct buf b = BUF_INIT;
        markdown_feed(&m, sample, sizeof sample - 1, width, false, true);
        dump(&m, &b);
        for (char *line = strtok(b.data, "\n"); line; line = strtok(NULL, "\n"))
            assert_true(text_width(line, strlen(line)) <= width);
        buf_free(&b);
        markdown_free(&m);
    }
}

int main(void) {
    text_locale();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constructs),
        cmocka_unit_test(tables),
        cmocka_unit_test(wrapping),
        cmocka_unit_test(hostile_text_is_shown),
        cmocka_unit_test(a_stream_ends_as_the_whole),
        cmocka_unit_test(the_text_ends_where_it_ends),
        cmocka_unit_test(a_long_code_block_streams),
        cmocka_unit_test(a_long_block_costs_a_step),
        cmocka_unit_test(no_line_is_too_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
