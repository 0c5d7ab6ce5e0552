/* cli-log: what a process did, in order. Of the engine that runs here, where it can be followed; of
 * processes that ended long ago from the store, which needs no engine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/kind.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli-log.h"
#include "cli.h"
#include "store/queries.gen.h"
#include "store/store.h"

#define PREFIX_LEAST 4

/* --- from the engine ----------------------------------------------------------------------------
 */

static enum status fetch(struct ctl_conn *conn, const char *process, struct cli_log *log,
                         bool *live, struct cause *why) {
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_str(args, "process", process);
    json_add_i64(args, "from", cli_log_from(log));
    enum status st = ctl_request(conn, "log", args, CTL_WAIT_NS, &body, why);
    if (st == STATUS_OK) {
        cli_log_entries(log, json_arr(body, "entries"));
        *live = json_bool(body, "live", false);
    }
    cJSON_Delete(args);
    cJSON_Delete(body);
    return st;
}

/* Waits until something has happened, and takes all that has. */
static enum status wait_event(struct ctl_conn *conn, int signals, struct cause *why) {
    enum status st = ctl_conn_wait(conn, signals, -1);
    while (st == STATUS_OK) {
        cJSON *line = NULL;
        st = ctl_conn_read(conn, 0, &line, why);
        if (st == STATUS_OK && ctl_line_ended(line))
            st = cause_set(why, STATUS_GONE, "%s", ctl_line_ended(line));
        cJSON_Delete(line);
        if (st == STATUS_TIMEOUT)
            return STATUS_OK;
    }
    return st;
}

static int follow(struct ctl_conn *conn, const char *process, struct cli_log *log) {
    struct cause why = {""};
    bool live = true;
    int signals = ctl_interrupts();
    cJSON *args = json_new_obj();
    json_add_str(args, "process", process);
    /* Followed first: what happens between the two is in the log, or an event to come. */
    enum status st = ctl_request(conn, "follow", args, CTL_WAIT_NS, NULL, &why);
    cJSON_Delete(args);
    if (st == STATUS_OK)
        st = fetch(conn, process, log, &live, &why);
    while (st == STATUS_OK && live) {
        fflush(stdout);
        st = wait_event(conn, signals, &why);
        if (st == STATUS_OK)
            st = fetch(conn, process, log, &live, &why);
    }
    close(signals);
    if (st == STATUS_OK)
        return CLI_OK;
    if (st == STATUS_CANCELLED)
        return CLI_INTERRUPTED;
    return cli_fail(st == STATUS_GONE ? CLI_OK : cli_exit_of(st), "%s", why.text);
}

/* --- from the store -----------------------------------------------------------------------------
 */

static bool on_row(void *arg, const struct q_journal_row *row) {
    struct journal_entry e = {.seq = (uint64_t)row->seq,
                              .at_ms = row->at,
                              .ended_ms = row->ended_at,
                              .title = (char *)(uintptr_t)row->title,
                              .ref = (char *)(uintptr_t)row->ref,
                              .is_error = row->is_error != 0,
                              .interrupted = row->interrupted != 0};
    if (journal_kind_from_string(row->kind, &e.kind) != STATUS_OK)
        return true; /* of a newer version */
    buf_puts(&e.text, row->text);
    if (row->result)
        buf_puts(&e.result, row->result);
    struct buf json = BUF_INIT;
    cJSON *entry = NULL;
    journal_entry_json(&e, &json);
    if (json_parse(buf_str(&json), json.len, &entry, NULL) == STATUS_OK)
        cli_log_entry(arg, entry);
    cJSON_Delete(entry);
    buf_free(&json);
    buf_free(&e.text);
    buf_free(&e.result);
    return true;
}

/* The full ids in the store that begin with `low`: OK exactly one (the caller frees), INVALID more.
 */
