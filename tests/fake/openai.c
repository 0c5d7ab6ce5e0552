/* openai: see openai.h. First what a request may be, then what an answer looks like. */
#include "openai.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "plan-internal.h"

/* ---- requests ---- */

static bool fail(struct cause *why, const char *path, const char *what) {
    cause_set(why, STATUS_INVALID, "%s: %s", path, what);
    return false;
}

static bool only_keys(const cJSON *obj, const char *const *names, const char *path,
                      struct cause *why) {
    const cJSON *it;
    cJSON_ArrayForEach(it, obj) {
        const char *const *n = names;
        while (*n && strcmp(*n, it->string) != 0)
            n++;
        if (*n)
            continue;
        cause_set(why, STATUS_INVALID, "%s: Unrecognized request argument supplied: %s", path,
                  it->string);
        return false;
    }
    return true;
}

static const cJSON *get(const cJSON *obj, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(obj, key);
}

static bool is_text(const cJSON *it) {
    const char *s = cJSON_IsString(it) ? it->valuestring : "";
    while (*s && isspace((unsigned char)*s))
        s++;
    return *s != '\0';
}

/* A part of a user's content: text, or speech. */
static bool is_part(const cJSON *it) {
    const char *type = json_str(it, "type", "");
    const cJSON *audio = json_obj(it, "input_audio");
    const char *format = json_str(audio, "format", "");
    if (strcmp(type, "text") == 0)
        return is_text(cJSON_GetObjectItemCaseSensitive(it, "text"));
    return strcmp(type, "input_audio") == 0 && *json_str(audio, "data", "") &&
           (strcmp(format, "wav") == 0 || strcmp(format, "mp3") == 0);
}

static bool is_content(const cJSON *it) {
    if (!cJSON_IsArray(it) || !it->child)
        return is_text(it);
    const cJSON *part;
    cJSON_ArrayForEach(part, it) if (!is_part(part)) return false;
    return true;
}

static bool valid_name(const char *s) {
    size_t n = 0;
    for (; s[n]; n++)
        if (!isalnum((unsigned char)s[n]) && s[n] != '_' && s[n] != '-')
            return false;
    return n > 0 && n <= 64;
}

static bool check_call(const cJSON *call, const char *path, struct cause *why) {
    static const char *const keys[] = {"id", "type", "function", NULL};
    static const char *const inner[] = {"name", "arguments", NULL};
    const cJSON *function = json_obj(call, "function"), *other;
    const char *id = json_str(call, "id", ""), *arguments = json_str(function, "arguments", NULL);
    if (!*id)
        return fail(why, path, "tool_calls: Missing required parameter: 'id'");
    if (strcmp(json_str(call, "type", ""), "function") != 0)
        return fail(why, path, "tool_calls: 'type' must be 'function'");
    if (!valid_name(json_str(function, "name", "")))
        return fail(why, path, "tool_calls: function.name must match '^[a-zA-Z0-9_-]{1,64}$'");
    cJSON *tree = NULL;
    bool good = arguments && json_parse(arguments, strlen(arguments), &tree, NULL) == STATUS_OK &&
                cJSON_IsObject(tree);
    cJSON_Delete(tree);
    if (!good)
        return fail(why, path, "tool_calls: function.arguments must be the text of a JSON object");
    for (other = call->next; other; other = other->next)
        if (str_eq(json_str(other, "id", NULL), id))
            return fail(why, path, "tool_calls: duplicate id");
    return only_keys(call, keys, path, why) && only_keys(function, inner, path, why);
}

/* Models of which servers want back beside a call what they thought before it. */
static bool wants_thinking(const char *model) {
    return strstr(model, "k2.5") || strstr(model, "thinking") || strstr(model, "reasoning");
}

