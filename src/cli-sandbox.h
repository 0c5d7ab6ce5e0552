/* cli-sandbox: the walls around commands as an engine of this home would have them, tried without
 * one, for verbs that tell of them. */
#ifndef CLI_SANDBOX_H
#define CLI_SANDBOX_H

#include <stdbool.h>

#include "conf/config.h"
#include "conf/home.h"
#include "loop/loop.h"
#include "sandbox/sandbox.h"

struct cli_sandbox {
    struct loop *loop;
    struct sandbox *sandbox; /* NULL: it could not be made */
    char *copies;            /* a directory that holds a launcher */
    bool ready;              /* the trial has ended */
};

/* Blocks for the trial, 20 s at most. `config`: NULL: the defaults. Not OK: nothing could be tried;
 * TIMEOUT: the trial did not end. Free it in every case. */
enum status cli_sandbox_try(const struct home *h, const struct config *config,
                            struct cli_sandbox *out, struct cause *why) MUST_CHECK;
void cli_sandbox_free(struct cli_sandbox *s);

#endif
