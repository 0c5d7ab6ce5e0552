/* encode: see the header. */
#include "tests/lib/encode.h"

#include <stdint.h>

#include "base/buf.h"

static void base64(struct buf *out, const char *s, size_t n, const char *last) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = 0;
        size_t have = n - i < 3 ? n - i : 3;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < have ? (unsigned char)s[i + k] : 0);
        for (size_t k = 0; k < 4; k++) {
            uint32_t six = group >> (18 - 6 * k) & 63;
            buf_putc(out, k > have ? '=' : six < 62 ? letters[six] : last[six - 62]);
        }
    }
}

char *encode(int kind, const char *s, size_t n) {
    struct buf out = BUF_INIT;
    if (kind < 2)
        base64(&out, s, n, kind == 0 ? "+/" : "-_");
    else
        for (size_t i = 0; i < n; i++)
            buf_printf(&out,
                       kind == 2   ? "%02x"
                       : kind == 3 ? "%02X"
                                   : "%%%02X",
                       (unsigned char)s[i]);
    return buf_steal(&out);
}
