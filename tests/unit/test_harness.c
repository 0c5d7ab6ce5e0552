/* The tests' own tools: a fake provider that really fails as told, a pseudo-terminal and a screen
 * that show what a shell writes, and that nothing is left behind. The client here is a bare socket,
 * so that what arrives is looked at byte by byte. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tests/lib/fake.h"
#include "tests/lib/golden.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/proc.h"
#include "tests/lib/pty.h"
#include "tests/lib/run.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/vt.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

/* ---- a client ------------------------------------------------------------------------------- */

struct reply {
    int status;    /* 0: the connection ended before a head */
    bool whole;    /* the body came to its end */
    int error;     /* errno of the read that ended it, 0 for an orderly end */
    size_t chunks; /* HTTP chunks with data */
    size_t max_chunk;
    struct buf head, body;
};

static void reply_free(struct reply *r) {
    buf_free(&r->head);
    buf_free(&r->body);
}

static int dial(const struct fake *f) {
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)fake_port(f)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void send_text(int fd, const char *text, size_t n) {
    while (n) {
        ssize_t put = send(fd, text, n, MSG_NOSIGNAL);
        assert_true(put > 0);
        text += put;
        n -= (size_t)put;
    }
}

#define API_KEY "x-api-key: k\r\n"
#define API_VERSION "anthropic-version: 2023-06-01\r\n"

static void send_request(int fd, const char *headers, const char *body) {
    char *text =
        xasprintf("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n%s"
                  "content-length: %zu\r\n\r\n%s",
                  headers, strlen(body), body);
    send_text(fd, text, strlen(text));
    x_free(&text);
}

/* Undoes the chunks of raw[0..n); true when the last one was there. */
static bool unchunk(const char *raw, size_t n, struct reply *r) {
    for (size_t at = 0; at < n;) {
        const char *eol = memmem(raw + at, n - at, "\r\n", 2);
        if (!eol)
            return false;
        size_t len = strtoul(raw + at, NULL, 16);
        at = (size_t)(eol - raw) + 2;
        if (len == 0)
            return true;
        r->chunks++;
        r->max_chunk = len > r->max_chunk ? len : r->max_chunk;
        buf_append(&r->body, raw + at, at + len > n ? n - at : len);
        at += len + 2;
    }
    return false;
}

/* Whether raw holds a whole answer; fills `r` from it. */
static bool parse_reply(const struct buf *raw, struct reply *r) {
    const char *end = raw->len ? memmem(raw->data, raw->len, "\r\n\r\n", 4) : NULL;
    reply_free(r);
    r->chunks = r->max_chunk = 0;
    if (!end)
        return false;
    const char *body = end + 4;
    size_t n = raw->len - (size_t)(body - raw->data);
    buf_append(&r->head, raw->data, (size_t)(body - raw->data));
    r->status = atoi(raw->data + strlen("HTTP/1.1 "));
    const char *length = strstr(buf_str(&r->head), "content-length: ");
    if (length) {
        buf_append(&r->body, body, n);
        return n >= strtoul(length + strlen("content-length: "), NULL, 10);
    }
    return unchunk(body, n, r);
}

/* Reads one answer until it is whole or the connection ends. */
static struct reply receive(int fd) {
    struct reply r = {0};
    struct buf raw = BUF_INIT;
    int64_t deadline = wait_until(WAIT_MS);
    for (;;) {
        r.whole = parse_reply(&raw, &r);
        if (r.whole)
            break;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(wait_poll(&p, 1, deadline), 1);
        ssize_t n = recv(fd, buf_room(&raw, 65536), 65536, 0);
        if (n <= 0) {
            r.error = n < 0 ? errno : 0;
            break;
        }
        buf_added(&raw, (size_t)n);
    }
    buf_free(&raw);
    return r;
}

#define ASK(text)                                                                                  \
    "{\"model\":\"m\",\"max_tokens\":100,\"stream\":true,\"messages\":[{\"role\":\"user\","        \
    "\"content\":\"" text "\"}]}"

