/* openai: requests byte for byte, and answers as many kinds of servers stream them: every recorded
 * stream gives the same answer wherever its bytes were cut. */
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
#include "llm/openai.h"

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

static const char *model = "m";

static enum status request(struct llm_request *r, const char *base_url, struct cause *why) {
    const struct wire_place place = {.id = "there",
                                     .api = PROVIDER_API_OPENAI_COMPLETIONS,
                                     .base_url = base_url,
                                     .quirks = provider_quirks(base_url)};
    r->history = &history;
    buf_reset(&body);
    enum status s = openai_request(&place, r, model, &body, why);
    if (s == STATUS_OK) {
        cJSON *root;
        assert_int_equal(json_parse(body.data, body.len, &root, why), STATUS_OK);
        cJSON_Delete(root);
    }
    return s;
}

#define HEAD                                                                                       \
    "{\"model\":\"m\",\"max_tokens\":16000,\"stream\":true,"                                       \
    "\"stream_options\":{\"include_usage\":true},\"messages\":["
#define USER(t) "{\"role\":\"user\",\"content\":\"" t "\"}"
#define TOOL(id, t) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" t "\"}"
#define CALL(id, input)                                                                            \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"shell\","                   \
    "\"arguments\":\"" input "\"}}"
#define ASSISTANT(t, calls) "{\"role\":\"assistant\",\"content\":" t calls "}"
#define CALLS(list) ",\"tool_calls\":[" list "]"

static void assert_messages(const char *const *want, size_t n) {
    struct llm_request r = {0};
    struct cause why = {""};
    struct buf all = BUF_INIT;
    buf_puts(&all, HEAD);
    for (size_t i = 0; i < n; i++)
        buf_printf(&all, "%s%s", i ? "," : "", want[i]);
    buf_puts(&all, "]}");
    assert_int_equal(request(&r, "http://127.0.0.1:1", &why), STATUS_OK);
    assert_string_equal(body.data, all.data);
    buf_free(&all);
}

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
    assert_int_equal(request(&r, "http://x", &why), STATUS_OK);
    assert_string_equal(body.data,
                        "{\"model\":\"m\",\"max_tokens\":50,\"stream\":true,"
                        "\"stream_options\":{\"include_usage\":true},"
                        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"reply\","
                        "\"description\":\"Answers.\",\"parameters\":{\"type\":\"object\"}}},"
                        "{\"type\":\"function\",\"function\":{\"name\":\"shell\","
                        "\"parameters\":{ \"type\": \"object\", \"x\": 9007199254740993 }}}],"
                        "\"messages\":[{\"role\":\"system\",\"content\":\"Be \\\"brief\\\".\\n\"},"
                        "{\"role\":\"user\",\"content\":\"\xE2\x82\xAC\\u0001\xEF\xBF\xBD\"}]}");
}

/* OpenAI's own newer models refuse max_tokens; nobody else knows the other name. */
static void test_limit_name(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool own;
    } cases[] = {{"https://api.openai.com", true},
                 {"https://api.openai.com:443", true},
                 {"https://api.openai.com.example", false},
                 {"https://openrouter.ai/api", false},
                 {"http://127.0.0.1:11434", false}};
    struct cause why = {""};
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct llm_request r = {0};
        assert_int_equal(request(&r, cases[i].url, &why), STATUS_OK);
        assert_int_equal(strstr(body.data, "\"max_completion_tokens\":16000") != NULL,
                         cases[i].own);
        assert_int_equal(strstr(body.data, "\"max_tokens\":16000") != NULL, !cases[i].own);
    }
}

