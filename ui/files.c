/* files: one directory, at most FILES_SCAN_MAX entries of it, through the same door as the file
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

/* What both begin with; never half a character. */
static void narrow(char *common, const char *name) {
    size_t n = 0;
    while (common[n] && common[n] == name[n])
        n++;
    while (n && ((unsigned char)common[n] & 0xC0) == 0x80)
        n--;
    common[n] = '\0';
}

static void add(struct files_found *out, char *name) {
    if (out->total++ == 0)
        out->common = xstrdup(name);
    else
        narrow(out->common, name);
    if (out->names.n < FILES_MAX)
        strv_push(&out->names, name);
    x_free(&name);
}

void files_found_free(struct files_found *f) {
    strv_free(&f->names);
    x_free(&f->common);
    *f = (struct files_found){0};
}

void files_begin_with(const struct sandbox *sb, const char *workspace, const char *prefix,
                      const atomic_bool *cancelled, struct files_found *out) {
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
    size_t seen = 0;
    for (const struct dirent *e; d && !*cancelled && (e = readdir(d)); seen++) {
        if (seen == FILES_SCAN_MAX) {
            out->cut = true;
            break;
        }
        if (!str_prefix(e->d_name, base) || (e->d_name[0] == '.' && base[0] != '.') ||
            str_eq(e->d_name, ".") || str_eq(e->d_name, "..") || !can_stand_in_text(e->d_name))
            continue;
        add(out, xasprintf("%s%s%s", parent, e->d_name, is_directory(dirfd(d), e) ? "/" : ""));
    }
    if (d)
        closedir(d);
    if (out->names.n)
        qsort(out->names.v, out->names.n, sizeof *out->names.v, by_name);
    x_free(&parent);
}

/* --- as jobs ------------------------------------------------------------------------------------
 */

struct look {
    struct files_look *owner; /* NULL: nobody waits */
    const struct sandbox *sandbox;
    struct job *job;
    char *channel, *workspace, *prefix;
    struct files_found found;
};

struct files_look {
    struct job_pool *jobs;
    const struct sandbox *sandbox;
    files_found_fn *fn;
    void *arg;
    struct look *now, *next;
};

static void look_free(struct look **lp) {
    struct look *l = *lp;
    if (!l)
        return;
    x_free(&l->channel);
    x_free(&l->workspace);
    x_free(&l->prefix);
    files_found_free(&l->found);
    x_free(lp);
}

static void look_work(void *input, const atomic_bool *cancelled) {
    struct look *l = input;
    files_begin_with(l->sandbox, l->workspace, l->prefix, cancelled, &l->found);
}

static enum status look_start(struct files_look *f, struct look *l, struct cause *why);

static void look_done(void *arg, void *input, bool cancelled) {
    struct look *l = input;
    struct files_look *f = l->owner;
    struct cause why;
    (void)arg;
    if (f) {
        struct look *next = f->next;
        f->now = f->next = NULL;
        /* One that finds no place now is as good as one that was overtaken: Tab asks again. */
        if (next)
            (void)look_start(f, next, &why);
        else if (!cancelled)
            f->fn(f->arg, l->channel, l->prefix, &l->found);
    }
    look_free(&l);
}

static enum status look_start(struct files_look *f, struct look *l, struct cause *why) {
    enum status st =
        job_submit(f->jobs, "names of files", look_work, look_done, NULL, l, &l->job, why);
    if (st == STATUS_OK)
        f->now = l;
    else
        look_free(&l);
    return st;
}

struct files_look *files_look_new(struct job_pool *jobs, const struct sandbox *sb,
                                  files_found_fn *fn, void *arg) {
    struct files_look *f = xcalloc(1, sizeof *f);
    *f = (struct files_look){.jobs = jobs, .sandbox = sb, .fn = fn, .arg = arg};
    return f;
}

void files_look_free(struct files_look **fp) {
    struct files_look *f = *fp;
    if (!f)
        return;
    if (f->now) {
        f->now->owner = NULL;
        job_cancel(f->now->job);
    }
    look_free(&f->next);
    x_free(fp);
}

enum status files_look(struct files_look *f, const char *channel, const char *workspace,
                       const char *prefix, struct cause *why) {
    struct look *l = xcalloc(1, sizeof *l);
    l->owner = f;
    l->sandbox = f->sandbox;
    l->channel = xstrdup(channel);
    l->workspace = xstrdup(workspace);
    l->prefix = xstrdup(prefix);
    if (!f->now)
        return look_start(f, l, why);
    look_free(&f->next);
    f->next = l;
    job_cancel(f->now->job);
    return cause_set(why, STATUS_UNAVAILABLE,
                     "the directory that was asked for before has not answered yet");
}
