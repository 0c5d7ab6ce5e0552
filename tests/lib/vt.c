/* vt: see vt.h. Written for libvterm 0.1.4 (Debian 12) and 0.3 (Ubuntu 24.04). */
#include "tests/lib/vt.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <vterm.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tests/lib/wait.h"

/* Where the output is in a sequence that sets attributes. */
struct sgr {
    enum { SGR_NONE, SGR_ESC, SGR_CSI } state;
    char text[64]; /* what stands between "ESC [" and the final byte */
    size_t n;
};

struct vt {
    VTerm *vterm;
    VTermScreen *screen;
    struct pty *pty;
    int cols, rows;
    VTermPos cursor;
    bool cursor_visible, altscreen;
    int bells;
    struct buf title;
    struct sgr sgr;
};

static int on_cursor(VTermPos pos, VTermPos old, int visible, void *arg) {
    struct vt *v = arg;
    (void)old;
    (void)visible;
    v->cursor = pos;
    return 1;
}

static void set_title(struct vt *v, VTermValue *value) {
#if VTERM_VERSION_MAJOR == 0 && VTERM_VERSION_MINOR < 2
    buf_reset(&v->title);
    buf_puts(&v->title, value->string);
#else
    if (value->string.initial)
        buf_reset(&v->title);
    buf_append(&v->title, value->string.str, value->string.len);
#endif
}

static int on_property(VTermProp prop, VTermValue *value, void *arg) {
    struct vt *v = arg;
    if (prop == VTERM_PROP_TITLE)
        set_title(v, value);
    else if (prop == VTERM_PROP_CURSORVISIBLE)
        v->cursor_visible = value->boolean;
    else if (prop == VTERM_PROP_ALTSCREEN)
        v->altscreen = value->boolean;
    return 1;
}

static int on_bell(void *arg) {
    struct vt *v = arg;
    v->bells++;
    return 1;
}

static const VTermScreenCallbacks callbacks = {
    .movecursor = on_cursor, .settermprop = on_property, .bell = on_bell};

static void on_answer(const char *data, size_t n, void *arg) {
    struct vt *v = arg;
    if (v->pty)
        pty_write(v->pty, data, n);
}

struct vt *vt_new(int cols, int rows) {
    struct vt *v = xcalloc(1, sizeof(*v));
    v->cols = cols;
    v->rows = rows;
    v->cursor_visible = true;
    v->vterm = vterm_new(rows, cols);
    vterm_set_utf8(v->vterm, 1);
    vterm_output_set_callback(v->vterm, on_answer, v);
    v->screen = vterm_obtain_screen(v->vterm);
    vterm_screen_set_callbacks(v->screen, &callbacks, v);
    vterm_screen_enable_altscreen(v->screen, 1);
    vterm_screen_reset(v->screen, 1);
    return v;
}

void vt_free(struct vt **vp) {
    struct vt *v = *vp;
    if (!v)
        return;
    *vp = NULL;
    vterm_free(v->vterm);
    buf_free(&v->title);
    free(v);
}

/* The parameters of a sequence with dim (2) as blink (5), which nothing here uses: libvterm before
 * 0.3.2 knows no dim, and half of all that is drawn without colours is. Those of a colour (38 and
 * 48) mean something else. */
static void put_sgr(struct buf *out, const char *text) {
    int skip = 0;
    bool of_colour = false;
    buf_puts(out, "\x1b[");
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, ";:");
        long value = strtol(at, NULL, 10);
        if (skip) {
            skip--;
        } else if (of_colour) {
            skip = value == 5 ? 1 : value == 2 ? 3 : 0;
            of_colour = false;
        } else if (value == 38 || value == 48) {
            of_colour = true;
        } else if (len == 1 && *at == '2') {
            buf_putc(out, '5');
            at += len;
            len = 0;
        }
        buf_append(out, at, len);
        at += len;
        if (*at)
            buf_putc(out, *at++);
    }
    buf_putc(out, 'm');
}

static void feed_byte(struct sgr *s, struct buf *out, char c) {
    switch (s->state) {
    case SGR_NONE:
        if (c == '\x1b')
            s->state = SGR_ESC;
        else
            buf_putc(out, c);
        return;
    case SGR_ESC:
        if (c == '[') {
            s->state = SGR_CSI;
            s->n = 0;
            return;
        }
        buf_putc(out, '\x1b');
        if (c == '\x1b')
            return; /* a new one */
        buf_putc(out, c);
        s->state = SGR_NONE;
        return;
    case SGR_CSI:
        if (((c >= '0' && c <= '9') || c == ';' || c == ':') && s->n + 1 < sizeof s->text) {
            s->text[s->n++] = c;
            return;
        }
        s->text[s->n] = '\0';
        if (c == 'm') {
            put_sgr(out, s->text);
        } else {
            buf_printf(out, "\x1b[%s", s->text);
            buf_putc(out, c);
        }
        s->state = SGR_NONE;
        return;
    }
}

