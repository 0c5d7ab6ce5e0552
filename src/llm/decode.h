/* decode: what the decoders of all wire formats share: an answer that grows block by block out of
 * pieces. Every piece that leaves here is valid UTF-8 (what a piece leaves incomplete waits for the
 * next one of its block), and everything is bounded. No sockets, no retries; whoever feeds a
 * decoder decides what to do with a failure. */
#ifndef LLM_DECODE_H
#define LLM_DECODE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "llm/client.h"

#define DECODE_MAX_TOKENS 16000 /* asked for where the request names none */

/* Bounds of one answer; past them it is STATUS_LIMIT. */
#define DECODE_BLOCKS_MAX ((size_t)256)
#define DECODE_INPUT_MAX ((size_t)1 << 20)     /* of one tool call */
#define DECODE_RESPONSE_MAX ((size_t)32 << 20) /* of everything */
#define DECODE_NAME_MAX ((size_t)256)          /* bytes of a call's id and of a tool's name */
#define DECODE_VALUES_MAX ((size_t)65536)      /* of one event's JSON: each is 64 bytes to read */
/* Tokens that one answer may be said to have used: no context is near it, and sums of it stay far
 * from the type's end. */
#define DECODE_TOKENS_MAX INT64_C(1000000000)

/* What an error in the stream says; valid UTF-8, else as received: clean it before showing it. */
struct decode_error {
    char type[64];
    char message[1024];
    int status; /* the HTTP status that it would have been; 0 when not told */
};

/* What an event did. */
enum decode_step {
    DECODE_MORE,  /* go on */
    DECODE_DONE,  /* the response is complete */
    DECODE_ERROR, /* an error in the stream: see `error` */
    DECODE_BAD    /* not the protocol, or too large: see `why` */
};

/* One block of the message; its position in `parts` is that in the message. */
struct decode_part {
    int64_t index; /* the provider's, or the decoder's own mark */
    bool open;
    struct buf text, signature; /* text: of any kind, tool input too */
    char tail[8]; /* the first half of a surrogate pair (3) and the beginning of the second (2) */
    size_t ntail;
};

/* The answer so far. Decoders read it freely and change it by the functions below, but for the
 * members from `usage` on, which are theirs. */
struct decode {
    const struct llm_events *ev; /* lent; only its pieces are called */
    void *arg;
    struct llm_message message;
    struct decode_part *parts;
    size_t parts_cap;
    size_t bytes;   /* of all parts */
    bool delivered; /* some piece was passed on */
    struct buf scratch, piece;
    int64_t input_guess; /* tokens of the request, for providers that do not say */

    struct llm_usage usage;
    bool input_known, output_known; /* the provider's last word on it has come */
    bool begun, stopped;            /* stopped: a stop reason has come */
    enum llm_stop stop;
    char model[96];
    struct decode_error error;
};

/* `ev` is lent for the decoder's life. */
struct decode *decode_new(const struct llm_events *ev, void *arg);
void decode_free(struct decode **d);

/* Parses an event's data as one JSON object. NUL and halves of surrogate pairs, which cJSON does
 * not take, are made into what decode_add() understands. NULL when it is none, or has more than
 * DECODE_VALUES_MAX values; the caller's to delete. */
cJSON *decode_json(struct decode *d, const char *data, size_t n);

/* A count of tokens; -1 where it is not told, or cannot be. */
int64_t decode_tokens(const cJSON *usage, const char *key);

/* The open part of that index, or NULL. */
struct decode_part *decode_find(struct decode *d, int64_t index);
size_t decode_at(const struct decode *d, const struct decode_part *p);
/* Begins a block; NULL and why when there are too many. Moves the parts. */
struct decode_part *decode_push(struct decode *d, int64_t index, enum llm_block_kind kind,
                                struct cause *why);
/* The same for a tool call, which is announced. Copies id and name; calls of one answer must be
 * told apart whatever the server calls them, so one without an id of its own gets one. */
struct decode_part *decode_push_call(struct decode *d, int64_t index, const char *id,
                                     const char *name, struct cause *why);
/* Takes a piece of a block and passes it on; `last`: nothing of it is held back any more. MORE or
 * BAD. */
enum decode_step decode_add(struct decode *d, struct decode_part *p, const char *text, bool last,
                            struct cause *why) MUST_CHECK;
/* The same for a thinking block's signature, which nobody is told. */
enum decode_step decode_sign(struct decode *d, struct decode_part *p, const char *signature,
                             struct cause *why) MUST_CHECK;
/* Ends a block. NULL and an ended one are fine. */
enum decode_step decode_close(struct decode *d, struct decode_part *p, struct cause *why);

/* The call of that id that began last, or NULL. */
struct decode_part *decode_call(struct decode *d, const char *id);
/* The item's id of a thinking block, where the format has one. */
void decode_set_id(struct decode *d, struct decode_part *p, const char *id);

void decode_set_model(struct decode *d, const char *name);
bool decode_has_calls(const struct decode *d);
void decode_set_error(struct decode *d, const char *type, const char *message, int status);
enum decode_step decode_bad(struct cause *why, const char *text);

/* What was used so far, without cost. Where the provider's last word on it is missing, the tokens
 * that came are counted at four bytes each, those of the request are what input_guess says, and it
 * is marked as an estimate. All 0 when no answer has begun. */
void decode_usage(const struct decode *d, struct llm_usage *out);
/* Moves the answer out; its usage as above. The decoder is of no use after that. */
void decode_take(struct decode *d, struct llm_response *out);

#endif
