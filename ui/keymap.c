/* keymap: the table of actions and the keys that lead to them. What an action does is view.c's. */
#include "ui/keymap.h"

#include "base/mem.h"

const char *focus_name(enum focus f) {
    switch (f) {
#define X(name, text)                                                                              \
    case FOCUS_##name:                                                                             \
        return text;
        FOCUS_TABLE(X)
#undef X
    }
    return "?";
}

static const struct action_info actions[] = {
#define X(name, keys, where, word, help) {ACTION_##name, #name, keys, word, help, where},
    ACTION_TABLE(X)
#undef X
};

const struct action_info *keymap_action(size_t i) {
    return i < ARRAY_LEN(actions) ? &actions[i] : NULL;
}

/* More than one key may lead to an action; the first that fits wins. */
static const struct {
    enum keysym sym;
    uint32_t cp;
    unsigned mods;
    enum action action;
} bindings[] = {
    {KEYSYM_ENTER, 0, 0, ACTION_SEND},
    {KEYSYM_CHAR, 'j', KEYMOD_CTRL, ACTION_NEWLINE},
    {KEYSYM_ENTER, 0, KEYMOD_ALT, ACTION_NEWLINE},
    {KEYSYM_ENTER, 0, KEYMOD_SHIFT, ACTION_NEWLINE},
    {KEYSYM_ENTER, 0, 0, ACTION_OPEN},
    {KEYSYM_CHAR, 'x', 0, ACTION_CANCEL},
    {KEYSYM_CHAR, 'd', 0, ACTION_DISMISS},
    {KEYSYM_CHAR, 'y', 0, ACTION_ALLOW},
    {KEYSYM_CHAR, 'a', 0, ACTION_ALWAYS},
    {KEYSYM_CHAR, 'n', 0, ACTION_REFUSE},
    {KEYSYM_CHAR, 'i', 0, ACTION_INBOX},
    {KEYSYM_CHAR, '1', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '2', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '3', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '4', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '5', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '6', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '7', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '8', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, '9', 0, ACTION_CHOOSE},
    {KEYSYM_CHAR, 'k', 0, ACTION_UP},
    {KEYSYM_UP, 0, 0, ACTION_UP},
    {KEYSYM_CHAR, 'j', 0, ACTION_DOWN},
    {KEYSYM_DOWN, 0, 0, ACTION_DOWN},
    {KEYSYM_PAGE_UP, 0, 0, ACTION_PAGE_UP},
    {KEYSYM_PAGE_DOWN, 0, 0, ACTION_PAGE_DOWN},
    {KEYSYM_CHAR, 'g', 0, ACTION_TOP},
    {KEYSYM_HOME, 0, 0, ACTION_TOP},
    {KEYSYM_CHAR, 'G', 0, ACTION_BOTTOM},
    {KEYSYM_END, 0, 0, ACTION_BOTTOM},
    {KEYSYM_CHAR, '@', 0, ACTION_FILE},
    {KEYSYM_CHAR, '!', 0, ACTION_RUN},
    {KEYSYM_TAB, 0, 0, ACTION_NEXT_PANE},
    {KEYSYM_TAB, 0, KEYMOD_SHIFT, ACTION_PREVIOUS_PANE},
    {KEYSYM_ESC, 0, 0, ACTION_BACK},
    {KEYSYM_CHAR, 'c', KEYMOD_CTRL, ACTION_INTERRUPT},
    {KEYSYM_CHAR, 'z', KEYMOD_CTRL, ACTION_SUSPEND},
    {KEYSYM_CHAR, 'l', KEYMOD_CTRL, ACTION_REDRAW},
    {KEYSYM_CHAR, '?', 0, ACTION_HELP},
    {KEYSYM_CHAR, ':', 0, ACTION_COMMAND},
    {KEYSYM_CHAR, 'w', 0, ACTION_WALL},
    {KEYSYM_CHAR, 't', 0, ACTION_TABLE},
    {KEYSYM_CHAR, 'W', 0, ACTION_WHY},
    {KEYSYM_CHAR, 'r', 0, ACTION_REQUEST},
    {KEYSYM_CHAR, 'z', 0, ACTION_ZOOM},
    {KEYSYM_CHAR, '+', 0, ACTION_ZOOM},
    {KEYSYM_CHAR, 'y', 0, ACTION_COPY},
    {KEYSYM_CHAR, '/', 0, ACTION_SEARCH},
    {KEYSYM_CHAR, 'n', 0, ACTION_SEARCH_NEXT},
    {KEYSYM_CHAR, 'N', 0, ACTION_SEARCH_PREVIOUS},
    {KEYSYM_CHAR, 'h', 0, ACTION_LEFT},
    {KEYSYM_LEFT, 0, 0, ACTION_LEFT},
    {KEYSYM_CHAR, 'l', 0, ACTION_RIGHT},
    {KEYSYM_RIGHT, 0, 0, ACTION_RIGHT},
};

bool keymap_find(const struct key *k, enum focus f, enum action *out) {
    for (size_t i = 0; i < ARRAY_LEN(bindings); i++) {
        if (bindings[i].sym == k->sym && bindings[i].cp == k->cp && bindings[i].mods == k->mods &&
            actions[bindings[i].action].where & (1u << f)) {
            *out = bindings[i].action;
            return true;
        }
    }
    return false;
}
