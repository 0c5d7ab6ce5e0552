/* view_why: W: which reply is meant, and where the rows of its chain lead. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "ui/pane/why.h"
#include "ui/view-internal.h"

#define AGAIN_NS (NS_PER_SEC / 2) /* what still runs is read again so often at most */

/* A message of which the store can tell. */
static bool is_message(const struct journal_entry *e, bool of_people) {
    return e->ref && (e->kind == JOURNAL_REPLY || (of_people && e->kind == JOURNAL_USER));
}

/* From `at` on downwards, else upwards: what came of it is told below it. */
static const struct journal_entry *reply_near(const struct journal *j, size_t at) {
    for (size_t i = at; i < j->n; i++)
        if (is_message(j->v[i], false))
            return j->v[i];
    for (size_t i = at < j->n ? at : j->n; i-- > 0;)
        if (is_message(j->v[i], false))
            return j->v[i];
    return NULL;
}

/* The entry under the cursor, if it was said; else the reply that tells of it; NULL: there is none.
 * Of a worker or a branch the reply of its channel that does. */
static const struct journal_entry *meant(struct view *v) {
    const struct process *p = process_get(v->processes, v->shown);
    const struct process *channel = view_channel_of(v, p);
    if (!channel)
        return NULL;
    const struct journal *j = &channel->journal;
    size_t at = j->n;
    if (p == channel) {
        struct journal_view *jv = v->transcript.ops->journal(v->transcript.self);
        const struct journal_entry *e =
            v->theme ? journal_view_entry(jv, v->processes, v->theme) : NULL;
        if (e && is_message(e, true))
            return e;
        for (size_t i = 0; e && i < j->n; i++)
            if (j->v[i] == e)
                at = i;
    } else {
        for (size_t i = 0; i < j->n; i++)
            if (str_eq(j->v[i]->ref, p->id))
                at = i;
    }
    return reply_near(j, at);
}

bool view_why_can(const struct view *v) { return meant((struct view *)v) != NULL; }

const char *view_why_message(struct view *v) {
    const struct journal_entry *e = meant(v);
    return e ? e->ref : NULL;
}

static bool load(struct view *v, const char *message) {
    struct cause why = {""};
    struct why *w = v->host.why(v->host.arg, message, &why);
    v->why_version = process_table_version(v->processes);
    v->why_ns = clock_mono_ns();
    if (w)
        pane_why_set(v->why_pane.self, w);
    else
        view_message(v, STYLE_BAD, "%s", why.text);
    return w != NULL;
}

void view_why(struct view *v) {
    const struct journal_entry *e = meant(v);
    if (v->focus == FOCUS_WHY)
        view_toggle_wide(v, FOCUS_WHY); /* and back */
    else if (!e)
        view_message(v, STYLE_DIM, "nothing has been replied here yet");
    else if (load(v, e->ref))
        view_toggle_wide(v, FOCUS_WHY);
}

bool view_why_stale(const struct view *v) {
    const struct why *w = v->focus == FOCUS_WHY ? pane_why(v->why_pane.self) : NULL;
    return w && w->running && v->why_version != process_table_version(v->processes);
}

void view_why_refresh(struct view *v) {
    if (!view_why_stale(v) || clock_mono_ns() - v->why_ns < AGAIN_NS)
        return;
    char *message = xstrdup(pane_why(v->why_pane.self)->asked);
    (void)load(v, message);
    v->own++;
    x_free(&message);
}

/* To where a message stands in the transcript, as far as it is still there. */
static void go_to(struct view *v, const char *message) {
    const struct process *p = process_get(v->processes, v->shown);
    for (size_t i = p ? p->journal.n : 0; i-- > 0;) {
        const struct journal_entry *e = p->journal.v[i];
        if (!is_message(e, true) || !str_eq(e->ref, message))
            continue;
        journal_view_go(v->transcript.ops->journal(v->transcript.self), v->processes, v->theme,
                        e->seq);
        v->focus = FOCUS_TRANSCRIPT;
        return;
    }
}

void view_why_open(struct view *v, struct process_handle h) {
    const struct why_row *r = pane_why_selected(v->why_pane.self);
    const char *id = pane_why_process(v->why_pane.self);
    if (h.generation) {
        char *message =
            r && (r->kind == WHY_MESSAGE || r->kind == WHY_REPLY) ? xstrdup(r->id) : NULL;
        view_open_process(v, h);
        if (message)
            go_to(v, message);
        x_free(&message);
    } else if (id) {
        view_message(v, STYLE_DIM, "it has ended long ago: spacebot log %.20s shows what it did",
                     id);
    }
}
