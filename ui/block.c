/* block: what each kind of entry looks like. A switch over the kinds has no default: a new kind has
 * to decide. */
#include "ui/block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tools/tool.h"
#include "ui/format.h"
#include "ui/text.h"

#define TASK_ROWS 6     /* of what a worker was told, until unfolded */
#define RESULT_ROWS 2   /* of what came back: the reply about it follows */
#define OUTPUT_ROWS 4   /* of a running tool's output, in a transcript */
#define PERSON_ROWS 20  /* of what a command prints that the person ran */
#define THINKING_ROWS 3 /* in a live pane */
#define CUT_COLS 4096   /* a line of output longer than this is continued, even in a live pane */
#define LABEL_JSON_MAX (64u * 1024)
#define LOOK_BACK 64 /* entries between a tool's output and its call */

void block_free(struct block *b) {
    wrap_free(&b->text);
    wrap_free(&b->result);
    markdown_free(&b->md);
    x_free(&b->label);
    memset(b, 0, sizeof *b);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* "shell make check": the tool's own words where it has some. */
static char *label_of(const struct journal_entry *e) {
    const char *name = e->title ? e->title : "tool";
    char *label = e->text.len > LABEL_JSON_MAX ? NULL : tool_label(name, buf_str(&e->text));
    return label ? label : xstrdup(name);
}

/* Calls whose effect has an entry of its own are shown only when they went wrong. */
static bool speaks_elsewhere(const char *tool) {
    enum tool_id id;
    if (!tool || tool_from_string(tool, &id) != STATUS_OK)
        return false;
    switch (id) {
    case TOOL_REPLY:
    case TOOL_ASK:
    case TOOL_BRANCH:
    case TOOL_SPAWN_WORKER:
    case TOOL_SET_STATUS:
    case TOOL_SKIP:
    case TOOL_REACT:
    case TOOL_SEND_FILE:
        return true;
    case TOOL_GET_STATUS:
    case TOOL_CHANNEL_RECALL:
    case TOOL_ATTACHMENT_RECALL:
    case TOOL_SEND_MESSAGE:
    case TOOL_MEMORY_SAVE:
    case TOOL_MEMORY_RECALL:
    case TOOL_MEMORY_DELETE:
    case TOOL_MEMORY_CONSOLIDATE:
    case TOOL_CANCEL:
    case TOOL_ROUTE:
    case TOOL_WORKER_INSPECT:
    case TOOL_SHELL:
    case TOOL_FILE_READ:
    case TOOL_FILE_WRITE:
    case TOOL_FILE_EDIT:
    case TOOL_FILE_LIST:
        return false;
    }
    return false;
}

/* The call whose output entry number `index` is; NULL when it is no longer there. */
static const struct journal_entry *call_of(const struct journal *j, size_t index) {
    const char *ref = j->v[index]->ref;
    for (size_t i = index, n = 0; ref && i > 0 && n < LOOK_BACK; i--, n++) {
        const struct journal_entry *e = j->v[i - 1];
        if (e->kind == JOURNAL_TOOL && str_eq(e->ref, ref))
            return e;
    }
    return NULL;
}

/* A turn is announced once: not again for what follows at once from the same speaker. */
static bool continues(const struct journal *j, size_t index) {
    if (index == 0)
        return false;
    const struct journal_entry *e = j->v[index], *before = j->v[index - 1];
    return before->kind == e->kind && str_eq(before->title, e->title) &&
           before->at_ms / 60000 == e->at_ms / 60000;
}

static void wrap_text(struct block *b, const struct journal_entry *e, int indent) {
    b->indent = indent;
    int width = b->width - indent;
    wrap_feed(&b->text, buf_str(&e->text), e->text.len, width > 0 ? width : 1, !e->open);
    b->body = wrap_lines(&b->text);
}

/* A glimpse: a line of it is a row, as much of it as fits. */
static void cut_text(struct block *b, const struct journal_entry *e, int indent) {
    b->indent = indent;
    b->cut = true;
    wrap_feed(&b->text, buf_str(&e->text), e->text.len, CUT_COLS, !e->open);
    b->body = wrap_lines(&b->text);
}

/* What is said to a person may be Markdown. */
static void wrap_markdown(struct block *b, const struct journal_entry *e, int indent, bool ascii) {
    b->indent = indent;
    b->rich = true;
    int width = b->width - indent;
    markdown_feed(&b->md, buf_str(&e->text), e->text.len, width > 8 ? width : 8, ascii, !e->open);
    b->body = b->md.nlines;
}

/* Shows the first `n` rows of the body; one row more tells of the rest. */
static void fold_after(struct block *b, size_t n) {
    if (b->unfolded || b->body <= n + 1)
        return;
    b->more = b->body - n;
    b->body = n;
}

static void fold_before(struct block *b, size_t n) {
    if (b->body <= n)
        return;
    b->skip = b->body - n;
    b->body = n;
}

/* A command line of the person's own: what it prints is why it was typed. */
static bool ran_by_person(const struct journal_entry *e) {
    return e->ref && str_prefix(e->ref, JOURNAL_PERSON) &&
           str_eq(e->title, tool_get(TOOL_SHELL)->name);
}

static void shape_tool(struct block *b, const struct block_env *env,
                       const struct journal_entry *e) {
    if (!e->is_error && speaks_elsewhere(e->title))
        return;
    b->head = true;
    if (!b->label)
        b->label = label_of(e);
    bool failed_live = env->live && e->is_error && !e->open, own = ran_by_person(e) && !e->open;
    if (!b->unfolded && !failed_live && !own)
        return;
    b->style = STYLE_DIM;
    if (b->unfolded)
        wrap_text(b, e, 4);
    wrap_free(&b->result); /* replaced, not appended to */
    wrap_feed(&b->result, buf_str(&e->result), e->result.len, b->width > 5 ? b->width - 4 : 1,
              true);
    b->indent = 4;
    b->results = wrap_lines(&b->result);
    size_t most = b->unfolded ? b->results : own ? PERSON_ROWS : OUTPUT_ROWS;
    if (b->results <= most)
        return;
    if (own) /* the end, as a terminal shows it */
        b->more = b->result_skip = b->results - most;
    b->results = most;
}

static void shape(struct block *b, const struct block_env *env, size_t index,
                  const struct theme *theme) {
    const struct journal *j = &env->process->journal;
    const struct journal_entry *e = j->v[index];
    b->style = STYLE_TEXT;
    b->mark = e->interrupted;
    switch (e->kind) {
    case JOURNAL_USER:
        b->head = !continues(j, index);
        b->gap = b->head && index > 0;
        wrap_text(b, e, 2);
        break;
    case JOURNAL_REPLY:
        b->head = !continues(j, index);
        wrap_markdown(b, e, 2, theme->ascii);
        break;
    case JOURNAL_TASK:
        b->mark = false;
        if (env->live)
            return;
        b->head = true;
        wrap_text(b, e, 2);
        fold_after(b, TASK_ROWS);
        break;
    case JOURNAL_TEXT:
        wrap_markdown(b, e, 2, theme->ascii);
        break;
    case JOURNAL_THINKING:
        b->head = true;
        b->style = STYLE_DIM;
        if (b->unfolded || (env->live && e->open))
            wrap_text(b, e, 4);
        if (!b->unfolded)
            fold_before(b, THINKING_ROWS);
        break;
    case JOURNAL_TOOL:
        shape_tool(b, env, e);
        break;
    case JOURNAL_OUTPUT: {
        const struct journal_entry *call = call_of(j, index);
        b->mark = false;
        b->style = str_eq(e->title, "stderr") ? STYLE_WARN : STYLE_DIM;
        if (env->live) {
            cut_text(b, e, 2);
            break;
        }
        if (!call || !call->open)
            return; /* the call's own entry has all of it as the result */
        wrap_text(b, e, 4);
        fold_before(b, ran_by_person(call) ? PERSON_ROWS : OUTPUT_ROWS);
        break;
    }
    case JOURNAL_STATUS:
        b->prefix = theme_symbol(theme, SYMBOL_IDLE);
        b->style = STYLE_DIM;
        wrap_text(b, e, 4);
        break;
    case JOURNAL_LINK:
        b->head = true;
        break;
    case JOURNAL_RESULT:
        b->head = true;
        if (env->live && !e->ref && !b->unfolded) { /* the last row of a pane that has ended */
            cut_text(b, e, 4);
            b->body = b->body > 1 ? 1 : b->body;
            break;
        }
        wrap_text(b, e, 4);
        fold_after(b, RESULT_ROWS);
        break;
    case JOURNAL_NOTICE:
        b->prefix = theme_symbol(theme, SYMBOL_ASKS);
        b->style = STYLE_WARN;
        wrap_text(b, e, 4);
        break;
    case JOURNAL_ERROR:
        b->prefix = theme_symbol(theme, SYMBOL_CROSS);
        b->style = STYLE_BAD;
        wrap_text(b, e, 4);
        break;
    }
    b->rows = (size_t)b->gap + b->head + b->body + (b->more > 0) + b->results + b->mark;
}

void block_update(struct block *b, const struct block_env *env, size_t index, int width,
                  bool unfolded, const struct theme *theme) {
    const struct journal_entry *e = env->process->journal.v[index];
    if (b->seq != e->seq) {
        block_free(b);
    } else if (b->version == e->version && b->width == width && b->unfolded == unfolded &&
               e->kind != JOURNAL_OUTPUT) {
        return;                       /* output depends on its call too */
    } else if (b->open && !e->open) { /* its final text need not be what was streamed */
        wrap_free(&b->text);
        markdown_free(&b->md);
        x_free(&b->label);
    }
    struct block fresh = {.seq = e->seq,
                          .version = e->version,
                          .width = width,
                          .unfolded = unfolded,
                          .open = e->open,
                          .text = b->text,
                          .result = b->result,
                          .md = b->md,
                          .label = b->label};
    *b = fresh;
    shape(b, env, index, theme);
}

bool block_folds(const struct block *b, const struct journal_entry *e, size_t row) {
    switch (e->kind) {
    case JOURNAL_TOOL:
    case JOURNAL_THINKING:
    case JOURNAL_TASK:
        return true;
    case JOURNAL_RESULT:
        return !e->ref || row > (size_t)b->gap;
    case JOURNAL_USER:
    case JOURNAL_REPLY:
    case JOURNAL_TEXT:
    case JOURNAL_OUTPUT:
    case JOURNAL_STATUS:
    case JOURNAL_LINK:
    case JOURNAL_NOTICE:
    case JOURNAL_ERROR:
        return false;
    }
    return false;
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* A row of three parts: what it is at the left, a word after it, numbers flush right. The left part
 * gives way. */
static void three_parts(const struct window *w, int row, unsigned flags, int width, int col,
                        unsigned left_style, const char *left, unsigned word_style,
                        const char *word, const char *right) {
    int right_width = text_width(right, strlen(right));
    int word_width = text_width(word, strlen(word));
    int end = width;
    if (right_width) {
        end -= right_width;
        if (end > col)
            window_puts(w, row, end, STYLE_DIM | flags, right);
        end -= 2;
    }
    if (word_width) {
        end -= word_width;
        if (end > col)
            window_puts(w, row, end, word_style | flags, word);
        end -= 2;
    }
    window_puts_cut(w, row, col, end - col, left_style | flags, left);
}

static size_t count_lines(const struct buf *b) {
    size_t n = 0;
    for (const char *at = b->data, *end = at ? at + b->len : at; at && at < end; n++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return n;
}

static void draw_tool(const struct block *b, const struct block_env *env,
                      const struct journal_entry *e, const struct window *w, int row,
                      unsigned flags) {
    char took[FORMAT_SIZE], right[2 * FORMAT_SIZE + 16];
    const char *word = e->interrupted ? "interrupted" : e->is_error ? "failed" : "ok";
    unsigned style = e->interrupted ? STYLE_WARN : e->is_error ? STYLE_BAD : STYLE_GOOD;
    if (e->open) {
        format_elapsed(env->now_ms - e->at_ms, took);
        snprintf(right, sizeof right, "%s", took);
        word = "running";
        style = STYLE_ACCENT;
    } else {
        format_duration(e->ended_ms - e->at_ms, took);
        size_t lines = count_lines(&e->result);
        if (lines > 1 && !b->unfolded)
            snprintf(right, sizeof right, "%s  %zu lines", took, lines);
        else
            snprintf(right, sizeof right, "%s", took);
    }
    window_symbol(w, row, 2, STYLE_DIM | flags, b->unfolded ? SYMBOL_UNFOLDED : SYMBOL_FOLDED);
    three_parts(w, row, flags, b->width, 4, STYLE_TEXT, b->label ? b->label : "tool", style, word,
                right);
}

static const char *symbol_of(const char *id, const struct theme *theme) {
    const char *colon = id ? strchr(id, ':') : NULL;
    enum process_kind kind = PROCESS_WORKER;
    if (colon) {
        char *name = xstrndup(id, (size_t)(colon - id));
        if (process_kind_from_string(name, &kind) != STATUS_OK)
            kind = PROCESS_WORKER;
        free(name);
    }
    return process_kind_symbol(kind, theme->ascii);
}

static unsigned outcome_style(enum process_outcome o) {
    switch (o) {
    case PROCESS_OUTCOME_SUCCEEDED:
        return STYLE_GOOD;
    case PROCESS_OUTCOME_PARTIAL:
    case PROCESS_OUTCOME_BLOCKED:
    case PROCESS_OUTCOME_CANCELLED:
        return STYLE_WARN;
    case PROCESS_OUTCOME_FAILED:
    case PROCESS_OUTCOME_TIMED_OUT:
        return STYLE_BAD;
    }
    return STYLE_TEXT;
}

static void draw_link(const struct block *b, const struct block_env *env,
                      const struct journal_entry *e, const struct window *w, int row,
                      unsigned flags) {
    const struct process *p = e->ref ? process_find(env->table, e->ref) : NULL;
    char right[FORMAT_SIZE] = "";
    const char *word = "ended";
    unsigned style = STYLE_DIM;
    if (p && p->state == PROCESS_STATE_ENDED) {
        word = process_outcome_name(p->outcome);
        style = outcome_style(p->outcome);
        format_duration(process_elapsed_ms(p), right);
    } else if (p) {
        word = p->tool ? p->tool : process_state_name(p->state);
        style = STYLE_ACCENT;
        format_elapsed(process_elapsed_ms(p), right);
    }
    /* Names get a column of their own, so that what they do stands in one too. */
    int col = window_puts(w, row, 2, STYLE_DIM | flags, symbol_of(e->ref, w->theme)) + 1;
    int name = b->width * 2 / 5 - col, end = b->width - text_width(right, strlen(right));
    if (name > 26)
        name = 26;
    window_puts_right(w, row, b->width, STYLE_DIM | flags, right);
    window_puts_cut(w, row, col, name, STYLE_STRONG | flags, e->title ? e->title : "process");
    col += name + 2;
    window_puts_cut(w, row, col, end - 2 - col, style | flags, word);
}

static void draw_result(const struct block *b, const struct block_env *env,
                        const struct journal_entry *e, const struct window *w, int row,
                        unsigned flags) {
    char clock[FORMAT_SIZE];
    format_clock(e->at_ms, env->now_ms, clock);
    unsigned style = e->is_error ? STYLE_BAD : STYLE_GOOD;
    const char *word = e->is_error ? "failed" : "done";
    if (!e->ref) { /* the process's own outcome, by name */
        enum process_outcome o;
        word = e->title ? e->title : word;
        if (process_outcome_from_string(word, &o) == STATUS_OK)
            style = outcome_style(o);
        window_symbol(w, row, 2, style | flags, e->is_error ? SYMBOL_CROSS : SYMBOL_CHECK);
        three_parts(w, row, flags, b->width, 4, style | STYLE_BOLD, word, STYLE_DIM, "", clock);
        return;
    }
    const struct process *p = process_find(env->table, e->ref);
    if (p && p->state == PROCESS_STATE_ENDED) {
        word = process_outcome_name(p->outcome);
        style = outcome_style(p->outcome);
    }
    int col = window_puts(w, row, 2, STYLE_DIM | flags, symbol_of(e->ref, w->theme)) + 1;
    char *left = xasprintf("%s %s #%s", e->title ? e->title : "process",
                           theme_symbol(w->theme, SYMBOL_ARROW),
                           env->process->channel ? env->process->channel : "");
    three_parts(w, row, flags, b->width, col, STYLE_STRONG, left, style, word, clock);
    free(left);
}

static void draw_turn(const struct block_env *env, const struct journal_entry *e,
                      const struct window *w, int row, unsigned flags, const char *who,
                      unsigned style) {
    char clock[FORMAT_SIZE];
    format_clock(e->at_ms, env->now_ms, clock);
    int col = window_puts_cut(w, row, 0, 40, style | STYLE_BOLD | flags, who);
    window_puts(w, row, col + 1, STYLE_DIM | flags, clock);
}

static void draw_thinking(const struct block *b, const struct block_env *env,
                          const struct journal_entry *e, const struct window *w, int row,
                          unsigned flags) {
    char took[FORMAT_SIZE];
    if (e->open)
        format_elapsed(env->now_ms - e->at_ms, took);
    else
        format_duration(e->ended_ms - e->at_ms, took);
    window_symbol(w, row, 2, STYLE_DIM | flags, b->unfolded ? SYMBOL_UNFOLDED : SYMBOL_FOLDED);
    three_parts(w, row, flags, b->width, 4, STYLE_DIM, e->open ? "thinking" : "thought", STYLE_DIM,
                "", took);
}

static void draw_head(const struct block *b, const struct block_env *env,
                      const struct journal_entry *e, const struct window *w, int row,
                      unsigned flags) {
    switch (e->kind) {
    case JOURNAL_USER:
        draw_turn(env, e, w, row, flags, e->title ? e->title : "you", STYLE_ACCENT);
        break;
    case JOURNAL_REPLY:
        draw_turn(env, e, w, row, flags, e->title ? e->title : "spacebot", STYLE_TEXT);
        break;
    case JOURNAL_TASK:
        draw_turn(env, e, w, row, flags, "task", STYLE_ACCENT);
        break;
    case JOURNAL_THINKING:
        draw_thinking(b, env, e, w, row, flags);
        break;
    case JOURNAL_TOOL:
        draw_tool(b, env, e, w, row, flags);
        break;
    case JOURNAL_LINK:
        draw_link(b, env, e, w, row, flags);
        break;
    case JOURNAL_RESULT:
        draw_result(b, env, e, w, row, flags);
        break;
    case JOURNAL_TEXT:
    case JOURNAL_OUTPUT:
    case JOURNAL_STATUS:
    case JOURNAL_NOTICE:
    case JOURNAL_ERROR:
        break; /* no head */
    }
}

static void draw_line(const struct block *b, const struct wrap *from, size_t i,
                      const struct window *w, int row, unsigned style) {
    size_t n;
    int indent;
    const char *text = wrap_line(from, i, &n, &indent);
    int col = b->indent + indent, room = b->width - col;
    if (b->cut && text_fit(text, n, room, NULL) < n) {
        const char *mark = w->theme->ascii ? ">" : theme_symbol(w->theme, SYMBOL_ELLIPSIS);
        window_put(w, row, col, room - 1, style, text, n);
        window_puts(w, row, b->width - 1, style, mark);
        return;
    }
    window_put(w, row, col, room, style, text, n);
}

static void draw_rich(const struct block *b, size_t i, const struct window *w, int row,
                      unsigned flags) {
    const struct markdown_line *l = &b->md.lines[i];
    int col = b->indent + l->indent, end = b->width;
    for (uint32_t s = l->first; s < l->first + l->n; s++) {
        const struct markdown_span *span = &b->md.spans[s];
        col = window_put(w, row, col, end - col, span->style | flags, b->md.text.data + span->off,
                         span->len);
    }
}

void block_draw(const struct block *b, const struct block_env *env, const struct journal_entry *e,
                size_t row, const struct window *w, int screen_row, unsigned flags) {
    window_clear_row(w, screen_row, STYLE_TEXT | flags);
    if (b->gap && row-- == 0)
        return;
    if (b->head && row-- == 0) {
        draw_head(b, env, e, w, screen_row, flags);
        return;
    }
    if (row < b->body) {
        if (row == 0 && b->prefix && !b->skip)
            window_puts(w, screen_row, 2, b->style | STYLE_BOLD | flags, b->prefix);
        if (b->rich)
            draw_rich(b, b->skip + row, w, screen_row, flags);
        else
            draw_line(b, &b->text, b->skip + row, w, screen_row, b->style | flags);
        return;
    }
    row -= b->body;
    if (b->more && row-- == 0) {
        char text[64];
        snprintf(text, sizeof text, "%s %zu more lines (Enter)",
                 theme_symbol(w->theme, SYMBOL_ELLIPSIS), b->more);
        window_puts(w, screen_row, b->indent, STYLE_DIM | flags, text);
        return;
    }
    if (row < b->results) {
        draw_line(b, &b->result, b->result_skip + row, w, screen_row,
                  (e->is_error && e->kind == JOURNAL_TOOL ? STYLE_WARN : STYLE_TEXT) | flags);
        return;
    }
    row -= b->results;
    if (b->mark && row == 0)
        window_puts(w, screen_row, b->indent ? b->indent : 2, STYLE_WARN | flags, "(interrupted)");
}

void block_row_text(const struct block *b, size_t row, struct buf *out) {
    size_t before = (size_t)b->gap + b->head, n;
    int indent;
    buf_reset(out);
    if (row < before)
        return;
    row -= before;
    if (row < b->body && b->rich) {
        const struct markdown_line *l = &b->md.lines[b->skip + row];
        for (uint32_t s = l->first; s < l->first + l->n; s++)
            buf_append(out, b->md.text.data + b->md.spans[s].off, b->md.spans[s].len);
    } else if (row < b->body) {
        const char *text = wrap_line(&b->text, b->skip + row, &n, &indent);
        buf_append(out, text, n);
    } else if (row - b->body - (b->more > 0) < b->results && row >= b->body + (b->more > 0)) {
        const char *text =
            wrap_line(&b->result, b->result_skip + row - b->body - (b->more > 0), &n, &indent);
        buf_append(out, text, n);
    }
}
