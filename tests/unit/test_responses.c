/* responses: requests byte for byte, and answers as servers stream them: every recorded stream
 * gives the same answer wherever its bytes were cut. */
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
#include "base/str.h"
#include "base/text.h"
#include "base/utf8.h"
#include "llm/responses.h"

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

static struct llm_block *think(struct llm_message *m, const char *id, const char *text,
                               const char *secret) {
    struct llm_block *b = llm_message_add(m, LLM_BLOCK_THINKING);
    b->id = xstrdup_null(id);
    b->text = text_of(text);
    b->signature = xstrdup_null(secret);
    b->name = xstrdup("openai");
    return b;
}

static enum status request(struct llm_request *r, const char *model, struct cause *why) {
    static const struct wire_place place = {.id = "openai", .api = PROVIDER_API_OPENAI_RESPONSES};
    r->history = &history;
    buf_reset(&body);
    enum status s = responses_request(&place, r, model, &body, why);
    if (s == STATUS_OK) {
        cJSON *root;
        assert_int_equal(json_parse(body.data, body.len, &root, why), STATUS_OK);
        cJSON_Delete(root);
    }
    return s;
}

static void test_whole(void **state) {
    (void)state;
    static const struct llm_tool tool = {"shell", "Runs.", "{\"type\":\"object\"}"};
    struct llm_request r = {
        .system = "Be brief.", .tools = &tool, .ntools = 1, .effort = LLM_EFFORT_LOW};
    struct cause why = {""};
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    struct llm_message *m = last(LLM_ROLE_ASSISTANT);
    think(m, "rs_1", "hm", "c2Vj");
    think(m, "rs_2", "", "dHdv");
    think(m, NULL, "of Anthropic", "c2ln"); /* another format's */
    think(m, "rs_3", "no secret", NULL);
    x_free(&think(m, "rs_4", "", "eHh4")->name);
    m->blocks[4].name = xstrdup("azure"); /* somebody else's */
    llm_message_add_text(m, "b");
    call(m, "t1", "{\"n\": 9007199254740993}");
    call(m, "t2", "{\"cut\"");
    m = last(LLM_ROLE_USER);
    llm_message_add_text(m, "meanwhile");
    llm_message_add_file(m, "image/png", "a.png", "\x89PNG", 4);
    llm_message_add_file(m, "application/pdf", "b.pdf", "%PDF-", 5);
    llm_message_add_result(m, "t1", "", true);
    llm_message_add_result(m, "gone", "old", false);
    assert_int_equal(request(&r, "gpt-5.2", &why), STATUS_OK);
    assert_string_equal(
        body.data,
        "{\"model\":\"gpt-5.2\",\"max_output_tokens\":16000,\"stream\":true,\"store\":false,"
        "\"include\":[\"reasoning.encrypted_content\"],\"reasoning\":{\"effort\":\"low\"},"
        "\"instructions\":\"Be brief.\","
        "\"tools\":[{\"type\":\"function\",\"name\":\"shell\",\"description\":\"Runs.\","
        "\"parameters\":{\"type\":\"object\"},\"strict\":false}],\"input\":["
        "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"}]},"
        "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\","
        "\"text\":\"hm\"}],\"encrypted_content\":\"c2Vj\"},"
        "{\"type\":\"reasoning\",\"id\":\"rs_2\",\"summary\":[],\"encrypted_content\":\"dHdv\"},"
        "{\"role\":\"assistant\",\"content\":\"b\"},"
        "{\"type\":\"function_call\",\"call_id\":\"t1\",\"name\":\"shell\","
        "\"arguments\":\"{\\\"n\\\": 9007199254740993}\"},"
        "{\"type\":\"function_call\",\"call_id\":\"t2\",\"name\":\"shell\",\"arguments\":\"{}\"},"
        "{\"type\":\"function_call_output\",\"call_id\":\"t1\","
        "\"output\":\"Error: failed without a message\"},"
        "{\"type\":\"function_call_output\",\"call_id\":\"t2\","
        "\"output\":\"Error: interrupted: there is no result of this call\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"meanwhile\"},"
        "{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,iVBORw==\"},"
        "{\"type\":\"input_file\",\"filename\":\"b.pdf\","
        "\"file_data\":\"data:application/pdf;base64,JVBERi0=\"},"
        "{\"type\":\"input_text\",\"text\":\"[result of an earlier tool call]\\nold\\n"
        "[end of result]\"}]}]}");
    /* One that does not reason is asked for no reasoning. */
    assert_int_equal(request(&r, "gpt-4.1", &why), STATUS_OK);
    assert_null(strstr(body.data, "include"));
    assert_null(strstr(body.data, "effort"));
}

