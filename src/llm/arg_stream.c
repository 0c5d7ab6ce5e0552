/* arg_stream: a state machine over the bytes of a JSON object that keeps no more of it than the key
 * it is reading. It believes nothing: what is not JSON gives no output, or ends it, and never more
 * than that. */
#include "llm/arg_stream.h"

#include <string.h>

#include "base/utf8.h"

enum state {
    AT_START,   /* before the object */
    AT_KEY,     /* inside it, before a key */
    IN_KEY,     /* inside a key of the object */
    AT_COLON,   /* behind it */
    AT_VALUE,   /* behind the colon */
    IN_VALUE,   /* inside the string that is wanted */
    IN_OTHER,   /* inside some other value, `depth` brackets deep */
    IN_STRING,  /* inside a string in there */
    IN_SKIPPED, /* behind a backslash in there */
    IN_KEY_ESCAPE,
    IN_VALUE_ESCAPE,
    IN_KEY_HEX,
    IN_VALUE_HEX,
    AT_END /* done, or no object at all */
};

#define REPLACEMENT 0xFFFDu

void arg_stream_init(struct arg_stream *s, const char *key) {
    memset(s, 0, sizeof(*s));
    s->key = key;
    s->state = AT_START;
}

void arg_stream_free(struct arg_stream *s) { buf_free(&s->token); }

/* Where decoded characters go: to the caller, or into the key, of which one byte more than the one
 * that is looked for is enough to see that it is another. */
static void put(struct arg_stream *s, bool value, const char *bytes, size_t n, struct buf *out) {
    if (value)
        buf_append(out, bytes, n);
    else if (s->token.len <= strlen(s->key))
        buf_append(&s->token, bytes, n);
}

static void put_char(struct arg_stream *s, bool value, uint32_t cp, struct buf *out) {
    char c[4];
    size_t n = utf8_encode(cp, c);
    put(s, value, c, n, out);
}

/* What was held back is not going to be completed. */
static void drop_halves(struct arg_stream *s, bool value, struct buf *out) {
    if (s->surrogate)
        put_char(s, value, REPLACEMENT, out);
    for (size_t i = 0; i < s->ntail; i++)
        put_char(s, value, REPLACEMENT, out);
    s->surrogate = 0;
    s->ntail = 0;
}

/* One byte of a string, outside escapes. */
static void plain(struct arg_stream *s, bool value, char c, struct buf *out) {
    if (s->surrogate)
        drop_halves(s, value, out);
    s->tail[s->ntail++] = c;
    while (s->ntail) {
        uint32_t cp = 0;
        int n = utf8_decode(s->tail, s->ntail, &cp);
        if (n == 0)
            return;
        /* NUL would end the C string that the text becomes. */
        if (n < 0 || !cp)
            put_char(s, value, REPLACEMENT, out);
        else
            put(s, value, s->tail, (size_t)n, out);
        size_t used = n < 0 ? 1 : (size_t)n;
        memmove(s->tail, s->tail + used, s->ntail - used);
        s->ntail -= used;
    }
}

static void unit(struct arg_stream *s, bool value, unsigned u, struct buf *out) {
    if (s->surrogate && u >= 0xDC00 && u <= 0xDFFF) {
        uint32_t cp = 0x10000 + ((s->surrogate - 0xD800) << 10) + (u - 0xDC00);
        s->surrogate = 0;
        put_char(s, value, cp, out);
        return;
    }
    drop_halves(s, value, out);
    if (u >= 0xD800 && u <= 0xDBFF)
        s->surrogate = u;
    else
        put_char(s, value, !u || (u >= 0xDC00 && u <= 0xDFFF) ? REPLACEMENT : u, out);
}

static void escape(struct arg_stream *s, bool value, char c, struct buf *out) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (c == 'u') {
        s->hex = s->nhex = 0;
        s->state = value ? IN_VALUE_HEX : IN_KEY_HEX;
        return;
    }
    const char *at = c ? strchr(from, c) : NULL;
    s->state = value ? IN_VALUE : IN_KEY;
    plain(s, value, at ? to[at - from] : c, out);
}

static void hex(struct arg_stream *s, bool value, char c, struct buf *out) {
    unsigned digit;
    if (c >= '0' && c <= '9') {
        digit = (unsigned)(c - '0');
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        digit = (unsigned)((c | 0x20) - 'a') + 10;
    } else {
        /* Whatever this is, it is not JSON: show what there was and stop. */
        drop_halves(s, value, out);
        s->state = AT_END;
        return;
    }
    s->hex = s->hex << 4 | digit;
    if (++s->nhex == 4) {
        s->state = value ? IN_VALUE : IN_KEY;
        unit(s, value, s->hex, out);
    }
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_wanted(const struct arg_stream *s) {
    return s->token.len == strlen(s->key) && memcmp(buf_str(&s->token), s->key, s->token.len) == 0;
}

/* The first byte of a value: a string that is wanted, or something to be skipped. */
static void value_start(struct arg_stream *s, char c) {
    s->depth = 0;
    if (c == '"')
        s->state = is_wanted(s) ? IN_VALUE : IN_STRING;
    else {
        s->state = IN_OTHER;
        if (c == '{' || c == '[')
            s->depth = 1;
        /* A first member that is wanted but no string: a later one of the name does not count. */
        if (is_wanted(s))
            s->state = AT_END;
    }
}

static void other(struct arg_stream *s, char c) {
    if (c == '"') {
        s->state = IN_STRING;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (s->depth && (c == '}' || c == ']')) {
        s->depth--;
    } else if (!s->depth && c == ',') {
        s->state = AT_KEY;
    } else if (!s->depth && c == '}') {
        s->state = AT_END;
    }
}

static void feed(struct arg_stream *s, char c, struct buf *out) {
    switch ((enum state)s->state) {
    case AT_START:
        if (!is_space(c))
            s->state = c == '{' ? AT_KEY : AT_END;
        break;
    case AT_KEY:
        if (c == '"') {
            buf_reset(&s->token);
            s->state = IN_KEY;
        } else if (!is_space(c) && c != ',') {
            s->state = AT_END;
        }
        break;
    case IN_KEY:
    case IN_VALUE: {
        bool value = s->state == IN_VALUE;
        if (c == '\\') {
            s->state = value ? IN_VALUE_ESCAPE : IN_KEY_ESCAPE;
        } else if (c == '"') {
            drop_halves(s, value, out);
            s->done = value;
            s->state = value ? AT_END : AT_COLON;
        } else {
            plain(s, value, c, out);
        }
        break;
    }
    case AT_COLON:
        if (!is_space(c))
            s->state = c == ':' ? AT_VALUE : AT_END;
        break;
    case AT_VALUE:
        if (!is_space(c))
            value_start(s, c);
        break;
    case IN_OTHER:
        other(s, c);
        break;
    case IN_STRING:
        if (c == '\\')
            s->state = IN_SKIPPED;
        else if (c == '"')
            s->state = IN_OTHER;
        break;
    case IN_SKIPPED:
        s->state = IN_STRING;
        break;
    case IN_KEY_ESCAPE:
    case IN_VALUE_ESCAPE:
        escape(s, s->state == IN_VALUE_ESCAPE, c, out);
        break;
    case IN_KEY_HEX:
    case IN_VALUE_HEX:
        hex(s, s->state == IN_VALUE_HEX, c, out);
        break;
    case AT_END:
        break;
    }
}

void arg_stream_feed(struct arg_stream *s, const char *fragment, size_t n, struct buf *out) {
    for (size_t i = 0; i < n && s->state != AT_END; i++)
        feed(s, fragment[i], out);
}
