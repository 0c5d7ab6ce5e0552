/* command: the one table by which screens and the control socket act on the agent. Arguments and
 * replies are JSON. */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include <cjson/cJSON.h>

#include "agent/agent.h"

/* clang-format off */
/* X(NAME, "name")
 *  open         {channel, screen?}         the channel exists from now on, its history is loaded
 *                                          -> {"channel":S,"id":S}
 *  say          {channel, text, sender?, screen?, attach?}  replies {"channel":S,"message_id":S}
 *                                          once it is stored
 *  run          {channel, command, sender?}  a person's command line in the channel's workspace: what
 *                                          it prints is in the channel's journal, interrupt ends it
 *                                          -> {"channel":S} when it has begun
 *  exec         {channel?, text, model?, workspace?, throwaway?, attach?}  replies when all has settled: the result line
 *                                          of exec --json (always a body with ok and, unless ok,
 *                                          error); the status is OK, PROVIDER (a provider failed),
 *                                          CONFIG (none is configured: nothing was started),
 *                                          CANCELLED, or another one (the work failed). Abandoning
 *                                          it cancels what it started. The channel's id is
 *                                          args.channel or a new "cli:<uuid>"; the server may choose
 *                                          the id itself so that it can follow the channel before
 *                                          anything happens, and then says throwaway: true. In such
 *                                          a channel a worker that waits to be written to is ended
 *                                          when all else has settled
 *  cancel       {process, reason?}         -> {"process":S,"cancelled":B,"message":S}
 *  interrupt    {process}                  Ctrl-C: ends the present turn of a channel with what it
 *                                          had, and what runs in it for a person; cancels a worker
 *  route        {process, text?, end?, sender?}  writes to a worker (worker.h)
 *                                          -> {"process":S,"message":S} what becomes of it
 *  ps           {all?, past?}              -> {"processes":[…]} as ps --json; all: ended ones too,
 *                                          and those of earlier engines unless past is false
 *  log          {process, from?}           -> {"id":S,"entries":[…],"next":N,"live":B}
 *  seen         {process}                  a person looked at it
 *  interrupted  {}                         -> {"runs":[…]} tool runs that a crash cut off (shown
 *                                          until dismissed)
 *  dismiss      {call_id}                  such a run has been looked at
 *  inbox        {}                         -> {"requests":[…]}: what waits for a person
 *  answer       {request, answer, remark?, screen?}  replies {"id":N} once the answer is stored
 *  undo, redo   {channel?, force?}         files as they were before a request, and back again
 *                                          (undo.h)
 *  memory       {op, …}                    a change of memories (memory/command.h); replies once it is
 *                                          stored
 *  permissions  {}                         -> {"rules":[…]}
 *  revoke       {rule}                     a remembered rule; replies once it is stored
 *
 * A screen says {"screen":true} with open, say and answer: where no model is connected, a stand-in
 * answers there (agent_default_model()), and nobody else's messages: their say is STATUS_CONFIG
 * then.
 * Files that its messages name are attached (channel_say_attaching()).
 * attach: ["/absolute/path"…], files that come with the message; when one cannot be saved nothing is
 * said, and why is the reply. */
#define COMMAND_TABLE(X)                                                                           \
    X(OPEN, "open")                                                                                \
    X(SAY, "say")                                                                                  \
    X(RUN, "run")                                                                                  \
    X(EXEC, "exec")                                                                                \
    X(CANCEL, "cancel")                                                                            \
    X(INTERRUPT, "interrupt")                                                                      \
    X(ROUTE, "route")                                                                              \
    X(PS, "ps")                                                                                    \
    X(LOG, "log")                                                                                  \
    X(SEEN, "seen")                                                                                \
    X(INTERRUPTED, "interrupted")                                                                  \
    X(DISMISS, "dismiss")                                                                          \
    X(INBOX, "inbox")                                                                              \
    X(ANSWER, "answer")                                                                            \
    X(UNDO, "undo")                                                                                \
    X(REDO, "redo")                                                                                \
    X(MEMORY, "memory")                                                                            \
    X(PERMISSIONS, "permissions")                                                                  \
    X(REVOKE, "revoke")
/* clang-format on */
enum command {
#define X(name, text) COMMAND_##name,
    COMMAND_TABLE(X)
#undef X
};
enum status command_from_string(const char *s, enum command *out) MUST_CHECK;

struct command_call;
/* Once, perhaps before command_run() returns. body is taken (may be NULL); why is "" when OK. */
typedef void command_reply_fn(void *arg, enum status st, cJSON *body, const char *why);
/* args are lent. Returns NULL when the reply has been given already. */
struct command_call *command_run(struct agent *a, enum command c, const cJSON *args,
                                 command_reply_fn *fn, void *arg);
/* The asker is gone: no reply comes any more. NULL is fine; sets NULL. */
void command_abandon(struct command_call **c);

#endif
