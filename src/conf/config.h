/* config: spacebot.conf, checked against one table of keys. Only keys that act are in the table. */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Scalars: X(section, key, TYPE, default, min, max, "what it does").  TYPE: INT, REAL, BOOL,
 * STRING. For STRING the default is text or NULL; min and max are 0. */
#define CONFIG_TABLE(X)                                                                            \
    X(routing, channel, STRING, NULL, 0, 0,                                                        \
      "model that holds conversations, as provider/model; else of the first provider with a key")  \
    X(routing, branch, STRING, NULL, 0, 0, "model that thinks aside; else likewise")               \
    X(routing, worker, STRING, NULL, 0, 0, "model that does the work; else likewise")              \
    X(routing, voice, STRING, "none", 0, 0,                                                        \
      "model that turns recordings given to a conversation into text; none: none does")            \
    X(routing, rate_limit_cooldown_secs, INT, 60, 1, 86400,                                        \
      "how long a model that failed is left alone when it does not say how long")                  \
    X(routing, retry_secs, INT, 120, 0, 86400,                                                     \
      "how long a failed model call waits in all before it is tried again; then it has failed")    \
    X(routing, tool_use_enforcement, STRING, "auto", 0, 0,                                         \
      "models that are told to act, not to announce: auto (gpt, codex), always, never, or parts "  \
      "of their names")                                                                            \
    X(routing, channel_thinking_effort, STRING, "auto", 0, 0,                                      \
      "how much the channel's model thinks, where it can be told: auto, max, high, medium, low")   \
    X(routing, branch_thinking_effort, STRING, "auto", 0, 0, "the same of the branch's")           \
    X(routing, worker_thinking_effort, STRING, "auto", 0, 0, "the same of the worker's")           \
    X(routing, prompt_cache, STRING, "short", 0, 0,                                                \
      "how long a provider that must be asked keeps a prompt for the next call: short (minutes), " \
      "long (an hour), none")                                                                      \
    X(routing, list_models, BOOL, true, 0, 1,                                                      \
      "providers are asked once a day which models they have, so that one that is gone is told")   \
    X(network, proxy, STRING, "environment", 0, 0,                                                 \
      "the proxy to providers, a URL; none; or what https_proxy in the environment says")          \
    X(network, no_proxy, STRING, "environment", 0, 0,                                              \
      "hosts that are reached without it, divided by commas; or what no_proxy says; this machine " \
      "always is")                                                                                 \
    X(network, ca_file, STRING, "environment", 0, 0,                                               \
      "file of the certificates to trust; or what SSL_CERT_FILE or the system says")               \
    X(limits, workers, INT, 16, 1, 10000, "workers at once in a channel")                          \
    X(limits, branches, INT, 8, 1, 10000, "branches at once in a channel")                         \
    X(limits, branch_turns, INT, 50, 1, 100000, "model calls a branch may make in all")            \
    X(limits, max_turns, INT, 5, 1, 1000, "model calls a channel may make for one message")        \
    X(limits, worker_turns, INT, 150, 1, 100000, "model calls a worker may make in all")           \
    X(limits, context_window, INT, 128000, 1000, 100000000,                                        \
      "tokens of a model's context that are counted on")                                           \
    X(limits, dollars_a_day, REAL, 10.0, 0, 1000000,                                               \
      "money that all models together may cost in a day (UTC); 0: no limit")                       \
    X(limits, channel_tokens, INT, 0, 0, 1000000000000,                                            \
      "tokens a channel may use for one message; 0: no limit")                                     \
    X(limits, branch_tokens, INT, 0, 0, 1000000000000, "tokens a branch may use; 0: no limit")     \
    X(limits, worker_tokens, INT, 0, 0, 1000000000000, "tokens a worker may use; 0: no limit")     \
    X(limits, channel_dollars, REAL, 0, 0, 1000000,                                                \
      "money a channel may cost for one message; 0: no limit")                                     \
    X(limits, branch_dollars, REAL, 0, 0, 1000000, "money a branch may cost; 0: no limit")         \
    X(limits, worker_dollars, REAL, 0, 0, 1000000, "money a worker may cost; 0: no limit")         \
    X(limits, channel_wall_secs, INT, 0, 0, 604800,                                                \
      "time a channel gets for one message; 0: no limit")                                          \
    X(limits, branch_wall_secs, INT, 0, 0, 604800, "time a branch gets; 0: no limit")              \
    X(limits, silence_secs, INT, 300, 1, 86400,                                                    \
      "a model call without a byte for so long is ended")                                          \
    X(limits, call_secs, INT, 1800, 1, 86400, "time a model call gets in all")                     \
    X(limits, connect_secs, INT, 30, 1, 600, "time to connect to a provider")                      \
    X(limits, shell_secs, INT, 60, 1, 1800, "time a shell command gets when it asks for none")     \
    X(limits, worker_wall_secs, INT, 1800, 1, 604800, "time a worker gets in all")                 \
    X(limits, ask_secs, INT, 600, 1, 86400, "how long a tool waits for a person's permission")     \
    X(limits, attachment_bytes, INT, 10485760, 0, 1000000000,                                      \
      "size of a file that is given with a message")                                               \
    X(limits, channel_attachment_bytes, INT, 209715200, 0, 1000000000000,                          \
      "size of all files given in a channel")                                                      \
    X(limits, voice_bytes, INT, 26214400, 0, 1000000000,                                           \
      "size of a recording that is turned into text")                                              \
    X(limits, snapshot_mb, INT, 256, 0, 1048576,                                                   \
      "MiB kept of files that tools changed, for undo; 0: nothing")                                \
    X(limits, keep_requests_mb, INT, 64, 0, 1048576,                                               \
      "MiB kept of what was sent to models and what came back; 0: nothing")                        \
    X(limits, keep_requests_days, INT, 7, 1, 3650, "and for how long")                             \
    X(limits, linger_secs, INT, 3600, 0, 604800,                                                   \
      "how long an idle engine outlives a lost terminal")                                          \
    X(coalesce, enabled, BOOL, true, 0, 1,                                                         \
      "messages that come together in a conversation of several people are answered together")     \
    X(coalesce, debounce_ms, INT, 1500, 0, 60000, "how long it waits for a further message")       \
    X(coalesce, max_wait_ms, INT, 5000, 0, 600000, "the longest a message waits for others")       \
    X(coalesce, min_messages, INT, 2, 1, 64, "so many messages no longer put off the answer")      \
    X(coalesce, multi_user_only, BOOL, true, 0, 1, "a conversation with one person never waits")   \
    X(channel, response_mode, STRING, "active", 0, 0,                                              \
      "what is answered: active (everything), mention_only (what names @spacebot), observe "       \
      "(nothing)")                                                                                 \
    X(sandbox, required, BOOL, true, 0, 1, "refuse the shell tool where nothing can contain it")

