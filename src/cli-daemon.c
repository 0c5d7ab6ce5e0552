/* cli-daemon: an engine that runs until it is told to end. */
#include <time.h>

#include "base/clock.h"
#include "cli.h"
#include "engine.h"

#define TRY_NS (INT64_C(5) * NS_PER_SEC) /* one may just be ending */

/* One that answers stays; one that does not may just be starting or ending. */
static bool another_runs(struct cli *c, long *pid) {
    struct ctl_conn *conn = NULL;
    struct cause why;
    bool runs = ctl_connect(c->home, &conn, &why) == STATUS_OK;
    if (runs)
        *pid = (long)ctl_conn_engine(conn);
    ctl_conn_free(&conn);
    return runs;
}

static int run(struct cli *c) {
    struct cause why;
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    bool foreground = cli_has(c, "foreground");
    const struct engine_options o = {.home = c->home, .daemon = true};
    int64_t until = clock_real_mono_ns() + TRY_NS;
    for (;;) {
        enum status st = foreground ? engine_run(&o, &why) : engine_start(&o, &why);
        if (st == STATUS_OK)
            return CLI_OK;
        if (st != STATUS_EXISTS)
            return cli_fail(st == STATUS_CONFIG ? CLI_CONFIG : CLI_FAILED, "%s", why.text);
        long pid = 0;
        if (another_runs(c, &pid))
            return cli_fail(CLI_FAILED, "an engine runs here already (pid %ld)", pid);
        if (clock_real_mono_ns() > until)
            return cli_fail(CLI_FAILED, "%s", why.text);
        (void)nanosleep(&(const struct timespec){0, 10 * NS_PER_MS}, NULL);
    }
}

static const struct cli_option options[] = {
    {"foreground", NULL, "do not detach, for supervisors; SIGTERM ends it"}, {NULL, NULL, NULL}};
const struct cli_verb cli_verb_daemon = {
    .name = "daemon",
    .operands = "",
    .summary = "start an engine in the background that stays",
    .details = "Returns once it answers. `spacebot` and `spacebot attach` show its screen,\n"
               "`spacebot stop` ends it.",
    .options = options,
    .run = run};
