/* Keys: whatever a terminal sends becomes the same keys wherever the bytes are cut, and nothing
 * else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ui/keymap.h"
#include "ui/keys.h"

/* Keys as text: "A-x C-c Up S-Tab <paste>". */
static void note(void *arg, const struct key *k) {
    struct buf *out = arg;
    if (out->len)
        buf_putc(out, ' ');
    if (k->mods & KEYMOD_ALT)
        buf_puts(out, "A-");
    if (k->mods & KEYMOD_CTRL)
        buf_puts(out, "C-");
    if (k->mods & KEYMOD_SHIFT)
        buf_puts(out, "S-");
    if (k->sym == KEYSYM_CHAR)
        buf_printf(out, k->cp < 0x7F ? "%c" : "U+%04X", k->cp);
    else if (k->sym == KEYSYM_FUNCTION)
        buf_printf(out, "F%u", k->cp);
    else if (k->sym == KEYSYM_PASTE)
        buf_printf(out, "<%.*s>%s", (int)k->nraw, k->raw, k->cut ? "cut" : "");
    else
        buf_puts(out, keysym_name(k->sym));
}

static const struct {
    const char *bytes, *keys;
} cases[] = {
    {"abc", "a b c"},
    {"\r\t\x7f\x08", "Enter Tab Backspace Backspace"},
    {"\x01\x1a\n\x1c", "C-a C-z C-j C-\\"},
    {"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80", "U+00E9 U+6F22 U+1F600"},
    {"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F", "Up Down Right Left Home End"},
    {"\x1bOA\x1bOB\x1bOP\x1bOS", "Up Down F1 F4"},
    {"\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~\x1b[7~\x1b[8~",
     "Home Insert Delete End PgUp PgDn Home End"},
    {"\x1b[15~\x1b[24~\x1b[[A\x1b[[E", "F5 F12 F1 F5"},
    {"\x1b[1;5C\x1b[1;3D\x1b[1;2A\x1b[3;5~", "C-Right A-Left S-Up C-Delete"},
    {"\x1b[Z", "S-Tab"},
    {"\x1b"
     "b\x1b\r\x1b\x7f\x1b\xc3\xa9",
     "A-b A-Enter A-Backspace A-U+00E9"},
    {"\x1b\x1b[A", "Esc Up"},
    /* kitty and modifyOtherKeys */
    {"\x1b[97u\x1b[97;5u\x1b[13;2u\x1b[27u\x1b[9;2u", "a C-a S-Enter Esc S-Tab"},
    {"\x1b[97;1:3u\x1b[97;1:1u", "a"}, /* only the press counts */
    {"\x1b[27;5;99~\x1b[27;2;13~", "C-c S-Enter"},
    {"\x1b[57399u", ""}, /* a key without a character */
    /* answers and reports that nobody asked for */
    {"\x1b[?62;22c\x1b[M\x1b[I\x1b[O\x1b[>0;1c", "other other other other other"},
    {"\x1b[201~x", "x"},
    /* broken */
    {"\xc3x\xff\x80y", "x y"},
    {"\xc2\x9bz", "z"},
    {"\x1b[12\x1b[A", "Up"},
    {"\x1b[1;\rx", "Enter x"},
    /* paste */
    {"\x1b[200~line 1\rline \x1b[31m2\x1b[201~q", "<line 1\rline \x1b[31m2> q"},
    {"\x1b[200~\x1b[201~", "<>"},
    {"\x1b[200~a\x1b[20\x1b[201~", "<a\x1b[20>"},
};

static void every_split(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = strlen(cases[i].bytes);
        for (size_t a = 0; a <= n; a++) {
            for (size_t b = a; b <= n; b++) {
                struct buf out = BUF_INIT;
                struct keys k;
                keys_init(&k, note, &out);
                keys_feed(&k, cases[i].bytes, a);
                keys_feed(&k, cases[i].bytes + a, b - a);
                keys_feed(&k, cases[i].bytes + b, n - b);
                assert_string_equal(buf_str(&out), cases[i].keys);
                assert_int_equal(keys_wait_ms(&k), 0);
                keys_free(&k);
                buf_free(&out);
            }
        }
    }
}

static void escape_by_timeout(void **state) {
    (void)state;
    struct buf out = BUF_INIT;
    struct keys k;
    keys_init(&k, note, &out);
    keys_feed(&k, "\x1b", 1);
    assert_int_equal(keys_wait_ms(&k), 25);
    assert_string_equal(buf_str(&out), "");
    keys_timeout(&k);
    assert_string_equal(buf_str(&out), "Esc");
    assert_int_equal(keys_wait_ms(&k), 0);
    keys_feed(&k, "[A", 2); /* too late to be an arrow */
    assert_string_equal(buf_str(&out), "Esc [ A");
    /* The rest of a longer sequence is waited for, then dropped whole. */
    keys_feed(&k, "\x1b[1;", 4);
    assert_true(keys_wait_ms(&k) > 25);
    keys_timeout(&k);
    keys_feed(&k, "x", 1);
    assert_string_equal(buf_str(&out), "Esc [ A x");
    keys_free(&k);
    buf_free(&out);
}