static void test_refused(void **state) {
    (void)state;
    struct llm_request r = {0};
    struct cause why = {""};
    assert_int_equal(request(&r, "m", &why), STATUS_INVALID);
    assert_string_equal(why.text, "the conversation does not end with a message to answer");
}

/* ---- answers ---- */

static struct buf seen; /* the callbacks; pieces of one block are one line */
static const char *line;
static size_t line_index;

static void piece(const char *what, size_t index, const char *text, size_t n) {
    assert_true(n > 0 && utf8_valid(text, n));
    if (line != what || line_index != index)
        buf_printf(&seen, "%s%s %zu|", seen.len ? "\n" : "", what, index);
    line = what;
    line_index = index;
    buf_append(&seen, text, n);
}

static void on_text(void *arg, const char *text, size_t n) {
    (void)arg;
    piece("text", 0, text, n);
}

static void on_thinking(void *arg, const char *text, size_t n) {
    (void)arg;
    piece("thinking", 0, text, n);
}

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    (void)arg;
    buf_printf(&seen, "%sstart %zu|%s|%s", seen.len ? "\n" : "", index,
               str_prefix(id, "call_") && strlen(id) == 41 ? "*" : id, name);
    line = NULL;
}

static void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    (void)arg;
    piece("input", index, text, n);
}

static const struct llm_events events = {.on_text = on_text,
                                         .on_thinking = on_thinking,
                                         .on_tool_start = on_tool_start,
                                         .on_tool_input = on_tool_input};
static struct decode *d;
static struct cause why;

static void begin(void) {
    decode_free(&d);
    buf_reset(&seen);
    line = NULL;
    d = decode_new(&events, NULL);
    why.text[0] = '\0';
}

static int setup_stream(void **state) {
    (void)state;
    begin();
    return 0;
}

static int teardown_stream(void **state) {
    (void)state;
    decode_free(&d);
    buf_free(&seen);
    return 0;
}

static enum decode_step event(const char *data) {
    struct sse_event e = {.type = "message", .data = data, .n = strlen(data), .id = ""};
    return responses_event(d, &e, &why);
}

#define EV(type, rest)                                                                             \
    "event: response." type "\ndata: {\"type\":\"response." type "\"" rest "}\n\n"
#define CREATED                                                                                    \
    EV("created", ",\"response\":{\"model\":\"gpt-5.2-2025\",\"status\":\"in_progress\"}")
#define DELTA(what, at, t) EV(what ".delta", ",\"output_index\":" at ",\"delta\":\"" t "\"")
#define ADDED(at, item) EV("output_item.added", ",\"output_index\":" at ",\"item\":" item)
#define DONE(at, item) EV("output_item.done", ",\"output_index\":" at ",\"item\":" item)
#define USAGE                                                                                      \
    "\"usage\":{\"input_tokens\":120,\"input_tokens_details\":{\"cached_tokens\":100},"            \
    "\"output_tokens\":30}"
#define COMPLETED                                                                                  \
    EV("completed", ",\"response\":{\"status\":\"completed\",\"output\":[]," USAGE "}")
#define CALL_ITEM(id, name, input)                                                                 \
    "{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"" id "\",\"name\":\"" name "\","    \
    "\"arguments\":\"" input "\"}"

