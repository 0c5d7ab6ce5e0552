/* rehearsal_stream: an answer as server-sent events in HTTP chunks, one event a step. Made as it is
 * sent, so that a thousand answers under way cost little more than their text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/rehearsal-internal.h"

#define TEXT_PIECES 200 /* most pieces of one text: a long one comes in larger pieces */
#define CALL_PIECES 8   /* and of a call's arguments that nobody reads as they come, */
#define CALLS_PIECES 64 /* fewer where many calls come in one answer */

enum at {
    AT_HEAD,
    AT_ERROR,
    AT_MESSAGE,
    AT_BLOCK,
    AT_PIECE,
    AT_SIGNATURE,
    AT_BLOCK_END,
    AT_STOP,
    AT_END
};

struct rehearsal_stream {
    struct rehearsal_answer answer;
    char id[ID_UUID_SIZE + 8];
    char *model;
    int64_t input_tokens;
    enum at at;
    size_t block;       /* the one being sent */
    size_t sent, piece; /* of its text: bytes sent, bytes in a piece */
    int64_t events;
    struct buf data; /* of the event being made */
};

struct rehearsal_stream *rehearsal_stream_new(const struct rehearsal_ask *q,
                                              struct rehearsal_answer *a) {
    struct rehearsal_stream *s = xcalloc(1, sizeof(*s));
    char uuid[ID_UUID_SIZE];
    id_uuid(uuid);
    snprintf(s->id, sizeof(s->id), "msg_%s", uuid);
    s->model = xstrdup(q->model);
    s->input_tokens = (int64_t)((q->bytes + 3) / 4);
    s->answer = *a;
    memset(&a->message, 0, sizeof(a->message));
    s->at = s->answer.fault.status ? AT_ERROR : AT_HEAD;
    return s;
}

void rehearsal_stream_free(struct rehearsal_stream **ps) {
    struct rehearsal_stream *s = *ps;
    if (!s)
        return;
    rehearsal_answer_free(&s->answer);
    free(s->model);
    buf_free(&s->data);
    x_free(ps);
}

/* ---- errors ---- */

static const char *error_type(int status) {
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 529:
        return "overloaded_error";
    }
    return status >= 500 ? "api_error" : "invalid_request_error";
}

static void error_data(struct buf *out, const char *type, const char *message) {
    buf_puts(out, "{\"type\":\"error\",\"error\":{\"type\":");
    json_quote(out, type, strlen(type));
    buf_puts(out, ",\"message\":");
    json_quote(out, message, strlen(message));
    buf_puts(out, "}}");
}

void rehearsal_stream_error(struct buf *out, int status, const char *type, const char *message,
                            int64_t retry_after) {
    struct buf body = BUF_INIT;
    error_data(&body, type ? type : error_type(status),
               message ? message : rehearsal_http_reason(status));
    buf_printf(out,
               "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n"
               "connection: close\r\n",
               status, rehearsal_http_reason(status), body.len);
    if (retry_after >= 0)
        buf_printf(out, "retry-after: %lld\r\n", (long long)retry_after);
    buf_puts(out, "\r\n");
    buf_append(out, body.data, body.len);
    buf_free(&body);
}

/* ---- events ---- */

/* Sends s->data as an event of a chunk of its own. */
static void event(struct rehearsal_stream *s, const char *type, struct buf *out) {
    size_t n = strlen("event: \ndata: \n\n") + strlen(type) + s->data.len;
    buf_printf(out, "%zx\r\nevent: %s\ndata: ", n, type);
    buf_append(out, buf_str(&s->data), s->data.len);
    buf_puts(out, "\n\n\r\n");
    buf_reset(&s->data);
    s->events++;
}

static void member(struct rehearsal_stream *s, const char *name, const char *value) {
    buf_printf(&s->data, "\"%s\":", name);
    json_quote(&s->data, value, strlen(value));
}

static const struct llm_block *present(const struct rehearsal_stream *s) {
    return &s->answer.message.blocks[s->block];
}

static const char *payload(const struct llm_block *b) {
    const char *text = b->kind == LLM_BLOCK_TOOL_USE ? b->input : b->text;
    return text ? text : "";
}

static void message_start(struct rehearsal_stream *s, struct buf *out) {
    buf_puts(&s->data, "{\"type\":\"message_start\",\"message\":{\"type\":\"message\","
                       "\"role\":\"assistant\",\"content\":[],\"stop_reason\":null,");
    member(s, "id", s->id);
    buf_putc(&s->data, ',');
    member(s, "model", s->model);
    buf_printf(&s->data, ",\"usage\":{\"input_tokens\":%lld,\"output_tokens\":1}}}",
               (long long)s->input_tokens);
    event(s, "message_start", out);
}

/* What people read as it comes is sent by characters; the rest by larger pieces. */
static size_t piece_of(const struct rehearsal_stream *s, const struct llm_block *b, size_t n) {
    bool read = b->kind != LLM_BLOCK_TOOL_USE || str_eq(b->name, "reply");
    size_t least = s->answer.pace.chunk_chars > 0 ? (size_t)s->answer.pace.chunk_chars : 1;
    size_t share = CALLS_PIECES / s->answer.message.n;
    size_t pieces = read ? TEXT_PIECES : share < 1 ? 1 : share < CALL_PIECES ? share : CALL_PIECES;
    size_t even = n / pieces + 1;
    return even > least ? even : least;
}

