/* wire: which format does what, and the addresses. */
#include "llm/wire.h"

#include <string.h>

#include "base/mem.h"
#include "llm/anthropic.h"
#include "llm/openai.h"
#include "llm/responses.h"

/* Who asks, for servers that rank programs by what goes through them. */
#define APP_TITLE "x-title: spacebot"
#define APP_HOME                                                                                   \
    "http-referer: http://localhost/spacebot" /* there is no page: its form without one */

char *wire_base(enum provider_api api, const char *url) {
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    if (provider_api_has_version(api) && n >= 3 && memcmp(url + n - 3, "/v1", 3) == 0)
        n -= 3;
    while (n && url[n - 1] == '/')
        n--;
    return xstrndup(url, n);
}

/* What may stand in a path as it is; the rest is written in hexadecimal. */
static char *escaped(const char *s) {
    struct buf out = BUF_INIT;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     strchr("-._~", c);
        if (plain)
            buf_putc(&out, *s);
        else
            buf_printf(&out, "%%%02X", c);
    }
    return buf_steal(&out);
}

/* Azure's newer base URLs end with /openai/v1 and are an API like any other; else every path has
 * the version, and that of Chat Completions the deployment. */
static bool azure_is_plain(const struct wire_place *p) { return str_suffix(p->base_url, "/v1"); }

/* A path below the resource, with the version. */
static char *azure_path(const struct wire_place *p, const char *path) {
    const char *usual =
        p->api == PROVIDER_API_AZURE ? PROVIDER_AZURE_VERSION : PROVIDER_AZURE_RESPONSES_VERSION;
    char *version = escaped(p->api_version ? p->api_version : usual);
    char *url = xasprintf("%s/openai/%s?api-version=%s", p->base_url, path, version);
    x_free(&version);
    return url;
}

static char *azure_chat_url(const struct wire_place *p, const char *model) {
    if (azure_is_plain(p))
        return xasprintf("%s/chat/completions", p->base_url);
    char *deployment = escaped(wire_model(p, model));
    char *path = xasprintf("deployments/%s/chat/completions", deployment);
    char *url = azure_path(p, path);
    x_free(&deployment);
    x_free(&path);
    return url;
}

char *wire_url(const struct wire_place *p, const char *model) {
    switch (p->api) {
    case PROVIDER_API_ANTHROPIC:
        return xasprintf("%s/v1/messages", p->base_url);
    case PROVIDER_API_OPENAI_COMPLETIONS:
        return xasprintf("%s/v1/chat/completions", p->base_url);
    case PROVIDER_API_OPENAI_CHAT_COMPLETIONS:
        return xasprintf("%s/chat/completions", p->base_url);
    case PROVIDER_API_OPENAI_RESPONSES:
        return xasprintf("%s/v1/responses", p->base_url);
    case PROVIDER_API_AZURE:
        return azure_chat_url(p, model);
    case PROVIDER_API_AZURE_RESPONSES:
        return azure_is_plain(p) ? xasprintf("%s/responses", p->base_url)
                                 : azure_path(p, "responses");
    }
    return NULL;
}

char *wire_list_url(const struct wire_place *p) {
    switch (p->api) {
    case PROVIDER_API_ANTHROPIC: /* a page has 20 where nobody says otherwise */
        return xasprintf("%s/v1/models?limit=1000", p->base_url);
    case PROVIDER_API_OPENAI_COMPLETIONS:
    case PROVIDER_API_OPENAI_RESPONSES:
        return xasprintf("%s/v1/models", p->base_url);
    case PROVIDER_API_OPENAI_CHAT_COMPLETIONS:
        return xasprintf("%s/models", p->base_url);
    case PROVIDER_API_AZURE:
    case PROVIDER_API_AZURE_RESPONSES:
        break;
    }
    return azure_is_plain(p) ? xasprintf("%s/models", p->base_url) : azure_path(p, "models");
}

const char *wire_model(const struct wire_place *p, const char *model) {
    return provider_api_is_azure(p->api) && p->deployment ? p->deployment : model;
}

