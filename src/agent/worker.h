/* worker: does one task with tools, in its own history, and ends in exactly one outcome, which is
 * in the store before anybody is told. */
#ifndef AGENT_WORKER_H
#define AGENT_WORKER_H

#include "agent/agent.h"
#include "tools/tool.h"

#define WORKER_STATUS_MAX 256u /* bytes of a status (SPEC A.6) */
#define WORKER_NUDGES_MAX 2u   /* consecutive (SPEC A.5) */
#define WORKER_TASK_MAX 50000u /* bytes */

/* Starts a worker below `parent`: a channel, or a branch of one. fn is called when its row is
 * stored. STATUS_LIMIT when the channel has as many as it may; STATUS_EXISTS when one is at the
 * same task: *out is that one then. */
enum status worker_start(struct agent *a, struct process *parent, const char *task,
                         struct process **out, struct cause *why) MUST_CHECK;
/* Cancels; false when it has ended or is ending. Its partial result is kept. `owner` is who ended
 * it, as in SPEC A.5: cancel, timeout, shutdown. */
bool worker_cancel(struct agent *a, struct process *w, const char *owner, const char *reason);
void worker_free(struct agent *a, struct process *w);

/* Parts of struct tool_host. */
void worker_tool_spawn(struct tool_call *c, const char *task);
void worker_tool_set_status(struct tool_call *c, const char *status, bool outcome);

#endif
