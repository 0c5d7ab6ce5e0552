/* files: the names in a workspace that begin as what a person has typed. */
#ifndef UI_FILES_H
#define UI_FILES_H

#include "base/str.h"
#include "sandbox/sandbox.h"

#define FILES_SCAN_MAX 4096u /* entries of a directory that are looked at: one millisecond */
#define FILES_MAX 256u       /* names that are given */

/* Appends the paths, relative to the workspace, that begin with `prefix`, sorted; directories end
 * in a slash. Hidden ones only where the prefix names them; none that could not stand in a message
 * (white space, control characters, not UTF-8). What may not be opened has no names. */
void files_begin_with(const struct sandbox *sb, const char *workspace, const char *prefix,
                      struct strv *out);

#endif
