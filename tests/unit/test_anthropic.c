/* anthropic: requests byte for byte, and answers out of recorded and broken events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "llm/anthropic.h"

/* ---- requests ---- */

static struct llm_history history;
static struct buf body;

static int teardown(void **state) {
    (void)state;
    llm_history_free(&history);
    buf_free(&body);
    return 0;
}

static struct llm_message *last(enum llm_role role) {
    struct llm_message m = {.role = role};
    llm_history_push(&history, &m);
    return &history.v[history.n - 1];
}

static void call(struct llm_message *m, const char *id, const char *input) {
    struct llm_block *b = llm_message_add(m, LLM_BLOCK_TOOL_USE);
    b->id = xstrdup(id);
    b->name = xstrdup("shell");
    b->input = text_of(input);
}

static void think(struct llm_message *m, const char *text, const char *signature) {
    struct llm_block *b = llm_message_add(m, LLM_BLOCK_THINKING);
    b->text = text_of(text);
    b->signature = xstrdup_null(signature);
}

/* Most tests look at the messages alone, without what is to be kept of them. */
static struct wire_place place = {.id = "anthropic", .cache = LLM_CACHE_NONE};
static const char *model = "m";

static enum status request(struct llm_request *r, struct cause *why) {
    r->history = &history;
    buf_reset(&body);
    enum status s = anthropic_request(&place, r, model, &body, why);
    if (s == STATUS_OK) {
        cJSON *root;
        assert_int_equal(json_parse(body.data, body.len, &root, why), STATUS_OK);
        cJSON_Delete(root);
    }
    return s;
}

/* The messages, without what is around them. */
static void assert_messages(const char *want) {
    struct llm_request r = {0};
    struct cause why = {""};
    assert_int_equal(request(&r, &why), STATUS_OK);
    static const char head[] =
        "{\"model\":\"m\",\"max_tokens\":16000,\"stream\":true,\"messages\":[";
    assert_memory_equal(body.data, head, sizeof(head) - 1);
    assert_string_equal(body.data + body.len - 2, "]}");
    buf_truncate(&body, body.len - 2);
    assert_string_equal(body.data + sizeof(head) - 1, want);
}

#define USER(content) "{\"role\":\"user\",\"content\":[" content "]}"
#define ASSISTANT(content) "{\"role\":\"assistant\",\"content\":[" content "]}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define USE(id, input)                                                                             \
    "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"shell\",\"input\":" input "}"
#define RESULT(id, t) "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\",\"content\":\"" t "\"}"
#define FAILED(id, t)                                                                              \
    "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\",\"content\":\"" t "\",\"is_error\":"     \
    "true}"

