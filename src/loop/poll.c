/* poll: the portable backend, for kernels without epoll; the same tests run over both. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop-internal.h"

#define NO_SLOT SIZE_MAX

struct poller {
    struct pollfd *fds; /* those asked about, without gaps */
    uint64_t *tags;     /* beside them */
    size_t n, cap;
    size_t *slot; /* by descriptor: its index, or NO_SLOT */
    size_t nslot;
    size_t next; /* where the next report starts, so that each gets its turn */
};

static void *poll_open(void) { return xcalloc(1, sizeof(struct poller)); }

static void poll_close(void *self) {
    struct poller *p = self;
    free(p->fds);
    free(p->tags);
    free(p->slot);
    free(p);
}

static void poll_forget(void *self, int fd) {
    struct poller *p = self;
    if (fd < 0 || (size_t)fd >= p->nslot || p->slot[fd] == NO_SLOT)
        return;
    size_t at = p->slot[fd];
    p->slot[fd] = NO_SLOT;
    size_t last = --p->n;
    if (at != last) {
        p->fds[at] = p->fds[last];
        p->tags[at] = p->tags[last];
        p->slot[p->fds[at].fd] = at;
    }
}

/* What epoll refuses, so that code written over one backend runs over the other: files, directories
 * and the memory devices (/dev/null, /dev/zero, /dev/full), which poll(2) calls ready for ever. */
static int check_pollable(int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
        return EPERM;
    if (S_ISCHR(st.st_mode) && major(st.st_rdev) == 1) {
        unsigned m = minor(st.st_rdev);
        if (m == 3 || m == 5 || m == 7)
            return EPERM;
    }
    return 0;
}

static void grow(struct poller *p, int fd) {
    if ((size_t)fd >= p->nslot) {
        size_t n = p->nslot ? p->nslot : 64;
        while (n <= (size_t)fd)
            n *= 2;
        p->slot = xreallocarray(p->slot, n, sizeof(*p->slot));
        for (size_t i = p->nslot; i < n; i++)
            p->slot[i] = NO_SLOT;
        p->nslot = n;
    }
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->fds = xreallocarray(p->fds, p->cap, sizeof(*p->fds));
        p->tags = xreallocarray(p->tags, p->cap, sizeof(*p->tags));
    }
}

static int poll_set(void *self, int fd, unsigned events, uint64_t tag) {
    struct poller *p = self;
    if (!events) {
        poll_forget(self, fd);
        return 0;
    }
    size_t at = (size_t)fd < p->nslot ? p->slot[fd] : NO_SLOT;
    if (at == NO_SLOT) {
        int err = check_pollable(fd);
        if (err)
            return err;
        grow(p, fd);
        at = p->n++;
        p->slot[fd] = at;
    }
    p->fds[at] = (struct pollfd){
        .fd = fd,
        .events = (short)((events & LOOP_READ ? POLLIN : 0) | (events & LOOP_WRITE ? POLLOUT : 0))};
    p->tags[at] = tag;
    return 0;
}

static size_t poll_collect(void *self, int timeout_ms, struct ready *out, size_t max) {
    struct poller *p = self;
    int n = poll(p->fds, (nfds_t)p->n, timeout_ms);
    if (n < 0) {
        if (errno != EINTR && errno != ENOMEM) {
            log_error("poll: %s", strerror(errno));
            abort();
        }
        return 0;
    }
    size_t found = 0;
    if (p->next >= p->n)
        p->next = 0;
    size_t at = p->next;
    for (size_t seen = 0; seen < p->n && n > 0 && found < max; seen++) {
        short ev = p->fds[at].revents;
        if (ev) {
            n--;
            out[found].tag = p->tags[at];
            /* POLLNVAL: closed under us. Its owner finds out by reading. */
            out[found].events = (ev & POLLIN ? LOOP_READ : 0u) | (ev & POLLOUT ? LOOP_WRITE : 0u) |
                                (ev & (POLLERR | POLLHUP | POLLNVAL) ? LOOP_HUP : 0u);
            found++;
        }
        at = at + 1 < p->n ? at + 1 : 0;
    }
    p->next = at;
    return found;
}

const struct backend backend_poll = {"poll",   poll_open,   poll_close,
                                     poll_set, poll_forget, poll_collect};
