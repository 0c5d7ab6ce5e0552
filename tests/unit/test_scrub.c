/* scrub: what is taken out of a text, what is left alone, and that the pieces in which a text comes
 * change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/scrub.h"
#include "base/str.h"
#include "tests/lib/encode.h"

/* Values as providers give them out, but for the beginning that would tell whose they are. */
#define VALUE "k9Xw2-Qa7_bZ4mN8vC1tR5yU3iO6pL0s"
#define OTHER VALUE "AndMoreOfIt"

static struct scrub_values *values;

static int setup(void **state) {
    (void)state;
    values = scrub_values_new();
    assert_true(scrub_values_add(values, "together", VALUE));
    assert_true(scrub_values_add(values, "longer", OTHER));
    assert_true(scrub_values_add(values, "odd", "p@ss+word/with=signs"));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    scrub_values_free(&values);
    assert_null(values);
    return 0;
}

/* The caller frees. */
static char *scrubbed(const struct scrub_values *v, const char *text) {
    struct buf out = BUF_INIT;
    bool any = scrub_text(v, text, strlen(text), &out);
    assert_int_equal(any, scrub_finds(v, text, strlen(text)));
    if (!any)
        assert_int_equal(out.len, 0);
    char *result = any ? buf_steal(&out) : xstrdup(text);
    buf_free(&out);
    return result;
}

static void expect(const struct scrub_values *v, const char *text, const char *want) {
    char *got = scrubbed(v, text);
    assert_string_equal(got, want);
    free(got);
}

static void expect_kept(const struct scrub_values *v, const char *text) { expect(v, text, text); }

/* --- shapes -------------------------------------------------------------------------------------
 */

/* X(beginning, letters that follow, how many of them at least) */
#define ALNUM "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8"
#define CAPITALS "A2B3C4D5E6F7G2H3"
#define NUMBERS "0123456789abcdef"
static const struct {
    const char *prefix, *letters;
    size_t least;
} samples[] = {
    {"sk-ant-", ALNUM "-_", 20},
    {"sk-or-", ALNUM "-_", 20},
    {"sk-proj-", ALNUM "-_", 20},
    {"sk-svcacct-", ALNUM, 20},
    {"sk-admin-", ALNUM, 20},
    {"sk-", ALNUM, 20},
    {"gsk_", ALNUM, 40},
    {"xai-", ALNUM, 40},
    {"nvapi-", ALNUM "-_", 40},
    {"hf_", ALNUM, 30},
    {"r8_", ALNUM, 30},
    {"pplx-", ALNUM, 40},
    {"AIza", ALNUM "-_", 35},
    {"ya29.", ALNUM "-_", 20},
    {"BSA", ALNUM, 20},
    {"AKIA", CAPITALS, 16},
    {"ASIA", CAPITALS, 16},
    {"ghp_", ALNUM, 36},
    {"gho_", ALNUM, 36},
    {"ghu_", ALNUM, 36},
    {"ghs_", ALNUM, 36},
    {"ghr_", ALNUM, 36},
    {"github_pat_", ALNUM "_", 22},
    {"glpat-", ALNUM "-_", 20},
    {"npm_", ALNUM, 36},
    {"pypi-", ALNUM "-_", 50},
    {"xoxb-", ALNUM "-", 10},
    {"xoxp-", ALNUM "-", 10},
    {"xoxa-", ALNUM "-", 10},
    {"xoxr-", ALNUM "-", 10},
    {"xoxs-", ALNUM "-", 10},
    {"xoxe-", ALNUM "-", 10},
    {"xapp-", ALNUM "-", 10},
    {"sk_live_", ALNUM, 16},
    {"rk_live_", ALNUM, 16},
    {"sk_test_", ALNUM, 16},
    {"SG.aB3dE5gH7jK9mN1pQ2sT4v.", ALNUM "-_", 16},
    {"dop_v1_", NUMBERS, 64},
    {"shpat_", NUMBERS, 32},
    {"AGE-SECRET-KEY-1", CAPITALS, 40},
    {"eyJhbGciOiJIUzI1NiJ9.eyJ", ALNUM, 10},
    {"MTA1NzQ3MDk2MTU5ODg4Nzk5.GxYz12.", ALNUM "-_", 27},
    {"1234567890:", ALNUM "-_", 35},
};

/* `n` of the letters behind the beginning. The caller frees. */
static char *sample(size_t i, size_t n) {
    struct buf b = BUF_INIT;
    buf_puts(&b, samples[i].prefix);
    for (size_t k = 0; k < n; k++)
        buf_putc(&b, samples[i].letters[k % strlen(samples[i].letters)]);
    return buf_steal(&b);
}

