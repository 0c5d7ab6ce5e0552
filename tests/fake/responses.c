/* responses: see responses.h. First what a request may be, then what an answer looks like. */
#include "responses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "check.h"
#include "openai.h"
#include "plan-internal.h"

/* ---- requests ---- */

static bool fail(struct cause *why, const char *path, const char *what) {
    cause_set(why, STATUS_INVALID, "%s: %s", path, what);
    return false;
}

static const cJSON *get(const cJSON *obj, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(obj, key);
}

static bool has_type(const cJSON *item, const char *type) {
    return str_eq(json_str(item, "type", "message"), type);
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
        cause_set(why, STATUS_INVALID, "Unknown parameter: '%s.%s'.", path, it->string);
        return false;
    }
    return true;
}

static bool check_part(const cJSON *part, bool assistant, const char *path, struct cause *why) {
    static const char *const keys[] = {"type",     "text",      "image_url",   "detail",
                                       "filename", "file_data", "annotations", NULL};
    const char *type = json_str(part, "type", "");
    bool text = strcmp(type, assistant ? "output_text" : "input_text") == 0;
    bool file = strcmp(type, "input_image") == 0 || strcmp(type, "input_file") == 0;
    if (!text && (!file || assistant))
        return fail(why, path, "Invalid value of 'type' in content");
    if (text && str_empty(json_str(part, "text", NULL)))
        return fail(why, path, "content must have text");
    return only_keys(part, keys, path, why);
}

static bool check_message(const cJSON *m, const char *path, struct cause *why) {
    static const char *const keys[] = {"type", "role", "content", "id", "status", NULL};
    static const char *const roles[] = {"user", "assistant", "system", "developer", NULL};
    const cJSON *content = get(m, "content"), *part;
    const char *role = json_str(m, "role", ""), *const *r = roles;
    while (*r && strcmp(*r, role) != 0)
        r++;
    if (!*r)
        return fail(why, path, "Invalid value of 'role'");
    if (cJSON_IsString(content) ? !*content->valuestring : !cJSON_GetArraySize(content))
        return fail(why, path, "'content' is required");
    cJSON_ArrayForEach(part, content) {
        if (!check_part(part, strcmp(role, "assistant") == 0, path, why))
            return false;
    }
    return only_keys(m, keys, path, why);
}

/* The item of `type` with that call_id among those before (back) or behind. */
static const cJSON *partner(const cJSON *item, bool back, const char *type) {
    const char *id = json_str(item, "call_id", "");
    /* Of the first item prev is the last one, whose next is NULL. */
    for (item = back ? item->prev : item->next; item && (!back || item->next);
         item = back ? item->prev : item->next)
        if (has_type(item, type) && str_eq(json_str(item, "call_id", NULL), id))
            return item;
    return NULL;
}

static bool check_call(const cJSON *item, const char *path, struct cause *why) {
    static const char *const keys[] = {"type", "call_id", "name", "arguments",
                                       "id",   "status",  NULL};
    const char *id = json_str(item, "call_id", "");
    if (!*id || strlen(id) > 64)
        return fail(why, path, "Missing required parameter: 'call_id', of at most 64 characters");
    if (str_empty(json_str(item, "name", NULL)) || !json_str(item, "arguments", NULL))
        return fail(why, path, "a function call needs 'name' and 'arguments'");
    if (partner(item, true, "function_call"))
        return fail(why, path, "Duplicate call_id");
    if (!partner(item, false, "function_call_output")) {
        cause_set(why, STATUS_INVALID, "No tool output found for function call %.64s.", id);
        return false;
    }
    return only_keys(item, keys, path, why);
}

static bool check_output(const cJSON *item, const char *path, struct cause *why) {
    static const char *const keys[] = {"type", "call_id", "output", "id", "status", NULL};
    const char *id = json_str(item, "call_id", "");
    if (!partner(item, true, "function_call") || partner(item, true, "function_call_output")) {
        cause_set(why, STATUS_INVALID,
                  "No tool call found for function call output with call_id %.64s.", id);
        return false;
    }
    if (!cJSON_IsString(get(item, "output")))
        return fail(why, path, "'output' must be a string");
    return only_keys(item, keys, path, why);
}

