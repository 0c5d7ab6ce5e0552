/* child-internal: what child.c and sweep.c know of each other. */
#ifndef LOOP_CHILD_INTERNAL_H
#define LOOP_CHILD_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

struct loop;

/* A child of ours that was not yet reaped has this pid. */
bool child_owns(pid_t pid);
/* A sweep, where this process is a subreaper. */
void child_sweep_after_exit(struct loop *l);
/* The last sweep; no timer is left. */
void child_sweep_end(void);

#endif
