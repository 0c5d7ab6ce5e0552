/* server: what becomes of terminals that are handed over, and when an engine ends. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/ctl.h"
#include "tests/lib/script_llm.h"

/* --- terminals ----------------------------------------------------------------------------------
 */

static void send_attach(struct peer *p, int fd, const char *args) {
    char control[CMSG_SPACE(sizeof(int))] = {0};
    char *text = xasprintf("{\"id\":%lld,\"cmd\":\"attach\",%s}\n", (long long)p->next++, args);
    struct iovec iov = {text, strlen(text)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &fd, sizeof(int));
    }
    assert_int_equal(sendmsg(p->fd, &m, 0), (ssize_t)strlen(text));
    free(text);
}

#define GOOD "\"term\":\"xterm\",\"cols\":80,\"rows\":24"

static bool attach(struct ctl_fixture *f, struct peer *p, int fd, const char *args) {
    send_attach(p, fd, args);
    cJSON *r = peer_hear(f, p);
    bool ok = json_bool(r, "ok", false);
    cJSON_Delete(r);
    return ok;
}

static void test_attach_opens_its_own_description(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    int master, tty = fixture_open_pty(&master);
    assert_true(attach(f, p, tty, GOOD));
    assert_int_equal(f->attached, 1);
    assert_int_equal(f->cols, 80);
    assert_int_equal(f->rows, 24);
    assert_true(isatty(f->tty));
    assert_true(fcntl(f->tty, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(f->tty, F_GETFD) & FD_CLOEXEC);
    /* The shell's own stays as it was. */
    assert_false(fcntl(tty, F_GETFL) & O_NONBLOCK);
    peer_expect_ok(f, p, "resize", "\"cols\":100,\"rows\":30");
    assert_int_equal(f->cols, 100);
    peer_expect_ok(f, p, "resumed", "\"cols\":90,\"rows\":25");
    assert_int_equal(f->resumed, 1);
    assert_int_equal(f->rows, 25);
    peer_expect_refused(f, p, "resize", "\"cols\":0,\"rows\":30", "invalid");
    assert_false(attach(f, p, tty, GOOD));
    close(tty);
    close(master);
    peer_free(&p);
}

static void test_attach_refusals(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    int master, tty = fixture_open_pty(&master), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_false(attach(f, p, -1, GOOD));
    assert_false(attach(f, p, null, GOOD));
    assert_false(attach(f, p, tty, "\"term\":\"\",\"cols\":80,\"rows\":24"));
    assert_false(attach(f, p, tty, "\"term\":\"xterm\",\"cols\":80"));
    assert_false(attach(f, p, tty, "\"term\":\"unknown\",\"cols\":80,\"rows\":24"));
    assert_int_equal(f->attached, 0);
    peer_expect_refused(f, p, "resize", "\"cols\":80,\"rows\":24", "invalid");
    assert_true(attach(f, p, tty, GOOD));
    close(null);
    close(tty);
    close(master);
    peer_free(&p);
}

static void expect_released(struct ctl_fixture *f, struct peer *p, const char *why) {
    cJSON *line = peer_hear(f, p);
    assert_non_null(line);
    assert_string_equal(json_str(line, "screen", ""), "released");
    assert_string_equal(json_str(line, "why", ""), why);
    cJSON_Delete(line);
}

static void taken_over(struct ctl_fixture *f, bool by_screen) {
    struct peer *a = peer_greeted(f), *b = peer_greeted(f);
    int master, tty = fixture_open_pty(&master);
    f->hand_back = by_screen;
    assert_true(attach(f, a, tty, GOOD));
    assert_true(attach(f, b, tty, GOOD));
    expect_released(f, a, "taken");
    int before = f->detached;
    peer_free(&a);
    for (int i = 0; i < 10; i++)
        fixture_turn(f);
    /* One that was released is no terminal that was lost. */
    assert_int_equal(f->detached, before);
    peer_expect_ok(f, b, "resize", "\"cols\":81,\"rows\":24");
    close(tty);
    close(master);
    peer_free(&b);
    for (int i = 0; i < 10; i++)
        fixture_turn(f);
    assert_int_equal(f->detached, before + 1);
}

static void test_taken_over(void **state) {
    taken_over(*state, true);
    taken_over(*state, false);
}

static void test_suspend_and_detach(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    int master, tty = fixture_open_pty(&master);
    assert_true(attach(f, p, tty, GOOD));
    ctl_client_suspend(f->screen);
    cJSON *line = peer_hear(f, p);
    assert_string_equal(json_str(line, "screen", ""), "suspend");
    cJSON_Delete(line);
    peer_expect_ok(f, p, "detach", "");
    assert_int_equal(f->detached, 1);
    peer_expect_refused(f, p, "resize", "\"cols\":80,\"rows\":24", "invalid");
    close(tty);
    close(master);
    peer_free(&p);
}

/* Descriptors of ours that show the same file as `fd`. */
static int copies(int fd) {
    struct stat want, sb;
    int n = 0;
    assert_int_equal(fstat(fd, &want), 0);
    for (int i = 0; i < 1024; i++)
        n += fstat(i, &sb) == 0 && sb.st_dev == want.st_dev && sb.st_ino == want.st_ino;
    return n;
}

/* Descriptors that nobody asked for do not pile up. */
static void test_stray_descriptors(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    char *path = xasprintf("%s/file", f->dir);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int before = copies(file);
    for (int i = 0; i < 50; i++)
        assert_false(attach(f, p, file, GOOD));
    assert_int_equal(copies(file), before);
    close(file);
    free(path);
    peer_free(&p);
}

/* --- when an engine ends ------------------------------------------------------------------------
 */

static void test_ends_with_its_last_client(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *a = peer_greeted(f), *b = peer_greeted(f);
    cJSON *r = peer_ask(f, a, "leave", "");
    assert_false(json_bool(json_obj(r, "body"), "ending", true));
    cJSON_Delete(r);
    peer_free(&b);
    fixture_turns(f, 10);
    assert_false(f->stopped);
    r = peer_ask(f, a, "leave", "");
    assert_true(json_bool(json_obj(r, "body"), "ending", false));
    cJSON_Delete(r);
    peer_free(&a);
    fixture_turns(f, 10);
    assert_true(f->stopped);
}

static void test_works_on_for_nobody(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    script_push_hang(SCRIPT_CHANNEL, "thinking");
    peer_expect_ok(f, p, "say", "\"channel\":\"a\",\"text\":\"x\"");
    peer_free(&p);
    fixture_turns(f, 50);
    assert_false(agent_idle(f->agent));
    assert_false(f->stopped);
    p = peer_greeted(f);
    peer_expect_ok(f, p, "interrupt", "\"process\":\"a\"");
    peer_free(&p);
    fixture_settle(f);
    fixture_turns(f, 10);
    assert_true(f->stopped);
}

static void test_lost_terminal_lingers(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    int master, tty = fixture_open_pty(&master);
    assert_true(attach(f, p, tty, GOOD));
    int64_t lost = clock_mono_ns();
    peer_free(&p);
    fixture_turns(f, 10);
    assert_int_equal(f->detached, 1);
    assert_false(f->stopped);
    /* One who only looks does not end it. */
    p = peer_greeted(f);
    peer_expect_ok(f, p, "ps", "");
    peer_free(&p);
    fixture_turns(f, 10);
    assert_false(f->stopped);
    for (int i = 0; i < TURNS_MAX && !f->stopped; i++)
        (void)loop_turn(f->loop, 3600 * NS_PER_SEC);
    assert_true(f->stopped);
    assert_true(clock_mono_ns() - lost >= 3600 * NS_PER_SEC);
    close(tty);
    close(master);
}

static void test_quit_ends_an_idle_engine(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f), *follower = peer_greeted(f);
    int master, tty = fixture_open_pty(&master);
    peer_expect_ok(f, follower, "follow", "");
    assert_true(attach(f, p, tty, GOOD));
    assert_null(ctl_server_quit(f->server, f->screen));
    ctl_client_release(f->screen, CTL_QUIT, NULL);
    expect_released(f, p, "quit");
    fixture_turns(f, 10);
    assert_true(f->stopped);
    close(tty);
    close(master);
    peer_free(&p);
    peer_free(&follower);
}

