/* view: the panes, the focus, and what each action does. */
#include "ui/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "ui/pane/inbox.h"
#include "ui/view-internal.h"

/* Whom a text goes to: a bare channel id, or the full id of a worker. */
static void on_send(void *arg, const char *to, const char *text) {
    struct view *v = arg;
    const struct process *p = process_find(v->processes, to);
    view_live_seen(v); /* who writes on has seen what came before */
    struct pane_env env = view_env(v);
    (void)v->transcript.ops->act(v->transcript.self, &env, ACTION_BOTTOM);
    if (text[0] == '!')
        v->host.run(v->host.arg, p && p->channel ? p->channel : to, text + 1);
    else if (p && p->kind == PROCESS_WORKER)
        v->host.route(v->host.arg, p->id, text);
    else
        v->host.say(v->host.arg, to, text);
}

static void pane_start(struct view_pane *p, enum pane_kind kind) {
    p->ops = pane_ops(kind);
    p->self = p->ops->open();
}

static void pane_end(struct view_pane *p) {
    if (p->ops)
        p->ops->close(p->self);
}

struct view *view_new(const struct process_table *t, const char *history_path,
                      const struct view_host *host) {
    struct view *v = xcalloc(1, sizeof *v);
    v->processes = t;
    v->host = *host;
    v->focus = FOCUS_COMPOSER;
    v->own = 1;
    v->loop_us_shown = -1;
    v->composer = composer_new(history_path, on_send, v);
    pane_start(&v->tree, PANE_TREE);
    pane_start(&v->transcript, PANE_TRANSCRIPT);
    pane_start(&v->help, PANE_HELP);
    pane_start(&v->wall, PANE_WALL);
    pane_start(&v->table, PANE_TABLE);
    pane_start(&v->inbox_pane, PANE_INBOX);
    pane_start(&v->why_pane, PANE_WHY);
    pane_start(&v->request_pane, PANE_REQUEST);
    return v;
}

void view_free(struct view **vp) {
    struct view *v = *vp;
    if (!v)
        return;
    composer_free(&v->composer);
    pane_end(&v->tree);
    pane_end(&v->transcript);
    pane_end(&v->help);
    pane_end(&v->wall);
    pane_end(&v->table);
    pane_end(&v->inbox_pane);
    pane_end(&v->why_pane);
    pane_end(&v->request_pane);
    prompt_free(&v->prompt);
    x_free(&v->needle);
    for (size_t i = 0; i < ARRAY_LEN(v->live); i++)
        pane_end(&v->live[i]);
    x_free(vp);
}

const struct process *view_channel_of(const struct view *v, const struct process *p) {
    while (p && p->kind != PROCESS_CHANNEL)
        p = process_get(v->processes, p->parent);
    return p;
}

void view_show(struct view *v, struct process_handle h) {
    const struct process *p = process_get(v->processes, h);
    if (!p)
        return;
    v->shown = h;
    v->transcript.ops->show(v->transcript.self, h);
    v->tree.ops->show(v->tree.self, h);
    v->written_to = p->kind == PROCESS_WORKER && p->state != PROCESS_STATE_ENDED ? h : PROCESS_NONE;
    if (v->written_to.generation)
        composer_channel(v->composer, p->id);
    else if (p->channel)
        composer_channel(v->composer, p->channel);
    v->own++;
}

struct process_handle view_shown(const struct view *v) {
    return v->shown;
}

void view_message(struct view *v, enum style style, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->message, sizeof v->message, fmt, ap);
    va_end(ap);
    v->message_style = style;
    v->own++;
}

void view_warn(struct view *v, enum style style, const char *text) {
    snprintf(v->warning, sizeof v->warning, "%.*s",
             (int)utf8_cut(text, strlen(text), sizeof v->warning - 1), text);
    v->warning_style = style;
    v->own++;
}

void view_put_back(struct view *v, const char *channel, const char *text) {
    composer_put_back(v->composer, channel, text);
}

/* ---- focus ----------------------------------------------------------------------------------- */

/* A prompt leaves the focus where it was, as far as panes are concerned. */
static enum focus pane_focus(const struct view *v) {
    return v->focus == FOCUS_PROMPT ? v->prompt_of : v->focus;
}

