/* What a provider can do wrong, one test each: the person gets one understandable line where it
 * happened, the exit code says that it was the provider, and the same channel of the same engine
 * answers the next message. */
#include "tests/system/fault_scene.h"

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
    {"\"silence_after_events\":4", "(silen|nothing|no byte|no answer)", true, 3},
    {"\"mid_stream_error\":{\"type\":\"api_error\",\"message\":\"boom\"}", "boom", true, 3},
    {"\"mid_stream_error\":true,\"mid_stream_error_after\":4", "overloaded", true, 3},
    {"\"garbage\":\"json\"", "not the stream.*JSON", true, 3},
    {"\"garbage\":\"sse\"", "(cut|ended|not the stream)", true, 3},
    {"\"garbage\":\"flood\"", "larger than", true, 3},
};

static int group_setup(void **state) {
    (void)state;
    secret = "sk-ant";
    char *text = fault_scenario(
        "{\"match\":{\"last_user_contains\":\"once!\",\"nth\":1},\"faults\":{\"status\":529}},"
        "{\"match\":{\"last_user_contains\":\"later!\",\"nth\":1},"
        "\"faults\":{\"status\":429,\"retry_after\":\"2\"}},");
    char *url = fake_dead_url(&dead_fd);
    fake = fake_start(text);
    home = tmphome_new(fake);
    char *config =
        xasprintf("limits = { silence_secs = 1; };\n"
                  "providers = ( { id = \"dead\"; api = \"anthropic\"; base_url = \"%s\"; "
                  "api_key = \"k\"; } );\n",
                  url);
    tmphome_config(home, config);
    fault_daemon();
    x_free(&config);
    x_free(&url);
    x_free(&text);
    return 0;
}

static void a_refused_connection_names_the_address(void **state) {
    (void)state;
    cJSON *lines =
        spacebot(ARGS("exec", "--json", "--channel", "dead", "--model", "dead/m", "Hello?"), 4);
    assert_failed(lines, "dead: .*(refused|connect).*127\\.0\\.0\\.1", true);
    cJSON_Delete(lines);
    lines = spacebot(
        ARGS("exec", "--json", "--channel", "dead", "--model", "anthropic/m", "And now?"), 0);
    assert_string_equal(reply(lines), "All is well again.");
    cJSON_Delete(lines);
}

static void what_fails_once_is_tried_again(void **state) {
    (void)state;
    cJSON *lines = spacebot_exec("once", "once!", 0);
    assert_string_equal(reply(lines), "All is well again.");
    assert_matches(json_str(jsonl_must(lines, "notice", 0), "text", ""),
                   "overloaded.*trying again");
    assert_int_equal(notices(lines, "error"), 0);
    cJSON_Delete(lines);
}

static void a_wait_that_the_provider_asks_for_is_kept(void **state) {
    (void)state;
    cJSON *lines = spacebot_exec("later", "later!", 0);
    assert_matches(json_str(jsonl_must(lines, "notice", 0), "text", ""),
                   "too many.*again in 2(\\.[0-9])? s");
    cJSON_Delete(lines);
    /* The second request came no earlier. */
    cJSON *asked = requests_with("later!");
    int64_t first = json_i64(cJSON_GetArrayItem(asked, 0), "mono_ms", 0);
    int64_t second =
        json_i64(cJSON_GetArrayItem(asked, cJSON_GetArraySize(asked) - 1), "mono_ms", 0);
    cJSON_Delete(asked);
    assert_in_range(second - first, 1900, 60000);
}

int main(void) {
    fault_list = faults;
    fault_count = ARRAY_LEN(faults);
    const struct CMUnitTest own[] = {
        cmocka_unit_test(a_refused_connection_names_the_address),
        cmocka_unit_test(what_fails_once_is_tried_again),
        cmocka_unit_test(a_wait_that_the_provider_asks_for_is_kept),
    };
    return fault_run("faults", group_setup, own, ARRAY_LEN(own));
}
