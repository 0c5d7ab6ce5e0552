/* What a provider can do wrong, one test each: the person gets one understandable line where it
 * happened, the exit code says that it was the provider, and the same channel of the same engine
 * answers the next message. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "tests/lib/fake.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/scene.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"

static struct fake *fake;
static struct tmphome *home;
static int dead_fd = -1;

struct fault {
    const char *faults;  /* what the provider does */
    const char *message; /* what the person reads: an extended regular expression, case ignored */
    bool retried;        /* it was tried again before, and a notice said so */
    int calls;           /* requests that reach the provider; 0: any */
};

static const struct fault faults[] = {
    {"\"status\":400,\"message\":\"sharks: Extra inputs\"", "refused.*\\(400\\).*sharks", false, 1},
    {"\"status\":401,\"message\":\"invalid x-api-key\"", "key.*\\(401\\).*ANTHROPIC_API_KEY", false,
     1},
    {"\"status\":404,\"message\":\"model: nope\"", "no such model.*\\(404\\)", false, 1},
    {"\"status\":429,\"message\":\"slow down\"", "too many requests.*\\(429\\)", true, 3},
    {"\"status\":529", "overloaded.*\\(529\\)", true, 3},
    {"\"status\":500", "server failed.*\\(500\\)", true, 3},
    {"\"html_error_page\":true", "\\(502\\).*Bad Gateway", true, 3},
    {"\"status\":302,\"location\":\"http://127.0.0.1:1/x\"",
     "sends us on to http://127\\.0\\.0\\.1:1.*base_url", false, 1},
    /* A connection that was kept and turns out dead is replaced once without a word: one more. */
    {"\"refuse\":true", "(connection|answer|cut)", true, 0},
    {"\"cut_after_bytes\":300", "(cut|ended|broke)", true, 3},
    {"\"cut_after_bytes\":300,\"cut_reset\":true", "(cut|ended|broke|reset)", true, 3},
    {"\"silence_after_events\":1", "(silen|nothing|no byte|no answer)", true, 3},
    {"\"silence_after_events\":4", "(silen|nothing|no byte|no answer)", false, 1},
    {"\"mid_stream_error\":{\"type\":\"api_error\",\"message\":\"boom\"}", "boom", true, 3},
    {"\"mid_stream_error\":true,\"mid_stream_error_after\":4", "overloaded", false, 1},
    {"\"garbage\":\"json\"", "not the stream.*JSON", true, 3},
    {"\"garbage\":\"sse\"", "(cut|ended|not the stream)", true, 3},
    {"\"garbage\":\"flood\"", "larger than", true, 3},
};

/* Streams that look odd and are in order. */
static const char *const forms[] = {
    "\"split\":\"byte\"",
    "\"split\":3,\"line_end\":\"crlf\",\"bom\":true",
    "\"line_end\":\"cr\",\"comments\":true",
    "\"multi_line\":true,\"unknown_events\":true,\"split\":5",
};

/* Rules: "fault-N!" strikes, "form-N!" comes in that form, anything else is answered. */
static char *scenario(void) {
    struct buf b = BUF_INIT;
    /* What failed stays in the conversation, in one message with what is said next: so this comes
     * first. */
    buf_puts(&b, "{\"rules\":[{\"match\":{\"last_user_contains\":\"And now?\"},"
                 "\"respond\":[{\"text\":\"All is well again.\"}]},");
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        buf_printf(&b,
                   "{\"match\":{\"last_user_contains\":\"fault-%zu!\"},"
                   "\"respond\":[{\"text\":\"Half an answer.\"}],\"faults\":{%s}},",
                   i, faults[i].faults);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        buf_printf(&b,
                   "{\"match\":{\"last_user_contains\":\"form-%zu!\"},\"delta_chars\":3,"
                   "\"respond\":[{\"thinking\":\"Überlegung "
                   "🙂\"},{\"tool_use\":{\"name\":\"reply\",\"input\":"
                   "{\"content\":\"Zwölf – 数える 🙂 \\\"quoted\\\"\\nsecond "
                   "line\"}}}],\"faults\":{%s}},",
                   i, forms[i]);
    buf_puts(&b,
             "{\"match\":{\"last_user_contains\":\"once!\",\"nth\":1},\"faults\":{\"status\":529}},"
             "{\"match\":{\"last_user_contains\":\"later!\",\"nth\":1},"
             "\"faults\":{\"status\":429,\"retry_after\":\"2\"}},"
             "{\"respond\":[{\"text\":\"All is well again.\"}]}]}");
    return buf_steal(&b);
}

