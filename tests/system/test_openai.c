/* The real program against a provider that speaks Chat Completions: the question that needs a real
 * command, and what such a provider can do wrong, one test each, told like any other's. */
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

#define KEY "sk-local-0123456789"

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
    {"\"status\":400,\"message\":\"sharks: unrecognized\"", "refused.*\\(400\\).*sharks", false, 1},
    {"\"status\":400,\"message\":\"This model's maximum context length is 8192 tokens.\"",
     "too long for the model.*\\(400\\).*8192", false, 0},
    {"\"status\":401,\"message\":\"Incorrect API key provided: " KEY "\"",
     "key was refused.*\\(401\\).*\\[key\\].*\"local\" in providers", false, 1},
    {"\"status\":404,\"message\":\"The model nope does not exist\"", "no such model.*\\(404\\)",
     false, 1},
    {"\"status\":429,\"message\":\"slow down\"", "too many requests.*\\(429\\)", true, 3},
    {"\"status\":503", "overloaded.*\\(503\\)", true, 3},
    {"\"status\":500", "server failed.*\\(500\\)", true, 3},
    {"\"html_error_page\":true", "\\(502\\).*Bad Gateway", true, 3},
    {"\"status\":302,\"location\":\"http://127.0.0.1:1/x\"",
     "sends us on to http://127\\.0\\.0\\.1:1.*base_url", false, 1},
    /* A connection that was kept and turns out dead is replaced once without a word: one more. */
    {"\"refuse\":true", "(connection|answer|cut)", true, 0},
    {"\"cut_after_bytes\":150", "(cut|ended|broke)", true, 3},
    {"\"cut_after_bytes\":150,\"cut_reset\":true", "(cut|ended|broke|reset)", true, 3},
    {"\"silence_after_events\":1", "(silen|nothing|no byte|no answer)", true, 3},
    {"\"silence_after_events\":2", "(silen|nothing|no byte|no answer)", false, 1},
    {"\"mid_stream_error\":{\"type\":\"server_error\",\"message\":\"boom\"},"
     "\"mid_stream_error_after\":1",
     "boom", true, 3},
    {"\"mid_stream_error\":{\"type\":\"rate_limit_exceeded\",\"message\":\"slower\"}",
     "too many requests.*slower", false, 1},
    {"\"garbage\":\"json\",\"garbage_after_events\":1", "not the stream.*JSON", true, 3},
    {"\"garbage\":\"sse\",\"garbage_after_events\":1", "(cut|ended|not the stream)", true, 3},
    {"\"garbage\":\"flood\",\"garbage_after_events\":1", "larger than", true, 3},
};

/* Streams that look odd and are in order. */
static const char *const forms[] = {
    "\"split\":\"byte\"",
    "\"split\":3,\"line_end\":\"crlf\",\"bom\":true",
    "\"line_end\":\"cr\",\"comments\":true",
    "\"multi_line\":true,\"unknown_events\":true,\"split\":5",
};

/* Rules: "fault-N!" strikes, "form-N!" comes in that form, the count is worked on, anything else is
 * answered. */
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
    buf_puts(&b, SCENE_COUNT ",{\"respond\":[{\"text\":\"All is well again.\"}]}]}");
    return buf_steal(&b);
}

static void configure(struct tmphome *h, const char *url, const char *dead) {
    char *text =
        xasprintf("limits = { silence_secs = 1; };\n"
                  "routing = { channel = \"local/gpt-channel\"; worker = \"local/gpt-worker\"; };\n"
                  "providers = (\n"
                  "  { id = \"local\"; api = \"openai_completions\"; base_url = \"%s/v1\"; "
                  "api_key = \"" KEY "\"; },\n"
                  "  { id = \"bare\"; api = \"openai_completions\"; base_url = \"%s/\"; },\n"
                  "  { id = \"dead\"; api = \"openai_completions\"; base_url = \"%s\"; } );\n",
                  url, url, dead);
    tmphome_config(h, text);
    x_free(&text);
}

static cJSON *spacebot(const char *const *args, int code) {
    struct run *r = tmphome_spacebot(home, args, NULL);
    run_expect_code(r, code);
    cJSON *lines = jsonl_parse(run_out(r));
    run_free(&r);
    return lines;
}

