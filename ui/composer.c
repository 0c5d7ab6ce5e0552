/* composer: readline without a terminal. It is given whole keys and whole pastes, reads from a
 * queue that is never asked when empty, writes to /dev/null, and is never in the middle of a key
 * when drafts are exchanged. */
#include "ui/composer.h"

#include <assert.h>
#include <stdio.h>
/* clang-format off: readline's headers need stdio before them. */
#include <readline/history.h>
#include <readline/readline.h>
/* clang-format on */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "ui/history.h"
#include "ui/text.h"

#define PROMPT "> "
#define HISTORY_MAX 500
#define QUEUE_MAX 256

struct draft {
    char *text; /* while another channel is shown */
    int point;
    HISTORY_STATE *history;
    struct strv loaded; /* from the file, not yet given to readline */
};

struct composer {
    composer_send_fn *fn;
    void *arg;
    char *history_path;
    struct map *drafts; /* by channel */
    struct draft *now;
    char *channel; /* of `now` */
    uint64_t version;
};

/* Readline has no argument for its callbacks, and one state. */
static struct composer *only;
static unsigned char queue[QUEUE_MAX];
static size_t queue_at, queue_n;
static bool started, discard, accepted;

/* ---- readline's side ------------------------------------------------------------------------- */

static int next_byte(FILE *f) {
    (void)f;
    /* Never asked when empty, but for a command that wants more than it was given: it gets Ctrl-G.
     */
    return queue_at < queue_n ? queue[queue_at++] : 7;
}

static int bytes_there(void) { return queue_at < queue_n; }

static void redisplay(void) {
    if (only)
        only->version++;
}

static void ignore_matches(char **matches, int n, int longest) {
    (void)matches;
    (void)n;
    (void)longest;
}

static char **no_completion(const char *text, int start, int end) {
    (void)text;
    (void)start;
    (void)end;
    rl_attempted_completion_over = 1; /* the engine's files are nobody's business here */
    return NULL;
}

static bool blank(const char *s) { return s[strspn(s, " \t\n")] == '\0'; }

static void line_done(char *line) {
    accepted = true;
    if (!line)
        return;
    if (!discard && only && !blank(line)) {
        HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
        if (!last || !str_eq(last->line, line))
            add_history(line);
        while (history_length > HISTORY_MAX)
            (void)free_history_entry(remove_history(0));
        if (only->history_path)
            history_append(only->history_path, only->channel, line);
        only->fn(only->arg, only->channel, line);
    }
    free(line);
}

static void bind(const char *seq, rl_command_func_t *fn) {
    (void)rl_bind_keyseq_if_unbound_in_map(seq, fn, emacs_standard_keymap);
    (void)rl_bind_keyseq_if_unbound_in_map(seq, fn, vi_insertion_keymap);
    (void)rl_bind_keyseq_if_unbound_in_map(seq, fn, vi_movement_keymap);
}

/* Once a process. Readline takes its locale from the environment, and again with every new line,
 * and sets it for the whole process: so the environment names the one that holds here. Children
 * have theirs told apart. */
static void start(void) {
    if (started)
        return;
    started = true;
    rl_instream = fopen("/dev/null", "re");
    rl_outstream = fopen("/dev/null", "we");
    rl_readline_name = "spacebot";
    rl_terminal_name = "dumb";
    rl_catch_signals = rl_catch_sigwinch = rl_change_environment = 0;
    rl_prep_term_function = NULL;
    rl_deprep_term_function = NULL;
    rl_getc_function = next_byte;
    rl_input_available_hook = bytes_there;
    rl_redisplay_function = redisplay;
    rl_completion_display_matches_hook = ignore_matches;
    rl_attempted_completion_function = no_completion;
    setenv("LC_ALL", "C.UTF-8", 1);
    (void)rl_initialize();
    text_locale();
    bind("\\e[H", rl_beg_of_line);
    bind("\\e[F", rl_end_of_line);
    bind("\\e[3~", rl_delete);
    bind("\\e[1;5C", rl_forward_word);
    bind("\\e[1;5D", rl_backward_word);
    bind("\\e[1;3C", rl_forward_word);
    bind("\\e[1;3D", rl_backward_word);
    bind("\\e[3;5~", rl_kill_word);
    using_history();
    rl_callback_handler_install(PROMPT, line_done);
}

static void feed(const void *bytes, size_t n) {
    if (n > QUEUE_MAX)
        return;
    memcpy(queue, bytes, n);
    queue_at = 0;
    queue_n = n;
    while (queue_at < queue_n)
        rl_callback_read_char();
    if (only)
        only->version++;
}

