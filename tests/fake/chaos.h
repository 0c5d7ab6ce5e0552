/* chaos: faults that strike one request in so many, drawn from a seed: the same ones whenever the
 * same is asked again, since the draw goes by what is asked and how often it was, not by who comes
 * first. In a scenario: "chaos": {"seed": N, "percent": N}. What is asked is known by the first
 * "#NUMBER" in the last text of the person's, by who asks, and by how far it has come. */
#ifndef FAKE_CHAOS_H
#define FAKE_CHAOS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "plan.h"
#include "request.h"
#include "scenario.h"

/* X(NAME, "name in the log") */
#define CHAOS_TABLE(X)                                                                             \
    X(NONE, "")                                                                                    \
    X(CLOSED, "closed before the head")                                                            \
    X(RESET, "reset before the head")                                                              \
    X(SLOW_HEAD, "slow head")                                                                      \
    X(SLOW_EVENTS, "slow events")                                                                  \
    X(CUT, "cut in mid-stream")                                                                    \
    X(CUT_RESET, "reset in mid-stream")                                                            \
    X(TRUNCATED, "an end too early")                                                               \
    X(STALL, "stalled")                                                                            \
    X(RATE, "429")                                                                                 \
    X(RATE_TOLD, "429 with a time")                                                                \
    X(SERVER, "500")                                                                               \
    X(UNAVAILABLE, "503")                                                                          \
    X(OVERLOADED, "529")                                                                           \
    X(BAD_JSON, "broken JSON")                                                                     \
    X(NOISE, "no events any more")                                                                 \
    X(ERROR_EVENT, "an error in mid-stream")                                                       \
    X(PAGE, "a proxy's page")                                                                      \
    X(PAGE_200, "a page with status 200")                                                          \
    X(REDIRECT, "a redirect")                                                                      \
    X(OVERFLOW, "context overflow")
enum chaos_kind {
#define X(name, text) CHAOS_##name,
    CHAOS_TABLE(X)
#undef X
};
const char *chaos_name(enum chaos_kind k);

/* The answer is what it would have been without. */
bool chaos_is_whole(enum chaos_kind k);

struct map;
struct chaos {
    bool on;
    uint64_t seed;
    int percent;
    struct map *asked; /* how often what was: int, owned */
};

/* `obj` NULL: off. */
bool chaos_init(struct chaos *c, const cJSON *obj, struct cause *why);
void chaos_free(struct chaos *c);
/* The rule by which to answer: `rule` itself, or *own, which is it with a fault. */
const struct rule *chaos_strike(struct chaos *c, const struct rule *rule, const struct request *r,
                                struct rule *own, enum chaos_kind *kind);
/* What no rule can say is done to the plan. */
void chaos_bend(enum chaos_kind kind, struct plan *p);

#endif
