/* view-internal: what the files of the view share: view.c (keys), view_draw.c (drawing),
 * view_live.c (who has a live pane). */
#ifndef UI_VIEW_INTERNAL_H
#define UI_VIEW_INTERNAL_H

#include "ui/composer.h"
#include "ui/layout.h"
#include "ui/pane.h"
#include "ui/view.h"

struct view_pane {
    const struct pane_ops *ops;
    void *self;
    uint64_t drawn; /* signature of what was drawn */
};

struct view {
    const struct process_table *table;
    struct view_host host;
    struct composer *composer;
    const struct theme *theme; /* of the last drawing; NULL before */
    struct layout layout, layout_drawn;
    bool help_drawn;
    int cols, rows;

    struct view_pane tree, transcript, help, live[LAYOUT_LIVE_MAX];
    struct process_handle live_process[LAYOUT_LIVE_MAX];
    int nlive;         /* processes that would like a live pane and have a slot */
    size_t live_extra; /* those that found none */

    struct process_handle shown;
    enum focus focus;
    int live_focus; /* which live pane, at FOCUS_LIVE */
    enum focus before_help;
    const char *const *greeting;

    char message[256];
    enum style message_style;
    int64_t interrupt_ns;               /* of the last Ctrl-C, 0: none */
    struct process_handle cancel_asked; /* x was pressed once on it */

    uint64_t own; /* grows with every change that is the view's */
    uint64_t own_drawn, table_drawn, composer_drawn, tick;
    int64_t loop_us_shown;
    uint64_t loop_us_tick;
};

/* view_draw.c */
struct pane_env view_env(const struct view *v);
char *view_label(const struct view *v); /* before the composer's text; the caller frees */

/* view_live.c: gives and takes slots; calm: a process keeps its slot while it runs. */
void view_live_update(struct view *v);
/* Those in a slot that have ended count as seen. */
void view_live_seen(struct view *v);

/* view.c */
bool view_can(const struct view *v, enum action a);
struct view_pane *view_focused_pane(struct view *v);
bool view_process_active(const struct process *p);
const struct process *view_channel_of(const struct view *v, const struct process *p);

#endif
