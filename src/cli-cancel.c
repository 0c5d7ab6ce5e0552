/* cli-cancel: ends a process of the engine that runs here. */
#include <stdio.h>

#include "base/json.h"
#include "cli.h"

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    int rc = cli_connect(c, &conn);
    if (rc != CLI_OK)
        return rc;
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_str(args, "process", c->operands[0]);
    rc = cli_request(conn, "cancel", args, &body);
    if (rc == CLI_OK)
        fprintf(
            stderr, "%s: %s\n", json_str(body, "process", c->operands[0]),
            json_str(body, "message",
                     json_bool(body, "cancelled", false) ? "cancelled" : "nothing was running"));
    cJSON_Delete(body);
    cJSON_Delete(args);
    ctl_conn_free(&conn);
    return rc;
}

const struct cli_verb cli_verb_cancel = {
    .name = "cancel",
    .operands = "PROCESS",
    .summary = "end a worker, or the present turn of a channel",
    .details = "PROCESS is an id as `spacebot ps` shows it, a channel's id, or the first four or\n"
               "more characters of a uuid. What was done so far is kept.",
    .least = 1,
    .most = 1,
    .run = run};
