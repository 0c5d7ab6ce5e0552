/* lock: flock(2) on a file in the home. The file stays: removing it would let two hold "the" lock.
 */
#include "conf/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define TRY_NS (10 * NS_PER_MS) /* between two tries: flock(2) cannot wait for a bounded time */
#define TEXT_MAX 256

static enum status lock_open(const struct home *h, int *fd, struct cause *why) {
    *fd = open(h->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return *fd >= 0 ? STATUS_OK : cause_errno(why, STATUS_IO, errno, "%s", h->lock);
}

enum status lock_take(const struct home *h, int *fd, struct cause *why) {
    enum status st = lock_open(h, fd, why);
    if (st != STATUS_OK)
        return st;
    int rc;
    do
        rc = flock(*fd, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return STATUS_OK;
    int err = errno;
    close(*fd);
    *fd = -1;
    if (err != EWOULDBLOCK)
        return cause_errno(why, STATUS_IO, err, "%s", h->lock);
    return cause_set(why, STATUS_EXISTS, "%s is held by another process", h->lock);
}

enum status lock_take_wait(const struct home *h, int64_t max_wait_ns, int *fd, struct cause *why) {
    int64_t until = clock_real_mono_ns() + max_wait_ns;
    for (;;) {
        enum status st = lock_take(h, fd, why);
        if (st != STATUS_EXISTS)
            return st;
        if (clock_real_mono_ns() >= until) {
            pid_t pid = 0;
            char *socket = NULL;
            st = lock_holder(h, &pid, &socket);
            free(socket);
            if (st != STATUS_OK)
                return cause_set(why, STATUS_TIMEOUT, "another process holds %s", h->lock);
            return cause_set(why, STATUS_TIMEOUT, "process %ld holds %s", (long)pid, h->lock);
        }
        const struct timespec pause = {0, TRY_NS};
        nanosleep(&pause, NULL);
    }
}

enum status lock_sign(int fd, const struct home *h, struct cause *why) {
    char text[TEXT_MAX];
    int n = snprintf(text, sizeof(text), "%ld\n%s\n", (long)getpid(), h->socket);
    if (n < 0 || (size_t)n >= sizeof(text))
        return cause_set(why, STATUS_CONFIG, "%s is too long for a socket", h->socket);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return cause_errno(why, STATUS_IO, errno, "%s", h->lock);
    return STATUS_OK;
}

enum status lock_holder(const struct home *h, pid_t *pid, char **socket) {
    *pid = 0;
    *socket = NULL;
    char text[TEXT_MAX];
    int fd = open(h->lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return STATUS_NOT_FOUND;
    text[n] = '\0';
    char *rest = NULL;
    *pid = (pid_t)strtol(text, &rest, 10);
    char *end = rest && *rest == '\n' ? strchr(rest + 1, '\n') : NULL;
    if (!end)
        return STATUS_NOT_FOUND; /* it is being written */
    *end = '\0';
    *socket = xstrdup(rest + 1);
    return STATUS_OK;
}

void lock_release(int *fd) {
    if (*fd < 0)
        return;
    if (ftruncate(*fd, 0) != 0)
        log_warn("the lock keeps a name that is no longer true");
    close(*fd);
    *fd = -1;
}
