/* file-internal: what the file tools share: one job a call, which owns all that its work needs, so
 * that a cancelled call can be freed at once. For tools/file*.c only. */
#ifndef TOOLS_FILE_INTERNAL_H
#define TOOLS_FILE_INTERNAL_H

#include "base/buf.h"
#include "tools/tool.h"

/* What a job owns. */
struct file_job {
    struct tool_call *call; /* NULL when the call was cancelled meanwhile; the loop's only */
    const struct sandbox *sandbox;
    struct job *job;
    char *workspace, *path, *granted;
    char *content, *old_string, *new_string; /* NULL: not an argument of this tool */
    int64_t offset, limit;                   /* lines; 0: not given */
    bool make_dirs, replace_all, is_error;
    struct buf out; /* the result */
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
