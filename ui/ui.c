/* ui: the screen as the control socket sees it: a terminal comes, is drawn on, and goes. Here keys
 * become commands to the agent and the agent's changes become frames: at most sixty a second, none
 * when nothing changed, none while the terminal has not taken the last one. */
#include "ui/ui.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/inbox.h"
#include "agent/routing.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "ui/copy.h"
#include "ui/files.h"
#include "ui/notice.h"
#include "ui/term.h"
#include "ui/terminfo.h"
#include "ui/view.h"

#define FRAME_NS (NS_PER_SEC / 60)
#define FIRST_CHANNEL "inbox"

/* A command whose reply is awaited. */
struct asked {
    struct list link;
    struct ui *ui;
    struct command_call *call;
    enum command command;
    char *channel, *text; /* SAY, RUN: to put it back when it failed */
    bool running;         /* command_run() has not returned yet */
    bool answered;
};

struct ui {
    struct agent *agent;
    const struct agent_parts *parts;
    struct ctl_screen_ops ops;
    struct ctl_server *server;
    struct ctl_client *client; /* whose terminal it is */
    struct term *term;
    struct view *view; /* from the first attach on */
    struct list asked;
    struct files_look *look; /* for names of files; NULL: nothing was looked for */
    int64_t rung;            /* the newest request that was rung for */
    struct loop_timer *frame_timer, *tick_timer;
    int64_t painted_ns, answered_ns; /* the last frame, and the last that a key had at once */
    bool pressed;                    /* a key is not on the screen yet */
    bool contained;
    char *config_line, *history_path, *copied_path;
    const char *greeting[6];
    char *found_line; /* of it; NULL until a model was found on this machine */
    bool looked;      /* for one, since the screen was opened */
    char *trouble;    /* the store's; NULL: none */
};

/* The loop's phases are for its life, a ui is not: one screen a process, named here while it lives.
 */
static struct ui *living;

/* ---- commands -------------------------------------------------------------------------------- */

static void asked_free(struct asked *a) {
    list_remove(&a->link);
    free(a->channel);
    free(a->text);
    free(a);
}

static void opened(struct ui *u, const cJSON *body) {
    const char *id = json_str(body, "id", NULL);
    const struct process *p = id ? process_find(agent_processes(u->agent), id) : NULL;
    if (p && u->view)
        view_show(u->view, p->handle);
}

static void ask(struct ui *u, enum command c, cJSON *args, const char *channel, const char *text);
static cJSON *one(const char *key, const char *value);

/* A list of what a crash cut off, which is on the screen where it happened: it counts as seen. */
static void dismiss_all(struct ui *u, const cJSON *body) {
    const cJSON *run;
    int n = 0;
    cJSON_ArrayForEach(run, json_arr(body, "runs")) {
        ask(u, COMMAND_DISMISS, one("call_id", json_str(run, "call_id", "")), NULL, NULL);
        n++;
    }
    view_message(u->view, STYLE_DIM, "%d interrupted %s looked at", n, n == 1 ? "run" : "runs");
}

/* Which files they are stands in the transcript. */
static void undone(struct ui *u, bool redo, const cJSON *body) {
    const cJSON *file;
    const char *request = json_str(body, "request", NULL), *verb = redo ? "redo" : "undo";
    int all = 0, left = 0;
    cJSON_ArrayForEach(file, json_arr(body, "files")) {
        const char *result = json_str(file, "result", "");
        all++;
        left += str_eq(result, "refused") || str_eq(result, "failed");
    }
    struct buf b = BUF_INIT;
    buf_printf(&b, "%s: %d of %d %s%s%s", verb, all - left, all, all == 1 ? "file" : "files",
               request ? ", " : "", request ? request : "");
    if (left)
        buf_printf(&b, "; :%s force takes what something else changed", verb);
    else if (json_i64(body, "still_at_work", 0))
        buf_puts(&b, "; that is still worked on, and what it changes from now on stays");
    else if (!redo)
        buf_puts(&b, "; :redo takes that back");
    view_message(u->view, left ? STYLE_WARN : STYLE_GOOD, "%s", buf_str(&b));
    buf_free(&b);
}

