/* peer: who is at the other end of a socket. */
#ifndef CTL_PEER_H
#define CTL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"

/* OK when the other end runs as our user and is no descendant of this process (this process itself
 * may talk to itself). STATUS_DENIED else. A sandboxed command has our uid: only its place in the
 * tree of processes, and the token that it cannot read, tell it from a person's. */
enum status peer_check(int fd, pid_t *pid, struct cause *why) MUST_CHECK;
/* Whether `pid` is below this process. STATUS_GONE when it no longer exists. */
enum status peer_is_descendant(pid_t pid, bool *out) MUST_CHECK;

#endif
