/* child_queue: whose turn it is to start a child. A start takes 1 ms on a quiet machine and 60 ms
 * on a busy one, all of it on the loop's thread: sixteen workers that start a command in one turn
 * would keep the keyboard waiting for a second. One is let through a turn: between any two the
 * keyboard is served and a frame painted. */
#ifndef LOOP_CHILD_QUEUE_H
#define LOOP_CHILD_QUEUE_H

#include "loop/loop.h"

/* A place in the queue. There is one for each call that waits, so its owners bound it. */
struct child_place;

/* Calls fn(arg) once, in order of asking, in the present turn or a later one, never before this
 * returns. The place is gone when fn is called: the owner forgets it first. */
struct child_place *child_queue(struct loop *l, loop_fn *fn, void *arg);
/* NULL is fine; sets NULL. */
void child_queue_leave(struct child_place **p);

#endif
