/* turns: pairing and leaving out; no wire format is known here. */
#include "llm/turns.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/wire.h"

#define ORPHAN_MAX 1024 /* bytes kept of a result whose call is gone */

bool turns_blank(const char *s) { return !s || s[strspn(s, " \t\r\n\v\f")] == '\0'; }

static bool is_thinking(const struct llm_block *b) {
    return b->kind == LLM_BLOCK_THINKING || b->kind == LLM_BLOCK_REDACTED_THINKING;
}

/* Thinking as the last block of an answer is refused, so those are taken out from behind. */
enum status turns_make(struct turns *out, const struct llm_history *h, turns_sendable_fn *sendable,
                       const struct wire_place *p, struct cause *why) {
    size_t cap = 0, n = 0;
    for (size_t i = 0; i < h->n; i++)
        cap += h->v[i].n;
    struct turns_item *v = xcalloc(cap, sizeof(*v));
    for (size_t i = 0; i < h->n; i++) {
        const struct llm_message *m = &h->v[i];
        for (size_t j = 0; j < m->n; j++) {
            if (!sendable(p, m->role, &m->blocks[j]))
                continue;
            while (m->role == LLM_ROLE_USER && n && is_thinking(v[n - 1].block))
                n--;
            v[n++] = (struct turns_item){.block = &m->blocks[j], .role = m->role};
        }
    }
    *out = (struct turns){v, n};
    if (n && v[n - 1].role == LLM_ROLE_USER)
        return STATUS_OK;
    turns_free(out);
    return cause_set(why, STATUS_INVALID, "the conversation does not end with a message to answer");
}

void turns_free(struct turns *t) {
    free(t->v);
    *t = (struct turns){0};
}

size_t turns_end(const struct turns *t, size_t i) {
    size_t end = i;
    while (end < t->n && t->v[end].role == t->v[i].role)
        end++;
    return end;
}

const struct llm_block *turns_answer(struct turns *t, size_t call, size_t from, size_t end) {
    for (size_t r = from; r < end; r++) {
        struct turns_item *it = &t->v[r];
        if (it->used || it->block->kind != LLM_BLOCK_TOOL_RESULT ||
            !str_eq(it->block->id, t->v[call].block->id))
            continue;
        it->used = true;
        return it->block;
    }
    return NULL;
}

bool turns_own(const struct wire_place *p, const struct llm_block *thinking) {
    return !thinking->name || str_eq(thinking->name, p->id);
}

static bool is_plain(const char *s) {
    return s[strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* FNV-1a: the same in every run, as the prefix of a conversation must be. */
static uint64_t hash_of(const char *s) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h;
}

void turns_id(struct buf *out, const char *id, size_t max, bool plain) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t n = strlen(id);
    if (plain ? n == max && is_plain(id) : n <= max) {
        json_quote(out, id, n);
        return;
    }
    uint64_t h = hash_of(id);
    if (!plain) {
        buf_printf(out, "\"call_%016llx\"", (unsigned long long)h);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < max; i++, h /= 62)
        buf_putc(out, digits[h % 62]);
    buf_putc(out, '"');
}

void turns_orphan(struct buf *out, const struct llm_block *result) {
    const char *text = result->text ? result->text : "";
    size_t n = strlen(text), cut = utf8_cut(text, n, ORPHAN_MAX);
    buf_printf(out, "[result of an earlier tool call]\n%.*s%s\n[end of result]", (int)cut, text,
               cut < n ? "..." : "");
}

const char *turns_input(const char *input) {
    cJSON *root = NULL;
    bool good =
        input && json_parse(input, strlen(input), &root, NULL) == STATUS_OK && cJSON_IsObject(root);
    cJSON_Delete(root);
    return good ? input : "{}";
}

static enum status check_schema(const struct llm_tool *t, struct cause *why) {
    cJSON *schema;
    struct cause c = {""};
    enum status s = json_parse(t->schema, strlen(t->schema), &schema, &c);
    if (s == STATUS_OK && !cJSON_IsObject(schema))
        s = cause_set(&c, STATUS_INVALID, "not an object");
    cJSON_Delete(schema);
    if (s == STATUS_OK)
        return STATUS_OK;
    return cause_set(why, STATUS_INVALID, "the schema of the tool '%s' is wrong: %s", t->name,
                     c.text);
}

enum status turns_tools(struct buf *out, const struct llm_request *r,
                        const struct turns_tool_form *form, struct cause *why) {
    if (!r->ntools)
        return STATUS_OK;
    buf_puts(out, ",\"tools\":[");
    for (size_t i = 0; i < r->ntools; i++) {
        const struct llm_tool *t = &r->tools[i];
        enum status s = check_schema(t, why);
        if (s != STATUS_OK)
            return s;
        buf_printf(out, "%s%s\"name\":", i ? "," : "", form->open);
        json_quote(out, t->name, strlen(t->name));
        if (!turns_blank(t->description)) {
            buf_puts(out, ",\"description\":");
            json_quote(out, t->description, strlen(t->description));
        }
        buf_printf(out, ",\"%s\":", form->schema);
        buf_puts(out, t->schema);
        if (form->last && i + 1 == r->ntools)
            buf_puts(out, form->last);
        buf_puts(out, form->close);
    }
    buf_putc(out, ']');
    return STATUS_OK;
}
