/* health: how each model has been lately, for all calls together: one that failed rests for a
 * while, and then a single call tries it before the others come back. It also keeps how much of a
 * context each has taken. No calls are made here, and nobody waits. */
#ifndef LLM_HEALTH_H
#define LLM_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/* X(NAME, "name") */
#define HEALTH_TABLE(X)                                                                            \
    X(WELL, "well")   /* nothing is known against it */                                            \
    X(RESTS, "rests") /* it failed: until its time is over nobody need ask it */                   \
    X(DUE, "due")     /* its rest is over: the next call tries it */                               \
    X(TRIED, "tried") /* a call is trying it: how it goes is not known yet */
enum health_state {
#define X(name, text) HEALTH_##name,
    HEALTH_TABLE(X)
#undef X
};

#define HEALTH_MODELS_MAX 256u  /* names that are kept; past it the one unused for longest goes */
#define HEALTH_CEILING_MIN 1000 /* tokens: what is learned below it was something else */

struct health;
/* rest_ms: how long a model rests that did not say how long. */
struct health *health_new(int64_t rest_ms);
void health_free(struct health **h);

enum health_state health_of(const struct health *h, const char *model);
/* It failed: rests from now on, for rest_ms (-1: the usual time). `why`: for people, copied. */
void health_failed(struct health *h, const char *model, int64_t rest_ms, const char *why);
/* It answers. True: it had not been well. */
bool health_answers(struct health *h, const char *model);
/* One call tries it now, until it answers or untried(). */
void health_tried(struct health *h, const char *model);
/* Whoever tried it does so no more. */
void health_untried(struct health *h, const char *model);

/* Of one that rests: until when (monotonic), whether it said so itself, and why. "" for others. */
int64_t health_until_ns(const struct health *h, const char *model);
bool health_told(const struct health *h, const char *model);
const char *health_why(const struct health *h, const char *model);

/* Tokens of context it takes: the smaller one of `usual` and what was learned. */
int64_t health_ceiling(const struct health *h, const char *model, int64_t usual);
/* So many were too many: 90 % of it is learned (SPEC C). Returns the new ceiling, 0: it stays. */
int64_t health_overflowed(struct health *h, const char *model, int64_t sent);
/* What was learned before. */
void health_set_ceiling(struct health *h, const char *model, int64_t tokens);

#endif
