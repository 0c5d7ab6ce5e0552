/* http1: see http1.h. Parsing starts afresh at each call: requests are few and mostly arrive whole.
 */
#include "http1.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

const char *http1_header(const struct http1_request *r, const char *name) {
    for (size_t i = 0; i < r->nheaders; i++)
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

void http1_free(struct http1_request *r) {
    x_free(&r->method);
    x_free(&r->path);
    for (size_t i = 0; i < r->nheaders; i++) {
        x_free(&r->headers[i].name);
        x_free(&r->headers[i].value);
    }
    x_free(&r->headers);
    r->nheaders = 0;
    buf_free(&r->body);
}

const char *http1_reason(int status) {
    static const struct {
        int status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Payload Too Large"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {529, "Overloaded"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return table[i].text;
    return "Status";
}

/* One header line (without its line end) into out. */
static bool parse_header(const char *line, size_t n, struct http1_request *out, struct cause *why) {
    const char *colon = memchr(line, ':', n);
    if (!colon || colon == line || isspace((unsigned char)line[0])) {
        cause_set(why, STATUS_PROTOCOL, "malformed header line");
        return false;
    }
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    struct http1_header h = {xstrndup(line, name_len), xstrndup(value, (size_t)(end - value))};
    for (char *p = h.name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    out->headers = xreallocarray(out->headers, out->nheaders + 1,
                                 sizeof(*out->headers)); /* few: no doubling */
    out->headers[out->nheaders++] = h;
    return true;
}

/* The request line and the headers, in head[0..n). */
static bool parse_head(const char *head, size_t n, struct http1_request *out, struct cause *why) {
    bool first = true;
    for (size_t at = 0; at < n;) {
        const char *eol = memmem(head + at, n - at, "\r\n", 2);
        size_t len = eol ? (size_t)(eol - head) - at : n - at;
        const char *line = head + at;
        if (first) {
            const char *sp = memchr(line, ' ', len);
            const char *sp2 = sp ? memchr(sp + 1, ' ', len - (size_t)(sp + 1 - line)) : NULL;
            if (!sp2 || len - (size_t)(sp2 - line) != 9 || strncmp(sp2, " HTTP/1.1", 9) != 0) {
                cause_set(why, STATUS_PROTOCOL, "malformed request line");
                return false;
            }
            out->method = xstrndup(line, (size_t)(sp - line));
            out->path = xstrndup(sp + 1, (size_t)(sp2 - sp - 1));
            first = false;
        } else if (!parse_header(line, len, out, why)) {
            return false;
        }
        at += len + 2;
    }
    if (!http1_header(out, "host")) {
        cause_set(why, STATUS_PROTOCOL, "no Host header");
        return false;
    }
    const char *connection = http1_header(out, "connection");
    out->keep_alive = !(connection && strcasecmp(connection, "close") == 0);
    return true;
}

/* A chunked body at s[0..n) into `body`; *used is what it took. */
static enum http1_result parse_chunked(const char *s, size_t n, struct buf *body, size_t *used,
                                       struct cause *why) {
    size_t at = 0;
    for (;;) {
        const char *eol = memmem(s + at, n - at, "\r\n", 2);
        if (!eol)
            return HTTP1_MORE;
        char *end = NULL;
        unsigned long len = strtoul(s + at, &end, 16);
        if (end == s + at || end > eol) {
            cause_set(why, STATUS_PROTOCOL, "malformed chunk size");
            return HTTP1_BAD;
        }
        at = (size_t)(eol - s) + 2;
        if (len > HTTP1_BODY_MAX || body->len + len > HTTP1_BODY_MAX)
            return HTTP1_TOO_LARGE;
        if (n - at < len + 2)
            return HTTP1_MORE;
        if (memcmp(s + at + len, "\r\n", 2) != 0) {
            cause_set(why, STATUS_PROTOCOL, "chunk without line end");
            return HTTP1_BAD;
        }
        buf_append(body, s + at, len);
        at += len + 2;
        if (len == 0) {
            *used = at;
            return HTTP1_DONE;
        }
    }
}

enum http1_result http1_parse(struct buf *in, struct http1_request *out, struct cause *why) {
    memset(out, 0, sizeof(*out));
    if (in->len == 0)
        return HTTP1_MORE;
    const char *end = memmem(in->data, in->len, "\r\n\r\n", 4);
    if (!end) {
        if (in->len <= HTTP1_HEAD_MAX)
            return HTTP1_MORE;
        cause_set(why, STATUS_PROTOCOL, "request head over %u bytes", HTTP1_HEAD_MAX);
        return HTTP1_BAD;
    }
    size_t head_len = (size_t)(end - in->data), body_at = head_len + 4, used = 0;
    enum http1_result result = HTTP1_BAD;
    if (!parse_head(in->data, head_len, out, why))
        goto out;
    const char *encoding = http1_header(out, "transfer-encoding");
    const char *length = http1_header(out, "content-length");
    if (encoding && length) {
        cause_set(why, STATUS_PROTOCOL, "both Content-Length and Transfer-Encoding");
    } else if (encoding && strcasecmp(encoding, "chunked") != 0) {
        cause_set(why, STATUS_PROTOCOL, "unknown Transfer-Encoding");
    } else if (encoding) {
        result = parse_chunked(in->data + body_at, in->len - body_at, &out->body, &used, why);
    } else {
        int64_t want = 0;
        if (length && (str_to_i64(length, &want) != STATUS_OK || want < 0)) {
            cause_set(why, STATUS_PROTOCOL, "malformed Content-Length");
        } else if (want > (int64_t)HTTP1_BODY_MAX) {
            result = HTTP1_TOO_LARGE;
        } else if (in->len - body_at < (size_t)want) {
            result = HTTP1_MORE;
        } else {
            used = (size_t)want;
            buf_append(&out->body, in->data + body_at, used);
            result = HTTP1_DONE;
        }
    }
    const char *expect = http1_header(out, "expect");
    if (result == HTTP1_MORE && expect && strcasecmp(expect, "100-continue") == 0)
        result = HTTP1_CONTINUE;
out:
    if (result == HTTP1_DONE)
        buf_consume(in, body_at + used);
    else
        http1_free(out);
    return result;
}
