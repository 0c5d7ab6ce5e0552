/* file_memory: how the files looked that one process has read and written, so that it does not
 * write over what it has not seen. The loop's only. */
#ifndef TOOLS_FILE_MEMORY_H
#define TOOLS_FILE_MEMORY_H

#include <stdbool.h>
#include <sys/stat.h>

#define FILE_MEMORY_MAX 256u /* files; the one that was used least lately is forgotten first */

struct file_memory;
struct file_memory *file_memory_new(void);
void file_memory_free(struct file_memory **m); /* NULL is fine */

/* `path` is absolute and plain; copied. */
void file_memory_set(struct file_memory *m, const char *path, const struct stat *st);
bool file_memory_get(struct file_memory *m, const char *path, struct stat *st);

#endif
