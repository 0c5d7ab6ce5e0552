/* cli-trace: what led to a reply: the messages, turns, branches, workers and calls behind it, with
 * their times and costs. From the store, with or without an engine. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "agent/exchange.h"
#include "agent/kind.h"
#include "agent/why.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli.h"
#include "store/store.h"

#define WIDTH 80 /* where no terminal says otherwise */
#define WIDTH_MAX 132
#define WHAT_LEAST 24

/* Columns right of what happened, each with the two blanks before it. */
enum { STATE = 13, TIME = 10, TOKENS = 12, COST = 10 };

/* --- words and numbers --------------------------------------------------------------------------
 */

/* "120ms", "8.2s", "45s", "1m04s": what is over is told more exactly. */
static void duration(int64_t ms, char out[CLI_NUMBER]) {
    if (ms < 0)
        out[0] = '\0';
    else if (ms < 1000)
        snprintf(out, CLI_NUMBER, "%lldms", (long long)ms);
    else if (ms < 10000)
        snprintf(out, CLI_NUMBER, "%lld.%llds", (long long)ms / 1000, (long long)ms % 1000 / 100);
    else
        cli_duration(ms, out);
}

static void clock_of(int64_t at_ms, char out[CLI_NUMBER]) {
    struct tm at;
    time_t t = at_ms / 1000;
    localtime_r(&t, &at);
    snprintf(out, CLI_NUMBER, "%02d:%02d:%02d", at.tm_hour, at.tm_min, at.tm_sec);
}

static void tokens(const struct llm_usage *u, char out[2 * CLI_NUMBER]) {
    char in[CLI_NUMBER], to[CLI_NUMBER];
    cli_count(u->input_tokens + u->cache_read_tokens + u->cache_write_tokens, in);
    cli_count(u->output_tokens, to);
    snprintf(out, (size_t)2 * CLI_NUMBER, "%s/%s", in, to);
}

/* One line of it, however many it has, and nothing that a terminal would obey. */
static void put_line(struct buf *out, const char *text) {
    size_t from = out->len;
    utf8_append_visible(out, text, strlen(text));
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\t')
            out->data[i] = ' ';
}

/* Cut at `width` columns, with an ellipsis, and filled up to it. */
static void print_fit(const char *text, int width) {
    struct buf b = BUF_INIT;
    buf_puts(&b, text);
    bool cut = false;
    while (b.len && cli_width(buf_str(&b)) > width - cut) {
        buf_truncate(&b, utf8_cut(b.data, b.len, b.len - 1));
        cut = true;
    }
    if (cut)
        buf_puts(&b, "…");
    printf("%s%*s", buf_str(&b), width - cli_width(buf_str(&b)), "");
    buf_free(&b);
}

/* --- the tree -----------------------------------------------------------------------------------
 */

static bool last_of_its_kin(const struct why *w, size_t i, int depth) {
    for (size_t k = i + 1; k < w->n && w->v[k].depth >= depth; k++)
        if (w->v[k].depth == depth)
            return false;
    return true;
}

/* The lines down from those above, and the one to it. */
static void put_branches(struct buf *out, const struct why *w, size_t i, int depth) {
    for (int d = 1; d <= depth; d++) {
        bool last = last_of_its_kin(w, i, d);
        buf_puts(out, d < depth ? (last ? "   " : "│  ") : last ? "└─ " : "├─ ");
    }
}

static void put_what(struct buf *out, const struct why_row *r) {
    switch (r->kind) {
    case WHY_MESSAGE:
    case WHY_REPLY:
        put_line(out, r->name);
        buf_puts(out, ": ");
        put_line(out, r->text);
        return;
    case WHY_TURN:
        buf_printf(out, "%s ", process_kind_symbol(PROCESS_CHANNEL, false));
        put_line(out, str_empty(r->text) ? r->name : r->text);
        return;
    case WHY_BRANCH:
        buf_printf(out, "%s ", process_kind_symbol(PROCESS_BRANCH, false));
        put_line(out, r->name);
        return;
    case WHY_WORKER:
        buf_printf(out, "%s ", process_kind_symbol(PROCESS_WORKER, false));
        put_line(out, r->name);
        return;
    case WHY_MEMORY:
        buf_puts(out, "memory ");
        put_line(out, r->text);
        return;
    case WHY_TOOL:
        buf_puts(out, "▸ ");
        put_line(out, r->label ? r->label : r->name);
        if (!r->label && r->text) {
            buf_putc(out, ' ');
            put_line(out, r->text);
        }
        return;
    }
}

