/* markdown: md4c says what the text means; here it becomes lines. A block is gathered as runs of
 * text in a style and broken into lines when it ends, so that nesting (lists in quotes in lists) is
 * only a matter of what stands before each line. */
#include "ui/markdown.h"

#include <md4c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "ui/markdown_table.h"
#include "ui/text.h"
#include "ui/theme.h"

#define OWN_BLANKS 16 /* md4c's: it says more of them in several pieces */
#define NEST_MAX 32
#define FENCE_STEP 100u /* lines of an open code block after which they are laid out for good */

/* One level of what stands before lines: a quote's bar, a list item's mark or its blanks. */
struct level {
    bool quote;
    bool item;
    unsigned number; /* of the next item; 0: bullets */
    int width;       /* columns of mark and blank */
    char mark[16];
    bool marked; /* the mark has been drawn */
};

struct maker {
    struct markdown *m;
    const char *start; /* of what is parsed */
    size_t size;
    struct level levels[NEST_MAX];
    int nlevels;
    struct markdown_run *runs;
    size_t nruns, cruns, first_run;
    struct buf block; /* the text of the present block */
    unsigned style;   /* of inline text now */
    unsigned block_style;
    int strong, em, code, struck;
    char *href; /* of the present link */
    size_t link_start;
    bool in_code, in_cell, loose_gap;
    struct markdown_table table;
    bool in_table;
};

/* --- lines --------------------------------------------------------------------------------------
 */

static void add_span(struct markdown *m, const char *s, size_t n, unsigned style) {
    if (n == 0)
        return;
    if (m->nspans == m->cspans) {
        m->cspans = m->cspans ? m->cspans * 2 : 64;
        m->spans = xreallocarray(m->spans, m->cspans, sizeof *m->spans);
    }
    m->spans[m->nspans++] = (struct markdown_span){(uint32_t)m->text.len, (uint32_t)n, style};
    m->lines[m->nlines - 1].n++;
    buf_append(&m->text, s, n);
}

static void add_line(struct markdown *m, int indent, bool code) {
    if (m->nlines == m->clines) {
        m->clines = m->clines ? m->clines * 2 : 32;
        m->lines = xreallocarray(m->lines, m->clines, sizeof *m->lines);
    }
    m->lines[m->nlines++] = (struct markdown_line){(uint32_t)m->nspans, 0, indent, code};
}

static void blanks(struct markdown *m, int n) {
    static const char spaces[] = "                                ";
    for (; n > 0; n -= (int)sizeof spaces - 1)
        add_span(m, spaces, (size_t)(n < (int)sizeof spaces - 1 ? n : (int)sizeof spaces - 1),
                 STYLE_TEXT);
}

/* Begins a line with the bars and marks of all levels; returns the columns they take. */
static int begin_line(struct maker *k, bool code) {
    struct markdown *m = k->m;
    int col = 0;
    add_line(m, 0, code);
    for (int i = 0; i < k->nlevels; i++) {
        struct level *l = &k->levels[i];
        if (l->quote) {
            add_span(m, m->ascii ? "| " : "│ ", m->ascii ? 2 : 4, STYLE_DIM);
        } else if (l->item && !l->marked) {
            add_span(m, l->mark, strlen(l->mark), STYLE_ACCENT);
            blanks(m, l->width - text_width(l->mark, strlen(l->mark)));
            l->marked = true;
        } else {
            blanks(m, l->width);
        }
        col += l->width;
    }
    return col;
}

static int room(const struct maker *k) {
    int col = 0;
    for (int i = 0; i < k->nlevels; i++)
        col += k->levels[i].width;
    int left = k->m->width - col;
    return left > 8 ? left : 8;
}

/* A blank line between blocks, never two, never first. */
static void gap(struct maker *k) {
    struct markdown *m = k->m;
    if (m->nlines == 0 || m->lines[m->nlines - 1].n == 0)
        return;
    for (int i = 0; i < k->nlevels; i++)
        if (k->levels[i].item && !k->levels[i].marked)
            return; /* the first block of an item stands beside its mark */
    add_line(m, 0, false);
}