static void on_reply(void *arg, enum status st, cJSON *body, const char *why) {
    struct asked *a = arg;
    struct ui *u = a->ui;
    a->answered = true;
    if (u->view && st != STATUS_OK && a->command != COMMAND_SEEN) {
        view_message(u->view, STYLE_BAD, "%s", str_empty(why) ? status_name(st) : why);
        if (a->command == COMMAND_SAY || a->command == COMMAND_RUN || a->command == COMMAND_ROUTE)
            view_put_back(u->view, a->channel, a->text);
    } else if (u->view && a->command == COMMAND_INTERRUPTED) {
        dismiss_all(u, body);
    } else if (u->view && a->command == COMMAND_OPEN) {
        opened(u, body);
    } else if (u->view && a->command == COMMAND_ROUTE) {
        view_message(u->view, STYLE_DIM, "%s", json_str(body, "message", ""));
    } else if (u->view && (a->command == COMMAND_UNDO || a->command == COMMAND_REDO)) {
        undone(u, a->command == COMMAND_REDO, body);
    } else if (u->view && (a->command == COMMAND_CANCEL || a->command == COMMAND_INTERRUPT)) {
        const struct process *p =
            process_find(agent_processes(u->agent), json_str(body, "process", ""));
        view_message(u->view, STYLE_WARN, "%s: %s", p ? p->name : "process",
                     json_str(body, "message", "done"));
    }
    cJSON_Delete(body);
    if (!a->running)
        asked_free(a);
    loop_wake(u->parts->loop);
}

/* Takes args. channel and text are copied, NULL where there is none. */
static void ask(struct ui *u, enum command c, cJSON *args, const char *channel, const char *text) {
    struct asked *a = xcalloc(1, sizeof *a);
    a->ui = u;
    a->command = c;
    a->channel = xstrdup_null(channel);
    a->text = xstrdup_null(text);
    a->running = true;
    list_push_back(&u->asked, &a->link);
    struct command_call *call = command_run(u->agent, c, args, on_reply, a);
    cJSON_Delete(args);
    a->running = false;
    if (a->answered)
        asked_free(a);
    else
        a->call = call;
}

static cJSON *one(const char *key, const char *value) {
    cJSON *args = json_new_obj();
    json_add_str(args, key, value);
    return args;
}

/* A person looks on: where no model is connected, a stand-in may answer. */
static cJSON *on_screen(const char *channel) {
    cJSON *args = one("channel", channel);
    json_add_bool(args, "screen", true);
    return args;
}

static void host_say(void *arg, const char *channel, const char *text) {
    cJSON *args = on_screen(channel);
    json_add_str(args, "text", text);
    ask(arg, COMMAND_SAY, args, channel, text);
}

static void host_run(void *arg, const char *channel, const char *command) {
    cJSON *args = on_screen(channel);
    char *typed = xasprintf("!%s", command);
    json_add_str(args, "command", command);
    ask(arg, COMMAND_RUN, args, channel, typed);
    free(typed);
}

static void on_files(void *arg, const char *channel, const char *prefix,
                     const struct files_found *found) {
    const struct ui *u = arg;
    if (u->view)
        view_files(u->view, channel, prefix, found);
}

static void host_files(void *arg, const char *channel, const char *prefix) {
    struct ui *u = arg;
    struct cause why = {""};
    char *id = xasprintf("%s:%s", process_kind_name(PROCESS_CHANNEL), channel);
    const struct process *p = process_find(agent_processes(u->agent), id);
    free(id);
    if (!p || !p->workspace || !u->parts->sandbox)
        return;
    if (!u->look)
        u->look = files_look_new(u->parts->jobs, u->parts->sandbox, on_files, u);
    if (files_look(u->look, channel, p->workspace, prefix, &why) != STATUS_OK)
        view_message(u->view, STYLE_WARN, "%s", why.text);
}

static void host_models(void *arg, const char *prefix, struct strv *out) {
    const struct ui *u = arg;
    routing_names(u->agent, prefix, out);
}

