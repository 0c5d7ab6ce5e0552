/* markdown: a text in Markdown as styled lines of a width. It grows at its end as a stream does:
 * what lies before the last boundary between blocks is laid out once, and only what follows is
 * parsed again; inside a block that is longer than MARKDOWN_STEP a place is chosen where the lines
 * are broken for good, so that a frame never costs more than that. Laid out afresh with all of its
 * text (`final`), it is one block again. Hostile text is made visible; nothing in it is obeyed. */
#ifndef UI_MARKDOWN_H
#define UI_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MARKDOWN_STEP 4096u /* bytes */

/* A piece of a line in one style (enum style, or-ed with STYLE_BOLD and its kin). */
struct markdown_span {
    uint32_t off, len; /* in text */
    unsigned style;
};
struct markdown_line {
    uint32_t first, n; /* its spans */
    int indent;        /* columns before it */
    bool code;         /* its background goes to the right edge */
};

struct markdown {
    int width; /* columns; 0: nothing laid out yet */
    bool ascii;
    struct buf text;
    struct markdown_span *spans;
    size_t nspans, cspans;
    struct markdown_line *lines;
    size_t nlines, clines;
    size_t raw; /* bytes of the raw text that are laid out for good */
    size_t text_kept, spans_kept, lines_kept;
    size_t seen;    /* bytes of the raw text at the last feed */
    char fence[16]; /* the fence that the text behind `raw` is inside of; "": none */
    bool goes_on;   /* the block before `raw` does behind it */
    size_t parsed;  /* bytes that have been parsed so far, again and again: what it has cost */
};

/* Brings the lines up to date with raw[0..n), which begins with what was given before, unless it
 * got shorter. */
void markdown_feed(struct markdown *m, const char *raw, size_t n, int width, bool ascii,
                   bool final);
void markdown_free(struct markdown *m);

#endif
