/* responses: the events of an answer. Items are told apart by their place in the output and may be
 * open side by side; each is one block. What the pieces left out the item's last event tells, and
 * what no event told the response at the end: servers differ in how much of it they stream. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/fault.h"
#include "llm/responses.h"

static int64_t index_of(const cJSON *event) { return json_i64(event, "output_index", -1); }

/* The last block of that item, ended or not. */
static struct decode_part *find(struct decode *d, int64_t index) {
    for (size_t i = d->message.n; i-- > 0;)
        if (d->parts[i].index == index)
            return &d->parts[i];
    return NULL;
}

static struct decode_part *find_kind(struct decode *d, int64_t index, enum llm_block_kind kind) {
    struct decode_part *p = find(d, index);
    return p && p->open && d->message.blocks[decode_at(d, p)].kind == kind ? p : NULL;
}

/* A piece of a block, which begins with it if it must. */
static enum decode_step add(struct decode *d, int64_t index, enum llm_block_kind kind,
                            const char *text, struct cause *why) {
    if (!*text)
        return DECODE_MORE;
    struct decode_part *p = find_kind(d, index, kind);
    if (!p)
        p = decode_push(d, index, kind, why);
    return p ? decode_add(d, p, text, false, why) : DECODE_BAD;
}

static enum decode_step add_delta(struct decode *d, const cJSON *event, enum llm_block_kind kind,
                                  struct cause *why) {
    return add(d, index_of(event), kind, json_str(event, "delta", ""), why);
}

static enum decode_step refuse(struct decode *d, const cJSON *event, struct cause *why) {
    d->stop = LLM_STOP_REFUSAL;
    return add_delta(d, event, LLM_BLOCK_TEXT, why);
}

/* A call's name has come with its item; fragments for none mean nothing. */
static enum decode_step add_input(struct decode *d, const cJSON *event, struct cause *why) {
    struct decode_part *p = find_kind(d, index_of(event), LLM_BLOCK_TOOL_USE);
    return p ? decode_add(d, p, json_str(event, "delta", ""), false, why) : DECODE_MORE;
}

/* Summaries come in parts, paragraphs to the reader. */
static enum decode_step next_summary(struct decode *d, const cJSON *event, struct cause *why) {
    struct decode_part *p = find_kind(d, index_of(event), LLM_BLOCK_THINKING);
    return p && p->text.len ? decode_add(d, p, "\n\n", false, why) : DECODE_MORE;
}

/* ---- whole items ---- */

static enum decode_step begin_call(struct decode *d, int64_t index, const cJSON *item,
                                   struct decode_part **out, struct cause *why) {
    const char *id = json_str(item, "call_id", ""), *name = json_str(item, "name", "");
    if (!*id)
        id = json_str(item, "id", "");
    if (!*name || strlen(id) > DECODE_NAME_MAX || strlen(name) > DECODE_NAME_MAX)
        return decode_bad(why, "a tool call without a proper name");
    *out = decode_push_call(d, index, id, name, why);
    return *out ? DECODE_MORE : DECODE_BAD;
}

static enum decode_step item_added(struct decode *d, const cJSON *event, struct cause *why) {
    const cJSON *item = json_obj(event, "item");
    int64_t index = index_of(event);
    struct decode_part *p = NULL;
    if (!str_eq(json_str(item, "type", ""), "function_call"))
        return DECODE_MORE; /* begins with its first piece */
    enum decode_step step = decode_close(d, find(d, index), why);
    return step == DECODE_MORE ? begin_call(d, index, item, &p, why) : step;
}

static enum decode_step call_done(struct decode *d, int64_t index, const cJSON *item,
                                  struct cause *why) {
    struct decode_part *p = find_kind(d, index, LLM_BLOCK_TOOL_USE);
    enum decode_step step = p ? DECODE_MORE : begin_call(d, index, item, &p, why);
    if (step != DECODE_MORE || p->text.len)
        return step;
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(item, "arguments");
    char *text = cJSON_IsObject(input) ? json_print(input) : NULL;
    step = decode_add(d, p, text ? text : json_str(item, "arguments", ""), false, why);
    free(text);
    return step;
}

static enum decode_step message_done(struct decode *d, int64_t index, const cJSON *item,
                                     struct cause *why) {
    const cJSON *part;
    enum decode_step step = DECODE_MORE;
    bool streamed = find_kind(d, index, LLM_BLOCK_TEXT) != NULL;
    cJSON_ArrayForEach(part, json_arr(item, "content")) {
        const char *refusal = json_str(part, "refusal", NULL);
        if (refusal)
            d->stop = LLM_STOP_REFUSAL;
        if (!streamed && step == DECODE_MORE)
            step =
                add(d, index, LLM_BLOCK_TEXT, refusal ? refusal : json_str(part, "text", ""), why);
    }
    return step;
}

