/* fault: from statuses, headers, bodies and curl's results to a kind and a sentence. */
#include "llm/fault.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "base/utf8.h"

#define SAID_MAX 240 /* bytes of a server's words in a sentence */
#define SECRET_MIN 4 /* shorter is no secret, and taking it out would garble the rest */
#define HIDDEN "[key]"

const char *llm_fault_name(enum llm_fault f) {
    switch (f) {
#define X(name, text, retriable)                                                                   \
    case LLM_FAULT_##name:                                                                         \
        return text;
        LLM_FAULT_TABLE(X)
#undef X
    }
    return "?";
}

const char *llm_stop_name(enum llm_stop s) {
    switch (s) {
#define X(name, text)                                                                              \
    case LLM_STOP_##name:                                                                          \
        return text;
        LLM_STOP_TABLE(X)
#undef X
    }
    return "?";
}

bool llm_fault_retriable(enum llm_fault f) {
    switch (f) {
#define X(name, text, retriable)                                                                   \
    case LLM_FAULT_##name:                                                                         \
        return retriable;
        LLM_FAULT_TABLE(X)
#undef X
    }
    return false;
}

/* ---- words ---- */

static void hide(struct buf *out, const char *s, size_t n, const char *key) {
    size_t len = key ? strlen(key) : 0;
    const char *end = s + n;
    while (len >= SECRET_MIN) {
        const char *at = memmem(s, (size_t)(end - s), key, len);
        if (!at)
            break;
        buf_append(out, s, (size_t)(at - s));
        buf_puts(out, HIDDEN);
        s = at + len;
    }
    buf_append(out, s, (size_t)(end - s));
}

void fault_clean(struct buf *out, const char *s, size_t n, size_t max, const char *key) {
    struct buf visible = BUF_INIT, line = BUF_INIT, said = BUF_INIT;
    utf8_append_visible(&visible, s, n);
    for (size_t i = 0; i < visible.len; i++) {
        char c = visible.data[i];
        bool space = c == ' ' || c == '\n' || c == '\t';
        if (!space)
            buf_putc(&line, c);
        else if (line.len && line.data[line.len - 1] != ' ')
            buf_putc(&line, ' ');
    }
    while (line.len && line.data[line.len - 1] == ' ')
        buf_truncate(&line, line.len - 1);
    /* Before it is cut, else the first half of a key would be left. */
    hide(&said, buf_str(&line), line.len, key);
    size_t cut = utf8_cut(buf_str(&said), said.len, said.len > max && max > 3 ? max - 3 : max);
    buf_append(out, buf_str(&said), cut);
    if (cut < said.len)
        buf_puts(out, "...");
    buf_free(&visible);
    buf_free(&line);
    buf_free(&said);
}

void fault_set(struct llm_error *e, const struct fault_place *p, enum llm_fault fault,
               const char *fmt, ...) {
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    struct buf b = BUF_INIT;
    fault_clean(&b, p->provider, strlen(p->provider), 64, p->key); /* may be what a person typed */
    buf_puts(&b, ": ");
    fault_clean(&b, text, strlen(text), sizeof(e->text) - 1 - (b.len < 256 ? b.len : 256), p->key);
    size_t n = utf8_cut(b.data, b.len, sizeof(e->text) - 1);
    memcpy(e->text, b.data, n);
    e->text[n] = '\0';
    e->fault = fault;
    buf_free(&b);
}

/* What a page says: its title, else its words. */
static void reduce_html(struct buf *out, const char *s, size_t n) {
    const char *title = NULL;
    for (size_t i = 0; i + 7 < n && !title; i++)
        if (strncasecmp(s + i, "<title", 6) == 0)
            title = memchr(s + i, '>', n - i);
    if (title) {
        title++;
        const char *end = memchr(title, '<', (size_t)(s + n - title));
        buf_append(out, title, end ? (size_t)(end - title) : (size_t)(s + n - title));
        return;
    }
    bool tag = false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '<')
            tag = true;
        else if (s[i] == '>')
            tag = false, buf_putc(out, ' ');
        else if (!tag)
            buf_putc(out, s[i]);
    }
}

