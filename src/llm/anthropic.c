/* anthropic: requests. Written straight into one buffer: the received text of a tool call goes back
 * as it came, and nothing is sorted or reformatted, so that the provider's prefix cache sees the
 * same bytes again. */
#include "llm/anthropic.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "llm/turns.h"

#define CACHE_CONTROL "\"cache_control\":{\"type\":\"ephemeral\"}"

static bool sendable(enum llm_role role, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        return !turns_blank(b->text);
    case LLM_BLOCK_THINKING:
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->signature);
    case LLM_BLOCK_REDACTED_THINKING:
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->text);
    case LLM_BLOCK_TOOL_USE:
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->id) && !str_empty(b->name);
    case LLM_BLOCK_TOOL_RESULT:
        return role == LLM_ROLE_USER && !str_empty(b->id);
    }
    return false;
}

static void key(struct buf *out, const char *name) { buf_printf(out, ",\"%s\":", name); }

static void string(struct buf *out, const char *s) { json_quote(out, s, strlen(s)); }

/* Of an id only [a-zA-Z0-9_-] is taken here; other providers' may have anything. */
static void id_string(struct buf *out, const char *id) {
    buf_putc(out, '"');
    for (; *id; id++)
        buf_putc(out, isalnum((unsigned char)*id) || strchr("_-", *id) ? *id : '_');
    buf_putc(out, '"');
}

static void text_block(struct buf *out, const char *text) {
    buf_puts(out, "{\"type\":\"text\",\"text\":");
    string(out, text);
    buf_putc(out, '}');
}

static void result_block(struct buf *out, const char *id, const char *text, bool is_error) {
    buf_puts(out, "{\"type\":\"tool_result\",\"tool_use_id\":");
    id_string(out, id);
    key(out, "content");
    /* An error without any text is refused. */
    string(out, is_error && turns_blank(text) ? TURNS_FAILED : text ? text : "");
    if (is_error)
        buf_puts(out, ",\"is_error\":true");
    buf_putc(out, '}');
}

static void orphan_block(struct buf *out, const struct llm_block *b) {
    struct buf t = BUF_INIT;
    turns_orphan(&t, b);
    text_block(out, t.data);
    buf_free(&t);
}

static void assistant_block(struct buf *out, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        text_block(out, b->text);
        break;
    case LLM_BLOCK_THINKING:
        buf_puts(out, "{\"type\":\"thinking\",\"thinking\":");
        string(out, b->text ? b->text : "");
        key(out, "signature");
        string(out, b->signature);
        buf_putc(out, '}');
        break;
    case LLM_BLOCK_REDACTED_THINKING:
        buf_puts(out, "{\"type\":\"redacted_thinking\",\"data\":");
        string(out, b->text);
        buf_putc(out, '}');
        break;
    case LLM_BLOCK_TOOL_USE:
        buf_puts(out, "{\"type\":\"tool_use\",\"id\":");
        id_string(out, b->id);
        key(out, "name");
        string(out, b->name);
        key(out, "input");
        buf_puts(out, turns_input(b->input));
        buf_putc(out, '}');
        break;
    case LLM_BLOCK_TOOL_RESULT: /* not from an assistant: sendable() */
        break;
    }
}

/* Answers to the calls of items[from..to) out of items[to..end). */
static size_t answers(struct buf *out, struct turns *t, size_t from, size_t to, size_t end) {
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (t->v[i].block->kind != LLM_BLOCK_TOOL_USE)
            continue;
        const struct llm_block *r = turns_answer(t, i, to, end);
        if (n++)
            buf_putc(out, ',');
        if (r)
            result_block(out, r->id, r->text, r->is_error);
        else
            result_block(out, t->v[i].block->id, TURNS_INTERRUPTED, true);
    }
    return n;
}

/* One user message: items[to..end), after the assistant's items[from..to). */
static void user_message(struct buf *out, struct turns *t, size_t from, size_t to, size_t end) {
    size_t n = answers(out, t, from, to, end);
    for (size_t i = to; i < end; i++) {
        if (t->v[i].used)
            continue;
        if (n++)
            buf_putc(out, ',');
        if (t->v[i].block->kind == LLM_BLOCK_TEXT)
            text_block(out, t->v[i].block->text);
        else
            orphan_block(out, t->v[i].block);
    }
}

static enum status messages(struct buf *out, const struct llm_history *h, struct cause *why) {
    struct turns all;
    enum status s = turns_make(&all, h, sendable, why);
    if (s != STATUS_OK)
        return s;
    buf_puts(out, ",\"messages\":[");
    /* The API wants the user first; after compaction an assistant may be. */
    if (all.v[0].role == LLM_ROLE_ASSISTANT) {
        buf_puts(out, "{\"role\":\"user\",\"content\":[");
        text_block(out, TURNS_HEADLESS);
        buf_puts(out, "]},");
    }
    size_t prev = 0;
    for (size_t i = 0; i < all.n;) {
        size_t end = turns_end(&all, i);
        bool user = all.v[i].role == LLM_ROLE_USER;
        buf_printf(out, "%s{\"role\":\"%s\",\"content\":[", i ? "," : "",
                   user ? "user" : "assistant");
        if (user) {
            user_message(out, &all, prev, i, end);
        } else {
            for (size_t j = i; j < end; j++) {
                if (j > i)
                    buf_putc(out, ',');
                assistant_block(out, all.v[j].block);
            }
        }
        buf_puts(out, "]}");
        prev = i;
        i = end;
    }
    buf_putc(out, ']');
    turns_free(&all);
    return s;
}

static enum status tools(struct buf *out, const struct llm_request *r, struct cause *why) {
    if (!r->ntools)
        return STATUS_OK;
    buf_puts(out, ",\"tools\":[");
    for (size_t i = 0; i < r->ntools; i++) {
        const struct llm_tool *t = &r->tools[i];
        enum status s = turns_schema(t, why);
        if (s != STATUS_OK)
            return s;
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        string(out, t->name);
        if (!turns_blank(t->description)) {
            key(out, "description");
            string(out, t->description);
        }
        key(out, "input_schema");
        buf_puts(out, t->schema);
        /* One mark on the last covers them all. */
        if (i + 1 == r->ntools)
            buf_puts(out, "," CACHE_CONTROL);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
    return STATUS_OK;
}

enum status anthropic_request(const struct llm_request *r, const char *model, struct buf *out,
                              struct cause *why) {
    buf_puts(out, "{\"model\":");
    string(out, model);
    buf_printf(out, ",\"max_tokens\":%d,\"stream\":true",
               r->max_tokens > 0 ? r->max_tokens : DECODE_MAX_TOKENS);
    if (!turns_blank(r->system)) {
        buf_puts(out, ",\"system\":[{\"type\":\"text\",\"text\":");
        string(out, r->system);
        buf_puts(out, "," CACHE_CONTROL "}]");
    }
    enum status s = tools(out, r, why);
    if (s == STATUS_OK)
        s = messages(out, r->history, why);
    buf_putc(out, '}');
    return s;
}

void anthropic_headers(const char *api_key, struct strv *out) {
    strv_push(out, "content-type: application/json");
    strv_push(out, "accept: text/event-stream");
    strv_push(out, "anthropic-version: 2023-06-01");
    if (!api_key)
        return;
    /* A token of a signed-in person is a bearer token, and the API wants to be told. */
    if (str_prefix(api_key, "sk-ant-oat")) {
        strv_push(out, "anthropic-beta: oauth-2025-04-20");
        strv_pushf(out, "authorization: Bearer %s", api_key);
    } else {
        strv_pushf(out, "x-api-key: %s", api_key);
    }
}
