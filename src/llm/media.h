/* media: what a file in a conversation is to a model: something it takes as it is, text, or
 * something that can only be named. */
#ifndef LLM_MEDIA_H
#define LLM_MEDIA_H

#include "base/buf.h"
#include "llm/message.h"
#include "llm/wire.h"

/* X(NAME) */
#define MEDIA_TABLE(X)                                                                             \
    X(IMAGE)                                                                                       \
    X(PDF)                                                                                         \
    X(AUDIO)                                                                                       \
    X(TEXT) /* its words go in as words */                                                         \
    X(NOTE) /* the model cannot take it: a line says what it was */
enum media {
#define X(name) MEDIA_##name,
    MEDIA_TABLE(X)
#undef X
};

/* How the file reaches `model` at that place. */
enum media media_as(const struct wire_place *p, const char *model, const struct llm_block *file);
/* Whether a model (without its provider) takes speech in a conversation. */
bool media_hears(const char *model);
/* Of TEXT the file's words under its name, of anything else a line that it cannot be read. */
void media_words(struct buf *out, const struct llm_block *file, enum media as);
/* "data:MIME;base64,…" as a JSON string. */
void media_url(struct buf *out, const struct llm_block *file);

#endif
