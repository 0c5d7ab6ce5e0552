/* client: what a call is said to have used that did not come to its end: cancelled, cut, silent,
 * failed; of every API, by what each has said until then. */
#include "tests/unit/client_wire.h"

#define CHUNK(delta)                                                                               \
    "data: {\"model\":\"gpt-5-2025-08-07\",\"choices\":[{\"index\":0,\"delta\":" delta             \
    ",\"finish_reason\":null}]}\n\n"
#define CREATED                                                                                    \
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r1\","   \
    "\"model\":\"gpt-5-2025-08-07\"}}\n\n"
#define OUT(t)                                                                                     \
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","           \
    "\"output_index\":0,\"delta\":\"" t "\"}\n\n"

/* Ten bytes of text, and then nothing that says what was used. */
struct api {
    const char *model, *stream, *named;
    int64_t input; /* told; 0: a guess by the request's length */
};
static const struct api apis[] = {
    {"anthropic/claude-haiku-4-5", SSE_HEAD START BLOCK DELTA("0123456789"),
     "claude-haiku-4-5-20251001", 100},
    {"openai/gpt-5",
     SSE_HEAD CHUNK("{\"role\":\"assistant\",\"content\":\"\"}") CHUNK("{\"content\":"
                                                                       "\"0123456789\"}"),
     "gpt-5-2025-08-07", 0},
    {"respond/gpt-5", SSE_HEAD CREATED OUT("0123456789"), "gpt-5-2025-08-07", 0},
};

/* Tokens of the last request, at four bytes each. */
static int64_t request_guess(void) {
    pthread_mutex_lock(&server.mutex);
    char *q = xstrndup(server.request.data, server.request.len);
    pthread_mutex_unlock(&server.mutex);
    const char *at = NULL;
    for (const char *p = q; (p = strcasestr(p, "content-length:")); p++)
        at = p;
    assert_non_null(at);
    int64_t n = (int64_t)strtoul(at + 15, NULL, 10);
    free(q);
    return (n + 3) / 4;
}

static void assert_used(const struct llm_usage *u, int64_t input, int64_t output) {
    assert_int_equal(u->input_tokens, input);
    assert_int_equal(u->output_tokens, output);
    assert_int_equal(u->cache_read_tokens + u->cache_write_tokens, 0);
    assert_true(u->cost_is_estimate);
    assert_true(u->cost_usd > 0);
}

static void a_cancelled_one_has_used_what_was_told_and_came(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        struct record r = {.cancel_after = 10};
        will_answer(apis[i].stream);
        start_model(&r, apis[i].model);
        while (r.call)
            loop_turn(l, -1);
        assert_int_equal(r.done + r.failed, 0);
        assert_used(&r.used, apis[i].input ? apis[i].input : request_guess(), 3);
        assert_string_equal(r.used_model, apis[i].named);
        record_free(&r);
    }
}

static void one_that_is_cut_has_too(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        struct record r = {0};
        will_answer(apis[i].stream);
        start_model(&r, apis[i].model);
        wait_end(&r);
        assert_int_equal(r.error.fault, LLM_FAULT_CUT);
        assert_used(&r.error.usage, apis[i].input ? apis[i].input : request_guess(), 3);
        assert_string_equal(r.error.model, apis[i].named);
        record_free(&r);
    }
}

static void an_error_in_mid_stream_does_not_undo_what_was_used(void **state) {
    (void)state;
    static const char *const ends[] = {
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}\n\n",
        "data: {\"error\":{\"message\":\"it broke\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"message\":\"it broke\"}\n\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        struct record r = {0};
        char *stream = xasprintf("%s%s", apis[i].stream, ends[i]);
        will_answer(stream);
        start_model(&r, apis[i].model);
        wait_end(&r);
        assert_int_equal(r.error.fault, LLM_FAULT_SERVER);
        assert_used(&r.error.usage, apis[i].input ? apis[i].input : request_guess(), 3);
        record_free(&r);
        free(stream);
    }
}

