/* decode: blocks, pieces, bounds, and the counting of what was used. */
#include "llm/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "base/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"

struct decode *decode_new(const struct llm_events *ev, void *arg) {
    struct decode *d = xcalloc(1, sizeof(*d));
    d->ev = ev;
    d->arg = arg;
    d->message.role = LLM_ROLE_ASSISTANT;
    d->stop = LLM_STOP_OTHER;
    return d;
}

void decode_free(struct decode **pd) {
    struct decode *d = *pd;
    if (!d)
        return;
    for (size_t i = 0; i < d->message.n; i++) {
        buf_free(&d->parts[i].text);
        buf_free(&d->parts[i].signature);
    }
    free(d->parts);
    llm_message_free(&d->message);
    buf_free(&d->scratch);
    buf_free(&d->piece);
    x_free(pd);
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
static const char *defuse(struct decode *d, const char *data, size_t *n) {
    const char *end = data + *n;
    if (!memmem(data, *n, "\\u", 2) && !memchr(data, '\0', *n))
        return data;
    struct buf *out = &d->scratch;
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

/* The next piece of a block as valid UTF-8, in d->piece. */
static void make_piece(struct decode *d, struct decode_part *p, const char *text, size_t n,
                       bool last) {
    buf_reset(&d->piece);
    if (!p->ntail && utf8_valid(text, n)) {
        buf_append(&d->piece, text, n);
        return;
    }
    struct buf all = BUF_INIT;
    buf_append(&all, p->tail, p->ntail);
    buf_append(&all, text, n);
    size_t used = join(&d->piece, buf_str(&all), all.len, last);
    p->ntail = all.len - used;
    if (p->ntail)
        memcpy(p->tail, all.data + used, p->ntail);
    buf_free(&all);
}

/* More values than any event has: four megabytes of "[0,0,…]" would take a hundred to read. Those
 * of the usual size cannot have as many. */
static bool is_crowded(const char *s, size_t n) {
    size_t values = 0;
    bool in_string = false;
    for (size_t i = 0; n > DECODE_VALUES_MAX && i < n; i++) {
        if (in_string && s[i] == '\\')
            i++;
        else if (s[i] == '"')
            in_string = !in_string;
        else if (!in_string && (s[i] == ',' || s[i] == '[' || s[i] == '{'))
            values++;
    }
    return values > DECODE_VALUES_MAX;
}

cJSON *decode_json(struct decode *d, const char *data, size_t n) {
    if (is_crowded(data, n))
        return NULL;
    const char *text = defuse(d, data, &n);
    cJSON *root = cJSON_ParseWithLength(text, n);
    if (cJSON_IsObject(root))
        return root;
    cJSON_Delete(root);
    return NULL;
}

int64_t decode_tokens(const cJSON *usage, const char *key) {
    int64_t n = json_i64(usage, key, -1);
    return n >= 0 && n <= DECODE_TOKENS_MAX ? n : -1;
}

/* ---- blocks ---- */

enum decode_step decode_bad(struct cause *why, const char *text) {
    (void)cause_set(why, STATUS_PROTOCOL, "%s", text);
    return DECODE_BAD;
}

static enum decode_step too_large(struct cause *why, const char *what, size_t max) {
    (void)cause_set(why, STATUS_LIMIT, "%s is larger than %zu bytes", what, max);
    return DECODE_BAD;
}

struct decode_part *decode_find(struct decode *d, int64_t index) {
    for (size_t i = d->message.n; i-- > 0;)
        if (d->parts[i].open && d->parts[i].index == index)
            return &d->parts[i];
    return NULL;
}

size_t decode_at(const struct decode *d, const struct decode_part *p) {
    return (size_t)(p - d->parts);
}

enum decode_step decode_add(struct decode *d, struct decode_part *p, const char *text, bool last,
                            struct cause *why) {
    size_t n = strlen(text), at = decode_at(d, p);
    enum llm_block_kind kind = d->message.blocks[at].kind;
    make_piece(d, p, text, n, last);
    if (!d->piece.len)
        return DECODE_MORE;
    d->bytes += d->piece.len;
    if (d->bytes > DECODE_RESPONSE_MAX)
        return too_large(why, "the answer", DECODE_RESPONSE_MAX);
    if (kind == LLM_BLOCK_TOOL_USE && p->text.len + d->piece.len > DECODE_INPUT_MAX)
        return too_large(why, "the input of a tool call", DECODE_INPUT_MAX);
    buf_append(&p->text, d->piece.data, d->piece.len);
    const char *piece = d->piece.data;
    size_t len = d->piece.len;
    switch (kind) {
    case LLM_BLOCK_TEXT:
        d->delivered = true;
        if (d->ev->on_text)
            d->ev->on_text(d->arg, piece, len);
        break;
    case LLM_BLOCK_THINKING:
        if (d->ev->on_thinking)
            d->ev->on_thinking(d->arg, piece, len);
        break;
    case LLM_BLOCK_TOOL_USE:
        d->delivered = true;
        if (d->ev->on_tool_input)
            d->ev->on_tool_input(d->arg, at, piece, len);
        break;
    case LLM_BLOCK_REDACTED_THINKING:
    case LLM_BLOCK_TOOL_RESULT:
    case LLM_BLOCK_FILE:
        break;
    }
    return DECODE_MORE;
}

enum decode_step decode_sign(struct decode *d, struct decode_part *p, const char *signature,
                             struct cause *why) {
    d->bytes += strlen(signature);
    if (d->bytes > DECODE_RESPONSE_MAX)
        return too_large(why, "the answer", DECODE_RESPONSE_MAX);
    buf_puts(&p->signature, signature);
    return DECODE_MORE;
}

enum decode_step decode_close(struct decode *d, struct decode_part *p, struct cause *why) {
    if (!p || !p->open)
        return DECODE_MORE;
    enum decode_step step = p->ntail ? decode_add(d, p, "", true, why) : DECODE_MORE;
    p->open = false;
    return step;
}

static char *valid(const char *text) {
    struct buf b = BUF_INIT;
    utf8_append_valid(&b, text, strlen(text));
    return buf_steal(&b);
}

struct decode_part *decode_push(struct decode *d, int64_t index, enum llm_block_kind kind,
                                struct cause *why) {
    if (d->message.n == DECODE_BLOCKS_MAX) {
        (void)cause_set(why, STATUS_LIMIT, "the answer has more than %zu blocks",
                        DECODE_BLOCKS_MAX);
        return NULL;
    }
    llm_message_add(&d->message, kind);
    if (d->message.n > d->parts_cap) {
        d->parts_cap = d->parts_cap ? d->parts_cap * 2 : 4;
        d->parts = xreallocarray(d->parts, d->parts_cap, sizeof(*d->parts));
    }
    struct decode_part *p = &d->parts[d->message.n - 1];
    memset(p, 0, sizeof(*p));
    p->index = index;
    p->open = true;
    return p;
}

struct decode_part *decode_call(struct decode *d, const char *id) {
    for (size_t i = d->message.n; i-- > 0 && *id;)
        if (d->message.blocks[i].kind == LLM_BLOCK_TOOL_USE && str_eq(d->message.blocks[i].id, id))
            return &d->parts[i];
    return NULL;
}

void decode_set_id(struct decode *d, struct decode_part *p, const char *id) {
    struct llm_block *b = &d->message.blocks[decode_at(d, p)];
    free(b->id);
    b->id = valid(id);
}

static char *own_id(struct decode *d, const char *id) {
    char uuid[ID_UUID_SIZE];
    char *shown = valid(id);
    if (*shown && !decode_call(d, shown))
        return shown;
    free(shown);
    id_uuid(uuid);
    return xasprintf("call_%s", uuid);
}

struct decode_part *decode_push_call(struct decode *d, int64_t index, const char *id,
                                     const char *name, struct cause *why) {
    char *own = own_id(d, id);
    struct decode_part *p = decode_push(d, index, LLM_BLOCK_TOOL_USE, why);
    if (!p) {
        free(own);
        return NULL;
    }
    size_t at = decode_at(d, p);
    struct llm_block *b = &d->message.blocks[at];
    b->id = own;
    b->name = valid(name);
    d->delivered = true;
    if (d->ev->on_tool_start)
        d->ev->on_tool_start(d->arg, at, b->id, b->name);
    return p;
}

bool decode_has_calls(const struct decode *d) {
    for (size_t i = 0; i < d->message.n; i++)
        if (d->message.blocks[i].kind == LLM_BLOCK_TOOL_USE)
            return true;
    return false;
}

/* ---- the message around them ---- */

static void copy(char *to, size_t size, const char *from) {
    size_t n = utf8_cut(from, strlen(from), size - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

void decode_set_model(struct decode *d, const char *name) {
    size_t n = utf8_cut(name, strlen(name), sizeof(d->model) - 1);
    struct buf b = BUF_INIT;
    utf8_append_visible(&b, name, n);
    copy(d->model, sizeof(d->model), buf_str(&b));
    buf_free(&b);
}

void decode_set_error(struct decode *d, const char *type, const char *message, int status) {
    copy(d->error.type, sizeof(d->error.type), type);
    copy(d->error.message, sizeof(d->error.message), message);
    d->error.status = status;
}

void decode_usage(const struct decode *d, struct llm_usage *out) {
    *out = d->usage;
    if (!d->output_known) {
        int64_t guess = (int64_t)((d->bytes + 3) / 4);
        if (out->output_tokens < guess)
            out->output_tokens = guess;
    }
    bool input = out->input_tokens || out->cache_read_tokens || out->cache_write_tokens;
    if (d->begun && !d->input_known && !input)
        out->input_tokens = d->input_guess;
    /* Nothing began: nothing is known to have been used. */
    out->cost_is_estimate = d->begun && (!d->input_known || !d->output_known);
}

/* An input without any text is an empty object; one that was cut off stays as it is. */
static void settle(struct decode *d, size_t at) {
    struct llm_block *b = &d->message.blocks[at];
    struct decode_part *p = &d->parts[at];
    if (b->kind != LLM_BLOCK_TOOL_USE)
        b->text = text_new(buf_str(&p->text), p->text.len);
    else
        b->input = p->text.len ? text_new(buf_str(&p->text), p->text.len) : text_of("{}");
    buf_free(&p->text);
    if (p->signature.len)
        b->signature = valid(buf_str(&p->signature));
}

void decode_take(struct decode *d, struct llm_response *out) {
    memset(out, 0, sizeof(*out));
    decode_usage(d, &out->usage);
    out->stop = d->stop;
    memcpy(out->model, d->model, sizeof(out->model));
    for (size_t i = 0; i < d->message.n; i++) {
        struct cause why;
        /* A bound passed here was passed by the last character alone: it is left out. */
        (void)decode_close(d, &d->parts[i], &why);
        settle(d, i);
        buf_free(&d->parts[i].signature);
    }
    mem_released(d->bytes);
    out->message = d->message;
    memset(&d->message, 0, sizeof(d->message));
}