static void test_whole(void **state) {
    (void)state;
    static const struct llm_tool tools[] = {
        {"reply", "Answers.", "{\"type\":\"object\"}"},
        {"shell", NULL, "{ \"type\": \"object\", \"x\": 9007199254740993 }"},
    };
    struct llm_request r = {
        .system = "Be \"brief\".\n", .tools = tools, .ntools = 2, .max_tokens = 50};
    struct cause why = {""};
    llm_history_push_text(&history, LLM_ROLE_USER, "\xE2\x82\xAC\x01\xFF");
    place.cache = LLM_CACHE_SHORT;
    assert_int_equal(request(&r, &why), STATUS_OK);
    place.cache = LLM_CACHE_NONE;
    assert_string_equal(
        body.data,
        "{\"model\":\"m\",\"max_tokens\":50,\"stream\":true,"
        "\"system\":[{\"type\":\"text\",\"text\":\"Be \\\"brief\\\".\\n\","
        "\"cache_control\":{\"type\":\"ephemeral\"}}],"
        "\"tools\":[{\"name\":\"reply\",\"description\":\"Answers.\","
        "\"input_schema\":{\"type\":\"object\"}},"
        "{\"name\":\"shell\",\"input_schema\":{ \"type\": \"object\", \"x\": 9007199254740993 },"
        "\"cache_control\":{\"type\":\"ephemeral\"}}],"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
        "\"text\":\"\xE2\x82\xAC\\u0001\xEF\xBF\xBD\","
        "\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
}

/* Neighbours of one role become one message; results stand first in theirs, in the order of the
 * calls. */
static void test_merged(void **state) {
    (void)state;
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    llm_history_push_text(&history, LLM_ROLE_USER, "b");
    struct llm_message *m = last(LLM_ROLE_ASSISTANT);
    llm_message_add_text(m, "c");
    call(m, "t1", "{\"n\": 9007199254740993}");
    call(last(LLM_ROLE_ASSISTANT), "t2", "{}");
    m = last(LLM_ROLE_USER);
    llm_message_add_text(m, "meanwhile");
    llm_message_add_result(m, "t2", "two", false);
    llm_message_add_result(last(LLM_ROLE_USER), "t1", "", true);
    assert_messages(USER(TEXT("a") "," TEXT("b")) "," ASSISTANT(
        TEXT("c") "," USE("t1", "{\"n\": 9007199254740993}") "," USE(
            "t2",
            "{}")) "," USER(FAILED("t1",
                                   "failed without a message") "," RESULT("t2",
                                                                          "two") "," TEXT("meanwhil"
                                                                                          "e")));
}

/* Another provider's id, on both ends of the pair. */
static void test_foreign_ids(void **state) {
    (void)state;
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    call(last(LLM_ROLE_ASSISTANT), "functions.shell:1", "{}");
    llm_message_add_result(last(LLM_ROLE_USER), "functions.shell:1", "one", false);
    assert_messages(USER(TEXT("a")) "," ASSISTANT(USE("functions_shell_1", "{}")) "," USER(
        RESULT("functions_shell_1", "one")));
}

static void test_thinking(void **state) {
    (void)state;
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    struct llm_message *m = last(LLM_ROLE_ASSISTANT);
    think(m, "unsigned", NULL);
    think(m, "hm", "c2ln");
    llm_message_add(m, LLM_BLOCK_REDACTED_THINKING)->text = text_of("b3A=");
    llm_message_add_text(m, "b");
    think(m, "at the end", "c2ln");
    llm_history_push_text(&history, LLM_ROLE_USER, "c");
    think(last(LLM_ROLE_ASSISTANT), "alone", "c2ln");
    llm_history_push_text(&history, LLM_ROLE_USER, "d");
    assert_messages(USER(TEXT("a")) "," ASSISTANT(
        "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},"
        "{\"type\":\"redacted_thinking\",\"data\":\"b3A=\"}," TEXT(
            "b")) "," USER(TEXT("c") "," TEXT("d")));
}

/* What the API would refuse, each made into something that it takes. */
static void test_mended(void **state) {
    (void)state;
    struct llm_message *m = last(LLM_ROLE_ASSISTANT); /* the beginning was cut off */
    llm_message_add_text(m, " \n\t");
    llm_message_add_text(m, "x");
    m = last(LLM_ROLE_USER);
    llm_message_add_result(m, "gone", "old", false); /* a result without its call */
    llm_message_add_text(m, "");
    m = last(LLM_ROLE_ASSISTANT);
    call(m, "t1", "{\"cut\": ");
    call(m, "t2", "[1]");
    call(m, "t3", NULL);
    m = last(LLM_ROLE_USER);
    llm_message_add_result(m, "t1", "one", false);
    llm_message_add_result(m, "t1", "again", false); /* twice */
    llm_message_add_result(m, "t3", "three", false); /* and none for t2 */
    assert_messages(
        USER(TEXT("[The conversation before this point is not shown.]")) "," ASSISTANT(TEXT("x")) "," USER(TEXT("[result of an earlier tool call]\\nold\\n[end of result]")) "," ASSISTANT(
            USE("t1", "{}") "," USE("t2", "{}") "," USE(
                "t3",
                "{}")) "," USER(RESULT("t1",
                                       "one") "," FAILED("t2",
                                                         "interrupted: there is no result of this "
                                                         "call") "," RESULT("t3",
                                                                            "three") "," TEXT("[res"
                                                                                              "ult "
                                                                                              "of "
                                                                                              "an "
                                                                                              "earl"
                                                                                              "ier "
                                                                                              "tool"
                                                                                              " cal"
                                                                                              "l]"
                                                                                              "\\na"
                                                                                              "gain"
                                                                                              "\\n["
                                                                                              "end "
                                                                                              "of "
                                                                                              "resu"
                                                                                              "lt"
                                                                                              "]")));
}

static void test_long_orphan(void **state) {
    (void)state;
    char text[3001];
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 3 * i, "\xE2\x82\xAC", 3);
    text[3000] = '\0';
    llm_message_add_result(last(LLM_ROLE_USER), "gone", text, false);
    struct llm_request r = {0};
    struct cause why;
    assert_int_equal(request(&r, &why), STATUS_OK);
    assert_in_range(body.len, 1024, 1400);
    assert_null(strstr(body.data, "\xEF\xBF\xBD")); /* cut between characters */
}

