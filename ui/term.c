/* term: the terminal as a descriptor among others. Every way of it that could block, kill or
 * confuse the engine is closed here: curses never sees the descriptor, its signal handlers do not
 * stay, sizes never come from the environment. */
#include "ui/term.h"

#include "ui/copy.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/outq.h"
#include "ui/terminfo.h"
#include "ui/text.h"

/* More than any frame: 500x200 cells with a colour each. */
#define PENDING_MAX (8u * 1024 * 1024)
#define READ_MAX 4096
#define COLS_MAX 1000
#define ROWS_MAX 500

struct term {
    struct loop *loop;
    struct term_events ev;
    char *type;
    int fd, memfd;
    FILE *out, *in;
    SCREEN *screen; /* NULL while suspended */
    struct termios shell_modes;
    bool have_modes, no_color, ascii;
    bool suspended; /* given back by term_suspend() */
    bool away;      /* somebody else took it: do not read or write until the owner is back */
    bool gone;      /* hung up */
    bool telling;   /* a key's callback runs: it may close the terminal */
    bool closed;    /* in that callback; the memory goes when it returns */
    int cols, rows;
    pid_t pid;
    struct theme theme;
    struct keys keys;
    struct outq *q;
    struct loop_watch *watch;
    struct loop_timer *key_timer, *away_timer;
    struct buf frame;
};

/* newterm() and endwin() install handlers of curses' own; the engine's signals are the loop's. */
static const int curses_signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
struct handlers {
    struct sigaction v[ARRAY_LEN(curses_signals)];
};

static void handlers_save(struct handlers *h) {
    for (size_t i = 0; i < ARRAY_LEN(curses_signals); i++)
        sigaction(curses_signals[i], NULL, &h->v[i]);
}

