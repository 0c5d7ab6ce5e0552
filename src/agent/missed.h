/* missed: what happened in a stretch of time, out of the store, as the events that told of it then:
 * for a subscriber that was too slow to hear them. */
#ifndef AGENT_MISSED_H
#define AGENT_MISSED_H

#include "agent/agent.h"
#include "agent/bus.h"

#define MISSED_PAGE 100 /* entries read at once on the loop's thread */

/* Where a subscriber is in catching up. */
struct missed {
    int64_t since_ms, until_ms; /* wall clock, both included */
    int64_t at_ms, place;       /* behind the last one that was told; 0: from the beginning */
};

/* Tells the next page in order, each event as it was told live and with "from_store":true; what the
 * store does not keep (text as it streamed, lines of running tools, changes of state in between) is
 * not among them. *more: there may be another page; behind the last one comes what began then and
 * is not over: calls of tools, and requests that wait for a person. Only what is committed is
 * seen. */
enum status missed_page(struct agent *a, struct missed *m, bus_fn *fn, void *arg, bool *more,
                        struct cause *why) MUST_CHECK;

#endif