/* What providers call it: Anthropic's types, then OpenAI's types and codes. */
static const struct {
    const char *type;
    enum llm_fault fault;
} types[] = {
    {"overloaded_error", LLM_FAULT_OVERLOADED},
    {"rate_limit_error", LLM_FAULT_RATE_LIMITED},
    {"authentication_error", LLM_FAULT_AUTH},
    {"permission_error", LLM_FAULT_AUTH},
    {"not_found_error", LLM_FAULT_NOT_FOUND},
    {"request_too_large", LLM_FAULT_OVERFLOW},
    {"invalid_request_error", LLM_FAULT_BAD_REQUEST},
    {"billing_error", LLM_FAULT_BAD_REQUEST},
    {"context_length_exceeded", LLM_FAULT_OVERFLOW},
    {"exceed_context_size_error", LLM_FAULT_OVERFLOW},
    {"invalid_api_key", LLM_FAULT_AUTH},
    {"model_not_found", LLM_FAULT_NOT_FOUND},
    {"rate_limit_exceeded", LLM_FAULT_RATE_LIMITED},
    {"insufficient_quota", LLM_FAULT_BAD_REQUEST},
    {"service_unavailable", LLM_FAULT_OVERLOADED},
    {"server_is_overloaded", LLM_FAULT_OVERLOADED},
    {"slow_down", LLM_FAULT_OVERLOADED},
    {"invalid_prompt", LLM_FAULT_BAD_REQUEST},
    {"BadRequestError", LLM_FAULT_BAD_REQUEST},
};

bool fault_knows_type(const char *type) {
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(type, types[i].type))
            return true;
    return false;
}

/* An error body: {"error":{"type","message"}}, {"error":"..."}, {"message"} or {"detail"}; a page;
 * any text. */
struct said {
    char *type; /* "" when none */
    char *text; /* cleaned; "" when nothing was said */
    char *raw;  /* not cleaned: to look for words in */
};

static void read_body(struct said *out, const char *body, size_t n, const char *key) {
    struct buf raw = BUF_INIT, text = BUF_INIT;
    const char *type = "";
    cJSON *root = NULL;
    size_t at = 0;
    while (at < n && isspace((unsigned char)body[at]))
        at++;
    if (json_parse(body, n, &root, NULL) == STATUS_OK) {
        const cJSON *error = json_obj(root, "error");
        type = json_str(error, "code", "");
        if (!fault_knows_type(type))
            type = json_str(error, "type", type);
        const char *m = json_str(error, "message", NULL);
        m = m ? m : json_str(root, "error", NULL);
        m = m ? m : json_str(root, "message", NULL);
        m = m ? m : json_str(root, "detail", type);
        buf_puts(&raw, m);
    } else if (at < n && body[at] == '<') {
        reduce_html(&raw, body + at, n - at);
    } else {
        buf_append(&raw, body, n);
    }
    fault_clean(&text, buf_str(&raw), raw.len, SAID_MAX, key);
    out->type = xstrdup(type);
    out->text = buf_steal(&text);
    out->raw = buf_steal(&raw);
    cJSON_Delete(root);
}

static void said_free(struct said *s) {
    free(s->type);
    free(s->text);
    free(s->raw);
}

static bool is_overflow(const char *type, const char *message) {
    static const char *const signs[] = {"context length",  "maximum context",   "token limit",
                                        "too many tokens", "request too large", "content_too_large",
                                        "max_tokens",      "prompt is too long"};
    if (str_eq(type, "request_too_large") || str_eq(type, "context_length_exceeded"))
        return true;
    /* "'max_tokens' is not supported with this model": a matter of names. */
    if (strcasestr(message, "unsupported parameter"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        if (strcasestr(message, signs[i]))
            return true;
    return strcasestr(message, "maximum") && strcasestr(message, "token");
}

/* ---- statuses ---- */

/* "overloaded (529): what was said" */
static void set_said(struct llm_error *e, const struct fault_place *p, enum llm_fault f,
                     const char *what, int status, const char *said, const char *advice) {
    char number[16] = "";
    if (status)
        snprintf(number, sizeof(number), " (%d)", status);
    fault_set(e, p, f, "%s%s%s%s%s", what, number, *said ? ": " : "", said, advice);
}

const char *fault_key_variable(const char *provider) {
    const struct provider_info *known = provider_find(provider);
    return known ? known->key_var : NULL;
}

static void set_auth(struct llm_error *e, const struct fault_place *p, int status,
                     const char *said) {
    struct buf advice = BUF_INIT;
    const char *var = fault_key_variable(p->provider);
    if (var)
        buf_printf(&advice, "; set %s or providers in spacebot.conf", var);
    else
        buf_printf(&advice, "; set the key of \"%s\" in providers in spacebot.conf", p->provider);
    set_said(e, p, LLM_FAULT_AUTH, status == 403 ? "access was refused" : "the key was refused",
             status, said, advice.data);
    buf_free(&advice);
}

static void set_kind(struct llm_error *e, const struct fault_place *p, enum llm_fault f, int status,
                     const char *said) {
    switch (f) {
    case LLM_FAULT_AUTH:
        set_auth(e, p, status, said);
        return;
    case LLM_FAULT_NOT_FOUND:
        set_said(e, p, f, "no such model or address", status, said, "");
        return;
    case LLM_FAULT_OVERFLOW:
        set_said(e, p, f, "the conversation is too long for the model", status, said, "");
        return;
    case LLM_FAULT_BAD_REQUEST:
        set_said(e, p, f, "the request was refused", status, said, "");
        return;
    case LLM_FAULT_RATE_LIMITED:
        set_said(e, p, f, "too many requests", status, said, "");
        return;
    case LLM_FAULT_OVERLOADED:
        /* Its own word for it is the same word. */
        set_said(e, p, f, "overloaded", status, strcasecmp(said, "overloaded") ? said : "", "");
        return;
    case LLM_FAULT_NOT_CONFIGURED:
    case LLM_FAULT_CONNECT:
    case LLM_FAULT_TLS:
    case LLM_FAULT_SERVER:
    case LLM_FAULT_REDIRECT:
    case LLM_FAULT_CUT:
    case LLM_FAULT_SILENCE:
    case LLM_FAULT_TIMEOUT:
    case LLM_FAULT_GARBAGE:
    case LLM_FAULT_CANCELLED:
        break;
    }
    set_said(e, p, f, "the server failed", status, said, "");
}

static enum llm_fault kind_of_type(const char *type, const char *message) {
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_eq(type, types[i].type))
            continue;
        bool overflow = types[i].fault == LLM_FAULT_BAD_REQUEST && is_overflow(type, message);
        return overflow ? LLM_FAULT_OVERFLOW : types[i].fault;
    }
    return LLM_FAULT_SERVER;
}

