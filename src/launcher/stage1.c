/* stage1: the supervisor outside of all containment. Its promise is that when it has ended, so has
 * every descendant of the command, whatever they did to get away. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/descend.h"
#include "launcher/launcher.h"

#define END_SECONDS                                                                                \
    5 /* then what is left sits in the kernel: the engine, reaper above us, sweeps it */
#define STOP_ROUNDS 64 /* of stopping descendants that multiply */
#define END_PAUSE_NS 200000L

struct supervisor {
    struct stage1 *s;
    pid_t main;
    int status; /* of main */
    bool main_done;
    bool by_itself; /* main ended before anybody asked for it */
    bool contained; /* 'R' was read, or nobody asked */
    int ended_by;   /* the signal that told us to end; 0: none */
    int signals;    /* signalfd */
    int reached;    /* read end; -1 */
    int message;    /* our own copy of stderr until the command runs; -1 */
    struct cgroup cgroups[STAGE1_CGROUPS];
    size_t ncgroups;
};

static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- the command's process ---------------------------------------------------------------------
 */

_Noreturn static void become_command(struct supervisor *v, pid_t launcher, int reached_write) {
    struct stage1 *s = v->s;
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Its own session: signals to groups stay apart, and the scheduler gives us our own share
     * against a fork bomb. */
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher)
        _exit(EXIT_SETUP);
    for (size_t i = 0; i < v->ncgroups; i++)
        cgroup_join(&v->cgroups[i]);
    if (reached_write >= 0) {
        /* Everything of ours is close-on-exec, so only the copy with the agreed number stays. */
        if (reached_write != s->reached && dup2(reached_write, s->reached) < 0)
            fail(errno, "no descriptor %d", s->reached);
        if (fcntl(s->reached, F_SETFD, 0) < 0)
            fail(errno, "no descriptor %d", s->reached);
    }
    run_command(s->command);
}

/* The launcher holds neither end of the command's streams, or their readers would never see an end.
 */
static void leave_streams(struct supervisor *v) {
    v->message = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    if (null > 2)
        close(null);
}

static void start(struct supervisor *v) {
    int ends[2] = {-1, -1};
    if (v->s->reached >= 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        fail(errno, "no pipe");
    pid_t launcher = getpid();
    v->main = fork();
    if (v->main < 0)
        fail(errno, "cannot start %s", v->s->command[0]);
    if (v->main == 0)
        become_command(v, launcher, ends[1]);
    close_fd(&ends[1]);
    v->reached = ends[0];
    v->contained = v->reached < 0;
    leave_streams(v);
    if (v->contained)
        close_fd(&v->message);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- waiting -----------------------------------------------------------------------------------
 */

/* Reaps whatever has ended. False when there is no child any more. */
static bool reap_all(struct supervisor *v) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0)
            return true;
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return false;
        if (pid == v->main) {
            v->main_done = true;
            v->status = status;
        }
    }
}

static void read_reached(struct supervisor *v) {
    if (v->reached < 0)
        return;
    char c = 0;
    ssize_t n = read(v->reached, &c, 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == 1 && c == 'R') {
        v->contained = true;
        close_fd(&v->message);
    }
    close_fd(&v->reached);
}

static void read_signals(struct supervisor *v) {
    struct signalfd_siginfo si;
    while (read(v->signals, &si, sizeof si) == (ssize_t)sizeof si)
        if (si.ssi_signo != SIGCHLD && v->ended_by == 0)
            v->ended_by = (int)si.ssi_signo;
}

/* The life pipe carries no bytes; only its end matters. */
static void read_life(struct supervisor *v) {
    char c[64];
    ssize_t n = read(v->s->life, c, sizeof c);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        v->ended_by = SIGTERM;
}

static void watch(struct supervisor *v) {
    while (!v->main_done && v->ended_by == 0) {
        struct pollfd p[] = {{.fd = v->s->life, .events = POLLIN},
                             {.fd = v->signals, .events = POLLIN},
                             {.fd = v->reached, .events = POLLIN}};
        if (poll(p, 3, -1) < 0) {
            if (errno == EINTR)
                continue;
            v->ended_by = SIGTERM;
        }
        if (p[2].revents)
            read_reached(v);
        if (p[1].revents)
            read_signals(v);
        if (p[0].revents)
            read_life(v);
        reap_all(v);
    }
    v->by_itself = v->main_done;
}

/* ---- ending everything -------------------------------------------------------------------------
 */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Stops all descendants, so that none can fork away from the killing. */
static void stop_all(void) {
    int before = 0;
    for (int i = 0; i < STOP_ROUNDS; i++) {
        int n = descend_signal(SIGSTOP, NULL, NULL);
        if (n <= before)
            return;
        before = n;
    }
}

static void end_all(struct supervisor *v) {
    if (!reap_all(v))
        return;
    double deadline = now() + END_SECONDS;
    for (size_t i = 0; i < v->ncgroups; i++)
        cgroup_kill(&v->cgroups[i]);
    stop_all();
    /* As reaper of them all we have no child left exactly when nothing is left. */
    while (reap_all(v) && now() < deadline) {
        if (descend_signal(SIGKILL, NULL, NULL) < 0 && v->main > 0 && !v->main_done)
            kill(-v->main, SIGKILL); /* no /proc: its session's first group is what we know */
        struct pollfd p = {.fd = v->signals, .events = POLLIN};
        const struct timespec pause = {.tv_nsec = END_PAUSE_NS};
        if (ppoll(&p, 1, &pause, NULL) > 0)
            read_signals(v);
    }
}

_Noreturn static void die_by(int sig) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none); /* the command may have left a core; ours would replace it */
    signal(sig, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), sig);
    _exit(128 + sig);
}

static int finish(struct supervisor *v) {
    if (!v->by_itself)
        die_by(v->ended_by);
    read_reached(v);
    if (WIFSIGNALED(v->status))
        die_by(WTERMSIG(v->status));
    if (v->contained)
        return WEXITSTATUS(v->status);
    if (v->message >= 0)
        complain(v->message, 0, "the command was not started: its containment could not be set up");
    return EXIT_SETUP;
}

int stage1_run(struct stage1 *s) {
    struct supervisor v = {.s = s, .reached = -1, .message = -1};
    if (fcntl(s->life, F_SETFD, FD_CLOEXEC) < 0 || fcntl(s->life, F_SETFL, O_NONBLOCK) < 0)
        fail(errno, "no life pipe on descriptor %d", s->life);
    /* The belt: normally the life pipe tells. It counts the thread that started us, which is the
     * engine's loop. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        fail(errno, "PR_SET_PDEATHSIG");
    if (getppid() != s->parent)
        fail(0, "process %d, which started us, is gone", (int)s->parent);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        fail(errno, "PR_SET_CHILD_SUBREAPER");
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        sigaddset(&set, handled[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGCHLD, SIG_DFL); /* ignored, it would take the exit codes away */
    v.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (v.signals < 0)
        fail(errno, "signalfd");
    for (size_t i = 0; i < s->ncgroups; i++)
        if (cgroup_make(&v.cgroups[v.ncgroups], s->cgroups[i], s->pids))
            v.ncgroups++;
    start(&v);
    watch(&v);
    end_all(&v);
    for (size_t i = 0; i < v.ncgroups; i++)
        cgroup_remove(&v.cgroups[i]);
    return finish(&v);
}
