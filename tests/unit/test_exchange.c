/* What is kept of requests and answers: put together again byte for byte, small where it grows,
 * without secrets, and the oldest gone when there is too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/exchange.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/queries.gen.h"
#include "tests/lib/agent_home.h"

static struct process *channel(struct agent_home *h, const char *name) {
    struct process *p;
    struct cause why;
    assert_int_equal(channel_open(h->agent, name, NULL, NULL, &p, &why), STATUS_OK);
    return p;
}

static int64_t sent(struct agent_home *h, const struct process *p, const char *body) {
    const struct llm_tap *tap = exchanges_tap(agent_exchanges(h->agent));
    struct strv headers = {0};
    strv_push(&headers, "accept: text/event-stream");
    strv_push(&headers, "x-api-key: [key]");
    int64_t n =
        tap->sent(tap->arg, p, "a/model", "http://127.0.0.1/v1/messages", &headers, strlen(body));
    tap->spent(tap->arg, n, xstrdup(body), strlen(body));
    strv_free(&headers);
    agent_turns(h, 6);
    return n;
}

static void ended(struct agent_home *h, int64_t n, const char *text) {
    const struct llm_tap *tap = exchanges_tap(agent_exchanges(h->agent));
    struct llm_response r = {.stop = LLM_STOP_END_TURN, .model = "model"};
    llm_message_add_text(&r.message, text);
    r.message.role = LLM_ROLE_ASSISTANT;
    tap->ended(tap->arg, n, 200, &r, NULL, "");
    llm_message_free(&r.message);
    agent_turns(h, 6);
}

static char *request(struct agent_home *h, int64_t n) {
    struct exchange x;
    struct cause why = {""};
    if (exchange_load(store_read(h->store), n, &x, &why) != STATUS_OK)
        fail_msg("%lld: %s", (long long)n, why.text);
    char *text = x.request;
    x.request = NULL;
    exchange_free(&x);
    assert_non_null(text);
    return text;
}

/* A conversation of so many messages, as a provider is sent it. */
static char *conversation(int messages, const char *last) {
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"model\":\"m\",\"messages\":[");
    for (int i = 0; i < messages; i++)
        buf_printf(&b, "{\"role\":\"user\",\"content\":\"%0200d\"},", i);
    buf_printf(&b, "{\"role\":\"user\",\"content\":\"%s\"}]}", last);
    return buf_steal(&b);
}

static bool on_link(void *arg, const struct q_exchange_chain_row *row) {
    *(size_t *)arg = row->rest_len;
    return true;
}

/* Bytes that the last link of a segment has of its own. */
static size_t own(struct agent_home *h, int64_t segment, int64_t n) {
    size_t bytes = 0;
    struct cause why;
    assert_int_equal(q_exchange_chain(store_read(h->store), segment, n, on_link, &bytes, &why),
                     STATUS_OK);
    return bytes;
}

static void a_growing_conversation_is_kept_by_what_it_grows(void **state) {
    struct agent_home *h = *state;
    struct process *p = channel(h, "c1"), *other = channel(h, "c2");
    char *bodies[80];
    int64_t n[80];
    for (int i = 0; i < 80; i++) {
        bodies[i] = conversation(40 + i, "été");
        n[i] = sent(h, p, bodies[i]);
        ended(h, n[i], "yes");
        if (i % 7 == 0) { /* another's between */
            char *body = conversation(3, "other");
            sent(h, other, body);
            x_free(&body);
        }
    }
    assert_true(own(h, n[0], n[0]) == strlen(bodies[0]));
    assert_in_range(own(h, n[0], n[9]), 1, 2000);
    /* Whole again at some point, so that reading one does not read all there ever were. */
    assert_true(own(h, n[EXCHANGE_LINKS_MAX], n[EXCHANGE_LINKS_MAX]) ==
                strlen(bodies[EXCHANGE_LINKS_MAX]));
    for (int i = 0; i < 80; i++) {
        char *text = request(h, n[i]);
        assert_string_equal(text, bodies[i]);
        x_free(&text);
        x_free(&bodies[i]);
    }
}

static void secrets_are_not_kept(void **state) {
    struct agent_home *h = *state;
    struct process *p = channel(h, "c1");
    char *body = conversation(20, "it is " AGENT_SECRET " now");
    int64_t n = sent(h, p, body);
    ended(h, n, "I see " AGENT_SECRET);
    char *text = request(h, n);
    expect_in(text, "it is [REDACTED:provider] now");
    x_free(&text);
    x_free(&body);
    /* What comes after goes on from what was kept. */
    body = conversation(21, "and again");
    n = sent(h, p, body);
    text = request(h, n);
    assert_string_equal(text, body);
    x_free(&text);
    x_free(&body);
    agent_expect_not_stored(h, AGENT_SECRET);
}

static void an_end_says_what_came(void **state) {
    struct agent_home *h = *state;
    struct process *p = channel(h, "c1");
    const struct llm_tap *tap = exchanges_tap(agent_exchanges(h->agent));
    const struct llm_error e = {.text = "anthropic: overloaded (529)"};
    struct exchange x;
    struct cause why;
    int64_t n = sent(h, p, "{}");
    assert_int_equal(exchange_load(store_read(h->store), n, &x, &why), STATUS_OK);
    assert_int_equal(x.ended_ms, 0);
    assert_null(x.response);
    exchange_free(&x);
    tap->ended(tap->arg, n, 529, NULL, &e, "<html>busy</html>");
    agent_turns(h, 6);
    assert_int_equal(exchange_load(store_read(h->store), n, &x, &why), STATUS_OK);
    assert_int_equal(x.status, 529);
    assert_string_equal(x.fault, e.text);
    assert_string_equal(x.response, "<html>busy</html>");
    assert_string_equal(x.process_id, "channel:c1");
    assert_string_equal(x.headers, "accept: text/event-stream\nx-api-key: [key]");
    cJSON *o = exchange_json(&x);
    char *json = cJSON_PrintUnformatted(o);
    expect_in(json, "\"request\":{}");
    expect_in(json, "\"response\":\"<html>busy</html>\"");
    free(json);
    cJSON_Delete(o);
    exchange_free(&x);
}

