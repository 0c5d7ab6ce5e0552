/* channel-internal: what the files of a channel share. channel.c opens, closes and settles it,
 * channel_queue.c takes messages and starts turns, channel_turn.c is the turn and what it leaves
 * behind, channel_say.c speaks to the person, channel_result.c brings back what was delegated,
 * channel_use.c runs the tools that a person uses, channel_attach.c reads the files of a message.
 * Nobody else includes this. */
#ifndef AGENT_CHANNEL_INTERNAL_H
#define AGENT_CHANNEL_INTERNAL_H

#include "agent/channel.h"
#include "agent/turn.h"
#include "base/list.h"

/* A message in the queue. */
struct incoming {
    struct list link;
    char *text;
    bool system; /* results of delegated work */
};

/* An outcome that the channel has not thought about yet. */
struct pending_result {
    struct list link;
    char *id, *name, *task, *result;
    enum process_outcome outcome;
};

/* Something said to the person that is being stored; it is shown as said when it is safe. */
struct delivery {
    struct list link;
    struct channel *channel;
    struct store_after *wait;
    struct tool_call
        *call; /* the reply call to finish; NULL for plain text or when it was abandoned */
    struct journal_entry *entry;
    char *text;
};

struct channel_watch {
    struct list link;
    const struct channel_watch_ops *ops;
    void *arg;
};

struct channel {
    struct agent *agent;
    struct process_handle process;
    struct llm_history history; /* what was said, without the scaffolding of how */
    struct llm_history live;    /* the present turn's working copy */
    size_t base;                /* live.n before the turn's own message */
    struct turn *turn;
    struct incoming *current;
    struct list queue;
    size_t queued;
    struct list results;
    struct loop_timer *retrigger;
    unsigned retriggers;
    struct list deliveries;
    struct journal_entry *said; /* the REPLY entry that is being streamed */
    char *replied;              /* what the turn has said, NULL when nothing */
    bool skipped;
    bool handled;                 /* at least one message was */
    char *model;                  /* for it and all its workers; NULL: routing decides */
    const char *stand_in;         /* in place of routing's, which has no provider; NULL: none */
    const char *next_stand_in;    /* takes its place with a person's next message; NULL: none */
    struct channel_totals totals; /* of workers that have ended; started counts all */
    struct list watches;
    struct list uses;      /* tools that a person uses, oldest first */
    struct list attaching; /* messages whose files are being read */
};

struct process *channel_self(const struct channel *ch);
/* A whole entry in its journal. title and ref may be NULL. */
void channel_note(struct channel *ch, enum journal_kind kind, const char *title, const char *ref,
                  const char *text);
/* The one that is to take the stand-in's place does. */
void channel_next_stand_in(struct channel *ch);
/* What a process that has ended cost and came to, for channel_totals(). */
void channel_count(struct channel *ch, const struct process *from);

/* channel_queue.c */
/* Takes `text`; `system`: results of delegated work. */
void channel_enqueue(struct channel *ch, char *text, bool system);
/* Starts what waits, when nothing is under way. */
void channel_next(struct channel *ch);
bool channel_busy(const struct channel *ch);
void incoming_free(struct incoming **ip);

/* channel_turn.c */
extern const struct turn_ops channel_turn_ops;

/* channel_say.c */
/* Stores what is said, then shows it as said. `call` may be NULL. */
void channel_deliver(struct channel *ch, const char *text, struct tool_call *call);
/* The entry that is being streamed is whole, or was cut off. */
void channel_said_close(struct channel *ch, bool interrupted);
void channel_said_append(struct channel *ch, enum journal_kind kind, const char *text, size_t n);
void channel_failed(struct channel *ch, enum status st, const char *text);
void delivery_free(struct delivery *d);

/* channel_use.c */
/* What a person has running is the channel's state while it has no turn. */
void channel_use_show(struct channel *ch);
/* Ends all of it, keeping what it printed. False: nothing was running. */
bool channel_uses_end(struct channel *ch, const char *reason);
/* The same at the end of the channel: nobody is told. */
void channel_uses_free(struct channel *ch);

/* channel_attach.c: messages that wait are given up. */
void channel_attach_clear(struct channel *ch);

/* channel_result.c */
void channel_results_clear(struct channel *ch);

#endif
