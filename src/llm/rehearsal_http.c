/* rehearsal_http: requests as bytes. They come from our own client alone; what it does not send
 * (other methods, bodies without a length) is refused rather than supported. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "llm/rehearsal-internal.h"
#include "llm/rehearsal.h"

#define HEAD_MAX ((size_t)16384)
#define REQUEST_LINE "POST /v1/messages HTTP/1.1"

const char *rehearsal_http_reason(int status) {
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {411, "Length Required"},
        {413, "Payload Too Large"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {529, "Overloaded"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return table[i].text;
    return "Status";
}

/* The value of the header in line[0..n), trimmed, or NULL when it is another one. */
static char *value_of(const char *line, size_t n, const char *name) {
    size_t len = strlen(name);
    if (n <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
        return NULL;
    const char *from = line + len + 1, *end = line + n;
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return xstrndup(from, (size_t)(end - from));
}

struct head {
    bool known; /* the request line is the one that is served */
    bool key, chunked, has_length;
    int64_t length;
};

static void read_line(struct head *h, const char *line, size_t n, const char *key) {
    char *v = value_of(line, n, "x-api-key");
    if (v)
        h->key = str_eq(v, key);
    x_free(&v);
    v = value_of(line, n, "transfer-encoding");
    h->chunked |= v != NULL;
    x_free(&v);
    v = value_of(line, n, "content-length");
    if (v) {
        /* Two lengths, or one that is no number, are no length. */
        bool good = !h->has_length && str_to_i64(v, &h->length) == STATUS_OK && h->length >= 0;
        h->has_length = true;
        h->chunked |= !good;
    }
    x_free(&v);
}

static void read_head(struct head *h, const char *text, size_t n, const char *key) {
    const char *end = text + n;
    for (bool first = true; text < end; first = false) {
        const char *lf = memmem(text, (size_t)(end - text), "\r\n", 2);
        const char *stop = lf ? lf : end;
        size_t len = (size_t)(stop - text);
        if (first)
            h->known = len == strlen(REQUEST_LINE) && memcmp(text, REQUEST_LINE, len) == 0;
        else
            read_line(h, text, len, key);
        text = lf ? lf + 2 : end;
    }
}

int rehearsal_http_read(const struct buf *in, const char *key, struct rehearsal_request *out) {
    struct head h = {.known = false};
    const char *text = buf_str(in);
    const char *end = memmem(text, in->len < HEAD_MAX ? in->len : HEAD_MAX, "\r\n\r\n", 4);
    if (!end)
        return in->len < HEAD_MAX ? 0 : 431;
    read_head(&h, text, (size_t)(end - text), key);
    if (!h.known)
        return 404;
    if (!h.key)
        return 401;
    if (h.chunked || !h.has_length)
        return 411;
    if (h.length > (int64_t)REHEARSAL_REQUEST_MAX)
        return 413;
    out->body = end + 4;
    out->n = (size_t)h.length;
    out->used = (size_t)(out->body - text) + out->n;
    return in->len < out->used ? 0 : 200;
}