static const struct recorded {
    const char *name, *stream, *seen;
    enum llm_stop stop;
    const char *inputs[3];
    int64_t input, cached, output;
    bool estimate, cut;
    const char *id, *secret; /* of the first block, where it is thinking */
} streams[] = {
    {"reasoning, text and a call",
     ": keep-alive\n\n" CREATED EV("in_progress", ",\"response\":{}") ADDED(
         "0", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],"
              "\"encrypted_content\":\"early\"}") EV("reasoning_summary_part.added",
                                                     ",\"output_index\":0,\"summary_index\":0")
         DELTA("reasoning_summary_text", "0", "First") EV("reasoning_summary_part.added",
                                                          ",\"output_index\":0,\"summary_index\":1")
             DELTA("reasoning_summary_text", "0", "second") DONE(
                 "0",
                 "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\","
                 "\"text\":\"First\"}],\"encrypted_content\":\"c2VjcmV0\"}")
                 ADDED("1", "{\"type\":\"message\",\"id\":\"msg_1\",\"content\":[]}") EV(
                     "content_part.added",
                     ",\"output_index\":1,\"part\":{\"type\":\"output_text\"}")
                     DELTA("output_text", "1", "Gr\xC3\xBC\xC3\x9F \\ud83e") DELTA(
                         "output_text", "1", "") DELTA("output_text", "1", "\\udd8a\xE2\x82\xAC")
                         EV("output_text.done", ",\"output_index\":1,\"text\":\"x\"") DONE(
                             "1", "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
                                  "\"text\":\"x\"}]}") ADDED("2", CALL_ITEM("call_a", "shell", ""))
                             DELTA("function_call_arguments", "2", "{\\\"n\\\": 90071992")
                                 DELTA("function_call_arguments", "2", "54740993}") DONE(
                                     "2", CALL_ITEM("call_a", "shell",
                                                    "{\\\"n\\\": 9007199254740993}")) COMPLETED,
     "thinking 0|First\n\nsecond\ntext 0|Gr\xC3\xBC\xC3\x9F \xF0\x9F\xA6\x8A\xE2\x82\xAC\n"
     "start 2|call_a|shell\ninput 2|{\"n\": 9007199254740993}",
     LLM_STOP_TOOL_USE,
     {NULL, NULL, "{\"n\": 9007199254740993}"},
     20,
     100,
     30,
     false,
     false,
     "rs_1",
     "c2VjcmV0"},
    {"two calls interleaved, one id twice, CRLF",
     "event: response.output_item.added\r\ndata: {\"type\":\"response.output_item.added\",\r\n"
     "data: \"output_index\":0,\"item\":" CALL_ITEM("a", "x", "") "}\r\n\r\n" ADDED(
         "1", CALL_ITEM("a", "y", "")) DELTA("function_call_arguments", "1", "{\\\"b\\\":1")
         DELTA("function_call_arguments", "0", "{\\\"a\\\":") EV("something.new", ",\"x\":1")
             DELTA("function_call_arguments", "0", "2}") DELTA("function_call_arguments", "1", "}")
                 DELTA("function_call_arguments", "7", "lost") DONE("0", CALL_ITEM("a", "x", "{}"))
                     DONE("1", CALL_ITEM("a", "y", "{}")) COMPLETED,
     "start 0|a|x\nstart 1|*|y\ninput 1|{\"b\":1\ninput 0|{\"a\":2}\ninput 1|}",
     LLM_STOP_TOOL_USE,
     {"{\"a\":2}", "{\"b\":1}"},
     20,
     100,
     30,
     false,
     false,
     NULL,
     NULL},
    {"items without pieces, and no usage",
     CREATED DONE("0", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],"
                       "\"encrypted_content\":\"c2Vj\"}")
         DONE("1", "{\"type\":\"web_search_call\",\"id\":\"ws_1\"}") DONE(
             "2", "{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"One\"},"
                  "{\"type\":\"output_text\",\"text\":\" two\"}]}")
             DONE("3", CALL_ITEM("c", "x", "{}")) EV("completed", ",\"response\":{}"),
     "text 0|One two\nstart 2|c|x\ninput 2|{}",
     LLM_STOP_TOOL_USE,
     {NULL, NULL, "{}"},
     0,
     0,
     4,
     true,
     false,
     "rs_1",
     "c2Vj"},
    {"nothing but the whole response",
     EV("completed",
        ",\"response\":{\"output\":[{\"type\":\"message\",\"content\":[{\"type\":"
        "\"output_text\",\"text\":\"Hi\"}]}," CALL_ITEM("c", "x", "{}") "]," USAGE "}"),
     "text 0|Hi\nstart 1|c|x\ninput 1|{}",
     LLM_STOP_TOOL_USE,
     {NULL, "{}"},
     20,
     100,
     30,
     false,
     false,
     NULL,
     NULL},
    {"refused",
     CREATED DELTA("refusal", "0", "I will ") DELTA("refusal", "0", "not.") COMPLETED,
     "text 0|I will not.",
     LLM_STOP_REFUSAL,
     {NULL},
     20,
     100,
     30,
     false,
     false,
     NULL,
     NULL},
    {"too long",
     CREATED DELTA("output_text", "0", "cut")
         EV("incomplete", ",\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{"
                          "\"reason\":\"max_output_tokens\"}," USAGE "}"),
     "text 0|cut",
     LLM_STOP_MAX_TOKENS,
     {NULL},
     20,
     100,
     30,
     false,
     false,
     NULL,
     NULL},
    {"filtered",
     CREATED EV("incomplete", ",\"response\":{\"incomplete_details\":{\"reason\":"
                              "\"content_filter\"}}"),
     "",
     LLM_STOP_REFUSAL,
     {NULL},
     0,
     0,
     0,
     true,
     false,
     NULL,
     NULL},
    {"ended as the older API does",
     CREATED DELTA("output_text", "0", "x") "data: [DONE]\n\n",
     "text 0|x",
     LLM_STOP_END_TURN,
     {NULL},
     0,
     0,
     1,
     true,
     false,
     NULL,
     NULL},
    {"nobody counts",
     EV("output_item.added", ",\"item\":" CALL_ITEM("a", "x", ""))
         EV("function_call_arguments.delta", ",\"delta\":\"{}\"")
             EV("output_item.done", ",\"item\":" CALL_ITEM("a", "x", "{}"))
                 EV("output_item.done", ",\"item\":" CALL_ITEM("b", "y", "{}")) COMPLETED,
     "start 0|a|x\ninput 0|{}\nstart 1|b|y\ninput 1|{}",
     LLM_STOP_TOOL_USE,
     {"{}", "{}"},
     20,
     100,
     30,
     false,
     false,
     NULL,
     NULL},
    {"cut off",
     CREATED DELTA("output_text", "0", "beginning"),
     "text 0|beginning",
     LLM_STOP_OTHER,
     {NULL},
     0,
     0,
     3,
     true,
     true,
     NULL,
     NULL},
};