/* One request on a connection of its own. */
static struct reply ask(const struct fake *f, const char *body) {
    int fd = dial(f);
    send_request(fd, API_KEY API_VERSION, body);
    struct reply r = receive(fd);
    close(fd);
    return r;
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* The error's message in a reply with the given status and type. */
static void assert_refused(const struct fake *f, const char *body, const char *message) {
    struct reply r = ask(f, body);
    assert_int_equal(r.status, 400);
    assert_has(buf_str(&r.body),
               "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\"");
    assert_has(buf_str(&r.body), message);
    reply_free(&r);
}

static struct fake *with_faults(const char *faults) {
    char *scenario = xasprintf("{\"rules\":[{\"respond\":[{\"text\":\"Zwölf 日本 lines in all\"}],"
                               "\"faults\":{%s}}]}",
                               faults);
    struct fake *f = fake_start(scenario);
    x_free(&scenario);
    return f;
}

static const char events[] = "message_start|ping|content_block_start|content_block_delta|"
                             "content_block_delta|content_block_stop|message_delta|message_stop|";

/* The names of the events, each followed by "|", by lines that begin with "event: ". */
static char *event_names(const struct reply *r) {
    struct buf out = BUF_INIT;
    const char *at = buf_str(&r->body);
    while ((at = strstr(at, "event: "))) {
        at += strlen("event: ");
        buf_append(&out, at, strcspn(at, "\r\n"));
        buf_putc(&out, '|');
    }
    return buf_steal(&out);
}

static void assert_events(const struct reply *r, const char *want) {
    char *names = event_names(r);
    assert_string_equal(names, want);
    x_free(&names);
}

/* ---- the fake provider ---------------------------------------------------------------------- */

static void answers_are_streams_of_events(void **state) {
    (void)state;
    struct fake *f = with_faults("");
    struct reply r = ask(f, ASK("hi"));
    assert_int_equal(r.status, 200);
    assert_true(r.whole);
    assert_has(buf_str(&r.head), "content-type: text/event-stream");
    assert_events(&r, events);
    assert_has(buf_str(&r.body), "\"text\":\"Zwölf 日本 lin\"");
    assert_has(buf_str(&r.body), "\"stop_reason\":\"end_turn\"");
    reply_free(&r);
    fake_assert_clean(f);
    fake_stop(&f);
}

static void rules_choose_by_what_was_said(void **state) {
    (void)state;
    struct fake *f = fake_start(
        "{\"rules\":[{\"match\":{\"nth\":1,\"last_user_contains\":\"twice\"},\"respond\":[{"
        "\"text\":\"first\"}]},"
        "{\"match\":{\"last_user_contains\":\"twice\"},\"respond\":[{\"text\":\"again ${user}\"}]},"
        "{\"match\":{\"has_tool\":\"shell\",\"step\":0},\"respond\":[{\"thinking\":\"hm\"},"
        "{\"tool_use\":{\"name\":\"shell\",\"input\":{\"command\":\"wc ${between|FILE=|;}\"}}}]},"
        "{\"match\":{\"has_tool\":\"shell\",\"last_tool_result_contains\":\"numbers\"},"
        "\"respond\":[{\"text\":\"It is ${tool_result_line:2}, <<${tool_result_line:-1}>>\"}]}]}");
    struct reply r = ask(f, ASK("twice"));
    assert_has(buf_str(&r.body), "\"first\"");
    reply_free(&r);
    r = ask(f, ASK("twice"));
    assert_has(buf_str(&r.body), "\"again twice\"");
    reply_free(&r);

    static const char tools[] = "{\"model\":\"m\",\"max_tokens\":9,\"stream\":true,\"tools\":[{"
                                "\"name\":\"shell\",\"input_schema\":"
                                "{\"type\":\"object\"}}],\"messages\":[{\"role\":\"user\","
                                "\"content\":\"FILE=a.txt; go\"}%s]}";
    char *body = xasprintf(tools, "");
    r = ask(f, body);
    assert_has(buf_str(&r.body), "\"signature_delta\"");
    assert_has(buf_str(&r.body), "\"partial_json\":\"wc a.txt\\\"}\"");
    assert_has(buf_str(&r.body), "\"stop_reason\":\"tool_use\"");
    reply_free(&r);
    x_free(&body);
    body = xasprintf(
        tools,
        ",{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":"
        "\"shell\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
        "\"tool_use_id\":\"t1\",\"content\":\"a\\nb numbers\\nc\\n\"}]}");
    r = ask(f, body);
    assert_has(buf_str(&r.body), "It is b numb");
    assert_has(buf_str(&r.body), "ers, <<c>>");
    reply_free(&r);
    x_free(&body);
    assert_refused(f, ASK("something else"), "no rule matches");
    fake_stop(&f);
}

static void malformed_requests_are_refused(void **state) {
    (void)state;
    struct fake *f = with_faults("");
#define BODY(rest) "{\"model\":\"m\",\"max_tokens\":100," rest "}"
#define U(content) "{\"role\":\"user\",\"content\":" content "}"
#define A(content) "{\"role\":\"assistant\",\"content\":" content "}"
#define CALL "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"x\",\"input\":{}}"
#define RESULT "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"r\"}"
    static const struct {
        const char *body, *message;
    } wrong[] = {
        {"{\"model\":", "invalid JSON"},
        {"{\"max_tokens\":1,\"messages\":[" U("\"a\"") "]}", "model: Field required"},
        {"{\"model\":\"m\",\"messages\":[" U("\"a\"") "]}", "max_tokens: Field required"},
        {BODY("\"messages\":[]"), "at least one message"},
        {BODY("\"messages\":[" A("\"a\"") "]"), "first message must use"},
        {BODY("\"messages\":[" U("\"a\"") "," U("\"b\"") "]"), "roles must alternate"},
        {BODY("\"messages\":[" U("\"a\"") "," A("\"b\"") "]"), "end with a user message"},
        {BODY("\"messages\":[" U("\"\"") "]"), "non-empty content"},
        {BODY("\"messages\":[" U("[{\"type\":\"text\",\"text\":\" \"}]") "]"), "non-whitespace"},
        {BODY("\"messages\":[" U("[" RESULT "]") "]"), "unexpected `tool_use_id`"},
        {BODY("\"messages\":[" U("\"a\"") "," A("[" CALL "]") "," U("\"b\"") "]"),
         "without `tool_result` blocks"},
        {BODY("\"messages\":[" U("\"a\"") "," A("[" CALL "]") "," U(
             "[{\"type\":\"text\",\"text\":\"b\"}," RESULT "]") "]"),
         "must come first"},
        {BODY("\"messages\":[" U("\"a\"") "," A("[" CALL "]") "," U("[" RESULT "]") "]"),
         "must define tools"},
        {BODY("\"messages\":[" U("\"a\"") "," A("[{\"type\":\"thinking\",\"thinking\":\"t\","
                                                "\"signature\":\"s\"}]") "," U("\"b\"") "]"),
         "Invalid `signature`"},
        {BODY("\"temprature\":1,\"messages\":[" U("\"a\"") "]"), "temprature: Extra inputs"},
        {BODY("\"tools\":[{\"name\":\"x\",\"input_schema\":[]}],\"messages\":[" U("\"a\"") "]"),
         "input_schema"},
        {BODY("\"tools\":[{\"name\":\"x y\",\"input_schema\":{}}],\"messages\":[" U("\"a\"") "]"),
         "should match pattern"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_refused(f, wrong[i].body, wrong[i].message);

    static const struct {
        const char *headers;
        int status;
        const char *message;
    } heads[] = {{API_VERSION, 401, "authentication_error"},
                 {API_KEY, 400, "anthropic-version: header is required"},
                 {API_KEY "anthropic-version: 1\r\n", 400, "not a valid version"}};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        int fd = dial(f);
        send_request(fd, heads[i].headers, ASK("hi"));
        struct reply r = receive(fd);
        assert_int_equal(r.status, heads[i].status);
        assert_has(buf_str(&r.body), heads[i].message);
        reply_free(&r);
        close(fd);
    }
    fake_stop(&f);
}

static void the_log_shows_what_was_asked(void **state) {
    (void)state;
    struct fake *f = with_faults("");
    struct reply r = ask(f, ASK("one \\n two"));
    reply_free(&r);
    fake_expect(f, "end 1 done", 1);
    cJSON *log = fake_requests(f);
    assert_int_equal(cJSON_GetArraySize(log), 1);
    const cJSON *first = jsonl_must(log, "request", 0);
    assert_string_equal(json_str(json_obj(first, "headers"), "x-api-key", ""), "k");
    assert_int_equal(json_i64(json_obj(first, "body"), "max_tokens", 0), 100);
    const cJSON *message = cJSON_GetArrayItem(json_arr(json_obj(first, "body"), "messages"), 0);
    assert_string_equal(json_str(message, "content", ""), "one \n two");
    cJSON_Delete(log);
    fake_stop(&f);
}

static void connections_are_kept_and_bodies_may_be_chunked(void **state) {
    (void)state;
    struct fake *f = with_faults("");
    int fd = dial(f);
    send_request(fd, API_KEY API_VERSION, ASK("a"));
    struct reply r = receive(fd);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    static const char body[] = ASK("b");
    char *text = xasprintf(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" API_KEY
            API_VERSION "transfer-encoding: chunked\r\n\r\n5\r\n%.5s\r\n%zx\r\n%s\r\n0\r\n\r\n",
        body, strlen(body) - 5, body + 5);
    for (size_t i = 0; i < strlen(text); i++)
        send_text(fd, text + i, 1);
    x_free(&text);
    r = receive(fd);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    close(fd);
    cJSON *log = fake_requests(f);
    assert_int_equal(json_i64(cJSON_GetArrayItem(log, 1), "conn", 0), 1);
    cJSON_Delete(log);
    fake_stop(&f);
}

static void a_misspelt_fault_does_not_start(void **state) {
    (void)state;
    char path[] = "/tmp/sbscenario-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "{\"rules\":[{\"faults\":{\"cut_after_byte\":1}}]}";
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    const char *argv[] = {where_fake(), path, NULL};
    struct run *r = run_all(&(struct run_spec){.argv = argv, .input = ""}, WAIT_MS);
    unlink(path);
    run_expect_code(r, 1);
    assert_has(run_err(r), "unknown key \"cut_after_byte\"");
    run_free(&r);
}

/* ---- each fault ----------------------------------------------------------------------------- */

static void fault_status(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *type;
    } all[] = {{400, "invalid_request_error"},
               {429, "rate_limit_error"},
               {500, "api_error"},
               {529, "overloaded_error"}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char *faults =
            xasprintf("\"status\":%d,\"message\":\"so\",\"retry_after\":\"7\"", all[i].status);
        struct fake *f = with_faults(faults);
        struct reply r = ask(f, ASK("hi"));
        assert_int_equal(r.status, all[i].status);
        assert_has(buf_str(&r.head), "\r\nretry-after: 7\r\n");
        assert_has(buf_str(&r.body), all[i].type);
        assert_has(buf_str(&r.body), "\"message\":\"so\"");
        reply_free(&r);
        fake_stop(&f);
        x_free(&faults);
    }
    struct fake *f = with_faults("\"html_error_page\":true");
    struct reply r = ask(f, ASK("hi"));
    assert_int_equal(r.status, 502);
    assert_has(buf_str(&r.head), "content-type: text/html");
    assert_has(buf_str(&r.body), "<html>");
    reply_free(&r);
    fake_stop(&f);
}

static void fault_delay(void **state) {
    (void)state;
    struct fake *f = with_faults("\"delay_ms\":60,\"slow_ms_per_event\":10");
    int64_t start = clock_real_mono_ns();
    struct reply r = ask(f, ASK("hi"));
    assert_true(clock_real_mono_ns() - start >= (60 + 7 * 10) * NS_PER_MS);
    assert_events(&r, events);
    reply_free(&r);
    fake_stop(&f);
}

static void fault_cut(void **state) {
    (void)state;
    struct fake *f = with_faults("\"cut_after_bytes\":400");
    struct reply r = ask(f, ASK("hi"));
    assert_int_equal(r.status, 200);
    assert_false(r.whole);
    assert_int_equal(r.body.len, 400);
    assert_int_equal(r.error, 0);
    reply_free(&r);
    fake_expect(f, "end 1 cut", 1);
    fake_stop(&f);

    f = with_faults("\"cut_after_bytes\":0,\"cut_reset\":true");
    r = ask(f, ASK("hi"));
    assert_false(r.whole);
    assert_int_equal(r.error, ECONNRESET);
    reply_free(&r);
    fake_stop(&f);

    f = with_faults("\"refuse\":true");
    r = ask(f, ASK("hi"));
    assert_int_equal(r.status, 0);
    reply_free(&r);
    fake_stop(&f);

    f = fake_start("{\"refuse_first\":1,\"rules\":[{\"respond\":[{\"text\":\"x\"}]}]}");
    int fd = dial(f);
    r = receive(fd);
    assert_int_equal(r.status, 0);
    assert_int_equal(r.error, ECONNRESET);
    close(fd);
    reply_free(&r);
    r = ask(f, ASK("hi"));
    assert_int_equal(r.status, 200);
    reply_free(&r);
    fake_stop(&f);
}

static void fault_silence_ends_with_the_client(void **state) {
    (void)state;
    struct fake *f = with_faults("\"silence_after_events\":4");
    int fd = dial(f);
    send_request(fd, API_KEY API_VERSION, ASK("hi"));
    fake_expect(f, "silent 1", 1);
    shutdown(fd, SHUT_WR);
    struct reply r = receive(fd);
    assert_false(r.whole);
    assert_events(&r, "message_start|ping|content_block_start|content_block_delta|");
    reply_free(&r);
    close(fd);
    fake_expect(f, "end 1 aborted", 1);
    fake_stop(&f);
}

static void fault_hold_waits_for_its_release(void **state) {
    (void)state;
    struct fake *f = with_faults("\"hold\":\"gate\",\"hold_after_events\":3");
    int fd = dial(f);
    send_request(fd, API_KEY API_VERSION, ASK("hi"));
    fake_expect(f, "held gate", 1);
    assert_false(fake_wait(f, "end 1", 1, 0));
    fake_release(f, "gate");
    struct reply r = receive(fd);
    assert_events(&r, events);
    reply_free(&r);
    close(fd);
    r = ask(f, ASK("hi")); /* the gate stays open */
    assert_true(r.whole);
    reply_free(&r);
    fake_stop(&f);
}

static void fault_garbage(void **state) {
    (void)state;
    struct fake *f = with_faults("\"garbage\":\"json\"");
    struct reply r = ask(f, ASK("hi"));
    assert_has(buf_str(&r.body), "data: {\"type\":\"content_block_delta\",\"index\":0,\n\n");
    assert_has(buf_str(&r.body), "message_stop");
    reply_free(&r);
    fake_stop(&f);

    f = with_faults("\"garbage\":\"sse\",\"garbage_after_events\":1");
    r = ask(f, ASK("hi"));
    assert_true(r.whole);
    assert_events(&r, "message_start|");
    assert_has(buf_str(&r.body), "no event stream here");
    reply_free(&r);
    fake_stop(&f);

    f = with_faults("\"garbage\":\"utf8\"");
    r = ask(f, ASK("hi"));
    assert_false(utf8_valid(buf_str(&r.body), r.body.len));
    reply_free(&r);
    fake_stop(&f);
}

static void fault_split(void **state) {
    (void)state;
    struct fake *f = with_faults("\"split\":\"byte\"");
    struct reply r = ask(f, ASK("hi"));
    assert_true(r.whole);
    assert_int_equal(r.max_chunk, 1);
    assert_int_equal(r.chunks, r.body.len);
    assert_has(buf_str(&r.body), "Zwölf 日本");
    reply_free(&r);
    fake_stop(&f);
    f = with_faults("\"split\":7");
    r = ask(f, ASK("hi"));
    assert_int_equal(r.max_chunk, 7);
    reply_free(&r);
    fake_stop(&f);
}

static void fault_forms_of_the_stream(void **state) {
    (void)state;
    struct fake *f =
        with_faults("\"line_end\":\"crlf\",\"bom\":true,\"comments\":true,\"multi_line\":true,"
                    "\"unknown_events\":true");
    struct reply r = ask(f, ASK("hi"));
    const char *body = buf_str(&r.body);
    assert_true(str_prefix(body, "\xEF\xBB\xBF"));
    assert_has(body, "\r\ndata: {\r\ndata:\"type\":\"ping\"}\r\n");
    assert_has(body, ": a comment");
    assert_has(body, "event: weather\r\n");
    for (const char *nl = body; (nl = strchr(nl, '\n')); nl++)
        assert_int_equal(nl[-1], '\r');
    reply_free(&r);
    fake_stop(&f);
    f = with_faults("\"line_end\":\"cr\"");
    r = ask(f, ASK("hi"));
    assert_null(strchr(buf_str(&r.body), '\n'));
    assert_has(buf_str(&r.body), "event: ping\rdata: {\"type\":\"ping\"}\r\r");
    reply_free(&r);
    fake_stop(&f);
}

static void fault_error_in_the_stream(void **state) {
    (void)state;
    struct fake *f =
        with_faults("\"mid_stream_error\":{\"type\":\"api_error\",\"message\":\"boom\"}");
    struct reply r = ask(f, ASK("hi"));
    assert_true(r.whole);
    assert_events(&r, "message_start|ping|content_block_start|error|");
    assert_has(buf_str(&r.body),
               "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"boom\"}");
    reply_free(&r);
    fake_stop(&f);
}

static void many_streams_at_once(void **state) {
    (void)state;
    enum { STREAMS = 200 };
    struct fake *f = fake_start("{\"rules\":[{\"respond\":[{\"text\":\"tick \",\"repeat\":20}],"
                                "\"faults\":{\"slow_ms_per_event\":1}}]}");
    int fd[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        fd[i] = dial(f);
        send_request(fd[i], API_KEY API_VERSION, ASK("hi"));
    }
    for (int i = 0; i < STREAMS; i++) {
        struct reply r = receive(fd[i]);
        assert_true(r.whole);
        int ticks = 0;
        for (const char *at = buf_str(&r.body); (at = strstr(at, "tick ")); at++)
            ticks++;
        assert_int_equal(ticks, 20);
        reply_free(&r);
        close(fd[i]);
    }
    fake_stop(&f);
}

static void a_dead_url_refuses(void **state) {
    (void)state;
    int held;
    char *url = fake_dead_url(&held);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    close(held);
    x_free(&url);
}

/* ---- commands, terminals, screens ----------------------------------------------------------- */

static void a_command_is_captured_and_bounded(void **state) {
    (void)state;
    const char *argv[] = {"sh", "-c", "cat; echo err >&2; exit 7", NULL};
    struct run *r = run_all(&(struct run_spec){.argv = argv, .input = "in\n"}, WAIT_MS);
    run_expect_code(r, 7);
    assert_string_equal(run_out(r), "in\n");
    assert_string_equal(run_err(r), "err\n");
    run_free(&r);

    const char *slow[] = {"sh", "-c", "echo up; exec cat", NULL};
    r = run_start(&(struct run_spec){.argv = slow, .open_stdin = true});
    assert_true(run_wait_out(r, "up", WAIT_MS));
    assert_false(run_wait_exit(r, 1));
    pid_t pid = run_pid(r);
    run_free(&r);
    assert_int_equal(kill(pid, 0), -1);
}

static struct pty *shell(struct vt *v, const char *script) {
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct pty *p = pty_start(&(struct pty_spec){.argv = argv, .cols = 40, .rows = 6});
    vt_attach(v, p);
    return p;
}

static void the_screen_shows_what_a_shell_writes(void **state) {
    (void)state;
    struct vt *v = vt_new(40, 6);
    struct pty *p =
        shell(v, "printf 'plain \\033[1;31mbold red\\033[0m \\346\\227\\245e\\314\\201!\\r\\n';"
                 "printf '\\033]2;the title\\007\\033[3;5Hhere\\007'; read x; echo got $x");
    vt_expect(v, "here");
    char *row = vt_row(v, 0);
    assert_string_equal(row, "plain bold red 日e\u0301!");
    x_free(&row);
    struct vt_cell c = vt_cell(v, 0, 6);
    assert_string_equal(c.text, "b");
    assert_true(c.bold);
    assert_int_equal(c.fg, 1);
    assert_int_equal(c.bg, VT_DEFAULT);
    c = vt_cell(v, 0, 15);
    assert_string_equal(c.text, "日");
    assert_int_equal(c.width, 2);
    assert_int_equal(vt_cell(v, 0, 16).width, 0);
    int y, x;
    bool visible;
    vt_cursor(v, &y, &x, &visible);
    assert_int_equal(y, 2);
    assert_int_equal(x, 8);
    assert_true(visible);
    assert_true(vt_find(v, "e\u0301!", &y, &x));
    assert_int_equal(x, 17);
    assert_string_equal(vt_title(v), "the title");
    assert_int_equal(vt_bells(v), 1);
    assert_false(vt_wait(v, "never", 1));
    pty_type(p, "keys\r");
    vt_expect(v, "^got keys$");
    assert_true(pty_wait_exit(p, WAIT_MS));
    assert_int_equal(pty_code(p), 0);
    pty_free(&p);
    vt_free(&v);
}

static void a_terminal_can_change_hang_up_and_be_compared(void **state) {
    (void)state;
    struct vt *v = vt_new(40, 6);
    struct pty *p =
        shell(v, "trap 'stty size' WINCH; stty raw; echo ready; while :; do read x; done");
    vt_expect(v, "ready");
    struct termios before = pty_modes_before(p), now = pty_modes(p);
    assert_true(pty_modes_equal(&before, &before));
    assert_false(pty_modes_equal(&before, &now));
    vt_resize(v, 50, 10);
    pty_type(p, "\n"); /* some shells run a trap only when the read returns */
    vt_expect(v, "10 50");
    pty_hangup(p);
    assert_true(pty_wait_exit(p, WAIT_MS));
    assert_int_equal(pty_code(p), 128 + SIGHUP);
    pty_free(&p);
    vt_free(&v);
}

static void one_terminal_can_run_two_programs(void **state) {
    (void)state;
    struct vt *v = vt_new(40, 6);
    struct pty *p = shell(v, "echo first");
    assert_true(pty_wait_exit(p, WAIT_MS));
    const char *argv[] = {"/bin/sh", "-c", "echo second; read x", NULL};
    pty_again(p, &(struct pty_spec){.argv = argv});
    vt_expect(v, "second");
    assert_true(vt_matches(v, "first"));
    pty_type(p, "\r");
    assert_true(pty_wait_exit(p, WAIT_MS));
    pty_free(&p);
    vt_free(&v);
}

static void goldens_mask_what_changes(void **state) {
    (void)state;
    char *masked = golden_mask("at 14:02, ü 9:59\nx 1:1", "[0-9]+:[0-9][0-9]", '#');
    assert_string_equal(masked, "at #####, ü ####\nx 1:1");
    x_free(&masked);
}

/* ---- homes and processes -------------------------------------------------------------------- */

static void a_home_takes_everything_with_it(void **state) {
    (void)state;
    struct tmphome *h = tmphome_new(NULL);
    tmphome_file(h, "home/workspace/a/b.txt", "text");
    char *text = tmphome_read(h, "home/workspace/a/b.txt");
    assert_string_equal(text, "text");
    x_free(&text);
    assert_null(tmphome_strays(h));

    /* One by its environment, in a session of its own and reparented; one by its directory. */
    const char *argv[] = {
        "sh", "-c", "setsid sleep 1000 & cd home && env -i PATH=\"$PATH\" setsid sleep 1000 & echo",
        NULL};
    struct run *r = run_start(&(struct run_spec){.argv = argv, .env = h->env.v, .dir = h->dir});
    char *dir = xstrdup(h->dir);
    assert_true(proc_wait_some(proc_find, dir, 2, WAIT_MS));
    assert_false(proc_wait_none(proc_find, dir, 1));
    tmphome_free(&h);
    struct proc_list left;
    proc_find(dir, &left);
    assert_int_equal(left.n, 0);
    assert_int_equal(access(dir, F_OK), -1);
    run_free(&r);
    x_free(&dir);
}

static void the_environment_is_replaced_by_name(void **state) {
    (void)state;
    struct tmphome *h = tmphome_new(NULL);
    tmphome_setenv(h, "TERM", "vt100");
    tmphome_setenv(h, "TE", "x");
    tmphome_setenv(h, "HOME", NULL);
    const char *argv[] = {"sh", "-c", "echo $TERM $TE ${HOME-none}", NULL};
    struct run *r = run_all(&(struct run_spec){.argv = argv, .env = h->env.v}, WAIT_MS);
    assert_string_equal(run_out(r), "vt100 x none\n");
    run_free(&r);
    tmphome_free(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_streams_of_events),
        cmocka_unit_test(rules_choose_by_what_was_said),
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(the_log_shows_what_was_asked),
        cmocka_unit_test(connections_are_kept_and_bodies_may_be_chunked),
        cmocka_unit_test(a_misspelt_fault_does_not_start),
        cmocka_unit_test(fault_status),
        cmocka_unit_test(fault_delay),
        cmocka_unit_test(fault_cut),
        cmocka_unit_test(fault_silence_ends_with_the_client),
        cmocka_unit_test(fault_hold_waits_for_its_release),
        cmocka_unit_test(fault_garbage),
        cmocka_unit_test(fault_split),
        cmocka_unit_test(fault_forms_of_the_stream),
        cmocka_unit_test(fault_error_in_the_stream),
        cmocka_unit_test(many_streams_at_once),
        cmocka_unit_test(a_dead_url_refuses),
        cmocka_unit_test(a_command_is_captured_and_bounded),
        cmocka_unit_test(the_screen_shows_what_a_shell_writes),
        cmocka_unit_test(a_terminal_can_change_hang_up_and_be_compared),
        cmocka_unit_test(one_terminal_can_run_two_programs),
        cmocka_unit_test(goldens_mask_what_changes),
        cmocka_unit_test(a_home_takes_everything_with_it),
        cmocka_unit_test(the_environment_is_replaced_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
