/* history: a small file, read once and appended to. A line that cannot be written is lost quietly
 * but for the log: typing never waits for it. */
#include "ui/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

#define FILE_MAX (1024 * 1024)
#define FILE_KEEP (256 * 1024)
#define TEXT_MAX (16u * 1024)

static void escape(struct buf *out, const char *s) {
    for (; *s; s++) {
        if (*s == '\n')
            buf_puts(out, "\\n");
        else if (*s == '\t')
            buf_puts(out, "\\t");
        else if (*s == '\\')
            buf_puts(out, "\\\\");
        else
            buf_putc(out, *s);
    }
}

/* In place; the text only gets shorter. */
static void unescape(char *s) {
    char *to = s;
    for (; *s; s++) {
        if (*s == '\\' && s[1]) {
            s++;
            *to++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* Replaces the file by its newer part, all or nothing. */
static void shorten(const char *path, const char *data, size_t n) {
    char *fresh = xasprintf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && fd_write_all(fd, data, n) == 0;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    if (!ok || rename(fresh, path) != 0)
        log_warn("%s: cannot be shortened: %s", path, strerror(errno));
    free(fresh);
}

void history_load(const char *path, void (*fn)(void *arg, const char *channel, const char *text),
                  void *arg) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    struct stat st;
    struct buf b = BUF_INIT;
    bool cut = false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        cut = st.st_size > FILE_MAX;
        if (cut)
            (void)lseek(fd, st.st_size - FILE_KEEP, SEEK_SET);
        ssize_t n;
        while (b.len < FILE_MAX + 4096 && (n = read(fd, buf_room(&b, 65536), 65536)) > 0)
            buf_added(&b, (size_t)n);
    }
    close(fd);
    if (cut) {
        char *line = b.data ? memchr(b.data, '\n', b.len) : NULL;
        buf_consume(&b, line ? (size_t)(line + 1 - b.data) : b.len);
        shorten(path, buf_str(&b), b.len);
    }
    for (char *at = b.data, *end; at && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        char *tab = strchr(at, '\t');
        if (!tab)
            continue;
        *tab = '\0';
        unescape(at);
        unescape(tab + 1);
        fn(arg, at, tab + 1);
    }
    buf_free(&b);
}

void history_append(const char *path, const char *channel, const char *text) {
    if (strlen(text) > TEXT_MAX)
        return;
    struct buf b = BUF_INIT;
    escape(&b, channel);
    buf_putc(&b, '\t');
    escape(&b, text);
    buf_putc(&b, '\n');
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fd_write_all(fd, b.data, b.len))
        log_warn("%s: cannot be written: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    buf_free(&b);
}