static void print_row(const struct why *w, size_t i, int what) {
    const struct why_row *r = &w->v[i];
    struct buf line = BUF_INIT;
    char time[CLI_NUMBER] = "", tok[2 * CLI_NUMBER] = "", usd[2 * CLI_NUMBER] = "";
    if (r->kind == WHY_MESSAGE || r->kind == WHY_REPLY)
        clock_of(r->ended_ms, time);
    else if (r->started_ms && r->ended_ms)
        duration(r->ended_ms - r->started_ms, time);
    if (r->costs) {
        tokens(&r->usage, tok);
        money_text(r->usage.cost_usd, r->usage.cost_is_estimate, usd);
    }
    put_branches(&line, w, i, r->depth);
    put_what(&line, r);
    print_fit(buf_str(&line), what);
    struct buf rest = BUF_INIT;
    buf_printf(&rest, "  %-*s%*s%*s%*s", STATE - 2, r->state ? r->state : "", TIME, time, TOKENS,
               tok, COST, usd);
    while (rest.len && rest.data[rest.len - 1] == ' ')
        buf_truncate(&rest, rest.len - 1);
    puts(buf_str(&rest));
    buf_free(&rest);
    buf_free(&line);
}

/* "… and 50 more", where the rows below `i` end. */
static void print_left_out(const struct why *w, size_t i) {
    for (size_t at = i; at != SIZE_MAX; at = why_parent(w, at)) {
        const struct why_row *r = &w->v[at];
        if (!r->left_out || (i + 1 < w->n && w->v[i + 1].depth > r->depth))
            continue;
        struct buf line = BUF_INIT;
        put_branches(&line, w, i, r->depth);
        printf("%s   … and %zu more (spacebot log %s)\n", buf_str(&line), r->left_out,
               r->kind == WHY_TURN ? w->channel : r->id);
        buf_free(&line);
    }
}