/* One message of each assistant's turn; its results right behind it, in the order of the calls. */
static void test_merged(void **state) {
    (void)state;
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    llm_history_push_text(&history, LLM_ROLE_USER, "b");
    struct llm_message *m = last(LLM_ROLE_ASSISTANT);
    llm_message_add_text(m, "c");
    call(m, "t1", "{\"n\": 9007199254740993}");
    call(last(LLM_ROLE_ASSISTANT), "functions.shell:1", "{}");
    m = last(LLM_ROLE_USER);
    llm_message_add_text(m, "meanwhile");
    llm_message_add_result(m, "functions.shell:1", "two", false);
    llm_message_add_result(last(LLM_ROLE_USER), "t1", "", true);
    call(last(LLM_ROLE_ASSISTANT), "t1", "{}"); /* an id used again */
    llm_message_add_result(last(LLM_ROLE_USER), "t1", "exit code 3", true);
    static const char *const want[] = {
        USER("a\\n\\nb"),
        ASSISTANT("\"c\"", CALLS(CALL("t1", "{\\\"n\\\": 9007199254740993}") "," CALL(
                               "functions.shell:1", "{}"))),
        TOOL("t1", "Error: failed without a message"),
        TOOL("functions.shell:1", "two"),
        USER("meanwhile"),
        ASSISTANT("null", CALLS(CALL("t1", "{}"))),
        TOOL("t1", "Error: exit code 3"),
    };
    assert_messages(want, ARRAY_LEN(want));
}

/* What servers would refuse, each made into something that they take; thinking is left out. */
static void test_mended(void **state) {
    (void)state;
    struct llm_message *m = last(LLM_ROLE_ASSISTANT); /* the beginning was cut off */
    llm_message_add_text(m, " \n\t");
    llm_message_add_text(m, "x");
    m = last(LLM_ROLE_USER);
    llm_message_add_result(m, "gone", "old", false); /* a result without its call */
    llm_message_add_text(m, "");
    m = last(LLM_ROLE_ASSISTANT);
    struct llm_block *b = llm_message_add(m, LLM_BLOCK_THINKING);
    b->text = text_of("hm");
    b->signature = xstrdup("c2ln");
    llm_message_add(m, LLM_BLOCK_REDACTED_THINKING)->text = text_of("b3A=");
    call(m, "t1", "{\"cut\": ");
    call(m, "t2", "[1]");
    m = last(LLM_ROLE_USER);
    llm_message_add_result(m, "t1", "one", false);
    b = llm_message_add(last(LLM_ROLE_ASSISTANT), LLM_BLOCK_THINKING); /* nothing is left of it */
    b->text = text_of("alone");
    b->signature = xstrdup("c2ln");
    llm_history_push_text(&history, LLM_ROLE_USER, "z");
    static const char *const want[] = {
        USER("[The conversation before this point is not shown.]"),
        ASSISTANT("\"x\"", ""),
        USER("[result of an earlier tool call]\\nold\\n[end of result]"),
        ASSISTANT("null", CALLS(CALL("t1", "{}") "," CALL("t2", "{}"))),
        TOOL("t1", "one"),
        TOOL("t2", "Error: interrupted: there is no result of this call"),
        USER("z"),
    };
    assert_messages(want, ARRAY_LEN(want));
}

static void test_refused(void **state) {
    (void)state;
    struct llm_request r = {0};
    struct cause why = {""};
    assert_int_equal(request(&r, "", &why), STATUS_INVALID);
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    llm_history_push_text(&history, LLM_ROLE_ASSISTANT, "b");
    assert_int_equal(request(&r, "", &why), STATUS_INVALID);
    assert_string_equal(why.text, "the conversation does not end with a message to answer");
    llm_history_push_text(&history, LLM_ROLE_USER, "c");
    static const struct llm_tool broken = {"broken", "", "[]"};
    r.tools = &broken;
    r.ntools = 1;
    assert_int_equal(request(&r, "", &why), STATUS_INVALID);
    assert_string_equal(why.text, "the schema of the tool 'broken' is wrong: not an object");
}

