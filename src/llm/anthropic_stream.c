/* anthropic: the events of an answer. Blocks may be open side by side and are told apart by the
 * provider's index; unknown events, blocks and deltas pass unseen. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/anthropic.h"

static struct decode_part *find(struct decode *d, const cJSON *event) {
    return decode_find(d, json_i64(event, "index", -1));
}

static enum decode_step tool_start(struct decode *d, int64_t index, const cJSON *block,
                                   struct cause *why) {
    const char *id = json_str(block, "id", ""), *name = json_str(block, "name", "");
    if (!*id || !*name || strlen(id) > DECODE_NAME_MAX || strlen(name) > DECODE_NAME_MAX)
        return decode_bad(why, "a tool call without a proper id and name");
    struct decode_part *p = decode_push_call(d, index, id, name, why);
    if (!p)
        return DECODE_BAD;
    /* Normally {} here and the text in pieces; but the whole may stand here already. */
    const cJSON *input = json_obj(block, "input");
    if (!input || !input->child)
        return DECODE_MORE;
    char *text = json_print(input);
    enum decode_step step = decode_add(d, p, text, false, why);
    free(text);
    return step;
}

static enum decode_step block_start(struct decode *d, const cJSON *event, struct cause *why) {
    static const struct {
        const char *type, *member;
        enum llm_block_kind kind;
    } texts[] = {{"text", "text", LLM_BLOCK_TEXT},
                 {"thinking", "thinking", LLM_BLOCK_THINKING},
                 {"redacted_thinking", "data", LLM_BLOCK_REDACTED_THINKING}};
    const cJSON *block = json_obj(event, "content_block");
    const char *type = json_str(block, "type", NULL);
    int64_t index = json_i64(event, "index", -1);
    if (!type)
        return decode_bad(why, "a content block without a type");
    /* The provider says that this index is something new, so what it was has ended. */
    enum decode_step step = decode_close(d, find(d, event), why);
    if (step != DECODE_MORE)
        return step;
    if (str_eq(type, "tool_use"))
        return tool_start(d, index, block, why);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!str_eq(type, texts[i].type))
            continue;
        struct decode_part *p = decode_push(d, index, texts[i].kind, why);
        if (!p)
            return DECODE_BAD;
        if (texts[i].kind == LLM_BLOCK_THINKING)
            step = decode_sign(d, p, json_str(block, "signature", ""), why);
        return step == DECODE_MORE
                   ? decode_add(d, p, json_str(block, texts[i].member, ""), false, why)
                   : step;
    }
    return DECODE_MORE;
}

/* Which member of which delta feeds which kind of block. */
static enum decode_step block_delta(struct decode *d, const cJSON *event, struct cause *why) {
    struct decode_part *p = find(d, event);
    const cJSON *delta = json_obj(event, "delta");
    const char *type = json_str(delta, "type", NULL), *text = NULL;
    if (!p || !type)
        return DECODE_MORE;
    switch (d->message.blocks[decode_at(d, p)].kind) {
    case LLM_BLOCK_TEXT:
        if (str_eq(type, "text_delta"))
            text = json_str(delta, "text", NULL);
        break;
    case LLM_BLOCK_THINKING:
        if (str_eq(type, "thinking_delta"))
            text = json_str(delta, "thinking", NULL);
        if (str_eq(type, "signature_delta"))
            return decode_sign(d, p, json_str(delta, "signature", ""), why);
        break;
    case LLM_BLOCK_TOOL_USE:
        if (str_eq(type, "input_json_delta"))
            text = json_str(delta, "partial_json", NULL);
        break;
    case LLM_BLOCK_REDACTED_THINKING:
    case LLM_BLOCK_TOOL_RESULT:
    case LLM_BLOCK_FILE:
        break;
    }
    return text ? decode_add(d, p, text, false, why) : DECODE_MORE;
}

/* ---- the message around them ---- */

/* Each report is the total so far; a member that is not there says nothing, and no token at all is
 * what servers say that do not count. */
