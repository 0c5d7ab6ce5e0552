/* anthropic: the events of an answer. Blocks may be open side by side and are told apart by the
 * provider's index; unknown events, blocks and deltas pass unseen. Every piece that leaves here is
 * valid UTF-8: what a piece leaves incomplete waits for the next piece of its block. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/anthropic.h"

#define REPLACEMENT "\xEF\xBF\xBD"
#define NAME_MAX_BYTES 256 /* of a call's id and of a tool's name */
/* Most bytes that can wait: the first half of a surrogate pair (3) and the beginning of the second
 * (2). */
#define TAIL_MAX 8

/* One block of the message; the position here is the position there. */
struct part {
    int64_t index; /* the provider's */
    bool open;
    struct buf text, signature; /* text: of any kind, tool input too */
    char tail[TAIL_MAX];
    size_t ntail;
};

struct anthropic_stream {
    const struct llm_events *ev;
    void *arg;
    struct llm_message message;
    struct part *parts;
    size_t parts_cap;
    size_t bytes; /* of all parts */
    struct buf scratch, piece;
    struct llm_usage usage;
    char model[96];
    enum llm_stop stop;
    bool begun, stopped, delivered, input_known, output_known;
    struct anthropic_error error;
};

struct anthropic_stream *anthropic_stream_new(const struct llm_events *ev, void *arg) {
    struct anthropic_stream *s = xcalloc(1, sizeof(*s));
    s->ev = ev;
    s->arg = arg;
    s->message.role = LLM_ROLE_ASSISTANT;
    s->stop = LLM_STOP_OTHER;
    return s;
}

void anthropic_stream_free(struct anthropic_stream **ps) {
    struct anthropic_stream *s = *ps;
    if (!s)
        return;
    for (size_t i = 0; i < s->message.n; i++) {
        buf_free(&s->parts[i].text);
        buf_free(&s->parts[i].signature);
    }
    free(s->parts);
    llm_message_free(&s->message);
    buf_free(&s->scratch);
    buf_free(&s->piece);
    x_free(ps);
}

/* ---- text ---- */

static bool read_hex4(const char *p, const char *end, unsigned *out) {
    if (end - p < 4)
        return false;
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        unsigned d = c >= '0' && c <= '9'                     ? (unsigned)(c - '0')
                     : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (unsigned)((c | 0x20) - 'a') + 10
                                                              : 16;
        if (d > 15)
            return false;
        v = v << 4 | d;
    }
    *out = v;
    return true;
}

static bool is_high(unsigned u) { return u >= 0xD800 && u <= 0xDBFF; }
static bool is_low(unsigned u) { return u >= 0xDC00 && u <= 0xDFFF; }

/* cJSON ends a string at NUL and refuses half a surrogate pair, but a pair may be cut between two
 * events. NUL becomes U+FFFD, and a half its three bytes by the plain UTF-8 scheme, which join()
 * knows. Returns the text to parse: the data itself in nearly every case. */
static const char *defuse(struct anthropic_stream *s, const char *data, size_t *n) {
    const char *end = data + *n;
    if (!memmem(data, *n, "\\u", 2) && !memchr(data, '\0', *n))
        return data;
    struct buf *out = &s->scratch;
    buf_reset(out);
    for (const char *p = data; p < end;) {
        unsigned u = 0, low = 0;
        if (*p == '\0') {
            buf_puts(out, REPLACEMENT);
            p++;
        } else if (*p != '\\' || p + 1 == end) {
            buf_putc(out, *p++);
        } else if (p[1] != 'u' || !read_hex4(p + 2, end, &u)) {
            buf_append(out, p, 2);
            p += 2;
        } else if (is_high(u) && end - p >= 12 && p[6] == '\\' && p[7] == 'u' &&
                   read_hex4(p + 8, end, &low) && is_low(low)) {
            buf_append(out, p, 12);
            p += 12;
        } else if (u == 0) {
            buf_puts(out, REPLACEMENT);
            p += 6;
        } else if (is_high(u) || is_low(u)) {
            buf_putc(out, (char)(0xE0 | u >> 12));
            buf_putc(out, (char)(0x80 | (u >> 6 & 0x3F)));
            buf_putc(out, (char)(0x80 | (u & 0x3F)));
            p += 6;
        } else {
            buf_append(out, p, 6);
            p += 6;
        }
    }
    *n = out->len;
    return buf_str(out);
}

