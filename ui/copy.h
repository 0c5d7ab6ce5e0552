/* copy: text out of the program: to the terminal's clipboard, and to a file for when that does not
 * listen. */
#ifndef UI_COPY_H
#define UI_COPY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"

/* Base64 of more than this is refused or cut by common terminals (xterm, kitty and tmux take 74994
 * bytes of text at least). */
#define COPY_MAX 74994u

/* Appends the OSC 52 sequence for a terminal of this type; inside screen it is wrapped, so that it
 * reaches the terminal outside. tmux knows it by itself. False: too long. */
bool copy_sequence(const char *term, const char *text, size_t n, struct buf *out);
/* Replaces the file (0600). */
enum status copy_to_file(const char *path, const char *text, size_t n,
                         struct cause *why) MUST_CHECK;

#endif
