/* scrub_match: where a secret begins. The shapes are those that issuers document, and that scanners
 * of repositories look for; each begins at the beginning of a word. Every look ahead is bounded, so
 * a text costs time in proportion to its length. */
#include <string.h>

#include "base/mem.h"
#include "base/scrub-internal.h"

#define DIGIT SCRUB_DIGIT
#define UPPER SCRUB_UPPER
#define LOWER SCRUB_LOWER
#define ALNUM SCRUB_ALNUM
#define URL SCRUB_URL

/* clang-format off */
const uint16_t scrub_class[256] = {
    ['0' ... '9'] = SCRUB_DIGIT | SCRUB_HEX,
    ['A' ... 'F'] = SCRUB_UPPER | SCRUB_HEX,
    ['G' ... 'Z'] = SCRUB_UPPER,
    ['a' ... 'f'] = SCRUB_LOWER | SCRUB_HEX,
    ['g' ... 'z'] = SCRUB_LOWER,
    ['_'] = SCRUB_UNDER,    ['-'] = SCRUB_MINUS, ['+'] = SCRUB_PLUS,   ['/'] = SCRUB_PLUS,
    ['='] = SCRUB_EQUAL,    ['%'] = SCRUB_PERCENT,
    ['.'] = SCRUB_DOT,      [' '] = SCRUB_BLANK, ['\t'] = SCRUB_BLANK, ['\n'] = SCRUB_BLANK,
    ['\r'] = SCRUB_BLANK,   ['\\'] = SCRUB_OTHER, [':'] = SCRUB_OTHER, [','] = SCRUB_OTHER,
    ['('] = SCRUB_OTHER | SCRUB_FORM, [')'] = SCRUB_OTHER | SCRUB_FORM,
    ['~'] = SCRUB_FORM,     ['!'] = SCRUB_FORM,  ['*'] = SCRUB_FORM,   ['\''] = SCRUB_FORM,
};
/* clang-format on */

static unsigned class_of(char c) { return scrub_class[(unsigned char)c]; }

/* --- values -------------------------------------------------------------------------------------
 */

/* The longest value that stands here. */
static enum scrub_found value_at(const struct scrub_values *v, const struct scrub_place *p,
                                 struct scrub_secret *out) {
    unsigned c = (unsigned char)p->s[p->at];
    const char *s = p->s + p->at;
    size_t left = p->n - p->at;
    enum scrub_found found = SCRUB_NONE;
    bool more = false;
    for (size_t i = v->first[c]; i < v->first[c + 1]; i++) {
        const struct scrub_needle *k = &v->v[i];
        size_t n = k->n < left ? k->n : left;
        if (left > 1 && s[1] != k->text[1])
            continue;
        if (memcmp(s, k->text, n) != 0)
            continue;
        if (n < k->n && !p->whole)
            more = true;
        else if ((n == k->n || n >= SCRUB_TAIL_MIN) && n > out->n) {
            *out =
                (struct scrub_secret){.n = n, .name = k->name, .swallow = k->code ? SCRUB_CODE : 0};
            found = SCRUB_SECRET;
        }
    }
    return more ? SCRUB_MORE : found;
}

/* --- shapes -------------------------------------------------------------------------------------
 */

#define MANY 0u

struct part {
    unsigned alphabet;
    size_t least, most; /* MANY: the last one, whose rest goes with it */
    const char *then;
};

struct shape {
    const char *prefix;
    struct part parts[3]; /* up to the one of MANY */
};

