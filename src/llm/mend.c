/* mend: message by message, with a look at the next one. */
#include "llm/mend.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/turns.h"

bool mend_helps(const char *said) {
    static const char *const signs[] = {"tool_use",  "tool_result", "tool_call",
                                        "tool call", "thinking",    "signature"};
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        if (strcasestr(said, signs[i]))
            return true;
    return false;
}

/* A block of that kind and id in the messages from `i` on that are of `role`. */
static bool has(const struct llm_history *h, size_t i, enum llm_role role, enum llm_block_kind kind,
                const char *id) {
    for (; i < h->n && h->v[i].role == role; i++)
        for (size_t j = 0; j < h->v[i].n; j++)
            if (h->v[i].blocks[j].kind == kind && str_eq(h->v[i].blocks[j].id, id))
                return true;
    return false;
}

/* The first of the messages of the assistant right before the ones of the user around `i`; h->n
 * when there is none. */
static size_t asked_before(const struct llm_history *h, size_t i) {
    while (i > 0 && h->v[i - 1].role == LLM_ROLE_USER)
        i--;
    if (i == 0)
        return h->n;
    while (i > 0 && h->v[i - 1].role == LLM_ROLE_ASSISTANT)
        i--;
    return i;
}

static size_t answered_behind(const struct llm_history *h, size_t i) {
    while (i < h->n && h->v[i].role == LLM_ROLE_ASSISTANT)
        i++;
    return i;
}

/* Whether block b of message i stays as it is. */
static bool stays(const struct llm_history *h, size_t i, const struct llm_block *b) {
    switch (b->kind) {
    case LLM_BLOCK_TEXT:
    case LLM_BLOCK_FILE:
        return true;
    case LLM_BLOCK_THINKING:
    case LLM_BLOCK_REDACTED_THINKING:
        return false;
    case LLM_BLOCK_TOOL_USE:
        return has(h, answered_behind(h, i), LLM_ROLE_USER, LLM_BLOCK_TOOL_RESULT, b->id);
    case LLM_BLOCK_TOOL_RESULT:
        return has(h, asked_before(h, i), LLM_ROLE_ASSISTANT, LLM_BLOCK_TOOL_USE, b->id);
    }
    return true;
}

bool mend_history(struct llm_history *to, const struct llm_history *from) {
    bool changed = false;
    *to = (struct llm_history){0};
    for (size_t i = 0; i < from->n; i++) {
        struct llm_message m = {.role = from->v[i].role};
        for (size_t j = 0; j < from->v[i].n; j++) {
            const struct llm_block *b = &from->v[i].blocks[j];
            if (stays(from, i, b)) {
                llm_message_add_copy(&m, b);
                continue;
            }
            changed = true;
            if (b->kind == LLM_BLOCK_TOOL_RESULT) {
                struct buf text = BUF_INIT;
                turns_orphan(&text, b);
                llm_message_add_text(&m, buf_str(&text));
                buf_free(&text);
            }
        }
        if (m.n)
            llm_history_push(to, &m);
        else
            changed = true;
        llm_message_free(&m);
    }
    if (!changed)
        llm_history_free(to);
    return changed;
}
