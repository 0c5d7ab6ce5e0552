/* provider: the providers that are known by name, and their models. Two tables, for all who read a
 * key, hide one, speak to a provider, name a default model or reckon what it costs: whoever wants
 * other defaults or other prices edits a row here and nothing else. */
#ifndef BASE_PROVIDER_H
#define BASE_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>

/* Wire formats, by their names in spacebot.conf. X(NAME, "name", "what it is, and its path") */
#define PROVIDER_API_TABLE(X)                                                                      \
    X(ANTHROPIC, "anthropic", "Messages at /v1/messages")                                          \
    X(OPENAI_COMPLETIONS, "openai_completions", "Chat Completions at /v1/chat/completions")        \
    X(OPENAI_CHAT_COMPLETIONS, "openai_chat_completions",                                          \
      "the same at /chat/completions: the base URL has its own version")                           \
    X(OPENAI_RESPONSES, "openai_responses", "Responses at /v1/responses")                          \
    X(AZURE, "azure", "Chat Completions of a deployment of Azure OpenAI")                          \
    X(AZURE_RESPONSES, "azure_responses", "Responses of Azure OpenAI")
enum provider_api {
#define X(name, text, what) PROVIDER_API_##name,
    PROVIDER_API_TABLE(X)
#undef X
};

/* What a server wants otherwise than the plain format. They belong to the address, not to the name:
 * a server of one's own that is reached as "openai" is taken to speak the plain format. */
enum provider_quirk {
    PROVIDER_PLAIN = 0,
    PROVIDER_ATTRIBUTION = 1 << 0,       /* is told which program asks */
    PROVIDER_NO_USAGE_OPTION = 1 << 1,   /* refuses stream_options; usage comes unasked */
    PROVIDER_COMPLETION_TOKENS = 1 << 2, /* max_completion_tokens where others say max_tokens */
    PROVIDER_SHORT_IDS = 1 << 3,         /* ids of calls are nine letters and digits */
    PROVIDER_ECHO_REASONING = 1 << 4,    /* reasoning_content goes back beside calls, any model */
    PROVIDER_EFFORT = 1 << 5,            /* takes reasoning_effort */
    PROVIDER_EFFORT_OBJECT = 1 << 6,     /* takes reasoning: {"effort": …} in its place */
    PROVIDER_LONG_CACHE = 1 << 7,        /* keeps a cached prompt for an hour when asked to */
    PROVIDER_NO_LIST = 1 << 8,           /* tells nobody which models it has */
};

/* X("id", "display name", API, "key variable", "base URL variable", "usual base URL", quirks)
 * The order is that of preference where several have a key. Azure has no usual address: each
 * resource has its own. Ollama needs no key. Addresses as of November 2026. */
