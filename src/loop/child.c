/* child: processes as loop events. posix_spawn starts them (vfork speed, no copied address space),
 * a pidfd says when they end, and their two streams arrive as lines, a bounded amount a turn. What
 * a killed launcher leaves behind is swept here too. Nothing here knows what a command is or may
 * do: that is sandbox/. */
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "loop/child-internal.h"

#define CHILD_READ_MAX (64u * 1024u)         /* a stream, a turn */
#define CHILD_DRAIN_MAX (4u * 1024u * 1024u) /* what a pipe can still hold when we give up */
#define CHILD_LINE_MAX (64u * 1024u)
#define CHILD_GIVE_UP_NS (200 * NS_PER_MS)
#define CHILD_DROP_NS (2 * NS_PER_SEC)
#define CHILD_FD_BASE 10 /* our ends of pipes start here, clear of every number a child gets */

struct stream {
    struct child *child;
    int number; /* 1 or 2 */
    int fd;
    struct loop_watch *watch;
    struct buf pending; /* a line whose end has not come */
};

struct child {
    struct list link;
    struct loop *loop;
    const char *name;
    pid_t pid;
    int pidfd;
    struct loop_watch *exit_watch;
    struct stream streams[2];
    int stdin_fd;
    int life; /* write end: closing it ends a launcher */
    size_t line_max;
    void (*on_line)(void *arg, int stream, const char *line, size_t n, bool partial);
    void (*on_rest)(void *arg, int stream, const char *text, size_t n);
    void (*on_exit)(void *arg, struct child_exit how);
    void *arg;
    struct loop_timer *timer; /* giving up after the exit; SIGKILL after a drop */
    struct child_exit how;
    unsigned busy; /* callbacks of ours on the stack: do not free */
    bool exited, paused, dropped, finished;
};

static struct list children = {&children, &children};

/* ---- pipes -------------------------------------------------------------------------------------
 */

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A pipe with both ends at CHILD_FD_BASE or above, so that no dup2 in the child hits an end not yet
 * used. */
static int high_pipe(int ends[2]) {
    int low[2];
    if (pipe2(low, O_CLOEXEC) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        ends[i] = low[i];
        if (low[i] >= CHILD_FD_BASE)
            continue;
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, CHILD_FD_BASE);
        int err = errno;
        close(low[i]);
        if (ends[i] < 0) {
            close(i == 0 ? low[1] : ends[0]);
            ends[0] = ends[1] = -1;
            errno = err == EINVAL ? EMFILE : err; /* as many as that are not allowed at all */
            return -1;
        }
    }
    return 0;
}

/* The ends of a child that is being started. */
struct plumbing {
    int in[2], out[2], err[2], life[2];
};

static void plumbing_close(struct plumbing *p) {
    int *all[] = {p->in, p->out, p->err, p->life};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        close_fd(&all[i][0]);
        close_fd(&all[i][1]);
    }
}

static int plumbing_open(struct plumbing *p, const struct child_spec *spec) {
    if (high_pipe(p->out) < 0 || high_pipe(p->err) < 0)
        return -1;
    if (spec->want_stdin && high_pipe(p->in) < 0)
        return -1;
    if (spec->life_pipe && high_pipe(p->life) < 0)
        return -1;
    if (fcntl(p->out[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(p->err[0], F_SETFL, O_NONBLOCK) < 0)
        return -1;
    if (p->in[1] >= 0 && fcntl(p->in[1], F_SETFL, O_NONBLOCK) < 0)
        return -1;
    return 0;
}

/* ---- starting ----------------------------------------------------------------------------------
 */

static int file_actions(posix_spawn_file_actions_t *fa, const struct plumbing *p,
                        const struct child_spec *spec) {
    int e = p->in[0] >= 0 ? posix_spawn_file_actions_adddup2(fa, p->in[0], 0)
                          : posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);
    if (!e)
        e = posix_spawn_file_actions_adddup2(fa, p->out[1], 1);
    if (!e)
        e = posix_spawn_file_actions_adddup2(fa, p->err[1], 2);
    int first = 3; /* from here on everything is closed: not every library opens with CLOEXEC */
    if (!e && spec->life_pipe) {
        for (; !e && first < spec->life_fd; first++)
            e = posix_spawn_file_actions_addclose(fa, first);
        if (!e)
            e = posix_spawn_file_actions_adddup2(fa, p->life[0], spec->life_fd);
        first = spec->life_fd + 1;
    }
    if (!e)
        e = posix_spawn_file_actions_addclosefrom_np(fa, first);
    if (!e && spec->dir)
        e = posix_spawn_file_actions_addchdir_np(fa, spec->dir);
    return e;
}

/* Own session, nothing blocked, every signal at its default (an ignored SIGPIPE would be
 * inherited). */
static int spawn_attributes(posix_spawnattr_t *at) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int e = posix_spawnattr_setsigmask(at, &none);
    if (!e)
        e = posix_spawnattr_setsigdefault(at, &all);
    if (!e)
        e = posix_spawnattr_setflags(at, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETSIGDEF);
    return e;
}

