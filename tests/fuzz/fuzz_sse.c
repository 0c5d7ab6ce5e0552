/* fuzz_sse: any bytes at all as the stream of an answer: framing may not depend on where the pieces
 * were cut. What the events mean: fuzz_anthropic, fuzz_openai, fuzz_responses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "llm/rate.h"
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
    return 0;
}

FUZZ_MAIN("sse")
