/* cli-daemon: an engine that runs until it is told to end. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "cli.h"
#include "conf/lock.h"
#include "engine.h"

#define TRY_NS (INT64_C(5) * NS_PER_SEC) /* one may just be ending */

static int refused(struct cli *c, enum status st, const struct cause *why) {
    pid_t pid = 0;
    char *socket = NULL;
    if (st != STATUS_EXISTS)
        return cli_fail(st == STATUS_CONFIG ? CLI_CONFIG : CLI_FAILED, "%s", why->text);
    bool known = lock_holder(c->home, &pid, &socket) == STATUS_OK;
    free(socket);
    return known ? cli_fail(CLI_FAILED, "an engine runs here already (pid %ld)", (long)pid)
                 : cli_fail(CLI_FAILED, "%s", why->text);
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
        if (st != STATUS_EXISTS || clock_real_mono_ns() > until)
            return refused(c, st, &why);
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
