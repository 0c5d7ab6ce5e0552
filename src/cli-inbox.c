/* cli-inbox: what waits for a person. Of the engine that runs here; without one, the questions that
 * wait in the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/kind.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli.h"
#include "store/queries.gen.h"
#include "store/store.h"

/* Text of a model. Its own lines stand behind a bar, so that none of them looks like ours. */
static void put_text(struct buf *out, const char *s) {
    for (;;) {
        size_t n = strcspn(s, "\n");
        utf8_append_visible(out, s, n);
        s += n;
        if (!*s)
            return;
        buf_puts(out, "\n   | ");
        s++;
    }
}

/* "#release ▸ Y plan ▸ * publish" */
static void put_path(struct buf *out, const cJSON *request) {
    const cJSON *step;
    cJSON_ArrayForEach(step, json_arr(request, "path")) {
        enum process_kind kind;
        const char *name = json_str(step, "name", "");
        if (process_kind_from_string(json_str(step, "kind", ""), &kind) != STATUS_OK)
            continue;
        buf_printf(out, "%s%s%s", out->len ? " ▸ " : "", process_kind_symbol(kind, false),
                   kind == PROCESS_CHANNEL ? "" : " ");
        put_text(out, name);
    }
}

static void put_options(struct buf *out, const cJSON *request) {
    const cJSON *option;
    int n = 0;
    cJSON_ArrayForEach(option, json_arr(request, "options")) {
        const char *label = json_str(option, "label", "");
        buf_printf(out, "%s%d ", n ? "   " : "", n + 1);
        put_text(out, label);
        n++;
    }
}

static void print_request(const cJSON *r) {
    struct buf out = BUF_INIT, path = BUF_INIT, shown = BUF_INIT;
    const char *text = json_str(r, "text", ""), *always = json_str(r, "always", NULL);
    long long id = (long long)json_i64(r, "id", 0);
    put_path(&path, r);
    put_text(&shown, text);
    buf_printf(&out, "%lld  %s  %s ▸ %s    %s\n", id, json_str(r, "kind", ""), buf_str(&path),
               json_str(r, "tool", ""), buf_str(&shown));
    if (str_eq(json_str(r, "kind", ""), "question")) {
        buf_puts(&out, "   ");
        put_options(&out, r);
        buf_printf(&out, "\n   spacebot answer %lld %s\n", id,
                   json_bool(r, "multi_select", false) ? "N,N" : "N");
    } else {
        const char *preview = json_str(r, "preview", NULL);
        if (preview) {
            buf_puts(&out, "   | ");
            put_text(&out, preview);
            buf_putc(&out, '\n');
        }
        buf_printf(&out, "   %s; spacebot answer %lld once%s|deny\n",
                   json_str(r, "reason", "it has to ask"), id, always ? "|always" : "");
        if (always) {
            buf_puts(&out, "   always: ");
            put_text(&out, always);
            buf_putc(&out, '\n');
        }
    }
    cli_print_text(stdout, buf_str(&out), out.len);
    buf_free(&out);
    buf_free(&path);
    buf_free(&shown);
}

static void print_all(const struct cli *c, const cJSON *list) {
    const cJSON *r;
    if (!list || !list->child)
        fprintf(stderr, "nothing waits for you\n");
    cJSON_ArrayForEach(r, list) {
        if (cli_has(c, "json"))
            cli_print_json(r);
        else
            print_request(r);
    }
}

/* --- from the store -----------------------------------------------------------------------------
 */

static void add_json(cJSON *o, const char *key, const char *text) {
    cJSON *v = NULL;
    if (text && json_parse(text, strlen(text), &v, NULL) == STATUS_OK)
        cJSON_AddItemToObject(o, key, v);
}

static bool on_row(void *arg, const struct q_requests_waiting_row *row) {
    if (!str_eq(row->kind, "question"))
        return true; /* whoever asked for a permission is gone */
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(row->asked_at, at);
    cJSON *o = json_new_obj();
    json_add_i64(o, "id", row->n);
    json_add_str(o, "kind", row->kind);
    json_add_str(o, "process", row->process_id);
    json_add_str(o, "channel", row->channel_id);
    add_json(o, "path", row->path);
    json_add_str(o, "tool", row->tool);
    json_add_str(o, "call_id", row->call_id);
    json_add_str(o, "text", row->text);
    add_json(o, "options", row->options);
    json_add_bool(o, "multi_select", row->multi_select != 0);
    json_add_str(o, "asked_at", at);
    cJSON_AddItemToArray(arg, o);
    return true;
}

static int from_store(struct cli *c) {
    struct store_read *r = NULL;
    struct cause why = {""};
    cJSON *list = json_new_arr();
    enum status st = store_open_readonly(c->home->db, &r, &why);
    if (st == STATUS_OK)
        st = q_requests_waiting(r, on_row, list, &why);
    else if (st == STATUS_NOT_FOUND)
        st = STATUS_OK;
    store_read_close(&r);
    if (st == STATUS_OK)
        print_all(c, list);
    cJSON_Delete(list);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    struct cause why = {""};
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    enum status st = ctl_connect(c->home, &conn, &why);
    if (st == STATUS_UNAVAILABLE)
        return from_store(c);
    if (st != STATUS_OK)
        return cli_fail(cli_exit_of(st), "%s", why.text);
    cJSON *body = NULL;
    rc = cli_request(conn, "inbox", NULL, &body);
    if (rc == CLI_OK)
        print_all(c, json_arr(body, "requests"));
    cJSON_Delete(body);
    ctl_conn_free(&conn);
    return rc;
}

static const struct cli_option options[] = {{"json", NULL, "one JSON object a line"},
                                            {NULL, NULL, NULL}};
const struct cli_verb cli_verb_inbox = {
    .name = "inbox",
    .operands = "",
    .summary = "what waits for you: permissions and questions",
    .details = "Each has a number to answer it by: spacebot answer ID ANSWER.",
    .options = options,
    .run = run};
