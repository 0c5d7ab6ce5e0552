/* recall-internal: what the files of recall share. */
#ifndef MEMORY_RECALL_INTERNAL_H
#define MEMORY_RECALL_INTERNAL_H

#include "memory/recall.h"
#include "memory/recall_date.h"
#include "store/words.h"

#define RECALL_TERMS_MAX 32u  /* words of a query that are looked up */
#define RECALL_PEOPLE_MAX 16u /* who may be meant by a name in it */
#define RECALL_PIECES_MAX 16u /* pieces of text that are looked for as they stand */
#define RECALL_WORD_MAX 48u

/* A word in more documents than this is common: it ranks, but nothing is looked for by it alone. */
#define RECALL_POSTINGS_MAX 4096u

struct recall_posting {
    int64_t doc; /* a turn's place, a memory's n */
    double times;
};

/* A word in one index: where it is, in order. */
struct recall_postings {
    struct recall_posting *v;
    size_t n;
    bool common; /* there are more: v is empty */
    double idf;  /* 0 where it is nowhere */
};

struct recall_term {
    char stem[WORDS_TERM_MAX + 1];
    char word[RECALL_WORD_MAX]; /* as it was written, for people */
    double weight;
    bool light;        /* a word of grammar: it weighs little */
    bool name;         /* of somebody who speaks in the conversations */
    const char *forms; /* stems that stand for the same word, itself among them; NULL: it alone */
};
/* The stems of the group that a stem is in, divided by blanks; NULL: it is in none. */
const char *recall_forms(const char *stem);
/* Those that tell a time: "yesterdai last ago ...". */
extern const char recall_times[];

/* A question, understood. */
struct recall_question {
    struct recall_term terms[RECALL_TERMS_MAX];
    size_t nterms;
    struct recall_date dates[RECALL_DATES_MAX];
    size_t ndates;
    int64_t people[RECALL_PEOPLE_MAX]; /* recall_people.n */
    char names[RECALL_PEOPLE_MAX][RECALL_WORD_MAX];
    size_t npeople;
    char *pieces[RECALL_PIECES_MAX]; /* identifiers, quotations, runs of CJK: owned */
    size_t npieces;
};
enum status recall_understand(struct store_read *r, struct words *w, const struct recall_query *q,
                              struct recall_question *out, struct cause *why) MUST_CHECK;
void recall_question_clear(struct recall_question *q);
/* Lower-cased words of grammar: "the", "did". */
bool recall_is_light(const char *word, size_t n);
/* How well a time fits the best of the dates; *which may be NULL. */
double recall_fit(const struct recall_question *q, int64_t at, size_t *which);

/* A candidate of one list. */
struct recall_candidate {
    enum recall_kind kind;
    int64_t doc;
    double score;
    struct strv why;
};
struct recall_list {
    struct recall_candidate *v;
    size_t n;
};
struct recall_candidate *recall_list_add(struct recall_list *l, enum recall_kind kind, int64_t doc,
                                         double score);
/* The best first; equal ones the newest first (by doc). Keeps `most`. */
void recall_list_rank(struct recall_list *l, size_t most);
void recall_list_free(struct recall_list *l);

struct recall {
    struct store_read *r;
    const struct recall_query *q;
    struct recall_question question;
    const int64_t *person, *channel; /* of the filters, as the turns' tables number them; or NULL */
    int64_t turns, turn_bytes, stretches; /* in the store */
    int64_t memories;                     /* at most so many */
    bool all_common;
};
size_t recall_limit(const struct recall_query *q);
bool recall_cancelled(const struct recall *x);

/* recall_words.c */
/* Reads where a stem is: calls recall_posting_add() for each time, in order of document. */
typedef enum status recall_read_fn(struct store_read *r, const char *stem,
                                   struct recall_postings *to, struct cause *why);
/* Where a term is in any of its forms. What is common is empty. */
enum status recall_read_term(const struct recall *x, const struct recall_term *t,
                             recall_read_fn *fn, struct recall_postings *out,
                             struct cause *why) MUST_CHECK;
bool recall_posting_add(struct recall_postings *p, int64_t doc);
void recall_postings_free(struct recall_postings *p, size_t n);
double recall_idf(double docs, double total);
/* The first posting that is at or behind doc. */
size_t recall_posting_from(const struct recall_postings *p, int64_t doc);

/* recall_turn.c */
enum status recall_turns(struct recall *x, struct recall_list *out, struct cause *why) MUST_CHECK;

/* recall_memory.c */
bool recall_passes(const struct recall_query *q, const char *type, const char *channel,
                   const char *person, int64_t at);
enum status recall_memories(struct recall *x, struct recall_list *out,
                            struct cause *why) MUST_CHECK;
/* What hangs together with the first of a ranked list. */
enum status recall_walk(struct recall *x, const struct recall_list *seeds, struct recall_list *out,
                        struct cause *why) MUST_CHECK;
enum status recall_memories_recent(struct recall *x, struct recall_list *out,
                                   struct cause *why) MUST_CHECK;
enum status recall_memories_important(struct recall *x, struct recall_list *out,
                                      struct cause *why) MUST_CHECK;

/* recall_text.c */
enum status recall_text(struct recall *x, enum recall_kind kind, struct recall_list *out,
                        struct cause *why) MUST_CHECK;

#endif
