/* view_draw: the frame: status line, panes that changed, composer, footer. Drawing goes to curses'
 * screen, which finds out which cells differ. */
#include "ui/view-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/str.h"
#include "ui/format.h"
#include "ui/text.h"

struct pane_env view_env(const struct view *v) {
    return (struct pane_env){.table = v->processes,
                             .theme = v->theme,
                             .inbox = v->inbox,
                             .shown = v->shown,
                             .now_ms = clock_wall_ms(),
                             .greeting = v->greeting,
                             .from = v->before};
}

char *view_label(const struct view *v) {
    const struct process *p = process_get(v->processes, v->shown);
    if (!p || p->kind == PROCESS_CHANNEL || !p->channel)
        return xstrdup("> ");
    if (process_get(v->processes, v->written_to) == p)
        return xasprintf("%s%s> ", p->name, p->state == PROCESS_STATE_ENDED ? " (ended)" : "");
    return xasprintf("#%.40s> ", p->channel); /* what is written goes to the worker's channel */
}

static struct window in(const struct view *v, struct rect r) {
    return (struct window){.r = r, .theme = v->theme};
}

/* ---- status line ----------------------------------------------------------------------------- */

struct item {
    char text[48];
    unsigned style;
    int rank; /* the highest goes first when room is short */
};

static void add(struct item *items, size_t *n, int rank, unsigned style, const char *text) {
    struct item *i = &items[(*n)++];
    snprintf(i->text, sizeof i->text, "%s", text);
    i->style = style;
    i->rank = rank;
}

/* Numbers have fixed widths, so that the line stands still while they change. */
static size_t status_items(struct view *v, const struct view_facts *facts, struct item *items) {
    size_t n = 0, running = 0, pos = 0;
    char text[48], number[FORMAT_SIZE];
    const struct process *shown = process_get(v->processes, v->shown), *p;
    struct llm_usage sum = {0};
    while ((p = process_next(v->processes, &pos)) != NULL) {
        running += view_process_active(p);
        if (shown && str_eq(p->channel, shown->channel))
            llm_usage_add(&sum, &p->usage);
    }
    if (facts->trouble_word)
        add(items, &n, 0, STYLE_BAD | STYLE_BOLD, facts->trouble_word);
    if (!facts->contained)
        add(items, &n, 0, STYLE_BAD | STYLE_BOLD, "no containment");
    if (facts->inbox && inbox_count(facts->inbox)) {
        snprintf(text, sizeof text, "inbox %zu!", inbox_count(facts->inbox));
        add(items, &n, 0, STYLE_WARN | STYLE_BOLD, text);
    }
    if (facts->interrupted) {
        snprintf(text, sizeof text, "%zu interrupted", facts->interrupted);
        add(items, &n, 1, STYLE_WARN, text);
    }
    snprintf(text, sizeof text, "%zu running", running);
    add(items, &n, 2, running ? STYLE_ACCENT : STYLE_DIM, text);
    if (shown && shown->context_tokens > 0) {
        format_count(shown->context_tokens, number);
        snprintf(text, sizeof text, "ctx %5s", number);
        add(items, &n, 5, STYLE_DIM, text);
    }
    int64_t tokens =
        sum.input_tokens + sum.output_tokens + sum.cache_read_tokens + sum.cache_write_tokens;
    if (tokens > 0) {
        format_count(tokens, number);
        snprintf(text, sizeof text, "%4s tok", number);
        add(items, &n, 4, STYLE_DIM, text);
        money_text(sum.cost_usd, sum.cost_is_estimate, text);
        add(items, &n, 3, STYLE_DIM, text);
    }
    if (v->loop_us_shown < 0 || v->loop_us_tick != v->tick) { /* once a second is enough */
        v->loop_us_shown = facts->loop_us;
        v->loop_us_tick = v->tick;
    }
    /* Four columns whatever the value, so that what stands left of it stays where it is. */
    double ms = v->loop_us_shown < 9999 * 1000 ? (double)v->loop_us_shown / 1000 : 9999;
    snprintf(text, sizeof text, "%4.*f ms", ms < 99.95 ? 1 : 0, ms);
    add(items, &n, 6, STYLE_DIM, text);
    return n;
}

