/* cli-undo: takes back what tools have done to files for one request, or takes that back in turn;
 * and shows what there is to take back, which needs no engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli.h"
#include "store/queries.gen.h"
#include "store/store.h"

#define LISTED 50 /* requests */
#define TITLE_MAX 60

/* --- what there is ------------------------------------------------------------------------------
 */

struct listing {
    struct store_read *read;
    bool json;
    enum status st;
    struct cause why;
};

static bool add_path(void *arg, const struct q_file_work_paths_row *row) {
    cJSON *o = json_new_obj();
    json_add_str(o, "path", row->path);
    json_add_i64(o, "edits", row->edits);
    json_add_bool(o, "undone", row->holds == 0);
    cJSON_AddItemToArray(arg, o);
    return true;
}

static void print_work(const struct q_file_works_row *row, const cJSON *files) {
    struct buf out = BUF_INIT;
    char at[CLOCK_RFC3339_SIZE];
    const char *text = row->content ? row->content : "(written to a worker)";
    size_t n = strcspn(text, "\r\n"), cut = utf8_cut(text, n, TITLE_MAX);
    const cJSON *f;
    clock_rfc3339(row->edited_at, at);
    buf_printf(&out, "%s  %s  ", at, row->channel_id);
    utf8_append_visible(&out, text, cut);
    buf_printf(&out, "%s%s\n", text[cut] ? "…" : "", row->holds ? "" : "  (undone)");
    cJSON_ArrayForEach(f, files) {
        const char *path = json_str(f, "path", "");
        buf_puts(&out, json_bool(f, "undone", false) ? "   undone  " : "           ");
        utf8_append_visible(&out, path, strlen(path));
        buf_putc(&out, '\n');
    }
    cli_print_text(stdout, buf_str(&out), out.len);
    buf_free(&out);
}

static bool on_work(void *arg, const struct q_file_works_row *row) {
    struct listing *l = arg;
    cJSON *files = json_new_arr();
    char at[CLOCK_RFC3339_SIZE];
    l->st = q_file_work_paths(l->read, row->channel_id, row->work_id, add_path, files, &l->why);
    if (l->json && l->st == STATUS_OK) {
        cJSON *o = json_new_obj();
        clock_rfc3339(row->edited_at, at);
        json_add_str(o, "channel", row->channel_id);
        json_add_str(o, "id", row->work_id);
        json_add_str(o, "request", row->content);
        json_add_str(o, "at", at);
        json_add_bool(o, "undone", row->holds == 0);
        cJSON_AddItemToObject(o, "files", files);
        cli_print_json(o);
        cJSON_Delete(o);
        return true;
    }
    if (l->st == STATUS_OK)
        print_work(row, files);
    cJSON_Delete(files);
    return l->st == STATUS_OK;
}

static int list(struct cli *c) {
    struct listing l = {.json = cli_has(c, "json")};
    struct cause why = {""};
    enum status st = store_open_readonly(c->home->db, &l.read, &why);
    if (st == STATUS_NOT_FOUND)
        return CLI_OK;
    if (st == STATUS_OK)
        st = q_file_works(l.read, c->n ? c->operands[0] : NULL, LISTED, on_work, &l, &why);
    if (st == STATUS_OK && l.st != STATUS_OK) {
        st = l.st;
        why = l.why;
    }
    store_read_close(&l.read);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

/* --- taking back --------------------------------------------------------------------------------
 */

static bool is_done(const char *result) {
    return str_eq(result, "restored") || str_eq(result, "removed") || str_eq(result, "unchanged");
}

static void print_files(const cJSON *body) {
    struct buf out = BUF_INIT;
    const cJSON *f;
    cJSON_ArrayForEach(f, json_arr(body, "files")) {
        const char *path = json_str(f, "path", ""), *message = json_str(f, "message", "");
        buf_printf(&out, "%-10s", json_str(f, "result", ""));
        utf8_append_visible(&out, path, strlen(path));
        buf_printf(&out, "%s%s\n", *message ? ": " : "", message);
    }
    cli_print_text(stdout, buf_str(&out), out.len);
    buf_free(&out);
}

static int count_left(const cJSON *body) {
    const cJSON *f;
    int left = 0;
    cJSON_ArrayForEach(f, json_arr(body, "files")) left += !is_done(json_str(f, "result", ""));
    return left;
}

static int take_back(struct cli *c, bool redo) {
    struct ctl_conn *conn = NULL;
    bool started = false;
    int rc = cli_engine(c, &conn, &started);
    if (rc != CLI_OK)
        return rc;
    cJSON *args = json_new_obj(), *body = NULL;
    if (c->n)
        json_add_str(args, "channel", c->operands[0]);
    json_add_bool(args, "force", cli_has(c, "force"));
    rc = cli_request(conn, redo ? "redo" : "undo", args, &body);
    if (rc == CLI_OK) {
        const char *request = json_str(body, "request", NULL);
        int left = count_left(body);
        if (cli_has(c, "json")) {
            cli_print_json(body);
        } else {
            fprintf(stderr, "%s in %s%s%s\n", redo ? "done again" : "undone",
                    json_str(body, "channel", ""), request ? ": " : "", request ? request : "");
            print_files(body);
        }
        if (json_i64(body, "still_at_work", 0))
            fprintf(stderr, "that request is still worked on: what it changes from now on stays\n");
        if (left)
            rc = cli_fail(CLI_FAILED, "%d left as %s; --force takes what something else changed",
                          left, left == 1 ? "it was" : "they were");
    }
    cJSON_Delete(body);
    cJSON_Delete(args);
    ctl_conn_free(&conn);
    return rc;
}

static int run(struct cli *c) {
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    if (cli_has(c, "list") && (cli_has(c, "redo") || cli_has(c, "force")))
        return cli_usage(c, "--list does nothing: neither --redo nor --force goes with it");
    return cli_has(c, "list") ? list(c) : take_back(c, cli_has(c, "redo"));
}

static const struct cli_option options[] = {
    {"list", NULL, "show what there is to take back, and do nothing"},
    {"redo", NULL, "take the newest undo back"},
    {"force", NULL, "also where something else has changed a file since"},
    {"json", NULL, "the result as a JSON object; with --list one a request"},
    {NULL, NULL, NULL}};
const struct cli_verb cli_verb_undo = {
    .name = "undo",
    .operands = "[CHANNEL]",
    .summary = "files as they were before a request",
    .details = "Takes back what tools have done to files for the newest request that changed any,\n"
               "in that channel or without one in any; again: for the one before. A file that\n"
               "something else has changed since is left as it is. What commands of the shell\n"
               "tool do to files is not taken back.",
    .most = 1,
    .options = options,
    .run = run};
