/* preview: see the header. Whatever is left out is counted, so that nobody takes the beginning for
 * the whole. */
#include "tools/preview.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

/* A text that is read line by line; a newline at its end makes no further line. */
struct text {
    const char *at, *end;
};

static struct text lines_of(const char *s) { return (struct text){s, s + strlen(s)}; }

static size_t count(struct text t) {
    size_t n = 0;
    for (const char *p = t.at; p < t.end; n++) {
        const char *nl = memchr(p, '\n', (size_t)(t.end - p));
        p = nl ? nl + 1 : t.end;
    }
    return n;
}

/* The next line, with its newline where it has one. */
static struct text next_line(struct text *t) {
    const char *nl = memchr(t->at, '\n', (size_t)(t->end - t->at));
    struct text line = {t->at, nl ? nl + 1 : t->end};
    t->at = line.end;
    return line;
}

static struct text last_line(struct text t) {
    const char *from = t.end - (t.end > t.at && t.end[-1] == '\n');
    while (from > t.at && from[-1] != '\n')
        from--;
    return (struct text){from, t.end};
}

static bool same(struct text a, struct text b) {
    size_t n = (size_t)(a.end - a.at);
    return n == (size_t)(b.end - b.at) && memcmp(a.at, b.at, n) == 0;
}

static void put_line(struct buf *out, const char *sign, struct text line) {
    size_t n = (size_t)(line.end - line.at);
    if (n && line.at[n - 1] == '\n')
        n--;
    size_t shown = n > PREVIEW_LINE ? utf8_cut(line.at, n, PREVIEW_LINE) : n;
    buf_puts(out, sign);
    buf_append(out, line.at, shown);
    if (shown < n)
        buf_printf(out, " [%zu more bytes in this line]", n - shown);
    buf_putc(out, '\n');
}

/* The first `max` lines and the count of the others. */
static void put_lines(struct buf *out, const char *sign, struct text t, size_t max) {
    size_t lines = count(t);
    for (size_t i = 0; i < max && t.at < t.end; i++)
        put_line(out, sign, next_line(&t));
    if (t.at < t.end)
        buf_printf(out, "%s[%zu more %s, %zu bytes]\n", sign, lines - max,
                   lines - max == 1 ? "line" : "lines", (size_t)(t.end - t.at));
}

static char *finished(struct buf *out) {
    if (out->len)
        buf_truncate(out, out->len - 1); /* the last newline */
    return buf_steal(out);
}

char *preview_write(const char *content) {
    struct buf out = BUF_INIT;
    if (*content)
        put_lines(&out, "+ ", lines_of(content), PREVIEW_LINES);
    else
        buf_puts(&out, "[an empty file]\n");
    return finished(&out);
}

char *preview_edit(const char *was, const char *becomes, bool every) {
    struct buf out = BUF_INIT;
    struct text a = lines_of(was), b = lines_of(becomes), before = {NULL, NULL},
                after = {NULL, NULL};
    while (a.at < a.end && b.at < b.end) {
        struct text x = a, y = b, line = next_line(&x);
        if (!same(line, next_line(&y)))
            break;
        before = line;
        a = x;
        b = y;
    }
    while (a.at < a.end && b.at < b.end) {
        struct text x = last_line(a);
        if (!same(x, last_line(b)))
            break;
        after = x;
        b.end -= a.end - x.at;
        a.end = x.at;
    }
    if (every)
        buf_puts(&out, "[wherever it stands]\n");
    if (before.at)
        put_line(&out, "  ", before);
    size_t minus = count(a), plus = count(b), half = PREVIEW_LINES / 2;
    size_t room = minus < half ? PREVIEW_LINES - minus : plus < PREVIEW_LINES - half ? plus : half;
    put_lines(&out, "- ", a, PREVIEW_LINES - room);
    put_lines(&out, "+ ", b, room);
    if (after.at)
        put_line(&out, "  ", after);
    return finished(&out);
}