/* The half of a pair that stands at s[0..n) as three bytes, or 0. */
static unsigned half(const char *s, size_t n) {
    const unsigned char *p = (const unsigned char *)s;
    if (n < 3 || p[0] != 0xED || p[1] < 0xA0 || p[1] > 0xBF || (p[2] & 0xC0) != 0x80)
        return 0;
    return 0xD000u | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
}

/* Could s[0..n), with n < 3, be the beginning of a second half? */
static bool may_be_low(const char *s, size_t n) {
    return n < 3 && (n < 1 || (unsigned char)s[0] == 0xED) &&
           (n < 2 || (unsigned char)s[1] >= 0xB0);
}

/* Appends s[0..n) to out as valid UTF-8; unless `last`, an end that may still become a character is
 * left. Returns how much was used. */
static size_t join(struct buf *out, const char *s, size_t n, bool last) {
    size_t i = 0;
    while (i < n) {
        uint32_t cp = 0;
        int len = utf8_decode(s + i, n - i, &cp);
        if (len > 0) {
            buf_append(out, s + i, (size_t)len);
            i += (size_t)len;
            continue;
        }
        if (len == 0 && !last)
            return i;
        unsigned a = half(s + i, n - i);
        if (is_high(a)) {
            unsigned b = half(s + i + 3, n - i - 3);
            char c[4];
            if (is_low(b)) {
                buf_append(out, c, utf8_encode(0x10000 + ((a - 0xD800) << 10) + (b - 0xDC00), c));
                i += 6;
                continue;
            }
            if (!last && may_be_low(s + i + 3, n - i - 3))
                return i;
        }
        buf_puts(out, REPLACEMENT);
        i += a ? 3 : 1;
    }
    return i;
}

/* The next piece of a block as valid UTF-8, in s->piece. */
static void make_piece(struct anthropic_stream *s, struct part *p, const char *text, size_t n,
                       bool last) {
    buf_reset(&s->piece);
    if (!p->ntail && utf8_valid(text, n)) {
        buf_append(&s->piece, text, n);
        return;
    }
    struct buf all = BUF_INIT;
    buf_append(&all, p->tail, p->ntail);
    buf_append(&all, text, n);
    size_t used = join(&s->piece, buf_str(&all), all.len, last);
    p->ntail = all.len - used;
    if (p->ntail)
        memcpy(p->tail, all.data + used, p->ntail);
    buf_free(&all);
}

/* ---- blocks ---- */

static enum anthropic_step bad(struct cause *why, const char *text) {
    (void)cause_set(why, STATUS_PROTOCOL, "%s", text);
    return ANTHROPIC_BAD;
}

static enum anthropic_step too_large(struct cause *why, const char *what, size_t max) {
    (void)cause_set(why, STATUS_LIMIT, "%s is larger than %zu bytes", what, max);
    return ANTHROPIC_BAD;
}

static struct part *find(struct anthropic_stream *s, const cJSON *event) {
    int64_t index = json_i64(event, "index", -1);
    for (size_t i = s->message.n; i-- > 0;)
        if (s->parts[i].open && s->parts[i].index == index)
            return &s->parts[i];
    return NULL;
}

/* Takes a piece of a block and passes it on. */
static enum anthropic_step add(struct anthropic_stream *s, struct part *p, const char *text,
                               bool last, struct cause *why) {
    size_t n = strlen(text), at = (size_t)(p - s->parts);
    enum llm_block_kind kind = s->message.blocks[at].kind;
    make_piece(s, p, text, n, last);
    if (!s->piece.len)
        return ANTHROPIC_MORE;
    s->bytes += s->piece.len;
    if (s->bytes > ANTHROPIC_RESPONSE_MAX)
        return too_large(why, "the answer", ANTHROPIC_RESPONSE_MAX);
    if (kind == LLM_BLOCK_TOOL_USE && p->text.len + s->piece.len > ANTHROPIC_INPUT_MAX)
        return too_large(why, "the input of a tool call", ANTHROPIC_INPUT_MAX);
    buf_append(&p->text, s->piece.data, s->piece.len);
    const char *piece = s->piece.data;
    size_t len = s->piece.len;
    switch (kind) {
    case LLM_BLOCK_TEXT:
        s->delivered = true;
        if (s->ev->on_text)
            s->ev->on_text(s->arg, piece, len);
        break;
    case LLM_BLOCK_THINKING:
        if (s->ev->on_thinking)
            s->ev->on_thinking(s->arg, piece, len);
        break;
    case LLM_BLOCK_TOOL_USE:
        s->delivered = true;
        if (s->ev->on_tool_input)
            s->ev->on_tool_input(s->arg, at, piece, len);
        break;
    case LLM_BLOCK_REDACTED_THINKING:
    case LLM_BLOCK_TOOL_RESULT:
        break;
    }
    return ANTHROPIC_MORE;
}