static void end(struct run *r, int code, cJSON **lines) {
    run_expect_code(r, code);
    *lines = jsonl_parse(run_out(r));
    run_free(&r);
}

static cJSON *spacebot_exec(const char *channel, const char *text, int code) {
    cJSON *lines;
    end(tmphome_spacebot(home, ARGS("exec", "--json", "--channel", channel, text), NULL), code,
        &lines);
    return lines;
}

static int group_setup(void **state) {
    (void)state;
    char *text = scenario(), *url = fake_dead_url(&dead_fd);
    fake = fake_start(text);
    home = tmphome_new(fake);
    char *config =
        xasprintf("limits = { silence_secs = 1; };\n"
                  "providers = ( { id = \"dead\"; api = \"anthropic\"; base_url = \"%s\"; "
                  "api_key = \"k\"; } );\n",
                  url);
    tmphome_config(home, config);
    struct run *r = tmphome_spacebot(home, ARGS("daemon"), NULL);
    run_expect_code(r, 0);
    run_free(&r);
    x_free(&config);
    x_free(&url);
    x_free(&text);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    struct run *r = tmphome_spacebot(home, ARGS("stop"), NULL);
    int code = run_code(r);
    run_free(&r);
    tmphome_expect_quiet(home, WAIT_MS);
    tmphome_free(&home);
    close(dead_fd);
    fake_stop(&fake);
    return code;
}

static void assert_matches(const char *text, const char *pattern) {
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_ICASE), 0);
    bool hit = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    if (!hit)
        fail_msg("/%s/ does not match: %s", pattern, text);
}

/* One line for a person: who, what; no dump, no secret, no control characters. */
static void assert_for_people(const char *text) {
    size_t n = strlen(text);
    assert_in_range(n, 10, 400);
    assert_true(utf8_valid(text, n));
    assert_null(strpbrk(text, "{}<>"));
    assert_null(strstr(text, "sk-ant"));
    assert_null(strstr(text, "curl"));
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            fail_msg("control character %d in: %s", *p, text);
}

static int requests_with(const char *text) {
    cJSON *all = fake_requests(fake), *it;
    int n = 0;
    cJSON_ArrayForEach(it, all) {
        char *body = json_print(it);
        n += strstr(body, text) != NULL;
        x_free(&body);
    }
    cJSON_Delete(all);
    return n;
}

/* The notices of the channel, of both levels. */
static int notices(const cJSON *lines, const char *level) {
    int n = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, lines) n +=
        str_eq(json_str(it, "type", ""), "notice") && str_eq(json_str(it, "level", ""), level);
    return n;
}

/* The failure is told in the result and where it happened. */
static void assert_failed(const cJSON *lines, const char *message, bool retried) {
    const cJSON *result = jsonl_must(lines, "result", 0);
    const char *error = json_str(result, "error", "");
    assert_false(json_bool(result, "ok", true));
    assert_matches(error, message);
    assert_for_people(error);
    assert_true(notices(lines, "error") >= 1);
    if (retried)
        assert_true(notices(lines, "notice") >= 1);
    else
        assert_int_equal(notices(lines, "notice"), 0);
}

static void strike(const struct fault *fault) {
    int i = (int)(fault - faults);
    char channel[32], text[32];
    snprintf(channel, sizeof(channel), "channel-%d", i);
    snprintf(text, sizeof(text), "fault-%d!", i);
    cJSON *lines = spacebot_exec(channel, text, 4);
    assert_failed(lines, fault->message, fault->retried);
    cJSON_Delete(lines);
    if (fault->calls)
        assert_int_equal(requests_with(text), fault->calls);

    lines = spacebot_exec(channel, "And now?", 0);
    assert_string_equal(json_str(jsonl_must(lines, "result", 0), "reply", ""),
                        "All is well again.");
    cJSON_Delete(lines);
}

