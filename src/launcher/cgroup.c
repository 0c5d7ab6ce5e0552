/* cgroup: a control group of the command's own, where the system lets us make one. It is a
 * convenience, never needed: cgroup.kill outruns a fork bomb, and pids.max bounds one that root
 * runs (RLIMIT_NPROC does not count for root). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/launcher.h"

static int open_in(const struct cgroup *g, const char *name) {
    char path[sizeof g->path + 32];
    snprintf(path, sizeof path, "%s/%s", g->path, name);
    return open(path, O_WRONLY | O_CLOEXEC);
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void set_pids_max(const struct cgroup *g, long pids) {
    char text[32];
    int n = snprintf(text, sizeof text, "%ld", pids);
    int fd = open_in(g, "pids.max"); /* absent where the pids controller is not ours to use */
    if (fd < 0)
        return;
    if (write(fd, text, (size_t)n) < 0)
        complain(STDERR_FILENO, errno, "no limit of processes in %s", g->path);
    close(fd);
}

bool cgroup_make(struct cgroup *g, const char *parent, long pids) {
    g->procs = g->kill = -1;
    int n = snprintf(g->path, sizeof g->path, "%s/spacebot-run-%d", parent, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof g->path)
        return false;
    rmdir(g->path); /* of a launcher that was killed and had our pid */
    if (mkdir(g->path, 0700) < 0)
        return false;
    g->procs = open_in(g, "cgroup.procs");
    if (g->procs < 0) {
        rmdir(g->path);
        return false;
    }
    g->kill = open_in(g, "cgroup.kill");
    if (pids > 0)
        set_pids_max(g, pids);
    return true;
}

void cgroup_join(const struct cgroup *g) {
    if (write(g->procs, "0", 1) < 0)
        return; /* moving is a right of its own; then it stays empty and kills nobody */
}

void cgroup_kill(const struct cgroup *g) {
    if (g->kill >= 0 && write(g->kill, "1", 1) < 0)
        return; /* the walk over the descendants does it */
}

void cgroup_remove(struct cgroup *g) {
    close_fd(&g->procs);
    close_fd(&g->kill);
    rmdir(g->path);
}
