/* pty: see pty.h. */
#include "tests/lib/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/lib/wait.h"

struct pty {
    int master, slave, pidfd; /* slave: held open, else the master hangs up between two programs */
    pid_t pid;
    int code;
    char name[64];
    void (*sink)(void *arg, const char *data, size_t n);
    void *sink_arg;
    size_t bytes;
    struct termios before;
};

extern char **environ;

static void become(const struct pty *p, const struct pty_spec *spec) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(p->name, O_RDWR); /* the session's first terminal becomes its own */
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 1) < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 ||
        dup2(fd, 2) < 0)
        _exit(126);
    if (fd > 2)
        close(fd);
    if (spec->dir && chdir(spec->dir) < 0)
        _exit(126);
    execvpe(spec->argv[0], (char *const *)spec->argv, spec->env ? spec->env : environ);
    dprintf(2, "%s: %s\n", spec->argv[0], strerror(errno));
    _exit(127);
}

static void start(struct pty *p, const struct pty_spec *spec) {
    p->code = -1;
    p->pid = fork();
    if (p->pid == 0)
        become(p, spec);
    p->pidfd = p->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, p->pid, 0u);
    if (p->pidfd < 0)
        fail_msg("cannot start %s: %s", spec->argv[0], strerror(errno));
}

struct pty *pty_start(const struct pty_spec *spec) {
    struct pty *p = xcalloc(1, sizeof(*p));
    p->pidfd = -1;
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0 ||
        ptsname_r(p->master, p->name, sizeof(p->name)) != 0)
        fail_msg("cannot make a pseudo-terminal: %s", strerror(errno));
    p->slave = open(p->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (p->slave < 0)
        fail_msg("%s: %s", p->name, strerror(errno));
    pty_resize(p, spec->cols ? spec->cols : 80, spec->rows ? spec->rows : 24);
    p->before = pty_modes(p);
    start(p, spec);
    return p;
}

void pty_again(struct pty *p, const struct pty_spec *spec) {
    assert_true(p->code >= 0);
    close(p->pidfd);
    start(p, spec);
}

void pty_sink(struct pty *p, void (*fn)(void *arg, const char *data, size_t n), void *arg) {
    p->sink = fn;
    p->sink_arg = arg;
}

pid_t pty_pid(const struct pty *p) { return p->pid; }
const char *pty_name(const struct pty *p) { return p->name; }
size_t pty_bytes(const struct pty *p) { return p->bytes; }
int pty_code(const struct pty *p) { return p->code; }

static void reap(struct pty *p) {
    int status;
    if (p->code < 0 && waitpid(p->pid, &status, WNOHANG) == p->pid)
        p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Reads one piece; false when there is none. */
static bool take(struct pty *p) {
    char data[65536];
    ssize_t n = read(p->master, data, sizeof(data));
    if (n <= 0)
        return false;
    p->bytes += (size_t)n;
    if (p->sink)
        p->sink(p->sink_arg, data, (size_t)n);
    return true;
}

bool pty_pump(struct pty *p, int64_t deadline) {
    struct pollfd fds[2] = {{.fd = p->master, .events = POLLIN},
                            {.fd = p->code < 0 ? p->pidfd : -1, .events = POLLIN}};
    /* After its end only what it has left behind is of interest. */
    if (wait_poll(fds, 2, p->code < 0 ? deadline : wait_until(0)) <= 0)
        return false;
    if (fds[0].revents & POLLIN)
        (void)take(p);
    if (fds[1].revents) {
        while (p->master >= 0 && take(p))
            ;
        reap(p);
    }
    return true;
}

bool pty_pump_until(struct pty *p, bool (*done)(void *arg), void *arg, int ms) {
    int64_t deadline = wait_until(ms);
    while (!done(arg))
        if (!pty_pump(p, deadline))
            return done(arg);
    return true;
}

void pty_write(struct pty *p, const char *data, size_t n) {
    int64_t deadline = wait_until(WAIT_MS);
    while (n) {
        ssize_t put = write(p->master, data, n);
        if (put > 0) {
            data += put;
            n -= (size_t)put;
            continue;
        }
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            fail_msg("writing to the terminal: %s", strerror(errno));
        struct pollfd fd = {.fd = p->master, .events = POLLIN | POLLOUT};
        if (wait_poll(&fd, 1, deadline) <= 0)
            fail_msg("the program does not read its terminal");
        if (fd.revents & POLLIN)
            (void)take(p);
    }
}

void pty_type(struct pty *p, const char *text) { pty_write(p, text, strlen(text)); }

void pty_resize(struct pty *p, int cols, int rows) {
    struct winsize size = {.ws_col = (unsigned short)cols, .ws_row = (unsigned short)rows};
    if (ioctl(p->master, TIOCSWINSZ, &size) < 0)
        fail_msg("TIOCSWINSZ: %s", strerror(errno));
}

void pty_hangup(struct pty *p) {
    close(p->master);
    close(p->slave);
    p->master = p->slave = -1;
}

bool pty_wait_exit(struct pty *p, int ms) {
    int64_t deadline = wait_until(ms);
    while (p->code < 0)
        if (!pty_pump(p, deadline))
            return false;
    return true;
}

struct termios pty_modes(const struct pty *p) {
    struct termios t;
    memset(&t, 0, sizeof(t));
    if (tcgetattr(p->master, &t) < 0)
        fail_msg("tcgetattr: %s", strerror(errno));
    return t;
}

struct termios pty_modes_before(const struct pty *p) {
    return p->before;
}

bool pty_modes_equal(const struct termios *a, const struct termios *b) {
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

void pty_free(struct pty **pp) {
    struct pty *p = *pp;
    if (!p)
        return;
    *pp = NULL;
    if (p->code < 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    if (p->master >= 0)
        pty_hangup(p);
    close(p->pidfd);
    free(p);
}
