/* proto: lines out of bytes, requests out of lines, and what is refused. */
#include "ctl/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

static void feed(struct proto_reader *r, const char *s, size_t n) {
    memcpy(proto_reader_room(r, n), s, n);
    proto_reader_added(r, n);
}

static void expect_line(struct proto_reader *r, const char *want) {
    const char *line = NULL;
    size_t n = 0;
    assert_int_equal(proto_reader_line(r, &line, &n), STATUS_OK);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(line, want, n);
}

static void expect_none(struct proto_reader *r) {
    const char *line = NULL;
    size_t n = 0;
    assert_int_equal(proto_reader_line(r, &line, &n), STATUS_NOT_FOUND);
}

/* However the bytes are cut, the lines are the same. */
static void test_lines_by_pieces(void **state) {
    (void)state;
    static const char all[] = "one\n\ntwo and more\nthree\nrest";
    for (size_t piece = 1; piece < sizeof(all); piece++) {
        struct proto_reader r = {0};
        struct buf got = BUF_INIT;
        for (size_t at = 0; at < sizeof(all) - 1; at += piece) {
            size_t left = sizeof(all) - 1 - at;
            const char *line;
            size_t n;
            feed(&r, all + at, piece < left ? piece : left);
            while (proto_reader_line(&r, &line, &n) == STATUS_OK) {
                buf_append(&got, line, n);
                buf_putc(&got, '|');
            }
        }
        assert_string_equal(buf_str(&got), "one||two and more|three|");
        feed(&r, "\n", 1);
        expect_line(&r, "rest");
        expect_none(&r);
        buf_free(&got);
        proto_reader_free(&r);
    }
}

static void test_line_is_bounded(void **state) {
    (void)state;
    struct proto_reader r = {0};
    char *big = xmalloc(PROTO_LINE_MAX + 1);
    memset(big, 'x', PROTO_LINE_MAX + 1);
    feed(&r, big, PROTO_LINE_MAX);
    expect_none(&r);
    feed(&r, "\nnext\n", 6);
    const char *line = NULL;
    size_t n = 0;
    assert_int_equal(proto_reader_line(&r, &line, &n), STATUS_OK);
    assert_int_equal(n, PROTO_LINE_MAX);
    expect_line(&r, "next");
    feed(&r, big, PROTO_LINE_MAX + 1);
    assert_int_equal(proto_reader_line(&r, &line, &n), STATUS_LIMIT);
    assert_int_equal(proto_reader_line(&r, &line, &n), STATUS_LIMIT);
    proto_reader_free(&r);
    free(big);
}

static void refused(const char *text, int64_t id) {
    struct proto_request r;
    struct cause why = {""};
    assert_int_equal(proto_request_parse(text, strlen(text), &r, &why), STATUS_PROTOCOL);
    assert_int_equal(r.id, id);
    assert_null(r.args);
    assert_true(why.text[0]);
    proto_request_free(&r);
}

static void test_requests(void **state) {
    (void)state;
    static const char good[] = "{\"id\":7,\"cmd\":\"say\",\"channel\":\"inbox\"}";
    struct proto_request r;
    struct cause why;
    assert_int_equal(proto_request_parse(good, sizeof(good) - 1, &r, &why), STATUS_OK);
    assert_int_equal(r.id, 7);
    assert_string_equal(r.cmd, "say");
    assert_string_equal(json_str(r.args, "channel", ""), "inbox");
    proto_request_free(&r);
    refused("", 0);
    refused("[]", 0);
    refused("7", 0);
    refused("{\"id\":1}", 1);
    refused("{\"id\":1,\"cmd\":7}", 1);
    refused("{\"cmd\":\"ps\"}", 0);
    refused("{\"id\":0,\"cmd\":\"ps\"}", 0);
    refused("{\"id\":-1,\"cmd\":\"ps\"}", 0);
    refused("{\"id\":1.5,\"cmd\":\"ps\"}", 0);
    refused("{\"id\":1e300,\"cmd\":\"ps\"}", 0);
    refused("{\"id\":\"1\",\"cmd\":\"ps\"}", 0);
    refused("{\"id\":1,\"cmd\":\"ps\"} x", 0);
    refused("{\"id\":1,\"cmd\":\"p\xff\"}", 0);
}

static void test_writing(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    cJSON *args = json_new_obj();
    json_add_i64(args, "id", 99); /* not theirs to choose */
    json_add_str(args, "text", "a\n\"b\"");
    proto_put_request(&b, 3, "say", args);
    assert_string_equal(buf_str(&b), "{\"id\":3,\"cmd\":\"say\",\"text\":\"a\\n\\\"b\\\"\"}\n");
    buf_reset(&b);
    proto_put_reply(&b, 3, STATUS_OK, args, NULL);
    assert_string_equal(buf_str(&b),
                        "{\"id\":3,\"ok\":true,\"body\":{\"id\":99,\"text\":\"a\\n\\\"b\\\"\"}}\n");
    buf_reset(&b);
    proto_put_reply(&b, 3, STATUS_DENIED, NULL, "no");
    assert_string_equal(buf_str(&b),
                        "{\"id\":3,\"ok\":false,\"status\":\"denied\",\"error\":\"no\"}\n");
    buf_reset(&b);
    proto_put_screen(&b, "released", "quit", NULL);
    proto_put_screen(&b, "suspend", NULL, NULL);
    proto_put_ended(&b, "why");
    proto_put_event(&b, "{}", 2);
    assert_string_equal(buf_str(&b), "{\"screen\":\"released\",\"why\":\"quit\",\"text\":null}\n"
                                     "{\"screen\":\"suspend\"}\n{\"ended\":\"why\"}\n"
                                     "{\"event\":{}}\n");
    cJSON_Delete(args);
    buf_free(&b);
}

static void test_words_and_states(void **state) {
    (void)state;
    enum proto_word w;
    enum status st;
    assert_int_equal(proto_word_from_string("attach", &w), STATUS_OK);
    assert_int_equal(w, PROTO_ATTACH);
    assert_int_equal(proto_word_from_string("ps", &w), STATUS_NOT_FOUND);
    assert_true(proto_status_from_string("provider", &st));
    assert_int_equal(st, STATUS_PROVIDER);
    assert_false(proto_status_from_string("fine", &st));
}

static void test_tokens(void **state) {
    (void)state;
    char a[PROTO_TOKEN_LEN + 1], b[PROTO_TOKEN_LEN + 1];
    memset(a, 'a', PROTO_TOKEN_LEN);
    a[PROTO_TOKEN_LEN] = '\0';
    memcpy(b, a, sizeof(a));
    assert_true(proto_token_equal(a, b));
    for (size_t i = 0; i < PROTO_TOKEN_LEN; i++) {
        b[i] = 'b';
        assert_false(proto_token_equal(a, b));
        b[i] = 'a';
    }
    assert_false(proto_token_equal(a, ""));
    assert_false(proto_token_equal("", ""));
    b[PROTO_TOKEN_LEN - 1] = '\0';
    assert_false(proto_token_equal(a, b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_by_pieces),  cmocka_unit_test(test_line_is_bounded),
        cmocka_unit_test(test_requests),         cmocka_unit_test(test_writing),
        cmocka_unit_test(test_words_and_states), cmocka_unit_test(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
