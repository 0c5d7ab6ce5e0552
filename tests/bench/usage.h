/* usage: what a process has used so far, read from /proc: the difference of two readings is what it
 * used in between. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    int64_t at_ns;     /* when it was read, CLOCK_MONOTONIC */
    int64_t cpu_ns;    /* all threads that live or have lived, children not counted */
    int64_t main_ns;   /* the main thread: the loop of an engine */
    int64_t voluntary; /* context switches of all living threads because they waited: wake-ups */
    int64_t forced;    /* … because somebody else had to run */
    int64_t rss_kb;
    int64_t private_kb; /* unshared, resident */
};

/* False when the process is gone. */
bool usage_read(pid_t pid, struct usage *u);
/* CPU time of a whole process, nanoseconds; -1 when it is gone. */
int64_t usage_cpu_ns(pid_t pid);
/* CPU seconds a second between two readings, in per cent of a core. */
double usage_percent(const struct usage *from, const struct usage *to);

/* Calls fn for each descendant of a process (not the process), children of children included. */
void usage_descendants(pid_t pid, void (*fn)(void *arg, pid_t pid), void *arg);

#endif