static void add_run(struct maker *k, const char *s, size_t n, unsigned style) {
    struct buf seen = BUF_INIT;
    utf8_append_visible(&seen, s, n);
    if (seen.len && k->nruns && k->runs[k->nruns - 1].style == style) {
        k->runs[k->nruns - 1].len += seen.len; /* runs lie without gaps */
    } else if (seen.len) {
        if (k->nruns == k->cruns) {
            k->cruns = k->cruns ? k->cruns * 2 : 32;
            k->runs = xreallocarray(k->runs, k->cruns, sizeof *k->runs);
        }
        k->runs[k->nruns++] = (struct markdown_run){k->block.len, seen.len, style};
    }
    buf_append(&k->block, buf_str(&seen), seen.len);
    buf_free(&seen);
}

static unsigned inline_style(const struct maker *k) {
    unsigned style = k->code     ? STYLE_CODE
                     : k->struck ? STYLE_DIM
                     : k->href   ? STYLE_LINK
                                 : k->block_style;
    if (k->strong)
        style |= STYLE_BOLD;
    if (k->em)
        style |= STYLE_UNDERLINE;
    return style;
}

/* The runs of text[from..to) as spans of the present line. */
static void put_runs(struct maker *k, size_t from, size_t to) {
    while (k->first_run < k->nruns && k->runs[k->first_run].off + k->runs[k->first_run].len <= from)
        k->first_run++; /* lines come in order: what ends before this one is done with */
    for (size_t i = k->first_run; i < k->nruns && k->runs[i].off < to; i++) {
        const struct markdown_run *r = &k->runs[i];
        size_t a = r->off > from ? r->off : from, b = r->off + r->len < to ? r->off + r->len : to;
        if (a < b)
            add_span(k->m, k->block.data + a, b - a, r->style);
    }
}

/* Where a line of at most `max` columns ends in s[0..n): *len bytes are shown, the return value is
 * where the next one begins. */
size_t markdown_break(const char *s, size_t n, int max, size_t *len) {
    int col = 0;
    size_t i = 0, space = 0, behind = 0;
    while (i < n) {
        if (s[i] == '\n') {
            *len = i;
            return i + 1;
        }
        int w;
        size_t c = text_next(s + i, n - i, &w);
        if (s[i] == ' ') {
            if (col > 0)
                space = i;
            behind = i + 1;
        } else if (col + w > max) {
            if (behind && space) {
                *len = space;
                return behind;
            }
            *len = i ? i : c;
            return i ? i : c;
        }
        col += w;
        i += c;
    }
    *len = n;
    return n;
}

static void block_clear(struct maker *k) {
    k->nruns = k->first_run = 0;
    buf_reset(&k->block);
}

/* The gathered text as lines. */
static void flush_block(struct maker *k) {
    size_t at = 0, n = k->block.len;
    int width = room(k);
    while (at < n) {
        size_t len, next = markdown_break(k->block.data + at, n - at, width, &len);
        begin_line(k, false);
        put_runs(k, at, at + len);
        at += next;
    }
    block_clear(k);
}

/* Code keeps its spaces; long lines are continued, not lost. */
static void flush_code(struct maker *k) {
    size_t at = 0, n = k->block.len;
    int width = room(k) - 1;
    while (at < n) {
        const char *nl = memchr(k->block.data + at, '\n', n - at);
        size_t end = nl ? (size_t)(nl - k->block.data) : n;
        do {
            size_t len = text_fit(k->block.data + at, end - at, width, NULL);
            begin_line(k, true);
            add_span(k->m, " ", 1, STYLE_CODE);
            put_runs(k, at, at + len);
            at += len ? len : end - at;
        } while (at < end);
        at = end + (nl ? 1 : 0);
    }
    block_clear(k);
}