/* What was reasoned comes back as it was given, with what it led to right behind it. */
static bool check_reasoning(const cJSON *item, const char *path, struct cause *why) {
    static const char *const keys[] = {"type", "id", "summary", "encrypted_content", NULL};
    const char *id = json_str(item, "id", ""), *secret = json_str(item, "encrypted_content", NULL);
    const cJSON *summary = get(item, "summary"), *part, *next = item->next;
    char want[CHECK_SIGNATURE_SIZE];
    if (!str_prefix(id, "rs_") || !cJSON_IsArray(summary))
        return fail(why, path, "a reasoning item needs its 'id' and 'summary'");
    if (!secret) {
        cause_set(why, STATUS_INVALID,
                  "Item with id '%.64s' not found. Items are not persisted when `store` is set to "
                  "false.",
                  id);
        return false;
    }
    cJSON_ArrayForEach(part, summary) {
        if (!has_type(part, "summary_text"))
            return fail(why, path, "a summary has parts of type 'summary_text'");
        check_signature(json_str(part, "text", ""), want);
        if (strcmp(secret, want) != 0)
            return fail(why, path, "The encrypted content could not be verified.");
    }
    if (!next || has_type(next, "function_call_output") ||
        str_eq(json_str(next, "role", ""), "user"))
        return fail(why, path,
                    "Item of type 'reasoning' was provided without its required following item.");
    return only_keys(item, keys, path, why);
}

static bool check_input(const cJSON *input, struct cause *why) {
    static const struct {
        const char *type;
        bool (*check)(const cJSON *item, const char *path, struct cause *why);
    } kinds[] = {{"message", check_message},
                 {"function_call", check_call},
                 {"function_call_output", check_output},
                 {"reasoning", check_reasoning}};
    const cJSON *item;
    int i = 0;
    if (!cJSON_IsArray(input) || !cJSON_GetArraySize(input))
        return fail(why, "input", "a non-empty array is required");
    cJSON_ArrayForEach(item, input) {
        char path[32];
        size_t k = 0;
        snprintf(path, sizeof(path), "input[%d]", i++);
        while (k < ARRAY_LEN(kinds) && !has_type(item, kinds[k].type))
            k++;
        if (k == ARRAY_LEN(kinds))
            return fail(why, path, "Invalid value of 'type'");
        if (!kinds[k].check(item, path, why))
            return false;
    }
    return true;
}

static bool check_tools(const cJSON *tools, struct cause *why) {
    static const char *const keys[] = {"type", "name", "description", "parameters", "strict", NULL};
    const cJSON *tool, *other;
    if (tools && !cJSON_GetArraySize(tools))
        return fail(why, "tools", "must be a non-empty array");
    cJSON_ArrayForEach(tool, tools) {
        const char *name = json_str(tool, "name", "");
        if (!has_type(tool, "function") || !*name)
            return fail(why, "tools", "a function with a name is required");
        for (other = tools->child; other != tool; other = other->next)
            if (str_eq(json_str(other, "name", ""), name))
                return fail(why, "tools", "names must be unique");
        if (!str_eq(json_str(json_obj(tool, "parameters"), "type", ""), "object"))
            return fail(why, "tools", "Invalid schema for function: type must be 'object'");
        /* It is on where nobody says anything, and wants every member named as required. */
        if (json_bool(tool, "strict", true))
            return fail(why, "tools", "Invalid schema for function: not a strict one");
        if (!only_keys(tool, keys, "tools", why))
            return false;
    }
    return true;
}

bool responses_check(const cJSON *root, struct cause *why) {
    static const char *const keys[] = {
        "model",     "input", "instructions", "max_output_tokens", "stream", "store", "include",
        "reasoning", "tools", "tool_choice",  "temperature",       "top_p",  "user",  "metadata",
        NULL};
    if (!cJSON_IsObject(root))
        return fail(why, "body", "a JSON object is required");
    if (str_empty(json_str(root, "model", NULL)))
        return fail(why, "model", "Missing required parameter: 'model'.");
    const cJSON *max = get(root, "max_output_tokens");
    if (max && (!cJSON_IsNumber(max) || max->valueint < 16))
        return fail(why, "max_output_tokens", "must be an integer of 16 or more");
    if (json_bool(root, "store", true))
        return fail(why, "store", "nothing is kept here: it must be false");
    return only_keys(root, keys, "body", why) && check_tools(get(root, "tools"), why) &&
           check_input(get(root, "input"), why);
}

