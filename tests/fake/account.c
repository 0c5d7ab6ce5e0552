/* account: see account.h. The events of all wire formats are told apart by their members. */
#include "account.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

/* Totals as told; -1: not yet. */
struct reader {
    int64_t input, output, chars;
    bool begun, stopped, last; /* last: `output` is the last word */
    bool over;
};

static int64_t len_of(const cJSON *o, const char *key) {
    return (int64_t)strlen(json_str(o, key, ""));
}

static void read_totals(struct reader *r, const cJSON *usage, const char *in, const char *out,
                        bool last) {
    if (json_i64(usage, in, -1) >= 0)
        r->input = json_i64(usage, in, -1);
    if (json_i64(usage, out, -1) < 0)
        return;
    r->output = json_i64(usage, out, -1);
    r->last = last;
}

static void read_messages(struct reader *r, const char *type, const cJSON *e) {
    const cJSON *delta = json_obj(e, "delta");
    if (str_eq(type, "message_start")) {
        r->begun = true;
        read_totals(r, json_obj(json_obj(e, "message"), "usage"), "input_tokens", "output_tokens",
                    false);
    } else if (str_eq(type, "content_block_delta")) {
        r->chars += len_of(delta, "text") + len_of(delta, "thinking") +
                    len_of(delta, "partial_json") + len_of(delta, "signature");
    } else if (str_eq(type, "message_delta")) {
        r->stopped = true;
        read_totals(r, json_obj(e, "usage"), "input_tokens", "output_tokens", true);
    } else if (str_eq(type, "message_stop")) {
        r->over = true;
    }
}

static void read_chunk(struct reader *r, const cJSON *e) {
    const cJSON *choices = json_arr(e, "choices"), *usage = json_obj(e, "usage"), *choice, *call;
    r->begun = true;
    cJSON_ArrayForEach(choice, choices) {
        const cJSON *delta = json_obj(choice, "delta");
        r->chars += len_of(delta, "content") + len_of(delta, "reasoning_content");
        cJSON_ArrayForEach(call, json_arr(delta, "tool_calls")) r->chars +=
            len_of(json_obj(call, "function"), "arguments");
        r->stopped |= *json_str(choice, "finish_reason", "") != '\0';
    }
    read_totals(r, usage, "prompt_tokens", "completion_tokens", true);
    r->over = usage && r->stopped && !cJSON_GetArraySize(choices);
}

static void read_response(struct reader *r, const char *type, const cJSON *e) {
    const cJSON *usage = json_obj(json_obj(e, "response"), "usage");
    r->begun = true;
    if (strstr(type, ".delta"))
        r->chars += len_of(e, "delta");
    read_totals(r, usage, "input_tokens", "output_tokens", true);
    r->over = str_eq(type, "response.completed") || str_eq(type, "response.incomplete") ||
              str_eq(type, "response.failed");
}

/* Nobody reads on behind an error, an end, or what is no event. */
static void read_event(struct reader *r, const char *data, size_t n) {
    cJSON *e = NULL;
    if ((n >= 6 && memcmp(data, "[DONE]", 6) == 0) || json_parse(data, n, &e, NULL) != STATUS_OK ||
        cJSON_GetObjectItemCaseSensitive(e, "error")) {
        cJSON_Delete(e);
        r->over = true;
        return;
    }
    const char *type = json_str(e, "type", "");
    if (str_eq(type, "error"))
        r->over = true;
    else if (json_arr(e, "choices"))
        read_chunk(r, e);
    else if (str_prefix(type, "response."))
        read_response(r, type, e);
    else
        read_messages(r, type, e);
    cJSON_Delete(e);
}

/* Lines up to the last empty one: what stands behind it has not become an event. */
static void read_stream(struct reader *r, const char *p, size_t n) {
    struct buf data = BUF_INIT;
    for (const char *end = p + n, *nl; !r->over && (nl = memchr(p, '\n', (size_t)(end - p)));
         p = nl + 1) {
        size_t len = (size_t)(nl - p);
        if (len && p[len - 1] == '\r')
            len--;
        if (len == 0 && data.len) {
            read_event(r, data.data, data.len);
            buf_reset(&data);
        } else if (len > 5 && memcmp(p, "data:", 5) == 0) {
            size_t from = p[5] == ' ' ? 6 : 5;
            buf_append(&data, p + from, len - from);
        }
    }
    buf_free(&data);
}

static int64_t tokens(int64_t bytes) { return (bytes + 3) / 4; }

void account_read(struct account *a, const char *sent, size_t n, size_t request, bool waited) {
    struct reader r = {.input = -1, .output = -1};
    *a = (struct account){0};
    read_stream(&r, sent, n);
    a->whole = r.over;
    if (!r.begun && !waited)
        return;
    a->guess = !r.begun || r.input < 0 || !r.last;
    a->input = r.input < 0 ? tokens((int64_t)request) : r.input;
    if (!r.begun)
        return;
    a->output = r.output;
    if (!r.last && a->output < tokens(r.chars))
        a->output = tokens(r.chars);
}
