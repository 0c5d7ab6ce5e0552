/* cli-screen: `spacebot` alone: the screen, on the engine that runs here or a new one. */
#include <unistd.h>

#include "cli.h"
#include "ctl/attach.h"

int cli_screen(struct cli *c) {
    struct ctl_conn *conn = NULL;
    bool started = false;
    if (!isatty(STDIN_FILENO) && !isatty(STDOUT_FILENO))
        return cli_usage(c, "the screen needs a terminal; `spacebot exec` works without one");
    int rc = cli_engine(c, &conn, &started);
    if (rc == CLI_OK)
        rc = attach_screen(conn);
    ctl_conn_free(&conn);
    return rc;
}
