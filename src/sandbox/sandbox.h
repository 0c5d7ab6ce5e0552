/* sandbox: what a command of a worker may touch, and how that is enforced on this machine. It turns
 * a request into the arguments and environment of a child; it starts nothing itself but its own
 * probe. The in-process file tools go through sandbox_open(), which holds them to the same
 * directories. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"
#include "base/str.h"
#include "loop/child.h"
#include "loop/loop.h"

/* From the strongest to none; the names are those of `status --json`. */
#define SANDBOX_MODE_TABLE(X)                                                                      \
    X(BUBBLEWRAP_LANDLOCK, "bubblewrap+landlock")                                                  \
    X(BUBBLEWRAP, "bubblewrap")                                                                    \
    X(LANDLOCK, "landlock")                                                                        \
    X(NONE, "none")

enum sandbox_mode {
#define X(name, text) SANDBOX_##name,
    SANDBOX_MODE_TABLE(X)
#undef X
};

/* Copied by sandbox_new(). Paths are absolute; lists are NULL-terminated or NULL. */
struct sandbox_config {
    const char *launcher;               /* spacebot-run, where it was built or installed */
    const char *launcher_dir;           /* where a copy that commands cannot reach is run from:
                                           hidden, 0700; NULL: it runs where it is */
    const char *bubblewrap;             /* NULL: the system's, never looked for in PATH */
    const char *home;                   /* the person's home: hidden; NULL or "/": none */
    const char *spacebot_home;          /* hidden too, wherever it is */
    const char *runtime_dir;            /* socket's: hidden, no workspace may be in it; or NULL */
    const char *const *writable_paths;  /* directories beside the workspace */
    const char *const *passthrough_env; /* names */
    bool required;                      /* refuse commands where nothing contains them */
    unsigned max_processes;             /* of one command, threads counted; 0: 2048 */
    enum sandbox_mode strongest;        /* do not try stronger ones (0: all are tried) */
    int try_after_ms;                   /* begin to find out so much later, or when somebody waits
                                           for it: whoever looks at a screen comes first */
};

struct sandbox;

/* Starts to find out what works here by running the exact argument lists with `true`; on_ready(arg)
 * follows from the loop, once. STATUS_CONFIG when a writable path or a passthrough name may not be.
 */
enum status sandbox_new(struct loop *l, const struct sandbox_config *config,
                        void (*on_ready)(void *arg), void *arg, struct sandbox **out,
                        struct cause *why) MUST_CHECK;
/* NULL is fine; sets NULL. Commands that run are not touched. */
void sandbox_free(struct sandbox **sb);

bool sandbox_ready(const struct sandbox *sb);
/* Calls fn(arg) once, from the loop, when it is ready; for commands that come before. Not when it
 * is ready already: ask first. The handle is dead once fn was called. */
struct sandbox_wait;
struct sandbox_wait *sandbox_when_ready(struct sandbox *sb, loop_fn *fn, void *arg);
/* NULL is fine; sets NULL. */
void sandbox_wait_cancel(struct sandbox_wait **w);
/* SANDBOX_NONE until ready. */
enum sandbox_mode sandbox_mode(const struct sandbox *sb);
const char *sandbox_mode_name(enum sandbox_mode mode);
/* Why nothing stronger is in use, one line for people; "" when it is the strongest. Lent. */
const char *sandbox_reason(const struct sandbox *sb);

/* Which workspace a person or a model named: canonical, an existing directory, not equal to or
 * above a hidden one. The caller frees *out. */
enum status sandbox_workspace(const struct sandbox *sb, const char *path, char **out,
                              struct cause *why) MUST_CHECK;

struct sandbox_request {
    const char *workspace; /* as sandbox_workspace() gave it */
    const char
        *dir; /* where to start: inside the workspace, relative to it or absolute; NULL: there */
    const char *command; /* for sh -c; or NULL and */
    const char *const *argv;
    const char *const *env; /* NULL-terminated NAME=VALUE on top of ours, or NULL; reserved and
                               dangerous names are refused */
    bool no_network;
    bool uncontained; /* a person has allowed this very command to run without walls */
};

/* What to start. Zero it first; sandbox_command_free() when the child was started or not. */
struct sandbox_command {
    struct strv argv, env;
    char *dir;
};

/* STATUS_DENIED where there is no containment and the config requires it; STATUS_UNAVAILABLE before
 * on_ready; STATUS_INVALID for a name or directory that may not be. The cause says the way out. */
enum status sandbox_command(struct sandbox *sb, const struct sandbox_request *request,
                            struct sandbox_command *out, struct cause *why) MUST_CHECK;
/* Fills argv, envp, dir and life pipe of `spec`, lent from `c`; end the child with SIGTERM. */
void sandbox_command_spec(const struct sandbox_command *c, struct child_spec *spec);
void sandbox_command_free(struct sandbox_command *c);
/* The launcher's exit codes, as a shell has them. */
enum {
    SANDBOX_EXIT_SETUP = 125,   /* could not be contained; the command did not start */
    SANDBOX_EXIT_NOT_RUN = 126, /* found, but cannot be executed */
    SANDBOX_EXIT_NOT_FOUND = 127
};

/* Where a path leads that a file tool was given.
 * X(NAME) */
#define SANDBOX_REACH_TABLE(X)                                                                     \
    X(INSIDE)    /* the workspace or a writable path */                                            \
    X(OUTSIDE)   /* elsewhere on this machine: a person may allow it */                            \
    X(FORBIDDEN) /* spacebot's own home and socket, or no path at all: nobody may */
enum sandbox_reach {
#define X(name) SANDBOX_##name,
    SANDBOX_REACH_TABLE(X)
#undef X
};
/* Lexically; links are refused when it is opened. *plain: absolute, without empty, "." and ".."
 * components; NULL when it leads above the root. The caller frees it. */
enum sandbox_reach sandbox_locate(const struct sandbox *sb, const char *workspace, const char *path,
                                  char **plain);

/* Opens a regular file or a directory inside the workspace or a writable path, for the file tools.
 * `path` is absolute or relative to the workspace; any symbolic link in it is refused, and so are
 * devices, pipes and sockets. The walk cannot be raced out of the directory. `flags` as in open(2):
 * O_RDONLY, O_WRONLY or O_RDWR with O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY; `mode` for
 * what is created. make_dirs creates missing parents (with
 * O_DIRECTORY the directory itself too). The caller closes *fd (close-on-exec).
 * NOT_FOUND, EXISTS, DENIED (outside, a link, not ours), INVALID, IO; the cause names the path and
 * the remedy. */
enum status sandbox_open(const struct sandbox *sb, const char *workspace, const char *path,
                         int flags, mode_t mode, bool make_dirs, int *fd,
                         struct cause *why) MUST_CHECK;
/* The same where a person has allowed a path for this very call: `granted` (NULL: none), plain as
 * sandbox_locate() gave it. It, and what is below it, may be opened too, unless it is forbidden. */
enum status sandbox_open_granted(const struct sandbox *sb, const char *workspace, const char *path,
                                 const char *granted, int flags, mode_t mode, bool make_dirs,
                                 int *fd, struct cause *why) MUST_CHECK;

#endif