static int spawn_process(const struct child_spec *spec, const struct plumbing *p, pid_t *pid) {
    static const char *const nothing[] = {NULL};
    const char *const *env = spec->envp ? spec->envp : nothing;
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    int e = posix_spawn_file_actions_init(&fa);
    if (e)
        return e;
    e = posix_spawnattr_init(&at);
    if (!e) {
        e = file_actions(&fa, p, spec);
        if (!e)
            e = spawn_attributes(&at);
        if (!e) /* posix_spawn() changes neither vector; its prototype is older than const */
            e = posix_spawn(pid, spec->argv[0], &fa, &at, (char *const *)(uintptr_t)spec->argv,
                            (char *const *)(uintptr_t)env);
        posix_spawnattr_destroy(&at);
    }
    posix_spawn_file_actions_destroy(&fa);
    return e;
}

static void stream_ready(void *arg, int fd, unsigned events);
static void child_exited(void *arg, int fd, unsigned events);

/* A process that we have but cannot watch: ended at once. */
static void abandon(pid_t pid) {
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static enum status watch_all(struct child *c) {
    enum status s =
        loop_watch(c->loop, c->pidfd, LOOP_READ, child_exited, c, c->name, &c->exit_watch);
    for (int i = 0; s == STATUS_OK && i < 2; i++)
        s = loop_watch(c->loop, c->streams[i].fd, LOOP_READ, stream_ready, &c->streams[i], c->name,
                       &c->streams[i].watch);
    return s;
}

static void unwatch_all(struct child *c) {
    loop_unwatch(&c->exit_watch);
    loop_unwatch(&c->streams[0].watch);
    loop_unwatch(&c->streams[1].watch);
}

static struct child *child_new(struct loop *l, const struct child_spec *spec, struct plumbing *p,
                               pid_t pid, int pidfd) {
    struct child *c = xcalloc(1, sizeof *c);
    c->loop = l;
    c->name = spec->name;
    c->pid = pid;
    c->pidfd = pidfd;
    c->streams[0] = (struct stream){.child = c, .number = 1, .fd = p->out[0]};
    c->streams[1] = (struct stream){.child = c, .number = 2, .fd = p->err[0]};
    c->stdin_fd = p->in[1];
    c->life = p->life[1];
    p->out[0] = p->err[0] = p->in[1] = p->life[1] = -1; /* the child's from now on */
    c->line_max = spec->line_max ? spec->line_max : CHILD_LINE_MAX;
    c->on_line = spec->on_line;
    c->on_rest = spec->on_rest;
    c->on_exit = spec->on_exit;
    c->arg = spec->arg;
    list_push_back(&children, &c->link);
    return c;
}

static void child_free(struct child *c) {
    list_remove(&c->link);
    unwatch_all(c);
    loop_timer_del(&c->timer);
    for (int i = 0; i < 2; i++) {
        close_fd(&c->streams[i].fd);
        buf_free(&c->streams[i].pending);
    }
    close_fd(&c->pidfd);
    close_fd(&c->stdin_fd);
    close_fd(&c->life);
    x_free(&c);
}

enum status child_spawn(struct loop *l, const struct child_spec *spec, struct child **out,
                        struct cause *why) {
    *out = NULL;
    const char *file = spec->argv[0];
    if (spec->life_pipe && (spec->life_fd < 3 || spec->life_fd >= CHILD_FD_BASE))
        return cause_set(why, STATUS_INVALID, "%s: no life pipe on descriptor %d", spec->name,
                         spec->life_fd);
    struct plumbing p = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (plumbing_open(&p, spec) < 0) {
        int err = errno;
        plumbing_close(&p);
        return cause_errno(why, STATUS_IO, err, "no pipe for %s", file);
    }
    pid_t pid;
    int err = spawn_process(spec, &p, &pid);
    if (err) {
        plumbing_close(&p);
        return cause_errno(why, STATUS_IO, err, "cannot start %s", file);
    }
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        err = errno;
        abandon(pid);
        plumbing_close(&p);
        return cause_errno(why, STATUS_IO, err, "cannot watch %s", file);
    }
    struct child *c = child_new(l, spec, &p, pid, pidfd);
    plumbing_close(&p);
    if (watch_all(c) != STATUS_OK) {
        abandon(pid);
        child_free(c);
        return cause_set(why, STATUS_IO, "the loop cannot watch %s", file);
    }
    *out = c;
    return STATUS_OK;
}

