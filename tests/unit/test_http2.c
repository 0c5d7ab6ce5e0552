/* http over HTTP/2: many streams on few connections, by the real peer (nghttpx in front of the
 * bench server), through a relay that can hold a connection up or cut it. What happens to one
 * connection or one stream is no other's business. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/http.h"
#include "loop/outq.h"
#include "tests/lib/nghttpx.h"
#include "tests/lib/run.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

#define STREAMS 250
#define OFFERED 100 /* streams that the proxy takes on a connection */
#define EACH HTTP_STREAMS
#define SURPLUS 8 /* connections that may be opened in vain, as all are on their way at once */
#define LINKS 256
#define PENDING_MAX ((size_t)64 << 20)
#define MORE 500 /* bytes that show that a stream goes on: three events */

/* ---- the relay ------------------------------------------------------------------------------- */

/* One connection of the client's, passed on byte for byte. */
struct link {
    struct world *w;
    int client, proxy;
    struct loop_watch *from_client, *from_proxy;
    struct outq *to_client, *to_proxy;
    bool open, held;
};

struct stream {
    struct http_call *call;
    struct http_result result;
    size_t bytes, mark;
    int status;
    bool ended;
};

struct world {
    struct tmphome *home;
    struct run *server;
    struct nghttpx *proxy;
    struct loop *loop;
    struct http *http;
    int listener, port;
    struct loop_watch *accepts;
    struct link links[LINKS];
    size_t nlinks;
    struct stream streams[STREAMS];
};

static void link_close(struct link *k) {
    if (!k->open)
        return;
    k->open = false;
    loop_unwatch(&k->from_client);
    loop_unwatch(&k->from_proxy);
    outq_free(&k->to_client);
    outq_free(&k->to_proxy);
    close(k->client);
    close(k->proxy);
}

static void close_later(void *arg) { link_close(arg); }

static void on_broken(void *arg, int err) {
    struct link *k = arg;
    (void)err;
    loop_defer(k->w->loop, close_later, k); /* not from within its own queue */
}

static void pass_on(struct link *k, int fd, struct outq *to) {
    char room[65536];
    ssize_t n = recv(fd, room, sizeof(room), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || outq_write(to, room, (size_t)n) != STATUS_OK)
        link_close(k);
}

static void on_client(void *arg, int fd, unsigned events) {
    struct link *k = arg;
    (void)events;
    pass_on(k, fd, k->to_proxy);
}

static void on_proxy(void *arg, int fd, unsigned events) {
    struct link *k = arg;
    (void)events;
    pass_on(k, fd, k->to_client);
}

