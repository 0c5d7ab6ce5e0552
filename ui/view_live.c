/* view_live: who has a live pane. Slots are kept: nothing changes its place because something else
 * did more. */
#include "ui/view-internal.h"

#include "base/str.h"

bool view_process_active(const struct process *p) {
    switch (p->state) {
    case PROCESS_STATE_THINKING:
    case PROCESS_STATE_RUNNING:
    case PROCESS_STATE_ASKING:
    case PROCESS_STATE_STALLED:
    case PROCESS_STATE_CANCELLING:
        return true;
    case PROCESS_STATE_WAITING:
        return p->kind != PROCESS_CHANNEL;
    case PROCESS_STATE_ENDED:
        return false;
    }
    return false;
}

static bool wants(const struct view *v, const struct process *p) {
    return p->kind != PROCESS_CHANNEL && view_process_active(p) &&
           !process_same(p->handle, v->shown);
}

static bool has_slot(const struct view *v, struct process_handle h) {
    for (int i = 0; i < v->nlive; i++)
        if (process_same(v->live_process[i], h))
            return true;
    return false;
}

/* An ended one keeps its slot until it has been seen; the transcript's own process needs none. */
static bool keeps(const struct view *v, const struct process *p) {
    return p && !process_same(p->handle, v->shown) && (view_process_active(p) || !p->seen);
}

static void give(struct view *v, int slot, struct process_handle h) {
    struct view_pane *pane = &v->live[slot];
    v->live_process[slot] = h;
    if (!pane->ops) {
        pane->ops = pane_ops(PANE_LIVE);
        pane->self = pane->ops->open();
    }
    pane->ops->show(pane->self, h);
    pane->drawn = 0;
}

static void take(struct view *v, int slot) {
    struct view_pane gone = v->live[slot];
    for (int i = slot; i + 1 < v->nlive; i++) {
        v->live[i] = v->live[i + 1];
        v->live_process[i] = v->live_process[i + 1];
        v->live[i].drawn = 0;
    }
    v->nlive--;
    v->live[v->nlive] = gone; /* the pane itself is kept for the next one */
    v->live_process[v->nlive] = PROCESS_NONE;
}

/* An ended one that could give its slot to one that runs; -1: none. */
static int spare(const struct view *v) {
    for (int i = 0; i < v->nlive; i++) {
        const struct process *p = process_get(v->processes, v->live_process[i]);
        if (!p || !view_process_active(p))
            return i;
    }
    return -1;
}

void view_live_update(struct view *v, int cols, int rows) {
    for (int i = v->nlive; i > 0; i--)
        if (!keeps(v, process_get(v->processes, v->live_process[i - 1])))
            take(v, i - 1);
    int most = layout_live_most(cols, rows);
    while (v->nlive > most)
        take(v, v->nlive - 1);
    v->live_extra = 0;
    size_t pos = 0;
    const struct process *p;
    while ((p = process_next(v->processes, &pos)) != NULL) {
        if (!wants(v, p) || has_slot(v, p->handle))
            continue;
        int slot = v->nlive < most ? v->nlive : spare(v);
        if (slot < 0) {
            v->live_extra++;
            continue;
        }
        if (slot == v->nlive)
            v->nlive++;
        give(v, slot, p->handle);
    }
    if (v->focus == FOCUS_LIVE && v->live_focus >= v->nlive) {
        v->live_focus = v->nlive - 1;
        if (v->nlive == 0)
            v->focus = FOCUS_COMPOSER;
    }
}

void view_live_seen(struct view *v) {
    for (int i = 0; i < v->nlive; i++) {
        const struct process *p = process_get(v->processes, v->live_process[i]);
        if (p && !view_process_active(p) && !p->seen)
            v->host.seen(v->host.arg, p->id);
    }
}
