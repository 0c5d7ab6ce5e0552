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
#include "pack.h"

#define FLOOD_BYTES 65536
#define FLOOD_REPEAT 1024
#define BLOCKS_MAX 512 /* of one answer: more than anybody takes */

static void add_step(struct plan *p, size_t from, int repeat) {
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 16;
        p->steps = xreallocarray(p->steps, p->cap, sizeof(*p->steps));
    }
    p->steps[p->n++] = (struct plan_step){from, p->data.len - from, repeat};
}

/* ---- events ---- */

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

/* ---- blocks ---- */

/* The next piece of a block: so many characters as the rule says, whole ones. */
static void put_piece(struct writer *w, struct plan_block *b) {
    size_t n = strlen(b->text), end = b->at;
    if (w->rule->faults.empty_deltas)
        w->dialect->piece(w, b, "", 0, 1);
    if (b->repeat > 0) {
        w->chars += (int)n * b->repeat;
        w->dialect->piece(w, b, b->text, n, b->repeat);
        b->at = n;
        return;
    }
    for (int i = 0; i < w->rule->delta_chars && end < n; i++) {
        uint32_t cp;
        int len = utf8_decode(b->text + end, n - end, &cp);
        end += len > 0 ? (size_t)len : 1;
    }
    w->chars += (int)(end - b->at);
    w->dialect->piece(w, b, b->text + b->at, end - b->at, 1);
    b->at = end;
}

static char *text_of(const struct writer *w, const cJSON *block, const char *type) {
    if (strcmp(type, "tool_use") != 0)
        return xstrdup(json_str(block, strcmp(type, "thinking") == 0 ? "thinking" : "text", ""));
    const char *raw = json_str(block, "input_raw", NULL);
    char *input = json_print(cJSON_GetObjectItemCaseSensitive(block, "input"));
    if (raw || (w->dialect->silent_empty && strcmp(input, "{}") == 0)) {
        x_free(&input);
        return xstrdup(raw ? raw : "");
    }
    return input;
}

/* Blocks that are open side by side, their pieces in turn. */
static void write_group(struct writer *w, struct plan_block *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        w->dialect->start(w, &v[i]);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            if (v[i].text[v[i].at])
                put_piece(w, &v[i]);
            more |= v[i].text[v[i].at] != '\0';
        }
    }
    for (size_t i = 0; i < n; i++)
        w->dialect->stop(w, &v[i]);
}

void plan_blocks(struct writer *w) {
    struct plan_block v[BLOCKS_MAX] = {0};
    size_t n = 0, end;
    int calls = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, w->content) {
        if (n == BLOCKS_MAX)
            break;
        const cJSON *rule_block = cJSON_GetArrayItem(w->rule->respond, (int)n);
        const char *type = json_str(it, "type", "");
        v[n] = (struct plan_block){.json = it, .type = type, .index = (int)n};
        v[n].text = text_of(w, it, type);
        v[n].repeat = (int)json_i64(rule_block, "repeat", 0);
        v[n].nth = strcmp(type, "tool_use") == 0 ? calls++ : 0;
        n++;
    }
    for (size_t i = 0; i < n; i = end) {
        bool call = strcmp(v[i].type, "tool_use") == 0;
        end = i + 1;
        while (w->rule->faults.interleave && call && end < n &&
               strcmp(v[end].type, "tool_use") == 0)
            end++;
        write_group(w, &v[i], end - i);
    }
    for (size_t i = 0; i < n; i++)
        free(v[i].text);
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

struct plan_usage plan_used(const struct writer *w) {
    const cJSON *own = w->rule->usage;
    return (struct plan_usage){
        .input = json_i64(own, "input_tokens", (int64_t)(w->r->raw.len / 4 + 1)),
        .cache_write = json_i64(own, "cache_creation_input_tokens", 0),
        .cache_read = json_i64(own, "cache_read_input_tokens", 0),
        .output = json_i64(own, "output_tokens", w->chars / 4 + 1),
    };
}

/* ---- bodies ---- */

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

