/* preview: what a change to a file would put there, short enough to be read before it is allowed.
 */
#ifndef TOOLS_PREVIEW_H
#define TOOLS_PREVIEW_H

#include <stdbool.h>

#define PREVIEW_LINES 40u /* shown of a text, or of both texts of an edit together */
#define PREVIEW_LINE 240u /* bytes shown of one line */

/* Lines behind "+ ", and how much more there is. The caller frees; so below. */
char *preview_write(const char *content);
/* The lines that differ behind "- " and "+ ", with a line around them that does not. `every`: all
 * places are changed. */
char *preview_edit(const char *was, const char *becomes, bool every);

#endif
