/* run: a command with its own argv and environment, its two outputs captured, never waited for
 * without a deadline. It runs in a process group of its own and dies with the test. */
#ifndef TESTLIB_RUN_H
#define TESTLIB_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct run_spec {
    const char *const *argv; /* argv[0] is searched in PATH */
    char *const *env;        /* NULL: the test's own */
    const char *dir;         /* NULL: the test's own */
    const char *input;       /* standard input; NULL: /dev/null */
    bool open_stdin;         /* a pipe that stays open until run_close_stdin() */
};

struct run;

/* Fails the test when the command cannot be started. */
struct run *run_start(const struct run_spec *spec);
pid_t run_pid(const struct run *r);
/* Reads both outputs until `text` is in standard output (or error); false at the deadline or the
 * end of both. */
bool run_wait_out(struct run *r, const char *text, int ms);
bool run_wait_err(struct run *r, const char *text, int ms);
/* Until standard output has more than `bytes` bytes. */
bool run_wait_more(struct run *r, size_t bytes, int ms);
/* Until a whole line of standard output has all the texts in it. */
bool run_wait_line(struct run *r, const char *const *texts, int ms);
/* Reads on until the command has ended and closed its outputs; false at the deadline. Outputs that
 * a descendant keeps open are given up 5 s after the end. */
bool run_wait_exit(struct run *r, int ms);
/* The exit code, 128 + the signal that ended it, or -1 while it runs. */
int run_code(const struct run *r);
/* What came so far, NUL-terminated, lent until the next wait. */
const char *run_out(const struct run *r);
const char *run_err(const struct run *r);
void run_write(struct run *r, const char *text);
void run_close_stdin(struct run *r);
/* Milliseconds from start to end (or until now). */
int run_ms(const struct run *r);
/* Kills the process group if it still runs. NULL is fine; sets NULL. */
void run_free(struct run **r);

/* All at once: starts, waits, and fails the test with both outputs when the deadline passes. */
struct run *run_all(const struct run_spec *spec, int ms);

/* Fails the test unless the code is `code`; shows both outputs then. */
void run_expect(struct run *r, int code, const char *file, int line);
#define run_expect_code(r, code) run_expect(r, code, __FILE__, __LINE__)

#endif
