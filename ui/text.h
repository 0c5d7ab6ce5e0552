/* text: what a piece of text is on a screen: user-perceived characters and how many columns they
 * take. The C library's wcwidth() rules, since curses lays out by it; utf8proc only finds where one
 * character ends. */
#ifndef UI_TEXT_H
#define UI_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* LC_CTYPE becomes C.UTF-8 for the whole process, whatever the environment says. */
void text_locale(void);

/* Columns of one code point as it is drawn: 0 for combining ones, 1 for what has no width of its
 * own (control characters and unassigned ones are drawn as a substitute), else 1 or 2. */
int text_cp_width(uint32_t cp);

/* The bytes of the character at s[0..n), n > 0, and its columns. Never 0; invalid bytes count one
 * by one. */
size_t text_next(const char *s, size_t n, int *width);

/* Columns of s[0..n), which is one line. */
int text_width(const char *s, size_t n);

/* Bytes of the longest beginning of s[0..n) that takes at most `max` columns; its columns in *width
 * (may be NULL). */
size_t text_fit(const char *s, size_t n, int max, int *width);

#endif
