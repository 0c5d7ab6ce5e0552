/* fuzz_anthropic: any bytes at all as an answer in the Messages format. The corpus is what the fake
 * provider sends, awkward streams first (tests/unit/test_stream_splits.c writes it). */
#include "llm/anthropic.h"
#include "tests/fuzz/decoder.h"

static bool on_event(void *arg, const struct sse_event *e) {
    struct cause why;
    return anthropic_event(arg, e, &why) == DECODE_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    decoder_check(data, n, on_event);
    return 0;
}

FUZZ_MAIN("anthropic")
