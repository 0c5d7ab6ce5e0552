/* route: a model call that gets an answer where there is one to be had: tried again, from another
 * model when the first cannot, resumed without a word twice when a stream dies. Every kind of
 * process makes its calls here. Which models those are, what a call may cost and what people are
 * told is the caller's business. */
#ifndef LLM_ROUTE_H
#define LLM_ROUTE_H

#include "llm/client.h"
#include "llm/health.h"

#define ROUTE_THEN_MAX 3u /* other models that are tried (SPEC C) */

struct route_config {
    struct loop *loop;
    struct llm *llm;     /* lent, outliving it */
    int64_t cooldown_ms; /* a model that failed rests for so long when it does not say how long */
    int64_t retry_ms;    /* a call pauses for so long in all before it is tried again */
    uint64_t seed;       /* of the jitter */
    void (*on_learned)(void *arg, const char *model, int64_t tokens); /* its ceiling; may be NULL */
    void *arg;
};

struct route;
struct route *route_new(const struct route_config *c);
/* Ends every call without a callback. */
void route_free(struct route **r);
/* How each model has been: for what is shown, and for the ceiling that was learned earlier. */
struct health *route_health(const struct route *r);

struct route_request {
    const char *model;       /* asked first; copied */
    const char *const *then; /* lent for the call: asked in this order, at most ROUTE_THEN_MAX */
    size_t nthen;
    const char *const *instead; /* lent: where `then` is empty, asked when the provider of the first
                                   one does not know it */
    size_t ninstead;
    const struct llm_history *history; /* lent for the call, unchanged during it */
    const int64_t *backoff_ms; /* static: pauses before further attempts where nobody else is left
                                  to ask */
    size_t nbackoff;
};

/* Who answers in place of the one that was asked first, and why. */
struct route_stand_in {
    const char *model;
    const char *why; /* what the first one failed with; "" when that is not known any more */
    int64_t
        until_ms; /* wall clock: when the first one will be tried again; 0: with the next call */
};

/* As struct llm_events; also none from inside route_call_start() but for prepare(). Exactly one of
 * done and error is the last one; none comes after route_call_cancel(), and from inside it on_usage
 * alone. */
struct route_events {
    /* An attempt is about to be made: r->model and r->history are set. Sets what else goes into the
     * request (tools lent for the attempt) and returns the system prompt, which is freed after it.
     * NULL: it may not be made, `why` says it: the call ends with LLM_FAULT_CANCELLED. */
    char *(*prepare)(void *arg, struct llm_request *r, struct cause *why);
    void (*on_text)(void *arg, const char *text, size_t n);
    void (*on_thinking)(void *arg, const char *text, size_t n);
    void (*on_tool_start)(void *arg, size_t index, const char *id, const char *name);
    void (*on_tool_input)(void *arg, size_t index, const char *fragment, size_t n);
    void (*on_bytes)(void *arg);
    /* What was passed on so far is no part of the answer: it begins anew. */
    void (*on_restart)(void *arg);
    /* It failed, and is tried again in `ms`. Only where nobody else is left to ask. */
    void (*on_pause)(void *arg, const struct llm_error *e, int64_t ms);
    /* The answer begins. NULL: the one that was asked first answers. */
    void (*on_answers)(void *arg, const struct route_stand_in *s);
    /* What one attempt has used, also one that failed or is cancelled now; `said`: the provider's
     * name for the model. */
    void (*on_usage)(void *arg, const char *model, const char *said, const struct llm_usage *u);
    void (*on_done)(void *arg, struct llm_response *r);
    void (*on_error)(void *arg, const struct llm_error *e);
};

struct route_call;
/* ev is static. Never NULL. */
struct route_call *route_call_start(struct route *r, const struct route_request *request,
                                    const struct route_events *ev, void *arg);
/* NULL is fine; sets NULL. Also from inside a callback of the call. */
void route_call_cancel(struct route_call **c);

#endif
