/* anthropic: requests. Written straight into one buffer: the received text of a tool call goes back
 * as it came, and nothing is sorted or reformatted, so that the provider's prefix cache sees the
 * same bytes again. */
#include "llm/anthropic.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#define CACHE_CONTROL "\"cache_control\":{\"type\":\"ephemeral\"}"
#define ORPHAN_MAX 1024 /* bytes kept of a result whose call is gone */

/* One block on its way, with what becomes of it. */
struct item {
    const struct llm_block *block;
    enum llm_role role;
    bool used; /* a result that has been paired with its call */
};

struct items {
    struct item *v;
    size_t n;
};

static bool blank(const char *s) { return !s || s[strspn(s, " \t\r\n\v\f")] == '\0'; }

static bool is_thinking(const struct llm_block *b) {
    return b->kind == LLM_BLOCK_THINKING || b->kind == LLM_BLOCK_REDACTED_THINKING;
}

static bool sendable(enum llm_role role, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
        return !blank(b->text);
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

/* Everything that can be sent, in order. The API refuses thinking as the last block of a message,
 * so those are taken out from behind. */
static struct items flatten(const struct llm_history *h) {
    struct items out = {0};
    size_t cap = 0;
    for (size_t i = 0; i < h->n; i++)
        cap += h->v[i].n;
    out.v = xcalloc(cap, sizeof(*out.v));
    for (size_t i = 0; i < h->n; i++) {
        const struct llm_message *m = &h->v[i];
        for (size_t j = 0; j < m->n; j++) {
            if (!sendable(m->role, &m->blocks[j]))
                continue;
            while (m->role == LLM_ROLE_USER && out.n && is_thinking(out.v[out.n - 1].block))
                out.n--;
            out.v[out.n++] = (struct item){.block = &m->blocks[j], .role = m->role};
        }
    }
    return out;
}

static void key(struct buf *out, const char *name) { buf_printf(out, ",\"%s\":", name); }

static void string(struct buf *out, const char *s) { json_quote(out, s, strlen(s)); }

static void text_block(struct buf *out, const char *text) {
    buf_puts(out, "{\"type\":\"text\",\"text\":");
    string(out, text);
    buf_putc(out, '}');
}

static void result_block(struct buf *out, const char *id, const char *text, bool is_error) {
    buf_puts(out, "{\"type\":\"tool_result\",\"tool_use_id\":");
    string(out, id);
    key(out, "content");
    /* An error without any text is refused. */
    string(out, is_error && blank(text) ? "failed without a message" : text ? text : "");
    if (is_error)
        buf_puts(out, ",\"is_error\":true");
    buf_putc(out, '}');
}

/* A result whose call is not in the message before it: the words are kept, the form is not. */
static void orphan_block(struct buf *out, const struct llm_block *b) {
    const char *text = b->text ? b->text : "";
    size_t n = strlen(text), cut = utf8_cut(text, n, ORPHAN_MAX);
    struct buf t = BUF_INIT;
    buf_printf(&t, "[result of an earlier tool call]\n%.*s%s\n[end of result]", (int)cut, text,
               cut < n ? "..." : "");
    text_block(out, t.data);
    buf_free(&t);
}

/* The arguments as received where they are an object, else none: what was wrong with them stands in
 * the call's result, and the API takes nothing but an object here. */
static void tool_input(struct buf *out, const char *input) {
    cJSON *root = NULL;
    bool good =
        input && json_parse(input, strlen(input), &root, NULL) == STATUS_OK && cJSON_IsObject(root);
    cJSON_Delete(root);
    buf_puts(out, good ? input : "{}");
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
        string(out, b->id);
        key(out, "name");
        string(out, b->name);
        key(out, "input");
        tool_input(out, b->input);
        buf_putc(out, '}');
        break;
    case LLM_BLOCK_TOOL_RESULT: /* not from an assistant: sendable() */
        break;
    }
}