void vt_feed(struct vt *v, const char *data, size_t n) {
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        feed_byte(&v->sgr, &out, data[i]);
    if (out.len)
        vterm_input_write(v->vterm, out.data, out.len);
    buf_free(&out);
}

static void on_data(void *arg, const char *data, size_t n) { vt_feed(arg, data, n); }

void vt_attach(struct vt *v, struct pty *p) {
    v->pty = p;
    pty_sink(p, on_data, v);
}

void vt_resize(struct vt *v, int cols, int rows) {
    v->cols = cols;
    v->rows = rows;
    vterm_set_size(v->vterm, rows, cols);
    if (v->pty)
        pty_resize(v->pty, cols, rows);
}

static int colour(VTermColor c) {
    if (VTERM_COLOR_IS_DEFAULT_FG(&c) || VTERM_COLOR_IS_DEFAULT_BG(&c))
        return VT_DEFAULT;
    if (VTERM_COLOR_IS_INDEXED(&c))
        return c.indexed.idx;
    return VT_RGB | (c.rgb.red << 16) | (c.rgb.green << 8) | c.rgb.blue;
}

struct vt_cell vt_cell(const struct vt *v, int row, int col) {
    VTermScreenCell cell;
    struct vt_cell out = {.text = "", .width = 0};
    size_t n = 0;
    if (!vterm_screen_get_cell(v->screen, (VTermPos){row, col}, &cell))
        return out;
    out.width = cell.chars[0] == UINT32_MAX ? 0 : cell.width;
    for (int i = 0; out.width && i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i]; i++)
        n += utf8_encode(cell.chars[i], out.text + n);
    out.text[n] = '\0';
    out.bold = cell.attrs.bold;
    out.italic = cell.attrs.italic;
    out.reverse = cell.attrs.reverse;
    out.dim = cell.attrs.blink; /* see put_sgr() */
    out.strike = cell.attrs.strike;
    out.underline = cell.attrs.underline;
    out.fg = colour(cell.fg);
    out.bg = colour(cell.bg);
    return out;
}

static void append_row(const struct vt *v, int row, struct buf *out) {
    size_t from = out->len;
    for (int col = 0; col < v->cols; col++) {
        struct vt_cell c = vt_cell(v, row, col);
        if (c.width)
            buf_puts(out, c.text[0] ? c.text : " ");
    }
    while (out->len > from && out->data[out->len - 1] == ' ')
        buf_truncate(out, out->len - 1);
}

char *vt_row(const struct vt *v, int row) {
    struct buf b = BUF_INIT;
    append_row(v, row, &b);
    return buf_steal(&b);
}

static void append_screen(const struct vt *v, struct buf *out) {
    for (int row = 0; row < v->rows; row++) {
        append_row(v, row, out);
        buf_putc(out, '\n');
    }
}

char *vt_text(const struct vt *v) {
    struct buf b = BUF_INIT;
    append_screen(v, &b);
    return buf_steal(&b);
}

char *vt_dump(const struct vt *v) {
    struct buf b = BUF_INIT;
    buf_printf(&b, "%dx%d ", v->cols, v->rows);
    if (v->cursor_visible)
        buf_printf(&b, "cursor %d,%d\n", v->cursor.row, v->cursor.col);
    else
        buf_puts(&b, "no cursor\n");
    append_screen(v, &b);
    return buf_steal(&b);
}

static void put_colour(struct buf *out, int c) {
    static const char *const names[] = {"black", "red",     "green", "yellow",
                                        "blue",  "magenta", "cyan",  "white"};
    if (c & VT_RGB)
        buf_printf(out, " #%06x", (unsigned)c & 0xFFFFFF);
    else if (c < 8)
        buf_printf(out, " %s", names[c]);
    else
        buf_printf(out, " %d", c);
}

static void put_style(struct buf *out, const struct vt_cell *c) {
    if (c->fg != VT_DEFAULT)
        put_colour(out, c->fg);
    if (c->bg != VT_DEFAULT) {
        buf_puts(out, " on");
        put_colour(out, c->bg);
    }
    buf_printf(out, "%s%s%s%s%s%s", c->bold ? " bold" : "", c->dim ? " dim" : "",
               c->italic ? " italic" : "", c->reverse ? " reverse" : "",
               c->underline ? " underline" : "", c->strike ? " strike" : "");
}

