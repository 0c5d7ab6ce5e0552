/* head: see head.h. */
#include "llm/head.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"

/* "name: value\r\n" -> the value, trimmed, when the name fits. */
static bool header_is(const char *line, size_t n, const char *name, char *out, size_t size) {
    size_t len = strlen(name);
    if (n <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
        return false;
    const char *from = line + len + 1, *end = line + n;
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t keep = utf8_cut(from, (size_t)(end - from), size - 1);
    memcpy(out, from, keep);
    out[keep] = '\0';
    return true;
}

/* Seconds, or a date. At most a day: longer is as good as never. */
static int64_t retry_after(const char *value, int64_t unit_ms) {
    const double day = 86400000.0;
    char *end;
    double v = strtod(value, &end);
    if (end != value && *end == '\0') {
        v *= (double)unit_ms;
        return v > 0 ? (int64_t)(v < day ? v : day) : v <= 0 ? 0 : -1;
    }
    time_t at = curl_getdate(value, NULL);
    if (at == -1)
        return -1;
    double ms = (double)at * 1000.0 - (double)clock_wall_ms();
    return ms > 0 ? (int64_t)(ms < day ? ms : day) : 0;
}

bool head_is_status(const char *line, size_t n) { return n >= 5 && memcmp(line, "HTTP/", 5) == 0; }

void head_begin(struct http_head *h, long status) {
    memset(h, 0, sizeof(*h));
    h->retry_after_ms = -1;
    rate_init(&h->rate);
    h->status = status >= 0 && status <= 999 ? (int)status : 0;
}

/* Nobody asked for a packed body, but some servers and proxies pack whatever they send: in the one
 * way that everybody knows. Other ways make more out of a packet (brotli a million times as much,
 * one packed twice too) than one turn of the loop should have to take. */
static bool is_unpackable(struct http_head *h, const char *how) {
    static const char *const known[] = {"gzip", "x-gzip", "deflate", "identity"};
    bool again = h->packed;
    h->packed = true;
    for (size_t i = 0; i < ARRAY_LEN(known) && !again; i++)
        if (strcasecmp(how, known[i]) == 0)
            return true;
    return false;
}

enum http_end head_line(struct http_head *h, size_t *bytes, const char *line, size_t n, char *why,
                        size_t size) {
    char value[64];
    *bytes += n;
    if (*bytes > HEAD_BYTES_MAX) {
        snprintf(why, size, "its headers are larger than %zu bytes", HEAD_BYTES_MAX);
        return HTTP_END_GARBAGE;
    }
    if (header_is(line, n, "content-encoding", value, sizeof(value)) && !is_unpackable(h, value)) {
        snprintf(why, size, "it is packed as %s, which nobody asked for", value);
        return HTTP_END_PACKED;
    }
    if (header_is(line, n, "retry-after-ms", value, sizeof(value)))
        h->retry_after_ms = retry_after(value, 1);
    else if (header_is(line, n, "retry-after", value, sizeof(value)) && h->retry_after_ms < 0)
        h->retry_after_ms = retry_after(value, 1000);
    else if (!header_is(line, n, "content-type", h->content_type, sizeof(h->content_type)) &&
             !header_is(line, n, "request-id", h->request_id, sizeof(h->request_id)) &&
             !header_is(line, n, "location", h->location, sizeof(h->location)))
        rate_header(&h->rate, line, n, clock_wall_ms());
    return HTTP_END_COMPLETE;
}
