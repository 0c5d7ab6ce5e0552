/* epoll: the usual backend. Level-triggered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop-internal.h"

struct epoll {
    int fd;
    struct epoll_event events[LOOP_READY_MAX];
};

static void *epoll_open(void) {
    struct epoll *e = xmalloc(sizeof(*e));
    e->fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->fd < 0) {
        log_error("epoll_create1: %s", strerror(errno));
        abort();
    }
    return e;
}

static void epoll_close(void *self) {
    struct epoll *e = self;
    close(e->fd);
    free(e);
}

static void epoll_forget(void *self, int fd) {
    const struct epoll *e = self;
    /* ENOENT and EBADF: muted, or closed before it was unwatched, and so forgotten already. */
    (void)epoll_ctl(e->fd, EPOLL_CTL_DEL, fd, NULL);
}

static int epoll_set(void *self, int fd, unsigned events, uint64_t tag) {
    const struct epoll *e = self;
    if (!events) {
        /* With no events asked for, the kernel would still report hang-ups, again and again. */
        epoll_forget(self, fd);
        return 0;
    }
    struct epoll_event ev = {.events = (events & LOOP_READ ? EPOLLIN : 0u) |
                                       (events & LOOP_WRITE ? EPOLLOUT : 0u),
                             .data.u64 = tag};
    /* MOD first: a number that was closed and opened again in between is ENOENT here; ADD would be
     * EEXIST where it was not. Either way round the other call mends it. */
    if (epoll_ctl(e->fd, EPOLL_CTL_MOD, fd, &ev) == 0)
        return 0;
    if (errno == ENOENT && epoll_ctl(e->fd, EPOLL_CTL_ADD, fd, &ev) == 0)
        return 0;
    return errno;
}

static size_t epoll_collect(void *self, int timeout_ms, struct ready *out, size_t max) {
    struct epoll *e = self;
    int room = (int)(max < LOOP_READY_MAX ? max : LOOP_READY_MAX);
    int n = epoll_wait(e->fd, e->events, room, timeout_ms);
    if (n < 0) {
        if (errno != EINTR) {
            log_error("epoll_wait: %s", strerror(errno));
            abort();
        }
        return 0;
    }
    for (int i = 0; i < n; i++) {
        uint32_t ev = e->events[i].events;
        out[i].tag = e->events[i].data.u64;
        out[i].events = (ev & EPOLLIN ? LOOP_READ : 0u) | (ev & EPOLLOUT ? LOOP_WRITE : 0u) |
                        (ev & (EPOLLERR | EPOLLHUP) ? LOOP_HUP : 0u);
    }
    return (size_t)n;
}

const struct backend backend_epoll = {"epoll",   epoll_open,   epoll_close,
                                      epoll_set, epoll_forget, epoll_collect};
