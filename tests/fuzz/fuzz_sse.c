/* fuzz_sse: any bytes at all as the stream of an answer. Framing may not depend on where the pieces
 * were cut, and what the decoders pass on is always valid UTF-8.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/anthropic.h"
#include "llm/openai.h"
#include "llm/rate.h"
#include "llm/responses.h"
#include "llm/sse.h"
#include "tests/fuzz/driver.h"

#define SMALL_MAX 40 /* a bound that the corpus passes */

/* ---- framing ---- */

static bool note(void *arg, const struct sse_event *e) {
    struct buf *out = arg;
    fuzz_must(e->data[e->n] == '\0', "data without its terminator");
    buf_printf(out, "%s %s %zu ", e->type, e->id, e->n);
    buf_append(out, e->data, e->n);
    buf_putc(out, '\n');
    return true;
}

/* Fed in pieces of at most `size` bytes, each a heap block of its own: reading past it is seen. */
static void frame(const char *data, size_t n, size_t size, size_t max, struct buf *out) {
    struct sse s;
    sse_init(&s, max);
    enum status st = STATUS_OK;
    for (size_t at = 0; at < n && st == STATUS_OK; at += size) {
        size_t k = n - at < size ? n - at : size;
        char *piece = xmalloc(k);
        memcpy(piece, data + at, k);
        st = sse_feed(&s, piece, k, note, out, NULL);
        free(piece);
    }
    buf_printf(out, "%s %lld", status_name(st), (long long)s.retry_ms);
    fuzz_must(s.line.len <= s.max && s.data.len <= s.max, "more kept than the bound allows");
    sse_free(&s);
}

static void check_framing(const char *data, size_t n, size_t max) {
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    frame(data, n, n + 1, max, &whole);
    for (size_t size = 1; size <= 7; size += 2) {
        buf_reset(&parts);
        frame(data, n, size, max, &parts);
        fuzz_must(parts.len == whole.len && memcmp(parts.data, whole.data, whole.len) == 0,
                  "the pieces change what comes out");
    }
    buf_free(&whole);
    buf_free(&parts);
}

/* ---- meaning ---- */

struct totals {
    size_t text, input;
};

static void on_text(void *arg, const char *text, size_t n) {
    struct totals *t = arg;
    fuzz_must(n > 0 && utf8_valid(text, n), "text that is not UTF-8");
    t->text += n;
}

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    (void)arg;
    fuzz_must(index < DECODE_BLOCKS_MAX && *id && *name, "a call without id or name");
    fuzz_must(utf8_valid(id, strlen(id)) && utf8_valid(name, strlen(name)),
              "a name that is not UTF-8");
}

static void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    struct totals *t = arg;
    fuzz_must(index < DECODE_BLOCKS_MAX && n > 0 && utf8_valid(text, n), "input that is not UTF-8");
    t->input += n;
}

static const struct llm_events events = {.on_text = on_text,
                                         .on_thinking = on_text,
                                         .on_tool_start = on_tool_start,
                                         .on_tool_input = on_tool_input};

static bool by_anthropic(void *arg, const struct sse_event *e) {
    struct cause why;
    return anthropic_event(arg, e, &why) == DECODE_MORE;
}

static bool by_openai(void *arg, const struct sse_event *e) {
    struct cause why;
    return openai_event(arg, e, &why) == DECODE_MORE;
}

static bool by_responses(void *arg, const struct sse_event *e) {
    struct cause why;
    return responses_event(arg, e, &why) == DECODE_MORE;
}

static void check_meaning(const char *data, size_t n, sse_fn *decode) {
    struct totals t = {0};
    struct decode *stream = decode_new(&events, &t);
    struct sse s;
    struct llm_response r;
    sse_init(&s, 0);
    enum status st = sse_feed(&s, data, n, decode, stream, NULL);
    fuzz_must(st == STATUS_OK || st == STATUS_CANCELLED,
              "a bound that nothing can pass was passed");
    decode_take(stream, &r);
    /* What was passed on in pieces is what is there in the end. */
    size_t text = 0, input = 0;
    for (size_t i = 0; i < r.message.n; i++) {
        const struct llm_block *b = &r.message.blocks[i];
        if (b->kind == LLM_BLOCK_TOOL_USE)
            input += strlen(b->input);
        else if (b->kind != LLM_BLOCK_REDACTED_THINKING)
            text += strlen(b->text);
    }
    fuzz_must(text == t.text, "text lost between the pieces and the whole");
    fuzz_must(input >= t.input, "input lost between the pieces and the whole"); /* "" becomes {} */
    llm_message_free(&r.message);
    decode_free(&stream);
    sse_free(&s);
}

/* Any bytes as a line of the head: what is told of the rates is never below "not told". */
static void check_rate(const char *data, size_t n) {
    struct llm_rate r;
    rate_init(&r);
    rate_header(&r, data, n, 1795513886000);
    const struct llm_rate_window *w = &r.requests;
    fuzz_must(w->limit >= -1 && w->left >= -1 && w->reset_ms >= -1 && w->reset_ms <= 86400000,
              "a rate that cannot be");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const char *text = n ? (const char *)data : "";
    check_rate(text, n);
    check_framing(text, n, 0);
    check_framing(text, n, SMALL_MAX);
    if (n < SSE_EVENT_MAX) {
        check_meaning(text, n, by_anthropic);
        check_meaning(text, n, by_openai);
        check_meaning(text, n, by_responses);
    }
    return 0;
}

FUZZ_MAIN("sse")
