/* transcribe: one file of speech into text: by the place that an API has for it, or by asking a
 * model that hears. */
#ifndef LLM_TRANSCRIBE_H
#define LLM_TRANSCRIBE_H

#include "llm/client.h"

#define TRANSCRIPT_MAX ((size_t)4 * 1024 * 1024) /* bytes of an answer */

struct transcribe_request {
    const char *model; /* "provider/model" */
    const char *path;  /* of a regular file */
    const char *mime;  /* "audio/…" */
    const char *name;  /* for people */
    int64_t bytes;
    int64_t duration_ms; /* as its head says; -1: it does not */
    const char *system;  /* what a model that hears is told to do */
};

struct transcript {
    const char *text;    /* valid UTF-8, without white space around it; may be "" */
    int64_t duration_ms; /* -1: not known */
    struct llm_usage usage;
    char model[96]; /* what the provider says it was; "" */
};

/* Exactly one of them is called, once, from a later turn. Strings are lent. */
struct transcribe_events {
    void (*on_bytes)(void *arg); /* any sign of life; may be NULL */
    void (*on_done)(void *arg, const struct transcript *t);
    void (*on_error)(void *arg, const struct llm_error *e);
};

struct transcribe;
/* Copies what it needs of the request. Never NULL. */
struct transcribe *transcribe_start(struct loop *l, struct llm *llm,
                                    const struct transcribe_request *r,
                                    const struct transcribe_events *ev, void *arg);
/* No callback comes after it. NULL is fine; sets NULL. */
void transcribe_cancel(struct transcribe **t);

#endif
