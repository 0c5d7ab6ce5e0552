/* The ring of a subscriber: nothing is lost within the bound, text is put together, and beyond it
 * is said how much went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ring.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

static void push(struct ring *r, const char *id, enum event_type type, int64_t ts,
                 const char *text) {
    const struct bus_field fields[] = {BUS_STR("process_id", id),
                                       BUS_STR(event_type_is_delta(type) ? "delta" : "text", text)};
    ring_push(r, &(struct bus_event){.type = type,
                                     .ts_ms = ts,
                                     .id = id,
                                     .channel = "inbox",
                                     .fields = fields,
                                     .n = ARRAY_LEN(fields)});
}

/* The next event as "type id text", or "" when there is none; lent until the next call. */
static const char *pop(struct ring *r) {
    static char said[256];
    struct buf b = BUF_INIT;
    bool line = false;
    cJSON *e = NULL;
    said[0] = '\0';
    if (ring_pop(r, &b, &line) && line) {
        snprintf(said, sizeof(said), "line %s", buf_str(&b));
    } else if (b.len) {
        assert_int_equal(json_parse(buf_str(&b), b.len, &e, NULL), STATUS_OK);
        assert_string_equal(json_str(e, "channel_id", ""), "inbox");
        snprintf(said, sizeof(said), "%s %s %.100s", json_str(e, "type", "?"),
                 json_str(e, "id", "?"), json_str(e, "delta", json_str(e, "text", "?")));
    }
    cJSON_Delete(e);
    buf_free(&b);
    return said;
}

static void deltas_are_put_together(void **state) {
    (void)state;
    struct ring *r = ring_new(100000);
    assert_true(ring_empty(r));
    for (int i = 0; i < 3; i++) {
        push(r, "worker:a", EVENT_TEXT_DELTA, 1, "x");
        push(r, "worker:b", EVENT_TEXT_DELTA, 2, "y");
    }
    push(r, "worker:a", EVENT_REASONING_DELTA, 3, "hm");
    push(r, "worker:a", EVENT_TEXT_DELTA, 4, "z");
    assert_string_equal(pop(r), "text_delta worker:a xxx");
    assert_string_equal(pop(r), "text_delta worker:b yyy");
    assert_string_equal(pop(r), "reasoning_delta worker:a hm");
    assert_string_equal(pop(r), "text_delta worker:a z");
    assert_string_equal(pop(r), "");
    assert_true(ring_empty(r));
    assert_int_equal(ring_bytes(r), 0);
    ring_free(&r);
    assert_null(r);
}

/* What a process said comes before what happened to it next, and after what happened before. */
static void order_is_kept(void **state) {
    (void)state;
    struct ring *r = ring_new(100000);
    struct buf line = BUF_INIT;
    buf_puts(&line, "reply");
    push(r, "worker:a", EVENT_TEXT_DELTA, 1, "before");
    push(r, "worker:a", EVENT_NOTICE, 2, "in between");
    push(r, "worker:a", EVENT_TEXT_DELTA, 3, "after");
    push(r, "worker:b", EVENT_NOTICE, 4, "another");
    ring_push_line(r, &line);
    push(r, "worker:a", EVENT_TEXT_DELTA, 5, "wards");
    assert_string_equal(pop(r), "text_delta worker:a before");
    assert_string_equal(pop(r), "notice worker:a in between");
    assert_string_equal(pop(r), "text_delta worker:a afterwards");
    assert_string_equal(pop(r), "notice worker:b another");
    assert_string_equal(pop(r), "line reply");
    assert_string_equal(pop(r), "");
    buf_free(&line);
    ring_free(&r);
}

static void one_text_has_a_bound(void **state) {
    (void)state;
    struct ring *r = ring_new(4 * RING_TEXT_MAX);
    char *piece = xmalloc(1001);
    memset(piece, 'x', 1000);
    piece[1000] = '\0';
    size_t pieces = 2 * RING_TEXT_MAX / 1000, bytes = 0;
    for (size_t i = 0; i < pieces; i++)
        push(r, "worker:a", EVENT_TEXT_DELTA, 1, piece);
    struct buf b = BUF_INIT;
    int events = 0;
    for (bool line = false; ring_pop(r, &b, &line); events++) {
        cJSON *e = NULL;
        assert_int_equal(json_parse(buf_str(&b), b.len, &e, NULL), STATUS_OK);
        size_t n = strlen(json_str(e, "delta", ""));
        assert_true(n <= RING_TEXT_MAX);
        bytes += n;
        cJSON_Delete(e);
        buf_reset(&b);
    }
    assert_int_equal(bytes, pieces * 1000);
    assert_in_range(events, 2, 3);
    buf_free(&b);
    free(piece);
    ring_free(&r);
}

static void beyond_the_bound_it_says_so(void **state) {
    (void)state;
    struct ring *r = ring_new(20000);
    struct ring_lag lag;
    struct buf line = BUF_INIT;
    buf_puts(&line, "reply");
    assert_false(ring_lag(r, &lag));
    ring_push_line(r, &line);
    push(r, "worker:a", EVENT_TEXT_DELTA, 10, "x");
    push(r, "worker:a", EVENT_TEXT_DELTA, 11, "x");
    int n = 2;
    for (; ring_bytes(r) > 500 || n < 10; n++)
        push(r, "worker:b", EVENT_NOTICE, 10 + n, "what happens");
    assert_true(n > 10);
    push(r, "worker:a", EVENT_TEXT_DELTA, 900, "new");
    assert_false(ring_empty(r));
    assert_true(ring_lag(r, &lag));
    assert_int_equal(lag.missed, n);
    assert_int_equal(lag.since_ms, 10);
    assert_int_equal(lag.until_ms, 9 + n);
    assert_false(ring_lag(r, &lag));
    /* A line never goes; what came later is there. */
    assert_string_equal(pop(r), "line reply");
    assert_string_equal(pop(r), "text_delta worker:a new");
    assert_string_equal(pop(r), "");
    buf_free(&line);
    ring_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_are_put_together),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(one_text_has_a_bound),
        cmocka_unit_test(beyond_the_bound_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
