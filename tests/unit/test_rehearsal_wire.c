/* rehearsal over the wire: whole calls of the real client over its socket, on an inline loop, so
 * that the pauses between pieces cost nothing; who is let in; scenarios and their faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "llm/rehearsal-internal.h"
#include "llm/rehearsal.h"
#include "loop/loop.h"

#define MANY 700 /* calls at once: more than there are connections */

struct call {
    struct llm_call *handle;
    struct llm_response answer;
    struct llm_error error;
    struct buf text; /* as it came */
    int pieces;
    int64_t began_ns, ended_ns;
    bool done, failed;
};

static struct fixture {
    char dir[40];
    struct loop *loop;
    struct rehearsal *rehearsal;
    struct llm *llm;
    struct llm_history history;
    struct llm_tool tool;
    size_t open;
    struct call call;
} f;

static const struct llm_tool reply = {"reply", "", "{\"type\":\"object\"}"};

static int setup(void **state) {
    (void)state;
    memset(&f, 0, sizeof(f));
    snprintf(f.dir, sizeof(f.dir), "/tmp/sbrehearsal-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    clock_set_virtual(1764000000000);
    id_seed(7);
    struct cause why = {""};
    char *log = xasprintf("%s/log", f.dir);
    assert_int_equal(log_open(log, &why), STATUS_OK);
    x_free(&log);
    f.loop = loop_new(LOOP_INLINE);
    f.tool = reply;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    llm_free(&f.llm);
    rehearsal_free(&f.rehearsal);
    loop_free(&f.loop);
    llm_history_free(&f.history);
    llm_message_free(&f.call.answer.message);
    buf_free(&f.call.text);
    char *socket = xasprintf("%s/rehearsal", f.dir);
    int left = access(socket, F_OK);
    x_free(&socket);
    char *rm = xasprintf("rm -r %s", f.dir);
    int rc = system(rm);
    x_free(&rm);
    log_close();
    clock_set_real();
    return left == 0 || rc != 0; /* a socket was left behind */
}

static enum status try_serve(const char *scenario, struct cause *why) {
    char *path = NULL;
    if (scenario) {
        path = xasprintf("%s/scene.json", f.dir);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(scenario, file);
        fclose(file);
    }
    const struct rehearsal_options o = {.loop = f.loop, .dir = f.dir, .scenario = path};
    enum status st = rehearsal_new(&o, &f.rehearsal, why);
    x_free(&path);
    return st;
}

static void serve_with_key(const char *scenario, const char *key) {
    struct cause why = {""};
    if (try_serve(scenario, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    struct llm_provider p = rehearsal_provider(f.rehearsal);
    if (key)
        p.api_key = key;
    const struct llm_config c = {.providers = &p, .nproviders = 1};
    f.llm = llm_new(f.loop, &c);
    assert_true(llm_has_provider(f.llm, REHEARSAL_MODEL));
}

static void serve(const char *scenario) { serve_with_key(scenario, NULL); }

/* ---- calls ---- */

static void on_text(void *arg, const char *text, size_t n) {
    struct call *c = arg;
    buf_append(&c->text, text, n);
    c->pieces++;
}

static void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    (void)index;
    on_text(arg, text, n);
}

static void on_done(void *arg, struct llm_response *r) {
    struct call *c = arg;
    c->answer = *r;
    memset(&r->message, 0, sizeof(r->message));
    c->done = true;
    c->ended_ns = loop_now_ns(f.loop);
    c->handle = NULL;
    f.open--;
}

static void on_error(void *arg, const struct llm_error *e) {
    struct call *c = arg;
    c->error = *e;
    c->failed = true;
    c->handle = NULL;
    f.open--;
}

static const struct llm_events events = {
    .on_text = on_text, .on_tool_input = on_tool_input, .on_done = on_done, .on_error = on_error};

static void begin(struct call *c, const char *model) {
    const struct llm_request r = {
        .model = model, .history = &f.history, .tools = &f.tool, .ntools = f.tool.name ? 1 : 0};
    c->began_ns = loop_now_ns(f.loop);
    f.open++;
    c->handle = llm_call_start(f.llm, &r, &events, c);
}

static void finish(void) {
    int64_t until = clock_real_mono_ns() + 60 * NS_PER_SEC;
    while (f.open && clock_real_mono_ns() < until)
        loop_turn(f.loop, 100 * NS_PER_MS);
    assert_int_equal(f.open, 0);
}

static void reset_call(void) {
    llm_message_free(&f.call.answer.message);
    buf_free(&f.call.text);
    memset(&f.call, 0, sizeof(f.call));
}

static void call(const char *text) {
    reset_call();
    llm_history_free(&f.history);
    llm_history_push_text(&f.history, LLM_ROLE_USER, text);
    begin(&f.call, REHEARSAL_MODEL);
    finish();
}

static void expect_done(void) {
    if (!f.call.done)
        fail_msg("%s", f.call.error.text);
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

/* ---- answers ---- */

static void an_answer_comes_in_pieces_at_a_human_pace(void **state) {
    (void)state;
    serve(NULL);
    call("hello");
    expect_done();
    const struct llm_block *b = &f.call.answer.message.blocks[0];
    assert_int_equal(f.call.answer.message.n, 1);
    assert_string_equal(b->name, "reply");
    assert_string_equal(b->input, buf_str(&f.call.text));
    assert_has(b->input, "start 8 workers that count the lines in this folder");
    assert_int_equal(f.call.answer.stop, LLM_STOP_TOOL_USE);
    assert_string_equal(f.call.answer.model, "default");
    assert_true(f.call.pieces > 50);
    int64_t took = f.call.ended_ns - f.call.began_ns;
    assert_true(took >= (f.call.pieces - 1) * 20 * NS_PER_MS);
    assert_true(took < 10 * NS_PER_SEC);
}

static void what_it_uses_is_counted_and_costs_nothing(void **state) {
    (void)state;
    serve(NULL);
    call("hello");
    expect_done();
    const struct llm_usage *u = &f.call.answer.usage;
    assert_true(u->input_tokens > 10);
    assert_int_equal(u->output_tokens, (int64_t)(f.call.text.len + 3) / 4);
    assert_true(u->cost_usd == 0.0);
    assert_false(u->cost_is_estimate);
}

static void the_same_question_gets_the_same_answer(void **state) {
    (void)state;
    serve(NULL);
    id_seed(42);
    call("start 3 workers that count the words");
    expect_done();
    struct llm_message first = f.call.answer.message;
    memset(&f.call.answer.message, 0, sizeof(first));
    id_seed(42);
    call("start 3 workers that count the words");
    expect_done();
    assert_int_equal(first.n, f.call.answer.message.n);
    for (size_t i = 0; i < first.n; i++) {
        assert_string_equal(first.blocks[i].id, f.call.answer.message.blocks[i].id);
        assert_string_equal(first.blocks[i].input, f.call.answer.message.blocks[i].input);
    }
    llm_message_free(&first);
}

static void thinking_comes_signed(void **state) {
    (void)state;
    f.tool = (struct llm_tool){"set_status", "", "{\"type\":\"object\"}"};
    serve(NULL);
    call("count the lines");
    expect_done();
    const struct llm_message *m = &f.call.answer.message;
    assert_int_equal(m->blocks[0].kind, LLM_BLOCK_THINKING);
    assert_string_equal(m->blocks[0].signature, "rehearsal");
    assert_string_equal(m->blocks[2].name, "shell");
}

static void wide_characters_arrive_whole(void **state) {
    (void)state;
    serve("{\"chunk_chars\":1,\"chunk_ms\":0,"
          "\"rules\":[{\"text\":\"数える – ü 👩‍💻 \\u0001\\\"${text}\"}]}");
    call("und 😀");
    expect_done();
    assert_string_equal(buf_str(&f.call.text), "数える – ü 👩‍💻 \001\"und 😀");
}

static void one_call_after_another(void **state) {
    (void)state;
    serve("{\"chunk_ms\":0}");
    for (int i = 0; i < 20; i++) {
        call("hello");
        expect_done();
    }
}

static void more_calls_than_connections_are_all_answered(void **state) {
    (void)state;
    static struct call many[MANY];
    serve("{\"chunk_ms\":5,\"rules\":[{\"text\":\"yes, here\"}]}");
    memset(many, 0, sizeof(many));
    llm_history_push_text(&f.history, LLM_ROLE_USER, "are you there?");
    for (size_t i = 0; i < MANY; i++)
        begin(&many[i], REHEARSAL_MODEL);
    finish();
    for (size_t i = 0; i < MANY; i++) {
        if (!many[i].done)
            fail_msg("%zu: %s", i, many[i].error.text);
        assert_string_equal(buf_str(&many[i].text), "yes, here");
        buf_free(&many[i].text);
        llm_message_free(&many[i].answer.message);
    }
}

static void a_call_can_be_cancelled_at_any_moment(void **state) {
    (void)state;
    serve(NULL);
    llm_history_push_text(&f.history, LLM_ROLE_USER, "write a page of markdown");
    for (int turns = 0; turns < 40; turns++) {
        reset_call();
        begin(&f.call, REHEARSAL_MODEL);
        for (int i = 0; i < turns; i++)
            loop_turn(f.loop, NS_PER_MS);
        llm_call_cancel(&f.call.handle);
        f.open = 0;
    }
    call("hello");
    expect_done();
}

/* ---- who is let in ---- */

static void the_socket_is_for_nobody_else(void **state) {
    (void)state;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat sb;
    serve(NULL);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/rehearsal", f.dir);
    assert_int_equal(stat(sa.sun_path, &sb), 0);
    assert_int_equal(sb.st_mode & 07777, 0600);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
            _exit(1);
        _exit(read(fd, &c, 1) == 0 ? 7 : 2); /* hung up on without a word */
    }
    int how = 0;
    pid_t ended = 0;
    int64_t until = clock_real_mono_ns() + 60 * NS_PER_SEC;
    while (!(ended = waitpid(pid, &how, WNOHANG)) && clock_real_mono_ns() < until)
        loop_turn(f.loop, 10 * NS_PER_MS);
    assert_int_equal(ended, pid);
    assert_int_equal(WEXITSTATUS(how), 7);
}

static void a_wrong_key_is_refused(void **state) {
    (void)state;
    serve_with_key(NULL, "guessed");
    call("hello");
    assert_true(f.call.failed);
    assert_int_equal(f.call.error.fault, LLM_FAULT_AUTH);
}

static void there_is_one_model(void **state) {
    (void)state;
    serve(NULL);
    llm_history_push_text(&f.history, LLM_ROLE_USER, "hello");
    begin(&f.call, "rehearsal/larger");
    finish();
    assert_int_equal(f.call.error.fault, LLM_FAULT_NOT_FOUND);
    assert_has(f.call.error.text, "larger");
    call("hello"); /* and the next call is none the worse */
    expect_done();
}

static void too_much_is_refused(void **state) {
    (void)state;
    serve(NULL);
    size_t n = REHEARSAL_REQUEST_MAX;
    char *text = xmalloc(n + 1);
    memset(text, 'x', n);
    text[n] = '\0';
    call(text);
    assert_int_equal(f.call.error.fault, LLM_FAULT_OVERFLOW);
    text[n - 1000] = '\0';
    call(text);
    expect_done();
    x_free(&text);
}

/* Whoever sends something else gets one answer to all of it. */
static void what_is_not_understood_is_answered_once(void **state) {
    (void)state;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    char junk[8192], got[4096];
    size_t n = 0;
    serve(NULL);
    memset(junk, 'x', sizeof(junk));
    memcpy(junk, "GET / HTTP/1.1\r\n\r\n", strlen("GET / HTTP/1.1\r\n\r\n"));
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/rehearsal", f.dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
        loop_turn(f.loop, NS_PER_MS);
        loop_turn(f.loop, NS_PER_MS);
        ssize_t more = read(fd, got + n, sizeof(got) - 1 - n);
        n += more > 0 ? (size_t)more : 0;
    }
    got[n] = '\0';
    assert_true(str_prefix(got, "HTTP/1.1 404 Not Found\r\n"));
    assert_null(strstr(got + 1, "HTTP/1.1"));
    close(fd);
    call("hello");
    expect_done();
}

/* No proxy of the environment ever sees it. */
static void no_proxy_is_asked(void **state) {
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    serve(NULL);
    call("hello");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    expect_done();
}

/* ---- scenarios ---- */

static void the_first_rule_that_fits_answers(void **state) {
    (void)state;
    serve("{\"chunk_ms\":0,\"rules\":["
          "{\"match\":{\"who\":\"worker\"},\"text\":\"a worker\"},"
          "{\"match\":{\"text\":\"alpha\",\"nth\":2},\"text\":\"the second time\"},"
          "{\"match\":{\"text\":\"alpha\"},\"text\":\"alpha: ${text}\"},"
          "{\"match\":{\"text\":\"beta\"},\"thinking\":\"hm\","
          "\"calls\":[{\"tool\":\"reply\",\"input\":{\"content\":[\"${text}!\"]}}]}]}");
    call("alpha one");
    assert_string_equal(buf_str(&f.call.text), "alpha: alpha one");
    call("alpha two");
    assert_string_equal(buf_str(&f.call.text), "the second time");
    call("alpha three");
    assert_string_equal(buf_str(&f.call.text), "alpha: alpha three");
    call("beta");
    assert_int_equal(f.call.answer.message.n, 2);
    assert_string_equal(f.call.answer.message.blocks[1].input, "{\"content\":[\"beta!\"]}");
    call("gamma"); /* the script */
    assert_has(buf_str(&f.call.text), "rehearsal");
}

static void results_can_be_matched_and_told(void **state) {
    (void)state;
    serve("{\"rules\":[{\"match\":{\"step\":1,\"result\":\"64\"},\"text\":\"got ${result}\"}]}");
    struct llm_message a = {.role = LLM_ROLE_ASSISTANT}, r = {.role = LLM_ROLE_USER};
    struct llm_block *b = llm_message_add(&a, LLM_BLOCK_TOOL_USE);
    b->id = xstrdup("toolu_1");
    b->name = xstrdup("shell");
    b->input = text_of("{}");
    llm_message_add_result(&r, "toolu_1", "640 lines", false);
    llm_history_push_text(&f.history, LLM_ROLE_USER, "count");
    llm_history_push(&f.history, &a);
    llm_history_push(&f.history, &r);
    begin(&f.call, REHEARSAL_MODEL);
    finish();
    expect_done();
    assert_string_equal(buf_str(&f.call.text), "got 640 lines");
}

static void an_answer_can_be_late_and_slow(void **state) {
    (void)state;
    serve("{\"chunk_chars\":1,\"chunk_ms\":100,\"rules\":[{\"text\":\"slow\",\"delay_ms\":5000}]}");
    call("go");
    expect_done();
    int64_t took = f.call.ended_ns - f.call.began_ns;
    assert_true(took >= 5300 * NS_PER_MS);
    assert_true(took < 7000 * NS_PER_MS);
    assert_int_equal(f.call.pieces, 4);
}

static void an_answer_can_be_an_error(void **state) {
    (void)state;
    serve("{\"rules\":[{\"match\":{\"nth\":1},\"fault\":{\"status\":429,\"retry_after\":7,"
          "\"message\":\"slow down\"}},{\"match\":{\"nth\":1},\"text\":\"partly said\",\"fault\":"
          "{\"error\":\"overloaded_error\",\"message\":\"too many\",\"after\":4}}]}");
    call("go");
    assert_int_equal(f.call.error.fault, LLM_FAULT_RATE_LIMITED);
    assert_int_equal(f.call.error.retry_after_ms, 7000);
    assert_has(f.call.error.text, "slow down");
    assert_false(f.call.error.delivered);
    call("go");
    assert_int_equal(f.call.error.fault, LLM_FAULT_OVERLOADED);
    assert_has(f.call.error.text, "too many");
    assert_true(f.call.error.delivered);
    call("go");
    expect_done();
}

static void an_answer_can_be_cut_or_fall_silent(void **state) {
    (void)state;
    serve("{\"rules\":[{\"match\":{\"nth\":1},\"text\":\"cut here\",\"fault\":{\"cut\":3}},"
          "{\"match\":{\"nth\":1},\"text\":\"silence\",\"fault\":{\"silence\":0}}]}");
    call("go");
    assert_int_equal(f.call.error.fault, LLM_FAULT_CUT);
    call("go"); /* five minutes of the virtual clock */
    assert_int_equal(f.call.error.fault, LLM_FAULT_SILENCE);
    call("go");
    expect_done();
}

static void a_wrong_scenario_is_an_error_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"{\n\"rules\": [\n,]}", "line 3: "},
        {"", "line 1: "},
        {"[]", "must hold an object"},
        {"{\"rulez\":[]}", "unknown key `rulez`; did you mean `rules`?"},
        {"{\"chunk_ms\":-1}", "`chunk_ms` must be a whole number from 0"},
        {"{\"chunk_ms\":1.5}", "`chunk_ms` must be a whole number from 0"},
        {"{\"rules\":[{},{\"txt\":\"\"}]}", "unknown key `rules[1].txt`; did you mean `text`?"},
        {"{\"rules\":[1]}", "rules[0] must be an object"},
        {"{\"rules\":[{\"match\":{\"stepp\":1}}]}", "unknown key `rules[0].match.stepp`"},
        {"{\"rules\":[{\"match\":{\"who\":\"me\"}}]}", "`rules[0].match.who` must be channel"},
        {"{\"rules\":[{\"calls\":[{}]}]}", "`rules[0].calls[0]` needs a `tool`"},
        {"{\"rules\":[{\"calls\":[{\"tool\":\"x\",\"input\":[]}]}]}",
         "`rules[0].calls[0].input` must be an object"},
        {"{\"rules\":[{\"fault\":{\"status\":200}}]}", "`rules[0].fault.status` must be from 400"},
        {"{\"rules\":[{\"fault\":{\"cutt\":1}}]}", "did you mean `cut`?"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cause why = {""};
        assert_int_equal(try_serve(cases[i].text, &why), STATUS_CONFIG);
        assert_null(f.rehearsal);
        assert_has(why.text, "/scene.json: ");
        assert_has(why.text, cases[i].why);
    }
    struct cause why = {""};
    const struct rehearsal_options o = {.loop = f.loop, .dir = f.dir, .scenario = "/nonexistent"};
    assert_int_equal(rehearsal_new(&o, &f.rehearsal, &why), STATUS_CONFIG);
    assert_has(why.text, "/nonexistent: cannot be read");
}