static int connect_to(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void on_accept(void *arg, int fd, unsigned events) {
    struct world *w = arg;
    (void)events;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return;
    assert_true(w->nlinks < LINKS);
    struct link *k = &w->links[w->nlinks++];
    *k = (struct link){.w = w, .client = client, .proxy = connect_to(nghttpx_port(w->proxy))};
    k->open = true;
    k->to_client = outq_new(w->loop, client, PENDING_MAX, NULL, on_broken, k);
    k->to_proxy = outq_new(w->loop, k->proxy, PENDING_MAX, NULL, on_broken, k);
    assert_int_equal(
        loop_watch(w->loop, client, LOOP_READ, on_client, k, "client", &k->from_client), STATUS_OK);
    assert_int_equal(loop_watch(w->loop, k->proxy, LOOP_READ, on_proxy, k, "proxy", &k->from_proxy),
                     STATUS_OK);
}

/* Nothing comes to the client over it any more. */
static void link_hold(struct link *k, bool held) {
    k->held = held;
    loop_watch_events(k->from_proxy, held ? 0 : LOOP_READ);
}

/* The client is told by a reset. */
static void link_cut(struct link *k) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(k->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    link_close(k);
}

static size_t links_open(const struct world *w) {
    size_t n = 0;
    for (size_t i = 0; i < w->nlinks; i++)
        n += w->links[i].open;
    return n;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void on_data(void *arg, const struct http_head *h, const char *data, size_t n) {
    struct stream *s = arg;
    (void)data;
    s->status = h->status;
    s->bytes += n;
}

static void on_end(void *arg, const struct http_head *h, const struct http_result *r) {
    struct stream *s = arg;
    s->status = h->status;
    s->result = *r;
    s->ended = true;
    s->call = NULL;
}

static void stream_start(struct world *w, struct stream *s) {
    struct strv headers = {0};
    char *url = xasprintf("https://127.0.0.1:%d/v1/messages", w->port);
    char *body =
        xstrdup("{\"model\":\"m\",\"max_tokens\":1,\"stream\":true,\"messages\":[{\"role\":"
                "\"user\",\"content\":\"[[stream work 0]]\"}]}");
    strv_push(&headers, "content-type: application/json");
    *s = (struct stream){.bytes = 0};
    s->call = http_send(w->http, &(struct http_request){.url = url,
                                                        .headers = &headers,
                                                        .body = body,
                                                        .body_len = strlen(body),
                                                        .connect_secs = 30,
                                                        .silence_secs = 300,
                                                        .on_data = on_data,
                                                        .on_end = on_end,
                                                        .arg = s});
    free(url);
    strv_free(&headers);
}

/* How many of those that have not ended have had so many bytes since the mark. */
static size_t streams_with(const struct world *w, size_t bytes) {
    size_t n = 0;
    for (size_t i = 0; i < STREAMS; i++)
        n += w->streams[i].call && w->streams[i].bytes - w->streams[i].mark >= bytes;
    return n;
}

static size_t streams_ended(const struct world *w) {
    size_t n = 0;
    for (size_t i = 0; i < STREAMS; i++)
        n += w->streams[i].ended;
    return n;
}

static void mark(struct world *w) {
    for (size_t i = 0; i < STREAMS; i++)
        w->streams[i].mark = w->streams[i].bytes;
}

/* Turns until so many have gone on. */
static void expect_more(struct world *w, size_t streams, size_t bytes) {
    int64_t deadline = wait_until(4 * WAIT_MS);
    while (streams_with(w, bytes) < streams && wait_left(deadline) > 0)
        (void)loop_turn(w->loop, 20 * NS_PER_MS);
    if (streams_with(w, bytes) < streams)
        fail_msg("%zu streams of %zu go on, %zu have ended (%s); %zu connections, %zu open",
                 streams_with(w, bytes), streams, streams_ended(w), w->streams[0].result.detail,
                 w->nlinks, links_open(w));
}

static void pace(struct world *w, int per_second) {
    char line[64];
    snprintf(line, sizeof(line), "pace work %d\n", per_second);
    run_write(w->server, line);
}

/* ---- around them ----------------------------------------------------------------------------- */

static struct world *set_up(const char *alpn) {
    struct world *w = xcalloc(1, sizeof(*w));
    struct cause why = {""};
    w->home = tmphome_new(NULL);
    char *program = xasprintf("%s/tests/fake/bench-server", where_build());
    const char *argv[] = {program, NULL};
    int backend;
    w->server = run_start(&(struct run_spec){.argv = argv, .open_stdin = true});
    assert_true(run_wait_out(w->server, "\n", WAIT_MS));
    assert_int_equal(sscanf(run_out(w->server), "port %d", &backend), 1);
    free(program);
    w->proxy = nghttpx_start(
        &(struct nghttpx_spec){
            .dir = w->home->user, .backend = backend, .streams = OFFERED, .alpn = alpn},
        &why);
    if (!w->proxy) {
        print_message("%s (package nghttp2-proxy): nothing is known about HTTP/2 here\n", why.text);
        run_free(&w->server);
        tmphome_free(&w->home);
        x_free(&w);
        skip();
        return NULL;
    }
    setenv("SSL_CERT_FILE", nghttpx_authority(w->proxy), 1);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(w->listener, 1024), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&a, &n), 0);
    w->port = ntohs(a.sin_port);
    w->loop = loop_new(LOOP_REAL);
    w->http = http_new(w->loop, "test", NULL);
    assert_int_equal(
        loop_watch(w->loop, w->listener, LOOP_READ, on_accept, w, "listener", &w->accepts),
        STATUS_OK);
    return w;
}

static void tear_down(struct world **pw) {
    struct world *w = *pw;
    http_free(&w->http);
    for (size_t i = 0; i < w->nlinks; i++)
        link_close(&w->links[i]);
    loop_unwatch(&w->accepts);
    close(w->listener);
    loop_free(&w->loop);
    nghttpx_stop(&w->proxy);
    run_free(&w->server);
    tmphome_free(&w->home);
    x_free(pw);
}

