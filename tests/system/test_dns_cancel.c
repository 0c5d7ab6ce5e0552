/* A name server that does not answer holds up nobody: while getaddrinfo() hangs, a call is
 * cancelled, the client is freed and the process ends at once. This program defines its own
 * getaddrinfo(), which libcurl finds first; it hangs until it is let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "llm/client.h"

#define LIMIT_MS 50
#define HANG_SECS 5 /* a safety net: nothing here is to last that long */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int entered, left;
static bool let_go;
static struct loop *waiting_loop;

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **res) {
    (void)node;
    (void)service;
    (void)hints;
    *res = NULL;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HANG_SECS;
    pthread_mutex_lock(&mutex);
    entered++;
    pthread_cond_broadcast(&changed);
    if (waiting_loop)
        loop_wake(waiting_loop);
    while (!let_go && pthread_cond_timedwait(&changed, &mutex, &until) != ETIMEDOUT)
        ;
    left++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    return EAI_AGAIN;
}

static int count(const int *what) {
    pthread_mutex_lock(&mutex);
    int n = *what;
    pthread_mutex_unlock(&mutex);
    return n;
}

static void let_all_go(void) {
    pthread_mutex_lock(&mutex);
    let_go = true;
    pthread_cond_broadcast(&changed);
    while (left < entered)
        pthread_cond_wait(&changed, &mutex);
    let_go = false;
    pthread_mutex_unlock(&mutex);
}

static int64_t ms_since(int64_t start) { return (clock_real_mono_ns() - start) / NS_PER_MS; }

static void on_done(void *arg, struct llm_response *r) {
    (void)arg;
    (void)r;
    fail_msg("an answer from nowhere");
}

static void on_error(void *arg, const struct llm_error *e) {
    struct llm_error *out = arg;
    assert_non_null(out);
    *out = *e;
}

static const struct llm_events events = {.on_done = on_done, .on_error = on_error};

static struct loop *l;
static struct llm *llm;
static struct llm_history history;

static int setup(void **state) {
    (void)state;
    static const struct llm_provider provider = {.id = "anthropic",
                                                 .api = PROVIDER_API_ANTHROPIC,
                                                 .base_url = "http://slow.example",
                                                 .api_key = "k-123456"};
    struct llm_config config = {.providers = &provider, .nproviders = 1};
    l = loop_new(LOOP_REAL);
    llm = llm_new(l, &config);
    llm_history_push_text(&history, LLM_ROLE_USER, "hello");
    waiting_loop = l;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    pthread_mutex_lock(&mutex);
    waiting_loop = NULL;
    pthread_mutex_unlock(&mutex);
    let_all_go();
    llm_free(&llm);
    llm_history_free(&history);
    loop_free(&l);
    return 0;
}

/* A call whose name is being looked for. */
static struct llm_call *start(struct llm_error *error) {
    struct llm_request r = {.model = "anthropic/m", .history = &history};
    int before = count(&entered);
    struct llm_call *c = llm_call_start(llm, &r, &events, error);
    while (count(&entered) == before)
        loop_turn(l, -1);
    return c;
}

static void test_cancel(void **state) {
    (void)state;
    int64_t best = INT64_MAX;
    /* The best of three: whoever waits for the name waits each time, a busy machine does not. */
    for (int i = 0; i < 3; i++) {
        struct llm_call *c = start(NULL);
        int hanging = count(&entered) - count(&left);
        assert_int_equal(hanging, i + 1);
        int64_t at = clock_real_mono_ns();
        llm_call_cancel(&c);
        int64_t ms = ms_since(at);
        best = ms < best ? ms : best;
        assert_null(c);
        assert_int_equal(count(&entered) - count(&left), hanging);
        assert_int_equal(llm_calls_open(llm), 0);
    }
    assert_in_range(best, 0, LIMIT_MS - 1);
}

static void test_free_client(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        (void)start(NULL);
    int hanging = count(&entered) - count(&left);
    assert_int_equal(hanging, 5);
    int64_t at = clock_real_mono_ns();
    llm_free(&llm);
    /* Five hanging names; waiting for one of them alone would take longer. */
    assert_in_range(ms_since(at), 0, HANG_SECS * 1000 / 2);
    assert_int_equal(count(&entered) - count(&left), 5);
}

/* The one that nobody cancels learns what it was. */
static void test_answer(void **state) {
    (void)state;
    struct llm_error e = {.text = ""};
    (void)start(&e);
    let_all_go();
    while (!*e.text)
        loop_turn(l, -1);
    assert_int_equal(e.fault, LLM_FAULT_CONNECT);
    assert_string_equal(e.text, "anthropic: cannot find the host slow.example");
}

/* exit() waits for no resolver either. */
static void test_exit(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        struct llm_call *c = start(NULL);
        if (write(fds[1], "r", 1) != 1)
            _exit(1);
        llm_call_cancel(&c);
        llm_free(&llm);
        exit(0);
    }
    close(fds[1]);
    char ready;
    assert_int_equal(read(fds[0], &ready, 1), 1);
    int64_t at = clock_real_mono_ns();
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    /* A sanitizer's own work at the end is in it, so the bound is well below the hang, not near 0.
     */
    assert_in_range(ms_since(at), 0, HANG_SECS * 1000 / 2);
    close(fds[0]);
}

int main(void) {
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exit, setup, teardown), /* first: it forks */
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
