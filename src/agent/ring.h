/* ring: what one subscriber has not taken yet, bounded by bytes. Text deltas of a process that
 * follow each other are put together; everything else stays as it was and in its order. When even
 * that becomes too much, all of it goes, and the subscriber is told once how much it missed and of
 * which time: the store has what was decided then (see missed.h), and every text comes again when
 * it is whole. */
#ifndef AGENT_RING_H
#define AGENT_RING_H

#include "agent/bus.h"

#define RING_TEXT_MAX (256u * 1024u) /* of deltas put together in one event */

struct ring;
/* `limit`: bytes of events that it holds at most, its own overhead counted. */
struct ring *ring_new(size_t limit);
void ring_free(struct ring **r); /* NULL is fine; sets NULL */
void ring_push(struct ring *r, const struct bus_event *e);
/* A line of its own kind that is to come behind what waits now; it never goes. */
void ring_push_line(struct ring *r, const struct buf *line);
bool ring_empty(const struct ring *r);
size_t ring_bytes(const struct ring *r);

/* What went because of the limit. */
struct ring_lag {
    uint64_t missed;            /* events, deltas counted one by one */
    int64_t since_ms, until_ms; /* wall clock of the first and of the last of them */
};
/* What has gone since it was last asked; false: nothing. It came before all that the ring holds. */
bool ring_lag(struct ring *r, struct ring_lag *out);
/* The oldest event as bus_event_json() writes it, or the oldest line (*line), appended to out;
 * false: none. */
bool ring_pop(struct ring *r, struct buf *out, bool *line);

#endif