static bool same_style(const struct vt_cell *a, const struct vt_cell *b) {
    return a->bold == b->bold && a->dim == b->dim && a->italic == b->italic &&
           a->reverse == b->reverse && a->strike == b->strike && a->underline == b->underline &&
           a->fg == b->fg && a->bg == b->bg;
}

/* Whether a cell shows nothing but the terminal's own background. */
static bool shows_nothing(const struct vt_cell *c) {
    return (!c->text[0] || c->text[0] == ' ') && c->bg == VT_DEFAULT && !c->reverse &&
           !c->underline && !c->strike;
}

static void append_styles(const struct vt *v, int row, struct buf *out) {
    struct buf line = BUF_INIT, style = BUF_INIT;
    for (int col = 0; col < v->cols;) {
        struct vt_cell first = vt_cell(v, row, col), next;
        int from = col, last = col;
        if (shows_nothing(&first)) {
            col++;
            continue;
        }
        for (col++; col < v->cols; col++) { /* blanks belong to what stands on both sides of them */
            next = vt_cell(v, row, col);
            if (next.width == 0 || (!shows_nothing(&next) && same_style(&first, &next)))
                last = col; /* width 0: the right half of a wide character */
            else if (!shows_nothing(&next))
                break;
        }
        col = last + 1;
        buf_reset(&style);
        put_style(&style, &first);
        if (style.len)
            buf_printf(&line, "%s %d-%d%s", line.len ? "," : "", from, last, buf_str(&style));
    }
    if (line.len)
        buf_printf(out, "%d:%s\n", row, buf_str(&line));
    buf_free(&line);
    buf_free(&style);
}

char *vt_styles(const struct vt *v) {
    struct buf b = BUF_INIT;
    for (int row = 0; row < v->rows; row++)
        append_styles(v, row, &b);
    return buf_steal(&b);
}

void vt_cursor(const struct vt *v, int *row, int *col, bool *visible) {
    *row = v->cursor.row;
    *col = v->cursor.col;
    *visible = v->cursor_visible;
}

const char *vt_title(const struct vt *v) { return buf_str(&v->title); }
bool vt_altscreen(const struct vt *v) { return v->altscreen; }
int vt_bells(const struct vt *v) { return v->bells; }

/* Whether the cells from (row, col) on spell `text`. */
static bool spells(const struct vt *v, int row, int col, const char *text) {
    for (; *text && col < v->cols; col++) {
        struct vt_cell c = vt_cell(v, row, col);
        const char *shown = c.text[0] ? c.text : " ";
        if (!c.width)
            continue;
        if (strncmp(text, shown, strlen(shown)) != 0)
            return false;
        text += strlen(shown);
    }
    return !*text;
}

bool vt_find(const struct vt *v, const char *text, int *row, int *col) {
    for (*row = 0; *row < v->rows; (*row)++)
        for (*col = 0; *col < v->cols; (*col)++)
            if (vt_cell(v, *row, *col).width && spells(v, *row, *col, text))
                return true;
    return false;
}

static bool any_row(const struct vt *v, const regex_t *re) {
    for (int row = 0; row < v->rows; row++) {
        char *text = vt_row(v, row);
        bool hit = regexec(re, text, 0, NULL, 0) == 0;
        x_free(&text);
        if (hit)
            return true;
    }
    return false;
}

static void compile(regex_t *re, const char *pattern) {
    if (regcomp(re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        fail_msg("bad pattern: %s", pattern);
}

bool vt_matches(const struct vt *v, const char *pattern) {
    regex_t re;
    compile(&re, pattern);
    bool hit = any_row(v, &re);
    regfree(&re);
    return hit;
}

struct waiting {
    const struct vt *v;
    regex_t re;
    bool there;
};

static bool is_so(void *arg) {
    const struct waiting *w = arg;
    return any_row(w->v, &w->re) == w->there;
}

static bool wait_for(struct vt *v, const char *pattern, bool there, int ms) {
    struct waiting w = {.v = v, .there = there};
    compile(&w.re, pattern);
    bool ok = pty_pump_until(v->pty, is_so, &w, ms);
    regfree(&w.re);
    return ok;
}

bool vt_wait(struct vt *v, const char *pattern, int ms) { return wait_for(v, pattern, true, ms); }
bool vt_wait_gone(struct vt *v, const char *pattern, int ms) {
    return wait_for(v, pattern, false, ms);
}

void vt_must(struct vt *v, const char *pattern, bool there, const char *file, int line) {
    if (wait_for(v, pattern, there, WAIT_MS))
        return;
    char *shown = vt_dump(v);
    fprintf(stderr, "%s:%d: /%s/ is %s the screen:\n%s\n", file, line, pattern,
            there ? "not on" : "still on", shown);
    x_free(&shown);
    fail();
}
