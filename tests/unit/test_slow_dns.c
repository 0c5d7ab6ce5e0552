/* Cancelling while a name is being resolved. The resolver here is this program's own getaddrinfo,
 * which answers when it is told to and never before; libcurl's resolver thread finds it in place of
 * the C library's. */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "llm/client.h"
#include "loop/loop.h"
#include "tests/lib/wait.h"

#define ANSWER_SECS 5 /* as long as a resolver that tries one dead server */
#define CANCEL_MS 50

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool released;
static int entered, left;
static int entered_fd;

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out) {
    struct timespec until;
    (void)name;
    (void)service;
    (void)hints;
    *out = NULL;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ANSWER_SECS;
    pthread_mutex_lock(&lock);
    entered++;
    (void)eventfd_write(entered_fd, 1);
    while (!released && pthread_cond_timedwait(&changed, &lock, &until) != ETIMEDOUT)
        ;
    left++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return EAI_AGAIN;
}

/* Lets the resolvers go and waits for them: they still write to memory of curl's. */
static void release(void) {
    pthread_mutex_lock(&lock);
    released = true;
    pthread_cond_broadcast(&changed);
    while (left < entered)
        pthread_cond_wait(&changed, &lock);
    released = false;
    pthread_mutex_unlock(&lock);
}

struct fixture {
    struct loop *loop;
    struct llm *llm;
    struct llm_history history;
    struct loop_watch *watch;
    bool resolving;
    int errors;
};

static void on_entered(void *arg, int fd, unsigned events) {
    struct fixture *f = arg;
    eventfd_t n;
    (void)events;
    (void)eventfd_read(fd, &n);
    f->resolving = true;
}

static int setup(void **state) {
    static struct fixture f;
    struct llm_provider provider = {.id = "anthropic",
                                    .api = LLM_API_ANTHROPIC,
                                    .base_url = "http://slow.example",
                                    .api_key = "k"};
    struct llm_config config = {.providers = &provider,
                                .nproviders = 1,
                                .silence_secs = 60,
                                .connect_secs = 60,
                                .user_agent = "test"};
    memset(&f, 0, sizeof(f));
    entered_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    f.loop = loop_new(LOOP_REAL);
    f.llm = llm_new(f.loop, &config);
    llm_history_push_text(&f.history, LLM_ROLE_USER, "hello");
    *state = &f;
    return loop_watch(f.loop, entered_fd, LOOP_READ, on_entered, &f, "resolver", &f.watch) !=
           STATUS_OK;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    llm_history_free(&f->history);
    loop_unwatch(&f->watch);
    if (f->llm)
        llm_free(&f->llm);
    loop_free(&f->loop);
    release();
    close(entered_fd);
    return 0;
}

static void on_error(void *arg, const struct llm_error *e) {
    struct fixture *f = arg;
    (void)e;
    f->errors++;
}

/* A call that hangs in the resolver. */
static struct llm_call *start(struct fixture *f) {
    static const struct llm_events events = {.on_error = on_error};
    const struct llm_request request = {.model = "anthropic/m", .history = &f->history};
    struct llm_call *call = llm_call_start(f->llm, &request, &events, f);
    int64_t deadline = wait_until(WAIT_MS);
    f->resolving = false;
    while (!f->resolving && wait_left(deadline))
        (void)loop_turn(f->loop, NS_PER_SEC);
    assert_true(f->resolving);
    assert_int_equal(f->errors, 0);
    return call;
}

static void cancelling_takes_no_time(void **state) {
    struct fixture *f = *state;
    struct llm_call *call = start(f);
    int64_t before = clock_real_mono_ns();
    llm_call_cancel(&call);
    while (loop_turn(f->loop, 0))
        ;
    int64_t took = clock_real_mono_ns() - before;
    assert_null(call);
    assert_int_equal(llm_calls_open(f->llm), 0);
    assert_int_equal(f->errors, 0);
    if (took >= CANCEL_MS * NS_PER_MS)
        fail_msg("cancelling took %lld us", (long long)(took / 1000));
}

static void nor_does_ending_the_client(void **state) {
    struct fixture *f = *state;
    struct llm_call *call = start(f);
    int64_t before = clock_real_mono_ns();
    llm_free(&f->llm);
    int64_t took = clock_real_mono_ns() - before;
    (void)call; /* freed with its client */
    assert_int_equal(f->errors, 0);
    if (took >= CANCEL_MS * NS_PER_MS)
        fail_msg("ending the client took %lld us", (long long)(took / 1000));
}

static void the_loop_goes_on_meanwhile(void **state) {
    struct fixture *f = *state;
    struct llm_call *call = start(f);
    int64_t before = clock_real_mono_ns();
    for (int i = 0; i < 100; i++) {
        loop_wake(f->loop);
        assert_true(loop_turn(f->loop, NS_PER_SEC));
    }
    assert_true(clock_real_mono_ns() - before < NS_PER_SEC);
    llm_call_cancel(&call);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cancelling_takes_no_time, setup, teardown),
        cmocka_unit_test_setup_teardown(nor_does_ending_the_client, setup, teardown),
        cmocka_unit_test_setup_teardown(the_loop_goes_on_meanwhile, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
