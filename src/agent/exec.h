/* exec: one message, until all its work has settled. */
#ifndef AGENT_EXEC_H
#define AGENT_EXEC_H

#include "agent/agent.h"
#include "agent/attachment.h"
#include "agent/command.h"

struct exec;
/* NULL when the reply has been given already. */
struct exec *exec_start(struct agent *a, const cJSON *args, const struct attachment_list *files,
                        command_reply_fn *fn, void *arg);
/* Cancels what it started. */
void exec_abandon(struct exec **e);

#endif
