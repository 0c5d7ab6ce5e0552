/* attach: the placeholder. It reads no key and draws nothing while the engine has the terminal; it
 * tells size changes, stops and goes on with the shell's jobs, and puts the terminal right if the
 * engine dies. */
#include "ctl/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define LET_GO_NS (INT64_C(500) * NS_PER_MS) /* for the engine to let the terminal go */

/* What a full screen may have switched on: bracketed paste, mouse reports, the other screen, no
 * cursor, colours. */
#define RESET_SCREEN "\033[?2004l\033[?1006l\033[?1000l\033[?1049l\033[?25h\033[0m"

struct placeholder {
    struct ctl_conn *c;
    int tty;
    int signals;
    struct termios saved;
    int64_t attach_id;
    bool attached; /* the engine has said so */
    bool done;
    int code;
};

static void say(const char *text) {
    struct buf line = BUF_INIT;
    buf_puts(&line, "spacebot: ");
    utf8_append_visible(&line, text, strlen(text));
    fprintf(stderr, "%s\n", buf_str(&line));
    buf_free(&line);
}

/* The modes the shell had. Also from the background: SIGTTOU is blocked then. */
static void restore_modes(const struct placeholder *p) {
    int rc;
    do
        rc = tcsetattr(p->tty, TCSANOW, &p->saved);
    while (rc != 0 && errno == EINTR);
}

/* For when the engine could not do it. */
static void restore_all(const struct placeholder *p) {
    const char *term = getenv("TERM");
    restore_modes(p);
    if (term && !str_eq(term, "dumb") &&
        write(p->tty, RESET_SCREEN "\r\n", sizeof(RESET_SCREEN) + 1) < 0)
        return;
}

static void add_size(const struct placeholder *p, cJSON *args) {
    struct winsize w = {0};
    (void)ioctl(p->tty, TIOCGWINSZ, &w);
    /* A terminal that does not know its size (a serial line) has the size of old. */
    json_add_i64(args, "cols", w.ws_col ? w.ws_col : 80);
    json_add_i64(args, "rows", w.ws_row ? w.ws_row : 24);
}

static void send_size(struct placeholder *p, const char *cmd) {
    cJSON *args = json_new_obj();
    int64_t id;
    add_size(p, args);
    /* When it cannot be sent the connection is over, which is noticed where it is read. */
    (void)!ctl_conn_send(p->c, cmd, args, -1, &id, NULL);
    cJSON_Delete(args);
}

/* Opened by name it is a description of its own: the shell's stays blocking. Where this is not
 * possible (after `su`) the engine tries. */
static int open_own(int tty) {
    char name[256];
    if (ttyname_r(tty, name, sizeof(name)) != 0)
        return -1;
    int fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && !isatty(fd)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* What POSIX says of locales, but for none at all: containers and services set none, and the
 * terminals that people see them on show UTF-8. */
static bool wants_ascii(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return !strcasestr(v, "utf-8") && !strcasestr(v, "utf8");
    }
    return false;
}

static enum status hand_over(struct placeholder *p, struct cause *why) {
    const char *colorterm = getenv("COLORTERM"), *no_color = getenv("NO_COLOR");
    cJSON *args = json_new_obj();
    json_add_str(args, "term", getenv("TERM"));
    if (colorterm && *colorterm)
        json_add_str(args, "colorterm", colorterm);
    json_add_bool(args, "no_color", no_color && *no_color);
    json_add_bool(args, "ascii", wants_ascii());
    add_size(p, args);
    int own = open_own(p->tty);
    json_add_bool(args, "own", own >= 0);
    enum status st =
        ctl_conn_send(p->c, "attach", args, own >= 0 ? own : p->tty, &p->attach_id, why);
    if (own >= 0)
        close(own);
    cJSON_Delete(args);
    return st;
}

/* Stops this job as Ctrl-Z would. Where nobody could continue it (an orphaned group) the kernel
 * ignores it. */
