/* signal: signals as events of the loop, by signalfd. What is watched here is blocked in the thread
 * that asks and so in every thread started after. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop-internal.h"

void signals_init(struct loop *l) {
    l->signals.fd = -1;
    sigemptyset(&l->signals.mask);
    sigemptyset(&l->signals.were_blocked);
}

static void on_signals(void *arg, int fd, unsigned events) {
    struct loop *l = arg;
    (void)events;
    /* Level-triggered: more than these come with the next turn. */
    struct signalfd_siginfo info[16];
    ssize_t got = read(fd, info, sizeof(info));
    for (size_t i = 0; got > 0 && i < (size_t)got / sizeof(info[0]); i++) {
        if (info[i].ssi_signo > LOOP_SIGNAL_MAX)
            continue;
        struct call c = l->signals.handlers[info[i].ssi_signo];
        if (c.fn)
            c.fn(c.arg);
    }
}

enum status loop_signal(struct loop *l, int signo, loop_fn *fn, void *arg) {
    struct signals *s = &l->signals;
    if (signo < 1 || signo > LOOP_SIGNAL_MAX || signo == SIGKILL || signo == SIGSTOP)
        return STATUS_INVALID;
    if (s->handlers[signo].fn)
        return STATUS_EXISTS;
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, signo);
    pthread_sigmask(SIG_BLOCK, &one, &before);
    if (sigismember(&before, signo))
        sigaddset(&s->were_blocked, signo);
    sigaddset(&s->mask, signo);
    int fd = signalfd(s->fd, &s->mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        log_error("signalfd: %s", strerror(errno));
        return STATUS_IO;
    }
    s->handlers[signo] = (struct call){fn, arg};
    if (s->fd < 0) {
        s->fd = fd;
        return loop_watch(l, fd, LOOP_READ, on_signals, l, "signal", &s->watch);
    }
    return STATUS_OK;
}

void signals_free(struct loop *l) {
    struct signals *s = &l->signals;
    loop_unwatch(&s->watch);
    if (s->fd >= 0) {
        /* What arrived and was not served must not strike when it is unblocked. */
        struct signalfd_siginfo info;
        while (read(s->fd, &info, sizeof(info)) > 0)
            continue;
        close(s->fd);
    }
    s->fd = -1;
    for (int signo = 1; signo <= LOOP_SIGNAL_MAX; signo++)
        if (sigismember(&s->were_blocked, signo) == 1)
            sigdelset(&s->mask, signo);
    pthread_sigmask(SIG_UNBLOCK, &s->mask, NULL);
}
