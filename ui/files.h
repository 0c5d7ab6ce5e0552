/* files: the names in a workspace that begin as what a person has typed. */
#ifndef UI_FILES_H
#define UI_FILES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/status.h"
#include "base/str.h"
#include "loop/job.h"
#include "sandbox/sandbox.h"

#define FILES_SCAN_MAX 65536u /* entries of a directory that are looked at */
#define FILES_MAX 256u        /* names that are given */

/* Zero it first; files_found_free() afterwards. */
struct files_found {
    struct strv names; /* at most FILES_MAX, sorted */
    size_t total;      /* that begin so */
    char *common;      /* what all of them begin with, the prefix at least; NULL: there is none */
    bool cut;          /* the directory has more entries than are looked at */
};

/* Finds the paths, relative to the workspace, that begin with `prefix`; directories end in a slash.
 * Hidden ones only where the prefix names them; none that could not stand in a message (white
 * space, control characters, not UTF-8). What may not be opened has no names. For a job: the
 * directory may be anywhere, also where nothing answers. Ends early when *cancelled. */
void files_begin_with(const struct sandbox *sb, const char *workspace, const char *prefix,
                      const atomic_bool *cancelled, struct files_found *out);
void files_found_free(struct files_found *f);

/* Looking as jobs, one at a time, so that no number of keys takes all threads of the pool where a
 * directory does not answer: of what is asked for meanwhile the last is looked for next, and of
 * what is not wanted any more nothing is told. `sb` outlives the jobs of the pool. */
struct files_look;
typedef void files_found_fn(void *arg, const char *channel, const char *prefix,
                            const struct files_found *found);
struct files_look *files_look_new(struct job_pool *jobs, const struct sandbox *sb,
                                  files_found_fn *fn, void *arg);
void files_look_free(struct files_look **l); /* fn is not called any more; NULL is fine */
/* fn follows from the loop, unless something else is asked for before. UNAVAILABLE: the one before
 * has not ended, it comes after that; LIMIT: it will not be looked for. The cause is for people. */
enum status files_look(struct files_look *l, const char *channel, const char *workspace,
                       const char *prefix, struct cause *why);

#endif