static enum anthropic_step block_stop(struct anthropic_stream *s, struct part *p,
                                      struct cause *why) {
    if (!p || !p->open)
        return ANTHROPIC_MORE;
    enum anthropic_step step = p->ntail ? add(s, p, "", true, why) : ANTHROPIC_MORE;
    p->open = false;
    return step;
}

static char *valid(const char *text) {
    struct buf b = BUF_INIT;
    utf8_append_valid(&b, text, strlen(text));
    return buf_steal(&b);
}

static struct part *push(struct anthropic_stream *s, int64_t index, enum llm_block_kind kind) {
    llm_message_add(&s->message, kind);
    if (s->message.n > s->parts_cap) {
        s->parts_cap = s->parts_cap ? s->parts_cap * 2 : 4;
        s->parts = xreallocarray(s->parts, s->parts_cap, sizeof(*s->parts));
    }
    struct part *p = &s->parts[s->message.n - 1];
    memset(p, 0, sizeof(*p));
    p->index = index;
    p->open = true;
    return p;
}

static enum anthropic_step tool_start(struct anthropic_stream *s, int64_t index, const cJSON *block,
                                      struct cause *why) {
    const char *id = json_str(block, "id", ""), *name = json_str(block, "name", "");
    if (!*id || !*name || strlen(id) > NAME_MAX_BYTES || strlen(name) > NAME_MAX_BYTES)
        return bad(why, "a tool call without a proper id and name");
    struct part *p = push(s, index, LLM_BLOCK_TOOL_USE);
    struct llm_block *b = &s->message.blocks[s->message.n - 1];
    b->id = valid(id);
    b->name = valid(name);
    s->delivered = true;
    if (s->ev->on_tool_start)
        s->ev->on_tool_start(s->arg, s->message.n - 1, b->id, b->name);
    /* Normally {} here and the text in pieces; but the whole may stand here already. */
    const cJSON *input = json_obj(block, "input");
    if (!input || !input->child)
        return ANTHROPIC_MORE;
    char *text = json_print(input);
    enum anthropic_step step = add(s, p, text, false, why);
    free(text);
    return step;
}

static enum anthropic_step block_start(struct anthropic_stream *s, const cJSON *event,
                                       struct cause *why) {
    const cJSON *block = json_obj(event, "content_block");
    const char *type = json_str(block, "type", NULL);
    int64_t index = json_i64(event, "index", -1);
    if (!type)
        return bad(why, "a content block without a type");
    /* The provider says that this index is something new, so what it was has ended. */
    enum anthropic_step step = block_stop(s, find(s, event), why);
    if (step != ANTHROPIC_MORE)
        return step;
    if (s->message.n == ANTHROPIC_BLOCKS_MAX) {
        (void)cause_set(why, STATUS_LIMIT, "the answer has more than %zu blocks",
                        ANTHROPIC_BLOCKS_MAX);
        return ANTHROPIC_BAD;
    }
    if (str_eq(type, "text"))
        return add(s, push(s, index, LLM_BLOCK_TEXT), json_str(block, "text", ""), false, why);
    if (str_eq(type, "thinking")) {
        struct part *p = push(s, index, LLM_BLOCK_THINKING);
        buf_puts(&p->signature, json_str(block, "signature", ""));
        return add(s, p, json_str(block, "thinking", ""), false, why);
    }
    if (str_eq(type, "redacted_thinking"))
        return add(s, push(s, index, LLM_BLOCK_REDACTED_THINKING), json_str(block, "data", ""),
                   false, why);
    if (str_eq(type, "tool_use"))
        return tool_start(s, index, block, why);
    return ANTHROPIC_MORE;
}

