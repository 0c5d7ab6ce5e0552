/* limit: what a process may still use: tokens and money of its own, and the day's money that all
 * share. Asked before every model call, so that what is over is over by one call at most. */
#ifndef AGENT_LIMIT_H
#define AGENT_LIMIT_H

#include "agent/agent.h"

/* The money of one day (UTC). */
struct limit_day {
    char day[11]; /* 2026-11-24 */
    double spent; /* dollars */
};

/* What was spent today before this engine began. */
enum status limit_day_load(struct limit_day *d, struct store_read *r, struct cause *why) MUST_CHECK;
void limit_day_spend(struct limit_day *d, double dollars);
/* Of today; 0 when the last was spent yesterday. */
double limit_day_spent(const struct limit_day *d);

/* Whether one more model call is within the limits; else `why` says plainly which is reached, and
 * by which key it is set. `before`: what the process had used when the work began that counts. */
bool limit_allows(const struct agent *a, const struct process *p, const struct llm_usage *before,
                  struct cause *why);

#endif