/* What each place wants otherwise. */
static void test_quirks(void **state) {
    (void)state;
    struct llm_request r = {.effort = LLM_EFFORT_MAX};
    struct cause why;
    llm_history_push_text(&history, LLM_ROLE_USER, "a");
    struct llm_message *m = last(LLM_ROLE_ASSISTANT);
    struct llm_block *b = llm_message_add(m, LLM_BLOCK_THINKING);
    b->text = text_of("hm");
    b->name = xstrdup("there");
    call(m, "toolu_0123456789012345678901234567890123456789", "{}");
    llm_message_add_result(last(LLM_ROLE_USER), "toolu_0123456789012345678901234567890123456789",
                           "r", false);
    static const struct {
        const char *url, *model, *has, *lacks;
    } cases[] = {
        {"https://api.openai.com", "gpt-5.2", "\"reasoning_effort\":\"xhigh\"", "toolu_"},
        {"https://api.openai.com", "gpt-5-mini", "\"reasoning_effort\":\"high\"", "\"hm\""},
        {"https://api.openai.com", "gpt-4.1", "max_completion_tokens", "effort"},
        {"https://openrouter.ai/api", "openai/gpt-5.2", "\"reasoning\":{\"effort\":\"xhigh\"}",
         "reasoning_effort"},
        {"http://127.0.0.1:1", "gpt-5.2", "\"max_tokens\"", "effort"},
        {"https://api.mistral.ai", "mistral-large-latest", "\"max_tokens\"", "stream_options"},
        {"https://api.deepseek.com", "deepseek-chat", "\"reasoning_content\":\"hm\"", "effort"},
        {"http://127.0.0.1:1", "kimi-k2.5", "\"reasoning_content\":\"hm\"", "effort"},
        {"http://127.0.0.1:1", "qwen3-thinking", "\"reasoning_content\":\"hm\"", "effort"},
        {"http://127.0.0.1:1", "llama", "stream_options", "reasoning_content"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        model = cases[i].model;
        assert_int_equal(request(&r, cases[i].url, &why), STATUS_OK);
        if (!strstr(body.data, cases[i].has) || strstr(body.data, cases[i].lacks))
            fail_msg("%s %s: %s", cases[i].url, model, body.data);
        assert_null(strstr(body.data, "toolu_"));
    }
    /* The short ids: nine letters and digits, the same on both ends. */
    model = "m";
    assert_int_equal(request(&r, "https://api.mistral.ai", &why), STATUS_OK);
    const char *id = strstr(body.data, "\"id\":\"") + 6, *end = strchr(id, '"');
    assert_int_equal(end - id, 9);
    char both[40];
    snprintf(both, sizeof(both), "\"tool_call_id\":\"%.9s\"", id);
    assert_non_null(strstr(body.data, both));
    /* Whose thinking was lost: the place is filled where it must be. Somebody else's is lost. */
    x_free(&b->name);
    b->name = xstrdup("elsewhere");
    model = "kimi-k2.5";
    assert_int_equal(request(&r, "http://127.0.0.1:1", &why), STATUS_OK);
    assert_non_null(strstr(body.data, "\"reasoning_content\":\"(not kept)\""));
    model = "m";
}

static void test_files(void **state) {
    (void)state;
    struct llm_message *m = last(LLM_ROLE_USER);
    struct llm_request r = {0};
    struct cause why;
    llm_message_add_text(m, "look");
    llm_message_add_file(m, "image/png", "a.png", "\x89PNG", 4);
    llm_message_add_file(m, "application/pdf", "b.pdf", "%PDF-", 5);
    llm_message_add_file(m, "audio/wav", "c.wav", "RIFF", 4);
    llm_message_add_text(m, "well?");
    model = "gpt-4o-audio-preview";
    assert_int_equal(request(&r, "http://x", &why), STATUS_OK);
    assert_non_null(strstr(
        body.data,
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw==\"}},"
        "{\"type\":\"file\",\"file\":{\"filename\":\"b.pdf\","
        "\"file_data\":\"data:application/pdf;base64,JVBERi0=\"}},"
        "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"UklGRg==\",\"format\":\"wav\"}},"
        "{\"type\":\"text\",\"text\":\"well?\"}]}"));
    model = "m";
    assert_int_equal(request(&r, "http://x", &why), STATUS_OK);
    assert_non_null(strstr(body.data, "\"content\":\"look\\n\\n[A file was given here that"));
}

/* ---- answers ---- */

static struct buf seen; /* the callbacks; what is one text however it was cut is one line */
static const char *line;

static void piece(const char *what, const char *text, size_t n) {
    assert_true(utf8_valid(text, n));
    if (!line || strcmp(line, what) != 0)
        buf_printf(&seen, "%s%s|", seen.len ? "\n" : "", what);
    line = what;
    buf_append(&seen, text, n);
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
    buf_printf(&seen, "%sstart %zu|%s|%s", seen.len ? "\n" : "", index, id, name);
    line = NULL;
}

static void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    static const char *const names[] = {"input 0", "input 1", "input 2", "input 3", "input 4"};
    (void)arg;
    assert_true(index < ARRAY_LEN(names));
    piece(names[index], text, n);
}

