/* run: see run.h. */
#include "tests/lib/run.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/lib/wait.h"

#define GIVE_UP_MS 5000

struct run {
    pid_t pid;
    int pidfd, in_fd, fds[2]; /* -1: closed */
    struct buf text[2];
    int code;
    int64_t started_ns, ended_ns;
};

extern char **environ;

/* In the child: nothing here may allocate. */
static void become(const struct run_spec *spec, int in, int out, int err) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (in < 0)
        in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    if (spec->dir && chdir(spec->dir) < 0)
        _exit(126);
    execvpe(spec->argv[0], (char *const *)spec->argv, spec->env ? spec->env : environ);
    dprintf(2, "%s: %s\n", spec->argv[0], strerror(errno));
    _exit(127);
}

static void make_pipe(int fd[2]) {
    if (pipe2(fd, O_CLOEXEC) < 0)
        fail_msg("pipe: %s", strerror(errno));
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

struct run *run_start(const struct run_spec *spec) {
    struct run *r = xcalloc(1, sizeof(*r));
    int in[2] = {-1, -1}, out[2], err[2];
    make_pipe(out);
    make_pipe(err);
    if (spec->input || spec->open_stdin)
        make_pipe(in);
    r->started_ns = clock_real_mono_ns();
    r->pid = fork();
    if (r->pid == 0)
        become(spec, in[0], out[1], err[1]);
    if (r->pid < 0)
        fail_msg("fork: %s", strerror(errno));
    setpgid(r->pid, r->pid);
    close(out[1]);
    close(err[1]);
    close_fd(&in[0]);
    r->in_fd = in[1];
    r->fds[0] = out[0];
    r->fds[1] = err[0];
    r->code = -1;
    r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0u);
    if (r->pidfd < 0)
        fail_msg("pidfd_open: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    if (spec->input) {
        run_write(r, spec->input);
        if (!spec->open_stdin)
            run_close_stdin(r);
    }
    return r;
}

pid_t run_pid(const struct run *r) { return r->pid; }

static void reap(struct run *r) {
    int status;
    if (r->code >= 0 || waitpid(r->pid, &status, WNOHANG) != r->pid)
        return;
    r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r->ended_ns = clock_real_mono_ns();
}

/* Waits for something to read or for the end, and takes it. False at the deadline. */
static bool step(struct run *r, int64_t deadline) {
    struct pollfd p[3] = {{.fd = r->fds[0], .events = POLLIN},
                          {.fd = r->fds[1], .events = POLLIN},
                          {.fd = r->code < 0 ? r->pidfd : -1, .events = POLLIN}};
    if (wait_poll(p, 3, deadline) <= 0)
        return false;
    for (int i = 0; i < 2; i++) {
        if (!p[i].revents)
            continue;
        ssize_t n = read(r->fds[i], buf_room(&r->text[i], 65536), 65536);
        if (n > 0)
            buf_added(&r->text[i], (size_t)n);
        else if (n == 0 || errno != EINTR)
            close_fd(&r->fds[i]);
    }
    if (p[2].revents)
        reap(r);
    return true;
}

static bool wait_text(struct run *r, int stream, const char *text, int ms) {
    int64_t deadline = wait_until(ms);
    while (!strstr(buf_str(&r->text[stream]), text)) {
        if (r->fds[stream] < 0 || !step(r, deadline))
            return false;
    }
    return true;
}

bool run_wait_out(struct run *r, const char *text, int ms) { return wait_text(r, 0, text, ms); }
bool run_wait_err(struct run *r, const char *text, int ms) { return wait_text(r, 1, text, ms); }

bool run_wait_more(struct run *r, size_t bytes, int ms) {
    int64_t deadline = wait_until(ms);
    while (r->text[0].len <= bytes)
        if (r->fds[0] < 0 || !step(r, deadline))
            return false;
    return true;
}

static bool line_has(const char *line, size_t n, const char *const *texts) {
    for (; *texts; texts++)
        if (!memmem(line, n, *texts, strlen(*texts)))
            return false;
    return true;
}

bool run_wait_line(struct run *r, const char *const *texts, int ms) {
    int64_t deadline = wait_until(ms);
    size_t at = 0;
    for (;;) {
        const char *out = buf_str(&r->text[0]), *nl;
        while ((nl = strchr(out + at, '\n'))) {
            if (line_has(out + at, (size_t)(nl - out) - at, texts))
                return true;
            at = (size_t)(nl - out) + 1;
        }
        if (r->fds[0] < 0 || !step(r, deadline))
            return false;
    }
}

bool run_wait_exit(struct run *r, int ms) {
    int64_t deadline = wait_until(ms), give_up = 0;
    while (r->code < 0 || r->fds[0] >= 0 || r->fds[1] >= 0) {
        if (r->code >= 0 && !give_up)
            give_up = wait_until(GIVE_UP_MS);
        if (!step(r, give_up ? give_up : deadline))
            break;
    }
    return r->code >= 0;
}

int run_code(const struct run *r) { return r->code; }
const char *run_out(const struct run *r) { return buf_str(&r->text[0]); }
const char *run_err(const struct run *r) { return buf_str(&r->text[1]); }

void run_write(struct run *r, const char *text) {
    size_t n = strlen(text);
    while (n) {
        ssize_t put = write(r->in_fd, text, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return; /* it has closed its input: its own business */
        text += put;
        n -= (size_t)put;
    }
}

void run_close_stdin(struct run *r) { close_fd(&r->in_fd); }

int run_ms(const struct run *r) {
    int64_t end = r->code >= 0 ? r->ended_ns : clock_real_mono_ns();
    return (int)((end - r->started_ns) / NS_PER_MS);
}

void run_free(struct run **rp) {
    struct run *r = *rp;
    if (!r)
        return;
    *rp = NULL;
    if (r->code < 0) {
        kill(-r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    close_fd(&r->in_fd);
    close_fd(&r->fds[0]);
    close_fd(&r->fds[1]);
    close(r->pidfd);
    buf_free(&r->text[0]);
    buf_free(&r->text[1]);
    free(r);
}

struct run *run_all(const struct run_spec *spec, int ms) {
    struct run *r = run_start(spec);
    if (!run_wait_exit(r, ms))
        fail_msg("%s did not end in %d ms\n--- stdout\n%s\n--- stderr\n%s", spec->argv[0], ms,
                 run_out(r), run_err(r));
    return r;
}

void run_expect(struct run *r, int code, const char *file, int line) {
    if (r->code == code)
        return;
    fprintf(stderr, "%s:%d: exit code %d, expected %d\n--- stdout\n%s\n--- stderr\n%s\n", file,
            line, r->code, code, run_out(r), run_err(r));
    fail();
}
