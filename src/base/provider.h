/* provider: the providers that are known by name. One table, for all who read a key, hide one, or
 * tell people how to set one. */
#ifndef BASE_PROVIDER_H
#define BASE_PROVIDER_H

/* X("id", "wire format", "key variable", "base URL variable", "usual base URL",
 *   "model that thinks", "model that works")
 * The models as of November 2026; NULL where what there is must be asked of the server itself. The
 * order is that of preference where several have a key. */
#define PROVIDER_TABLE(X)                                                                          \
    X("anthropic", "anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL",                         \
      "https://api.anthropic.com", "anthropic/claude-sonnet-5-5", "anthropic/claude-haiku-5-5")    \
    X("openai", "openai_completions", "OPENAI_API_KEY", "OPENAI_BASE_URL",                         \
      "https://api.openai.com", "openai/gpt-5.2", "openai/gpt-5-mini")                             \
    X("openrouter", "openai_completions", "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL",             \
      "https://openrouter.ai/api", "openrouter/openrouter/auto", "openrouter/openrouter/auto")     \
    X("ollama", "openai_completions", "OLLAMA_API_KEY", "OLLAMA_HOST", PROVIDER_OLLAMA_URL, NULL,  \
      NULL)
#define PROVIDER_OLLAMA_URL "http://127.0.0.1:11434"

/* For people: the variables of those that need a key, one of which connects a model. */
#define PROVIDER_KEYS_TEXT "ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENROUTER_API_KEY"

/* Servers that are looked for on this machine where no provider is connected: X("id", "usual base
 * URL"). Both speak Chat Completions and need no key. */
#define PROVIDER_LOCAL_TABLE(X)                                                                    \
    X("ollama", PROVIDER_OLLAMA_URL)                                                               \
    X("llamacpp", "http://127.0.0.1:8080")

#endif
