/* fd: see the header. */
#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

int fd_write_all(int fd, const void *data, size_t n) {
    const char *at = data;
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0)
            errno = EIO; /* no file does that; never a loop without end */
        if (done <= 0)
            return errno;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}
