/* turn: the agentic loop that every thinking process runs. A prompt is in the history; then model
 * call, tool calls in order, their results, again, until an answer has no tool call, a terminal
 * tool has succeeded, or a limit is reached. It writes into the process's journal and tells the
 * bus; what an end means is its owner's business. */
#ifndef AGENT_TURN_H
#define AGENT_TURN_H

#include "agent/agent.h"
#include "tools/tool.h"

/* X(NAME, "name") */
#define TURN_END_TABLE(X)                                                                          \
    X(ANSWERED, "answered") /* the last response had no tool call */                               \
    X(TERMINAL, "terminal") /* a terminal tool succeeded */                                        \
    X(LIMIT, "limit")       /* model calls used up */                                              \
    X(BUDGET, "budget")     /* tokens, money, time, or patience: error->text says which */         \
    X(STOPPED, "stopped")   /* turn_stop(): what ran has ended early */                            \
    X(FAILED, "failed")     /* the model could not be reached or refused; see error */
enum turn_end {
#define X(name, text) TURN_END_##name,
    TURN_END_TABLE(X)
#undef X
};

struct turn;

struct turn_ops {
    /* A model call is about to be made: what came in meanwhile may be added to the history, which
     * must end with a user's message. May be NULL. */
    void (*before_call)(void *arg);
    /* Response without tool calls, as it was written (the history has it without secrets): a prompt
     * that makes the model go on (the caller frees; the response is taken out of the history unless
     * *keep is set), or NULL: the turn has ended. May be NULL. */
    char *(*nudge)(void *arg, const char *text, bool *keep);
    /* The history does not fit into the model's context. True: it has been made shorter, and the
     * call is made again; it must end with a user's message. May be NULL. */
    bool (*overflow)(void *arg);
    /* A tool call ended. True: the turn ends here (terminal rule). */
    bool (*after_tool)(void *arg, const struct tool_call *c, bool is_error);
    /* A person is asked whether a tool may run, and then (false) has answered: the time between
     * counts for nobody. May be NULL. */
    void (*asking)(void *arg, bool asks);
    /* Pieces of the argument `content` of a reply call, decoded and without secrets, while it is
     * still being written; NULL: not wanted. `start` opens a new one. */
    void (*reply_delta)(void *arg, bool start, const char *text, size_t n);
    /* Text as it streams, without secrets; NULL: the turn writes it to the journal as TEXT. */
    void (*text_delta)(void *arg, const char *text, size_t n);
    /* The response is whole and goes on with tool calls: text so far stood beside them. */
    void (*text_done)(void *arg);
    /* What was streamed so far is partial, and will not go on: the answer begins anew, or has
     * ended. */
    void (*interrupted)(void *arg);
    /* Last callback. The turn is freed after it returns. */
    void (*end)(void *arg, enum turn_end how, const struct llm_error *error);
};

struct turn_options {
    struct agent *agent;
    struct process_handle process;
    struct llm_history *history; /* lent: the turn appends to it; ends with a user message */
    const struct tool_host *host;
    int64_t limit;             /* model calls */
    const int64_t *backoff_ms; /* static: pauses before further attempts of a failed call */
    size_t nbackoff;
    struct llm_usage before; /* of the process, not counted against its limits (limit.h) */
    int64_t wall_secs;       /* the whole turn's time, people's answers apart; 0: no limit */
    const struct turn_ops *ops;
    void *arg;
};

/* Never calls back before it returns. */
struct turn *turn_start(const struct turn_options *o);
/* Stops whatever is under way; no callback. Calls without a result get one that says so, so that
 * the history stays valid. `reason` is for the journal and the model. NULL is fine; sets NULL. */
void turn_cancel(struct turn **t, const char *reason);
/* Asks the tool that runs to end early with what it has. True: it is ending, and the turn then ends
 * as STOPPED; who does not want to wait any longer cancels. False: there is nothing to wait for.
 * `reason` (static, or outliving the turn) answers the calls that are not run any more. */
bool turn_stop(struct turn *t, const char *reason);
/* What is being written is cut off here: what was held back of it, as it could have become a
 * secret, is passed on. */
void turn_cut_text(struct turn *t);
const struct process *turn_process(const struct turn *t);
struct turn *turn_of(const struct tool_call *c); /* the turn that made a call */
void *turn_arg(const struct turn *t);
struct agent *turn_agent(const struct turn *t);

#endif
