/* after: see after.h. */
#include "store/after.h"

#include <assert.h>

#include "base/mem.h"

struct store_after {
    struct list link;
    uint64_t seq;
    enum status fixed; /* not OK: decided when it was asked */
    store_after_fn *fn;
    void *arg;
};

static struct store_after *of(struct list *l) { return list_entry(l, struct store_after, link); }

void after_init(struct after_list *a) { list_init(&a->waiting); }

struct store_after *after_add(struct after_list *a, uint64_t seq, enum status fixed,
                              store_after_fn *fn, void *arg) {
    struct store_after *n = xcalloc(1, sizeof(*n));
    n->seq = seq;
    n->fixed = fixed;
    n->fn = fn;
    n->arg = arg;
    /* Nearly always the last one. */
    struct list *at = a->waiting.prev;
    while (at != &a->waiting && of(at)->seq > seq)
        at = at->prev;
    list_insert_after(at, &n->link);
    return n;
}

void store_after_cancel(struct store_after **ap) {
    struct store_after *n = *ap;
    if (!n)
        return;
    list_remove(&n->link);
    x_free(ap);
}

void after_remember(struct after_list *a, const struct batch_failure *f, size_t n) {
    for (size_t i = 0; i < n; i++)
        a->remembered[a->nremembered++ % AFTER_REMEMBERED] = f[i];
}

/* How operation seq went: OK unless it is known to have failed. */
static enum status outcome(const struct after_list *a, const struct store_after *n,
                           struct cause *why) {
    why->text[0] = '\0';
    if (n->fixed == STATUS_LIMIT)
        return cause_set(why, n->fixed, "the store's queue was full: it was not written");
    if (n->fixed != STATUS_OK)
        return cause_set(why, n->fixed, "no such write was made");
    for (size_t i = 0; i < a->nfresh; i++)
        if (a->fresh[i].seq == n->seq) {
            *why = a->fresh[i].why;
            return a->fresh[i].status;
        }
    size_t kept = a->nremembered < AFTER_REMEMBERED ? a->nremembered : AFTER_REMEMBERED;
    for (size_t i = 0; i < kept; i++)
        if (a->remembered[i].seq == n->seq) {
            *why = a->remembered[i].why;
            return a->remembered[i].status;
        }
    return STATUS_OK;
}

void after_call(struct after_list *a, uint64_t committed) {
    assert(!a->calling);
    a->calling = true;
    /* Taken out first: those that callbacks add come next time. Cancelling works on either list. */
    struct list due;
    list_init(&due);
    list_for_safe(&a->waiting, it, next) {
        if (of(it)->seq > committed)
            break;
        list_remove(it);
        list_push_back(&due, it);
    }
    while (!list_empty(&due)) {
        struct store_after *n = of(due.next);
        struct cause why;
        enum status st = outcome(a, n, &why);
        store_after_fn *fn = n->fn;
        void *arg = n->arg;
        list_remove(&n->link);
        x_free(&n);
        fn(arg, st, why.text);
    }
    a->calling = false;
}

void after_clear(struct after_list *a) {
    list_for_safe(&a->waiting, it, next) {
        struct store_after *n = of(it);
        list_remove(it);
        x_free(&n);
    }
}
