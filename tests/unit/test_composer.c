/* Composer: readline's editing without a terminal: whole keys, whole pastes, a draft and a history
 * per channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
/* clang-format off: readline's headers need stdio before them. */
#include <readline/readline.h>
/* clang-format on */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/unit/ui_screen.h"
#include "ui/composer.h"

struct test {
    struct composer *c;
    struct keys keys;
    struct buf sent; /* "channel:text;" */
    char dir[64], history[96];
};

static void on_send(void *arg, const char *channel, const char *text) {
    buf_printf(&((struct test *)arg)->sent, "%s:%s;", channel, text);
}

static void on_key(void *arg, const struct key *k) { composer_key(((struct test *)arg)->c, k); }

static void type(struct test *t, const char *bytes) { keys_feed(&t->keys, bytes, strlen(bytes)); }

static void escape(struct test *t) {
    type(t, "\x1b");
    keys_timeout(&t->keys);
}

static int setup(void **state) {
    struct test *t = xcalloc(1, sizeof *t);
    snprintf(t->dir, sizeof t->dir, "/tmp/composer-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->history, sizeof t->history, "%s/history", t->dir);
    keys_init(&t->keys, on_key, t);
    t->c = composer_new(t->history, on_send, t);
    composer_channel(t->c, "inbox");
    *state = t;
    return 0;
}

static int teardown(void **state) {
    struct test *t = *state;
    (void)rl_variable_bind("editing-mode", "emacs");
    composer_free(&t->c);
    keys_free(&t->keys);
    buf_free(&t->sent);
    unlink(t->history);
    rmdir(t->dir);
    free(t);
    return 0;
}

static void sends_what_was_typed(void **state) {
    struct test *t = *state;
    assert_true(composer_empty(t->c));
    type(t, "helo\x1b[Dl"); /* Left, then the missing letter */
    assert_string_equal(composer_text(t->c), "hello");
    type(t, "\r");
    assert_string_equal(buf_str(&t->sent), "inbox:hello;");
    assert_true(composer_empty(t->c));
    type(t, "   \r\r"); /* nothing to send */
    assert_string_equal(buf_str(&t->sent), "inbox:hello;");
}

static void edits_as_emacs(void **state) {
    struct test *t = *state;
    type(t, "one two three\x17"); /* C-w */
    assert_string_equal(composer_text(t->c), "one two ");
    type(t, "\x19"); /* C-y */
    assert_string_equal(composer_text(t->c), "one two three");
    type(t, "\x01\x1b"
            "d"); /* C-a M-d */
    assert_string_equal(composer_text(t->c), " two three");
    type(t, "\x1f\x1f"); /* C-_ undoes */
    assert_string_equal(composer_text(t->c), "one two ");
    type(t, "\x1b[H\x1b[3~"); /* Home, Delete */
    assert_string_equal(composer_text(t->c), "ne two ");
    type(t, "\x1b[1;5C!"); /* C-Right */
    assert_string_equal(composer_text(t->c), "ne! two ");
    type(t, "\x1b[99;99x\x1b[25~\x1bOx"); /* what is not bound types nothing */
    assert_string_equal(composer_text(t->c), "ne! two ");
    type(t, "\x15\x0b\xc3\xa9\xe6\xbc\xa2\x7f"); /* C-u C-k, a wide character and back */
    assert_string_equal(composer_text(t->c), "\xc3\xa9");
    type(t, "\x15\x04\x04"); /* C-d on an empty line ends nothing */
    assert_true(composer_empty(t->c));
    type(t, "ok");
    assert_string_equal(composer_text(t->c), "ok");
}

static void paste_in_two_pieces(void **state) {
    struct test *t = *state;
    type(t, "a \x1b[200~first line\r\nsecond\x07 ");
    assert_string_equal(composer_text(t->c), "a ");
    type(t, "line\rthird\x1b[201~ z");
    assert_string_equal(composer_text(t->c), "a first line\nsecond line\nthird z");
    assert_int_equal(t->sent.len, 0); /* no line of it was taken for Enter */
    type(t, "\x1f\x1f");              /* after the typed end, one undo takes all of it back */
    assert_string_equal(composer_text(t->c), "a ");
}

static void several_lines(void **state) {
    struct test *t = *state;
    type(t, "above");
    composer_newline(t->c);
    type(t, "below\x1b[A!"); /* Up goes to the line above, not into the history */
    assert_string_equal(composer_text(t->c), "above!\nbelow");
    type(t, "\x1b[B?");
    assert_string_equal(composer_text(t->c), "above!\nbelow?");
    assert_int_equal(composer_rows(t->c, 40, "> "), 2);
    type(t, "\r");
    assert_string_equal(buf_str(&t->sent), "inbox:above!\nbelow?;");
}

static void a_draft_and_a_history_each(void **state) {
    struct test *t = *state;
    type(t, "first\rsecond\rdraft of inbox\x02\x02");
    composer_channel(t->c, "ops");
    assert_string_equal(composer_text(t->c), "");
    type(t, "\x1b[A"); /* no history here yet */
    assert_string_equal(composer_text(t->c), "");
    type(t, "of ops");
    composer_channel(t->c, "inbox");
    assert_string_equal(composer_text(t->c), "draft of inbox");
    type(t, "|"); /* the cursor is where it was */
    assert_string_equal(composer_text(t->c), "draft of inb|ox");
    type(t, "\x1b[A");
    assert_string_equal(composer_text(t->c), "second");
    type(t, "\x1b[A");
    assert_string_equal(composer_text(t->c), "first");
    composer_channel(t->c, "ops");
    assert_string_equal(composer_text(t->c), "of ops");
    composer_channel(t->c, "inbox");
    assert_string_equal(composer_text(t->c), "first"); /* what was recalled is a draft too */
    type(t, "\x15\x1b[A\x1b[A");
    assert_string_equal(composer_text(t->c), "first"); /* and the history is unharmed */
}

static void switching_in_the_middle_of_a_key(void **state) {
    struct test *t = *state;
    type(t, "needle\rhay\r");
    const char *const begun[] = {"\x12ne",
                                 ("\x1b"
                                  "4"),
                                 "\x18",
                                 "\x16",
                                 "\x1d",
                                 "\x12zzz"};
    for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
        type(t, "\x15text");
        type(t, begun[i]);
        composer_channel(t->c, "ops");
        assert_string_equal(composer_text(t->c), "");
        type(t, "x");
        assert_string_equal(composer_text(t->c), "x");
        type(t, "\x15");
        composer_channel(t->c, "inbox");
        type(t, "\x05\x15"
                "ok");
        assert_string_equal(composer_text(t->c), "ok");
    }
    assert_string_equal(buf_str(&t->sent), "inbox:needle;inbox:hay;");
}