static void test_refused(void **state) {
    (void)state;
    struct llm_request r = {0};
    struct cause why = {""};
    static const char no_end[] = "the conversation does not end with a message to answer";
    assert_int_equal(request(&r, &why), STATUS_INVALID);
    assert_string_equal(why.text, no_end);
    llm_history_push_text(&history, LLM_ROLE_USER, "   ");
    assert_int_equal(request(&r, &why), STATUS_INVALID);
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    llm_history_push_text(&history, LLM_ROLE_ASSISTANT, "b");
    assert_int_equal(request(&r, &why), STATUS_INVALID);
    assert_string_equal(why.text, no_end);
    llm_history_push_text(&history, LLM_ROLE_USER, "c");
    assert_int_equal(request(&r, &why), STATUS_OK);
    struct llm_tool bad = {"t", "d", "[]"};
    r.tools = &bad;
    r.ntools = 1;
    assert_int_equal(request(&r, &why), STATUS_INVALID);
    assert_string_equal(why.text, "the schema of the tool 't' is wrong: not an object");
}

static size_t marks(const char *text) {
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, "cache_control")); p++)
        n++;
    return n;
}

/* What was marked as the end of the last message is marked in the next call too, as that of the one
 * before it: so what was kept is found. Never more than four marks. */
static void test_growing(void **state) {
    (void)state;
    static const struct llm_tool tool = {"shell", "Runs.", "{\"type\":\"object\"}"};
    struct llm_request r = {.system = "s", .tools = &tool, .ntools = 1};
    struct cause why;
    char id[16];
    place.cache = LLM_CACHE_SHORT;
    llm_history_push_text(&history, LLM_ROLE_USER, "begin");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(request(&r, &why), STATUS_OK);
        assert_int_equal(marks(body.data), i == 0 ? 3 : 4);
        /* "…},{"role":"user"…" of the last message: its last block ends with the mark. */
        static const char end[] = ",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}";
        assert_string_equal(body.data + body.len - (sizeof(end) - 1), end);
        if (i) {
            snprintf(id, sizeof(id), i > 1 ? "r%d\"" : "begin\"", i - 1);
            const char *before = strstr(body.data, id);
            assert_non_null(before);
            assert_int_equal(strncmp(before + strlen(id), end, strlen(",\"cache_control\"")), 0);
        }
        snprintf(id, sizeof(id), "t%d", i);
        call(last(LLM_ROLE_ASSISTANT), id, "{}");
        char text[16];
        snprintf(text, sizeof(text), "r%d", i + 1 - 1);
        llm_message_add_result(last(LLM_ROLE_USER), id, text, false);
    }
    place.cache = LLM_CACHE_LONG; /* a place that keeps nothing for so long is not asked to */
    assert_int_equal(request(&r, &why), STATUS_OK);
    assert_null(strstr(body.data, "ttl"));
    place.quirks = PROVIDER_LONG_CACHE;
    assert_int_equal(request(&r, &why), STATUS_OK);
    assert_int_equal(marks(body.data), 4);
    assert_non_null(strstr(body.data, "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"));
    place.quirks = 0;
    place.cache = LLM_CACHE_NONE;
    assert_int_equal(request(&r, &why), STATUS_OK);
    assert_int_equal(marks(body.data), 0);
}

