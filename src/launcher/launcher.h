/* launcher: what the parts of spacebot-run share. The program is linked to the C library and
 * libseccomp only and takes nothing from the engine but base/descend, because it is started for
 * every command. */
#ifndef LAUNCHER_LAUNCHER_H
#define LAUNCHER_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Exit codes besides the command's own, as shells, env(1) and timeout(1) have them. */
enum {
    EXIT_SETUP = 125,   /* we failed before the command could run: usage, containment */
    EXIT_NOT_RUN = 126, /* the command was found but cannot be executed */
    EXIT_NOT_FOUND = 127
};

/* "spacebot-run: text: strerror(err)" (err 0: no reason) as one line to `fd`, in one write. */
void complain(int fd, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same to stderr; ends the process with EXIT_SETUP. */
_Noreturn void fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Becomes the command; ends with EXIT_NOT_FOUND or EXIT_NOT_RUN and a message. */
_Noreturn void run_command(char **command);

#define STAGE1_CGROUPS 2

struct stage1 {
    int life;     /* descriptor: at its end of file everything is ended */
    pid_t parent; /* who must be our parent; else it is gone already */
    int reached; /* the command's descriptor to write 'R' to once it is contained; -1: not asked for
                  */
    const char
        *cgroups[STAGE1_CGROUPS]; /* directories to make a cgroup of our own in, where we may */
    size_t ncgroups;
    long pids; /* most processes in it; 0: no limit */
    char **command;
};
/* Runs the command as a subreaper and leaves no descendant behind. Returns the exit code, or does
 * not return when the command was ended by a signal: the same signal ends us. */
int stage1_run(struct stage1 *s);

#define STAGE2_LIMITS 8

struct stage2 {
    int reached; /* -1: nobody asks */
    bool landlock;
    const char **ro, **rw, **hide; /* absolute, canonical; hide takes away from ro only */
    size_t nro, nrw, nhide;
    bool shared_pids; /* no PID namespace around us: keep away from others' processes */
    pid_t guard;      /* with shared_pids: never to be signalled; 0: none */
    bool no_net;      /* no sockets but UNIX ones */
    struct {
        int resource;
        rlim_t value;
        bool relative; /* on top of what the system has now (processes) */
    } limits[STAGE2_LIMITS];
    size_t nlimits;
    char **command;
};
/* Applies limits, capabilities, Landlock and seccomp to this process, then becomes the command. */
_Noreturn void stage2_run(const struct stage2 *s);

/* Restricts this process to its paths; ends it when that fails. no_new_privs must be set. */
void landlock_restrict(const struct stage2 *s);
/* Loads the system call filter; ends the process when that fails. `launcher` is guarded too. */
void filter_load(const struct stage2 *s, pid_t launcher);

/* The cgroups of a stage 1. */
struct cgroup {
    char path[512];
    int procs; /* cgroup.procs, -1: none */
    int kill;  /* cgroup.kill, -1: the kernel or the hierarchy has none */
};
/* Makes one below `parent`; false (nothing left behind) where that is not allowed. */
bool cgroup_make(struct cgroup *g, const char *parent, long pids);
/* Moves the calling process into it. */
void cgroup_join(const struct cgroup *g);
/* Kills everything in it, if it can. */
void cgroup_kill(const struct cgroup *g);
/* Removes it. Everything in it must have been reaped. */
void cgroup_remove(struct cgroup *g);

#endif
