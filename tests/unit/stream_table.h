/* stream_table: the streams that real providers send, and what becomes of each: one table, for
 * every address of every wire format. The fake provider sends them (tests/fake/scenario.h). */
#ifndef TEST_STREAM_TABLE_H
#define TEST_STREAM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/client.h"

/* ---- formats and addresses ---- */

enum family { FAMILY_ANTHROPIC, FAMILY_CHAT, FAMILY_AZURE, FAMILY_RESPONSES, FAMILIES };

static const struct form {
    const char *id; /* of the provider */
    enum provider_api api;
    enum family family;
    const char *path; /* of its base URL */
    const char *deployment;
} forms[] = {
    {"anthropic", PROVIDER_API_ANTHROPIC, FAMILY_ANTHROPIC, "/v1/", NULL},
    {"completions", PROVIDER_API_OPENAI_COMPLETIONS, FAMILY_CHAT, "/v1", NULL},
    {"responses", PROVIDER_API_OPENAI_RESPONSES, FAMILY_RESPONSES, "", NULL},
    {"azure", PROVIDER_API_AZURE, FAMILY_AZURE, "/", "my thinking"},
    {"azure-v1", PROVIDER_API_AZURE, FAMILY_AZURE, "/openai/v1", NULL},
    {"azure-responses", PROVIDER_API_AZURE_RESPONSES, FAMILY_RESPONSES, "", "mine"},
    {"azure-responses-v1", PROVIDER_API_AZURE_RESPONSES, FAMILY_RESPONSES, "/openai/v1/", NULL},
};

/* The name says that what was thought has to come back beside calls. */
#define STREAM_MODEL "thinking-1"

static const struct llm_tool stream_tools[] = {
    {"shell", "Runs a command.", "{\"type\":\"object\",\"properties\":{}}"},
    {"look", "", "{\"type\":\"object\"}"},
};

/* ---- streams ---- */

/* `rule`: members of the scenario's rule. `want`: what the client says of it, see
 * stream_outcome(); "in ?" any number, "after N bytes" too; of a family without one Anthropic's.
 * `again`: the conversation goes on with the results of its calls. A "%" in the rule is `big`
 * times an x. */
struct stream {
    const char *name, *rule;
    const char *want[FAMILIES];
    size_t big;
};

#define USED "\"usage\":{\"input_tokens\":100,\"output_tokens\":30}"
#define SAYS(blocks) USED ",\"respond\":[" blocks "]"
#define FAULTS(faults) ",\"faults\":{" faults "}"
#define HELLO_BLOCK "{\"text\":\"Gr\xC3\xBC\xC3\x9F dich, \xF0\x9F\xA6\x8A der Welt.\"}"
#define HELLO_TEXT "text(Gr\xC3\xBC\xC3\x9F dich, \xF0\x9F\xA6\x8A der Welt.)"
#define HELLO SAYS(HELLO_BLOCK)
#define HELLO_WANT HELLO_TEXT " end_turn in 100 out 30"
#define THINK_BLOCK "{\"thinking\":\"Let me see.\"}"
#define TOOL(name, input) "{\"tool_use\":{\"name\":\"" name "\",\"input\":" input "}}"
#define SHELL TOOL("shell", "{\"command\":\"ls -l \xE2\x82\xAC\",\"n\":12345}")
#define SHELL_WANT "shell({\"command\":\"ls -l \xE2\x82\xAC\",\"n\":12345})"
#define LOOK TOOL("look", "{\"where\":[\"here\",{\"x\":1}]}")
#define LOOK_WANT "look({\"where\":[\"here\",{\"x\":1}]})"
#define ALL SAYS(THINK_BLOCK "," HELLO_BLOCK "," SHELL "," LOOK)
#define ALL_WANT                                                                                   \
    "thinking(Let me see.) " HELLO_TEXT " " SHELL_WANT " " LOOK_WANT " tool_use in 100 out 30"
/* In the chat format calls that are told in one go, one after the other, are no different. */
#define FIFTY "0123456789abcdefghijk\xC3\xA4\xC3\xB6\xC3\xBCnop\xF0\x9F\xA6\x8A\\\"qrstuvwxyz456789"
#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY
#define CUT_WANT "cut: the stream was cut after N bytes"
#define CUT_DELIVERED "cut, delivered: the stream was cut after N bytes"
#define NO_JSON "garbage: not the stream that was expected: an event is not a JSON object"

