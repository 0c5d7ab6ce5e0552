/* sse: what comes out of recorded and of hostile streams, and that it does not depend on where the
 * pieces were cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "llm/sse.h"

/* One line an event: type|data|id, control characters written out. */
static bool note(void *arg, const struct sse_event *e) {
    struct buf *out = arg;
    assert_int_equal(e->data[e->n], '\0');
    buf_printf(out, "%s|", e->type);
    for (size_t i = 0; i < e->n; i++) {
        if (e->data[i] == '\n')
            buf_puts(out, "\\n");
        else if (e->data[i] == '\0')
            buf_puts(out, "\\0");
        else
            buf_putc(out, e->data[i]);
    }
    buf_printf(out, "|%s\n", e->id);
    return true;
}

static void feed(struct sse *s, const char *bytes, size_t n, struct buf *out) {
    struct cause why = {""};
    /* A copy of exactly that size: reading past the piece is then seen. */
    char *piece = xmalloc(n);
    memcpy(piece, bytes, n);
    enum status st = sse_feed(s, piece, n, note, out, &why);
    x_free(&piece);
    if (st != STATUS_OK)
        buf_printf(out, "!%s\n", status_name(st));
}

struct stream {
    const char *bytes;
    size_t n;
    const char *want;
};
#define S(text, want)                                                                              \
    { text, sizeof(text) - 1, want }

static const struct stream streams[] = {
    /* A recorded answer. */
    S("event: message_start\n"
      "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"}}\n"
      "\n"
      ": keep-alive\n"
      "\n"
      "event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n"
      "event: content_block_delta\n"
      "data: {\"delta\":{\"text\":\"\xE2\x82\xAC \xF0\x9F\xA6\x8A\"}}\n\n",
      "message_start|{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"}}|\n"
      "ping|{\"type\": \"ping\"}|\n"
      "content_block_delta|{\"delta\":{\"text\":\"\xE2\x82\xAC \xF0\x9F\xA6\x8A\"}}|\n"),
    S("", ""),
    S("\n\n\n", ""),
    S("data: a\n\n", "message|a|\n"),
    S("data: a\r\r", "message|a|\n"),
    S("data: a\r\n\r\n", "message|a|\n"),
    /* CR LF is one end; LF CR are two; and mixtures. */
    S("data: a\n\r\ndata: b\r\n\ndata: c\n\r", "message|a|\nmessage|b|\nmessage|c|\n"),
    S("data: a\r\n\rdata: b\r\r\n\n", "message|a|\nmessage|b|\n"),
    S("data: a\r\ndata: b\rdata: c\n\r\n", "message|a\\nb\\nc|\n"),
    /* A BOM once, at the beginning only; what merely begins like one is part of the line. */
    S("\xEF\xBB\xBF"
      "data: a\n\n",
      "message|a|\n"),
    S("\xEF\xBB\xBF\xEF\xBB\xBF"
      "data: a\n\ndata: b\n\n",
      "message|b|\n"),
    S("\xEF\xBB"
      "data: a\n\ndata: b\n\n",
      "message|b|\n"),
    S("\xEF\n\ndata: b\n\n", "message|b|\n"),
    S("data: a\n\n\xEF\xBB\xBF"
      "data: b\n\n",
      "message|a|\n"),
    /* Comments and unknown fields. */
    S(":\n: a\n:data: x\n\ndata: a\n:in between\nfoo: bar\ndata:b\n\n", "message|a\\nb|\n"),
    /* One leading space is taken, not two, not a tab; a field without a colon has no value. */
    S("data:  a\n\n", "message| a|\n"),
    S("data:\ta\n\n", "message|\ta|\n"),
    S("data\n\n", "message||\n"),
    S("data\ndata\n\n", "message|\\n|\n"),
    S("data:\n\n", "message||\n"),
    S("data: \n\n", "message||\n"),
    S("data: a: b\n\n", "message|a: b|\n"),
    S("Data: a\n\ndata : b\n\n data: c\n\ndata: d\n\n", "message|d|\n"),
    /* The type lasts for one event, also one without data; an empty one is the default. */
    S("event: x\n\ndata: a\n\nevent: y\nevent: z\ndata: b\n\nevent\ndata: c\n\n",
      "message|a|\nz|b|\nmessage|c|\n"),
    /* The id stays until it changes; one with NUL does not count. */
    S("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid: 3\0\ndata: d\n\nid\ndata: e\n\n",
      "message|a|1\nmessage|b|1\nmessage|c|2\nmessage|d|2\nmessage|e|\n"),
    S("data: a\0b\n\n", "message|a\\0b|\n"),
    /* What the end cuts off does not come. */
    S("data: a\n\ndata: b\n", "message|a|\n"),
    S("data: a\n\ndata: b", "message|a|\n"),
    S("data: a", ""),
    S("data: a\n", ""),
};

static void run(const struct stream *t, const size_t *cuts, size_t ncuts, struct buf *out) {
    struct sse s;
    sse_init(&s, 0);
    size_t at = 0;
    buf_reset(out);
    for (size_t i = 0; i <= ncuts; i++) {
        size_t end = i < ncuts ? cuts[i] : t->n;
        feed(&s, t->bytes + at, end - at, out);
        at = end;
    }
    sse_free(&s);
}