static const struct llm_events events = {.on_text = on_text,
                                         .on_thinking = on_thinking,
                                         .on_tool_start = on_tool_start,
                                         .on_tool_input = on_tool_input};

static struct decode *d;
static struct cause why;

static void begin(void) {
    decode_free(&d);
    d = decode_new(&events, NULL);
    buf_reset(&seen);
    line = NULL;
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
    return openai_event(d, &e, &why);
}

static void ok(const char *data) {
    why.text[0] = '\0';
    enum decode_step step = event(data);
    assert_string_equal(why.text, "");
    assert_int_equal(step, DECODE_MORE);
}

#define CHOICE(delta, finish)                                                                      \
    "{\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}"
#define DELTA(delta) CHOICE(delta, "null")
#define CONTENT(raw) DELTA("{\"content\":\"" raw "\"}")
#define TOOLS(list) DELTA("{\"tool_calls\":[" list "]}")
#define EV(data) "data: " data "\n\n"
#define DONE EV("[DONE]")

struct recorded {
    const char *name, *stream;
    const char *seen; /* made ids stand as call_* */
    enum llm_stop stop;
    const char *inputs[3];
    int64_t input, cached, output;
    bool estimate, cut; /* cut: the stream ends without [DONE] */
};

static const struct recorded streams[] = {
    {"openai",
     EV("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-5-2025-08-"
        "07\","
        "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,"
        "\"refusal\":null},\"finish_reason\":null}],\"usage\":null}")
         EV(CONTENT("Gr\xC3\xBC\xC3\x9F ")) EV(CONTENT("\\ud83e\\udd8a\xE2\x82\xAC")) EV(
             TOOLS("{\"index\":0,\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":"
                   "\"shell\",\"arguments\":\"\"}}"))
             EV(TOOLS("{\"index\":0,\"function\":{\"arguments\":\"{\\\"n\\\": 90071992\"}}"))
                 EV(TOOLS("{\"index\":0,\"function\":{\"arguments\":\"54740993}\"}}"))
                     EV(CHOICE("{}", "\"tool_calls\"")) EV(
                         "{\"choices\":[],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":"
                         "30,\"prompt_tokens_details\":{\"cached_tokens\":100}}}") DONE,
     "text|Gr\xC3\xBC\xC3\x9F \xF0\x9F\xA6\x8A\xE2\x82\xAC\nstart 1|call_a|shell\n"
     "input 1|{\"n\": 9007199254740993}",
     LLM_STOP_TOOL_USE,
     {NULL, "{\"n\": 9007199254740993}"},
     20,
     100,
     30,
     false,
     false},
    /* Two calls open at once, their fragments mixed, one of them before any text. */
    {"several open",
     ": OPENROUTER PROCESSING\n\n" EV(DELTA("{\"reasoning\":\"Hm\"}"))
         EV(DELTA("{\"reasoning_content\":\"m\",\"reasoning\":\"m\"}"))
             EV(DELTA("{\"reasoning_content\":\".\"}")) EV(TOOLS(
                 "{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"x\",\"arguments\":\"{\"}},"
                 "{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"y\"}}"))
                 EV(TOOLS("{\"index\":1,\"function\":{\"arguments\":\"{\\\"b\\\":1\"}},"
                          "{\"index\":0,\"function\":{\"arguments\":\"\\\"a\\\":\"}}"))
                     EV(TOOLS("{\"index\":0,\"function\":{\"arguments\":\"2}\"}}"))
                         EV(TOOLS("{\"index\":1,\"function\":{\"arguments\":\"}\"}}"))
                             EV(CHOICE("{\"content\":\"\"}", "\"stop\"")) DONE,
     "thinking|Hmm.\nstart 1|a|x\ninput 1|{\nstart 2|b|y\ninput 2|{\"b\":1\ninput 1|\"a\":2}\n"
     "input 2|}",
     LLM_STOP_TOOL_USE,
     {NULL, "{\"a\":2}", "{\"b\":1}"},
     0,
     0,
     5,
     true,
     false},
    /* Whole calls without an index or an id, arguments as an object; no [DONE]. */
    {"no ids",
     EV("{\"model\":\"local\",\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":"
        "\"x\",\"arguments\":{\"a\":[1]}}},{\"id\":\"\",\"function\":{\"name\":\"y\","
        "\"arguments\":\"{}\"}}]}}]}")
         EV(TOOLS("{\"id\":7,\"function\":{\"name\":\"z\",\"arguments\":\"\"}}"))
             EV(CHOICE("{\"content\":null}", "\"stop\"")),
     "start 0|call_*|x\ninput 0|{\"a\":[1]}\nstart 1|call_*|y\ninput 1|{}\nstart 2|7|z",
     LLM_STOP_TOOL_USE,
     {"{\"a\":[1]}", "{}", "{}"},
     0,
     0,
     3,
     true,
     true},
    /* Every call has the index 0 and the same id comes twice. */
    {"one index",
     EV(TOOLS("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"x\",\"arguments\":\"{}\"}}"))
         EV(TOOLS("{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"y\",\"arguments\":\"{}\"}}"))
             EV(TOOLS("{\"index\":1,\"id\":\"a\",\"function\":{\"name\":\"z\"}}"))
                 EV(CHOICE("{}", "\"tool_calls\""))
                     EV("{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}") DONE,
     "start 0|a|x\ninput 0|{}\nstart 1|b|y\ninput 1|{}\nstart 2|call_*|z",
     LLM_STOP_TOOL_USE,
     {"{}", "{}", "{}"},
     9,
     0,
     3,
     false,
     false},
    /* Content in parts, empty choices, somebody's own events, a second choice, usage of zero. */
    {"parts",
     EV("{\"choices\":[],\"prompt_filter_results\":[]}") "event: timing\ndata: 12 ms\n\n" EV(
         DELTA("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
               "\"Hm\"}]}]}"))
         EV(DELTA("{\"content\":[{\"type\":\"text\",\"text\":\"One\"},{\"type\":\"text\",\"text\":"
                  "\" two\"}]}"))
             EV("{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}}]}") EV(DELTA("null"))
                 EV(DELTA("{\"content\":7,\"tool_calls\":null}")) EV(CHOICE("{}", "\"length\""))
                     EV("{\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0"
                        "}}") DONE,
     "thinking|Hm\ntext|One two",
     LLM_STOP_MAX_TOKENS,
     {NULL},
     0,
     0,
     3,
     true,
     false},
    {"refused",
     EV(DELTA("{\"refusal\":\"I will not.\"}")) EV(CHOICE("{}", "\"stop\"")) DONE,
     "text|I will not.",
     LLM_STOP_REFUSAL,
     {NULL},
     0,
     0,
     3,
     true,
     false},
    {"nothing",
     EV(CHOICE("{\"content\":null}", "\"stop\"")) DONE,
     "",
     LLM_STOP_END_TURN,
     {NULL},
     0,
     0,
     0,
     true,
     false},
};

