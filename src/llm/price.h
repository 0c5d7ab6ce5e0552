/* price: what a model's tokens cost, from one dated table. Whoever is not in it costs nothing here
 * and is marked as unknown: a guess is never passed off as a bill. */
#ifndef LLM_PRICE_H
#define LLM_PRICE_H

#include <stdbool.h>

#include "llm/client.h"

/* Dollars a million tokens. */
struct price {
    double input, output, cache_read, cache_write;
    bool is_estimate;  /* not a published price of this very model at this very provider */
    const char *as_of; /* "2026-11", "" where it is nobody's price; lent until the next turn */
};

/* How many times as much all of it costs with a prompt of so many tokens, cached ones included: 1
 * for nearly all models. What the configuration or the provider itself says is the same for any. */
double price_times(const char *model, int64_t prompt_tokens);

/* `model`: "provider/model", or a bare model of anthropic. A dated name (claude-haiku-4-5-20251001)
 * is found by its undated one; one that is newer than the table by its family, as an estimate; and
 * so is a known model that somebody else than its maker sells. False, and all zero, when nothing
 * fits. */
bool price_find(const char *model, struct price *out);

/* What the configuration says of a model ("provider/model", copied) goes before the table, and is
 * no estimate. price_forget() takes all of it back. Loop's thread only. */
void price_say(const char *model, const struct price *p);
void price_forget(void);

/* What providers say themselves in their lists goes before the table too, and is none either; NULL:
 * nothing is known. Lent, and looked at whenever a price is asked for. Loop's thread only. */
struct catalog;
void price_offers(const struct catalog *c);

/* Dollars a minute of speech, where a model is paid by that. False: it is not, or nobody knows. */
bool price_speech(const char *model, double *usd, bool *is_estimate);

/* Sets u->cost_usd from the tokens in u; sets cost_is_estimate where the price is unknown or
 * estimated, and leaves it set where it is set already. Nothing used costs nothing, and that is no
 * guess. */
void price_apply(const char *model, struct llm_usage *u);

#endif