static void test_streams(void **state) {
    (void)state;
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        run(&streams[i], NULL, 0, &out);
        assert_string_equal(buf_str(&out), streams[i].want);
    }
    buf_free(&out);
}

static void test_every_split(void **state) {
    (void)state;
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        const struct stream *t = &streams[i];
        size_t bytes[512];
        assert_true(t->n < ARRAY_LEN(bytes));
        for (size_t a = 0; a < t->n; a++) {
            bytes[a] = a;
            for (size_t b = a; b <= t->n; b++) {
                run(t, (size_t[]){a, b}, 2, &out);
                assert_string_equal(buf_str(&out), t->want);
            }
        }
        run(t, bytes, t->n, &out);
        assert_string_equal(buf_str(&out), t->want);
    }
    buf_free(&out);
}

static void test_retry(void **state) {
    (void)state;
    struct buf out = BUF_INIT;
    struct sse s;
    sse_init(&s, 0);
    assert_int_equal(s.retry_ms, -1);
    feed(&s, "retry\nretry: 1x\nretry: -1\nretry: \n", 34, &out);
    assert_int_equal(s.retry_ms, -1);
    feed(&s, "retry: 2500\n", 12, &out);
    assert_int_equal(s.retry_ms, 2500);
    feed(&s, "retry: 99999999999999999999999999\n", 34, &out);
    assert_int_equal(s.retry_ms, 86400000);
    assert_int_equal(out.len, 0);
    sse_free(&s);
    buf_free(&out);
}

/* A bound holds for lines of every kind and for data of many lines, whole or in pieces. */
static void test_bounds(void **state) {
    (void)state;
    static const struct stream cases[] = {
        S("data: 1234567890\n\n", "message|1234567890|\n"),   /* 16 bytes: the bound itself */
        S("data: 1234567890a\n\n", "!limit\n"),               /* a line of 17 */
        S(": 34567890123456\n\ndata: a\n\n", "message|a|\n"), /* a comment of 16 */
        S("data: a\n\n: 345678901234567\n", "message|a|\n!limit\n"), /* and of 17 */
        S("data: a\n\n: 345678901234567", "message|a|\n!limit\n"),   /* whose end does not come */
        S("data:1234567\ndata:12345678\n\n", "message|1234567\\n12345678|\n"), /* 16 with \n */
        S("data:1234567\ndata:123456789\n\n", "!limit\n"),
    };
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t cut = 0; cut <= cases[i].n; cut++) {
            struct sse s;
            sse_init(&s, 16);
            buf_reset(&out);
            struct cause why;
            enum status st = sse_feed(&s, cases[i].bytes, cut, note, &out, &why);
            if (st == STATUS_OK)
                st = sse_feed(&s, cases[i].bytes + cut, cases[i].n - cut, note, &out, &why);
            if (st != STATUS_OK)
                buf_printf(&out, "!%s\n", status_name(st));
            assert_string_equal(buf_str(&out), cases[i].want);
            if (st != STATUS_OK) {
                assert_string_equal(why.text, "an event is larger than 16 bytes");
                assert_int_equal(sse_feed(&s, "\n", 1, note, &out, &why), STATUS_LIMIT);
            }
            sse_free(&s);
        }
    }
    buf_free(&out);
}

static bool refuse(void *arg, const struct sse_event *e) {
    (void)e;
    ++*(int *)arg;
    return false;
}

static void test_stop(void **state) {
    (void)state;
    struct sse s;
    int calls = 0;
    sse_init(&s, 0);
    assert_int_equal(sse_feed(&s, "data: a\n\ndata: b\n\n", 18, refuse, &calls, NULL),
                     STATUS_CANCELLED);
    assert_int_equal(calls, 1);
    sse_free(&s);
}

static bool count(void *arg, const struct sse_event *e) {
    (void)e;
    ++*(int *)arg;
    return true;
}

/* The buffers of the first events are those of the last. */
static void test_no_allocation(void **state) {
    (void)state;
    static const char text[] = "event: delta\ndata: 0123456789\ndata: 01234\n\n";
    struct sse s;
    int calls = 0;
    sse_init(&s, 0);
    const char *data = NULL, *type = NULL, *line = NULL;
    for (int i = 0; i < 1000; i++) {
        for (size_t at = 0; at < sizeof(text) - 1; at += 10) {
            size_t n = sizeof(text) - 1 - at < 10 ? sizeof(text) - 1 - at : 10;
            assert_int_equal(sse_feed(&s, text + at, n, count, &calls, NULL), STATUS_OK);
        }
        if (i == 0) {
            data = s.data.data;
            type = s.type.data;
            line = s.line.data;
        }
        assert_ptr_equal(s.data.data, data);
        assert_ptr_equal(s.type.data, type);
        assert_ptr_equal(s.line.data, line);
    }
    assert_int_equal(calls, 1000);
    sse_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams), cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_retry),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_stop),    cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
