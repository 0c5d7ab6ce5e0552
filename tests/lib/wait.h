/* wait: deadlines for tests. A wait that succeeds takes as long as the event takes; the deadline
 * only bounds a failure, so it is generous (sanitizers and a busy machine make everything several
 * times slower). */
#ifndef TESTLIB_WAIT_H
#define TESTLIB_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WAIT_MS 30000

/* A point in time `ms` from now, for wait_left(). */
int64_t wait_until(int ms);
/* Milliseconds left, 0 when it has passed. */
int wait_left(int64_t deadline);
/* poll(2) until the deadline, through EINTR. Returns what poll returns. */
int wait_poll(struct pollfd *fds, unsigned n, int64_t deadline);
/* Waits for the end of a process that need not be a child; true when it has ended. */
bool wait_pid(pid_t pid, int64_t deadline);

#endif