/* Thinking goes back to whom it came from, and what another format keeps to nobody else. */
static void test_own_thinking(void **state) {
    (void)state;
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    struct llm_message *m = last(LLM_ROLE_ASSISTANT);
    think(m, "theirs", "c2ln");
    m->blocks[0].name = xstrdup("minimax");
    think(m, "ours", "c2ln");
    m->blocks[1].name = xstrdup("anthropic");
    think(m, "an item", "c2ln");
    m->blocks[2].id = xstrdup("rs_1");
    llm_message_add_text(m, "b");
    llm_history_push_text(&history, LLM_ROLE_USER, "c");
    assert_messages(USER(TEXT("a")) "," ASSISTANT(
        "{\"type\":\"thinking\",\"thinking\":\"ours\",\"signature\":\"c2ln\"}," TEXT(
            "b")) "," USER(TEXT("c")));
}

static void test_effort(void **state) {
    (void)state;
    struct llm_request r = {.effort = LLM_EFFORT_LOW};
    struct cause why;
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    model = "claude-opus-4-6";
    assert_int_equal(request(&r, &why), STATUS_OK);
    assert_non_null(strstr(body.data, ",\"thinking\":{\"type\":\"adaptive\"},"
                                      "\"output_config\":{\"effort\":\"low\"}"));
    model = "claude-haiku-4-5";
    assert_int_equal(request(&r, &why), STATUS_OK);
    assert_null(strstr(body.data, "thinking"));
    model = "m";
}

/* Pictures and documents as they are where the model sees, else a line that says so. */
static void test_files(void **state) {
    (void)state;
    struct llm_message *m = last(LLM_ROLE_USER);
    llm_message_add_text(m, "look");
    llm_message_add_file(m, "image/png", "a.png", "\x89PNG", 4);
    llm_message_add_file(m, "application/pdf", "b.pdf", "%PDF-", 5);
    llm_message_add_file(m, "text/plain", "c.txt", "h\xC3\xA9 \"q\"", 7);
    llm_message_add_file(m, "video/mp4", "d.mp4", "123", 3);
    struct llm_request r = {0};
    struct cause why;
    model = "claude-sonnet-5-5";
    assert_int_equal(request(&r, &why), STATUS_OK);
    model = "m";
    assert_non_null(
        strstr(body.data,
               "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
               "\"image/png\",\"data\":\"iVBORw==\"}},"
               "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
               "\"application/pdf\",\"data\":\"JVBERi0=\"}}," TEXT(
                   "[file c.txt]\\nh\xC3\xA9 "
                   "\\\"q\\\"\\n[end of file]") "," TEXT("[A file was given here that this model "
                                                         "cannot read: d.mp4, video/mp4, 3 "
                                                         "bytes.]")));
    assert_int_equal(request(&r, &why), STATUS_OK);
    assert_null(strstr(body.data, "base64"));
    assert_non_null(strstr(body.data, "cannot read: a.png, image/png"));
}

/* ---- answers ---- */

static struct buf seen; /* the callbacks, in a line each */

static void piece(const char *what, const char *text, size_t n) {
    assert_true(utf8_valid(text, n));
    buf_printf(&seen, "%s|%.*s\n", what, (int)n, text);
}

static void on_text(void *arg, const char *text, size_t n) {
    (void)arg;
    piece("text", text, n);
}