static void handlers_restore(const struct handlers *h) {
    for (size_t i = 0; i < ARRAY_LEN(curses_signals); i++)
        sigaction(curses_signals[i], &h->v[i], NULL);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Moves what curses has written into `to`. */
static void collect(struct term *t, struct buf *to) {
    off_t n = lseek(t->memfd, 0, SEEK_CUR);
    if (n <= 0)
        return;
    char *room = buf_room(to, (size_t)n);
    ssize_t got = pread(t->memfd, room, (size_t)n, 0);
    if (got > 0)
        buf_added(to, (size_t)got);
    (void)lseek(t->memfd, 0, SEEK_SET);
}

static void bracketed_paste(struct term *t, bool on) {
    if (!theme_is_vt(t->type)) /* a real VT100 would show it */
        buf_puts(&t->frame, on ? "\x1b[?2004h" : "\x1b[?2004l");
}

/* Gives curses a screen of the present size. The first bytes wait in t->frame. */
static bool start_screen(struct term *t) {
    struct handlers h;
    handlers_save(&h);
    text_locale();
    if (getenv("LINES"))
        unsetenv("LINES"); /* the size is told by the placeholder; terminfo's is corrected below */
    if (getenv("COLUMNS"))
        unsetenv("COLUMNS");
    use_env(TRUE); /* with FALSE a terminfo entry without a size is refused */
    t->screen = newterm(t->type, t->out, t->in);
    handlers_restore(&h);
    if (!t->screen)
        return false;
    typeahead(-1);
    leaveok(stdscr, FALSE);
    scrollok(stdscr, FALSE);
    (void)resizeterm(t->rows, t->cols);
    theme_init(&t->theme, t->type, t->no_color, t->ascii);
    curs_set(0);
    collect(t, &t->frame);
    terminfo_scroll_all(t->rows, &t->frame);
    bracketed_paste(t, true);
    return true;
}

static void end_screen(struct term *t) {
    if (!t->screen)
        return;
    struct handlers h;
    handlers_save(&h);
    curs_set(1);
    endwin();
    collect(t, &t->frame);
    bracketed_paste(t, false);
    delscreen(t->screen);
    handlers_restore(&h);
    t->screen = NULL;
}

static void raw_mode(struct term *t) {
    if (!t->have_modes)
        return;
    struct termios raw = t->shell_modes;
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag &= ~(tcflag_t)OPOST;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    (void)tcsetattr(t->fd, TCSANOW, &raw); /* never the draining kinds: they wait for the reader */
}

/* Leaves the terminal as it was found, without waiting for it: what it does not take is lost. */
static void give_back(struct term *t) {
    bool stuck = t->q && outq_pending(t->q) > 0;
    outq_free(&t->q);
    end_screen(t);
    if (stuck) {
        (void)tcflush(t->fd, TCOFLUSH);
        (void)!write(t->fd, "\x18", 1); /* CAN ends a sequence that was cut in the middle */
    }
    for (size_t at = 0; at < t->frame.len;) {
        ssize_t n = write(t->fd, t->frame.data + at, t->frame.len - at);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    buf_reset(&t->frame);
    if (t->have_modes)
        (void)tcsetattr(t->fd, TCSANOW, &t->shell_modes);
}

/* ---- whose terminal it is -------------------------------------------------------------------- */

/* The placeholder is stopped, or not in the foreground of its terminal: then a shell owns it. */
static bool owner_away(const struct term *t, bool *stopped) {
    *stopped = false;
    if (t->pid <= 0)
        return false;
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)t->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *rest = strrchr(text, ')'); /* the name before it may hold anything */
    char state;
    int parent, group, session, tty, foreground;
    if (!rest || sscanf(rest + 1, " %c %d %d %d %d %d", &state, &parent, &group, &session, &tty,
                        &foreground) != 6)
        return false;
    *stopped = state == 'T' || state == 't';
    return *stopped || (foreground > 0 && foreground != group);
}

static void away_tick(void *arg);
static void hung_up(struct term *t);

/* Somebody else has the terminal: no reading, no writing. A stopped owner is heard of when it goes
 * on (term_resume()); one in the background may come forward without a sign, so it is looked at. */
static void go_away(struct term *t, bool stopped) {
    t->away = true;
    outq_free(&t->q);
    if (t->watch)
        loop_watch_events(t->watch, 0);
    if (!stopped && !t->away_timer)
        t->away_timer = loop_timer(t->loop, NS_PER_SEC, away_tick, t, "screen owner");
}

static void on_drain(void *arg) {
    struct term *t = arg;
    t->ev.on_drain(t->ev.arg);
}

static void on_write_error(void *arg, int err) {
    (void)err;
    hung_up(arg);
}

static void on_readable(void *arg, int fd, unsigned events);

/* Takes the terminal: a fresh screen, since another program may have left anything behind. */
static enum status take(struct term *t, struct cause *why) {
    end_screen(t);
    buf_reset(&t->frame);
    keys_reset(&t->keys);
    t->away = t->suspended = false;
    loop_timer_del(&t->away_timer);
    if (!start_screen(t))
        return cause_set(why, STATUS_INVALID, "curses cannot draw on a terminal of type \"%s\"",
                         t->type);
    raw_mode(t);
    if (!t->q)
        t->q = outq_new(t->loop, t->fd, PENDING_MAX, on_drain, on_write_error, t);
    if (t->watch) {
        loop_watch_events(t->watch, LOOP_READ);
        return STATUS_OK;
    }
    enum status st = loop_watch(t->loop, t->fd, LOOP_READ, on_readable, t, "keyboard", &t->watch);
    if (st != STATUS_OK)
        return cause_set(why, st, "the terminal cannot be read");
    loop_watch_urgent(t->watch);
    return STATUS_OK;
}

static void come_back(struct term *t) {
    if (take(t, NULL) != STATUS_OK)
        hung_up(t);
    else
        t->ev.on_resume(t->ev.arg);
}

static void away_tick(void *arg) {
    struct term *t = arg;
    bool stopped;
    if (!owner_away(t, &stopped)) {
        t->away_timer = NULL;
        come_back(t);
    } else if (stopped) {
        t->away_timer = NULL;
    } else {
        loop_timer_again(t->away_timer, NS_PER_SEC);
    }
}

/* ---- keyboard -------------------------------------------------------------------------------- */

static void hung_up(struct term *t) {
    if (t->gone)
        return;
    t->gone = true;
    loop_unwatch(&t->watch);
    loop_timer_del(&t->key_timer);
    t->ev.on_gone(t->ev.arg);
}

static void tell_key(void *arg, const struct key *k) {
    struct term *t = arg;
    if (!t->closed && !t->suspended)
        t->ev.on_key(t->ev.arg, k);
}

static void key_timeout(void *arg);

/* Feeds n bytes, or tells the decoder that no more came (n == 0). */
static void feed(struct term *t, const char *data, size_t n) {
    loop_timer_del(&t->key_timer);
    t->telling = true;
    if (n)
        keys_feed(&t->keys, data, n);
    else
        keys_timeout(&t->keys);
    t->telling = false;
    if (t->closed) {
        keys_free(&t->keys);
        free(t);
        return;
    }
    int wait = keys_wait_ms(&t->keys);
    if (wait && !t->suspended)
        t->key_timer = loop_timer(t->loop, wait * NS_PER_MS, key_timeout, t, "key timeout");
}

static void key_timeout(void *arg) {
    struct term *t = arg;
    t->key_timer = NULL;
    feed(t, NULL, 0);
}

static void on_readable(void *arg, int fd, unsigned events) {
    struct term *t = arg;
    bool stopped;
    if (!(events & LOOP_HUP) && owner_away(t, &stopped)) { /* those keys are the shell's */
        go_away(t, stopped);
        return;
    }
    char data[READ_MAX];
    ssize_t n = read(fd, data, sizeof data);
    if (n > 0)
        feed(t, data, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR) || events & LOOP_HUP)
        hung_up(t);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int within(int v, int high) { return v < 1 ? 1 : v > high ? high : v; }

enum status term_open(struct loop *l, const struct term_options *o, const struct term_events *ev,
                      struct term **out, struct cause *why) {
    *out = NULL;
    struct term *t = xcalloc(1, sizeof *t);
    *t = (struct term){.loop = l,
                       .ev = *ev,
                       .fd = o->fd,
                       .memfd = -1,
                       .no_color = o->no_color,
                       .ascii = o->ascii,
                       .pid = o->pid};
    t->type = xstrdup(o->term ? o->term : "");
    t->cols = within(o->cols, COLS_MAX);
    t->rows = within(o->rows, ROWS_MAX);
    keys_init(&t->keys, tell_key, t);
    enum status st = terminfo_check(t->type, why);
    if (st == STATUS_OK) {
        t->memfd = memfd_create("frame", MFD_CLOEXEC);
        int copy = t->memfd < 0 ? -1 : fcntl(t->memfd, F_DUPFD_CLOEXEC, 0);
        t->out = copy < 0 ? NULL : fdopen(copy, "w");
        t->in = fopen("/dev/null", "re");
        if (!t->out || !t->in)
            st = cause_errno(why, STATUS_IO, errno, "cannot make a frame buffer");
    }
    if (st == STATUS_OK && tcgetattr(t->fd, &t->shell_modes) != 0)
        st = cause_errno(why, STATUS_IO, errno, "cannot read the terminal's modes");
    if (st == STATUS_OK) {
        t->have_modes = true;
        st = take(t, why);
    }
    if (st != STATUS_OK) {
        term_close(&t, true);
        return st;
    }
    *out = t;
    return STATUS_OK;
}

void term_close(struct term **tp, bool restore) {
    struct term *t = *tp;
    if (!t)
        return;
    *tp = NULL;
    loop_unwatch(&t->watch);
    loop_timer_del(&t->key_timer);
    loop_timer_del(&t->away_timer);
    if (restore && !t->suspended && !t->away && !t->gone)
        give_back(t);
    outq_free(&t->q);
    end_screen(t);
    if (t->out)
        fclose(t->out);
    if (t->in)
        fclose(t->in);
    if (t->memfd >= 0)
        close(t->memfd);
    close(t->fd);
    buf_free(&t->frame);
    x_free(&t->type);
    t->closed = true;
    if (!t->telling) {
        keys_free(&t->keys);
        free(t);
    }
}

void term_suspend(struct term *t) {
    if (t->suspended || t->gone)
        return;
    loop_unwatch(&t->watch);
    loop_timer_del(&t->key_timer);
    if (!t->away)
        give_back(t);
    t->suspended = true;
}

void term_resume(struct term *t) {
    bool stopped;
    if (t->gone)
        return;
    if (owner_away(t, &stopped)) { /* continued in the background */
        go_away(t, stopped);
        return;
    }
    come_back(t);
}

/* ---- frames out ------------------------------------------------------------------------------ */

bool term_ready(struct term *t) {
    if (t->gone || t->suspended || t->away || outq_pending(t->q) > 0)
        return false;
    bool stopped;
    if (owner_away(t, &stopped)) {
        go_away(t, stopped);
        return false;
    }
    return true;
}

size_t term_flush(struct term *t) {
    wnoutrefresh(stdscr);
    doupdate();
    collect(t, &t->frame);
    size_t n = t->frame.len;
    if (n && outq_write(t->q, t->frame.data, n) != STATUS_OK)
        clearok(curscr, TRUE); /* the terminal does not show what curses believes */
    buf_reset(&t->frame);
    return n;
}

void term_resize(struct term *t, int cols, int rows) {
    t->cols = within(cols, COLS_MAX);
    t->rows = within(rows, ROWS_MAX);
    if (t->screen) {
        (void)resizeterm(t->rows, t->cols);
        terminfo_scroll_all(t->rows, &t->frame);
    }
    term_redraw(t);
}

void term_redraw(struct term *t) {
    if (t->screen)
        clearok(curscr, TRUE);
}

void term_bell(struct term *t) {
    /* Not curses' flash(): it waits a tenth of a second. */
    if (term_ready(t) && outq_write(t->q, "\a", 1) != STATUS_OK)
        term_redraw(t);
}

bool term_copy(struct term *t, const char *text, size_t n) {
    struct buf b = BUF_INIT;
    bool sent = term_ready(t) && copy_sequence(t->type, text, n, &b) &&
                outq_write(t->q, b.data, b.len) == STATUS_OK;
    buf_free(&b);
    return sent;
}

int term_cols(const struct term *t) { return t->cols; }
int term_rows(const struct term *t) { return t->rows; }
size_t term_pending(const struct term *t) { return t->q ? outq_pending(t->q) : 0; }
const struct theme *term_theme(const struct term *t) { return &t->theme; }
const char *term_type(const struct term *t) { return t->type; }