/* ---- in the other shape ---- */

static void add_text(cJSON *messages, const cJSON *m) {
    const cJSON *content = get(m, "content"), *part;
    const char *role = json_str(m, "role", "");
    if (cJSON_IsString(content))
        json_add_str(request_add(messages, role, "text", true), "text", content->valuestring);
    cJSON_ArrayForEach(part, content) {
        const char *text = json_str(part, "text", NULL);
        if (text)
            json_add_str(request_add(messages, role, "text", true), "text", text);
    }
}

cJSON *responses_translate(const cJSON *root) {
    cJSON *out = json_new_obj();
    const cJSON *it;
    json_add_str(out, "model", json_str(root, "model", ""));
    json_add_bool(out, "stream", json_bool(root, "stream", false));
    json_add_str(out, "system", json_str(root, "instructions", ""));
    cJSON *tools = json_add_arr(out, "tools");
    cJSON_ArrayForEach(it, json_arr(root, "tools")) {
        cJSON *t = json_new_obj();
        json_add_str(t, "name", json_str(it, "name", ""));
        cJSON_AddItemToArray(tools, t);
    }
    cJSON *messages = json_add_arr(out, "messages"), *b;
    cJSON_ArrayForEach(it, json_arr(root, "input")) {
        if (has_type(it, "message")) {
            add_text(messages, it);
        } else if (has_type(it, "function_call")) {
            b = request_add(messages, "assistant", "tool_use", true);
            json_add_str(b, "id", json_str(it, "call_id", ""));
            json_add_str(b, "name", json_str(it, "name", ""));
        } else if (has_type(it, "function_call_output")) {
            b = request_add(messages, "user", "tool_result", true);
            json_add_str(b, "tool_use_id", json_str(it, "call_id", ""));
            json_add_str(b, "content", json_str(it, "output", ""));
        }
    }
    return out;
}

/* ---- answers ---- */

/* An event with its number; takes `e`, which has its members already. */
static void put(struct writer *w, const char *type, cJSON *e, int repeat) {
    json_add_str(e, "type", type);
    json_add_i64(e, "sequence_number", w->events);
    char *data = json_print(e);
    plan_event(w, type, data, repeat);
    x_free(&data);
    cJSON_Delete(e);
}

/* An event about a block's item. */
static cJSON *about(const struct writer *w, const struct plan_block *b) {
    char id[32];
    cJSON *e = json_new_obj();
    snprintf(id, sizeof(id), "item_fake%04d%02d", w->r->call, b->index);
    json_add_str(e, "item_id", id);
    json_add_i64(e, "output_index", b->index);
    return e;
}

static bool is_refusal(const struct writer *w) {
    return str_eq(plan_stop_reason(w->rule), "refusal");
}

static cJSON *text_part(const struct writer *w, const char *text) {
    cJSON *part = json_new_obj();
    bool refusal = is_refusal(w);
    json_add_str(part, "type", refusal ? "refusal" : "output_text");
    json_add_str(part, refusal ? "refusal" : "text", text);
    if (!refusal)
        (void)json_add_arr(part, "annotations");
    return part;
}

/* The item of a block, begun or whole. What is not shown of what was thought has a secret all the
 * same. */
