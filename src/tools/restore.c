/* restore: looks, decides, keeps what stands there, and puts the other content in its place. */
#include "tools/restore.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tools/place.h"

const char *restore_result_name(enum restore_result r) {
    switch (r) {
#define X(name, text)                                                                              \
    case RESTORE_##name:                                                                           \
        return text;
        RESTORE_RESULT_TABLE(X)
#undef X
    }
    return "?";
}

static void PRINTF_LIKE(3, 4)
    end(struct restore *r, enum restore_result result, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
    r->result = result;
}

/* Whether a side is what stands there. */
static bool holds(const struct version *v, const char *hash) {
    return v->present ? v->whole && str_eq(v->hash, hash) : !*hash;
}

/* False: there is nothing to put there. */
static bool get_wanted(const char *snapshots, struct restore *r, struct buf *text) {
    struct cause why = {""};
    switch (r->wanted.state) {
    case SNAPSHOT_ABSENT:
        return true;
    case SNAPSHOT_TOO_LARGE:
        end(r, RESTORE_FAILED,
            "what it held before (%lld bytes) was too large to be kept (8 MiB at most)",
            (long long)r->wanted.bytes);
        return false;
    case SNAPSHOT_NOT_KEPT:
        end(r, RESTORE_FAILED, "what it held before could not be kept");
        return false;
    case SNAPSHOT_KEPT:
        break;
    }
    enum status st =
        snapshots ? snapshot_read(snapshots, r->wanted.hash, text, &why) : STATUS_NOT_FOUND;
    if (st == STATUS_NOT_FOUND)
        end(r, RESTORE_FAILED,
            "what it held before is not kept any more: the oldest goes first (limits.snapshot_mb)");
    else if (st != STATUS_OK)
        end(r, RESTORE_FAILED, "%.400s", why.text);
    return st == STATUS_OK;
}

/* What goes now can be had again. */
static bool keep_found(const char *snapshots, struct restore *r, const struct version *found) {
    struct cause why = {"limits.snapshot_mb is 0"};
    r->found = (struct file_side){.state = SNAPSHOT_ABSENT};
    if (!found->present)
        return true;
    r->found.mode = found->st.st_mode & 0777;
    r->found.bytes = found->st.st_size;
    memcpy(r->found.hash, found->hash, sizeof r->found.hash);
    if (!found->whole) {
        end(r, RESTORE_REFUSED,
            "what it holds now is too large to be kept (8 MiB at most): move it away yourself");
        return false;
    }
    r->found.state = SNAPSHOT_KEPT;
    if (!snapshots || snapshot_keep(snapshots, found->hash, buf_str(&found->text), found->text.len,
                                    &why) != STATUS_OK) {
        end(r, RESTORE_FAILED, "what it holds now could not be kept: %.400s", why.text);
        return false;
    }
    return true;
}

static void refuse(const char *snapshots, struct restore *r, const struct version *found) {
    const char *what = r->mixed && holds(found, r->expected)
                           ? "something else changed it between the changes that would be undone"
                       : found->present ? "something else changed it since"
                                        : "something else removed it since";
    if (r->wanted.state == SNAPSHOT_KEPT)
        end(r, RESTORE_REFUSED, "%s; what it held before is in %.300s/%s", what,
            snapshots ? snapshots : "", r->wanted.hash);
    else
        end(r, RESTORE_REFUSED, "%s", what);
}

static void swap(const char *snapshots, struct restore *r, const struct place *at,
                 const struct version *found) {
    struct buf text = BUF_INIT;
    if (get_wanted(snapshots, r, &text) && keep_found(snapshots, r, found)) {
        bool removed = r->wanted.state == SNAPSHOT_ABSENT;
        int err = removed ? place_remove(at, found)
                          : place_write(at, found, buf_str(&text), text.len, r->wanted.mode, NULL);
        if (err == ESTALE)
            end(r, RESTORE_REFUSED, "something else changed it at the same moment");
        else if (err)
            end(r, RESTORE_FAILED, "%s", strerror(err));
        else
            end(r, removed ? RESTORE_REMOVED : RESTORE_RESTORED, "%s", "");
    }
    buf_free(&text);
}

void restore_file(const struct sandbox *sb, const char *snapshots, bool force, struct restore *r) {
    struct place at;
    struct version found = {0};
    struct cause why;
    /* A person asks for it, and it was allowed when it was changed: a path outside of the workspace
     * is open to this call. */
    bool gone = r->wanted.state == SNAPSHOT_ABSENT;
    enum status st = place_open(sb, r->workspace, r->path, r->path, !gone, &at, &why);
    if (st == STATUS_NOT_FOUND && gone) {
        end(r, RESTORE_UNCHANGED, "%s", "");
        return;
    }
    if (st != STATUS_OK) {
        end(r, RESTORE_FAILED, "%.500s", why.text);
        return;
    }
    int err = place_read(&at, SNAPSHOT_FILE_MAX, &found);
    if (err == ELOOP)
        end(r, RESTORE_REFUSED, "it is a symbolic link by now, which is not followed");
    else if (err == ESTALE)
        end(r, RESTORE_REFUSED, "something else changes it at this moment");
    else if (err)
        end(r, RESTORE_FAILED, "%s", strerror(err));
    else if (holds(&found, r->wanted.hash) && r->wanted.state != SNAPSHOT_TOO_LARGE)
        end(r, RESTORE_UNCHANGED, "%s", "");
    else if (!force && (r->mixed || !holds(&found, r->expected)))
        refuse(snapshots, r, &found);
    else
        swap(snapshots, r, &at, &found);
    version_free(&found);
    place_close(&at);
}
