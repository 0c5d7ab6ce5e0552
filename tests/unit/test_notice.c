/* notice: what the log is warned of comes to the screen once, from any thread. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ui/notice.h"

static struct loop *l;
static struct cause why;

static int setup(void **state) {
    (void)state;
    l = loop_new(LOOP_REAL);
    assert_int_equal(log_open("/dev/null", &why), STATUS_OK);
    notice_listen(l);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    notice_stop();
    log_close();
    loop_free(&l);
    return 0;
}

static void expect(const char *text, enum log_level level) {
    struct buf got = BUF_INIT;
    enum log_level was = LOG_DEBUG;
    bool any = notice_take(&got, &was);
    assert_int_equal(any, text != NULL);
    if (text) {
        assert_string_equal(buf_str(&got), text);
        assert_int_equal(was, level);
    }
    buf_free(&got);
}

static void warnings_and_errors_once(void **state) {
    (void)state;
    log_info("nothing to see");
    expect(NULL, LOG_INFO);
    log_warn("the disk is %d %% full", 99);
    assert_true(loop_turn(l, 0)); /* it has woken the loop */
    expect("the disk is 99 % full", LOG_WARN);
    expect(NULL, LOG_WARN);
    log_warn("the disk is %d %% full", 99);
    expect(NULL, LOG_WARN);
    log_error("bad \x1b[2J news");
    expect("bad ^[[2J news", LOG_ERROR);
}

static void several_are_counted(void **state) {
    (void)state;
    log_warn("one");
    log_warn("two");
    log_error("three");
    expect("three (and 2 more, in the log)", LOG_ERROR);
    log_warn("four");
    expect("four", LOG_WARN);
}

static void *warn_often(void *arg) {
    for (int i = 0; i < 500; i++)
        log_warn("%s %d", (const char *)arg, i);
    return NULL;
}

/* Whoever fetches meanwhile finds whole lines; the last one is never lost. */
static void from_any_thread(void **state) {
    (void)state;
    pthread_t threads[4];
    static const char *const names[] = {"a", "b", "c", "d"};
    struct buf got = BUF_INIT;
    enum log_level level;
    size_t taken = 0;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, warn_often, (void *)(uintptr_t)names[i]),
                         0);
    for (int i = 0; i < 2000; i++) {
        buf_reset(&got);
        if (!notice_take(&got, &level))
            continue;
        taken++;
        assert_true(strchr("abcd", buf_str(&got)[0]) && buf_str(&got)[1] == ' ');
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    buf_reset(&got);
    taken += notice_take(&got, &level);
    assert_true(taken > 0);
    assert_false(notice_take(&got, &level));
    buf_free(&got);
}

static void stopped_it_hears_nothing(void **state) {
    (void)state;
    log_warn("before");
    notice_stop();
    log_warn("after");
    expect(NULL, LOG_WARN);
    notice_listen(l);
    log_warn("before"); /* another listener has been told nothing yet */
    expect("before", LOG_WARN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(warnings_and_errors_once), TEST(several_are_counted),
                                       TEST(from_any_thread), TEST(stopped_it_hears_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
