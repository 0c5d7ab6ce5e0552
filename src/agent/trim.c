/* trim: knows where a history may be cut, and what to say in place of what is gone. No model is
 * asked. */
#include "agent/trim.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"

#define RECAP_PART_MAX 200u           /* bytes of arguments, notes and results (SPEC A.5) */
#define RECAP_MAX ((size_t)32 * 1024) /* in all; the newest part stays */

static bool begins_with_results(const struct llm_message *m) {
    for (size_t i = 0; i < m->n; i++)
        if (m->blocks[i].kind == LLM_BLOCK_TOOL_RESULT)
            return true;
    return false;
}

size_t trim_cut(const struct llm_history *h, size_t from, size_t drop, size_t keep) {
    size_t cut = from + drop;
    if (drop == 0 || cut >= h->n)
        return from;
    while (cut < h->n && begins_with_results(&h->v[cut]))
        cut++;
    return h->n - cut < keep ? from : cut;
}

void trim_replace(struct llm_history *h, size_t from, size_t cut, const char *notice) {
    if (cut <= from)
        return;
    for (size_t i = from; i < cut; i++)
        llm_message_free(&h->v[i]);
    struct llm_message m = {.role = LLM_ROLE_USER};
    llm_message_add_text(&m, notice);
    h->v[from] = m;
    memmove(h->v + from + 1, h->v + cut, (h->n - cut) * sizeof *h->v);
    h->n -= cut - from - 1;
}

static const char recap_head[] =
    "[system] The oldest part of what you did was left out to make room. In short:\n";

static void part(struct buf *b, const char *what, const char *text) {
    size_t n = text ? strlen(text) : 0, cut = text ? utf8_cut(text, n, RECAP_PART_MAX) : 0;
    if (n == 0)
        return;
    buf_puts(b, what);
    buf_append(b, text, cut);
    buf_puts(b, cut < n ? "...\n" : "\n");
}

char *trim_recap(const struct llm_history *h, size_t from, size_t cut) {
    struct buf b = BUF_INIT, out = BUF_INIT;
    for (size_t i = from; i < cut; i++) {
        const struct llm_message *m = &h->v[i];
        for (size_t k = 0; k < m->n; k++) {
            const struct llm_block *block = &m->blocks[k];
            switch (block->kind) {
            case LLM_BLOCK_TEXT:
                if (str_prefix(block->text, recap_head)) { /* goes on in this one */
                    buf_puts(&b, block->text + strlen(recap_head));
                    break;
                }
                part(&b, m->role == LLM_ROLE_ASSISTANT ? "note: " : "told: ", block->text);
                break;
            case LLM_BLOCK_TOOL_USE:
                buf_printf(&b, "call: %.64s", block->name);
                part(&b, " ", block->input ? block->input : "{}");
                break;
            case LLM_BLOCK_TOOL_RESULT:
                part(&b, block->is_error ? "error: " : "result: ", block->text);
                break;
            case LLM_BLOCK_FILE:
                part(&b, "file: ", block->name ? block->name : "");
                break;
            case LLM_BLOCK_THINKING:
            case LLM_BLOCK_REDACTED_THINKING:
                break; /* was never meant to be kept */
            }
        }
    }
    buf_puts(&out, recap_head);
    size_t start = 0;
    if (b.len > RECAP_MAX) {
        start = b.len - RECAP_MAX;
        while (start < b.len && b.data[start - 1] != '\n')
            start++;
        buf_puts(&out, "...\n");
    }
    buf_append(&out, buf_str(&b) + start, b.len - start);
    buf_free(&b);
    return buf_steal(&out);
}