static enum llm_fault kind_of_status(int status, const char *type, const char *message) {
    switch (status) {
    case 401:
    case 403:
        return LLM_FAULT_AUTH;
    case 404:
        return LLM_FAULT_NOT_FOUND;
    case 413:
        return LLM_FAULT_OVERFLOW;
    case 429:
        return LLM_FAULT_RATE_LIMITED;
    case 503:
    case 529:
        return LLM_FAULT_OVERLOADED;
    }
    if (status >= 500 || status == 408)
        return LLM_FAULT_SERVER;
    return is_overflow(type, message) ? LLM_FAULT_OVERFLOW : LLM_FAULT_BAD_REQUEST;
}

/* Status 200, and no stream: an error that came late, or somebody else's page. */
static void set_not_a_stream(struct llm_error *e, const struct fault_place *p,
                             const struct http_head *h, const struct said *s) {
    if (*s->type) {
        set_kind(e, p, kind_of_type(s->type, s->raw), 0, s->text);
        return;
    }
    struct buf type = BUF_INIT;
    fault_clean(&type, h->content_type, strcspn(h->content_type, ";"), 60, p->key);
    fault_set(e, p, LLM_FAULT_GARBAGE, "%s answered with %s where a stream of events was due%s%s",
              p->host, type.len ? type.data : "something", *s->text ? ": " : "", s->text);
    buf_free(&type);
}

void fault_response(struct llm_error *e, const struct fault_place *p, const struct http_head *h,
                    const char *body, size_t n) {
    struct said s;
    read_body(&s, body, n, p->key);
    e->http_status = h->status;
    e->rate = h->rate;
    e->retry_after_ms = h->retry_after_ms;
    if (h->status == 429 && e->retry_after_ms < 0)
        e->retry_after_ms = rate_wait_ms(&h->rate);
    if (h->status >= 200 && h->status < 300) {
        set_not_a_stream(e, p, h, &s);
    } else if (h->status >= 300 && h->status < 400) {
        struct buf to = BUF_INIT;
        fault_clean(&to, h->location, strlen(h->location), 200, p->key);
        fault_set(e, p, LLM_FAULT_REDIRECT,
                  "%s sends us on to %s (%d); that is not followed: "
                  "set the right base_url",
                  p->host, to.len ? to.data : "an unnamed place", h->status);
        buf_free(&to);
    } else {
        set_kind(e, p, kind_of_status(h->status, s.type, s.raw), h->status, s.text);
    }
    said_free(&s);
}

void fault_event(struct llm_error *e, const struct fault_place *p, const char *type,
                 const char *message, int status) {
    struct buf said = BUF_INIT;
    fault_clean(&said, *message ? message : type, strlen(*message ? message : type), SAID_MAX,
                p->key);
    enum llm_fault f = status ? kind_of_status(status, type, message) : kind_of_type(type, message);
    set_kind(e, p, f, status, buf_str(&said));
    buf_free(&said);
}

