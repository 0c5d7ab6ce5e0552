/* cli-ps: the processes of the engine, as a table or one JSON object a line. */
#include <stdio.h>
#include <string.h>

#include "agent/kind.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli.h"

#define ID_SHOWN 8    /* characters of a uuid: enough to name it */
#define TOOL_SHOWN 40 /* bytes of what it runs */

static void short_id(const char *id, char out[64]) {
    const char *bare = strchr(id, ':');
    bare = bare ? bare + 1 : id;
    bool channel = str_prefix(id, "channel:");
    snprintf(out, 64, "%.*s", channel ? 63 : ID_SHOWN, bare);
}

static void put_row(struct cli_table *t, const cJSON *p) {
    char id[64], tool[TOOL_SHOWN + 8], elapsed[CLI_NUMBER], silent[CLI_NUMBER] = "";
    char in[CLI_NUMBER], out[CLI_NUMBER], tokens[2 * CLI_NUMBER], cost[MONEY_SIZE];
    enum process_kind kind;
    const char *kind_name = json_str(p, "kind", "?"), *tool_text = json_str(p, "tool", NULL);
    short_id(json_str(p, "id", "?"), id);
    tool[0] = '\0';
    if (tool_text) {
        size_t n = strlen(tool_text), keep = utf8_cut(tool_text, n, TOOL_SHOWN);
        snprintf(tool, sizeof(tool), "%.*s%s", (int)keep, tool_text, keep < n ? "…" : "");
    }
    cli_duration(json_i64(p, "elapsed_ms", 0), elapsed);
    if (json_i64(p, "silent_ms", 0) > 0)
        cli_duration(json_i64(p, "silent_ms", 0), silent);
    cli_count(json_i64(p, "input_tokens", 0), in);
    cli_count(json_i64(p, "output_tokens", 0), out);
    snprintf(tokens, sizeof(tokens), "%s/%s", in, out);
    money_text(json_num(p, "cost_usd", 0), json_bool(p, "cost_is_estimate", false), cost);
    bool known = process_kind_from_string(kind_name, &kind) == STATUS_OK;
    const char *cells[] = {known ? process_kind_symbol(kind, false) : kind_name,
                           json_str(p, "name", NULL),
                           json_str(p, "outcome", json_str(p, "state", NULL)),
                           tool,
                           elapsed,
                           silent,
                           tokens,
                           cost,
                           id};
    cli_table_row(t, cells);
}

static void print_table(const cJSON *list) {
    static const char *const heads[] = {"KIND",   "NAME",       "STATE", "TOOL", "ELAPSED",
                                        "SILENT", "TOK IN/OUT", "COST",  "ID"};
    static const bool right[] = {false, false, false, false, true, true, true, true, false};
    struct cli_table *t = cli_table_new(ARRAY_LEN(heads), heads, right);
    const cJSON *it = NULL;
    if (!list || !list->child)
        fprintf(stderr, "nothing runs\n");
    cJSON_ArrayForEach(it, list) put_row(t, it);
    cli_table_print(&t);
}

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    int rc = cli_connect(c, &conn);
    if (rc != CLI_OK)
        return rc;
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_bool(args, "all", cli_has(c, "all"));
    rc = cli_request(conn, "ps", args, &body);
    const cJSON *list = json_arr(body, "processes"), *it = NULL;
    if (rc == CLI_OK && cli_has(c, "json")) {
        cJSON_ArrayForEach(it, list) cli_print_json(it);
    } else if (rc == CLI_OK) {
        print_table(list);
    }
    cJSON_Delete(body);
    cJSON_Delete(args);
    ctl_conn_free(&conn);
    return rc;
}

static const struct cli_option options[] = {{"json", NULL, "one JSON object a line"},
                                            {"all", NULL, "those that have ended too"},
                                            {NULL, NULL, NULL}};
const struct cli_verb cli_verb_ps = {
    .name = "ps", .operands = "", .summary = "what runs", .options = options, .run = run};
