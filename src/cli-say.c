/* cli-say: a message to a channel, without waiting for what comes of it. */
#include <stdlib.h>

#include "base/json.h"
#include "cli.h"

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    if (!*c->operands[0] || !*c->operands[1])
        return cli_usage(c, "channel and text may not be empty");
    int rc = cli_connect(c, &conn);
    if (rc != CLI_OK)
        return rc;
    cJSON *args = json_new_obj();
    json_add_str(args, "channel", c->operands[0]);
    json_add_str(args, "text", c->operands[1]);
    rc = cli_request(conn, "say", args, NULL);
    cJSON_Delete(args);
    ctl_conn_free(&conn);
    return rc;
}

const struct cli_verb cli_verb_say = {.name = "say",
                                      .operands = "CHANNEL TEXT",
                                      .summary = "say something to a channel without waiting",
                                      .details = "A channel that does not exist is made. Returns "
                                                 "once the message is stored.",
                                      .least = 2,
                                      .most = 2,
                                      .run = run};