static void on_thinking(void *arg, const char *text, size_t n) {
    (void)arg;
    piece("thinking", text, n);
}

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    (void)arg;
    buf_printf(&seen, "start %zu|%s|%s\n", index, id, name);
}

static void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    (void)arg;
    char what[32];
    snprintf(what, sizeof(what), "input %zu", index);
    piece(what, text, n);
}

static const struct llm_events events = {.on_text = on_text,
                                         .on_thinking = on_thinking,
                                         .on_tool_start = on_tool_start,
                                         .on_tool_input = on_tool_input};

static struct decode *s;
static struct cause why;

static int setup_stream(void **state) {
    (void)state;
    s = decode_new(&events, NULL);
    return 0;
}

static int teardown_stream(void **state) {
    (void)state;
    decode_free(&s);
    buf_free(&seen);
    return 0;
}

static enum decode_step event_n(const char *type, const char *data, size_t n) {
    struct sse_event e = {.type = type, .data = data, .n = n, .id = ""};
    return anthropic_event(s, &e, &why);
}

static enum decode_step event(const char *type, const char *data) {
    return event_n(type, data, strlen(data));
}

static void ok(const char *type, const char *data) {
    why.text[0] = '\0';
    enum decode_step step = event(type, data);
    assert_string_equal(why.text, "");
    assert_int_equal(step, DECODE_MORE);
}

static void begin(void) {
    ok("message_start", "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":"
                        "\"claude-sonnet-5-5-20261001\",\"content\":[],\"stop_reason\":null,"
                        "\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":7,"
                        "\"cache_read_input_tokens\":1000,\"output_tokens\":1}}}");
}

static void start_block(int index, const char *block) {
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":%s}", index,
               block);
    ok("content_block_start", b.data);
    buf_free(&b);
}

static void delta(int index, const char *type, const char *member, const char *raw) {
    struct buf b = BUF_INIT;
    buf_printf(&b, "{\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":\"%s\"}}", index, type, member,
               raw);
    ok("content_block_delta", b.data);
    buf_free(&b);
}

static void text(int index, const char *raw) { delta(index, "text_delta", "text", raw); }

static void stop_block(int index) {
    char b[64];
    snprintf(b, sizeof(b), "{\"type\":\"content_block_stop\",\"index\":%d}", index);
    ok("content_block_stop", b);
}

static void finish(const char *reason) {
    char b[128];
    snprintf(b, sizeof(b), "{\"delta\":{\"stop_reason\":\"%s\"},\"usage\":{\"output_tokens\":89}}",
             reason);
    assert_false(s->stopped);
    ok("message_delta", b);
    assert_true(s->stopped);
    assert_int_equal(event("message_stop", "{\"type\":\"message_stop\"}"), DECODE_DONE);
}

#define TEXT_BLOCK "{\"type\":\"text\",\"text\":\"\"}"