#define PROVIDER_TABLE(X)                                                                          \
    X("anthropic", "Anthropic", ANTHROPIC, "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL",              \
      "https://api.anthropic.com", PROVIDER_LONG_CACHE)                                            \
    X("openai", "OpenAI", OPENAI_COMPLETIONS, "OPENAI_API_KEY", "OPENAI_BASE_URL",                 \
      "https://api.openai.com", PROVIDER_COMPLETION_TOKENS | PROVIDER_EFFORT)                      \
    X("openrouter", "OpenRouter", OPENAI_COMPLETIONS, "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL", \
      "https://openrouter.ai/api", PROVIDER_ATTRIBUTION | PROVIDER_EFFORT_OBJECT)                  \
    X("gemini", "Google Gemini", OPENAI_CHAT_COMPLETIONS, "GEMINI_API_KEY", "GEMINI_BASE_URL",     \
      "https://generativelanguage.googleapis.com/v1beta/openai", PROVIDER_EFFORT)                  \
    X("xai", "xAI", OPENAI_COMPLETIONS, "XAI_API_KEY", "XAI_BASE_URL", "https://api.x.ai",         \
      PROVIDER_EFFORT)                                                                             \
    X("deepseek", "DeepSeek", OPENAI_COMPLETIONS, "DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL",         \
      "https://api.deepseek.com", PROVIDER_ECHO_REASONING)                                         \
    X("mistral", "Mistral", OPENAI_COMPLETIONS, "MISTRAL_API_KEY", "MISTRAL_BASE_URL",             \
      "https://api.mistral.ai", PROVIDER_NO_USAGE_OPTION | PROVIDER_SHORT_IDS)                     \
    X("moonshot", "Moonshot", OPENAI_COMPLETIONS, "MOONSHOT_API_KEY", "MOONSHOT_BASE_URL",         \
      "https://api.moonshot.ai", PROVIDER_ECHO_REASONING)                                          \
    X("zhipu", "Z.ai (GLM)", OPENAI_CHAT_COMPLETIONS, "ZHIPU_API_KEY", "ZHIPU_BASE_URL",           \
      "https://api.z.ai/api/paas/v4", PROVIDER_ECHO_REASONING)                                     \
    X("zai-coding-plan", "Z.ai coding plan", OPENAI_CHAT_COMPLETIONS, "ZAI_CODING_PLAN_API_KEY",   \
      "ZAI_CODING_PLAN_BASE_URL", "https://api.z.ai/api/coding/paas/v4", PROVIDER_ECHO_REASONING)  \
    X("minimax", "MiniMax", ANTHROPIC, "MINIMAX_API_KEY", "MINIMAX_BASE_URL",                      \
      "https://api.minimax.io/anthropic", PROVIDER_NO_LIST)                                        \
    X("minimax-cn", "MiniMax (China)", ANTHROPIC, "MINIMAX_CN_API_KEY", "MINIMAX_CN_BASE_URL",     \
      "https://api.minimaxi.com/anthropic", PROVIDER_NO_LIST)                                      \
    X("groq", "Groq", OPENAI_COMPLETIONS, "GROQ_API_KEY", "GROQ_BASE_URL",                         \
      "https://api.groq.com/openai", PROVIDER_COMPLETION_TOKENS | PROVIDER_EFFORT)                 \
    X("together", "Together", OPENAI_COMPLETIONS, "TOGETHER_API_KEY", "TOGETHER_BASE_URL",         \
      "https://api.together.xyz", PROVIDER_PLAIN)                                                  \
    X("fireworks", "Fireworks", OPENAI_COMPLETIONS, "FIREWORKS_API_KEY", "FIREWORKS_BASE_URL",     \
      "https://api.fireworks.ai/inference", PROVIDER_PLAIN)                                        \
    X("nvidia", "NVIDIA", OPENAI_COMPLETIONS, "NVIDIA_API_KEY", "NVIDIA_BASE_URL",                 \
      "https://integrate.api.nvidia.com", PROVIDER_PLAIN)                                          \
    X("kilo", "Kilo", OPENAI_CHAT_COMPLETIONS, "KILO_API_KEY", "KILO_BASE_URL",                    \
      "https://api.kilo.ai/api/gateway", PROVIDER_ATTRIBUTION)                                     \
    X("opencode-zen", "OpenCode Zen", OPENAI_COMPLETIONS, "OPENCODE_ZEN_API_KEY",                  \
      "OPENCODE_ZEN_BASE_URL", "https://opencode.ai/zen", PROVIDER_PLAIN)                          \
    X("opencode-go", "OpenCode Go", OPENAI_COMPLETIONS, "OPENCODE_GO_API_KEY",                     \
      "OPENCODE_GO_BASE_URL", "https://opencode.ai/zen/go", PROVIDER_PLAIN)                        \
    X("azure", "Azure OpenAI", AZURE, "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", NULL,       \
      PROVIDER_PLAIN)                                                                              \
    X("ollama", "Ollama", OPENAI_COMPLETIONS, "OLLAMA_API_KEY", "OLLAMA_HOST",                     \
      PROVIDER_OLLAMA_URL, PROVIDER_PLAIN)
#define PROVIDER_OLLAMA_URL "http://127.0.0.1:11434"

/* Azure's version of its API where the config names none: the last one that is generally there, and
 * the last one with a date that has Responses. */
#define PROVIDER_AZURE_VERSION "2024-10-21"
#define PROVIDER_AZURE_RESPONSES_VERSION "2025-04-01-preview"

/* For people: the variables of those that most have a key of. Any of the table connects a model. */
#define PROVIDER_KEYS_TEXT "ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENROUTER_API_KEY"

/* Servers that are looked for on this machine where no provider is connected: X("id", "usual base
 * URL"). Both speak Chat Completions and need no key. */
#define PROVIDER_LOCAL_TABLE(X)                                                                    \
    X("ollama", PROVIDER_OLLAMA_URL)                                                               \
    X("llamacpp", "http://127.0.0.1:8080")

/* What a model is by default: of its provider the one that thinks (channel and branch), the one
 * that works (worker), both, or none of them. */
enum model_use { MODEL_OTHER = 0, MODEL_THINKS = 1, MODEL_WORKS = 2, MODEL_BOTH = 3 };
/* How sure a price is: the maker's list price of this very model; one that is taken from its family
 * or may have changed under the same name; not known at all. */
enum model_price { MODEL_LISTED, MODEL_GUESSED, MODEL_UNKNOWN };

