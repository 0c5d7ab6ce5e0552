/* cli: the command line. Each verb is one file and one row of the table; names and exit codes are a
 * contract with scripts. A verb prints what was asked for on stdout and everything for people on
 * stderr. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "conf/home.h"
#include "ctl/client.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,    /* the work failed */
    CLI_USAGE = 2,     /* the command line is wrong */
    CLI_CONFIG = 3,    /* configuration; for exec no provider too */
    CLI_PROVIDER = 4,  /* a model provider failed */
    CLI_TIMEOUT = 5,   /* out of time */
    CLI_NO_ENGINE = 6, /* nothing runs here */
    CLI_INTERRUPTED = 130
};

/* X(variable): src/cli-<variable>.c, const struct cli_verb cli_verb_<variable>; in the order of
 * --help. */
/* clang-format off */
#define CLI_VERB_TABLE(X)                                                                          \
    X(exec)                                                                                        \
    X(say)                                                                                         \
    X(ps)                                                                                          \
    X(log)                                                                                         \
    X(trace)                                                                                       \
    X(cancel)                                                                                      \
    X(inbox)                                                                                       \
    X(answer)                                                                                      \
    X(permissions)                                                                                 \
    X(undo)                                                                                        \
    X(memory)                                                                                      \
    X(attach)                                                                                      \
    X(daemon)                                                                                      \
    X(status)                                                                                      \
    X(stop)                                                                                        \
    X(usage)                                                                                       \
    X(models)                                                                                      \
    X(config)                                                                                      \
    X(doctor)
/* clang-format on */

#define CLI_OPTIONS_MAX 20
#define CLI_NUMBER 24 /* bytes of a number made for people */

struct cli_option {
    const char *name; /* without dashes */
    const char
        *arg; /* what its value is called; NULL: a flag; "X…": may be given again: cli_each() */
    const char *what;
};

struct cli;
struct cli_verb {
    const char *name;
    const char *operands;             /* "PROCESS", as in the usage line; "" when none */
    const char *summary;              /* one line of --help */
    const char *details;              /* further lines of VERB --help, or NULL */
    int least, most;                  /* operands */
    const struct cli_option *options; /* ends with a NULL name; NULL: none */
    int (*run)(struct cli *c);
};

struct cli {
    const struct cli_verb *verb;
    const char *values[CLI_OPTIONS_MAX]; /* by the option's place; NULL: not given */
    struct {
        size_t option;
        const char *value;
    } * given; /* of options that repeat, in order */
    size_t ngiven;
    char **operands;
    int n;
    struct home *home;
};

/* The whole program. */
int cli_main(int argc, char **argv);
/* `spacebot` alone. */
int cli_screen(struct cli *c);

bool cli_has(const struct cli *c, const char *option);
const char *cli_value(const struct cli *c, const char *option); /* NULL: not given */

/* The nth value (from 0) of an option that repeats; NULL past the last. */
const char *cli_each(const struct cli *c, const char *option, size_t nth);

/* "spacebot VERB: text", and for usage where to look. Return their code. */
int cli_usage(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The files of --attach, as absolute paths in "attach" of a request: CLI_OK, or CLI_USAGE when one
 * is no file that can be read. */
int cli_attach(const struct cli *c, cJSON *args);
int cli_fail(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The exit code that a status stands for where a verb has no rule of its own. */
int cli_exit_of(enum status st);

/* The home, opened once. Not OK: said already, return the code. */
int cli_home(struct cli *c);
/* The engine of this home. CLI_NO_ENGINE with a remedy when there is none. */
int cli_connect(struct cli *c, struct ctl_conn **out);
/* The same, starting one when there is none; *started tells. */
int cli_engine(struct cli *c, struct ctl_conn **out, bool *started);
/* Asks, and says what went wrong. *body is the caller's. */
int cli_request(struct ctl_conn *conn, const char *cmd, const cJSON *args, cJSON **body);
/* One JSON object and a newline on stdout. */
void cli_print_json(const cJSON *item);
/* Text from outside on a stream: made harmless when that is a terminal. */
void cli_print_text(void *file, const char *text, size_t n);

/* A table for people: columns as wide as their widest cell, two blanks between. */
struct cli_table;
struct cli_table *cli_table_new(size_t columns, const char *const *heads, const bool *right);
/* `columns` strings, copied; NULL is an en dash. */
void cli_table_row(struct cli_table *t, const char *const *cells);
void cli_table_print(struct cli_table **t);
/* Without printing it. NULL is fine; sets NULL. */
void cli_table_free(struct cli_table **t);
/* Columns of a terminal that a text takes, as wcwidth(3) has it. */
int cli_width(const char *s);
/* "45s", "1m04s", "2h05m". */
void cli_duration(int64_t ms, char out[CLI_NUMBER]);
/* "812", "9.0k", "1.2M". */
void cli_count(int64_t n, char out[CLI_NUMBER]);

#endif
