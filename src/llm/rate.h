/* rate: what a provider says is left of what one may use, from the headers of its answers. */
#ifndef LLM_RATE_H
#define LLM_RATE_H

#include <stddef.h>
#include <stdint.h>

/* One of its counts; -1 where it is not told. */
struct llm_rate_window {
    int64_t limit, left;
    int64_t reset_ms; /* until there is more, from at_ms on */
};

struct llm_rate {
    struct llm_rate_window requests, tokens, input, output; /* tokens: both kinds together */
    int64_t at_ms; /* when it was said, milliseconds since 1970; 0: nothing was */
};

/* Nothing is known. */
void rate_init(struct llm_rate *r);
/* Takes a header line ("name: value", with or without its end) if it is about this: those of
 * Anthropic (anthropic-ratelimit-requests-remaining, …) and of OpenAI and most others
 * (x-ratelimit-remaining-tokens, …). A value that cannot be read says nothing. */
void rate_header(struct llm_rate *r, const char *line, size_t n, int64_t now_ms);
/* How long nothing more may be asked for, from at_ms on: the longest of the counts that are used
 * up; -1: none is, or nobody said how long. */
int64_t rate_wait_ms(const struct llm_rate *r);

#endif