static bool check_assistant(const cJSON *m, bool thinks, const char *path, struct cause *why) {
    static const char *const keys[] = {"role", "content", "tool_calls", NULL};
    static const char *const more[] = {"role", "content", "tool_calls", "reasoning_content", NULL};
    const cJSON *content = get(m, "content"), *calls = get(m, "tool_calls"), *call;
    if (calls && (!cJSON_IsArray(calls) || !cJSON_GetArraySize(calls)))
        return fail(why, path, "'tool_calls' must be a non-empty array");
    if (!is_text(content) && !(cJSON_IsNull(content) && calls))
        return fail(why, path, "'content' is required unless 'tool_calls' is given");
    cJSON_ArrayForEach(call, calls) if (!check_call(call, path, why)) return false;
    if (calls && thinks && !is_text(get(m, "reasoning_content")))
        return fail(why, path,
                    "thinking is enabled but reasoning_content is missing in an assistant message "
                    "with tool_calls");
    return only_keys(m, calls && thinks ? more : keys, path, why);
}

/* How many of the assistant message's calls have `id`. */
static bool has_call(const cJSON *assistant, const char *id) {
    const cJSON *call;
    cJSON_ArrayForEach(call, json_arr(assistant, "tool_calls")) {
        if (strcmp(json_str(call, "id", ""), id) == 0)
            return true;
    }
    return false;
}

/* Every call of an assistant's message has its tool message between it and the next message of
 * another role, once; `first` is the message behind it. */
static bool check_answers(const cJSON *assistant, const cJSON *first, const char *path,
                          struct cause *why) {
    const cJSON *call;
    cJSON_ArrayForEach(call, json_arr(assistant, "tool_calls")) {
        int n = 0;
        for (const cJSON *m = first; m && str_eq(json_str(m, "role", ""), "tool"); m = m->next)
            n += str_eq(json_str(m, "tool_call_id", ""), json_str(call, "id", NULL));
        if (n == 1)
            continue;
        return fail(why, path,
                    n ? "a tool_call_id was answered twice"
                      : "An assistant message with 'tool_calls' must be followed by tool messages "
                        "responding to each 'tool_call_id'");
    }
    return true;
}

static bool check_tool(const cJSON *m, const cJSON *assistant, const char *path,
                       struct cause *why) {
    static const char *const keys[] = {"role", "content", "tool_call_id", NULL};
    if (!assistant || !has_call(assistant, json_str(m, "tool_call_id", "")))
        return fail(why, path,
                    "messages with role 'tool' must be a response to a preceding message with "
                    "'tool_calls'");
    if (!cJSON_IsString(get(m, "content")))
        return fail(why, path, "'content' must be a string");
    return only_keys(m, keys, path, why);
}

static bool check_messages(const cJSON *messages, bool thinks, struct cause *why) {
    static const char *const plain[] = {"role", "content", NULL};
    const cJSON *m, *assistant = NULL; /* whose tool messages may come here */
    int i = 0;
    if (!cJSON_IsArray(messages) || !cJSON_GetArraySize(messages))
        return fail(why, "messages", "a non-empty array is required");
    cJSON_ArrayForEach(m, messages) {
        char path[32];
        snprintf(path, sizeof(path), "messages[%d]", i++);
        const char *role = json_str(m, "role", "");
        bool ok = true;
        if (strcmp(role, "tool") == 0) {
            ok = check_tool(m, assistant, path, why);
        } else if (strcmp(role, "assistant") == 0) {
            ok = check_assistant(m, thinks, path, why) && check_answers(m, m->next, path, why);
            assistant = m;
        } else if (strcmp(role, "user") == 0 || (strcmp(role, "system") == 0 && i == 1)) {
            ok = (is_content(get(m, "content")) || fail(why, path, "'content' must have text")) &&
                 only_keys(m, plain, path, why);
            assistant = NULL;
        } else {
            ok = fail(why, path, "'role' must be system (first), user, assistant or tool");
        }
        if (!ok)
            return false;
        if (!m->next && strcmp(role, "user") != 0 && strcmp(role, "tool") != 0)
            return fail(why, path, "the last message must be of a user or a tool");
    }
    return true;
}

