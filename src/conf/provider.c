/* provider: the providers of a configuration: what the usual variables of the environment add to
 * it, whose key is where, and which models answer where nobody named one. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/provider.h"
#include "conf/config_keys.h"

#define LOCAL_API "openai_completions" /* what servers on one's own machine speak */

bool config_url_ok(const char *url) {
    const char *rest = str_prefix(url, "https://")  ? url + 8
                       : str_prefix(url, "http://") ? url + 7
                                                    : NULL;
    return rest && *rest && *rest != '/' && !strchr(url, ' ');
}

/* What stands before the first slash of the address would go into logs and messages. */
bool config_url_has_login(const char *url) {
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    return memchr(host, '@', strcspn(host, "/?#")) != NULL;
}

static const char *env_text(const char *name) {
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* OLLAMA_HOST is its server's address too: it may lack the scheme, the port, or the host, and one
 * that stands for all of this machine's is to be reached on the nearest. */
static char *ollama_url(const char *host) {
    static const char *const all[][2] = {{"0.0.0.0", "127.0.0.1"}, {"[::]", "[::1]"}};
    struct buf out = BUF_INIT;
    buf_puts(&out, "http://");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (!str_prefix(host, all[i][0]))
            continue;
        buf_puts(&out, all[i][1]);
        host += strlen(all[i][0]);
        break;
    }
    if (*host == ':' && out.len == strlen("http://"))
        buf_puts(&out, "127.0.0.1");
    buf_puts(&out, host);
    const char *name = buf_str(&out) + strlen("http://"), *end = strchr(name, ']');
    if (!strchr(end ? end : name, ':') && !strchr(name, '/'))
        buf_puts(&out, ":11434");
    return buf_steal(&out);
}

static char *env_url(const struct provider_info *e) {
    const char *url = env_text(e->url_var);
    if (url && str_eq(e->id, "ollama") && !strstr(url, "://"))
        return ollama_url(url);
    return xstrdup_null(url);
}

/* "no", "0" or "false": nobody is asked by itself. */
static bool env_says_no(const char *name) {
    static const char *const words[] = {"no", "0", "false"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(env_text(name), words[i]))
            return true;
    return false;
}

/* What the config leaves open the usual variables say; what both leave open has a default. */
enum status config_add_environment(struct config *c, struct cause *why) {
    if (env_says_no("SPACEBOT_LIST_MODELS"))
        c->routing.list_models = false;
    for (size_t i = 0; i < provider_ninfos; i++) {
        const struct provider_info *e = &provider_infos[i];
        const char *key = env_text(e->key_var);
        char *url = env_url(e);
        if (url &&
            (!config_url_ok(url) || config_url_has_login(url) || strlen(url) > CONFIG_STRING_MAX)) {
            x_free(&url);
            return cause_set(why, STATUS_CONFIG,
                             "%s must be an address that begins with http:// or https://, "
                             "without a login",
                             e->url_var);
        }
        struct config_provider *p = NULL;
        for (size_t j = 0; j < c->nproviders; j++)
            if (str_eq(c->providers[j].id, e->id))
                p = &c->providers[j];
        /* A key for a place that nobody named opens nothing. */
        if (!p && !url && (!key || !e->url))
            continue;
        if (!p) {
            c->providers = xreallocarray(c->providers, c->nproviders + 1, sizeof(*c->providers));
            p = &c->providers[c->nproviders++];
            *p = (struct config_provider){.id = xstrdup(e->id),
                                          .api = xstrdup(provider_api_name(e->api))};
        }
        if (!p->base_url)
            p->base_url = xstrdup_null(url ? url : e->url);
        x_free(&url);
        if (!p->base_url)
            return cause_set(why, STATUS_CONFIG,
                             "%s:%d: provider \"%s\" needs a `base_url`, or set %s", c->path,
                             p->line, p->id, e->url_var);
        if (!p->api_key && key)
            p->api_key = xasprintf("env:%s", e->key_var);
    }
    return STATUS_OK;
}

void config_provider_free(struct config_provider *p) {
    x_free(&p->id);
    x_free(&p->api);
    x_free(&p->base_url);
    x_free(&p->deployment);
    x_free(&p->api_version);
    config_key_free(&p->api_key);
}

/* strchr() finds the end of a string as well. */
static bool is_loopback(const char *url) {
    static const char *const hosts[] = {"localhost", "[::1]"};
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    if (str_prefix(host, "127."))
        return strchr(":/", host[strspn(host, "0123456789.")]) != NULL;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (str_prefix(host, hosts[i]) && strchr(":/", host[strlen(hosts[i])]))
            return true;
    return false;
}