static void host_route(void *arg, const char *process, const char *text) {
    cJSON *args = one("process", process);
    json_add_str(args, "text", text);
    ask(arg, COMMAND_ROUTE, args, process, text);
}

static void host_open(void *arg, const char *channel) {
    ask(arg, COMMAND_OPEN, on_screen(channel), NULL, NULL);
}

static void host_copy(void *arg, const char *text);

static void host_interrupt(void *arg, const char *process) {
    ask(arg, COMMAND_INTERRUPT, one("process", process), NULL, NULL);
}

static void host_cancel(void *arg, const char *process) {
    ask(arg, COMMAND_CANCEL, one("process", process), NULL, NULL);
}

static void host_answer(void *arg, int64_t request, const char *answer, const char *remark) {
    cJSON *args = on_screen(NULL);
    json_add_i64(args, "request", request);
    json_add_str(args, "answer", answer);
    json_add_str(args, "remark", remark);
    ask(arg, COMMAND_ANSWER, args, NULL, NULL);
}

static void host_undo(void *arg, const char *channel, bool redo, bool force) {
    cJSON *args = one("channel", channel);
    json_add_bool(args, "force", force);
    ask(arg, redo ? COMMAND_REDO : COMMAND_UNDO, args, NULL, NULL);
}

/* Asks which runs they are; on_reply() dismisses each. */
static void host_dismiss(void *arg) { ask(arg, COMMAND_INTERRUPTED, json_new_obj(), NULL, NULL); }

static void host_seen(void *arg, const char *process) {
    ask(arg, COMMAND_SEEN, one("process", process), NULL, NULL);
}

/* ---- the terminal's life --------------------------------------------------------------------- */

static void stop_timers(struct ui *u) {
    loop_timer_del(&u->frame_timer);
    loop_timer_del(&u->tick_timer);
}

/* Lets the terminal go. */
static void let_go(struct ui *u, bool restore) {
    stop_timers(u);
    term_close(&u->term, restore);
    u->client = NULL;
}

static void host_suspend(void *arg) {
    struct ui *u = arg;
    stop_timers(u);
    term_suspend(u->term);
    ctl_client_suspend(u->client);
}

static struct why *host_why(void *arg, const char *message, struct cause *cause) {
    const struct ui *u = arg;
    struct why *w = NULL;
    return why_load(store_read(u->parts->store), message, WHY_TIME_NS, &w, cause) == STATUS_OK
               ? w
               : NULL;
}

static bool host_requests(void *arg, const struct why *w, size_t row, struct view_requests *out,
                          struct cause *cause) {
    const struct ui *u = arg;
    struct store_read *r = store_read(u->parts->store);
    int64_t *list = NULL;
    size_t n = 0;
    enum status st = row == SIZE_MAX ? exchange_find(r, w, &list, &n, cause)
                                     : exchange_find_row(r, w, row, &list, &n, cause);
    if (st == STATUS_OK && n == 0)
        st = cause_set(cause, STATUS_NOT_FOUND, "%s", exchange_none);
    out->left_out = n > VIEW_REQUESTS_MAX ? n - VIEW_REQUESTS_MAX : 0;
    out->calls = xcalloc(n ? n : 1, sizeof *out->calls);
    for (size_t i = out->left_out; i < n && st == STATUS_OK; i++) {
        st = exchange_load(r, list[i], &out->calls[out->n], cause);
        out->n += st == STATUS_OK;
    }
    x_free(&list);
    if (st == STATUS_OK)
        return true;
    for (size_t i = 0; i < out->n; i++)
        exchange_free(&out->calls[i]);
    x_free(&out->calls);
    return false;
}

static void host_redraw(void *arg) { term_redraw(((struct ui *)arg)->term); }

static void host_quit(void *arg) {
    struct ui *u = arg;
    struct ctl_client *c = u->client;
    const char *text = u->server ? ctl_server_quit(u->server, c) : NULL;
    let_go(u, true);
    ctl_client_release(c, CTL_QUIT, text);
}

