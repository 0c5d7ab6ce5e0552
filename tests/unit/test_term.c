/* Term: a terminal is taken, drawn on without ever waiting for it, and left as it was found. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "tests/unit/ui_screen.h"
#include "ui/terminfo.h"
#include "ui/text.h"
#include "ui/window.h"

static struct window all(const struct screen *s) {
    return (struct window){.r = {0, 0, term_cols(s->term), term_rows(s->term)},
                           .theme = term_theme(s->term)};
}

static bool same_modes(const struct termios *a, const struct termios *b) {
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof a->c_cc) == 0;
}

static void takes_and_gives_back(void **state) {
    (void)state;
    struct sigaction before[3], after[3];
    const int signals[3] = {SIGINT, SIGTSTP, SIGWINCH};
    for (int i = 0; i < 3; i++)
        sigaction(signals[i], NULL, &before[i]);
    struct screen s;
    struct termios raw;
    screen_start(&s, "xterm-256color", 80, 24);
    assert_int_equal(tcgetattr(s.slave, &raw), 0);
    assert_int_equal(raw.c_lflag & (tcflag_t)(ICANON | ECHO | ISIG), 0);
    struct window w = all(&s);
    window_puts(&w, 3, 4, STYLE_TEXT, "hello");
    (void)term_flush(s.term);
    screen_settle(&s);
    assert_true(vt_altscreen(s.vt));
    screen_row_is(&s, 3, "    hello");
    assert_non_null(memmem(s.seen.data, s.seen.len, "\x1b[?2004h", 8));
    for (int i = 0; i < 3; i++) { /* curses' handlers did not stay */
        sigaction(signals[i], NULL, &after[i]);
        assert_true(before[i].sa_handler == after[i].sa_handler);
    }
    term_close(&s.term, true);
    assert_null(s.term);
    screen_read(&s);
    assert_int_equal(tcgetattr(s.slave, &raw), 0);
    assert_true(same_modes(&raw, &s.before));
    assert_false(vt_altscreen(s.vt));
    assert_non_null(memmem(s.seen.data, s.seen.len, "\x1b[?2004l", 8));
    int row, col;
    bool visible;
    vt_cursor(s.vt, &row, &col, &visible);
    assert_true(visible);
    screen_end(&s);
}

static void one_after_the_other(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 80, 24);
    static const char *const types[] = {"vt100", "xterm", "screen-256color", "linux"};
    for (int i = 0; i < 40; i++) {
        term_close(&s.term, i % 2 == 0);
        screen_open_term(&s, types[i % 4], 60 + i, 20 + i % 7, false, false);
        struct window w = all(&s);
        window_puts(&w, 1, 0, STYLE_TEXT, "again");
        (void)term_flush(s.term);
        screen_settle(&s);
        screen_row_is(&s, 1, "again");
        term_resize(s.term, 100, 30);
        vt_resize(s.vt, 100, 30);
        w = all(&s);
        window_puts(&w, 29, 90, STYLE_TEXT, "corner");
        (void)term_flush(s.term);
        screen_settle(&s);
        assert_true(vt_find(s.vt, "corner", &(int){0}, &(int){0}));
        vt_resize(s.vt, 80, 24);
    }
    screen_end(&s);
}

/* A terminal that nobody reads: one frame waits, nothing more is drawn, the loop goes on; when it
 * is read again the screen is right. */
static void a_stuck_terminal_costs_frames(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 200, 50);
    screen_settle(&s);
    struct window w = all(&s);
    int frames = 0;
    char line[256];
    for (int turn = 0; turn < 300; turn++) {
        (void)loop_turn(s.loop, 0);
        if (!term_ready(s.term))
            continue;
        for (int row = 0; row < 50; row++) {
            snprintf(line, sizeof line, "%0*d", 200, frames * 50 + row);
            window_puts(&w, row, 0, STYLE_TEXT, line);
        }
        assert_true(term_flush(s.term) > 0);
        frames++;
    }
    assert_true(frames < 20);
    size_t pending = term_pending(s.term);
    assert_true(pending > 0 && pending < 20000); /* what the kernel did not take of one frame */
    assert_int_equal(s.drains, 0);
    screen_settle(&s);
    assert_true(s.drains > 0);
    assert_true(term_ready(s.term));
    snprintf(line, sizeof line, "%0*d", 200, (frames - 1) * 50 + 49);
    screen_row_is(&s, 49, line);
    screen_end(&s);
}

