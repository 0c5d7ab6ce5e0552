/* exchange_read: puts what is kept of requests and answers together again, for the screen and for
 * `trace --request`. */
#include "agent/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "agent/why.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/queries.gen.h"

const char exchange_none[] =
    "nothing is kept of what was sent for it: the oldest goes first (limits.keep_requests_mb, "
    "limits.keep_requests_days)";

/* --- which --------------------------------------------------------------------------------------
 */

struct numbers {
    int64_t *v;
    size_t n, cap;
};

static bool add(struct numbers *to, int64_t n) {
    if (to->n == to->cap) {
        to->cap = to->cap ? to->cap * 2 : 16;
        to->v = xreallocarray(to->v, to->cap, sizeof *to->v);
    }
    to->v[to->n++] = n;
    return true;
}

static bool of_turn(void *arg, const struct q_exchanges_of_turn_row *row) {
    return add(arg, row->n);
}

static bool of_process(void *arg, const struct q_exchanges_of_process_row *row) {
    return add(arg, row->n);
}

static enum status find_row(struct store_read *r, const struct why_row *row, struct numbers *to,
                            struct cause *why) {
    switch (row->kind) {
    case WHY_TURN:
        return q_exchanges_of_turn(r, row->id, of_turn, to, why);
    case WHY_BRANCH:
    case WHY_WORKER:
        return q_exchanges_of_process(r, row->id, of_process, to, why);
    case WHY_MESSAGE:
    case WHY_MEMORY:
    case WHY_TOOL:
    case WHY_REPLY:
        break;
    }
    return STATUS_OK;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum status hand_over(struct numbers *from, enum status st, int64_t **out, size_t *n) {
    if (st != STATUS_OK)
        x_free(&from->v);
    else if (from->n)
        qsort(from->v, from->n, sizeof *from->v, by_number);
    *out = from->v;
    *n = st == STATUS_OK ? from->n : 0;
    return st;
}

enum status exchange_find_row(struct store_read *r, const struct why *w, size_t row, int64_t **out,
                              size_t *n, struct cause *why) {
    struct numbers found = {0};
    return hand_over(&found, find_row(r, &w->v[row], &found, why), out, n);
}

enum status exchange_find(struct store_read *r, const struct why *w, int64_t **out, size_t *n,
                          struct cause *why) {
    struct numbers found = {0};
    enum status st = STATUS_OK;
    for (size_t i = 0; i < w->n && st == STATUS_OK; i++)
        st = find_row(r, &w->v[i], &found, why);
    return hand_over(&found, st, out, n);
}

/* --- one ----------------------------------------------------------------------------------------
 */

struct chain {
    struct buf text;
    int64_t link; /* the next one's */
    bool broken;
};

static bool on_link(void *arg, const struct q_exchange_chain_row *row) {
    struct chain *c = arg;
    bool fits = row->link == c->link && row->prefix >= 0 && (size_t)row->prefix <= c->text.len &&
                row->prefix + (int64_t)row->rest_len == row->bytes;
    c->broken = !fits;
    if (!fits)
        return false;
    c->link++;
    buf_truncate(&c->text, (size_t)row->prefix);
    buf_append(&c->text, row->rest, row->rest_len);
    return true;
}

static enum status put_together(struct store_read *r, const struct q_exchange_row *row, char **out,
                                struct cause *why) {
    struct chain c = {.text = BUF_INIT};
    enum status st = q_exchange_chain(r, row->segment_n, row->n, on_link, &c, why);
    bool whole = st == STATUS_OK && !c.broken && c.link == row->link + 1 &&
                 utf8_valid(buf_str(&c.text), c.text.len);
    if (whole)
        *out = buf_steal(&c.text);
    buf_free(&c.text);
    return st;
}

enum status exchange_load(struct store_read *r, int64_t n, struct exchange *out,
                          struct cause *why) {
    struct q_exchange_row row;
    *out = (struct exchange){0};
    enum status st = q_exchange(r, n, &row, why);
    if (st == STATUS_NOT_FOUND)
        return cause_set(why, st, "%s", exchange_none);
    if (st != STATUS_OK)
        return st;
    st = put_together(r, &row, &out->request, why);
    if (st == STATUS_OK) {
        out->n = row.n;
        out->process_id = xstrdup(row.process_id);
        out->channel = xstrdup_null(row.channel_id);
        out->turn_id = xstrdup_null(row.turn_id);
        out->model = xstrdup(row.model);
        out->url = xstrdup(row.url);
        out->headers = xstrdup(row.headers);
        out->bytes = (size_t)row.bytes;
        out->response = xstrdup_null(row.response);
        out->fault = xstrdup_null(row.fault);
        out->status = (int)row.status;
        out->started_ms = row.started_at;
        out->ended_ms = row.ended_at_null ? 0 : row.ended_at;
    }
    q_exchange_free(&row);
    return st;
}

void exchange_free(struct exchange *x) {
    x_free(&x->process_id);
    x_free(&x->channel);
    x_free(&x->turn_id);
    x_free(&x->model);
    x_free(&x->url);
    x_free(&x->headers);
    x_free(&x->request);
    x_free(&x->response);
    x_free(&x->fault);
}

/* --- shown --------------------------------------------------------------------------------------
 */

/* As it was received, numbers and order too; what is no JSON is a string. */
static void add_raw(cJSON *o, const char *key, const char *text) {
    cJSON *parsed = NULL;
    if (text && json_parse(text, strlen(text), &parsed, NULL) == STATUS_OK)
        (void)cJSON_AddRawToObject(o, key, text);
    else
        json_add_str(o, key, text);
    cJSON_Delete(parsed);
}

cJSON *exchange_json(const struct exchange *x) {
    char at[CLOCK_RFC3339_SIZE];
    cJSON *o = json_new_obj();
    json_add_i64(o, "call", x->n);
    json_add_str(o, "process_id", x->process_id);
    json_add_str(o, "channel", x->channel);
    json_add_str(o, "turn_id", x->turn_id);
    json_add_str(o, "model", x->model);
    clock_rfc3339(x->started_ms, at);
    json_add_str(o, "started_at", at);
    clock_rfc3339(x->ended_ms, at);
    json_add_str(o, "ended_at", x->ended_ms ? at : NULL);
    json_add_str(o, "url", x->url);
    cJSON *headers = json_add_arr(o, "headers");
    for (const char *h = x->headers; *h;) {
        size_t n = strcspn(h, "\n");
        char *line = xstrndup(h, n);
        cJSON_AddItemToArray(headers, cJSON_CreateString(line));
        x_free(&line);
        h += n + (h[n] != '\0');
    }
    add_raw(o, "request", x->request);
    json_add_i64(o, "status", x->status);
    json_add_str(o, "error", x->fault);
    add_raw(o, "response", x->response);
    return o;
}

static void new_line(struct buf *out, int blanks) {
    buf_putc(out, '\n');
    for (int i = 0; i < blanks; i++)
        buf_putc(out, ' ');
}

/* The string that begins at s, quotes and all; its length. */
static size_t string_length(const char *s) {
    size_t n = 1;
    while (s[n] && s[n] != '"')
        n += s[n] == '\\' && s[n + 1] ? 2 : 1;
    return s[n] ? n + 1 : n;
}

static void put_string(struct buf *out, const char *s, size_t n, size_t fold) {
    size_t cut = 0;
    if (!fold || n <= fold) {
        buf_append(out, s, n);
        return;
    }
    while (cut < fold) /* no escape is cut in two */
        cut += s[cut] == '\\' ? 2 : 1;
    cut = utf8_cut(s, n, cut);
    buf_append(out, s, cut);
    buf_printf(out, "\" … %zu bytes", n - 2);
}

char *exchange_pretty(const char *json, int step, size_t fold) {
    struct buf out = BUF_INIT;
    int depth = 0;
    if (*json != '{' && *json != '[')
        return xstrdup(json);
    for (const char *s = json; *s; s++) {
        switch (*s) {
        case '{':
        case '[':
            buf_putc(&out, *s);
            if (s[1] == '}' || s[1] == ']')
                buf_putc(&out, *++s);
            else
                new_line(&out, ++depth * step);
            break;
        case '}':
        case ']':
            new_line(&out, depth > 0 ? --depth * step : 0);
            buf_putc(&out, *s);
            break;
        case ',':
            buf_putc(&out, ',');
            new_line(&out, depth * step);
            break;
        case ':':
            buf_puts(&out, ": ");
            break;
        case '"': {
            size_t n = string_length(s);
            put_string(&out, s, n, fold);
            s += n - 1;
            break;
        }
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            break; /* outside strings it says nothing */
        default:
            buf_putc(&out, *s);
        }
    }
    return buf_steal(&out);
}
