/* keymap: one table of what keys do and where. The footer and the help are made from it, so neither
 * can promise a key that does nothing. */
#ifndef UI_KEYMAP_H
#define UI_KEYMAP_H

#include "ui/keys.h"

/* Where the focus is. */
#define FOCUS_TABLE(X)                                                                             \
    X(COMPOSER, "composer")                                                                        \
    X(TREE, "processes")                                                                           \
    X(TRANSCRIPT, "transcript")                                                                    \
    X(LIVE, "live pane")                                                                           \
    X(WALL, "wall")                                                                                \
    X(TABLE, "table")                                                                              \
    X(INBOX, "inbox")                                                                              \
    X(WHY, "why")                                                                                  \
    X(REQUEST, "request")                                                                          \
    X(HELP, "help")                                                                                \
    X(PROMPT, "prompt")
enum focus {
#define X(name, text) FOCUS_##name,
    FOCUS_TABLE(X)
#undef X
};
const char *focus_name(enum focus f);

#define AT(f) (1u << FOCUS_##f)
#define AT_LISTS (AT(TREE) | AT(TRANSCRIPT) | AT(LIVE))
#define AT_MAIN (AT(COMPOSER) | AT_LISTS)
#define AT_WIDE (AT(WALL) | AT(TABLE)) /* instead of the panes */
#define AT_PANES (AT_LISTS | AT_WIDE)
#define AT_JOURNALS (AT(TRANSCRIPT) | AT(LIVE) | AT(REQUEST))
#define AT_SCROLLED (AT_PANES | AT(INBOX) | AT(WHY) | AT(REQUEST) | AT(HELP))
#define AT_ALL (AT_MAIN | AT_SCROLLED)

/* X(NAME, "keys for people", where, "word in the footer or NULL", "help")
 * The order is that of footer and help. */
#define ACTION_TABLE(X)                                                                            \
    X(HELP, "?", AT_ALL, "help", "this help (from the composer while it is empty)")                \
    X(COMMAND, ":", AT_ALL, "command", "a command by name; Tab completes, Up is its history")      \
    X(SEND, "Enter", AT(COMPOSER), "send", "send the message")                                     \
    X(FILE, "@", AT(COMPOSER), NULL, "a file goes along: @ and its name, which Tab completes")     \
    X(RUN, "!", AT(COMPOSER), NULL, "a command in the workspace: ! and the line; ^C ends it")      \
    X(ALLOW, "y", AT(INBOX), "once", "allow what is asked, this time")                             \
    X(ALWAYS, "a", AT(INBOX), "always", "allow it from now on, by the rule that is shown")         \
    X(REFUSE, "n", AT(INBOX), "no", "deny it (:answer N no WHY tells why)")                        \
    X(CHOOSE, "1-9", AT(INBOX), "choose", "an option of the question")                             \
    X(OPEN, "Enter", AT_PANES | AT(INBOX) | AT(WHY) | AT(REQUEST), "open",                         \
      "open it, or fold and unfold the entry")                                                     \
    X(INBOX, "i", AT_PANES | AT(INBOX), "inbox", "what waits for you; again: back")                \
    X(DISMISS, "d", AT_PANES, "interrupted: seen", "what a crash interrupted has been looked at")  \
    X(WALL, "w", AT_PANES, "wall", "all that runs, side by side; again: back")                     \
    X(TABLE, "t", AT_PANES, "table", "all processes, a row each; again: back")                     \
    X(WHY, "W", AT_LISTS | AT(WHY), "why", "what led to the reply under the cursor; again: back")  \
    X(REQUEST, "r", AT_LISTS | AT(WHY) | AT(REQUEST), "request",                                   \
      "what was sent to models for it, and what came back; again: back")                           \
    X(ZOOM, "z", AT_LISTS, "zoom", "this pane alone; again: all of them")                          \
    X(NEXT_PANE, "Tab", AT_MAIN, "pane", "the next pane")                                          \
    X(PREVIOUS_PANE, "S-Tab", AT_MAIN, NULL, "the pane before")                                    \
    X(CANCEL, "x", AT_PANES, "cancel", "cancel the process; asks for a second x")                  \
    X(INTERRUPT, "^C", AT_ALL, "interrupt", "interrupt the process that is shown")                 \
    X(SEARCH, "/", AT_JOURNALS | AT(COMPOSER), "search", "search the transcript")                  \
    X(SEARCH_NEXT, "n", AT_JOURNALS, NULL, "the next place where it stands (upwards)")             \
    X(SEARCH_PREVIOUS, "N", AT_JOURNALS, NULL, "the place before (downwards)")                     \
    X(BACK, "Esc", AT_ALL, "back", "back to the composer; from it to the processes")               \
    X(COPY, "y", AT_JOURNALS, "copy", "copy the entry under the cursor")                           \
    X(QUIT, "^C ^C", AT_ALL, "close", "close the screen (twice within a second)")                  \
    X(PAGE_UP, "PgUp", AT_ALL, "scroll", "one page up (from the composer: the transcript)")        \
    X(PAGE_DOWN, "PgDn", AT_ALL, NULL, "one page down")                                            \
    X(UP, "k Up", AT_SCROLLED, NULL, "one line up")                                                \
    X(DOWN, "j Down", AT_SCROLLED, NULL, "one line down")                                          \
    X(LEFT, "h Left", AT(WALL), NULL, "the pane to the left")                                      \
    X(RIGHT, "l Right", AT(WALL), NULL, "the pane to the right")                                   \
    X(TOP, "g Home", AT_SCROLLED, NULL, "to the beginning")                                        \
    X(BOTTOM, "G End", AT_SCROLLED, NULL, "to the end, and stay there")                            \
    X(NEWLINE, "^J", AT(COMPOSER), "newline", "a new line in the message (also Alt-Enter)")        \
    X(REDRAW, "^L", AT_ALL, NULL, "draw the screen anew")                                          \
    X(SUSPEND, "^Z", AT_ALL, NULL, "to the shell; fg comes back here")                             \
    X(CHANNEL, ":channel NAME", 0, NULL, "go to a conversation; a new name begins one")            \
    X(SHOW, ":show PROCESS", 0, NULL, "show a process, by its name or the beginning of its id")    \
    X(ANSWER, ":answer N CHOICE", 0, NULL, "answer request N, with a remark behind if you like")   \
    X(UNDO, ":undo", 0, NULL, "files as before the last request that changed any (:undo force)")   \
    X(REDO, ":redo", 0, NULL, "take the last undo back (:redo force)")                             \
    X(MODEL, ":model [NAME]", 0, NULL, "the model of this conversation; default: the usual one")   \
    X(CONNECT, ":connect", 0, NULL, "how to connect a model")
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