/* --- md4c's callbacks ---------------------------------------------------------------------------
 */

static struct level *push_level(struct maker *k) {
    if (k->nlevels == NEST_MAX)
        return NULL;
    struct level *l = &k->levels[k->nlevels++];
    *l = (struct level){0};
    return l;
}

static void pop_level(struct maker *k) {
    if (k->nlevels)
        k->nlevels--;
}

static void begin_item(struct maker *k, const MD_BLOCK_LI_DETAIL *d) {
    flush_block(k);
    struct level *list = k->nlevels ? &k->levels[k->nlevels - 1] : NULL;
    struct level *l = push_level(k);
    if (!l)
        return;
    l->item = true;
    if (d->is_task)
        snprintf(l->mark, sizeof l->mark, "[%c]", d->task_mark == ' ' ? ' ' : 'x');
    else if (list && list->number)
        snprintf(l->mark, sizeof l->mark, "%u.", list->number++);
    else
        snprintf(l->mark, sizeof l->mark, "%s", k->m->ascii ? "-" : "•");
    l->width = text_width(l->mark, strlen(l->mark)) + 1;
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *arg) {
    struct maker *k = arg;
    struct level *l;
    switch (type) {
    case MD_BLOCK_QUOTE:
        gap(k);
        if ((l = push_level(k))) {
            l->quote = true;
            l->width = 2;
        }
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        flush_block(k);
        if (k->nlevels == 0 || !k->levels[k->nlevels - 1].item)
            gap(k);
        if ((l = push_level(k)) && type == MD_BLOCK_OL)
            l->number = ((const MD_BLOCK_OL_DETAIL *)detail)->start;
        break;
    case MD_BLOCK_LI:
        begin_item(k, detail);
        break;
    case MD_BLOCK_H:
        gap(k);
        k->block_style = STYLE_ACCENT | STYLE_BOLD;
        break;
    case MD_BLOCK_P:
        gap(k);
        k->block_style = STYLE_TEXT;
        break;
    case MD_BLOCK_CODE:
        flush_block(k);
        gap(k);
        k->in_code = true;
        break;
    case MD_BLOCK_HR:
        gap(k);
        break;
    case MD_BLOCK_TABLE:
        gap(k);
        k->in_table = true;
        break;
    case MD_BLOCK_TR:
        markdown_table_row(&k->table);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        k->block_style = type == MD_BLOCK_TH ? STYLE_STRONG : STYLE_TEXT;
        k->in_cell = true;
        break;
    default: /* the document, and parts of tables and HTML that draw nothing themselves */
        break;
    }
    return 0;
}

static void draw_rule(struct maker *k) {
    int n = room(k);
    begin_line(k, false);
    for (int i = 0; i < n; i++)
        add_span(k->m, k->m->ascii ? "-" : "─", k->m->ascii ? 1 : 3, STYLE_RULE);
}

/* Where a table's lines go. */
static void table_begin(void *arg) { begin_line(arg, false); }
static void table_span(void *arg, const char *s, size_t n, unsigned style) {
    add_span(((struct maker *)arg)->m, s, n, style);
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *arg) {
    struct maker *k = arg;
    (void)detail;
    switch (type) {
    case MD_BLOCK_QUOTE:
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        flush_block(k);
        pop_level(k);
        break;
    case MD_BLOCK_LI:
        flush_block(k);
        if (k->nlevels && !k->levels[k->nlevels - 1].marked)
            begin_line(k, false); /* an empty item */
        pop_level(k);
        break;
    case MD_BLOCK_H:
    case MD_BLOCK_P:
        flush_block(k);
        k->block_style = STYLE_TEXT;
        break;
    case MD_BLOCK_CODE:
        flush_code(k);
        k->in_code = false;
        break;
    case MD_BLOCK_HR:
        draw_rule(k);
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD: {
        const MD_BLOCK_TD_DETAIL *d = detail;
        markdown_table_cell(&k->table, buf_str(&k->block), k->block.len, k->runs, k->nruns,
                            d->align == MD_ALIGN_RIGHT);
        block_clear(k);
        k->in_cell = false;
        break;
    }
    case MD_BLOCK_TABLE: {
        const struct markdown_table_out out = {table_begin, table_span, k};
        markdown_table_draw(&k->table, room(k), k->m->ascii, &out);
        markdown_table_free(&k->table);
        k->in_table = false;
        break;
    }
    default:
        break;
    }
    return 0;
}

