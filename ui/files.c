/* files: one directory, read at most FILES_SCAN_MAX entries deep, through the same door as the file
 * tools. */
#include "ui/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"

static bool can_stand_in_text(const char *name) {
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7F || *c == '"')
            return false;
    return utf8_valid(name, strlen(name));
}

static bool is_directory(int dir, const struct dirent *e) {
    struct stat st;
    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void files_begin_with(const struct sandbox *sb, const char *workspace, const char *prefix,
                      struct strv *out) {
    const char *slash = strrchr(prefix, '/'), *base = slash ? slash + 1 : prefix;
    char *parent = slash ? xstrndup(prefix, (size_t)(slash - prefix) + 1) : xstrdup("");
    struct cause why;
    int fd;
    DIR *d = NULL;
    if (sandbox_open(sb, workspace, *parent ? parent : ".", O_RDONLY | O_DIRECTORY, 0, false, &fd,
                     &why) == STATUS_OK) {
        d = fdopendir(fd);
        if (!d)
            close(fd);
    }
    size_t first = out->n, seen = 0;
    for (const struct dirent *e; d && seen < FILES_SCAN_MAX && (e = readdir(d)); seen++) {
        if (out->n - first >= FILES_MAX || !str_prefix(e->d_name, base) ||
            (e->d_name[0] == '.' && base[0] != '.') || str_eq(e->d_name, ".") ||
            str_eq(e->d_name, "..") || !can_stand_in_text(e->d_name))
            continue;
        strv_pushf(out, "%s%s%s", parent, e->d_name, is_directory(dirfd(d), e) ? "/" : "");
    }
    if (d)
        closedir(d);
    if (out->n > first)
        qsort(out->v + first, out->n - first, sizeof *out->v, by_name);
    x_free(&parent);
}
