/* where: see where.h. */
#include "tests/lib/where.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

/* The build tree by the place of this program in it: BUILD/tests/ROOM/test_x. */
static const char *own_build(void) {
    static char path[PATH_MAX];
    if (path[0])
        return path;
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
    }
    return path;
}

static const char *find(const char *variable, const char *fallback, char **kept) {
    const char *set = getenv(variable);
    if (set && *set)
        return set;
    if (!*kept)
        *kept = xasprintf("%s/%s", own_build(), fallback);
    return *kept;
}

static const char *program(const char *variable, const char *fallback, char **kept) {
    const char *path = find(variable, fallback, kept);
    if (access(path, X_OK) != 0)
        fail_msg("%s is not there: build it, or name it in $%s", path, variable);
    return path;
}

const char *where_spacebot(void) {
    static char *kept;
    return program("SPACEBOT", "spacebot", &kept);
}

const char *where_fake(void) {
    static char *kept;
    return program("FAKE", "tests/fake/fake-provider", &kept);
}

const char *where_build(void) {
    const char *set = getenv("BUILDDIR");
    return set && *set ? set : own_build();
}

const char *where_source(void) {
    /* The build tree is in the source tree, one or two directories deep, or is the source tree. */
    static const char *const ways[] = {"", "/..", "/../.."};
    static char *kept;
    const char *set = getenv("SRCDIR");
    if (set && *set)
        return set;
    for (size_t i = 0; !kept && i < ARRAY_LEN(ways); i++) {
        char *probe = xasprintf("%s%s/src/base/buf.h", own_build(), ways[i]);
        if (access(probe, R_OK) == 0)
            kept = xasprintf("%s%s", own_build(), ways[i]);
        x_free(&probe);
    }
    if (!kept)
        fail_msg("where are the sources? Name them in $SRCDIR");
    return kept;
}