struct view_pane *view_wide(struct view *v) {
    switch (pane_focus(v)) {
    case FOCUS_HELP:
        return &v->help;
    case FOCUS_WALL:
        return &v->wall;
    case FOCUS_TABLE:
        return &v->table;
    case FOCUS_INBOX:
        return &v->inbox_pane;
    case FOCUS_WHY:
        return &v->why_pane;
    case FOCUS_REQUEST:
        return &v->request_pane;
    case FOCUS_TREE:
    case FOCUS_TRANSCRIPT:
    case FOCUS_LIVE:
        return v->zoomed && !v->layout.narrow ? view_focused_pane(v) : NULL;
    case FOCUS_COMPOSER:
    case FOCUS_PROMPT:
        return NULL;
    }
    return NULL;
}

struct view_pane *view_focused_pane(struct view *v) {
    switch (pane_focus(v)) {
    case FOCUS_COMPOSER:
        return &v->transcript; /* what scrolls while one writes */
    case FOCUS_TREE:
        return &v->tree;
    case FOCUS_TRANSCRIPT:
        return &v->transcript;
    case FOCUS_LIVE:
        return &v->live[v->live_focus];
    case FOCUS_HELP:
        return &v->help;
    case FOCUS_WALL:
        return &v->wall;
    case FOCUS_TABLE:
        return &v->table;
    case FOCUS_INBOX:
        return &v->inbox_pane;
    case FOCUS_WHY:
        return &v->why_pane;
    case FOCUS_REQUEST:
        return &v->request_pane;
    case FOCUS_PROMPT:
        break;
    }
    return &v->transcript;
}

/* Composer, tree, transcript, each live pane that is shown, and round again. On a narrow screen
 * each is shown while it has the focus. */
static void step_focus(struct view *v, int by) {
    int nlive = v->layout.narrow ? v->nlive : v->layout.nlive;
    int n = 3 + nlive, at = 0;
    switch (v->focus) {
    case FOCUS_COMPOSER:
        at = 0;
        break;
    case FOCUS_TREE:
        at = 1;
        break;
    case FOCUS_TRANSCRIPT:
        at = 2;
        break;
    case FOCUS_LIVE:
        at = 3 + v->live_focus;
        break;
    case FOCUS_HELP:
    case FOCUS_WALL:
    case FOCUS_TABLE:
    case FOCUS_INBOX:
    case FOCUS_WHY:
    case FOCUS_REQUEST:
    case FOCUS_PROMPT:
        return;
    }
    at = (at + by + n) % n;
    v->focus = at == 0   ? FOCUS_COMPOSER
               : at == 1 ? FOCUS_TREE
               : at == 2 ? FOCUS_TRANSCRIPT
                         : FOCUS_LIVE;
    v->live_focus = at >= 3 ? at - 3 : 0;
}

static void all_seen(struct view *v) {
    size_t pos = 0;
    for (const struct process *q; (q = process_next(v->processes, &pos));)
        if (q->kind != PROCESS_CHANNEL && q->state == PROCESS_STATE_ENDED && !q->seen)
            v->host.seen(v->host.arg, q->id);
}

/* One level back: from the help to where it was opened, from a worker to its channel, from a pane
 * to the composer, from the composer to the processes. */
static void back(struct view *v) {
    const struct process *p = process_get(v->processes, v->shown);
    if (v->zoomed) {
        v->zoomed = false;
        return;
    }
    switch (v->focus) {
    case FOCUS_WALL:
        all_seen(v); /* it was all there to be looked at */
        v->focus = v->before;
        return;
    case FOCUS_HELP:
    case FOCUS_TABLE:
    case FOCUS_INBOX:
    case FOCUS_WHY:
        v->focus = v->before;
        return;
    case FOCUS_REQUEST:
        view_request_back(v);
        return;
    case FOCUS_PROMPT:
        v->focus = v->prompt_of;
        return;
    case FOCUS_COMPOSER:
        v->focus = FOCUS_TREE;
        return;
    case FOCUS_TRANSCRIPT:
        if (p && p->kind != PROCESS_CHANNEL) {
            const struct process *channel = view_channel_of(v, p);
            if (channel)
                view_show(v, channel->handle);
        }
        v->focus = FOCUS_COMPOSER;
        return;
    case FOCUS_TREE:
    case FOCUS_LIVE:
        v->focus = FOCUS_COMPOSER;
        return;
    }
}

