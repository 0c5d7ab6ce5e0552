/* fuzz_keys: any bytes at all as what a terminal sends. The keys may not depend on where the pieces
 * were cut, every key is bounded and well-formed, and when nothing more comes nothing stays behind.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tests/fuzz/driver.h"
#include "ui/keymap.h"
#include "ui/keys.h"

static void note(void *arg, const struct key *k) {
    struct buf *out = arg;
    fuzz_must(k->mods < 8, "modifiers that do not exist");
    fuzz_must(keysym_name(k->sym)[0] != '?', "a key that does not exist");
    if (k->sym == KEYSYM_PASTE) {
        fuzz_must(k->nraw <= KEYS_PASTE_MAX, "a paste over its bound");
    } else {
        fuzz_must(k->nraw > 0 && k->nraw <= KEYS_SEQUENCE_MAX, "a key without bytes, or with many");
        fuzz_must(k->sym != KEYSYM_CHAR || (k->cp && k->cp <= 0x10FFFF), "no character");
        fuzz_must(k->sym == KEYSYM_OTHER || utf8_valid(k->raw, k->nraw), "bytes for no editor");
    }
    enum action a; /* every key can be looked up */
    for (int f = 0; f <= (int)FOCUS_HELP; f++)
        (void)keymap_find(k, (enum focus)f, &a);
    buf_printf(out, "%d %u %u %zu ", (int)k->sym, k->cp, k->mods, k->nraw);
    buf_append(out, k->raw, k->nraw);
    buf_putc(out, '\n');
}

/* Fed in pieces of at most `size` bytes, each a heap block of its own: reading past it is seen. */
static void decode(const uint8_t *data, size_t n, size_t size, struct buf *out) {
    struct keys k;
    keys_init(&k, note, out);
    for (size_t at = 0; at < n; at += size) {
        size_t len = n - at < size ? n - at : size;
        char *piece = xmalloc(len);
        memcpy(piece, data + at, len);
        keys_feed(&k, piece, len);
        free(piece);
        fuzz_must(k.nseq <= KEYS_SEQUENCE_MAX, "an unfinished sequence over its bound");
        fuzz_must(k.paste.len <= KEYS_PASTE_MAX + 16, "an unfinished paste over its bound");
    }
    for (int i = 0; keys_wait_ms(&k) > 0; i++) {
        fuzz_must(i < 2, "a timeout that changes nothing");
        keys_timeout(&k);
    }
    keys_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    decode(data, n, n + 1, &whole);
    for (size_t size = 1; size <= 7; size += 2) {
        buf_reset(&parts);
        decode(data, n, size, &parts);
        fuzz_must(parts.len == whole.len &&
                      (!whole.len || !memcmp(parts.data, whole.data, whole.len)),
                  "the pieces change the keys");
    }
    buf_free(&whole);
    buf_free(&parts);
    return 0;
}

FUZZ_MAIN("keys")
