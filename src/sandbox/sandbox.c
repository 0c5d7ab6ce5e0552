/* sandbox: the policy as configured, and commands made from it. What the walls are made of is in
 * bubblewrap.c and landlock.c; which of them stand here was found by probe.c. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/policy.h"

#define DEFAULT_PROCESSES 2048u

const char *sandbox_mode_name(enum sandbox_mode mode) {
    switch (mode) {
#define X(name, text)                                                                              \
    case SANDBOX_##name:                                                                           \
        return text;
        SANDBOX_MODE_TABLE(X)
#undef X
    }
    abort();
}

/* ---- configuration -----------------------------------------------------------------------------
 */

/* Canonical where it exists, else as it is written. */
static char *canonical(const char *path) {
    char *real = realpath(path, NULL);
    return real ? real : path_normalise(path);
}

/* A directory that commands must not see. The root cannot be hidden, nor what is not there. */
static void hide(struct sandbox *sb, const char *path, bool secret) {
    if (str_empty(path) || path[0] != '/')
        return;
    char *real = canonical(path);
    bool known = false;
    for (size_t i = 0; real && i < sb->hidden.n; i++)
        known = known || str_eq(sb->hidden.v[i], real);
    struct stat st;
    if (real && !str_eq(real, "/") && stat(real, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (!known)
            strv_push(&sb->hidden, real);
        if (secret)
            strv_push(&sb->secret, real);
    }
    x_free(&real);
}

static void find_hidden(struct sandbox *sb, const struct sandbox_config *config) {
    hide(sb, config->home, false);
    if (config->home && !str_eq(config->home, "/") && sb->hidden.n)
        sb->home = xstrdup(sb->hidden.v[0]);
    /* HOME may have been set to something else for this run; what is in the real one is no less
     * private. */
    const struct passwd *pw = getpwuid(geteuid());
    if (pw)
        hide(sb, pw->pw_dir, false);
    hide(sb, config->spacebot_home, false);
    hide(sb, config->runtime_dir, true);
}

static enum status add_writable(struct sandbox *sb, const char *path, struct cause *why) {
    struct stat st;
    char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
    if (!real || stat(real, &st) < 0 || !S_ISDIR(st.st_mode)) {
        x_free(&real);
        return cause_set(why, STATUS_CONFIG,
                         "sandbox.writable_paths: %s is not the absolute path of a directory",
                         path);
    }
    enum status s = path_may_write(sb, real, "sandbox.writable_paths:", why);
    if (s == STATUS_OK && path_is_below(real, sb->spacebot_home))
        s = cause_set(why, STATUS_CONFIG, "sandbox.writable_paths: %s is in the spacebot home",
                      path);
    if (s == STATUS_OK)
        strv_push(&sb->writable, real);
    x_free(&real);
    return s == STATUS_OK ? s : STATUS_CONFIG;
}

static enum status add_lists(struct sandbox *sb, const struct sandbox_config *config,
                             struct cause *why) {
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && config->writable_paths && config->writable_paths[i]; i++)
        s = add_writable(sb, config->writable_paths[i], why);
    for (size_t i = 0; s == STATUS_OK && config->passthrough_env && config->passthrough_env[i];
         i++) {
        s = env_check_passthrough(config->passthrough_env[i], why);
        if (s == STATUS_OK)
            strv_push(&sb->passthrough, config->passthrough_env[i]);
    }
    return s;
}

/* A launcher in the way of a workspace that a person names is only in the way as long as it is what
 * is run. */
static void keep_launcher(struct sandbox *sb, const struct sandbox_config *config) {
    if (!config->launcher_dir)
        return;
    char *original = sb->launcher;
    sb->launcher = launcher_keep(original, config->launcher_dir);
    x_free(&original);
}

enum status sandbox_new(struct loop *l, const struct sandbox_config *config,
                        void (*on_ready)(void *arg), void *arg, struct sandbox **out,
                        struct cause *why) {
    struct sandbox *sb = xcalloc(1, sizeof *sb);
    sb->loop = l;
    sb->mode = SANDBOX_NONE;
    sb->launcher = canonical(config->launcher);
    sb->spacebot_home = canonical(config->spacebot_home);
    sb->required = config->required;
    sb->strongest = config->strongest;
    sb->max_processes = config->max_processes ? config->max_processes : DEFAULT_PROCESSES;
    list_init(&sb->waits);
    sb->on_ready = on_ready;
    sb->arg = arg;
    *out = sb;
    enum status s = STATUS_OK;
    if (access(sb->launcher, X_OK) < 0)
        s = cause_errno(why, STATUS_CONFIG, errno, "the launcher %s cannot be used", sb->launcher);
    if (s == STATUS_OK) {
        find_hidden(sb, config);
        keep_launcher(sb, config);
        s = add_lists(sb, config, why);
    }
    if (s != STATUS_OK) {
        sandbox_free(out);
        return s;
    }
    sb->bubblewrap = xstrdup_null(config->bubblewrap);
    probe_start(sb, config->try_after_ms);
    return STATUS_OK;
}

