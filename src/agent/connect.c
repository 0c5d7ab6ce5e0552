/* connect: keys and addresses out of the configuration into the client. */
#include "agent/connect.h"

#include "base/mem.h"
#include "base/str.h"
#include "llm/price.h"

/* The config has checked the name. */
static enum provider_api api_of(const char *name) {
    enum provider_api api = PROVIDER_API_ANTHROPIC;
    (void)provider_api_from(name, &api);
    return api;
}

static bool is_configured(const struct config *c, const char *id) {
    for (size_t i = 0; i < c->nproviders; i++)
        if (str_eq(c->providers[i].id, id))
            return true;
    return false;
}

static size_t list_providers(const struct config *c, struct llm_provider *list, char **keys) {
    size_t n = 0;
    for (; n < c->nproviders; n++) {
        const struct config_provider *p = &c->providers[n];
        keys[n] = config_key(p);
        list[n] = (struct llm_provider){.id = p->id,
                                        .api = api_of(p->api),
                                        .base_url = p->base_url,
                                        .api_key = keys[n],
                                        .keyless = !config_needs_key(p),
                                        .deployment = p->deployment,
                                        .api_version = p->api_version};
    }
    for (size_t i = 0; i < c->nlocals; i++)
        if (!is_configured(c, c->locals[i].id))
            list[n++] = (struct llm_provider){.id = c->locals[i].id,
                                              .api = api_of(c->locals[i].api),
                                              .base_url = c->locals[i].base_url,
                                              .keyless = true};
    return n;
}

/* NULL: as the environment says. */
static const char *net_setting(const char *value) {
    return str_eq(value, CONFIG_FROM_ENVIRONMENT) ? NULL : value;
}

struct llm *connect_llm(struct loop *l, const struct config *c, const struct llm_provider *extra,
                        struct scrub_values *values) {
    size_t most = c->nproviders + c->nlocals + 1;
    struct llm_provider *list = xcalloc(most, sizeof(*list));
    char **keys = xcalloc(most, sizeof(*keys));
    struct llm_config config = {.providers = list,
                                .nproviders = list_providers(c, list, keys),
                                .silence_secs = (int)c->limits.silence_secs,
                                .connect_secs = (int)c->limits.connect_secs,
                                .call_secs = (int)c->limits.call_secs,
                                .proxy = net_setting(c->network.proxy),
                                .no_proxy = net_setting(c->network.no_proxy),
                                .ca_file = net_setting(c->network.ca_file),
                                .user_agent = "spacebot/" PACKAGE_VERSION};
    if (extra)
        list[config.nproviders++] = *extra;
    if (str_eq(config.proxy, "none"))
        config.proxy = "";
    (void)llm_cache_from(c->routing.prompt_cache, &config.cache); /* checked: a choice */
    struct llm *llm = llm_new(l, &config);
    for (size_t i = 0; i < c->nproviders; i++) {
        if (values)
            (void)scrub_values_add(values, list[i].id, keys[i]);
        config_key_free(&keys[i]);
    }
    x_free(&keys);
    x_free(&list);
    return llm;
}

void connect_prices(const struct config *c) {
    price_forget();
    for (size_t i = 0; i < c->nprices; i++) {
        const struct config_price *p = &c->prices[i];
        price_say(p->model,
                  &(struct price){p->input, p->output, p->cache_read, p->cache_write, false, ""});
    }
}
