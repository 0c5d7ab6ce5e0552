/* log: one line a message, nothing in it that a terminal would obey, whole lines from many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

static char dir[] = "/tmp/test-log-XXXXXX";
static char *path;

static int setup(void **state) {
    (void)state;
    assert_non_null(mkdtemp(dir));
    path = xasprintf("%s/log", dir);
    clock_set_virtual(INT64_C(1795513886007));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    rmdir(dir);
    x_free(&path);
    return 0;
}

static void start(void) {
    struct cause why;
    unlink(path);
    assert_int_equal(log_open(path, &why), STATUS_OK);
}

static char *read_all(void) {
    struct buf b = BUF_INIT;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (size_t n; (n = fread(buf_room(&b, 65536), 1, 65536, f)) > 0;)
        buf_added(&b, n);
    fclose(f);
    return buf_steal(&b);
}

static void lines(void **state) {
    (void)state;
    start();
    errno = ENOENT;
    log_info("started %d", 1);
    assert_int_equal(errno, ENOENT);
    log_debug("not wanted");
    log_set_level(LOG_DEBUG);
    log_debug("wanted");
    log_set_level(LOG_INFO);
    log_error("two\nlines\tof %s", "\x1b[2J\xFF\xE2\x80\xAE");
    log_close();
    char *text = read_all();
    assert_string_equal(text,
                        "2026-11-24T09:51:26.007Z info started 1\n"
                        "2026-11-24T09:51:26.007Z debug wanted\n"
                        "2026-11-24T09:51:26.007Z error two lines of ^[[2J\xEF\xBF\xBD<U+202E>\n");
    free(text);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void appends(void **state) {
    (void)state;
    start();
    log_info("one");
    struct cause why;
    assert_int_equal(log_open(path, &why), STATUS_OK); /* again: the old descriptor is closed */
    log_info("two");
    log_close();
    char *text = read_all();
    assert_non_null(strstr(text, "one\n"));
    assert_non_null(strstr(text, "two\n"));
    free(text);
    assert_int_equal(log_open("/nonexistent/log", &why), STATUS_IO);
    assert_string_equal(why.text, "/nonexistent/log: No such file or directory");
}

static void long_message(void **state) {
    (void)state;
    start();
    char *big = xmalloc(100001);
    for (size_t i = 0; i < 100000; i += 2)
        memcpy(big + i, "\xC3\xA9", 2);
    big[100000] = '\0';
    log_info("x%s", big);
    log_close();
    free(big);
    char *text = read_all();
    size_t n = strlen(text);
    assert_in_range(n, 8000, 8400);
    assert_true(utf8_valid(text, n));
    assert_string_equal(text + n - 7, " [cut]\n");
    free(text);
}

static void on_log(void *arg, enum log_level level, const char *text) {
    struct buf *b = arg;
    buf_printf(b, "%d:%s;", (int)level, text);
}

static void listener(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    start();
    log_set_listener(on_log, &b);
    log_info("quiet");
    log_warn("loud");
    log_error("louder");
    log_set_listener(NULL, NULL);
    log_error("to nobody");
    log_close();
    assert_string_equal(buf_str(&b), "2:loud;3:louder;");
    buf_free(&b);
}

#define THREADS 4
#define EACH 500

static void *writer(void *arg) {
    int id = *(int *)arg;
    for (int i = 0; i < EACH; i++)
        log_info("thread %d message %d end", id, i);
    return NULL;
}

static void threads(void **state) {
    (void)state;
    start();
    pthread_t t[THREADS];
    int ids[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&t[i], NULL, writer, &ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    log_close();
    char *text = read_all(), *save = NULL;
    int next[THREADS] = {0}, n = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
        int id, message, end = 0;
        assert_int_equal(sscanf(line, "2026-11-24T09:51:26.007Z info thread %d message %d end%n",
                                &id, &message, &end),
                         2);
        assert_int_equal(strlen(line), end);
        assert_in_range(id, 0, THREADS - 1);
        assert_int_equal(message, next[id]++);
    }
    assert_int_equal(n, THREADS * EACH);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),    cmocka_unit_test(appends), cmocka_unit_test(long_message),
        cmocka_unit_test(listener), cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
