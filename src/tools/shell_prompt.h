/* shell_prompt: whether what a command printed last looks as if it waits for an answer. */
#ifndef TOOLS_SHELL_PROMPT_H
#define TOOLS_SHELL_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#define SHELL_PROMPT_MAX 200u /* bytes; whatever is longer is output */

/* `open`: no newline has come behind it. Then a question, a choice such as [y/N], words that ask
 * before a colon ("Password:", "Enter a name:") and the sign of an interpreter (">>> ", "mysql> ")
 * are prompts; a line that has ended is one only where it cannot be anything else: a choice, or a
 * key to press. What redraws itself (a carriage return) and what merely announces ("Linking: ") is
 * none: a command that works in silence is left alone. */
bool shell_prompt_like(const char *line, size_t n, bool open);

/* The command brings input of its own (a pipe, a here-document, a file): what it asks is answered
 * there, and what it does behind the question is work. */
bool shell_prompt_fed(const char *command);

#endif