static int enter_span(MD_SPANTYPE type, void *detail, void *arg) {
    struct maker *k = arg;
    switch (type) {
    case MD_SPAN_STRONG:
        k->strong++;
        break;
    case MD_SPAN_EM:
    case MD_SPAN_U:
        k->em++;
        break;
    case MD_SPAN_CODE:
        k->code++;
        break;
    case MD_SPAN_DEL:
        k->struck++;
        break;
    case MD_SPAN_A:
    case MD_SPAN_IMG: {
        /* Both details begin with the address. */
        const MD_ATTRIBUTE *href = type == MD_SPAN_A ? &((MD_SPAN_A_DETAIL *)detail)->href
                                                     : &((MD_SPAN_IMG_DETAIL *)detail)->src;
        if (type == MD_SPAN_IMG)
            add_run(k, "image: ", 7, STYLE_DIM);
        x_free(&k->href);
        k->href = xstrndup(href->text ? href->text : "", href->size);
        k->link_start = k->block.len;
        break;
    }
    default:
        break;
    }
    return 0;
}

/* The address is always shown where it is not the text itself: a link must not say one thing and be
 * another. */
static void end_link(struct maker *k) {
    if (!k->href)
        return;
    char *href = k->href;
    k->href = NULL;
    const char *text = buf_str(&k->block) + k->link_start;
    if (*href && !str_eq(text, href) && !(str_prefix(href, "mailto:") && str_eq(text, href + 7))) {
        add_run(k, " (", 2, STYLE_DIM);
        add_run(k, href, strlen(href), STYLE_DIM);
        add_run(k, ")", 1, STYLE_DIM);
    }
    x_free(&href);
}

static int leave_span(MD_SPANTYPE type, void *detail, void *arg) {
    struct maker *k = arg;
    (void)detail;
    switch (type) {
    case MD_SPAN_STRONG:
        k->strong--;
        break;
    case MD_SPAN_EM:
    case MD_SPAN_U:
        k->em--;
        break;
    case MD_SPAN_CODE:
        k->code--;
        break;
    case MD_SPAN_DEL:
        k->struck--;
        break;
    case MD_SPAN_A:
    case MD_SPAN_IMG:
        end_link(k);
        break;
    default:
        break;
    }
    return 0;
}

static void entity(struct maker *k, const char *s, size_t n) {
    static const char *const names[][2] = {{"&amp;", "&"},   {"&lt;", "<"},    {"&gt;", ">"},
                                           {"&quot;", "\""}, {"&apos;", "'"},  {"&nbsp;", " "},
                                           {"&mdash;", "—"}, {"&ndash;", "–"}, {"&hellip;", "…"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i][0]) == n && memcmp(s, names[i][0], n) == 0) {
            add_run(k, names[i][1], strlen(names[i][1]), inline_style(k));
            return;
        }
    }
    if (n > 3 && n < 12 && s[1] == '#') {
        bool hex = s[2] == 'x' || s[2] == 'X';
        char out[4], digits[12];
        memcpy(digits, s + 2 + hex, n - 3 - hex);
        digits[n - 3 - hex] = '\0';
        size_t len = utf8_encode((uint32_t)strtoul(digits, NULL, hex ? 16 : 10), out);
        if (len) {
            add_run(k, out, len, inline_style(k));
            return;
        }
    }
    add_run(k, s, n, inline_style(k));
}