/* OSC 52 gives no answer, so nothing is promised but the file. */
static void host_copy(void *arg, const char *text) {
    struct ui *u = arg;
    struct cause why;
    size_t n = strlen(text);
    bool sent = term_copy(u->term, text, n);
    enum status st = copy_to_file(u->copied_path, text, n, &why);
    if (st != STATUS_OK)
        view_message(u->view, sent ? STYLE_WARN : STYLE_BAD, "%s%s",
                     sent ? "offered to the terminal's clipboard; " : "", why.text);
    else
        view_message(u->view, STYLE_GOOD, "%s%zu bytes are in %s",
                     sent ? "offered to the terminal's clipboard, and "
                          : "too long for the terminal's clipboard; ",
                     n, u->copied_path);
}

static void on_key(void *arg, const struct key *k) {
    struct ui *u = arg;
    u->pressed = true;
    view_key(u->view, k, clock_mono_ns());
}

static void on_drain(void *arg) { (void)arg; } /* the paint phase of this turn sees to it */

static void on_resume(void *arg) {
    struct ui *u = arg;
    u->painted_ns = 0;
    view_dirty(u->view);
    loop_wake(u->parts->loop);
}

/* Hung up: the placeholder's connection will close too, or has; its detach does the rest. */
static void on_gone(void *arg) { stop_timers(arg); }

static void start_view(struct ui *u) {
    if (u->view)
        return;
    struct view_host host = {.say = host_say,
                             .run = host_run,
                             .files = host_files,
                             .models = host_models,
                             .route = host_route,
                             .interrupt = host_interrupt,
                             .cancel = host_cancel,
                             .seen = host_seen,
                             .open = host_open,
                             .copy = host_copy,
                             .suspend = host_suspend,
                             .answer = host_answer,
                             .undo = host_undo,
                             .dismiss = host_dismiss,
                             .why = host_why,
                             .requests = host_requests,
                             .redraw = host_redraw,
                             .quit = host_quit,
                             .arg = u};
    u->view = view_new(agent_processes(u->agent), u->history_path, &host);
    ask(u, COMMAND_OPEN, on_screen(FIRST_CHANNEL), NULL, NULL);
}

/* Until the sandbox knows what works here there is nothing to warn of. */
static void look_at_sandbox(struct ui *u) {
    u->contained = !u->parts->sandbox || !sandbox_ready(u->parts->sandbox) ||
                   sandbox_mode(u->parts->sandbox) != SANDBOX_NONE;
}

static enum status op_attach(void *arg, struct ctl_client *c, const struct ctl_terminal *t,
                             struct cause *why) {
    struct ui *u = arg;
    enum status st = terminfo_check(t->term, why); /* before the present screen is given up */
    if (st != STATUS_OK) {
        close(t->fd);
        return st;
    }
    if (u->term) {
        struct ctl_client *old = u->client;
        let_go(u, true);
        ctl_client_release(old, CTL_TAKEN, "the screen was opened on another terminal");
    }
    start_view(u);
    struct term_options o = {.fd = t->fd,
                             .term = t->term,
                             .no_color = t->no_color,
                             .ascii = t->ascii,
                             .cols = t->cols,
                             .rows = t->rows,
                             .pid = t->pid};
    struct term_events ev = {.on_key = on_key,
                             .on_drain = on_drain,
                             .on_resume = on_resume,
                             .on_gone = on_gone,
                             .arg = u};
    st = term_open(u->parts->loop, &o, &ev, &u->term, why);
    if (st != STATUS_OK)
        return st;
    u->client = c;
    u->painted_ns = 0;
    u->looked = false;
    view_dirty(u->view);
    loop_wake(u->parts->loop);
    return STATUS_OK;
}

static void op_resize(void *arg, struct ctl_client *c, int cols, int rows) {
    struct ui *u = arg;
    if (!u->term || c != u->client)
        return;
    term_resize(u->term, cols, rows);
    view_dirty(u->view);
}

static void op_resumed(void *arg, struct ctl_client *c) {
    struct ui *u = arg;
    if (u->term && c == u->client)
        term_resume(u->term);
}

static void op_detach(void *arg, struct ctl_client *c) {
    struct ui *u = arg;
    if (u->term && c == u->client)
        let_go(u, false);
}

