/* view_file: completing the name of a file that a message takes along ("@src/ma" and Tab). */
#include "ui/view-internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

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

/* How much all have in common. */
static size_t common(const struct strv *names) {
    size_t n = strlen(names->v[0]);
    for (size_t i = 1; i < names->n; i++) {
        size_t same = 0;
        while (same < n && names->v[i][same] == names->v[0][same])
            same++;
        n = same;
    }
    while (n && ((unsigned char)names->v[0][n] & 0xC0) == 0x80)
        n--; /* not in the middle of a character */
    return n;
}

/* Only what differs: the directory is on the screen already. */
static void list_names(struct view *v, const struct strv *names) {
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
    view_message(v, STYLE_DIM, "%zu: %.200s", names->n, buf_str(&b));
    buf_free(&b);
}

void view_complete_file(struct view *v) {
    size_t n;
    const char *typed = name_before(v, &n);
    const struct process *p = view_channel_of(v, process_get(v->processes, v->shown));
    if (!typed || !p)
        return;
    char *prefix = xstrndup(typed, n);
    struct strv names = {0};
    v->host.files(v->host.arg, p->channel, prefix, &names);
    size_t same = names.n ? common(&names) : 0;
    if (!names.n) {
        view_message(v, STYLE_DIM, "no file of the workspace begins with \"%.60s\"", prefix);
    } else if (same > n || names.n == 1) {
        bool whole = names.n == 1 && names.v[0][same - 1] != '/';
        char *rest = xasprintf("%.*s%s", (int)(same - n), names.v[0] + n, whole ? " " : "");
        composer_insert(v->composer, rest);
        x_free(&rest);
    } else {
        list_names(v, &names);
    }
    strv_free(&names);
    x_free(&prefix);
}
