/* arg_stream: the value of one member, however the JSON was cut; and nothing but that from what is
 * no JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/arg_stream.h"

#define FFFD "\xEF\xBF\xBD"

struct sample {
    const char *json, *want;
    bool done;
};

static const struct sample samples[] = {
    {"{\"content\":\"hello\"}", "hello", true},
    {" {\n \"content\" :\t\"hello\" , \"b\":1}", "hello", true},
    {"{\"a\":1,\"content\":\"x\"}", "x", true},
    {"{\"a\":[1,{\"content\":\"no\"}],\"b\":{\"content\":[\"no\"]},\"content\":\"yes\"}", "yes",
     true},
    {"{\"a\":\"\\\"content\\\":\\\"no\\\"\",\"content\":\"yes\"}", "yes", true},
    {"{\"a\":\"}\",\"b\":\"]\",\"content\":\"yes\"}", "yes", true},
    {"{\"a\":\"\\\\\",\"content\":\"yes\"}", "yes", true},
    {"{\"content2\":\"no\",\"conten\":\"no\",\"\":\"no\",\"content\":\"yes\"}", "yes", true},
    {"{\"cont\\u0065nt\":\"yes\"}", "yes", true},
    {"{\"a\":null,\"b\":true,\"c\":-1.5e3,\"content\":\"yes\"}", "yes", true},
    {"{\"content\":\"\"}", "", true},
    {"{\"content\":\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"}", "a\n\t\"\\/\b\f\r", true},
    {"{\"content\":\"\\u00e9\\u20AC\"}", "\xC3\xA9\xE2\x82\xAC", true},
    {"{\"content\":\"\\ud83e\\udd8a!\"}", "\xF0\x9F\xA6\x8A!", true},
    {"{\"content\":\"\xE2\x82\xAC \xF0\x9F\xA6\x8A\"}", "\xE2\x82\xAC \xF0\x9F\xA6\x8A", true},
    /* The first of two counts, as for whoever parses it; also when that is no string. */
    {"{\"content\":\"a\",\"content\":\"b\"}", "a", true},
    {"{\"content\":7,\"content\":\"b\"}", "", false},
    {"{\"content\":{\"content\":\"b\"}}", "", false},
    {"{\"a\":1}", "", false},
    {"{}", "", false},
    /* What is no character becomes one that says so. */
    {"{\"content\":\"\\ud83e!\"}", FFFD "!", true},
    {"{\"content\":\"\\ud83e\"}", FFFD, true},
    {"{\"content\":\"\\ud83e\\n\"}", FFFD "\n", true},
    {"{\"content\":\"\\ud83e\\ud83e\\udd8a\"}", FFFD "\xF0\x9F\xA6\x8A", true},
    {"{\"content\":\"\\udd8a\"}", FFFD, true},
    {"{\"content\":\"a\\u0000b\"}", "a" FFFD "b", true},
    {"{\"content\":\"a\xFF"
     "b\xE2\x82"
     "c\"}",
     "a" FFFD "b" FFFD FFFD "c", true},
    {"{\"content\":\"\xE2\x82\"}", FFFD FFFD, true},
    /* Garbage. */
    {"", "", false},
    {"[\"content\",\"no\"]", "", false},
    {"\"content\"", "", false},
    {"{\"content\" \"no\"}", "", false},
    {"{content:\"no\"}", "", false},
    {"}{\"content\":\"no\"}", "", false},
    {"{\"a\":1}{\"content\":\"no\"}", "", false},
    {"{\"content\":\"ab\\uzz no", "ab", false},
    {"{\"content\":\"cut", "cut", false},
};

static void run(const struct sample *t, size_t a, size_t b, bool bytes, struct buf *out) {
    struct arg_stream s;
    arg_stream_init(&s, "content");
    buf_reset(out);
    size_t n = strlen(t->json);
    if (bytes) {
        for (size_t i = 0; i < n; i++) {
            arg_stream_feed(&s, t->json + i, 1, out);
            assert_true(utf8_valid(buf_str(out), out->len)); /* at every moment */
        }
    } else {
        arg_stream_feed(&s, t->json, a, out);
        arg_stream_feed(&s, t->json + a, b - a, out);
        arg_stream_feed(&s, t->json + b, n - b, out);
    }
    assert_int_equal(s.done, t->done);
    arg_stream_free(&s);
}

