/* fd: what a descriptor takes more than one call for. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>

/* Writes all n bytes to a descriptor that blocks. Returns 0, or the errno of what was refused,
 * which is left in errno too; then some of it may have been written. */
int fd_write_all(int fd, const void *data, size_t n);

#endif
