/* text: words of memories, compared. See text.h. */
#include "memory/text.h"

#include <string.h>

#include "base/str.h"

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void memory_text_even(struct buf *out, const char *s) {
    size_t begin = out->len;
    while (*s) {
        bool space = false, newline = false;
        for (; is_space(*s); s++) {
            space = true;
            newline |= *s == '\n';
        }
        if (space && out->len > begin && *s)
            buf_putc(out, newline ? '\n' : ' ');
        size_t n = 0;
        while (s[n] && !is_space(s[n]))
            n++;
        buf_append(out, s, n);
        s += n;
    }
}

/* The same with blanks only. */
static void words(struct buf *out, const char *s) {
    size_t begin = out->len;
    memory_text_even(out, s);
    for (size_t i = begin; i < out->len; i++)
        if (out->data[i] == '\n')
            out->data[i] = ' ';
}

void memory_text_hash(enum memory_type type, const char *person, const char *content,
                      char out[SHA256_HEX_SIZE]) {
    struct buf b = BUF_INIT;
    buf_puts(&b, type == MEMORY_HUMAN ? "person" : "text");
    buf_putc(&b, '\0');
    buf_puts(&b, person ? person : "");
    buf_putc(&b, '\0');
    if (type != MEMORY_HUMAN)
        words(&b, content);
    sha256_of(b.data, b.len, out);
    buf_free(&b);
}

bool memory_text_contains(const char *whole, const char *part) {
    struct buf a = BUF_INIT, b = BUF_INIT;
    /* Between blanks, so that only whole words meet. */
    buf_putc(&a, ' ');
    words(&a, whole);
    buf_putc(&a, ' ');
    buf_putc(&b, ' ');
    words(&b, part);
    buf_putc(&b, ' ');
    bool found = strstr(buf_str(&a), buf_str(&b)) != NULL;
    buf_free(&a);
    buf_free(&b);
    return found;
}