static cJSON *item_of(const struct writer *w, const cJSON *block, int index, bool whole) {
    const char *type = json_str(block, "type", "");
    cJSON *item = json_new_obj(), *part;
    char id[32];
    bool thinking = strcmp(type, "thinking") == 0, secret = strcmp(type, "redacted_thinking") == 0;
    snprintf(id, sizeof(id), "%s_fake%04d%02d", thinking || secret ? "rs" : "item", w->r->call,
             index);
    json_add_str(item, "id", id);
    if (thinking || secret) {
        json_add_str(item, "type", "reasoning");
        cJSON *summary = json_add_arr(item, "summary");
        if (!whole)
            return item;
        if (thinking) {
            part = json_new_obj();
            json_add_str(part, "type", "summary_text");
            json_add_str(part, "text", json_str(block, "thinking", ""));
            cJSON_AddItemToArray(summary, part);
        }
        json_add_str(item, "encrypted_content",
                     json_str(block, thinking ? "signature" : "data", ""));
        return item;
    }
    json_add_str(item, "status", whole ? "completed" : "in_progress");
    if (strcmp(type, "tool_use") == 0) {
        const char *raw = json_str(block, "input_raw", NULL);
        char *input = json_print(get(block, "input"));
        json_add_str(item, "type", "function_call");
        json_add_str(item, "call_id", json_str(block, "id", ""));
        json_add_str(item, "name", json_str(block, "name", ""));
        json_add_str(item, "arguments", !whole ? "" : raw ? raw : input);
        x_free(&input);
        return item;
    }
    json_add_str(item, "type", "message");
    json_add_str(item, "role", "assistant");
    cJSON *content = json_add_arr(item, "content");
    if (whole)
        cJSON_AddItemToArray(content, text_part(w, json_str(block, "text", "")));
    return item;
}

/* The response around the items; status "in_progress" as long as nothing is there. */
static cJSON *response_of(const struct writer *w, const char *status) {
    cJSON *r = json_new_obj(), *output;
    bool begun = strcmp(status, "in_progress") == 0;
    char id[32];
    snprintf(id, sizeof(id), "resp_fake%04d", w->r->call);
    json_add_str(r, "id", id);
    json_add_str(r, "object", "response");
    json_add_str(r, "status", status);
    json_add_null(r, "error");
    if (strcmp(status, "incomplete") == 0)
        json_add_str(json_add_obj(r, "incomplete_details"), "reason", "max_output_tokens");
    else
        json_add_null(r, "incomplete_details");
    json_add_str(r, "model", plan_model(w));
    output = json_add_arr(r, "output");
    json_add_bool(r, "store", false);
    if (begun || w->rule->faults.usage_at == USAGE_NEVER) {
        json_add_null(r, "usage");
    } else {
        struct plan_usage u = plan_used(w);
        int64_t in = u.input + u.cache_write + u.cache_read;
        cJSON *usage = json_add_obj(r, "usage");
        json_add_i64(usage, "input_tokens", in);
        json_add_i64(json_add_obj(usage, "input_tokens_details"), "cached_tokens", u.cache_read);
        json_add_i64(usage, "output_tokens", u.output);
        json_add_i64(json_add_obj(usage, "output_tokens_details"), "reasoning_tokens", 0);
        json_add_i64(usage, "total_tokens", in + u.output);
    }
    const cJSON *block = begun ? NULL : w->content->child;
    for (int index = 0; block; block = block->next)
        cJSON_AddItemToArray(output, item_of(w, block, index++, true));
    return r;
}

static void put_response(struct writer *w, const char *type, const char *status) {
    cJSON *e = json_new_obj();
    cJSON_AddItemToObject(e, "response", response_of(w, status));
    put(w, type, e, 1);
}

static void begin(struct writer *w) {
    put_response(w, "response.created", "in_progress");
    put_response(w, "response.in_progress", "in_progress");
}

/* What a block is called in its events, and where in its item. */
struct words {
    const char *type, *part_added, *delta, *text_done, *part_done, *index, *member;
};

static const struct words *words_of(const struct writer *w, const struct plan_block *b) {
    static const struct words all[] = {
        {"text", "response.content_part.added", "response.output_text.delta",
         "response.output_text.done", "response.content_part.done", "content_index", "text"},
        {"thinking", "response.reasoning_summary_part.added",
         "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done",
         "response.reasoning_summary_part.done", "summary_index", "text"},
        {"tool_use", NULL, "response.function_call_arguments.delta",
         "response.function_call_arguments.done", NULL, NULL, "arguments"}};
    static const struct words refusal = {"text",
                                         "response.content_part.added",
                                         "response.refusal.delta",
                                         "response.refusal.done",
                                         "response.content_part.done",
                                         "content_index",
                                         "refusal"};
    if (is_refusal(w) && strcmp(b->type, "text") == 0)
        return &refusal;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strcmp(all[i].type, b->type) == 0)
            return &all[i];
    return NULL; /* of what is not shown there is nothing but the item */
}