static void test_quit_while_something_runs(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    int master, tty = fixture_open_pty(&master);
    script_push_hang(SCRIPT_CHANNEL, "thinking");
    assert_true(attach(f, p, tty, GOOD));
    peer_expect_ok(f, p, "say", "\"channel\":\"a\",\"text\":\"x\"");
    for (int i = 0; i < TURNS_MAX && agent_idle(f->agent); i++)
        fixture_turn(f);
    const char *sentence = ctl_server_quit(f->server, f->screen);
    assert_non_null(sentence);
    assert_non_null(strstr(sentence, "spacebot attach"));
    ctl_client_release(f->screen, CTL_QUIT, sentence);
    expect_released(f, p, "quit");
    fixture_turns(f, 10);
    assert_false(f->stopped);
    close(tty);
    close(master);
    peer_free(&p);
    p = peer_greeted(f);
    peer_expect_ok(f, p, "interrupt", "\"process\":\"a\"");
    peer_free(&p);
    fixture_settle(f);
    fixture_turns(f, 10);
    assert_true(f->stopped);
}

static void test_daemon_stays(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    int master, tty = fixture_open_pty(&master);
    assert_true(attach(f, p, tty, GOOD));
    assert_non_null(ctl_server_quit(f->server, f->screen));
    ctl_client_release(f->screen, CTL_QUIT, NULL);
    peer_free(&p);
    fixture_turns(f, 10);
    (void)loop_turn(f->loop, 10000 * NS_PER_SEC);
    assert_false(f->stopped);
    p = peer_greeted(f);
    peer_expect_ok(f, p, "stop", "");
    assert_true(f->stopped);
    close(tty);
    close(master);
    peer_free(&p);
}

