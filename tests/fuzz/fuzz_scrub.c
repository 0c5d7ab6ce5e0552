/* fuzz_scrub: any bytes at all as a text that a secret may stand in. The pieces in which it comes
 * change nothing, what was taken out is not found again, and what is known by its value is never
 * there afterwards. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scrub.h"
#include "base/str.h"
#include "tests/fuzz/driver.h"

#define VALUE "k9Xw2-Qa7_bZ4mN8vC1tR5yU3iO6pL0s"

static void pieces(const struct scrub_values *v, const char *s, size_t n, size_t size,
                   struct buf *out) {
    struct scrub scrub = {.values = v};
    for (size_t at = 0; at < n; at += size) {
        size_t k = n - at < size ? n - at : size;
        char *piece = xmalloc(k);
        memcpy(piece, s + at, k);
        scrub_feed(&scrub, piece, k, out);
        free(piece);
    }
    scrub_end(&scrub, out);
    scrub_free(&scrub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct scrub_values *v = scrub_values_new();
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    const char *s = (const char *)data;
    fuzz_must(scrub_values_add(v, "value", VALUE), "the value is not taken");
    bool found = scrub_text(v, s, n, &whole);
    fuzz_must(found == scrub_finds(v, s, n), "found, and not found");
    for (size_t size = 1; size <= 64; size *= 4) {
        buf_reset(&parts);
        pieces(v, s, n, size, &parts);
        if (found)
            fuzz_must(parts.len == whole.len && memcmp(parts.data, whole.data, whole.len) == 0,
                      "the pieces change what is taken out");
        else
            fuzz_must(parts.len == n && (n == 0 || memcmp(parts.data, s, n) == 0),
                      "what is not found is taken out");
    }
    fuzz_must(!parts.len || !memmem(parts.data, parts.len, VALUE, strlen(VALUE)),
              "the value is still there");
    buf_free(&whole);
    buf_free(&parts);
    scrub_values_free(&v);
    return 0;
}

FUZZ_MAIN("scrub")
