/* scrub: takes secrets out of text before anybody reads or keeps it: the values that we hold
 * ourselves, wherever they stand and also in base64, hex or percent encoding, and whatever has the
 * shape of a well-known token or of a private key. Text may come in pieces: what could still become
 * a secret is held back, so that the pieces change nothing. Recognises; what a secret means where
 * it was found is for others to decide. */
#ifndef BASE_SCRUB_H
#define BASE_SCRUB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Shorter values, and those that are not of visible ASCII alone, are not looked for: "ollama" or
 * "none" would take ordinary words out of every text. */
#define SCRUB_VALUE_MIN 12u
#define SCRUB_VALUE_MAX 4096u
/* So much of one of our values at the end of a text that was cut off counts as the whole. */
#define SCRUB_TAIL_MIN 16u

/* What stands in the place of a secret that was known by its shape, or was encoded. In the place of
 * one of our values stands [REDACTED:NAME]. */
#define SCRUB_MARK "[LEAKED_SECRET_REDACTED]"

/* The values that we hold: each is copied once, never printed, and wiped at the end. */
struct scrub_values;
struct scrub_values *scrub_values_new(void);
void scrub_values_free(struct scrub_values **v);
/* `name` says whose it is where the value stood. False: it is not looked for (see above). */
bool scrub_values_add(struct scrub_values *v, const char *name, const char *value);

/* `values` may be NULL everywhere: shapes alone. */

/* Whole text. True: secrets were in it, and the text without them is appended to `out`; false:
 * nothing is appended, it can be used as it is. */
bool scrub_text(const struct scrub_values *values, const char *text, size_t n, struct buf *out);
bool scrub_finds(const struct scrub_values *values, const char *text, size_t n);
/* Takes `text` (NULL stays NULL) and returns it, or what is left of it; the caller frees. */
char *scrub_take(const struct scrub_values *values, char *text);

/* Text in pieces. Zero it and set `values` (lent) first. */
struct scrub {
    const struct scrub_values *values;
    struct buf held;         /* what stood before, for its context, then what is undecided */
    size_t context;          /* bytes of the first */
    size_t ahead;            /* bytes of the second that belong to one long word for certain */
    size_t run;              /* length of the word without blanks that has been passed on last */
    unsigned swallow;        /* the rest of a secret: what still belongs to it */
    unsigned dashes, fences; /* of the end of a private key */
    size_t found;            /* secrets so far */
};
/* Appends to `out` what is decided. At most some 1.5 KB are held back, of a word of that
 * length. */
void scrub_feed(struct scrub *s, const char *text, size_t n, struct buf *out);
/* The text has ended: appends the rest. Ready for another text; `found` stays. */
void scrub_end(struct scrub *s, struct buf *out);
void scrub_free(struct scrub *s);

#endif
