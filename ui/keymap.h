/* keymap: one table of what keys do and where. The footer and the help are made from it, so neither
 * can promise a key that does nothing. */
#ifndef UI_KEYMAP_H
#define UI_KEYMAP_H

#include "ui/keys.h"

/* Where the focus is. */
#define FOCUS_TABLE(X)                                                                             \
    X(COMPOSER, "composer")                                                                        \
    X(TREE, "processes") X(TRANSCRIPT, "transcript") X(LIVE, "live pane") X(HELP, "help")
enum focus {
#define X(name, text) FOCUS_##name,
    FOCUS_TABLE(X)
#undef X
};
const char *focus_name(enum focus f);

#define AT(f) (1u << FOCUS_##f)
#define AT_LISTS (AT(TREE) | AT(TRANSCRIPT) | AT(LIVE))
#define AT_MAIN (AT(COMPOSER) | AT_LISTS)
#define AT_ALL (AT_MAIN | AT(HELP))

/* X(NAME, "keys for people", where, "word in the footer or NULL", "help")
 * The order is that of footer and help. */
#define ACTION_TABLE(X)                                                                            \
    X(HELP, "?", AT_ALL, "help", "this help (from the composer while it is empty)")                \
    X(SEND, "Enter", AT(COMPOSER), "send", "send the message")                                     \
    X(OPEN, "Enter", AT_LISTS, "open", "open the process, or fold and unfold the entry")           \
    X(CANCEL, "x", AT_LISTS, "cancel", "cancel the process; asks for a second x")                  \
    X(INTERRUPT, "^C", AT_ALL, "interrupt", "interrupt the process that is shown")                 \
    X(QUIT, "^C ^C", AT_ALL, "close", "close the screen (twice within a second)")                  \
    X(NEXT_PANE, "Tab", AT_MAIN, "pane", "the next pane")                                          \
    X(PREVIOUS_PANE, "S-Tab", AT_MAIN, NULL, "the pane before")                                    \
    X(BACK, "Esc", AT_ALL, "back", "back to the composer; from it to the processes")               \
    X(PAGE_UP, "PgUp", AT_ALL, "scroll", "one page up (from the composer: the transcript)")        \
    X(PAGE_DOWN, "PgDn", AT_ALL, NULL, "one page down")                                            \
    X(UP, "k Up", AT_LISTS | AT(HELP), NULL, "one line up")                                        \
    X(DOWN, "j Down", AT_LISTS | AT(HELP), NULL, "one line down")                                  \
    X(TOP, "g Home", AT_LISTS | AT(HELP), NULL, "to the beginning")                                \
    X(BOTTOM, "G End", AT_LISTS | AT(HELP), NULL, "to the end, and stay there")                    \
    X(NEWLINE, "^J", AT(COMPOSER), "newline", "a new line in the message (also Alt-Enter)")        \
    X(REDRAW, "^L", AT_ALL, NULL, "draw the screen anew")                                          \
    X(SUSPEND, "^Z", AT_ALL, NULL, "to the shell; fg comes back here")
enum action {
#define X(name, keys, where, word, help) ACTION_##name,
    ACTION_TABLE(X)
#undef X
};

struct action_info {
    enum action action;
    const char *name, *keys, *word, *help;
    unsigned where;
};
/* In the table's order; NULL past the end. */
const struct action_info *keymap_action(size_t i);

/* Whether `k` is bound at `f`, and to what. */
bool keymap_find(const struct key *k, enum focus f, enum action *out);

#endif