char *wire_speech_url(const struct wire_place *p, const char *model) {
    static const char path[] = "audio/transcriptions";
    switch (p->api) {
    case PROVIDER_API_ANTHROPIC:
        return NULL;
    case PROVIDER_API_OPENAI_COMPLETIONS:
    case PROVIDER_API_OPENAI_RESPONSES:
        return xasprintf("%s/v1/%s", p->base_url, path);
    case PROVIDER_API_OPENAI_CHAT_COMPLETIONS:
        return xasprintf("%s/%s", p->base_url, path);
    case PROVIDER_API_AZURE:
    case PROVIDER_API_AZURE_RESPONSES:
        break;
    }
    if (azure_is_plain(p))
        return xasprintf("%s/%s", p->base_url, path);
    char *deployment = escaped(p->deployment ? p->deployment : model);
    char *version = escaped(p->api_version ? p->api_version : PROVIDER_AZURE_VERSION);
    char *url = xasprintf("%s/openai/deployments/%s/%s?api-version=%s", p->base_url, deployment,
                          path, version);
    x_free(&deployment);
    x_free(&version);
    return url;
}

enum status wire_request(const struct wire_place *p, const struct llm_request *r, const char *model,
                         struct buf *out, struct cause *why) {
    switch (p->api) {
    case PROVIDER_API_ANTHROPIC:
        return anthropic_request(p, r, model, out, why);
    case PROVIDER_API_OPENAI_COMPLETIONS:
    case PROVIDER_API_OPENAI_CHAT_COMPLETIONS:
    case PROVIDER_API_AZURE:
        return openai_request(p, r, model, out, why);
    case PROVIDER_API_OPENAI_RESPONSES:
    case PROVIDER_API_AZURE_RESPONSES:
        return responses_request(p, r, model, out, why);
    }
    return STATUS_INVALID;
}

/* A token of a signed-in person is a bearer token, and the API wants to be told. */
static void anthropic_key(const char *key, struct strv *out) {
    if (str_prefix(key, "sk-ant-oat")) {
        strv_push(out, "anthropic-beta: oauth-2025-04-20");
        strv_pushf(out, "authorization: Bearer %s", key);
    } else {
        strv_pushf(out, "x-api-key: %s", key);
    }
}

void wire_headers(const struct wire_place *p, bool list, struct strv *out) {
    strv_push(out, list ? "accept: application/json" : "accept: text/event-stream");
    if (!list)
        strv_push(out, "content-type: application/json");
    if (p->quirks & PROVIDER_ATTRIBUTION) {
        strv_push(out, APP_HOME);
        strv_push(out, APP_TITLE);
    }
    switch (p->api) {
    case PROVIDER_API_ANTHROPIC:
        strv_push(out, "anthropic-version: 2023-06-01");
        if (p->key)
            anthropic_key(p->key, out);
        return;
    case PROVIDER_API_OPENAI_COMPLETIONS:
    case PROVIDER_API_OPENAI_CHAT_COMPLETIONS:
    case PROVIDER_API_OPENAI_RESPONSES:
        if (p->key)
            strv_pushf(out, "authorization: Bearer %s", p->key);
        return;
    case PROVIDER_API_AZURE:
    case PROVIDER_API_AZURE_RESPONSES:
        if (p->key)
            strv_pushf(out, "api-key: %s", p->key);
        return;
    }
}

enum decode_step wire_event(enum provider_api api, struct decode *d, const struct sse_event *e,
                            struct cause *why) {
    switch (api) {
    case PROVIDER_API_ANTHROPIC:
        return anthropic_event(d, e, why);
    case PROVIDER_API_OPENAI_COMPLETIONS:
    case PROVIDER_API_OPENAI_CHAT_COMPLETIONS:
    case PROVIDER_API_AZURE:
        return openai_event(d, e, why);
    case PROVIDER_API_OPENAI_RESPONSES:
    case PROVIDER_API_AZURE_RESPONSES:
        return responses_event(d, e, why);
    }
    return DECODE_BAD;
}
