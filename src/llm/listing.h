/* listing: asks one provider which models it has. One GET in time limits of its own; what the
 * answer holds is catalog's business. */
#ifndef LLM_LISTING_H
#define LLM_LISTING_H

#include "llm/client.h"

#define LISTING_CONNECT_SECS 5
#define LISTING_SECS 15 /* for all of it */

struct listing;

/* fn(arg, error, body, n) is called once, from a later turn: error NULL and the body that came with
 * a 200, at most CATALOG_BODY_MAX bytes; else a sentence that begins with the provider's name. Both
 * lent. */
typedef void listing_fn(void *arg, const char *error, const char *body, size_t n);
/* `provider`: its id. `direct`: by no proxy: it is on this machine. Never NULL. */
struct listing *listing_start(struct loop *l, struct llm *llm, const char *provider, bool direct,
                              listing_fn *fn, void *arg);
/* No call comes after it; fine within fn. NULL is fine; sets NULL. Before llm_free(). */
void listing_cancel(struct listing **l);

#endif