/* The states in which a key belongs to a command that has begun. */
#define HALFWAY                                                                                    \
    (RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_SEARCH | RL_STATE_NUMERICARG |                 \
     RL_STATE_MULTIKEY | RL_STATE_VIMOTION | RL_STATE_METANEXT | RL_STATE_MOREINPUT |              \
     RL_STATE_CHARSEARCH)

/* Ends whatever was begun, then the line: readline's own way to put history and undo in order. */
static void end_line(void) {
    for (int i = 0; i < 4 && RL_ISSTATE(HALFWAY); i++)
        feed("\x07", 1);
    discard = true;
    accepted = false;
    feed("\r", 1);
    discard = false;
    if (!accepted) { /* Enter was bound to something else */
        rl_callback_handler_remove();
        rl_replace_line("", 1);
        rl_callback_handler_install(PROMPT, line_done);
    }
}

static void set_line(const char *text, int point) {
    rl_replace_line(text, 1);
    rl_point = point < 0 || point > rl_end ? rl_end : point;
    rl_mark = 0;
}

/* ---- drafts ---------------------------------------------------------------------------------- */

static struct draft *draft_of(struct composer *c, const char *channel) {
    struct draft *d = map_get(c->drafts, channel);
    if (!d) {
        d = xcalloc(1, sizeof *d);
        d->point = -1;
        map_put(c->drafts, channel, d);
    }
    return d;
}

static void from_file(void *arg, const char *channel, const char *text) {
    struct draft *d = draft_of(arg, channel);
    strv_push(&d->loaded, text);
}

struct composer *composer_new(const char *history_path, composer_send_fn *fn, void *arg) {
    assert(!only);
    start();
    struct composer *c = xcalloc(1, sizeof *c);
    c->fn = fn;
    c->arg = arg;
    c->history_path = xstrdup_null(history_path);
    c->drafts = map_new();
    c->version = 1;
    if (history_path)
        history_load(history_path, from_file, c);
    only = c;
    return c;
}

/* Takes the present line and history out of readline, which is left empty. */
static void leave(struct composer *c) {
    if (!c->now)
        return;
    c->now->text = xstrdup(rl_line_buffer);
    c->now->point = rl_point;
    end_line();
    c->now->history = history_get_history_state();
    HISTORY_STATE none = {0};
    history_set_history_state(&none);
    c->now = NULL;
    x_free(&c->channel);
}

static void enter(struct composer *c, const char *channel) {
    c->channel = xstrdup(channel);
    c->now = draft_of(c, channel);
    if (c->now->history) {
        history_set_history_state(c->now->history);
        free(c->now->history);
        c->now->history = NULL;
    }
    size_t first = c->now->loaded.n > HISTORY_MAX ? c->now->loaded.n - HISTORY_MAX : 0;
    for (size_t i = first; i < c->now->loaded.n; i++)
        add_history(c->now->loaded.v[i]);
    strv_free(&c->now->loaded);
    using_history();
    set_line(c->now->text ? c->now->text : "", c->now->point);
    x_free(&c->now->text);
    c->version++;
}

void composer_channel(struct composer *c, const char *channel) {
    if (c->now && str_eq(c->channel, channel))
        return;
    leave(c);
    enter(c, channel);
}

void composer_free(struct composer **cp) {
    struct composer *c = *cp;
    if (!c)
        return;
    *cp = NULL;
    leave(c);
    HISTORY_STATE none = {0};
    size_t pos = 0;
    struct draft *d;
    while ((d = map_next(c->drafts, &pos, NULL)) != NULL) {
        if (d->history) {
            history_set_history_state(d->history);
            clear_history();
            free(history_list()); /* the array, which clearing keeps */
            history_set_history_state(&none);
            free(d->history);
        }
        strv_free(&d->loaded);
        free(d->text);
        free(d);
    }
    map_free(&c->drafts);
    x_free(&c->history_path);
    only = NULL;
    free(c);
}

void composer_put_back(struct composer *c, const char *channel, const char *text) {
    if (c->now && str_eq(c->channel, channel)) {
        if (rl_end == 0 && !RL_ISSTATE(HALFWAY)) {
            set_line(text, -1);
            c->version++;
        }
        return;
    }
    struct draft *d = draft_of(c, channel);
    if (str_empty(d->text)) {
        free(d->text);
        d->text = xstrdup(text);
        d->point = -1;
    }
}

bool composer_empty(const struct composer *c) { return !c->now || rl_end == 0; }
uint64_t composer_version(const struct composer *c) { return c->version; }
const char *composer_text(const struct composer *c) { return c->now ? rl_line_buffer : ""; }

bool composer_takes_escape(const struct composer *c) {
    (void)c;
    return RL_ISSTATE(HALFWAY) || (rl_editing_mode == 0 && rl_get_keymap() == vi_insertion_keymap);
}

