/* plan-internal: what the wire formats share while an answer is written: events with their faults.
 */
#ifndef FAKE_PLAN_INTERNAL_H
#define FAKE_PLAN_INTERNAL_H

#include "plan.h"

/* One answer while it is written. */
struct writer {
    struct plan *p;
    const struct dialect *dialect;
    const struct rule *rule;
    const struct request *r;
    int events; /* written so far */
    int chars;  /* of text, for the usage */
    bool over;  /* a fault ended the stream: nothing follows */
};

struct dialect {
    /* The events of an answer; `content` is an array of blocks in Anthropic's shape. */
    void (*stream)(struct writer *w, const cJSON *content);
    /* The same in one body. The caller frees. */
    char *(*whole)(struct writer *w, const cJSON *content);
    /* An error as a body or an event; type NULL: the one of the status. The caller frees. */
    char *(*error)(int status, const char *type, const char *message);
    const char *event;                     /* the name of its usual events; NULL: none */
    const char *error_event;               /* of an error; NULL: none */
    const char *broken_json, *broken_utf8; /* data of an event that is none */
};

/* The next event of the answer, `repeat` times, with the faults that strike before it. */
void plan_event(struct writer *w, const char *name, const char *data, int repeat);
/* Calls `one` for each piece of a text of the rule's size, whole characters each. */
void plan_pieces(struct writer *w, const char *text,
                 void (*one)(struct writer *w, void *arg, const char *piece, size_t n), void *arg);
const char *plan_model(const struct writer *w);
/* "tool_use" or what the rule says. */
const char *plan_stop_reason(const struct rule *rule);

#endif
