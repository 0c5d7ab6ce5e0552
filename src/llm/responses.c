/* responses: requests. Written straight into one buffer, as the others are: the received text of a
 * call goes back as it came, so that the provider's prefix cache sees the same bytes again. */
#include "llm/responses.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "llm/effort.h"
#include "llm/media.h"
#include "llm/turns.h"

#define ID_MAX 64 /* characters of a call's id that are taken */

/* What is wanted of one request; lent. Each item brings a comma before it. */
struct writing {
    struct buf *out;
    const struct wire_place *place;
    const char *model;
};

static bool sendable(const struct wire_place *p, enum llm_role role, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        return !turns_blank(b->text);
    case LLM_BLOCK_THINKING: /* without its encrypted content it would be looked up and not found */
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->id) && !str_empty(b->signature) &&
               turns_own(p, b);
    case LLM_BLOCK_REDACTED_THINKING:
        return false;
    case LLM_BLOCK_TOOL_USE:
        return role == LLM_ROLE_ASSISTANT && !str_empty(b->id) && !str_empty(b->name);
    case LLM_BLOCK_TOOL_RESULT:
        return role == LLM_ROLE_USER && !str_empty(b->id);
    case LLM_BLOCK_FILE:
        return role == LLM_ROLE_USER;
    }
    return false;
}

static void string(struct buf *out, const char *s) { json_quote(out, s, strlen(s)); }

static void reasoning(struct buf *out, const struct llm_block *b) {
    buf_puts(out, ",{\"type\":\"reasoning\",\"id\":");
    string(out, b->id);
    buf_puts(out, ",\"summary\":[");
    if (!turns_blank(b->text)) {
        buf_puts(out, "{\"type\":\"summary_text\",\"text\":");
        string(out, b->text);
        buf_putc(out, '}');
    }
    buf_puts(out, "],\"encrypted_content\":");
    string(out, b->signature);
    buf_putc(out, '}');
}

static void assistant_item(const struct writing *w, const struct llm_block *b) {
    struct buf *out = w->out;
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        buf_puts(out, ",{\"role\":\"assistant\",\"content\":");
        string(out, b->text);
        buf_putc(out, '}');
        return;
    case LLM_BLOCK_THINKING:
        reasoning(out, b);
        return;
    case LLM_BLOCK_TOOL_USE:
        buf_puts(out, ",{\"type\":\"function_call\",\"call_id\":");
        turns_id(out, b->id, ID_MAX, false);
        buf_puts(out, ",\"name\":");
        string(out, b->name);
        buf_puts(out, ",\"arguments\":");
        string(out, turns_input(b->input));
        buf_putc(out, '}');
        return;
    case LLM_BLOCK_REDACTED_THINKING: /* not from an assistant, or never: sendable() */
    case LLM_BLOCK_TOOL_RESULT:
    case LLM_BLOCK_FILE:
        return;
    }
}

/* The format has no mark for a failed call: the words say it. */
static void output_item(struct buf *out, const char *id, const char *text, bool is_error) {
    struct buf t = BUF_INIT;
    if (is_error)
        buf_puts(&t, "Error: ");
    buf_puts(&t, is_error && turns_blank(text) ? TURNS_FAILED : text ? text : "");
    buf_puts(out, ",{\"type\":\"function_call_output\",\"call_id\":");
    turns_id(out, id, ID_MAX, false);
    buf_puts(out, ",\"output\":");
    string(out, buf_str(&t));
    buf_putc(out, '}');
    buf_free(&t);
}

static void text_part(struct buf *parts, const char *text) {
    buf_puts(parts, parts->len ? "," : "");
    buf_puts(parts, "{\"type\":\"input_text\",\"text\":");
    string(parts, text);
    buf_putc(parts, '}');
}