static void draw_status(struct view *v, const struct view_facts *facts) {
    struct window w = in(v, v->layout.status);
    if (w.r.h == 0)
        return;
    window_clear_row(&w, 0, STYLE_TEXT);
    struct item items[9];
    size_t n = status_items(v, facts, items);
    int gap = v->cols >= 100 ? 3 : 2, end = w.r.w, least = v->cols / 3;
    for (;;) { /* leave out the least important until the name of the process has room */
        int sum = 0;
        size_t worst = 0;
        for (size_t i = 0; i < n; i++) {
            sum += text_width(items[i].text, strlen(items[i].text)) + gap;
            if (items[i].rank > items[worst].rank)
                worst = i;
        }
        if (sum <= end - least || n == 0)
            break;
        n--;
        memmove(&items[worst], &items[worst + 1], (n - worst) * sizeof *items);
    }
    for (size_t i = n; i > 0; i--)
        end = window_puts_right(&w, 0, end, items[i - 1].style, items[i - 1].text) - gap;
    const struct process *p = process_get(v->processes, v->shown);
    if (!p)
        return;
    unsigned style = STYLE_ACCENT | STYLE_BOLD;
    int col = window_puts(&w, 0, 0, style, process_kind_symbol(p->kind, v->theme->ascii));
    if (p->kind != PROCESS_CHANNEL)
        col++;
    col = window_puts_cut(&w, 0, col, end - col, style, p->name);
    /* The provider is left out where the model's name needs the room. */
    const char *model = p->model ? p->model : "", *slash = strchr(model, '/');
    if (slash && (int)strlen(model) > end - col - 2)
        model = slash + 1;
    if (end - col > 8)
        window_puts_cut(&w, 0, col + 2, end - col - 2, STYLE_DIM, model);
}

/* ---- footer ---------------------------------------------------------------------------------- */

/* What is wrong now, else what was warned of last: on the line above the composer, or where there
 * is none instead of the keys. False: nothing is. */
static bool draw_notice(const struct view *v, const struct window *w) {
    const char *text = v->trouble ? v->trouble : v->warning;
    unsigned style = v->trouble ? STYLE_BAD : v->warning_style;
    if (!*text || w->r.w < 12)
        return false;
    int col = window_puts(w, 0, 2, style, " ! ");
    col = window_puts_cut(w, 0, col, w->r.w - 2 - col, style, text);
    window_puts(w, 0, col, style, " ");
    return true;
}

static void draw_footer(struct view *v) {
    struct window w = in(v, v->layout.footer);
    if (w.r.h == 0)
        return;
    window_clear_row(&w, 0, STYLE_TEXT);
    if (v->message[0]) {
        window_puts_cut(&w, 0, 1, w.r.w - 1, v->message_style, v->message);
        return;
    }
    if (v->layout.composer_rule.h == 0 && draw_notice(v, &w))
        return;
    if (v->focus == FOCUS_PROMPT) {
        window_puts_cut(&w, 0, 1, w.r.w - 1, STYLE_DIM,
                        v->prompt.sign == ':'
                            ? "Enter run   Tab complete   Up history   Esc back"
                            : "Enter search upwards   Up history   Esc back   (n and N go on)");
        return;
    }
    const struct action_info *a;
    int col = 1, gap = w.r.w >= 100 ? 3 : 2;
    for (size_t i = 0; (a = keymap_action(i)) != NULL; i++) {
        if (!a->word || !(a->where & (1u << v->focus)) || !view_can(v, a->action))
            continue;
        int need = (int)(strlen(a->keys) + 1 + strlen(a->word));
        if (col + need > w.r.w)
            break;
        int at = window_puts(&w, 0, col, STYLE_TEXT, a->keys);
        window_puts(&w, 0, at + 1, STYLE_DIM, a->word);
        col += need + gap;
    }
}

/* ---- panes ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v) {
    h ^= v + UINT64_C(0x9E3779B97F4A7C15) + (h << 6) + (h >> 2);
    return h;
}

static uint64_t signature(const struct view *v, uint64_t content, struct rect r, bool focused) {
    uint64_t h = mix(mix(1, content), v->own);
    h = mix(mix(h, (uint64_t)r.x << 16 | (uint64_t)r.y), (uint64_t)r.w << 16 | (uint64_t)r.h);
    return mix(h, focused) | 1;
}

static void draw_pane(struct view *v, struct view_pane *pane, const struct pane_env *env,
                      struct rect r, uint64_t content, bool focused) {
    if (r.h == 0 || r.w == 0)
        return;
    uint64_t now = signature(v, content, r, focused);
    if (pane->drawn == now)
        return;
    pane->drawn = now;
    struct window w = in(v, r);
    pane->ops->draw(pane->self, env, &w, focused);
}

static void draw_rule(const struct view *v, struct rect r, bool down) {
    struct window w = in(v, r);
    window_line(&w, 0, 0, down ? r.h : r.w, STYLE_RULE, down ? SYMBOL_BAR : SYMBOL_LINE, down);
}

static void draw_panes(struct view *v) {
    const struct layout *l = &v->layout;
    struct pane_env env = view_env(v);
    uint64_t table = process_table_version(v->processes);
    struct view_pane *wide = view_wide(v);
    if (wide) {
        env.fresh = wide->drawn == 0;
        draw_pane(v, wide, &env, l->whole, table, true);
        return;
    }
    draw_pane(v, &v->tree, &env, l->tree, table, v->focus == FOCUS_TREE);
    draw_pane(v, &v->transcript, &env, l->transcript, table, v->focus == FOCUS_TRANSCRIPT);
    size_t unseen = v->live_extra + (size_t)(v->nlive - l->nlive > 0 ? v->nlive - l->nlive : 0);
    for (int i = 0; i < l->nlive && i < v->nlive; i++) {
        /* A narrow screen has one live pane: the one with the focus. */
        int which = l->narrow ? v->live_focus : i;
        const struct process *p = process_get(v->processes, v->live_process[which]);
        env.hidden = i + 1 == l->nlive ? unseen : 0;
        draw_pane(v, &v->live[which], &env, l->live[i], mix(p ? p->version : 0, env.hidden),
                  v->focus == FOCUS_LIVE && v->live_focus == which);
    }
    draw_rule(v, l->tree_rule, true);
    draw_rule(v, l->live_rule, true);
}

