/* proc: the processes of this machine as /proc shows them: which belong to a test, and that none is
 * left. */
#ifndef TESTLIB_PROC_H
#define TESTLIB_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct proc_list {
    pid_t pid[256];
    size_t n;
};

/* Living processes (no zombies, not the caller) whose command line, working directory or initial
 * environment contains `text`. */
void proc_find(const char *text, struct proc_list *out);
/* The same, command line only. */
void proc_find_command(const char *text, struct proc_list *out);
/* Living children of a process. */
void proc_children(pid_t pid, struct proc_list *out);
/* The command line with spaces between the arguments; "" when there is none any more. The caller
 * frees. */
char *proc_command(pid_t pid);
/* 'R', 'S', 'T', 'Z', …; 0 when it is gone. */
char proc_state(pid_t pid);

/* Waits until `find` finds none; false at the deadline. */
bool proc_wait_none(void (*find)(const char *, struct proc_list *), const char *text, int ms);
/* Waits until it finds at least n. The kernel tells nobody of a new command line: looked at again
 * every 2 ms. */
bool proc_wait_some(void (*find)(const char *, struct proc_list *), const char *text, size_t n,
                    int ms);
/* Kills what it finds until nothing is left (bounded). */
void proc_kill_all(const char *text);
/* "PID command\n" a process, for messages. The caller frees. */
char *proc_describe(const struct proc_list *list);

#endif