/* By their first byte. Of two with the same beginning the one that may be longer comes first. */
/* clang-format off */
static const struct shape shapes[] = {
    /* age */
    {"AGE-SECRET-KEY-1", {{UPPER | DIGIT, 40, MANY, NULL}}},
    /* Google */
    {"AIza", {{URL, 35, MANY, NULL}}},
    /* Amazon Web Services: the ids of access keys */
    {"AKIA", {{UPPER | DIGIT, 16, MANY, NULL}}},
    {"ASIA", {{UPPER | DIGIT, 16, MANY, NULL}}},
    /* Brave Search */
    {"BSA", {{URL, 20, MANY, NULL}}},
    /* SendGrid */
    {"SG.", {{URL, 16, 32, "."}, {URL, 16, MANY, NULL}}},
    /* DigitalOcean */
    {"dop_v1_", {{SCRUB_HEX, 64, MANY, NULL}}},
    /* JSON Web Tokens: header and payload are objects, so both begin with {" in base64 */
    {"eyJ", {{URL, 10, 1024, ".eyJ"}, {URL | SCRUB_DOT, 10, MANY, NULL}}},
    /* GitHub, GitLab, Groq */
    {"ghp_", {{ALNUM, 36, MANY, NULL}}},
    {"gho_", {{ALNUM, 36, MANY, NULL}}},
    {"ghu_", {{ALNUM, 36, MANY, NULL}}},
    {"ghs_", {{ALNUM, 36, MANY, NULL}}},
    {"ghr_", {{ALNUM, 36, MANY, NULL}}},
    {"github_pat_", {{ALNUM | SCRUB_UNDER, 22, MANY, NULL}}},
    {"glpat-", {{URL, 20, MANY, NULL}}},
    {"gsk_", {{ALNUM, 40, MANY, NULL}}},
    /* Hugging Face */
    {"hf_", {{ALNUM, 30, MANY, NULL}}},
    /* npm, NVIDIA */
    {"npm_", {{ALNUM, 36, MANY, NULL}}},
    {"nvapi-", {{URL, 40, MANY, NULL}}},
    /* Perplexity, PyPI */
    {"pplx-", {{ALNUM, 40, MANY, NULL}}},
    {"pypi-", {{URL, 50, MANY, NULL}}},
    /* Replicate, Stripe */
    {"r8_", {{ALNUM, 30, MANY, NULL}}},
    {"rk_live_", {{ALNUM, 16, MANY, NULL}}},
    /* Shopify, Stripe */
    {"shpat_", {{SCRUB_HEX, 32, MANY, NULL}}},
    {"sk_live_", {{ALNUM, 16, MANY, NULL}}},
    {"sk_test_", {{ALNUM, 16, MANY, NULL}}},
    /* Anthropic, OpenRouter, OpenAI; DeepSeek and Moonshot have the last form */
    {"sk-ant-", {{URL, 20, MANY, NULL}}},
    {"sk-or-", {{URL, 20, MANY, NULL}}},
    {"sk-proj-", {{URL, 20, MANY, NULL}}},
    {"sk-svcacct-", {{URL, 20, MANY, NULL}}},
    {"sk-admin-", {{URL, 20, MANY, NULL}}},
    {"sk-", {{ALNUM, 20, MANY, NULL}}},
    /* xAI, Slack */
    {"xai-", {{ALNUM, 40, MANY, NULL}}},
    {"xapp-", {{ALNUM | SCRUB_MINUS, 10, MANY, NULL}}},
    {"xoxa-", {{ALNUM | SCRUB_MINUS, 10, MANY, NULL}}},
    {"xoxb-", {{ALNUM | SCRUB_MINUS, 10, MANY, NULL}}},
    {"xoxe-", {{ALNUM | SCRUB_MINUS, 10, MANY, NULL}}},
    {"xoxp-", {{ALNUM | SCRUB_MINUS, 10, MANY, NULL}}},
    {"xoxr-", {{ALNUM | SCRUB_MINUS, 10, MANY, NULL}}},
    {"xoxs-", {{ALNUM | SCRUB_MINUS, 10, MANY, NULL}}},
    /* Google */
    {"ya29.", {{URL, 20, MANY, NULL}}},
};
/* clang-format on */

