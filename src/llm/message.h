/* message: a conversation as every provider understands it: turns of blocks. Owned memory
 * throughout. */
#ifndef LLM_MESSAGE_H
#define LLM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* clang-format off */
#define LLM_ROLE_TABLE(X)                                                                          \
    X(USER, "user")                                                                                \
    X(ASSISTANT, "assistant")
/* clang-format on */
enum llm_role {
#define X(name, text) LLM_ROLE_##name,
    LLM_ROLE_TABLE(X)
#undef X
};

#define LLM_BLOCK_TABLE(X)                                                                         \
    X(TEXT, "text")                                                                                \
    X(THINKING, "thinking")                   /* text, signature, id, name: below */               \
    X(REDACTED_THINKING, "redacted_thinking") /* text: opaque data, echoed as received */          \
    X(TOOL_USE, "tool_use")                   /* id, name, input: the received JSON text */        \
    X(TOOL_RESULT, "tool_result")             /* id: the call's; text; is_error */                 \
    X(FILE, "file")                           /* mime, name; text: its bytes in base64 */
enum llm_block_kind {
#define X(name, text) LLM_BLOCK_##name,
    LLM_BLOCK_TABLE(X)
#undef X
};

struct llm_block {
    enum llm_block_kind kind;
    const char *text; /* held (base/text.h), as is the input: copies of a message share them */
    char *id;         /* of thinking: the provider's item, where its format has one */
    char *name;       /* of thinking: the provider's id, since nobody else's signature is taken */
    char *mime;       /* of a file */
    char *signature;
    const char *input; /* kept as received: integers above 2^53 and byte-stable prompts */
    bool is_error;
};

struct llm_message {
    enum llm_role role;
    struct llm_block *blocks;
    size_t n, cap;
};

struct llm_history {
    struct llm_message *v;
    size_t n, cap;
};

/* Appends an empty block to m and returns it (valid until the next append). */
struct llm_block *llm_message_add(struct llm_message *m, enum llm_block_kind kind);
void llm_message_add_text(struct llm_message *m, const char *text);
void llm_message_add_result(struct llm_message *m, const char *call_id, const char *text,
                            bool is_error);
void llm_message_add_copy(struct llm_message *m, const struct llm_block *b);
/* A file for the model to look at, `name` for people and for models that cannot; copies. */
void llm_message_add_file(struct llm_message *m, const char *mime, const char *name,
                          const void *bytes, size_t n);
void llm_message_free(struct llm_message *m); /* its contents; zeroes it */
void llm_message_copy(struct llm_message *to, const struct llm_message *from);
/* All text blocks joined by a blank line; the caller frees; "" when none. */
char *llm_message_text(const struct llm_message *m);

/* Takes m's contents (m is zeroed). Two user messages in a row are allowed here and merged on the
 * wire. */
void llm_history_push(struct llm_history *h, struct llm_message *m);
void llm_history_push_text(struct llm_history *h, enum llm_role role, const char *text);
void llm_history_truncate(struct llm_history *h, size_t n);
void llm_history_copy(struct llm_history *to, const struct llm_history *from);
void llm_history_free(struct llm_history *h);
/* SPEC E: bytes/4 over text, arguments and results, rounded up; an image counts 1,600 (what one of
 * the largest size that is not made smaller takes), another file an eighth of its bytes. */
int64_t llm_history_tokens(const struct llm_history *h);
/* The same of its files alone, each rounded up, and how many bytes of base64 they are. */
int64_t llm_history_files(const struct llm_history *h, size_t *base64);
/* One JSON array, provider-neutral, for worker_runs.transcript:
 * [{"role":"user","blocks":[{"type":"text","text":"..."}, ...]}, ...]. The caller frees. */
char *llm_history_json(const struct llm_history *h);
/* And back, exactly. On failure *out is empty. */
enum status llm_history_parse(const char *json, size_t n, struct llm_history *out,
                              struct cause *why) MUST_CHECK;

#endif
