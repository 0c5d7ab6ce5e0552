/* Secrets that we hold, in whatever encoding they come out: random keys of every length, at every
 * offset of a group, behind anything, in pieces cut anywhere. Nothing of a key is left to be read,
 * and where it does not stand, holding it changes nothing. SPACEBOT_SEED=N runs one case again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scrub.h"
#include "base/str.h"
#include "tests/lib/encode.h"

#define CASES 20000
/* So many characters in a row of a key, or of what only the key decides in an encoding of it, may
 * not be left: one more than any word has for free. */
#define READABLE 12u

#define PLAIN ENCODE_KINDS        /* as it is */
#define FORM (ENCODE_KINDS + 1)   /* in percent where a form has to */
#define SCRIPT (ENCODE_KINDS + 2) /* the same, with what scripts leave as it is */
#define KINDS (ENCODE_KINDS + 3)

static uint64_t rng;
static size_t below(size_t n) {
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(rng >> 33) % n;
}

static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Every other one of letters as keys mostly are, the others of all that can be seen. */
static char *random_key(size_t n) {
    struct buf b = BUF_INIT;
    bool any = below(2);
    while (n--)
        buf_putc(&b, any ? (char)(0x21 + below(0x5e)) : url[below(sizeof url - 1)]);
    return buf_steal(&b);
}

struct sample {
    int kind;
    char *key, *other;        /* of the same length; only the first is held */
    char *before, *after;     /* in the same encoding */
    const char *left, *right; /* around all of it */
};

static void sample_free(struct sample *s) {
    x_free(&s->key);
    x_free(&s->other);
    x_free(&s->before);
    x_free(&s->after);
}

static struct sample sample_new(void) {
    static const char *const lefts[] = {
        "", "Authorization: ", "it is ", "{\"data\":\"", "a\nb=", "("};
    static const char *const rights[] = {"", " and so on", "\",\"more\":1}", "\nnext line\n", "]."};
    static const char text[] =
        "{user: \"somebody\", password: \"and whatever else stands there\"}, "
        "which is followed by some more of the same, line after line, until "
        "at last the one comes that nobody should read. ";
    size_t n = below(3) ? SCRUB_VALUE_MIN + below(12) : SCRUB_VALUE_MIN + below(200);
    size_t before = below(3) ? below(4) : below(sizeof text - 1), after = below(2) ? 0 : below(60);
    struct sample s = {.kind = (int)below(KINDS),
                       .left = lefts[below(ARRAY_LEN(lefts))],
                       .right = rights[below(ARRAY_LEN(rights))]};
    s.key = random_key(n);
    s.other = random_key(n);
    s.before = xasprintf("%.*s", (int)before, text);
    s.after = xasprintf("%.*s", (int)after, text);
    return s;
}

static bool stays(int kind, char c) {
    return strchr(url, c) || strchr(".~", c) || (kind == SCRIPT && strchr("!*'()", c));
}

static char *encoded(int kind, const char *s, size_t n) {
    struct buf b = BUF_INIT;
    if (kind == PLAIN)
        return xstrndup(s, n);
    if (kind < ENCODE_KINDS)
        return encode(kind, s, n);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, stays(kind, s[i]) ? "%c" : "%%%02X", (unsigned char)s[i]);
    return buf_steal(&b);
}

/* What stands in the text, and of it what the key alone decides: core[0] to core[1]. */
static char *body_of(const struct sample *s, const char *key, size_t core[2]) {
    char *all = xasprintf("%s%s%s", s->before, key, s->after);
    size_t from = strlen(s->before), to = from + strlen(key);
    char *code = encoded(s->kind, all, strlen(all)), *head = encoded(s->kind, all, from),
         *through = encoded(s->kind, all, to);
    if (s->kind < 2) { /* whole groups of six bits */
        core[0] = (8 * from + 5) / 6;
        core[1] = 8 * to / 6;
        if (below(2))
            code[strcspn(code, "=")] = '\0';
    } else {
        core[0] = strlen(head);
        core[1] = strlen(through);
    }
    x_free(&through);
    x_free(&head);
    x_free(&all);
    return code;
}

static char *in_pieces(const struct scrub_values *v, const char *text) {
    struct scrub s = {.values = v};
    struct buf out = BUF_INIT;
    size_t n = strlen(text), most = 1 + below(below(2) ? 8 : 300);
    for (size_t at = 0, k; at < n; at += k) {
        k = 1 + below(most);
        k = k < n - at ? k : n - at;
        scrub_feed(&s, text + at, k, &out);
    }
    scrub_end(&s, &out);
    scrub_free(&s);
    if (!out.len)
        buf_puts(&out, "");
    return buf_steal(&out);
}

static void failed(uint64_t seed, const struct sample *s, const char *what, const char *text,
                   const char *got) {
    fail_msg("%s (SPACEBOT_SEED=%" PRIu64 ", kind %d, %zu before, key \"%s\"):\n%s\nbecame\n%s",
             what, seed, s->kind, strlen(s->before), s->key, text, got);
}

static void check(uint64_t seed) {
    rng = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    struct sample s = sample_new();
    struct scrub_values *v = scrub_values_new();
    size_t core[2];
    assert_true(scrub_values_add(v, "held", s.key));
    char *body = body_of(&s, s.key, core);
    char *text = xasprintf("%s%s%s", s.left, body, s.right);
    char *got = scrub_take(v, xstrdup(text)), *pieces = in_pieces(v, text);
    if (!str_eq(got, pieces))
        failed(seed, &s, "pieces change it", text, pieces);
    for (size_t at = core[0]; at + READABLE <= core[1]; at++)
        if (memmem(got, strlen(got), body + at, READABLE))
            failed(seed, &s, "a part of the key is left", text, got);
    if (!str_prefix(got, s.left) || !str_suffix(got, s.right))
        failed(seed, &s, "what stands around it is gone", text, got);
    if (scrub_finds(v, got, strlen(got)))
        failed(seed, &s, "it is found once more", text, got);
    x_free(&pieces);
    x_free(&got);
    x_free(&text);
    x_free(&body);

    /* The control: another key in its place, and this one is held for nothing. */
    body = body_of(&s, s.other, core);
    text = xasprintf("%s%s%s", s.left, body, s.right);
    got = scrub_take(v, xstrdup(text));
    char *without = scrub_take(NULL, xstrdup(text));
    pieces = in_pieces(v, text);
    if (!str_eq(got, without))
        failed(seed, &s, "what is not held is taken out", text, got);
    if (!str_eq(pieces, without))
        failed(seed, &s, "what is not held is taken out of pieces", text, pieces);
    x_free(&without);
    x_free(&pieces);
    x_free(&got);
    x_free(&text);
    x_free(&body);
    scrub_values_free(&v);
    sample_free(&s);
}

static void no_encoding_hides_a_key(void **state) {
    const char *one = getenv("SPACEBOT_SEED");
    (void)state;
    if (one) {
        check(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= CASES; seed++)
        check(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_encoding_hides_a_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
