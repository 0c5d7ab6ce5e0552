/* view: what is on the screen and what keys do to it: the panes, which process is shown, where the
 * focus is. Knows processes by their table only; what it wants done goes through view_host. Draws
 * on curses' screen, never on a terminal. */
#ifndef UI_VIEW_H
#define UI_VIEW_H

#include "agent/exchange.h"
#include "agent/inbox.h"
#include "agent/process.h"
#include "agent/why.h"
#include "base/str.h"
#include "ui/keys.h"
#include "ui/theme.h"

struct view;

/* Calls of models, the last ones where there are many. */
#define VIEW_REQUESTS_MAX 16u
struct view_requests {
    struct exchange *calls;
    size_t n, left_out; /* left_out: earlier ones */
};

/* All may be called from view_key() only, but why(), which view_draw() calls too; texts are lent.
 */
struct view_host {
    void (*say)(void *arg, const char *channel, const char *text);
    void (*run)(void *arg, const char *channel, const char *command);
    /* Looks for the files of the channel's workspace whose path begins so; view_files() follows,
     * unless something else is looked for before that. */
    void (*files)(void *arg, const char *channel, const char *prefix);
    /* Adds the names of models that are known and begin so. */
    void (*models)(void *arg, const char *prefix, struct strv *out);
    void (*route)(void *arg, const char *process, const char *text); /* full ids from here on */
    void (*interrupt)(void *arg, const char *process);
    void (*cancel)(void *arg, const char *process);
    void (*seen)(void *arg, const char *process);
    void (*open)(void *arg, const char *channel); /* view_show() follows */
    void (*copy)(void *arg, const char *text);
    void (*suspend)(void *arg);
    /* `answer` as inbox_answer() takes it. */
    void (*answer)(void *arg, int64_t request, const char *answer, const char *remark);
    /* Of the channel's files; `redo`: of an undo. */
    void (*undo)(void *arg, const char *channel, bool redo, bool force);
    void (*dismiss)(void *arg); /* the interrupted runs have been looked at */
    /* What led to a message; the caller frees. NULL: `cause` says why not. */
    struct why *(*why)(void *arg, const char *message, struct cause *cause);
    /* What was sent for the chain's row (SIZE_MAX: for all of it) and what came back; the caller
     * frees. False: `cause` says why there is nothing. */
    bool (*requests)(void *arg, const struct why *w, size_t row, struct view_requests *out,
                     struct cause *cause);
    void (*redraw)(void *arg);
    void (*quit)(void *arg); /* the view may be freed inside: its last use of itself */
    void *arg;
};

/* What the status line and an empty transcript say; compared, not kept. */
struct view_facts {
    bool contained;              /* commands run in a sandbox */
    size_t interrupted;          /* runs that a crash cut off */
    const struct inbox *inbox;   /* outliving the view; NULL: none */
    const char *trouble;         /* what is wrong now and what to do; NULL: nothing. As greeting */
    const char *trouble_word;    /* the same for the status line */
    int64_t loop_us;             /* how long a turn of the loop took lately */
    const char *const *greeting; /* NULL-terminated, static or outliving the view */
};

/* What view_host.files() has found. Nothing is done with it when the person has gone on meanwhile.
 */
struct files_found;
void view_files(struct view *v, const char *channel, const char *prefix,
                const struct files_found *found);

/* history_path: NULL for none. The composer in it is the only one of the process. */
struct view *view_new(const struct process_table *t, const char *history_path,
                      const struct view_host *host);
void view_free(struct view **v);

/* Makes that process the one of the transcript. What is written goes to it while it is a channel or
 * a worker that has not ended, else to its channel. */
void view_show(struct view *v, struct process_handle p);
struct process_handle view_shown(const struct view *v);

/* now_ns: monotonic, for "twice within a second". */
void view_key(struct view *v, const struct key *k, int64_t now_ns);
/* A line in place of the footer until the next key. */
void view_message(struct view *v, enum style style, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A warning of the engine, above the composer until the next key. */
void view_warn(struct view *v, enum style style, const char *text);
/* A message could not be sent: back into the composer. */
void view_put_back(struct view *v, const char *channel, const char *text);

/* Whether anything that is shown differs from what was drawn last. Cheap: asked every turn. */
bool view_stale(const struct view *v);
/* Whether something is shown that changes by itself, once a second. */
bool view_ticks(const struct view *v);
/* The second has passed. */
void view_tick(struct view *v);
/* Everything has to be drawn anew (another terminal, another size). */
void view_dirty(struct view *v);
/* Brings curses' screen up to date. */
void view_draw(struct view *v, const struct theme *theme, int cols, int rows,
               const struct view_facts *facts);

#endif
