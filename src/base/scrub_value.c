/* scrub_value: the secrets that we hold ourselves, and how they begin when they are encoded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/scrub-internal.h"

#define CODE_CHARS 12u /* base64 characters by which an encoded value is known: 9 bytes */
#define HEX_BYTES 8u

struct scrub_values *scrub_values_new(void) {
    return xcalloc(1, sizeof(struct scrub_values));
}

static void wipe(char **text, size_t n) {
    if (*text)
        explicit_bzero(*text, n);
    x_free(text);
}

void scrub_values_free(struct scrub_values **vp) {
    struct scrub_values *v = *vp;
    if (!v)
        return;
    for (size_t i = 0; i < v->n; i++)
        wipe(&v->v[i].text, v->v[i].n);
    for (size_t i = 0; i < v->nnames; i++)
        x_free(&v->names[i]);
    x_free(&v->names);
    x_free(&v->v);
    x_free(vp);
}

/* In its place by the first byte. Copies `text`. */
static void add(struct scrub_values *v, const char *name, const char *text, size_t n, bool code) {
    unsigned c = (unsigned char)text[0];
    size_t at = v->first[c + 1];
    for (size_t i = v->first[c]; i < at; i++)
        if (v->v[i].n == n && memcmp(v->v[i].text, text, n) == 0)
            return;
    v->v = xreallocarray(v->v, v->n + 1, sizeof *v->v);
    memmove(v->v + at + 1, v->v + at, (v->n - at) * sizeof *v->v);
    v->v[at] = (struct scrub_needle){xstrndup(text, n), n, name, code};
    v->n++;
    v->begins[c] = true;
    for (unsigned i = c + 1; i < 257; i++)
        v->first[i]++;
}

/* Of base64 that holds the value from the byte `offset` of a group of three on: the characters that
 * the value alone decides. */
static void add_base64(struct scrub_values *v, const char *name, const char *value, unsigned offset,
                       bool url) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const unsigned skips[] = {0, 4, 2}; /* bits that share a character with what is before */
    char text[CODE_CHARS];
    for (unsigned i = 0, bit = skips[offset]; i < CODE_CHARS; i++, bit += 6) {
        unsigned two = (unsigned)(unsigned char)value[bit / 8] << 8;
        two |= (unsigned char)value[bit / 8 + 1]; /* at the most the NUL at its end */
        text[i] = letters[two >> (10 - bit % 8) & 63];
        if (url && text[i] == '+')
            text[i] = '-';
        if (url && text[i] == '/')
            text[i] = '_';
    }
    add(v, name, text, sizeof text, true);
    explicit_bzero(text, sizeof text);
}

static void add_hex(struct scrub_values *v, const char *name, const char *value, bool upper) {
    char text[2 * HEX_BYTES + 1];
    for (unsigned i = 0; i < HEX_BYTES; i++)
        (void)snprintf(text + 2 * i, 3, upper ? "%02X" : "%02x", (unsigned char)value[i]);
    add(v, name, text, 2 * HEX_BYTES, true);
    explicit_bzero(text, sizeof text);
}

/* As forms and addresses have it; `kept`: also unreserved for who encodes. The same as itself for
 * most. */
static void add_percent(struct scrub_values *v, const char *name, const char *value, size_t n,
                        unsigned kept) {
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((scrub_class[c] & (SCRUB_URL | SCRUB_DOT | kept)) || c == '~')
            buf_putc(&b, (char)c);
        else
            buf_printf(&b, "%%%02X", c);
    }
    add(v, name, buf_str(&b), b.len, false);
    if (b.data)
        explicit_bzero(b.data, b.len);
    buf_free(&b);
}

bool scrub_values_add(struct scrub_values *v, const char *name, const char *value) {
    size_t n = value ? strlen(value) : 0;
    if (n < SCRUB_VALUE_MIN || n > SCRUB_VALUE_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] <= 0x20 || (unsigned char)value[i] >= 0x7f)
            return false;
    v->names = xreallocarray(v->names, v->nnames + 1, sizeof *v->names);
    const char *kept = v->names[v->nnames++] = xstrdup(name);
    add(v, kept, value, n, false);
    add_percent(v, kept, value, n, 0);
    add_percent(v, kept, value, n, SCRUB_FORM);
    for (unsigned offset = 0; offset < 3; offset++) {
        add_base64(v, kept, value, offset, false);
        add_base64(v, kept, value, offset, true);
    }
    add_hex(v, kept, value, false);
    add_hex(v, kept, value, true);
    return true;
}