static void add_local(struct config *c, const char *id, const char *url) {
    for (size_t i = 0; i < c->nlocals; i++)
        if (str_eq(c->locals[i].id, id))
            return; /* what was configured by that name is meant */
    c->locals = xreallocarray(c->locals, c->nlocals + 1, sizeof(*c->locals));
    c->locals[c->nlocals++] = (struct config_provider){
        .id = xstrdup(id), .api = xstrdup(LOCAL_API), .base_url = xstrdup(url)};
}

/* "ID=URL,ID=URL". Nothing but this machine is ever asked. */
static enum status add_named_locals(struct config *c, const char *list, struct cause *why) {
    enum status st = STATUS_OK;
    char *copy = xstrdup(list), *save = NULL;
    for (char *one = strtok_r(copy, ",", &save); one && st == STATUS_OK;
         one = strtok_r(NULL, ",", &save)) {
        char *url = strchr(one, '=');
        if (url)
            *url++ = '\0';
        if (!url || !config_id_ok(one) || !config_url_ok(url) || config_url_has_login(url) ||
            !is_loopback(url))
            st = cause_set(why, STATUS_CONFIG,
                           "SPACEBOT_LOCAL_SERVERS must be a list of ID=URL with addresses of this "
                           "machine, as in ollama=http://127.0.0.1:11434");
        else
            add_local(c, one, url);
    }
    x_free(&copy);
    return st;
}

enum status config_add_locals(struct config *c, struct cause *why) {
    const char *list = getenv("SPACEBOT_LOCAL_SERVERS");
    if (list)
        return add_named_locals(c, list, why);
    for (size_t i = 0; i < c->nproviders; i++)
        if (str_eq(c->providers[i].api, LOCAL_API) && is_loopback(c->providers[i].base_url))
            add_local(c, c->providers[i].id, c->providers[i].base_url);
#define X(id, url) add_local(c, id, url);
    PROVIDER_LOCAL_TABLE(X)
#undef X
    return STATUS_OK;
}

/* What uses a provider: all three roles where nothing else is said. */
static void route_to(struct config *c, const char *id) {
    char **const thinks[] = {&c->routing.channel, &c->routing.branch};
    for (size_t i = 0; i < ARRAY_LEN(thinks); i++)
        if (!*thinks[i])
            *thinks[i] = xstrdup(provider_default_model(id, MODEL_THINKS));
    if (!c->routing.worker)
        c->routing.worker = xstrdup(provider_default_model(id, MODEL_WORKS));
}

/* Of the providers in order, the configured ones before the environment's, the first that can be
 * used and whose models are known; with none of them the first of the table, so that what is said
 * to be missing is one thing. */
void config_add_routing(struct config *c) {
    for (size_t i = 0; i < c->nproviders; i++) {
        const struct config_provider *p = &c->providers[i];
        char *key = config_key(p);
        if (provider_default_model(p->id, MODEL_THINKS) && (key || !config_needs_key(p)))
            route_to(c, p->id);
        config_key_free(&key);
    }
    route_to(c, provider_infos[0].id);
}

const char *config_env_name(const char *api_key) {
    return str_prefix(api_key, "env:") ? api_key + 4 : NULL;
}

char *config_key(const struct config_provider *p) {
    if (!p->api_key)
        return NULL;
    const char *var = config_env_name(p->api_key);
    return xstrdup_null(var ? env_text(var) : p->api_key);
}

bool config_needs_key(const struct config_provider *p) {
    return !str_eq(p->id, "ollama") && !is_loopback(p->base_url);
}

void config_key_free(char **key) {
    if (*key)
        explicit_bzero(*key, strlen(*key));
    x_free(key);
}

static void wipe_variable(const char *name) {
    /* The same name may stand in the environment more than once. */
    for (char *v = getenv(name); v; v = getenv(name)) {
        explicit_bzero(v, strlen(v));
        unsetenv(name);
    }
}

void config_wipe_env(const struct config *c) {
    for (size_t i = 0; i < provider_ninfos; i++)
        wipe_variable(provider_infos[i].key_var);
    for (size_t i = 0; i < c->nproviders; i++) {
        const char *key = c->providers[i].api_key;
        const char *var = key ? config_env_name(key) : NULL;
        if (var)
            wipe_variable(var);
    }
}
