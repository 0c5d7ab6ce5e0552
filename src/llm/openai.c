/* openai: requests. Written straight into one buffer: the received text of a tool call goes back as
 * it came, and nothing is sorted or reformatted, so that the provider's prefix cache sees the same
 * bytes again. */
#include "llm/openai.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "llm/effort.h"
#include "llm/media.h"
#include "llm/turns.h"

#define ID_MAX 40             /* characters of a call's id that OpenAI takes */
#define SHORT_ID 9            /* and what PROVIDER_SHORT_IDS wants */
#define NOT_KEPT "(not kept)" /* in place of thinking that must be there and is not */

/* What is wanted of one request; lent. */
struct writing {
    const struct wire_place *place;
    const char *model;
    bool echo;   /* thinking goes back beside calls */
    bool always; /* and must be there */
};

static bool sendable(const struct wire_place *p, enum llm_role role, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        return !turns_blank(b->text);
    case LLM_BLOCK_THINKING: /* what has a signature or an id is of another format */
        return role == LLM_ROLE_ASSISTANT && !turns_blank(b->text) && !b->signature && !b->id &&
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

static void call_id(const struct writing *w, struct buf *out, const char *id) {
    bool small = w->place->quirks & PROVIDER_SHORT_IDS;
    turns_id(out, id, small ? SHORT_ID : ID_MAX, small);
}

static void message(struct buf *out, const char *role, const char *text) {
    buf_printf(out, ",{\"role\":\"%s\",\"content\":", role);
    string(out, text);
    buf_putc(out, '}');
}

/* The format has no mark for a failed call: the words say it. */
static void tool_message(const struct writing *w, struct buf *out, const char *id, const char *text,
                         bool is_error) {
    struct buf t = BUF_INIT;
    if (is_error)
        buf_puts(&t, "Error: ");
    buf_puts(&t, is_error && turns_blank(text) ? TURNS_FAILED : text ? text : "");
    buf_puts(out, ",{\"role\":\"tool\",\"tool_call_id\":");
    call_id(w, out, id);
    buf_puts(out, ",\"content\":");
    string(out, buf_str(&t));
    buf_putc(out, '}');
    buf_free(&t);
}

static void join(struct buf *text, const char *more) {
    buf_puts(text, text->len ? "\n\n" : "");
    buf_puts(text, more);
}

static void call(const struct writing *w, struct buf *calls, const struct llm_block *b) {
    buf_puts(calls, calls->len ? ",{\"id\":" : "{\"id\":");
    call_id(w, calls, b->id);
    buf_puts(calls, ",\"type\":\"function\",\"function\":{\"name\":");
    string(calls, b->name);
    buf_puts(calls, ",\"arguments\":");
    string(calls, turns_input(b->input));
    buf_puts(calls, "}}");
}

/* items[from..to), which are an assistant's. Nothing is written of one that only thought. */
static void assistant_message(const struct writing *w, struct buf *out, const struct turns *t,
                              size_t from, size_t to) {
    struct buf text = BUF_INIT, thinking = BUF_INIT, calls = BUF_INIT;
    for (size_t i = from; i < to; i++) {
        const struct llm_block *b = t->v[i].block;
        switch (b->kind) {
        case LLM_BLOCK_TEXT:
            join(&text, b->text);
            break;
        case LLM_BLOCK_THINKING:
            join(&thinking, b->text);
            break;
        case LLM_BLOCK_TOOL_USE:
            call(w, &calls, b);
            break;
        case LLM_BLOCK_REDACTED_THINKING: /* not from an assistant, or never: sendable() */
        case LLM_BLOCK_TOOL_RESULT:
        case LLM_BLOCK_FILE:
            break;
        }
    }
    if (!text.len && !calls.len)
        goto out;
    buf_puts(out, ",{\"role\":\"assistant\",\"content\":");
    if (text.len)
        string(out, buf_str(&text));
    else
        buf_puts(out, "null");
    if (calls.len && w->echo && (thinking.len || w->always)) {
        buf_puts(out, ",\"reasoning_content\":");
        string(out, thinking.len ? buf_str(&thinking) : NOT_KEPT);
    }
    if (calls.len)
        buf_printf(out, ",\"tool_calls\":[%s]", calls.data);
    buf_putc(out, '}');
out:
    buf_free(&text);
    buf_free(&thinking);
    buf_free(&calls);
}

static void text_part(struct buf *parts, struct buf *text) {
    if (!text->len)
        return;
    buf_puts(parts, parts->len ? ",{\"type\":\"text\",\"text\":" : "{\"type\":\"text\",\"text\":");
    string(parts, buf_str(text));
    buf_putc(parts, '}');
    buf_reset(text);
}

/* A file that goes in as what it is is a part of its own, behind the text before it. */
static void file_part(const struct writing *w, struct buf *parts, struct buf *text,
                      const struct llm_block *b) {
    enum media as = media_as(w->place, w->model, b);
    if (as == MEDIA_TEXT || as == MEDIA_NOTE) {
        struct buf words = BUF_INIT;
        media_words(&words, b, as);
        join(text, buf_str(&words));
        buf_free(&words);
        return;
    }
    text_part(parts, text);
    if (parts->len)
        buf_putc(parts, ',');
    if (as == MEDIA_IMAGE) {
        buf_puts(parts, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
        media_url(parts, b);
    } else if (as == MEDIA_PDF) {
        buf_puts(parts, "{\"type\":\"file\",\"file\":{\"filename\":");
        string(parts, str_empty(b->name) ? "file.pdf" : b->name);
        buf_puts(parts, ",\"file_data\":");
        media_url(parts, b);
    } else {
        buf_puts(parts, "{\"type\":\"input_audio\",\"input_audio\":{\"data\":");
        string(parts, b->text);
        buf_printf(parts, ",\"format\":\"%s\"", strstr(b->mime, "wav") ? "wav" : "mp3");
    }
    buf_puts(parts, "}}");
}

/* The results of the calls in items[from..to), one message each, then the rest of items[to..end) in
 * one. */
static void user_messages(const struct writing *w, struct buf *out, struct turns *t, size_t from,
                          size_t to, size_t end) {
    for (size_t i = from; i < to; i++) {
        const struct llm_block *b = t->v[i].block;
        if (b->kind != LLM_BLOCK_TOOL_USE)
            continue;
        const struct llm_block *r = turns_answer(t, i, to, end);
        tool_message(w, out, b->id, r ? r->text : TURNS_INTERRUPTED, !r || r->is_error);
    }
    struct buf text = BUF_INIT, parts = BUF_INIT;
    for (size_t i = to; i < end; i++) {
        const struct llm_block *b = t->v[i].block;
        if (t->v[i].used)
            continue;
        if (b->kind == LLM_BLOCK_FILE) {
            file_part(w, &parts, &text, b);
        } else if (b->kind == LLM_BLOCK_TEXT) {
            join(&text, b->text);
        } else {
            buf_puts(&text, text.len ? "\n\n" : "");
            turns_orphan(&text, b);
        }
    }
    if (parts.len) {
        text_part(&parts, &text);
        buf_puts(out, ",{\"role\":\"user\",\"content\":[");
        buf_append(out, parts.data, parts.len);
        buf_puts(out, "]}");
    } else if (text.len) {
        message(out, "user", buf_str(&text));
    }
    buf_free(&text);
    buf_free(&parts);
}

/* Each message brings a comma before it. */
static enum status messages(const struct writing *w, struct buf *out, const struct llm_history *h,
                            struct cause *why) {
    struct turns all;
    enum status s = turns_make(&all, h, sendable, w->place, why);
    if (s != STATUS_OK)
        return s;
    /* Many chat templates want the user first; after compaction an assistant may be. */
    if (all.v[0].role == LLM_ROLE_ASSISTANT)
        message(out, "user", TURNS_HEADLESS);
    size_t prev = 0;
    for (size_t i = 0; i < all.n;) {
        size_t end = turns_end(&all, i);
        if (all.v[i].role == LLM_ROLE_USER)
            user_messages(w, out, &all, prev, i, end);
        else
            assistant_message(w, out, &all, i, end);
        prev = i;
        i = end;
    }
    turns_free(&all);
    return STATUS_OK;
}

/* Where a server is known to take it, or is Azure, which is OpenAI in another house. */
static void effort(struct buf *out, const struct writing *w, const struct llm_request *r) {
    const char *word = effort_openai(w->model, r->effort);
    bool object = w->place->quirks & PROVIDER_EFFORT_OBJECT;
    if (word && object)
        buf_printf(out, ",\"reasoning\":{\"effort\":\"%s\"}", word);
    else if (word && (w->place->quirks & PROVIDER_EFFORT || w->place->api == PROVIDER_API_AZURE))
        buf_printf(out, ",\"reasoning_effort\":\"%s\"", word);
}

static bool wants_thinking(const char *model) {
    return strstr(model, "k2.5") || strstr(model, "thinking") || strstr(model, "reasoning");
}

enum status openai_request(const struct wire_place *p, const struct llm_request *r,
                           const char *model, struct buf *out, struct cause *why) {
    struct writing w = {.place = p, .model = model, .always = wants_thinking(model)};
    w.echo = w.always || (p->quirks & PROVIDER_ECHO_REASONING);
    bool completion = p->quirks & PROVIDER_COMPLETION_TOKENS || p->api == PROVIDER_API_AZURE;
    buf_puts(out, "{\"model\":");
    string(out, wire_model(p, model));
    buf_printf(out, ",\"%s\":%d,\"stream\":true",
               completion ? "max_completion_tokens" : "max_tokens",
               r->max_tokens > 0 ? r->max_tokens : DECODE_MAX_TOKENS);
    if (!(p->quirks & PROVIDER_NO_USAGE_OPTION))
        buf_puts(out, ",\"stream_options\":{\"include_usage\":true}");
    effort(out, &w, r);
    static const struct turns_tool_form form = {"{\"type\":\"function\",\"function\":{",
                                                "parameters", "}}", NULL};
    enum status s = turns_tools(out, r, &form, why);
    struct buf m = BUF_INIT;
    if (!turns_blank(r->system))
        message(&m, "system", r->system);
    if (s == STATUS_OK)
        s = messages(&w, &m, r->history, why);
    buf_puts(out, ",\"messages\":[");
    if (m.len)
        buf_append(out, m.data + 1, m.len - 1);
    buf_puts(out, "]}");
    buf_free(&m);
    return s;
}