static enum status one_with_prefix(struct store_read *r, const char *low, char **out,
                                   struct cause *why) {
    struct q_journal_process_from_row row;
    struct buf high = BUF_INIT, next = BUF_INIT;
    buf_puts(&high, low);
    high.data[high.len - 1]++;
    enum status st = q_journal_process_from(r, low, buf_str(&high), &row, why);
    if (st == STATUS_OK) {
        char *first = xstrdup(row.process_id);
        q_journal_process_from_free(&row);
        buf_printf(&next, "%s\001", first);
        enum status more = q_journal_process_from(r, buf_str(&next), buf_str(&high), &row, why);
        if (more == STATUS_OK) {
            st = cause_set(why, STATUS_INVALID, "several processes begin so: %s, %s", first,
                           row.process_id);
            q_journal_process_from_free(&row);
        } else if (more != STATUS_NOT_FOUND) {
            st = more;
        }
        if (st == STATUS_OK && !*out)
            *out = first;
        else if (st == STATUS_OK)
            st = cause_set(why, STATUS_INVALID, "several processes begin so: %s, %s", *out, first);
        if (*out != first)
            free(first);
    }
    buf_free(&high);
    buf_free(&next);
    return st;
}

static bool has_entries(struct store_read *r, const char *id) {
    struct q_journal_last_row last;
    struct cause why;
    if (q_journal_last(r, id, &last, &why) != STATUS_OK)
        return false;
    bool any = last.seq > 0;
    q_journal_last_free(&last);
    return any;
}

/* DESIGN's PROCESS argument, against the store. */
static enum status resolve(struct store_read *r, const char *arg, char **out, struct cause *why) {
    static const char *const kinds[] = {
#define X(name, text, symbol, ascii) text,
        PROCESS_KIND_TABLE(X)
#undef X
    };
    *out = NULL;
    if (has_entries(r, arg)) {
        *out = xstrdup(arg);
        return STATUS_OK;
    }
    enum status st = STATUS_NOT_FOUND;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char *id = xasprintf("%s:%s", kinds[i], arg);
        if (has_entries(r, id)) {
            free(*out);
            *out = id;
            return STATUS_OK;
        }
        bool channel = str_eq(kinds[i], process_kind_name(PROCESS_CHANNEL));
        if (!channel && strlen(arg) >= PREFIX_LEAST && st != STATUS_INVALID) {
            enum status one = one_with_prefix(r, id, out, why);
            st = one != STATUS_NOT_FOUND ? one : st;
        }
        free(id);
    }
    if (st != STATUS_OK)
        x_free(out);
    return st == STATUS_NOT_FOUND ? cause_set(why, st, "no process \"%s\" is known", arg) : st;
}

static int from_store(struct cli *c, const char *process, struct cli_log *log) {
    struct store_read *r = NULL;
    struct cause why = {""};
    char *id = NULL;
    enum status st = store_open_readonly(c->home->db, &r, &why);
    if (st == STATUS_NOT_FOUND)
        return cli_fail(CLI_FAILED, "no process \"%s\" is known: there is no store", process);
    if (st == STATUS_OK)
        st = resolve(r, process, &id, &why);
    if (st == STATUS_OK)
        st = q_journal(r, id, 0, INT64_MAX, on_row, log, &why);
    free(id);
    store_read_close(&r);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    struct cause why = {""};
    const char *process = c->operands[0];
    bool live = false;
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    struct cli_log *log = cli_log_new(cli_has(c, "json"), cli_has(c, "follow"));
    if (cli_has(c, "follow")) {
        rc = cli_connect(c, &conn);
        if (rc == CLI_OK)
            rc = follow(conn, process, log);
    } else {
        /* An engine that runs knows what is not in the store yet; what it has forgotten the store
         * has. */
        enum status st = ctl_connect(c->home, &conn, &why);
        if (st == STATUS_OK)
            st = fetch(conn, process, log, &live, &why);
        if (st == STATUS_UNAVAILABLE || st == STATUS_NOT_FOUND)
            rc = from_store(c, process, log);
        else if (st != STATUS_OK)
            rc = cli_fail(cli_exit_of(st), "%s", why.text);
    }
    cli_log_free(&log);
    ctl_conn_free(&conn);
    return rc;
}

static const struct cli_option options[] = {{"follow", NULL, "go on until the process ends"},
                                            {"json", NULL, "one JSON object a line"},
                                            {NULL, NULL, NULL}};
const struct cli_verb cli_verb_log = {
    .name = "log",
    .operands = "PROCESS",
    .summary = "what a process did",
    .details = "PROCESS is an id as `spacebot ps` shows it, a channel's id, or the first four or\n"
               "more characters of a uuid. Processes that have ended are read from the store,\n"
               "with or without an engine.",
    .least = 1,
    .most = 1,
    .options = options,
    .run = run};