static void tokens_go_wherever_they_stand(void **state) {
    static const char *const around[][2] = {{"", ""},
                                            {"it is ", " as you see"},
                                            {"{\"key\":\"", "\",\"b\":1}"},
                                            {"KEY=", "\n"},
                                            {"(", ")."},
                                            {"https://x.example/?k=", "&more"},
                                            {"a\n", "\nb\n"},
                                            {"\xE2\x82\xAC", "\xE2\x82\xAC"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        char *token = sample(i, samples[i].least), *longer = sample(i, samples[i].least + 40);
        for (size_t k = 0; k < ARRAY_LEN(around); k++) {
            char *want = xasprintf("%s" SCRUB_MARK "%s", around[k][0], around[k][1]);
            char *text = xasprintf("%s%s%s", around[k][0], token, around[k][1]);
            expect(NULL, text, want);
            free(text);
            text = xasprintf("%s%s%s", around[k][0], longer, around[k][1]);
            expect(NULL, text, want);
            free(text);
            free(want);
        }
        free(token);
        free(longer);
    }
}

static void what_is_too_short_or_begins_within_a_word_stays(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        char *token = sample(i, samples[i].least - 1), *text = xasprintf("see %s now", token);
        expect_kept(NULL, text);
        free(text);
        free(token);
        token = sample(i, samples[i].least);
        text = xasprintf("see ta%s now", token);
        expect_kept(NULL, text);
        free(text);
        free(token);
    }
}

static void ordinary_text_stays(void **state) {
    static const char *const texts[] = {
        "",
        "A risk-free task: sk-learn, an mask-rcnn and eyJunk.",
        "sk-estimator-doc-link.fitted sk-toggleable__content",
        "commit 41fbecd0f5a3c2e7b9d8641fbecd0f5a3c2e7b9d of /usr/share/lib/python3/dist-packages",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "uuid 6ba7b810-9dad-11d1-80b4-00c04fd430c8 at 2026-11-24T16:31:00.123Z",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        "QWxsIG9mIHRoaXMgaXMganVzdCBhIHNlbnRlbmNlIHRoYXQgbWVhbnMgbm8gaGFybSB0byBhbnlib2R5Lg==",
        "https://example.org/a%20path/with%2Fslashes?and=queries&more=of_them-all",
        ("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQx5k2bq0m1w7aM9v\n-----END "
         "CERTIFICATE-----"),
        "a key file begins with -----BEGIN PRIVATE KEY-----, then come lines of base64",
        "```\n-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----\n```",
        "localhost:11434 and 10.0.0.1:8080, 12345678: a number",
        "#define ASIAN 1\nAKIA is how ids begin; BSA and SG. and xoxb- too",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        expect_kept(values, texts[i]);
}

/* --- our own ------------------------------------------------------------------------------------
 */

static void our_values_go_by_name(void **state) {
    (void)state;
    expect(values, "it is " VALUE ".", "it is [REDACTED:together].");
    expect(values, "x" VALUE "y", "x[REDACTED:together]y");
    expect(values, OTHER, "[REDACTED:longer]");
    expect(values, VALUE VALUE, "[REDACTED:together][REDACTED:together]");
    expect(values, "pw=p@ss+word/with=signs;", "pw=[REDACTED:odd];");
    expect(values, "?pw=p%40ss%2Bword%2Fwith%3Dsigns&b", "?pw=[REDACTED:odd]&b");
    /* Cut off at the end of a text, most of it is as bad as all of it. */
    expect(values, "it is k9Xw2-Qa7_bZ4mN8v", "it is [REDACTED:together]");
    expect_kept(values, "it is k9Xw2-Qa7_bZ4mN8v, cut");
    expect_kept(values, "it is k9Xw2-Qa7");
    expect_kept(NULL, VALUE);
}

static void common_words_are_no_values(void **state) {
    struct scrub_values *v = scrub_values_new();
    (void)state;
    assert_false(scrub_values_add(v, "ollama", "ollama"));
    assert_false(scrub_values_add(v, "a", NULL));
    assert_false(scrub_values_add(v, "b", "words with blanks"));
    assert_false(scrub_values_add(v, "c", "umlauts-are-\xC3\xA4-rare"));
    assert_true(scrub_values_add(v, "d", "exactly12byt"));
    expect(v, "exactly12byt", "[REDACTED:d]");
    scrub_values_free(&v);
}

/* Whatever stands before it in the same encoding. */
static void encoded_values_go(void **state) {
    (void)state;
    for (size_t before = 0; before < 40; before++) {
        char *plain = xasprintf("%.*s" VALUE " and the rest", (int)before,
                                "Authorization: Bearer or something else such");
        for (int kind = 0; kind < ENCODE_KINDS; kind++) {
            char *code = encode(kind, plain, strlen(plain));
            char *text = xasprintf("echo %s | x", code), *got = scrubbed(values, text);
            if (!strstr(got, "[REDACTED:together] | x") && !strstr(got, SCRUB_MARK " | x"))
                fail_msg("kind %d, %zu before: %s", kind, before, got);
            free(got);
            free(text);
            free(code);
        }
        free(plain);
    }
}

/* Of an unknown one at most the letters that any word has for free are left. */
static void encoded_tokens_go(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        char *token = sample(i, samples[i].least + 8);
        char *plain = xasprintf("{\"key\":\"%s\"}", token);
        for (int kind = 0; kind < ENCODE_KINDS; kind++) {
            char *code = encode(kind, plain, strlen(plain));
            char *text = xasprintf("value: %s\n", code), *got = scrubbed(NULL, text);
            if (strlen(got) > strlen("value: 12345678901" SCRUB_MARK "\n") ||
                !strstr(got, SCRUB_MARK "\n"))
                fail_msg("kind %d of %s: %s", kind, plain, got);
            free(got);
            free(text);
            free(code);
        }
        free(plain);
        free(token);
    }
}

