/* plan: everything that one answer will send, worked out before its first byte: head, events and
 * where they end. The sender only walks along it; time and sockets are its business. */
#ifndef FAKE_PLAN_H
#define FAKE_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "request.h"
#include "scenario.h"

struct plan_step {
    size_t off, len; /* in plan.data */
    int repeat;      /* times in a row, each an event of its own */
};

enum plan_end {
    PLAN_DONE,  /* the body is complete */
    PLAN_CLOSE, /* the connection closes as it is */
    PLAN_RESET,
    PLAN_SILENT /* nothing comes any more */
};

struct plan {
    int status;
    struct buf head; /* the HTTP head */
    struct buf data;
    struct plan_step *steps;
    size_t n, cap;
    bool chunked;
    int split; /* most bytes of an HTTP chunk, 0: an event */
    int delay_ms, slow_ms;
    long cut_after;    /* bytes of the body, -1: none */
    enum plan_end end; /* what follows the last step */
    enum plan_end cut; /* what follows cut_after */
    int hold_after;    /* events, -1: none */
    const char *hold;  /* lent from the scenario */
};

struct dialect; /* a wire format: see plan-internal.h */
extern const struct dialect dialect_anthropic, dialect_openai, dialect_azure, dialect_responses;

/* The answer of a rule. False with a cause when a capture finds nothing. */
bool plan_rule(struct plan *p, const struct dialect *d, const struct rule *rule,
               const struct request *r, struct cause *why);
/* An error in the dialect's shape, of the type that belongs to the status. */
void plan_error(struct plan *p, const struct dialect *d, int status, const char *message);
/* A body of its own, with status 200. */
void plan_body(struct plan *p, const char *body);
void plan_free(struct plan *p);

#endif
