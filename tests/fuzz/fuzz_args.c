/* fuzz_args: any bytes at all as the arguments of a tool call. Each tool refuses them with a cause
 * that a model can read, or takes them as an object that it takes again; and what is shown of a
 * text member while it streams is what is there in the end. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/arg_stream.h"
#include "tests/fuzz/driver.h"
#include "tools/tool.h"

static const struct tool_host host;

/* ---- schemas ---- */

static void check_tool(const struct tool *tool, const char *input) {
    struct tool_call *c = NULL, *again = NULL;
    struct cause why = {""};
    if (tool_call_new(tool, &host, "/", "call", input, &c, &why) != STATUS_OK) {
        fuzz_must(c == NULL, "refused, and yet there is a call");
        fuzz_must(str_prefix(why.text, tool->name), "a cause that does not name the tool");
        fuzz_must(utf8_valid(why.text, strlen(why.text)), "a cause that is not UTF-8");
        return;
    }
    fuzz_must(cJSON_IsObject(c->args), "arguments that are no object");
    fuzz_must(str_eq(c->input, *input ? input : "{}"), "the received text was changed");
    if (tool->label) {
        char *label = tool->label(c->args);
        fuzz_must(label && *label, "a call without a label");
        free(label);
    }
    char *text = json_print(c->args);
    fuzz_must(tool_call_new(tool, &host, "/", "call", text, &again, &why) == STATUS_OK,
              "what was taken is refused when it is written again");
    /* Not started: nothing is cancelled. */
    c->finished = again->finished = true;
    free(text);
    tool_call_free(&c);
    tool_call_free(&again);
}

/* ---- streams ---- */

/* Fed in pieces of at most `size` bytes, each a heap block of its own: reading past it is seen. */
static void stream(const char *data, size_t n, size_t size, struct buf *out) {
    struct arg_stream s;
    arg_stream_init(&s, "content");
    for (size_t at = 0; at < n; at += size) {
        size_t k = n - at < size ? n - at : size;
        char *piece = xmalloc(k);
        memcpy(piece, data + at, k);
        arg_stream_feed(&s, piece, k, out);
        free(piece);
    }
    arg_stream_free(&s);
}

static void check_stream(const char *data, size_t n) {
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    stream(data, n, n + 1, &whole);
    for (size_t size = 1; size <= 7; size += 2) {
        buf_reset(&parts);
        stream(data, n, size, &parts);
        fuzz_must(str_eq(buf_str(&whole), buf_str(&parts)) && whole.len == parts.len,
                  "the pieces change what is shown");
    }
    fuzz_must(utf8_valid(buf_str(&whole), whole.len), "shown text that is not UTF-8");
    cJSON *object = NULL;
    struct cause why;
    if (json_parse(data, n, &object, &why) == STATUS_OK && cJSON_IsObject(object)) {
        const char *text = json_str(object, "content", "");
        fuzz_must(str_eq(text, buf_str(&whole)), "shown text that is not what was sent");
    }
    cJSON_Delete(object);
    buf_free(&whole);
    buf_free(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char *input = xstrndup((const char *)data, n); /* to the first NUL: it comes as a string */
#define X(name, variable) check_tool(tool_get(TOOL_##name), input);
    TOOL_TABLE(X)
#undef X
    check_stream(input, strlen(input));
    free(input);
    return 0;
}

FUZZ_MAIN("args")
