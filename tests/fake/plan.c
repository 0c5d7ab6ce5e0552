/* plan: see plan.h. */
#include "plan-internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "http1.h"

#define FLOOD_BYTES 65536
#define FLOOD_REPEAT 1024

static void add_step(struct plan *p, size_t from, int repeat) {
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->steps = xreallocarray(p->steps, p->cap, sizeof(*p->steps));
    }
    p->steps[p->n++] = (struct plan_step){from, p->data.len - from, repeat};
}

/* Writes one event's lines with the ends and the divisions that the faults ask for. */
static void put_event(struct writer *w, const char *name, const char *data, int repeat) {
    const struct faults *f = &w->rule->faults;
    struct buf *out = &w->p->data;
    const char *eol = f->line_end;
    size_t from = out->len;
    if (f->bom && w->events == 0)
        buf_puts(out, "\xEF\xBB\xBF");
    if (f->comments)
        buf_printf(out, ": a comment with data: in it%s%s: another%s", eol, eol, eol);
    if (f->unknown_events)
        buf_printf(out, "event: weather%sdata: {\"type\":\"weather\",\"sky\":\"clear\"}%s%s", eol,
                   eol, eol);
    if (name)
        buf_printf(out, "event: %s%s", name, eol);
    if (f->multi_line && *data == '{') {
        /* JSON allows white space after the first brace, and data lines are joined by a newline. */
        buf_printf(out, "data: {%sdata:%s%s", eol, data + 1, eol);
        if (f->comments)
            buf_printf(out, "id: %d%sretry: 1000%s", w->events, eol, eol);
    } else {
        buf_printf(out, "data: %s%s", data, eol);
    }
    buf_puts(out, eol);
    add_step(w->p, from, repeat);
}

static void put_garbage(struct writer *w) {
    struct buf *out = &w->p->data;
    size_t from = out->len;
    switch (w->rule->faults.garbage) {
    case GARBAGE_NONE:
        return;
    case GARBAGE_JSON:
        put_event(w, w->dialect->event, w->dialect->broken_json, 1);
        return;
    case GARBAGE_UTF8:
        put_event(w, w->dialect->event, w->dialect->broken_utf8, 1);
        return;
    case GARBAGE_SSE:
        buf_puts(out, "<<< upstream connect error \x01\x02\x1B[31m no event stream here >>>\n\n");
        add_step(w->p, from, 1);
        break;
    case GARBAGE_FLOOD:
        buf_puts(out, "data: ");
        add_step(w->p, from, 1);
        from = out->len;
        memset(buf_room(out, FLOOD_BYTES), 'x', FLOOD_BYTES);
        buf_added(out, FLOOD_BYTES);
        add_step(w->p, from, FLOOD_REPEAT);
        break;
    }
    w->over = true;
}

static void put_error(struct writer *w) {
    const struct faults *f = &w->rule->faults;
    char *data = w->dialect->error(200, f->error_type, f->error_message);
    put_event(w, w->dialect->error_event, data, 1);
    x_free(&data);
    w->over = true;
}

void plan_event(struct writer *w, const char *name, const char *data, int repeat) {
    const struct faults *f = &w->rule->faults;
    if (w->over)
        return;
    if (f->silence_after == w->events) {
        w->p->end = PLAN_SILENT;
        w->over = true;
        return;
    }
    if (f->garbage != GARBAGE_NONE && f->garbage_after == w->events)
        put_garbage(w);
    else if (f->error && f->error_after == w->events)
        put_error(w);
    if (w->over)
        return;
    put_event(w, name, data, repeat);
    w->events += repeat;
}

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

void plan_pieces(struct writer *w, const char *text,
                 void (*one)(struct writer *w, void *arg, const char *piece, size_t n), void *arg) {
    size_t n = strlen(text);
    w->chars += (int)n;
    for (size_t at = 0; at < n;) {
        size_t end = at;
        for (int i = 0; i < w->rule->delta_chars && end < n; i++) {
            uint32_t cp;
            int len = utf8_decode(text + end, n - end, &cp);
            end += len > 0 ? (size_t)len : 1;
        }
        one(w, arg, text + at, end - at);
        at = end;
    }
}

struct place {
    int index;
    const char *type, *key;
};

static void one_delta(struct writer *w, void *arg, const char *piece, size_t n) {
    const struct place *p = arg;
    delta(w, p->index, p->type, p->key, piece, n, 1);
}

