/* pane/request: what was sent to models and what came back, as a journal of its own: scrolled,
 * searched, folded and copied as any other. Long strings show their beginning; the whole of a
 * request is a folded entry below. */
#include "ui/pane/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ui/format.h"
#include "ui/pane.h"

#define FOLD 160u /* bytes of a string that are shown */
#define STEP 1    /* columns of a level: they are many, and windows narrow */

struct request_pane {
    struct process_table *table; /* of one process, whose journal it is */
    struct process_handle process;
    struct journal_view view;
};

static void *request_open(void) {
    struct request_pane *p = xcalloc(1, sizeof *p);
    journal_view_init(&p->view, false);
    return p;
}

static void request_close(void *self) {
    struct request_pane *p = self;
    journal_view_free(&p->view);
    process_table_free(&p->table);
    free(p);
}

static void add(struct process *p, enum journal_kind kind, const char *title, const char *text,
                const char *result) {
    struct journal_entry *e = journal_open(&p->journal, kind, title, NULL);
    journal_append(&p->journal, e, text, strlen(text));
    if (result)
        journal_set_result(&p->journal, e, result, strlen(result));
    journal_close(&p->journal, e);
}

/* As code, which no word of it can end: a fence longer than any in it. */
static void add_code(struct process *p, const char *head, const char *json) {
    struct buf text = BUF_INIT;
    size_t ticks = 3, run = 0;
    for (const char *c = json; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        if (run >= ticks)
            ticks = run + 1;
    }
    buf_puts(&text, head);
    for (int i = 0; i < 2; i++) {
        buf_puts(&text, i ? "\n" : "\n\n");
        for (size_t k = 0; k < ticks; k++)
            buf_putc(&text, '`');
        if (i == 0)
            buf_printf(&text, "\n%s", json);
    }
    add(p, JOURNAL_TEXT, NULL, buf_str(&text), NULL);
    buf_free(&text);
}

static void add_request(struct process *p, const struct exchange *x) {
    struct buf head = BUF_INIT;
    buf_printf(&head, "POST %s\n\n", x->url);
    for (const char *h = x->headers; *h;) {
        size_t n = strcspn(h, "\n");
        buf_printf(&head, "- `%.*s`\n", (int)n, h);
        h += n + (h[n] != '\0');
    }
    if (x->request) {
        char size[FORMAT_SIZE], *shown = exchange_pretty(x->request, STEP, FOLD),
                                *whole = exchange_pretty(x->request, STEP, 0);
        add_code(p, buf_str(&head), shown);
        format_count((int64_t)x->bytes, size);
        char *what = xasprintf("the whole request, %s bytes", size);
        add(p, JOURNAL_TOOL, what, "", whole);
        x_free(&what);
        x_free(&shown);
        x_free(&whole);
    } else {
        buf_printf(&head, "\nNot all of its %zu bytes are kept any more.", x->bytes);
        add(p, JOURNAL_TEXT, NULL, buf_str(&head), NULL);
    }
    buf_free(&head);
}

static void add_answer(struct process *p, const struct exchange *x) {
    char head[32] = "";
    if (x->status)
        snprintf(head, sizeof head, "HTTP %d", x->status);
    if (x->fault)
        add(p, JOURNAL_ERROR, NULL, x->fault, NULL);
    if (x->response) {
        char *shown = exchange_pretty(x->response, STEP, 0);
        add_code(p, head, shown);
        x_free(&shown);
    } else if (!x->ended_ms) {
        add(p, JOURNAL_NOTICE, NULL, "nothing has come yet", NULL);
    }
}

void pane_request_set(void *self, const struct exchange *calls, size_t n, size_t left_out) {
    struct request_pane *pane = self;
    struct process *p = NULL;
    process_table_free(&pane->table);
    pane->table = process_table_new();
    if (process_add(pane->table, PROCESS_CHANNEL, "requests", PROCESS_NONE, &p) != STATUS_OK)
        return; /* cannot be: the table is empty */
    pane->process = p->handle;
    for (size_t i = 0; i < n; i++) {
        const struct exchange *x = &calls[i];
        char took[FORMAT_SIZE] = "";
        if (x->ended_ms)
            format_duration(x->ended_ms - x->started_ms, took);
        char *title = xasprintf("call %zu of %zu  %s  %s  %s", left_out + i + 1, left_out + n,
                                x->process_id, x->model, took);
        add(p, JOURNAL_NOTICE, NULL, title, NULL);
        x_free(&title);
        add_request(p, x);
        add_answer(p, x);
    }
    process_changed(pane->table, p);
    journal_view_free(&pane->view);
    journal_view_init(&pane->view, false);
    journal_view_show(&pane->view, p->handle);
    journal_view_top(&pane->view, pane->table);
}

static void request_draw(void *self, const struct pane_env *env, const struct window *w,
                         bool focused) {
    struct request_pane *p = self;
    window_clear(w);
    if (p->table)
        journal_view_draw(&p->view, p->table, w, env->now_ms, focused);
}

static struct pane_answer request_act(void *self, const struct pane_env *env, enum action a) {
    struct request_pane *p = self;
    const struct pane_answer done = {PANE_DONE, PROCESS_NONE};
    if (!p->table)
        return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
    switch (a) {
    case ACTION_UP:
        journal_view_move(&p->view, p->table, env->theme, -1);
        return done;
    case ACTION_DOWN:
        journal_view_move(&p->view, p->table, env->theme, 1);
        return done;
    case ACTION_PAGE_UP:
        journal_view_page(&p->view, p->table, env->theme, -1);
        return done;
    case ACTION_PAGE_DOWN:
        journal_view_page(&p->view, p->table, env->theme, 1);
        return done;
    case ACTION_TOP:
        journal_view_top(&p->view, p->table);
        return done;
    case ACTION_BOTTOM:
        journal_view_bottom(&p->view);
        return done;
    case ACTION_OPEN:
        (void)journal_view_open(&p->view, p->table, env->theme);
        return done;
    ACTIONS_OF_THE_VIEW:
        break;
    }
    return (struct pane_answer){PANE_IGNORED, PROCESS_NONE};
}

static bool request_can(void *self, const struct pane_env *env, enum action a) {
    (void)env;
    (void)a;
    return ((const struct request_pane *)self)->table != NULL;
}

static struct journal_view *request_journal(void *self) {
    return &((struct request_pane *)self)->view;
}

static const struct process_table *request_table(void *self) {
    return ((const struct request_pane *)self)->table;
}

static struct process_handle request_selected(void *self, const struct pane_env *env) {
    (void)self;
    (void)env;
    return PROCESS_NONE;
}

extern const struct pane_ops pane_request;
const struct pane_ops pane_request = {
    .name = "request",
    .open = request_open,
    .close = request_close,
    .draw = request_draw,
    .act = request_act,
    .can = request_can,
    .journal = request_journal,
    .table = request_table,
    .selected = request_selected,
};
