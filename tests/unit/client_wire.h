/* client_wire: what the tests of the model client share: a server in this program that answers from
 * a script, byte for byte, over real sockets; calls, and what they said. */
#ifndef TEST_CLIENT_WIRE_H
#define TEST_CLIENT_WIRE_H

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

static inline bool send_all(int fd, const char *p, size_t n) {
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
static inline bool read_request(int fd, struct buf *in) {
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

static inline bool answer(int fd, const struct answer *a) {
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

static inline void *serve_conn(void *arg) {
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

static inline void *serve(void *arg) {
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

static inline int bound_socket(int *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static inline void server_start(void) {
    server.fd = bound_socket(&server.port);
    server.nconns = server.nanswers = server.answered = 0;
    server.open = 0;
    server.stopping = server.rude = false;
    assert_int_equal(listen(server.fd, 16), 0);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static inline void server_stop(void) {
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

static inline void add_answer(struct answer a) {
    pthread_mutex_lock(&server.mutex);
    a.index = server.nanswers;
    server.answers[server.nanswers++] = a;
    pthread_mutex_unlock(&server.mutex);
}

static inline struct answer answer_of(const char *bytes) {
    return (struct answer){.bytes = xstrdup(bytes), .n = strlen(bytes), .gate = WHOLE};
}

static inline void will_answer(const char *bytes) { add_answer(answer_of(bytes)); }

/* The connection is kept. */
static inline void will_answer_and_stay(const char *bytes) {
    struct answer a = answer_of(bytes);
    a.stay = true;
    add_answer(a);
}

static inline void will_answer_until(const char *bytes, size_t gate) {
    struct answer a = answer_of(bytes);
    a.gate = gate;
    add_answer(a);
}

static inline void open_gates(size_t n) {
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
    size_t cancel_after;   /* bytes of text; 0: never */
    struct llm_usage used; /* before it was cancelled */
    char used_model[96];
    struct llm_response response;
    struct llm_error error;
    struct record *then; /* to be started at the end */
};

static inline void start(struct record *r);

static inline void on_text(void *arg, const char *text, size_t n) {
    struct record *r = arg;
    assert_non_null(r->call);
    assert_true(utf8_valid(text, n));
    r->pieces++;
    buf_append(&r->text, text, n);
    if (r->cancel_after && r->text.len >= r->cancel_after) {
        const char *model;
        llm_call_used(r->call, &r->used, &model);
        snprintf(r->used_model, sizeof(r->used_model), "%s", model);
        llm_call_cancel(&r->call);
        assert_null(r->call);
    }
}

static inline void on_thinking(void *arg, const char *text, size_t n) { on_text(arg, text, n); }

static inline void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    struct record *r = arg;
    assert_non_null(r->call);
    buf_printf(&r->text, "[%zu %s %s]", index, id, name);
}

static inline void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    (void)index;
    on_text(arg, text, n);
}

static inline void on_bytes(void *arg) {
    struct record *r = arg;
    assert_non_null(r->call);
    r->alive++;
}

static inline void ended(struct record *r) {
    assert_non_null(r->call);
    assert_int_equal(r->done + r->failed, 1);
    r->call = NULL;
    if (r->then)
        start(r->then);
}

static inline void on_done(void *arg, struct llm_response *response) {
    struct record *r = arg;
    r->done++;
    r->response = *response;
    memset(&response->message, 0, sizeof(response->message)); /* moved out */
    ended(r);
}

static inline void on_error(void *arg, const struct llm_error *e) {
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

static inline void start_model(struct record *r, const char *model) {
    struct llm_request q = {.model = model, .system = "Be brief.", .history = &history};
    r->call = llm_call_start(llm, &q, &events, r);
    assert_non_null(r->call);
    assert_int_equal(r->done + r->failed + r->alive, 0); /* never from inside */
}

static inline void start(struct record *r) { start_model(r, "anthropic/claude-haiku-4-5"); }

static inline void wait_end(struct record *r) {
    while (!r->done && !r->failed)
        loop_turn(l, -1);
    assert_null(r->call);
}

static inline void record_free(struct record *r) {
    buf_free(&r->text);
    llm_message_free(&r->response.message);
}

static inline void new_client(const char *base_url, const char *key) {
    struct llm_provider p[] = {
        {.id = "anthropic", .api = PROVIDER_API_ANTHROPIC, .base_url = base_url, .api_key = key},
        {.id = "local", .api = PROVIDER_API_ANTHROPIC, .base_url = "nonsense", .api_key = key},
        {.id = "openai",
         .api = PROVIDER_API_OPENAI_COMPLETIONS,
         .base_url = base_url,
         .api_key = key},
        {.id = "respond",
         .api = PROVIDER_API_OPENAI_RESPONSES,
         .base_url = base_url,
         .api_key = key},
        {.id = "bare",
         .api = PROVIDER_API_OPENAI_COMPLETIONS,
         .base_url = base_url,
         .keyless = true},
    };
    struct llm_config c = {.providers = p,
                           .nproviders = ARRAY_LEN(p),
                           .silence_secs = 1,
                           .connect_secs = 1,
                           .user_agent = "spacebot/test"};
    llm_free(&llm);
    llm = llm_new(l, &c);
}

static inline int setup(void **state) {
    (void)state;
    char url[64];
    server_start();
    l = loop_new(LOOP_REAL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/", server.port);
    new_client(url, KEY "\n");
    llm_history_push_text(&history, LLM_ROLE_USER, "hello");
    return 0;
}

static inline int teardown(void **state) {
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
static inline char *chunked(const char *text, size_t size) {
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

static inline void assert_hello(struct record *r) {
    assert_string_equal(r->error.text, "");
    assert_int_equal(r->done, 1);
    assert_string_equal(buf_str(&r->text), "Good \xE2\x82\xAC day");
    char *text = llm_message_text(&r->response.message);
    assert_string_equal(text, "Good \xE2\x82\xAC day");
    free(text);
}

/* No proxy of the machine stands in between. */
static inline void no_proxies(void) {
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        unsetenv(proxies[i]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
