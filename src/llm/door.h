/* door: who may be connecting to a host at the same moment. With HTTP/2 a connection takes a
 * hundred streams, but curl opens one for each request that finds the others full or not yet made:
 * let a thousand in at once and they make a thousand. So only a few may be on their way at a time,
 * and who comes after them finds what they have opened. Where a host turns out to speak HTTP/1
 * there is nothing to share, and more go at once. Knows nothing of curl. */
#ifndef LLM_DOOR_H
#define LLM_DOOR_H

#include <stdbool.h>

#include "base/list.h"

#define DOOR_WIDTH 8        /* at once, as long as connections may be shared */
#define DOOR_WIDTH_HTTP1 64 /* at once where they cannot: as many handshakes as are worth it */

/* All hosts that somebody goes to. */
struct doors {
    struct list hosts;
};

struct door;

/* One who goes; part of whatever goes. */
struct door_guest {
    struct list link;  /* while it waits */
    struct door *door; /* NULL: has not come, or has left */
    bool waiting, connecting;
};

void doors_init(struct doors *d);
/* Queues behind those who wait already. */
void door_enter(struct doors *d, struct door_guest *g, const char *host);
/* Who may go now, from then on connecting; NULL: nobody. In the order of coming, for each host. */
struct door_guest *door_next(struct doors *d);
/* It has its connection. Again is fine. */
void door_through(struct door_guest *g);
/* What the host has answered with. */
void door_learn(struct door_guest *g, bool http1);
/* It is over, wherever it was; the host is forgotten with its last guest. Again is fine. */
void door_leave(struct door_guest *g);

#endif
