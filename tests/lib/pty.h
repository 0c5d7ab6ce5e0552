/* pty: a program on a pseudo-terminal of its own, as its session's leader, the way a terminal
 * emulator runs it. What it writes is passed on to a sink; nothing here waits without a deadline.
 */
#ifndef TESTLIB_PTY_H
#define TESTLIB_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

struct pty_spec {
    const char *const *argv; /* argv[0] is searched in PATH */
    char *const *env;        /* NULL: the test's own */
    const char *dir;
    int cols, rows; /* 80x24 when 0 */
};

struct pty;

/* Fails the test when it cannot be started. */
struct pty *pty_start(const struct pty_spec *spec);
/* A further program on the same terminal, in the foreground, after the first one has ended (as a
 * shell would). */
void pty_again(struct pty *p, const struct pty_spec *spec);
void pty_sink(struct pty *p, void (*fn)(void *arg, const char *data, size_t n), void *arg);
pid_t pty_pid(const struct pty *p);
const char *pty_name(const struct pty *p); /* /dev/pts/N */

/* Waits for output or the end of the program and passes on what came. False at the deadline, or
 * when the terminal is closed and the program over. */
bool pty_pump(struct pty *p, int64_t deadline);
/* Pumps until `done` says true (asked first and after every piece); false at the deadline. */
bool pty_pump_until(struct pty *p, bool (*done)(void *arg), void *arg, int ms);

/* Writes keys, pumping meanwhile so that neither side can block the other. */
void pty_write(struct pty *p, const char *data, size_t n);
void pty_type(struct pty *p, const char *text);
/* Changes the size; the kernel sends SIGWINCH to the foreground group. */
void pty_resize(struct pty *p, int cols, int rows);
/* Closes the terminal: the program gets SIGHUP and EIO. */
void pty_hangup(struct pty *p);
/* Pumps until the program has ended; false at the deadline. */
bool pty_wait_exit(struct pty *p, int ms);
int pty_code(const struct pty *p); /* as run_code() */
/* Bytes that came so far. */
size_t pty_bytes(const struct pty *p);

/* The terminal's modes now (before the program started: pty_modes_before). */
struct termios pty_modes(const struct pty *p);
struct termios pty_modes_before(const struct pty *p);
bool pty_modes_equal(const struct termios *a, const struct termios *b);

/* Kills the program if it still runs. NULL is fine; sets NULL. */
void pty_free(struct pty **p);

#endif
