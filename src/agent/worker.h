/* worker: does one task with tools, in its own history, and ends in exactly one outcome, which is
 * in the store before anybody is told. An interactive one gives a result, waits to be written to,
 * and goes on. */
#ifndef AGENT_WORKER_H
#define AGENT_WORKER_H

#include "agent/agent.h"
#include "tools/tool.h"

#define WORKER_STATUS_MAX 256u                /* bytes of a status (SPEC A.6) */
#define WORKER_NUDGES_MAX 2u                  /* consecutive (SPEC A.5) */
#define WORKER_TASK_MAX 50000u                /* bytes; of a message to it as well */
#define WORKER_SEGMENT_TURNS 15               /* model calls (SPEC A.5) */
#define WORKER_OVERFLOWS_MAX 2u               /* in a segment (SPEC A.5) */
#define WORKER_INJECTIONS_MAX 8u              /* messages it reads before its next step */
#define WORKER_INPUTS_MAX 32u                 /* messages that an interactive one reads later */
#define WORKER_COMPLETING_NS (2 * NS_PER_SEC) /* a cancel waits so long for its last words */
#define WORKER_STOPPING_NS (500 * NS_PER_MS)  /* and so long for what a tool has so far */
#define WORKER_TRIM_PERCENT 70                /* of the context: half of the history goes */

struct worker_options {
    const char *task_type; /* the kind of its work; NULL: none */
    bool interactive;
    bool fork; /* it begins with a copy of what its parent has before it */
};
/* Starts a worker below `parent`: a channel, or a branch of one. STATUS_LIMIT when the channel has
 * as many as it may; STATUS_EXISTS when one is at the same task: *out is that one then. */
enum status worker_start(struct agent *a, struct process *parent, const char *task,
                         const struct worker_options *o, struct process **out,
                         struct cause *why) MUST_CHECK;
/* Those that waited to be written to when an earlier engine ended wait again. */
enum status worker_resume_all(struct agent *a, struct cause *why) MUST_CHECK;
/* Ends it; false when it has ended or is ending. Its partial result is kept. One that has said
 * what came of its task gets a moment for its last words, and may win (SPEC A.5). */
bool worker_cancel(struct agent *a, struct process *w, enum lifecycle_owner owner,
                   const char *reason);
/* It waits to be written to. */
bool worker_waits(const struct process *w);
/* Writes to it: one that waits goes on with it, another reads it before its next step or, when it
 * is interactive and too much has come in, after its present run. `end`: nothing more will come; an
 * interactive one ends when it is done. text may be NULL then. *how tells a person what becomes of
 * it (static). STATUS_GONE when it has ended or is ending, STATUS_LIMIT when too much waits. */
enum status worker_route(struct agent *a, struct process *w, const char *sender, const char *text,
                         bool end, const char **how, struct cause *why) MUST_CHECK;
void worker_free(struct agent *a, struct process *w);

/* Parts of struct tool_host. */
void worker_tool_spawn(struct tool_call *c, const char *task, bool interactive, bool fork);
void worker_tool_set_status(struct tool_call *c, const char *status, const char *kind);
void worker_tool_route(struct tool_call *c, const char *id, const char *message, bool end);
void worker_tool_inspect(struct tool_call *c, const char *id, int64_t limit);

#endif