static const struct process *selected(const struct view *v) {
    struct view_pane *pane = view_focused_pane((struct view *)v);
    struct pane_env env = view_env(v);
    return process_get(v->processes, pane->ops->selected(pane->self, &env));
}

bool view_can(const struct view *v, enum action a) {
    struct view_pane *pane = view_focused_pane((struct view *)v);
    struct pane_env env = view_env(v);
    const struct process *p;
    const struct inbox_request *r;
    switch (a) {
    case ACTION_SEND:
        return !composer_empty(v->composer);
    case ACTION_CANCEL:
        p = selected(v);
        return p && view_process_active(p);
    case ACTION_INTERRUPT:
        p = process_get(v->processes, v->shown);
        return p && view_process_active(p);
    case ACTION_HELP:
    case ACTION_COMMAND:
    case ACTION_SEARCH:
        return v->focus != FOCUS_COMPOSER || composer_empty(v->composer);
    case ACTION_SEARCH_NEXT:
    case ACTION_SEARCH_PREVIOUS:
        return v->needle != NULL;
    case ACTION_BACK:
        return v->focus != FOCUS_COMPOSER;
    case ACTION_DISMISS:
        return v->interrupted > 0;
    case ACTION_INBOX:
        return v->inbox && inbox_count(v->inbox) > 0;
    case ACTION_ALLOW:
    case ACTION_REFUSE:
        r = pane_inbox_selected(v->inbox_pane.self, v->inbox);
        return r && r->kind == INBOX_PERMISSION;
    case ACTION_ALWAYS:
        r = pane_inbox_selected(v->inbox_pane.self, v->inbox);
        return r && r->kind == INBOX_PERMISSION && r->pattern;
    case ACTION_CHOOSE:
        r = pane_inbox_selected(v->inbox_pane.self, v->inbox);
        return r && r->kind == INBOX_QUESTION;
    case ACTION_WHY:
        return v->focus == FOCUS_WHY || view_why_can(v);
    case ACTION_REQUEST:
        return view_request_can(v);
    case ACTION_QUIT:
        return !view_can(v, ACTION_INTERRUPT);
    case ACTION_OPEN:
    case ACTION_UP:
    case ACTION_DOWN:
    case ACTION_PAGE_UP:
    case ACTION_PAGE_DOWN:
    case ACTION_TOP:
    case ACTION_BOTTOM:
    case ACTION_LEFT:
    case ACTION_RIGHT:
        return pane->ops->can(pane->self, &env, a);
    case ACTION_COPY:
        return pane->ops->journal != NULL;
    case ACTION_WALL:
    case ACTION_TABLE:
    case ACTION_ZOOM:
    case ACTION_RUN:
    case ACTION_FILE:
    case ACTION_CHANNEL:
    case ACTION_SHOW:
    case ACTION_MODEL:
    case ACTION_CONNECT:
    case ACTION_UNDO:
    case ACTION_REDO:
    case ACTION_ANSWER:
    case ACTION_NEWLINE:
    case ACTION_NEXT_PANE:
    case ACTION_PREVIOUS_PANE:
    case ACTION_SUSPEND:
    case ACTION_REDRAW:
        return true;
    }
    return true;
}

/* ---- actions --------------------------------------------------------------------------------- */

/* Ctrl-C. Returns false when the view may be gone. */
static bool interrupt(struct view *v, int64_t now_ns) {
    if (v->interrupt_ns && now_ns - v->interrupt_ns < NS_PER_SEC) {
        v->interrupt_ns = 0;
        v->host.quit(v->host.arg);
        return false;
    }
    v->interrupt_ns = now_ns ? now_ns : 1;
    const struct process *p = process_get(v->processes, v->shown);
    if (p && view_process_active(p)) {
        view_message(v, STYLE_WARN, "interrupting %s; ^C again closes the screen", p->name);
        v->host.interrupt(v->host.arg, p->id);
    } else {
        view_message(v, STYLE_DIM, "nothing to interrupt here; ^C again closes the screen");
    }
    return true;
}