static const struct stream streams[] = {
    {"plain", HELLO FAULTS("\"headers\":\"set-cookie: a=b; path=/\\r\\n\""), {HELLO_WANT}, 0},
    {"everything", ALL, {ALL_WANT}, 0},
    {"cached",
     "\"usage\":{\"input_tokens\":20,\"cache_read_input_tokens\":80,"
     "\"cache_creation_input_tokens\":5,\"output_tokens\":30},\"respond\":[" HELLO_BLOCK "]",
     {HELLO_TEXT " end_turn in 20 cached 80 written 5 out 30",
      HELLO_TEXT " end_turn in 25 cached 80 out 30", HELLO_TEXT " end_turn in 25 cached 80 out 30",
      HELLO_TEXT " end_turn in 25 cached 80 out 30"},
     0},
    {"hundreds of fragments",
     SAYS(TOOL("shell", "{\"command\":\"" LONG "\"}")) ",\"delta_chars\":1",
     {"shell({\"command\":\"" LONG "\"}) tool_use in 100 out 30"},
     0},
    {"two calls interleaved",
     SAYS(SHELL "," LOOK) ",\"delta_chars\":3" FAULTS("\"interleave\":true"),
     {SHELL_WANT " " LOOK_WANT " tool_use in 100 out 30"},
     0},
    {"no arguments", SAYS(TOOL("look", "{}")), {"look({}) tool_use in 100 out 30"}, 0},
    {"broken arguments",
     SAYS("{\"tool_use\":{\"name\":\"look\",\"input_raw\":\"{\\\"a\\\":\"}}"),
     {"look({\"a\":) tool_use in 100 out 30"},
     0},
    {"thinking with signature",
     SAYS(THINK_BLOCK "," SHELL) ",\"delta_chars\":2",
     {"thinking(Let me see.) " SHELL_WANT " tool_use in 100 out 30"},
     0},
    {"thinking that is not shown",
     SAYS("{\"redacted_thinking\":\"c2VjcmV0\"}," SHELL),
     {"redacted_thinking(c2VjcmV0) " SHELL_WANT " tool_use in 100 out 30",
      SHELL_WANT " tool_use in 100 out 30", SHELL_WANT " tool_use in 100 out 30",
      "thinking() " SHELL_WANT " tool_use in 100 out 30"},
     0},
    {"empty deltas", ALL FAULTS("\"empty_deltas\":true"), {ALL_WANT}, 0},
    {"usage at the end", HELLO FAULTS("\"usage_at\":\"end\""), {HELLO_WANT}, 0},
    {"usage never", HELLO FAULTS("\"usage_at\":\"never\""), {HELLO_TEXT " end_turn in ? out 7"}, 0},
    {"usage every time", HELLO FAULTS("\"usage_at\":\"every\""), {HELLO_WANT}, 0},
    {"usage of a server that does not count",
     "\"usage\":{\"input_tokens\":0,\"output_tokens\":0},\"respond\":[" HELLO_BLOCK "]",
     {HELLO_TEXT " end_turn in ? out 7"},
     0},
    {"usage that cannot be",
     "\"usage\":{\"input_tokens\":2147483647,\"output_tokens\":2147483647},\"respond\":"
     "[" HELLO_BLOCK "]",
     {HELLO_TEXT " end_turn in ? out 7"},
     0},
    {"refusal",
     SAYS("{\"text\":\"I will not.\"}") ",\"stop_reason\":\"refusal\"",
     {"text(I will not.) refusal in 100 out 30"},
     0},
    {"too long",
     HELLO ",\"stop_reason\":\"max_tokens\"",
     {HELLO_TEXT " max_tokens in 100 out 30"},
     0},
    /* Errors. */
    {"overloaded in mid-stream",
     HELLO ",\"delta_chars\":2" FAULTS("\"mid_stream_error\":true,\"mid_stream_error_after\":6"),
     {"overloaded, delivered: overloaded"},
     0},
    {"too many in mid-stream",
     HELLO ",\"delta_chars\":2" FAULTS("\"mid_stream_error\":{\"type\":\"rate_limit_error\","
                                       "\"message\":\"slower\"},\"mid_stream_error_after\":6"),
     {"rate_limited, delivered: too many requests: slower"},
     0},
    {"failed before a word",
     HELLO FAULTS("\"mid_stream_error\":{\"type\":\"api_error\",\"message\":\"boom\"},"
                  "\"mid_stream_error_after\":1"),
     {"server: the server failed: boom"},
     0},
    {"no last event",
     ALL FAULTS("\"no_end\":\"marker\""),
     {ALL_WANT, ALL_WANT, ALL_WANT, CUT_DELIVERED},
     0},
    {"no reason", HELLO FAULTS("\"no_end\":\"reason\""), {CUT_DELIVERED}, 0},
    {"cut", HELLO FAULTS("\"cut_after_bytes\":40"), {CUT_WANT}, 0},
    {"reset", HELLO FAULTS("\"cut_after_bytes\":40,\"cut_reset\":true"), {CUT_WANT}, 0},
    {"refused after the request",
     HELLO FAULTS("\"refuse\":true"),
     {"cut: HOST closed the connection before any answer"},
     0},
    /* Framing. */
    {"CRLF", ALL FAULTS("\"line_end\":\"crlf\""), {ALL_WANT}, 0},
    {"CR", ALL FAULTS("\"line_end\":\"cr\""), {ALL_WANT}, 0},
    {"keep-alive comments", ALL FAULTS("\"comments\":true"), {ALL_WANT}, 0},
    {"byte order mark, two lines of data",
     ALL FAULTS("\"bom\":true,\"multi_line\":true,\"comments\":true,\"line_end\":\"crlf\""),
     {ALL_WANT},
     0},
    {"events that nobody knows", ALL FAULTS("\"unknown_events\":true"), {ALL_WANT}, 0},
    {"a chunk for each byte", ALL FAULTS("\"split\":\"byte\""), {ALL_WANT}, 0},
    {"an event of a megabyte",
     SAYS("{\"text\":\"%\"}") ",\"delta_chars\":9000000",
     {"text(1048576 bytes) end_turn in 100 out 30"},
     (size_t)1 << 20},
    {"an event that is too large",
     SAYS("{\"text\":\"%\"}") ",\"delta_chars\":9000000",
     {"garbage: not the stream that was expected: an event is larger than 4194304 bytes"},
     (size_t)5 << 20},
    {"a line without an end",
     HELLO FAULTS("\"garbage\":\"flood\",\"garbage_after_events\":1"),
     {"garbage: not the stream that was expected: an event is larger than 4194304 bytes"},
     0},
    {"invalid UTF-8",
     SAYS("{\"text\":\"abcdef\"}") ",\"delta_chars\":1" FAULTS("\"garbage\":\"utf8\","
                                                               "\"garbage_after_events\":5"),
     {"text(ab\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD"
      "cdef) end_turn in 100 out 30",
      "text(abcd\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD"
      "ef) end_turn in 100 out 30",
      "text(abc\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD"
      "def) end_turn in 100 out 30",
      "text(a\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD"
      "bcdef) end_turn in 100 out 30"},
     0},
    {"invalid JSON", HELLO FAULTS("\"garbage\":\"json\",\"garbage_after_events\":1"), {NO_JSON}, 0},
    {"no event stream from there on",
     HELLO FAULTS("\"garbage\":\"sse\",\"garbage_after_events\":1"),
     {CUT_WANT},
     0},
    /* Answers that are none. */
    {"redirect",
     HELLO FAULTS("\"status\":302,\"location\":\"http://127.0.0.1:1/x\""),
     {"redirect: HOST sends us on to http://127.0.0.1:1/x (302); that is not followed: set the "
      "right base_url"},
     0},
    {"HTML error page",
     HELLO FAULTS("\"html_error_page\":true"),
     {"server: the server failed (502): 502 Bad Gateway"},
     0},
    {"HTML in place of a stream",
     HELLO FAULTS("\"html_error_page\":true,\"status\":200,\"body\":\"<h1>Sign in</h1>\""),
     {"garbage: HOST answered with text/html where a stream of events was due: Sign in"},
     0},
    {"too many requests",
     HELLO FAULTS("\"status\":429,\"message\":\"slow down\",\"retry_after\":\"7\""),
     {"rate_limited: too many requests (429): slow down"},
     0},
    /* Packed. */
    {"gzip", ALL FAULTS("\"gzip\":true"), {ALL_WANT}, 0},
    {"gzip, a chunk for each byte", ALL FAULTS("\"gzip\":true,\"split\":\"byte\""), {ALL_WANT}, 0},
    {"gzip of an error",
     HELLO FAULTS("\"gzip\":true,\"status\":429,\"message\":\"slow down\""),
     {"rate_limited: too many requests (429): slow down"},
     0},
    {"gzip that is none",
     HELLO FAULTS("\"encoding\":\"gzip\""),
     {"garbage: HOST sent an answer that cannot be unpacked: *"},
     0},
    {"packed in another way",
     HELLO FAULTS("\"encoding\":\"br\""),
     {"garbage: HOST sent an answer that cannot be unpacked: it is packed as br, which nobody "
      "asked for"},
     0},
    {"packed twice",
     HELLO FAULTS("\"encoding\":\"gzip, gzip\""),
     {"garbage: HOST sent an answer that cannot be unpacked: it is packed as gzip, gzip, which "
      "nobody asked for"},
     0},
    {"a gigabyte of zeros",
     HELLO FAULTS("\"bomb\":\"zeros\""),
     {"garbage: not the stream that was expected: an event is larger than 4194304 bytes"},
     0},
    {"a gigabyte of line ends",
     HELLO FAULTS("\"bomb\":\"lines\""),
     {"garbage: not the stream that was expected: the answer is larger than 134217728 bytes"},
     0},
    {"a gigabyte of an error",
     HELLO FAULTS("\"bomb\":\"lines\",\"status\":500"),
     {"server: the server failed (500)"},
     0},
    {"headers without an end",
     HELLO FAULTS("\"headers\":\"x-a: %\\r\\nx-b: %\\r\\nx-c: %\\r\\n\""),
     {"garbage: HOST does not speak HTTP: its headers are larger than 131072 bytes"},
     60000},
};