/* Strings that are one of a few: X(section, key, "the words"). */
#define CONFIG_CHOICE_TABLE(X)                                                                     \
    X(channel, response_mode, "active mention_only observe")                                       \
    X(routing, channel_thinking_effort, "auto max high medium low")                                \
    X(routing, branch_thinking_effort, "auto max high medium low")                                 \
    X(routing, worker_thinking_effort, "auto max high medium low")                                 \
    X(routing, prompt_cache, "short long none")

#define CONFIG_FROM_ENVIRONMENT "environment"

/* Lists of strings: X(section, key, "what"). */
#define CONFIG_LIST_TABLE(X)                                                                       \
    X(sandbox, writable_paths, "directories outside the workspace that commands may write")        \
    X(sandbox, passthrough_env, "environment variables that commands may see")

struct config_provider {
    char *id, *api, *base_url; /* api: a name of PROVIDER_API_TABLE */
    char *api_key; /* as written: "env:NAME" or the key itself; resolved by config_key() */
    char *deployment, *api_version; /* of Azure; NULL: the model's name, the usual version */
    int line;
};

/* A rule about what tools may do: checked in form here; whether there is such a tool only the agent
 * knows. */
struct config_permission {
    char *tool, *match; /* match: a glob, NULL: whatever it is about */
    char *action;       /* "allow", "ask" or "deny" */
    int line;
};

