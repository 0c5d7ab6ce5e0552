/* keys: raw bytes of a terminal to keys. Knows no terminal type: it takes what any of them sends
 * (CSI and SS3 in all their dialects, Alt as ESC, kitty and modifyOtherKeys reports, bracketed
 * paste) and ignores the rest. */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* X(NAME, "name") */
/* clang-format off */
#define KEYSYM_TABLE(X)                                                                            \
    X(CHAR, "char")   /* key.cp; with KEYMOD_CTRL the letter, lower case */                        \
    X(ENTER, "Enter")                                                                              \
    X(TAB, "Tab")                                                                                  \
    X(BACKSPACE, "Backspace")                                                                      \
    X(ESC, "Esc")                                                                                  \
    X(UP, "Up")                                                                                    \
    X(DOWN, "Down")                                                                                \
    X(LEFT, "Left")                                                                                \
    X(RIGHT, "Right")                                                                              \
    X(HOME, "Home")                                                                                \
    X(END, "End")                                                                                  \
    X(PAGE_UP, "PgUp")                                                                             \
    X(PAGE_DOWN, "PgDn")                                                                           \
    X(INSERT, "Insert")                                                                            \
    X(DELETE, "Delete")                                                                            \
    X(FUNCTION, "F")  /* key.cp is its number */                                                   \
    X(PASTE, "paste") /* key.raw is the text, as it came */                                        \
    X(OTHER, "other") /* a well-formed sequence that means nothing here; key.raw has it */
/* clang-format on */
enum keysym {
#define X(name, text) KEYSYM_##name,
    KEYSYM_TABLE(X)
#undef X
};
const char *keysym_name(enum keysym s);

#define KEYMOD_SHIFT 1u
#define KEYMOD_ALT 2u
#define KEYMOD_CTRL 4u

struct key {
    enum keysym sym;
    uint32_t cp;
    unsigned mods;
    const char *raw; /* the bytes by which readline knows this key; lent for the callback */
    size_t nraw;
    bool cut; /* PASTE: more than KEYS_PASTE_MAX bytes came, the rest is gone */
};

#define KEYS_SEQUENCE_MAX 64u
#define KEYS_PASTE_MAX (1024u * 1024u)

typedef void keys_fn(void *arg, const struct key *k);

struct keys {
    keys_fn *fn;
    void *arg;
    unsigned char seq[KEYS_SEQUENCE_MAX]; /* an unfinished sequence or character */
    size_t nseq;
    bool overlong; /* the sequence is longer than any key: swallowed to its end */
    bool pasting, paste_cut;
    struct buf paste;
};

void keys_init(struct keys *k, keys_fn *fn, void *arg);
void keys_free(struct keys *k);
/* Forgets what was unfinished (another terminal, or back from a stop). */
void keys_reset(struct keys *k);
/* Calls fn for every key that is complete. The pieces may be cut anywhere. */
void keys_feed(struct keys *k, const char *data, size_t n);
/* How long to wait for the rest, in milliseconds, before keys_timeout(); 0: nothing is unfinished.
 */
int keys_wait_ms(const struct keys *k);
/* Nothing more came: ESC was the Escape key, an unfinished sequence is dropped, an unfinished paste
 * is taken as it is. */
void keys_timeout(struct keys *k);

#endif