/* ---- the streams -------------------------------------------------------------------------------
 */

static void emit(struct stream *s, const char *line, size_t n, bool partial) {
    struct child *c = s->child;
    if (!c->on_line)
        return;
    c->busy++;
    c->on_line(c->arg, s->number, line, n, partial);
    c->busy--;
}

/* Splits pending and data into lines and pieces of at most line_max; what has no end yet stays in
 * pending. */
static void feed(struct stream *s, const char *data, size_t n) {
    struct child *c = s->child;
    size_t searched = s->pending.len; /* no newline in there */
    bool buffered = searched > 0;
    if (buffered) {
        buf_append(&s->pending, data, n);
        data = s->pending.data;
        n = s->pending.len;
    }
    size_t at = 0;
    while (at < n && !c->dropped) {
        size_t from = at > searched ? at : searched;
        const char *nl = memchr(data + from, '\n', n - from);
        size_t len = (nl ? (size_t)(nl - data) : n) - at;
        if (len <= c->line_max) {
            if (!nl)
                break;
            emit(s, data + at, len, false);
            at += len + 1;
            continue;
        }
        size_t cut = utf8_cut(data + at, len, c->line_max);
        if (cut == 0)
            cut = c->line_max;
        emit(s, data + at, cut, true);
        at += cut;
    }
    if (c->dropped)
        return;
    if (buffered)
        buf_consume(&s->pending, at);
    else
        buf_append(&s->pending, data + at, n - at);
}

static void stream_close(struct stream *s) {
    loop_unwatch(&s->watch);
    close_fd(&s->fd);
    if (s->pending.len > 0 && !s->child->dropped)
        emit(s, s->pending.data, s->pending.len, true);
    if (!s->child->dropped)
        buf_free(&s->pending);
}

/* Reads at most `limit` bytes. False when the stream ended (and was closed) or the child was
 * dropped. */
static bool stream_read(struct stream *s, size_t limit) {
    static char
        scratch[CHILD_READ_MAX]; /* the loop's thread only, and feed() is done with it on return */
    size_t total = 0;
    while (total < limit) {
        size_t want = limit - total < sizeof scratch ? limit - total : sizeof scratch;
        ssize_t n = read(s->fd, scratch, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            stream_close(s);
            return false;
        }
        total += (size_t)n;
        feed(s, scratch, (size_t)n);
        if (s->child->dropped)
            return false;
    }
    return true;
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static void finish(struct child *c) {
    c->finished = true;
    loop_timer_del(&c->timer);
    if (c->on_exit) {
        c->busy++;
        c->on_exit(c->arg, c->how);
        c->busy--;
    }
    child_free(c);
}

/* After anything that may have been the last thing a child waited for. */
static void settle(struct child *c) {
    if (c->busy || !c->exited)
        return;
    if (c->dropped)
        child_free(c);
    else if (c->streams[0].fd < 0 && c->streams[1].fd < 0)
        finish(c);
}

/* 200 ms after the exit somebody else still holds a stream: what is in the pipes by now is all
 * there will be. */
static void give_up(void *arg) {
    struct child *c = arg;
    c->timer = NULL;
    if (c->paused)
        return; /* child_pause() starts the time anew */
    c->busy++;
    for (int i = 0; i < 2 && !c->dropped; i++)
        if (c->streams[i].fd >= 0 && stream_read(&c->streams[i], CHILD_DRAIN_MAX))
            stream_close(&c->streams[i]);
    c->busy--;
    settle(c);
}

static void stream_ready(void *arg, int fd, unsigned events) {
    (void)fd;
    (void)events;
    struct stream *s = arg;
    struct child *c = s->child;
    c->busy++;
    bool open = stream_read(s, CHILD_READ_MAX);
    if (open && c->on_rest)
        c->on_rest(c->arg, s->number, buf_str(&s->pending), s->pending.len);
    c->busy--;
    settle(c);
}

/* Reaps through the pidfd. False while it runs. */
static bool reap(struct child *c) {
    siginfo_t si = {0};
    int rc;
    do
        rc = waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG);
    while (rc < 0 && errno == EINTR);
    if (rc == 0 && si.si_pid == 0)
        return false;
    if (rc < 0) {
        log_warn("%s (pid %d) was reaped by somebody else: %s", c->name, (int)c->pid,
                 strerror(errno));
        c->how = (struct child_exit){.signalled = false, .code = 255};
    } else {
        c->how.signalled = si.si_code != CLD_EXITED;
        c->how.code = si.si_status;
    }
    c->exited = true;
    loop_unwatch(&c->exit_watch);
    close_fd(&c->pidfd);
    close_fd(&c->stdin_fd);
    close_fd(&c->life);
    return true;
}