static void the_oldest_goes_first(void **state) {
    struct agent_home *h = *state;
    h->config->limits.keep_requests_mb = 1;
    agent_home_restart(h, true);
    struct process *p = channel(h, "c1"), *q = channel(h, "c2");
    char *big = conversation(2000, "big");
    int64_t first = sent(h, p, big), second = sent(h, q, big), third = sent(h, p, big);
    /* The third is the first one's link; the next whole one is too much for all. */
    struct process *r = channel(h, "c3");
    int64_t fourth = sent(h, r, big);
    struct exchange x;
    struct cause why;
    agent_turns(h, 6);
    assert_int_equal(exchange_load(store_read(h->store), first, &x, &why), STATUS_NOT_FOUND);
    exchange_free(&x);
    assert_int_equal(exchange_load(store_read(h->store), third, &x, &why), STATUS_NOT_FOUND);
    exchange_free(&x);
    char *text = request(h, second);
    assert_string_equal(text, big);
    x_free(&text);
    /* Whose chain is gone begins anew; the numbers go on where another engine begins. */
    int64_t fifth = sent(h, p, big);
    assert_true(own(h, fifth, fifth) == strlen(big));
    agent_home_restart(h, true);
    assert_true(sent(h, channel(h, "c1"), "{}") > fifth);
    text = request(h, fifth);
    assert_string_equal(text, big);
    x_free(&text);
    assert_true(fourth > third);
    x_free(&big);
}

static void none_is_kept_where_none_is_wanted(void **state) {
    struct agent_home *h = *state;
    h->config->limits.keep_requests_mb = 0;
    agent_home_restart(h, true);
    assert_null(exchanges_tap(agent_exchanges(h->agent)));
}

static void what_was_under_way_is_kept_at_the_end(void **state) {
    struct agent_home *h = *state;
    const struct llm_tap *tap = exchanges_tap(agent_exchanges(h->agent));
    const struct strv none = {0};
    int64_t n = tap->sent(tap->arg, channel(h, "c1"), "a/m", "http://x/", &none, 7);
    tap->spent(tap->arg, n, xstrdup("{\"a\":1}"), 7);
    agent_home_restart(h, true);
    char *text = request(h, n);
    assert_string_equal(text, "{\"a\":1}");
    x_free(&text);
}

/* An answer may come to its end before all of the request was read. */
static void bytes_may_come_after_the_end(void **state) {
    struct agent_home *h = *state;
    const struct llm_tap *tap = exchanges_tap(agent_exchanges(h->agent));
    const struct strv none = {0};
    struct exchange x;
    struct cause why;
    int64_t n = tap->sent(tap->arg, channel(h, "c1"), "a/m", "http://x/", &none, 7);
    ended(h, n, "yes");
    assert_int_equal(exchange_load(store_read(h->store), n, &x, &why), STATUS_NOT_FOUND);
    tap->spent(tap->arg, n, xstrdup("{\"a\":1}"), 7);
    agent_turns(h, 6);
    assert_int_equal(exchange_load(store_read(h->store), n, &x, &why), STATUS_OK);
    assert_string_equal(x.request, "{\"a\":1}");
    expect_in(x.response, "yes");
    exchange_free(&x);
    /* Or never while the agent lives: then with the end of the client. */
    int64_t late = tap->sent(tap->arg, channel(h, "c1"), "a/m", "http://x/", &none, 2);
    ended(h, late, "yes");
    const struct llm_tap kept = *tap;
    agent_home_restart(h, true);
    kept.spent(kept.arg, late, xstrdup("{}"), 2);
}

static void json_is_laid_out(void **state) {
    (void)state;
    char *text =
        exchange_pretty("{\"a\": [1,2.50,{}],\"b\\\"\":\"x,:{}\",\"c\":\"0123456789\"}", 2, 8);
    assert_string_equal(text,
                        "{\n  \"a\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"b\\\"\": \"x,:{}\",\n"
                        "  \"c\": \"0123456\" … 10 bytes\n}");
    x_free(&text);
    text = exchange_pretty("no JSON", 2, 6);
    assert_string_equal(text, "no JSON");
    x_free(&text);
    /* Cut anywhere it stays text. */
    const char *json = "{\"k\":[\"\\\"\\\\é\",{\"x\":null}]}";
    for (size_t n = 0; n <= strlen(json); n++) {
        char *cut = xstrndup(json, n);
        text = exchange_pretty(cut, 2, 3);
        assert_non_null(text);
        x_free(&text);
        x_free(&cut);
    }
}

int main(void) {
    clock_set_virtual(INT64_C(1796000000000));
    id_seed(1);
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, agent_home_setup, agent_home_teardown)
        T(a_growing_conversation_is_kept_by_what_it_grows),
        T(secrets_are_not_kept),
        T(an_end_says_what_came),
        T(the_oldest_goes_first),
        T(none_is_kept_where_none_is_wanted),
        T(what_was_under_way_is_kept_at_the_end),
        T(bytes_may_come_after_the_end),
        cmocka_unit_test(json_is_laid_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
