/* ui_screen: a terminal inside the test: a pseudo-terminal whose other end is read by libvterm.
 * What is asserted is what a person would see. */
#ifndef TEST_UI_SCREEN_H
#define TEST_UI_SCREEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "loop/loop.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"
#include "ui/term.h"

struct screen {
    struct loop *loop;
    struct vt *vt;
    struct term *term;
    int master, slave; /* slave: kept open by us, as a shell would */
    struct termios before;
    struct buf seen; /* every byte that reached the terminal */
    struct term_events ev;
    int drains, resumes, gones;
    void (*on_key)(void *arg, const struct key *k);
    void *arg;
};

static inline void screen_on_key(void *arg, const struct key *k) {
    struct screen *s = arg;
    if (s->on_key)
        s->on_key(s->arg, k);
}
static inline void screen_on_drain(void *arg) { ((struct screen *)arg)->drains++; }
static inline void screen_on_resume(void *arg) { ((struct screen *)arg)->resumes++; }
static inline void screen_on_gone(void *arg) { ((struct screen *)arg)->gones++; }

/* Opens the terminal as the engine would get it. */
static inline void screen_open_term(struct screen *s, const char *type, int cols, int rows,
                                    bool no_color) {
    struct cause why = {""};
    struct term_options o = {
        .fd = open(ptsname(s->master), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC),
        .term = type,
        .no_color = no_color,
        .cols = cols,
        .rows = rows};
    assert_true(o.fd >= 0);
    s->ev = (struct term_events){.on_key = screen_on_key,
                                 .on_drain = screen_on_drain,
                                 .on_resume = screen_on_resume,
                                 .on_gone = screen_on_gone,
                                 .arg = s};
    if (term_open(s->loop, &o, &s->ev, &s->term, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static inline void screen_start(struct screen *s, const char *type, int cols, int rows) {
    memset(s, 0, sizeof *s);
    s->loop = loop_new(LOOP_REAL);
    s->vt = vt_new(cols, rows);
    s->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    assert_true(s->master >= 0 && grantpt(s->master) == 0 && unlockpt(s->master) == 0);
    s->slave = open(ptsname(s->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(s->slave >= 0);
    struct winsize size = {.ws_col = (unsigned short)cols, .ws_row = (unsigned short)rows};
    assert_int_equal(ioctl(s->slave, TIOCSWINSZ, &size), 0);
    assert_int_equal(tcgetattr(s->slave, &s->before), 0);
    screen_open_term(s, type, cols, rows, false);
}

/* Takes what has been written to the terminal so far. */
static inline void screen_read(struct screen *s) {
    char data[16384];
    ssize_t n;
    while ((n = read(s->master, data, sizeof data)) > 0) {
        buf_append(&s->seen, data, (size_t)n);
        vt_feed(s->vt, data, (size_t)n);
    }
}

/* Turns the loop until nothing is pending and nothing happens any more. */
static inline void screen_settle(struct screen *s) {
    int64_t deadline = wait_until(WAIT_MS);
    do {
        (void)loop_turn(s->loop, 0);
        screen_read(s);
        assert_true(wait_left(deadline) > 0);
    } while (s->term && term_pending(s->term) > 0);
    while (loop_turn(s->loop, 0))
        screen_read(s);
    screen_read(s);
}

/* Types, and lets the loop take it. The terminal's driver passes bytes on before write returns. */
static inline void screen_type(struct screen *s, const char *bytes, size_t n) {
    assert_int_equal(write(s->master, bytes, n), (ssize_t)n);
    screen_settle(s);
}

static inline void screen_row_is(struct screen *s, int row, const char *text) {
    char *have = vt_row(s->vt, row);
    if (strcmp(have, text) != 0) {
        char *all = vt_text(s->vt);
        fail_msg("row %d is \"%s\"\n  expected \"%s\"\n%s", row, have, text, all);
    }
    free(have);
}

static inline void screen_end(struct screen *s) {
    term_close(&s->term, true);
    screen_read(s);
    loop_free(&s->loop);
    vt_free(&s->vt);
    close(s->slave);
    close(s->master);
    buf_free(&s->seen);
}

#endif
