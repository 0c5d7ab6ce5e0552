/* rehearsal-internal: what the files of the rehearsal share. A request is read into a question, the
 * scenario or the script makes an answer of it, and a stream writes that out, piece by piece. None
 * of these but the server (rehearsal.c) knows sockets or time.
 *
 * A scenario is a file that SPACEBOT_REHEARSAL names:
 *
 * {"chunk_chars": 5, "chunk_ms": 20,   characters in a piece of text, and the time between pieces
 *  "work_ms": 200,                     the pause between two files that a worker counts
 *  "rules": [{                         the first that fits answers; without one the script does
 *    "match": {                        every condition given must hold
 *      "who": S                        "channel", "branch", "worker", "other"
 *      "text": S                       is in what was said last (of a worker: in its task)
 *      "result": S                     is in what the tools gave back last
 *      "step": N                       N model calls were made for it before this one
 *      "nth": N                        the Nth request that fits the rest, from 1
 *    },
 *    "thinking": S, "text": S,         in this order; ${text} and ${result} stand for what the
 *    "calls": [{"tool": S, "input": {…}}],                conditions of that name look at
 *    "delay_ms": N                     before the first byte
 *    "chunk_chars": N, "chunk_ms": N   for this answer
 *    "fault": {                        events: those of the stream, the first is message_start
 *      "status": N, "message": S, "retry_after": N       an error in place of the stream
 *      "error": S, "message": S, "after": N              an error event of that type after N events
 *      "cut": N                        the connection closes after N events
 *      "silence": N                    nothing more comes after N events, the connection stays
 *    }}]} */
#ifndef LLM_REHEARSAL_INTERNAL_H
#define LLM_REHEARSAL_INTERNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "llm/message.h"

/* --- the request (rehearsal_http.c) ---------------------------------------------------------- */

struct rehearsal_request {
    const char *body; /* in the buffer that was read */
    size_t n;
    size_t used; /* bytes of the buffer that it takes */
};
/* The HTTP status that the bytes so far ask for: 0 when more must come, 200 when *out is a request
 * to be answered, else what is wrong; `key` is what x-api-key must be. */
int rehearsal_http_read(const struct buf *in, const char *key, struct rehearsal_request *out);
const char *rehearsal_http_reason(int status);

/* --- the question (rehearsal_ask.c) ---------------------------------------------------------- */

/* Who asks, told by the tools that come along. X(NAME, "name") */
/* clang-format off */
#define REHEARSAL_WHO_TABLE(X)                                                                     \
    X(CHANNEL, "channel")                                                                          \
    X(BRANCH, "branch")                                                                            \
    X(WORKER, "worker")                                                                            \
    X(OTHER, "other")
/* clang-format on */
enum rehearsal_who {
#define X(name, text) REHEARSAL_##name,
    REHEARSAL_WHO_TABLE(X)
#undef X
};
const char *rehearsal_who_name(enum rehearsal_who w);

struct rehearsal_ask {
    cJSON *root;
    const cJSON *messages, *tools; /* arrays, of root */
    const char *model;
    enum rehearsal_who who;
    char *text;   /* what to answer: the last words of the person or the system; a worker's task */
    char *status; /* the status block before them, "" when there is none */
    bool came_back;  /* the text tells of delegated work that has come back */
    size_t step;     /* answers given to this text so far */
    bool introduced; /* an answer in this conversation has said already what is speaking */
    size_t bytes;    /* of the request */
};
/* STATUS_INVALID: not a request as our client writes them. */
enum status rehearsal_ask_read(const char *body, size_t n, struct rehearsal_ask *out,
                               struct cause *why) MUST_CHECK;
void rehearsal_ask_free(struct rehearsal_ask *a);
bool rehearsal_ask_has_tool(const struct rehearsal_ask *a, const char *name);

/* A tool's result in the last message, in order; false past the last. Texts are lent. */
struct rehearsal_result {
    const char *tool; /* the call's name, "" when unknown */
    const char *text;
    bool is_error;
};
bool rehearsal_ask_result(const struct rehearsal_ask *a, size_t i, struct rehearsal_result *out);

/* Text of the conversation before the present text: calls fn for each block of a person or of an
 * answer (what `reply` said counts as one). */
typedef void rehearsal_said_fn(void *arg, bool person, const char *text);
void rehearsal_ask_said(const struct rehearsal_ask *a, rehearsal_said_fn *fn, void *arg);

/* --- the answer (rehearsal_answer.c) --------------------------------------------------------- */

struct rehearsal_pace {
    int64_t chunk_chars, chunk_ms, work_ms;
};
#define REHEARSAL_PACE                                                                             \
    { .chunk_chars = 5, .chunk_ms = 20, .work_ms = 200 }

