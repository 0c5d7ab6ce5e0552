/* plan-internal: what the wire formats share while an answer is written: events with their faults,
 * and the order in which the pieces of its blocks come.
 */
#ifndef FAKE_PLAN_INTERNAL_H
#define FAKE_PLAN_INTERNAL_H

#include <stdint.h>

#include "plan.h"

/* One answer while it is written. */
struct writer {
    struct plan *p;
    const struct dialect *dialect;
    const struct rule *rule;
    const struct request *r;
    const cJSON *content; /* all blocks, in Anthropic's shape */
    int events;           /* written so far */
    int chars;            /* of text, for the usage */
    bool over;            /* a fault ended the stream: nothing follows */
};

/* One block while it is written. */
struct plan_block {
    const cJSON *json;
    const char *type; /* as in Anthropic's shape */
    int index;        /* in the answer */
    int nth;          /* among the calls */
    int repeat;       /* its text is one piece, so many times; 0: pieces of the rule's size */
    char *text;       /* of any kind, a call's input too; owned */
    size_t at;        /* so much of it is written */
};

struct dialect {
    /* The events around an answer's blocks. */
    void (*begin)(struct writer *w);
    void (*end)(struct writer *w);
    /* And those of a block. */
    void (*start)(struct writer *w, const struct plan_block *b);
    void (*piece)(struct writer *w, const struct plan_block *b, const char *text, size_t n,
                  int repeat);
    void (*stop)(struct writer *w, const struct plan_block *b);
    /* The same in one body. The caller frees. */
    char *(*whole)(struct writer *w);
    /* An error as a body, or with status 200 as an event; type NULL: the one of the status. The
     * caller frees. */
    char *(*error)(int status, const char *type, const char *message);
    const char *event;                     /* the name of its usual events; NULL: none */
    const char *error_event;               /* of an error; NULL: none */
    const char *broken_json, *broken_utf8; /* data of an event that is none */
    bool silent_empty;                     /* no pieces of an input without members */
};

/* The next event of the answer, `repeat` times, with the faults that strike before it. */
void plan_event(struct writer *w, const char *name, const char *data, int repeat);
/* The events of all blocks, in the order that the faults ask for. */
void plan_blocks(struct writer *w);
const char *plan_model(const struct writer *w);
/* "tool_use" or what the rule says. */
const char *plan_stop_reason(const struct rule *rule);

/* What was used, in Anthropic's terms; counted (four bytes a token) where the rule does not say. */
struct plan_usage {
    int64_t input, cache_write, cache_read, output;
};
struct plan_usage plan_used(const struct writer *w);

#endif
