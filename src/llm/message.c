/* message: turns of blocks, their copies, their size and their neutral JSON. No provider's wire
 * format. */
#include "llm/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"

#define IMAGE_TOKENS 1600u

static const char *role_name(enum llm_role r) {
    switch (r) {
#define X(name, text)                                                                              \
    case LLM_ROLE_##name:                                                                          \
        return text;
        LLM_ROLE_TABLE(X)
#undef X
    }
    return "?";
}

static bool role_from(const char *s, enum llm_role *out) {
#define X(name, text)                                                                              \
    if (str_eq(s, text)) {                                                                         \
        *out = LLM_ROLE_##name;                                                                    \
        return true;                                                                               \
    }
    LLM_ROLE_TABLE(X)
#undef X
    return false;
}

static const char *block_name(enum llm_block_kind k) {
    switch (k) {
#define X(name, text)                                                                              \
    case LLM_BLOCK_##name:                                                                         \
        return text;
        LLM_BLOCK_TABLE(X)
#undef X
    }
    return "?";
}

static bool block_from(const char *s, enum llm_block_kind *out) {
#define X(name, text)                                                                              \
    if (str_eq(s, text)) {                                                                         \
        *out = LLM_BLOCK_##name;                                                                   \
        return true;                                                                               \
    }
    LLM_BLOCK_TABLE(X)
#undef X
    return false;
}

struct llm_block *llm_message_add(struct llm_message *m, enum llm_block_kind kind) {
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 4;
        m->blocks = xreallocarray(m->blocks, m->cap, sizeof(*m->blocks));
    }
    struct llm_block *b = &m->blocks[m->n++];
    memset(b, 0, sizeof(*b));
    b->kind = kind;
    return b;
}

void llm_message_add_text(struct llm_message *m, const char *text) {
    llm_message_add(m, LLM_BLOCK_TEXT)->text = text_of(text);
}

void llm_message_add_result(struct llm_message *m, const char *call_id, const char *text,
                            bool is_error) {
    struct llm_block *b = llm_message_add(m, LLM_BLOCK_TOOL_RESULT);
    b->id = xstrdup(call_id);
    b->text = text_of(text);
    b->is_error = is_error;
}

void llm_message_add_copy(struct llm_message *m, const struct llm_block *b) {
    struct llm_block *t = llm_message_add(m, b->kind);
    t->text = text_keep(b->text);
    t->id = xstrdup_null(b->id);
    t->name = xstrdup_null(b->name);
    t->mime = xstrdup_null(b->mime);
    t->signature = xstrdup_null(b->signature);
    t->input = text_keep(b->input);
    t->is_error = b->is_error;
}

static void base64(struct buf *out, const unsigned char *p, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (; n >= 3; p += 3, n -= 3) {
        unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
        buf_append(out, four, 4);
    }
    if (!n)
        return;
    unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0);
    char four[4] = {digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=', '='};
    buf_append(out, four, 4);
}

void llm_message_add_file(struct llm_message *m, const char *mime, const char *name,
                          const void *bytes, size_t n) {
    struct llm_block *b = llm_message_add(m, LLM_BLOCK_FILE);
    struct buf text = BUF_INIT;
    (void)buf_room(&text, n / 3 * 4 + 5);
    base64(&text, bytes, n);
    b->mime = xstrdup(mime);
    b->name = xstrdup(name);
    b->text = text_new(buf_str(&text), text.len);
    buf_free(&text);
}

void llm_message_free(struct llm_message *m) {
    for (size_t i = 0; i < m->n; i++) {
        struct llm_block *b = &m->blocks[i];
        text_drop(&b->text);
        free(b->id);
        free(b->name);
        free(b->mime);
        free(b->signature);
        text_drop(&b->input);
    }
    free(m->blocks);
    memset(m, 0, sizeof(*m));
}

void llm_message_copy(struct llm_message *to, const struct llm_message *from) {
    memset(to, 0, sizeof(*to));
    to->role = from->role;
    for (size_t i = 0; i < from->n; i++)
        llm_message_add_copy(to, &from->blocks[i]);
}

char *llm_message_text(const struct llm_message *m) {
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < m->n; i++) {
        if (m->blocks[i].kind != LLM_BLOCK_TEXT || str_empty(m->blocks[i].text))
            continue;
        if (b.len)
            buf_puts(&b, "\n\n");
        buf_puts(&b, m->blocks[i].text);
    }
    return buf_steal(&b);
}

void llm_history_push(struct llm_history *h, struct llm_message *m) {
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 8;
        h->v = xreallocarray(h->v, h->cap, sizeof(*h->v));
    }
    h->v[h->n++] = *m;
    memset(m, 0, sizeof(*m));
}

void llm_history_push_text(struct llm_history *h, enum llm_role role, const char *text) {
    struct llm_message m = {.role = role};
    llm_message_add_text(&m, text);
    llm_history_push(h, &m);
}

void llm_history_truncate(struct llm_history *h, size_t n) {
    while (h->n > n)
        llm_message_free(&h->v[--h->n]);
}

void llm_history_copy(struct llm_history *to, const struct llm_history *from) {
    memset(to, 0, sizeof(*to));
    for (size_t i = 0; i < from->n; i++) {
        struct llm_message m;
        llm_message_copy(&m, &from->v[i]);
        llm_history_push(to, &m);
    }
}

void llm_history_free(struct llm_history *h) {
    llm_history_truncate(h, 0);
    free(h->v);
    memset(h, 0, sizeof(*h));
}

static size_t len(const char *s) { return s ? strlen(s) : 0; }

