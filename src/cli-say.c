/* cli-say: a message to a channel, without waiting for what comes of it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli.h"

/* To a worker instead of a channel. */
static int route(struct cli *c) {
    struct ctl_conn *conn = NULL;
    bool end = cli_has(c, "end");
    if (cli_has(c, "attach"))
        return cli_usage(c, "--attach goes with a channel, not with --to");
    if (c->n > 1 || (c->n == 0 && !end))
        return cli_usage(c, "--to PROCESS takes one text%s", end ? " or none" : "");
    int rc = cli_connect(c, &conn);
    if (rc != CLI_OK)
        return rc;
    cJSON *args = json_new_obj(), *body = NULL;
    json_add_str(args, "process", cli_value(c, "to"));
    json_add_str(args, "text", c->n ? c->operands[0] : NULL);
    json_add_bool(args, "end", end);
    rc = cli_request(conn, "route", args, &body);
    if (rc == CLI_OK)
        fprintf(stderr, "%s: %s\n", json_str(body, "process", ""), json_str(body, "message", ""));
    cJSON_Delete(body);
    cJSON_Delete(args);
    ctl_conn_free(&conn);
    return rc;
}

static const struct cli_option options[] = {
    {"sender", "NAME", "who says it, where several people talk (default: you)"},
    {"attach", "FILE…", "a file that comes with the message; may be given again"},
    {"to", "PROCESS", "write to this worker instead of a channel"},
    {"end", NULL, "with --to: nothing more will come; an interactive worker ends when it is done"},
    {0}};

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    if (cli_has(c, "to"))
        return route(c);
    if (cli_has(c, "end"))
        return cli_usage(c, "--end goes with --to");
    if (c->n != 2)
        return cli_usage(c, "a channel and a text are needed");
    if (!*c->operands[0] || !*c->operands[1])
        return cli_usage(c, "channel and text may not be empty");
    cJSON *args = json_new_obj();
    int rc = cli_attach(c, args);
    if (rc == CLI_OK)
        rc = cli_connect(c, &conn);
    if (rc != CLI_OK) {
        cJSON_Delete(args);
        return rc;
    }
    json_add_str(args, "channel", c->operands[0]);
    json_add_str(args, "text", c->operands[1]);
    if (cli_value(c, "sender"))
        json_add_str(args, "sender", cli_value(c, "sender"));
    rc = cli_request(conn, "say", args, NULL);
    cJSON_Delete(args);
    ctl_conn_free(&conn);
    return rc;
}

const struct cli_verb cli_verb_say = {.name = "say",
                                      .operands = "[CHANNEL] TEXT",
                                      .summary = "say something to a channel without waiting",
                                      .details = "A channel that does not exist is made. Returns "
                                                 "once the message is stored.\n"
                                                 "With --to a worker reads it: before its next "
                                                 "step, or at once when it waits.",
                                      .least = 0,
                                      .most = 2,
                                      .options = options,
                                      .run = run};
