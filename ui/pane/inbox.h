/* pane/inbox: what the view asks of the inbox pane beyond what every pane can. */
#ifndef UI_PANE_INBOX_H
#define UI_PANE_INBOX_H

#include "agent/inbox.h"

/* The request under the cursor; NULL: none waits. */
const struct inbox_request *pane_inbox_selected(void *self, const struct inbox *i);
/* It was all on the screen when that was last drawn. */
bool pane_inbox_whole(void *self, const struct inbox_request *r);

#endif