static bool check_tools(const cJSON *tools, struct cause *why) {
    static const char *const keys[] = {"type", "function", NULL};
    static const char *const inner[] = {"name", "description", "parameters", "strict", NULL};
    if (!tools)
        return true;
    if (!cJSON_IsArray(tools) || !cJSON_GetArraySize(tools))
        return fail(why, "tools", "must be a non-empty array");
    const cJSON *tool, *other;
    cJSON_ArrayForEach(tool, tools) {
        const cJSON *f = json_obj(tool, "function"), *parameters = json_obj(f, "parameters");
        const char *name = json_str(f, "name", "");
        if (strcmp(json_str(tool, "type", ""), "function") != 0 || !valid_name(name))
            return fail(why, "tools", "a function with a proper name is required");
        for (other = tools->child; other != tool; other = other->next)
            if (str_eq(json_str(json_obj(other, "function"), "name", ""), name))
                return fail(why, "tools", "names must be unique");
        if (strcmp(json_str(parameters, "type", ""), "object") != 0)
            return fail(why, "tools", "Invalid schema for function: type must be 'object'");
        if (get(f, "description") && !cJSON_IsString(get(f, "description")))
            return fail(why, "tools", "'description' must be a string");
        if (!only_keys(tool, keys, "tools", why) || !only_keys(f, inner, "tools", why))
            return false;
    }
    return true;
}

bool openai_check(const cJSON *root, struct cause *why) {
    static const char *const keys[] = {
        "model",  "messages",       "max_tokens",  "max_completion_tokens",
        "stream", "stream_options", "temperature", "top_p",
        "tools",  "tool_choice",    "stop",        "reasoning_effort",
        NULL};
    static const char *const options[] = {"include_usage", NULL};
    if (!cJSON_IsObject(root))
        return fail(why, "body", "a JSON object is required");
    if (str_empty(json_str(root, "model", NULL)))
        return fail(why, "model", "you must provide a model parameter");
    const cJSON *max = get(root, "max_tokens"), *other = get(root, "max_completion_tokens");
    if (max && other)
        return fail(why, "max_tokens",
                    "only one of max_tokens and max_completion_tokens may be set");
    max = max ? max : other;
    if (max && (!cJSON_IsNumber(max) || max->valueint < 1))
        return fail(why, "max_tokens", "must be an integer above 0");
    if (get(root, "stream") && !cJSON_IsBool(get(root, "stream")))
        return fail(why, "stream", "must be a boolean");
    const cJSON *o = get(root, "stream_options");
    if (o && (!json_bool(root, "stream", false) || !cJSON_IsObject(o)))
        return fail(why, "stream_options", "only allowed when 'stream' is enabled");
    return only_keys(root, keys, "body", why) && only_keys(o, options, "stream_options", why) &&
           check_tools(get(root, "tools"), why) &&
           check_messages(get(root, "messages"), wants_thinking(json_str(root, "model", "")), why);
}

/* ---- in the other shape ---- */

/* Tool messages and the user's behind them are one message there. */
static void translate_message(cJSON *messages, const cJSON *m, bool joined) {
    const char *role = json_str(m, "role", ""), *text = json_str(m, "content", NULL);
    const cJSON *part;
    cJSON_ArrayForEach(part, json_arr(m, "content")) text = json_str(part, "text", text);
    bool tool = strcmp(role, "tool") == 0;
    cJSON *b =
        text ? request_add(messages, tool ? "user" : role, tool ? "tool_result" : "text", joined)
             : NULL;
    if (b)
        json_add_str(b, tool ? "content" : "text", text);
    if (tool)
        json_add_str(b, "tool_use_id", json_str(m, "tool_call_id", ""));
    const cJSON *call;
    joined = text != NULL;
    cJSON_ArrayForEach(call, json_arr(m, "tool_calls")) {
        b = request_add(messages, role, "tool_use", joined);
        joined = true;
        json_add_str(b, "id", json_str(call, "id", ""));
        json_add_str(b, "name", json_str(json_obj(call, "function"), "name", ""));
    }
}

