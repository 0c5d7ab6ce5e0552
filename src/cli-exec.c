/* cli-exec: one message, until all its work has settled. For scripts: what comes out, and with
 * which code, is a contract. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/bus.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli.h"
#include "conf/lock.h"
#include "ctl/plain.h"

#define PROMPT_MAX (256u * 1024u)
#define TIMEOUT_MAX_S (30.0 * 86400)
#define END_NS (INT64_C(20) * NS_PER_SEC) /* for an engine that ends with us */

struct exec {
    struct cli *cli;
    struct ctl_conn *conn;
    struct plain *plain; /* progress for people; NULL: none */
    bool json;
    int64_t id;    /* of the request */
    int64_t until; /* real monotonic; INT64_MAX: no timeout */
    int signals;
    bool over;
    int code;
    char *error; /* why it was given up */
    /* What was seen so far, for a result that the engine does not give. */
    char *channel;
    struct strv replies;
    int64_t started, succeeded, failed; /* the rest is cancelled with us */
};

/* --- the request --------------------------------------------------------------------------------
 */

static int read_stdin(struct cli *c, struct buf *out) {
    for (;;) {
        ssize_t n = read(STDIN_FILENO, buf_room(out, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cli_usage(c, "the prompt cannot be read: %s", strerror(errno));
        if (n == 0)
            return CLI_OK;
        buf_added(out, (size_t)n);
        if (out->len > PROMPT_MAX)
            return CLI_OK; /* refused below */
    }
}

static int take_prompt(struct cli *c, cJSON *args) {
    struct buf text = BUF_INIT;
    int rc = CLI_OK;
    if (c->n == 1 && !str_eq(c->operands[0], "-"))
        buf_puts(&text, c->operands[0]);
    else if (c->n == 0 && isatty(STDIN_FILENO))
        rc = cli_usage(c, "needs a prompt: as the last argument, or on standard input");
    else
        rc = read_stdin(c, &text);
    while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
        buf_truncate(&text, text.len - 1);
    if (rc == CLI_OK && text.len > PROMPT_MAX)
        rc = cli_usage(c, "the prompt is longer than %u bytes", PROMPT_MAX);
    else if (rc == CLI_OK && !text.len)
        rc = cli_usage(c, "the prompt is empty");
    else if (rc == CLI_OK &&
             (!utf8_valid(text.data, text.len) || memchr(text.data, '\0', text.len)))
        rc = cli_usage(c, "the prompt is not UTF-8 text");
    if (rc == CLI_OK)
        json_add_str(args, "text", buf_str(&text));
    buf_free(&text);
    return rc;
}

static int take_options(struct cli *c, cJSON *args, int64_t *timeout_ns) {
    const char *dir = cli_value(c, "workspace"), *secs = cli_value(c, "timeout");
    const char *channel = cli_value(c, "channel"), *model = cli_value(c, "model");
    *timeout_ns = 0;
    if (channel && !*channel)
        return cli_usage(c, "--channel is empty");
    if (model && !*model)
        return cli_usage(c, "--model is empty");
    if (cli_attach(c, args) != CLI_OK)
        return CLI_USAGE;
    if (channel)
        json_add_str(args, "channel", channel);
    if (model)
        json_add_str(args, "model", model);
    cJSON *allow = json_add_arr(args, "allow");
    const char *pattern;
    for (size_t i = 0; (pattern = cli_each(c, "allow", i)); i++)
        cJSON_AddItemToArray(allow, cJSON_CreateString(pattern));
    if (dir) {
        char real[PATH_MAX];
        struct stat sb;
        if (!realpath(dir, real) || stat(real, &sb) != 0)
            return cli_usage(c, "--workspace %s: %s", dir, strerror(errno));
        if (!S_ISDIR(sb.st_mode))
            return cli_usage(c, "--workspace %s: not a directory", dir);
        json_add_str(args, "workspace", real);
    }
    if (secs) {
        double s = 0;
        if (str_to_double(secs, &s) != STATUS_OK || !(s > 0 && s <= TIMEOUT_MAX_S))
            return cli_usage(c, "--timeout %s: not a number of seconds above 0", secs);
        *timeout_ns = (int64_t)(s * (double)NS_PER_SEC);
    }
    return CLI_OK;
}

/* --- what comes back ----------------------------------------------------------------------------
 */

static void count(struct exec *x, const cJSON *e) {
    const char *type = json_str(e, "type", "");
    if (str_eq(type, event_type_name(EVENT_WORKER_STARTED))) {
        x->started++;
    } else if (str_eq(type, event_type_name(EVENT_WORKER_COMPLETE))) {
        const char *outcome = json_str(e, "outcome_kind", "");
        if (json_bool(e, "success", false))
            x->succeeded++;
        else if (!str_eq(outcome, process_outcome_name(PROCESS_OUTCOME_CANCELLED)))
            x->failed++;
    } else if (str_eq(type, event_type_name(EVENT_CHANNEL_ASSISTANT_MESSAGE))) {
        strv_push(&x->replies, json_str(e, "text", ""));
    }
    if (!x->channel)
        x->channel = xstrdup_null(json_str(e, "channel_id", NULL));
}

static void on_event(struct exec *x, const cJSON *e) {
    count(x, e);
    if (x->json)
        cli_print_json(e);
    if (x->plain) {
        struct buf lines = BUF_INIT;
        plain_event(x->plain, e, &lines);
        fputs(buf_str(&lines), stderr);
        buf_free(&lines);
    }
}

static void add_processes(struct exec *x, cJSON *o) {
    cJSON *n = json_add_obj(o, "processes");
    json_add_i64(n, "started", x->started);
    json_add_i64(n, "succeeded", x->succeeded);
    json_add_i64(n, "failed", x->failed);
    json_add_i64(n, "cancelled", x->started - x->succeeded - x->failed);
}

/* For when we gave up: what was had so far. Usage is what the table of processes knows at that
 * moment. */
static cJSON *own_result(struct exec *x, const cJSON *processes) {
    int64_t in = 0, out = 0;
    double cost = 0;
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, processes) {
        if (!x->channel || !str_eq(json_str(it, "channel", NULL), x->channel))
            continue;
        in += json_i64(it, "input_tokens", 0);
        out += json_i64(it, "output_tokens", 0);
        cost += json_num(it, "cost_usd", 0);
    }
    cJSON *o = json_new_obj();
    json_add_str(o, "type", "result");
    json_add_bool(o, "ok", false);
    json_add_str(o, "reply", x->replies.n ? x->replies.v[x->replies.n - 1] : NULL);
    cJSON *all = json_add_arr(o, "replies");
    for (size_t i = 0; i < x->replies.n; i++)
        cJSON_AddItemToArray(all, cJSON_CreateString(x->replies.v[i]));
    json_add_str(o, "error", x->error);
    json_add_str(o, "channel", x->channel);
    cJSON *u = json_add_obj(o, "usage");
    json_add_i64(u, "input_tokens", in);
    json_add_i64(u, "output_tokens", out);
    json_add_i64(u, "cached_tokens", 0);
    json_add_num(u, "cost_usd", cost);
    json_add_bool(u, "cost_is_estimate", true);
    add_processes(x, o);
    return o;
}

static void finish(struct exec *x, int code, const char *error) {
    if (x->over)
        return;
    x->over = true;
    x->code = code;
    x->error = xstrdup_null(error);
}

static void print_result(struct exec *x, const cJSON *result) {
    if (x->json)
        cli_print_json(result);
    const char *reply = json_str(result, "reply", NULL);
    if (!x->json && reply) {
        cli_print_text(stdout, reply, strlen(reply));
        putchar('\n');
    }
    if (!json_bool(result, "ok", false))
        cli_fail(x->code, "%s", json_str(result, "error", "the work failed"));
}

/* Refused before anything was started: what was asked for cannot be. */
static bool is_usage(enum status st) {
    return st == STATUS_INVALID || st == STATUS_DENIED || st == STATUS_NOT_FOUND;
}

/* The engine's own answer. */
static void on_reply(struct exec *x, const cJSON *line, enum status st, const char *why) {
    const cJSON *result = json_obj(line, "body");
    if (st == STATUS_CONFIG || (!result && is_usage(st))) {
        x->over = true;
        x->code = cli_fail(st == STATUS_CONFIG ? CLI_CONFIG : CLI_USAGE, "%s", why);
    } else if (!result) {
        finish(x, CLI_FAILED, why);
    } else {
        x->over = true;
        x->code = st == STATUS_PROVIDER                               ? CLI_PROVIDER
                  : st == STATUS_OK && json_bool(result, "ok", false) ? CLI_OK
                                                                      : CLI_FAILED;
        print_result(x, result);
    }
}

static void on_socket(struct exec *x) {
    while (!x->over) {
        cJSON *line = NULL;
        struct cause why = {""};
        enum status said = STATUS_OK, st = ctl_conn_read(x->conn, 0, &line, &why);
        if (st == STATUS_TIMEOUT) {
            fflush(stdout); /* whoever reads a pipe sees events as they happen */
            return;
        }
        if (st != STATUS_OK)
            finish(x, CLI_FAILED, why.text);
        else if (ctl_line_event(line))
            on_event(x, ctl_line_event(line));
        else if (ctl_line_reply(line, x->id, &said, &why))
            on_reply(x, line, said, why.text);
        else if (ctl_line_ended(line))
            finish(x, CLI_FAILED, ctl_line_ended(line));
        cJSON_Delete(line);
    }
}

/* Gives up: what it started is cancelled when this returns, and what was had is printed. */
static void give_up(struct exec *x, int code, const char *error) {
    struct cause why;
    cJSON *args = json_new_obj(), *ps = NULL;
    finish(x, code, error);
    json_add_bool(args, "all", true);
    json_add_bool(args, "past", false);
    (void)!ctl_request(x->conn, "ps", args, CTL_WAIT_NS, &ps, &why);
    json_add_i64(args, "call", x->id);
    (void)!ctl_request(x->conn, "abandon", args, CTL_WAIT_NS, NULL, &why);
    cJSON *result = own_result(x, json_arr(ps, "processes"));
    print_result(x, result);
    x_free(&x->error);
    cJSON_Delete(result);
    cJSON_Delete(ps);
    cJSON_Delete(args);
}

static void wait_for_end(struct exec *x) {
    while (!x->over) {
        int64_t left = x->until == INT64_MAX ? -1 : x->until - clock_real_mono_ns();
        enum status st = x->until != INT64_MAX && left <= 0
                             ? STATUS_TIMEOUT
                             : ctl_conn_wait(x->conn, x->signals, left);
        if (st == STATUS_OK)
            on_socket(x);
        else if (st == STATUS_TIMEOUT)
            give_up(x, CLI_TIMEOUT, "out of time");
        else if (st == STATUS_CANCELLED)
            give_up(x, CLI_INTERRUPTED, "interrupted");
        else
            finish(x, CLI_FAILED, "the engine is gone");
    }
    /* The connection broke, or the engine ends: the result is what we saw. */
    if (x->error) {
        cJSON *result = own_result(x, NULL);
        print_result(x, result);
        cJSON_Delete(result);
        x_free(&x->error);
    }
}

/* An engine that was started for this ends with it: the next one finds the home free. */
static void leave(struct exec *x) {
    struct cause why;
    cJSON *body = NULL;
    bool ending = ctl_request(x->conn, "leave", NULL, CTL_WAIT_NS, &body, &why) == STATUS_OK &&
                  json_bool(body, "ending", false);
    cJSON_Delete(body);
    ctl_conn_free(&x->conn);
    int fd = -1;
    if (ending && lock_take_wait(x->cli->home, END_NS, &fd, &why) == STATUS_OK)
        close(fd);
}

static int run(struct cli *c) {
    struct exec x = {.cli = c, .json = cli_has(c, "json"), .until = INT64_MAX, .signals = -1};
    cJSON *args = json_new_obj();
    struct cause why;
    int64_t timeout_ns = 0;
    bool started = false;
    int rc = take_options(c, args, &timeout_ns);
    if (rc == CLI_OK)
        rc = take_prompt(c, args);
    if (rc == CLI_OK)
        rc = cli_engine(c, &x.conn, &started);
    if (rc == CLI_OK && ctl_conn_send(x.conn, "exec", args, -1, &x.id, &why) != STATUS_OK)
        rc = cli_fail(CLI_FAILED, "%s", why.text);
    if (rc == CLI_OK) {
        const struct plain_options po = {0};
        x.plain = !x.json && isatty(STDERR_FILENO) ? plain_new(&po) : NULL;
        x.channel = xstrdup_null(cli_value(c, "channel"));
        if (timeout_ns)
            x.until = clock_real_mono_ns() + timeout_ns;
        x.signals = ctl_interrupts();
        wait_for_end(&x);
        rc = x.code;
        fflush(stdout);
    }
    if (started && x.conn)
        leave(&x);
    ctl_conn_free(&x.conn);
    plain_free(&x.plain);
    if (x.signals >= 0)
        close(x.signals);
    free(x.channel);
    free(x.error);
    strv_free(&x.replies);
    cJSON_Delete(args);
    return rc;
}

static const struct cli_option options[] = {
    {"json", NULL, "events as they happen, then the result, one JSON object a line"},
    {"channel", "ID", "the channel to say it to; made when there is none (default: a new one)"},
    {"model", "M", "provider/model for every process of the channel"},
    {"workspace", "DIR", "where its workers work (default: the home's workspace)"},
    {"attach", "FILE…", "a file that comes with the message; may be given again"},
    {"allow", "PATTERN…", "what would ask is allowed: TOOL or TOOL:GLOB; may be given again"},
    {"timeout", "S", "seconds after which it is cancelled (default: none)"},
    {NULL, NULL, NULL}};
const struct cli_verb cli_verb_exec = {
    .name = "exec",
    .operands = "[PROMPT | -]",
    .summary = "one message, until all its work has settled",
    .details = "Prints the last reply. Without PROMPT, or with -, it is read from standard input.\n"
               "Uses the engine that runs here, or one that ends with it. Ctrl-C and the timeout\n"
               "cancel what it started. Nobody is asked for permission: what would ask is denied,\n"
               "with the PATTERN that would have allowed it (shell:git push *).",
    .most = 1,
    .options = options,
    .run = run};
