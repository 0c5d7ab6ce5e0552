/* client: whole calls over real sockets, in both wire formats, and cancelling them. Ways in which
 * one can fail: test_client_faults.c. */
#include "tests/unit/client_wire.h"

/* ---- answers ---- */

static void test_answer(void **state) {
    (void)state;
    struct record r = {0};
    will_answer(SSE_HEAD HELLO);
    start(&r);
    assert_int_equal(llm_calls_open(llm), 1);
    wait_end(&r);
    assert_hello(&r);
    assert_int_equal(llm_calls_open(llm), 0);
    assert_int_equal(r.pieces, 2);
    assert_true(r.alive > 0);
    assert_int_equal(r.response.stop, LLM_STOP_END_TURN);
    assert_string_equal(r.response.model, "claude-haiku-4-5-20251001");
    assert_int_equal(r.response.usage.input_tokens, 100);
    assert_int_equal(r.response.usage.output_tokens, 20);
    assert_true(r.response.usage.cost_usd > 0.000199 && r.response.usage.cost_usd < 0.000201);
    assert_false(r.response.usage.cost_is_estimate);
    const char *q = buf_str(&server.request);
    assert_true(str_prefix(q, "POST /v1/messages HTTP/1.1\r\n"));
    assert_non_null(strstr(q, "\r\nx-api-key: " KEY "\r\n"));
    assert_non_null(strstr(q, "\r\nanthropic-version: 2023-06-01\r\n"));
    assert_non_null(strstr(q, "\r\ncontent-type: application/json\r\n"));
    assert_non_null(strstr(q, "\r\nUser-Agent: spacebot/test\r\n"));
    assert_null(strcasestr(q, "\r\nexpect:"));
    assert_non_null(strstr(q, "\r\n\r\n{\"model\":\"claude-haiku-4-5\",\"max_tokens\":16000,"));
    assert_non_null(strstr(q, "\"text\":\"hello\""));
    record_free(&r);
}

/* Chunks that end inside characters, and one connection for both calls. */
static void test_chunks(void **state) {
    (void)state;
    struct record a = {0}, b = {0};
    char *small = chunked(HELLO, 3), *large = chunked(HELLO, 4000);
    a.then = &b; /* the next call from the end of the one before */
    will_answer_and_stay(small);
    will_answer_and_stay(large);
    start(&a);
    wait_end(&a);
    wait_end(&b);
    assert_hello(&a);
    assert_hello(&b);
    record_free(&a);
    record_free(&b);
    struct record c = {0};
    will_answer_and_stay(small);
    start(&c);
    wait_end(&c);
    assert_hello(&c);
    record_free(&c);
    /* b may have begun before a's connection was free again; c did not. */
    assert_in_range(server.nconns, 1, 2);
    free(small);
    free(large);
}

/* The answer is there before its body ends; the connection is kept for the next call all the same.
 */
static void test_settled(void **state) {
    (void)state;
    char *text = chunked(HELLO, 4000);
    for (size_t i = 0; i < 6; i++) {
        struct record r = {0};
        struct answer a = answer_of(text);
        a.gate = a.n - 5; /* the last chunk */
        a.stay = true;
        add_answer(a);
        start(&r);
        wait_end(&r);
        assert_hello(&r);
        record_free(&r);
        open_gates(i + 1);
        loop_turn(l, -1);
    }
    /* Nearly always one; but a turn may have been about something else than that last chunk. */
    assert_in_range(server.nconns, 1, 4);
    free(text);
}

static void test_tools(void **state) {
    (void)state;
    struct record r = {0};
    will_answer(SSE_HEAD START
                "event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":"
                "\"thinking\",\"thinking\":\"hm\"}}\n\n"
                "event: content_block_start\ndata: {\"index\":1,\"content_block\":{\"type\":"
                "\"tool_use\",\"id\":\"t1\",\"name\":\"shell\",\"input\":{}}}\n\n"
                "event: content_block_delta\ndata: {\"index\":1,\"delta\":{\"type\":"
                "\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n"
                "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"tool_use\"}}\n\n" STOP);
    start(&r);
    wait_end(&r);
    assert_int_equal(r.done, 1);
    assert_string_equal(buf_str(&r.text), "hm[1 t1 shell]{}");
    assert_int_equal(r.response.stop, LLM_STOP_TOOL_USE);
    assert_true(r.response.usage.cost_is_estimate); /* the last word on its usage never came */
    record_free(&r);
}

/* Two megabytes at once: more than one turn's share, and past the point where the stream is paused.
 */
static void test_backlog(void **state) {
    (void)state;
    struct record r = {0};
    struct buf b = BUF_INIT;
    buf_puts(&b, SSE_HEAD START BLOCK);
    while (b.len < 2000000)
        buf_puts(&b, DELTA("0123456789"));
    buf_puts(&b, STOPPED STOP);
    will_answer(b.data);
    start(&r);
    wait_end(&r);
    assert_int_equal(r.done, 1);
    assert_int_equal(r.text.len, (size_t)r.pieces * 10);
    assert_in_range(r.text.len, 100000, 2000000);
    assert_true(strlen(r.response.message.blocks[0].text) == r.text.len);
    record_free(&r);
    buf_free(&b);
}

