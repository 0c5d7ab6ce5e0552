/* catalog: which models providers say they have, what they take for them where they say that too,
 * and which of them is nearest to one that is gone. Read from providers' lists and from a file of
 * the home; asking is listing's business. What a list holds is a stranger's: bounded, and taken
 * only where it is a plain name. */
#ifndef LLM_CATALOG_H
#define LLM_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define CATALOG_MODELS_MAX 4096u                    /* of a provider; further ones are left out */
#define CATALOG_NAME_MAX 200u                       /* bytes of a name */
#define CATALOG_BODY_MAX ((size_t)16 * 1024 * 1024) /* of a list, and of the file */

struct catalog_model {
    char *name;             /* as a request names it, without its provider */
    char *title;            /* for people; NULL: none */
    int64_t context_tokens; /* 0: not told */
    bool priced;            /* then in dollars a million tokens */
    double input, output, cache_read, cache_write;
};

struct catalog_list {
    char *provider;
    int64_t asked_ms;        /* when it was asked last, whatever came of it; 0: never */
    int64_t listed_ms;       /* when it answered last; 0: never */
    char as_of[11];          /* the day of that, "" where there is none */
    bool whole;              /* false: there were more than it told */
    char *error;             /* why the last question had no answer; NULL: it had */
    struct catalog_model *v; /* by name */
    size_t n;
};

struct catalog {
    struct catalog_list *v;
    size_t n;
};

void catalog_free(struct catalog *c); /* its contents; zeroes it */
/* Of a provider; NULL: nothing is known. Lent. */
const struct catalog_list *catalog_find(const struct catalog *c, const char *provider);
/* The same; an empty one is made. */
struct catalog_list *catalog_add(struct catalog *c, const char *provider);
/* By its name without the provider; NULL: it is not in the list. */
const struct catalog_model *catalog_in_list(const struct catalog_list *l, const char *name);
/* Whether a request may name it so: it is in the list, or what is in it is a dated or tagged one of
 * that name ("claude-sonnet-4-5" of claude-sonnet-4-5-20250929, "llama3.2" of llama3.2:latest), or
 * it is a variant of one that is ("x:free" of x). */
bool catalog_lists(const struct catalog_list *l, const char *name);
/* By "provider/model". */
const struct catalog_model *catalog_model(const struct catalog *c, const char *model,
                                          const struct catalog_list **list);

/* Takes a provider's answer: {"data":[{"id":…}]}, {"models":[{"name":…}]} or the array alone. The
 * list is left as it was where that is none of these (STATUS_PROTOCOL). */
enum status catalog_take(struct catalog_list *l, const char *body, size_t n, int64_t now_ms,
                         struct cause *why) MUST_CHECK;
/* Notes that there was no answer. */
void catalog_refused(struct catalog_list *l, const char *error, int64_t now_ms);

/* The model of the list that stands nearest to one that is not in it: of the same family (the words
 * of its name) before others, of those the next version, of those the most alike; NULL when none
 * has a word in common with it. Lent. */
const char *catalog_nearest(const struct catalog_list *l, const char *name);

/* The file is written whole or not at all, 0600. STATUS_NOT_FOUND when there is none. */
enum status catalog_read(const char *path, struct catalog *out, struct cause *why) MUST_CHECK;
enum status catalog_write(const char *path, const struct catalog *c, struct cause *why) MUST_CHECK;

#endif
