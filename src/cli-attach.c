/* cli-attach: the screen of the engine that runs here, or what happens there as lines. */
#include <unistd.h>

#include "cli.h"
#include "ctl/attach.h"

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    bool plain = cli_has(c, "plain");
    if (!plain && !isatty(STDIN_FILENO) && !isatty(STDOUT_FILENO))
        return cli_usage(c, "the screen needs a terminal; --plain prints lines");
    int rc = cli_connect(c, &conn);
    if (rc == CLI_OK)
        rc = plain ? attach_plain(conn) : attach_screen(conn);
    ctl_conn_free(&conn);
    return rc;
}

static const struct cli_option options[] = {
    {"plain", NULL, "print what happens as lines, beside any screen"}, {NULL, NULL, NULL}};
const struct cli_verb cli_verb_attach = {
    .name = "attach",
    .operands = "",
    .summary = "take the screen over to this terminal",
    .details = "One terminal has the screen at a time: the one before is told and released.\n"
               "Any number may follow with --plain.",
    .options = options,
    .run = run};