/* What panes leave to the view, as cases of a switch: one more action is one more case here. */
#define ACTIONS_OF_THE_VIEW_BUT_SIDEWAYS                                                           \
    case ACTION_HELP:                                                                              \
    case ACTION_COMMAND:                                                                           \
    case ACTION_SEND:                                                                              \
    case ACTION_FILE:                                                                              \
    case ACTION_RUN:                                                                               \
    case ACTION_CANCEL:                                                                            \
    case ACTION_INTERRUPT:                                                                         \
    case ACTION_QUIT:                                                                              \
    case ACTION_NEXT_PANE:                                                                         \
    case ACTION_PREVIOUS_PANE:                                                                     \
    case ACTION_BACK:                                                                              \
    case ACTION_WALL:                                                                              \
    case ACTION_TABLE:                                                                             \
    case ACTION_WHY:                                                                               \
    case ACTION_REQUEST:                                                                           \
    case ACTION_ZOOM:                                                                              \
    case ACTION_COPY:                                                                              \
    case ACTION_SEARCH:                                                                            \
    case ACTION_SEARCH_NEXT:                                                                       \
    case ACTION_SEARCH_PREVIOUS:                                                                   \
    case ACTION_DISMISS:                                                                           \
    case ACTION_ANSWER:                                                                            \
    case ACTION_INBOX:                                                                             \
    case ACTION_CHOOSE:                                                                            \
    case ACTION_REFUSE:                                                                            \
    case ACTION_ALWAYS:                                                                            \
    case ACTION_ALLOW:                                                                             \
    case ACTION_NEWLINE:                                                                           \
    case ACTION_REDRAW:                                                                            \
    case ACTION_SUSPEND:                                                                           \
    case ACTION_CHANNEL:                                                                           \
    case ACTION_SHOW:                                                                              \
    case ACTION_UNDO:                                                                              \
    case ACTION_REDO:                                                                              \
    case ACTION_MODEL:                                                                             \
    case ACTION_CONNECT
#define ACTIONS_OF_THE_VIEW                                                                        \
    case ACTION_LEFT:                                                                              \
    case ACTION_RIGHT:                                                                             \
        ACTIONS_OF_THE_VIEW_BUT_SIDEWAYS

/* Whether `k` is bound at `f`, and to what. */
bool keymap_find(const struct key *k, enum focus f, enum action *out);

#endif
