/* peer: SO_PEERCRED, and the walk up the parents in /proc. */
#include "ctl/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEPTH_MAX 4096 /* a longer chain of parents is no tree of processes */

/* The parent of `pid`, 0 when it has none that we can see, -1 when there is no such process. */
static pid_t parent_of(pid_t pid) {
    char path[48], text[512];
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n;
    do
        n = read(fd, text, sizeof(text) - 1);
    while (n < 0 && errno == EINTR);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    /* The name in parentheses may hold anything, parentheses too: "PID (name) state PPID". */
    const char *p = strrchr(text, ')');
    if (!p || p[1] != ' ' || !p[2] || p[3] != ' ')
        return -1;
    return (pid_t)strtol(p + 4, NULL, 10);
}

enum status peer_is_descendant(pid_t pid, bool *out) {
    pid_t self = getpid();
    *out = false;
    pid_t at = parent_of(pid);
    if (at < 0)
        return STATUS_GONE;
    for (int i = 0; i < DEPTH_MAX && at > 1; i++) {
        if (at == self) {
            *out = true;
            return STATUS_OK;
        }
        pid_t up = parent_of(at);
        /* A parent that ended meanwhile gave its children to another: begin again from below. */
        if (up < 0) {
            up = parent_of(pid);
            if (up < 0)
                return STATUS_GONE;
            if (up == at)
                break;
        }
        at = up;
    }
    *out = at == self;
    return STATUS_OK;
}

enum status peer_check(int fd, pid_t *pid, struct cause *why) {
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return cause_errno(why, STATUS_DENIED, errno, "who is connecting cannot be told");
    *pid = cred.pid;
    if (cred.uid != geteuid())
        return cause_set(why, STATUS_DENIED, "another user (uid %lu)", (unsigned long)cred.uid);
    /* 0: from outside our PID namespace, so above us. */
    if (cred.pid == 0 || cred.pid == getpid())
        return STATUS_OK;
    bool below = false;
    if (peer_is_descendant(cred.pid, &below) != STATUS_OK)
        return cause_set(why, STATUS_DENIED, "process %ld is gone", (long)cred.pid);
    if (below)
        return cause_set(why, STATUS_DENIED, "process %ld was started by the engine itself",
                         (long)cred.pid);
    return STATUS_OK;
}