/* X("provider", "model", use, "price as of", how sure, input, output, cache read, cache write)
 * Dollars a million tokens. The model is the whole name, or what stands before a date or "latest".
 * Anthropic's cache writes are those of the five-minute kind (1.25 times input; the one-hour kind
 * costs 2 times input); the others take nothing extra for them. What a long prompt costs more is in
 * MODEL_LONG_TABLE. DeepSeek's are those of its dear hours. The default models are those of
 * November 2026. */
#define MODEL_TABLE(X)                                                                             \
    X("anthropic", "claude-sonnet-5-5", MODEL_THINKS, "2026-10", MODEL_LISTED, 2, 10, 0.1, 2.5)    \
    X("anthropic", "claude-haiku-5-5", MODEL_WORKS, "2026-10", MODEL_LISTED, 0.1, 0.5, 0.01,       \
      0.125)                                                                                       \
    X("anthropic", "claude-opus-5-5", MODEL_OTHER, "2026-10", MODEL_LISTED, 4, 20, 0.4, 5)         \
    X("anthropic", "claude-opus-5", MODEL_OTHER, "2026-11", MODEL_GUESSED, 5, 25, 0.5, 6.25)       \
    X("anthropic", "claude-opus-4-8", MODEL_OTHER, "2026-05", MODEL_GUESSED, 5, 25, 0.5, 6.25)     \
    X("anthropic", "claude-opus-4-7", MODEL_OTHER, "2026-05", MODEL_GUESSED, 5, 25, 0.5, 6.25)     \
    X("anthropic", "claude-sonnet-5", MODEL_OTHER, "2026-11", MODEL_GUESSED, 2, 10, 0.2, 2.5)      \
    X("anthropic", "claude-opus-4-6", MODEL_OTHER, "2026-02", MODEL_LISTED, 5, 25, 0.5, 6.25)      \
    X("anthropic", "claude-opus-4-5", MODEL_OTHER, "2025-11", MODEL_LISTED, 5, 25, 0.5, 6.25)      \
    X("anthropic", "claude-opus-4-1", MODEL_OTHER, "2025-08", MODEL_LISTED, 15, 75, 1.5, 18.75)    \
    X("anthropic", "claude-opus-4", MODEL_OTHER, "2025-05", MODEL_LISTED, 15, 75, 1.5, 18.75)      \
    X("anthropic", "claude-sonnet-4-6", MODEL_OTHER, "2026-02", MODEL_LISTED, 3, 15, 0.3, 3.75)    \
    X("anthropic", "claude-sonnet-4-5", MODEL_OTHER, "2025-09", MODEL_LISTED, 3, 15, 0.3, 3.75)    \
    X("anthropic", "claude-sonnet-4", MODEL_OTHER, "2025-05", MODEL_LISTED, 3, 15, 0.3, 3.75)      \
    X("anthropic", "claude-haiku-4-5", MODEL_OTHER, "2025-10", MODEL_LISTED, 1, 5, 0.1, 1.25)      \
    X("anthropic", "claude-3-7-sonnet", MODEL_OTHER, "2025-02", MODEL_LISTED, 3, 15, 0.3, 3.75)    \
    X("anthropic", "claude-3-5-sonnet", MODEL_OTHER, "2024-10", MODEL_LISTED, 3, 15, 0.3, 3.75)    \
    X("anthropic", "claude-3-5-haiku", MODEL_OTHER, "2024-12", MODEL_LISTED, 0.8, 4, 0.08, 1)      \
    X("anthropic", "claude-3-opus", MODEL_OTHER, "2024-03", MODEL_LISTED, 15, 75, 1.5, 18.75)      \
    X("anthropic", "claude-3-haiku", MODEL_OTHER, "2024-03", MODEL_LISTED, 0.25, 1.25, 0.03, 0.3)  \
    X("openai", "gpt-5.2", MODEL_THINKS, "2026-03", MODEL_GUESSED, 1.75, 14, 0.175, 1.75)          \
    X("openai", "gpt-5-mini", MODEL_WORKS, "2026-11", MODEL_GUESSED, 0.25, 2, 0.025, 0.25)         \
    X("openai", "gpt-5.5", MODEL_OTHER, "2026-11", MODEL_GUESSED, 5, 30, 0.5, 5)                   \
    X("openai", "gpt-5.4", MODEL_OTHER, "2026-11", MODEL_GUESSED, 2.5, 15, 0.25, 2.5)              \
    X("openai", "gpt-5.4-mini", MODEL_OTHER, "2026-11", MODEL_GUESSED, 0.75, 4.5, 0.075, 0.75)     \
    X("openai", "gpt-5.4-nano", MODEL_OTHER, "2026-11", MODEL_GUESSED, 0.2, 1.25, 0.02, 0.2)       \
    X("openai", "gpt-5.1", MODEL_OTHER, "2025-11", MODEL_GUESSED, 1.25, 10, 0.125, 1.25)           \
    X("openai", "gpt-5-nano", MODEL_OTHER, "2025-08", MODEL_GUESSED, 0.05, 0.4, 0.005, 0.05)       \
    X("openai", "gpt-5", MODEL_OTHER, "2025-08", MODEL_GUESSED, 1.25, 10, 0.125, 1.25)             \
    X("openai", "gpt-4.1-mini", MODEL_OTHER, "2025-04", MODEL_GUESSED, 0.4, 1.6, 0.1, 0.4)         \
    X("openai", "gpt-4.1-nano", MODEL_OTHER, "2025-04", MODEL_GUESSED, 0.1, 0.4, 0.025, 0.1)       \
    X("openai", "gpt-4.1", MODEL_OTHER, "2025-04", MODEL_GUESSED, 2, 8, 0.5, 2)                    \
    X("openai", "gpt-4o-mini", MODEL_OTHER, "2024-07", MODEL_GUESSED, 0.15, 0.6, 0.075, 0.15)      \
    X("openai", "gpt-4o", MODEL_OTHER, "2024-10", MODEL_GUESSED, 2.5, 10, 1.25, 2.5)               \
    X("openai", "o4-mini", MODEL_OTHER, "2025-04", MODEL_GUESSED, 1.1, 4.4, 0.275, 1.1)            \
    X("openai", "o3", MODEL_OTHER, "2025-06", MODEL_GUESSED, 2, 8, 0.5, 2)                         \
    X("openai", "gpt-4o-transcribe", MODEL_OTHER, "2026-11", MODEL_GUESSED, 2.5, 10, 2.5, 2.5)     \
    X("openai", "gpt-4o-mini-transcribe", MODEL_OTHER, "2026-11", MODEL_GUESSED, 1.25, 5, 1.25,    \
      1.25)                                                                                        \
    X("openrouter", "openrouter/auto", MODEL_BOTH, "", MODEL_UNKNOWN, 0, 0, 0, 0)                  \
    X("gemini", "gemini-2.5-pro", MODEL_THINKS, "2025-06", MODEL_GUESSED, 1.25, 10, 0.125, 1.25)   \
    X("gemini", "gemini-2.5-flash", MODEL_WORKS, "2025-06", MODEL_GUESSED, 0.3, 2.5, 0.03, 0.3)    \
    X("xai", "grok-4", MODEL_THINKS, "2025-07", MODEL_GUESSED, 3, 15, 0.75, 3)                     \
    X("xai", "grok-4-fast", MODEL_WORKS, "2025-09", MODEL_GUESSED, 0.2, 0.5, 0.05, 0.2)            \
    X("deepseek", "deepseek-v4-pro", MODEL_BOTH, "2026-10", MODEL_GUESSED, 1.32, 3.96, 0.044,      \
      1.32)                                                                                        \
    X("deepseek", "deepseek-flash", MODEL_OTHER, "2026-10", MODEL_GUESSED, 0.3, 1.2, 0.006, 0.3)   \
    X("mistral", "mistral-large-latest", MODEL_THINKS, "2025-12", MODEL_GUESSED, 0.5, 1.5, 0.5,    \
      0.5)                                                                                         \
    X("mistral", "mistral-small-latest", MODEL_WORKS, "2025-12", MODEL_GUESSED, 0.1, 0.3, 0.1,     \
      0.1)                                                                                         \
    X("moonshot", "kimi-k2.6", MODEL_BOTH, "2026-06", MODEL_GUESSED, 0.95, 4, 0.19, 0.95)          \
    X("moonshot", "kimi-k2.5", MODEL_OTHER, "2026-01", MODEL_GUESSED, 0.6, 3, 0.1, 0.6)            \
    X("zhipu", "glm-4.7", MODEL_THINKS, "2025-12", MODEL_GUESSED, 0.6, 2.2, 0.11, 0.6)             \
    X("zhipu", "glm-4.5-air", MODEL_WORKS, "2025-07", MODEL_GUESSED, 0.2, 1.1, 0.03, 0.2)          \
    X("zai-coding-plan", "glm-4.7", MODEL_BOTH, "", MODEL_UNKNOWN, 0, 0, 0, 0)                     \
    X("minimax", "MiniMax-M2.5", MODEL_BOTH, "2026-02", MODEL_GUESSED, 0.3, 1.2, 0.03, 0.375)      \
    X("minimax-cn", "MiniMax-M2.5", MODEL_BOTH, "2026-02", MODEL_GUESSED, 0.3, 1.2, 0.03, 0.375)   \
    X("groq", "openai/gpt-oss-120b", MODEL_THINKS, "2025-10", MODEL_GUESSED, 0.15, 0.6, 0.075,     \
      0.15)                                                                                        \
    X("groq", "openai/gpt-oss-20b", MODEL_WORKS, "2025-10", MODEL_GUESSED, 0.075, 0.3, 0.0375,     \
      0.075)                                                                                       \
    X("together", "openai/gpt-oss-120b", MODEL_BOTH, "2025-10", MODEL_GUESSED, 0.15, 0.6, 0.15,    \
      0.15)                                                                                        \
    X("fireworks", "accounts/fireworks/models/gpt-oss-120b", MODEL_BOTH, "2025-10", MODEL_GUESSED, \
      0.15, 0.6, 0.075, 0.15)                                                                      \
    X("nvidia", "openai/gpt-oss-120b", MODEL_BOTH, "", MODEL_UNKNOWN, 0, 0, 0, 0)                  \
    X("kilo", "anthropic/claude-sonnet-4.5", MODEL_BOTH, "2025-09", MODEL_GUESSED, 3, 15, 0.3,     \
      3.75)                                                                                        \
    X("opencode-zen", "kimi-k2.5", MODEL_BOTH, "2026-01", MODEL_GUESSED, 0.6, 3, 0.1, 0.6)         \
    X("opencode-go", "kimi-k2.5", MODEL_BOTH, "", MODEL_UNKNOWN, 0, 0, 0, 0)

