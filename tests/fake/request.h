/* request: a Messages request as the scenario looks at it: what was said last, what the tools
 * answered, and what can be quoted in an answer. Knows nothing of sockets. */
#ifndef FAKE_REQUEST_H
#define FAKE_REQUEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/buf.h"

struct request {
    const cJSON *root; /* lent; in Anthropic's shape, whatever shape it came in */
    const char *model;
    bool stream;
    struct buf raw;         /* the body as it came */
    struct buf system;      /* all system text */
    struct buf user;        /* text of the last user message that has any */
    struct buf tool_result; /* the last tool result of the last message; empty when there is none */
    bool has_result;        /* the last message carries tool results */
    int step;               /* rounds of tool results since the last user text: 0 right after it */
    bool usage;             /* wants to be told what it used (Anthropic's always are) */
    int call;               /* number of this request on the server, from 1 */
};

/* Reads a tree that check_request() has passed; `root` must outlive it. */
void request_read(struct request *r, const cJSON *root, const char *raw, size_t n, int call);
void request_free(struct request *r);
/* For who turns another shape into that one: a block of `type` at the end of `messages`, in its
 * last message where `join` and the role is the same, else in a new one. Lent. */
cJSON *request_add(cJSON *messages, const char *role, const char *type, bool join);
/* Whether the request offers the tool. */
bool request_has_tool(const struct request *r, const char *name);

/* Appends `text` with its captures replaced; false with a cause when one finds nothing.
 *   ${user}                text of the last user message that has any
 *   ${tool_result}         the last tool result; ${tool_result_line:N} its Nth line (negative: from
 * the end)
 *   ${between|A|B}         what stands between A and the next B: newest message first, system
 * prompt last
 *   ${worker_result}       the same as ${between|<<|>>}
 *   ${model} ${call}       the model asked for, the number of the request
 *   $${                    a literal ${ */
bool request_expand(const struct request *r, const char *text, struct buf *out, struct cause *why);

#endif