/* A provider that says at the end what a stream used, as it fails: no guess is needed. */
static void what_a_failure_tells_is_no_guess(void **state) {
    (void)state;
    struct record r = {0};
    will_answer(SSE_HEAD CREATED OUT(
        "0123456789") "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":"
                      "{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":"
                      "\"boom\"},"
                      "\"usage\":{\"input_tokens\":70,\"output_tokens\":9}}}\n\n");
    start_model(&r, "respond/gpt-5");
    wait_end(&r);
    assert_int_equal(r.error.fault, LLM_FAULT_SERVER);
    assert_int_equal(r.error.usage.input_tokens, 70);
    assert_int_equal(r.error.usage.output_tokens, 9);
    record_free(&r);
}

static const char *const models[] = {"anthropic/claude-haiku-4-5", "openai/gpt-5", "respond/gpt-5"};

/* Sent, read, and then we no longer wanted to wait: the provider has counted the request. */
static void who_hangs_up_first_pays_for_the_request(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        struct record r = {0};
        will_answer_until(SSE_HEAD, 0);
        start_model(&r, models[i]);
        wait_end(&r);
        assert_int_equal(r.error.fault, LLM_FAULT_SILENCE);
        assert_used(&r.error.usage, request_guess(), 0);
        record_free(&r);
    }
    struct record r = {0};
    struct llm_usage u;
    const char *model;
    will_answer_until(SSE_HEAD, 0);
    start(&r);
    llm_call_used(r.call, &u, &model);
    assert_int_equal(u.input_tokens, 0); /* nothing has left yet */
    assert_false(u.cost_is_estimate);
    size_t before = server.request.len;
    for (bool there = false; !there;) {
        loop_turn(l, 10 * NS_PER_MS);
        pthread_mutex_lock(&server.mutex);
        there = server.request.len > before;
        pthread_mutex_unlock(&server.mutex);
    }
    llm_call_used(r.call, &u, &model);
    assert_used(&u, request_guess(), 0);
    assert_string_equal(model, "");
    llm_call_cancel(&r.call);
    record_free(&r);
}

static void who_was_refused_pays_nothing(void **state) {
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 429 Too Many Requests\r\n\r\n{}",
        "HTTP/1.1 500 Oh\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<h1>Bad Gateway</h1>",
        "", /* closed */
        SSE_HEAD "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
                 "\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
    };
    for (size_t m = 0; m < ARRAY_LEN(models); m++) {
        for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
            struct record r = {0};
            will_answer(answers[i]);
            start_model(&r, models[m]);
            wait_end(&r);
            assert_int_equal(r.failed, 1);
            assert_int_equal(r.error.usage.input_tokens + r.error.usage.output_tokens, 0);
            assert_false(r.error.usage.cost_is_estimate);
            record_free(&r);
        }
        teardown(state);
        setup(state);
    }
}

/* A file is not counted by its letters: a picture is 1,600 tokens, whatever its size. */
static void a_picture_is_not_counted_by_its_bytes(void **state) {
    (void)state;
    struct record r = {0};
    struct llm_message m = {.role = LLM_ROLE_USER};
    static const char bytes[300000];
    llm_message_add_file(&m, "image/png", "big.png", bytes, sizeof(bytes));
    llm_message_add_text(&m, "What is it?");
    llm_history_push(&history, &m);
    will_answer(SSE_HEAD CHUNK("{\"content\":\"0123456789\"}"));
    start_model(&r, "openai/gpt-5");
    wait_end(&r);
    assert_int_equal(r.error.fault, LLM_FAULT_CUT);
    assert_in_range(r.error.usage.input_tokens, 1600, 1800);
    record_free(&r);
}

int main(void) {
    no_proxies();
    const struct CMUnitTest tests[] = {
        T(a_cancelled_one_has_used_what_was_told_and_came),
        T(one_that_is_cut_has_too),
        T(an_error_in_mid_stream_does_not_undo_what_was_used),
        T(what_a_failure_tells_is_no_guess),
        T(who_hangs_up_first_pays_for_the_request),
        T(who_was_refused_pays_nothing),
        T(a_picture_is_not_counted_by_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
