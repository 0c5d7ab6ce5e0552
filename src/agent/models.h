/* models: what the providers of a configuration offer: asked for, kept in a file of the home, and
 * compared with what is configured. */
#ifndef AGENT_MODELS_H
#define AGENT_MODELS_H

#include "conf/config.h"
#include "llm/catalog.h"
#include "llm/client.h"
#include "loop/job.h"

#define MODELS_DELAY_MS 2000                        /* after the start: the screen comes first */
#define MODELS_FRESH_MS (INT64_C(24) * 3600 * 1000) /* so long no engine asks a provider again */

struct models;
typedef void models_fn(void *arg);
struct models_options {
    struct loop *loop;
    struct job_pool *jobs;
    struct llm *llm;
    const struct config *config;
    const char *path; /* of the file */
    /* For `spacebot models`: at once, whatever is in the file, servers of this machine too. */
    bool now;
    bool cached;      /* nobody is asked */
    const char *only; /* a provider; NULL: all that can be asked */
    models_fn *done;  /* everything is known that will be; may be NULL. Later, once. */
    void *arg;
};
/* All lent, and outliving it. Without `now`, MODELS_DELAY_MS later: every provider that can be
 * asked and was not within MODELS_FRESH_MS is, once; then a warning is logged that names models
 * which are configured and which their provider does not list, each with the nearest that it does
 * list. Nothing waits for any of it. With routing.list_models off nobody is asked. */
struct models *models_new(const struct models_options *o);
/* After the pool of jobs is gone, before the client is. NULL is fine; sets NULL. */
void models_free(struct models **m);
/* What is known by now; the place stays, what is in it changes between turns. Lent. */
const struct catalog *models_catalog(const struct models *m);

/* Every use of a model in the configuration: the slot ("channel", "task coding", "fallback") and
 * the model. */
typedef void models_slot_fn(void *arg, const char *slot, const char *model);
void models_slots(const struct config *c, models_slot_fn *fn, void *arg);
/* "channel, branch": the slots of one model; "" when none. Appends. */
struct buf;
void models_used_by(const struct config *c, const char *model, struct buf *out);

#endif