/* Those of bots have no word at their beginning: Discord's, from M, N or O on, and Telegram's. */
static const struct shape discord = {"",
                                     {{URL, 24, 28, "."}, {URL, 6, 7, "."}, {URL, 27, MANY, NULL}}};
static const struct shape telegram = {"", {{DIGIT, 8, 12, ":"}, {URL, 35, MANY, NULL}}};

/* s[0..n) against the beginning `text`. */
static enum scrub_found begins(const char *s, size_t n, const char *text, bool whole) {
    size_t want = strlen(text), have = want < n ? want : n;
    if (memcmp(s, text, have) != 0 || (have < want && whole))
        return SCRUB_NONE;
    return have < want ? SCRUB_MORE : SCRUB_SECRET;
}

static enum scrub_found shape_here(const struct shape *shape, const struct scrub_place *p,
                                   struct scrub_secret *out) {
    size_t at = p->at;
    enum scrub_found found = begins(p->s + at, p->n - at, shape->prefix, p->whole);
    if (found != SCRUB_SECRET)
        return found;
    at += strlen(shape->prefix);
    for (const struct part *part = shape->parts;; part++) {
        size_t most = part->most == MANY ? part->least : part->most, have = 0;
        while (have < most && at < p->n && (class_of(p->s[at]) & part->alphabet)) {
            have++;
            at++;
        }
        bool end = at == p->n && !p->whole && have < most;
        if (end)
            return SCRUB_MORE;
        if (have < part->least)
            return SCRUB_NONE;
        if (part->most == MANY) {
            *out = (struct scrub_secret){.n = at - p->at, .swallow = part->alphabet};
            return SCRUB_SECRET;
        }
        found = begins(p->s + at, p->n - at, part->then, p->whole);
        if (found != SCRUB_SECRET)
            return found;
        at += strlen(part->then);
    }
}

/* Bytes that one of them, or an armoured key, begins with: a test holds this against the table. */
static const bool shape_begins[256] = {
    ['s'] = true, ['g'] = true, ['x'] = true, ['n'] = true, ['h'] = true, ['r'] = true,
    ['p'] = true, ['d'] = true, ['e'] = true, ['y'] = true, ['A'] = true, ['B'] = true,
    ['S'] = true, ['M'] = true, ['N'] = true, ['O'] = true, ['-'] = true, ['0' ... '9'] = true};

/* --- armoured keys ------------------------------------------------------------------------------
 */

#define LABEL_MAX 40u     /* before "PRIVATE KEY" */
#define EVIDENCE_MAX 160u /* bytes within which a key begins that is more than the word for it */
#define EVIDENCE 16u      /* characters of base64 in a row */

/* "-----BEGIN … PRIVATE KEY-----" with something below it: who only writes about keys keeps his
 * words. */
static enum scrub_found armour_at(const struct scrub_place *p, struct scrub_secret *out) {
    static const char begin[] = "-----BEGIN ", fence[] = "-----";
    const char *s = p->s + p->at;
    size_t n = p->n - p->at, at = sizeof begin - 1;
    enum scrub_found found = begins(s, n, begin, p->whole);
    if (found != SCRUB_SECRET)
        return found;
    size_t label = at;
    while (at < n && at - label < LABEL_MAX + 17 &&
           (s[at] == ' ' || (class_of(s[at]) & (UPPER | DIGIT))))
        at++;
    if (at == n)
        return p->whole ? SCRUB_NONE : SCRUB_MORE;
    static const char *const ends[] = {"PRIVATE KEY", "PRIVATE KEY BLOCK"};
    bool private = false;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t len = strlen(ends[i]);
        private |= at - label >= len && memcmp(s + at - len, ends[i], len) == 0;
    }
    if (!private)
        return SCRUB_NONE;
    found = begins(s + at, n - at, fence, p->whole);
    if (found != SCRUB_SECRET)
        return found;
    at += sizeof fence - 1;
    size_t marker = at, row = 0;
    for (; at < n && at - marker < EVIDENCE_MAX && (class_of(s[at]) & SCRUB_ARMOUR); at++) {
        row = class_of(s[at]) & (ALNUM | SCRUB_PLUS | SCRUB_EQUAL) ? row + 1 : 0;
        if (row == EVIDENCE) {
            *out = (struct scrub_secret){.n = marker, .armour = true};
            return SCRUB_SECRET;
        }
    }
    return at == n && at - marker < EVIDENCE_MAX && !p->whole ? SCRUB_MORE : SCRUB_NONE;
}