static void a_path_that_is_too_long_is_said(void **state) {
    (void)state;
    char dir[200];
    struct cause why = {""};
    memset(dir, 'd', sizeof(dir) - 1);
    dir[sizeof(dir) - 1] = '\0';
    const struct rehearsal_options o = {.loop = f.loop, .dir = dir};
    assert_int_equal(rehearsal_new(&o, &f.rehearsal, &why), STATUS_CONFIG);
    assert_has(why.text, "too long");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(an_answer_comes_in_pieces_at_a_human_pace),
        CASE(what_it_uses_is_counted_and_costs_nothing),
        CASE(the_same_question_gets_the_same_answer),
        CASE(thinking_comes_signed),
        CASE(wide_characters_arrive_whole),
        CASE(one_call_after_another),
        CASE(more_calls_than_connections_are_all_answered),
        CASE(a_call_can_be_cancelled_at_any_moment),
        CASE(the_socket_is_for_nobody_else),
        CASE(a_wrong_key_is_refused),
        CASE(there_is_one_model),
        CASE(too_much_is_refused),
        CASE(what_is_not_understood_is_answered_once),
        CASE(no_proxy_is_asked),
        CASE(the_first_rule_that_fits_answers),
        CASE(results_can_be_matched_and_told),
        CASE(an_answer_can_be_late_and_slow),
        CASE(an_answer_can_be_an_error),
        CASE(an_answer_can_be_cut_or_fall_silent),
        CASE(a_wrong_scenario_is_an_error_with_its_place),
        CASE(a_path_that_is_too_long_is_said),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
