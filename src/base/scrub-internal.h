/* scrub-internal: what the files of scrub share. scrub.c goes through a text, scrub_match.c finds
 * where a secret begins in it, scrub_value.c holds our own. Nobody else includes this. */
#ifndef BASE_SCRUB_INTERNAL_H
#define BASE_SCRUB_INTERNAL_H

#include <stdint.h>

#include "base/scrub.h"

/* What a byte can be part of. */
#define SCRUB_DIGIT 1u
#define SCRUB_UPPER 2u
#define SCRUB_LOWER 4u
#define SCRUB_UNDER 8u
#define SCRUB_MINUS 16u
#define SCRUB_PLUS 32u /* + and / */
#define SCRUB_EQUAL 64u
#define SCRUB_PERCENT 128u
#define SCRUB_DOT 256u
#define SCRUB_HEX 512u
#define SCRUB_BLANK 1024u /* space, tab, end of line */
#define SCRUB_OTHER 2048u /* \ : , ( ) : what the headers of an armoured key have besides */
#define SCRUB_FORM                                                                                 \
    4096u /* ~ ! * ' ( ) : what some leave as it is where they write the rest in percent */
#define SCRUB_ALNUM (SCRUB_DIGIT | SCRUB_UPPER | SCRUB_LOWER)
#define SCRUB_URL (SCRUB_ALNUM | SCRUB_UNDER | SCRUB_MINUS)
/* A word that may be an encoding of something. */
#define SCRUB_CODE (SCRUB_URL | SCRUB_PLUS | SCRUB_EQUAL | SCRUB_PERCENT)
/* The same with what an encoding in percent may leave as it is. */
#define SCRUB_CODE_PERCENT (SCRUB_CODE | SCRUB_DOT | SCRUB_FORM)
/* The inside of an armoured key, on however many lines, with line numbers or escaped line ends. */
#define SCRUB_ARMOUR                                                                               \
    (SCRUB_ALNUM | SCRUB_PLUS | SCRUB_EQUAL | SCRUB_MINUS | SCRUB_BLANK | SCRUB_DOT | SCRUB_OTHER)

extern const uint16_t scrub_class[256];

/* What is looked for of a value: itself, or the beginning of an encoding of it, with which the
 * whole word goes. */
struct scrub_needle {
    char *text;
    size_t n;
    const char *name; /* lent from its value */
    bool code;
};

struct scrub_values {
    struct scrub_needle *v; /* by their first byte */
    size_t n;
    char **names;
    size_t nnames;
    uint32_t first[257]; /* where the needles that begin with a byte are */
    bool begins[256];    /* whether there are any */
};

/* The first letters of a long word are passed on at once, so that words can be read as they are
 * written; in an encoding they are eight bytes, no more than shapes begin with. */
#define SCRUB_FREE 11u
#define SCRUB_STEP 1024u /* a very long word is looked at in pieces so far apart */
#define SCRUB_WINDOW                                                                               \
    (SCRUB_STEP + 512u)                 /* and so long: what is shorter than the overlap is found */
#define SCRUB_CONTEXT (SCRUB_FREE + 1u) /* bytes before a place that decide with it */

struct scrub_place {
    const char *s;
    size_t n, at;
    size_t run;   /* bytes of SCRUB_CODE right before `at`; s has the last SCRUB_FREE of them */
    bool whole;   /* nothing follows s[0..n) */
    size_t ahead; /* bytes at `at` that are SCRUB_CODE for certain; grows */
};

enum scrub_found { SCRUB_NONE, SCRUB_SECRET, SCRUB_MORE /* more bytes decide */ };
struct scrub_secret {
    size_t n;         /* bytes */
    const char *name; /* of our value; NULL: by its shape */
    unsigned swallow; /* what follows and is of these belongs to it as well */
    bool armour;      /* up to the line that ends a private key */
};
/* Moves p to the next place where a secret begins, or may begin when more bytes come, and says
 * which; SCRUB_NONE: to the end. */
enum scrub_found scrub_search(const struct scrub_values *values, struct scrub_place *p,
                              struct scrub_secret *out);

#endif