/* The texts of a list of parts, as paragraphs. */
static enum decode_step add_parts(struct decode *d, int64_t index, const cJSON *parts,
                                  struct cause *why) {
    const cJSON *part;
    enum decode_step step = DECODE_MORE;
    cJSON_ArrayForEach(part, parts) {
        const char *text = json_str(part, "text", "");
        if (*text && find_kind(d, index, LLM_BLOCK_THINKING))
            step = add(d, index, LLM_BLOCK_THINKING, "\n\n", why);
        if (step == DECODE_MORE)
            step = add(d, index, LLM_BLOCK_THINKING, text, why);
        if (step != DECODE_MORE)
            break;
    }
    return step;
}

/* What the provider reasoned is its own secret: kept as it came, with the item's id, to be given
 * back. */
static enum decode_step reasoning_done(struct decode *d, int64_t index, const cJSON *item,
                                       struct cause *why) {
    const char *secret = json_str(item, "encrypted_content", ""), *id = json_str(item, "id", "");
    struct decode_part *p = find_kind(d, index, LLM_BLOCK_THINKING);
    enum decode_step step = DECODE_MORE;
    if (!p)
        step = add_parts(d, index, json_arr(item, "summary"), why);
    if (!p && step == DECODE_MORE && !find_kind(d, index, LLM_BLOCK_THINKING))
        step = add_parts(d, index, json_arr(item, "content"), why);
    if (step != DECODE_MORE || !*secret || !*id || strlen(id) > DECODE_NAME_MAX)
        return step;
    p = find_kind(d, index, LLM_BLOCK_THINKING);
    if (!p)
        p = decode_push(d, index, LLM_BLOCK_THINKING, why);
    if (!p)
        return DECODE_BAD;
    decode_set_id(d, p, id);
    return decode_sign(d, p, secret, why);
}

static enum decode_step take_item(struct decode *d, int64_t index, const cJSON *item,
                                  struct cause *why) {
    const char *type = json_str(item, "type", "");
    struct decode_part *p = find(d, index);
    enum decode_step step = DECODE_MORE;
    /* Where nobody counts them, an item that has ended is another one. */
    if (p && !p->open && index >= 0)
        return DECODE_MORE;
    if (str_eq(type, "function_call"))
        step = call_done(d, index, item, why);
    else if (str_eq(type, "message"))
        step = message_done(d, index, item, why);
    else if (str_eq(type, "reasoning"))
        step = reasoning_done(d, index, item, why);
    return step == DECODE_MORE ? decode_close(d, find(d, index), why) : step;
}

/* ---- the response around them ---- */

/* Cached tokens are among those of the input. Zero is what servers say that do not count. */
static void read_usage(struct decode *d, const cJSON *usage) {
    struct llm_usage *u = &d->usage;
    int64_t in = decode_tokens(usage, "input_tokens"), out = decode_tokens(usage, "output_tokens");
    int64_t cached = decode_tokens(json_obj(usage, "input_tokens_details"), "cached_tokens");
    if (in > 0) {
        cached = cached < 0 ? 0 : cached > in ? in : cached;
        u->input_tokens = in - cached;
        u->cache_read_tokens = cached;
        d->input_known = true;
    }
    if (out > 0) {
        u->output_tokens = out;
        d->output_known = true;
    }
}

static void begin(struct decode *d, const cJSON *response) {
    const char *model = json_str(response, "model", "");
    d->begun = true;
    if (*model && !*d->model)
        decode_set_model(d, model);
}

/* A code that says more than the type is what is looked at. */
static enum decode_step fail(struct decode *d, const cJSON *error) {
    const char *code = json_str(error, "code", ""), *type = json_str(error, "type", "");
    int64_t status = json_i64(error, "code", json_i64(error, "status", 0));
    const char *message = json_str(error, "message", "");
    if (str_eq(type, "error"))
        type = "";
    if (!*message && !*code && !*type)
        message = "the provider ended the stream with an error";
    decode_set_error(d, fault_knows_type(code) || !*type ? code : type, message,
                     status >= 400 && status < 600 ? (int)status : 0);
    return DECODE_ERROR;
}

static enum llm_stop natural_stop(const struct decode *d) {
    if (d->stop == LLM_STOP_REFUSAL)
        return LLM_STOP_REFUSAL;
    return decode_has_calls(d) ? LLM_STOP_TOOL_USE : LLM_STOP_END_TURN;
}

