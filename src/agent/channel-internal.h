/* channel-internal: what the files of a channel share. channel.c opens, closes and settles it,
 * channel_hear.c takes messages, channel_command.c obeys those that begin with a slash,
 * channel_queue.c lets them wait their turn, channel_turn.c is the turn and what it leaves behind,
 * channel_say.c speaks to the person, channel_result.c brings back what was delegated,
 * channel_use.c runs the tools that a person uses, channel_attach.c reads the files of a message.
 * Nobody else includes this. */
#ifndef AGENT_CHANNEL_INTERNAL_H
#define AGENT_CHANNEL_INTERNAL_H

#include "agent/channel.h"
#include "agent/record.h"
#include "agent/settings.h"
#include "agent/turn.h"
#include "base/list.h"
#include "base/str.h"

#define CHANNEL_PEOPLE_MAX 32u   /* names that are remembered */
#define CHANNEL_RESULTS_KEPT 10u /* that were told or recorded (SPEC A.3) */
#define CHANNEL_RESULTS_SHOWN 5u /* in the status block (SPEC A.3) */
#define CHANNEL_TOLD_SECS 300    /* a told one is forgotten (SPEC A.3) */

/* A message that waits, or is being thought about. */
struct incoming {
    struct list link;
    char *text; /* as the history keeps it; NULL: results, whose text is made when their turn comes
                 */
    char *sender;
    char *message_id;      /* the (last) message of a person it is, or goes back to; NULL: none */
    struct strv heard;     /* ids of all messages of people that it is */
    struct strv powerless; /* who of those it is from has no authority */
    char *hint;            /* for the model now, not for the history; NULL: none */
    int64_t at_ms;
    bool results;   /* work that was delegated came back */
    bool mentioned; /* it names the one who answers */
    bool unwanted;  /* who said it does not wait for an answer any more */
};

/* What became of a result. */
enum result_state {
    RESULT_WAITING,  /* for the retrigger */
    RESULT_UNWANTED, /* nobody waits for it: it is about to be recorded */
    RESULT_TELLING,  /* in the message that is being thought about */
    RESULT_RECORDED, /* in the history, but no answer has told of it */
    RESULT_TOLD
};

struct result {
    struct list link;
    char row[ID_UUID_SIZE]; /* in the store while WAITING or TELLING; "" when it has none */
    char *id, *name, *task, *text, *reply_to;
    enum process_outcome outcome;
    enum result_state state;
    int64_t told_ns;
};

/* Something said to the person that is being stored; it is shown as said when it is safe. */
struct delivery {
    struct list link;
    struct channel *channel;
    struct store_after *wait;
    /* The reply call to finish; NULL for plain text or when it was abandoned. */
    struct tool_call *call;
    struct journal_entry *entry;
    char *text, *message_id;
    char *reply_to; /* the message it goes back to; NULL: none */
    bool system;    /* the engine's own words, not the model's */
};

struct channel_watch {
    struct list link;
    char *message; /* whose; NULL: it is not said yet */
    const struct channel_watch_ops *ops;
    struct channel_totals *totals; /* lent */
    void *arg;
};
bool channel_watches(const struct channel_watch *w, const char *message);

/* Messages that wait for others to be answered together with them. */
struct coalesce {
    struct list messages;
    size_t n;
    int64_t first_ns;
    struct loop_timer *timer;
    int64_t deadline_ns;
    struct bus_listener *listener; /* work of the channel that begins or ends ends the waiting */
};

