/* sse: framing of server-sent events. One pass over the bytes: a line that lies whole in the piece
 * is looked at where it lies; only one that is split over pieces is copied together first. */
#include "llm/sse.h"

#include <string.h>

static const char bom[3] = "\xEF\xBB\xBF";

void sse_init(struct sse *s, size_t max) {
    memset(s, 0, sizeof(*s));
    s->max = max ? max : SSE_EVENT_MAX;
    s->retry_ms = -1;
}

void sse_free(struct sse *s) {
    buf_free(&s->line);
    buf_free(&s->data);
    buf_free(&s->type);
    buf_free(&s->id);
}

static enum status too_large(struct sse *s, struct cause *why) {
    s->failed = true;
    return cause_set(why, STATUS_LIMIT, "an event is larger than %zu bytes", s->max);
}

/* A blank line: the event is complete, if it has any data at all. */
static bool dispatch(struct sse *s, sse_fn *fn, void *arg) {
    bool more = true;
    if (s->has_data) {
        struct sse_event e = {
            .type = s->type.len ? s->type.data : "message",
            .data = buf_str(&s->data),
            .n = s->data.len,
            .id = buf_str(&s->id),
        };
        more = fn(arg, &e);
    }
    s->has_data = false;
    buf_reset(&s->data);
    buf_reset(&s->type);
    return more;
}

static void set_retry(struct sse *s, const char *value, size_t n) {
    int64_t ms = 0;
    if (!n)
        return;
    for (size_t i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9')
            return;
        /* A day is as good as never; the product stays far from the type's end. */
        if (ms < INT64_C(86400000))
            ms = ms * 10 + (value[i] - '0');
    }
    s->retry_ms = ms < INT64_C(86400000) ? ms : INT64_C(86400000);
}

static bool is(const char *name, size_t n, const char *field) {
    return n == strlen(field) && memcmp(name, field, n) == 0;
}

static void set(struct buf *b, const char *value, size_t n) {
    buf_reset(b);
    buf_append(b, value, n);
}

/* One whole line without its end, not empty. */
static enum status field(struct sse *s, const char *line, size_t n, struct cause *why) {
    const char *colon = memchr(line, ':', n);
    size_t name = colon ? (size_t)(colon - line) : n;
    size_t at = colon ? name + 1 : n;
    if (at < n && line[at] == ' ')
        at++;
    const char *value = line + at;
    size_t len = n - at;

    if (is(line, name, "data")) {
        if (s->data.len + s->has_data + len > s->max)
            return too_large(s, why);
        /* The newline goes before every line but the first: the same as dropping the last one. */
        if (s->has_data)
            buf_putc(&s->data, '\n');
        buf_append(&s->data, value, len);
        s->has_data = true;
    } else if (is(line, name, "event")) {
        /* A type is a C string for its reader, so it ends at a NUL. */
        set(&s->type, value, strnlen(value, len));
    } else if (is(line, name, "id")) {
        if (!memchr(value, '\0', len))
            set(&s->id, value, len);
    } else if (is(line, name, "retry")) {
        set_retry(s, value, len);
    }
    /* A comment has the empty name; that and any other name mean nothing. */
    return STATUS_OK;
}

static enum status line_end(struct sse *s, const char *line, size_t n, sse_fn *fn, void *arg,
                            struct cause *why) {
    if (n > s->max)
        return too_large(s, why);
    if (n)
        return field(s, line, n, why);
    return dispatch(s, fn, arg) ? STATUS_OK : STATUS_CANCELLED;
}

/* The mark is skipped once, at the very beginning; what only looked like one is given back to the
 * line. */
static size_t skip_bom(struct sse *s, const char *bytes, size_t n) {
    size_t i = 0;
    while (i < n && s->bom < sizeof(bom) && bytes[i] == bom[s->bom]) {
        s->bom++;
        i++;
    }
    if (i < n && s->bom < sizeof(bom)) {
        buf_append(&s->line, bom, s->bom);
        s->bom = sizeof(bom);
    }
    return i;
}

enum status sse_feed(struct sse *s, const char *bytes, size_t n, sse_fn *fn, void *arg,
                     struct cause *why) {
    if (s->failed)
        return too_large(s, why);
    const char *p = bytes, *end = bytes + n;
    if (s->bom < sizeof(bom))
        p += skip_bom(s, bytes, n);
    /* The next CR and LF at or behind p; each byte is looked at once for either. */
    const char *cr = NULL, *lf = NULL;
    while (p < end) {
        if (s->skip_lf) {
            s->skip_lf = false;
            if (*p == '\n') {
                p++;
                continue;
            }
        }
        if (!lf || lf < p)
            lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf)
            lf = end;
        if (!cr || cr < p)
            cr = memchr(p, '\r', (size_t)(end - p));
        if (!cr)
            cr = end;
        const char *stop = cr < lf ? cr : lf;
        size_t len = (size_t)(stop - p);
        if (stop == end || s->line.len) {
            if (s->line.len + len > s->max)
                return too_large(s, why);
            buf_append(&s->line, p, len);
            if (stop == end)
                return STATUS_OK;
        }
        s->skip_lf = *stop == '\r';
        bool joined = s->line.len > 0;
        enum status st = joined ? line_end(s, s->line.data, s->line.len, fn, arg, why)
                                : line_end(s, p, len, fn, arg, why);
        buf_reset(&s->line);
        if (st != STATUS_OK)
            return st;
        p = stop + 1;
    }
    return STATUS_OK;
}