static void cancel(struct view *v) {
    const struct process *p = selected(v);
    if (!p || !view_process_active(p)) {
        view_message(v, STYLE_DIM, "nothing of it is under way");
        return;
    }
    if (!process_same(v->cancel_asked, p->handle)) {
        v->cancel_asked = p->handle;
        view_message(v, STYLE_WARN, "x again cancels %s %s", process_kind_name(p->kind), p->name);
        return;
    }
    v->cancel_asked = PROCESS_NONE;
    view_message(v, STYLE_WARN, "cancelling %s", p->name);
    v->host.cancel(v->host.arg, p->id);
}

void view_open_process(struct view *v, struct process_handle h) {
    const struct process *p = process_get(v->processes, h);
    if (!p)
        return;
    view_show(v, h);
    v->zoomed = false;
    if (p->state == PROCESS_STATE_ENDED && !p->seen)
        v->host.seen(v->host.arg, p->id);
    /* Who waits to be written to is written to. */
    bool write = p->kind == PROCESS_CHANNEL ||
                 (p->kind == PROCESS_WORKER && p->state == PROCESS_STATE_WAITING);
    v->focus = write ? FOCUS_COMPOSER : FOCUS_TRANSCRIPT;
}

void view_toggle_wide(struct view *v, enum focus f) {
    if (v->focus == f) {
        back(v);
        return;
    }
    if (v->focus != FOCUS_HELP && v->focus != FOCUS_WALL && v->focus != FOCUS_TABLE &&
        v->focus != FOCUS_INBOX && v->focus != FOCUS_WHY && v->focus != FOCUS_REQUEST)
        v->before = v->focus;
    v->zoomed = false;
    v->focus = f;
}

/* To the request under the cursor. */
static void answer(struct view *v, enum action a, const char *word) {
    const struct inbox_request *r = pane_inbox_selected(v->inbox_pane.self, v->inbox);
    if (!view_can(v, a))
        view_message(v, STYLE_DIM, "that is no answer to this one");
    else if ((a == ACTION_ALLOW || a == ACTION_ALWAYS || a == ACTION_CHOOSE) &&
             !pane_inbox_whole(v->inbox_pane.self, r)) /* nobody allows what is not there to read */
        view_message(v, STYLE_BAD, "not all of it is on the screen yet: Down shows the rest");
    else
        v->host.answer(v->host.arg, r->number, word, "");
}

/* Returns false when the view may be gone. */
bool view_act(struct view *v, enum action a, const struct key *k, int64_t now_ns) {
    struct view_pane *pane = view_focused_pane(v);
    struct pane_env env = view_env(v);
    switch (a) {
    case ACTION_SEND:
    case ACTION_FILE:
    case ACTION_RUN: /* the sign is part of what is written */
        composer_key(v->composer, k);
        break;
    case ACTION_NEWLINE:
        composer_newline(v->composer);
        break;
    case ACTION_CANCEL:
        cancel(v);
        break;
    case ACTION_NEXT_PANE:
        if (view_at_file(v))
            view_complete_file(v);
        else
            step_focus(v, 1);
        break;
    case ACTION_PREVIOUS_PANE:
        step_focus(v, -1);
        break;
    case ACTION_BACK:
        back(v);
        break;
    case ACTION_INTERRUPT:
        return interrupt(v, now_ns);
    case ACTION_QUIT:
        break; /* a second interrupt() */
    case ACTION_INBOX:
        view_toggle_wide(v, FOCUS_INBOX);
        break;
    case ACTION_ALLOW:
        answer(v, a, "once");
        break;
    case ACTION_ALWAYS:
        answer(v, a, "always");
        break;
    case ACTION_REFUSE:
        answer(v, a, "deny");
        break;
    case ACTION_CHOOSE:
        if (k)
            answer(v, a, (const char[]){(char)k->cp, '\0'});
        break;
    case ACTION_DISMISS:
        if (v->interrupted)
            v->host.dismiss(v->host.arg);
        break;
    case ACTION_SUSPEND:
        v->host.suspend(v->host.arg);
        break;
    case ACTION_REDRAW:
        view_dirty(v);
        v->host.redraw(v->host.arg);
        break;
    case ACTION_HELP:
        view_toggle_wide(v, FOCUS_HELP);
        break;
    case ACTION_WALL:
        view_toggle_wide(v, FOCUS_WALL);
        break;
    case ACTION_TABLE:
        view_toggle_wide(v, FOCUS_TABLE);
        break;
    case ACTION_WHY:
        view_why(v);
        break;
    case ACTION_REQUEST:
        view_request(v);
        break;
    case ACTION_ZOOM:
        v->zoomed = !v->zoomed;
        break;
    case ACTION_COPY:
        view_copy(v);
        break;
    case ACTION_COMMAND:
        view_prompt_start(v, ':');
        break;
    case ACTION_SEARCH:
        view_prompt_start(v, '/');
        break;
    case ACTION_SEARCH_NEXT:
        view_search(v, -1);
        break;
    case ACTION_SEARCH_PREVIOUS:
        view_search(v, 1);
        break;
    case ACTION_CHANNEL:
    case ACTION_SHOW:
    case ACTION_MODEL:
    case ACTION_CONNECT:
    case ACTION_UNDO:
    case ACTION_REDO:
    case ACTION_ANSWER:
        break; /* by the prompt only: they need its words */
    case ACTION_OPEN:
    case ACTION_UP:
    case ACTION_DOWN:
    case ACTION_PAGE_UP:
    case ACTION_PAGE_DOWN:
    case ACTION_TOP:
    case ACTION_BOTTOM:
    case ACTION_LEFT:
    case ACTION_RIGHT: {
        if (!v->theme)
            break; /* nothing has been drawn: there is nothing to move in */
        struct pane_answer answer = pane->ops->act(pane->self, &env, a);
        if (a == ACTION_OPEN && v->focus == FOCUS_WHY) {
            view_why_open(v, answer.process);
            break;
        }
        switch (answer.verdict) {
        case PANE_SHOW:
            view_open_process(v, answer.process);
            break;
        case PANE_DONE:
        case PANE_IGNORED:
            break;
        }
        break;
    }
    }
    v->own++;
    return true;
}