/* Which member of which delta feeds which kind of block. */
static enum anthropic_step block_delta(struct anthropic_stream *s, const cJSON *event,
                                       struct cause *why) {
    struct part *p = find(s, event);
    const cJSON *delta = json_obj(event, "delta");
    const char *type = json_str(delta, "type", NULL), *text = NULL;
    if (!p || !type)
        return ANTHROPIC_MORE;
    switch (s->message.blocks[p - s->parts].kind) {
    case LLM_BLOCK_TEXT:
        if (str_eq(type, "text_delta"))
            text = json_str(delta, "text", NULL);
        break;
    case LLM_BLOCK_THINKING:
        if (str_eq(type, "thinking_delta"))
            text = json_str(delta, "thinking", NULL);
        if (str_eq(type, "signature_delta")) {
            const char *signature = json_str(delta, "signature", "");
            s->bytes += strlen(signature);
            if (s->bytes > ANTHROPIC_RESPONSE_MAX)
                return too_large(why, "the answer", ANTHROPIC_RESPONSE_MAX);
            buf_puts(&p->signature, signature);
        }
        break;
    case LLM_BLOCK_TOOL_USE:
        if (str_eq(type, "input_json_delta"))
            text = json_str(delta, "partial_json", NULL);
        break;
    case LLM_BLOCK_REDACTED_THINKING:
    case LLM_BLOCK_TOOL_RESULT:
        break;
    }
    return text ? add(s, p, text, false, why) : ANTHROPIC_MORE;
}

/* ---- the message around them ---- */

/* Each report is the total so far; a member that is not there says nothing. */
static void read_usage(struct anthropic_stream *s, const cJSON *usage, bool last) {
    if (!usage)
        return;
    struct llm_usage *u = &s->usage;
    int64_t in = json_i64(usage, "input_tokens", -1), out = json_i64(usage, "output_tokens", -1);
    int64_t rd = json_i64(usage, "cache_read_input_tokens", -1);
    int64_t wr = json_i64(usage, "cache_creation_input_tokens", -1);
    if (in >= 0) {
        u->input_tokens = in;
        s->input_known = true;
    }
    if (rd >= 0)
        u->cache_read_tokens = rd;
    if (wr >= 0)
        u->cache_write_tokens = wr;
    if (out >= 0) {
        u->output_tokens = out;
        s->output_known = last;
    }
}

static void message_start(struct anthropic_stream *s, const cJSON *event) {
    const cJSON *m = json_obj(event, "message");
    const char *model = json_str(m, "model", "");
    s->begun = true;
    size_t n = utf8_cut(model, strlen(model), sizeof(s->model) - 1);
    struct buf b = BUF_INIT;
    utf8_append_visible(&b, model, n);
    n = utf8_cut(buf_str(&b), b.len, sizeof(s->model) - 1);
    memcpy(s->model, buf_str(&b), n);
    s->model[n] = '\0';
    buf_free(&b);
    read_usage(s, json_obj(m, "usage"), false);
}

static enum llm_stop stop_from(const char *reason) {
#define X(name, text)                                                                              \
    if (str_eq(reason, text))                                                                      \
        return LLM_STOP_##name;
    LLM_STOP_TABLE(X)
#undef X
    /* The window was full before max_tokens were reached: cut off all the same. */
    if (str_eq(reason, "model_context_window_exceeded"))
        return LLM_STOP_MAX_TOKENS;
    return LLM_STOP_OTHER;
}

static void message_delta(struct anthropic_stream *s, const cJSON *event) {
    const char *reason = json_str(json_obj(event, "delta"), "stop_reason", NULL);
    if (reason) {
        s->stop = stop_from(reason);
        s->stopped = true;
    }
    read_usage(s, json_obj(event, "usage"), true);
}

static enum anthropic_step message_stop(struct anthropic_stream *s, struct cause *why) {
    if (!s->begun)
        return bad(why, "the answer ended before it began");
    if (!s->stopped) {
        s->stop = LLM_STOP_END_TURN;
        for (size_t i = 0; i < s->message.n; i++)
            if (s->message.blocks[i].kind == LLM_BLOCK_TOOL_USE)
                s->stop = LLM_STOP_TOOL_USE;
    }
    s->stopped = true;
    return ANTHROPIC_DONE;
}