static enum decode_step ended;

static bool on_event(void *arg, const struct sse_event *e) {
    (void)arg;
    ended = openai_event(d, e, &why);
    assert_string_equal(why.text, "");
    return ended == DECODE_MORE;
}

static void feed(struct sse *s, const char *bytes, size_t n) {
    struct cause c = {""};
    enum status st = sse_feed(s, bytes, n, on_event, NULL, &c);
    assert_true(st == STATUS_OK || st == STATUS_CANCELLED);
}

/* What was seen, with the made ids hidden: they differ from time to time. */
static char *seen_text(void) {
    struct buf out = BUF_INIT;
    for (const char *p = buf_str(&seen); *p;) {
        if (str_prefix(p, "|call_") && strlen(p) > 42 && p[6 + 36] == '|' && p[6 + 8] == '-') {
            buf_puts(&out, "|call_*");
            p += 42;
        } else {
            buf_putc(&out, *p++);
        }
    }
    return buf_steal(&out);
}

static void assert_recorded(const struct recorded *r) {
    char *text = seen_text();
    assert_string_equal(text, r->seen);
    free(text);
    assert_int_equal(ended, r->cut ? DECODE_MORE : DECODE_DONE);
    assert_true(d->stopped);
    struct llm_response out;
    decode_take(d, &out);
    assert_int_equal(out.stop, r->stop);
    assert_int_equal(out.usage.input_tokens, r->input);
    assert_int_equal(out.usage.cache_read_tokens, r->cached);
    assert_int_equal(out.usage.output_tokens, r->output);
    assert_int_equal(out.usage.cost_is_estimate, r->estimate);
    for (size_t i = 0; i < ARRAY_LEN(r->inputs); i++) {
        if (!r->inputs[i])
            continue;
        assert_true(i < out.message.n);
        assert_string_equal(out.message.blocks[i].input, r->inputs[i]);
        for (size_t j = 0; j < i; j++)
            assert_false(str_eq(out.message.blocks[i].id, out.message.blocks[j].id));
    }
    llm_message_free(&out.message);
}

