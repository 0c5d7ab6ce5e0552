/* lock: who runs the engine of a home. Held by flock(2), so that it ends with its holder however
 * that ends; the file tells the holder's pid and where its socket is. */
#ifndef CONF_LOCK_H
#define CONF_LOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"
#include "conf/home.h"

/* Takes it without waiting. *fd (close-on-exec) is the caller's: the lock lasts as long as any copy
 * of it, in a forked child too. STATUS_EXISTS when another process holds it. */
enum status lock_take(const struct home *h, int *fd, struct cause *why) MUST_CHECK;
/* The same, trying for `max_wait_ns`; then STATUS_TIMEOUT with the holder's pid in the cause. */
enum status lock_take_wait(const struct home *h, int64_t max_wait_ns, int *fd,
                           struct cause *why) MUST_CHECK;
/* Writes who holds it. */
enum status lock_sign(int fd, const struct home *h, struct cause *why) MUST_CHECK;
/* What its holder wrote: pid and socket (the caller frees). It may be out of date after a crash:
 * whether the lock is held only lock_take() tells. STATUS_NOT_FOUND when nobody wrote. */
enum status lock_holder(const struct home *h, pid_t *pid, char **socket) MUST_CHECK;
/* Takes the name out and gives the lock back. Sets -1; -1 is fine. */
void lock_release(int *fd);

#endif
