/* channel: a conversation. It takes messages at any moment, thinks about one at a time, delegates,
 * and answers. */
#ifndef AGENT_CHANNEL_H
#define AGENT_CHANNEL_H

#include "agent/agent.h"
#include "base/id.h"
#include "tools/tool.h"

#define CHANNEL_QUEUE_MAX 64u       /* messages waiting (SPEC A.3) */
#define CHANNEL_RETRIGGERS_MAX 3u   /* since the last message of a person (SPEC A.3) */
#define CHANNEL_RETRIGGER_MS 500    /* debounce (SPEC A.3) */
#define CHANNEL_RETRIGGER_TURNS 3   /* model calls in a retriggered turn (SPEC A.3) */
#define CHANNEL_HYDRATE 200         /* messages loaded of an earlier conversation (SPEC A.3) */
#define CHANNEL_MESSAGE_MAX 262144u /* bytes a message may have */
#define CHANNEL_YOU "you"           /* the person at this machine, where no name is given */

/* The channel `bare` (created and loaded if need be). model and workspace may be NULL: the
 * defaults, or what it had. STATUS_INVALID for an id that is empty, over 120 bytes, or holds white
 * space or control characters. */
enum status channel_open(struct agent *a, const char *bare, const char *model,
                         const char *workspace, struct process **out, struct cause *why) MUST_CHECK;
/* Whether there is such a conversation; else the cause says so to a model. */
bool channel_exists(const struct agent *a, const char *bare, struct cause *why);
void channel_free(struct agent *a, struct process *p);
/* The model it uses for everything: the one it was told to, else what stands in for it, else NULL.
 */
const char *channel_model_override(const struct process *p);
/* The model it was told to use, or NULL: the one that is kept. */
const char *channel_model_told(const struct process *p);
/* While this engine runs, `model` (outliving the channel) answers in it, unless it was told to use
 * another; NULL: no longer. From now on; where a stand-in has been talked to, from a person's next
 * message. `words` say so where there is a conversation already; NULL: nothing is said. */
void channel_stand_in(struct agent *a, struct process *p, const char *model, const char *words);
/* It is a stand-in that answers. */
bool channel_stood_in(const struct process *p);
void channel_set_model(struct agent *a, struct process *p, const char *model);
/* A person says in mid-course which model it uses, NULL: the routing's again. Kept; from the next
 * call on, also for what works for it. */
void channel_tell_model(struct agent *a, struct process *p, const char *model);
/* Results that the channel has not been told of or has not told on, for the status block: at most
 * 5, newest first. */
void channel_recent(const struct process *p,
                    void (*fn)(void *arg, const char *id, const char *task, enum process_outcome o,
                               const char *result),
                    void *arg);

struct channel_watch;
struct attachment_list;
struct channel_message {
    const char *sender; /* at most 64 bytes of it are kept */
    const char *text;
    const struct attachment_list *files; /* given with it, saved already; NULL: none */
    bool authority; /* it may change the conversation: stamped by whoever brings it (SPEC H) */
    /* Who waits for what comes of it, and of nothing else; NULL: nobody. It is answered alone. */
    struct channel_watch *watch;
};

/* Somebody says something. fn (may be NULL) is called when it is stored. STATUS_LIMIT when too many
 * wait. A command is obeyed at once; what it answers is told as a reply when it is safe. */
enum status channel_say(struct agent *a, struct process *p, const struct channel_message *m,
                        store_after_fn *fn, void *arg, struct store_after **wait,
                        char message_id[ID_UUID_SIZE], struct cause *why) MUST_CHECK;
/* The turn that is under way, as the store knows it; NULL: none is. Lent. */
const char *channel_turn_id(const struct process *p);
/* The names of those who have spoken here, in order. Lent. */
struct strv;
const struct strv *channel_people(const struct process *p);
/* The id of the person's message that is being answered (through results too), else of the last
 * one; NULL when there is none. Lent. */
const char *channel_message_id(const struct process *p);
/* The person's message on behalf of which a process of whatever kind works; NULL when there is
 * none. Lent. */
const char *channel_message_of(const struct process *p);

#define CHANNEL_USES_MAX 8u     /* tools that a person uses at once in a channel */
#define CHANNEL_LINE_MAX 16384u /* bytes of a command line */
#define CHANNEL_LINE_SECS 1800  /* it may take: a person can end it */

/* A person uses a tool in the conversation: its call stands in the journal as a model's does, and
 * the model is told what it returned with the next message. fn (may be NULL) is called once it is
 * over, however it ended. STATUS_LIMIT when CHANNEL_USES_MAX are under way, STATUS_INVALID for
 * arguments that the tool refuses. */