/* ---- transfers ---- */

/* "connection refused": strerror's words inside a sentence. */
static void reason(struct buf *out, const struct http_result *r) {
    if (!r->os_errno) {
        buf_puts(out, *r->detail ? r->detail : "no reason given");
        return;
    }
    char text[128];
    buf_puts(out, strerror_r(r->os_errno, text, sizeof(text)));
    if (out->len > 1 && islower((unsigned char)out->data[1]))
        out->data[0] = (char)tolower((unsigned char)out->data[0]);
}

static void set_no_connect(struct llm_error *e, const struct fault_place *p,
                           const struct http_result *r) {
    /* curl names whom it tried to reach, an address of IPv6 without its brackets: when that is not
     * the host it was a proxy. */
    const char *port = strrchr(p->host, ':'), *from = p->host + (*p->host == '[');
    size_t host = port ? (size_t)(port - from) - (*p->host == '[') : strlen(from);
    bool direct = strncmp(r->detail, "Failed to connect to ", 21) != 0 ||
                  memmem(r->detail, strlen(r->detail), from, host) != NULL;
    const char *via = direct ? "" : " through the proxy";
    if (r->timed_out) {
        fault_set(e, p, LLM_FAULT_CONNECT, "cannot connect to %s%s: no answer in %d s", p->host,
                  via, p->connect_secs);
        return;
    }
    if (r->os_errno == EMFILE) {
        fault_set(e, p, LLM_FAULT_CONNECT,
                  "cannot connect to %s: no file descriptor is left here; end something, or raise "
                  "ulimit -n",
                  p->host);
        return;
    }
    struct buf why = BUF_INIT;
    reason(&why, r);
    fault_set(e, p, LLM_FAULT_CONNECT, "cannot connect to %s%s: %s", p->host, via, buf_str(&why));
    buf_free(&why);
}

void fault_transfer(struct llm_error *e, const struct fault_place *p, const struct http_result *r,
                    size_t bytes) {
    switch (r->end) {
    case HTTP_END_NO_NAME:
        fault_set(e, p, LLM_FAULT_CONNECT, "cannot find the host %.*s", (int)strcspn(p->host, ":"),
                  p->host);
        return;
    case HTTP_END_NO_CONNECT:
        set_no_connect(e, p, r);
        return;
    case HTTP_END_NO_PROXY:
        fault_set(e, p, LLM_FAULT_CONNECT, "cannot reach %s through the proxy: %s", p->host,
                  r->detail);
        return;
    case HTTP_END_NO_TLS:
        fault_set(e, p, LLM_FAULT_TLS, "no secure connection to %s: %s", p->host, r->detail);
        return;
    case HTTP_END_UNTRUSTED:
        fault_set(e, p, LLM_FAULT_TLS,
                  "no secure connection to %s: its certificate is by nobody who is trusted here "
                  "(%s); name a file of certificates to trust in network.ca_file or SSL_CERT_FILE",
                  p->host, r->detail);
        return;
    case HTTP_END_NO_TRUST:
        fault_set(e, p, LLM_FAULT_TLS,
                  "no secure connection to %s: the certificates to trust cannot be read (%s); "
                  "network.ca_file or SSL_CERT_FILE names them",
                  p->host, r->detail);
        return;
    case HTTP_END_BAD_URL:
        fault_set(e, p, LLM_FAULT_NOT_CONFIGURED, "base_url is not a web address: %s", r->detail);
        return;
    case HTTP_END_SILENT:
        fault_set(e, p, LLM_FAULT_SILENCE, "no byte for %d s", p->silence_secs);
        return;
    case HTTP_END_OVERTIME:
        fault_set(e, p, LLM_FAULT_TIMEOUT, "no end after %d s", p->call_secs);
        return;
    case HTTP_END_GARBAGE:
        fault_set(e, p, LLM_FAULT_GARBAGE, "%s does not speak HTTP: %s", p->host, r->detail);
        return;
    case HTTP_END_PACKED:
        fault_set(e, p, LLM_FAULT_GARBAGE, "%s sent an answer that cannot be unpacked: %s", p->host,
                  r->detail);
        return;
    case HTTP_END_COMPLETE:
    case HTTP_END_CUT:
        break;
    }
    if (bytes == 0)
        fault_set(e, p, LLM_FAULT_CUT, "%s closed the connection before any answer", p->host);
    else
        fault_set(e, p, LLM_FAULT_CUT, "the stream was cut after %zu bytes", bytes);
}
