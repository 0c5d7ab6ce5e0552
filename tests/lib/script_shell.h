/* script_shell: the shell tool without processes. A test links this in place of tools/shell.c; the
 * command's first word says what becomes of it, in virtual time:
 *   say TEXT     TEXT at once
 *   fail TEXT    an error at once
 *   after N TEXT TEXT after N milliseconds
 *   long TEXT    never by itself; asked to stop, TEXT a millisecond later
 *   never        never at all, whoever asks */
#ifndef TESTS_SCRIPT_SHELL_H
#define TESTS_SCRIPT_SHELL_H

#include <stddef.h>

/* Commands that run now: 0 when everything has settled. */
size_t script_shell_running(void);

#endif
