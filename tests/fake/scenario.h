/* scenario: which answer a request gets, read once from a JSON file. A key that is not listed here
 * is an error, so that a misspelt fault cannot pass for a test that ran. One scenario serves all
 * wire formats: texts, stop reasons, usage and errors are written here in Anthropic's terms and
 * sent in those of the request.
 *
 * {"refuse_first": N,      the first N connections are reset when accepted
 *  "chaos": {…}            faults at random, see chaos.h
 *  "models": [S, …]        what GET /v1/models, /models and /api/tags list; a string is sent as it
 * is; else a 404. Said as "models N PATH"; no call "speech": [{…}, …]      see speech.h "rules": [{
 * the first rule whose `match` fits wins; without one the answer is a 400 "match": { every
 * condition given must hold "last_user_contains" text of the last user message that has any (tool
 * results are not text) "last_tool_result_contains"  the last message carries a tool result with
 * this text in it "step": N            N rounds of tool results have come since the last user text
 * (0: none) "system_contains", "body_contains", "body_lacks", "model" (exact) "has_tool",
 * "lacks_tool" "nth": N             the Nth request that fits the other conditions of this rule,
 * from 1 "call": N            the Nth request of the server, from 1
 *   },
 *   "respond": [           blocks; their texts may have captures, see request_expand()
 *     {"text": S, "repeat": N}       with repeat: N deltas, each the whole text
 *     {"thinking": S}                signed
 *     {"redacted_thinking": S}
 *     {"tool_use": {"name": S, "input": {…}, "input_raw": S, "id": S}}     input_raw: sent as it is
 *   ],
 *   "stop_reason": S,      otherwise "tool_use" or "end_turn", by the blocks
 *   "usage": {…},          input_tokens, output_tokens, cache_read_input_tokens and
 *                          cache_creation_input_tokens in place of the counted ones
 *   "model": S,            what the answer says it came from; otherwise the model asked for
 *   "delta_chars": N,      characters in a delta, 12
 *   "faults": {
 *     "delay_ms": N        before the first byte
 *     "slow_ms_per_event": N
 *     "status": N, "message": S, "body": S, "retry_after": S, "location": S
 *                          an error in the API's shape (or `body` as it is) with that status
 *     "headers": S         header lines as they are, each with its "\\r\\n"
 *     "html_error_page": true        a proxy's page; status 502 unless given
 *     "refuse": true       the request is read and the connection closed without an answer
 *     "cut_after_bytes": N the connection closes after N bytes of the body
 *     "cut_reset": true    with a reset
 *     "silence_after_events": N      N events, then nothing; the connection stays open
 *     "hold": S, "hold_after_events": N
 *                          after N events wait until "release S" comes on standard input
 *     "garbage": "json"|"utf8"|"sse"|"flood", "garbage_after_events": N (2)
 *                          an event with broken JSON; one with bytes that are no UTF-8; no event
 *                          stream from here on; one line of 64 MB that never ends
 *     "split": "byte"|N    every N bytes of the body are an HTTP chunk of their own
 *     "line_end": "lf"|"cr"|"crlf", "bom": true, "comments": true (keep-alives between events)
 *     "multi_line": true   data in two lines
 *     "unknown_events": true         before each event, one of a type that no client knows
 *     "empty_deltas": true           before each piece one with nothing in it
 *     "interleave": true   calls that stand together are open side by side, their pieces in turn
 *     "usage_at": "end"|"never"|"every"
 *                          told in the last event only; not at all; each time anew
 *     "no_end": "marker"|"reason"
 *                          the body ends without its last event; without the stop reason too
 *     "gzip": true         the body is packed, though nobody asked for it
 *     "encoding": S        it is said to be packed so, and is not
 *     "bomb": "zeros"|"lines"        a gigabyte of NUL or of line ends, packed
 *     "mid_stream_error": true|{"type": S, "message": S}, "mid_stream_error_after": N (3)
 *   }}]} */
#ifndef FAKE_SCENARIO_H
#define FAKE_SCENARIO_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "request.h"

enum garbage { GARBAGE_NONE, GARBAGE_JSON, GARBAGE_UTF8, GARBAGE_SSE, GARBAGE_FLOOD };
enum usage_at { USAGE_USUAL, USAGE_END, USAGE_NEVER, USAGE_EVERY };
enum no_end { NO_END_NONE, NO_END_MARKER, NO_END_REASON };
enum bomb { BOMB_NONE, BOMB_ZEROS, BOMB_LINES };

/* Numbers are -1, strings NULL where not given; strings are lent from the file's tree. */
struct faults {
    int delay_ms, slow_ms;
    int status;
    const char *message, *body, *retry_after, *location, *headers, *encoding;
    bool html, refuse;
    long cut_after_bytes;
    bool cut_reset;
    int silence_after, hold_after;
    const char *hold;
    enum garbage garbage;
    int garbage_after;
    int split;
    const char *line_end; /* the characters */
    bool bom, comments, multi_line, unknown_events, empty_deltas, interleave, gzip;
    enum usage_at usage_at;
    enum no_end no_end;
    enum bomb bomb;
    bool error;
    int error_after;
    const char *error_type, *error_message;
};

struct rule {
    const cJSON *match;   /* object or NULL */
    const cJSON *respond; /* array or NULL */
    const cJSON *usage;
    const char *stop_reason, *model;
    int delta_chars;
    int fitted; /* requests that met every condition but nth */
    struct faults faults;
};

struct scenario {
    cJSON *root;
    struct rule *rules;
    size_t n;
    int refuse_first;
    char *models; /* the body of /v1/models; NULL: there is none */
};

bool scenario_load(const char *path, struct scenario *out, struct cause *why);
void scenario_free(struct scenario *s);
/* The rule for a request, or NULL. Counts for `nth`. */
struct rule *scenario_match(struct scenario *s, const struct request *r);

#endif
