/* openai: the chunks of an answer. All text is one block and all thinking another, each where its
 * first piece came; calls are told apart by their index, or by what stands in for it where a server
 * sends none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/fault.h"
#include "llm/openai.h"

/* Marks of parts that have no index of the provider's. Calls without one count down from CALL_MARK.
 */
#define TEXT_MARK (-1)
#define THINKING_MARK (-2)
#define CALL_MARK (-3)

/* ---- text ---- */

static enum decode_step add(struct decode *d, enum llm_block_kind kind, int64_t mark,
                            const char *text, struct cause *why) {
    if (!*text)
        return DECODE_MORE;
    struct decode_part *p = decode_find(d, mark);
    if (!p)
        p = decode_push(d, mark, kind, why);
    return p ? decode_add(d, p, text, false, why) : DECODE_BAD;
}

static enum decode_step add_text(struct decode *d, const char *text, struct cause *why) {
    return add(d, LLM_BLOCK_TEXT, TEXT_MARK, text, why);
}

static enum decode_step add_thinking(struct decode *d, const char *text, struct cause *why) {
    return add(d, LLM_BLOCK_THINKING, THINKING_MARK, text, why);
}

/* Some give content as a list: {"type":"text","text":…}, and
 * {"type":"thinking","thinking":[{"type":"text","text":…}]}. */
static enum decode_step read_content(struct decode *d, const cJSON *content, bool thinking,
                                     struct cause *why) {
    enum decode_step step = DECODE_MORE;
    if (cJSON_IsString(content))
        return thinking ? add_thinking(d, content->valuestring, why)
                        : add_text(d, content->valuestring, why);
    if (!cJSON_IsArray(content))
        return DECODE_MORE;
    const cJSON *it;
    cJSON_ArrayForEach(it, content) {
        const cJSON *inner = cJSON_GetObjectItemCaseSensitive(it, "thinking");
        const char *text = json_str(it, "text", "");
        if (inner && !thinking)
            step = read_content(d, inner, true, why);
        else
            step = thinking ? add_thinking(d, text, why) : add_text(d, text, why);
        if (step != DECODE_MORE)
            break;
    }
    return step;
}

/* ---- calls ---- */

static bool is_call(const struct decode *d, size_t at) {
    return d->message.blocks[at].kind == LLM_BLOCK_TOOL_USE;
}

static struct decode_part *last_call(struct decode *d) {
    for (size_t i = d->message.n; i-- > 0;)
        if (is_call(d, i))
            return &d->parts[i];
    return NULL;
}

/* An id as text, of whatever type it is; "" for one that is missing or cannot be used. */
static void read_id(const cJSON *call, char out[DECODE_NAME_MAX + 1]) {
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(call, "id");
    out[0] = '\0';
    if (cJSON_IsString(id) && strlen(id->valuestring) <= DECODE_NAME_MAX)
        memcpy(out, id->valuestring, strlen(id->valuestring) + 1);
    else if (cJSON_IsNumber(id))
        snprintf(out, DECODE_NAME_MAX, "%lld", (long long)json_i64(call, "id", 0));
}

/* Which call a fragment continues; NULL: it begins one. */
static struct decode_part *find_call(struct decode *d, int64_t index, const char *id,
                                     const char *name) {
    if (index < 0)
        return *id ? decode_call(d, id) : *name ? NULL : last_call(d);
    struct decode_part *p = decode_find(d, index);
    /* Some give every call the same index: a name with another id begins the next one. */
    if (p && *id && *name && !str_eq(d->message.blocks[decode_at(d, p)].id, id))
        return NULL;
    return p;
}

static enum decode_step read_call(struct decode *d, const cJSON *call, struct cause *why) {
    const cJSON *function = json_obj(call, "function");
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(function, "arguments");
    const char *name = json_str(function, "name", "");
    int64_t index = json_i64(call, "index", -1);
    char id[DECODE_NAME_MAX + 1];
    read_id(call, id);
    struct decode_part *p = find_call(d, index, id, name);
    bool whole = cJSON_IsObject(input),
         some = whole || (cJSON_IsString(input) && *input->valuestring);
    if (!p) {
        if (!*name && !some)
            return DECODE_MORE;
        if (!*name || strlen(name) > DECODE_NAME_MAX)
            return decode_bad(why, "a tool call without a proper name");
        enum decode_step step = decode_close(d, index < 0 ? NULL : decode_find(d, index), why);
        if (step != DECODE_MORE)
            return step;
        p = decode_push_call(d, index < 0 ? CALL_MARK - (int64_t)d->message.n : index, id, name,
                             why);
    }
    if (!p)
        return DECODE_BAD;
    if (!some)
        return DECODE_MORE;
    char *text = whole ? json_print(input) : NULL;
    enum decode_step step = decode_add(d, p, whole ? text : input->valuestring, false, why);
    free(text);
    return step;
}

/* ---- chunks ---- */

static enum decode_step read_delta(struct decode *d, const cJSON *delta, struct cause *why) {
    /* Two names for the same; some servers send both. */
    const char *thinking = json_str(delta, "reasoning_content", "");
    if (!*thinking)
        thinking = json_str(delta, "reasoning", "");
    enum decode_step step = add_thinking(d, thinking, why);
    if (step == DECODE_MORE)
        step = read_content(d, cJSON_GetObjectItemCaseSensitive(delta, "content"), false, why);
    const char *refusal = json_str(delta, "refusal", "");
    if (step == DECODE_MORE && *refusal) {
        d->stop = LLM_STOP_REFUSAL;
        step = add_text(d, refusal, why);
    }
    const cJSON *call;
    cJSON_ArrayForEach(call, json_arr(delta, "tool_calls")) {
        if (step != DECODE_MORE)
            break;
        step = read_call(d, call, why);
    }
    return step;
}

