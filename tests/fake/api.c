/* api: see api.h. */
#include "api.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "check.h"
#include "openai.h"
#include "responses.h"

/* ---- headers ---- */

static int refuse(int status, struct cause *why, const char *text) {
    cause_set(why, STATUS_DENIED, "%s", text);
    return status;
}

static int anthropic_headers(const struct http1_request *h, const char *key, struct cause *why) {
    const char *own = http1_header(h, "x-api-key"), *bearer = http1_header(h, "authorization");
    const char *version = http1_header(h, "anthropic-version");
    if (bearer && str_prefix(bearer, "Bearer "))
        bearer += strlen("Bearer ");
    if (str_empty(own) && str_empty(bearer))
        return refuse(401, why, "x-api-key header is required");
    if (key && !str_eq(own, key) && !str_eq(bearer, key))
        return refuse(401, why, "invalid x-api-key");
    if (!version)
        return refuse(400, why, "anthropic-version: header is required");
    if (strcmp(version, "2023-06-01") == 0)
        return 0;
    cause_set(why, STATUS_INVALID, "anthropic-version: %.40s is not a valid version", version);
    return 400;
}

/* Without a key of its own it asks for none, as servers on one's own machine do. */
static int openai_headers(const struct http1_request *h, const char *key, struct cause *why) {
    const char *bearer = http1_header(h, "authorization");
    if (http1_header(h, "x-api-key") || http1_header(h, "anthropic-version") ||
        http1_header(h, "api-key"))
        return refuse(400, why, "headers of another API");
    if (bearer && (!str_prefix(bearer, "Bearer ") || !bearer[strlen("Bearer ")]))
        return refuse(401, why, "You didn't provide an API key.");
    if (key && (!bearer || !str_eq(bearer + strlen("Bearer "), key)))
        return refuse(401, why, "Incorrect API key provided");
    return 0;
}

static int azure_headers(const struct http1_request *h, const char *key, struct cause *why) {
    const char *own = http1_header(h, "api-key");
    if (http1_header(h, "x-api-key") || http1_header(h, "anthropic-version"))
        return refuse(400, why, "headers of another API");
    if (str_empty(own) || (key && !str_eq(own, key)))
        return refuse(401, why,
                      "Access denied due to invalid subscription key or wrong API endpoint.");
    return 0;
}

/* Its older addresses want the version of the API. */
static int azure_versioned(const struct http1_request *h, const char *key, struct cause *why) {
    const char *query = strchr(h->path, '?');
    if (!query || !strstr(query, "api-version=2"))
        return refuse(404, why, "Resource not found");
    return azure_headers(h, key, why);
}

static int nowhere(const struct http1_request *h, const char *key, struct cause *why) {
    (void)key;
    cause_set(why, STATUS_NOT_FOUND, "Not found: %.200s", h->path);
    return 404;
}

/* ---- addresses ---- */

static const struct api apis[] = {
    {"/v1/messages", &dialect_anthropic, anthropic_headers, check_request, NULL},
    {"/v1/chat/completions", &dialect_openai, openai_headers, openai_check, openai_translate},
    {"/v1/responses", &dialect_responses, openai_headers, responses_check, responses_translate},
    {"/openai/deployments/*/chat/completions", &dialect_azure, azure_versioned, openai_check,
     openai_translate},
    {"/openai/responses", &dialect_responses, azure_versioned, responses_check,
     responses_translate},
    {"/openai/v1/chat/completions", &dialect_azure, azure_headers, openai_check, openai_translate},
    {"/openai/v1/responses", &dialect_responses, azure_headers, responses_check,
     responses_translate},
};

/* Whether path[0..n) is `want`. */
static bool is_path(const char *path, size_t n, const char *want) {
    const char *end = path + n;
    for (; *want; want++) {
        if (*want == '*') {
            const char *from = path;
            while (path < end && *path != '/')
                path++;
            if (path == from)
                return false;
        } else if (path == end || *path++ != *want) {
            return false;
        }
    }
    return path == end;
}

static bool has_path(const struct http1_request *h, const char *want) {
    return is_path(h->path, strcspn(h->path, "?"), want);
}

const struct api *api_find(const struct http1_request *h) {
    static const struct api none = {"", &dialect_anthropic, nowhere, check_request, NULL};
    for (size_t i = 0; i < ARRAY_LEN(apis); i++)
        if (has_path(h, apis[i].path))
            return &apis[i];
    return &none;
}

bool api_is_list(const struct http1_request *h) {
    static const char *const paths[] = {"/v1/models", "/models", "/api/tags"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (has_path(h, paths[i]) && strcmp(h->method, "GET") == 0)
            return true;
    return false;
}

int api_check_headers(const struct api *api, const struct http1_request *h, const char *key,
                      struct cause *why) {
    const char *type = http1_header(h, "content-type");
    if (api->headers == nowhere)
        return nowhere(h, key, why);
    if (strcmp(h->method, "POST") != 0)
        return refuse(405, why, "Method Not Allowed");
    int status = api->headers(h, key, why);
    if (status)
        return status;
    if (!type || !str_prefix(type, "application/json"))
        return refuse(400, why, "content-type: must be application/json");
    return 0;
}
