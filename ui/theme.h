/* theme: how things look on this terminal: colours where it has them and the person wants them,
 * symbols where it can show them. State is never told by colour alone. */
#ifndef UI_THEME_H
#define UI_THEME_H

#include <stdbool.h>

/* What a piece of text is, not how it looks. */
/* clang-format off */
#define STYLE_TABLE(X)                                                                             \
    X(TEXT)                                                                                        \
    X(DIM)                                                                                         \
    X(STRONG)                                                                                      \
    X(ACCENT)                                                                                      \
    X(GOOD)                                                                                        \
    X(WARN)                                                                                        \
    X(BAD)                                                                                         \
    X(RULE)                                                                                        \
    X(SELECTED)                                                                                    \
    X(CODE)                                                                                        \
    X(LINK)
/* clang-format on */
enum style {
#define X(name) STYLE_##name,
    STYLE_TABLE(X)
#undef X
};
/* Or-ed to a style: the row under the cursor, or strong. */
#define STYLE_REVERSED 0x100u
#define STYLE_BOLD 0x200u
#define STYLE_UNDERLINE 0x400u
#define STYLE_MASK 0xFFu

/* X(NAME, "symbol", "ASCII twin") */
/* clang-format off */
#define SYMBOL_TABLE(X)                                                                            \
    X(TEE, "├", "|-")                                                                              \
    X(ELBOW, "└", "`-")                                                                            \
    X(BAR, "│", "|")                                                                               \
    X(LINE, "─", "-")                                                                              \
    X(FOLDED, "▸", ">")                                                                            \
    X(UNFOLDED, "▾", "v")                                                                          \
    X(ARROW, "→", "->")                                                                            \
    X(ELLIPSIS, "…", "...")                                                                        \
    X(BUSY, "●", "*")                                                                              \
    X(IDLE, "·", ".")                                                                              \
    X(ASKS, "!", "!")                                                                              \
    X(CROSS, "✗", "x")                                                                             \
    X(CHECK, "✓", "+")                                                                             \
    X(DASH, "–", "-")
/* clang-format on */
enum symbol {
#define X(name, text, ascii) SYMBOL_##name,
    SYMBOL_TABLE(X)
#undef X
};

struct theme {
    int colors;        /* 0, 8, 16 or 256 */
    bool ascii;        /* symbols as ASCII */
    bool narrow_text;  /* the terminal shows nothing but ASCII: other characters become '?' */
    unsigned attr[16]; /* curses attributes and colour pair of each style */
};

/* Whether a terminal of this type is better served with ASCII symbols. */
bool theme_wants_ascii(const char *term);
/* Whether it may be a real VT100, which shows every sequence that it does not know. */
bool theme_is_vt(const char *term);
/* After curses has started. `ascii`: the locale is one without UTF-8. */
void theme_init(struct theme *t, const char *term, bool no_color, bool ascii);
const char *theme_symbol(const struct theme *t, enum symbol s);

#endif
