/* check: see check.h. One function for each part of a request; `path` names the place as the API
 * does. */
#include "check.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define PATH_MAX_LEN 96

/* What one request has used so far. */
struct seen {
    int cache_marks;
    bool any_tool_block;
    bool has_tools;
    bool thinking; /* switched on */
};

static bool fail(struct cause *why, const char *path, const char *what) {
    cause_set(why, STATUS_INVALID, "%s: %s", path, what);
    return false;
}

static bool one_of(const char *s, const char *const *names) {
    for (; *names; names++)
        if (strcmp(*names, s) == 0)
            return true;
    return false;
}

/* Every member of `obj` is one of `names`. */
static bool only_keys(const cJSON *obj, const char *const *names, const char *path,
                      struct cause *why) {
    const cJSON *it;
    cJSON_ArrayForEach(it, obj) {
        if (one_of(it->string, names))
            continue;
        cause_set(why, STATUS_INVALID, "%s%s%s: Extra inputs are not permitted", path,
                  *path ? "." : "", it->string);
        return false;
    }
    return true;
}

static bool is_blank(const char *s) {
    while (*s && isspace((unsigned char)*s))
        s++;
    return !*s;
}

static bool valid_name(const char *s, size_t max) {
    size_t n = strlen(s);
    if (n == 0 || n > max)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
            return false;
    return true;
}

void check_signature(const char *thinking, char out[CHECK_SIGNATURE_SIZE]) {
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *p = thinking; *p; p++)
        h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
    snprintf(out, CHECK_SIGNATURE_SIZE, "EqQB%016llx==", (unsigned long long)h);
}

static bool check_cache_control(const cJSON *block, const char *path, struct seen *seen,
                                struct cause *why) {
    const cJSON *mark = cJSON_GetObjectItemCaseSensitive(block, "cache_control");
    if (!mark || cJSON_IsNull(mark))
        return true;
    const char *ttl = json_str(mark, "ttl", "5m");
    if (strcmp(json_str(mark, "type", ""), "ephemeral") != 0 ||
        (strcmp(ttl, "5m") != 0 && strcmp(ttl, "1h") != 0))
        return fail(why, path, "cache_control: Input should be {\"type\":\"ephemeral\"}");
    if (++seen->cache_marks > 4) {
        cause_set(why, STATUS_INVALID,
                  "A maximum of 4 blocks with cache_control may be provided. Found %d.",
                  seen->cache_marks);
        return false;
    }
    return true;
}

static bool check_text(const cJSON *block, const char *path, struct seen *seen, struct cause *why) {
    static const char *const keys[] = {"type", "text", "cache_control", "citations", NULL};
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(block, "text");
    if (!cJSON_IsString(text))
        return fail(why, path, "text.text: Field required");
    if (!*text->valuestring)
        return fail(why, path, "text content blocks must be non-empty");
    if (is_blank(text->valuestring))
        return fail(why, path, "text content blocks must contain non-whitespace text");
    return only_keys(block, keys, path, why) && check_cache_control(block, path, seen, why);
}

static bool check_thinking(const cJSON *block, const char *path, struct cause *why) {
    static const char *const keys[] = {"type", "thinking", "signature", NULL};
    const char *text = json_str(block, "thinking", NULL);
    const char *signature = json_str(block, "signature", NULL);
    if (!text)
        return fail(why, path, "thinking.thinking: Field required");
    if (!signature)
        return fail(why, path, "thinking.signature: Field required");
    char want[CHECK_SIGNATURE_SIZE];
    check_signature(text, want);
    if (strcmp(want, signature) != 0)
        return fail(why, path, "Invalid `signature` in `thinking` block");
    return only_keys(block, keys, path, why);
}

