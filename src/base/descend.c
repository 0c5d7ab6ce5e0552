/* descend: the walk. One /proc/PID directory is opened for each process; it names that very process
 * for as long as it is open, so checking its parent and then signalling through it cannot hit a
 * stranger that was given the same pid. Only the C library here: no other module may come in. */
#include "base/descend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool descend_by_scan;

/* More than any machine runs: a walk over a tree that changes under it must end. */
#define DESCEND_MAX 1000000u

struct node {
    pid_t pid, parent;
};

struct nodes {
    struct node *v;
    size_t n, cap;
};

static int nodes_push(struct nodes *t, pid_t pid, pid_t parent) {
    if (t->n == t->cap) {
        if (t->n >= DESCEND_MAX) {
            errno = E2BIG;
            return -1;
        }
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct node *v = realloc(t->v, cap * sizeof *v);
        if (!v)
            return -1;
        t->v = v;
        t->cap = cap;
    }
    t->v[t->n++] = (struct node){pid, parent};
    return 0;
}

static int proc_open(pid_t pid) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* State and parent of the process whose /proc directory is `dir`. -1 when it is gone. */
static int proc_stat(int dir, char *state, pid_t *parent) {
    int fd = openat(dir, "stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    char text[512];
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    /* The name in parentheses may hold anything, parentheses included: the last one ends it. */
    const char *p = strrchr(text, ')');
    int ppid;
    if (!p || sscanf(p + 1, " %c %d", state, &ppid) != 2)
        return -1;
    *parent = (pid_t)ppid;
    return 0;
}

/* The pids in one children file (a space after each), added as children of `parent`. */
static int children_file(int tasks, const char *tid, pid_t parent, struct nodes *out) {
    char path[32];
    snprintf(path, sizeof path, "%.12s/children", tid);
    int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        /* A thread that ended takes its directory along; a kernel without the file keeps the
         * directory. */
        if (errno == ENOENT && faccessat(tasks, tid, F_OK, 0) == 0)
            descend_by_scan = true;
        return 0;
    }
    char text[4096];
    long pid = 0;
    int failed = 0;
    ssize_t n;
    while (!failed && (n = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < n && !failed; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                pid = pid * 10 + (text[i] - '0');
            } else if (pid > 0) {
                failed = nodes_push(out, (pid_t)pid, parent);
                pid = 0;
            }
        }
    }
    close(fd);
    return failed;
}

/* Children of all threads of `pid` by its children files. Being gone is no failure. */
static int list_by_files(int dir, pid_t pid, struct nodes *out) {
    int fd = openat(dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return -1;
    }
    int failed = 0;
    const struct dirent *e;
    while (!failed && !descend_by_scan && (e = readdir(d)))
        if (e->d_name[0] != '.')
            failed = children_file(fd, e->d_name, pid, out);
    closedir(d);
    return failed;
}

/* Every process of the system with its parent. */
static int snapshot(struct nodes *out) {
    DIR *d = opendir("/proc");
    if (!d)
        return -1;
    int failed = 0;
    const struct dirent *e;
    while (!failed && (e = readdir(d))) {
        if (e->d_name[0] < '0' || e->d_name[0] > '9')
            continue;
        pid_t pid = (pid_t)atoi(e->d_name), parent;
        int dir = proc_open(pid);
        char state;
        if (dir < 0)
            continue;
        if (proc_stat(dir, &state, &parent) == 0)
            failed = nodes_push(out, pid, parent);
        close(dir);
    }
    closedir(d);
    return failed;
}

static int list_children(int dir, pid_t pid, const struct nodes *all, struct nodes *out) {
    if (!descend_by_scan)
        return list_by_files(dir, pid, out);
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i].parent == pid && nodes_push(out, all->v[i].pid, pid) < 0)
            return -1;
    return 0;
}

static void send_signal(int dir, pid_t pid, int signo) {
    if (signo == 0)
        return;
    /* A /proc/PID directory serves as a pidfd. */
    if (syscall(SYS_pidfd_send_signal, dir, signo, NULL, 0) < 0 && errno == ENOSYS)
        kill(pid, signo);
}

/* One process of the queue: verified, signalled, its children queued. Returns 1 when it is alive, 0
 * when not. */
static int visit(struct node at, int signo, const struct nodes *all, struct nodes *queue) {
    int dir = proc_open(at.pid);
    if (dir < 0)
        return 0;
    char state;
    pid_t parent;
    /* Another parent by now: it was handed up to a subreaper, where the next walk finds it. */
    if (proc_stat(dir, &state, &parent) < 0 || parent != at.parent) {
        close(dir);
        return 0;
    }
    /* A zombie too: its main thread may have left while others run on. */
    send_signal(dir, at.pid, signo);
    int failed = list_children(dir, at.pid, all, queue);
    close(dir);
    return failed < 0 ? -1 : state != 'Z' && state != 'X';
}

static int own_children(struct nodes *all, struct nodes *out) {
    int dir = proc_open(getpid());
    if (dir < 0)
        return -1;
    int failed = 0;
    if (!descend_by_scan)
        failed = list_by_files(dir, getpid(), out);
    if (failed == 0 && descend_by_scan) {
        out->n = 0;
        failed = snapshot(all);
        if (failed == 0)
            failed = list_children(dir, getpid(), all, out);
    }
    close(dir);
    return failed;
}

int descend_signal(int signo, descend_skip_fn *skip, void *arg) {
    struct nodes all = {0}, queue = {0};
    int alive = own_children(&all, &queue);
    size_t direct = queue.n;
    for (size_t i = 0; alive >= 0 && i < queue.n; i++) {
        if (i < direct && skip && skip(arg, queue.v[i].pid))
            continue;
        int one = visit(queue.v[i], signo, &all, &queue);
        alive = one < 0 ? -1 : alive + one;
    }
    free(all.v);
    free(queue.v);
    return alive;
}

int descend_children(void (*fn)(void *arg, pid_t child), void *arg) {
    struct nodes all = {0}, queue = {0};
    int failed = own_children(&all, &queue);
    int n = failed < 0 ? -1 : (int)queue.n;
    for (int i = 0; i < n; i++)
        fn(arg, queue.v[i].pid);
    free(all.v);
    free(queue.v);
    return n;
}
