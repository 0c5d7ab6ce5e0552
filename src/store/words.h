/* words: a text cut into words as the full-text indexes have them: folded to lower case without
 * accents, and reduced to their stems (unicode61, porter). So what is looked up is what is there,
 * and no text of a person's can be taken for the syntax of a query. */
#ifndef STORE_WORDS_H
#define STORE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

struct words;

/* The tokenizer of this connection, which outlives it. The caller frees. */
enum status words_new(struct store_read *r, struct words **out, struct cause *why) MUST_CHECK;
void words_free(struct words **w);

/* Calls fn for each word of text[0..n) in order: its stem (lent, NUL-terminated, at most
 * WORDS_TERM_MAX bytes: longer ones are cut) and where it stands. False ends it. */
#define WORDS_TERM_MAX 64u
typedef bool words_fn(void *arg, const char *stem, size_t start, size_t end);
enum status words_each(struct words *w, const char *text, size_t n, words_fn *fn, void *arg,
                       struct cause *why) MUST_CHECK;

#endif
