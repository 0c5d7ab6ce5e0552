/* guard: sees that a model calls the same tool again and again, and says when a call is not to be
 * run. Pure: it is told of calls and results, and decides; nothing else is touched. The numbers are
 * SPEC A.2's. */
#ifndef AGENT_GUARD_H
#define AGENT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/kind.h"
#include "base/buf.h"

#define GUARD_WINDOW 30u         /* calls in which an alternation is looked for */
#define GUARD_OUTCOMES 64u       /* different outcomes remembered; the oldest goes first */
#define GUARD_POISONED 64u       /* refused calls remembered; the oldest goes first */
#define GUARD_RESULT_BYTES 1000u /* of a result, told apart */
#define GUARD_GIVE_UP 6u         /* so many calls in a row kept from being run end the turn */
#define GUARD_POLL_ARGS 200u     /* a shell call with less may be a poll */

/* X(KIND, warn, block, poll, outcome_warn, outcome_block, pingpong, warnings) */
#define GUARD_TABLE(X)                                                                             \
    X(WORKER, 4, 7, 3, 3, 4, 4, 3)                                                                 \
    X(BRANCH, 3, 5, 2, 2, 3, 3, 2)                                                                 \
    X(CORTEX, 3, 5, 2, 2, 3, 3, 2)                                                                 \
    X(CHANNEL, 2, 4, 2, 2, 3, 3, 2)                                                                \
    X(COMPACTOR, 2, 4, 2, 2, 3, 3, 2)                                                              \
    X(VOICE, 2, 4, 2, 2, 3, 3, 2) /* calls no tools yet: as strict as the strictest */

struct guard_limits {
    unsigned warn;          /* that many identical calls in a row: the last is not run */
    unsigned block;         /* and from here on it is refused for good */
    unsigned poll;          /* a call that only looks may be repeated so many times more */
    unsigned outcome_warn;  /* the same call gave the same result so often: said behind it */
    unsigned outcome_block; /* and from here on the call is refused */
    unsigned pingpong;      /* that many A-B pairs in a row: the last call is refused */
    unsigned warnings;      /* after so many, a warning is a refusal */
};
const struct guard_limits *guard_limits(enum process_kind k);

struct guard_outcome {
    uint64_t call, result;
    unsigned times;
};

struct guard {
    const struct guard_limits *limits;
    uint64_t last; /* the call before, and how often it came in a row */
    unsigned repeats, warnings;
    uint64_t window[GUARD_WINDOW]; /* the newest last; calls that only look are left out */
    size_t nwindow;
    struct guard_outcome outcomes[GUARD_OUTCOMES];
    size_t noutcomes; /* ever: the slot is the remainder */
    uint64_t poisoned[GUARD_POISONED];
    size_t npoisoned; /* the same */
};

/* X(NAME, "name") */
#define GUARD_VERDICT_TABLE(X)                                                                     \
    X(RUN, "run")                                                                                  \
    X(WARN, "warn")   /* not run: what the model reads instead says to do something else */        \
    X(BLOCK, "block") /* not run, and will not be */
enum guard_verdict {
#define X(name, text) GUARD_##name,
    GUARD_VERDICT_TABLE(X)
#undef X
};
const char *guard_verdict_name(enum guard_verdict v);

/* Fresh: at the beginning of every prompt. */
void guard_reset(struct guard *g, enum process_kind k);
/* A call is about to be run. Unless the verdict is RUN, `why` is what the model reads instead. */
enum guard_verdict guard_before(struct guard *g, const char *tool, const char *args,
                                struct cause *why);
/* It was run and gave `n` bytes of result. True: `note` is said to the model too, and
 * belongs behind the result. */
bool guard_after(struct guard *g, const char *tool, const char *args, const char *result, size_t n,
                 struct cause *note);
/* The call asks how something stands: it may be repeated. */
bool guard_polls(const char *tool, const char *args);

#endif
