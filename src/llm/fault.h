/* fault: what went wrong, as a kind to act on and a sentence for a person. Everything that a server
 * said goes through here before anybody sees it: one line, harmless, short, and without the key,
 * also where the server sent it back. */
#ifndef LLM_FAULT_H
#define LLM_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"
#include "llm/client.h"
#include "llm/http.h"

/* Who is speaking, to whom, and what must not be said. Lent. */
struct fault_place {
    const char *provider; /* "anthropic" */
    const char *host;     /* "api.anthropic.com:443" */
    const char *key;      /* never in any text; may be NULL */
    int silence_secs, connect_secs, call_secs;
};

/* Sets fault and "provider: text"; cleans the text. The other members stay as they are. */
void fault_set(struct llm_error *e, const struct fault_place *p, enum llm_fault fault,
               const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Makes words of a server one harmless line of at most `max` bytes; "..." shows that it was cut. */
void fault_clean(struct buf *out, const char *s, size_t n, size_t max, const char *key);

/* A response that is not the stream that was asked for: by its status, headers, and body[0..n). */
void fault_response(struct llm_error *e, const struct fault_place *p, const struct http_head *h,
                    const char *body, size_t n);

/* An error in the stream: its type, message, and the status that it would have been (0: not told).
 */
void fault_event(struct llm_error *e, const struct fault_place *p, const char *type,
                 const char *message, int status);

/* A type or code that tells the kind of an error. */
bool fault_knows_type(const char *type);

/* The variable that the provider's key usually stands in; NULL when there is none. */
const char *fault_key_variable(const char *provider);

/* The transfer did not come to its end, or did without the stream's (COMPLETE); `bytes` of it had
 * come. */
void fault_transfer(struct llm_error *e, const struct fault_place *p, const struct http_result *r,
                    size_t bytes);

#endif
