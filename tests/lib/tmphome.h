/* tmphome: a home for one test: spacebot's directory, a runtime directory, a person's home and a
 * workspace, all under one temporary directory, with the environment that leads a program there.
 * Whatever happens to the test, a guard process ends every process that belongs to the directory
 * and removes it. */
#ifndef TESTLIB_TMPHOME_H
#define TESTLIB_TMPHOME_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/status.h"
#include "base/str.h"
#include "tests/lib/fake.h"
#include "tests/lib/pty.h"
#include "tests/lib/run.h"

struct tmphome {
    char *dir;       /* /tmp/sbtest-XXXXXX: what the rest is in */
    char *home;      /* dir/home: SPACEBOT_DIR */
    char *workspace; /* dir/home/workspace */
    char *run;       /* dir/run: XDG_RUNTIME_DIR */
    char *user;      /* dir/user: HOME */
    struct strv env; /* a whole environment */
    int guard_fd;
    pid_t guard;
};

/* `f`: the provider that ANTHROPIC_BASE_URL names (with a key); NULL: no provider at all. */
struct tmphome *tmphome_new(const struct fake *f);
/* Sets or replaces a variable; NULL removes it. */
void tmphome_setenv(struct tmphome *h, const char *name, const char *value);
/* Writes spacebot.conf. */
void tmphome_config(struct tmphome *h, const char *text);
/* Writes a file below `dir` (relative path, directories made). */
void tmphome_file(struct tmphome *h, const char *path, const char *text);
/* The contents of a file below `dir`, or NULL. The caller frees. */
char *tmphome_read(const struct tmphome *h, const char *path);

/* The real program with these arguments (NULL-terminated, without argv[0]); the caller's run to
 * free. */
struct run *tmphome_start(struct tmphome *h, const char *const *args);
struct run *tmphome_spacebot(struct tmphome *h, const char *const *args, const char *input);
struct pty *tmphome_screen(struct tmphome *h, const char *const *args, int cols, int rows);
#define ARGS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* The pid of the running engine by `status --json`, or 0. */
pid_t tmphome_engine(struct tmphome *h);
/* Processes that belong to the directory now, as proc_describe() tells them; NULL when there is
 * none. */
char *tmphome_strays(const struct tmphome *h);
/* Fails the test when one is still there after `ms`. */
void tmphome_expect_quiet(const struct tmphome *h, int ms);

/* Ends what is left and removes everything. NULL is fine; sets NULL. */
void tmphome_free(struct tmphome **h);

#endif