static cJSON *spacebot_exec(const char *channel, const char *text, int code) {
    return spacebot(ARGS("exec", "--json", "--channel", channel, text), code);
}

static int group_setup(void **state) {
    (void)state;
    char *text = scenario(), *url = fake_dead_url(&dead_fd);
    fake = fake_start(text);
    home = tmphome_new(NULL);
    configure(home, fake_url(fake), url);
    struct run *r = tmphome_spacebot(home, ARGS("daemon"), NULL);
    run_expect_code(r, 0);
    run_free(&r);
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

static void assert_for_people(const char *text) {
    size_t n = strlen(text);
    assert_in_range(n, 10, 400);
    assert_true(utf8_valid(text, n));
    assert_null(strpbrk(text, "{}<>"));
    assert_null(strstr(text, KEY));
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            fail_msg("control character %d in: %s", *p, text);
}

static int notices(const cJSON *lines, const char *level) {
    int n = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, lines) n +=
        str_eq(json_str(it, "type", ""), "notice") && str_eq(json_str(it, "level", ""), level);
    return n;
}

/* The requests of the fake's log that have `text` in them; the caller deletes. */
static cJSON *requests_with(const char *text) {
    cJSON *all = fake_requests(fake);
    for (int i = cJSON_GetArraySize(all) - 1; i >= 0; i--) {
        char *body = json_print(cJSON_GetArrayItem(all, i));
        if (!strstr(body, text))
            cJSON_DeleteItemFromArray(all, i);
        x_free(&body);
    }
    return all;
}

static const char *reply(const cJSON *lines) {
    return json_str(jsonl_must(lines, "result", 0), "reply", "");
}

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

/* ---- answers ---- */

static void assert_request(const cJSON *request) {
    const cJSON *body = json_obj(request, "body"), *headers = json_obj(request, "headers");
    char *text = json_print(body);
    assert_string_equal(json_str(request, "path", ""), "/v1/chat/completions");
    assert_string_equal(json_str(headers, "authorization", ""), "Bearer " KEY);
    assert_null(json_str(headers, "x-api-key", NULL));
    assert_true(json_bool(body, "stream", false));
    assert_null(strstr(text, KEY));                     /* the key is in no prompt */
    assert_null(strstr(text, "Somebody has to look.")); /* nor is thinking */
    assert_string_equal(json_str(body, "model", ""),
                        strstr(text, "\"name\":\"shell\"") ? "gpt-worker" : "gpt-channel");
    x_free(&text);
}

static void the_reply_carries_what_the_command_printed(void **state) {
    (void)state;
    scene_numbers(home, 4321);
    cJSON *lines = spacebot_exec("count", SCENE_QUESTION, 0);
    const cJSON *result = jsonl_must(lines, "result", 0);
    assert_string_equal(reply(lines), "Counted – wc says: 4321 numbers.txt.");
    assert_int_equal(json_i64(json_obj(result, "processes"), "succeeded", -1), 1);
    assert_true(json_i64(json_obj(result, "usage"), "input_tokens", 0) > 100);
    assert_true(json_i64(json_obj(result, "usage"), "output_tokens", 0) > 5);
    cJSON_Delete(lines);

    cJSON *asked = requests_with("numbers.txt"), *it;
    assert_true(cJSON_GetArraySize(asked) >= 5);
    cJSON_ArrayForEach(it, asked) {
        assert_request(it);
        if (json_str(it, "rejected", NULL))
            fail_msg("refused: %s", json_str(it, "rejected", ""));
    }
    cJSON_Delete(asked);
    asked = requests_with("\"role\":\"tool\"");
    assert_true(cJSON_GetArraySize(asked) >= 2);
    cJSON_Delete(asked);
}

static void a_server_of_this_machine_needs_no_key(void **state) {
    (void)state;
    cJSON *lines = spacebot(
        ARGS("exec", "--json", "--channel", "bare", "--model", "bare/m", "bare: And now?"), 0);
    assert_string_equal(reply(lines), "All is well again.");
    cJSON_Delete(lines);
    cJSON *asked = requests_with("bare: And now?");
    assert_int_equal(cJSON_GetArraySize(asked), 1);
    const cJSON *headers = json_obj(cJSON_GetArrayItem(asked, 0), "headers");
    assert_null(json_str(headers, "authorization", NULL));
    cJSON_Delete(asked);
}