cJSON *openai_translate(const cJSON *root) {
    cJSON *out = json_new_obj(), *messages, *tools;
    json_add_str(out, "model", json_str(root, "model", ""));
    json_add_bool(out, "stream", json_bool(root, "stream", false));
    json_add_bool(out, "usage",
                  json_bool(json_obj(root, "stream_options"), "include_usage", false));
    const cJSON *it, *before = NULL;
    tools = json_add_arr(out, "tools");
    cJSON_ArrayForEach(it, json_arr(root, "tools")) {
        cJSON *t = json_new_obj();
        json_add_str(t, "name", json_str(json_obj(it, "function"), "name", ""));
        cJSON_AddItemToArray(tools, t);
    }
    messages = json_add_arr(out, "messages");
    cJSON_ArrayForEach(it, json_arr(root, "messages")) {
        const char *role = json_str(it, "role", "");
        if (strcmp(role, "system") == 0)
            json_add_str(out, "system", json_str(it, "content", ""));
        else
            translate_message(messages, it,
                              before && strcmp(role, "assistant") != 0 &&
                                  strcmp(json_str(before, "role", ""), "tool") == 0);
        before = it;
    }
    return out;
}

/* ---- answers ---- */

/* The choices and the usage of a chunk in what they have in common. */
static void put_chunk(struct writer *w, const char *choices, const char *usage, int repeat) {
    struct buf data = BUF_INIT;
    buf_printf(&data,
               "{\"id\":\"chatcmpl-fake%04d\",\"object\":\"chat.completion.chunk\",\"model\":",
               w->r->call);
    json_quote(&data, plan_model(w), strlen(plan_model(w)));
    buf_printf(&data, ",\"choices\":[%s]%s}", choices, usage);
    plan_event(w, NULL, buf_str(&data), repeat);
    buf_free(&data);
}

/* ",\"usage\":{…}" of the tokens so far; the prompt's count all of them, cached ones too. */
static char *usage_member(const struct writer *w) {
    struct plan_usage u = plan_used(w);
    long long in = (long long)(u.input + u.cache_write + u.cache_read), out = (long long)u.output;
    return xasprintf(",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,"
                     "\"total_tokens\":%lld,\"prompt_tokens_details\":{\"cached_tokens\":%lld}}",
                     in, out, in + out, (long long)u.cache_read);
}

/* One chunk with a single choice; `delta` is JSON text, `finish` NULL as long as it goes on. */
static void chunk(struct writer *w, const char *delta, const char *finish, int repeat) {
    struct buf choice = BUF_INIT;
    bool every = w->rule->faults.usage_at == USAGE_EVERY;
    char *usage = every ? usage_member(w) : xstrdup("");
    buf_printf(&choice, "{\"index\":0,\"delta\":%s,\"finish_reason\":", delta);
    if (finish)
        json_quote(&choice, finish, strlen(finish));
    else
        buf_puts(&choice, "null");
    buf_puts(&choice, "}");
    put_chunk(w, buf_str(&choice), usage, repeat);
    buf_free(&choice);
    x_free(&usage);
}

static void piece(struct writer *w, const struct plan_block *b, const char *text, size_t n,
                  int repeat) {
    struct buf delta = BUF_INIT;
    bool call = strcmp(b->type, "tool_use") == 0;
    if (call)
        buf_printf(&delta, "{\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":", b->nth);
    else if (strcmp(b->type, "thinking") == 0)
        buf_puts(&delta, "{\"reasoning_content\":");
    else
        buf_puts(&delta, "{\"content\":");
    json_quote(&delta, text, n);
    buf_puts(&delta, call ? "}}]}" : "}");
    chunk(w, buf_str(&delta), NULL, repeat);
    buf_free(&delta);
}

/* Of a call id and name come once, with empty arguments; then the arguments alone. */
static void start(struct writer *w, const struct plan_block *b) {
    if (strcmp(b->type, "tool_use") != 0)
        return;
    cJSON *delta = json_new_obj(), *call = json_new_obj();
    cJSON_AddItemToArray(json_add_arr(delta, "tool_calls"), call);
    json_add_i64(call, "index", b->nth);
    json_add_str(call, "id", json_str(b->json, "id", ""));
    json_add_str(call, "type", "function");
    cJSON *function = json_add_obj(call, "function");
    json_add_str(function, "name", json_str(b->json, "name", ""));
    json_add_str(function, "arguments", "");
    char *text = json_print(delta);
    chunk(w, text, NULL, 1);
    x_free(&text);
    cJSON_Delete(delta);
}

static void stop(struct writer *w, const struct plan_block *b) {
    (void)w;
    (void)b;
}

static const char *finish_reason(const struct rule *rule) {
    static const char *const words[][2] = {{"tool_use", "tool_calls"},
                                           {"end_turn", "stop"},
                                           {"max_tokens", "length"},
                                           {"refusal", "content_filter"}};
    const char *reason = plan_stop_reason(rule);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i][0], reason) == 0)
            return words[i][1];
    return reason;
}

