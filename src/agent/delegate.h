/* delegate: what workers and branches have in common: a task given by a channel, a history and a
 * turn of their own, and one end that is in the store before anybody is told. */
#ifndef AGENT_DELEGATE_H
#define AGENT_DELEGATE_H

#include "agent/agent.h"
#include "agent/turn.h"
#include "base/id.h"

#define DELEGATE_KEEP_ENDED 200u /* ended ones kept in the table; the store has them all */

#define DELEGATE_TOLD "{\"notify\":false}" /* of the entry of an end that says nothing new */

struct delegate;
struct delegate_ops {
    void (*announce)(struct delegate *d, struct process *p); /* the event that tells of the end */
    /* Another end than this was stored first: puts that one into p->outcome and d->result. */
    void (*adopt)(struct delegate *d, struct process *p);
    void (*free)(struct agent *a, struct process *p); /* the process's body */
};

/* First member of a worker's and a branch's body. */
struct delegate {
    struct agent *agent;
    struct process_handle process;
    const struct delegate_ops *ops;
    struct llm_history history;
    size_t own; /* the first message of history that is its own, not its channel's */
    struct turn *turn;
    struct store_after *ending; /* its end is being stored */
    char *result;               /* what the channel will be told */
    char row[ID_UUID_SIZE];     /* the result's id in the store */
    bool ended;                 /* the end has an owner */
    bool rests; /* nothing of it is under way, and nothing will be until somebody writes to it */
    bool told;  /* its end says nothing that its channel has not been told */
};

/* Adds a process below `parent` (a channel, or a branch) and fills in what it has from it; the body
 * is the caller's to set up: *d is zeroed but for agent, process and ops. id: its uuid; NULL: a new
 * one. task_type: the kind of its work, NULL: none. model: NULL: the routing's. */
enum status delegate_add(struct agent *a, enum process_kind kind, const char *id,
                         const struct process *parent, const char *task, const char *task_type,
                         const char *model, struct delegate *d, const struct delegate_ops *ops,
                         struct process **out, struct cause *why) MUST_CHECK;
/* The task into its journal, the link into its channel's. */
void delegate_note_start(struct delegate *d);
struct process *delegate_process(const struct delegate *d);
struct process *delegate_channel(const struct delegate *d);

/* What a channel, a branch or a worker has before it now. Lent. */
const struct llm_history *delegate_context(const struct process *p);
/* Begins its history, which is empty, with a copy of `context`, for the tools that it has itself:
 * without the answer that is being carried out, and with what other calls gave as plain text. So
 * much of the oldest is left out, at aligned cuts, that beside its prompt and `task` it has room to
 * work (SPEC A.4). d->own is where the task goes. */
void delegate_fork(struct delegate *d, const struct llm_history *context, const char *task);
/* The message of the user in the place of what was left out of it. */
extern const char delegate_left_out[];

/* What it last wrote, "" when nothing; and the same below `what`. The caller frees. */
char *delegate_last_words(const struct delegate *d);
char *delegate_with_last_words(const struct delegate *d, const char *what);

/* Whoever calls this first owns the end. Takes `result`; `seq` is the write that stores it. */
void delegate_end(struct delegate *d, enum process_outcome o, char *result, uint64_t seq);
/* Stops everything and frees the members (not d). */
void delegate_clear(struct delegate *d);

/* Puts one message of the user in the place of [from..cut) of its history (trim.h). */
void delegate_trim(struct delegate *d, size_t from, size_t cut, const char *notice);

/* Live ones of a kind and channel (bare id; NULL: all). One whose end is being stored is live. */
size_t delegate_count(const struct agent *a, enum process_kind kind, const char *channel);
/* The same without those that rest; of both kinds. */
size_t delegate_busy(const struct agent *a, const char *channel);
/* The same of those that work on behalf of that message. */
size_t delegate_busy_for(const struct agent *a, const char *message);

#endif
