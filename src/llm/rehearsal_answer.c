/* rehearsal_answer: blocks of an answer in the making. */
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "llm/rehearsal-internal.h"

void rehearsal_answer_init(struct rehearsal_answer *a, const struct rehearsal_pace *pace) {
    *a = (struct rehearsal_answer){.pace = *pace, .fault = REHEARSAL_NO_FAULT};
    a->message.role = LLM_ROLE_ASSISTANT;
}

void rehearsal_answer_free(struct rehearsal_answer *a) { llm_message_free(&a->message); }

void rehearsal_answer_text(struct rehearsal_answer *a, const char *text) {
    llm_message_add_text(&a->message, text);
}

void rehearsal_answer_thinking(struct rehearsal_answer *a, const char *text) {
    struct llm_block *b = llm_message_add(&a->message, LLM_BLOCK_THINKING);
    b->text = text_of(text);
    b->signature = xstrdup("rehearsal");
}

void rehearsal_answer_call(struct rehearsal_answer *a, const char *tool, cJSON *input) {
    /* Calls are told apart by their ids for ever: in the store too, over many runs. */
    char uuid[ID_UUID_SIZE];
    id_uuid(uuid);
    struct llm_block *b = llm_message_add(&a->message, LLM_BLOCK_TOOL_USE);
    b->id = xasprintf("toolu_%s", uuid);
    b->name = xstrdup(tool);
    char *text = json_print(input);
    b->input = text_of(text);
    free(text);
    cJSON_Delete(input);
}

void rehearsal_answer_call_str(struct rehearsal_answer *a, const char *tool, const char *key,
                               const char *value) {
    cJSON *input = json_new_obj();
    json_add_str(input, key, value);
    rehearsal_answer_call(a, tool, input);
}

size_t rehearsal_answer_bytes(const struct rehearsal_answer *a) {
    size_t n = 0;
    for (size_t i = 0; i < a->message.n; i++) {
        const struct llm_block *b = &a->message.blocks[i];
        n += (b->text ? strlen(b->text) : 0) + (b->input ? strlen(b->input) : 0);
    }
    return n;
}
