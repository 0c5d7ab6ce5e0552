/* place: the one entry of a directory that a tool changes. The directory is opened once, by the
 * checked walk of sandbox_open(), and all that follows happens in it; a file is replaced as a whole
 * or not at all, and only while it is the one that was looked at. For jobs. */
#ifndef TOOLS_PLACE_H
#define TOOLS_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "base/status.h"
#include "sandbox/sandbox.h"

struct place {
    int dir;
    const char *name; /* lent: inside the path */
};

/* `path`, `granted` and `make_dirs` as for sandbox_open_granted(); `path` outlives the place.
 * INVALID when it does not end in the name of a file. */
enum status place_open(const struct sandbox *sb, const char *workspace, const char *path,
                       const char *granted, bool make_dirs, struct place *out,
                       struct cause *why) MUST_CHECK;
void place_close(struct place *p);

/* What stands there at one moment. */
struct version {
    bool present;
    bool whole; /* text and hash are its content; not where it is longer than was wanted, or cannot
                   be read */
    struct stat st;
    struct buf text;
    char hash[SHA256_HEX_SIZE];
};
/* Zero it first. At most `max` bytes are read. Returns an errno: ELOOP for a link, EISDIR, EINVAL
 * for what else is no regular file, ESTALE when it was changed meanwhile. No file is no error. */
int place_read(const struct place *p, size_t max, struct version *out);
void version_free(struct version *v);
/* A file that was seen as `a` is still the same as `b` tells. */
bool version_same(const struct stat *a, const struct stat *b);

/* Both: ESTALE when what is there is not `was` any more. `mode` is for the file that comes there;
 * *now (may be NULL) is how that one looks. */
int place_write(const struct place *p, const struct version *was, const void *data, size_t n,
                mode_t mode, struct stat *now);
int place_remove(const struct place *p, const struct version *was);

#endif
