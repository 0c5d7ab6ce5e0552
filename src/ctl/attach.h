/* attach: the placeholder: it keeps the shell's place while the engine draws on its terminal; and
 * the plain follower, which prints what happens as lines. */
#ifndef CTL_ATTACH_H
#define CTL_ATTACH_H

#include "ctl/client.h"

/* Hands the terminal on descriptor 0 or 1 over and waits until it comes back. The connection is
 * used up. Returns the exit code: 0 the person quit, was taken over, or the engine was stopped; 1
 * the engine died or refused (said on stderr); 128 + n for a signal. */
int attach_screen(struct ctl_conn *c);

/* Prints events as lines prefixed by the process's name until the engine ends (0) or a signal comes
 * (130). */
int attach_plain(struct ctl_conn *c);

#endif