/* ---- the frame ------------------------------------------------------------------------------- */

static enum layout_pane single_pane(const struct view *v) {
    switch (v->focus) {
    case FOCUS_TREE:
        return LAYOUT_TREE;
    case FOCUS_LIVE:
        return LAYOUT_LIVE;
    case FOCUS_COMPOSER:
    case FOCUS_TRANSCRIPT:
    case FOCUS_WALL:
    case FOCUS_TABLE:
    case FOCUS_INBOX:
    case FOCUS_WHY:
    case FOCUS_REQUEST:
    case FOCUS_HELP:
    case FOCUS_PROMPT:
        return LAYOUT_TRANSCRIPT;
    }
    return LAYOUT_TRANSCRIPT;
}

static void arrange(struct view *v, int cols, int rows, const char *label) {
    struct layout_want want = {.cols = cols,
                               .rows = rows,
                               .composer_lines = 1,
                               .live = v->nlive,
                               .single = single_pane(v)};
    struct layout fresh;
    layout_compute(&want, &fresh);
    v->layout.narrow = fresh.narrow; /* view_wide() asks */
    const struct view_pane *wide = view_wide(v);
    want.whole = wide != NULL;
    layout_compute(&want, &fresh);
    want.composer_lines = composer_rows(v->composer, fresh.composer.w, label);
    layout_compute(&want, &fresh);
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): layout_compute() clears padding too */
    bool same = cols == v->cols && memcmp(&fresh, &v->layout_drawn, sizeof fresh) == 0 &&
                wide == v->wide_drawn;
    v->layout = v->layout_drawn = fresh;
    v->wide_drawn = wide;
    v->cols = cols;
    v->rows = rows;
    if (same)
        return;
    struct window all = in(v, (struct rect){0, 0, cols, rows});
    window_clear(&all);
    v->tree.drawn = v->transcript.drawn = v->help.drawn = v->wall.drawn = v->table.drawn =
        v->inbox_pane.drawn = v->why_pane.drawn = v->request_pane.drawn = 0;
    for (size_t i = 0; i < ARRAY_LEN(v->live); i++)
        v->live[i].drawn = 0;
}

static void draw_composer(struct view *v, const char *label) {
    const struct layout *l = &v->layout;
    struct pane_env env = view_env(v);
    struct window w = in(v, l->composer_rule);
    if (w.r.h) {
        draw_rule(v, l->composer_rule, false);
        (void)draw_notice(v, &w);
        if (v->transcript.ops->can(v->transcript.self, &env, ACTION_BOTTOM))
            window_puts_right(&w, 0, w.r.w - 2, STYLE_ACCENT, " more below ");
    }
    w = in(v, l->composer);
    if (v->focus == FOCUS_PROMPT) {
        prompt_draw(&v->prompt, &w);
        return;
    }
    composer_draw(v->composer, &w, label, v->focus == FOCUS_COMPOSER);
    if (v->focus != FOCUS_COMPOSER)
        window_cursor(&w, -1, -1);
}

/* What to show when the process that was shown is no more. */
static struct process_handle first_channel(const struct view *v) {
    size_t pos = 0;
    const struct process *p;
    while ((p = process_next(v->processes, &pos)) != NULL)
        if (p->kind == PROCESS_CHANNEL)
            return p->handle;
    return PROCESS_NONE;
}

void view_draw(struct view *v, const struct theme *theme, int cols, int rows,
               const struct view_facts *facts) {
    v->theme = theme;
    v->greeting = facts->greeting;
    v->interrupted = facts->interrupted;
    v->inbox = facts->inbox;
    v->trouble = facts->trouble;
    if (v->trouble)
        v->warning[0] = '\0'; /* of the same, most likely */
    if (!process_get(v->processes, v->shown))
        view_show(v, first_channel(v));
    view_live_update(v, cols, rows);
    view_why_refresh(v);
    char *label = view_label(v);
    arrange(v, cols, rows, label);
    draw_status(v, facts);
    draw_panes(v);
    draw_footer(v);
    draw_composer(v, label);
    free(label);
    v->own_drawn = v->own;
    v->table_drawn = process_table_version(v->processes);
    v->composer_drawn = composer_version(v->composer);
}
