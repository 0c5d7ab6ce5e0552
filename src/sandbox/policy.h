/* policy: what the files of this room share: the sandbox as it was configured and found. Not for
 * other rooms. */
#ifndef SANDBOX_POLICY_H
#define SANDBOX_POLICY_H

#include "base/buf.h"
#include "base/list.h"
#include "sandbox/sandbox.h"

/* Numbers that descriptors have in the launcher and in stage 2. */
#define SANDBOX_LIFE_FD 3
#define SANDBOX_REACHED_FD 4

/* Where the launcher is seen under bubblewrap, wherever it is outside. */
#define SANDBOX_INNER_LAUNCHER "/run/spacebot/spacebot-run"

struct sandbox {
    struct loop *loop;
    char *launcher;
    char *bubblewrap;    /* NULL: none on this system */
    char *home;          /* the person's, canonical; NULL: none */
    char *spacebot_home; /* canonical */
    struct strv hidden;  /* directories that no command sees: the homes and the runtime directory */
    struct strv secret;  /* of these: no workspace may be in one either */
    struct strv
        masked; /* single files and directories that only root or the like can read; canonical */
    struct strv writable;
    struct strv passthrough;
    struct strv cgroups; /* directories where stage 1 may make a cgroup */
    char *resolv;        /* what /etc/resolv.conf leads to, when that is under /run; else NULL */
    bool required;
    unsigned max_processes;
    enum sandbox_mode strongest;

    /* What was found. */
    bool ready;
    enum sandbox_mode mode;
    bool disable_userns; /* this bubblewrap knows the option */
    struct buf reason;

    struct probe *probe; /* while not ready */
    void (*on_ready)(void *arg);
    void *arg;
    struct list waits; /* struct sandbox_wait */
};

/* ---- path.c ---- */

/* `path` is `top` or below it, both canonical. */
bool path_is_below(const char *path, const char *top);
bool path_is_below_any(const char *path, const struct strv *tops);
/* Whether a command may have `path` (canonical) as a place to write. `what` names it in the cause.
 */
enum status path_may_write(const struct sandbox *sb, const char *path, const char *what,
                           struct cause *why) MUST_CHECK;
/* Lexically: no empty, "." or ".." component is left; NULL when ".." leads above the root. The
 * caller frees. */
char *path_normalise(const char *absolute);

/* ---- env.c ---- */

/* Whether a person may name it in passthrough_env. */
enum status env_check_passthrough(const char *name, struct cause *why) MUST_CHECK;
/* The whole environment of a command, from nothing. */
enum status env_build(const struct sandbox *sb, enum sandbox_mode mode,
                      const struct sandbox_request *r, struct strv *out,
                      struct cause *why) MUST_CHECK;

/* ---- bubblewrap.c, landlock.c: the arguments between stage 1's "--" and the command ---- */

struct sandbox_place {
    const char *workspace, *dir;
    bool no_network;
};
void bubblewrap_arguments(const struct sandbox *sb, enum sandbox_mode mode,
                          const struct sandbox_place *p, struct strv *argv);
void landlock_arguments(const struct sandbox *sb, const struct sandbox_place *p, struct strv *argv);
/* The kernel's version, 0 when it has none. */
int landlock_abi(void);

/* ---- host.c: what this machine has ---- */

void host_masked(struct strv *out);
void host_cgroups(struct strv *out);
/* Below `dir`: the cgroups of launchers that were killed before they could remove them. */
void host_remove_stale_cgroups(const char *dir);
char *host_bubblewrap(void);
char *host_resolv(void);

/* ---- launcher.c ---- */

/* The path of a copy of the launcher in `dir` (0700, ours, hidden from commands), made or verified
 * now: mode 0500, the same bytes. Where there cannot be one that runs, `original` itself. The
 * caller frees. */
char *launcher_keep(const char *original, const char *dir);

/* ---- probe.c ---- */

struct sandbox_wait {
    struct list link;
    loop_fn *fn;
    void *arg;
};

/* Finds the mode and calls on_ready. */
void probe_start(struct sandbox *sb, int after_ms);
/* It is waited for: not later than now. */
void probe_hurry(struct probe *p);
/* What the machine has and hides, for the first time that it is needed. */
void sandbox_look_at_host(struct sandbox *sb);
void probe_free(struct probe **p);

/* The command for a mode, whatever is required or ready. */
enum status command_build(const struct sandbox *sb, enum sandbox_mode mode,
                          const struct sandbox_request *r, struct sandbox_command *out,
                          struct cause *why) MUST_CHECK;

#endif
