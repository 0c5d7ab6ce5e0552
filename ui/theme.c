/* theme: styles to attributes. The sixteen colours are the person's own palette, so those are used;
 * the grey of 256 has the same contrast on black and on white. */
#include "ui/theme.h"

#include <curses.h>
#include <string.h>

#include "base/str.h"

bool theme_is_vt(const char *term) {
    return str_prefix(term, "vt") || str_prefix(term, "ansi") || str_eq(term, "dumb");
}

bool theme_wants_ascii(const char *term) { return theme_is_vt(term) || str_prefix(term, "linux"); }

static void set(struct theme *t, enum style s, attr_t attr, int color, attr_t mono) {
    if (!t->colors) {
        t->attr[s] = (unsigned)mono;
        return;
    }
    short pair = 0;
    if (color >= 0) {
        pair = (short)(s + 1);
        init_pair(pair, (short)color, -1);
    }
    t->attr[s] = (unsigned)(attr | (attr_t)COLOR_PAIR(pair));
}

void theme_init(struct theme *t, const char *term, bool no_color, bool ascii) {
    memset(t, 0, sizeof *t);
    t->ascii = ascii || theme_wants_ascii(term);
    t->narrow_text = ascii || theme_is_vt(term);
    if (!no_color && has_colors() && start_color() == OK) {
        t->colors = COLORS >= 256 ? 256 : COLORS >= 16 ? 16 : 8;
        if (use_default_colors() != OK)
            t->colors = 0; /* black on white by force is worse than none */
    }
    bool grey = t->colors == 256;
    set(t, STYLE_TEXT, A_NORMAL, -1, A_NORMAL);
    set(t, STYLE_DIM, grey ? A_NORMAL : A_DIM, grey ? 243 : -1, A_DIM);
    set(t, STYLE_STRONG, A_BOLD, -1, A_BOLD);
    set(t, STYLE_ACCENT, A_NORMAL, COLOR_CYAN, A_BOLD);
    set(t, STYLE_GOOD, A_NORMAL, COLOR_GREEN, A_NORMAL);
    set(t, STYLE_WARN, A_NORMAL, COLOR_YELLOW, A_BOLD);
    set(t, STYLE_BAD, A_NORMAL, COLOR_RED, A_BOLD);
    set(t, STYLE_RULE, grey ? A_NORMAL : A_DIM, grey ? 243 : -1, A_DIM);
    set(t, STYLE_SELECTED, A_REVERSE, -1, A_REVERSE);
    set(t, STYLE_CODE, A_NORMAL, COLOR_CYAN, A_NORMAL);
    set(t, STYLE_LINK, A_UNDERLINE, COLOR_BLUE, A_UNDERLINE);
}

const char *theme_symbol(const struct theme *t, enum symbol s) {
    switch (s) {
#define X(name, text, plain)                                                                       \
    case SYMBOL_##name:                                                                            \
        return t->ascii ? plain : text;
        SYMBOL_TABLE(X)
#undef X
    }
    return "?";
}
