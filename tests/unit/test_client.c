/* client: whole calls over real sockets against a server in this program that answers from a
 * script, byte for byte; and every way in which a call can fail, as the person reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/client.h"

#define KEY "sk-test-0123456789"
#define WHOLE ((size_t)-1)

/* ---- the server ---- */

/* What one request is answered with; set before the request is made. Past `gate` bytes it waits
 * until the test opens the gate. */
struct answer {
    char *bytes; /* owned by the server */
    size_t n, gate, index;
    bool stay;    /* the connection is kept for the next request */
    bool endless; /* the bytes again and again, until nobody wants them */
};

static struct server {
    int fd, port;
    pthread_t thread, conns[16];
    int conn_fds[16];
    size_t nconns, nanswers, answered;
    struct answer answers[16];
    struct buf request; /* of all requests, one behind the other */
    size_t open;        /* gates of the first answers */
    bool stopping;
    bool rude; /* answers before it was asked */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} server = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool send_all(int fd, const char *p, size_t n) {
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* Head and body of one request. */
static bool read_request(int fd, struct buf *in) {
    for (;;) {
        const char *end = in->len ? strstr(in->data, "\r\n\r\n") : NULL;
        if (end) {
            const char *length = strcasestr(in->data, "content-length:");
            size_t want =
                (size_t)(end + 4 - in->data) + (length ? strtoul(length + 15, NULL, 10) : 0);
            if (in->len >= want)
                return true;
        }
        ssize_t n = recv(fd, buf_room(in, 4096), 4096, 0);
        if (n <= 0)
            return false;
        buf_added(in, (size_t)n);
    }
}

static bool answer(int fd, const struct answer *a) {
    size_t gate = a->gate < a->n ? a->gate : a->n;
    if (!send_all(fd, a->bytes, gate))
        return false;
    if (a->gate != WHOLE) {
        pthread_mutex_lock(&server.mutex);
        while (server.open <= a->index && !server.stopping)
            pthread_cond_wait(&server.changed, &server.mutex);
        bool stop = server.stopping;
        pthread_mutex_unlock(&server.mutex);
        if (stop || !send_all(fd, a->bytes + gate, a->n - gate))
            return false;
    }
    while (a->endless)
        if (!send_all(fd, a->bytes + a->n - 1000, 1000))
            return false;
    return a->stay;
}

static void *serve_conn(void *arg) {
    int fd = server.conn_fds[(size_t)(uintptr_t)arg];
    struct buf in = BUF_INIT;
    bool more = true;
    pthread_mutex_lock(&server.mutex);
    bool rude = server.rude;
    pthread_mutex_unlock(&server.mutex);
    while (more && (rude || read_request(fd, &in))) {
        pthread_mutex_lock(&server.mutex);
        buf_append(&server.request, in.data, in.len);
        bool any = server.answered < server.nanswers;
        struct answer a = any ? server.answers[server.answered++] : (struct answer){0};
        pthread_mutex_unlock(&server.mutex);
        buf_reset(&in);
        more = any && answer(fd, &a);
    }
    /* First the end of what we say, then whatever still comes: a reset would drop what was sent. */
    shutdown(fd, SHUT_WR);
    char rest[4096];
    while (recv(fd, rest, sizeof(rest), 0) > 0)
        ;
    buf_free(&in);
    return NULL;
}

static void *serve(void *arg) {
    (void)arg;
    for (;;) {
        int fd = accept(server.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&server.mutex);
        size_t i = server.nconns++;
        assert_true(i < ARRAY_LEN(server.conns));
        server.conn_fds[i] = fd;
        pthread_create(&server.conns[i], NULL, serve_conn, (void *)(uintptr_t)i);
        pthread_mutex_unlock(&server.mutex);
    }
}

static int bound_socket(int *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void server_start(void) {
    server.fd = bound_socket(&server.port);
    server.nconns = server.nanswers = server.answered = 0;
    server.open = 0;
    server.stopping = server.rude = false;
    assert_int_equal(listen(server.fd, 16), 0);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void server_stop(void) {
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    pthread_mutex_lock(&server.mutex);
    server.stopping = true;
    pthread_cond_broadcast(&server.changed);
    pthread_mutex_unlock(&server.mutex);
    for (size_t i = 0; i < server.nconns; i++) {
        shutdown(server.conn_fds[i], SHUT_RDWR);
        pthread_join(server.conns[i], NULL);
        close(server.conn_fds[i]);
    }
    for (size_t i = 0; i < server.nanswers; i++)
        free(server.answers[i].bytes);
    close(server.fd);
    buf_free(&server.request);
}

static void add_answer(struct answer a) {
    pthread_mutex_lock(&server.mutex);
    a.index = server.nanswers;
    server.answers[server.nanswers++] = a;
    pthread_mutex_unlock(&server.mutex);
}

static struct answer answer_of(const char *bytes) {
    return (struct answer){.bytes = xstrdup(bytes), .n = strlen(bytes), .gate = WHOLE};
}

static void will_answer(const char *bytes) { add_answer(answer_of(bytes)); }

/* The connection is kept. */
static void will_answer_and_stay(const char *bytes) {
    struct answer a = answer_of(bytes);
    a.stay = true;
    add_answer(a);
}

static void will_answer_until(const char *bytes, size_t gate) {
    struct answer a = answer_of(bytes);
    a.gate = gate;
    add_answer(a);
}

static void open_gates(size_t n) {
    pthread_mutex_lock(&server.mutex);
    server.open = n;
    pthread_cond_broadcast(&server.changed);
    pthread_mutex_unlock(&server.mutex);
}

/* ---- the client and what it says ---- */

static struct loop *l;
static struct llm *llm;
static struct llm_history history;

/* One call and everything it said. */
struct record {
    struct llm_call *call;
    struct buf text; /* of the pieces */
    int alive, pieces, done, failed;
    size_t cancel_after; /* bytes of text; 0: never */
    struct llm_response response;
    struct llm_error error;
    struct record *then; /* to be started at the end */
};

static void start(struct record *r);

static void on_text(void *arg, const char *text, size_t n) {
    struct record *r = arg;
    assert_non_null(r->call);
    assert_true(utf8_valid(text, n));
    r->pieces++;
    buf_append(&r->text, text, n);
    if (r->cancel_after && r->text.len >= r->cancel_after) {
        llm_call_cancel(&r->call);
        assert_null(r->call);
    }
}

static void on_thinking(void *arg, const char *text, size_t n) { on_text(arg, text, n); }

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    struct record *r = arg;
    assert_non_null(r->call);
    buf_printf(&r->text, "[%zu %s %s]", index, id, name);
}

static void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    (void)index;
    on_text(arg, text, n);
}

static void on_bytes(void *arg) {
    struct record *r = arg;
    assert_non_null(r->call);
    r->alive++;
}

static void ended(struct record *r) {
    assert_non_null(r->call);
    assert_int_equal(r->done + r->failed, 1);
    r->call = NULL;
    if (r->then)
        start(r->then);
}

static void on_done(void *arg, struct llm_response *response) {
    struct record *r = arg;
    r->done++;
    r->response = *response;
    memset(&response->message, 0, sizeof(response->message)); /* moved out */
    ended(r);
}

static void on_error(void *arg, const struct llm_error *e) {
    struct record *r = arg;
    r->failed++;
    r->error = *e;
    assert_true(utf8_valid(e->text, strlen(e->text)));
    assert_null(strchr(e->text, '\n'));
    ended(r);
}

static const struct llm_events events = {
    .on_text = on_text,
    .on_thinking = on_thinking,
    .on_tool_start = on_tool_start,
    .on_tool_input = on_tool_input,
    .on_bytes = on_bytes,
    .on_done = on_done,
    .on_error = on_error,
};

static void start_model(struct record *r, const char *model) {
    struct llm_request q = {.model = model, .system = "Be brief.", .history = &history};
    r->call = llm_call_start(llm, &q, &events, r);
    assert_non_null(r->call);
    assert_int_equal(r->done + r->failed + r->alive, 0); /* never from inside */
}

static void start(struct record *r) { start_model(r, "anthropic/claude-haiku-4-5"); }

static void wait_end(struct record *r) {
    while (!r->done && !r->failed)
        loop_turn(l, -1);
    assert_null(r->call);
}

static void record_free(struct record *r) {
    buf_free(&r->text);
    llm_message_free(&r->response.message);
}

static void new_client(const char *base_url, const char *key) {
    struct llm_provider p[] = {
        {.id = "anthropic", .api = LLM_API_ANTHROPIC, .base_url = base_url, .api_key = key},
        {.id = "local", .api = LLM_API_ANTHROPIC, .base_url = "nonsense", .api_key = key},
        {.id = "openai", .api = LLM_API_OPENAI_COMPLETIONS, .base_url = base_url, .api_key = key},
        {.id = "bare", .api = LLM_API_OPENAI_COMPLETIONS, .base_url = base_url, .keyless = true},
    };
    struct llm_config c = {.providers = p,
                           .nproviders = ARRAY_LEN(p),
                           .silence_secs = 1,
                           .connect_secs = 1,
                           .user_agent = "spacebot/test"};
    llm_free(&llm);
    llm = llm_new(l, &c);
}

static int setup(void **state) {
    (void)state;
    char url[64];
    server_start();
    l = loop_new(LOOP_REAL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/", server.port);
    new_client(url, KEY "\n");
    llm_history_push_text(&history, LLM_ROLE_USER, "hello");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    llm_free(&llm);
    server_stop();
    llm_history_free(&history);
    loop_free(&l);
    return 0;
}

/* ---- answers ---- */

#define OK_HEAD                                                                                    \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"                        \
    "Connection: keep-alive\r\n"
#define SSE_HEAD OK_HEAD "\r\n"
#define START                                                                                      \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":"              \
    "\"claude-haiku-4-5-20251001\",\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n"
#define BLOCK                                                                                      \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"             \
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
#define DELTA(t)                                                                                   \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"             \
    "\"delta\":{\"type\":\"text_delta\",\"text\":\"" t "\"}}\n\n"
#define STOPPED                                                                                    \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"          \
    "\"end_turn\"},\"usage\":{\"output_tokens\":20}}\n\n"
#define STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define HELLO START BLOCK DELTA("Good \xE2\x82\xAC") DELTA(" day") STOPPED STOP

/* The events in chunks of `size` bytes. */
static char *chunked(const char *text, size_t size) {
    struct buf b = BUF_INIT;
    buf_puts(&b, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t n = strlen(text); n;) {
        size_t k = n < size ? n : size;
        buf_printf(&b, "%zx\r\n", k);
        buf_append(&b, text, k);
        buf_puts(&b, "\r\n");
        text += k;
        n -= k;
    }
    buf_puts(&b, "0\r\n\r\n");
    return buf_steal(&b);
}

static void assert_hello(struct record *r) {
    assert_string_equal(r->error.text, "");
    assert_int_equal(r->done, 1);
    assert_string_equal(buf_str(&r->text), "Good \xE2\x82\xAC day");
    char *text = llm_message_text(&r->response.message);
    assert_string_equal(text, "Good \xE2\x82\xAC day");
    free(text);
}

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

/* ---- failures ---- */

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
    struct llm_usage a = {1, 2, 3, 4, 0.5, false}, b = {10, 20, 30, 40, 1.0, true};
    llm_usage_add(&a, &b);
    assert_int_equal(a.input_tokens, 11);
    assert_int_equal(a.output_tokens, 22);
    assert_int_equal(a.cache_read_tokens, 33);
    assert_int_equal(a.cache_write_tokens, 44);
    assert_true(a.cost_usd > 1.49 && a.cost_usd < 1.51);
    assert_true(a.cost_is_estimate);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        unsetenv(proxies[i]);
    const struct CMUnitTest tests[] = {
        T(test_answer),
        T(test_chunks),
        T(test_settled),
        T(test_tools),
        T(test_backlog),
        T(test_many),
        T(test_failures),
        T(test_cut_in_text),
        T(test_cut_behind_the_end),
        T(test_refused),
        T(test_no_answer),
        T(test_silence),
        T(test_silence_begins_again),
        T(test_tls),
        T(test_endless_error),
        T(test_not_configured),
        T(test_nothing_to_answer),
        T(test_cancel),
        T(test_cancel_between),
        T(test_cancel_another),
        T(test_free_with_calls),
        T(test_completions),
        T(test_completions_without_end),
        T(test_completions_fail),
        cmocka_unit_test(test_usage_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
