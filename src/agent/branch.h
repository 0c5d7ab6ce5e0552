/* branch: a copy of a channel's context that goes off to think, and comes back with a conclusion.
 */
#ifndef AGENT_BRANCH_H
#define AGENT_BRANCH_H

#include "agent/agent.h"
#include "tools/tool.h"

/* Starts a branch of `channel` with a copy of `history` (what its model has seen so far).
 * STATUS_LIMIT when the channel has as many as it may. */
enum status branch_start(struct agent *a, struct process *channel,
                         const struct llm_history *history, const char *description,
                         const char *task_type, struct process **out, struct cause *why) MUST_CHECK;
/* Cancels; false when it has ended or is ending. */
bool branch_cancel(struct agent *a, struct process *b, const char *reason);
void branch_free(struct agent *a, struct process *b);

/* Part of struct tool_host. */
void branch_tool_start(struct tool_call *c, const char *description);

#endif
