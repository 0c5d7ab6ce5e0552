/* client-internal: the providers behind the client, for the rooms' files that ask them for
 * something else than an answer: listing, transcribe. */
#ifndef LLM_CLIENT_INTERNAL_H
#define LLM_CLIENT_INTERNAL_H

#include "base/list.h"
#include "llm/client.h"
#include "llm/fault.h"
#include "llm/http.h"
#include "llm/wire.h"

#define RATES_MAX 64u /* models whose rates are remembered; the oldest gives way */

struct provider {
    struct wire_place place; /* its strings are ours */
    bool keyless;            /* no key is needed */
    char *socket;            /* NULL: none */
    char host[280];
};

/* What was last said to be left for a model. */
struct known_rate {
    char *model;
    struct llm_rate rate;
};

struct llm {
    struct loop *loop;
    struct provider *providers;
    size_t nproviders;
    int silence_secs, connect_secs, call_secs;
    struct http *http;
    struct list calls;
    size_t open;
    struct known_rate rates[RATES_MAX];
    size_t nrates, oldest;
};

/* The provider of a model ("provider/model", "provider/" or, without a slash, anthropic's), when it
 * can be asked; *model is what follows the slash. NULL: `why` says what is missing and how it is
 * mended, *id (the caller frees) whose it is. */
struct provider *client_ready(struct llm *llm, const char *name, const char **model, char **id,
                              struct cause *why);
/* For what is said of it. */
struct fault_place client_place(const struct llm *llm, const struct provider *p);

#endif