/* A word begins here. */
static bool at_word(const struct scrub_place *p) {
    return p->at == 0 || !(class_of(p->s[p->at - 1]) & (ALNUM | SCRUB_UNDER));
}

/* The first of those that begin with the byte, or where it would be. */
static const struct shape *shapes_of(char c) {
    size_t lo = 0, hi = ARRAY_LEN(shapes);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (shapes[mid].prefix[0] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return &shapes[lo];
}

static enum scrub_found shape_at(const struct scrub_place *p, struct scrub_secret *out) {
    char c = p->s[p->at];
    bool more = false;
    if (c == '-')
        return armour_at(p, out);
    if (class_of(c) & DIGIT)
        return shape_here(&telegram, p, out);
    if (c >= 'M' && c <= 'O')
        return shape_here(&discord, p, out);
    for (const struct shape *i = shapes_of(c); i < shapes + ARRAY_LEN(shapes); i++) {
        if (i->prefix[0] != c)
            break;
        enum scrub_found found = shape_here(i, p, out);
        if (found == SCRUB_SECRET)
            return found;
        more |= found == SCRUB_MORE;
    }
    return more ? SCRUB_MORE : SCRUB_NONE;
}

static enum scrub_found plain_at(const struct scrub_values *values, const struct scrub_place *p,
                                 struct scrub_secret *out) {
    unsigned char c = (unsigned char)p->s[p->at];
    enum scrub_found found = values && values->begins[c] ? value_at(values, p, out) : SCRUB_NONE;
    if (found == SCRUB_NONE && shape_begins[c] && at_word(p))
        found = shape_at(p, out);
    return found;
}

/* --- encodings ----------------------------------------------------------------------------------
 */

#define BASE64_MIN 24u /* characters */
#define HEX_MIN 40u
#define DECODED_MAX (SCRUB_WINDOW + SCRUB_FREE)

/* Of the characters from + on; - and _ are those of addresses. */
/* clang-format off */
static const unsigned char base64_values['z' - '+' + 1] = {
    62, 0, 62, 0, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 0,
    0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    0, 0, 0, 0, 63, 0, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
    36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51,
};
/* clang-format on */

/* What is decoded and is no text has nothing in it, and there is much of that: only where so many
 * bytes in a row can be read it is looked through. */
struct plain {
    char text[DECODED_MAX];
    size_t n, row;
    bool readable;
};

static void plain_add(struct plain *p, unsigned byte) {
    p->text[p->n++] = (char)byte;
    p->row = byte >= 0x20 && byte < 0x7f ? p->row + 1 : 0;
    p->readable |= p->row >= SCRUB_VALUE_MIN;
}

static bool in_plain(const struct scrub_values *values, const struct plain *plain) {
    struct scrub_place p = {.s = plain->text, .n = plain->n, .whole = true};
    struct scrub_secret found = {0};
    for (; plain->readable && p.at < p.n; p.at++)
        if (plain_at(values, &p, &found) == SCRUB_SECRET)
            return true;
    return false;
}

static bool in_base64(const struct scrub_values *values, const char *s, size_t n) {
    struct plain plain;
    uint32_t bits = 0;
    plain.n = plain.row = 0;
    plain.readable = false;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 6 | base64_values[(unsigned char)s[i] - '+'];
        if (i % 4)
            plain_add(&plain, bits >> (6 - i % 4 * 2) & 0xFF);
    }
    return in_plain(values, &plain);
}

