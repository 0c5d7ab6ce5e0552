/* The prompt's line: editing, history, completion; and what is sent to copy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ui/copy.h"
#include "ui/prompt.h"
#include "ui/text.h"

static void words(void *arg, const char *text, size_t from, struct strv *out) {
    static const char *const all[] = {"cancel", "channel", "copy", "quit"};
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_prefix(all[i], text + from))
            strv_push(out, all[i]);
}

static enum prompt_verdict press(struct prompt *p, enum keysym sym, uint32_t cp, unsigned mods) {
    struct key k = {.sym = sym, .cp = cp, .mods = mods};
    return prompt_key(p, &k, words, NULL);
}

static void type(struct prompt *p, const char *s) {
    for (; *s; s++)
        press(p, KEYSYM_CHAR, (unsigned char)*s, 0);
}

static void a_line_is_edited(void **state) {
    (void)state;
    struct prompt p = {0};
    prompt_start(&p, ':');
    type(&p, "show x");
    press(&p, KEYSYM_LEFT, 0, 0);
    press(&p, KEYSYM_CHAR, 0xE9, 0);
    assert_string_equal(buf_str(&p.text), "show éx");
    press(&p, KEYSYM_BACKSPACE, 0, 0);
    assert_string_equal(buf_str(&p.text), "show x");
    press(&p, KEYSYM_CHAR, 'w', KEYMOD_CTRL);
    assert_string_equal(buf_str(&p.text), "x");
    press(&p, KEYSYM_END, 0, 0);
    press(&p, KEYSYM_CHAR, 'u', KEYMOD_CTRL);
    assert_string_equal(buf_str(&p.text), "");
    assert_int_equal(press(&p, KEYSYM_BACKSPACE, 0, 0), PROMPT_ABORTED);
    assert_int_equal(press(&p, KEYSYM_ESC, 0, 0), PROMPT_ABORTED);
    struct key paste = {.sym = KEYSYM_PASTE, .raw = "one\ntwo", .nraw = 7};
    prompt_key(&p, &paste, words, NULL);
    assert_string_equal(buf_str(&p.text), "one"); /* a line is one line */
    prompt_free(&p);
}

static void a_line_is_bounded(void **state) {
    (void)state;
    struct prompt p = {0};
    prompt_start(&p, '/');
    for (unsigned i = 0; i < 2 * PROMPT_MAX; i++)
        press(&p, KEYSYM_CHAR, 'x', 0);
    assert_int_equal(p.text.len, PROMPT_MAX);
    prompt_free(&p);
}

static void history_is_kept_by_kind(void **state) {
    (void)state;
    struct prompt p = {0};
    for (unsigned i = 0; i < PROMPT_HISTORY + 5; i++) {
        char line[16];
        prompt_start(&p, ':');
        snprintf(line, sizeof line, "line %u", i);
        type(&p, line);
        assert_int_equal(press(&p, KEYSYM_ENTER, 0, 0), PROMPT_DONE);
        prompt_stop(&p);
    }
    assert_int_equal(p.history[0].n, PROMPT_HISTORY);
    prompt_start(&p, ':');
    press(&p, KEYSYM_UP, 0, 0);
    assert_string_equal(buf_str(&p.text), "line 104");
    press(&p, KEYSYM_UP, 0, 0);
    assert_string_equal(buf_str(&p.text), "line 103");
    press(&p, KEYSYM_DOWN, 0, 0);
    press(&p, KEYSYM_DOWN, 0, 0);
    assert_string_equal(buf_str(&p.text), "");
    prompt_start(&p, '/');
    press(&p, KEYSYM_UP, 0, 0);
    assert_string_equal(buf_str(&p.text), "");
    prompt_free(&p);
}

static void tab_goes_round(void **state) {
    (void)state;
    struct prompt p = {0};
    static const char *const want[] = {"cancel", "channel", "copy", "cancel"};
    prompt_start(&p, ':');
    type(&p, "c");
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        press(&p, KEYSYM_TAB, 0, 0);
        assert_string_equal(buf_str(&p.text), want[i]);
    }
    press(&p, KEYSYM_CHAR, 'u', KEYMOD_CTRL);
    type(&p, "zz");
    press(&p, KEYSYM_TAB, 0, 0);
    assert_string_equal(buf_str(&p.text), "zz");
    prompt_free(&p);
}

static void what_is_copied(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    assert_true(copy_sequence("xterm-256color", "hello", 5, &b));
    assert_string_equal(buf_str(&b), "\x1b]52;c;aGVsbG8=\a");
    buf_reset(&b);
    assert_true(copy_sequence("tmux-256color", "hi\n", 3, &b));
    assert_string_equal(buf_str(&b), "\x1b]52;c;aGkK\a");
    buf_reset(&b);
    assert_true(copy_sequence("screen", "", 0, &b));
    assert_string_equal(buf_str(&b), "\x1bP\x1b]52;c;\a\x1b\\");
    buf_reset(&b);
    char *big = xcalloc(1, COPY_MAX + 1);
    assert_true(copy_sequence("xterm", big, COPY_MAX, &b));
    assert_false(copy_sequence("xterm", big, COPY_MAX + 1, &b));
    x_free(&big);
    buf_free(&b);
    struct cause why;
    assert_int_equal(copy_to_file("/nonexistent/dir/file", "x", 1, &why), STATUS_IO);
    assert_non_null(strstr(why.text, "/nonexistent/dir/file"));
}

int main(void) {
    text_locale();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_edited),        cmocka_unit_test(a_line_is_bounded),
        cmocka_unit_test(history_is_kept_by_kind), cmocka_unit_test(tab_goes_round),
        cmocka_unit_test(what_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