static void test_every_split(void **state) {
    const struct recorded *r = *state;
    size_t n = strlen(r->stream);
    for (size_t cut = 0; cut <= n; cut++) {
        struct sse s;
        begin();
        sse_init(&s, 0);
        ended = DECODE_MORE;
        feed(&s, r->stream, cut);
        if (ended == DECODE_MORE)
            feed(&s, r->stream + cut, n - cut);
        sse_free(&s);
        assert_recorded(r);
    }
    struct sse s;
    begin();
    sse_init(&s, 0);
    ended = DECODE_MORE;
    for (size_t i = 0; i < n && ended == DECODE_MORE; i++)
        feed(&s, r->stream + i, 1);
    sse_free(&s);
    assert_recorded(r);
}

/* Arguments in hundreds of fragments, some of which end within a character. */
static void test_fragments(void **state) {
    (void)state;
    ok(TOOLS("{\"index\":3,\"id\":\"t\",\"function\":{\"name\":\"x\",\"arguments\":\"[\"}}"));
    for (int i = 0; i < 400; i++) {
        ok(TOOLS("{\"index\":3,\"function\":{\"arguments\":\"\\ud83e\"}}"));
        ok(TOOLS("{\"index\":3,\"function\":{\"arguments\":\"\\udd8a\"}}"));
    }
    ok(CHOICE("{}", "\"tool_calls\""));
    assert_int_equal(event("[DONE]"), DECODE_DONE);
    struct llm_response out;
    decode_take(d, &out);
    assert_int_equal(strlen(out.message.blocks[0].input), 1 + 400 * 4);
    assert_null(strstr(out.message.blocks[0].input, "\xEF\xBF\xBD"));
    llm_message_free(&out.message);
}

