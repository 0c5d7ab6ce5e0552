/* restore: one file is given back a content that it had, through the same door as the file tools
 * and only while it holds what the change left in it. For jobs. */
#ifndef TOOLS_RESTORE_H
#define TOOLS_RESTORE_H

#include "sandbox/sandbox.h"
#include "tools/snapshot.h"

/* X(NAME, "name") */
#define RESTORE_RESULT_TABLE(X)                                                                    \
    X(RESTORED, "restored")                                                                        \
    X(REMOVED, "removed")     /* as there was none before */                                       \
    X(UNCHANGED, "unchanged") /* it stood so already */                                            \
    X(REFUSED, "refused")     /* something else changed it meanwhile */                            \
    X(FAILED, "failed")
enum restore_result {
#define X(name, text) RESTORE_##name,
    RESTORE_RESULT_TABLE(X)
#undef X
};
const char *restore_result_name(enum restore_result r);

struct restore {
    /* Lent: */
    const char *workspace, *path; /* absolute */
    const char *expected;         /* the hash of what has to stand there; "": no file */
    struct file_side wanted;      /* what comes there */
    bool mixed; /* others changed it between the changes that are undone: only by force */
    /* Filled in: */
    enum restore_result result;
    struct file_side found; /* what stood there, kept for the undoing of this */
    char text[600];         /* for people: why not, and the remedy; "" when all is well */
};

/* `force`: whatever stands there goes, and is kept. */
void restore_file(const struct sandbox *sb, const char *snapshots, bool force, struct restore *r);

#endif
