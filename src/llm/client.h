/* client: one streamed model call after another over curl's multi_socket interface, on the loop.
 * Knows providers by their wire API only; routing, retries and what to do with an answer belong to
 * the caller. */
#ifndef LLM_CLIENT_H
#define LLM_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/provider.h"
#include "base/status.h"
#include "base/str.h"
#include "llm/message.h"
#include "llm/rate.h"
#include "loop/loop.h"

/* How a call failed. X(NAME, "name", retriable) */
#define LLM_FAULT_TABLE(X)                                                                         \
    X(NOT_CONFIGURED, "not_configured", false) /* unknown provider, or no key */                   \
    X(CONNECT, "connect", true)                /* refused, unreachable, name not found */          \
    X(TLS, "tls", false)                                                                           \
    X(AUTH, "auth", false)                /* 401, 403 */                                           \
    X(BAD_REQUEST, "bad_request", false)  /* other 4xx */                                          \
    X(NOT_FOUND, "not_found", false)      /* 404: model or URL */                                  \
    X(OVERFLOW, "overflow", false)        /* context too long */                                   \
    X(RATE_LIMITED, "rate_limited", true) /* 429 */                                                \
    X(OVERLOADED, "overloaded", true)     /* 529, 503 */                                           \
    X(SERVER, "server", true)             /* other 5xx, error events */                            \
    X(REDIRECT, "redirect", false)        /* never followed; the text names the target */          \
    X(CUT, "cut", true)                   /* stream ended before its end */                        \
    X(SILENCE, "silence", true)           /* no byte for silence_secs */                           \
    X(TIMEOUT, "timeout", true)           /* no end for call_secs */                               \
    X(GARBAGE, "garbage", true)           /* not the protocol: HTML, bad JSON, too large */        \
    X(CANCELLED, "cancelled", false)
enum llm_fault {
#define X(name, text, retriable) LLM_FAULT_##name,
    LLM_FAULT_TABLE(X)
#undef X
};
const char *llm_fault_name(enum llm_fault f);
bool llm_fault_retriable(enum llm_fault f);

/* clang-format off */
#define LLM_STOP_TABLE(X)                                                                          \
    X(END_TURN, "end_turn")                                                                        \
    X(TOOL_USE, "tool_use")                                                                        \
    X(MAX_TOKENS, "max_tokens")                                                                    \
    X(STOP_SEQUENCE, "stop_sequence")                                                              \
    X(PAUSE_TURN, "pause_turn")                                                                    \
    X(REFUSAL, "refusal")                                                                          \
    X(OTHER, "other")
/* clang-format on */
enum llm_stop {
#define X(name, text) LLM_STOP_##name,
    LLM_STOP_TABLE(X)
#undef X
};

const char *llm_stop_name(enum llm_stop s);

struct llm_usage {
    int64_t input_tokens; /* not counting cached ones */
    int64_t output_tokens;
    int64_t cache_read_tokens, cache_write_tokens;
    int64_t cache_hour_tokens; /* of those written: kept for an hour, which costs more */
    double cost_usd;
    bool cost_is_estimate; /* no price known for the model, or usage was missing */
};
void llm_usage_add(struct llm_usage *to, const struct llm_usage *from);

/* How much a model is to think. X(NAME, "name") */
/* clang-format off */
#define LLM_EFFORT_TABLE(X)                                                                        \
    X(AUTO, "auto")                                                                                \
    X(MAX, "max")                                                                                  \
    X(HIGH, "high")                                                                                \
    X(MEDIUM, "medium")                                                                            \
    X(LOW, "low")
/* clang-format on */
enum llm_effort {
#define X(name, text) LLM_EFFORT_##name,
    LLM_EFFORT_TABLE(X)
#undef X
};
bool llm_effort_from(const char *name, enum llm_effort *out);

/* How long a provider is asked to keep the beginning of a conversation for the next call (those
 * that do it unasked are not asked). X(NAME, "name in spacebot.conf") */
/* clang-format off */
#define LLM_CACHE_TABLE(X)                                                                         \
    X(SHORT, "short")                                                                              \
    X(LONG, "long")                                                                                \
    X(NONE, "none")
/* clang-format on */
enum llm_cache {
#define X(name, text) LLM_CACHE_##name,
    LLM_CACHE_TABLE(X)
#undef X
};
bool llm_cache_from(const char *name, enum llm_cache *out);

struct llm_tool {
    const char *name, *description;
    const char *schema; /* JSON text of the input schema: an object */
};

