/* keys: the decoder. Bytes from a terminal are not trusted more than any other: every length is
 * bounded and what is not understood is dropped whole, so that no half of a sequence is ever typed
 * into the composer. */
#include "ui/keys.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define ESC 0x1B

const char *keysym_name(enum keysym s) {
    switch (s) {
#define X(name, text)                                                                              \
    case KEYSYM_##name:                                                                            \
        return text;
        KEYSYM_TABLE(X)
#undef X
    }
    return "?";
}

void keys_init(struct keys *k, keys_fn *fn, void *arg) {
    memset(k, 0, sizeof *k);
    k->fn = fn;
    k->arg = arg;
}

void keys_free(struct keys *k) { buf_free(&k->paste); }

void keys_reset(struct keys *k) {
    k->nseq = 0;
    k->overlong = k->pasting = k->paste_cut = false;
    buf_free(&k->paste);
}

static void emit(struct keys *k, enum keysym sym, uint32_t cp, unsigned mods, const void *raw,
                 size_t n) {
    struct key key = {.sym = sym, .cp = cp, .mods = mods, .raw = raw, .nraw = n};
    k->fn(k->arg, &key);
}

/* One byte below 0x80 that is a key of its own; raw may have an ESC before it. */
static void emit_ascii(struct keys *k, unsigned char c, unsigned mods, const void *raw, size_t n) {
    if (c == '\r')
        emit(k, KEYSYM_ENTER, 0, mods, raw, n);
    else if (c == '\t')
        emit(k, KEYSYM_TAB, 0, mods, raw, n);
    else if (c == 0x7F || c == 0x08)
        emit(k, KEYSYM_BACKSPACE, 0, mods, raw, n);
    else if (c == ESC)
        emit(k, KEYSYM_ESC, 0, mods, raw, n);
    else if (c >= 1 && c <= 26)
        emit(k, KEYSYM_CHAR, (uint32_t)('a' + c - 1), mods | KEYMOD_CTRL, raw, n);
    else if (c < 0x20)
        emit(k, KEYSYM_CHAR, (uint32_t)(c + 0x40), mods | KEYMOD_CTRL, raw, n);
    else
        emit(k, KEYSYM_CHAR, c, mods, raw, n);
}

/* A key reported by its code point (kitty's CSI u, xterm's modifyOtherKeys): the bytes for readline
 * are made as an older terminal would have sent them. */
static void emit_reported(struct keys *k, uint32_t cp, unsigned mods) {
    unsigned char raw[8];
    size_t n = 0;
    if (cp == 0 || (cp >= 0xD800 && cp <= 0xDFFF) || (cp >= 0x80 && cp <= 0x9F) || cp > 0x10FFFF ||
        (cp >= 0xE000 && cp <= 0xF8FF)) /* kitty's private numbers: keys without a character */
        return;
    if (mods & KEYMOD_ALT)
        raw[n++] = ESC;
    if (cp < 0x80) {
        unsigned char c = (unsigned char)cp;
        if (c >= 0x20 && c != 0x7F && mods & KEYMOD_CTRL) {
            bool letter = (c >= '@' && c <= '_') || (c >= 'a' && c <= 'z');
            if (!letter && c != ' ')
                return; /* no byte stands for it */
            c = c == ' ' ? 0 : (unsigned char)(c & 0x1F);
            raw[n++] = c;
            /* Ctrl-I, Ctrl-M, Ctrl-[ keep their letter here: the terminal could tell them apart. */
            emit(k, KEYSYM_CHAR, c ? (uint32_t)(c <= 26 ? 'a' + c - 1 : c + 0x40) : '@', mods, raw,
                 n);
            return;
        }
        raw[n++] = c;
        emit_ascii(k, c, mods & ~(c >= 0x20 && c != 0x7F ? KEYMOD_SHIFT : 0u), raw, n);
        return;
    }
    n += utf8_encode(cp, (char *)raw + n);
    emit(k, KEYSYM_CHAR, cp, mods, raw, n);
}

/* The numbers of a control sequence: "1;5:3" -> 1, 5 (what follows a colon apart, in sub[]). */
struct numbers {
    uint32_t v[4], sub[4];
    size_t n;
};

static void parse_numbers(const unsigned char *s, size_t n, struct numbers *out) {
    memset(out, 0, sizeof *out);
    size_t colons = 0;
    for (size_t i = 0; i < n && out->n < ARRAY_LEN(out->v); i++) {
        if (s[i] == ';') {
            out->n++;
            colons = 0;
        } else if (s[i] == ':') {
            colons++;
        } else if (s[i] >= '0' && s[i] <= '9' && colons < 2) {
            uint32_t *to = colons ? &out->sub[out->n] : &out->v[out->n];
            if (*to < 100000000)
                *to = *to * 10 + (uint32_t)(s[i] - '0');
        }
    }
    out->n++;
}

