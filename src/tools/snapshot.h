/* snapshot: what files held before tools changed them, for undo. Each content is a file of its own
 * in one directory of the home, named by its hash; what is kept last is dropped last. For jobs: all
 * of it may wait for a disk. Which file held what, and who changed it, the store knows. */
#ifndef TOOLS_SNAPSHOT_H
#define TOOLS_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "base/status.h"

#define SNAPSHOT_FILE_MAX (8u * 1024u * 1024u) /* bytes of a file that is kept */
#define SNAPSHOT_COUNT_MAX 20000u              /* of them; a look at all takes a job some 50 ms */

/* Where they are and how much there may be; the loop's only. */
struct snapshots {
    char *dir;         /* NULL: nothing is kept */
    int64_t max_bytes; /* in all */
    int64_t unlooked;  /* bytes kept since they were counted, */
    bool trim;         /* and that it is time for the next job to snapshot_trim(). True at first */
};

/* X(NAME, "name"): what is known of a file's content at one moment. */
#define SNAPSHOT_STATE_TABLE(X)                                                                    \
    X(ABSENT, "absent") /* there was no file */                                                    \
    X(KEPT, "kept")                                                                                \
    X(TOO_LARGE, "too_large") /* more than SNAPSHOT_FILE_MAX: neither kept nor hashed */           \
    X(NOT_KEPT, "not_kept")   /* hashed, but the disk did not take it */
enum snapshot_state {
#define X(name, text) SNAPSHOT_##name,
    SNAPSHOT_STATE_TABLE(X)
#undef X
};
const char *snapshot_state_name(enum snapshot_state s);
enum status snapshot_state_from_string(const char *s, enum snapshot_state *out) MUST_CHECK;

/* A file before or after a change. */
struct file_side {
    enum snapshot_state state;
    char hash[SHA256_HEX_SIZE]; /* "" where there was no file, or it was not hashed */
    unsigned mode;              /* permission bits */
    int64_t bytes;
};

/* A change that a tool has made; all lent. */
struct file_change {
    const char *channel, *work, *process, *call, *tool; /* struct tool_author */
    const char *workspace, *path;                       /* absolute */
    struct file_side before, after;                     /* of after the content is not kept */
};

/* Keeps n bytes, safe on disk when it returns. The cause says what the system refused. */
enum status snapshot_keep(const char *dir, const char *hash, const void *data, size_t n,
                          struct cause *why) MUST_CHECK;
/* Appends what was kept. NOT_FOUND: it is not there any more; INVALID: it is not what it was. */
enum status snapshot_read(const char *dir, const char *hash, struct buf *out,
                          struct cause *why) MUST_CHECK;
/* Drops the oldest until all have a sixteenth less than `max_bytes`. */
void snapshot_trim(const char *dir, int64_t max_bytes);
/* On the loop: `bytes` more are kept. */
void snapshot_count(struct snapshots *s, int64_t bytes);

#endif