/* Header lines that the faults ask for. */
static void extra_head(const struct faults *f, struct buf *out) {
    if (f->retry_after)
        buf_printf(out, "retry-after: %s\r\n", f->retry_after);
    if (f->location)
        buf_printf(out, "location: %s\r\n", f->location);
    if (f->headers)
        buf_puts(out, f->headers);
    if (f->gzip || f->bomb != BOMB_NONE)
        buf_puts(out, "content-encoding: gzip\r\n");
    else if (f->encoding)
        buf_printf(out, "content-encoding: %s\r\n", f->encoding);
}

/* An error status or a page that no client asked for. */
static void write_failure(struct plan *p, const struct dialect *d, const struct faults *f,
                          const char *head) {
    static const char page[] =
        "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n"
        "<body><center><h1>502 Bad Gateway</h1></center><hr><center>proxy</center></body></html>\n";
    p->status = f->status ? f->status : 502;
    if (f->html) {
        whole_body(p, "text/html; charset=utf-8", f->body ? f->body : page, head);
        return;
    }
    const char *message = f->message         ? f->message
                          : p->status == 529 ? "Overloaded"
                                             : http1_reason(p->status);
    char *body = f->body ? xstrdup(f->body) : d->error(p->status, NULL, message);
    whole_body(p, "application/json", body, head);
    x_free(&body);
}

/* One character, a gigabyte of it, as packed as it can be. */
static void write_bomb(struct plan *p, const struct faults *f, const char *head) {
    size_t from = 0;
    p->status = f->status ? f->status : 200;
    write_head(p, "text/event-stream; charset=utf-8", -1, head);
    pack_bomb_begin(&p->data, f->bomb == BOMB_LINES ? '\n' : '\0');
    add_step(p, from, 1);
    from = p->data.len;
    pack_bomb_more(&p->data, f->bomb == BOMB_LINES ? '\n' : '\0');
    add_step(p, from, PACK_BOMB_REPEAT);
}

/* What was planned, packed: an event still leaves when it is written. */
static void pack_all(struct plan *p) {
    struct buf plain = p->data;
    struct plan_step *steps = p->steps;
    size_t n = p->n;
    struct pack k;
    memset(&p->data, 0, sizeof(p->data));
    p->steps = NULL;
    p->n = p->cap = 0;
    pack_begin(&k, &p->data);
    for (size_t i = 0; i < n; i++) {
        for (int again = 0; again < steps[i].repeat; again++) {
            size_t from = i || again ? p->data.len : 0;
            pack_add(&k, &p->data, plain.data + steps[i].off, steps[i].len);
            add_step(p, from, 1);
        }
    }
    size_t from = p->data.len;
    pack_end(&k, &p->data);
    add_step(p, from, 1);
    buf_free(&plain);
    free(steps);
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
    cJSON *content = build_content(rule, r, why);
    if (!content)
        return false;
    struct writer w = {.p = p, .dialect = d, .rule = rule, .r = r, .content = content};
    struct buf head = BUF_INIT;
    extra_head(f, &head);
    if (f->bomb != BOMB_NONE) {
        write_bomb(p, f, buf_str(&head));
    } else if (f->status || f->html) {
        write_failure(p, d, f, buf_str(&head));
    } else if (r->stream) {
        write_head(p, "text/event-stream; charset=utf-8", -1, buf_str(&head));
        d->begin(&w);
        plan_blocks(&w);
        d->end(&w);
    } else {
        char *body = d->whole(&w);
        whole_body(p, "application/json", body, buf_str(&head));
        x_free(&body);
    }
    if (f->gzip) {
        pack_all(p);
        if (!p->chunked) { /* the length has changed: by its end, then */
            char *at = strstr(p->head.data, "content-length: ");
            buf_truncate(&p->head, (size_t)(at - p->head.data));
            buf_puts(&p->head, "transfer-encoding: chunked\r\n\r\n");
            p->chunked = true;
        }
    }
    buf_free(&head);
    cJSON_Delete(content);
    return true;
}

void plan_free(struct plan *p) {
    buf_free(&p->head);
    buf_free(&p->data);
    x_free(&p->steps);
    p->n = p->cap = 0;
}
