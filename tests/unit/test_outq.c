/* outq: bounded, resumed when the reader reads, quiet after an error; over both backends, on pipes
 * and sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop-internal.h"
#include "loop/outq.h"

#define LIMIT (1024 * 1024)

static const struct backend *backend;
static struct loop *l;
static struct outq *q;
static int fds[2]; /* read from 0, write to 1 */
static int drained, failed_with, failures;
static bool free_in_callback;

static void on_drain(void *arg) {
    (void)arg;
    drained++;
    if (free_in_callback)
        outq_free(&q);
}

static void on_error(void *arg, int err) {
    (void)arg;
    failures++;
    failed_with = err;
    if (free_in_callback)
        outq_free(&q);
}

static int setup_common(void) {
    l = loop_new_on(LOOP_REAL, backend);
    q = outq_new(l, fds[1], LIMIT, on_drain, on_error, NULL);
    drained = failed_with = failures = 0;
    free_in_callback = false;
    return 0;
}

static int setup_pipe(void **state) {
    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    return setup_common();
}

static int setup_socket(void **state) {
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    return setup_common();
}

static int teardown(void **state) {
    (void)state;
    outq_free(&q);
    assert_null(q);
    loop_free(&l);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

/* Byte number i of the stream, so that a byte lost, doubled or moved is seen. */
static char byte_at(size_t i) { return (char)(i * 131 + i / 251); }

static size_t sent, received;

static enum status send_some(size_t n) {
    char *data = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        data[i] = byte_at(sent + i);
    enum status s = outq_write(q, data, n);
    free(data);
    if (s == STATUS_OK)
        sent += n;
    return s;
}

/* Reads at most n bytes of what is there. */
static size_t receive(size_t n) {
    char data[8192];
    size_t total = 0;
    while (total < n) {
        size_t want = n - total < sizeof(data) ? n - total : sizeof(data);
        ssize_t got = read(fds[0], data, want);
        if (got <= 0)
            break;
        for (ssize_t i = 0; i < got; i++)
            if (data[i] != byte_at(received + (size_t)i))
                fail_msg("byte %zu is wrong", received + (size_t)i);
        received += (size_t)got;
        total += (size_t)got;
    }
    return total;
}

static void at_once(void **state) {
    (void)state;
    sent = received = 0;
    assert_int_equal(send_some(1000), STATUS_OK);
    assert_int_equal(outq_pending(q), 0);
    assert_int_equal(receive(1000), 1000);
    assert_false(loop_turn(l, 0));
    assert_int_equal(drained, 0); /* it never was anything but empty */
    assert_int_equal(outq_write(q, NULL, 0), STATUS_OK);
}

static void bounded(void **state) {
    (void)state;
    sent = received = 0;
    while (outq_pending(q) < LIMIT - 1000)
        assert_int_equal(send_some(1000), STATUS_OK);
    size_t room = LIMIT - outq_pending(q);
    assert_int_equal(send_some(room + 1), STATUS_LIMIT); /* all or nothing */
    assert_int_equal(outq_pending(q), LIMIT - room);
    assert_int_equal(send_some(room), STATUS_OK);
    assert_int_equal(outq_pending(q), LIMIT);
    assert_int_equal(send_some(1), STATUS_LIMIT);
    assert_int_equal(send_some(LIMIT + 1), STATUS_LIMIT);
    /* Nobody reads: nothing happens, and nothing spins. */
    assert_false(loop_turn(l, 0));
    assert_int_equal(drained, 0);
}

static void resumed(void **state) {
    (void)state;
    sent = received = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(send_some(200 * 1000 + (size_t)i), STATUS_OK);
    assert_true(outq_pending(q) > 0);
    /* The reader takes odd amounts; more is written meanwhile, and order is kept. */
    size_t step = 1;
    while (received < sent) {
        size_t got = receive(step);
        loop_turn(l, got ? 0 : -1);
        step = step * 3 % 70001 + 1;
        if (sent < 5 * 1000 * 1000)
            (void)!send_some(step % 3000 + 1);
    }
    while (loop_turn(l, 0))
        continue;
    assert_int_equal(outq_pending(q), 0);
    assert_true(drained >= 1);
    assert_int_equal(received, sent);
    /* Drained, it works as at the start. */
    int before = drained;
    assert_int_equal(send_some(10), STATUS_OK);
    assert_int_equal(receive(10), 10);
    assert_false(loop_turn(l, 0));
    assert_int_equal(drained, before);
}

static void say_nothing(void *arg, int fd, unsigned events) {
    (void)fd;
    *(unsigned *)arg |= events;
}

/* The owner reads from the same descriptor that the queue writes to. */
static void beside_a_reader(void **state) {
    (void)state;
    sent = received = 0;
    unsigned seen = 0;
    struct loop_watch *w;
    assert_int_equal(loop_watch(l, fds[1], LOOP_READ, say_nothing, &seen, "reader", &w), STATUS_OK);
    while (outq_pending(q) == 0)
        assert_int_equal(send_some(10000), STATUS_OK);
    assert_int_equal(write(fds[0], "x", 1), 1);
    loop_turn(l, -1);
    assert_int_equal(seen, LOOP_READ);
    loop_unwatch(&w);
    while (received < sent)
        loop_turn(l, receive(SIZE_MAX) ? 0 : -1);
    assert_int_equal(received, sent);
}

static void reader_gone(void **state) {
    (void)state;
    sent = received = 0;
    while (outq_pending(q) == 0)
        assert_int_equal(send_some(10000), STATUS_OK);
    close(fds[0]);
    while (!failures)
        loop_turn(l, -1);
    assert_int_equal(failed_with, EPIPE);
    assert_int_equal(outq_pending(q), 0);
    assert_int_equal(send_some(5), STATUS_IO);
    while (loop_turn(l, 0))
        continue;
    assert_int_equal(failures, 1);
    assert_int_equal(drained, 0);
    fds[0] = dup(fds[1]);
}

/* The error shows in outq_write() itself: it is told there by its result, and by the callback from
 * the loop. */
static void error_at_once(void **state) {
    (void)state;
    close(fds[0]);
    assert_int_equal(send_some(5), STATUS_IO);
    assert_int_equal(failures, 0);
    assert_true(loop_turn(l, -1));
    assert_int_equal(failures, 1);
    assert_int_equal(failed_with, EPIPE);
    fds[0] = dup(fds[1]);
}

static void freed_before_told(void **state) {
    (void)state;
    close(fds[0]);
    assert_int_equal(send_some(5), STATUS_IO);
    outq_free(&q);
    loop_turn(l, 0);
    assert_int_equal(failures, 0);
    fds[0] = dup(fds[1]);
}

static void freed_in_drain(void **state) {
    (void)state;
    free_in_callback = true;
    sent = received = 0;
    while (outq_pending(q) == 0)
        assert_int_equal(send_some(10000), STATUS_OK);
    while (q)
        loop_turn(l, receive(SIZE_MAX) ? 0 : -1);
    assert_int_equal(drained, 1);
    receive(SIZE_MAX);
    assert_int_equal(received, sent);
}

static void freed_in_error(void **state) {
    (void)state;
    free_in_callback = true;
    while (outq_pending(q) == 0)
        assert_int_equal(send_some(10000), STATUS_OK);
    close(fds[0]);
    while (q)
        loop_turn(l, -1);
    assert_int_equal(failures, 1);
    fds[0] = dup(fds[1]);
}

/* Without a descriptor to spare, bytes keep and are tried again. */
static void no_descriptors(void **state) {
    (void)state;
    sent = received = 0;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (outq_pending(q) == 0)
        assert_int_equal(send_some(10000), STATUS_OK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (received < sent) {
        receive(SIZE_MAX);
        if (received < sent)
            loop_turn(l, -1);
    }
    assert_int_equal(failures, 0);
    assert_int_equal(received, sent);
}

int main(void) {
#define ON_PIPE(fn)                                                                                \
    { #fn " (pipe)", fn, setup_pipe, teardown, NULL }
#define ON_SOCKET(fn)                                                                              \
    { #fn " (socket)", fn, setup_socket, teardown, NULL }
    const struct CMUnitTest tests[] = {
        ON_PIPE(at_once),           ON_SOCKET(at_once),        ON_PIPE(bounded),
        ON_SOCKET(bounded),         ON_PIPE(resumed),          ON_SOCKET(resumed),
        ON_SOCKET(beside_a_reader), ON_PIPE(reader_gone),      ON_SOCKET(reader_gone),
        ON_PIPE(error_at_once),     ON_SOCKET(error_at_once),  ON_PIPE(freed_before_told),
        ON_PIPE(freed_in_drain),    ON_SOCKET(freed_in_drain), ON_PIPE(freed_in_error),
        ON_PIPE(no_descriptors),
    };
    backend = &backend_epoll;
    int failed = cmocka_run_group_tests_name("outq over epoll", tests, NULL, NULL);
    backend = &backend_poll;
    return failed + cmocka_run_group_tests_name("outq over poll", tests, NULL, NULL);
}
