/* server: who gets in, what they may ask, and what they hear. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/channel.h"
#include "agent/record.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/ctl.h"
#include "tests/lib/script_llm.h"

/* --- who gets in --------------------------------------------------------------------------------
 */

static void test_private_files(void **state) {
    struct ctl_fixture *f = *state;
    struct stat sb;
    assert_int_equal(stat(f->home->token, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0600);
    assert_int_equal(stat(f->home->socket, &sb), 0);
    assert_int_equal(sb.st_mode & 0177, 0);
}

static void test_wrong_token(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_new(f);
    f->token[5] = f->token[5] == 'a' ? 'b' : 'a';
    char *args = xasprintf("\"token\":\"%s\"", f->token);
    peer_expect_refused(f, p, "hello", args, "denied");
    peer_expect_ended(f, p, "wrong token");
    free(args);
    peer_free(&p);
}

static void test_hello_comes_first(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_new(f);
    peer_say(f, p, "{\"id\":1,\"cmd\":\"stop\"}\n");
    peer_expect_ended(f, p, "first request must be hello");
    assert_false(f->stopped);
    peer_free(&p);
}

static void test_other_protocol(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_new(f);
    char *args = xasprintf("\"token\":\"%s\",\"protocol\":99", f->token);
    peer_expect_refused(f, p, "hello", args, "protocol");
    peer_expect_ended(f, p, "speaks protocol");
    free(args);
    peer_free(&p);
}

static void test_silent_client_is_hung_up_on(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_new(f);
    int64_t start = clock_mono_ns();
    char c;
    while (recv(p->fd, &c, 1, MSG_DONTWAIT) < 0)
        (void)loop_turn(f->loop, NS_PER_SEC);
    assert_true(clock_mono_ns() - start >= 5 * NS_PER_SEC);
    peer_free(&p);
}

static void test_too_long_a_line(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    char *big = xmalloc(PROTO_LINE_MAX + 2);
    memset(big, 'x', PROTO_LINE_MAX + 1);
    big[PROTO_LINE_MAX + 1] = '\0';
    peer_say(f, p, big);
    peer_expect_ended(f, p, "1 MiB");
    free(big);
    peer_free(&p);
}

/* A command that a worker runs is below the engine, whatever else it manages to do. */
static void descendant_is_refused(struct ctl_fixture *f, bool orphan) {
    int result[2];
    assert_int_equal(pipe(result), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (orphan && (setsid() < 0 || fork() != 0))
            _exit(0);
        struct peer p = {.fd = peer_dial(f)};
        char text[256];
        int n = snprintf(text, sizeof(text), "{\"id\":1,\"cmd\":\"hello\",\"token\":\"%s\"}\n",
                         f->token);
        (void)!send(p.fd, text, (size_t)n, MSG_NOSIGNAL);
        /* Nothing but the end of the connection may come. */
        ssize_t got = recv(p.fd, text, sizeof(text), 0);
        (void)!write(result[1], got <= 0 ? "0" : "1", 1);
        _exit(0);
    }
    close(result[1]);
    char said = '?';
    assert_int_equal(fcntl(result[0], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < TURNS_MAX && read(result[0], &said, 1) < 0; i++)
        (void)loop_turn(f->loop, NS_PER_MS);
    assert_int_equal(said, '0');
    close(result[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_descendants_are_refused(void **state) {
    struct ctl_fixture *f = *state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    descendant_is_refused(f, false);
    descendant_is_refused(f, true);
}

static void test_bad_requests(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    peer_say(f, p, "nonsense\n");
    cJSON *line = peer_hear(f, p);
    assert_int_equal(json_i64(line, "id", -1), 0);
    assert_string_equal(json_str(line, "status", ""), "protocol");
    cJSON_Delete(line);
    peer_expect_refused(f, p, "fly", "", "not_found");
    peer_expect_refused(f, p, "hello", "", "exists");
    peer_expect_refused(f, p, "log", "\"process\":\"nobody\"", "not_found");
    peer_expect_ok(f, p, "ps", "");
    peer_free(&p);
}

static void test_status(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    cJSON *r = peer_ask(f, p, "status", "");
    const cJSON *b = json_obj(r, "body");
    assert_true(json_bool(b, "running", false));
    assert_int_equal(json_i64(b, "pid", 0), getpid());
    assert_string_equal(json_str(b, "home", ""), f->home->dir);
    assert_int_equal(json_i64(b, "followers", -1), 0);
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(b, "screen")));
    assert_non_null(json_obj(b, "processes"));
    assert_non_null(json_obj(b, "loop"));
    assert_non_null(json_obj(b, "store"));
    cJSON_Delete(r);
    peer_free(&p);
}

/* --- work ---------------------------------------------------------------------------------------
 */

/* Events until the reply to `id`; counts those of `type`, checks that all are of `channel`. */
static cJSON *until_reply(struct ctl_fixture *f, struct peer *p, int64_t id, const char *type,
                          int *seen, const char *channel) {
    for (;;) {
        cJSON *line = peer_hear(f, p);
        assert_non_null(line);
        const cJSON *e = json_obj(line, "event");
        if (!e && json_i64(line, "id", 0) == id)
            return line;
        if (e && channel)
            assert_string_equal(json_str(e, "channel_id", ""), channel);
        *seen += e && str_eq(json_str(e, "type", ""), type);
        cJSON_Delete(line);
    }
}

static void test_exec_streams_and_replies(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f), *other = peer_greeted(f);
    int seen = 0;
    script_push(SCRIPT_CHANNEL, "[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{\"content\":"
                                "\"hello there\"}}]");
    script_default(SCRIPT_CHANNEL, "[{\"type\":\"text\",\"text\":\"elsewhere\"}]");
    peer_expect_ok(f, other, "say", "\"channel\":\"noise\",\"text\":\"x\"");
    script_push(SCRIPT_CHANNEL, "[{\"type\":\"text\",\"text\":\"mine\"}]");
    peer_say(f, p, "{\"id\":50,\"cmd\":\"exec\",\"channel\":\"c1\",\"text\":\"hi\"}\n");
    cJSON *r = until_reply(f, p, 50, "channel_assistant_message", &seen, "c1");
    assert_true(json_bool(r, "ok", false));
    assert_true(json_bool(json_obj(r, "body"), "ok", false));
    assert_string_equal(json_str(json_obj(r, "body"), "channel", ""), "c1");
    assert_int_equal(seen, 1);
    cJSON_Delete(r);
    /* It is not followed any longer. */
    cJSON *st = peer_ask(f, p, "status", "");
    assert_int_equal(json_i64(json_obj(st, "body"), "followers", -1), 0);
    cJSON_Delete(st);
    peer_free(&other);
    peer_free(&p);
}

static void test_exec_gets_a_channel(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    script_default(SCRIPT_CHANNEL, "[{\"type\":\"text\",\"text\":\"hi\"}]");
    cJSON *r = peer_ask(f, p, "exec", "\"text\":\"hello\"");
    assert_true(json_bool(r, "ok", false));
    assert_true(str_prefix(json_str(json_obj(r, "body"), "channel", ""), "cli:"));
    cJSON_Delete(r);
    peer_free(&p);
}

static void begin_hanging_exec(struct ctl_fixture *f, struct peer *p) {
    script_push_hang(SCRIPT_CHANNEL, "thinking about");
    peer_say(f, p, "{\"id\":60,\"cmd\":\"exec\",\"channel\":\"slow\",\"text\":\"hi\"}\n");
    for (int i = 0; i < TURNS_MAX && agent_idle(f->agent); i++)
        fixture_turn(f);
    assert_false(agent_idle(f->agent));
}

static void test_abandon(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    begin_hanging_exec(f, p);
    peer_expect_refused(f, p, "abandon", "\"call\":61", "not_found");
    peer_expect_ok(f, p, "abandon", "\"call\":60");
    fixture_settle(f);
    peer_expect_refused(f, p, "abandon", "\"call\":60", "not_found");
    peer_free(&p);
}

static void test_a_lost_asker_cancels_its_exec(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f), *stays = peer_greeted(f);
    begin_hanging_exec(f, p);
    peer_free(&p);
    fixture_settle(f);
    assert_false(f->stopped);
    peer_free(&stays);
}

static void test_waiting_askers_hear_of_the_end(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f);
    int seen = 0;
    begin_hanging_exec(f, p);
    ctl_server_free(&f->server);
    cJSON *r = until_reply(f, p, 60, "text_delta", &seen, NULL);
    assert_string_equal(json_str(r, "status", ""), "cancelled");
    cJSON_Delete(r);
    peer_expect_ended(f, p, "the engine ends");
    peer_free(&p);
    fixture_start_server(f, false);
}