static enum decode_step ended;

static bool on_event(void *arg, const struct sse_event *e) {
    (void)arg;
    ended = responses_event(d, e, &why);
    assert_string_equal(why.text, "");
    return ended == DECODE_MORE;
}

/* Pieces of `size` bytes behind the first of `first`. */
static void replay(const struct recorded *r, size_t first, size_t size) {
    struct sse s;
    size_t n = strlen(r->stream);
    begin();
    sse_init(&s, 0);
    ended = DECODE_MORE;
    for (size_t at = 0, k = first; at < n && ended == DECODE_MORE; at += k, k = size) {
        k = k < n - at ? k : n - at;
        struct cause c;
        enum status st = sse_feed(&s, r->stream + at, k, on_event, NULL, &c);
        assert_true(st == STATUS_OK || st == STATUS_CANCELLED);
    }
    sse_free(&s);
    assert_string_equal(buf_str(&seen), r->seen);
    assert_int_equal(ended, r->cut ? DECODE_MORE : DECODE_DONE);
    assert_int_equal(d->stopped, !r->cut);
    struct llm_response out;
    decode_take(d, &out);
    assert_int_equal(out.stop, r->stop);
    assert_int_equal(out.usage.input_tokens, r->input);
    assert_int_equal(out.usage.cache_read_tokens, r->cached);
    assert_int_equal(out.usage.output_tokens, r->output);
    assert_int_equal(out.usage.cost_is_estimate, r->estimate);
    for (size_t i = 0; i < ARRAY_LEN(r->inputs); i++)
        if (r->inputs[i])
            assert_string_equal(out.message.blocks[i].input, r->inputs[i]);
    if (r->id) {
        assert_int_equal(out.message.blocks[0].kind, LLM_BLOCK_THINKING);
        assert_string_equal(out.message.blocks[0].id, r->id);
        assert_string_equal(out.message.blocks[0].signature, r->secret);
    }
    llm_message_free(&out.message);
}