static void test_many(void **state) {
    (void)state;
    struct record r[12] = {0};
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        will_answer_until(SSE_HEAD HELLO,
                          sizeof(SSE_HEAD START BLOCK DELTA("Good \xE2\x82\xAC")) - 1);
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        start(&r[i]);
    assert_int_equal(llm_calls_open(llm), ARRAY_LEN(r));
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        while (!r[i].pieces) /* each has its beginning while none has its end */
            loop_turn(l, -1);
    open_gates(WHOLE);
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        wait_end(&r[i]);
        assert_hello(&r[i]);
        record_free(&r[i]);
    }
    assert_int_equal(llm_calls_open(llm), 0);
}

/* ---- the other wire format ---- */

#define CHUNK(delta, finish)                                                                       \
    "data: {\"model\":\"gpt-5-2025-08-07\",\"choices\":[{\"index\":0,\"delta\":" delta             \
    ",\"finish_reason\":" finish "}]}\n\n"
#define CHAT                                                                                       \
    CHUNK("{\"content\":\"Good \xE2\x82\xAC\"}", "null")                                           \
    CHUNK("{\"content\":\" day\"}", "null") CHUNK("{}", "\"stop\"")

static void test_completions(void **state) {
    (void)state;
    struct record r = {0};
    will_answer(SSE_HEAD CHAT "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,"
                              "\"completion_tokens\":100}}\n\ndata: [DONE]\n\n");
    start_model(&r, "openai/gpt-5");
    wait_end(&r);
    assert_hello(&r);
    assert_int_equal(r.response.usage.input_tokens, 1000);
    assert_int_equal(r.response.usage.output_tokens, 100);
    assert_true(r.response.usage.cost_usd > 0.00224 && r.response.usage.cost_usd < 0.00226);
    assert_string_equal(r.response.model, "gpt-5-2025-08-07");
    const char *q = buf_str(&server.request);
    assert_true(str_prefix(q, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(q, "\r\nauthorization: Bearer " KEY "\r\n"));
    assert_null(strstr(q, "anthropic-version"));
    record_free(&r);
}

/* Neither [DONE] nor usage, the connection just ends: whole all the same, the tokens a guess. */
static void test_completions_without_end(void **state) {
    (void)state;
    struct record r = {0};
    will_answer(SSE_HEAD CHAT);
    start_model(&r, "bare/m");
    wait_end(&r);
    assert_hello(&r);
    assert_true(r.response.usage.input_tokens > 0);
    assert_int_equal(r.response.usage.output_tokens, 3);
    assert_true(r.response.usage.cost_is_estimate);
    assert_null(strstr(buf_str(&server.request), "authorization"));
    record_free(&r);
}

static void test_completions_fail(void **state) {
    (void)state;
    static const struct {
        const char *answer, *text;
        enum llm_fault fault;
    } cases[] = {
        {SSE_HEAD CHUNK("{\"content\":\"Go\"}", "null"),
         "openai: the stream was cut after 106 bytes", LLM_FAULT_CUT},
        {SSE_HEAD "data: {\"error\":{\"code\":429,\"message\":\"slow down\"}}\n\n",
         "openai: too many requests (429): slow down", LLM_FAULT_RATE_LIMITED},
        {SSE_HEAD "data: {\"error\":{\"code\":\"context_length_exceeded\",\"type\":"
                  "\"invalid_request_error\",\"message\":\"long\"}}\n\n",
         "openai: the conversation is too long for the model: long", LLM_FAULT_OVERFLOW},
        {SSE_HEAD "data: {\"error\":\"the runner died of " KEY "\"}\n\n",
         "openai: the server failed: the runner died of [key]", LLM_FAULT_SERVER},
        {"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\r\n"
         "{\"error\":{\"message\":\"Incorrect API key provided\",\"type\":"
         "\"invalid_request_error\",\"code\":\"invalid_api_key\"}}",
         "openai: the key was refused (401): Incorrect API key provided; set OPENAI_API_KEY or "
         "providers in spacebot.conf",
         LLM_FAULT_AUTH},
        {"HTTP/1.1 400 Bad Request\r\n\r\n{\"error\":{\"message\":\"Unsupported parameter: "
         "'max_tokens' is not supported with this model.\",\"type\":\"invalid_request_error\"}}",
         "openai: the request was refused (400): Unsupported parameter: 'max_tokens' is not "
         "supported with this model.",
         LLM_FAULT_BAD_REQUEST},
        {SSE_HEAD "data: <html>\n\n",
         "openai: not the stream that was expected: an event is not a JSON object",
         LLM_FAULT_GARBAGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct record r = {0};
        will_answer(cases[i].answer);
        start_model(&r, "openai/gpt-5");
        wait_end(&r);
        assert_string_equal(r.error.text, cases[i].text);
        assert_int_equal(r.error.fault, cases[i].fault);
        record_free(&r);
    }
}

/* ---- cancelling ---- */

static void test_cancel(void **state) {
    (void)state;
    struct record early = {0}, refused = {0}, inside = {.cancel_after = 5}, other = {0};
    struct llm_call *none = NULL;
    llm_call_cancel(&none);
    start_model(&refused, "nobody/m");
    llm_call_cancel(&refused.call);
    start(&early);
    llm_call_cancel(&early.call);
    assert_int_equal(llm_calls_open(llm), 0);
    /* In its own callback, with more of it already here. */
    will_answer(SSE_HEAD HELLO);
    start(&inside);
    while (inside.call)
        loop_turn(l, -1);
    assert_int_equal(inside.pieces, 1);
    assert_int_equal(llm_calls_open(llm), 0);
    /* And nothing comes after it: a later call runs to its end meanwhile. */
    will_answer(SSE_HEAD HELLO);
    start(&other);
    wait_end(&other);
    assert_hello(&other);
    assert_int_equal(inside.pieces, 1);
    assert_int_equal(inside.done + inside.failed + early.done + early.failed + refused.failed, 0);
    record_free(&inside);
    record_free(&other);
}

static void cancel_at_tool(void *arg, size_t index, const char *id, const char *name) {
    struct record *r = arg;
    on_tool_start(arg, index, id, name);
    llm_call_cancel(&r->call);
}

/* One event makes two callbacks; the first cancels. */
static void test_cancel_between(void **state) {
    (void)state;
    struct record r = {0};
    struct llm_events ev = events;
    struct llm_request q = {.model = "m", .history = &history};
    ev.on_tool_start = cancel_at_tool;
    will_answer(SSE_HEAD START
                "event: content_block_start\ndata: {\"index\":1,\"content_block\":{\"type\":"
                "\"tool_use\",\"id\":\"t1\",\"name\":\"shell\",\"input\":{\"a\":1}}}\n\n" STOP);
    r.call = llm_call_start(llm, &q, &ev, &r);
    while (r.call)
        loop_turn(l, -1);
    assert_string_equal(buf_str(&r.text), "[0 t1 shell]");
    assert_int_equal(r.done + r.failed, 0);
    record_free(&r);
}

static struct record *victim;

static void cancel_victim(void *arg, const char *text, size_t n) {
    on_text(arg, text, n);
    if (victim->call)
        llm_call_cancel(&victim->call);
}

/* Somebody else's call, both having bytes in the same turn. */
static void test_cancel_another(void **state) {
    (void)state;
    struct record a = {0}, b = {0};
    struct llm_events ev = events;
    struct llm_request q = {.model = "m", .history = &history};
    ev.on_text = cancel_victim;
    victim = &b;
    will_answer_until(SSE_HEAD HELLO, 0);
    will_answer_until(SSE_HEAD HELLO, 0);
    a.call = llm_call_start(llm, &q, &ev, &a);
    b.call = llm_call_start(llm, &q, &ev, &b);
    /* Whoever is first cancels b: itself or the other one. */
    open_gates(WHOLE);
    wait_end(&a);
    assert_int_equal(a.done, 1);
    assert_int_equal(b.done + b.failed, 0);
    assert_null(b.call);
    record_free(&a);
    record_free(&b);
}

static void test_free_with_calls(void **state) {
    (void)state;
    struct record a = {0}, b = {0}, c = {0};
    will_answer_until(SSE_HEAD START BLOCK DELTA("a") DELTA("b"),
                      sizeof(SSE_HEAD START BLOCK DELTA("a")) - 1);
    start(&a);
    while (!a.pieces)
        loop_turn(l, -1);
    start(&b);
    start_model(&c, "nobody/m");
    assert_int_equal(llm_calls_open(llm), 3);
    llm_free(&llm);
    assert_null(llm);
    open_gates(WHOLE);
    while (loop_turn(l, 0))
        ;
    assert_int_equal(a.done + a.failed + b.done + b.failed + c.failed, 0);
    record_free(&a);
}

static void test_usage_add(void **state) {
    (void)state;
    struct llm_usage a = {1, 2, 3, 4, 1, 0.5, false}, b = {10, 20, 30, 40, 10, 1.0, true};
    llm_usage_add(&a, &b);
    assert_int_equal(a.input_tokens, 11);
    assert_int_equal(a.output_tokens, 22);
    assert_int_equal(a.cache_read_tokens, 33);
    assert_int_equal(a.cache_write_tokens, 44);
    assert_int_equal(a.cache_hour_tokens, 11);
    assert_true(a.cost_usd > 1.49 && a.cost_usd < 1.51);
    assert_true(a.cost_is_estimate);
}

int main(void) {
    no_proxies();
    const struct CMUnitTest tests[] = {
        T(test_answer),           T(test_chunks),
        T(test_settled),          T(test_tools),
        T(test_backlog),          T(test_many),
        T(test_completions),      T(test_completions_without_end),
        T(test_completions_fail), T(test_cancel),
        T(test_cancel_between),   T(test_cancel_another),
        T(test_free_with_calls),  cmocka_unit_test(test_usage_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