/* Deep inside of a blob that is longer than what is looked at at once. */
static void a_needle_in_a_long_word_is_found(void **state) {
    (void)state;
    for (size_t before = 0; before < 3000; before += 37) {
        struct buf plain = BUF_INIT;
        for (size_t i = 0; i < before; i++)
            buf_putc(&plain, (char)(i * 7 + i / 13));
        buf_puts(&plain, "\nkey: " VALUE "\n");
        for (size_t i = 0; i < 2000; i++)
            buf_putc(&plain, (char)(i * 11));
        char *code = encode(0, plain.data, plain.len), *got = scrubbed(values, code);
        if (strlen(got) > before * 4 / 3 + 64)
            fail_msg("%zu bytes before it: %zu are left", before, strlen(got));
        free(got);
        free(code);
        buf_free(&plain);
    }
}

/* --- private keys -------------------------------------------------------------------------------
 */

#define BODY "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"

static void private_keys_go_as_a_whole(void **state) {
    static const char *const labels[] = {"", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        char *text = xasprintf("a\n-----BEGIN %sPRIVATE KEY-----\n" BODY "\n" BODY
                               "\nAb+/9==\n-----END %sPRIVATE KEY-----\nb - c",
                               labels[i], labels[i]);
        expect(NULL, text, "a\n" SCRUB_MARK "\nb - c");
        free(text);
    }
    expect(NULL,
           "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
           "AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n" BODY "\n-----END RSA PRIVATE "
           "KEY-----",
           SCRUB_MARK);
    expect(NULL,
           "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2.0.22 (GNU/Linux)\n\n" BODY
           "\n=aB3d\n-----END PGP PRIVATE KEY BLOCK-----\n",
           SCRUB_MARK "\n");
    expect(NULL,
           "{\"k\":\"-----BEGIN PRIVATE KEY-----\\n" BODY "\\n-----END PRIVATE KEY-----\\n\"}",
           "{\"k\":\"" SCRUB_MARK "\\n\"}");
    expect(NULL,
           "   1\t-----BEGIN PRIVATE KEY-----\n   2\t" BODY "\n   3\t-----END PRIVATE KEY-----",
           "   1\t" SCRUB_MARK);
    expect(NULL, "-----BEGIN PRIVATE KEY-----\n" BODY "\n" BODY, SCRUB_MARK);
    expect(NULL, "-----BEGIN PRIVATE KEY-----\n" BODY "\n\"; next", SCRUB_MARK "\"; next");
}

/* --- pieces -------------------------------------------------------------------------------------
 */

static uint64_t rng;
static size_t below(size_t n) {
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(rng >> 33) % n;
}