/* Its variable often lacks the scheme. */
static void the_environment_names_ollama(void **state) {
    (void)state;
    struct tmphome *other = tmphome_new(NULL);
    char *host = xasprintf("127.0.0.1:%d", fake_port(fake));
    tmphome_setenv(other, "OLLAMA_HOST", host);
    struct run *r =
        tmphome_spacebot(other, ARGS("exec", "--model", "ollama/llama", "ollama: And now?"), NULL);
    run_expect_code(r, 0);
    assert_non_null(strstr(run_out(r), "All is well again."));
    run_free(&r);
    cJSON *asked = requests_with("ollama: And now?");
    assert_int_equal(cJSON_GetArraySize(asked), 1);
    cJSON_Delete(asked);
    tmphome_expect_quiet(other, WAIT_MS);
    tmphome_free(&other);
    x_free(&host);
}

static void each_form_is_understood(void **state) {
    const char *const *form = *state;
    char text[32];
    snprintf(text, sizeof(text), "form-%d!", (int)(form - forms));
    cJSON *lines = spacebot_exec("forms", text, 0);
    assert_string_equal(reply(lines), "Zwölf – 数える 🙂 \"quoted\"\nsecond line");
    const cJSON *it;
    cJSON_ArrayForEach(it, lines) assert_null(strstr(json_str(it, "delta", ""), "\uFFFD"));
    cJSON_Delete(lines);
}

/* ---- faults ---- */

static void each_fault_is_told_and_survived(void **state) {
    const struct fault *fault = *state;
    int i = (int)(fault - faults);
    char channel[32], text[32];
    snprintf(channel, sizeof(channel), "channel-%d", i);
    snprintf(text, sizeof(text), "fault-%d!", i);
    cJSON *lines = spacebot_exec(channel, text, 4);
    assert_failed(lines, fault->message, fault->retried);
    cJSON_Delete(lines);
    cJSON *asked = requests_with(text);
    if (fault->calls)
        assert_int_equal(cJSON_GetArraySize(asked), fault->calls);
    cJSON_Delete(asked);
    lines = spacebot_exec(channel, "And now?", 0);
    assert_string_equal(reply(lines), "All is well again.");
    cJSON_Delete(lines);
}

static void a_refused_connection_names_the_address(void **state) {
    (void)state;
    cJSON *lines =
        spacebot(ARGS("exec", "--json", "--channel", "dead", "--model", "dead/m", "Hello?"), 4);
    assert_failed(lines, "dead: .*(refused|connect).*127\\.0\\.0\\.1", true);
    cJSON_Delete(lines);
}

int main(void) {
    enum { FIXED = 4 };
    static char names[ARRAY_LEN(faults) + ARRAY_LEN(forms)][80];
    struct CMUnitTest tests[ARRAY_LEN(faults) + ARRAY_LEN(forms) + FIXED] = {
        cmocka_unit_test(the_reply_carries_what_the_command_printed),
        cmocka_unit_test(a_server_of_this_machine_needs_no_key),
        cmocka_unit_test(the_environment_names_ollama),
        cmocka_unit_test(a_refused_connection_names_the_address),
    };
    size_t n = FIXED, k = 0;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++, n++, k++) {
        snprintf(names[k], sizeof(names[k]), "fault: %.60s", faults[i].faults);
        tests[n] = (struct CMUnitTest){names[k], each_fault_is_told_and_survived, NULL, NULL,
                                       (void *)(uintptr_t)&faults[i]};
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++, n++, k++) {
        snprintf(names[k], sizeof(names[k]), "form: %.60s", forms[i]);
        tests[n] = (struct CMUnitTest){names[k], each_form_is_understood, NULL, NULL,
                                       (void *)(uintptr_t)&forms[i]};
    }
    cmocka_set_test_filter(getenv("TEST_FILTER")); /* NULL: all */
    return cmocka_run_group_tests_name("openai", tests, group_setup, group_teardown);
}
