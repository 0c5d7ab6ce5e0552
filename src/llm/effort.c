/* effort: names of models, read. */
#include "llm/effort.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

bool llm_effort_from(const char *name, enum llm_effort *out) {
#define X(effort, text)                                                                            \
    if (str_eq(name, text)) {                                                                      \
        *out = LLM_EFFORT_##effort;                                                                \
        return true;                                                                               \
    }
    LLM_EFFORT_TABLE(X)
#undef X
    return false;
}

bool llm_cache_from(const char *name, enum llm_cache *out) {
#define X(cache, text)                                                                             \
    if (str_eq(name, text)) {                                                                      \
        *out = LLM_CACHE_##cache;                                                                  \
        return true;                                                                               \
    }
    LLM_CACHE_TABLE(X)
#undef X
    return false;
}

static const char *name_of(enum llm_effort effort) {
    switch (effort) {
#define X(name, text)                                                                              \
    case LLM_EFFORT_##name:                                                                        \
        return text;
        LLM_EFFORT_TABLE(X)
#undef X
    }
    return "?";
}

const char *effort_bare(const char *model) {
    const char *slash = strrchr(model, '/');
    return slash ? slash + 1 : model;
}

/* "4-6", "5.2", "5" as 406, 502, 500; 0 when it is no version. What follows may be a date or words.
 */
static long version(const char *s) {
    char *end;
    if (*s < '0' || *s > '9')
        return 0;
    long major = strtol(s, &end, 10), minor = 0;
    if (major >= 100)
        return 0;
    if ((*end == '-' || *end == '.') && end[1] >= '0' && end[1] <= '9')
        minor = strtol(end + 1, NULL, 10);
    return major * 100 + (minor < 100 ? minor : 0);
}

const char *effort_claude(const char *model, enum llm_effort effort) {
    const char *name = effort_bare(model);
    bool opus = str_prefix(name, "claude-opus-");
    if (!opus && !str_prefix(name, "claude-sonnet-"))
        return NULL;
    if (version(strchr(name + strlen("claude-"), '-') + 1) < 406)
        return NULL;
    if (effort == LLM_EFFORT_AUTO)
        return opus ? "max" : "high";
    /* Only Opus knows "max": others answer it with an error. */
    return effort == LLM_EFFORT_MAX && !opus ? "high" : name_of(effort);
}

/* "o3", "o4-mini": a letter and one digit. */
static bool is_o_series(const char *name) {
    return name[0] == 'o' && name[1] >= '1' && name[1] <= '9' && (!name[2] || name[2] == '-');
}

bool effort_reasons(const char *model) {
    static const char *const families[] = {"gpt-5",       "gpt-oss",    "codex-",
                                           "grok-3-mini", "gemini-2.5", "gemini-3"};
    const char *name = effort_bare(model);
    if (strstr(name, "-chat"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (str_prefix(name, families[i]))
            return true;
    return is_o_series(name);
}

const char *effort_openai(const char *model, enum llm_effort effort) {
    const char *name = effort_bare(model);
    if (effort == LLM_EFFORT_AUTO || !effort_reasons(model))
        return NULL;
    if (effort != LLM_EFFORT_MAX)
        return name_of(effort);
    return str_prefix(name, "gpt-") && version(name + strlen("gpt-")) >= 502 ? "xhigh" : "high";
}