static int width_of_output(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH;
    return size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

static void print_sum(const struct why *w) {
    char at[CLI_NUMBER], took[CLI_NUMBER], word[CLI_NUMBER], tok[2 * CLI_NUMBER],
        usd[2 * CLI_NUMBER];
    clock_of(w->started_ms, at);
    duration(w->elapsed_ms, took);
    duration(w->first_word_ms, word);
    tokens(&w->usage, tok);
    money_text(w->usage.cost_usd, w->usage.cost_is_estimate, usd);
    printf("#%s  since %s", w->channel, at);
    if (w->elapsed_ms >= 0)
        printf("  replied after %s", took);
    if (w->first_word_ms >= 0)
        printf("  first word %s", word);
    printf("\n%lld model call%s  %s tok  %s%s\n\n", (long long)w->calls, w->calls == 1 ? "" : "s",
           tok, usd, w->running ? "  some of it still runs" : "");
}

static void print_tree(const struct why *w) {
    int what = width_of_output() - STATE - TIME - TOKENS - COST;
    if (what < WHAT_LEAST)
        what = WHAT_LEAST;
    print_sum(w);
    printf("%-*s  %-*s%*s%*s%*s\n", what, "WHAT", STATE - 2, "STATE", TIME, "TIME", TOKENS,
           "TOK IN/OUT", COST, "COST");
    for (size_t i = 0; i < w->n; i++) {
        print_row(w, i, what);
        print_left_out(w, i);
    }
    if (w->left_out)
        printf("… and %zu more before\n", w->left_out);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static void print_exchange(const struct exchange *x, size_t place, size_t of) {
    char at[CLI_NUMBER], took[CLI_NUMBER] = "";
    struct buf line = BUF_INIT;
    clock_of(x->started_ms, at);
    duration(x->ended_ms ? x->ended_ms - x->started_ms : -1, took);
    buf_printf(&line, "%scall %zu of %zu  %s  %s  %s  %s", place > 1 ? "\n" : "", place, of,
               x->process_id, x->model, at, took);
    puts(buf_str(&line));
    buf_free(&line);
    printf("POST %s\n", x->url);
    cli_print_text(stdout, x->headers, strlen(x->headers));
    char *request = x->request ? exchange_pretty(x->request, 2, 0) : NULL;
    if (request) {
        fputs("\n\n", stdout);
        cli_print_text(stdout, request, strlen(request));
        putchar('\n');
    } else {
        printf("\n\n(%zu bytes; not all of them are kept any more)\n", x->bytes);
    }
    x_free(&request);
    if (x->status)
        printf("\nHTTP %d\n", x->status);
    if (x->fault)
        printf("%sfailed: %s\n", x->status ? "" : "\n", x->fault);
    else if (!x->ended_ms)
        puts("\nnothing has come yet");
    if (x->response) {
        char *response = exchange_pretty(x->response, 2, 0);
        cli_print_text(stdout, response, strlen(response));
        putchar('\n');
        x_free(&response);
    }
}

static enum status print_exchanges(const struct cli *c, struct store_read *r, const struct why *w,
                                   struct cause *why) {
    int64_t *list = NULL;
    size_t n = 0;
    enum status st = exchange_find(r, w, &list, &n, why);
    if (st == STATUS_OK && n == 0)
        st = cause_set(why, STATUS_NOT_FOUND, "%s", exchange_none);
    for (size_t i = 0; i < n && st == STATUS_OK; i++) {
        struct exchange x;
        st = exchange_load(r, list[i], &x, why);
        if (st == STATUS_OK && cli_has(c, "json")) {
            cJSON *o = exchange_json(&x);
            cli_print_json(o);
            cJSON_Delete(o);
        } else if (st == STATUS_OK) {
            print_exchange(&x, i + 1, n);
        }
        exchange_free(&x);
    }
    x_free(&list);
    return st;
}

static int run(struct cli *c) {
    struct store_read *r = NULL;
    struct why *w = NULL;
    struct cause why = {""};
    char id[ID_UUID_SIZE];
    if (c->n && cli_has(c, "last"))
        return cli_usage(c, "either \"%s\" or --last", c->operands[0]);
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    enum status st = store_open_readonly(c->home->db, &r, &why);
    if (st == STATUS_NOT_FOUND)
        return cli_fail(CLI_FAILED, "nothing has been replied yet: there is no store");
    if (st == STATUS_OK)
        st = why_find(r, c->n ? c->operands[0] : "", id, &why);
    if (st == STATUS_OK)
        st = why_load(r, id, 0, &w, &why);
    bool requests = cli_has(c, "request");
    if (st == STATUS_OK && requests)
        st = print_exchanges(c, r, w, &why);
    store_read_close(&r);
    if (st != STATUS_OK) {
        why_free(&w);
        return cli_fail(cli_exit_of(st), "%s", why.text);
    }
    if (requests) {
        /* that was all that was asked */
    } else if (cli_has(c, "json")) {
        cJSON *o = why_json(w);
        cli_print_json(o);
        cJSON_Delete(o);
    } else {
        print_tree(w);
    }
    why_free(&w);
    return CLI_OK;
}

static const struct cli_option options[] = {
    {"last", NULL, "the last reply of all channels"},
    {"request", NULL, "what was sent to models for it, and what came back"},
    {"json", NULL, "one JSON document; with --request one a call"},
    {NULL, NULL, NULL}};
const struct cli_verb cli_verb_trace = {
    .name = "trace",
    .operands = "[REPLY | CHANNEL]",
    .summary = "what led to a reply, with times and cost",
    .details =
        "REPLY is the id of a message (message_id in events and in --json) or the first\n"
        "four or more characters of it, CHANNEL a channel whose last reply is meant.\n"
        "Without either it is the last reply of all.\n"
        "--request shows every model call of it, the answer as it was understood, secrets\n"
        "taken out, as long as it is kept (limits.keep_requests_mb, limits.keep_requests_days).",
    .most = 1,
    .options = options,
    .run = run};
