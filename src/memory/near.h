/* near: memories that say much the same as a text, found by its words, without any model: rare
 * words give the candidates, the share of words and pairs of words that both have decides. */
#ifndef MEMORY_NEAR_H
#define MEMORY_NEAR_H

#include "memory/memory.h"

/* What a near one is to the text. X(NAME, "name", "what to do about it, for a model") */
#define MEMORY_NEAR_TABLE(X)                                                                       \
    X(DUPLICATE, "duplicate", "says the same: merge the two with memory_consolidate")              \
    X(UPDATE, "update", "says the same with other figures: keep what holds, forget the other")     \
    X(CONTRADICTION, "contradiction", "says the opposite: find out which holds, forget the other") \
    X(RELATED, "related", "is about the same")
enum memory_near_kind {
#define X(name, text, what) MEMORY_NEAR_##name,
    MEMORY_NEAR_TABLE(X)
#undef X
};
const char *memory_near_name(enum memory_near_kind k);
const char *memory_near_what(enum memory_near_kind k);

/* Share of words and pairs of words in common: from here on one is near, and from there the same.
 */
#define MEMORY_NEAR_LEAST 0.40
#define MEMORY_NEAR_SAME 0.80

struct memory_near {
    char id[ID_UUID_SIZE];
    enum memory_near_kind kind;
    double similarity;
    enum memory_type type;
    char *content; /* owned */
};

struct memory_near_query {
    const char *content;
    const char *person;           /* only of the same person; NULL: of nobody */
    const char *except;           /* an id that is left out, or NULL */
    const enum memory_type *type; /* NULL: any */
    size_t limit;                 /* at most MEMORY_NEAR_MAX */
};
#define MEMORY_NEAR_MAX 10u

/* The nearest first; live ones only. Reads at most a few hundred rows whatever there is: words that
 * are too common to tell anything are not looked at. *out is an array of *n, memory_near_free(). */
enum status memory_near_find(struct store_read *r, const struct memory_near_query *q,
                             struct memory_near **out, size_t *n, struct cause *why) MUST_CHECK;
void memory_near_free(struct memory_near **v, size_t n);

/* What two texts have in common, 0 to 1; *kind says what b is to a. */
double memory_near_compare(const char *a, const char *b, enum memory_near_kind *kind);

/* The same as a job, with a connection of its own, told on the loop: for what was just saved. `v`
 * is lent. Not called when memories are freed first. */
typedef void memory_near_fn(void *arg, const struct memory_near *v, size_t n);
struct memory_near_job;
enum status memory_near_later(struct memories *m, const struct memory_near_query *q,
                              memory_near_fn *fn, void *arg, struct memory_near_job **out,
                              struct cause *why) MUST_CHECK;
void memory_near_forget(struct memory_near_job **j);

#endif
