/* config_keys: the table of keys as data, for the rooms of conf/ that walk it. */
#ifndef CONF_CONFIG_KEYS_H
#define CONF_CONFIG_KEYS_H

#include <stddef.h>

#include "conf/config.h"

#define CONFIG_TYPE_TABLE(X)                                                                       \
    X(INT, "a whole number")                                                                       \
    X(REAL, "a number") X(BOOL, "true or false") X(STRING, "a string") X(LIST, "a list of "        \
                                                                               "strings")
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

/* A provider that the environment can describe by its usual variables.
 * X("id", "api", "key variable", "base URL variable", "usual base URL") */
#define CONFIG_ENV_PROVIDER_TABLE(X)                                                               \
    X("anthropic", "anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL",                         \
      "https://api.anthropic.com")                                                                 \
    X("openai", "openai_completions", "OPENAI_API_KEY", "OPENAI_BASE_URL",                         \
      "https://api.openai.com")                                                                    \
    X("openrouter", "openai_completions", "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL",             \
      "https://openrouter.ai/api")                                                                 \
    X("ollama", "openai_completions", "OLLAMA_API_KEY", "OLLAMA_HOST", "http://127.0.0.1:11434")
struct config_env_provider {
    const char *id, *api, *key_var, *url_var, *url;
};
extern const struct config_env_provider config_env_providers[];
extern const size_t config_nenv_providers;

/* X(field, "what it is") */
#define CONFIG_PROVIDER_FIELDS(X)                                                                  \
    X(id, "the part of a model's name before the slash")                                           \
    X(api, "the wire format it speaks: anthropic or openai_completions")                           \
    X(base_url, "where it is, without /v1")                                                        \
    X(api_key, "the key, or env:NAME to read it from a variable; a local server needs none")

/* "env:NAME" names a variable: its name, else NULL. */
const char *config_env_name(const char *api_key);

#endif