static void test_model(void **state) {
    (void)state;
    ok("{\"model\":\"\",\"choices\":[]}");
    ok("{\"model\":\"other\\u001bmodel\",\"choices\":[]}");
    ok("{\"model\":\"later\",\"choices\":[]}");
    assert_string_equal(d->model, "other^[model");
}

static void test_stop_reasons(void **state) {
    (void)state;
    static const struct {
        const char *chunk;
        enum llm_stop stop;
    } cases[] = {
        {CHOICE("{}", "\"stop\""), LLM_STOP_END_TURN},
        {CHOICE("{}", "\"tool_calls\""), LLM_STOP_END_TURN}, /* without any */
        {CHOICE("{}", "\"length\""), LLM_STOP_MAX_TOKENS},
        {CHOICE("{}", "\"content_filter\""), LLM_STOP_REFUSAL},
        {CHOICE("{}", "\"something new\""), LLM_STOP_OTHER},
        {CHOICE("{}", "null"), LLM_STOP_END_TURN}, /* [DONE] without a reason */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin();
        ok(cases[i].chunk);
        assert_int_equal(event("[DONE]"), DECODE_DONE);
        struct llm_response out;
        decode_take(d, &out);
        assert_int_equal(out.stop, cases[i].stop);
        llm_message_free(&out.message);
    }
}

/* Cut off in the middle: what is known, and a guess that says so. */
static void test_usage_of_a_part(void **state) {
    (void)state;
    struct llm_usage u;
    decode_usage(d, &u);
    assert_int_equal(u.input_tokens + u.output_tokens, 0);
    assert_false(u.cost_is_estimate);
    ok("{\"choices\":[{\"delta\":{\"content\":\"0123456789012345678901234567890\"}}],"
       "\"usage\":{\"prompt_tokens\":25,\"completion_tokens\":2}}");
    decode_usage(d, &u);
    assert_int_equal(u.input_tokens, 25);
    assert_int_equal(u.output_tokens, 8);
    assert_true(u.cost_is_estimate);
    assert_true(d->delivered);
}

