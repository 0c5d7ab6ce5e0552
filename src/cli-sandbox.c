/* cli-sandbox: a loop of its own, on which the argument lists are run once each. */
#include "cli-sandbox.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine.h"

#define PROBE_NS (INT64_C(20) * NS_PER_SEC) /* the sandbox runs each argument list once */

static void on_ready(void *arg) { *(bool *)arg = true; }

enum status cli_sandbox_try(const struct home *h, const struct config *config,
                            struct cli_sandbox *out, struct cause *why) {
    *out = (struct cli_sandbox){0};
    char *launcher = engine_launcher();
    /* Its own copy: an engine of another version may be running from the one beside its socket. */
    out->copies = xasprintf("%s/trial-XXXXXX", h->run);
    if (!mkdtemp(out->copies))
        out->copies[0] = '\0';
    const struct sandbox_config c = {
        .launcher = launcher,
        .launcher_dir = out->copies[0] ? out->copies : NULL,
        .home = getenv("HOME"),
        .spacebot_home = h->dir,
        .runtime_dir = h->run,
        .writable_paths = config ? (const char *const *)config->sandbox.writable_paths.v : NULL,
        .passthrough_env = config ? (const char *const *)config->sandbox.passthrough_env.v : NULL,
        .required = config ? config->sandbox.required : true};
    out->loop = loop_new(LOOP_REAL);
    enum status st = sandbox_new(out->loop, &c, on_ready, &out->ready, &out->sandbox, why);
    x_free(&launcher);
    int64_t until = clock_real_mono_ns() + PROBE_NS;
    while (st == STATUS_OK && !out->ready && clock_real_mono_ns() < until)
        (void)loop_turn(out->loop, 100 * NS_PER_MS);
    if (st == STATUS_OK && !out->ready)
        st = cause_set(why, STATUS_TIMEOUT, "the trial of the sandbox did not end");
    return st;
}

static void remove_copies(const char *dir) {
    if (!*dir)
        return;
    char *copy = xasprintf("%s/spacebot-run", dir);
    (void)unlink(copy);
    (void)rmdir(dir);
    x_free(&copy);
}

void cli_sandbox_free(struct cli_sandbox *s) {
    sandbox_free(&s->sandbox);
    loop_free(&s->loop);
    if (s->copies)
        remove_copies(s->copies);
    x_free(&s->copies);
}
