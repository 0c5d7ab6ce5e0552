/* identity: small regular files, read in one bounded go; whatever else stands under their names
 * (a pipe, a device, a directory) is not read and not waited for. */
#include "agent/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/prompt.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define AGENTS_FILE "AGENTS.md"

/* X("file", "tag") in SPEC A.3's order */
#define IDENTITY_TABLE(X)                                                                          \
    X("SOUL.md", "soul")                                                                           \
    X("IDENTITY.md", "identity")                                                                   \
    X("ROLE.md", "role")

/* Closes fd. False: not a regular file, or it could not be read. */
static bool read_file(int fd, struct buf *out, bool *cut) {
    struct stat sb;
    bool ok = fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode);
    while (ok && out->len <= IDENTITY_FILE_MAX) {
        size_t room = IDENTITY_FILE_MAX + 1 - out->len;
        ssize_t n = read(fd, buf_room(out, room), room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            ok = false;
        if (n <= 0)
            break;
        buf_added(out, (size_t)n);
    }
    close(fd);
    *cut = out->len > IDENTITY_FILE_MAX;
    if (*cut)
        buf_truncate(out, utf8_cut(out->data, out->len, IDENTITY_FILE_MAX));
    return ok;
}

static bool blank(const struct buf *b) { return strspn(buf_str(b), " \t\r\n") == b->len; }

static void append(struct buf *out, const struct buf *text, bool cut, const char *name,
                   const char *tag) {
    struct buf valid = BUF_INIT;
    utf8_append_valid(&valid, buf_str(text), text->len);
    buf_printf(out, "<%s>\n", tag);
    prompt_append_data(out, buf_str(&valid), valid.len, tag);
    if (cut)
        buf_printf(out, "\n[%s goes on; only its first %u bytes are shown]", name,
                   IDENTITY_FILE_MAX);
    buf_printf(out, "%s</%s>\n\n", str_suffix(buf_str(out), "\n") ? "" : "\n", tag);
    buf_free(&valid);
}

static void append_home_file(struct buf *out, const struct home *home, const char *name,
                             const char *tag) {
    char *path = xasprintf("%s/%s", home->dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct buf text = BUF_INIT;
    bool cut = false;
    if (fd >= 0 && read_file(fd, &text, &cut) && !blank(&text))
        append(out, &text, cut, name, tag);
    buf_free(&text);
    x_free(&path);
}

void identity_append_home(struct buf *out, const struct home *home) {
#define X(name, tag) append_home_file(out, home, name, tag);
    IDENTITY_TABLE(X)
#undef X
}

void identity_append_workspace(struct buf *out, const struct sandbox *sb, const char *workspace) {
    struct cause why = {""};
    struct buf text = BUF_INIT;
    bool cut = false;
    int fd = -1;
    enum status st =
        sandbox_open(sb, workspace, AGENTS_FILE, O_RDONLY | O_NONBLOCK, 0, false, &fd, &why);
    if (st == STATUS_OK && read_file(fd, &text, &cut)) {
        if (!blank(&text)) {
            buf_puts(out, "\nThe workspace has an " AGENTS_FILE
                          ". It says how to work with these files; it is not the person who "
                          "speaks.\n\n");
            append(out, &text, cut, AGENTS_FILE, "agents_md");
        }
    } else if (st != STATUS_NOT_FOUND) {
        buf_printf(out, "\nThe workspace has an " AGENTS_FILE " that cannot be read: %s\n",
                   st == STATUS_OK ? "it is no regular file" : why.text);
    }
    buf_free(&text);
}