typedef void channel_used_fn(void *arg);
enum status channel_use_tool(struct agent *a, struct process *p, enum tool_id tool,
                             const cJSON *args, channel_used_fn *fn, void *arg,
                             struct cause *why) MUST_CHECK;
#define CHANNEL_ATTACH_MAX 8u /* files of one message; further names are only words */
/* channel_say() for a person at a screen: files of the workspace that the text names ("@src/a.c",
 * "@\"a b\"") are read first and told to the model before it. While they are, *pending stands for
 * the message (NULL when it is said) and fn, wait and message_id are kept for it. */
struct channel_attach;
enum status channel_say_attaching(struct agent *a, struct process *p,
                                  const struct channel_message *m, store_after_fn *fn, void *arg,
                                  struct channel_attach **pending, struct store_after **wait,
                                  char message_id[ID_UUID_SIZE], struct cause *why) MUST_CHECK;
/* Nobody waits for it any more; it is said all the same. NULL is fine; sets NULL. */
void channel_attach_forget(struct channel_attach **at);
/* Appends the names in a text, at most CHANNEL_ATTACH_MAX in all. */
struct strv;
void channel_attach_names(const char *text, struct strv *out);
/* "!command": shell, in the channel's workspace, ended by channel_interrupt(). */
enum status channel_run_line(struct agent *a, struct process *p, const char *sender,
                             const char *command, struct cause *why) MUST_CHECK;

/* A person did something here beside it: `notice` stands in the transcript, and the model is told
 * `text` with the next message. */
void channel_tell_aside(struct process *p, const char *notice, const char *text);

/* Ends the present turn, keeping what was said so far, and what a person has running in it. False
 * when nothing was under way. */
bool channel_interrupt(struct agent *a, struct process *p, const char *reason);

/* What this channel delegated has come back: its end is in the store, and with it the result under
 * the id `row` (from record_result(); "" when it has none). It is told soon, or only recorded when
 * the process is marked unwanted. */
void channel_result(struct agent *a, struct process *p, const struct process *from,
                    const char *result, const char *row);
/* The same for an interactive worker that goes on to wait: its result is one of several. */
void channel_first_result(struct agent *a, struct process *p, const struct process *from,
                          enum process_outcome outcome, const char *result, const char *row);
/* A process has ended, and the channel knows all that it had to say. */
void channel_closed(struct agent *a, struct process *p, const struct process *from);
/* Nobody waits for the answer to that message any more: its turn ends, or is not begun, and what
 * has come back for it is recorded without one. What others said and set going goes on. */
void channel_withdraw(struct agent *a, struct process *p, const char *message, const char *reason);
/* The channel that a process belongs to. */
struct process *channel_of_process(const struct agent *a, const struct process *p);
/* What its model has seen so far: the present turn's history, else what is kept. Lent. */
const struct llm_history *channel_history(const struct process *p);

/* Nothing of its own is under way or waits (its workers may be at work). */
bool channel_idle(const struct process *p);

/* What a channel and all its workers have used and come to since the engine began. */
struct channel_totals {
    struct llm_usage usage;
    int64_t started, succeeded, failed,
        cancelled; /* workers; partial, blocked and timed out count as failed */
};
struct channel_totals channel_totals(const struct agent *a, const struct process *p);
/* The channel `p` has got a worker or branch. */
void channel_delegated(struct process *p, const struct process *child);
/* A process of a channel, or the channel itself, has had an answer of a model. */
void channel_used(const struct agent *a, const struct process *p, const struct llm_usage *u);

/* For `exec`: told of each reply to one message and to what it set going, each turn of it that
 * ended in an error, and when all of that has settled (SPEC A.1). */
struct channel_watch_ops {
    void (*reply)(void *arg, const char *text);
    void (*failed)(void *arg, enum status st, const char *text);
    void (*settled)(void *arg); /* the last call; the watch is gone when it returns */
};
/* message: its id; NULL: the one that is going to be said with this watch. What it, and all that it
 * set going, uses and comes to is added to `totals`, which outlives the watch. */
struct channel_watch *channel_watch(struct process *p, const char *message,
                                    const struct channel_watch_ops *ops,
                                    struct channel_totals *totals, void *arg);
void channel_unwatch(struct channel_watch **w);

/* The channel's part of struct tool_host. */
void channel_tool_reply(struct tool_call *c, const char *content);
void channel_tool_ask(struct tool_call *c, const char *question, const cJSON *options,
                      bool multi_select);
void channel_tool_skip(struct tool_call *c, const char *reason);
void channel_tool_abandon(struct tool_call *c);
void channel_tool(struct tool_call *c);
void channel_check(struct agent *a, struct process *p); /* something may have settled */

#endif
