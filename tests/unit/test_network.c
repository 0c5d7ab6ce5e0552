/* client: how a provider is reached: certificates, proxies, both families of addresses, connections
 * that are used again, and every limit of time, each with the words that say what happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/client.h"
#include "tests/lib/fake.h"
#include "tests/lib/nghttpx.h"
#include "tests/lib/tmphome.h"

#define KEY "sk-test-0123456789"
#define SCENARIO                                                                                   \
    "{\"rules\":[{\"match\":{\"last_user_contains\":\"drip\"},\"respond\":[{\"text\":\"a word "    \
    "and a word and a word and a word and a word and a word\"}],\"delta_chars\":1,\"faults\":{"    \
    "\"slow_ms_per_event\":60}},{\"respond\":[{\"text\":\"Here I am.\"}]}]}"

/* ---- a peer of one thread: a server, or a proxy ---- */

enum conduct {
    ANSWERS, /* whatever it is asked */
    TUNNELS, /* as a proxy, to `to` */
    REFUSES, /* as a proxy */
    SILENT
};

static struct peer {
    enum conduct conduct;
    int fd, port, to;
    pthread_t thread;
    struct buf heard; /* first lines of what it was asked; its thread's */
} peer;

static void send_text(int fd, const char *text) {
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Both ways until one end closes. */
static void pass(int a, int b) {
    struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    char room[16384];
    for (;;) {
        if (poll(p, 2, -1) < 0)
            return;
        for (int i = 0; i < 2; i++) {
            if (!p[i].revents)
                continue;
            ssize_t n = recv(p[i].fd, room, sizeof(room), 0);
            for (ssize_t at = 0, k; at < n; at += k)
                if ((k = send(p[1 - i].fd, room + at, (size_t)(n - at), MSG_NOSIGNAL)) <= 0)
                    return;
            if (n <= 0)
                return;
        }
    }
}

static int connect_to(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void serve(int fd) {
    struct buf in = BUF_INIT;
    while (!in.len || !strstr(in.data, "\r\n\r\n")) {
        ssize_t n = recv(fd, buf_room(&in, 4096), 4096, 0);
        if (n <= 0) {
            buf_free(&in);
            return;
        }
        if (peer.conduct != SILENT)
            buf_added(&in, (size_t)n);
    }
    buf_append(&peer.heard, in.data, strcspn(in.data, "\r"));
    buf_putc(&peer.heard, '\n');
    buf_free(&in);
    int to;
    switch (peer.conduct) {
    case ANSWERS:
        send_text(fd, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
                      "event: message_start\ndata: {\"message\":{\"model\":\"m\"}}\n\n"
                      "event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":"
                      "\"text\",\"text\":\"Here I am.\"}}\n\n"
                      "event: message_stop\ndata: {}\n\n");
        break;
    case TUNNELS:
        if ((to = connect_to(peer.to)) < 0)
            break;
        send_text(fd, "HTTP/1.1 200 Connection established\r\n\r\n");
        pass(fd, to);
        close(to);
        break;
    case REFUSES:
        send_text(fd, "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        break;
    case SILENT:
        break;
    }
    shutdown(fd, SHUT_WR);
    char rest[4096];
    while (recv(fd, rest, sizeof(rest), 0) > 0)
        ;
}

static void *peer_run(void *arg) {
    (void)arg;
    for (int fd; (fd = accept(peer.fd, NULL, NULL)) >= 0; close(fd))
        serve(fd);
    return NULL;
}

/* False when the machine has no such addresses. */
static bool peer_start(enum conduct conduct, int family) {
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
    socklen_t n = family == AF_INET ? sizeof(a4) : sizeof(a6);
    peer.conduct = conduct;
    peer.fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer.fd < 0 || bind(peer.fd, a, n) != 0) {
        if (peer.fd >= 0)
            close(peer.fd);
        return false;
    }
    assert_int_equal(listen(peer.fd, 16), 0);
    assert_int_equal(getsockname(peer.fd, a, &n), 0);
    peer.port = ntohs(family == AF_INET ? a4.sin_port : a6.sin6_port);
    assert_int_equal(pthread_create(&peer.thread, NULL, peer_run, NULL), 0);
    return true;
}

/* After the client's end: it waits for that of every connection. `heard`: what it was asked; NULL:
 * anything. */
static void peer_stop(const char *heard) {
    shutdown(peer.fd, SHUT_RDWR);
    pthread_join(peer.thread, NULL);
    close(peer.fd);
    if (heard)
        assert_string_equal(buf_str(&peer.heard), heard);
    buf_free(&peer.heard);
}

/* ---- calls ---- */

static struct loop *loop;
static struct llm *llm;
static struct fake *fake;
static char said[640]; /* of the last call: its text, or its error */

static void on_done(void *arg, struct llm_response *r) {
    char *text = llm_message_text(&r->message);
    snprintf(said, sizeof(said), "%s", text);
    free(text);
    *(bool *)arg = true;
}

static void on_error(void *arg, const struct llm_error *e) {
    snprintf(said, sizeof(said), "%s: %s", llm_fault_name(e->fault), e->text);
    *(bool *)arg = true;
}

static void client(const char *base_url, struct llm_config c) {
    struct llm_provider p = {
        .id = "p", .api = PROVIDER_API_ANTHROPIC, .base_url = base_url, .api_key = KEY};
    c.providers = &p;
    c.nproviders = 1;
    llm_free(&llm);
    llm = llm_new(loop, &c);
}

static const char *ask(const char *text) {
    static const struct llm_events events = {.on_done = on_done, .on_error = on_error};
    struct llm_history h = {0};
    bool ended = false;
    llm_history_push_text(&h, LLM_ROLE_USER, text);
    (void)llm_call_start(llm, &(struct llm_request){.model = "p/m", .history = &h}, &events,
                         &ended);
    while (!ended)
        (void)loop_turn(loop, -1);
    llm_history_free(&h);
    return said;
}

static const char *ask_at(const char *base_url, struct llm_config c) {
    client(base_url, c);
    return ask("hello");
}

static void assert_says(const char *got, const char *a, const char *b) {
    if (!strstr(got, a) || !strstr(got, b))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", got, a, b);
}

static int requests(void) {
    cJSON *all = fake_requests(fake);
    int n = cJSON_GetArraySize(all);
    cJSON_Delete(all);
    return n;
}

static int setup(void **state) {
    (void)state;
    loop = loop_new(LOOP_REAL);
    fake = fake_start(SCENARIO);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    llm_free(&llm);
    loop_free(&loop);
    fake_stop(&fake);
    return 0;
}

/* ---- certificates ---- */

struct tls {
    struct tmphome *home;
    struct nghttpx *server;
    char url[64];
};

static bool tls_start(struct tls *t, const char *name) {
    struct cause why = {""};
    t->home = tmphome_new(NULL);
    t->server = nghttpx_start(
        &(struct nghttpx_spec){
            .dir = t->home->user, .backend = fake_port(fake), .streams = 100, .name = name},
        &why);
    if (!t->server) {
        print_message("%s: nothing is known about certificates here\n", why.text);
        tmphome_free(&t->home);
        return false;
    }
    snprintf(t->url, sizeof(t->url), "https://127.0.0.1:%d", nghttpx_port(t->server));
    return true;
}

static void tls_stop(struct tls *t) {
    llm_free(&llm);
    nghttpx_stop(&t->server);
    tmphome_free(&t->home);
    unsetenv("SSL_CERT_FILE");
}

static void test_certificates(void **state) {
    (void)state;
    struct tls t;
    if (!tls_start(&t, NULL))
        skip();
    const char *authority = nghttpx_authority(t.server);
    unsetenv("SSL_CERT_FILE");
    assert_says(ask_at(t.url, (struct llm_config){0}),
                "tls: p: no secure connection to 127.0.0.1:", "network.ca_file or SSL_CERT_FILE");
    assert_says(ask_at(t.url, (struct llm_config){.ca_file = "/nonexistent/ca.pem"}),
                "tls: p: no secure connection to 127.0.0.1:", "cannot be read");
    assert_says(said, "/nonexistent/ca.pem", "network.ca_file");
    assert_int_equal(requests(), 0); /* and nothing was sent, the key least of all */
    assert_string_equal(ask_at(t.url, (struct llm_config){.ca_file = authority}), "Here I am.");
    setenv("SSL_CERT_FILE", authority, 1);
    assert_string_equal(ask_at(t.url, (struct llm_config){0}), "Here I am.");
    assert_int_equal(requests(), 2);
    tls_stop(&t);
}

static void test_another_name(void **state) {
    (void)state;
    struct tls t;
    if (!tls_start(&t, "DNS:provider.example"))
        skip();
    struct llm_config c = {.ca_file = nghttpx_authority(t.server)};
    assert_says(ask_at(t.url, c), "tls: p: no secure connection to 127.0.0.1:", "127.0.0.1'");
    assert_null(strstr(said, "ca_file")); /* that would not help */
    assert_int_equal(requests(), 0);
    tls_stop(&t);
}

/* ---- proxies ---- */

static void test_proxy(void **state) {
    (void)state;
    char url[64];
    assert_true(peer_start(ANSWERS, AF_INET));
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", peer.port);
    assert_string_equal(ask_at("http://provider.example/v1", (struct llm_config){.proxy = url}),
                        "Here I am.");
    setenv("http_proxy", url, 1);
    assert_string_equal(ask_at("http://other.example:81", (struct llm_config){0}), "Here I am.");
    unsetenv("http_proxy");
    llm_free(&llm);
    peer_stop("POST http://provider.example/v1/messages HTTP/1.1\n"
              "POST http://other.example:81/v1/messages HTTP/1.1\n");
}

/* The proxy sees where it goes, and not a word of it. */
static void test_tunnel(void **state) {
    (void)state;
    struct tls t;
    char url[64];
    if (!tls_start(&t, "DNS:provider.example"))
        skip();
    peer.to = nghttpx_port(t.server);
    assert_true(peer_start(TUNNELS, AF_INET));
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", peer.port);
    setenv("https_proxy", url, 1);
    struct llm_config c = {.ca_file = nghttpx_authority(t.server)};
    assert_string_equal(ask_at("https://provider.example", c), "Here I am.");
    llm_free(&llm);
    peer_stop("CONNECT provider.example:443 HTTP/1.1\n");
    assert_true(peer_start(REFUSES, AF_INET));
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", peer.port);
    c.proxy = url;
    assert_says(ask_at("https://provider.example", c),
                "connect: p: cannot reach provider.example:443 through the proxy: ", "403");
    unsetenv("https_proxy");
    tls_stop(&t);
    peer_stop(NULL);
}

/* This machine is reached by no proxy; others by none where they are named. 0.0.0.0 is both. */
static void test_no_proxy(void **state) {
    (void)state;
    int fd;
    char *dead = fake_dead_url(&fd), url[64];
    setenv("http_proxy", dead, 1);
    assert_string_equal(ask_at(fake_url(fake), (struct llm_config){0}), "Here I am.");
    assert_string_equal(ask_at(fake_url(fake), (struct llm_config){.proxy = dead}), "Here I am.");
    snprintf(url, sizeof(url), "http://localhost:%d", fake_port(fake));
    assert_string_equal(ask_at(url, (struct llm_config){.proxy = dead}), "Here I am.");
    snprintf(url, sizeof(url), "http://0.0.0.0:%d", fake_port(fake));
    assert_says(ask_at(url, (struct llm_config){0}),
                "connect: p: cannot connect to 0.0.0.0:", " through the proxy: connection refused");
    assert_string_equal(ask_at(url, (struct llm_config){.no_proxy = "a.example,0.0.0.0"}),
                        "Here I am.");
    setenv("no_proxy", "0.0.0.0", 1);
    assert_string_equal(ask_at(url, (struct llm_config){0}), "Here I am.");
    assert_string_equal(ask_at(url, (struct llm_config){.proxy = ""}), "Here I am.");
    unsetenv("no_proxy");
    unsetenv("http_proxy");
    assert_says(ask_at("http://127.evil.example", (struct llm_config){.proxy = dead}),
                "cannot connect to 127.evil.example:80", "through the proxy");
    free(dead);
    close(fd);
}

/* ---- addresses, connections ---- */

static void test_ipv6(void **state) {
    (void)state;
    char url[64];
    if (!peer_start(ANSWERS, AF_INET6)) {
        print_message("this machine has no ::1\n");
        skip();
    }
    snprintf(url, sizeof(url), "http://[::1]:%d", peer.port);
    assert_string_equal(ask_at(url, (struct llm_config){.proxy = "http://127.0.0.1:1"}),
                        "Here I am.");
    llm_free(&llm);
    peer_stop(NULL);
    assert_says(ask_at(url, (struct llm_config){0}),
                "connect: p: cannot connect to [::1]:", ": connection refused");
    assert_null(strstr(said, "proxy"));
}

/* One call after the other needs no second connection; a turn may be about something else than the
 * end of the body, though, and then there is one more. */
static void test_connections_are_kept(void **state) {
    (void)state;
    client(fake_url(fake), (struct llm_config){0});
    for (int i = 0; i < 6; i++)
        assert_string_equal(ask("hello"), "Here I am.");
    int conns = 0;
    cJSON *all = fake_requests(fake), *it;
    assert_int_equal(cJSON_GetArraySize(all), 6);
    cJSON_ArrayForEach(it, all) if (json_i64(it, "conn", 0) > conns) conns =
        (int)json_i64(it, "conn", 0);
    cJSON_Delete(all);
    assert_in_range(conns, 1, 4);
}

/* ---- time ---- */

/* Bytes come all the time, an end does not. */
static void test_whole_call(void **state) {
    (void)state;
    client(fake_url(fake), (struct llm_config){.call_secs = 1, .silence_secs = 30});
    assert_string_equal(ask("drip"), "timeout: p: no end after 1 s");
}

/* A server that takes the connection and never says a word of TLS. */
static void test_silent_handshake(void **state) {
    (void)state;
    char url[64];
    assert_true(peer_start(SILENT, AF_INET));
    snprintf(url, sizeof(url), "https://127.0.0.1:%d", peer.port);
    assert_says(ask_at(url, (struct llm_config){.connect_secs = 1}),
                "connect: p: cannot connect to 127.0.0.1:", ": no answer in 1 s");
    llm_free(&llm);
    peer_stop(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    static const char *const names[] = {"http_proxy", "https_proxy",   "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",     "no_proxy",
                                        "NO_PROXY",   "SSL_CERT_FILE", "SSL_CERT_DIR"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    const struct CMUnitTest tests[] = {
        T(test_certificates),
        T(test_another_name),
        T(test_proxy),
        T(test_tunnel),
        T(test_no_proxy),
        T(test_ipv6),
        T(test_connections_are_kept),
        T(test_whole_call),
        T(test_silent_handshake),
    };
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
