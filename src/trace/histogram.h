/* histogram: how often values of each size came, in little memory, for percentiles. */
#ifndef TRACE_HISTOGRAM_H
#define TRACE_HISTOGRAM_H

#include <stdint.h>

/* Log-linear: each power of two is cut into 32 equal buckets, so a value is known to 1/32 (3.1 %)
 * and reported as the middle of its bucket (1.6 %); below 64 exactly. Values past 2^40 count as
 * 2^40. */
#define HISTOGRAM_BITS 40
#define HISTOGRAM_BUCKETS (64 + (HISTOGRAM_BITS - 6) * 32)

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    int64_t max; /* exact */
};

/* Negative counts as 0. A zeroed struct is empty. */
void histogram_add(struct histogram *h, int64_t value);
/* Adds all of another's values. */
void histogram_merge(struct histogram *h, const struct histogram *from);
/* The value that a share of `percentile` (0..1) does not exceed; 0 when empty; at 1 the exact
 * maximum. */
int64_t histogram_percentile(const struct histogram *h, double percentile);

#endif
