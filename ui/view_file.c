/* view_file: completing the name of a file that a message takes along ("@src/ma" and Tab). */
#include "ui/view-internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "ui/files.h"

/* What stands between an at sign at the beginning of a word and the cursor; NULL: no such word. */
static const char *name_before(const struct view *v, size_t *n) {
    size_t end;
    const char *text = composer_before(v->composer, &end);
    size_t from = end;
    while (from && !strchr(" \t\n", text[from - 1]))
        from--;
    if (from == end || text[from] != '@')
        return NULL;
    *n = end - from - 1;
    return text + from + 1;
}

bool view_at_file(const struct view *v) {
    size_t n;
    return v->focus == FOCUS_COMPOSER && name_before(v, &n);
}

/* Only what differs: the directory is on the screen already. */
static void list_names(struct view *v, const struct files_found *found) {
    const struct strv *names = &found->names;
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < names->n && b.len < sizeof v->message; i++) {
        const char *name = names->v[i], *slash = strrchr(name, '/');
        if (slash && !slash[1]) /* a directory's own */
            while (slash > name && slash[-1] != '/')
                slash--;
        else if (slash)
            slash++;
        buf_printf(&b, "%s%s", i ? "  " : "", slash ? slash : name);
    }
    view_message(v, STYLE_DIM, "%zu%s: %.200s", found->total, found->cut ? " or more" : "",
                 buf_str(&b));
    buf_free(&b);
}

void view_complete_file(struct view *v) {
    size_t n;
    const char *typed = name_before(v, &n);
    const struct process *p = view_channel_of(v, process_get(v->processes, v->shown));
    if (!typed || !p)
        return;
    char *prefix = xstrndup(typed, n);
    v->host.files(v->host.arg, p->channel, prefix);
    x_free(&prefix);
}

void view_files(struct view *v, const char *channel, const char *prefix,
                const struct files_found *found) {
    size_t n;
    const char *typed = v->focus == FOCUS_COMPOSER ? name_before(v, &n) : NULL;
    const struct process *p = view_channel_of(v, process_get(v->processes, v->shown));
    if (!typed || !p || !str_eq(p->channel, channel) || strlen(prefix) != n ||
        memcmp(typed, prefix, n) != 0)
        return; /* the line is another one by now */
    size_t same = found->common ? strlen(found->common) : 0;
    if (!found->total && found->cut) {
        view_message(v, STYLE_DIM, "none of the first %u files there begins with \"%.60s\"",
                     FILES_SCAN_MAX, prefix);
    } else if (!found->total) {
        view_message(v, STYLE_DIM, "no file of the workspace begins with \"%.60s\"", prefix);
    } else if (same && !found->cut && (same > n || found->total == 1)) {
        bool whole = found->total == 1 && found->common[same - 1] != '/';
        char *rest = xasprintf("%s%s", found->common + n, whole ? " " : "");
        composer_insert(v->composer, rest);
        x_free(&rest);
    } else {
        list_names(v, found);
    }
}