bool composer_takes_all(const struct composer *c) {
    (void)c;
    return RL_ISSTATE(RL_STATE_MULTIKEY | RL_STATE_METANEXT | RL_STATE_CHARSEARCH);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void insert(struct composer *c, const char *text, size_t n) {
    size_t room = COMPOSER_TEXT_MAX -
                  ((size_t)rl_end < COMPOSER_TEXT_MAX ? (size_t)rl_end : COMPOSER_TEXT_MAX);
    char *copy = xstrndup(text, utf8_cut(text, n, room));
    rl_begin_undo_group();
    rl_insert_text(copy);
    rl_end_undo_group();
    free(copy);
    c->version++;
}

const char *composer_before(const struct composer *c, size_t *n) {
    *n = c->now && !RL_ISSTATE(HALFWAY) ? (size_t)rl_point : 0;
    return composer_text(c);
}

void composer_insert(struct composer *c, const char *text) {
    if (c->now && !RL_ISSTATE(HALFWAY))
        insert(c, text, strlen(text));
}

void composer_newline(struct composer *c) {
    if (c->now && !RL_ISSTATE(HALFWAY))
        insert(c, "\n", 1);
}

/* A paste is text, whatever is in it: line ends become newlines, other controls go. */
static void paste(struct composer *c, const char *text, size_t n) {
    for (int i = 0; i < 4 && RL_ISSTATE(HALFWAY); i++)
        feed("\x07", 1);
    struct buf valid = BUF_INIT, clean = BUF_INIT;
    utf8_append_valid(&valid, text, n);
    for (size_t i = 0; i < valid.len; i++) {
        unsigned char ch = (unsigned char)valid.data[i];
        if (ch == '\r') {
            buf_putc(&clean, '\n');
            if (i + 1 < valid.len && valid.data[i + 1] == '\n')
                i++;
        } else if (ch == '\n' || ch == '\t' || (ch >= 0x20 && ch != 0x7F)) {
            buf_putc(&clean, (char)ch);
        }
    }
    insert(c, buf_str(&clean), clean.len);
    buf_free(&valid);
    buf_free(&clean);
}

/* Up and Down inside a text of several lines; false where there is no further line: then it is
 * history's. */
static bool move_line(struct composer *c, bool up) {
    const char *s = rl_line_buffer;
    int start_of = rl_point;
    while (start_of > 0 && s[start_of - 1] != '\n')
        start_of--;
    int col = text_width(s + start_of, (size_t)(rl_point - start_of));
    int to;
    if (up) {
        if (start_of == 0)
            return false;
        to = start_of - 1;
        while (to > 0 && s[to - 1] != '\n')
            to--;
    } else {
        const char *newline = strchr(s + rl_point, '\n');
        if (!newline)
            return false;
        to = (int)(newline - s) + 1;
    }
    size_t len = strcspn(s + to, "\n");
    rl_point = to + (int)text_fit(s + to, len, col, NULL);
    c->version++;
    return true;
}

static bool is_bound(const char *seq, size_t n) {
    int type = ISFUNC;
    rl_command_func_t *f = rl_function_of_keyseq_len(seq, n, rl_get_keymap(), &type);
    return f && type != ISKMAP;
}

/* A key with a name as the sequence that readline's defaults and our bindings know; NULL: as it
 * came. */
static const char *canonical(const struct key *k) {
    if (k->mods)
        return NULL;
    switch (k->sym) {
    case KEYSYM_UP:
        return "\x1b[A";
    case KEYSYM_DOWN:
        return "\x1b[B";
    case KEYSYM_RIGHT:
        return "\x1b[C";
    case KEYSYM_LEFT:
        return "\x1b[D";
    case KEYSYM_HOME:
        return "\x1b[H";
    case KEYSYM_END:
        return "\x1b[F";
    case KEYSYM_DELETE:
        return "\x1b[3~";
    case KEYSYM_ENTER:
        return "\r";
    case KEYSYM_CHAR:
    case KEYSYM_TAB:
    case KEYSYM_BACKSPACE:
    case KEYSYM_ESC:
    case KEYSYM_PAGE_UP:
    case KEYSYM_PAGE_DOWN:
    case KEYSYM_INSERT:
    case KEYSYM_FUNCTION:
    case KEYSYM_PASTE:
    case KEYSYM_OTHER:
        return NULL;
    }
    return NULL;
}

void composer_key(struct composer *c, const struct key *k) {
    if (!c->now)
        return;
    if (k->sym == KEYSYM_PASTE) {
        paste(c, k->raw, k->nraw);
        return;
    }
    bool halfway = RL_ISSTATE(HALFWAY) != 0;
    if (!halfway && !k->mods && (k->sym == KEYSYM_UP || k->sym == KEYSYM_DOWN) &&
        move_line(c, k->sym == KEYSYM_UP))
        return;
    if (!halfway && k->sym == KEYSYM_CHAR && k->cp == 'd' && k->mods == KEYMOD_CTRL && rl_end == 0)
        return; /* end of input: there is none here */
    if (k->sym == KEYSYM_CHAR && !k->mods && (size_t)rl_end + 4 > COMPOSER_TEXT_MAX)
        return;
    const char *seq = canonical(k);
    size_t n = seq ? strlen(seq) : k->nraw;
    if (!seq)
        seq = k->raw;
    /* Readline types the rest of a sequence that it does not know: such keys stay out. A vi Escape
     * and the key after it may have come together. */
    bool vi = rl_editing_mode == 0;
    if (n > 1 && seq[0] == '\x1b' && !halfway && !is_bound(seq, n) &&
        !(vi && k->sym == KEYSYM_CHAR && k->mods == KEYMOD_ALT))
        return;
    feed(seq, n);
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* Goes through the text as it is laid out: characters fill rows of `cols` columns, newlines begin
 * one. */
struct flow {
    int cols, indent;
    int row, col;
    int cursor_row, cursor_col;
};

static size_t flow_next(struct flow *f, const char *s, size_t n, int *width) {
    unsigned char ch = (unsigned char)s[0];
    size_t len = 1;
    if (ch == '\n')
        *width = 0;
    else if (ch < 0x20 || ch == 0x7F)
        *width = ch == '\t' ? 4 : 2;
    else
        len = text_next(s, n, width);
    if (f->col + *width > f->cols && f->col > f->indent) {
        f->row++;
        f->col = f->indent;
    }
    return len;
}

static void flow_all(struct flow *f, const char *s, size_t n, int point) {
    for (size_t i = 0; i < n;) {
        int width;
        size_t len = flow_next(f, s + i, n - i, &width);
        if ((int)i <= point && point < (int)(i + len)) {
            f->cursor_row = f->row;
            f->cursor_col = f->col;
        }
        if (s[i] == '\n') {
            f->row++;
            f->col = f->indent;
        } else {
            f->col += width;
        }
        i += len;
    }
    if (point >= (int)n) {
        if (f->col >= f->cols) { /* the cursor needs a cell of its own */
            f->row++;
            f->col = f->indent;
        }
        f->cursor_row = f->row;
        f->cursor_col = f->col;
    }
}

/* Readline's own prompt while it searches or counts, else ours. */
static const char *shown_label(const char *label) {
    return rl_display_prompt && !str_eq(rl_display_prompt, PROMPT) ? rl_display_prompt : label;
}

/* The label stands on the first row; further rows begin under the text, or near the edge under a
 * long label. */
static struct flow flow_start(int cols, const char *label) {
    if (cols < 1)
        cols = 1;
    int first = text_width(label, strlen(label));
    if (first > cols - 4)
        first = cols > 4 ? cols - 4 : 0;
    return (struct flow){.cols = cols, .indent = first <= cols / 3 ? first : 0, .col = first};
}

int composer_rows(const struct composer *c, int cols, const char *label) {
    struct flow f = flow_start(cols, shown_label(label));
    if (c->now)
        flow_all(&f, rl_line_buffer, (size_t)rl_end, rl_point);
    return (f.row > f.cursor_row ? f.row : f.cursor_row) + 1;
}

void composer_draw(const struct composer *c, const struct window *w, const char *label,
                   bool focused) {
    window_clear(w);
    label = shown_label(label);
    struct flow f = flow_start(w->r.w, label);
    const char *s = c->now ? rl_line_buffer : "";
    size_t n = c->now ? (size_t)rl_end : 0;
    flow_all(&f, s, n, c->now ? rl_point : 0);
    int top = f.cursor_row >= w->r.h ? f.cursor_row - w->r.h + 1 : 0;
    int cursor_row = f.cursor_row - top, cursor_col = f.cursor_col;
    f = flow_start(w->r.w, label);
    if (top == 0)
        window_put(w, 0, 0, f.col, STYLE_ACCENT | (focused ? STYLE_BOLD : 0u), label,
                   strlen(label));
    for (size_t i = 0; i < n && f.row - top < w->r.h;) {
        int width;
        size_t len = flow_next(&f, s + i, n - i, &width);
        if (s[i] == '\n') {
            f.row++;
            f.col = f.indent;
        } else {
            if (s[i] != '\t')
                window_put(w, f.row - top, f.col, -1, STYLE_TEXT, s + i, len);
            f.col += width;
        }
        i += len;
    }
    if (focused)
        window_cursor(w, cursor_row, cursor_col);
}
