/* turn-internal: what the files of a turn share. turn.c begins and ends one and runs its tools,
 * turn_call.c calls the model and takes in what streams. Nobody else includes this. */
#ifndef AGENT_TURN_INTERNAL_H
#define AGENT_TURN_INTERNAL_H

#include "agent/gate.h"
#include "agent/guard.h"
#include "agent/limit.h"
#include "agent/record.h"
#include "agent/toolset.h"
#include "agent/turn.h"
#include "llm/arg_stream.h"
#include "llm/route.h"

struct turn {
    struct turn_options o;
    struct process_table *processes;
    struct bus *bus;
    struct route_call *call;     /* a model call is in flight */
    struct loop_timer *timer;    /* the first step, or the next tool */
    struct loop_timer *stall;    /* looks whether the call under way has gone silent */
    struct loop_timer *wall;     /* its time is over; not while a person is asked */
    int64_t left_ns, since_ns;   /* what is left of it, and since when it runs */
    struct gate_wait *gate;      /* a person is asked whether a tool may run */
    struct store_after *intent;  /* an intent is being written */
    bool intended;               /* it was, or is being */
    struct tool_call *tool;      /* a tool runs, or will when it may and its intent is safe */
    int64_t calls;               /* model calls made */
    struct llm_message response; /* whose tool calls are being run; blocks [0..next) are done */
    size_t next;
    struct llm_message results;
    struct journal_entry *text, *thinking, *entry, *output; /* open journal entries */
    struct toolset toolset;
    struct llm_tool *tools; /* they, as a request has them */
    struct limit_hold hold; /* what the call under way may cost */
    struct cause over;      /* why it may not be made; "" */
    int64_t overhead;       /* tokens of a request beside the history, as it was last */
    struct guard guard;
    bool guarded;         /* the guard keeps the present call from being run */
    unsigned refused;     /* calls in a row that it has kept from being run */
    const char *stopping; /* turn_stop() was called: why */
    struct arg_stream reply;
    size_t reply_index;
    bool reply_open;
    struct scrub said, thought, replied; /* what streams passes through these */
    span_id span, call_span, tool_span;
    struct record_partial partial;
};

static inline struct process *turn_self(const struct turn *t) {
    return process_get(t->processes, t->o.process);
}

/* The next call of the response, or, behind its last one, the next model call. */
void turn_next_tool(struct turn *t);
/* t is gone when these return. */
void turn_finish(struct turn *t, enum turn_end how, const struct llm_error *error);
void turn_end_budget(struct turn *t, const char *why);
/* What the history keeps the journal need not keep again. */
void turn_share(struct turn *t, const struct llm_message *m);

/* turn_call.c */
/* The next model call; ends the turn when there may be none. */
void turn_step(struct turn *t);
/* Closes and stores an open entry, where there is one. */
void turn_close_entry(struct turn *t, struct journal_entry **e);
/* The call will not be made again: what it had written is not lost. */
void turn_keep_partial(struct turn *t);
void turn_interrupt_entries(struct turn *t);

#endif