static void op_describe(void *arg, cJSON *out) {
    struct ui *u = arg;
    if (!u->term) {
        json_add_null(out, "screen");
        return;
    }
    cJSON *screen = json_add_obj(out, "screen");
    json_add_str(screen, "term", term_type(u->term));
    json_add_i64(screen, "cols", term_cols(u->term));
    json_add_i64(screen, "rows", term_rows(u->term));
}

/* ---- what the engine warns of ---------------------------------------------------------------- */

static void on_store(void *arg, enum store_state state, const char *why) {
    struct ui *u = arg;
    x_free(&u->trouble);
    switch (state) {
    case STORE_RUNNING:
        break;
    case STORE_PAUSED:
        u->trouble = xasprintf("not saved for now (%s): make room for %s; it goes on by itself",
                               why, u->parts->home->dir);
        break;
    case STORE_FULL:
        u->trouble = xasprintf("nothing new is taken (%s): make room for %s; it goes on by itself",
                               why, u->parts->home->dir);
        break;
    }
    if (u->view)
        view_dirty(u->view);
    loop_wake(u->parts->loop);
}

/* Only while somebody looks: until then the newest waits. */
static void show_warning(struct ui *u) {
    struct buf text = BUF_INIT;
    enum log_level level;
    if (notice_take(&text, &level))
        view_warn(u->view, level == LOG_ERROR ? STYLE_BAD : STYLE_WARN, buf_str(&text));
    buf_free(&text);
}

/* ---- painting -------------------------------------------------------------------------------- */

static const char *const *greeting(struct ui *u) {
    size_t n = 0;
    const char *instead = agent_default_model(u->agent), *found = agent_found_model(u->agent);
    if (!instead || str_eq(instead, found)) {
        u->greeting[n++] =
            "Write below what you want done. Work goes to processes of its own: they appear "
            "at the left, and what they do in panes beside.";
        u->greeting[n++] = "  count the lines of every file in this folder";
    }
    if (instead && str_eq(instead, found)) {
        if (!u->found_line)
            u->found_line = xasprintf(
                "%s answers: it was found on this machine. To choose another, name it under "
                "routing in %s, or set " PROVIDER_KEYS_TEXT " and start spacebot again.",
                found, u->parts->config->path);
        u->greeting[n++] = u->found_line;
    } else if (instead) {
        u->greeting[n++] = "spacebot: AI processes at work side by side, in view. No model is "
                           "connected: a rehearsal answers, with real tools. Try:";
        u->greeting[n++] = "  start 8 workers that count the lines in this folder";
        u->greeting[n++] = u->config_line;
    }
    u->greeting[n] = NULL;
    return u->greeting;
}

static void on_tick(void *arg) {
    struct ui *u = arg;
    view_tick(u->view);
    if (view_ticks(u->view))
        loop_timer_again(u->tick_timer, NS_PER_SEC);
    else
        u->tick_timer = NULL;
}

/* The wake alone makes the turn in which it is painted. */
static void on_frame(void *arg) { ((struct ui *)arg)->frame_timer = NULL; }

/* The screen stands: now there is time to look for a model. */
static void look_for_model(void *arg) {
    struct ui *u = arg;
    if (u == living && u->term)
        agent_look_for_model(u->agent);
}

/* A person is looking at the channel: its replies are read. Not in the paint phase itself, where
 * nothing may change any more. */
static void mark_seen(void *arg) {
    struct ui *u = arg;
    if (u != living || !u->term)
        return;
    const struct process *p = process_get(agent_processes(u->agent), view_shown(u->view));
    if (p && p->unread)
        host_seen(u, p->id);
}

/* Once for each request, when it can be heard: one that came while nobody looked rings when
 * somebody does. */
static void ring(struct ui *u) {
    const struct inbox *i = agent_inbox(u->agent);
    if (inbox_newest(i) <= u->rung)
        return;
    u->rung = inbox_newest(i);
    if (inbox_find(i, u->rung))
        term_bell(u->term);
}