static void test_answer(void **state) {
    (void)state;
    begin();
    start_block(0, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    ok("ping", "not even JSON");
    delta(0, "thinking_delta", "thinking", "Let me ");
    delta(0, "thinking_delta", "thinking", "see.");
    delta(0, "signature_delta", "signature", "c2ln");
    stop_block(0);
    start_block(1, "{\"type\":\"redacted_thinking\",\"data\":\"b3A=\"}");
    stop_block(1);
    assert_false(s->delivered);
    start_block(2, TEXT_BLOCK);
    text(2, "Good \\\"day\\\"");
    assert_true(s->delivered);
    text(2, "!\\n");
    stop_block(2);
    start_block(3, "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"shell\",\"input\":{}}");
    delta(3, "input_json_delta", "partial_json", "");
    delta(3, "input_json_delta", "partial_json", "{\\\"n\\\": 90071992");
    delta(3, "input_json_delta", "partial_json", "54740993 }");
    stop_block(3);
    finish("tool_use");
    assert_string_equal(buf_str(&seen), "thinking|Let me \nthinking|see.\n"
                                        "text|Good \"day\"\ntext|!\n\n"
                                        "start 3|toolu_1|shell\n"
                                        "input 3|{\"n\": 90071992\ninput 3|54740993 }\n");
    struct llm_response r;
    decode_take(s, &r);
    assert_int_equal(r.stop, LLM_STOP_TOOL_USE);
    assert_string_equal(r.model, "claude-sonnet-5-5-20261001");
    assert_int_equal(r.usage.input_tokens, 25);
    assert_int_equal(r.usage.cache_write_tokens, 7);
    assert_int_equal(r.usage.cache_read_tokens, 1000);
    assert_int_equal(r.usage.output_tokens, 89);
    assert_false(r.usage.cost_is_estimate);
    assert_int_equal(r.message.role, LLM_ROLE_ASSISTANT);
    assert_int_equal(r.message.n, 4);
    const struct llm_block *b = r.message.blocks;
    assert_string_equal(b[0].text, "Let me see.");
    assert_string_equal(b[0].signature, "c2ln");
    assert_int_equal(b[1].kind, LLM_BLOCK_REDACTED_THINKING);
    assert_string_equal(b[1].text, "b3A=");
    assert_string_equal(b[2].text, "Good \"day\"!\n");
    assert_string_equal(b[3].id, "toolu_1");
    assert_string_equal(b[3].name, "shell");
    assert_string_equal(b[3].input, "{\"n\": 9007199254740993 }"); /* not a digit changed */
    llm_message_free(&r.message);
}

/* Blocks open side by side, an index used again, and things that this program does not know. */
static void test_interleaved(void **state) {
    (void)state;
    begin();
    start_block(5, TEXT_BLOCK);
    start_block(1, "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"a\",\"input\":{}}");
    start_block(2, "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"b\",\"input\":{\"x\":[1]}}");
    delta(1, "input_json_delta", "partial_json", "{}");
    text(5, "a");
    start_block(7, "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web\",\"input\":{}}");
    delta(7, "input_json_delta", "partial_json", "ignored");
    delta(5, "citations_delta", "citation", "ignored");
    delta(5, "input_json_delta", "partial_json", "ignored");
    text(9, "nobody's");
    ok("content_block_delta", "{\"index\":5}");
    ok("brand_new_event", "garbage");
    ok("message", "{\"type\":\"brand_new\"}");
    stop_block(5);
    text(5, "too late");
    start_block(5, TEXT_BLOCK);
    ok("message", "{\"type\":\"content_block_delta\",\"index\":5,"
                  "\"delta\":{\"type\":\"text_delta\",\"text\":\"b\"}}");
    finish("end_turn");
    assert_string_equal(buf_str(&seen), "start 1|t1|a\nstart 2|t2|b\ninput 2|{\"x\":[1]}\n"
                                        "input 1|{}\ntext|a\ntext|b\n");
    struct llm_response r;
    decode_take(s, &r);
    assert_int_equal(r.message.n, 4);
    assert_string_equal(r.message.blocks[0].text, "a");
    assert_string_equal(r.message.blocks[1].input, "{}");
    assert_string_equal(r.message.blocks[2].input, "{\"x\":[1]}");
    assert_string_equal(r.message.blocks[3].text, "b");
    llm_message_free(&r.message);
}

/* A character cut between two events waits for its end, a block each; what never ends is said to be
 * broken. */
static void test_split_characters(void **state) {
    (void)state;
    begin();
    start_block(0, TEXT_BLOCK);
    start_block(1, TEXT_BLOCK);
    text(0, "a\xE2");
    text(1, "\xF0\x9F\xA6");
    text(0, "\x82");
    text(0, "\xAC"
            "b");
    text(1, "\x8A");
    text(0, "\\ud83e");
    text(0, "\\udd8a");
    text(0, "x\\ud83e");
    text(0, "y");
    text(0, "\\udd8a");
    text(0, "\\u0000\\u00e9\\\\u0000");
    text(0, "\xFF");
    text(0, "z\xE2\x82");
    assert_string_equal(buf_str(&seen), "text|a\ntext|\xE2\x82\xAC"
                                        "b\ntext|\xF0\x9F\xA6\x8A\n"
                                        "text|\xF0\x9F\xA6\x8A\ntext|x\n"
                                        "text|\xEF\xBF\xBDy\ntext|\xEF\xBF\xBD\n"
                                        "text|\xEF\xBF\xBD\xC3\xA9\\u0000\n"
                                        "text|\xEF\xBF\xBD\ntext|z\n");
    buf_reset(&seen);
    stop_block(0);
    assert_string_equal(buf_str(&seen), "text|\xEF\xBF\xBD\xEF\xBF\xBD\n");
    text(1, "\\ud83e");
    finish("end_turn");
    struct llm_response r;
    decode_take(s, &r);
    assert_string_equal(r.message.blocks[1].text, "\xF0\x9F\xA6\x8A\xEF\xBF\xBD");
    llm_message_free(&r.message);
}

static void test_raw_nul(void **state) {
    (void)state;
    static const char data[] =
        "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\0b\"}}";
    begin();
    start_block(0, TEXT_BLOCK);
    assert_int_equal(event_n("content_block_delta", data, sizeof(data) - 1), DECODE_MORE);
    assert_string_equal(buf_str(&seen), "text|a\xEF\xBF\xBD"
                                        "b\n");
}

static void test_stop_reasons(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum llm_stop stop;
    } reasons[] = {{"end_turn", LLM_STOP_END_TURN},
                   {"max_tokens", LLM_STOP_MAX_TOKENS},
                   {"model_context_window_exceeded", LLM_STOP_MAX_TOKENS},
                   {"stop_sequence", LLM_STOP_STOP_SEQUENCE},
                   {"pause_turn", LLM_STOP_PAUSE_TURN},
                   {"refusal", LLM_STOP_REFUSAL},
                   {"something new", LLM_STOP_OTHER}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        decode_free(&s);
        s = decode_new(&events, NULL);
        begin();
        finish(reasons[i].text);
        struct llm_response r;
        decode_take(s, &r);
        assert_int_equal(r.stop, reasons[i].stop);
        llm_message_free(&r.message);
    }
}