void sandbox_look_at_host(struct sandbox *sb) {
    if (!sb->bubblewrap)
        sb->bubblewrap = host_bubblewrap();
    sb->resolv = host_resolv();
    host_masked(&sb->masked);
    host_cgroups(&sb->cgroups);
}

void sandbox_free(struct sandbox **sbp) {
    struct sandbox *sb = *sbp;
    *sbp = NULL;
    if (!sb)
        return;
    probe_free(&sb->probe);
    list_for_safe(&sb->waits, it, tmp) {
        struct sandbox_wait *w = list_entry(it, struct sandbox_wait, link);
        sandbox_wait_cancel(&w);
    }
    for (size_t i = 0; i < sb->cgroups.n; i++)
        host_remove_stale_cgroups(sb->cgroups.v[i]);
    x_free(&sb->launcher);
    x_free(&sb->bubblewrap);
    x_free(&sb->home);
    x_free(&sb->spacebot_home);
    x_free(&sb->resolv);
    struct strv *lists[] = {&sb->hidden,   &sb->secret,      &sb->masked,
                            &sb->writable, &sb->passthrough, &sb->cgroups};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        strv_free(lists[i]);
    buf_free(&sb->reason);
    x_free(&sb);
}

bool sandbox_ready(const struct sandbox *sb) { return sb->ready; }

struct sandbox_wait *sandbox_when_ready(struct sandbox *sb, loop_fn *fn, void *arg) {
    struct sandbox_wait *w = xcalloc(1, sizeof *w);
    w->fn = fn;
    w->arg = arg;
    list_push_back(&sb->waits, &w->link);
    if (sb->probe)
        probe_hurry(sb->probe);
    return w;
}

void sandbox_wait_cancel(struct sandbox_wait **wp) {
    if (*wp) {
        list_remove(&(*wp)->link);
        x_free(wp);
    }
}

enum sandbox_mode sandbox_mode(const struct sandbox *sb) { return sb->mode; }

const char *sandbox_reason(const struct sandbox *sb) { return buf_str(&sb->reason); }

enum status sandbox_workspace(const struct sandbox *sb, const char *path, char **out,
                              struct cause *why) {
    struct stat st;
    *out = NULL;
    char *real = realpath(path, NULL);
    enum status s;
    if (!real || stat(real, &st) < 0)
        s = cause_errno(why, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, errno,
                        "the workspace %s", path);
    else if (!S_ISDIR(st.st_mode))
        s = cause_set(why, STATUS_INVALID, "the workspace %s is not a directory", path);
    else if (str_eq(real, "/"))
        s = cause_set(why, STATUS_DENIED, "the root directory cannot be a workspace");
    else
        s = path_may_write(sb, real, "the workspace", why);
    if (s == STATUS_OK)
        *out = real;
    else
        x_free(&real);
    return s;
}

/* ---- commands ----------------------------------------------------------------------------------
 */

/* The directory to start in, canonical and inside what may be written. */
static enum status find_dir(const struct sandbox *sb, const struct sandbox_request *r, char **out,
                            struct cause *why) {
    *out = NULL;
    if (str_empty(r->dir)) {
        *out = xstrdup(r->workspace);
        return STATUS_OK;
    }
    char *full = r->dir[0] == '/' ? xstrdup(r->dir) : xasprintf("%s/%s", r->workspace, r->dir);
    char *real = realpath(full, NULL);
    struct stat st;
    enum status s = STATUS_OK;
    if (!real || stat(real, &st) < 0)
        s = cause_errno(why, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_INVALID, errno,
                        "the directory %s", r->dir);
    else if (!S_ISDIR(st.st_mode))
        s = cause_set(why, STATUS_INVALID, "%s is not a directory", r->dir);
    else if (!path_is_below(real, r->workspace) && !path_is_below_any(real, &sb->writable))
        s = cause_set(why, STATUS_DENIED,
                      "the directory %s is outside the workspace %s: use one inside it", r->dir,
                      r->workspace);
    if (s == STATUS_OK)
        *out = real;
    else
        x_free(&real);
    x_free(&full);
    return s;
}

/* Accepted once, but a command in a workspace above it can have put a link there since. */
static enum status check_workspace(const struct sandbox *sb, const char *workspace,
                                   struct cause *why) {
    char *again;
    enum status s = sandbox_workspace(sb, workspace, &again, why);
    if (s == STATUS_OK && !str_eq(again, workspace))
        s = cause_set(why, STATUS_DENIED, "the workspace %s is now a link to %s", workspace, again);
    x_free(&again);
    return s;
}

