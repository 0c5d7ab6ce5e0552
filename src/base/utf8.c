/* utf8: validity, cutting, and making hostile text harmless. Decoding follows Table 3-7 of the
 * Unicode Standard (well-formed byte sequences): the second byte's range depends on the first. */
#include "base/utf8.h"

#include <string.h>

#include "base/mem.h"

int utf8_decode(const char *s, size_t n, uint32_t *out) {
    const unsigned char *p = (const unsigned char *)s;
    if (n == 0)
        return 0;
    unsigned char c = p[0];
    if (c < 0x80) {
        *out = c;
        return 1;
    }
    int len;
    uint32_t cp;
    unsigned char low = 0x80, high = 0xBF;
    if (c >= 0xC2 && c <= 0xDF) {
        len = 2;
        cp = c & 0x1Fu;
    } else if (c >= 0xE0 && c <= 0xEF) {
        len = 3;
        cp = c & 0x0Fu;
        if (c == 0xE0)
            low = 0xA0; /* shorter forms exist */
        else if (c == 0xED)
            high = 0x9F; /* surrogates */
    } else if (c >= 0xF0 && c <= 0xF4) {
        len = 4;
        cp = c & 0x07u;
        if (c == 0xF0)
            low = 0x90;
        else if (c == 0xF4)
            high = 0x8F; /* past U+10FFFF */
    } else {
        return -1;
    }
    for (int i = 1; i < len; i++) {
        if ((size_t)i >= n)
            return 0;
        if (p[i] < low || p[i] > high)
            return -1;
        cp = cp << 6 | (p[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *out = cp;
    return len;
}

size_t utf8_encode(uint32_t cp, char out[4]) {
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp >= 0xD800 && cp <= 0xDFFF)
        return 0;
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    if (cp > 0x10FFFF)
        return 0;
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool utf8_valid(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = utf8_decode(s + i, n - i, &cp);
        if (len <= 0)
            return false;
        i += (size_t)len;
    }
    return true;
}

size_t utf8_cut(const char *s, size_t n, size_t max) {
    if (n <= max)
        return n;
    /* The character that max falls into starts at most three bytes before it; where the bytes are
     * not UTF-8 there is no character to spare. */
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        uint32_t cp;
        unsigned char c = (unsigned char)s[max - back];
        if ((c & 0xC0) == 0x80)
            continue;
        int len = utf8_decode(s + max - back, n - (max - back), &cp);
        return len > 0 && (size_t)len > back ? max - back : max;
    }
    return max;
}

void utf8_append_valid(struct buf *out, const char *s, size_t n) {
    size_t from = 0; /* of the valid run not yet copied */
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        int len = utf8_decode(s + i, n - i, &cp);
        if (len > 0) {
            i += (size_t)len;
            continue;
        }
        buf_append(out, s + from, i - from);
        buf_puts(out, "\xEF\xBF\xBD");
        from = ++i;
    }
    buf_append(out, s + from, n - from);
}

/* What draws nothing, or moves other text about: the format characters (general category Cf), the
 * line and paragraph separators, and the default-ignorable fillers; without ZWJ, ZWNJ and the
 * variation selectors, which emoji and several scripts cannot be written without. Sorted. */
static const struct {
    uint32_t first, last;
} invisible[] = {
    {0x00AD, 0x00AD},   /* soft hyphen */
    {0x034F, 0x034F},   /* combining grapheme joiner */
    {0x0600, 0x0605},   /* Arabic number signs */
    {0x061C, 0x061C},   /* Arabic letter mark */
    {0x06DD, 0x06DD},   /* end of ayah */
    {0x070F, 0x070F},   /* Syriac abbreviation mark */
    {0x0890, 0x0891},   /* Arabic currency marks above */
    {0x08E2, 0x08E2},   /* disputed end of ayah */
    {0x115F, 0x1160},   /* Hangul fillers */
    {0x17B4, 0x17B5},   /* Khmer inherent vowels */
    {0x180E, 0x180E},   /* Mongolian vowel separator */
    {0x200B, 0x200B},   /* zero width space */
    {0x200E, 0x200F},   /* LRM, RLM */
    {0x2028, 0x202E},   /* line, paragraph separator; embeddings and overrides */
    {0x2060, 0x206F},   /* word joiner, invisible operators, isolates, deprecated */
    {0x3164, 0x3164},   /* Hangul filler */
    {0xFEFF, 0xFEFF},   /* zero width no-break space */
    {0xFFA0, 0xFFA0},   /* halfwidth Hangul filler */
    {0xFFF0, 0xFFFB},   /* unassigned ignorables, interlinear annotation */
    {0x110BD, 0x110BD}, /* Kaithi number sign */
    {0x110CD, 0x110CD}, {0x13430, 0x1343F}, /* Egyptian format controls */
    {0x1BCA0, 0x1BCA3},                     /* shorthand format controls */
    {0x1D173, 0x1D17A},                     /* musical format controls */
    {0xE0000, 0xE00FF},                     /* tags */
    {0xE01F0, 0xE0FFF},                     /* unassigned ignorables */
};

static bool is_invisible(uint32_t cp) {
    size_t low = 0, high = ARRAY_LEN(invisible);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (cp > invisible[mid].last)
            low = mid + 1;
        else if (cp < invisible[mid].first)
            high = mid;
        else
            return true;
    }
    return false;
}

void utf8_append_visible(struct buf *out, const char *s, size_t n) {
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        int len = utf8_decode(s + i, n - i, &cp);
        if (len == 1 && ((cp >= 0x20 && cp != 0x7F) || cp == '\n' || cp == '\t')) {
            i++;
            continue;
        }
        if (len > 1 && cp > 0x9F && !is_invisible(cp)) {
            i += (size_t)len;
            continue;
        }
        buf_append(out, s + from, i - from);
        if (len <= 0) {
            buf_puts(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (cp == '\r' && i + 1 < n && s[i + 1] == '\n') {
            ; /* the line feed speaks for both */
        } else if (cp < 0x80) {
            buf_putc(out, '^');
            buf_putc(out, (char)(cp ^ 0x40));
        } else {
            buf_printf(out, "<U+%04X>", (unsigned)cp);
        }
        i += (size_t)len;
        from = i;
    }
    buf_append(out, s + from, n - from);
}