static bool check_tool_use(const cJSON *block, const char *path, struct seen *seen,
                           struct cause *why) {
    static const char *const keys[] = {"type", "id", "name", "input", "cache_control", NULL};
    if (!valid_name(json_str(block, "id", ""), 256))
        return fail(why, path, "tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
    if (!valid_name(json_str(block, "name", ""), 200))
        return fail(why, path,
                    "tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,200}$'");
    if (!json_obj(block, "input"))
        return fail(why, path, "tool_use.input: Input should be a valid dictionary");
    seen->any_tool_block = true;
    return only_keys(block, keys, path, why) && check_cache_control(block, path, seen, why);
}

static bool check_tool_result(const cJSON *block, const char *path, struct seen *seen,
                              struct cause *why) {
    static const char *const keys[] = {"type",     "tool_use_id",   "content",
                                       "is_error", "cache_control", NULL};
    static const char *const inner[] = {"text", "image", "document", NULL};
    if (!valid_name(json_str(block, "tool_use_id", ""), 256))
        return fail(why, path, "tool_result.tool_use_id: Field required");
    const cJSON *is_error = cJSON_GetObjectItemCaseSensitive(block, "is_error");
    if (is_error && !cJSON_IsBool(is_error))
        return fail(why, path, "tool_result.is_error: Input should be a valid boolean");
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(block, "content"), *it;
    if (content && !cJSON_IsString(content) && !cJSON_IsArray(content))
        return fail(why, path, "tool_result.content: Input should be a valid string or list");
    if (cJSON_IsTrue(is_error) &&
        (!content || (cJSON_IsString(content) && !*content->valuestring) ||
         (cJSON_IsArray(content) && !cJSON_GetArraySize(content))))
        return fail(why, path, "tool_result: content cannot be empty if `is_error` is true");
    if (cJSON_IsArray(content)) {
        cJSON_ArrayForEach(it, content) {
            const char *type = json_str(it, "type", "");
            if (!one_of(type, inner))
                return fail(why, path, "tool_result.content: unknown block type");
            if (strcmp(type, "text") == 0 && !check_text(it, path, seen, why))
                return false;
        }
    }
    seen->any_tool_block = true;
    return only_keys(block, keys, path, why) && check_cache_control(block, path, seen, why);
}

static bool check_block(const cJSON *block, bool assistant, const char *path, struct seen *seen,
                        struct cause *why) {
    static const char *const user_only[] = {"tool_result", "image", "document", NULL};
    static const char *const assistant_only[] = {"thinking", "redacted_thinking", "tool_use", NULL};
    const char *type = json_str(block, "type", NULL);
    if (!cJSON_IsObject(block) || !type)
        return fail(why, path, "type: Field required");
    if (one_of(type, assistant ? user_only : assistant_only)) {
        cause_set(why, STATUS_INVALID, "%s: `%s` blocks can only be in `%s` messages", path, type,
                  assistant ? "user" : "assistant");
        return false;
    }
    if (strcmp(type, "text") == 0)
        return check_text(block, path, seen, why);
    if (strcmp(type, "thinking") == 0)
        return check_thinking(block, path, why);
    if (strcmp(type, "redacted_thinking") == 0)
        return json_str(block, "data", NULL) ||
               fail(why, path, "redacted_thinking.data: Field required");
    if (strcmp(type, "tool_use") == 0)
        return check_tool_use(block, path, seen, why);
    if (strcmp(type, "tool_result") == 0)
        return check_tool_result(block, path, seen, why);
    if (strcmp(type, "image") == 0 || strcmp(type, "document") == 0)
        return json_obj(block, "source") || fail(why, path, "source: Field required");
    cause_set(why, STATUS_INVALID,
              "%s: Input tag '%.40s' found does not match any of the expected tags", path, type);
    return false;
}

static bool check_message(const cJSON *m, int index, struct seen *seen, struct cause *why) {
    static const char *const keys[] = {"role", "content", NULL};
    char path[PATH_MAX_LEN];
    snprintf(path, sizeof(path), "messages.%d", index);
    const char *role = json_str(m, "role", NULL);
    if (!role)
        return fail(why, path, "role: Field required");
    bool assistant = strcmp(role, "assistant") == 0;
    if (!assistant && strcmp(role, "user") != 0)
        return fail(why, path, "role: Input should be 'user' or 'assistant'");
    if (assistant != (index % 2 == 1))
        return fail(why, path,
                    index == 0 ? "first message must use the \"user\" role"
                               : "roles must alternate between \"user\" and \"assistant\"");
    if (!only_keys(m, keys, path, why))
        return false;
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(m, "content"), *block;
    if (cJSON_IsString(content)) {
        if (is_blank(content->valuestring))
            return fail(why, path, "all messages must have non-empty content");
        return true;
    }
    if (!cJSON_IsArray(content))
        return fail(why, path, "content: Input should be a valid string or list");
    if (cJSON_GetArraySize(content) == 0)
        return fail(why, path, "all messages must have non-empty content");
    int i = 0;
    cJSON_ArrayForEach(block, content) {
        snprintf(path, sizeof(path), "messages.%d.content.%d", index, i++);
        if (!check_block(block, assistant, path, seen, why))
            return false;
    }
    return true;
}

static const cJSON *blocks(const cJSON *message) { return json_arr(message, "content"); }

static bool has_id(const cJSON *message, const char *type, const char *key, const char *id) {
    const cJSON *b;
    cJSON_ArrayForEach(b, blocks(message)) {
        if (strcmp(json_str(b, "type", ""), type) == 0 && strcmp(json_str(b, key, ""), id) == 0)
            return true;
    }
    return false;
}

/* Every call of message i - 1 is answered in message i, first of all there, once, and nothing else
 * is. */
static bool check_pairs(const cJSON *before, const cJSON *m, int i, struct map *ids,
                        struct cause *why) {
    const cJSON *b;
    cJSON_ArrayForEach(b, blocks(before)) {
        const char *id = json_str(b, "id", "");
        if (strcmp(json_str(b, "type", ""), "tool_use") != 0)
            continue;
        if (!m || !has_id(m, "tool_result", "tool_use_id", id)) {
            cause_set(why, STATUS_INVALID,
                      "messages.%d: `tool_use` ids were found without `tool_result` blocks "
                      "immediately after: %.80s. Each `tool_use` block must have a corresponding "
                      "`tool_result` block in the next message.",
                      i - 1, id);
            return false;
        }
    }
    bool other = false;
    cJSON_ArrayForEach(b, blocks(m)) {
        const char *type = json_str(b, "type", "");
        if (strcmp(type, "tool_result") != 0) {
            other = true;
            if (strcmp(type, "tool_use") == 0 && map_put(ids, json_str(b, "id", ""), ids)) {
                cause_set(why, STATUS_INVALID, "messages.%d: `tool_use` ids must be unique", i);
                return false;
            }
            continue;
        }
        const char *id = json_str(b, "tool_use_id", "");
        if (!has_id(before, "tool_use", "id", id)) {
            cause_set(why, STATUS_INVALID,
                      "messages.%d: unexpected `tool_use_id` found in `tool_result` blocks: %.80s. "
                      "Each `tool_result` block must have a corresponding `tool_use` block in the "
                      "previous message.",
                      i, id);
            return false;
        }
        char answered[300];
        snprintf(answered, sizeof(answered), "answered %s", id);
        if (other || map_put(ids, answered, ids)) {
            cause_set(why, STATUS_INVALID,
                      other ? "messages.%d: `tool_result` blocks must come first in the content"
                            : "messages.%d: each tool_use must have a single result",
                      i);
            return false;
        }
    }
    return true;
}

static bool check_messages(const cJSON *messages, struct seen *seen, struct cause *why) {
    if (!cJSON_IsArray(messages))
        return fail(why, "messages", messages ? "Input should be a valid list" : "Field required");
    if (cJSON_GetArraySize(messages) == 0)
        return fail(why, "messages", "at least one message is required");
    struct map *ids = map_new();
    const cJSON *m, *before = NULL;
    int i = 0;
    bool ok = true;
    cJSON_ArrayForEach(m, messages) {
        ok = check_message(m, i, seen, why) && check_pairs(before, m, i, ids, why);
        if (!ok)
            break;
        before = m;
        i++;
    }
    map_free(&ids);
    if (ok && i % 2 == 0)
        return fail(why, "messages",
                    "the conversation must end with a user message (no assistant prefill)");
    /* With thinking on, the turn that tool results continue has to begin with its thinking. */
    if (ok && seen->thinking && i >= 2) {
        const cJSON *turn = cJSON_GetArrayItem(messages, i - 2);
        const char *first = json_str(cJSON_GetArrayItem(blocks(turn), 0), "type", "");
        bool calls = false;
        const cJSON *b;
        cJSON_ArrayForEach(b, blocks(turn)) calls |=
            strcmp(json_str(b, "type", ""), "tool_use") == 0;
        if (calls && strcmp(first, "thinking") != 0 && strcmp(first, "redacted_thinking") != 0)
            return fail(why, "messages",
                        "Expected `thinking` or `redacted_thinking`, found other "
                        "blocks first in the final assistant turn");
    }
    return ok;
}

static bool check_tools(const cJSON *root, struct seen *seen, struct cause *why) {
    static const char *const keys[] = {"type",          "name",   "description", "input_schema",
                                       "cache_control", "strict", NULL};
    const cJSON *tools = cJSON_GetObjectItemCaseSensitive(root, "tools"), *tool;
    if (!tools)
        return true;
    if (!cJSON_IsArray(tools))
        return fail(why, "tools", "Input should be a valid list");
    seen->has_tools = cJSON_GetArraySize(tools) > 0;
    int i = 0;
    cJSON_ArrayForEach(tool, tools) {
        char path[PATH_MAX_LEN];
        snprintf(path, sizeof(path), "tools.%d", i++);
        const char *name = json_str(tool, "name", "");
        if (!valid_name(name, 128))
            return fail(why, path, "name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'");
        for (const cJSON *other = tools->child; other != tool; other = other->next)
            if (strcmp(json_str(other, "name", ""), name) == 0)
                return fail(why, "tools", "Tool names must be unique.");
        const cJSON *schema = json_obj(tool, "input_schema");
        if (!schema)
            return fail(why, path, "input_schema: Field required");
        if (strcmp(json_str(schema, "type", ""), "object") != 0)
            return fail(why, path, "input_schema.type: Input should be 'object'");
        const cJSON *description = cJSON_GetObjectItemCaseSensitive(tool, "description");
        if (description && !cJSON_IsString(description))
            return fail(why, path, "description: Input should be a valid string");
        if (!only_keys(tool, keys, path, why) || !check_cache_control(tool, path, seen, why))
            return false;
    }
    const cJSON *choice = cJSON_GetObjectItemCaseSensitive(root, "tool_choice");
    if (choice) {
        static const char *const types[] = {"auto", "any", "tool", "none", NULL};
        if (!one_of(json_str(choice, "type", ""), types))
            return fail(why, "tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'");
    }
    return true;
}

static bool check_settings(const cJSON *root, struct seen *seen, struct cause *why) {
    const cJSON *max = cJSON_GetObjectItemCaseSensitive(root, "max_tokens");
    if (!max)
        return fail(why, "max_tokens", "Field required");
    if (!cJSON_IsNumber(max) || max->valuedouble < 1 || max->valuedouble > (double)INT32_MAX ||
        max->valuedouble != (double)max->valueint)
        return fail(why, "max_tokens", "Input should be a valid integer greater than 0");
    const cJSON *stream = cJSON_GetObjectItemCaseSensitive(root, "stream");
    if (stream && !cJSON_IsBool(stream))
        return fail(why, "stream", "Input should be a valid boolean");
    double temperature = json_num(root, "temperature", 1.0);
    if (temperature < 0 || temperature > 1)
        return fail(why, "temperature", "range: 0..1");
    const cJSON *thinking = cJSON_GetObjectItemCaseSensitive(root, "thinking");
    if (thinking) {
        const char *type = json_str(thinking, "type", "");
        int64_t budget = json_i64(thinking, "budget_tokens", 0);
        bool on = strcmp(type, "disabled") != 0;
        /* Who adapts it may have done without in the turn before. */
        seen->thinking = strcmp(type, "enabled") == 0;
        if (strcmp(type, "enabled") == 0) {
            if (budget < 1024)
                return fail(why, "thinking.enabled.budget_tokens",
                            "Input should be greater than or equal to 1024");
            if (budget >= json_i64(root, "max_tokens", 0))
                return fail(why, "max_tokens",
                            "`max_tokens` must be greater than "
                            "`thinking.budget_tokens`");
        } else if (strcmp(type, "adaptive") != 0 && strcmp(type, "disabled") != 0) {
            return fail(why, "thinking.type",
                        "Input should be 'enabled', 'adaptive' or 'disabled'");
        }
        if (on && temperature < 1)
            return fail(why, "temperature", "may only be set to 1 when thinking is enabled");
    }
    return true;
}

static bool check_system(const cJSON *root, struct seen *seen, struct cause *why) {
    const cJSON *system = cJSON_GetObjectItemCaseSensitive(root, "system"), *block;
    if (!system || cJSON_IsString(system))
        return true;
    if (!cJSON_IsArray(system))
        return fail(why, "system", "Input should be a valid string or list");
    int i = 0;
    cJSON_ArrayForEach(block, system) {
        char path[PATH_MAX_LEN];
        snprintf(path, sizeof(path), "system.%d", i++);
        if (strcmp(json_str(block, "type", ""), "text") != 0)
            return fail(why, path, "type: Input should be 'text'");
        if (!check_text(block, path, seen, why))
            return false;
    }
    return true;
}

bool check_request(const cJSON *root, struct cause *why) {
    static const char *const keys[] = {
        "model",       "messages",       "max_tokens",         "system",        "tools",
        "tool_choice", "stream",         "temperature",        "top_p",         "top_k",
        "metadata",    "stop_sequences", "thinking",           "service_tier",  "output_config",
        "container",   "mcp_servers",    "context_management", "cache_control", "inference_geo",
        NULL};
    struct seen seen = {0};
    if (!cJSON_IsObject(root))
        return fail(why, "body", "Input should be a valid dictionary");
    if (str_empty(json_str(root, "model", NULL)))
        return fail(why, "model", "Field required");
    if (!only_keys(root, keys, "", why) || !check_settings(root, &seen, why) ||
        !check_system(root, &seen, why) || !check_tools(root, &seen, why) ||
        !check_messages(cJSON_GetObjectItemCaseSensitive(root, "messages"), &seen, why))
        return false;
    if (seen.any_tool_block && !seen.has_tools)
        return fail(why, "tools",
                    "Requests which include `tool_use` or `tool_result` blocks must "
                    "define tools");
    return true;
}