static inline const char *stream_want(const struct stream *s, enum family family) {
    return s->want[family] ? s->want[family] : s->want[FAMILY_ANTHROPIC];
}

/* The scenario: first the stream; to the results of its calls a word. The caller frees. */
static inline char *stream_scenario(const struct stream *s) {
    struct buf b = BUF_INIT;
    buf_puts(&b, "{\"rules\":[{\"match\":{\"step\":0},");
    for (const char *p = s->rule; *p; p++) {
        if (*p != '%') {
            buf_putc(&b, *p);
            continue;
        }
        memset(buf_room(&b, s->big), 'x', s->big);
        buf_added(&b, s->big);
    }
    buf_puts(&b, "},{\"match\":{\"step\":1}," SAYS("{\"text\":\"So it is.\"}") "}]}");
    return buf_steal(&b);
}

/* "name(text) …" of each block of an answer, its stop reason and what it used; texts of more than
 * a screen are counted. */
static inline void stream_outcome(struct buf *out, const struct llm_response *r) {
    static const char *const stops[] = {
#define X(name, text) text,
        LLM_STOP_TABLE(X)
#undef X
    };
    static const char *const kinds[] = {
#define X(name, text) text,
        LLM_BLOCK_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < r->message.n; i++) {
        const struct llm_block *b = &r->message.blocks[i];
        bool call = b->kind == LLM_BLOCK_TOOL_USE;
        const char *text = call ? b->input : b->text ? b->text : "";
        buf_puts(out, call ? b->name : kinds[b->kind]);
        if (strlen(text) > 4000)
            buf_printf(out, "(%zu bytes) ", strlen(text));
        else
            buf_printf(out, "(%s) ", text);
    }
    const struct llm_usage *u = &r->usage;
    buf_printf(out, "%s in %lld", stops[r->stop], (long long)u->input_tokens);
    if (u->cache_read_tokens)
        buf_printf(out, " cached %lld", (long long)u->cache_read_tokens);
    if (u->cache_write_tokens)
        buf_printf(out, " written %lld", (long long)u->cache_write_tokens);
    buf_printf(out, " out %lld", (long long)u->output_tokens);
}

#endif
