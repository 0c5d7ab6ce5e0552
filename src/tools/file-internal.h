/* file-internal: what the file tools share: one job a call, which owns all that its work needs, so
 * that a cancelled call can be freed at once. For tools/file*.c only. */
#ifndef TOOLS_FILE_INTERNAL_H
#define TOOLS_FILE_INTERNAL_H

#include <sys/stat.h>

#include "base/buf.h"
#include "tools/snapshot.h"
#include "tools/tool.h"

/* What a job owns. */
struct file_job {
    struct tool_call *call; /* NULL when the call was cancelled meanwhile; the loop's only */
    const struct sandbox *sandbox;
    struct job *job;
    char *workspace, *path, *granted;
    char *plain;                             /* the path as it is known by; NULL: it is none */
    char *content, *old_string, *new_string; /* NULL: not an argument of this tool */
    int64_t offset, limit;                   /* lines; 0: not given */
    bool make_dirs, replace_all, is_error;
    struct buf out; /* the result */

    bool known;         /* the process has read or written it: it looked like `then` */
    struct stat then;   /* and */
    bool looked;        /* it looks like `now` to the model after the call */
    struct stat now;    /* which is kept for the next one */
    char *keep;         /* the directory that what is changed is kept in; NULL: none */
    int64_t trim_bytes; /* the oldest in there go first, down to so many; 0: not now */
    char unkept[256];   /* why it could not be; "": there is no place for it */
    bool changed;       /* by `change`, which is told when it is over */
    struct file_change change;
    file_changed_fn *on_change; /* NULL: nobody is told */
    void *on_change_arg;
    char *channel, *work, *process, *call_id; /* of `change`; NULL: nobody's */
};

/* Takes the arguments out of the call and lets a thread do `work` with a struct file_job. */
void file_start(struct tool_call *c, const char *name, job_work_fn *work);
/* The `cancel` of every file tool. */
void file_cancel(struct tool_call *c);
/* "NAME PATH"; the caller frees. */
char *file_label(const char *name, const cJSON *args);
/* The result becomes an error. */
void file_fail(struct file_job *j, const char *text);
void file_fail_errno(struct file_job *j, const char *what, int err);

#endif