/* Closing a stuck terminal waits for nothing, and its modes are right all the same. */
static void a_stuck_terminal_can_be_left(void **state) {
    (void)state;
    struct screen s;
    struct termios modes;
    screen_start(&s, "xterm-256color", 200, 50);
    struct window w = all(&s);
    (void)term_flush(s.term);
    screen_settle(&s);
    assert_true(vt_altscreen(s.vt));
    struct pollfd room = {.fd = s.slave, .events = POLLOUT};
    /* Until the kernel takes nothing more, also when it has had time to make room. */
    for (int frame = 0; term_pending(s.term) == 0 || poll(&room, 1, 50) > 0; frame++) {
        (void)loop_turn(s.loop, 0);
        if (term_pending(s.term) > 0)
            continue;
        for (int row = 0; row < 50; row++)
            for (int col = 0; col < 200; col += 4) {
                char text[8];
                snprintf(text, sizeof text, "%04d", (frame * 7 + row * col) % 10000);
                window_puts(&w, row, col, (unsigned)(col % 7), text);
            }
        (void)term_flush(s.term);
    }
    term_close(&s.term, true);
    assert_int_equal(tcgetattr(s.slave, &modes), 0);
    assert_true(same_modes(&modes, &s.before));
    screen_read(&s); /* what was on its way made room for the way back */
    assert_false(vt_altscreen(s.vt));
    screen_end(&s);
}

static char typed[64];
static void remember(void *arg, const struct key *k) {
    (void)arg;
    size_t n = strlen(typed);
    if (k->sym == KEYSYM_CHAR && n + 1 < sizeof typed)
        typed[n] = (char)k->cp;
    else if (n + 1 < sizeof typed)
        typed[n] = k->sym == KEYSYM_ESC ? 'E' : k->sym == KEYSYM_UP ? 'U' : '?';
    typed[n + 1 < sizeof typed ? n + 1 : n] = '\0';
}

static void keys_come_raw(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 80, 24);
    s.on_key = remember;
    typed[0] = '\0';
    screen_type(&s, "a\x03\x1a\x11\x13q\x1b[A", 9); /* no signal, no flow control, no line */
    assert_string_equal(typed, "aczqsqU");
    screen_type(&s, "\x1b", 1);
    assert_string_equal(typed, "aczqsqU");
    int64_t deadline = wait_until(WAIT_MS);
    while (!strchr(typed, 'E') && wait_left(deadline) > 0)
        (void)loop_turn(s.loop, -1); /* the timer is the event */
    assert_string_equal(typed, "aczqsqUE");
    screen_end(&s);
}

static struct screen *closing;
static void close_on_q(void *arg, const struct key *k) {
    (void)arg;
    if (k->cp == 'q')
        term_close(&closing->term, true);
    else
        remember(NULL, k);
}

/* A key may close the terminal: the keys behind it are nobody's. */
static void closed_by_a_key(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 80, 24);
    closing = &s;
    s.on_key = close_on_q;
    typed[0] = '\0';
    screen_type(&s, "abqcd", 5);
    assert_string_equal(typed, "ab");
    assert_null(s.term);
    screen_end(&s);
}

static void suspended_and_resumed(void **state) {
    (void)state;
    struct screen s;
    struct termios modes;
    screen_start(&s, "xterm-256color", 80, 24);
    struct window w = all(&s);
    window_puts(&w, 0, 0, STYLE_TEXT, "mine");
    (void)term_flush(s.term);
    screen_settle(&s);
    term_suspend(s.term);
    screen_read(&s);
    assert_false(vt_altscreen(s.vt));
    assert_int_equal(tcgetattr(s.slave, &modes), 0);
    assert_true(same_modes(&modes, &s.before));
    assert_false(term_ready(s.term));
    s.on_key = remember;
    typed[0] = '\0';
    screen_type(&s, "x\r", 2); /* the shell's */
    assert_string_equal(typed, "");
    term_resume(s.term);
    assert_int_equal(s.resumes, 1);
    assert_true(term_ready(s.term));
    w = all(&s);
    window_puts(&w, 0, 0, STYLE_TEXT, "mine");
    (void)term_flush(s.term);
    screen_settle(&s);
    assert_true(vt_altscreen(s.vt));
    screen_row_is(&s, 0, "mine");
    screen_end(&s);
}

