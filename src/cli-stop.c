/* cli-stop: ends the engine of this home, and returns when it has ended. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli.h"
#include "conf/lock.h"

#define END_NS (INT64_C(40) * NS_PER_SEC) /* longer than an engine may take to end */

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    struct cause why;
    int rc = cli_connect(c, &conn);
    if (rc != CLI_OK)
        return rc;
    rc = cli_request(conn, "stop", NULL, NULL);
    ctl_conn_free(&conn);
    if (rc != CLI_OK)
        return rc;
    int fd = -1;
    enum status st = lock_take_wait(c->home, END_NS, &fd, &why);
    if (st == STATUS_OK)
        close(fd);
    return st == STATUS_OK ? CLI_OK : cli_fail(CLI_FAILED, "the engine does not end: %s", why.text);
}

const struct cli_verb cli_verb_stop = {
    .name = "stop",
    .operands = "",
    .summary = "end the engine and everything it runs",
    .details = "Work under way is cancelled; what was said and done is kept. Returns when the\n"
               "engine has ended.",
    .run = run};
