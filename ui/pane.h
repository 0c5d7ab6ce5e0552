/* pane: a kind of view of the processes, behind one table of operations. A new kind is one file in
 * pane/ and one row here; what it may look at comes in pane_env, what it wants goes out as an
 * answer. */
#ifndef UI_PANE_H
#define UI_PANE_H

#include "agent/inbox.h"
#include "agent/process.h"
#include "ui/journal_view.h"
#include "ui/keymap.h"
#include "ui/window.h"

/* X(NAME, variable): const struct pane_ops pane_<variable>, in pane/<variable>.c */
/* clang-format off */
#define PANE_TABLE(X)                                                                              \
    X(TREE, tree)                                                                                  \
    X(TRANSCRIPT, transcript)                                                                      \
    X(LIVE, live)                                                                                  \
    X(WALL, wall)                                                                                  \
    X(TABLE, table)                                                                                \
    X(INBOX, inbox)                                                                                \
    X(WHY, why_ops)                                                                                \
    X(REQUEST, request)                                                                            \
    X(HELP, help)
/* clang-format on */
enum pane_kind {
#define X(name, variable) PANE_##name,
    PANE_TABLE(X)
#undef X
};

struct pane_env {
    const struct process_table *table;
    const struct theme *theme;
    const struct inbox *inbox;   /* NULL: none */
    struct process_handle shown; /* whose journal is the transcript */
    int64_t now_ms;              /* wall clock */
    const char *const *greeting; /* lines for an empty transcript, NULL-terminated, or NULL */
    enum focus from;             /* where the help was opened */
    bool fresh;                  /* nothing of the last drawing is on the screen any more */
    size_t hidden;               /* live panes that found no room: the last one says so */
};

enum pane_verdict {
    PANE_IGNORED, /* the action means nothing here now */
    PANE_DONE,    /* draw it anew */
    PANE_SHOW     /* make `process` the one of the transcript */
};
struct pane_answer {
    enum pane_verdict verdict;
    struct process_handle process;
};

struct pane_ops {
    const char *name;
    void *(*open)(void);
    void (*close)(void *self);
    /* Which process it is about; NULL where the pane is about all. */
    void (*show)(void *self, struct process_handle process);
    /* Fills all of w. */
    void (*draw)(void *self, const struct pane_env *env, const struct window *w, bool focused);
    struct pane_answer (*act)(void *self, const struct pane_env *env, enum action a);
    /* Whether that action would do something now: the footer lists no others. */
    bool (*can)(void *self, const struct pane_env *env, enum action a);
    /* The journal it is a window onto, for searching and copying; NULL: none. */
    struct journal_view *(*journal)(void *self);
    /* Where that journal's process is; NULL: where all are. */
    const struct process_table *(*table)(void *self);
    /* The process under the cursor; PROCESS_NONE when there is none. */
    struct process_handle (*selected)(void *self, const struct pane_env *env);
};
const struct pane_ops *pane_ops(enum pane_kind k);

static inline bool process_same(struct process_handle a, struct process_handle b) {
    return a.index == b.index && a.generation == b.generation;
}

#endif
