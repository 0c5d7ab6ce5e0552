/* turns: a history made acceptable to a provider, whatever its wire format: what cannot be sent is
 * left out, neighbours of one role are one turn, and each call finds its result. */
#ifndef LLM_TURNS_H
#define LLM_TURNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "llm/client.h"

/* Stands where the beginning of a conversation was taken away. */
#define TURNS_HEADLESS "[The conversation before this point is not shown.]"
/* The result of a call that has none. */
#define TURNS_INTERRUPTED "interrupted: there is no result of this call"
/* The text of a result that failed without any. */
#define TURNS_FAILED "failed without a message"

struct turns_item {
    const struct llm_block *block; /* lent by the history */
    enum llm_role role;
    bool used; /* a result that has been paired with its call */
};

struct turns {
    struct turns_item *v;
    size_t n;
};

/* Whether a wire format can say this block there. */
struct wire_place;
typedef bool turns_sendable_fn(const struct wire_place *p, enum llm_role role,
                               const struct llm_block *b);

/* Everything that can be sent, in order, without thinking at the end of an answer (which nobody
 * takes). STATUS_INVALID, and nothing to free, when it does not end with something from the user.
 */
enum status turns_make(struct turns *out, const struct llm_history *h, turns_sendable_fn *sendable,
                       const struct wire_place *p, struct cause *why) MUST_CHECK;
void turns_free(struct turns *t);
/* Behind the last item of the turn that begins with item `i`. */
size_t turns_end(const struct turns *t, size_t i);
/* The result of the call at `call`: the first fitting one of items [from..end) that is not used
 * yet; marks it. NULL when there is none. */
const struct llm_block *turns_answer(struct turns *t, size_t call, size_t from, size_t end);

/* Thinking is echoed to nobody but the provider that it came from. */
bool turns_own(const struct wire_place *p, const struct llm_block *thinking);
/* The id of a call as a JSON string of at most `max` characters (24 or more), where `plain` of just
 * `max` letters and digits: one that does not fit is made into another, the same every time. */
void turns_id(struct buf *out, const char *id, size_t max, bool plain);

bool turns_blank(const char *s); /* NULL, or nothing but white space */
/* A result whose call is not in the turn before it: the words are kept, shortened, the form is
 * not. */
void turns_orphan(struct buf *out, const struct llm_block *result);
/* A call's arguments as received where they are an object, else "{}": what was wrong with them
 * stands in the call's result, and providers take nothing but an object here. Lent. */
const char *turns_input(const char *input);
/* What stands around the name, the description and the schema of a tool. */
struct turns_tool_form {
    const char *open, *schema, *close; /* schema: that member's name */
    const char *last;                  /* members of the last tool, with their comma; NULL: none */
};
/* Appends ",\"tools\":[…]", or nothing where there are none. STATUS_INVALID and the tool's name
 * when its schema is no JSON object. */
enum status turns_tools(struct buf *out, const struct llm_request *r,
                        const struct turns_tool_form *form, struct cause *why) MUST_CHECK;

#endif
