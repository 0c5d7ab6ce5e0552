/* wrap: greedy line breaking, at spaces and after hyphens, between wide characters, else inside a
 * word that is longer than a line. Greedy is what makes it incremental: text that comes later can
 * only change the last line. */
#include "ui/wrap.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "ui/text.h"

#define TAB_STOP 8

void wrap_free(struct wrap *w) {
    buf_free(&w->text);
    x_free(&w->v);
    memset(w, 0, sizeof *w);
}

size_t wrap_lines(const struct wrap *w) {
    /* The line after a final newline is there while wrapping, so that more can be added to it. */
    return w->n && w->v[w->n - 1].len == 0 && w->v[w->n - 1].off == w->text.len && w->text.len &&
                   w->text.data[w->text.len - 1] == '\n'
               ? w->n - 1
               : w->n;
}

const char *wrap_line(const struct wrap *w, size_t i, size_t *n, int *indent) {
    *n = w->v[i].len;
    *indent = w->v[i].indent;
    return buf_str(&w->text) + w->v[i].off;
}

static void push(struct wrap *w, size_t off, size_t len, int indent) {
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 8;
        w->v = xreallocarray(w->v, w->cap, sizeof *w->v);
    }
    w->v[w->n++] = (struct wrap_line){(uint32_t)off, (uint32_t)len, indent};
}

/* Appends what is new, as it is shown: visible, tabs as spaces. Tab stops need the column in the
 * unwrapped line. */
static void take(struct wrap *w, const char *raw, size_t n) {
    struct buf seen = BUF_INIT;
    utf8_append_visible(&seen, raw, n);
    size_t from = 0;
    for (size_t i = 0; i < seen.len; i++) {
        if (seen.data[i] != '\t')
            continue;
        buf_append(&w->text, seen.data + from, i - from);
        from = i + 1;
        const char *line = w->text.len ? memrchr(w->text.data, '\n', w->text.len) : NULL;
        size_t start = line ? (size_t)(line + 1 - w->text.data) : 0;
        /* A line that long has no stops anyone could see. */
        int col = w->text.len - start > 4096
                      ? 0
                      : text_width(buf_str(&w->text) + start, w->text.len - start);
        buf_append(&w->text, "        ", (size_t)(TAB_STOP - col % TAB_STOP));
    }
    buf_append(&w->text, buf_str(&seen) + from, seen.len - from);
    buf_free(&seen);
}

/* The bytes of raw[0..n) that can be taken now: not half a character, not a \r whose \n may follow.
 */
static size_t whole(const char *raw, size_t n) {
    if (n && raw[n - 1] == '\r')
        return n - 1;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)raw[n - back];
        if ((c & 0xC0) == 0x80)
            continue;
        uint32_t cp;
        return utf8_decode(raw + n - back, back, &cp) == 0 ? n - back : n;
    }
    return n;
}

/* Columns by which the continued lines of a paragraph are moved: its own indent and the width of a
 * bullet. */
static int hanging(const char *s, size_t n, int width) {
    size_t i = 0;
    while (i < n && s[i] == ' ')
        i++;
    if (i + 1 < n && (s[i] == '-' || s[i] == '*' || s[i] == '+') && s[i + 1] == ' ')
        i += 2;
    else {
        size_t d = i;
        while (d < n && d < i + 3 && s[d] >= '0' && s[d] <= '9')
            d++;
        if (d > i && d + 1 < n && (s[d] == '.' || s[d] == ')') && s[d + 1] == ' ')
            i = d + 2;
    }
    return (int)i <= width / 3 ? (int)i : 0;
}

static bool breaks_after(const char *s, size_t at, size_t len, int char_width) {
    if (char_width == 2)
        return true;
    return len == 1 && s[at] == '-' && at > 0 && s[at - 1] != ' ' && s[at - 1] != '-';
}

/* One pass over the text, from the start of a line. `end` and `next` are where the line would end
 * and the next one begin if it had to break now: 0 while it holds no place to break. */
struct breaker {
    size_t off, at, end, next;
    int col, indent;
    bool word; /* something but spaces is on the line: spaces after it are a place to break */
};

static void start_line(struct wrap *w, struct breaker *b, size_t off) {
    *b = (struct breaker){.off = off, .at = off};
    if (off != w->paragraph) {
        const char *p = buf_str(&w->text) + w->paragraph;
        b->indent = b->col = hanging(p, w->text.len - w->paragraph, w->width);
    }
}

/* Wraps from the line that starts at `off`, inside the paragraph that starts at w->paragraph. */
static void wrap_from(struct wrap *w, size_t off) {
    const char *s = buf_str(&w->text);
    size_t n = w->text.len;
    struct breaker b;
    start_line(w, &b, off);
    while (b.at < n) {
        if (s[b.at] == '\n') {
            push(w, b.off, b.at - b.off, b.indent);
            w->paragraph = b.at + 1;
            start_line(w, &b, w->paragraph);
            continue;
        }
        int width;
        size_t len = text_next(s + b.at, n - b.at, &width);
        if (len == 1 && s[b.at] == ' ' &&
            b.word) { /* spaces may hang over the edge: they never begin a line */
            if (s[b.at - 1] != ' ')
                b.end = b.at;
            b.next = b.at + 1;
        } else if (b.col + width > w->width && b.at > b.off) {
            push(w, b.off, (b.next ? b.end : b.at) - b.off, b.indent);
            start_line(w, &b, b.next ? b.next : b.at);
            continue;
        }
        b.word = b.word || s[b.at] != ' ';
        b.at += len;
        b.col += width;
        if (b.word && breaks_after(s, b.at - len, len, width))
            b.end = b.next = b.at;
    }
    push(w, b.off, n - b.off, b.indent);
}

void wrap_feed(struct wrap *w, const char *raw, size_t n, int width, bool final) {
    if (width < 1)
        width = 1;
    if (n < w->raw) { /* another text */
        buf_reset(&w->text);
        w->raw = w->n = w->paragraph = 0;
    }
    bool again = width != w->width;
    w->width = width;
    size_t to = final ? n : w->raw + whole(raw + w->raw, n - w->raw);
    if (to > w->raw) {
        take(w, raw + w->raw, to - w->raw);
        w->raw = to;
    } else if (!again) {
        return;
    }
    if (again || w->n == 0) {
        w->n = 0;
        w->paragraph = 0;
        if (w->text.len)
            wrap_from(w, 0);
        return;
    }
    /* The last line is open; a word at its end may have been kept together with it only so far. */
    size_t off = w->v[w->n - 1].off;
    w->n--;
    wrap_from(w, off);
}