static int text(MD_TEXTTYPE type, const MD_CHAR *s, MD_SIZE n, void *arg) {
    struct maker *k = arg;
    /* md4c 0.4.8 gives places and lengths past the end of a text that stops inside a link's address
     * (as a stream does at any byte). Its own few strings lie elsewhere and are short; code that is
     * indented begins with up to OWN_BLANKS of them. */
    uintptr_t at = (uintptr_t)s - (uintptr_t)k->start;
    if (at < k->size)
        n = n < k->size - at ? n : (MD_SIZE)(k->size - at);
    else if (n > (type == MD_TEXT_CODE ? OWN_BLANKS : 4))
        return 0;
    switch (type) {
    case MD_TEXT_BR:
        add_run(k, "\n", 1, inline_style(k));
        break;
    case MD_TEXT_SOFTBR:
        add_run(k, " ", 1, inline_style(k));
        break;
    case MD_TEXT_ENTITY:
        entity(k, s, n);
        break;
    case MD_TEXT_CODE:
        add_run(k, s, n, STYLE_CODE);
        break;
    case MD_TEXT_NULLCHAR:
        add_run(k, "\xEF\xBF\xBD", 3, inline_style(k));
        break;
    default:
        add_run(k, s, n, inline_style(k));
        break;
    }
    return 0;
}

static void lay_out(struct markdown *m, const char *raw, size_t n) {
    struct maker k = {.m = m, .start = raw, .size = n, .block_style = STYLE_TEXT};
    const MD_PARSER parser = {.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS |
                                       MD_FLAG_NOHTML | MD_FLAG_NOINDENTEDCODEBLOCKS,
                              .enter_block = enter_block,
                              .leave_block = leave_block,
                              .enter_span = enter_span,
                              .leave_span = leave_span,
                              .text = text};
    if (m->nlines)
        gap(&k);
    /* It fails only without memory, or where a callback says so. */
    (void)md_parse(raw, (MD_SIZE)n, &parser, &k);
    flush_block(&k);
    x_free(&k.runs);
    x_free(&k.href);
    buf_free(&k.block);
    markdown_table_free(&k.table);
}

/* --- a stream -----------------------------------------------------------------------------------
 */

static bool is_fence(const char *line, size_t n, char out[16]) {
    size_t i = 0;
    while (i < n && i < 3 && line[i] == ' ')
        i++;
    char c = i < n ? line[i] : 0;
    if (c != '`' && c != '~')
        return false;
    size_t run = 0;
    while (i + run < n && line[i + run] == c)
        run++;
    if (run < 3 || run > 12)
        return false;
    memset(out, c, run);
    out[run] = '\0';
    return true;
}

