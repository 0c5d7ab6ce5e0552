/* client: every way in which a call can fail, as the person reads it. */
#include "tests/unit/client_wire.h"

#include <fcntl.h>
#include <sys/resource.h>

struct failure {
    const char *answer;
    enum llm_fault fault;
    int status;
    int64_t retry_after_ms;
    const char *text; /* %d: the port */
};

#define ERROR(type, message)                                                                       \
    "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"}}"
#define RESPONSE(status, head, text) "HTTP/1.1 " status "\r\n" head "\r\n" text

static const struct failure failures[] = {
    {RESPONSE("401 Unauthorized", "", ERROR("authentication_error", "invalid x-api-key")),
     LLM_FAULT_AUTH, 401, -1,
     "anthropic: the key was refused (401): invalid x-api-key; set ANTHROPIC_API_KEY or providers "
     "in spacebot.conf"},
    {RESPONSE("403 Forbidden", "", ""), LLM_FAULT_AUTH, 403, -1,
     "anthropic: access was refused (403); set ANTHROPIC_API_KEY or providers in spacebot.conf"},
    {RESPONSE("404 Not Found", "", ERROR("not_found_error", "model: claude-x")),
     LLM_FAULT_NOT_FOUND, 404, -1, "anthropic: no such model or address (404): model: claude-x"},
    {RESPONSE("400 Bad Request", "", ERROR("invalid_request_error", "tools.0: name\\n is wrong")),
     LLM_FAULT_BAD_REQUEST, 400, -1,
     "anthropic: the request was refused (400): tools.0: name is wrong"},
    {RESPONSE("400 Bad Request", "",
              ERROR("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
     LLM_FAULT_OVERFLOW, 400, -1,
     "anthropic: the conversation is too long for the model (400): prompt is too long: 210000 "
     "tokens > 200000 maximum"},
    {RESPONSE("413 Payload Too Large", "", ""), LLM_FAULT_OVERFLOW, 413, -1,
     "anthropic: the conversation is too long for the model (413)"},
    {RESPONSE("429 Too Many Requests", "Retry-After: 7\r\n",
              ERROR("rate_limit_error", "slow down")),
     LLM_FAULT_RATE_LIMITED, 429, 7000, "anthropic: too many requests (429): slow down"},
    {RESPONSE("429 Too Many Requests", "retry-after-ms: 250\r\nRetry-After: 7\r\n", ""),
     LLM_FAULT_RATE_LIMITED, 429, 250, "anthropic: too many requests (429)"},
    {RESPONSE("429 Too Many Requests", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", ""),
     LLM_FAULT_RATE_LIMITED, 429, 0, "anthropic: too many requests (429)"},
    {RESPONSE("429 Too Many Requests", "Retry-After: soon\r\n", ""), LLM_FAULT_RATE_LIMITED, 429,
     -1, "anthropic: too many requests (429)"},
    {RESPONSE("529 Overloaded", "", ERROR("overloaded_error", "Overloaded")), LLM_FAULT_OVERLOADED,
     529, -1, "anthropic: overloaded (529)"},
    {RESPONSE("503 Service Unavailable", "Content-Type: text/html\r\n",
              "<html><head><title>503 Service\nTemporarily Unavailable</title></head><body>\n"
              "<center>nginx</center></body></html>"),
     LLM_FAULT_OVERLOADED, 503, -1,
     "anthropic: overloaded (503): 503 Service Temporarily Unavailable"},
    {RESPONSE("500 Internal Server Error", "", "<p>Some<br>thing \x1B[31mbroke\xFF</p>"),
     LLM_FAULT_SERVER, 500, -1,
     "anthropic: the server failed (500): Some thing ^[[31mbroke\xEF\xBF\xBD"},
    {RESPONSE("502 Bad Gateway", "", "{\"error\":\"upstream\"}"), LLM_FAULT_SERVER, 502, -1,
     "anthropic: the server failed (502): upstream"},
    {RESPONSE("302 Found", "Location: https://other.example/login\r\n", ""), LLM_FAULT_REDIRECT,
     302, -1,
     "anthropic: 127.0.0.1:%d sends us on to https://other.example/login (302); that is not "
     "followed: set the right base_url"},
    /* The key sent back, in words, in a page, in a header. */
    {RESPONSE("401 Unauthorized", "", ERROR("authentication_error", "bad key " KEY "." KEY)),
     LLM_FAULT_AUTH, 401, -1,
     "anthropic: the key was refused (401): bad key [key].[key]; set ANTHROPIC_API_KEY or "
     "providers in spacebot.conf"},
    {RESPONSE("500 Oh", "", "<title>x-api-key: " KEY), LLM_FAULT_SERVER, 500, -1,
     "anthropic: the server failed (500): x-api-key: [key]"},
    {RESPONSE("307 Oh", "Location: /?k=" KEY "\r\n", ""), LLM_FAULT_REDIRECT, 307, -1,
     "anthropic: 127.0.0.1:%d sends us on to /?k=[key] (307); that is not followed: set the right "
     "base_url"},
    {SSE_HEAD START "event: error\ndata: " ERROR("api_error", "oh " KEY) "\n\n", LLM_FAULT_SERVER,
     200, -1, "anthropic: the server failed: oh [key]"},
    /* Status 200, and yet. */
    {SSE_HEAD START BLOCK "event: error\ndata: " ERROR("overloaded_error", "Overloaded") "\n\n",
     LLM_FAULT_OVERLOADED, 200, -1, "anthropic: overloaded"},
    {RESPONSE("200 OK", "Content-Type: text/html; charset=x\r\n", "<h1>Sign in</h1>"),
     LLM_FAULT_GARBAGE, 200, -1,
     "anthropic: 127.0.0.1:%d answered with text/html where a stream of events was due: Sign in"},
    {RESPONSE("200 OK", "Content-Type: application/json\r\n",
              ERROR("rate_limit_error", "slow down")),
     LLM_FAULT_RATE_LIMITED, 200, -1, "anthropic: too many requests: slow down"},
    {SSE_HEAD "data: hello\n\n", LLM_FAULT_GARBAGE, 200, -1,
     "anthropic: not the stream that was expected: an event is not a JSON object"},
    {SSE_HEAD STOP, LLM_FAULT_GARBAGE, 200, -1,
     "anthropic: not the stream that was expected: the answer ended before it began"},
    {"SSH-2.0-OpenSSH_9.2\r\n", LLM_FAULT_GARBAGE, 0, -1, NULL},
    /* Ended too early. */
    {"", LLM_FAULT_CUT, 0, -1, "anthropic: 127.0.0.1:%d closed the connection before any answer"},
    {SSE_HEAD, LLM_FAULT_CUT, 200, -1,
     "anthropic: 127.0.0.1:%d closed the connection before any answer"},
    {SSE_HEAD "event: ping\ndata: {}\n\n", LLM_FAULT_CUT, 200, -1,
     "anthropic: the stream was cut after 22 bytes"},
    {OK_HEAD "Content-Length: 1000\r\n\r\nevent: ping\ndata: {}\n\n", LLM_FAULT_CUT, 200, -1,
     "anthropic: the stream was cut after 22 bytes"},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n16\r\nevent: ping\ndata: {}\n\n\r\n", LLM_FAULT_CUT,
     200, -1, "anthropic: the stream was cut after 22 bytes"},
};

static void test_failures(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        const struct failure *f = &failures[i];
        struct record r = {0};
        will_answer(f->answer);
        start(&r);
        wait_end(&r);
        assert_int_equal(r.failed, 1);
        if (f->text) {
            char want[512];
            const char *d = strstr(f->text, "%d");
            snprintf(want, sizeof(want), "%.*s", (int)(d ? d - f->text : 511), f->text);
            if (d)
                snprintf(want + strlen(want), sizeof(want) - strlen(want), "%d%s", server.port,
                         d + 2);
            assert_string_equal(r.error.text, want);
        } else {
            assert_true(str_prefix(r.error.text, "anthropic: 127.0.0.1:"));
            assert_non_null(strstr(r.error.text, " does not speak HTTP: "));
        }
        assert_int_equal(r.error.fault, f->fault);
        assert_int_equal(r.error.http_status, f->status);
        assert_int_equal(r.error.retry_after_ms, f->retry_after_ms);
        assert_false(r.error.delivered);
        record_free(&r);
        teardown(state);
        setup(state);
    }
}

static void test_cut_in_text(void **state) {
    (void)state;
    struct record r = {0};
    will_answer(SSE_HEAD START BLOCK DELTA("0123456789") "event: content_block_del");
    start(&r);
    wait_end(&r);
    assert_int_equal(r.error.fault, LLM_FAULT_CUT);
    assert_true(llm_fault_retriable(r.error.fault));
    assert_true(r.error.delivered);
    assert_string_equal(buf_str(&r.text), "0123456789");
    assert_int_equal(r.error.usage.input_tokens, 100);
    assert_int_equal(r.error.usage.output_tokens, 3);
    assert_true(r.error.usage.cost_is_estimate);
    assert_true(r.error.usage.cost_usd > 0);
    record_free(&r);
}

/* The stop reason was there: only a formality is missing. */
static void test_cut_behind_the_end(void **state) {
    (void)state;
    struct record r = {0};
    will_answer(SSE_HEAD START BLOCK DELTA("Good \xE2\x82\xAC") DELTA(" day") STOPPED);
    start(&r);
    wait_end(&r);
    assert_hello(&r);
    assert_int_equal(r.response.stop, LLM_STOP_END_TURN);
    record_free(&r);
}

static void test_refused(void **state) {
    (void)state;
    struct record r = {0};
    int port, fd = bound_socket(&port); /* bound, so nobody else has it; not listening */
    char url[64], want[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    new_client(url, KEY);
    start(&r);
    wait_end(&r);
    snprintf(want, sizeof(want), "anthropic: cannot connect to 127.0.0.1:%d: connection refused",
             port);
    assert_string_equal(r.error.text, want);
    assert_int_equal(r.error.fault, LLM_FAULT_CONNECT);
    assert_int_equal(r.error.http_status, 0);
    record_free(&r);

    struct record p = {0};
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    setenv("http_proxy", url, 1);
    new_client("http://provider.example", KEY);
    start(&p);
    wait_end(&p);
    unsetenv("http_proxy");
    assert_string_equal(p.error.text, "anthropic: cannot connect to provider.example:80 through "
                                      "the proxy: connection refused");
    record_free(&p);
    close(fd);
}

/* Nobody else's fault, and not said to be: whether the address or only its name is known. */
static void test_no_descriptor(void **state) {
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct record first = {0}, r = {0}, after = {0};
        struct rlimit usual, few;
        char *url = xasprintf("http://%s:%d", hosts[i], server.port);
        new_client(url, KEY);
        will_answer(SSE_HEAD HELLO); /* what is opened once is open; the connection is not kept */
        start(&first);
        wait_end(&first);
        assert_hello(&first);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
        int low = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        close(low);
        few = (struct rlimit){(rlim_t)low, usual.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        start(&r);
        while (!r.done && !r.failed)
            loop_turn(l, NS_PER_SEC);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
        assert_int_equal(r.error.fault, LLM_FAULT_CONNECT);
        char *want = xasprintf("anthropic: cannot connect to %s:%d: no file descriptor is left "
                               "here; end something, or raise ulimit -n",
                               hosts[i], server.port);
        assert_string_equal(r.error.text, want);
        assert_int_equal(r.error.usage.input_tokens, 0);
        will_answer(SSE_HEAD HELLO); /* and then it goes on */
        start(&after);
        wait_end(&after);
        assert_hello(&after);
        record_free(&first);
        record_free(&after);
        record_free(&r);
        x_free(&want);
        x_free(&url);
    }
}

/* A full queue of a listener that accepts nobody: the connection is neither made nor refused. */
static void test_no_answer(void **state) {
    (void)state;
    struct record r = {0};
    int port, fd = bound_socket(&port), fill[4];
    char url[64], want[128];
    assert_int_equal(listen(fd, 0), 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&a, sizeof(a));
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    struct llm_provider p = {.id = "anthropic", .base_url = url, .api_key = KEY};
    struct llm_config c = {.providers = &p, .nproviders = 1, .connect_secs = 1};
    llm_free(&llm);
    llm = llm_new(l, &c);
    start(&r);
    wait_end(&r);
    snprintf(want, sizeof(want), "anthropic: cannot connect to 127.0.0.1:%d: no answer in 1 s",
             port);
    assert_string_equal(r.error.text, want);
    assert_int_equal(r.error.fault, LLM_FAULT_CONNECT);
    record_free(&r);
    for (size_t i = 0; i < ARRAY_LEN(fill); i++)
        close(fill[i]);
    close(fd);
}

static void test_silence(void **state) {
    (void)state;
    struct record a = {0}, b = {0};
    will_answer_until(SSE_HEAD START BLOCK DELTA("a"), 0); /* before the first byte */
    start(&a);
    wait_end(&a);
    assert_string_equal(a.error.text, "anthropic: no byte for 1 s");
    assert_int_equal(a.error.fault, LLM_FAULT_SILENCE);
    assert_int_equal(a.alive, 0);
    will_answer_until(SSE_HEAD START BLOCK DELTA("a"), WHOLE - 1); /* all of it, and then nothing */
    start(&b);
    wait_end(&b);
    assert_string_equal(b.error.text, "anthropic: no byte for 1 s");
    assert_int_equal(b.error.http_status, 200);
    assert_true(b.error.delivered);
    record_free(&a);
    record_free(&b);
}

static void open_late(void *arg) {
    (void)arg;
    open_gates(WHOLE);
}

/* It counts from the last byte on, not from the first. */
static void test_silence_begins_again(void **state) {
    (void)state;
    struct record r = {0};
    struct answer a = answer_of(SSE_HEAD START BLOCK DELTA("a") DELTA("b"));
    a.gate = sizeof(SSE_HEAD START BLOCK DELTA("a")) - 1;
    a.stay = true;
    add_answer(a);
    int64_t begin = clock_real_mono_ns();
    (void)loop_timer(l, 600 * NS_PER_MS, open_late, NULL, "gate");
    start(&r);
    wait_end(&r);
    assert_int_equal(r.error.fault, LLM_FAULT_SILENCE);
    assert_string_equal(buf_str(&r.text), "ab");
    assert_true(clock_real_mono_ns() - begin >= 1500 * NS_PER_MS);
    record_free(&r);
}

/* Somebody who does not speak TLS. */
static void test_tls(void **state) {
    (void)state;
    struct record r = {0};
    char url[64], want[64];
    pthread_mutex_lock(&server.mutex);
    server.rude = true;
    pthread_mutex_unlock(&server.mutex);
    will_answer("HTTP/1.1 400 Bad Request\r\n\r\n");
    snprintf(url, sizeof(url), "https://127.0.0.1:%d", server.port);
    new_client(url, KEY);
    start(&r);
    wait_end(&r);
    snprintf(want, sizeof(want), "anthropic: no secure connection to 127.0.0.1:%d: ", server.port);
    assert_true(str_prefix(r.error.text, want));
    assert_true(strlen(r.error.text) > strlen(want));
    assert_int_equal(r.error.fault, LLM_FAULT_TLS);
    assert_null(strstr(buf_str(&server.request), KEY));
    record_free(&r);
}

/* A body without an end is cut, and the call with it. */
static void test_endless_error(void **state) {
    (void)state;
    struct record r = {0};
    struct buf b = BUF_INIT;
    buf_puts(&b, "HTTP/1.1 500 Oh\r\n\r\n");
    for (int i = 0; i < 1000; i++)
        buf_putc(&b, 'x');
    struct answer a = answer_of(b.data);
    a.endless = true;
    add_answer(a);
    start(&r);
    wait_end(&r);
    assert_int_equal(r.error.fault, LLM_FAULT_SERVER);
    assert_true(str_prefix(r.error.text, "anthropic: the server failed (500): xxxxx"));
    assert_true(str_suffix(r.error.text, "xxx..."));
    assert_in_range(strlen(r.error.text), 200, 300);
    record_free(&r);
    buf_free(&b);
}

static void test_not_configured(void **state) {
    (void)state;
    static const struct {
        const char *key, *model, *text;
    } cases[] = {
        {KEY, "nobody/m", "nobody: no such provider; add \"nobody\" to providers in spacebot.conf"},
        {KEY, "\x1B[1m/m", "^[[1m: no such provider; add \"^[[1m\" to providers in spacebot.conf"},
        {NULL, "m",
         "anthropic: there is no key; set ANTHROPIC_API_KEY or providers in spacebot.conf"},
        {" \n", "m",
         "anthropic: there is no key; set ANTHROPIC_API_KEY or providers in spacebot.conf"},
        {NULL, "local/m", "local: there is no key; set it in providers in spacebot.conf"},
        {NULL, "openai/m",
         "openai: there is no key; set OPENAI_API_KEY or providers in spacebot.conf"},
        {"a\r\nx: y", "m", "anthropic: the key has characters that no key has"},
        {KEY, "local/m", "local: its base_url is not a web address"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct record r = {0};
        new_client("http://127.0.0.1:1", cases[i].key);
        start_model(&r, cases[i].model);
        wait_end(&r);
        assert_string_equal(r.error.text, cases[i].text);
        assert_int_equal(r.error.fault, LLM_FAULT_NOT_CONFIGURED);
        assert_false(r.error.usage.cost_is_estimate);
        record_free(&r);
    }
    new_client("http://127.0.0.1:1", KEY);
    assert_true(llm_has_provider(llm, "anthropic/x"));
    assert_true(llm_has_provider(llm, "x"));
    assert_false(llm_has_provider(llm, "nobody/x"));
    new_client("http://127.0.0.1:1", NULL);
    assert_false(llm_has_provider(llm, "x"));
    assert_false(llm_has_provider(llm, "openai/x"));
    assert_true(llm_has_provider(llm, "bare/x"));
    assert_int_equal(llm_calls_open(llm), 0);
}

static void test_nothing_to_answer(void **state) {
    (void)state;
    struct record r = {0};
    llm_history_push_text(&history, LLM_ROLE_ASSISTANT, "I said");
    start(&r);
    wait_end(&r);
    assert_int_equal(r.error.fault, LLM_FAULT_BAD_REQUEST);
    assert_string_equal(r.error.text,
                        "anthropic: the conversation does not end with a message to answer");
    record_free(&r);
}

int main(void) {
    no_proxies();
    const struct CMUnitTest tests[] = {
        T(test_failures),
        T(test_cut_in_text),
        T(test_cut_behind_the_end),
        T(test_refused),
        T(test_no_answer),
        T(test_no_descriptor),
        T(test_silence),
        T(test_silence_begins_again),
        T(test_tls),
        T(test_endless_error),
        T(test_not_configured),
        T(test_nothing_to_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