static bool is_bubblewrap(enum sandbox_mode mode) {
    return mode == SANDBOX_BUBBLEWRAP_LANDLOCK || mode == SANDBOX_BUBBLEWRAP;
}

static void push_stage1(const struct sandbox *sb, enum sandbox_mode mode, struct strv *argv) {
    strv_push(argv, sb->launcher);
    strv_push(argv, "--life");
    strv_pushf(argv, "%d", SANDBOX_LIFE_FD);
    strv_push(argv, "--parent");
    strv_pushf(argv, "%d", (int)getpid());
    if (mode != SANDBOX_NONE) {
        strv_push(argv, "--reached");
        strv_pushf(argv, "%d", SANDBOX_REACHED_FD);
    }
    /* With a PID namespace killing is quick, and RLIMIT_NPROC counts for all but root. */
    if (is_bubblewrap(mode) && geteuid() != 0)
        return;
    for (size_t i = 0; i < sb->cgroups.n; i++) {
        strv_push(argv, "--cgroup");
        strv_push(argv, sb->cgroups.v[i]);
    }
    if (sb->cgroups.n) {
        strv_push(argv, "--pids");
        strv_pushf(argv, "%u", sb->max_processes);
    }
}

/* The directory that TMPDIR names under Landlock alone. */
static enum status make_tmpdir(const char *workspace, struct cause *why) {
    char *path = xasprintf("%s/.tmp", workspace);
    struct stat st;
    enum status s = STATUS_OK;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        s = cause_errno(why, STATUS_IO, errno, "cannot make %s", path);
    else if (lstat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        s = cause_set(why, STATUS_INVALID, "%s is in the way of temporary files: remove it", path);
    x_free(&path);
    return s;
}

static void push_command(const struct sandbox_request *r, struct strv *argv) {
    strv_push(argv, "--");
    if (r->command) {
        strv_push(argv, "/bin/sh");
        strv_push(argv, "-c");
        strv_push(argv, r->command);
        return;
    }
    for (size_t i = 0; r->argv[i]; i++)
        strv_push(argv, r->argv[i]);
}

enum status command_build(const struct sandbox *sb, enum sandbox_mode mode,
                          const struct sandbox_request *r, struct sandbox_command *out,
                          struct cause *why) {
    enum status s = check_workspace(sb, r->workspace, why);
    if (s == STATUS_OK)
        s = find_dir(sb, r, &out->dir, why);
    if (s == STATUS_OK)
        s = env_build(sb, mode, r, &out->env, why);
    if (s == STATUS_OK && mode == SANDBOX_LANDLOCK)
        s = make_tmpdir(r->workspace, why);
    if (s != STATUS_OK) {
        sandbox_command_free(out);
        return s;
    }
    const struct sandbox_place place = {
        .workspace = r->workspace, .dir = out->dir, .no_network = r->no_network};
    push_stage1(sb, mode, &out->argv);
    switch (mode) {
    case SANDBOX_BUBBLEWRAP_LANDLOCK:
    case SANDBOX_BUBBLEWRAP:
        strv_push(&out->argv, "--");
        bubblewrap_arguments(sb, mode, &place, &out->argv);
        x_free(&out->dir); /* bubblewrap goes there itself, inside */
        break;
    case SANDBOX_LANDLOCK:
        strv_push(&out->argv, "--");
        landlock_arguments(sb, &place, &out->argv);
        break;
    case SANDBOX_NONE:
        break;
    }
    push_command(r, &out->argv);
    return STATUS_OK;
}

enum status sandbox_command(struct sandbox *sb, const struct sandbox_request *request,
                            struct sandbox_command *out, struct cause *why) {
    if (!sb->ready)
        return cause_set(why, STATUS_UNAVAILABLE,
                         "containment is still being tried out; try again in a moment");
    if (request->uncontained)
        return command_build(sb, SANDBOX_NONE, request, out, why);
    if (sb->mode == SANDBOX_NONE && sb->required)
        return cause_set(why, STATUS_DENIED,
                         "nothing on this system can contain commands, so none are run (%s). "
                         "Install bubblewrap, or say sandbox.required = false in spacebot.conf",
                         sandbox_reason(sb));
    return command_build(sb, sb->mode, request, out, why);
}

void sandbox_command_spec(const struct sandbox_command *c, struct child_spec *spec) {
    spec->argv = (const char *const *)c->argv.v;
    spec->envp = (const char *const *)c->env.v;
    spec->dir = c->dir;
    spec->life_pipe = true;
    spec->life_fd = SANDBOX_LIFE_FD;
}

void sandbox_command_free(struct sandbox_command *c) {
    strv_free(&c->argv);
    strv_free(&c->env);
    x_free(&c->dir);
}
