/* outq: bytes on their way out. What the descriptor does not take waits here, up to a limit; a
 * reader that stops reading costs that much memory and no time. */
#include "loop/outq.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define TURN_MAX                                                                                   \
    (256 * 1024) /* bytes written in one turn, so that a fast reader cannot hold the loop */
#define KEEP_MAX (64 * 1024) /* memory kept when empty */
#define RETRY_NS (100 * NS_PER_MS)

struct outq {
    struct loop *loop;
    int fd;       /* the caller's */
    int watch_fd; /* a duplicate while bytes wait, else -1 */
    size_t limit;
    void (*on_drain)(void *arg);
    void (*on_error)(void *arg, int err);
    void *arg;
    struct buf wait; /* from `sent` on */
    size_t sent;
    struct loop_watch *watch;
    struct loop_timer *retry; /* when no duplicate could be had */
    int err;
};

static void arm(struct outq *q);

struct outq *outq_new(struct loop *l, int fd, size_t limit, void (*on_drain)(void *arg),
                      void (*on_error)(void *arg, int err), void *arg) {
    assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    struct outq *q = xcalloc(1, sizeof(*q));
    *q = (struct outq){.loop = l,
                       .fd = fd,
                       .watch_fd = -1,
                       .limit = limit,
                       .on_drain = on_drain,
                       .on_error = on_error,
                       .arg = arg};
    return q;
}

static void disarm(struct outq *q) {
    loop_unwatch(&q->watch);
    loop_timer_del(&q->retry);
    if (q->watch_fd >= 0)
        close(q->watch_fd);
    q->watch_fd = -1;
}

static void tell_error(void *arg) {
    struct outq *q = arg;
    if (q->on_error)
        q->on_error(q->arg, q->err); /* may free q */
}

void outq_free(struct outq **qp) {
    struct outq *q = *qp;
    if (!q)
        return;
    disarm(q);
    loop_undefer(q->loop, tell_error, q);
    buf_free(&q->wait);
    x_free(qp);
}

size_t outq_pending(const struct outq *q) { return q->wait.len - q->sent; }

/* From the loop in any case, so that no caller of outq_write() is called back inside it. */
static void fail(struct outq *q, int err) {
    q->err = err;
    buf_free(&q->wait);
    q->sent = 0;
    disarm(q);
    loop_defer(q->loop, tell_error, q);
}

/* Writes data[0..n) until the descriptor is full; returns what was taken. q->err is set on failure.
 */
static size_t push(struct outq *q, const char *data, size_t n) {
    size_t done = 0;
    while (done < n) {
        ssize_t took = write(q->fd, data + done, n - done);
        if (took > 0) {
            done += (size_t)took;
        } else if (took < 0 && errno == EINTR) {
            continue;
        } else if (took < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            fail(q, errno);
            return 0;
        } else {
            break;
        }
    }
    return done;
}

static void resume(struct outq *q) {
    size_t n = outq_pending(q) < TURN_MAX ? outq_pending(q) : TURN_MAX;
    q->sent += push(q, q->wait.data + q->sent, n);
    if (q->err)
        return;
    if (outq_pending(q)) {
        /* The gap in front is closed when it is the larger part, so that each byte moves once at
         * most. */
        if (q->sent > q->wait.len / 2) {
            buf_consume(&q->wait, q->sent);
            q->sent = 0;
        }
        arm(q);
        return;
    }
    disarm(q);
    q->sent = 0;
    if (q->wait.cap > KEEP_MAX)
        buf_free(&q->wait);
    else
        buf_reset(&q->wait);
    if (q->on_drain)
        q->on_drain(q->arg); /* may free q */
}

static void on_writable(void *arg, int fd, unsigned events) {
    (void)fd;
    (void)events; /* a hang-up shows as the error of the write */
    resume(arg);
}

static void on_retry(void *arg) {
    struct outq *q = arg;
    q->retry = NULL;
    resume(q);
}

static void arm(struct outq *q) {
    if (q->watch || q->retry)
        return;
    if (q->watch_fd < 0)
        q->watch_fd = fcntl(q->fd, F_DUPFD_CLOEXEC, 3);
    if (q->watch_fd >= 0 && loop_watch(q->loop, q->watch_fd, LOOP_WRITE, on_writable, q, "outq",
                                       &q->watch) == STATUS_OK)
        return;
    /* Out of descriptors for the moment: the bytes keep, and time tries again. */
    q->retry = loop_timer(q->loop, RETRY_NS, on_retry, q, "outq");
}

enum status outq_write(struct outq *q, const void *data, size_t n) {
    if (q->err)
        return STATUS_IO;
    size_t pending = outq_pending(q);
    if (n > q->limit || pending > q->limit - n)
        return STATUS_LIMIT;
    size_t done = 0;
    if (!pending) {
        done = push(q, data, n);
        if (q->err)
            return STATUS_IO;
    }
    if (done < n) {
        buf_append(&q->wait, (const char *)data + done, n - done);
        arm(q);
    }
    return STATUS_OK;
}