static void put_part(struct writer *w, const struct plan_block *b, const struct words *words,
                     const char *type, const char *text) {
    cJSON *e = about(w, b), *part = json_new_obj();
    json_add_i64(e, words->index, 0);
    if (strcmp(b->type, "thinking") == 0) {
        json_add_str(part, "type", "summary_text");
        json_add_str(part, "text", text);
    } else {
        cJSON_Delete(part);
        part = text_part(w, text);
    }
    cJSON_AddItemToObject(e, "part", part);
    put(w, type, e, 1);
}

static void start(struct writer *w, const struct plan_block *b) {
    const struct words *words = words_of(w, b);
    cJSON *e = json_new_obj();
    json_add_i64(e, "output_index", b->index);
    cJSON_AddItemToObject(e, "item", item_of(w, b->json, b->index, false));
    put(w, "response.output_item.added", e, 1);
    if (words && words->part_added)
        put_part(w, b, words, words->part_added, "");
}

static void piece(struct writer *w, const struct plan_block *b, const char *text, size_t n,
                  int repeat) {
    const struct words *words = words_of(w, b);
    if (!words)
        return;
    cJSON *e = about(w, b);
    char *copy = xstrndup(text, n);
    if (words->index)
        json_add_i64(e, words->index, 0);
    json_add_str(e, "delta", copy);
    put(w, words->delta, e, repeat);
    x_free(&copy);
}

static void stop(struct writer *w, const struct plan_block *b) {
    const struct words *words = words_of(w, b);
    if (words) {
        cJSON *e = about(w, b);
        if (words->index)
            json_add_i64(e, words->index, 0);
        json_add_str(e, words->member, b->text);
        put(w, words->text_done, e, 1);
        if (words->part_done)
            put_part(w, b, words, words->part_done, b->text);
    }
    cJSON *e = json_new_obj();
    json_add_i64(e, "output_index", b->index);
    cJSON_AddItemToObject(e, "item", item_of(w, b->json, b->index, true));
    put(w, "response.output_item.done", e, 1);
}

static void end(struct writer *w) {
    bool cut = strcmp(plan_stop_reason(w->rule), "max_tokens") == 0;
    if (w->rule->faults.no_end != NO_END_NONE)
        return;
    put_response(w, cut ? "response.incomplete" : "response.completed",
                 cut ? "incomplete" : "completed");
}

static char *whole(struct writer *w) {
    cJSON *r = response_of(w, "completed");
    char *text = json_print(r);
    cJSON_Delete(r);
    return text;
}

/* In the stream an error's members are the event's own. */
static char *error(int status, const char *type, const char *message) {
    char *body = openai_error(status, type, message);
    cJSON *root = NULL;
    struct cause why;
    if (status >= 300 || json_parse(body, strlen(body), &root, &why) != STATUS_OK)
        return body;
    const cJSON *inner = json_obj(root, "error");
    cJSON *e = json_new_obj();
    json_add_str(e, "type", "error");
    json_add_str(e, "code", json_str(inner, "code", json_str(inner, "type", "")));
    json_add_str(e, "message", json_str(inner, "message", ""));
    json_add_null(e, "param");
    x_free(&body);
    body = json_print(e);
    cJSON_Delete(e);
    cJSON_Delete(root);
    return body;
}

const struct dialect dialect_responses = {
    .begin = begin,
    .end = end,
    .start = start,
    .piece = piece,
    .stop = stop,
    .whole = whole,
    .error = error,
    .event = "response.output_text.delta",
    .error_event = "error",
    .broken_json = "{\"type\":\"response.output_text.delta\",\"output_index\":0,",
    .broken_utf8 = "{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":"
                   "0,\"delta\":\"\xC3\x28\xFF\xFE\"}",
};
