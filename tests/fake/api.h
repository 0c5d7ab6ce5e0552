/* api: the fake provider's addresses: which wire format is spoken where, and which headers a call
 * must have there. */
#ifndef FAKE_API_H
#define FAKE_API_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "http1.h"
#include "plan.h"

struct api {
    const char *path; /* without what follows a "?"; one "*" is any segment */
    const struct dialect *dialect;
    /* Why these headers are not those of a call: the status, 0 when they are. */
    int (*headers)(const struct http1_request *h, const char *key, struct cause *why);
    bool (*check)(const cJSON *root, struct cause *why);
    /* The same request in Anthropic's shape; the caller deletes. NULL: it is in that shape. */
    cJSON *(*translate)(const cJSON *root);
};

/* The API at the request's path; never NULL: one that answers 404 in Anthropic's way. */
const struct api *api_find(const struct http1_request *h);
/* Whether the list of models is asked for. */
bool api_is_list(const struct http1_request *h);
/* The same as api->headers, after what every call must have. key: the only one that is taken; NULL:
 * any. */
int api_check_headers(const struct api *api, const struct http1_request *h, const char *key,
                      struct cause *why);

#endif