static void deltas(struct writer *w, int index, const char *type, const char *key,
                   const char *text) {
    struct place p = {index, type, key};
    plan_pieces(w, text, one_delta, &p);
}

static void block_start(struct writer *w, int index, const char *block) {
    char *data = xasprintf("{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":%s}",
                           index, block);
    plan_event(w, "content_block_start", data, 1);
    x_free(&data);
}

static void block_stop(struct writer *w, int index) {
    char *data = xasprintf("{\"type\":\"content_block_stop\",\"index\":%d}", index);
    plan_event(w, "content_block_stop", data, 1);
    x_free(&data);
}

/* Replaces the captures in every string of a tree. */
static bool expand_tree(cJSON *item, const struct request *r, struct cause *why) {
    if (cJSON_IsString(item) && strstr(item->valuestring, "${")) {
        struct buf text = BUF_INIT;
        bool ok = request_expand(r, item->valuestring, &text, why);
        if (ok)
            cJSON_SetValuestring(item, buf_str(&text));
        buf_free(&text);
        return ok;
    }
    cJSON *it;
    cJSON_ArrayForEach(it, item) if (!expand_tree(it, r, why)) return false;
    return true;
}

/* The blocks of an answer as the API gives them unstreamed; NULL with a cause. The caller owns it.
 * A tool use with input_raw keeps that text in a member of this name. */
static cJSON *build_content(const struct rule *rule, const struct request *r, struct cause *why) {
    cJSON *content = json_new_arr();
    const cJSON *block;
    int i = 0;
    cJSON_ArrayForEach(block, rule->respond) {
        cJSON *out = json_new_obj();
        cJSON_AddItemToArray(content, out);
        const char *text = json_str(block, "text", NULL);
        const char *thinking = json_str(block, "thinking", NULL);
        const char *redacted = json_str(block, "redacted_thinking", NULL);
        const cJSON *tool = json_obj(block, "tool_use");
        if (text) {
            json_add_str(out, "type", "text");
            json_add_str(out, "text", text);
        } else if (thinking) {
            char signature[CHECK_SIGNATURE_SIZE];
            struct buf shown = BUF_INIT;
            bool ok = request_expand(r, thinking, &shown, why);
            check_signature(buf_str(&shown), signature);
            json_add_str(out, "type", "thinking");
            json_add_str(out, "thinking", buf_str(&shown));
            json_add_str(out, "signature", signature);
            buf_free(&shown);
            if (!ok)
                goto fail;
        } else if (redacted) {
            json_add_str(out, "type", "redacted_thinking");
            json_add_str(out, "data", redacted);
        } else if (tool) {
            char *id = xasprintf("toolu_fake%04d%02d", r->call, i);
            json_add_str(out, "type", "tool_use");
            json_add_str(out, "id", json_str(tool, "id", id));
            json_add_str(out, "name", json_str(tool, "name", ""));
            const cJSON *input = json_obj(tool, "input");
            cJSON_AddItemToObject(out, "input",
                                  input ? cJSON_Duplicate(input, true) : json_new_obj());
            if (json_str(tool, "input_raw", NULL))
                json_add_str(out, "input_raw", json_str(tool, "input_raw", NULL));
            x_free(&id);
        }
        if (!thinking && !expand_tree(out, r, why))
            goto fail;
        i++;
    }
    return content;
fail:
    cJSON_Delete(content);
    return NULL;
}

const char *plan_stop_reason(const struct rule *rule) {
    if (rule->stop_reason)
        return rule->stop_reason;
    const cJSON *block;
    cJSON_ArrayForEach(block, rule->respond) if (json_obj(block, "tool_use")) return "tool_use";
    return "end_turn";
}

const char *plan_model(const struct writer *w) {
    return w->rule->model ? w->rule->model : w->r->model;
}

/* {"input_tokens":…} with the rule's own numbers in place of counted ones (four bytes a token). */
static char *usage_json(const struct writer *w, int output_tokens) {
    cJSON *u = json_new_obj();
    const cJSON *own;
    json_add_i64(u, "input_tokens", (int64_t)(w->r->raw.len / 4 + 1));
    json_add_i64(u, "cache_creation_input_tokens", 0);
    json_add_i64(u, "cache_read_input_tokens", 0);
    json_add_i64(u, "output_tokens", output_tokens);
    cJSON_ArrayForEach(own, w->rule->usage) {
        cJSON_DeleteItemFromObjectCaseSensitive(u, own->string);
        cJSON_AddItemToObject(u, own->string, cJSON_Duplicate(own, true));
    }
    char *text = json_print(u);
    cJSON_Delete(u);
    return text;
}

