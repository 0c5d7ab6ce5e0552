/* decoder: what holds of every decoder, whatever it is fed: what it passes on is valid UTF-8 and in
 * the end the whole, and where the bytes were cut changes nothing. */
#ifndef FUZZ_DECODER_H
#define FUZZ_DECODER_H

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/decode.h"
#include "llm/sse.h"
#include "tests/fuzz/driver.h"

struct totals {
    size_t text, input, blocks;
    struct llm_usage usage;
    enum llm_stop stop;
    struct decode_error error;
};

static inline void decoder_text(void *arg, const char *text, size_t n) {
    struct totals *t = arg;
    fuzz_must(n > 0 && utf8_valid(text, n), "text that is not UTF-8");
    t->text += n;
}

static inline void decoder_tool_start(void *arg, size_t index, const char *id, const char *name) {
    (void)arg;
    fuzz_must(index < DECODE_BLOCKS_MAX && *id && *name, "a call without id or name");
    fuzz_must(utf8_valid(id, strlen(id)) && utf8_valid(name, strlen(name)),
              "a name that is not UTF-8");
}

static inline void decoder_tool_input(void *arg, size_t index, const char *text, size_t n) {
    struct totals *t = arg;
    fuzz_must(index < DECODE_BLOCKS_MAX && n > 0 && utf8_valid(text, n), "input that is not UTF-8");
    t->input += n;
}

/* What was passed on in pieces is what is there in the end. */
static inline void decoder_check_whole(const struct totals *t, const struct llm_message *m) {
    size_t text = 0, input = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct llm_block *b = &m->blocks[i];
        if (b->kind == LLM_BLOCK_TOOL_USE)
            input += strlen(b->input);
        else if (b->kind != LLM_BLOCK_REDACTED_THINKING)
            text += strlen(b->text);
        fuzz_must(!b->signature || utf8_valid(b->signature, strlen(b->signature)),
                  "a signature that is not UTF-8");
        for (size_t j = 0; j < i && b->kind == LLM_BLOCK_TOOL_USE; j++)
            fuzz_must(!str_eq(m->blocks[j].id, b->id) || m->blocks[j].kind != LLM_BLOCK_TOOL_USE,
                      "two calls of one name");
    }
    fuzz_must(text == t->text, "text lost between the pieces and the whole");
    fuzz_must(input >= t->input, "input lost between the pieces and the whole"); /* "" becomes {} */
}

static inline struct totals decoder_run(const char *data, size_t n, size_t size, sse_fn *fn) {
    static const struct llm_events events = {.on_text = decoder_text,
                                             .on_thinking = decoder_text,
                                             .on_tool_start = decoder_tool_start,
                                             .on_tool_input = decoder_tool_input};
    struct totals t;
    memset(&t, 0, sizeof(t));
    struct decode *d = decode_new(&events, &t);
    struct sse s;
    struct llm_response r;
    enum status st = STATUS_OK;
    sse_init(&s, 0);
    for (size_t at = 0; at < n && st == STATUS_OK; at += size)
        st = sse_feed(&s, data + at, n - at < size ? n - at : size, fn, d, NULL);
    fuzz_must(st == STATUS_OK || st == STATUS_CANCELLED,
              "a bound that nothing can pass was passed");
    memcpy(&t.error, &d->error, sizeof(t.error));
    decode_take(d, &r);
    decoder_check_whole(&t, &r.message);
    const struct llm_usage *u = &r.usage;
    const int64_t counts[] = {u->input_tokens, u->output_tokens, u->cache_read_tokens,
                              u->cache_write_tokens, u->cache_hour_tokens};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        fuzz_must(counts[i] >= 0 && counts[i] <= DECODE_TOKENS_MAX, "tokens that cannot be");
    t.blocks = r.message.n;
    t.stop = r.stop;
    memcpy(&t.usage, u, sizeof(t.usage));
    llm_message_free(&r.message);
    decode_free(&d);
    sse_free(&s);
    return t;
}

static inline void decoder_check(const uint8_t *data, size_t n, sse_fn *fn) {
    const char *text = n ? (const char *)data : "";
    if (n >= SSE_EVENT_MAX)
        return;
    struct totals whole = decoder_run(text, n, n + 1, fn);
    for (size_t size = 1; size <= 7; size += 3) {
        struct totals parts = decoder_run(text, n, size, fn);
        fuzz_must(parts.text == whole.text && parts.input == whole.input &&
                      parts.blocks == whole.blocks && parts.stop == whole.stop &&
                      parts.usage.input_tokens == whole.usage.input_tokens &&
                      parts.usage.output_tokens == whole.usage.output_tokens &&
                      str_eq(parts.error.message, whole.error.message),
                  "the pieces change what comes out");
    }
}

#endif