static void test_errors(void **state) {
    (void)state;
    static const struct {
        const char *data, *type, *message;
        int status;
    } cases[] = {
        {"{\"error\":{\"message\":\"boom\",\"type\":\"server_error\",\"code\":null}}",
         "server_error", "boom", 0},
        {"{\"error\":{\"message\":\"long\",\"type\":\"invalid_request_error\","
         "\"code\":\"context_length_exceeded\"}}",
         "context_length_exceeded", "long", 0},
        {"{\"error\":{\"message\":\"odd\",\"type\":\"invalid_request_error\","
         "\"code\":\"invalid_value\"}}",
         "invalid_request_error", "odd", 0},
        {"{\"id\":\"gen-1\",\"error\":{\"code\":502,\"message\":\"upstream\"},\"choices\":[{"
         "\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}",
         "", "upstream", 502},
        {"{\"error\":\"model runner has stopped\"}", "", "model runner has stopped", 0},
        {"{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"code\":400}",
         "BadRequestError", "bad", 400},
        {CHOICE("{}", "\"error\""), "", "the provider ended the stream with an error", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin();
        assert_int_equal(event(cases[i].data), DECODE_ERROR);
        assert_string_equal(d->error.type, cases[i].type);
        assert_string_equal(d->error.message, cases[i].message);
        assert_int_equal(d->error.status, cases[i].status);
    }
    begin();
    ok("{\"error\":null,\"choices\":[]}");
    struct sse_event e = {.type = "error", .data = "{\"message\":\"m\"}", .n = 15, .id = ""};
    assert_int_equal(openai_event(d, &e, &why), DECODE_ERROR);
    assert_string_equal(d->error.message, "m");
}

static void assert_bad(const char *data, const char *text) {
    assert_int_equal(event(data), DECODE_BAD);
    assert_string_equal(why.text, text);
}

static void test_garbage(void **state) {
    (void)state;
    static const char no_json[] = "an event is not a JSON object";
    assert_bad("[DONE]", "the answer ended before it began");
    assert_bad("", no_json);
    assert_bad("<html>", no_json);
    assert_bad("{\"choices\":[", no_json);
    assert_bad(TOOLS("{\"index\":0,\"function\":{\"arguments\":\"{}\"}}"),
               "a tool call without a proper name");
    /* Members of the wrong type say nothing. */
    ok("{}");
    ok("{\"choices\":7,\"usage\":[],\"model\":{}}");
    ok("{\"choices\":[null,7,{\"delta\":[]}]}");
    ok(TOOLS("null,{\"index\":\"x\"},{\"index\":0,\"id\":\"a\",\"function\":7}"));
    assert_string_equal(buf_str(&seen), "");
    assert_false(d->stopped);
}

static void test_bounds(void **state) {
    (void)state;
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":"
                 "\"x\",\"arguments\":\"");
    for (size_t i = 0; i < DECODE_INPUT_MAX / 2; i++)
        buf_putc(&b, ' ');
    buf_puts(&b, "\"}}]}}]}");
    ok(b.data);
    ok(b.data); /* the bound itself; the same name again goes on with the same call */
    buf_free(&b);
    assert_bad(TOOLS("{\"index\":0,\"function\":{\"arguments\":\" \"}}"),
               "the input of a tool call is larger than 1048576 bytes");
    for (int i = 1; i < (int)DECODE_BLOCKS_MAX; i++) {
        char chunk[160];
        snprintf(chunk, sizeof(chunk),
                 "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"function\":{\"name\":"
                 "\"x\"}}]}}]}",
                 i);
        ok(chunk);
    }
    assert_bad(CONTENT("x"), "the answer has more than 256 blocks");
    begin();
    buf_puts(&b, "{\"choices\":[{\"delta\":{\"content\":\"");
    for (size_t i = 0; i < DECODE_RESPONSE_MAX / 16; i++)
        buf_putc(&b, 'x');
    buf_puts(&b, "\"}}]}");
    for (int i = 0; i < 16; i++) {
        ok(b.data);
        buf_reset(&seen);
        line = NULL;
    }
    assert_bad(CONTENT("x"), "the answer is larger than 33554432 bytes");
    buf_free(&b);
}

int main(void) {
    enum { FIXED = 14 };
    static char names[ARRAY_LEN(streams)][40];
    struct CMUnitTest tests[ARRAY_LEN(streams) + FIXED] = {
        cmocka_unit_test_teardown(test_whole, teardown),
        cmocka_unit_test_teardown(test_limit_name, teardown),
        cmocka_unit_test_teardown(test_merged, teardown),
        cmocka_unit_test_teardown(test_mended, teardown),
        cmocka_unit_test_teardown(test_refused, teardown),
        cmocka_unit_test_teardown(test_quirks, teardown),
        cmocka_unit_test_teardown(test_files, teardown),
        cmocka_unit_test_setup_teardown(test_fragments, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_model, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_stop_reasons, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_usage_of_a_part, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_errors, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_garbage, setup_stream, teardown_stream),
        cmocka_unit_test_setup_teardown(test_bounds, setup_stream, teardown_stream),
    };
    size_t n = FIXED;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++, n++) {
        snprintf(names[i], sizeof(names[i]), "every split: %s", streams[i].name);
        tests[n] = (struct CMUnitTest){names[i], test_every_split, setup_stream, teardown_stream,
                                       (void *)(uintptr_t)&streams[i]};
    }
    return cmocka_run_group_tests_name("openai", tests, NULL, NULL);
}
