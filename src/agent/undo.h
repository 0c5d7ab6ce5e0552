/* undo: takes back what one request of a conversation has done to files, and takes that back in
 * turn. Each file is looked at alone: what something else changed meanwhile is left as it is,
 * unless it is forced. */
#ifndef AGENT_UNDO_H
#define AGENT_UNDO_H

#include "agent/command.h"

struct undo;
/* {channel?, force?}: of the newest request that changed files in that channel, or without one in
 * any, and was not taken back. `redo`: of the newest undo. Once all is stored it replies
 *   {"channel":S,"operation":"undo|redo","undo":S,"request":S|null,"still_at_work":N,
 *    "files":[{"path":S,"result":S,"message":S?}…]}
 * with the results of RESTORE_RESULT_TABLE. NOT_FOUND: nothing is left to take back; UNAVAILABLE:
 * another one is under way. NULL when the reply has been given already. */
struct undo *undo_start(struct agent *a, const cJSON *args, bool redo, command_reply_fn *fn,
                        void *arg);
/* Nobody waits for the reply any more; what is under way is finished. NULL is fine; sets NULL. */
void undo_abandon(struct undo **u);
/* The end of the agent. The same, and nothing is recorded. */
void undo_forget(struct agent *a);

/* A tool has changed a file; `store` is the struct store that outlives the jobs. */
void undo_record(void *store, const struct file_change *c);

#endif
