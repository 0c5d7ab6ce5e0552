/* terminfo: what is known of a type of terminal, before anything is drawn. */
#ifndef UI_TERMINFO_H
#define UI_TERMINFO_H

#include "base/status.h"

/* Whether curses can draw on such a terminal; STATUS_INVALID with a cause for people. */
enum status terminfo_check(const char *term, struct cause *why) MUST_CHECK;

/* Appends what makes all `rows` lines of the present screen's terminal scroll together: newterm()
 * tells it terminfo's own number of lines, and resizeterm() does not tell it another. */
struct buf;
void terminfo_scroll_all(int rows, struct buf *out);

#endif
