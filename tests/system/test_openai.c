/* The real program against a provider that speaks Chat Completions: the question that needs a real
 * command, and what such a provider can do wrong, one test each, told like any other's. */
#include "tests/system/fault_scene.h"

#define KEY "sk-local-0123456789"

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
    {"\"silence_after_events\":2", "(silen|nothing|no byte|no answer)", true, 3},
    {"\"mid_stream_error\":{\"type\":\"server_error\",\"message\":\"boom\"},"
     "\"mid_stream_error_after\":1",
     "boom", true, 3},
    {"\"mid_stream_error\":{\"type\":\"rate_limit_exceeded\",\"message\":\"slower\"}",
     "too many requests.*slower", true, 3},
    {"\"garbage\":\"json\",\"garbage_after_events\":1", "not the stream.*JSON", true, 3},
    {"\"garbage\":\"sse\",\"garbage_after_events\":1", "(cut|ended|not the stream)", true, 3},
    {"\"garbage\":\"flood\",\"garbage_after_events\":1", "larger than", true, 3},
};

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

static int group_setup(void **state) {
    (void)state;
    secret = KEY;
    char *text = fault_scenario(SCENE_COUNT ","), *url = fake_dead_url(&dead_fd);
    fake = fake_start(text);
    home = tmphome_new(NULL);
    configure(home, fake_url(fake), url);
    fault_daemon();
    x_free(&url);
    x_free(&text);
    return 0;
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

static void a_refused_connection_names_the_address(void **state) {
    (void)state;
    cJSON *lines =
        spacebot(ARGS("exec", "--json", "--channel", "dead", "--model", "dead/m", "Hello?"), 4);
    assert_failed(lines, "dead: .*(refused|connect).*127\\.0\\.0\\.1", true);
    cJSON_Delete(lines);
}

int main(void) {
    fault_list = faults;
    fault_count = ARRAY_LEN(faults);
    const struct CMUnitTest own[] = {
        cmocka_unit_test(the_reply_carries_what_the_command_printed),
        cmocka_unit_test(a_server_of_this_machine_needs_no_key),
        cmocka_unit_test(the_environment_names_ollama),
        cmocka_unit_test(a_refused_connection_names_the_address),
    };
    return fault_run("openai", group_setup, own, ARRAY_LEN(own));
}