static void read_usage(struct decode *d, const cJSON *usage, bool last) {
    if (!usage)
        return;
    struct llm_usage *u = &d->usage;
    int64_t in = decode_tokens(usage, "input_tokens"), out = decode_tokens(usage, "output_tokens");
    int64_t rd = decode_tokens(usage, "cache_read_input_tokens");
    int64_t wr = decode_tokens(usage, "cache_creation_input_tokens");
    if (in >= 0)
        u->input_tokens = in;
    d->input_known |= in > 0 || rd > 0 || wr > 0;
    if (rd >= 0)
        u->cache_read_tokens = rd;
    if (wr >= 0)
        u->cache_write_tokens = wr;
    int64_t hour = decode_tokens(json_obj(usage, "cache_creation"), "ephemeral_1h_input_tokens");
    if (hour >= 0)
        u->cache_hour_tokens = hour;
    if (out >= 0) {
        u->output_tokens = out;
        d->output_known = last && out > 0;
    }
}

static void message_start(struct decode *d, const cJSON *event) {
    const cJSON *m = json_obj(event, "message");
    const char *model = json_str(m, "model", "");
    d->begun = true;
    decode_set_model(d, model);
    read_usage(d, json_obj(m, "usage"), false);
}

static enum llm_stop stop_from(const char *reason) {
#define X(name, text)                                                                              \
    if (str_eq(reason, text))                                                                      \
        return LLM_STOP_##name;
    LLM_STOP_TABLE(X)
#undef X
    /* The window was full before max_tokens were reached: cut off all the same. */
    if (str_eq(reason, "model_context_window_exceeded"))
        return LLM_STOP_MAX_TOKENS;
    return LLM_STOP_OTHER;
}

static void message_delta(struct decode *d, const cJSON *event) {
    const char *reason = json_str(json_obj(event, "delta"), "stop_reason", NULL);
    if (reason) {
        d->stop = stop_from(reason);
        d->stopped = true;
    }
    read_usage(d, json_obj(event, "usage"), true);
}

static enum decode_step message_stop(struct decode *d, struct cause *why) {
    if (!d->begun)
        return decode_bad(why, "the answer ended before it began");
    if (!d->stopped)
        d->stop = decode_has_calls(d) ? LLM_STOP_TOOL_USE : LLM_STOP_END_TURN;
    d->stopped = true;
    return DECODE_DONE;
}

static enum decode_step error_event(struct decode *d, const cJSON *event) {
    const cJSON *e = json_obj(event, "error");
    decode_set_error(d, json_str(e, "type", ""), json_str(e, "message", ""), 0);
    return DECODE_ERROR;
}

/* X(event, what to do) */
#define EVENT_TABLE(X)                                                                             \
    X("content_block_delta", return block_delta(d, root, why))                                     \
    X("content_block_start", return block_start(d, root, why))                                     \
    X("content_block_stop", return decode_close(d, find(d, root), why))                            \
    X("message_start", message_start(d, root))                                                     \
    X("message_delta", message_delta(d, root))                                                     \
    X("message_stop", return message_stop(d, why))                                                 \
    X("error", return error_event(d, root))

static bool is_known(const char *type) {
#define X(name, action)                                                                            \
    if (str_eq(type, name))                                                                        \
        return true;
    EVENT_TABLE(X)
#undef X
    return false;
}

static enum decode_step act(struct decode *d, const char *type, const cJSON *root,
                            struct cause *why) {
#define X(name, action)                                                                            \
    if (str_eq(type, name)) {                                                                      \
        action;                                                                                    \
        return DECODE_MORE;                                                                        \
    }
    EVENT_TABLE(X)
#undef X
    return DECODE_MORE;
}

enum decode_step anthropic_event(struct decode *d, const struct sse_event *e, struct cause *why) {
    /* The name of the event is said twice; where the outer one is missing the inner one counts. */
    bool named = !str_eq(e->type, "message");
    if (named && !is_known(e->type))
        return DECODE_MORE;
    cJSON *root = decode_json(d, e->data, e->n);
    if (!root)
        return decode_bad(why, "an event is not a JSON object");
    enum decode_step step = act(d, named ? e->type : json_str(root, "type", ""), root, why);
    cJSON_Delete(root);
    return step;
}
