/* openai: requests. Written straight into one buffer: the received text of a tool call goes back as
 * it came, and nothing is sorted or reformatted, so that the provider's prefix cache sees the same
 * bytes again. */
#include "llm/openai.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "llm/turns.h"

static bool sendable(enum llm_role role, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        return !turns_blank(b->text);
    case LLM_BLOCK_THINKING: /* there is no place for it, and other providers' says nothing here */
    case LLM_BLOCK_REDACTED_THINKING:
        return false;
    case LLM_BLOCK_TOOL_USE:
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->id) && !str_empty(b->name);
    case LLM_BLOCK_TOOL_RESULT:
        return role == LLM_ROLE_USER && !str_empty(b->id);
    }
    return false;
}

static void string(struct buf *out, const char *s) { json_quote(out, s, strlen(s)); }

static void message(struct buf *out, const char *role, const char *text) {
    buf_printf(out, ",{\"role\":\"%s\",\"content\":", role);
    string(out, text);
    buf_putc(out, '}');
}

/* The format has no mark for a failed call: the words say it. */
static void tool_message(struct buf *out, const char *id, const char *text, bool is_error) {
    struct buf t = BUF_INIT;
    if (is_error)
        buf_puts(&t, "Error: ");
    buf_puts(&t, is_error && turns_blank(text) ? TURNS_FAILED : text ? text : "");
    buf_puts(out, ",{\"role\":\"tool\",\"tool_call_id\":");
    string(out, id);
    buf_puts(out, ",\"content\":");
    string(out, buf_str(&t));
    buf_putc(out, '}');
    buf_free(&t);
}

/* items[from..to), which are an assistant's. */
static void assistant_message(struct buf *out, const struct turns *t, size_t from, size_t to) {
    struct buf text = BUF_INIT, calls = BUF_INIT;
    for (size_t i = from; i < to; i++) {
        const struct llm_block *b = t->v[i].block;
        if (b->kind == LLM_BLOCK_TEXT) {
            buf_puts(&text, text.len ? "\n\n" : "");
            buf_puts(&text, b->text);
            continue;
        }
        buf_puts(&calls, calls.len ? ",{\"id\":" : "{\"id\":");
        string(&calls, b->id);
        buf_puts(&calls, ",\"type\":\"function\",\"function\":{\"name\":");
        string(&calls, b->name);
        buf_puts(&calls, ",\"arguments\":");
        string(&calls, turns_input(b->input));
        buf_puts(&calls, "}}");
    }
    buf_puts(out, ",{\"role\":\"assistant\",\"content\":");
    if (text.len)
        string(out, buf_str(&text));
    else
        buf_puts(out, "null");
    if (calls.len)
        buf_printf(out, ",\"tool_calls\":[%s]", calls.data);
    buf_putc(out, '}');
    buf_free(&text);
    buf_free(&calls);
}

/* The results of the calls in items[from..to), one message each, then the rest of items[to..end) in
 * one. */
static void user_messages(struct buf *out, struct turns *t, size_t from, size_t to, size_t end) {
    for (size_t i = from; i < to; i++) {
        const struct llm_block *call = t->v[i].block;
        if (call->kind != LLM_BLOCK_TOOL_USE)
            continue;
        const struct llm_block *r = turns_answer(t, i, to, end);
        tool_message(out, call->id, r ? r->text : TURNS_INTERRUPTED, !r || r->is_error);
    }
    struct buf text = BUF_INIT;
    for (size_t i = to; i < end; i++) {
        const struct llm_block *b = t->v[i].block;
        if (t->v[i].used)
            continue;
        buf_puts(&text, text.len ? "\n\n" : "");
        if (b->kind == LLM_BLOCK_TEXT)
            buf_puts(&text, b->text);
        else
            turns_orphan(&text, b);
    }
    if (text.len)
        message(out, "user", buf_str(&text));
    buf_free(&text);
}

/* Each message brings a comma before it. */
static enum status messages(struct buf *out, const struct llm_history *h, struct cause *why) {
    struct turns all;
    enum status s = turns_make(&all, h, sendable, why);
    if (s != STATUS_OK)
        return s;
    /* Many chat templates want the user first; after compaction an assistant may be. */
    if (all.v[0].role == LLM_ROLE_ASSISTANT)
        message(out, "user", TURNS_HEADLESS);
    size_t prev = 0;
    for (size_t i = 0; i < all.n;) {
        size_t end = turns_end(&all, i);
        if (all.v[i].role == LLM_ROLE_USER)
            user_messages(out, &all, prev, i, end);
        else
            assistant_message(out, &all, i, end);
        prev = i;
        i = end;
    }
    turns_free(&all);
    return STATUS_OK;
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
        buf_printf(out, "%s{\"type\":\"function\",\"function\":{\"name\":", i ? "," : "");
        string(out, t->name);
        if (!turns_blank(t->description)) {
            buf_puts(out, ",\"description\":");
            string(out, t->description);
        }
        buf_printf(out, ",\"parameters\":%s}}", t->schema);
    }
    buf_putc(out, ']');
    return STATUS_OK;
}

static bool is_openai(const char *base_url) {
    static const char home[] = "https://api.openai.com";
    return str_prefix(base_url, home) && strchr("/:", base_url[sizeof(home) - 1]);
}

enum status openai_request(const struct llm_request *r, const char *model, const char *base_url,
                           struct buf *out, struct cause *why) {
    buf_puts(out, "{\"model\":");
    string(out, model);
    buf_printf(out, ",\"%s\":%d,\"stream\":true,\"stream_options\":{\"include_usage\":true}",
               is_openai(base_url) ? "max_completion_tokens" : "max_tokens",
               r->max_tokens > 0 ? r->max_tokens : DECODE_MAX_TOKENS);
    enum status s = tools(out, r, why);
    struct buf m = BUF_INIT;
    if (!turns_blank(r->system))
        message(&m, "system", r->system);
    if (s == STATUS_OK)
        s = messages(&m, r->history, why);
    buf_printf(out, ",\"messages\":[%s]}", m.len ? m.data + 1 : "");
    buf_free(&m);
    return s;
}

void openai_headers(const char *key, struct strv *out) {
    strv_push(out, "content-type: application/json");
    strv_push(out, "accept: text/event-stream");
    if (key)
        strv_pushf(out, "authorization: Bearer %s", key);
}