static enum llm_stop incomplete_stop(const cJSON *response) {
    const char *reason = json_str(json_obj(response, "incomplete_details"), "reason", "");
    if (str_eq(reason, "max_output_tokens") || str_eq(reason, "max_tokens"))
        return LLM_STOP_MAX_TOKENS;
    return str_eq(reason, "content_filter") ? LLM_STOP_REFUSAL : LLM_STOP_OTHER;
}

/* A response that nothing was streamed of stands here as a whole. */
static enum decode_step take_output(struct decode *d, const cJSON *response, struct cause *why) {
    const cJSON *item;
    int64_t index = 0;
    enum decode_step step = DECODE_MORE;
    if (d->message.n)
        return step;
    cJSON_ArrayForEach(item, json_arr(response, "output")) {
        step = take_item(d, index++, item, why);
        if (step != DECODE_MORE)
            break;
    }
    return step;
}

static enum decode_step ended(struct decode *d, const cJSON *event, const char *how,
                              struct cause *why) {
    const cJSON *response = json_obj(event, "response");
    const char *status = json_str(response, "status", how);
    begin(d, response);
    read_usage(d, json_obj(response, "usage"));
    if (str_eq(status, "failed") || str_eq(status, "cancelled"))
        return fail(d, json_obj(response, "error"));
    enum decode_step step = take_output(d, response, why);
    if (step != DECODE_MORE)
        return step;
    d->stop = str_eq(status, "incomplete") ? incomplete_stop(response) : natural_stop(d);
    d->stopped = true;
    return DECODE_DONE;
}

/* {"type":"error","code":…,"message":…}, or the same in a member of its own. */
static enum decode_step error_event(struct decode *d, const cJSON *event) {
    const cJSON *inner = json_obj(event, "error");
    return fail(d, inner ? inner : event);
}

/* X(event, what to do) */
#define EVENT_TABLE(X)                                                                             \
    X("response.output_text.delta", return add_delta(d, root, LLM_BLOCK_TEXT, why))                \
    X("response.function_call_arguments.delta", return add_input(d, root, why))                    \
    X("response.reasoning_summary_text.delta", return add_delta(d, root, LLM_BLOCK_THINKING, why)) \
    X("response.reasoning_text.delta", return add_delta(d, root, LLM_BLOCK_THINKING, why))         \
    X("response.reasoning_summary_part.added", return next_summary(d, root, why))                  \
    X("response.refusal.delta", return refuse(d, root, why))                                       \
    X("response.output_item.added", return item_added(d, root, why))                               \
    X("response.output_item.done",                                                                 \
      return take_item(d, index_of(root), json_obj(root, "item"), why))                            \
    X("response.created", begin(d, json_obj(root, "response")))                                    \
    X("response.in_progress", begin(d, json_obj(root, "response")))                                \
    X("response.completed", return ended(d, root, "completed", why))                               \
    X("response.done", return ended(d, root, "completed", why))                                    \
    X("response.incomplete", return ended(d, root, "incomplete", why))                             \
    X("response.failed", return ended(d, root, "failed", why))                                     \
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
    if (!is_known(type))
        return DECODE_MORE;
    d->begun |= !str_eq(type, "error");
#define X(name, action)                                                                            \
    if (str_eq(type, name)) {                                                                      \
        action;                                                                                    \
        return DECODE_MORE;                                                                        \
    }
    EVENT_TABLE(X)
#undef X
    return DECODE_MORE;
}

/* Some end as the older API does. */
static enum decode_step done(struct decode *d, struct cause *why) {
    if (!d->begun)
        return decode_bad(why, "the answer ended before it began");
    d->stop = natural_stop(d);
    d->stopped = true;
    return DECODE_DONE;
}

enum decode_step responses_event(struct decode *d, const struct sse_event *e, struct cause *why) {
    /* The name of the event is said twice; where the outer one is missing the inner one counts. */
    bool named = !str_eq(e->type, "message");
    if (named && !is_known(e->type))
        return DECODE_MORE;
    if (strncmp(e->data + strspn(e->data, " \t\n"), "[DONE]", 6) == 0)
        return done(d, why);
    cJSON *root = decode_json(d, e->data, e->n);
    if (!root)
        return decode_bad(why, "an event is not a JSON object");
    const char *type = named ? e->type : json_str(root, "type", "");
    /* An error that was made elsewhere has no type of its own. */
    if (!*type && cJSON_GetObjectItemCaseSensitive(root, "error"))
        type = "error";
    enum decode_step step = act(d, type, root, why);
    cJSON_Delete(root);
    return step;
}