/* Who is asked when a model fails: those of its own, else those of the kind of process. */
struct config_fallback {
    char *model;      /* NULL: for a kind of process */
    char *process;    /* "channel" and so on; NULL: for a model; both NULL: for all */
    struct strv then; /* at least one */
    int line;
};

/* The model for a kind of work. */
struct config_task {
    char *task, *model;
    int line;
};

/* What a model's tokens cost, in dollars a million, in place of what is built in. */
struct config_price {
    char *model;
    double input, output, cache_read, cache_write;
    int line;
};

struct config {
    struct {
        char *channel, *branch, *worker, *voice, *tool_use_enforcement;
        int64_t rate_limit_cooldown_secs, retry_secs;
        struct config_task *task_overrides;
        size_t ntask_overrides;
        struct config_fallback *fallbacks;
        size_t nfallbacks;
        char *channel_thinking_effort, *branch_thinking_effort, *worker_thinking_effort;
        char *prompt_cache;
        bool list_models;
    } routing;
    struct {
        char *proxy, *no_proxy, *ca_file; /* CONFIG_FROM_ENVIRONMENT, or a value */
    } network;
    struct config_limits {
        int64_t workers, branches, branch_turns, max_turns, worker_turns, silence_secs, call_secs,
            connect_secs, shell_secs, worker_wall_secs, linger_secs, context_window, channel_tokens,
            branch_tokens, worker_tokens, attachment_bytes, channel_attachment_bytes,
            channel_wall_secs, branch_wall_secs, ask_secs, voice_bytes, snapshot_mb,
            keep_requests_mb, keep_requests_days;
        double dollars_a_day, channel_dollars, branch_dollars, worker_dollars;
    } limits;
    struct {
        bool enabled, multi_user_only;
        int64_t debounce_ms, max_wait_ms, min_messages;
    } coalesce;
    struct {
        char *response_mode;
    } channel;
    struct {
        bool required;
        struct strv writable_paths, passthrough_env;
    } sandbox;
    struct config_provider *providers;
    size_t nproviders;
    /* Servers on this machine that may have a model, in the order of asking: the configured ones
     * that speak Chat Completions, then those known by their usual port. Of providers' fields only
     * id, api and base_url are set. */
    struct config_provider *locals;
    size_t nlocals;
    struct config_permission *permissions;
    size_t npermissions;
    struct config_price *prices;
    size_t nprices;
    char *path; /* the file, whether it exists or not */
    bool exists;
};

/* Defaults, then `path` when it exists (a missing file is no error), then what the environment says
 * for known providers (ANTHROPIC_API_KEY, OPENAI_BASE_URL, OLLAMA_HOST and so on): a provider of
 * the config wins over the environment's of the same id for the fields it sets. Routing that is
 * left open goes to the first provider that can be used and is known by name; without one to
 * Anthropic's. On STATUS_CONFIG
 * the cause is "FILE:LINE: what; did you mean X". */
enum status config_load(const char *path, struct config **out, struct cause *why) MUST_CHECK;
void config_free(struct config **c);
/* The provider's key, resolved ("env:NAME" read from the environment); NULL when none. The caller
 * hands it to config_key_free(). */
char *config_key(const struct config_provider *p);
/* Whether it is of no use without a key: all but Ollama and what runs on this machine. */
bool config_needs_key(const struct config_provider *p);
/* Overwrites, frees, sets NULL. */
void config_key_free(char **key);
/* The values of every variable that a provider's key may come from are overwritten in this
 * process's memory and unset: /proc/PID/environ and children see none. config_key() finds no "env:"
 * key afterwards. */
void config_wipe_env(const struct config *c);
/* All keys with their values as spacebot.conf text, keys shown as set or not, never their value.
 * Caller frees. */
char *config_show(const struct config *c);
/* A commented file with every key at its default. The caller frees. */
char *config_template(void);

#endif