static void begin(struct writer *w) {
    chunk(w, "{\"role\":\"assistant\",\"content\":null}", NULL, 1);
}

/* There the first chunk is about the prompt. */
static void begin_azure(struct writer *w) {
    put_chunk(w, "",
              ",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":"
              "{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}]",
              1);
    begin(w);
}

static void end(struct writer *w) {
    const struct faults *f = &w->rule->faults;
    if (f->no_end != NO_END_REASON)
        chunk(w, "{}", finish_reason(w->rule), 1);
    if (w->r->usage && f->usage_at != USAGE_NEVER) {
        char *usage = usage_member(w);
        put_chunk(w, "", usage, 1);
        x_free(&usage);
    }
    if (f->no_end == NO_END_NONE)
        plan_event(w, NULL, "[DONE]", 1);
}

static char *whole(struct writer *w) {
    struct buf text = BUF_INIT;
    cJSON *root = json_new_obj(), *choice = json_new_obj();
    json_add_str(root, "object", "chat.completion");
    json_add_str(root, "model", plan_model(w));
    cJSON_AddItemToArray(json_add_arr(root, "choices"), choice);
    cJSON *message = json_add_obj(choice, "message"), *calls = NULL;
    json_add_str(choice, "finish_reason", finish_reason(w->rule));
    json_add_str(message, "role", "assistant");
    const cJSON *block;
    cJSON_ArrayForEach(block, w->content) {
        buf_puts(&text, json_str(block, "text", ""));
        if (!str_eq(json_str(block, "type", ""), "tool_use"))
            continue;
        cJSON *call = json_new_obj();
        calls = calls ? calls : json_add_arr(message, "tool_calls");
        cJSON_AddItemToArray(calls, call);
        json_add_str(call, "id", json_str(block, "id", ""));
        json_add_str(call, "type", "function");
        cJSON *function = json_add_obj(call, "function");
        char *input = json_print(get(block, "input"));
        json_add_str(function, "name", json_str(block, "name", ""));
        json_add_str(function, "arguments", input);
        x_free(&input);
    }
    json_add_str(message, "content", text.len ? buf_str(&text) : NULL);
    char *out = json_print(root);
    buf_free(&text);
    cJSON_Delete(root);
    return out;
}

static const char *error_type(int status) {
    switch (status) {
    case 400:
    case 404:
        return "invalid_request_error";
    case 401:
    case 403:
        return "authentication_error";
    case 429:
        return "rate_limit_error";
    default:
        return "server_error";
    }
}

char *openai_error(int status, const char *type, const char *message) {
    /* X from Anthropic's types, where they have others. */
    static const char *const types[][3] = {{"overloaded_error", "server_error", "slow_down"},
                                           {"rate_limit_error", "tokens", "rate_limit_exceeded"},
                                           {"api_error", "server_error", NULL}};
    const char *code = NULL;
    struct buf b = BUF_INIT;
    type = type ? type : error_type(status);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i][0], type) != 0)
            continue;
        code = types[i][2];
        type = types[i][1];
        break;
    }
    buf_puts(&b, "{\"error\":{\"message\":");
    json_quote(&b, message, strlen(message));
    buf_printf(&b, ",\"type\":\"%s\",\"param\":null,\"code\":", type);
    if (code)
        json_quote(&b, code, strlen(code));
    else
        buf_puts(&b, "null");
    buf_puts(&b, "}}");
    return buf_steal(&b);
}

#define CHAT                                                                                       \
    .end = end, .start = start, .piece = piece, .stop = stop, .whole = whole,                      \
    .error = openai_error, .broken_json = "{\"object\":\"chat.completion.chunk\",\"choices\":[{",  \
    .broken_utf8 = "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xC3\x28\xFF\xFE\"}}]}"

const struct dialect dialect_openai = {.begin = begin, CHAT};
const struct dialect dialect_azure = {.begin = begin_azure, CHAT};
