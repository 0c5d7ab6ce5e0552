/* provider: the tables of provider.h as data, and how something is found in them. */
#include "base/provider.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

const struct provider_info provider_infos[] = {
#define X(id, name, api, key_var, url_var, url, quirks)                                            \
    {id, name, PROVIDER_API_##api, key_var, url_var, url, quirks},
    PROVIDER_TABLE(X)
#undef X
};
const size_t provider_ninfos = ARRAY_LEN(provider_infos);

static const struct {
    const char *provider, *full;
    enum model_use use;
} models[] = {
#define X(provider, model, use, as_of, sure, in, out, rd, wr) {provider, provider "/" model, use},
    MODEL_TABLE(X)
#undef X
};

const struct provider_info *provider_find(const char *id) {
    for (size_t i = 0; i < provider_ninfos; i++)
        if (str_eq(provider_infos[i].id, id))
            return &provider_infos[i];
    return NULL;
}

const char *const *provider_default_slot(const char *id, enum model_use use) {
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        if ((models[i].use & use) && str_eq(models[i].provider, id))
            return &models[i].full;
    return NULL;
}

const char *provider_default_model(const char *id, enum model_use use) {
    const char *const *slot = provider_default_slot(id, use);
    return slot ? *slot : NULL;
}

/* "https://api.x.ai" is at https://api.x.ai/v1 too, and not at https://api.x.ai.example. */
static bool is_at(const char *url, const char *home) {
    return home && str_prefix(url, home) && strchr("/:", url[strlen(home)]);
}

unsigned provider_quirks(const char *base_url) {
    size_t best = 0;
    unsigned quirks = PROVIDER_PLAIN;
    for (size_t i = 0; i < provider_ninfos; i++) {
        const struct provider_info *p = &provider_infos[i];
        if (!is_at(base_url, p->url) || strlen(p->url) < best)
            continue;
        best = strlen(p->url);
        quirks = p->quirks;
    }
    return quirks;
}

const char *provider_api_name(enum provider_api api) {
    switch (api) {
#define X(name, text, what)                                                                        \
    case PROVIDER_API_##name:                                                                      \
        return text;
        PROVIDER_API_TABLE(X)
#undef X
    }
    return "?";
}

bool provider_api_from(const char *name, enum provider_api *out) {
#define X(api, text, what)                                                                         \
    if (str_eq(name, text)) {                                                                      \
        *out = PROVIDER_API_##api;                                                                 \
        return true;                                                                               \
    }
    PROVIDER_API_TABLE(X)
#undef X
    return false;
}

bool provider_api_has_version(enum provider_api api) {
    switch (api) {
    case PROVIDER_API_ANTHROPIC:
    case PROVIDER_API_OPENAI_COMPLETIONS:
    case PROVIDER_API_OPENAI_RESPONSES:
        return true;
    case PROVIDER_API_OPENAI_CHAT_COMPLETIONS:
    case PROVIDER_API_AZURE:
    case PROVIDER_API_AZURE_RESPONSES:
        return false;
    }
    return false;
}

bool provider_api_is_azure(enum provider_api api) {
    return api == PROVIDER_API_AZURE || api == PROVIDER_API_AZURE_RESPONSES;
}
