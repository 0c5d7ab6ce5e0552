/* block: one journal entry as rows of a pane. What has been wrapped is kept until the entry
 * changes, and then only what is new is wrapped; what changes by itself (elapsed times, the state
 * of a linked process) is looked up when a row is drawn. */
#ifndef UI_BLOCK_H
#define UI_BLOCK_H

#include "agent/process.h"
#include "ui/markdown.h"
#include "ui/window.h"
#include "ui/wrap.h"

/* What rows are made for. */
struct block_env {
    const struct process_table *table;
    const struct process *process; /* whose journal it is */
    bool live;                     /* a live pane: output in full, no greeting of turns */
    int64_t now_ms;                /* wall clock */
};

struct block {
    uint64_t seq; /* 0: empty slot */
    uint64_t version;
    int width;
    bool unfolded, open;
    bool gap;           /* a blank row first */
    bool head;          /* a row that says what it is */
    bool mark;          /* a last row: it was interrupted */
    const char *prefix; /* symbol before the body's first row, or NULL */
    int indent;         /* of the body */
    unsigned style;     /* of the body */
    bool cut;           /* lines of the body end at the right edge, and are not continued */
    size_t skip, body;  /* rows of the body left out before, and shown */
    size_t more;        /* rows folded away after the body: one row says so */
    size_t result_skip; /* rows of the tool's result left out before */
    size_t results;     /* and shown */
    size_t rows;        /* all together; 0: not shown here */
    struct wrap text, result;
    bool rich; /* the body is in md, not in text */
    struct markdown md;
    char *label; /* TOOL: what is called */
};

/* Brings b up to date with entry number `index` (0...) of the journal. */
void block_update(struct block *b, const struct block_env *env, size_t index, int width,
                  bool unfolded, const struct theme *theme);
void block_draw(const struct block *b, const struct block_env *env, const struct journal_entry *e,
                size_t row, const struct window *w, int screen_row, unsigned flags);
/* Whether Enter folds or unfolds at that row; else a LINK or RESULT opens its process. */
bool block_folds(const struct block *b, const struct journal_entry *e, size_t row);
/* The text of a row of the body or the result, for searching; nothing for other rows. */
void block_row_text(const struct block *b, size_t row, struct buf *out);
void block_free(struct block *b);

#endif