static void paint(void *arg) {
    (void)arg;
    struct ui *u = living;
    if (!u || !u->term)
        return;
    show_warning(u);
    if (!view_stale(u->view))
        return;
    int64_t now = loop_now_ns(u->parts->loop);
    /* What a person typed does not wait for the next frame; but a key held down, or a paste, has no
     * more than sixty of these a second either. */
    bool at_once = u->pressed && now - u->answered_ns >= FRAME_NS;
    if (u->painted_ns && now - u->painted_ns < FRAME_NS && !at_once) {
        if (!u->frame_timer)
            u->frame_timer =
                loop_timer(u->parts->loop, FRAME_NS - (now - u->painted_ns), on_frame, u, "frame");
        return;
    }
    if (!term_ready(u->term))
        return; /* drained or resumed, it wakes us */
    int64_t start = clock_mono_ns();
    u->painted_ns = now;
    if (u->pressed)
        u->answered_ns = now;
    u->pressed = false;
    look_at_sandbox(u);
    struct view_facts facts = {.contained = u->contained,
                               .interrupted = agent_interrupted_count(u->agent),
                               .inbox = agent_inbox(u->agent),
                               .trouble = u->trouble,
                               .trouble_word = u->trouble ? "not saved" : NULL,
                               .loop_us = trace_recent_us(u->parts->trace, 0.99),
                               .greeting = greeting(u)};
    view_draw(u->view, term_theme(u->term), term_cols(u->term), term_rows(u->term), &facts);
    ring(u);
    (void)term_flush(u->term);
    span_record(u->parts->trace, SPAN_PAINT, 0, "screen", start, clock_mono_ns(), STATUS_OK);
    if (!u->tick_timer && view_ticks(u->view))
        u->tick_timer = loop_timer(u->parts->loop, NS_PER_SEC, on_tick, u, "screen second");
    const struct process *p = process_get(agent_processes(u->agent), view_shown(u->view));
    if (p && p->unread) {
        loop_defer(u->parts->loop, mark_seen, u);
        loop_wake(u->parts->loop);
    }
    if (!u->looked) {
        u->looked = true;
        loop_defer(u->parts->loop, look_for_model, u);
        loop_wake(u->parts->loop);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

struct ui *ui_new(struct agent *a) {
    struct ui *u = xcalloc(1, sizeof *u);
    u->agent = a;
    u->parts = agent_parts(a);
    u->contained = true;
    list_init(&u->asked);
    u->ops = (struct ctl_screen_ops){.attach = op_attach,
                                     .resize = op_resize,
                                     .resumed = op_resumed,
                                     .detach = op_detach,
                                     .describe = op_describe,
                                     .arg = u};
    u->history_path = xasprintf("%s/history", u->parts->home->dir);
    u->copied_path = xasprintf("%s/copied.txt", u->parts->home->dir);
    u->config_line = xasprintf("To connect a model, set " PROVIDER_KEYS_TEXT
                               " and start spacebot again, or name a "
                               "provider in %s (spacebot config init writes one to begin with).",
                               u->parts->home->config);
    living = u;
    store_on_state(u->parts->store, on_store, u);
    loop_on_phase(u->parts->loop, PHASE_PAINT, paint, NULL);
    return u;
}

void ui_free(struct ui **up) {
    struct ui *u = *up;
    if (!u)
        return;
    living = NULL;
    store_on_state(u->parts->store, NULL, NULL);
    if (u->term) {
        struct ctl_client *c = u->client;
        let_go(u, true);
        if (u->server)
            ctl_client_release(c, CTL_STOPPING, NULL);
    }
    while (!list_empty(&u->asked)) {
        struct asked *a = list_entry(u->asked.next, struct asked, link);
        command_abandon(&a->call);
        asked_free(a);
    }
    files_look_free(&u->look);
    view_free(&u->view);
    free(u->history_path);
    free(u->config_line);
    free(u->trouble);
    free(u->found_line);
    free(u->copied_path);
    x_free(up);
}

const struct ctl_screen_ops *ui_screen_ops(struct ui *u) { return &u->ops; }
void ui_set_server(struct ui *u, struct ctl_server *s) { u->server = s; }
