/* view_request: r: what was sent to models for a reply, or for a row of its chain, and what came
 * back. */
#include "base/mem.h"
#include "base/str.h"
#include "ui/pane/request.h"
#include "ui/pane/why.h"
#include "ui/view-internal.h"

bool view_request_can(const struct view *v) {
    return v->focus == FOCUS_REQUEST || (v->focus == FOCUS_WHY && pane_why(v->why_pane.self)) ||
           view_why_can(v);
}

void view_request_back(struct view *v) { v->focus = v->request_of; }

/* Of the chain w; row: SIZE_MAX: all of it. */
static void show(struct view *v, const struct why *w, size_t row) {
    struct view_requests found = {0};
    struct cause why = {""};
    if (!v->host.requests(v->host.arg, w, row, &found, &why)) {
        view_message(v, STYLE_DIM, "%s", why.text);
        return;
    }
    pane_request_set(v->request_pane.self, found.calls, found.n, found.left_out);
    for (size_t i = 0; i < found.n; i++)
        exchange_free(&found.calls[i]);
    x_free(&found.calls);
    v->request_of = v->focus;
    v->zoomed = false;
    v->focus = FOCUS_REQUEST;
    v->request_pane.drawn = 0;
}

/* The row under the cursor, or the one it is part of; a message stands for the whole chain. */
static size_t row_of(const struct why *w, const struct why_row *r) {
    size_t i = r ? (size_t)(r - w->v) : SIZE_MAX;
    while (i != SIZE_MAX && (w->v[i].kind == WHY_TOOL || w->v[i].kind == WHY_MEMORY))
        i = why_parent(w, i);
    if (i != SIZE_MAX && (w->v[i].kind == WHY_MESSAGE || w->v[i].kind == WHY_REPLY))
        i = SIZE_MAX;
    return i;
}

void view_request(struct view *v) {
    struct cause cause = {""};
    if (v->focus == FOCUS_REQUEST) {
        view_request_back(v);
        return;
    }
    const struct why *shown = v->focus == FOCUS_WHY ? pane_why(v->why_pane.self) : NULL;
    if (shown) {
        show(v, shown, row_of(shown, pane_why_selected(v->why_pane.self)));
        return;
    }
    const char *message = view_why_message(v);
    struct why *w = message ? v->host.why(v->host.arg, message, &cause) : NULL;
    if (w)
        show(v, w, SIZE_MAX);
    else
        view_message(v, STYLE_DIM, "%s",
                     message ? cause.text : "nothing has been replied here yet");
    why_free(&w);
}
