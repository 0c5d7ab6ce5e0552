/* report: see report.h. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define OUT_LIMIT (4u * 1024u * 1024u) /* a test that never reads loses lines, nothing else */

bool report_open(struct report *r, const char *log_path, int out_fd, struct cause *why) {
    *r = (struct report){.log_fd = -1, .out_fd = out_fd};
    int flags = fcntl(out_fd, F_GETFL);
    if (flags < 0 || fcntl(out_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        cause_set(why, STATUS_IO, "standard output: %m");
        return false;
    }
    if (!log_path)
        return true;
    r->log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (r->log_fd < 0)
        cause_set(why, STATUS_IO, "%s: %m", log_path);
    return r->log_fd >= 0;
}

void report_close(struct report *r) {
    if (r->log_fd >= 0)
        close(r->log_fd);
    buf_free(&r->out);
}

bool report_flush(struct report *r) {
    while (r->out.len) {
        ssize_t n = write(r->out_fd, r->out.data, r->out.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            buf_reset(&r->out); /* nobody reads any more */
        if (n <= 0)
            break;
        buf_consume(&r->out, (size_t)n);
    }
    return r->out.len == 0;
}

void report_say(struct report *r, const char *fmt, ...) {
    if (r->out.len > OUT_LIMIT)
        return;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&r->out, fmt, ap);
    va_end(ap);
    buf_putc(&r->out, '\n');
    report_flush(r);
}

static void log_line(struct report *r, struct buf *line) {
    buf_putc(line, '\n');
    for (size_t at = 0; at < line->len;) {
        ssize_t n = write(r->log_fd, line->data + at, line->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            exit(1); /* tests would read a log with holes */
        at += (size_t)n;
    }
    buf_free(line);
}

static void put_string(struct buf *b, const char *s) { json_quote(b, s, strlen(s)); }

void report_request(struct report *r, int call, int conn, const struct http1_request *request,
                    int rule, int status, const char *rejected) {
    if (r->log_fd < 0)
        return;
    struct buf b = BUF_INIT;
    buf_printf(&b,
               "{\"type\":\"request\",\"call\":%d,\"conn\":%d,\"mono_ms\":%lld,\"method\":", call,
               conn, (long long)(clock_mono_ns() / NS_PER_MS));
    put_string(&b, request->method);
    buf_puts(&b, ",\"path\":");
    put_string(&b, request->path);
    buf_puts(&b, ",\"headers\":{");
    for (size_t i = 0; i < request->nheaders; i++) {
        if (i)
            buf_putc(&b, ',');
        put_string(&b, request->headers[i].name);
        buf_putc(&b, ':');
        put_string(&b, request->headers[i].value);
    }
    buf_puts(&b, "},\"rule\":");
    if (rule < 0)
        buf_puts(&b, "null");
    else
        buf_printf(&b, "%d", rule);
    buf_printf(&b, ",\"status\":%d,\"rejected\":", status);
    if (rejected)
        put_string(&b, rejected);
    else
        buf_puts(&b, "null");

    buf_puts(&b, ",\"body\":");
    cJSON *root;
    if (json_parse(buf_str(&request->body), request->body.len, &root, NULL) == STATUS_OK) {
        /* The client's own text: numbers and order stay as they came. */
        char *text = xstrdup(buf_str(&request->body));
        cJSON_Minify(text);
        buf_puts(&b, text);
        x_free(&text);
        cJSON_Delete(root);
    } else {
        json_quote(&b, buf_str(&request->body), request->body.len);
    }
    buf_putc(&b, '}');
    log_line(r, &b);
}

void report_account(struct report *r, int call, const char *model, const char *chaos,
                    const struct account *a, bool left) {
    if (r->log_fd < 0)
        return;
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"type\":\"account\",\"call\":%d,\"model\":", call);
    put_string(&b, model);
    buf_printf(&b, ",\"chaos\":\"%s\",\"input\":%lld,\"output\":%lld,\"guess\":%s,\"left\":%s}",
               chaos, (long long)a->input, (long long)a->output, a->guess ? "true" : "false",
               left ? "true" : "false");
    log_line(r, &b);
}

void report_end(struct report *r, int call, int conn, const char *how, long bytes) {
    if (r->log_fd >= 0) {
        struct buf b = BUF_INIT;
        buf_printf(&b,
                   "{\"type\":\"end\",\"call\":%d,\"conn\":%d,\"mono_ms\":%lld,\"how\":\"%s\","
                   "\"bytes\":%ld}",
                   call, conn, (long long)(clock_mono_ns() / NS_PER_MS), how, bytes);
        log_line(r, &b);
    }
    report_say(r, "end %d %s", call, how);
}