static void searches_the_history(void **state) {
    struct test *t = *state;
    type(t, "make check\rgit log\r");
    type(t, "\x12make");
    assert_string_equal(composer_text(t->c), "make check");
    assert_true(composer_takes_escape(t->c)); /* Escape ends the search first */
    escape(t);
    assert_false(composer_takes_escape(t->c));
    assert_string_equal(composer_text(t->c), "make check");
    type(t, "\r");
    assert_string_equal(buf_str(&t->sent), "inbox:make check;inbox:git log;inbox:make check;");
}

static void vi_escape(void **state) {
    struct test *t = *state;
    (void)rl_variable_bind("editing-mode", "vi");
    composer_channel(t->c, "vi");
    type(t, "one two");
    assert_true(composer_takes_escape(t->c)); /* insert mode: Escape is readline's */
    escape(t);
    assert_false(composer_takes_escape(t->c)); /* command mode: the next one is the screen's */
    type(t, "0dw");
    assert_string_equal(composer_text(t->c), "two");
    type(t, "ix\x1b"
            "0ry"); /* Escape and a command in one piece */
    assert_string_equal(composer_text(t->c), "ytwo");
    type(t, "A!\r");
    assert_string_equal(buf_str(&t->sent), "vi:ytwo!;");
}

static void put_back(void **state) {
    struct test *t = *state;
    composer_put_back(t->c, "inbox", "again");
    assert_string_equal(composer_text(t->c), "again");
    composer_put_back(t->c, "inbox", "other"); /* never over what is being written */
    assert_string_equal(composer_text(t->c), "again");
    composer_put_back(t->c, "ops", "later");
    composer_channel(t->c, "ops");
    assert_string_equal(composer_text(t->c), "later");
}