static void count(void *arg, const struct key *k) {
    (void)k;
    ++*(size_t *)arg;
}

static void overlong_is_swallowed(void **state) {
    (void)state;
    struct buf out = BUF_INIT;
    struct keys k;
    keys_init(&k, note, &out);
    keys_feed(&k, "\x1b[", 2);
    for (int i = 0; i < 100000; i++)
        keys_feed(&k, "1;", 2);
    keys_feed(&k, "~ok", 3);
    assert_string_equal(buf_str(&out), "o k");
    keys_free(&k);
    buf_free(&out);
}

static size_t pasted;
static bool cut;
static void measure(void *arg, const struct key *k) {
    (void)arg;
    assert_int_equal(k->sym, KEYSYM_PASTE);
    pasted = k->nraw;
    cut = k->cut;
}

static void paste_is_bounded(void **state) {
    (void)state;
    struct keys k;
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    keys_init(&k, measure, NULL);
    keys_feed(&k, "\x1b[200~", 6);
    for (int i = 0; i < 2000; i++)
        keys_feed(&k, piece, sizeof piece);
    keys_feed(&k, "\x1b[201~", 6);
    assert_int_equal(pasted, KEYS_PASTE_MAX);
    assert_true(cut);
    keys_feed(&k, "\x1b[200~abc", 9); /* one without an end is taken when nothing more comes */
    assert_true(keys_wait_ms(&k) > 1000);
    keys_timeout(&k);
    assert_int_equal(pasted, 3);
    assert_false(cut);
    keys_free(&k);
}

/* Any bytes: the same keys however they are cut, and memory stays bounded. */
static void hostile_bytes(void **state) {
    (void)state;
    static const char *const parts[] = {
        "\x1b",      "[",    "O",    "1", ";",    "~",    "u",    "200~", "201~", "\x1b[200~",
        "\x1b[201~", "\xc3", "\xa9", "a", "\x00", "\x7f", "\xff", "[[",   "27;5;"};
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char text[256];
        size_t n = 0;
        for (int i = 0; i < 24; i++) {
            const char *p = parts[(size_t)rand_r(&seed) % ARRAY_LEN(parts)];
            size_t len = *p ? strlen(p) : 1;
            memcpy(text + n, p, len);
            n += len;
        }
        struct buf whole = BUF_INIT, pieces = BUF_INIT;
        struct keys a, b;
        keys_init(&a, note, &whole);
        keys_init(&b, note, &pieces);
        keys_feed(&a, text, n);
        for (size_t at = 0; at < n;) {
            size_t len = 1 + (size_t)rand_r(&seed) % 3;
            if (len > n - at)
                len = n - at;
            keys_feed(&b, text + at, len);
            at += len;
        }
        assert_string_equal(buf_str(&whole), buf_str(&pieces));
        keys_free(&a);
        keys_free(&b);
        buf_free(&whole);
        buf_free(&pieces);
    }
    size_t keys = 0;
    struct keys k;
    keys_init(&k, count, &keys);
    for (int i = 0; i < 1000000; i++) {
        char c = (char)rand_r(&seed);
        keys_feed(&k, &c, 1);
        if (k.pasting)
            keys_reset(&k);
    }
    assert_true(keys > 0);
    keys_free(&k);
}

/* The table: every action but the second half of ^C ^C has a key wherever it says it acts. */
static void every_action_has_its_keys(void **state) {
    (void)state;
    const struct action_info *a;
    for (size_t i = 0; (a = keymap_action(i)) != NULL; i++) {
        assert_int_equal(a->action, i);
        assert_true(strlen(a->keys) > 0 && strlen(a->help) > 0 &&
                    (a->where != 0 || a->keys[0] == ':'));
        if (a->action == ACTION_QUIT)
            continue;
        for (enum focus f = FOCUS_COMPOSER; f <= FOCUS_HELP; f++) {
            bool found = false;
            for (unsigned cp = 0; cp < 128 && !found; cp++) {
                for (int sym = KEYSYM_CHAR; sym <= KEYSYM_OTHER && !found; sym++) {
                    for (unsigned mods = 0; mods < 8 && !found; mods++) {
                        struct key k = {.sym = (enum keysym)sym, .cp = cp, .mods = mods};
                        enum action got;
                        found = keymap_find(&k, f, &got) && got == a->action;
                    }
                }
            }
            assert_int_equal(found, (a->where & (1u << f)) != 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split),           cmocka_unit_test(escape_by_timeout),
        cmocka_unit_test(overlong_is_swallowed), cmocka_unit_test(paste_is_bounded),
        cmocka_unit_test(hostile_bytes),         cmocka_unit_test(every_action_has_its_keys),
    };
    return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