/* Models of which everything costs so many times as much when the prompt, cached parts included,
 * has more than so many tokens: X("provider", "model", tokens, times) */
#define MODEL_LONG_TABLE(X) X("anthropic", "claude-haiku-5-5", 100000, 5)

/* What a family cost last, for names that are not above: always a guess. */
#define MODEL_FAMILY_TABLE(X)                                                                      \
    X("anthropic", "claude-opus", MODEL_OTHER, "2026-11", MODEL_GUESSED, 5, 25, 0.5, 6.25)         \
    X("anthropic", "claude-sonnet", MODEL_OTHER, "2026-02", MODEL_GUESSED, 3, 15, 0.3, 3.75)       \
    X("anthropic", "claude-haiku", MODEL_OTHER, "2025-10", MODEL_GUESSED, 1, 5, 0.1, 1.25)         \
    X("openai", "gpt-5", MODEL_OTHER, "2025-12", MODEL_GUESSED, 1.75, 14, 0.175, 1.75)

/* Models that turn speech into text and are paid by its length: X("provider", "model", "price as
 * of", how sure, dollars a minute). Those that are paid by tokens are in the table above. */
#define SPEECH_TABLE(X)                                                                            \
    X("openai", "whisper-1", "2026-11", MODEL_LISTED, 0.006)                                       \
    X("groq", "whisper-large-v3", "2026-05", MODEL_GUESSED, 0.00185)                               \
    X("groq", "whisper-large-v3-turbo", "2026-05", MODEL_GUESSED, 0.000667)                        \
    X("mistral", "voxtral-mini-latest", "2025-07", MODEL_GUESSED, 0.002)