static void write_block(struct writer *w, int index, const cJSON *block, int repeat) {
    const char *type = json_str(block, "type", "");
    if (strcmp(type, "text") == 0) {
        const char *text = json_str(block, "text", "");
        block_start(w, index, "{\"type\":\"text\",\"text\":\"\"}");
        if (repeat > 0) {
            w->chars += (int)strlen(text) * repeat;
            delta(w, index, "text_delta", "text", text, strlen(text), repeat);
        } else {
            deltas(w, index, "text_delta", "text", text);
        }
    } else if (strcmp(type, "thinking") == 0) {
        const char *signature = json_str(block, "signature", "");
        block_start(w, index, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
        deltas(w, index, "thinking_delta", "thinking", json_str(block, "thinking", ""));
        delta(w, index, "signature_delta", "signature", signature, strlen(signature), 1);
    } else if (strcmp(type, "tool_use") == 0) {
        char *input = json_print(cJSON_GetObjectItemCaseSensitive(block, "input"));
        cJSON *head = json_new_obj();
        json_add_str(head, "type", "tool_use");
        json_add_str(head, "id", json_str(block, "id", ""));
        json_add_str(head, "name", json_str(block, "name", ""));
        json_add_obj(head, "input");
        char *text = json_print(head);
        block_start(w, index, text);
        delta(w, index, "input_json_delta", "partial_json", "", 0, 1);
        const char *raw = json_str(block, "input_raw", NULL);
        if (raw || strcmp(input, "{}") != 0)
            deltas(w, index, "input_json_delta", "partial_json", raw ? raw : input);
        cJSON_Delete(head);
        x_free(&text);
        x_free(&input);
    } else {
        char *text = json_print(block);
        block_start(w, index, text);
        x_free(&text);
    }
    block_stop(w, index);
}

static void anthropic_stream(struct writer *w, const cJSON *content) {
    struct buf data = BUF_INIT;
    char *usage = usage_json(w, 1);
    const char *model = plan_model(w);
    buf_printf(
        &data,
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_fake%04d\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":",
        w->r->call);
    json_quote(&data, model, strlen(model));
    buf_printf(&data, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":%s}}",
               usage);
    plan_event(w, "message_start", buf_str(&data), 1);
    plan_event(w, "ping", "{\"type\":\"ping\"}", 1);
    x_free(&usage);

    int index = 0;
    const cJSON *block;
    cJSON_ArrayForEach(block, content) {
        const cJSON *rule_block = cJSON_GetArrayItem(w->rule->respond, index);
        write_block(w, index, block, (int)json_i64(rule_block, "repeat", 0));
        index++;
    }
    usage = usage_json(w, w->chars / 4 + 1);
    buf_reset(&data);
    buf_puts(&data, "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":");
    json_quote(&data, plan_stop_reason(w->rule), strlen(plan_stop_reason(w->rule)));
    buf_printf(&data, ",\"stop_sequence\":null},\"usage\":%s}", usage);
    plan_event(w, "message_delta", buf_str(&data), 1);
    plan_event(w, "message_stop", "{\"type\":\"message_stop\"}", 1);
    x_free(&usage);
    buf_free(&data);
}

/* The head; length < 0: chunked. */
static void write_head(struct plan *p, const char *content_type, long length, const char *extra) {
    buf_printf(&p->head, "HTTP/1.1 %d %s\r\ncontent-type: %s\r\nrequest-id: req_fake\r\n%s",
               p->status, http1_reason(p->status), content_type, extra);
    if (length < 0)
        buf_puts(&p->head, "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
    else
        buf_printf(&p->head, "content-length: %ld\r\n\r\n", length);
    p->chunked = length < 0;
}

static void whole_body(struct plan *p, const char *content_type, const char *body,
                       const char *extra) {
    size_t n = strlen(body);
    buf_append(&p->data, body, n);
    if (n)
        add_step(p, 0, 1);
    write_head(p, content_type, (long)n, extra);
}

static char *anthropic_whole(struct writer *w, const cJSON *content) {
    cJSON *m = json_new_obj();
    json_add_str(m, "id", "msg_fake");
    json_add_str(m, "type", "message");
    json_add_str(m, "role", "assistant");
    json_add_str(m, "model", plan_model(w));
    cJSON *blocks = cJSON_Duplicate(content, true), *block;
    cJSON_ArrayForEach(block, blocks) cJSON_DeleteItemFromObjectCaseSensitive(block, "input_raw");
    cJSON_AddItemToObject(m, "content", blocks);
    json_add_str(m, "stop_reason", plan_stop_reason(w->rule));
    json_add_null(m, "stop_sequence");
    char *usage = usage_json(w, 1);
    cJSON_AddItemToObject(m, "usage", cJSON_CreateRaw(usage));
    char *text = json_print(m);
    x_free(&usage);
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

static char *anthropic_error(int status, const char *type, const char *message) {
    struct buf b = BUF_INIT;
    if (!type)
        type = error_type(status);
    buf_printf(&b, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
    json_quote(&b, message, strlen(message));
    buf_puts(&b, "},\"request_id\":\"req_fake\"}");
    return buf_steal(&b);
}

const struct dialect dialect_anthropic = {
    .stream = anthropic_stream,
    .whole = anthropic_whole,
    .error = anthropic_error,
    .event = "content_block_delta",
    .error_event = "error",
    .broken_json = "{\"type\":\"content_block_delta\",\"index\":0,",
    .broken_utf8 = "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                   "\"text_delta\",\"text\":\"\xC3\x28\xFF\xFE\"}}",
};

static void plan_init(struct plan *p) {
    memset(p, 0, sizeof(*p));
    p->status = 200;
    p->cut_after = p->hold_after = -1;
}

void plan_error(struct plan *p, const struct dialect *d, int status, const char *message) {
    plan_init(p);
    p->status = status;
    char *body = d->error(status, NULL, message);
    whole_body(p, "application/json", body, "");
    x_free(&body);
}

void plan_body(struct plan *p, const char *body) {
    plan_init(p);
    p->status = 200;
    whole_body(p, "application/json", body, "");
}

/* An error status or a page that no client asked for. */
static void write_failure(struct plan *p, const struct dialect *d, const struct faults *f) {
    static const char page[] =
        "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n"
        "<body><center><h1>502 Bad Gateway</h1></center><hr><center>proxy</center></body></html>\n";
    struct buf extra = BUF_INIT;
    p->status = f->status ? f->status : 502;
    if (f->retry_after)
        buf_printf(&extra, "retry-after: %s\r\n", f->retry_after);
    if (f->location)
        buf_printf(&extra, "location: %s\r\n", f->location);
    if (f->html) {
        whole_body(p, "text/html; charset=utf-8", f->body ? f->body : page, buf_str(&extra));
    } else {
        const char *message = f->message         ? f->message
                              : p->status == 529 ? "Overloaded"
                                                 : http1_reason(p->status);
        char *body = f->body ? xstrdup(f->body) : d->error(p->status, NULL, message);
        whole_body(p, "application/json", body, buf_str(&extra));
        x_free(&body);
    }
    buf_free(&extra);
}

bool plan_rule(struct plan *p, const struct dialect *d, const struct rule *rule,
               const struct request *r, struct cause *why) {
    const struct faults *f = &rule->faults;
    plan_init(p);
    p->delay_ms = f->delay_ms;
    p->slow_ms = f->slow_ms;
    p->split = f->split;
    p->cut_after = f->cut_after_bytes;
    p->cut = f->cut_reset ? PLAN_RESET : PLAN_CLOSE;
    p->hold = f->hold;
    p->hold_after = f->hold ? f->hold_after : -1;
    if (f->refuse) {
        p->status = 0;
        p->end = f->cut_reset ? PLAN_RESET : PLAN_CLOSE;
        return true;
    }
    if (f->status || f->html) {
        write_failure(p, d, f);
        return true;
    }
    cJSON *content = build_content(rule, r, why);
    if (!content)
        return false;
    struct writer w = {.p = p, .dialect = d, .rule = rule, .r = r};
    if (r->stream) {
        write_head(p, "text/event-stream; charset=utf-8", -1, "");
        d->stream(&w, content);
    } else {
        char *body = d->whole(&w, content);
        whole_body(p, "application/json", body, "");
        x_free(&body);
    }
    cJSON_Delete(content);
    return true;
}

void plan_free(struct plan *p) {
    buf_free(&p->head);
    buf_free(&p->data);
    x_free(&p->steps);
    p->n = p->cap = 0;
}
