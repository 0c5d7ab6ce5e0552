/* render: what is remembered, as it stands in prompts. Made of the store alone: the same memories
 * give the same bytes, so that a prompt stays the same (and cached) while nothing changes. */
#ifndef MEMORY_RENDER_H
#define MEMORY_RENDER_H

#include "base/buf.h"
#include "memory/memory.h"

#define MEMORY_RENDER_WORDS 500 /* in all (SPEC D) */

/* X(TYPE, most that are shown at 500 words), in the order of the sections (SPEC D) */
/* clang-format off */
#define MEMORY_RENDER_TABLE(X)                                                                     \
    X(FACT, 10)                                                                                    \
    X(DECISION, 10)                                                                                \
    X(PREFERENCE, 10)                                                                              \
    X(GOAL, 10)                                                                                    \
    X(OBSERVATION, 8)
/* clang-format on */

/* Appends the sections, the strongest of each first, one line a memory with its date, "shown of
 * total"; nothing where nothing is known. It ends where `max_words` would be passed. */
enum status memory_render(struct store_read *r, int max_words, struct buf *out,
                          struct cause *why) MUST_CHECK;

#endif
