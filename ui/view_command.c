/* view_command: the prompts: a command by name, what to search; and what they lead to. */
#include "ui/view-internal.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"

void view_prompt_start(struct view *v, char sign) {
    v->prompt_of = v->focus;
    v->focus = FOCUS_PROMPT;
    prompt_start(&v->prompt, sign);
    v->own++;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* NEXT_PANE is typed as next-pane. */
static char *typed_name(const struct action_info *a) {
    char *name = xstrdup(a->name);
    for (char *c = name; *c; c++)
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
    return name;
}

/* Moving and writing are not for typing as commands. */
static bool typeable(enum action a) {
    switch (a) {
    case ACTION_HELP:
    case ACTION_CANCEL:
    case ACTION_DISMISS:
    case ACTION_INBOX:
    case ACTION_ANSWER:
    case ACTION_INTERRUPT:
    case ACTION_QUIT:
    case ACTION_WALL:
    case ACTION_TABLE:
    case ACTION_WHY:
    case ACTION_REQUEST:
    case ACTION_ZOOM:
    case ACTION_COPY:
    case ACTION_REDRAW:
    case ACTION_SUSPEND:
    case ACTION_CHANNEL:
    case ACTION_SHOW:
    case ACTION_UNDO:
    case ACTION_REDO:
    case ACTION_MODEL:
    case ACTION_CONNECT:
    case ACTION_RUN:
        return true;
    case ACTION_COMMAND:
    case ACTION_SEND:
    case ACTION_FILE:
    case ACTION_OPEN:
    case ACTION_ALLOW:
    case ACTION_ALWAYS:
    case ACTION_REFUSE:
    case ACTION_CHOOSE:
    case ACTION_NEXT_PANE:
    case ACTION_PREVIOUS_PANE:
    case ACTION_BACK:
    case ACTION_SEARCH:
    case ACTION_SEARCH_NEXT:
    case ACTION_SEARCH_PREVIOUS:
    case ACTION_PAGE_UP:
    case ACTION_PAGE_DOWN:
    case ACTION_UP:
    case ACTION_DOWN:
    case ACTION_LEFT:
    case ACTION_RIGHT:
    case ACTION_TOP:
    case ACTION_BOTTOM:
    case ACTION_NEWLINE:
        return false;
    }
    return false;
}

static void command_names(const char *prefix, struct strv *out) {
    const struct action_info *a;
    for (size_t i = 0; (a = keymap_action(i)); i++) {
        char *name = typed_name(a);
        if (typeable(a->action) && str_prefix(name, prefix))
            strv_push(out, name);
        x_free(&name);
    }
}

static void process_names(const struct view *v, bool channels, const char *prefix,
                          struct strv *out) {
    size_t pos = 0;
    for (const struct process *p; (p = process_next(v->processes, &pos));)
        if ((p->kind == PROCESS_CHANNEL) == channels &&
            str_prefix(channels ? p->bare : p->name, prefix))
            strv_push(out, channels ? p->bare : p->name);
}

static void model_names(const struct view *v, const char *prefix, struct strv *out) {
    if (v->host.models)
        v->host.models(v->host.arg, prefix, out);
    if (str_prefix("default", prefix))
        strv_push(out, "default");
}

static void complete(void *arg, const char *text, size_t from, struct strv *out) {
    const struct view *v = arg;
    if (v->prompt.sign != ':')
        return;
    if (from == 0)
        command_names(text, out);
    else if (str_prefix(text, "channel "))
        process_names(v, true, text + strlen("channel "), out);
    else if (str_eq(text, "undo ") || str_eq(text, "redo "))
        strv_push(out, "force");
    else if (str_prefix(text, "model "))
        model_names(v, text + strlen("model "), out);
    else if (str_prefix(text, "show ") || str_prefix(text, "cancel "))
        process_names(v, false, strchr(text, ' ') + 1, out);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* By its name as shown, or as the command line has it. */
static const struct process *named(struct view *v, const char *name) {
    struct cause why;
    struct process *p = NULL;
    size_t pos = 0;
    for (const struct process *q; (q = process_next(v->processes, &pos));)
        if (str_eq(q->name, name))
            return q;
    if (process_resolve(v->processes, name, &p, &why) == STATUS_OK)
        return p;
    view_message(v, STYLE_BAD, "%s", why.text);
    return NULL;
}

static bool find_action(const char *word, enum action *out) {
    const struct action_info *a;
    for (size_t i = 0; (a = keymap_action(i)); i++) {
        char *name = typed_name(a);
        bool same = typeable(a->action) && str_eq(name, word);
        x_free(&name);
        if (same) {
            *out = a->action;
            return true;
        }
    }
    return false;
}

static void unknown(struct view *v, const char *word) {
    struct strv names = {0};
    command_names("", &names);
    const char *near = str_nearest(word, (const char *const *)names.v, names.n);
    if (near)
        view_message(v, STYLE_BAD, "there is no command \"%.40s\"; did you mean :%s?", word, near);
    else
        view_message(v, STYLE_BAD, "there is no command \"%.40s\"; Tab shows what there is", word);
    strv_free(&names);
}

/* Commands with an argument. False: the action needs none. */
static bool with_argument(struct view *v, enum action a, const char *arg) {
    const struct process *p;
    if (a == ACTION_CHANNEL) {
        if (!*arg)
            view_message(v, STYLE_BAD, "which channel? :channel NAME");
        else
            v->host.open(v->host.arg, arg[0] == '#' ? arg + 1 : arg);
        return true;
    }
    if (a == ACTION_RUN) {
        p = view_channel_of(v, process_get(v->processes, v->shown));
        if (!*arg)
            view_message(v, STYLE_BAD, "which command? :run COMMAND, or !COMMAND in a message");
        else if (p)
            v->host.run(v->host.arg, p->channel, arg);
        return true;
    }
    if (a == ACTION_UNDO || a == ACTION_REDO) {
        bool force = str_eq(arg, "force");
        p = view_channel_of(v, process_get(v->processes, v->shown));
        if (*arg && !force)
            view_message(v, STYLE_BAD, "nothing but force goes behind it");
        else if (p)
            v->host.undo(v->host.arg, p->channel, a == ACTION_REDO, force);
        return true;
    }
    if (a == ACTION_MODEL) { /* what /model in a message does */
        char *command = xasprintf("/model%s%s", *arg ? " " : "", arg);
        p = view_channel_of(v, process_get(v->processes, v->shown));
        if (p)
            v->host.say(v->host.arg, p->channel, command);
        x_free(&command);
        return true;
    }
    if (a == ACTION_ANSWER) { /* N CHOICE [REMARK] */
        char *words = xstrdup(arg), *choice = strchr(words, ' '), *remark = NULL;
        int64_t number = 0;
        if (choice) {
            *choice++ = '\0';
            remark = strchr(choice, ' ');
        }
        if (remark)
            *remark++ = '\0';
        if (choice && str_to_i64(words, &number) == STATUS_OK)
            v->host.answer(v->host.arg, number, choice, remark ? remark : "");
        else
            view_message(v, STYLE_BAD, "which request, and what? :answer N CHOICE");
        x_free(&words);
        return true;
    }
    if (a == ACTION_CONNECT) {
        view_message(v, STYLE_ACCENT,
                     "set " PROVIDER_KEYS_TEXT
                     " in your shell, quit with ^C ^C and start spacebot again");
        return true;
    }
    if (a == ACTION_SHOW || (a == ACTION_CANCEL && *arg)) {
        p = *arg ? named(v, arg) : NULL;
        if (!*arg)
            view_message(v, STYLE_BAD, "which process? :show NAME");
        else if (p && a == ACTION_SHOW)
            view_open_process(v, p->handle);
        else if (p)
            v->host.cancel(v->host.arg, p->id);
        return true;
    }
    return false;
}

static void run(struct view *v, const char *line, int64_t now_ns) {
    char *words = xstrdup(line), *word = words + strspn(words, " "), *arg = strchr(word, ' ');
    if (arg) {
        *arg++ = '\0';
        arg += strspn(arg, " ");
        for (size_t n = strlen(arg); n && arg[n - 1] == ' ';)
            arg[--n] = '\0';
    }
    enum action a;
    if (!*word) {
        /* nothing was typed */
    } else if (!find_action(word, &a)) {
        unknown(v, word);
    } else if (!with_argument(v, a, arg ? arg : "")) {
        x_free(&words);
        if (a == ACTION_QUIT)
            v->host.quit(v->host.arg);
        else
            (void)view_act(v, a, NULL, now_ns);
        return; /* the view may be gone */
    }
    x_free(&words);
}

/* ---- searching and copying ------------------------------------------------------------------- */

static struct journal_view *journal(struct view *v) {
    struct view_pane *pane = view_focused_pane(v);
    return pane->ops->journal ? pane->ops->journal(pane->self) : NULL;
}

/* Whose processes that journal is among. */
static const struct process_table *table(struct view *v) {
    const struct view_pane *pane = view_focused_pane(v);
    return pane->ops->table ? pane->ops->table(pane->self) : v->processes;
}

void view_search(struct view *v, int by) {
    struct journal_view *j = journal(v);
    if (!v->needle || !j || !v->theme)
        return;
    if (v->focus == FOCUS_REQUEST)
        by = -by; /* read from its beginning on, unlike a conversation */
    if (!journal_view_search(j, table(v), v->theme, v->needle, by))
        view_message(v, STYLE_DIM, "\"%.60s\" stands nowhere further %s", v->needle,
                     by < 0 ? "up" : "down");
    v->own++;
}

void view_copy(struct view *v) {
    struct journal_view *j = journal(v);
    char *text = j && v->theme ? journal_view_text(j, table(v), v->theme) : NULL;
    if (text)
        v->host.copy(v->host.arg, text);
    else
        view_message(v, STYLE_DIM, "there is nothing to copy here");
    x_free(&text);
}

static void search(struct view *v, const char *text) {
    if (*text) {
        x_free(&v->needle);
        v->needle = xstrdup(text);
    }
    if (v->focus == FOCUS_COMPOSER)
        v->focus = FOCUS_TRANSCRIPT; /* where n and N mean something */
    view_search(v, -1);
}

/* ---- keys ------------------------------------------------------------------------------------ */

void view_prompt_key(struct view *v, const struct key *k, int64_t now_ns) {
    v->own++;
    v->message[0] = v->warning[0] = '\0';
    enum prompt_verdict verdict = prompt_key(&v->prompt, k, complete, v);
    if (verdict == PROMPT_GOING)
        return;
    char sign = v->prompt.sign, *line = xstrdup(buf_str(&v->prompt.text));
    prompt_stop(&v->prompt);
    v->focus = v->prompt_of;
    if (verdict == PROMPT_DONE && sign == '/')
        search(v, line);
    else if (verdict == PROMPT_DONE)
        run(v, line, now_ns); /* the last use of v */
    x_free(&line);
}