/* Cut off in the middle: what is known, and a guess that says so. */
static void test_usage_of_a_part(void **state) {
    (void)state;
    struct llm_usage u;
    decode_usage(s, &u);
    assert_int_equal(u.input_tokens + u.output_tokens, 0);
    assert_false(u.cost_is_estimate);
    begin();
    start_block(0, TEXT_BLOCK);
    text(0, "0123456789012345678901234567890");
    decode_usage(s, &u);
    assert_int_equal(u.input_tokens, 25);
    assert_int_equal(u.output_tokens, 8);
    assert_true(u.cost_is_estimate);
}

static void assert_bad(const char *type, const char *data, const char *text) {
    assert_int_equal(event(type, data), DECODE_BAD);
    assert_string_equal(why.text, text);
}

static void test_garbage(void **state) {
    (void)state;
    static const char no_json[] = "an event is not a JSON object";
    assert_bad("message_stop", "{}", "the answer ended before it began");
    assert_bad("message_start", "", no_json);
    assert_bad("message_start", "<html>", no_json);
    assert_bad("content_block_delta", "[1]", no_json);
    assert_bad("content_block_delta", "{\"index\":0,", no_json);
    assert_bad("message", "hello", no_json);
    assert_bad("content_block_start", "{\"index\":0}", "a content block without a type");
    assert_bad("content_block_start",
               "{\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"\",\"name\":\"a\"}}",
               "a tool call without a proper id and name");
    /* Members of the wrong type say nothing. */
    begin();
    start_block(0, TEXT_BLOCK);
    ok("content_block_delta", "{\"index\":\"0\",\"delta\":7}");
    ok("content_block_delta", "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":7}}");
    ok("message_delta", "{\"delta\":{\"stop_reason\":null},\"usage\":{\"output_tokens\":\"x\"}}");
    assert_false(s->stopped);
    assert_string_equal(buf_str(&seen), "");
}

