/* why: the chain behind a reply, read back from the store: what was said, the turns that thought
 * about it, the branches and workers they started, what those called, and what was replied. Nothing
 * of a running agent is asked, so that it is the same after a restart and without an engine. */
#ifndef AGENT_WHY_H
#define AGENT_WHY_H

#include <cjson/cJSON.h>

#include "base/id.h"
#include "base/str.h"
#include "llm/client.h"
#include "store/store.h"

/* X(NAME, "name") */
#define WHY_KIND_TABLE(X)                                                                          \
    X(MESSAGE, "message") /* what a person, or another conversation, said */                       \
    X(TURN, "turn")       /* a channel thought about messages, or about results */                 \
    X(BRANCH, "branch")                                                                            \
    X(WORKER, "worker")                                                                            \
    X(MEMORY, "memory") /* one that was read */                                                    \
    X(TOOL, "tool")     /* a call */                                                               \
    X(REPLY, "reply")   /* what was said to the person */
enum why_kind {
#define X(name, text) WHY_##name,
    WHY_KIND_TABLE(X)
#undef X
};
const char *why_kind_name(enum why_kind k);

#define WHY_ROWS_MAX 1000u                       /* of one chain, in all */
#define WHY_CALLS_MAX 200u                       /* of one process */
#define WHY_TURNS_MAX 32u                        /* behind one reply */
#define WHY_DEPTH_MAX 8                          /* of processes that start others */
#define WHY_TEXT_MAX 400u                        /* characters of each text */
#define WHY_TIME_NS (INT64_C(100) * 1000 * 1000) /* for a screen: what takes longer is left out */

struct why_row {
    enum why_kind kind;
    int depth;     /* in the tree; the rows are in its order */
    char *id;      /* of the message or the turn, a full process id, a call's id */
    char *name;    /* who spoke, the process's or the tool's name; of a turn the model's */
    char *text;    /* what was said, the task, the arguments, whose results; its beginning */
    size_t bytes;  /* of all of it */
    char *label;   /* of a call for people: "shell make check"; else NULL */
    char *state;   /* how it stands or ended, in a word; NULL: there is nothing to say */
    char *outcome; /* what came of it, its beginning; NULL: nothing, or not yet */
    char *model;   /* provider/model; NULL: none is used */
    int64_t started_ms, ended_ms; /* wall clock; started 0: nobody knows, ended 0: it has not */
    bool costs;                   /* the rest is known: a turn, a branch, a worker */
    bool told;                    /* a turn of this chain was told its result */
    struct llm_usage usage;       /* its own, without what it started */
    int64_t calls;                /* of models */
    size_t left_out;              /* rows below that the bounds left out */
};

struct why {
    char *channel;            /* bare */
    char asked[ID_UUID_SIZE]; /* the message that it is about */
    struct why_row *v;        /* in the order in which it happened */
    size_t n, cap;
    size_t left_out;        /* rows at depth 0 that the bounds left out, and turns */
    struct llm_usage usage; /* of all rows */
    int64_t calls;
    int64_t started_ms;    /* the first row */
    int64_t elapsed_ms;    /* from there to the reply; -1: there is none */
    int64_t first_word_ms; /* from what woke its turn to its first word; -1: nobody knows */
    bool running;          /* something of it has not come to its end */
};

/* Which message is meant: a message's id or a prefix of one (four characters or more), a channel
 * ("inbox", "#inbox", "channel:inbox") or "" for the last reply there or anywhere. NOT_FOUND, or
 * INVALID where several begin so. */
enum status why_find(struct store_read *r, const char *arg, char id[ID_UUID_SIZE],
                     struct cause *why) MUST_CHECK;
/* The chain of that message. limit_ns: real time after which the rest is left out; 0: none. The
 * caller frees *out. NOT_FOUND: there is no such message. */
enum status why_load(struct store_read *r, const char *id, int64_t limit_ns, struct why **out,
                     struct cause *why) MUST_CHECK;
void why_free(struct why **w);
/* For who puts one together: a row at the end; valid until the next. Texts in it are the chain's.
 */
struct why_row *why_add(struct why *w, enum why_kind kind, int depth);
/* The row that row `i` stands under; SIZE_MAX: none. */
size_t why_parent(const struct why *w, size_t i);
/* As `trace --json` prints it. The caller deletes. */
cJSON *why_json(const struct why *w);

#endif