static void test_every_split(void **state) {
    const struct recorded *r = *state;
    for (size_t cut = 1; cut <= strlen(r->stream); cut++)
        replay(r, cut, SIZE_MAX);
    replay(r, 1, 1);
}

static void test_errors(void **state) {
    (void)state;
    static const struct {
        const char *data, *type, *message;
        int status;
    } cases[] = {
        {"{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
         "\"server_error\",\"message\":\"boom\"}}}",
         "server_error", "boom", 0},
        {"{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":null}}", "",
         "the provider ended the stream with an error", 0},
        {"{\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow\",\"param\":"
         "null}",
         "rate_limit_exceeded", "slow", 0},
        {"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"code\":"
         "\"context_length_exceeded\",\"message\":\"long\"}}",
         "context_length_exceeded", "long", 0},
        {"{\"error\":{\"code\":502,\"message\":\"upstream\"}}", "", "upstream", 502},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin();
        assert_int_equal(event(cases[i].data), DECODE_ERROR);
        assert_string_equal(d->error.type, cases[i].type);
        assert_string_equal(d->error.message, cases[i].message);
        assert_int_equal(d->error.status, cases[i].status);
    }
}

static void test_garbage(void **state) {
    (void)state;
    assert_int_equal(event("[DONE]"), DECODE_BAD);
    assert_string_equal(why.text, "the answer ended before it began");
    assert_int_equal(event("<html>"), DECODE_BAD);
    assert_string_equal(why.text, "an event is not a JSON object");
    assert_int_equal(event("{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{"
                           "\"type\":\"function_call\",\"call_id\":\"a\"}}"),
                     DECODE_BAD);
    assert_string_equal(why.text, "a tool call without a proper name");
    /* Members of the wrong type say nothing. */
    static const char *const odd[] = {
        "{}",
        "{\"type\":7}",
        "{\"type\":\"response.output_text.delta\",\"delta\":[]}",
        "{\"type\":\"response.output_item.done\",\"item\":[],\"output_index\":\"x\"}",
        "{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"reasoning\",\"summary\":7}}",
        "{\"type\":\"response.created\",\"response\":null}",
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        assert_int_equal(event(odd[i]), DECODE_MORE);
    assert_string_equal(buf_str(&seen), "");
}

static void test_fragments(void **state) {
    (void)state;
    assert_int_equal(event("{\"type\":\"response.output_item.added\",\"output_index\":3,\"item\":{"
                           "\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"x\"}}"),
                     DECODE_MORE);
    for (int i = 0; i < 800; i++)
        assert_int_equal(event(i % 2 ? "{\"type\":\"response.function_call_arguments.delta\","
                                       "\"output_index\":3,\"delta\":\"\\udd8a\"}"
                                     : "{\"type\":\"response.function_call_arguments.delta\","
                                       "\"output_index\":3,\"delta\":\"\\ud83e\"}"),
                         DECODE_MORE);
    struct llm_response out;
    decode_take(d, &out);
    assert_int_equal(strlen(out.message.blocks[0].input), 400 * 4);
    assert_null(strstr(out.message.blocks[0].input, "\xEF\xBF\xBD"));
    llm_message_free(&out.message);
}

int main(void) {
    enum { FIXED = 5 };
    static char names[ARRAY_LEN(streams)][60];
    struct CMUnitTest tests[ARRAY_LEN(streams) + FIXED] = {
        cmocka_unit_test_teardown(test_whole, teardown),
        cmocka_unit_test_teardown(test_refused, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_garbage, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_fragments, setup_stream, teardown_stream),
    };
    size_t n = FIXED;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++, n++) {
        snprintf(names[i], sizeof(names[i]), "every split: %s", streams[i].name);
        tests[n] = (struct CMUnitTest){names[i], test_every_split, setup_stream, teardown_stream,
                                       (void *)(uintptr_t)&streams[i]};
    }
    return cmocka_run_group_tests_name("responses", tests, NULL, NULL);
}
