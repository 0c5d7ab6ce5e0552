/* child: starting and reaping child processes from the loop's thread. Every child gets its own
 * session, a clean signal mask, /dev/null or a pipe on 0, 1, 2, and no other descriptor but those
 * listed. */
#ifndef LOOP_CHILD_H
#define LOOP_CHILD_H

#include <sys/types.h>

#include "base/status.h"
#include "loop/loop.h"

struct child;

/* How it ended: exited with code, or killed by signal. */
struct child_exit {
    bool signalled;
    int code; /* exit code, or signal number */
};

struct child_spec {
    const char *name;        /* static, for the trace */
    const char *const *argv; /* argv[0] is a path; NULL-terminated; lent for the call */
    const char *const *envp; /* NULL: empty environment */
    const char *dir;         /* NULL: unchanged */
    bool want_stdin;         /* a pipe (child_stdin_fd), else /dev/null */
    bool life_pipe;          /* pass the read end of a pipe that closes when we die, see life_fd */
    int life_fd;             /* the number it has in the child (>= 3) */
    size_t line_max;         /* longer lines are cut into pieces of this size; 0: 64 KiB */
    /* A line (no newline; stream 1 or 2; `partial` when cut by line_max or at the end without
     * newline). */
    void (*on_line)(void *arg, int stream, const char *line, size_t n, bool partial);
    /* After a read, when its lines were told: what stands in the stream behind the last newline,
     * perhaps nothing. May be NULL. */
    void (*on_rest)(void *arg, int stream, const char *text, size_t n);
    /* Once: the child was reaped and both streams ended or were given up (200 ms after the exit,
     * not counted while paused). Last call: the child is freed when it returns, so forget the
     * pointer (child_drop() in it is fine). */
    void (*on_exit)(void *arg, struct child_exit how);
    void *arg;
};

/* STATUS_IO with a cause when it could not be started; then no callback comes. */
enum status child_spawn(struct loop *l, const struct child_spec *spec, struct child **out,
                        struct cause *why) MUST_CHECK;
pid_t child_pid(const struct child *c);
int child_stdin_fd(const struct child *c); /* -1 when none; non-blocking; child keeps it */
void child_close_stdin(struct child *c);
void child_signal(struct child *c, int signo); /* by pidfd; nothing when it has been reaped */
/* Stops reading its output until told otherwise (back-pressure); up to 64 KiB already read may
 * still come. */
void child_pause(struct child *c, bool paused);
/* No callback any more; the process is ended if it still runs and reaped in the background: by
 * closing its life pipe, and SIGKILL after 2 s, where it has one (killing a launcher would free
 * what it holds), else by SIGKILL. NULL is fine; sets NULL. */
void child_drop(struct child **c);
/* Children that were started and not yet reaped, dropped ones included. */
size_t child_count(void);
/* At the end of the program, before loop_free(): drops all children and waits until they are gone,
 * at most 3 s. */
void child_shutdown(void);

/* Makes this process the reaper of its orphaned descendants (PR_SET_CHILD_SUBREAPER); from then on
 * each exit of a child is followed by a sweep. Children that exist at this moment are left alone by
 * sweeps. */
void child_subreaper(void);
/* As subreaper: kills and reaps every descendant of this process that is not a live child of ours,
 * nor below one. What does not die at once is swept again from the loop. */
void child_sweep(struct loop *l);

#endif
