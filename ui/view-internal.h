/* view-internal: what the files of the view share: view.c (keys), view_draw.c (drawing),
 * view_live.c (who has a live pane). */
#ifndef UI_VIEW_INTERNAL_H
#define UI_VIEW_INTERNAL_H

#include "ui/composer.h"
#include "ui/layout.h"
#include "ui/pane.h"
#include "ui/prompt.h"
#include "ui/view.h"

struct view_pane {
    const struct pane_ops *ops;
    void *self;
    uint64_t drawn; /* signature of what was drawn */
};

struct view {
    const struct process_table *processes;
    struct view_host host;
    struct composer *composer;
    const struct theme *theme; /* of the last drawing; NULL before */
    struct layout layout, layout_drawn;
    const struct view_pane *wide_drawn; /* what took the place of the panes in the last frame */
    int cols, rows;

    struct view_pane tree, transcript, help, wall, table, inbox_pane, why_pane, request_pane,
        live[LAYOUT_LIVE_MAX];
    struct process_handle live_process[LAYOUT_LIVE_MAX];
    int nlive;         /* processes that would like a live pane and have a slot */
    size_t live_extra; /* those that found none */

    struct process_handle shown;
    struct process_handle written_to; /* the worker that the composer writes to; none: a channel */
    enum focus focus;
    int live_focus; /* which live pane, at FOCUS_LIVE */
    enum focus
        before; /* the focus that the help, the wall, the table or a prompt was opened from */
    enum focus request_of; /* the focus that the requests were opened from */
    enum focus prompt_of;  /* and a prompt's own, which may be one of those */
    bool zoomed;           /* the focused pane alone */
    struct prompt prompt;
    char *needle; /* what was searched last */
    const char *const *greeting;
    const struct inbox *inbox;
    size_t interrupted; /* runs that a crash cut off and nobody has looked at */

    uint64_t why_version; /* of the table, when the chain was read */
    int64_t why_ns;       /* and when that was */

    char message[256];
    enum style message_style;
    char warning[256];
    enum style warning_style;
    const char *trouble;                /* of the facts */
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

/* view_file.c: the name of a file behind an at sign before the cursor. */
bool view_at_file(const struct view *v);
void view_complete_file(struct view *v);

/* view_live.c: gives and takes slots, as many as a screen of that size has room for; calm: a
 * process keeps its slot while it runs. */
void view_live_update(struct view *v, int cols, int rows);
/* Those in a slot that have ended count as seen. */
void view_live_seen(struct view *v);

/* view_why.c: the chain behind the reply that the transcript's cursor is at. */
bool view_why_can(const struct view *v);
void view_why(struct view *v);
/* Something of the chain that is shown may have gone on. */
bool view_why_stale(const struct view *v);
void view_why_refresh(struct view *v);
/* Enter on a row: to its process `h`, which may be gone. */
void view_why_open(struct view *v, struct process_handle h);
/* The message that W would be about; NULL: none. Lent. */
const char *view_why_message(struct view *v);

/* view_request.c: the calls of models behind the reply or the row. */
bool view_request_can(const struct view *v);
void view_request(struct view *v);
void view_request_back(struct view *v);

/* view_command.c: what is asked for by a prompt. */
void view_prompt_start(struct view *v, char sign);
void view_prompt_key(struct view *v, const struct key *k, int64_t now_ns);
void view_search(struct view *v, int by);
void view_copy(struct view *v);

/* view.c */
/* What takes the place of the panes: the help, the wall, the table, or a zoomed pane; NULL: nothing
 * does. */
struct view_pane *view_wide(struct view *v);
bool view_act(struct view *v, enum action a, const struct key *k, int64_t now_ns);
/* Instead of the panes, and back again. */
void view_toggle_wide(struct view *v, enum focus f);
void view_open_process(struct view *v, struct process_handle h);
bool view_can(const struct view *v, enum action a);
struct view_pane *view_focused_pane(struct view *v);
bool view_process_active(const struct process *p);
const struct process *view_channel_of(const struct view *v, const struct process *p);

#endif
