/* proto: framing and words. Knows no socket; what the words do is the server's business. */
#include "ctl/proto.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define ID_MAX (INT64_C(1) << 53) /* beyond it a JSON number is not exact */

enum status proto_word_from_string(const char *s, enum proto_word *out) {
#define X(name, text)                                                                              \
    if (str_eq(s, text)) {                                                                         \
        *out = PROTO_##name;                                                                       \
        return STATUS_OK;                                                                          \
    }
    PROTO_WORD_TABLE(X)
#undef X
    return STATUS_NOT_FOUND;
}

char *proto_reader_room(struct proto_reader *r, size_t n) {
    /* Lines that were given out are dropped here, once for many. */
    if (r->taken) {
        buf_consume(&r->in, r->taken);
        r->scanned -= r->taken;
        r->taken = 0;
    }
    return buf_room(&r->in, n);
}

void proto_reader_added(struct proto_reader *r, size_t n) { buf_added(&r->in, n); }

enum status proto_reader_line(struct proto_reader *r, const char **line, size_t *n) {
    const char *data = buf_str(&r->in);
    const char *end =
        r->in.len > r->scanned ? memchr(data + r->scanned, '\n', r->in.len - r->scanned) : NULL;
    size_t at = end ? (size_t)(end - data) : r->in.len;
    if (at - r->taken > (r->limit ? r->limit : PROTO_LINE_MAX))
        return STATUS_LIMIT;
    r->scanned = end ? at + 1 : at;
    if (!end)
        return STATUS_NOT_FOUND;
    *line = data + r->taken;
    *n = at - r->taken;
    r->taken = at + 1;
    return STATUS_OK;
}

void proto_reader_free(struct proto_reader *r) {
    buf_free(&r->in);
    r->scanned = r->taken = 0;
}

enum status proto_request_parse(const char *line, size_t n, struct proto_request *out,
                                struct cause *why) {
    *out = (struct proto_request){0};
    struct cause inner;
    if (json_parse(line, n, &out->args, &inner) != STATUS_OK)
        return cause_set(why, STATUS_PROTOCOL, "not a request: %s", inner.text);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(out->args, "id");
    if (cJSON_IsNumber(id) && id->valuedouble >= 1 && id->valuedouble <= (double)ID_MAX &&
        id->valuedouble == (double)(int64_t)id->valuedouble)
        out->id = (int64_t)id->valuedouble;
    out->cmd = json_str(out->args, "cmd", NULL);
    if (!cJSON_IsObject(out->args) || !out->id || !out->cmd) {
        int64_t known = out->id;
        proto_request_free(out);
        out->id = known;
        return cause_set(why, STATUS_PROTOCOL,
                         "not a request: it needs \"id\", a whole number from 1, and \"cmd\"");
    }
    return STATUS_OK;
}

void proto_request_free(struct proto_request *r) {
    cJSON_Delete(r->args);
    *r = (struct proto_request){0};
}

static void put_members(struct buf *out, const cJSON *obj) {
    for (const cJSON *it = obj ? obj->child : NULL; it; it = it->next) {
        if (str_eq(it->string, "id") || str_eq(it->string, "cmd"))
            continue;
        buf_putc(out, ',');
        json_quote(out, it->string, strlen(it->string));
        buf_putc(out, ':');
        char *text = json_print(it);
        buf_puts(out, text);
        free(text);
    }
}

void proto_put_request(struct buf *out, int64_t id, const char *cmd, const cJSON *args) {
    buf_printf(out, "{\"id\":%lld,\"cmd\":", (long long)id);
    json_quote(out, cmd, strlen(cmd));
    put_members(out, args);
    buf_puts(out, "}\n");
}

void proto_put_reply(struct buf *out, int64_t id, enum status st, const cJSON *body,
                     const char *error) {
    buf_printf(out, "{\"id\":%lld,\"ok\":%s", (long long)id, st == STATUS_OK ? "true" : "false");
    if (st != STATUS_OK) {
        buf_printf(out, ",\"status\":\"%s\",\"error\":", status_name(st));
        json_quote(out, error ? error : "", error ? strlen(error) : 0);
    }
    if (body) {
        char *text = json_print(body);
        buf_printf(out, ",\"body\":%s", text);
        free(text);
    }
    buf_puts(out, "}\n");
}

void proto_put_event(struct buf *out, const char *json, size_t n) {
    buf_puts(out, "{\"event\":");
    buf_append(out, json, n);
    buf_puts(out, "}\n");
}

static void put_text(struct buf *out, const char *text) {
    if (text)
        json_quote(out, text, strlen(text));
    else
        buf_puts(out, "null");
}

void proto_put_screen(struct buf *out, const char *word, const char *why, const char *text) {
    buf_puts(out, "{\"screen\":");
    put_text(out, word);
    if (why) {
        buf_puts(out, ",\"why\":");
        put_text(out, why);
        buf_puts(out, ",\"text\":");
        put_text(out, text);
    }
    buf_puts(out, "}\n");
}

void proto_put_ended(struct buf *out, const char *text) {
    buf_puts(out, "{\"ended\":");
    put_text(out, text);
    buf_puts(out, "}\n");
}

bool proto_status_from_string(const char *name, enum status *out) {
#define X(status, text)                                                                            \
    if (str_eq(name, text)) {                                                                      \
        *out = STATUS_##status;                                                                    \
        return true;                                                                               \
    }
    STATUS_TABLE(X)
#undef X
    return false;
}

bool proto_token_equal(const char *a, const char *b) {
    if (strlen(a) != PROTO_TOKEN_LEN || strlen(b) != PROTO_TOKEN_LEN)
        return false;
    volatile unsigned char diff = 0;
    for (size_t i = 0; i < PROTO_TOKEN_LEN; i++)
        diff = (unsigned char)(diff | (unsigned char)(a[i] ^ b[i]));
    return diff == 0;
}