/* Which action a key means here; false: it is the composer's, or nobody's. */
static bool action_of(const struct view *v, const struct key *k, enum action *a) {
    if (!keymap_find(k, v->focus, a))
        return false;
    if (v->focus != FOCUS_COMPOSER)
        return true;
    if ((*a == ACTION_HELP || *a == ACTION_COMMAND || *a == ACTION_SEARCH) &&
        !composer_empty(v->composer))
        return false;
    if (*a == ACTION_BACK && composer_takes_escape(v->composer))
        return false;
    return !composer_takes_all(v->composer) || *a == ACTION_INTERRUPT;
}

void view_key(struct view *v, const struct key *k, int64_t now_ns) {
    enum action a;
    if (v->focus == FOCUS_PROMPT) {
        view_prompt_key(v, k, now_ns);
        return;
    }
    bool known = action_of(v, k, &a);
    if (v->message[0] || v->warning[0]) {
        v->message[0] = v->warning[0] = '\0';
        v->own++;
    }
    if (!known || a != ACTION_CANCEL)
        v->cancel_asked = PROCESS_NONE;
    if (!known || a != ACTION_INTERRUPT)
        v->interrupt_ns = 0;
    if (known) {
        (void)view_act(v, a, k, now_ns);
        return;
    }
    if (k->sym == KEYSYM_PASTE && v->focus != FOCUS_COMPOSER) {
        v->focus = FOCUS_COMPOSER; /* a paste is meant to be sent */
        v->own++;
    }
    if (k->sym == KEYSYM_PASTE && k->cut)
        view_message(v, STYLE_WARN, "the paste was too long: only its first part was taken");
    if (v->focus == FOCUS_COMPOSER)
        composer_key(v->composer, k);
}

/* ---- when to draw ---------------------------------------------------------------------------- */

bool view_stale(const struct view *v) {
    return v->own != v->own_drawn || v->table_drawn != process_table_version(v->processes) ||
           v->composer_drawn != composer_version(v->composer);
}

bool view_ticks(const struct view *v) {
    if (view_why_stale(v))
        return true;
    size_t pos = 0;
    const struct process *p;
    while ((p = process_next(v->processes, &pos)) != NULL)
        if (p->state == PROCESS_STATE_THINKING || p->state == PROCESS_STATE_RUNNING ||
            p->state == PROCESS_STATE_CANCELLING)
            return true;
    return false;
}

void view_tick(struct view *v) {
    v->tick++;
    v->own++;
}

void view_dirty(struct view *v) {
    v->cols = 0; /* the next drawing takes it for a new size */
    v->own++;
}