/* --- followers ----------------------------------------------------------------------------------
 */

static struct process *make_channel(struct ctl_fixture *f, const char *name) {
    struct process *p = NULL;
    struct cause why;
    assert_int_equal(channel_open(f->agent, name, NULL, NULL, &p, &why), STATUS_OK);
    return p;
}

static void emit(struct ctl_fixture *f, struct process *p, enum event_type type, const char *key,
                 const char *text) {
    BUS_EMIT(agent_bus(f->agent), agent_processes(f->agent), p, type, BUS_STR("process_id", p->id),
             BUS_STR(key, text));
}

static void test_follow_filters(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *all = peer_greeted(f), *one = peer_greeted(f);
    struct process *a = make_channel(f, "a"), *b = make_channel(f, "b");
    peer_expect_ok(f, all, "follow", "");
    peer_expect_ok(f, one, "follow", "\"channel\":\"b\"");
    peer_expect_refused(f, one, "follow", "\"process\":\"nobody\"", "not_found");
    emit(f, a, EVENT_NOTICE, "text", "from a");
    emit(f, b, EVENT_NOTICE, "text", "from b");
    cJSON *line = peer_hear(f, all);
    assert_string_equal(json_str(json_obj(line, "event"), "text", ""), "from a");
    cJSON_Delete(line);
    line = peer_hear(f, one);
    assert_string_equal(json_str(json_obj(line, "event"), "text", ""), "from b");
    cJSON_Delete(line);
    peer_free(&one);
    peer_free(&all);
}

