/* plain: events as lines for people, prefixed by the name of the process: for `attach --plain` and
 * the progress of `exec`. */
#ifndef CTL_PLAIN_H
#define CTL_PLAIN_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/buf.h"

struct plain;
struct plain_options {
    bool times;    /* the wall clock in front */
    bool messages; /* what people and channels say */
    bool output;   /* lines of running tools, and what models write to themselves */
};
struct plain *plain_new(const struct plain_options *o);
void plain_free(struct plain **p);
/* The short name for a process: learnt from ps and from worker_started. */
void plain_name(struct plain *p, const char *id, const char *name);
/* Learns from one object of ps --json. */
void plain_learn(struct plain *p, const cJSON *process);
/* Appends the lines of an event (none for what these options leave out), made safe for a terminal.
 */
void plain_event(struct plain *p, const cJSON *event, struct buf *out);

#endif
