/* leak: texts are replaced in their blocks; arguments string by string, so that they stay JSON. */
#include "agent/leak.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

static void clean_strings(const struct scrub_values *values, cJSON *item) {
    struct buf out = BUF_INIT;
    for (cJSON *it = item; it; it = it->next) {
        if (cJSON_IsString(it) &&
            scrub_text(values, it->valuestring, strlen(it->valuestring), &out)) {
            (void)cJSON_SetValuestring(it, buf_str(&out));
            buf_reset(&out);
        }
        clean_strings(values, it->child);
    }
    buf_free(&out);
}

char *leak_input(const struct scrub_values *values, const char *input) {
    size_t n = strlen(input);
    struct buf out = BUF_INIT;
    cJSON *args = NULL;
    if (!scrub_text(values, input, n, &out))
        return NULL;
    if (json_parse(input, n, &args, NULL) == STATUS_OK) {
        clean_strings(values, args);
        char *text = json_print(args);
        buf_reset(&out);
        /* A name of a member, or two strings side by side: then nothing of it is kept. */
        buf_puts(&out, scrub_finds(values, text, strlen(text)) ? "{}" : text);
        x_free(&text);
    }
    cJSON_Delete(args);
    return buf_steal(&out);
}

static bool replace(const char **text, char *with) {
    if (!with)
        return false;
    text_drop(text);
    *text = text_of(with);
    x_free(&with);
    return true;
}

static char *clean_text(const struct scrub_values *values, const char *text) {
    struct buf out = BUF_INIT;
    return text && scrub_text(values, text, strlen(text), &out) ? buf_steal(&out) : NULL;
}

bool leak_message(const struct scrub_values *values, struct llm_message *m) {
    bool any = false;
    for (size_t i = 0; i < m->n; i++) {
        struct llm_block *b = &m->blocks[i];
        switch (b->kind) {
        case LLM_BLOCK_TEXT:
            any |= replace(&b->text, clean_text(values, b->text));
            break;
        case LLM_BLOCK_THINKING:
            if (!b->signature)
                any |= replace(&b->text, clean_text(values, b->text));
            break;
        case LLM_BLOCK_TOOL_USE:
            any |= replace(&b->input, b->input ? leak_input(values, b->input) : NULL);
            break;
        case LLM_BLOCK_REDACTED_THINKING:
        case LLM_BLOCK_TOOL_RESULT: /* was scrubbed by tools/tool.c */
        case LLM_BLOCK_FILE:        /* as a person gave it */
            break;
        }
    }
    return any;
}