static bool blank(const char *line, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

/* A line that surely begins a block of its own: not a list's or quote's continuation. */
static bool begins_block(const char *line, size_t n) {
    if (n == 0 || blank(line, n) || line[0] == ' ' || line[0] == '\t' || line[0] == '>' ||
        line[0] == '-' || line[0] == '*' || line[0] == '+')
        return false;
    return !(line[0] >= '0' && line[0] <= '9');
}

/* A place up to which the text can be laid out for good. */
struct step {
    size_t at;
    char fence[16]; /* that is open there */
    bool goes_on;   /* inside a block */
};

static void step_set(struct step *s, size_t at, const char *fence, bool goes_on) {
    s->at = at;
    snprintf(s->fence, sizeof s->fence, "%s", fence);
    s->goes_on = goes_on;
}

/* Inside a line without an end: behind the last blank, else between two characters. */
static size_t inside_line(const char *raw, size_t from, size_t to) {
    const char *blank_at = memrchr(raw + from, ' ', to - from);
    if (blank_at && blank_at > raw + from)
        return (size_t)(blank_at + 1 - raw);
    while (to > from + 1 && ((unsigned char)raw[to] & 0xC0) == 0x80)
        to--;
    return to;
}

/* How far raw[m->raw..n) can be laid out for good: to the last boundary between top-level blocks,
 * or a step inside a long code block; where there is neither and the text is long, to a line's
 * beginning, if possible one that is not indented and no row of a table. False: not yet. */
static bool boundary(const struct markdown *m, const char *raw, size_t n, struct step *best) {
    char open[16], found[16];
    struct step line_start = {.at = m->raw}, item = {.at = m->raw};
    size_t at = m->raw, lines = 0;
    bool after_blank = false;
    step_set(best, m->raw, m->fence, m->goes_on);
    snprintf(open, sizeof open, "%s", m->fence);
    for (const char *nl; (nl = memchr(raw + at, '\n', n - at)); lines++) {
        size_t len = (size_t)(nl - (raw + at));
        const char *line = raw + at;
        if (at > m->raw && at <= m->raw + MARKDOWN_STEP) {
            step_set(&line_start, at, open, true);
            if (*open || (len && !strchr(" \t|>", line[0])))
                item = line_start;
        }
        if (*open) {
            if (lines && lines % FENCE_STEP == 0)
                step_set(best, at, open, true);
            if (is_fence(line, len, found) && found[0] == open[0] && strlen(found) >= strlen(open))
                open[0] = '\0';
        } else {
            if (after_blank && begins_block(line, len))
                step_set(best, at, "", false);
            if (is_fence(line, len, found))
                memcpy(open, found, sizeof open);
        }
        after_blank = blank(line, len);
        at += len + 1;
    }
    if (best->at == m->raw && n - m->raw > MARKDOWN_STEP) {
        if (line_start.at == m->raw)
            step_set(&line_start, inside_line(raw, m->raw, m->raw + MARKDOWN_STEP), m->fence, true);
        *best = item.at > m->raw ? item : line_start;
    }
    return best->at > m->raw;
}

/* Lays raw[0..n) out behind what is there; a text that begins inside a code block gets its fence
 * back first. The parser is given a copy: looking for the end of a link it looks behind the end of
 * the text (md4c 0.4.8), and finding a ")" there it runs on through memory; behind ours is a NUL.
 */
static void lay_out_piece(struct markdown *m, const char *raw, size_t n) {
    if (n == 0)
        return;
    struct buf b = BUF_INIT;
    size_t before = m->nlines;
    m->parsed += n;
    if (m->fence[0])
        buf_printf(&b, "%s\n", m->fence);
    buf_append(&b, raw, n);
    lay_out(m, b.data, b.len);
    /* It goes on: no blank line between. */
    if (m->goes_on && before && m->nlines > before && m->lines[before].n == 0) {
        memmove(m->lines + before, m->lines + before + 1,
                (m->nlines - before - 1) * sizeof *m->lines);
        m->nlines--;
    }
    buf_free(&b);
}

static void rewind_to_kept(struct markdown *m) {
    buf_truncate(&m->text, m->text_kept);
    m->nspans = m->spans_kept;
    m->nlines = m->lines_kept;
}

void markdown_feed(struct markdown *m, const char *raw, size_t n, int width, bool ascii,
                   bool final) {
    if (width != m->width || ascii != m->ascii || n < m->seen) {
        markdown_free(m);
        m->width = width;
        m->ascii = ascii;
    }
    m->seen = n;
    rewind_to_kept(m);
    struct step to;
    while (!final && boundary(m, raw, n, &to)) {
        lay_out_piece(m, raw + m->raw, to.at - m->raw);
        m->raw = to.at;
        m->goes_on = to.goes_on;
        memcpy(m->fence, to.fence, sizeof m->fence);
        m->text_kept = m->text.len;
        m->spans_kept = m->nspans;
        m->lines_kept = m->nlines;
    }
    lay_out_piece(m, raw + m->raw, n - m->raw);
}

void markdown_free(struct markdown *m) {
    buf_free(&m->text);
    x_free(&m->spans);
    x_free(&m->lines);
    memset(m, 0, sizeof *m);
}
