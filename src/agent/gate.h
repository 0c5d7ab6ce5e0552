/* gate: where a tool call is held against the rules before it runs. It knows the rules of the
 * config, what "always" has remembered, and what a command line has allowed for its channel; what
 * has to be asked goes to the inbox. */
#ifndef AGENT_GATE_H
#define AGENT_GATE_H

#include <cjson/cJSON.h>

#include "agent/agent.h"
#include "agent/permission.h"
#include "tools/tool.h"

/* A rule about commands that run outside the sandbox; such a call is the shell's own as well. */
#define GATE_UNSANDBOXED "unsandboxed"

struct gate;
/* STATUS_CONFIG with file and line for a rule about a tool that there is not. */
enum status gate_new(struct agent *a, struct gate **out, struct cause *why) MUST_CHECK;
void gate_free(struct gate **g);
/* The same check without an agent. */
enum status gate_check_config(const struct config *c, struct cause *why) MUST_CHECK;
/* TOOL[:GLOB] about a tool that there is. */
enum status gate_check_pattern(const char *pattern, struct cause *why) MUST_CHECK;

enum gate_verdict {
    GATE_OPEN, /* run it: it has what it needs to get where it may go */
    GATE_SHUT, /* it may not: the cause is what the model reads */
    GATE_ASKS  /* a person is asked: fn follows */
};
struct gate_wait;
/* `allowed`, or why not. The wait is gone when it returns. */
typedef void gate_fn(void *arg, bool allowed, const char *why);
/* *wait is set when it asks. The call must outlive the wait. */
enum gate_verdict gate_call(struct gate *g, struct process *p, struct tool_call *c, gate_fn *fn,
                            void *arg, struct gate_wait **wait, struct cause *why) MUST_CHECK;
/* No answer is wanted any more. NULL is fine; sets NULL. */
void gate_wait_cancel(struct gate_wait **w);

/* Nobody can be asked on behalf of one message: what it sets going and would ask is denied, but for
 * these patterns. Until the handle is freed. */
struct gate_unattended;
enum status gate_unattended_new(struct gate *g, const cJSON *patterns, struct gate_unattended **out,
                                struct cause *why) MUST_CHECK;
/* From now on it is about that message. */
void gate_unattended_start(struct gate_unattended *u, const char *message);
void gate_unattended_free(struct gate_unattended **u);
/* What works on behalf of that message; NULL: people can be asked. */
const struct gate_unattended *gate_unattended_of(const struct gate *g, const char *message);
bool gate_is_unattended(const struct gate *g, const struct process *p);

/* The rules that act: {"source":"config|remembered","pattern":S,"action":S,"origin":S,"id":N?}. */
void gate_rules_json(const struct gate *g, cJSON *list);
/* A remembered one acts no longer. */
enum status gate_revoke(struct gate *g, int64_t id, uint64_t *seq, struct cause *why) MUST_CHECK;

#endif
