/* config_keys: the table of keys as data, for the rooms of conf/ that walk it. */
#ifndef CONF_CONFIG_KEYS_H
#define CONF_CONFIG_KEYS_H

#include <stddef.h>

#include "conf/config.h"

/* clang-format off */
#define CONFIG_TYPE_TABLE(X)                                                                       \
    X(INT, "a whole number")                                                                       \
    X(REAL, "a number")                                                                            \
    X(BOOL, "true or false")                                                                       \
    X(STRING, "a string")                                                                          \
    X(LIST, "a list of strings")
/* clang-format on */
enum key_type {
#define X(name, text) KEY_##name,
    CONFIG_TYPE_TABLE(X)
#undef X
};

struct config_key_info {
    const char *section, *name;
    enum key_type type;
    size_t offset;    /* into struct config: int64_t, double, bool, char *, struct strv */
    const char *text; /* STRING's default */
    double number;    /* the others' */
    double min, max;
    const char *what;
};

/* Sorted by section as in the tables; scalars before lists. */
extern const struct config_key_info config_keys[];
extern const size_t config_nkeys;

/* The sections' names, each once, in the order of the table; at most `max`. */
size_t config_sections(const char **out, size_t max);

#define CONFIG_STRING_MAX 4096u

/* Every key at the table's default; what a provider decides is NULL. config_free() frees it. */
struct config *config_defaults(const char *path);

/* ---- provider.c, for config_load() ---- */

bool config_url_ok(const char *url);
bool config_id_ok(const char *id); /* of a provider; config.c */
/* What stands before the first slash of the address would go into logs and messages. */
bool config_url_has_login(const char *url);
/* What the config leaves open the usual variables say; what both leave open has a default. */
enum status config_add_environment(struct config *c, struct cause *why) MUST_CHECK;
/* Where to look for a model on this machine: what SPACEBOT_LOCAL_SERVERS names ("ID=URL,ID=URL";
 * "": nowhere), else the configured servers here and the usual ones. */
enum status config_add_locals(struct config *c, struct cause *why) MUST_CHECK;
/* What is in it; the struct itself is the caller's. */
void config_provider_free(struct config_provider *p);
/* The models of roles that nobody gave one. */
void config_add_routing(struct config *c);

/* X(field, "what it is") */
#define CONFIG_PROVIDER_FIELDS(X)                                                                  \
    X(id, "the part of a model's name before the slash")                                           \
    X(api, "the wire format it speaks: anthropic, openai_completions, openai_chat_completions, "   \
           "openai_responses, azure or azure_responses")                                           \
    X(base_url, "where it is, without /v1")                                                        \
    X(api_key, "the key, or env:NAME to read it from a variable; a local server needs none")       \
    X(deployment, "azure: the deployment; else the part of the model's name behind the slash")     \
    X(api_version, "azure: the version of its API")

/* X(field, "what it is") */
#define CONFIG_PERMISSION_FIELDS(X)                                                                \
    X(tool, "a tool's name; unsandboxed: a command outside the sandbox")                           \
    X(match, "a glob for its command or path: * any characters, ? one; left out: every call")      \
    X(action, "allow, ask or deny; deny beats ask beats allow")

/* X(field, "what it is") */
#define CONFIG_TASK_FIELDS(X)                                                                      \
    X(task, "a kind of work, which the channel names when it starts a worker or a branch")         \
    X(model, "the model for it, as provider/model")

/* X(field, "what it is") */
#define CONFIG_FALLBACK_FIELDS(X)                                                                  \
    X(model, "the model that fails; left out: any of that kind of process")                        \
    X(process, "channel, branch or worker; left out: every kind")                                  \
    X(then, "the models that are asked instead, in this order; the first three count")

/* X(field, "what it is") */
#define CONFIG_PRICE_FIELDS(X)                                                                     \
    X(model, "as provider/model")                                                                  \
    X(input, "dollars a million tokens that go in")                                                \
    X(output, "dollars a million tokens that come out")                                            \
    X(cache_read, "of those that go in, the cached ones; left out: as input")                      \
    X(cache_write, "and those that are put into the cache; left out: as input")

/* "env:NAME" names a variable: its name, else NULL. */
const char *config_env_name(const char *api_key);

#endif
