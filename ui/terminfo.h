/* terminfo: what is known of a type of terminal, before anything is drawn. */
#ifndef UI_TERMINFO_H
#define UI_TERMINFO_H

#include "base/status.h"

/* Whether curses can draw on such a terminal; STATUS_INVALID with a cause for people. */
enum status terminfo_check(const char *term, struct cause *why) MUST_CHECK;

#endif
