/* history: what was sent, per channel, in one file of the home: a line each, "channel TAB text",
 * escaped. */
#ifndef UI_HISTORY_H
#define UI_HISTORY_H

#include <stddef.h>

/* Calls fn for each line of the file, oldest first; a file that has grown past its bound is cut to
 * its newer part. A missing or broken file is an empty one. */
void history_load(const char *path, void (*fn)(void *arg, const char *channel, const char *text),
                  void *arg);
/* Appends one (0600). Texts over 16 KiB are not kept. */
void history_append(const char *path, const char *channel, const char *text);

#endif