/* A follower that does not read: no state change is lost, no text either, but it comes in fewer and
 * larger pieces, and before what followed it. */
static void test_slow_follower(void **state) {
    struct ctl_fixture *f = *state;
    enum { PIECES = 20000, CHANGES = 200 };
    struct peer *p = peer_greeted(f);
    struct process *c = make_channel(f, "a");
    peer_expect_ok(f, p, "follow", "");
    for (int i = 0; i < PIECES; i++) {
        emit(f, c, EVENT_TEXT_DELTA, "delta", "0123456789");
        if (i % (PIECES / CHANGES) == 0)
            emit(f, c, EVENT_STATUS_UPDATE, "status", "thinking");
        if (i % 100 == 0)
            fixture_turn(f);
    }
    emit(f, c, EVENT_NOTICE, "text", "last");
    size_t bytes = 0;
    int lines = 0, changes = 0;
    for (bool last = false; !last;) {
        cJSON *line = peer_hear(f, p);
        assert_non_null(line);
        const cJSON *e = json_obj(line, "event");
        const char *type = json_str(e, "type", "");
        bytes += strlen(json_str(e, "delta", ""));
        lines += str_eq(type, "text_delta");
        changes += str_eq(type, "status_update");
        last = str_eq(type, "notice");
        cJSON_Delete(line);
    }
    assert_int_equal(changes, CHANGES);
    assert_int_equal(bytes, PIECES * 10);
    assert_true(lines < PIECES / 2);
    peer_free(&p);
}

/* A notice as processes make them: in the journal, hence in the store, and told. */
static void notice(struct ctl_fixture *f, struct process *p, int number) {
    char text[32];
    snprintf(text, sizeof(text), "notice %d", number);
    clock_advance(2 * NS_PER_SEC);
    struct journal_entry *e = journal_open(&p->journal, JOURNAL_NOTICE, NULL, NULL);
    journal_append(&p->journal, e, text, strlen(text));
    journal_close(&p->journal, e);
    record_journal(f->agent, p, e);
    emit(f, p, EVENT_NOTICE, "text", text);
}

/* More than the ring holds: the follower is told how much it missed, gets from the store what was
 * decided meanwhile, in order and before what is new, and is not hung up on. */