/* ---- the tables as data ---- */

struct provider_info {
    const char *id, *name;
    enum provider_api api;
    const char *key_var, *url_var, *url; /* url: NULL where each has its own */
    unsigned quirks;
};
/* In the order of preference. */
extern const struct provider_info provider_infos[];
extern const size_t provider_ninfos;

/* NULL: not known by that name. */
const struct provider_info *provider_find(const char *id);
/* The provider's default model for a use (THINKS or WORKS) as "provider/model"; NULL where what
 * there is must be asked of the server itself. */
const char *provider_default_model(const char *id, enum model_use use);
/* The same where it stands, for who wants a list of one. */
const char *const *provider_default_slot(const char *id, enum model_use use);
/* The quirks of the server at this base URL: PROVIDER_PLAIN for one that is nobody's we know. */
unsigned provider_quirks(const char *base_url);

const char *provider_api_name(enum provider_api api);
/* False: there is none of that name. */
bool provider_api_from(const char *name, enum provider_api *out);
/* Whether the path of this format begins with the version, so that a base URL that ends with it
 * says it twice. */
bool provider_api_has_version(enum provider_api api);
/* Whether it is Azure's: deployments, a version in the address, a header of its own for the key. */
bool provider_api_is_azure(enum provider_api api);

#endif