static void test_error_event(void **state) {
    (void)state;
    begin();
    assert_int_equal(event("error", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                                    "\"message\":\"Overloaded\"}}"),
                     DECODE_ERROR);
    assert_string_equal(s->error.type, "overloaded_error");
    assert_string_equal(s->error.message, "Overloaded");
    assert_int_equal(event("error", "{}"), DECODE_ERROR);
    assert_string_equal(s->error.type, "");
}

static void test_bounds(void **state) {
    (void)state;
    begin();
    start_block(0, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"a\",\"input\":{}}");
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"");
    for (size_t i = 0; i < DECODE_INPUT_MAX / 2; i++)
        buf_putc(&b, ' ');
    buf_puts(&b, "\"}}");
    ok("content_block_delta", b.data);
    ok("content_block_delta", b.data); /* the bound itself */
    assert_bad("content_block_delta",
               "{\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\" \"}}",
               "the input of a tool call is larger than 1048576 bytes");
    buf_free(&b);
    for (int i = 1; i < (int)DECODE_BLOCKS_MAX; i++)
        start_block(i, TEXT_BLOCK);
    assert_bad("content_block_start", "{\"index\":999,\"content_block\":" TEXT_BLOCK "}",
               "the answer has more than 256 blocks");
}

/* So many values, or so deep, that reading them would take more than they are worth. */
static void test_crowded(void **state) {
    (void)state;
    static const char no_json[] = "an event is not a JSON object";
    struct buf b = BUF_INIT;
    begin();
    start_block(0, TEXT_BLOCK);
    buf_puts(&b, "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
    for (size_t i = 0; i <= DECODE_VALUES_MAX; i++)
        buf_puts(&b, "\\\",["); /* in a string they are none */
    buf_puts(&b, "\"}}");
    ok("content_block_delta", b.data);
    buf_reset(&b);
    buf_puts(&b, "{\"index\":0,\"more\":[0");
    for (size_t i = 0; i < DECODE_VALUES_MAX; i++)
        buf_puts(&b, ",0");
    buf_puts(&b, "]}");
    assert_bad("content_block_delta", b.data, no_json);
    buf_reset(&b);
    buf_puts(&b, "{\"more\":");
    for (int i = 0; i < 5000; i++)
        buf_putc(&b, '[');
    assert_bad("content_block_delta", b.data, no_json);
    buf_free(&b);
}

static void test_bound_of_all(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    begin();
    start_block(0, TEXT_BLOCK);
    buf_puts(&b, "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
    for (size_t i = 0; i < DECODE_RESPONSE_MAX / 16; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\"}}");
    for (int i = 0; i < 16; i++) {
        ok("content_block_delta", b.data);
        buf_reset(&seen);
    }
    assert_bad("content_block_delta",
               "{\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}",
               "the answer is larger than 33554432 bytes");
    buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_whole, teardown),
        cmocka_unit_test_teardown(test_merged, teardown),
        cmocka_unit_test_teardown(test_foreign_ids, teardown),
        cmocka_unit_test_teardown(test_thinking, teardown),
        cmocka_unit_test_teardown(test_mended, teardown),
        cmocka_unit_test_teardown(test_long_orphan, teardown),
        cmocka_unit_test_teardown(test_refused, teardown),
        cmocka_unit_test_teardown(test_growing, teardown),
        cmocka_unit_test_teardown(test_own_thinking, teardown),
        cmocka_unit_test_teardown(test_effort, teardown),
        cmocka_unit_test_teardown(test_files, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_interleaved, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_split_characters, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_raw_nul, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_stop_reasons, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_usage_of_a_part, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_garbage, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_error_event, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_bounds, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_crowded, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_bound_of_all, setup_stream, teardown_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