static void random_piece(struct buf *b) {
    static const char *const words[] = {" ",
                                        " ",
                                        "\n",
                                        "the ",
                                        "Monday",
                                        "No",
                                        "sk-",
                                        "sk-ant-",
                                        "ey",
                                        "eyJ",
                                        ".",
                                        "k9Xw2-",
                                        "-----BEGIN ",
                                        "PRIVATE KEY-----\n",
                                        "-----END PRIVATE KEY-----",
                                        "-",
                                        "1234567890:",
                                        "42",
                                        "\xE2\x82\xAC",
                                        "AKIA",
                                        "internationalization",
                                        "=",
                                        "%2D",
                                        "xoxb-",
                                        BODY,
                                        VALUE,
                                        OTHER,
                                        "p@ss+word/with=signs",
                                        "\"",
                                        "https://"};
    size_t pick = below(ARRAY_LEN(words) + 3);
    if (pick < ARRAY_LEN(words)) {
        buf_puts(b, words[pick]);
    } else if (pick == ARRAY_LEN(words)) {
        char *token = sample(below(ARRAY_LEN(samples)), 20 + below(60));
        buf_puts(b, token);
        free(token);
    } else if (pick == ARRAY_LEN(words) + 1) {
        char *token = sample(below(ARRAY_LEN(samples)), 64);
        char *code = encode((int)below(ENCODE_KINDS), token, strlen(token));
        buf_puts(b, code);
        free(code);
        free(token);
    } else {
        for (size_t i = below(1500); i-- > 0;)
            buf_putc(b, ALNUM "+/-_="[below(sizeof ALNUM + 4)]);
    }
}

static void pieces_change_nothing(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        struct buf text = BUF_INIT, parts = BUF_INIT;
        rng = seed;
        for (size_t i = 1 + below(12); i-- > 0;)
            random_piece(&text);
        char *whole = scrubbed(values, buf_str(&text));
        struct scrub s = {.values = values};
        size_t longest = 1 + below(40);
        for (size_t at = 0, n; at < text.len; at += n) {
            n = 1 + below(longest);
            n = n < text.len - at ? n : text.len - at;
            char *piece = xmalloc(n); /* of its own: reading past it is seen */
            memcpy(piece, text.data + at, n);
            scrub_feed(&s, piece, n, &parts);
            free(piece);
            /* What is out by now is how the whole begins, and little is kept back. */
            assert_int_equal(strncmp(whole, buf_str(&parts), parts.len), 0);
            assert_true(s.held.len <= 1600 + n);
        }
        scrub_end(&s, &parts);
        if (strcmp(buf_str(&parts), whole) != 0)
            fail_msg("seed %u\ntext:  %s\nwhole: %s\nparts: %s", seed, buf_str(&text), whole,
                     buf_str(&parts));
        scrub_free(&s);
        free(whole);
        buf_free(&text);
        buf_free(&parts);
    }
}

/* What cannot become a secret is there at once. */
static void words_are_not_held_back(void **state) {
    static const char *const texts[] = {
        "half of the ans", "I think", "thinking",  "almost all", "it is don",
        "caf\xC3\xA9",     "end.",    "a, b; c\n", "(x)"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct scrub s = {0};
        struct buf out = BUF_INIT;
        scrub_feed(&s, texts[i], strlen(texts[i]), &out);
        assert_string_equal(buf_str(&out), texts[i]);
        scrub_free(&s);
        buf_free(&out);
    }
}

static void one_scrub_serves_many_texts(void **state) {
    struct scrub s = {.values = values};
    struct buf out = BUF_INIT;
    (void)state;
    scrub_feed(&s, "a" VALUE, strlen("a" VALUE), &out);
    assert_string_equal(buf_str(&out), "a");
    scrub_end(&s, &out);
    assert_string_equal(buf_str(&out), "a[REDACTED:together]");
    assert_int_equal(s.found, 1);
    buf_reset(&out);
    scrub_feed(&s, "s", 1, &out);
    scrub_end(&s, &out);
    assert_string_equal(buf_str(&out), "s");
    assert_int_equal(s.found, 1);
    scrub_free(&s);
    buf_free(&out);
}

static void taking_gives_back_what_is_harmless(void **state) {
    (void)state;
    char *text = xstrdup("nothing in it");
    assert_ptr_equal(scrub_take(values, text), text);
    free(text);
    text = scrub_take(values, xstrdup("key " VALUE));
    assert_string_equal(text, "key [REDACTED:together]");
    free(text);
    assert_null(scrub_take(values, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_go_wherever_they_stand),
        cmocka_unit_test(what_is_too_short_or_begins_within_a_word_stays),
        cmocka_unit_test(ordinary_text_stays),
        cmocka_unit_test(our_values_go_by_name),
        cmocka_unit_test(common_words_are_no_values),
        cmocka_unit_test(encoded_values_go),
        cmocka_unit_test(encoded_tokens_go),
        cmocka_unit_test(a_needle_in_a_long_word_is_found),
        cmocka_unit_test(private_keys_go_as_a_whole),
        cmocka_unit_test(pieces_change_nothing),
        cmocka_unit_test(words_are_not_held_back),
        cmocka_unit_test(one_scrub_serves_many_texts),
        cmocka_unit_test(taking_gives_back_what_is_harmless),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