struct rehearsal_fault {
    int status;                  /* 0: none */
    const char *message, *error; /* lent by the scenario */
    int64_t retry_after;         /* seconds, -1: not told */
    int64_t after, cut, silence; /* events, -1: never */
};
#define REHEARSAL_NO_FAULT                                                                         \
    { .retry_after = -1, .after = -1, .cut = -1, .silence = -1 }

struct rehearsal_answer {
    struct llm_message message; /* of the assistant */
    struct rehearsal_pace pace;
    struct rehearsal_fault fault;
    int64_t delay_ms;
};
void rehearsal_answer_init(struct rehearsal_answer *a, const struct rehearsal_pace *pace);
void rehearsal_answer_free(struct rehearsal_answer *a);
void rehearsal_answer_text(struct rehearsal_answer *a, const char *text);
void rehearsal_answer_thinking(struct rehearsal_answer *a, const char *text);
/* Takes the input. */
void rehearsal_answer_call(struct rehearsal_answer *a, const char *tool, cJSON *input);
/* A call with one argument. */
void rehearsal_answer_call_str(struct rehearsal_answer *a, const char *tool, const char *key,
                               const char *value);
size_t rehearsal_answer_bytes(const struct rehearsal_answer *a);

/* --- what it says (rehearsal_script.c, rehearsal_work.c, rehearsal_branch.c, rehearsal_text.c) -
 */

/* Makes the answer to any question: never leaves it empty. */
void rehearsal_script(const struct rehearsal_ask *q, struct rehearsal_answer *out);
void rehearsal_work(const struct rehearsal_ask *q, struct rehearsal_answer *out);
void rehearsal_branch(const struct rehearsal_ask *q, struct rehearsal_answer *out);

extern const char rehearsal_notice[]; /* what is speaking, and how to connect a model */
extern const char rehearsal_mark[];   /* stands in the notice and in nothing else it says */
extern const char rehearsal_help[];
extern const char rehearsal_page[];

/* Words of a sentence, case ignored. If `*s` begins with `words` (and ends there, or goes on with
 * something that is no letter or digit), moves *s past them and past white space. */
bool rehearsal_skip(const char **s, const char *words);
bool rehearsal_has_word(const char *s, const char *word);
/* A number in digits or words up to twelve ("a" is 1) followed by white space: moves *s past both;
 * 0 when there is none. At most 1000000. */
int64_t rehearsal_number(const char **s);
/* "run: CMD" (or run `CMD`) -> the command, which the caller frees; NULL when it is none. */
char *rehearsal_command(const char *text);
/* Appends at most max bytes of s, with a note of how many are left out; the beginning and the end
 * are kept. */
void rehearsal_quote(struct buf *out, const char *s, size_t max);
/* Appends s between code fences that it cannot end; the same bound. */
void rehearsal_fence(struct buf *out, const char *s, size_t max);

/* --- scenario (rehearsal_scenario.c) --------------------------------------------------------- */

struct rehearsal_scenario;
enum status rehearsal_scenario_load(const char *path, struct rehearsal_scenario **out,
                                    struct cause *why) MUST_CHECK;
void rehearsal_scenario_free(struct rehearsal_scenario **s);
/* The pace that it asks for; the usual one where it says nothing. `s` may be NULL. */
struct rehearsal_pace rehearsal_scenario_pace(const struct rehearsal_scenario *s);
/* Fills `out` by the first rule that fits; false when none does. Counts for nth. */
bool rehearsal_scenario_answer(struct rehearsal_scenario *s, const struct rehearsal_ask *q,
                               struct rehearsal_answer *out);

/* --- the stream (rehearsal_stream.c) --------------------------------------------------------- */

struct rehearsal_stream;
enum rehearsal_stream_end {
    REHEARSAL_GOING,
    REHEARSAL_WHOLE,  /* the answer is complete, the connection can be used again */
    REHEARSAL_CUT,    /* close the connection now */
    REHEARSAL_SILENT, /* leave it as it is */
};
/* Takes the answer (it is empty afterwards). */
struct rehearsal_stream *rehearsal_stream_new(const struct rehearsal_ask *q,
                                              struct rehearsal_answer *a);
void rehearsal_stream_free(struct rehearsal_stream **s);
/* Appends the next bytes. *wait_ms: how long to wait before the next step. */
enum rehearsal_stream_end rehearsal_stream_step(struct rehearsal_stream *s, struct buf *out,
                                                int64_t *wait_ms);
/* A whole response with an error in the API's form. type NULL: by the status. */
void rehearsal_stream_error(struct buf *out, int status, const char *type, const char *message,
                            int64_t retry_after);

#endif