static void test_nobody_ever_comes(void **state) {
    struct ctl_fixture *f = *state;
    for (int i = 0; i < TURNS_MAX && !f->stopped; i++)
        (void)loop_turn(f->loop, 60 * NS_PER_SEC);
    assert_true(f->stopped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
/* The most descriptors that may be open from now on; returns what was allowed. */
static rlim_t allow_descriptors(rlim_t n) {
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
    rlim_t before = r.rlim_cur;
    r.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
    return before;
}

static int lowest_free(void) {
    int fd = fcntl(STDERR_FILENO, F_DUPFD, 0);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

/* Once nothing of the engine's beginning opens or closes one any more. */
static void settle_descriptors(struct ctl_fixture *f) {
    while (!sandbox_ready(f->sandbox))
        (void)loop_turn(f->loop, NS_PER_MS);
    fixture_turns(f, 20);
}

/* Callbacks of one wait that nothing should end. */
static int woken(struct ctl_fixture *f) {
    int n = 0;
    for (int i = 0; i < 50; i++)
        n += loop_turn(f->loop, 0);
    return n;
}

/* No descriptor is left: those who come are told so, the engine is not busy with them, and who is
 * there already is served on. Later comers find it as ever. */
static void test_no_descriptor_is_left(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *old = peer_greeted(f), *late[3];
    settle_descriptors(f);
    for (size_t i = 0; i < ARRAY_LEN(late); i++)
        late[i] = peer_new(f);
    rlim_t usual = allow_descriptors((rlim_t)lowest_free());
    for (size_t i = 0; i < ARRAY_LEN(late); i++)
        peer_expect_ended(f, late[i], "no file descriptor left");
    assert_true(woken(f) < 10);
    peer_expect_ok(f, old, "status", "");
    (void)allow_descriptors(usual);
    for (size_t i = 0; i < ARRAY_LEN(late); i++)
        peer_free(&late[i]);
    for (int i = 0; i < 4; i++)
        (void)loop_turn(f->loop, NS_PER_SEC / 2); /* the pause is over */
    struct peer *next = peer_greeted(f);
    peer_expect_ok(f, next, "status", "");
    peer_free(&next);
    peer_free(&old);
}

/* Not even the one with which it says so: then they wait, and it is not busy either. */
static void test_not_even_a_spare_one(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *old = peer_greeted(f);
    settle_descriptors(f);
    struct peer *late = peer_new(f);
    int low = lowest_free();
    rlim_t usual = allow_descriptors(3);
    assert_true(woken(f) < 10);
    (void)allow_descriptors((rlim_t)low);
    peer_expect_ok(f, old, "status", "");
    (void)allow_descriptors(usual);
    peer_free(&late);
    for (int i = 0; i < 4; i++)
        (void)loop_turn(f->loop, NS_PER_SEC / 2); /* the pause is over */
    struct peer *next = peer_greeted(f);
    peer_free(&next);
    peer_free(&old);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_attach_opens_its_own_description),
        TEST(test_attach_refusals),
        TEST(test_taken_over),
        TEST(test_suspend_and_detach),
        TEST(test_stray_descriptors),
        TEST(test_ends_with_its_last_client),
        TEST(test_works_on_for_nobody),
        TEST(test_lost_terminal_lingers),
        TEST(test_quit_ends_an_idle_engine),
        TEST(test_quit_while_something_runs),
        cmocka_unit_test_setup_teardown(test_daemon_stays, fixture_setup_daemon, fixture_teardown),
        TEST(test_nobody_ever_comes),
        TEST(test_no_descriptor_is_left),
        TEST(test_not_even_a_spare_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
