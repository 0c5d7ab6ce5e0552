/* text: characters and columns. Nothing here draws. */
#include "ui/text.h"

#include <locale.h>
#include <utf8proc.h>
#include <wchar.h>

#include "base/utf8.h"

void text_locale(void) { (void)setlocale(LC_CTYPE, "C.UTF-8"); }

int text_cp_width(uint32_t cp) {
    if (cp < 0x300)
        return 1;
    int w = wcwidth((wchar_t)cp);
    return w < 0 ? 1 : w;
}

/* What follows a base without a column of its own, or is dropped when drawn (see window.c). */
static int extra_width(uint32_t cp) {
    int w = text_cp_width(cp);
    return cp == 0x200D || cp == 0x200C || (cp >= 0xFE00 && cp <= 0xFE0F) ? 0 : w;
}

size_t text_next(const char *s, size_t n, int *width) {
    unsigned char c = (unsigned char)s[0];
    if (c < 0x80 && (n == 1 || (unsigned char)s[1] < 0x80)) { /* by far the most common */
        *width = 1;
        return 1;
    }
    uint32_t cp;
    int len = utf8_decode(s, n, &cp);
    if (len <= 0) {
        *width = 1;
        return 1;
    }
    size_t at = (size_t)len;
    int w = extra_width(cp);
    utf8proc_int32_t state = 0, before = (utf8proc_int32_t)cp;
    while (at < n) {
        uint32_t next;
        len = utf8_decode(s + at, n - at, &next);
        if (len <= 0 || utf8proc_grapheme_break_stateful(before, (utf8proc_int32_t)next, &state))
            break;
        w += extra_width(next);
        before = (utf8proc_int32_t)next;
        at += (size_t)len;
    }
    *width = w;
    return at;
}

int text_width(const char *s, size_t n) {
    int sum = 0;
    for (size_t i = 0; i < n;) {
        int w;
        i += text_next(s + i, n - i, &w);
        sum += w;
    }
    return sum;
}

size_t text_fit(const char *s, size_t n, int max, int *width) {
    size_t i = 0;
    int sum = 0;
    while (i < n) {
        int w;
        size_t len = text_next(s + i, n - i, &w);
        if (sum + w > max)
            break;
        sum += w;
        i += len;
    }
    if (width)
        *width = sum;
    return i;
}
