/* anthropic: answers in the Messages format. What a request may be: check.h. */
#include "plan-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static void delta(struct writer *w, int index, const char *type, const char *key, const char *text,
                  size_t n, int repeat) {
    struct buf data = BUF_INIT;
    buf_printf(&data,
               "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":",
               index, type, key);
    json_quote(&data, text, n);
    buf_puts(&data, "}}");
    plan_event(w, "content_block_delta", buf_str(&data), repeat);
    buf_free(&data);
}

static void piece(struct writer *w, const struct plan_block *b, const char *text, size_t n,
                  int repeat) {
    if (strcmp(b->type, "text") == 0)
        delta(w, b->index, "text_delta", "text", text, n, repeat);
    else if (strcmp(b->type, "thinking") == 0)
        delta(w, b->index, "thinking_delta", "thinking", text, n, repeat);
    else
        delta(w, b->index, "input_json_delta", "partial_json", text, n, repeat);
}

static void start(struct writer *w, const struct plan_block *b) {
    cJSON *head = json_new_obj(), *event = json_new_obj();
    bool tool = strcmp(b->type, "tool_use") == 0;
    json_add_str(head, "type", b->type);
    if (tool) {
        json_add_str(head, "id", json_str(b->json, "id", ""));
        json_add_str(head, "name", json_str(b->json, "name", ""));
        json_add_obj(head, "input");
    } else if (strcmp(b->type, "redacted_thinking") == 0) {
        json_add_str(head, "data", json_str(b->json, "data", ""));
    } else {
        json_add_str(head, b->type, "");
        if (strcmp(b->type, "thinking") == 0)
            json_add_str(head, "signature", "");
    }
    json_add_str(event, "type", "content_block_start");
    json_add_i64(event, "index", b->index);
    cJSON_AddItemToObject(event, "content_block", head);
    char *data = json_print(event);
    plan_event(w, "content_block_start", data, 1);
    if (tool)
        piece(w, b, "", 0, 1);
    x_free(&data);
    cJSON_Delete(event);
}

static void stop(struct writer *w, const struct plan_block *b) {
    const char *signature = json_str(b->json, "signature", NULL);
    if (signature)
        delta(w, b->index, "signature_delta", "signature", signature, strlen(signature), 1);
    char *data = xasprintf("{\"type\":\"content_block_stop\",\"index\":%d}", b->index);
    plan_event(w, "content_block_stop", data, 1);
    x_free(&data);
}

/* ",\"usage\":{…}", or nothing when it is not to be told. */
static void put_usage(const struct writer *w, struct buf *out, bool last) {
    struct plan_usage u = plan_used(w);
    enum usage_at at = w->rule->faults.usage_at;
    if (at == USAGE_NEVER)
        return;
    if (at == USAGE_END && !last)
        u = (struct plan_usage){0};
    buf_printf(out,
               ",\"usage\":{\"input_tokens\":%lld,\"cache_creation_input_tokens\":%lld,"
               "\"cache_read_input_tokens\":%lld,\"output_tokens\":%lld}",
               (long long)u.input, (long long)u.cache_write, (long long)u.cache_read,
               last ? (long long)u.output : 1LL);
}

static void begin(struct writer *w) {
    struct buf data = BUF_INIT;
    const char *model = plan_model(w);
    buf_printf(
        &data,
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_fake%04d\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":",
        w->r->call);
    json_quote(&data, model, strlen(model));
    buf_puts(&data, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
    put_usage(w, &data, false);
    buf_puts(&data, "}}");
    plan_event(w, "message_start", buf_str(&data), 1);
    plan_event(w, "ping", "{\"type\":\"ping\"}", 1);
    buf_free(&data);
}

static void end(struct writer *w) {
    const struct faults *f = &w->rule->faults;
    struct buf data = BUF_INIT;
    const char *reason = plan_stop_reason(w->rule);
    if (f->usage_at == USAGE_EVERY) {
        buf_puts(&data, "{\"type\":\"message_delta\",\"delta\":{}");
        put_usage(w, &data, true);
        buf_puts(&data, "}");
        plan_event(w, "message_delta", buf_str(&data), 1);
        buf_reset(&data);
    }
    buf_puts(&data, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":");
    json_quote(&data, reason, strlen(reason));
    buf_puts(&data, ",\"stop_sequence\":null}");
    put_usage(w, &data, true);
    buf_puts(&data, "}");
    if (f->no_end != NO_END_REASON)
        plan_event(w, "message_delta", buf_str(&data), 1);
    if (f->no_end == NO_END_NONE)
        plan_event(w, "message_stop", "{\"type\":\"message_stop\"}", 1);
    buf_free(&data);
}

static char *whole(struct writer *w) {
    cJSON *m = json_new_obj();
    json_add_str(m, "id", "msg_fake");
    json_add_str(m, "type", "message");
    json_add_str(m, "role", "assistant");
    json_add_str(m, "model", plan_model(w));
    cJSON *blocks = cJSON_Duplicate(w->content, true), *block;
    cJSON_ArrayForEach(block, blocks) cJSON_DeleteItemFromObjectCaseSensitive(block, "input_raw");
    cJSON_AddItemToObject(m, "content", blocks);
    json_add_str(m, "stop_reason", plan_stop_reason(w->rule));
    json_add_null(m, "stop_sequence");
    struct plan_usage u = plan_used(w);
    cJSON *usage = json_add_obj(m, "usage");
    json_add_i64(usage, "input_tokens", u.input);
    json_add_i64(usage, "output_tokens", u.output);
    char *text = json_print(m);
    cJSON_Delete(m);
    return text;
}

static const char *error_type(int status) {
    switch (status) {
    case 400:
        return "invalid_request_error";
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 529:
        return "overloaded_error";
    default:
        return "api_error";
    }
}

static char *error(int status, const char *type, const char *message) {
    struct buf b = BUF_INIT;
    if (!type)
        type = error_type(status);
    buf_printf(&b, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
    json_quote(&b, message, strlen(message));
    buf_puts(&b, "},\"request_id\":\"req_fake\"}");
    return buf_steal(&b);
}

const struct dialect dialect_anthropic = {
    .begin = begin,
    .end = end,
    .start = start,
    .piece = piece,
    .stop = stop,
    .whole = whole,
    .error = error,
    .event = "content_block_delta",
    .error_event = "error",
    .broken_json = "{\"type\":\"content_block_delta\",\"index\":0,",
    .broken_utf8 = "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                   "\"text_delta\",\"text\":\"\xC3\x28\xFF\xFE\"}}",
    .silent_empty = true,
};
