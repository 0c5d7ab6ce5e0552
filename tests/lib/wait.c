/* wait: see wait.h. */
#include "tests/lib/wait.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

int64_t wait_until(int ms) { return clock_real_mono_ns() + ms * NS_PER_MS; }

int wait_left(int64_t deadline) {
    int64_t left = (deadline - clock_real_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
    return left > 0 ? (int)left : 0;
}

int wait_poll(struct pollfd *fds, unsigned n, int64_t deadline) {
    int got;
    do {
        got = poll(fds, n, wait_left(deadline));
    } while (got < 0 && errno == EINTR);
    return got;
}

bool wait_pid(pid_t pid, int64_t deadline) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0u);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool ended = wait_poll(&p, 1, deadline) == 1;
    close(fd);
    return ended;
}