/* Answers to the calls of items[from..to), each by the first fitting result of items[to..end). */
static size_t answers(struct buf *out, struct item *items, size_t from, size_t to, size_t end) {
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (items[i].block->kind != LLM_BLOCK_TOOL_USE)
            continue;
        const char *id = items[i].block->id;
        size_t r = to;
        while (r < end && (items[r].used || items[r].block->kind != LLM_BLOCK_TOOL_RESULT ||
                           !str_eq(items[r].block->id, id)))
            r++;
        if (n++)
            buf_putc(out, ',');
        if (r == end) {
            result_block(out, id, "interrupted: there is no result of this call", true);
            continue;
        }
        items[r].used = true;
        result_block(out, id, items[r].block->text, items[r].block->is_error);
    }
    return n;
}

/* One user message: items[to..end), after the assistant's items[from..to). */
static void user_message(struct buf *out, struct item *items, size_t from, size_t to, size_t end) {
    size_t n = answers(out, items, from, to, end);
    for (size_t i = to; i < end; i++) {
        if (items[i].used)
            continue;
        if (n++)
            buf_putc(out, ',');
        if (items[i].block->kind == LLM_BLOCK_TEXT)
            text_block(out, items[i].block->text);
        else
            orphan_block(out, items[i].block);
    }
}

static enum status messages(struct buf *out, const struct llm_history *h, struct cause *why) {
    struct items all = flatten(h);
    enum status s = STATUS_OK;
    if (!all.n || all.v[all.n - 1].role != LLM_ROLE_USER) {
        s = cause_set(why, STATUS_INVALID,
                      "the conversation does not end with a message to answer");
        free(all.v);
        return s;
    }
    buf_puts(out, ",\"messages\":[");
    /* The API wants the user first; after compaction an assistant may be. */
    if (all.v[0].role == LLM_ROLE_ASSISTANT) {
        buf_puts(out, "{\"role\":\"user\",\"content\":[");
        text_block(out, "[The conversation before this point is not shown.]");
        buf_puts(out, "]},");
    }
    size_t prev = 0;
    for (size_t i = 0; i < all.n;) {
        size_t end = i;
        while (end < all.n && all.v[end].role == all.v[i].role)
            end++;
        bool user = all.v[i].role == LLM_ROLE_USER;
        buf_printf(out, "%s{\"role\":\"%s\",\"content\":[", i ? "," : "",
                   user ? "user" : "assistant");
        if (user) {
            user_message(out, all.v, prev, i, end);
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
    free(all.v);
    return s;
}

static enum status tools(struct buf *out, const struct llm_request *r, struct cause *why) {
    if (!r->ntools)
        return STATUS_OK;
    buf_puts(out, ",\"tools\":[");
    for (size_t i = 0; i < r->ntools; i++) {
        const struct llm_tool *t = &r->tools[i];
        cJSON *schema;
        struct cause c = {""};
        enum status s = json_parse(t->schema, strlen(t->schema), &schema, &c);
        if (s == STATUS_OK && !cJSON_IsObject(schema))
            s = cause_set(&c, STATUS_INVALID, "not an object");
        cJSON_Delete(schema);
        if (s != STATUS_OK)
            return cause_set(why, STATUS_INVALID, "the schema of the tool '%s' is wrong: %s",
                             t->name, c.text);
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        string(out, t->name);
        if (!blank(t->description)) {
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
               r->max_tokens > 0 ? r->max_tokens : ANTHROPIC_MAX_TOKENS);
    if (!blank(r->system)) {
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
    /* A token of a signed-in person is a bearer token, and the API wants to be told. */
    if (str_prefix(api_key, "sk-ant-oat")) {
        strv_push(out, "anthropic-beta: oauth-2025-04-20");
        strv_pushf(out, "authorization: Bearer %s", api_key);
    } else {
        strv_pushf(out, "x-api-key: %s", api_key);
    }
}