/* In quarters of a token. Base64 has 4 characters for 3 bytes. */
static size_t file_bytes(const struct llm_block *b) {
    return str_prefix(b->mime, "image/") ? IMAGE_TOKENS * 4 : len(b->text) * 3 / 8;
}

int64_t llm_history_files(const struct llm_history *h, size_t *base64) {
    int64_t tokens = 0;
    *base64 = 0;
    for (size_t i = 0; i < h->n; i++) {
        for (size_t j = 0; j < h->v[i].n; j++) {
            const struct llm_block *b = &h->v[i].blocks[j];
            if (b->kind != LLM_BLOCK_FILE)
                continue;
            tokens += (int64_t)((file_bytes(b) + 3) / 4);
            *base64 += len(b->text);
        }
    }
    return tokens;
}

int64_t llm_history_tokens(const struct llm_history *h) {
    size_t bytes = 0;
    for (size_t i = 0; i < h->n; i++) {
        for (size_t j = 0; j < h->v[i].n; j++) {
            const struct llm_block *b = &h->v[i].blocks[j];
            switch (b->kind) {
            case LLM_BLOCK_TEXT:
            case LLM_BLOCK_TOOL_RESULT:
                bytes += len(b->text);
                break;
            case LLM_BLOCK_TOOL_USE:
                bytes += len(b->input);
                break;
            case LLM_BLOCK_FILE:
                bytes += file_bytes(b);
                break;
            case LLM_BLOCK_THINKING: /* a provider drops those of earlier turns from what it counts
                                      */
            case LLM_BLOCK_REDACTED_THINKING:
                break;
            }
        }
    }
    return (int64_t)((bytes + 3) / 4);
}

static void member(struct buf *out, const char *key, const char *value) {
    if (!value)
        return;
    buf_printf(out, ",\"%s\":", key);
    json_quote(out, value, strlen(value));
}

/* {"type":…,"text":…,"id":…,"name":…,"mime":…,"signature":…,"input":…,"is_error":true}: what a
 * block has not is left out. The input is a string, the received text itself, so that reading it
 * back changes no digit of it. */
char *llm_history_json(const struct llm_history *h) {
    struct buf out = BUF_INIT;
    buf_putc(&out, '[');
    for (size_t i = 0; i < h->n; i++) {
        const struct llm_message *m = &h->v[i];
        buf_printf(&out, "%s{\"role\":\"%s\",\"blocks\":[", i ? "," : "", role_name(m->role));
        for (size_t j = 0; j < m->n; j++) {
            const struct llm_block *b = &m->blocks[j];
            buf_printf(&out, "%s{\"type\":\"%s\"", j ? "," : "", block_name(b->kind));
            member(&out, "text", b->text);
            member(&out, "id", b->id);
            member(&out, "name", b->name);
            member(&out, "mime", b->mime);
            member(&out, "signature", b->signature);
            member(&out, "input", b->input);
            if (b->is_error)
                buf_puts(&out, ",\"is_error\":true");
            buf_putc(&out, '}');
        }
        buf_puts(&out, "]}");
    }
    buf_putc(&out, ']');
    return buf_steal(&out);
}

static enum status read_block(const cJSON *item, struct llm_message *m, struct cause *why) {
    enum llm_block_kind kind;
    const char *type = json_str(item, "type", NULL);
    if (!block_from(type, &kind))
        return cause_set(why, STATUS_INVALID, "transcript: unknown block type '%s'",
                         type ? type : "");
    struct llm_block *b = llm_message_add(m, kind);
    b->text = text_of(json_str(item, "text", NULL));
    b->id = xstrdup_null(json_str(item, "id", NULL));
    b->name = xstrdup_null(json_str(item, "name", NULL));
    b->mime = xstrdup_null(json_str(item, "mime", NULL));
    b->signature = xstrdup_null(json_str(item, "signature", NULL));
    b->input = text_of(json_str(item, "input", NULL));
    b->is_error = json_bool(item, "is_error", false);
    if (kind == LLM_BLOCK_FILE && (!b->mime || !b->text))
        return cause_set(why, STATUS_INVALID, "transcript: a file without its kind or its bytes");
    return STATUS_OK;
}

static enum status read_message(const cJSON *item, struct llm_history *h, struct cause *why) {
    struct llm_message m = {0};
    const char *role = json_str(item, "role", NULL);
    if (!role_from(role, &m.role))
        return cause_set(why, STATUS_INVALID, "transcript: unknown role '%s'", role ? role : "");
    const cJSON *block = NULL;
    cJSON_ArrayForEach(block, json_arr(item, "blocks")) {
        enum status s = read_block(block, &m, why);
        if (s != STATUS_OK) {
            llm_message_free(&m);
            return s;
        }
    }
    llm_history_push(h, &m);
    return STATUS_OK;
}

enum status llm_history_parse(const char *json, size_t n, struct llm_history *out,
                              struct cause *why) {
    memset(out, 0, sizeof(*out));
    cJSON *root;
    enum status s = json_parse(json, n, &root, why);
    if (s != STATUS_OK)
        return s;
    if (!cJSON_IsArray(root))
        s = cause_set(why, STATUS_INVALID, "transcript: not an array");
    const cJSON *item = NULL;
    if (s == STATUS_OK) {
        cJSON_ArrayForEach(item, root) {
            s = read_message(item, out, why);
            if (s != STATUS_OK)
                break;
        }
    }
    cJSON_Delete(root);
    if (s != STATUS_OK)
        llm_history_free(out);
    return s;
}
