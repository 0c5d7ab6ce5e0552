/* pane/why: what the view asks of the chain's pane beyond what every pane can. */
#ifndef UI_PANE_WHY_H
#define UI_PANE_WHY_H

#include "agent/why.h"

/* Shows that chain from now on (takes it); of the same message the cursor stays where it is. */
void pane_why_set(void *self, struct why *w);
/* The chain that is shown, or NULL; lent. */
const struct why *pane_why(void *self);
/* The row under the cursor; NULL: none. */
const struct why_row *pane_why_selected(void *self);
/* The full id of the process that the row under the cursor is of; NULL: the channel itself. */
const char *pane_why_process(void *self);

#endif
