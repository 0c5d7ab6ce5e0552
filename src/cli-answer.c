/* cli-answer: a person's answer to what waits in the inbox. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/str.h"
#include "cli.h"

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    int64_t id = 0;
    bool started = false;
    if (str_to_i64(c->operands[0], &id) != STATUS_OK || id < 1)
        return cli_usage(c, "\"%s\" is no number of a request (see spacebot inbox)",
                         c->operands[0]);
    /* A question may be older than the engine: one is started for it where none runs, and lives on
     * until what the answer sets going has settled. */
    int rc = cli_engine(c, &conn, &started);
    if (rc != CLI_OK)
        return rc;
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_i64(args, "request", id);
    json_add_str(args, "answer", c->operands[1]);
    json_add_str(args, "remark", c->n > 2 ? c->operands[2] : "");
    rc = cli_request(conn, "answer", args, &body);
    if (rc == CLI_OK && cli_has(c, "json"))
        cli_print_json(body);
    cJSON_Delete(body);
    cJSON_Delete(args);
    ctl_conn_free(&conn);
    return rc;
}

static const struct cli_option options[] = {{"json", NULL, "the result as a JSON object"},
                                            {NULL, NULL, NULL}};
const struct cli_verb cli_verb_answer = {
    .name = "answer",
    .operands = "ID ANSWER [REMARK]",
    .summary = "answer what waits in the inbox",
    .details = "To a permission: once, always or deny; always makes a rule of it, which\n"
               "`spacebot permissions` shows and takes back. To a question: the number of an\n"
               "option or its label, several with commas between where that is allowed. REMARK is\n"
               "told to whoever asked. Returns once the answer is stored.",
    .least = 2,
    .most = 3,
    .options = options,
    .run = run};