static void all_streams(struct world *w) {
    for (size_t i = 0; i < STREAMS; i++)
        stream_start(w, &w->streams[i]);
    expect_more(w, STREAMS, 1);
    for (size_t i = 0; i < STREAMS; i++)
        assert_int_equal(w->streams[i].status, 200);
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void test_few_connections(void **state) {
    (void)state;
    struct world *w = set_up(NULL);
    all_streams(w);
    assert_in_range(w->nlinks, (STREAMS + EACH - 1) / EACH, (STREAMS + EACH - 1) / EACH + SURPLUS);
    pace(w, STREAMS * 20);
    mark(w);
    expect_more(w, STREAMS, MORE);
    assert_int_equal(streams_ended(w), 0);
    tear_down(&w);
}

static void test_one_connection_is_held_up(void **state) {
    (void)state;
    struct world *w = set_up(NULL);
    all_streams(w);
    pace(w, STREAMS * 20);
    mark(w);
    expect_more(w, STREAMS, MORE);
    link_hold(&w->links[0], true);
    while (outq_pending(w->links[0].to_client))
        (void)loop_turn(w->loop, NS_PER_MS);
    mark(w);
    expect_more(w, STREAMS - EACH, 4 * MORE);
    size_t waiting = STREAMS - streams_with(w, 4 * MORE);
    assert_in_range(waiting, 1, EACH);
    link_hold(&w->links[0], false);
    mark(w);
    expect_more(w, STREAMS, MORE);
    assert_int_equal(streams_ended(w), 0);
    tear_down(&w);
}

static void test_one_connection_is_cut(void **state) {
    (void)state;
    struct world *w = set_up(NULL);
    all_streams(w);
    pace(w, STREAMS * 20);
    mark(w);
    expect_more(w, STREAMS, MORE);
    link_cut(&w->links[0]);
    while (!streams_ended(w))
        (void)loop_turn(w->loop, 20 * NS_PER_MS);
    size_t ended = streams_ended(w);
    assert_in_range(ended, 1, EACH);
    for (size_t i = 0; i < STREAMS; i++)
        if (w->streams[i].ended)
            assert_int_equal(w->streams[i].result.end, HTTP_END_CUT);
    mark(w);
    expect_more(w, STREAMS - ended, MORE);
    assert_int_equal(streams_ended(w), ended); /* and nobody else */
    for (size_t i = 0; i < STREAMS; i++)
        if (w->streams[i].ended)
            stream_start(w, &w->streams[i]);
    mark(w);
    expect_more(w, STREAMS, MORE);
    tear_down(&w);
}

/* Who is cancelled goes by a reset of his stream; the connection stays to the others. */
static void test_cancelled(void **state) {
    (void)state;
    struct world *w = set_up(NULL);
    all_streams(w);
    size_t links = links_open(w), left = 0;
    for (size_t i = 0; i < STREAMS; i++) {
        if (i % 3 == 0)
            http_cancel(&w->streams[i].call);
        left += w->streams[i].call != NULL;
    }
    pace(w, STREAMS * 20);
    mark(w);
    expect_more(w, left, MORE);
    assert_in_range(links_open(w), links - SURPLUS, links); /* one without streams may go */
    assert_int_equal(streams_ended(w), 0);
    for (size_t i = 0; i < STREAMS; i += 3)
        stream_start(w, &w->streams[i]);
    mark(w);
    expect_more(w, STREAMS, MORE);
    assert_in_range(w->nlinks, links, links + SURPLUS); /* their places were free again */
    tear_down(&w);
}

/* A server that speaks no HTTP/2 needs a connection for each: nobody waits for another's end. */
static void test_without_http2(void **state) {
    (void)state;
    struct world *w = set_up("http/1.1");
    all_streams(w);
    assert_int_equal(links_open(w), STREAMS);
    pace(w, STREAMS * 20);
    mark(w);
    expect_more(w, STREAMS, MORE);
    tear_down(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_connections),
        cmocka_unit_test(test_one_connection_is_held_up),
        cmocka_unit_test(test_one_connection_is_cut),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_without_http2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