static unsigned modifiers(uint32_t v) { return v > 1 && v <= 256 ? (v - 1) & 7u : 0; }

static const struct {
    unsigned char final;
    enum keysym sym;
    uint32_t cp;
} letters[] = {{'A', KEYSYM_UP, 0},       {'B', KEYSYM_DOWN, 0},     {'C', KEYSYM_RIGHT, 0},
               {'D', KEYSYM_LEFT, 0},     {'H', KEYSYM_HOME, 0},     {'F', KEYSYM_END, 0},
               {'P', KEYSYM_FUNCTION, 1}, {'Q', KEYSYM_FUNCTION, 2}, {'R', KEYSYM_FUNCTION, 3},
               {'S', KEYSYM_FUNCTION, 4}, {'M', KEYSYM_ENTER, 0},    {'I', KEYSYM_TAB, 0}};

static const struct {
    uint32_t number;
    enum keysym sym;
    uint32_t cp;
} tildes[] = {
    {1, KEYSYM_HOME, 0},       {2, KEYSYM_INSERT, 0},     {3, KEYSYM_DELETE, 0},
    {4, KEYSYM_END, 0},        {5, KEYSYM_PAGE_UP, 0},    {6, KEYSYM_PAGE_DOWN, 0},
    {7, KEYSYM_HOME, 0},       {8, KEYSYM_END, 0},        {11, KEYSYM_FUNCTION, 1},
    {12, KEYSYM_FUNCTION, 2},  {13, KEYSYM_FUNCTION, 3},  {14, KEYSYM_FUNCTION, 4},
    {15, KEYSYM_FUNCTION, 5},  {17, KEYSYM_FUNCTION, 6},  {18, KEYSYM_FUNCTION, 7},
    {19, KEYSYM_FUNCTION, 8},  {20, KEYSYM_FUNCTION, 9},  {21, KEYSYM_FUNCTION, 10},
    {23, KEYSYM_FUNCTION, 11}, {24, KEYSYM_FUNCTION, 12},
};

/* A complete ESC [ ... final. */
static void control_sequence(struct keys *k) {
    const unsigned char *s = k->seq;
    size_t n = k->nseq;
    unsigned char final = s[n - 1];
    struct numbers v;
    parse_numbers(s + 2, n - 3, &v);
    unsigned mods = modifiers(v.v[1]);
    bool plain = n == 3 || (s[2] >= '0' && s[2] <= ';');
    if (!plain) {
        emit(k, KEYSYM_OTHER, 0, 0, s, n); /* a private or marked one: an answer, not a key */
        return;
    }
    if (v.n > 1 && v.sub[1] == 3)
        return; /* a key was let go */
    if (final == 'u') {
        emit_reported(k, v.v[0], mods);
        return;
    }
    if (final == 'Z') {
        emit(k, KEYSYM_TAB, 0, KEYMOD_SHIFT, s, n);
        return;
    }
    if (final == '~') {
        if (v.v[0] == 27 && v.n >= 3) {
            emit_reported(k, v.v[2], mods);
            return;
        }
        if (v.v[0] == 200) {
            k->pasting = true;
            k->paste_cut = false;
            return;
        }
        if (v.v[0] == 201)
            return; /* the end of a paste that had no beginning */
        for (size_t i = 0; i < ARRAY_LEN(tildes); i++) {
            if (tildes[i].number == v.v[0]) {
                emit(k, tildes[i].sym, tildes[i].cp, mods, s, n);
                return;
            }
        }
    } else if (final != 'M' && final != 'I') { /* those two are mouse and focus reports here */
        for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
            if (letters[i].final == final) {
                emit(k, letters[i].sym, letters[i].cp, mods, s, n);
                return;
            }
        }
    }
    emit(k, KEYSYM_OTHER, 0, mods, s, n);
}

/* A complete ESC O [digits] final. */
static void single_shift(struct keys *k) {
    struct numbers v;
    parse_numbers(k->seq + 2, k->nseq - 3, &v);
    unsigned char final = k->seq[k->nseq - 1];
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        if (letters[i].final == final) {
            emit(k, letters[i].sym, letters[i].cp, modifiers(v.n > 1 ? v.v[1] : v.v[0]), k->seq,
                 k->nseq);
            return;
        }
    }
    emit(k, KEYSYM_OTHER, 0, 0, k->seq, k->nseq);
}

static void paste_done(struct keys *k) {
    struct buf text = k->paste;
    k->paste = (struct buf)BUF_INIT; /* the callback may reset us */
    struct key key = {
        .sym = KEYSYM_PASTE, .raw = buf_str(&text), .nraw = text.len, .cut = k->paste_cut};
    k->pasting = k->paste_cut = false;
    k->fn(k->arg, &key);
    buf_free(&text);
}