/* Which calls there are counts more than the reason given: some say "stop" behind calls. */
static enum llm_stop natural_stop(const struct decode *d) {
    if (d->stop == LLM_STOP_REFUSAL)
        return LLM_STOP_REFUSAL;
    return decode_has_calls(d) ? LLM_STOP_TOOL_USE : LLM_STOP_END_TURN;
}

static enum llm_stop stop_from(const struct decode *d, const char *reason) {
    static const char *const natural[] = {"stop", "tool_calls", "function_call",
                                          "eos",  "tool_use",   "end_turn"};
    for (size_t i = 0; i < ARRAY_LEN(natural); i++)
        if (str_eq(reason, natural[i]))
            return natural_stop(d);
    if (str_eq(reason, "length") || str_eq(reason, "max_tokens"))
        return LLM_STOP_MAX_TOKENS;
    if (str_eq(reason, "content_filter") || str_eq(reason, "refusal"))
        return LLM_STOP_REFUSAL;
    return LLM_STOP_OTHER;
}

static enum decode_step read_choice(struct decode *d, const cJSON *choice, struct cause *why) {
    if (json_i64(choice, "index", 0) != 0)
        return DECODE_MORE;
    const cJSON *delta = json_obj(choice, "delta");
    enum decode_step step = read_delta(d, delta ? delta : json_obj(choice, "message"), why);
    const char *reason = json_str(choice, "finish_reason", "");
    if (step != DECODE_MORE || !*reason)
        return step;
    if (str_eq(reason, "error")) {
        decode_set_error(d, "", "the provider ended the stream with an error", 0);
        return DECODE_ERROR;
    }
    d->stop = stop_from(d, reason);
    d->stopped = true;
    return DECODE_MORE;
}

/* Each report is the total so far; zero is what servers say that do not count. Cached tokens are
 * among those of the prompt. */
static void read_usage(struct decode *d, const cJSON *usage) {
    struct llm_usage *u = &d->usage;
    int64_t in = decode_tokens(usage, "prompt_tokens");
    int64_t out = decode_tokens(usage, "completion_tokens");
    int64_t cached = decode_tokens(json_obj(usage, "prompt_tokens_details"), "cached_tokens");
    if (cached <= 0)
        cached = decode_tokens(usage, "prompt_cache_hit_tokens");
    if (in > 0) {
        cached = cached < 0 ? 0 : cached > in ? in : cached;
        u->input_tokens = in - cached;
        u->cache_read_tokens = cached;
        d->input_known = true;
    }
    if (out > 0) {
        u->output_tokens = out;
        d->output_known = d->stopped;
    }
}

/* {"error":{"message","type","code"}}, {"error":"…"}, or the members at the top. A code may be a
 * word, which says more than the type, or the HTTP status that it would have been. */
static enum decode_step read_error(struct decode *d, const cJSON *error) {
    const char *type = json_str(error, "type", ""), *code = json_str(error, "code", "");
    int64_t status = json_i64(error, "code", 0);
    const char *message =
        cJSON_IsString(error) ? error->valuestring : json_str(error, "message", "");
    decode_set_error(d, fault_knows_type(code) || !*type ? code : type, message,
                     status >= 400 && status < 600 ? (int)status : 0);
    return DECODE_ERROR;
}

static enum decode_step read_chunk(struct decode *d, const char *event, const cJSON *root,
                                   struct cause *why) {
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(root, "error");
    if (cJSON_IsObject(error) || cJSON_IsString(error))
        return read_error(d, error);
    if (str_eq(event, "error") || str_eq(json_str(root, "object", ""), "error"))
        return read_error(d, root);
    const char *model = json_str(root, "model", "");
    if (*model && !*d->model)
        decode_set_model(d, model);
    const cJSON *choices = json_arr(root, "choices"), *usage = json_obj(root, "usage"), *choice;
    enum decode_step step = DECODE_MORE;
    if (choices || usage)
        d->begun = true;
    cJSON_ArrayForEach(choice, choices) {
        step = read_choice(d, choice, why);
        if (step != DECODE_MORE)
            return step;
    }
    if (!usage)
        return DECODE_MORE;
    read_usage(d, usage);
    /* Nothing of ours comes behind it, and not every server says [DONE] or closes. */
    return d->stopped && !cJSON_GetArraySize(choices) ? DECODE_DONE : DECODE_MORE;
}

static enum decode_step done(struct decode *d, struct cause *why) {
    if (!d->begun)
        return decode_bad(why, "the answer ended before it began");
    if (!d->stopped)
        d->stop = natural_stop(d);
    d->stopped = true;
    return DECODE_DONE;
}

static bool is_done(const struct sse_event *e) {
    size_t from = strspn(e->data, " \t\n");
    return strncmp(e->data + from, "[DONE]", 6) == 0;
}

enum decode_step openai_event(struct decode *d, const struct sse_event *e, struct cause *why) {
    /* The format names no events: one that has a name and cannot be read is somebody's extra. */
    bool known = str_eq(e->type, "message") || str_eq(e->type, "error");
    if (is_done(e))
        return done(d, why);
    cJSON *root = decode_json(d, e->data, e->n);
    if (!root)
        return known ? decode_bad(why, "an event is not a JSON object") : DECODE_MORE;
    enum decode_step step = read_chunk(d, e->type, root, why);
    cJSON_Delete(root);
    return step;
}
