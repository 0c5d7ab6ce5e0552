/* wrap: a text as lines of a width. The text only grows at its end (a stream), and only what is new
 * is looked at: a token more costs a token, however long the text has become. */
#ifndef UI_WRAP_H
#define UI_WRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct wrap_line {
    uint32_t off, len; /* in text */
    int indent;        /* columns before it, on lines that continue one */
};

struct wrap {
    int width;        /* columns; 0: nothing wrapped yet */
    struct buf text;  /* made visible, tabs expanded */
    size_t raw;       /* bytes of the raw text taken so far */
    size_t paragraph; /* where the unwrapped line begins that the last line belongs to */
    struct wrap_line *v;
    size_t n, cap;
};

/* Brings the lines up to date with raw[0..n), which begins with what was given before, unless it
 * got shorter. `final`: no more will come (an unfinished character is shown as invalid). A trailing
 * newline makes no empty line. */
void wrap_feed(struct wrap *w, const char *raw, size_t n, int width, bool final);
/* Lines to show: none for an empty text. */
size_t wrap_lines(const struct wrap *w);
const char *wrap_line(const struct wrap *w, size_t i, size_t *n, int *indent);
void wrap_free(struct wrap *w);

#endif