static void test_a_lagging_follower_catches_up(void **state) {
    struct ctl_fixture *f = *state;
    enum { NOTICES = 300, LINES = 60 };
    struct peer *p = peer_greeted(f), *other = peer_greeted(f);
    struct process *a = make_channel(f, "a"), *b = make_channel(f, "b");
    peer_expect_ok(f, p, "follow", "\"channel\":\"a\"");
    char *big = xmalloc(1024 * 1024);
    memset(big, 'x', 1024 * 1024 - 1);
    big[1024 * 1024 - 1] = '\0';
    for (int i = 0; i < NOTICES; i++) {
        notice(f, a, i);
        notice(f, b, 1000 + i);
        if (i < LINES)
            emit(f, a, EVENT_TOOL_OUTPUT, "line", big);
        fixture_turn(f);
    }
    free(big);
    emit(f, a, EVENT_NOTICE, "text", "last");
    int heard = 0, lines = 0, lagged = 0, from_store = 0, next = 0;
    int64_t missed = 0;
    for (bool last = false; !last;) {
        cJSON *line = peer_hear(f, p);
        assert_non_null(line);
        const cJSON *e = json_obj(line, "event");
        const char *type = json_str(e, "type", ""), *text = json_str(e, "text", "");
        int number = -1;
        last = str_eq(text, "last");
        if (str_eq(type, "lagged")) {
            lagged++;
            missed += json_i64(e, "missed", 0);
            assert_true(strlen(json_str(e, "since", "")) == 24 &&
                        strlen(json_str(e, "until", "")) == 24);
        } else if (json_bool(e, "from_store", false)) {
            from_store++;
            assert_string_equal(json_str(e, "channel_id", ""), "a");
        } else {
            heard += !last;
            lines += str_eq(type, "tool_output");
        }
        if (sscanf(text, "notice %d", &number) == 1 && number == next)
            next++; /* each comes, and none before the one before it */
        assert_true(number <= next);
        cJSON_Delete(line);
    }
    assert_int_equal(next, NOTICES);
    assert_true(lagged >= 1 && from_store > 0);
    assert_true(lines < LINES);
    assert_int_equal(heard + missed, NOTICES + LINES);
    peer_expect_ok(f, p, "ps", "");
    peer_free(&p);
    peer_free(&other);
}

/* Replies are no events: a client that asks and does not read is hung up on. */
static void test_a_client_that_never_reads_is_dropped(void **state) {
    struct ctl_fixture *f = *state;
    struct peer *p = peer_greeted(f), *stays = peer_greeted(f);
    struct process *c = make_channel(f, "a");
    char *big = xmalloc(200 * 1024);
    memset(big, 'x', 200 * 1024);
    struct journal_entry *e = journal_open(&c->journal, JOURNAL_NOTICE, NULL, NULL);
    journal_append(&c->journal, e, big, 200 * 1024);
    free(big);
    for (int i = 0; i < 400; i++) {
        peer_say(f, p, "{\"id\":9,\"cmd\":\"log\",\"process\":\"a\"}\n");
        fixture_turn(f);
    }
    bool dropped = false;
    for (cJSON *line; (line = peer_hear(f, p));) {
        const char *ended = json_str(line, "ended", NULL);
        if (ended)
            dropped = strstr(ended, "too slow") != NULL;
        cJSON_Delete(line);
    }
    assert_true(dropped);
    peer_expect_ok(f, stays, "ps", "");
    peer_free(&p);
    peer_free(&stays);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_private_files),
        TEST(test_wrong_token),
        TEST(test_hello_comes_first),
        TEST(test_other_protocol),
        TEST(test_silent_client_is_hung_up_on),
        TEST(test_too_long_a_line),
        TEST(test_descendants_are_refused),
        TEST(test_bad_requests),
        TEST(test_status),
        TEST(test_exec_streams_and_replies),
        TEST(test_exec_gets_a_channel),
        TEST(test_abandon),
        TEST(test_a_lost_asker_cancels_its_exec),
        TEST(test_waiting_askers_hear_of_the_end),
        TEST(test_follow_filters),
        TEST(test_slow_follower),
        TEST(test_a_lagging_follower_catches_up),
        TEST(test_a_client_that_never_reads_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
