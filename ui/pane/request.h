/* pane/request: what the view asks of the pane of requests beyond what every pane can. */
#ifndef UI_PANE_REQUEST_H
#define UI_PANE_REQUEST_H

#include "agent/exchange.h"

/* Shows these calls from now on, from the first one's beginning; copied. `left_out`: how many there
 * were before them. */
void pane_request_set(void *self, const struct exchange *calls, size_t n, size_t left_out);

#endif
