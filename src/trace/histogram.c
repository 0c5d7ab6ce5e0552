/* histogram: log-linear buckets, as in HdrHistogram. */
#include "trace/histogram.h"

#include <math.h>
#include <stddef.h>

#define SUB_BITS 5 /* 32 buckets a power of two */
#define EXACT 64   /* values below it have buckets of their own */

static size_t bucket_of(int64_t value) {
    if (value < EXACT)
        return (size_t)value;
    int top = 63 - __builtin_clzll((unsigned long long)value); /* >= 6 */
    size_t sub = (size_t)(value >> (top - SUB_BITS)) & 31;
    return EXACT + (size_t)(top - 6) * 32 + sub;
}

static int64_t middle_of(size_t bucket) {
    if (bucket < EXACT)
        return (int64_t)bucket;
    int top = (int)((bucket - EXACT) / 32) + 6;
    int64_t sub = (int64_t)((bucket - EXACT) % 32);
    int64_t width = INT64_C(1) << (top - SUB_BITS);
    return (32 + sub) * width + width / 2;
}

void histogram_add(struct histogram *h, int64_t value) {
    if (value < 0)
        value = 0;
    if (value > h->max)
        h->max = value;
    const int64_t most = (INT64_C(1) << HISTOGRAM_BITS) - 1;
    h->buckets[bucket_of(value > most ? most : value)]++;
    h->count++;
}

void histogram_merge(struct histogram *h, const struct histogram *from) {
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->buckets[i] += from->buckets[i];
    h->count += from->count;
    if (from->max > h->max)
        h->max = from->max;
}

int64_t histogram_percentile(const struct histogram *h, double percentile) {
    if (!h->count)
        return 0;
    if (percentile >= 1)
        return h->max;
    double rank = ceil((percentile > 0 ? percentile : 0) * (double)h->count);
    uint64_t want = rank < 1 ? 1 : (uint64_t)rank;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= want)
            return middle_of(i) < h->max ? middle_of(i) : h->max;
    }
    return h->max;
}
