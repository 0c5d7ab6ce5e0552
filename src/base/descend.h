/* descend: finding and signalling every descendant of the calling process, whatever it did to hide
 * (setsid, double forks, subreapers of its own). Needs the C library only, so that the launcher can
 * carry it. */
#ifndef BASE_DESCEND_H
#define BASE_DESCEND_H

#include <stdbool.h>
#include <sys/types.h>

/* True: leave this direct child, and all below it, alone. */
typedef bool descend_skip_fn(void *arg, pid_t child);

/* Sends `signo` (0: none, only counts) to every descendant of this process, by
 * /proc/PID/task/TID/children; never to a process that merely got a reused pid. `skip` may be NULL.
 * Returns how many are alive (zombies are not counted), -1 with errno when /proc cannot be read or
 * memory ran out. */
int descend_signal(int signo, descend_skip_fn *skip, void *arg);

/* Calls fn for each direct child, zombies included. The same returns. */
int descend_children(void (*fn)(void *arg, pid_t child), void *arg);

/* Look parents up in all of /proc/PID/stat instead; becomes true by itself on kernels without the
 * children files. */
extern bool descend_by_scan;

#endif