/* The placeholder is stopped from outside: neither its keys are read nor its screen written. */
static void not_while_the_owner_is_stopped(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 80, 24);
    term_close(&s.term, true);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;)
            pause();
    }
    struct term_options o = {
        .fd = open(ptsname(s.master), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC),
        .term = "xterm-256color",
        .cols = 80,
        .rows = 24,
        .pid = pid};
    struct cause why;
    assert_int_equal(term_open(s.loop, &o, &s.ev, &s.term, &why), STATUS_OK);
    assert_true(term_ready(s.term));
    assert_int_equal(kill(pid, SIGSTOP), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    s.on_key = remember;
    typed[0] = '\0';
    screen_type(&s, "ls\r", 3);
    assert_string_equal(typed, "");
    int left = 0;
    assert_int_equal(ioctl(s.slave, FIONREAD, &left), 0);
    assert_int_equal(left, 3); /* the shell will read them */
    assert_false(term_ready(s.term));
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
    term_resume(s.term); /* as the server does when the placeholder says so */
    assert_int_equal(s.resumes, 1);
    assert_true(term_ready(s.term));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    screen_end(&s);
}

static void hang_up(void **state) {
    (void)state;
    struct screen s;
    screen_start(&s, "xterm-256color", 80, 24);
    close(s.slave);
    close(s.master);
    int64_t deadline = wait_until(WAIT_MS);
    while (!s.gones && wait_left(deadline) > 0)
        (void)loop_turn(s.loop, 100 * 1000000);
    assert_int_equal(s.gones, 1);
    assert_false(term_ready(s.term));
    for (int i = 0; i < 10; i++) /* and the loop does not spin on it */
        assert_false(loop_turn(s.loop, 0));
    term_close(&s.term, false);
    s.slave = s.master = -1;
    screen_end(&s);
}

static void unknown_types_are_refused(void **state) {
    (void)state;
    struct cause why = {""};
    assert_int_equal(terminfo_check("xterm-256color", &why), STATUS_OK);
    assert_int_equal(terminfo_check("no-such-terminal", &why), STATUS_INVALID);
    assert_non_null(strstr(why.text, "no-such-terminal"));
    assert_int_equal(terminfo_check("dumb", &why), STATUS_INVALID);
    assert_int_equal(terminfo_check("", &why), STATUS_INVALID);
    assert_int_equal(terminfo_check(NULL, &why), STATUS_INVALID);
    /* Also while a screen is in use, which goes on. */
    struct screen s;
    screen_start(&s, "xterm-256color", 80, 24);
    assert_int_equal(terminfo_check("no-such-terminal", &why), STATUS_INVALID);
    assert_int_equal(terminfo_check("vt100", &why), STATUS_OK);
    struct window w = all(&s);
    window_puts(&w, 5, 5, STYLE_ACCENT, "still here");
    (void)term_flush(s.term);
    screen_settle(&s);
    screen_row_is(&s, 5, "     still here");
    screen_end(&s);
    struct loop *l = loop_new(LOOP_REAL);
    struct term *t;
    struct term_options o = {.fd = open("/dev/null", O_RDWR | O_NONBLOCK | O_CLOEXEC),
                             .term = "xterm",
                             .cols = 80,
                             .rows = 24};
    assert_int_not_equal(term_open(l, &o, &(struct term_events){0}, &t, &why), STATUS_OK);
    assert_null(t);
    loop_free(&l);
}

int main(void) {
    setenv("LINES", "3", 1); /* an exported size is not the terminal's */
    setenv("COLUMNS", "7", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_and_gives_back),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(a_stuck_terminal_costs_frames),
        cmocka_unit_test(a_stuck_terminal_can_be_left),
        cmocka_unit_test(keys_come_raw),
        cmocka_unit_test(closed_by_a_key),
        cmocka_unit_test(suspended_and_resumed),
        cmocka_unit_test(not_while_the_owner_is_stopped),
        cmocka_unit_test(hang_up),
        cmocka_unit_test(unknown_types_are_refused),
    };
    return cmocka_run_group_tests_name("term", tests, NULL, NULL);
}
