/* clang-format off */
/* proto: the words of the control socket, for both ends. One JSON object a line.
 *
 *   request   {"id":N,"cmd":S, arguments…}          N a whole number from 1, chosen by the client
 *   reply     {"id":N,"ok":true,"body":{…}}
 *             {"id":N,"ok":false,"status":S,"error":S,"body":{…}?}
 *   event     {"event":{…}}                         to those who follow; of bus_event_json()
 *   screen    {"screen":"released","why":"quit"|"taken"|"stopping","text":S|null}
 *             {"screen":"suspend"}                  to the placeholder of a terminal
 *   ended     {"ended":S}                           the last line before the server hangs up: why
 *
 * The first request must be hello {token, protocol, version}. Replies come in any order. For people:
 * man/spacebot-protocol.7. */
/* clang-format on */
#ifndef CTL_PROTO_H
#define CTL_PROTO_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

/* Grows when an older end could no longer make sense of a newer one. */
#define PROTO_VERSION 1
#define PROTO_LINE_MAX (1024u * 1024u)        /* of a client */
#define PROTO_REPLY_MAX (64u * 1024u * 1024u) /* of the server: a long log is one reply */
#define PROTO_TOKEN_LEN 64u                   /* hex digits */

#ifdef SPACEBOT_TEST_HOOKS
#define PROTO_WORD_HOOKS(X) X(ADVANCE, "advance")
#else
#define PROTO_WORD_HOOKS(X)
#endif

/* clang-format off */
/* What the server does itself; every other word is one of agent/command.h.
 *  hello    {token, protocol, version}  -> {"pid":N,"version":S,"home":S,"protocol":N}
 *  attach   {term, colorterm?, no_color?, ascii?, cols, rows, own?} with one descriptor
 *                                     beside it: the terminal. own: it is a description of its own
 *                                     already, not to be opened again
 *  resize   {cols, rows}
 *  resumed  {cols, rows}                the placeholder was stopped and goes on
 *  detach   {}                          the terminal must be let go now; nothing is written to it
 *                                     any more
 *  status   {} -> what spacebot status --json prints
 *  stop     {}                          the engine ends
 *  leave    {} -> {"ending":B}: whether the engine ends with this client
 *  follow   {process?|channel?}         events from now on, of one process, of a channel and all in
 *                                     it, or all
 *  abandon  {call}                      an exec of this client is given up and what it started
 *                                     cancelled
 *  advance  {ms}                        (test builds) moves the virtual clock */
#define PROTO_WORD_TABLE(X)                                                                        \
    X(HELLO, "hello")                                                                              \
    X(ATTACH, "attach")                                                                            \
    X(RESIZE, "resize")                                                                            \
    X(RESUMED, "resumed")                                                                          \
    X(DETACH, "detach")                                                                            \
    X(STATUS, "status")                                                                            \
    X(STOP, "stop")                                                                                \
    X(LEAVE, "leave")                                                                              \
    X(FOLLOW, "follow")                                                                            \
    X(ABANDON, "abandon")                                                                          \
    PROTO_WORD_HOOKS(X)
/* clang-format on */
enum proto_word {
#define X(name, text) PROTO_##name,
    PROTO_WORD_TABLE(X)
#undef X
};
enum status proto_word_from_string(const char *s, enum proto_word *out) MUST_CHECK;

/* Bytes in, lines out. */
struct proto_reader {
    struct buf in;
    size_t scanned, taken;
    size_t limit; /* most bytes of a line; 0: PROTO_LINE_MAX */
};
/* Where to put at most `n` more bytes, and that they are there. */
char *proto_reader_room(struct proto_reader *r, size_t n);
void proto_reader_added(struct proto_reader *r, size_t n);
/* The next whole line without its newline, lent until the next call: OK, NOT_FOUND (more bytes are
 * needed), or LIMIT: the line is longer than the limit, nothing can be read any more. */
enum status proto_reader_line(struct proto_reader *r, const char **line, size_t *n) MUST_CHECK;
void proto_reader_free(struct proto_reader *r);

struct proto_request {
    int64_t id;
    const char *cmd; /* lent from args */
    cJSON *args;     /* the whole object */
};
/* PROTOCOL: not a request; the id is 0 unless it could be read. */
enum status proto_request_parse(const char *line, size_t n, struct proto_request *out,
                                struct cause *why) MUST_CHECK;
void proto_request_free(struct proto_request *r);

/* Each appends one line with its newline. `body` is lent, may be NULL. */
void proto_put_request(struct buf *out, int64_t id, const char *cmd, const cJSON *args);
void proto_put_reply(struct buf *out, int64_t id, enum status st, const cJSON *body,
                     const char *error);
void proto_put_event(struct buf *out, const char *json, size_t n);
void proto_put_screen(struct buf *out, const char *word, const char *why, const char *text);
void proto_put_ended(struct buf *out, const char *text);

/* By name; false for a name that no status has. */
bool proto_status_from_string(const char *name, enum status *out);
/* In time that does not depend on where they differ. */
bool proto_token_equal(const char *a, const char *b);

#endif