static void copy(char *to, size_t size, const char *from) {
    size_t n = utf8_cut(from, strlen(from), size - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

static enum anthropic_step error_event(struct anthropic_stream *s, const cJSON *event) {
    const cJSON *e = json_obj(event, "error");
    copy(s->error.type, sizeof(s->error.type), json_str(e, "type", ""));
    copy(s->error.message, sizeof(s->error.message), json_str(e, "message", ""));
    return ANTHROPIC_ERROR;
}

/* X(event, what to do) */
#define EVENT_TABLE(X)                                                                             \
    X("content_block_delta", return block_delta(s, root, why))                                     \
    X("content_block_start", return block_start(s, root, why))                                     \
    X("content_block_stop", return block_stop(s, find(s, root), why))                              \
    X("message_start", message_start(s, root))                                                     \
    X("message_delta", message_delta(s, root))                                                     \
    X("message_stop", return message_stop(s, why))                                                 \
    X("error", return error_event(s, root))

static bool is_known(const char *type) {
#define X(name, action)                                                                            \
    if (str_eq(type, name))                                                                        \
        return true;
    EVENT_TABLE(X)
#undef X
    return false;
}

static enum anthropic_step act(struct anthropic_stream *s, const char *type, const cJSON *root,
                               struct cause *why) {
#define X(name, action)                                                                            \
    if (str_eq(type, name)) {                                                                      \
        action;                                                                                    \
        return ANTHROPIC_MORE;                                                                     \
    }
    EVENT_TABLE(X)
#undef X
    return ANTHROPIC_MORE;
}

enum anthropic_step anthropic_event(struct anthropic_stream *s, const struct sse_event *e,
                                    struct cause *why) {
    /* The name of the event is said twice; where the outer one is missing the inner one counts. */
    bool named = !str_eq(e->type, "message");
    if (named && !is_known(e->type))
        return ANTHROPIC_MORE;
    size_t n = e->n;
    const char *text = defuse(s, e->data, &n);
    cJSON *root = cJSON_ParseWithLength(text, n);
    if (!cJSON_IsObject(root)) {
        cJSON_Delete(root);
        return bad(why, "an event is not a JSON object");
    }
    enum anthropic_step step = act(s, named ? e->type : json_str(root, "type", ""), root, why);
    cJSON_Delete(root);
    return step;
}

const struct anthropic_error *anthropic_stream_error(const struct anthropic_stream *s) {
    return &s->error;
}

bool anthropic_stream_stopped(const struct anthropic_stream *s) { return s->stopped; }

bool anthropic_stream_delivered(const struct anthropic_stream *s) { return s->delivered; }

void anthropic_stream_usage(const struct anthropic_stream *s, struct llm_usage *out) {
    *out = s->usage;
    if (!s->output_known) {
        int64_t guess = (int64_t)((s->bytes + 3) / 4);
        if (out->output_tokens < guess)
            out->output_tokens = guess;
    }
    /* Nothing began: nothing is known to have been used. */
    out->cost_is_estimate = s->begun && (!s->input_known || !s->output_known);
}

/* An input without any text is an empty object; one that was cut off stays as it is. */
static void settle(struct anthropic_stream *s, size_t at) {
    struct llm_block *b = &s->message.blocks[at];
    struct part *p = &s->parts[at];
    char *text = buf_steal(&p->text);
    if (b->kind == LLM_BLOCK_TOOL_USE) {
        b->input = *text ? text : (free(text), xstrdup("{}"));
    } else {
        b->text = text;
    }
    if (p->signature.len)
        b->signature = valid(buf_str(&p->signature));
}

void anthropic_stream_take(struct anthropic_stream *s, struct llm_response *out) {
    memset(out, 0, sizeof(*out));
    anthropic_stream_usage(s, &out->usage);
    out->stop = s->stop;
    memcpy(out->model, s->model, sizeof(out->model));
    for (size_t i = 0; i < s->message.n; i++) {
        struct cause why;
        /* A bound passed here was passed by the last character alone: it is left out. */
        (void)block_stop(s, &s->parts[i], &why);
        settle(s, i);
        buf_free(&s->parts[i].signature);
    }
    out->message = s->message;
    memset(&s->message, 0, sizeof(s->message));
}
