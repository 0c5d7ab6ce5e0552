/* vt: the screen that a person would see: libvterm fed with what the program writes to its
 * pseudo-terminal. Rows and columns count from 0. */
#ifndef TESTLIB_VT_H
#define TESTLIB_VT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/pty.h"

#define VT_DEFAULT (-1)  /* a colour: the terminal's own */
#define VT_RGB 0x1000000 /* a colour: | 0xRRGGBB; else a palette index */

struct vt_cell {
    char text[32]; /* "" when empty */
    int width;     /* 1, 2; 0: the right half of a wide one */
    bool bold, dim, italic, reverse, strike;
    int underline;
    int fg, bg;
};

struct vt;

struct vt *vt_new(int cols, int rows);
void vt_free(struct vt **v); /* NULL is fine; sets NULL */
/* Makes the terminal's output go to the screen and the screen's answers (cursor reports) to the
 * program. */
void vt_attach(struct vt *v, struct pty *p);
void vt_feed(struct vt *v, const char *data, size_t n);
/* Resizes screen and terminal. */
void vt_resize(struct vt *v, int cols, int rows);

/* One row without trailing blanks; the whole screen, a line a row. The caller frees. */
char *vt_row(const struct vt *v, int row);
char *vt_text(const struct vt *v);
/* The same with "80x24 cursor ROW,COL" before it (or "no cursor"): what goldens hold. */
char *vt_dump(const struct vt *v);
/* The attributes and colours of all that does not look plain, a line a row that has any:
 * "12: 0-5 cyan bold, 60-67 243 on 236". The caller frees. */
char *vt_styles(const struct vt *v);
struct vt_cell vt_cell(const struct vt *v, int row, int col);
void vt_cursor(const struct vt *v, int *row, int *col, bool *visible);
const char *vt_title(const struct vt *v);
bool vt_altscreen(const struct vt *v);
int vt_bells(const struct vt *v);
/* The first place of `text` (plain) on the screen; false when it is not there. */
bool vt_find(const struct vt *v, const char *text, int *row, int *col);
/* Whether the POSIX extended regular expression matches within a row. */
bool vt_matches(const struct vt *v, const char *pattern);

/* Pumps the attached terminal until a row matches (until none does); false at the deadline. */
bool vt_wait(struct vt *v, const char *pattern, int ms);
bool vt_wait_gone(struct vt *v, const char *pattern, int ms);
/* The same with WAIT_MS; fails the test with the screen's text. */
void vt_must(struct vt *v, const char *pattern, bool there, const char *file, int line);
#define vt_expect(v, pattern) vt_must(v, pattern, true, __FILE__, __LINE__)
#define vt_expect_gone(v, pattern) vt_must(v, pattern, false, __FILE__, __LINE__)

#endif
