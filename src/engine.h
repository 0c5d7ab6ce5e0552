/* engine: the composition root: every room's one instance, in order up and in reverse order down.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"
#include "conf/home.h"

struct engine_options {
    const struct home *home;
    bool daemon; /* ends only when told to */
};

/* Takes the home's lock and forks the engine; returns when its socket answers. Call while the
 * process has one thread and neither curl nor SQLite. STATUS_EXISTS: one runs already, or is just
 * starting or ending. STATUS_CONFIG and others with the engine's own reason. */
enum status engine_start(const struct engine_options *o, struct cause *why) MUST_CHECK;
/* The same in this process: returns when the engine has ended. */
enum status engine_run(const struct engine_options *o, struct cause *why) MUST_CHECK;

/* spacebot-run: beside this program where it was built, else where it is installed. The caller
 * frees. */
char *engine_launcher(void);

#endif