static void block_start(struct rehearsal_stream *s, struct buf *out) {
    const struct llm_block *b = present(s);
    buf_printf(&s->data, "{\"type\":\"content_block_start\",\"index\":%zu,\"content_block\":{",
               s->block);
    if (b->kind == LLM_BLOCK_TOOL_USE) {
        buf_puts(&s->data, "\"type\":\"tool_use\",");
        member(s, "id", b->id);
        buf_putc(&s->data, ',');
        member(s, "name", b->name);
        buf_puts(&s->data, ",\"input\":{}}}");
    } else if (b->kind == LLM_BLOCK_THINKING) {
        buf_puts(&s->data, "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}");
    } else {
        buf_puts(&s->data, "\"type\":\"text\",\"text\":\"\"}}");
    }
    s->sent = 0;
    s->piece = piece_of(s, b, strlen(payload(b)));
    event(s, "content_block_start", out);
}

static void delta(struct rehearsal_stream *s, const char *type, const char *key, const char *text,
                  size_t n, struct buf *out) {
    buf_printf(&s->data,
               "{\"type\":\"content_block_delta\",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":",
               s->block, type, key);
    json_quote(&s->data, text, n);
    buf_puts(&s->data, "}}");
    event(s, "content_block_delta", out);
}

/* False when there was nothing left of the block. */
static bool next_piece(struct rehearsal_stream *s, struct buf *out) {
    const struct llm_block *b = present(s);
    const char *text = payload(b) + s->sent;
    size_t n = strlen(text), bytes = 0;
    if (!n)
        return false;
    for (size_t chars = 0; bytes < n && chars < s->piece; chars++) {
        uint32_t cp;
        int len = utf8_decode(text + bytes, n - bytes, &cp);
        bytes += len > 0 ? (size_t)len : 1;
    }
    s->sent += bytes;
    if (b->kind == LLM_BLOCK_TOOL_USE)
        delta(s, "input_json_delta", "partial_json", text, bytes, out);
    else if (b->kind == LLM_BLOCK_THINKING)
        delta(s, "thinking_delta", "thinking", text, bytes, out);
    else
        delta(s, "text_delta", "text", text, bytes, out);
    return true;
}

static void message_delta(struct rehearsal_stream *s, struct buf *out) {
    const char *reason = "end_turn";
    for (size_t i = 0; i < s->answer.message.n; i++)
        if (s->answer.message.blocks[i].kind == LLM_BLOCK_TOOL_USE)
            reason = "tool_use";
    buf_printf(&s->data,
               "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\","
               "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%lld}}",
               reason, (long long)((rehearsal_answer_bytes(&s->answer) + 3) / 4));
    event(s, "message_delta", out);
}

/* One event; the wait behind it in *wait_ms. */
static void advance(struct rehearsal_stream *s, struct buf *out, int64_t *wait_ms) {
    switch (s->at) {
    case AT_HEAD:
        buf_puts(out, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                      "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
        s->at = AT_MESSAGE;
        break;
    case AT_ERROR:
        break; /* rehearsal_stream_step() */
    case AT_MESSAGE:
        message_start(s, out);
        s->at = s->answer.message.n ? AT_BLOCK : AT_STOP;
        break;
    case AT_BLOCK:
        block_start(s, out);
        s->at = AT_PIECE;
        break;
    case AT_PIECE:
        if (next_piece(s, out))
            *wait_ms = s->answer.pace.chunk_ms;
        else
            s->at = present(s)->kind == LLM_BLOCK_THINKING ? AT_SIGNATURE : AT_BLOCK_END;
        break;
    case AT_SIGNATURE:
        delta(s, "signature_delta", "signature", present(s)->signature,
              strlen(present(s)->signature), out);
        s->at = AT_BLOCK_END;
        break;
    case AT_BLOCK_END:
        buf_printf(&s->data, "{\"type\":\"content_block_stop\",\"index\":%zu}", s->block);
        event(s, "content_block_stop", out);
        s->at = ++s->block < s->answer.message.n ? AT_BLOCK : AT_STOP;
        break;
    case AT_STOP:
        message_delta(s, out);
        s->at = AT_END;
        break;
    case AT_END:
        buf_puts(&s->data, "{\"type\":\"message_stop\"}");
        event(s, "message_stop", out);
        buf_puts(out, "0\r\n\r\n");
        break;
    }
}

enum rehearsal_stream_end rehearsal_stream_step(struct rehearsal_stream *s, struct buf *out,
                                                int64_t *wait_ms) {
    const struct rehearsal_fault *f = &s->answer.fault;
    *wait_ms = 0;
    if (s->at == AT_ERROR) {
        rehearsal_stream_error(out, f->status, f->error, f->message, f->retry_after);
        return REHEARSAL_WHOLE;
    }
    if (s->at != AT_HEAD && f->cut == s->events)
        return REHEARSAL_CUT;
    if (s->at != AT_HEAD && f->silence == s->events)
        return REHEARSAL_SILENT;
    if (s->at != AT_HEAD && f->after == s->events) {
        error_data(&s->data, f->error ? f->error : "overloaded_error",
                   f->message ? f->message : "Overloaded");
        event(s, "error", out);
        buf_puts(out, "0\r\n\r\n");
        return REHEARSAL_WHOLE;
    }
    bool last = s->at == AT_END;
    advance(s, out, wait_ms);
    return last ? REHEARSAL_WHOLE : REHEARSAL_GOING;
}
