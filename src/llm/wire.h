/* wire: the formats as one table: where a call goes, how it is written, what its events mean. The
 * only place that knows all of them; whoever makes calls knows this. */
#ifndef LLM_WIRE_H
#define LLM_WIRE_H

#include "base/buf.h"
#include "base/provider.h"
#include "base/status.h"
#include "base/str.h"
#include "llm/client.h"
#include "llm/decode.h"
#include "llm/sse.h"

/* Whom a request is for. Lent. */
struct wire_place {
    const char *id; /* the provider's, "anthropic" */
    enum provider_api api;
    const char *base_url; /* as wire_base() made it */
    const char *key;      /* NULL: none */
    const char *deployment, *api_version;
    unsigned quirks; /* enum provider_quirk */
    enum llm_cache cache;
};

/* The base URL without slashes at its end, and without the version that the API's path begins
 * with. The caller frees. */
char *wire_base(enum provider_api api, const char *url);

/* Where a call for `model` (without its provider) goes, and where the list of models is. The caller
 * frees. */
char *wire_url(const struct wire_place *p, const char *model);
char *wire_list_url(const struct wire_place *p);
/* Where a file of speech goes; NULL: this API has no such place. */
char *wire_speech_url(const struct wire_place *p, const char *model);

/* What a body calls the model: Azure knows its deployments and no models. Lent. */
const char *wire_model(const struct wire_place *p, const char *model);

/* Appends the JSON body. The history is made acceptable on the way (turns.h); the same history
 * gives the same bytes. STATUS_INVALID when it does not end with something from the user, or a
 * tool's schema is no object. */
enum status wire_request(const struct wire_place *p, const struct llm_request *r, const char *model,
                         struct buf *out, struct cause *why) MUST_CHECK;
/* Adds "name: value" lines; `list`: of a question for the list. Wipe them after use: one holds the
 * key. */
void wire_headers(const struct wire_place *p, bool list, struct strv *out);
enum decode_step wire_event(enum provider_api api, struct decode *d, const struct sse_event *e,
                            struct cause *why) MUST_CHECK;

#endif