/* Who keeps what is sent and what comes back. */
struct llm_response;
struct llm_error;
struct llm_tap {
    /* A request of so many bytes is about to be sent: all lent; what is secret in the headers is
     * not in them. `of` is the request's. Returns by what the rest is told; 0: it wants to know no
     * more.
     */
    int64_t (*sent)(void *arg, const void *of, const char *model, const char *url,
                    const struct strv *headers, size_t bytes);
    /* The request's bytes, which nobody needs any more: theirs to free. Once, before or after its
     * end, and perhaps as late as with the client's own end. */
    void (*spent)(void *arg, int64_t n, char *body, size_t bytes);
    /* How it ended. e: why there is no answer, NULL: there is. r: the answer, and what came of one
     * before it failed or was cancelled; NULL: nothing did. `body`: of what came and is no stream,
     * "" where nothing did. */
    void (*ended)(void *arg, int64_t n, int status, const struct llm_response *r,
                  const struct llm_error *e, const char *body);
    void *arg;
};

struct llm_request {
    const char *model; /* "provider/model"; without a slash the provider is anthropic */
    const char *system;
    const struct llm_history *history; /* ends with a user message */
    const struct llm_tool *tools;
    size_t ntools;
    int max_tokens;            /* 0: 16000 */
    enum llm_effort effort;    /* models that cannot be told are not told */
    const struct llm_tap *tap; /* lent for the call's life; NULL: none */
    const void *tapped;        /* lent: whose request it is, for the tap */
};

struct llm_response {
    struct llm_message message; /* role assistant; may be moved out (zero it) */
    enum llm_stop stop;
    struct llm_usage usage;
    struct llm_rate rate;
    char model[96]; /* what the provider says it was */
};

struct llm_error {
    enum llm_fault fault;
    int http_status;        /* 0 when none */
    int64_t retry_after_ms; /* -1 when not told; of a 429 else when the rate says there is more */
    struct llm_rate rate;
    bool delivered;         /* some text or tool input had been passed on before it failed */
    struct llm_usage usage; /* what was used all the same */
    char model[96];         /* what the provider said it was; "" when it has not said */
    char text[512];         /* for a person: "anthropic: overloaded (529)"; no newline, no secret */
};

/* All on the loop's thread, never from inside llm_call_start(); any but done and error may be NULL.
 * Exactly one of done and error is the last callback; none comes after llm_call_cancel(). Strings
 * are lent, valid UTF-8 at every piece (a character split across chunks is held back). */
struct llm_events {
    void (*on_text)(void *arg, const char *text, size_t n);
    void (*on_thinking)(void *arg, const char *text, size_t n);
    /* index: the block's place in the response's message */
    void (*on_tool_start)(void *arg, size_t index, const char *id, const char *name);
    void (*on_tool_input)(void *arg, size_t index, const char *fragment, size_t n);
    void (*on_bytes)(void *arg); /* anything arrived: the sign of life */
    void (*on_done)(void *arg, struct llm_response *r);
    void (*on_error)(void *arg, const struct llm_error *e);
};

struct llm_provider {
    const char *id; /* "anthropic" */
    enum provider_api api;
    const char *base_url; /* where the API's path begins with it a trailing /v1 is dropped */
    const char *api_key;  /* NULL: none */
    bool keyless;         /* none is needed: a server on this machine */
    const char *socket;   /* a UNIX socket where it is, whatever base_url says; NULL: none */
    const char *deployment, *api_version; /* of Azure; NULL: the model's name, the usual one */
};

struct llm_config {
    const struct llm_provider *providers; /* copied; keys in memory that is wiped at the end */
    size_t nproviders;
    int silence_secs; /* 300 */
    int connect_secs; /* 30 */
    int call_secs;    /* for a whole call; 1800 */
    enum llm_cache cache;
    /* NULL: what the environment says (https_proxy, no_proxy, SSL_CERT_FILE, SSL_CERT_DIR). */
    const char *proxy, *no_proxy, *ca_file;
    const char *user_agent;
};

struct llm;
struct llm_call;
/* curl is initialised at the first call, not here (start-up is mostly dynamic linking). */
struct llm *llm_new(struct loop *l, const struct llm_config *config);
/* Ends every call without callback. Not from a callback of a call. */
void llm_free(struct llm **llm);
bool llm_has_provider(const struct llm *llm,
                      const char *model); /* configured, with key if it needs one */

/* Copies what it needs of the request. Errors come by on_error. Never NULL. */
struct llm_call *llm_call_start(struct llm *llm, const struct llm_request *r,
                                const struct llm_events *ev, void *arg);
/* What a call under way has used so far: what the provider has said of it, and a guess of the rest,
 * marked as an estimate (bytes of text and of the request at four a token). A request that has left
 * as a whole and is not answered yet has used its input: providers count from when they read it.
 * *model: what the provider says it is, lent; "" when it has not said. */
void llm_call_used(const struct llm_call *c, struct llm_usage *out, const char **model);
/* Under 50 ms also while a name is being resolved. NULL is fine; sets NULL. */
void llm_call_cancel(struct llm_call **c);
size_t llm_calls_open(const struct llm *llm);
/* What the model's provider last said is left, of any of its calls for that model; false: nothing
 * yet. */
bool llm_rate(const struct llm *llm, const char *model, struct llm_rate *out);

#endif
