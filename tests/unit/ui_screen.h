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
                                    bool no_color, bool ascii) {
    struct cause why = {""};
    struct term_options o = {
        .fd = open(ptsname(s->master), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC),
        .term = type,
        .no_color = no_color,
        .ascii = ascii,
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

static inline void screen_start_as(struct screen *s, const char *type, int cols, int rows,
                                   bool no_color, bool ascii) {
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
    screen_open_term(s, type, cols, rows, no_color, ascii);
}

static inline void screen_start(struct screen *s, const char *type, int cols, int rows) {
    screen_start_as(s, type, cols, rows, false, false);
}

/* Takes what has arrived from the terminal so far; up to and with the mark, if there is one. */
static inline bool screen_take(struct screen *s, const char *mark, size_t nmark) {
    char data[16384];
    ssize_t n;
    bool found = false;
    struct buf fresh = BUF_INIT;
    while ((n = read(s->master, data, sizeof data)) > 0)
        buf_append(&fresh, data, (size_t)n);
    char *at = nmark && fresh.len ? memmem(fresh.data, fresh.len, mark, nmark) : NULL;
    if (at) {
        found = true;
        buf_truncate(&fresh, (size_t)(at - fresh.data)); /* nothing comes after it */
    }
    if (fresh.len) {
        buf_append(&s->seen, fresh.data, fresh.len);
        vt_feed(s->vt, fresh.data, fresh.len);
    }
    buf_free(&fresh);
    return found;
}

/* Reads all that was written to the terminal. The kernel passes it on in its own time, so a mark is
 * written behind it and waited for. */
static inline void screen_read(struct screen *s) {
    static const char mark[] = "\x01\x02mark\x03";
    size_t n = sizeof mark - 1;
    int64_t deadline = wait_until(WAIT_MS);
    (void)screen_take(s, NULL, 0);
    assert_int_equal(write(s->slave, mark, n), (ssize_t)n);
    for (;;) {
        struct pollfd p = {.fd = s->master, .events = POLLIN};
        assert_true(wait_poll(&p, 1, deadline) > 0);
        if (screen_take(s, mark, n))
            return;
    }
}

/* Turns the loop until nothing is pending and nothing happens any more. */
static inline void screen_settle(struct screen *s) {
    int64_t deadline = wait_until(WAIT_MS);
    do {
        (void)loop_turn(s->loop, 0);
        (void)screen_take(s, NULL, 0);
        assert_true(wait_left(deadline) > 0);
    } while (s->term && term_pending(s->term) > 0);
    while (loop_turn(s->loop, 0))
        (void)screen_take(s, NULL, 0);
    screen_read(s);
}

/* Types, and lets the loop take it once all of it has arrived. */
static inline void screen_type(struct screen *s, const char *bytes, size_t n) {
    int64_t deadline = wait_until(WAIT_MS);
    int there = 0;
    assert_int_equal(write(s->master, bytes, n), (ssize_t)n);
    while (ioctl(s->slave, FIONREAD, &there) == 0 && there < (int)n) {
        struct pollfd p = {.fd = s->slave, .events = POLLIN};
        assert_true(wait_poll(&p, 1, deadline) > 0);
    }
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
    if (s->master >= 0) {
        screen_read(s);
        close(s->slave);
        close(s->master);
    }
    loop_free(&s->loop);
    vt_free(&s->vt);
    buf_free(&s->seen);
}

#endif