static void stop_self(void) {
    sigset_t only, before;
    sigemptyset(&only);
    sigaddset(&only, SIGTSTP);
    (void)signal(SIGTSTP, SIG_DFL);
    (void)kill(0, SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &only, &before); /* delivered here, and it stops here */
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

static void suspend(struct placeholder *p) {
    stop_self();
    send_size(p, "resumed");
}

/* The terminal goes back while the engine lives: it lets go first, so that nobody draws over the
 * shell. */
static void let_go(struct placeholder *p) {
    struct cause why;
    (void)!ctl_request(p->c, "detach", NULL, LET_GO_NS, NULL, &why);
    restore_all(p);
}

static void on_signal(struct placeholder *p) {
    struct signalfd_siginfo info;
    if (read(p->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    switch (info.ssi_signo) {
    case SIGWINCH:
        if (p->attached)
            send_size(p, "resize");
        break;
    case SIGCONT:
        if (p->attached)
            send_size(p, "resumed");
        break;
    case SIGTSTP:
        /* Not by a key (the terminal is raw): somebody sent it, and the engine has to learn of it.
         */
        if (p->attached)
            restore_all(p);
        suspend(p);
        break;
    case SIGHUP:
        p->done = true; /* there is no terminal to put right */
        p->code = 128 + SIGHUP;
        break;
    case SIGINT:
    case SIGQUIT:
    case SIGTERM:
        if (p->attached)
            let_go(p);
        p->done = true;
        p->code = 128 + (int)info.ssi_signo;
        break;
    }
}

static void on_released(struct placeholder *p, const cJSON *line) {
    const char *why = json_str(line, "why", ""), *text = json_str(line, "text", NULL);
    restore_modes(p);
    if (text)
        say(text);
    else if (str_eq(why, "taken"))
        say("another terminal has taken the screen over");
    else if (str_eq(why, "stopping"))
        say("the engine was stopped");
    p->done = true;
    p->code = 0;
}

static void on_line(struct placeholder *p, const cJSON *line) {
    struct cause why = {""};
    enum status st = STATUS_OK;
    const char *screen = ctl_line_screen(line);
    if (ctl_line_reply(line, p->attach_id, &st, &why)) {
        p->attached = st == STATUS_OK;
        if (st != STATUS_OK) {
            restore_modes(p);
            say(why.text);
            p->done = true;
            p->code = 1;
        }
    } else if (str_eq(screen, "suspend")) {
        suspend(p);
    } else if (str_eq(screen, "released")) {
        on_released(p, line);
    } else if (ctl_line_ended(line)) {
        restore_all(p);
        say(ctl_line_ended(line));
        p->done = true;
        p->code = 1;
    }
}

static void on_socket(struct placeholder *p) {
    while (!p->done) {
        cJSON *line = NULL;
        struct cause why;
        enum status st = ctl_conn_read(p->c, 0, &line, &why);
        if (st == STATUS_TIMEOUT)
            return;
        if (st == STATUS_OK) {
            on_line(p, line);
            cJSON_Delete(line);
            continue;
        }
        restore_all(p);
        say(st == STATUS_GONE ? "the engine has died; its log tells more (`spacebot doctor`)"
                              : why.text);
        p->done = true;
        p->code = 1;
    }
}

static int watch_signals(sigset_t *before) {
    static const int watched[] = {SIGWINCH, SIGCONT, SIGTSTP, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(watched); i++)
        sigaddset(&set, watched[i]);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    sigaddset(&set, SIGTTOU); /* restoring modes from the background must not stop us */
    (void)sigprocmask(SIG_BLOCK, &set, before);
    return fd;
}

int attach_screen(struct ctl_conn *c) {
    struct placeholder p = {.c = c, .code = 1};
    p.tty = isatty(STDIN_FILENO) ? STDIN_FILENO : STDOUT_FILENO;
    if (tcgetattr(p.tty, &p.saved) != 0) {
        say("the screen needs a terminal (`spacebot attach --plain` prints lines)");
        return 1;
    }
    sigset_t before;
    struct cause why;
    p.signals = watch_signals(&before);
    if (hand_over(&p, &why) != STATUS_OK) {
        say(why.text);
        p.done = true;
    }
    while (!p.done) {
        struct pollfd fds[] = {{.fd = ctl_conn_fd(c), .events = POLLIN},
                               {.fd = p.signals, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            on_signal(&p);
        if (fds[0].revents && !p.done)
            on_socket(&p);
    }
    close(p.signals);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return p.code;
}
