/* anthropic: requests. Written straight into one buffer: the received text of a tool call goes back
 * as it came, and nothing is sorted or reformatted, so that the provider's prefix cache sees the
 * same bytes again. */
#include "llm/anthropic.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/effort.h"
#include "llm/media.h"
#include "llm/turns.h"

/* What is wanted of one request; lent. */
struct writing {
    struct buf *out;
    const struct wire_place *place;
    const char *model;
    const char *mark; /* "cache_control":{…}; NULL: nothing is to be kept */
};

static bool sendable(const struct wire_place *p, enum llm_role role, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        return !turns_blank(b->text);
    case LLM_BLOCK_THINKING: /* what has an id is of another format */
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->signature) && !b->id && turns_own(p, b);
    case LLM_BLOCK_REDACTED_THINKING:
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->text) && turns_own(p, b);
    case LLM_BLOCK_TOOL_USE:
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->id) && !str_empty(b->name);
    case LLM_BLOCK_TOOL_RESULT:
        return role == LLM_ROLE_USER && !str_empty(b->id);
    case LLM_BLOCK_FILE:
        return role == LLM_ROLE_USER;
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

static void source_block(struct buf *out, const char *type, const struct llm_block *b) {
    buf_printf(out, "{\"type\":\"%s\",\"source\":{\"type\":\"base64\",\"media_type\":", type);
    string(out, b->mime);
    key(out, "data");
    string(out, b->text);
    buf_puts(out, "}}");
}

static void file_block(const struct writing *w, const struct llm_block *b) {
    enum media as = media_as(w->place, w->model, b);
    struct buf words = BUF_INIT;
    switch (as) {
    case MEDIA_IMAGE:
        source_block(w->out, "image", b);
        return;
    case MEDIA_PDF:
        source_block(w->out, "document", b);
        return;
    case MEDIA_AUDIO:
    case MEDIA_TEXT:
    case MEDIA_NOTE:
        break;
    }
    media_words(&words, b, as);
    text_block(w->out, buf_str(&words));
    buf_free(&words);
}

/* The block that was just written is where what is to be kept ends. */
static void mark(const struct writing *w) {
    if (!w->mark)
        return;
    buf_truncate(w->out, w->out->len - 1);
    buf_printf(w->out, ",%s}", w->mark);
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
    case LLM_BLOCK_FILE:
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

static void user_block(const struct writing *w, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        text_block(w->out, b->text);
        return;
    case LLM_BLOCK_FILE:
        file_block(w, b);
        return;
    case LLM_BLOCK_TOOL_RESULT:
    case LLM_BLOCK_TOOL_USE:
    case LLM_BLOCK_THINKING:
    case LLM_BLOCK_REDACTED_THINKING:
        break;
    }
    orphan_block(w->out, b);
}

/* One user message: items[to..end), after the assistant's items[from..to). */
static void user_message(const struct writing *w, struct turns *t, size_t from, size_t to,
                         size_t end) {
    size_t n = answers(w->out, t, from, to, end);
    for (size_t i = to; i < end; i++) {
        if (t->v[i].used)
            continue;
        if (n++)
            buf_putc(w->out, ',');
        user_block(w, t->v[i].block);
    }
}

/* Where the turn of the user before the last one begins; that of the last one when there is no
 * other. */
static size_t last_but_one(const struct turns *t) {
    size_t last = 0, before = 0;
    for (size_t i = 0; i < t->n; i = turns_end(t, i)) {
        if (t->v[i].role != LLM_ROLE_USER)
            continue;
        before = last;
        last = i;
    }
    return t->v[before].role == LLM_ROLE_USER ? before : last;
}

static enum status messages(const struct writing *w, const struct llm_history *h,
                            struct cause *why) {
    struct turns all;
    struct buf *out = w->out;
    enum status s = turns_make(&all, h, sendable, w->place, why);
    if (s != STATUS_OK)
        return s;
    buf_puts(out, ",\"messages\":[");
    /* The API wants the user first; after compaction an assistant may be. */
    if (all.v[0].role == LLM_ROLE_ASSISTANT) {
        buf_puts(out, "{\"role\":\"user\",\"content\":[");
        text_block(out, TURNS_HEADLESS);
        buf_puts(out, "]},");
    }
    size_t prev = 0, marked = last_but_one(&all);
    for (size_t i = 0; i < all.n;) {
        size_t end = turns_end(&all, i);
        bool user = all.v[i].role == LLM_ROLE_USER;
        buf_printf(out, "%s{\"role\":\"%s\",\"content\":[", i ? "," : "",
                   user ? "user" : "assistant");
        if (user) {
            user_message(w, &all, prev, i, end);
            if (i >= marked)
                mark(w);
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

static const char *mark_of(const struct wire_place *p) {
    switch (p->cache) {
    case LLM_CACHE_LONG:
        if (p->quirks & PROVIDER_LONG_CACHE)
            return "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}";
        break;
    case LLM_CACHE_SHORT:
        break;
    case LLM_CACHE_NONE:
        return NULL;
    }
    return "\"cache_control\":{\"type\":\"ephemeral\"}";
}

enum status anthropic_request(const struct wire_place *p, const struct llm_request *r,
                              const char *model, struct buf *out, struct cause *why) {
    const struct writing w = {out, p, model, mark_of(p)};
    const char *effort = effort_claude(model, r->effort);
    buf_puts(out, "{\"model\":");
    string(out, model);
    buf_printf(out, ",\"max_tokens\":%d,\"stream\":true",
               r->max_tokens > 0 ? r->max_tokens : DECODE_MAX_TOKENS);
    if (effort)
        buf_printf(out,
                   ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"%s\"}",
                   effort);
    if (!turns_blank(r->system)) {
        buf_puts(out, ",\"system\":[");
        text_block(out, r->system);
        mark(&w);
        buf_putc(out, ']');
    }
    /* One mark on the last covers them all. */
    char *last = w.mark ? xasprintf(",%s", w.mark) : NULL;
    enum status s =
        turns_tools(out, r, &(struct turns_tool_form){"{", "input_schema", "}", last}, why);
    x_free(&last);
    if (s == STATUS_OK)
        s = messages(&w, r->history, why);
    buf_putc(out, '}');
    return s;
}
