/* child_queue: a list of calls, one of which is made each turn at the end of its callbacks. */
#include "loop/child_queue.h"

#include "base/list.h"
#include "base/mem.h"

struct child_place {
    struct list link;
    struct loop *loop;
    loop_fn *fn;
    void *arg;
};

static struct list queue = {&queue, &queue};

/* Deferred exactly as long as somebody waits, once; a deferred call runs once a turn. */
static void let_through(void *arg) {
    struct loop *l = arg;
    struct child_place *p = list_entry(queue.next, struct child_place, link);
    loop_fn *fn = p->fn;
    void *fn_arg = p->arg;
    list_remove(&p->link);
    x_free(&p);
    if (!list_empty(&queue))
        loop_defer(l, let_through, l);
    fn(fn_arg); /* may queue again: last, and for a later turn */
}

struct child_place *child_queue(struct loop *l, loop_fn *fn, void *arg) {
    struct child_place *p = xcalloc(1, sizeof *p);
    p->loop = l;
    p->fn = fn;
    p->arg = arg;
    if (list_empty(&queue))
        loop_defer(l, let_through, l);
    list_push_back(&queue, &p->link);
    return p;
}

void child_queue_leave(struct child_place **pp) {
    struct child_place *p = *pp;
    *pp = NULL;
    if (!p)
        return;
    list_remove(&p->link);
    if (list_empty(&queue))
        loop_undefer(p->loop, let_through, p->loop);
    x_free(&p);
}
