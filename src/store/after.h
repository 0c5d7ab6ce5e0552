/* after: who waits for which sequence number, and which operations failed. Loop thread only. */
#ifndef STORE_AFTER_H
#define STORE_AFTER_H

#include "base/list.h"
#include "store/batch.h"
#include "store/store.h"

/* Failed operations that are remembered for whoever asks later (store.h says how many). */
#define AFTER_REMEMBERED 256

struct after_list {
    struct list waiting; /* by sequence number, then by registration */
    struct batch_failure remembered[AFTER_REMEMBERED];
    size_t nremembered; /* ever; the newest are in the ring */
    /* Of the batch that was just committed, lent while its callbacks run. */
    const struct batch_failure *fresh;
    size_t nfresh;
    bool calling;
};

void after_init(struct after_list *a);
struct store_after *after_add(struct after_list *a, uint64_t seq, enum status fixed,
                              store_after_fn *fn, void *arg);
/* Calls all that wait for `committed` or less and were there when it was called. */
void after_call(struct after_list *a, uint64_t committed);
void after_remember(struct after_list *a, const struct batch_failure *f, size_t n);
/* Frees all without a call. */
void after_clear(struct after_list *a);

#endif