static void test_samples(void **state) {
    (void)state;
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        size_t n = strlen(samples[i].json);
        for (size_t a = 0; a <= n; a++)
            for (size_t b = a; b <= n; b++) {
                run(&samples[i], a, b, false, &out);
                assert_string_equal(buf_str(&out), samples[i].want);
            }
        run(&samples[i], 0, 0, true, &out);
        assert_string_equal(buf_str(&out), samples[i].want);
    }
    buf_free(&out);
}

/* A key is not kept but for what is needed to tell that it is another. */
static void test_bounded(void **state) {
    (void)state;
    struct arg_stream s;
    struct buf out = BUF_INIT;
    arg_stream_init(&s, "content");
    arg_stream_feed(&s, "{\"", 2, &out);
    for (int i = 0; i < 100000; i++)
        arg_stream_feed(&s, "content", 7, &out);
    assert_in_range(s.token.len, 1, 16);
    arg_stream_feed(&s, "\":1,\"content\":\"x\"}", 18, &out);
    assert_string_equal(buf_str(&out), "x");
    arg_stream_free(&s);
    buf_free(&out);
}

static uint32_t seed;

static const char *pick(const char *const *from, size_t n) {
    seed = seed * 1664525u + 1013904223u;
    return from[(seed >> 16) % n];
}
#define PICK(array) pick(array, ARRAY_LEN(array))

/* Objects made at random of what steers it: the same value that a parser finds. */
static void test_against_parser(void **state) {
    (void)state;
    static const char *const keys[] = {"\"c\"", "\"cc\"", "\"\\u0063\"", "\"\"", "\"a\\\"c\""};
    static const char *const values[] = {"\"x\"",
                                         "\"\\ud83e\\udd8a\\\\\"",
                                         "\"\xE2\x82\xAC\\n\"",
                                         "\"\\\"c\\\":\"",
                                         "1",
                                         "null",
                                         "[]",
                                         "[\"c\",{\"c\":\"no\"}]",
                                         "{\"c\":\"no\",\"d\":[{}]}"};
    static const char *const spaces[] = {"", "", " ", "\n\t"};
    int found = 0;
    seed = 1;
    for (int i = 0; i < 5000; i++) {
        struct buf json = BUF_INIT, out = BUF_INIT;
        struct arg_stream s;
        arg_stream_init(&s, "c");
        for (int k = 0; k < i % 5; k++)
            buf_printf(&json, "%s%s%s%s:%s%s%s", k ? "," : "{", PICK(spaces), PICK(keys),
                       PICK(spaces), PICK(spaces), PICK(values), PICK(spaces));
        buf_puts(&json, json.len ? "}" : "{}");
        arg_stream_feed(&s, json.data, json.len, &out);
        cJSON *root;
        assert_int_equal(json_parse(json.data, json.len, &root, NULL), STATUS_OK);
        const char *want = json_str(root, "c", NULL);
        assert_int_equal(s.done, want != NULL);
        assert_string_equal(buf_str(&out), want ? want : "");
        found += want != NULL;
        cJSON_Delete(root);
        arg_stream_free(&s);
        buf_free(&json);
        buf_free(&out);
    }
    assert_in_range(found, 1000, 4000);
}

/* And rubbish made of the same: valid text at most. */
static void test_rubbish(void **state) {
    (void)state;
    static const char *const atoms[] = {"{",    "}",        "[",       "]",        "\"",      ":",
                                        ",",    "\\",       "\\u0041", "\\ud83d",  "\\ude00", "c",
                                        "\xE2", "\x82\xAC", "\"c\":",  "{\"c\":\""};
    seed = 2;
    for (int i = 0; i < 20000; i++) {
        struct buf out = BUF_INIT;
        struct arg_stream s;
        arg_stream_init(&s, "c");
        for (int k = 0; k < 12; k++) {
            const char *atom = PICK(atoms);
            arg_stream_feed(&s, atom, strlen(atom), &out);
            assert_true(utf8_valid(buf_str(&out), out.len));
        }
        arg_stream_free(&s);
        buf_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_against_parser),
        cmocka_unit_test(test_rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