static void history_outlives_the_process(void **state) {
    struct test *t = *state;
    type(t, "kept \\n this\x1b[200~\nand\tthat\x1b[201~\r");
    composer_channel(t->c, "ops");
    type(t, "elsewhere\r");
    struct stat st;
    assert_int_equal(stat(t->history, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    composer_free(&t->c);
    t->c = composer_new(t->history, on_send, t);
    composer_channel(t->c, "inbox");
    type(t, "\x1b[A");
    assert_string_equal(composer_text(t->c), "kept \\n this\nand\tthat");
    composer_channel(t->c, "ops");
    type(t, "\x1b[A");
    assert_string_equal(composer_text(t->c), "elsewhere");
}

static void history_is_bounded(void **state) {
    struct test *t = *state;
    composer_free(&t->c);
    FILE *f = fopen(t->history, "w");
    for (int i = 0; i < 60000; i++)
        fprintf(f, "inbox\tline number %d of a long history\n", i);
    fclose(f);
    t->c = composer_new(t->history, on_send, t);
    composer_channel(t->c, "inbox");
    type(t, "\x1b[A");
    assert_string_equal(composer_text(t->c), "line number 59999 of a long history");
    struct stat st;
    assert_int_equal(stat(t->history, &st), 0);
    assert_true(st.st_size <= 256 * 1024);
}

static void very_long_text_is_bounded(void **state) {
    struct test *t = *state;
    type(t, "\x1b[200~");
    for (int i = 0; i < 40000; i++)
        type(t, "ten bytes.");
    type(t, "\x1b[201~more");
    assert_int_equal(strlen(composer_text(t->c)), COMPOSER_TEXT_MAX);
}

/* Readline's bell would go to stderr, which is no terminal of ours. */
static void rings_nowhere(void **state) {
    struct test *t = *state;
    int was = dup(STDERR_FILENO), ends[2], n = 0;
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    type(t, "\x07\x7f\x1b[A\x1b[B\x02\x06\x04\x12zz\x07");
    fflush(stderr);
    assert_int_equal(ioctl(ends[0], FIONREAD, &n), 0);
    dup2(was, STDERR_FILENO);
    close(was);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(n, 0);
}

/* Rows are drawn with what cannot be printed made visible; the cursor follows. */
static void drawing(void **state) {
    struct test *t = *state;
    struct screen s;
    screen_start(&s, "xterm-256color", 40, 10);
    struct window w = {.r = {2, 3, 20, 3}, .theme = term_theme(s.term)};
    type(t, "\x1b[200~0123456789abcdefghij\tx\x1b[201~\x16\x07");
    composer_draw(t->c, &w, "> ", true);
    (void)term_flush(s.term);
    screen_settle(&s);
    screen_row_is(&s, 3, "  > 0123456789abcdefgh");
    screen_row_is(&s, 4, "    ij    x^G");
    int row, col;
    bool visible;
    vt_cursor(s.vt, &row, &col, &visible);
    assert_int_equal(row, 4);
    assert_int_equal(col, 13);
    assert_true(visible);
    type(t, "\x12zz"); /* readline's own prompt while it searches */
    composer_draw(t->c, &w, "> ", true);
    (void)term_flush(s.term);
    screen_settle(&s);
    assert_true(vt_matches(s.vt, "failed"));
    screen_end(&s);
}

int main(void) {
    char path[] = "/tmp/inputrc-XXXXXX";
    int fd = mkstemp(path); /* nobody's own settings */
    if (fd < 0)
        return 99;
    close(fd);
    setenv("INPUTRC", path, 1);
    setenv("LC_ALL", "C", 1); /* the engine's environment need not know of UTF-8 */
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(sends_what_was_typed),
        T(edits_as_emacs),
        T(paste_in_two_pieces),
        T(several_lines),
        T(a_draft_and_a_history_each),
        T(switching_in_the_middle_of_a_key),
        T(searches_the_history),
        T(vi_escape),
        T(put_back),
        T(history_outlives_the_process),
        T(history_is_bounded),
        T(very_long_text_is_bounded),
        T(rings_nowhere),
        T(drawing),
    };
#undef T
    int failed = cmocka_run_group_tests_name("composer", tests, NULL, NULL);
    unlink(path);
    return failed;
}