static void file_part(const struct writing *w, struct buf *parts, const struct llm_block *b) {
    enum media as = media_as(w->place, w->model, b);
    if (as == MEDIA_IMAGE || as == MEDIA_PDF) {
        buf_puts(parts, parts->len ? "," : "");
        buf_puts(parts, as == MEDIA_IMAGE ? "{\"type\":\"input_image\",\"image_url\":"
                                          : "{\"type\":\"input_file\",\"filename\":");
        if (as == MEDIA_PDF) {
            string(parts, str_empty(b->name) ? "file.pdf" : b->name);
            buf_puts(parts, ",\"file_data\":");
        }
        media_url(parts, b);
        buf_putc(parts, '}');
        return;
    }
    struct buf words = BUF_INIT;
    media_words(&words, b, as);
    text_part(parts, buf_str(&words));
    buf_free(&words);
}

/* The outputs of the calls in items[from..to), then the rest of items[to..end) as one message. */
static void user_items(const struct writing *w, struct turns *t, size_t from, size_t to,
                       size_t end) {
    for (size_t i = from; i < to; i++) {
        const struct llm_block *b = t->v[i].block;
        if (b->kind != LLM_BLOCK_TOOL_USE)
            continue;
        const struct llm_block *r = turns_answer(t, i, to, end);
        output_item(w->out, b->id, r ? r->text : TURNS_INTERRUPTED, !r || r->is_error);
    }
    struct buf parts = BUF_INIT;
    for (size_t i = to; i < end; i++) {
        const struct llm_block *b = t->v[i].block;
        if (t->v[i].used)
            continue;
        if (b->kind == LLM_BLOCK_FILE) {
            file_part(w, &parts, b);
        } else if (b->kind == LLM_BLOCK_TEXT) {
            text_part(&parts, b->text);
        } else {
            struct buf words = BUF_INIT;
            turns_orphan(&words, b);
            text_part(&parts, buf_str(&words));
            buf_free(&words);
        }
    }
    if (parts.len) {
        buf_puts(w->out, ",{\"role\":\"user\",\"content\":[");
        buf_append(w->out, parts.data, parts.len);
        buf_puts(w->out, "]}");
    }
    buf_free(&parts);
}

static enum status items(const struct writing *w, const struct llm_history *h, struct cause *why) {
    struct turns all;
    enum status s = turns_make(&all, h, sendable, w->place, why);
    if (s != STATUS_OK)
        return s;
    size_t prev = 0;
    for (size_t i = 0; i < all.n;) {
        size_t end = turns_end(&all, i);
        if (all.v[i].role == LLM_ROLE_USER)
            user_items(w, &all, prev, i, end);
        else
            for (size_t j = i; j < end; j++)
                assistant_item(w, all.v[j].block);
        prev = i;
        i = end;
    }
    turns_free(&all);
    return STATUS_OK;
}

enum status responses_request(const struct wire_place *p, const struct llm_request *r,
                              const char *model, struct buf *out, struct cause *why) {
    const char *effort = effort_openai(model, r->effort);
    struct buf input = BUF_INIT;
    const struct writing w = {&input, p, model};
    buf_puts(out, "{\"model\":");
    string(out, wire_model(p, model));
    buf_printf(out, ",\"max_output_tokens\":%d,\"stream\":true,\"store\":false",
               r->max_tokens > 0 ? r->max_tokens : DECODE_MAX_TOKENS);
    /* Others refuse to be asked for what they do not have. */
    if (effort_reasons(model))
        buf_puts(out, ",\"include\":[\"reasoning.encrypted_content\"]");
    if (effort)
        buf_printf(out, ",\"reasoning\":{\"effort\":\"%s\"}", effort);
    if (!turns_blank(r->system)) {
        buf_puts(out, ",\"instructions\":");
        string(out, r->system);
    }
    /* `strict` is on where nobody says anything, and our schemas leave things open. */
    static const struct turns_tool_form form = {"{\"type\":\"function\",", "parameters",
                                                ",\"strict\":false}", NULL};
    enum status s = turns_tools(out, r, &form, why);
    if (s == STATUS_OK)
        s = items(&w, r->history, why);
    buf_puts(out, ",\"input\":[");
    if (input.len)
        buf_append(out, input.data + 1, input.len - 1);
    buf_puts(out, "]}");
    buf_free(&input);
    return s;
}