static unsigned hex_value(char c) {
    return class_of(c) & DIGIT ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

static bool in_hex(const struct scrub_values *values, const char *s, size_t n) {
    struct plain plain;
    plain.n = plain.row = 0;
    plain.readable = false;
    for (size_t i = 0; i + 1 < n; i += 2)
        plain_add(&plain, hex_value(s[i]) << 4 | hex_value(s[i + 1]));
    return in_plain(values, &plain);
}

static bool in_percent(const struct scrub_values *values, const char *s, size_t n) {
    struct plain plain;
    plain.n = plain.row = 0;
    plain.readable = false;
    if (!memchr(s, '%', n))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%' && i + 2 < n && (class_of(s[i + 1]) & class_of(s[i + 2]) & SCRUB_HEX)) {
            plain_add(&plain, hex_value(s[i + 1]) << 4 | hex_value(s[i + 2]));
            i += 2;
        } else {
            plain_add(&plain, (unsigned char)s[i]);
        }
    }
    return in_plain(values, &plain);
}

/* The parts of the word that are all of `alphabet` and long enough, each from its first bytes on,
 * as nobody knows where in it the encoding begins. */
static bool in_parts(const struct scrub_values *values, const char *s, size_t n, unsigned alphabet,
                     size_t least, size_t offsets,
                     bool (*in)(const struct scrub_values *values, const char *s, size_t n)) {
    for (size_t i = 0, len; i < n; i += len + 1) {
        for (len = 0; i + len < n && (class_of(s[i + len]) & alphabet);)
            len++;
        for (size_t skip = 0; skip < offsets && len >= least + skip; skip++)
            if (in(values, s + i + skip, len - skip))
                return true;
    }
    return false;
}

/* What of the text behind belongs to it; 0: no secret is in there. */
static unsigned in_code(const struct scrub_values *values, const char *s, size_t n) {
    if (n < BASE64_MIN)
        return 0;
    if (in_percent(values, s, n))
        return SCRUB_CODE_PERCENT;
    return in_parts(values, s, n, URL | SCRUB_PLUS, BASE64_MIN, 4, in_base64) ||
                   in_parts(values, s, n, SCRUB_HEX, HEX_MIN, 2, in_hex)
               ? SCRUB_CODE
               : 0;
}

/* A long word: what it holds when it is decoded. */
static enum scrub_found code_at(const struct scrub_values *values, struct scrub_place *p,
                                struct scrub_secret *out) {
    size_t end = p->at + p->ahead, most = p->at + SCRUB_WINDOW;
    while (end < p->n && end < most && (class_of(p->s[end]) & SCRUB_CODE))
        end++;
    if (end == p->n && end < most && !p->whole) {
        p->ahead = end - p->at;
        return SCRUB_MORE;
    }
    unsigned rest = in_code(values, p->s + p->at - SCRUB_FREE, end - p->at + SCRUB_FREE);
    if (!rest)
        return SCRUB_NONE;
    *out = (struct scrub_secret){.n = end - p->at, .swallow = rest};
    return SCRUB_SECRET;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

enum scrub_found scrub_search(const struct scrub_values *values, struct scrub_place *p,
                              struct scrub_secret *out) {
    for (; p->at < p->n; p->at++, p->ahead = 0) {
        unsigned char c = (unsigned char)p->s[p->at];
        bool code = (scrub_class[c] & SCRUB_CODE) != 0;
        enum scrub_found found = SCRUB_NONE;
        if (shape_begins[c] || (values && values->begins[c]))
            found = plain_at(values, p, out);
        if (found == SCRUB_NONE && code && p->run >= SCRUB_FREE &&
            (p->run - SCRUB_FREE) % SCRUB_STEP == 0)
            found = code_at(values, p, out);
        if (found != SCRUB_NONE)
            return found;
        p->run = code ? p->run + 1 : 0;
    }
    return SCRUB_NONE;
}