static void paste_byte(struct keys *k, unsigned char c) {
    static const char end[] = "\x1b[201~";
    if (k->paste.len < KEYS_PASTE_MAX + sizeof end)
        buf_putc(&k->paste, (char)c);
    else { /* only the last bytes are kept moving, to see the end come */
        k->paste_cut = true;
        size_t keep = sizeof end - 1;
        char *tail = k->paste.data + k->paste.len - keep;
        memmove(tail, tail + 1, keep - 1);
        tail[keep - 1] = (char)c;
    }
    size_t n = sizeof end - 1;
    if (c == '~' && k->paste.len >= n && !memcmp(k->paste.data + k->paste.len - n, end, n)) {
        buf_truncate(&k->paste, k->paste.len - n);
        if (k->paste_cut && k->paste.len > KEYS_PASTE_MAX)
            buf_truncate(&k->paste, utf8_cut(k->paste.data, k->paste.len, KEYS_PASTE_MAX));
        paste_done(k);
    }
}

/* The character in seq[skip..], perhaps not yet complete; with skip 1 an ESC stands before it: Alt.
 */
static void character(struct keys *k, size_t skip) {
    uint32_t cp;
    int len = utf8_decode((const char *)k->seq + skip, k->nseq - skip, &cp);
    if (len == 0)
        return; /* more to come */
    if (len > 0 && !(cp >= 0x80 && cp <= 0x9F)) {
        unsigned mods = skip ? KEYMOD_ALT : 0;
        if (cp < 0x80)
            emit_ascii(k, (unsigned char)cp, mods, k->seq, k->nseq);
        else
            emit(k, KEYSYM_CHAR, cp, mods, k->seq, k->nseq);
    }
    k->nseq = 0;
}

static void byte(struct keys *k, unsigned char c);

/* What stood in seq was no key; `c` begins anew. */
static void restart(struct keys *k, unsigned char c) {
    k->nseq = 0;
    k->overlong = false;
    byte(k, c);
}

static void in_sequence(struct keys *k, unsigned char c) {
    bool csi = k->seq[1] == '[';
    if (c < 0x20 || c >= 0x7F) {
        restart(k, c); /* no part of any sequence */
        return;
    }
    if (k->nseq < sizeof k->seq)
        k->seq[k->nseq++] = c;
    else
        k->overlong = true;
    if (csi && k->nseq == 3 && c == '[')
        return; /* the Linux console's F1 to F5: one more byte */
    if (csi && k->nseq == 4 && k->seq[2] == '[') {
        bool known = c >= 'A' && c <= 'E';
        emit(k, known ? KEYSYM_FUNCTION : KEYSYM_OTHER, known ? (uint32_t)(c - 'A' + 1) : 0, 0,
             k->seq, k->nseq);
        k->nseq = 0;
        return;
    }
    bool final = csi ? c >= 0x40 : !(c >= '0' && c <= '9') && c != ';';
    if (!final)
        return;
    if (!k->overlong) {
        if (csi)
            control_sequence(k);
        else
            single_shift(k);
    }
    k->overlong = false;
    k->nseq = 0;
}

static void byte(struct keys *k, unsigned char c) {
    if (k->pasting) {
        paste_byte(k, c);
        return;
    }
    if (k->nseq == 0) {
        if (c == ESC)
            k->seq[k->nseq++] = c;
        else if (c < 0x80)
            emit_ascii(k, c, 0, &c, 1);
        else {
            k->seq[k->nseq++] = c;
            character(k, 0);
        }
        return;
    }
    size_t skip = k->seq[0] == ESC ? 1 : 0;
    if (skip && k->nseq == 1) {
        if (c == ESC) { /* two Escapes: the first is a key, the second may begin something */
            emit(k, KEYSYM_ESC, 0, 0, "\x1b", 1);
            return;
        }
        k->seq[k->nseq++] = c;
        if (c != '[' && c != 'O')
            character(k, 1);
        return;
    }
    if (skip && (k->seq[1] == '[' || k->seq[1] == 'O')) {
        in_sequence(k, c);
        return;
    }
    if ((c & 0xC0) != 0x80) { /* the character broke off */
        restart(k, c);
        return;
    }
    k->seq[k->nseq++] = c;
    character(k, skip);
}

void keys_feed(struct keys *k, const char *data, size_t n) {
    for (size_t i = 0; i < n; i++)
        byte(k, (unsigned char)data[i]);
}

int keys_wait_ms(const struct keys *k) {
    if (k->pasting)
        return 10000;
    if (k->nseq == 0)
        return 0;
    /* A person who presses Escape waits for it; the rest of a longer sequence may come over a slow
     * link. */
    return k->nseq == 1 && k->seq[0] == ESC ? 25 : 500;
}

void keys_timeout(struct keys *k) {
    if (k->pasting) {
        paste_done(k);
        return;
    }
    bool lone = k->nseq == 1 && k->seq[0] == ESC;
    k->nseq = 0;
    k->overlong = false;
    if (lone)
        emit(k, KEYSYM_ESC, 0, 0, "\x1b", 1);
}