struct channel {
    struct agent *agent;
    struct process_handle process;
    struct settings settings;
    struct strv people;         /* who has spoken here, in order */
    struct llm_history history; /* what was said, without the scaffolding of how */
    struct llm_history live;    /* the present turn's working copy */
    size_t base;                /* live.n before the turn's own message */
    struct turn *turn;
    struct incoming *current;
    char turn_id[ID_UUID_SIZE]; /* in the store; "" when nothing is being thought about */
    unsigned corrections;       /* times the model was asked to put its answer better */
    unsigned overflows;         /* times the turn's history was made shorter */
    bool leaks;                 /* a secret was in the last answer */
    struct coalesce together;
    struct list queue;
    size_t queued;
    struct list results; /* oldest first */
    bool telling;        /* a message of results is in the queue or being thought about */
    struct loop_timer *retrigger;
    unsigned retriggers;
    struct list deliveries;
    struct journal_entry *said; /* the REPLY entry that is being streamed */
    char *replied;              /* what the turn has said, NULL when nothing */
    bool skipped;
    bool handled;                 /* at least one message was */
    char *last_message;           /* id of the last message of a person, NULL when none */
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

/* channel_hear.c */
/* The text as the history keeps it: with the name of whoever is not simply "you". The caller frees.
 */
char *channel_said_by(const char *sender, int64_t at_ms, const char *text);
/* Somebody of that name speaks here. */
void channel_met(struct channel *ch, const char *name);
/* What was kept back goes into the queue. */
void channel_flush(struct channel *ch);
void channel_forget_together(struct channel *ch);

/* channel_command.c */
/* "/name …" is a command and has been obeyed or refused; the answer comes when write `seq` is safe.
 */
bool channel_obey(struct channel *ch, const char *sender, const char *text, bool authority,
                  uint64_t seq);
/* The text is one. */
bool channel_is_command(const char *text);

/* channel_queue.c */
/* Takes `in`. */
void channel_enqueue(struct channel *ch, struct incoming *in);
/* Starts what waits, when nothing is under way. */
void channel_next(struct channel *ch);
bool channel_busy(const struct channel *ch);
void incoming_free(struct incoming **ip);

/* channel_turn.c */
extern const struct turn_ops channel_turn_ops;
/* The present message is over; its row says how. */
void channel_turn_over(struct channel *ch, enum record_turn_end how);
/* The present message goes into the history without a turn. */
void channel_only_note(struct channel *ch);

/* channel_say.c */
/* Stores what is said, then shows it as said. `call` may be NULL. */
void channel_deliver(struct channel *ch, const char *text, struct tool_call *call);
/* Shows what the engine itself has to say, once write `seq` is safe. */
void channel_answer(struct channel *ch, const char *text, uint64_t seq);
/* The entry that is being streamed is whole, or was cut off. */
void channel_said_close(struct channel *ch, bool interrupted);
void channel_said_append(struct channel *ch, enum journal_kind kind, const char *text, size_t n);
/* The present message's turn ended in an error: who waits for it is told. */
void channel_failed(struct channel *ch, enum status st, const char *text);
/* A line of the engine in the transcript, told to followers too. */
void channel_tell(struct channel *ch, enum journal_kind kind, const char *text);
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
/* What an earlier engine left untold. */
void channel_results_load(struct channel *ch);
/* Those that wait become the ones being told. False: none waits. Fills in the text and what they go
 * back to. */
bool channel_results_take(struct channel *ch, struct incoming *in);
/* A JSON array of the processes whose results the model is told with the present message, or finds
 * in the history untold; NULL: none. The caller frees. */
char *channel_results_told_of(const struct channel *ch);
/* The message of results was answered: they are told. */
void channel_results_told(struct channel *ch);
/* Its turn is over: what was not told is recorded in the history and the store. */
void channel_results_over(struct channel *ch);
/* A person was answered, who has been told what was recorded. */
void channel_results_seen(struct channel *ch);
/* Some wait: they are told soon. */
void channel_retrigger(struct channel *ch);
bool channel_results_waiting(const struct channel *ch);
/* Some that go back to that message wait, or are being told. */
bool channel_results_of(const struct channel *ch, const char *message);
/* Nobody waits for those that go back to that message: they are recorded. */
void channel_results_drop(struct channel *ch, const char *message);
void channel_results_clear(struct channel *ch);

#endif