static void each_fault_is_told_and_survived(void **state) { strike(*state); }

static void each_form_is_understood(void **state) {
    const char *const *form = *state;
    char text[32];
    snprintf(text, sizeof(text), "form-%d!", (int)(form - forms));
    cJSON *lines = spacebot_exec("forms", text, 0);
    assert_string_equal(json_str(jsonl_must(lines, "result", 0), "reply", ""),
                        "Zwölf – 数える 🙂 \"quoted\"\nsecond line");
    const cJSON *it;
    cJSON_ArrayForEach(it, lines) {
        /* No piece ends within a character: jsonl_parse() has refused broken UTF-8 already. */
        assert_null(strstr(json_str(it, "delta", ""), "\uFFFD"));
    }
    cJSON_Delete(lines);
}

static void a_refused_connection_names_the_address(void **state) {
    (void)state;
    cJSON *lines;
    end(tmphome_spacebot(
            home, ARGS("exec", "--json", "--channel", "dead", "--model", "dead/m", "Hello?"), NULL),
        4, &lines);
    assert_failed(lines, "dead: .*(refused|connect).*127\\.0\\.0\\.1", true);
    cJSON_Delete(lines);
    end(tmphome_spacebot(
            home, ARGS("exec", "--json", "--channel", "dead", "--model", "anthropic/m", "And now?"),
            NULL),
        0, &lines);
    assert_string_equal(json_str(jsonl_must(lines, "result", 0), "reply", ""),
                        "All is well again.");
    cJSON_Delete(lines);
}

static void what_fails_once_is_tried_again(void **state) {
    (void)state;
    cJSON *lines = spacebot_exec("once", "once!", 0);
    assert_string_equal(json_str(jsonl_must(lines, "result", 0), "reply", ""),
                        "All is well again.");
    assert_matches(json_str(jsonl_must(lines, "notice", 0), "text", ""),
                   "overloaded.*trying again");
    assert_int_equal(notices(lines, "error"), 0);
    cJSON_Delete(lines);
}

static void a_wait_that_the_provider_asks_for_is_kept(void **state) {
    (void)state;
    cJSON *lines = spacebot_exec("later", "later!", 0);
    assert_matches(json_str(jsonl_must(lines, "notice", 0), "text", ""), "too many.*again in 2 s");
    cJSON_Delete(lines);
    /* The second request came no earlier. */
    cJSON *all = fake_requests(fake), *it;
    int64_t first = 0, second = 0;
    cJSON_ArrayForEach(it, all) {
        char *body = json_print(it);
        if (strstr(body, "later!")) {
            second = json_i64(it, "mono_ms", 0);
            first = first ? first : second;
        }
        x_free(&body);
    }
    cJSON_Delete(all);
    assert_in_range(second - first, 1900, 60000);
}

int main(void) {
    enum { FIXED = 3 };
    static char names[ARRAY_LEN(faults) + ARRAY_LEN(forms)][80];
    struct CMUnitTest tests[ARRAY_LEN(faults) + ARRAY_LEN(forms) + FIXED];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++, n++) {
        snprintf(names[n], sizeof(names[n]), "fault: %.60s", faults[i].faults);
        tests[n] = (struct CMUnitTest){names[n], each_fault_is_told_and_survived, NULL, NULL,
                                       (void *)(uintptr_t)&faults[i]};
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++, n++) {
        snprintf(names[n], sizeof(names[n]), "form: %.60s", forms[i]);
        tests[n] = (struct CMUnitTest){names[n], each_form_is_understood, NULL, NULL,
                                       (void *)(uintptr_t)&forms[i]};
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_refused_connection_names_the_address);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(what_fails_once_is_tried_again);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_wait_that_the_provider_asks_for_is_kept);
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests_name("faults", tests, group_setup, group_teardown);
}
