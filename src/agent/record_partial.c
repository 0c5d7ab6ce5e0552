/* record_partial: text that is still being written, so that a crash costs a quarter of a second of
 * it. All processes are saved at the same moments: a thousand streams then cost a few batches a
 * second, not one each. */
#include <stdlib.h>

#include "agent/record.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/queries.gen.h"

#define SAVED_A_TURN 256 /* the rest is for the next one */

static void save(struct agent *a, struct record_partial *r) {
    const struct process *p = process_get(agent_processes(a), r->process);
    if (r->waiting)
        list_remove(&r->link);
    r->waiting = false;
    if (!p || !r->text.len)
        return;
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->pieces = xreallocarray(r->pieces, r->cap, sizeof(*r->pieces));
    }
    r->pieces[r->n] = ++agent_partials(a)->pieces;
    store_partial_add(agent_parts(a)->store, r->pieces[r->n++], p->id, p->channel,
                      buf_str(&r->text), clock_wall_ms());
    buf_reset(&r->text);
}

static void save_all(void *arg) {
    struct agent *a = arg;
    struct record_partials *all = agent_partials(a);
    all->timer = NULL;
    for (int i = 0; i < SAVED_A_TURN && !list_empty(&all->waiting); i++)
        save(a, list_entry(all->waiting.next, struct record_partial, link));
    if (!list_empty(&all->waiting))
        all->timer = loop_timer(agent_parts(a)->loop, 0, save_all, a, "partial texts");
}

void record_partial_add(struct agent *a, const struct process *p, struct record_partial *r,
                        const char *text, size_t n) {
    struct record_partials *all = agent_partials(a);
    r->process = p->handle;
    buf_append(&r->text, text, n);
    if (r->text.len >= RECORD_PARTIAL_BYTES) {
        save(a, r);
    } else if (!r->waiting) {
        r->waiting = true;
        list_push_back(&all->waiting, &r->link);
    }
    if (!all->timer && !list_empty(&all->waiting))
        all->timer =
            loop_timer(agent_parts(a)->loop, RECORD_PARTIAL_NS, save_all, a, "partial texts");
}

void record_partial_end(struct agent *a, struct record_partial *r) {
    if (r->waiting)
        list_remove(&r->link);
    for (size_t i = 0; i < r->n; i++)
        store_partial_delete(agent_parts(a)->store, r->pieces[i]);
    free(r->pieces);
    buf_free(&r->text);
    *r = (struct record_partial){0};
}

void record_partials_init(struct record_partials *all) {
    *all = (struct record_partials){0};
    list_init(&all->waiting);
}

void record_partials_stop(struct record_partials *all) { loop_timer_del(&all->timer); }
