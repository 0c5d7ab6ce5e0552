/* worker-internal: what the files of a worker share. worker.c begins and ends one, worker_run.c is
 * its turns and what it is told meanwhile, worker_tool.c is what models may do with it. Nobody else
 * includes this. */
#ifndef AGENT_WORKER_INTERNAL_H
#define AGENT_WORKER_INTERNAL_H

#include "agent/delegate.h"
#include "agent/lifecycle.h"
#include "agent/worker.h"

struct worker {
    struct delegate d; /* first; d.own is where its present run begins */
    enum lifecycle lifecycle;
    bool interactive;
    unsigned results;     /* that it has given and waited after */
    unsigned transcripts; /* of its history that were stored */
    size_t task;          /* where it stands in the history */
    size_t context;       /* messages of the conversation that still stand before it */

    /* Its present run: the task, or a message it was sent. */
    char *outcome;      /* what it said with set_status(outcome), or (blocked) */
    bool blocked;       /* and that only a person can get it further */
    uint32_t calls;     /* model calls it had made before */
    unsigned nudges;    /* in a row */
    unsigned overflows; /* in this segment */

    struct strv injections, inputs; /* messages that it has not read yet */
    bool closing;                   /* nothing more will come */
    struct store_after *resting;    /* its result is being stored, then it waits */
    char *rested;                   /* that result; NULL: none this time */

    struct loop_timer *wall; /* not while it waits, or a person is asked */
    int64_t left_ns, since_ns;

    bool asked;                 /* it is being ended by somebody else than itself */
    enum lifecycle_owner owner; /* who that is; at its end, who made the terminal commit */
    char *reason;
    struct loop_timer *grace;
};

struct process *worker_self(const struct worker *w);
/* A legal move, or a mistake that ends the program. */
void worker_move(struct worker *w, enum lifecycle to);
/* Ends by itself. Takes `result`. */
void worker_end(struct worker *w, enum process_outcome o, char *result);
/* What was asked to end early has ended. */
void worker_stopped(struct worker *w);
/* `what`, and below it the outcome it reported, else what it wrote last. The caller frees. */
char *worker_with_words(const struct worker *w, const char *what);
void worker_clock(struct worker *w, bool runs);
int64_t worker_active_ms(const struct worker *w);

/* worker_run.c */
/* Puts its task into its history, which is empty, behind a copy of what `parent` has before it
 * (NULL: of nothing). */
void worker_begin(struct worker *w, const struct process *parent);
/* The history is that of an earlier engine: finds the task in it. */
void worker_find_task(struct worker *w);
/* Goes on with a history that ends with a user's message. */
void worker_run(struct worker *w);
/* It has a result (taken; NULL: none) and waits from now on. */
void worker_rest(struct worker *w, char *result);

#endif
