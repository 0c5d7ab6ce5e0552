/* utf8: every scalar value round trips, every malformed class is refused, and nothing that moves or
 * hides text on a terminal gets through utf8_append_visible(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static void round_trip(void **state) {
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        char s[4];
        size_t n = utf8_encode(cp, s);
        if ((cp >= 0xD800 && cp <= 0xDFFF) || cp > 0x10FFFF) {
            if (n != 0)
                fail_msg("U+%04X was encoded", (unsigned)cp);
            continue;
        }
        uint32_t back = UINT32_MAX;
        if (utf8_decode(s, n, &back) != (int)n || back != cp)
            fail_msg("U+%04X came back as U+%04X", (unsigned)cp, (unsigned)back);
        /* Each proper beginning asks for more. */
        for (size_t i = 0; i < n; i++)
            if (utf8_decode(s, i, &back) != 0)
                fail_msg("U+%04X cut to %zu bytes", (unsigned)cp, i);
    }
    assert_int_equal(utf8_encode(UINT32_MAX, (char[4]){0}), 0);
}

/* By an oracle that decodes the naive way and then asks whether the bytes are those of utf8_encode.
 */
static int slow_decode(const unsigned char *p, size_t n) {
    unsigned char c = p[0];
    size_t len = c < 0x80 ? 1 : c < 0xC0 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF8 ? 4 : 0;
    if (!len || len > n)
        return -1;
    uint32_t cp = len == 1 ? c : c & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return -1;
        cp = cp << 6 | (p[i] & 0x3Fu);
    }
    char again[4];
    return utf8_encode(cp, again) == len && memcmp(again, p, len) == 0 ? (int)len : -1;
}

static void every_three_bytes(void **state) {
    (void)state;
    const unsigned char edge[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (size_t i = 0; i < ARRAY_LEN(edge); i++)
                for (size_t j = 0; j < ARRAY_LEN(edge); j++) {
                    const unsigned char s[4] = {(unsigned char)a, (unsigned char)b, edge[i],
                                                edge[j]};
                    uint32_t cp;
                    int got = utf8_decode((const char *)s, 4, &cp);
                    int want = slow_decode(s, 4);
                    if (got != want)
                        fail_msg("%02X %02X %02X %02X: %d, not %d", a, b, s[2], s[3], got, want);
                }
}

static void validity(void **state) {
    (void)state;
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("a\0b", 3));
    assert_true(utf8_valid("h\xC3\xA9llo \xF0\x9F\x98\x80", 11));
    assert_false(utf8_valid("\xC3", 1));
    assert_false(utf8_valid("a\xE2\x82", 3));
    assert_false(utf8_valid("\xC0\x80", 2));
    assert_false(utf8_valid("\xED\xA0\x80", 3));
    assert_false(utf8_valid("\xF4\x90\x80\x80", 4));
}

static void cutting(void **state) {
    (void)state;
    const char s[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* starts at 0 1 3 6 10 */
    const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < ARRAY_LEN(want); max++)
        assert_int_equal(utf8_cut(s, 11, max), want[max]);
    /* What is not UTF-8 has no characters to spare. */
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80", 5, 4), 4);
    assert_int_equal(utf8_cut("\xFF\xFF\xFF", 3, 2), 2);
}

static void check(void (*fn)(struct buf *, const char *, size_t), const char *in, size_t n,
                  const char *want) {
    struct buf b = BUF_INIT;
    fn(&b, in, n);
    assert_string_equal(buf_str(&b), want);
    assert_true(utf8_valid(buf_str(&b), b.len));
    buf_free(&b);
}

#define VALID(in, want) check(utf8_append_valid, in, sizeof(in) - 1, want)
#define VISIBLE(in, want) check(utf8_append_visible, in, sizeof(in) - 1, want)
#define BAD "\xEF\xBF\xBD"

static void made_valid(void **state) {
    (void)state;
    VALID("", "");
    VALID("plain", "plain");
    VALID("\xFF", BAD);
    VALID("a\xC3", "a" BAD);
    VALID("\xE2\x82z", BAD BAD "z");
    VALID("\xED\xA0\x80", BAD BAD BAD);
    VALID("\xC3\xA9\x80\xC3\xA9", "\xC3\xA9" BAD "\xC3\xA9");
    VALID("\x1b[2J", "\x1b[2J");
}

static void made_visible(void **state) {
    (void)state;
    VISIBLE("two\nlines\tand a tab", "two\nlines\tand a tab");
    VISIBLE("a\r\nb", "a\nb");
    VISIBLE("a\rb\r", "a^Mb^M");
    VISIBLE("\r\r\n", "^M\n");
    VISIBLE("\x1b]0;title\x07", "^[]0;title^G");
    VISIBLE("\0\x01\x1f\x7f", "^@^A^_^?");
    VISIBLE("\xC2\x80\xC2\x9B\x32J\xC2\x9F", "<U+0080><U+009B>2J<U+009F>");
    VISIBLE("\xC2\xA0", "\xC2\xA0"); /* no-break space is seen */
    VISIBLE("\x9B", BAD);            /* a raw C1 byte is no character */
    VISIBLE("x\xE2\x80\xAE"
            "cod.exe",
            "x<U+202E>cod.exe");
    VISIBLE("\xF3\xA0\x81\x81", "<U+E0041>"); /* a tag: text that only a model sees */
    VISIBLE("\xEF\xBB\xBF"
            "bom",
            "<U+FEFF>bom");
    /* A family (ZWJ), a heart (variation selector), Persian (ZWNJ). */
    VISIBLE("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9",
            "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9");
    VISIBLE("\xE2\x9D\xA4\xEF\xB8\x8F", "\xE2\x9D\xA4\xEF\xB8\x8F");
    VISIBLE("\xD9\x85\xE2\x80\x8C\xD8\xAE", "\xD9\x85\xE2\x80\x8C\xD8\xAE");
    VISIBLE("e\xCC\x81 \xE6\x97\xA5 \xF0\x9F\x98\x80", "e\xCC\x81 \xE6\x97\xA5 \xF0\x9F\x98\x80");
}

/* Every character with the property Bidi_Control (UAX #9), and what else draws nothing. */
static void hidden_ones(void **state) {
    (void)state;
    const uint32_t hidden[] = {0x061C, 0x200E, 0x200F, 0x202A, 0x202B,  0x202C,  0x202D, 0x202E,
                               0x2066, 0x2067, 0x2068, 0x2069, 0x00AD,  0x034F,  0x115F, 0x1160,
                               0x180E, 0x200B, 0x2028, 0x2029, 0x2060,  0x2064,  0x206F, 0x3164,
                               0xFEFF, 0xFFA0, 0xFFF9, 0xFFFB, 0xE0001, 0xE0020, 0xE007F};
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
        char s[4], want[16];
        size_t n = utf8_encode(hidden[i], s);
        snprintf(want, sizeof(want), "<U+%04X>", (unsigned)hidden[i]);
        check(utf8_append_visible, s, n, want);
    }
    const uint32_t shown[] = {0x200C, 0x200D, 0xFE00, 0xFE0E, 0xFE0F, 0xE0100, 0x200A, 0x202F,
                              0x2010, 0x2070, 0xFFFC, 0xFFFD, 0x061B, 0x061D,  0x1F600};
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        char s[5] = "";
        size_t n = utf8_encode(shown[i], s);
        check(utf8_append_visible, s, n, s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),  cmocka_unit_test(every_three_bytes),
        cmocka_unit_test(validity),    cmocka_unit_test(cutting),
        cmocka_unit_test(made_valid),  cmocka_unit_test(made_visible),
        cmocka_unit_test(hidden_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