static void child_exited(void *arg, int fd, unsigned events) {
    (void)fd;
    (void)events;
    struct child *c = arg;
    struct loop *l = c->loop;
    if (!reap(c))
        return;
    loop_timer_del(&c->timer);
    if (!c->dropped && !c->paused)
        c->timer = loop_timer(l, CHILD_GIVE_UP_NS, give_up, c, c->name);
    settle(c);
    child_sweep_after_exit(l);
}

/* ---- what the owner asks -----------------------------------------------------------------------
 */

pid_t child_pid(const struct child *c) { return c->pid; }

int child_stdin_fd(const struct child *c) { return c->stdin_fd; }

void child_close_stdin(struct child *c) { close_fd(&c->stdin_fd); }

void child_signal(struct child *c, int signo) {
    if (c->pidfd >= 0 && pidfd_send_signal(c->pidfd, signo, NULL, 0) < 0 && errno != ESRCH)
        log_warn("cannot signal %s (pid %d): %s", c->name, (int)c->pid, strerror(errno));
}

void child_pause(struct child *c, bool paused) {
    if (c->paused == paused || c->dropped || c->finished)
        return;
    c->paused = paused;
    for (int i = 0; i < 2; i++)
        if (c->streams[i].watch)
            loop_watch_events(c->streams[i].watch, paused ? 0 : LOOP_READ);
    if (c->exited && !paused && !c->timer)
        c->timer = loop_timer(c->loop, CHILD_GIVE_UP_NS, give_up, c, c->name);
}

/* The launcher had its time. Its orphans come to us as subreaper. */
static void drop_kill(void *arg) {
    struct child *c = arg;
    c->timer = NULL;
    child_signal(c, SIGKILL);
}

void child_drop(struct child **cp) {
    struct child *c = *cp;
    *cp = NULL;
    if (!c || c->finished || c->dropped)
        return;
    c->dropped = true;
    loop_timer_del(&c->timer);
    for (int i = 0; i < 2; i++) {
        loop_unwatch(&c->streams[i].watch);
        close_fd(&c->streams[i].fd);
        if (!c->busy) /* else the line that the callback was given may be in there */
            buf_free(&c->streams[i].pending);
    }
    close_fd(&c->stdin_fd);
    if (c->exited) {
        settle(c);
    } else if (c->life >= 0) {
        close_fd(&c->life);
        c->timer = loop_timer(c->loop, CHILD_DROP_NS, drop_kill, c, c->name);
    } else {
        child_signal(c, SIGKILL);
    }
}

size_t child_count(void) {
    size_t n = 0;
    list_for(&children, it) n++;
    return n;
}

bool child_owns(pid_t pid) {
    list_for(&children, it) {
        const struct child *c = list_entry(it, struct child, link);
        if (c->pid == pid && !c->exited)
            return true;
    }
    return false;
}

/* ---- the end of the program --------------------------------------------------------------------
 */

#define SHUTDOWN_LIFE_MS 2000
#define SHUTDOWN_KILL_MS 1000

/* Waits for `c` until the deadline (real time: this is not a turn of the loop). */
static bool wait_until(struct child *c, int64_t deadline_ns) {
    for (;;) {
        if (reap(c))
            return true;
        int64_t left = deadline_ns - clock_real_mono_ns();
        if (left <= 0)
            return false;
        struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
        (void)poll(&p, 1, (int)(left / NS_PER_MS) + 1);
    }
}

void child_shutdown(void) {
    list_for(&children, it) {
        struct child *c = list_entry(it, struct child, link);
        struct child *drop = c;
        c->busy++; /* stays in the list */
        child_drop(&drop);
        c->busy--;
    }
    int64_t patient = clock_real_mono_ns() + SHUTDOWN_LIFE_MS * NS_PER_MS;
    list_for_safe(&children, it, next) {
        struct child *c = list_entry(it, struct child, link);
        if (!c->exited && !wait_until(c, patient)) {
            child_signal(c, SIGKILL);
            if (!wait_until(c, clock_real_mono_ns() + SHUTDOWN_KILL_MS * NS_PER_MS))
                log_warn("%s (pid %d) cannot be ended", c->name, (int)c->pid);
        }
        child_free(c);
    }
    child_sweep_end();
}
