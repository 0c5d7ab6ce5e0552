/* recall: one search over what is remembered and what was said. Lists of candidates (words with
 * their context, pieces of text, walks over the graph, vectors) are ranked each by its own score
 * and put together by reciprocal rank fusion; every hit says why it was found.
 *
 * Reads only, from one read connection: in a job beside a running engine, or without one. The same
 * store and query give the same hits in the same order. */
#ifndef MEMORY_RECALL_H
#define MEMORY_RECALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/str.h"
#include "store/store.h"

#define RECALL_TEXT_MAX 4000u /* bytes of a query that are looked at; what follows is left out */
#define RECALL_LIMIT_MAX 1000 /* hits of one recall */
#define RECALL_LIMIT 10       /* where nobody says */

/* X(NAME, "name") */
/* clang-format off */
#define RECALL_MODE_TABLE(X)                                                                       \
    X(HYBRID, "hybrid")       /* what the query is about */                                        \
    X(RECENT, "recent")       /* the newest */                                                     \
    X(IMPORTANT, "important") /* memories by what they are worth */                                \
    X(TYPED, "typed")         /* memories of the types asked for, the newest first */
/* clang-format on */
enum recall_mode {
#define X(name, text) RECALL_##name,
    RECALL_MODE_TABLE(X)
#undef X
};
const char *recall_mode_name(enum recall_mode m);
enum status recall_mode_from_string(const char *s, enum recall_mode *out) MUST_CHECK;

/* X(NAME, "name") */
#define RECALL_KIND_TABLE(X)                                                                       \
    X(MEMORY, "memory")                                                                            \
    X(TURN, "turn")
enum recall_kind {
#define X(name, text) RECALL_##name,
    RECALL_KIND_TABLE(X)
#undef X
};
const char *recall_kind_name(enum recall_kind k);
enum status recall_kind_from_string(const char *s, enum recall_kind *out) MUST_CHECK;

/* All lent; zero is "anything". Filters hold before the cut to `limit`. */
struct recall_query {
    const char *text; /* what hybrid looks for; any bytes */
    enum recall_mode mode;
    unsigned kinds;       /* bits 1 << RECALL_MEMORY …; 0: both */
    unsigned types;       /* bits 1 << MEMORY_FACT …; 0: all. Turns have none: they stay out */
    int64_t since, until; /* ms since 1970; since is included, until is not; 0: open */
    const char *person;   /* who said it, or whom it is about */
    const char *channel;  /* bare id */
    int limit;            /* 0: RECALL_LIMIT */
    int64_t now_ms;       /* what "last week" goes by */
    const atomic_bool *cancelled; /* looked at between steps; NULL: nobody cancels */
};

struct recall_hit {
    enum recall_kind kind;
    char *id;      /* of the memory, of the message */
    char *type;    /* of a memory; NULL */
    char *content; /* all of it */
    char *channel; /* bare; NULL */
    char *person;  /* who said it, whom it is about; NULL */
    double importance;
    int64_t created_at;
    double score; /* of the fusion: only its order means something */
    struct strv why;
};

struct recall_result {
    struct recall_hit *v; /* best first */
    size_t n;
    bool all_common; /* every word of the query is too common to search for: the newest are here */
};

/* STATUS_INVALID with a remedy when the query makes no sense; STATUS_CANCELLED. The caller frees
 * *out. */
enum status recall_run(struct store_read *r, const struct recall_query *q,
                       struct recall_result **out, struct cause *why) MUST_CHECK;
void recall_free(struct recall_result **r);

#endif
