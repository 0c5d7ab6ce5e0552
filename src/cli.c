/* cli: reads the command line against the table of verbs, and what the verbs share. Strict: what it
 * does not know it refuses, and names what was perhaps meant. */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "base/utf8.h"
#include "engine.h"

#define ENGINE_WAIT_NS (INT64_C(15) * NS_PER_SEC) /* for one that is just starting or ending */

#define X(variable) extern const struct cli_verb cli_verb_##variable;
CLI_VERB_TABLE(X)
#undef X

static const struct cli_verb *const verbs[] = {
#define X(variable) &cli_verb_##variable,
    CLI_VERB_TABLE(X)
#undef X
};

static const struct cli_verb screen_verb = {.name = "", .operands = "", .run = cli_screen};

static void print_help(void) {
    printf("spacebot: an orchestrator of AI processes that you watch live in a terminal\n\n"
           "usage: spacebot                  open the screen; starts the engine or attaches to it\n"
           "       spacebot VERB [OPTION]…   see spacebot VERB --help\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        printf("  %-11s %s\n", verbs[i]->name, verbs[i]->summary);
    printf("\n  --help     this text\n  --version  the version\n\n"
           "Everything is in $SPACEBOT_DIR, else ~/.spacebot. The keys of providers come from\n"
           "spacebot.conf there or from the usual variables:\n" PROVIDER_KEYS_TEXT ".\n"
           "Exit: 0 done, 1 failed, 2 usage, 3 configuration, 4 provider, 5 timed out,\n"
           "6 no engine runs, 130 interrupted.\n");
}

static void put_usage(struct buf *out, const struct cli_verb *v) {
    buf_printf(out, "usage: spacebot %s", v->name);
    for (const struct cli_option *o = v->options; o && o->name; o++)
        buf_printf(out, " [--%s%s%s]", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    if (*v->operands)
        buf_printf(out, " %s", v->operands);
    buf_putc(out, '\n');
}

static void print_verb_help(const struct cli_verb *v) {
    struct buf out = BUF_INIT;
    put_usage(&out, v);
    buf_printf(&out, "\n%s\n", v->summary);
    if (v->details)
        buf_printf(&out, "\n%s\n", v->details);
    if (v->options && v->options->name)
        buf_putc(&out, '\n');
    for (const struct cli_option *o = v->options; o && o->name; o++) {
        char *left = xasprintf("--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        buf_printf(&out, "  %-18s %s\n", left, o->what);
        free(left);
    }
    fputs(buf_str(&out), stdout);
    buf_free(&out);
}

static size_t option_count(const struct cli_verb *v) {
    size_t n = 0;
    while (v->options && v->options[n].name)
        n++;
    return n;
}

static const char *option_value(const struct cli *c, const char *name) {
    for (size_t i = 0; i < option_count(c->verb); i++)
        if (str_eq(c->verb->options[i].name, name))
            return c->values[i];
    return NULL;
}

bool cli_has(const struct cli *c, const char *option) { return option_value(c, option) != NULL; }
const char *cli_value(const struct cli *c, const char *option) { return option_value(c, option); }

const char *cli_each(const struct cli *c, const char *option, size_t nth) {
    for (size_t i = 0; i < c->ngiven; i++)
        if (str_eq(c->verb->options[c->given[i].option].name, option) && nth-- == 0)
            return c->given[i].value;
    return NULL;
}

int cli_attach(const struct cli *c, cJSON *args) {
    const char *file;
    cJSON *list = NULL;
    for (size_t i = 0; (file = cli_each(c, "attach", i)); i++) {
        char real[PATH_MAX];
        struct stat sb;
        if (!realpath(file, real) || stat(real, &sb) != 0 || access(real, R_OK) != 0)
            return cli_usage(c, "--attach %s: %s", file, strerror(errno));
        if (!S_ISREG(sb.st_mode))
            return cli_usage(c, "--attach %s: no regular file", file);
        if (!list)
            list = json_add_arr(args, "attach");
        cJSON_AddItemToArray(list, cJSON_CreateString(real));
    }
    return CLI_OK;
}

int cli_fail(int code, const char *fmt, ...) {
    struct buf text = BUF_INIT, safe = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    utf8_append_visible(&safe, buf_str(&text), text.len);
    fprintf(stderr, "spacebot: %s\n", buf_str(&safe));
    buf_free(&text);
    buf_free(&safe);
    return code;
}

int cli_usage(const struct cli *c, const char *fmt, ...) {
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    const char *name = c->verb ? c->verb->name : "";
    cli_fail(CLI_USAGE, "%s%s%s", name, *name ? ": " : "", buf_str(&text));
    fprintf(stderr, "see `spacebot%s%s --help`\n", *name ? " " : "", name);
    buf_free(&text);
    return CLI_USAGE;
}

static int unknown_option(const struct cli *c, const char *name, size_t n) {
    const char *names[CLI_OPTIONS_MAX + 2];
    size_t count = 0;
    for (const struct cli_option *o = c->verb->options; o && o->name; o++)
        names[count++] = o->name;
    names[count++] = "help";
    if (!*c->verb->name)
        names[count++] = "version";
    char *given = xstrndup(name, n);
    const char *near = str_nearest(given, names, count);
    int rc = near ? cli_usage(c, "unknown option --%s; did you mean --%s?", given, near)
                  : cli_usage(c, "unknown option --%s", given);
    free(given);
    return rc;
}

/* --name, --name=value or --name value; *i moves over a value of its own. -1: go on. */
static int take_option(struct cli *c, int argc, char **argv, int *i) {
    const char *name = argv[*i] + 2;
    size_t n = strcspn(name, "=");
    const char *given = name[n] == '=' ? name + n + 1 : NULL;
    const struct cli_option *o = c->verb->options;
    for (size_t k = 0; o && o->name; k++, o++) {
        if (strlen(o->name) != n || strncmp(o->name, name, n) != 0)
            continue;
        bool repeats = str_suffix(o->arg ? o->arg : "", "…");
        if (c->values[k] && !repeats)
            return cli_usage(c, "--%s is given twice", o->name);
        if (!o->arg && given)
            return cli_usage(c, "--%s takes no value", o->name);
        if (o->arg && !given) {
            if (*i + 1 >= argc)
                return cli_usage(c, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
            given = argv[++*i];
        }
        c->values[k] = o->arg ? given : o->name;
        if (repeats) {
            c->given = xreallocarray(c->given, c->ngiven + 1, sizeof(*c->given));
            c->given[c->ngiven].option = k;
            c->given[c->ngiven++].value = given;
        }
        return -1;
    }
    return unknown_option(c, name, n);
}

static int check_count(const struct cli *c) {
    if (c->n < c->verb->least)
        return cli_usage(c, "needs %s", c->verb->operands);
    if (c->n > c->verb->most)
        return c->verb->most == 0
                   ? cli_usage(c, "unexpected \"%s\"", c->operands[0])
                   : cli_usage(c, "unexpected \"%s\" (a text with blanks needs quotes)",
                               c->operands[c->verb->most]);
    return -1;
}

/* The arguments behind the verb. -1: run it. */
static int parse(struct cli *c, int argc, char **argv) {
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        int rc = -1;
        if (only_operands || a[0] != '-' || !a[1]) {
            c->operands[c->n++] = argv[i];
        } else if (str_eq(a, "--")) {
            only_operands = true;
        } else if (str_eq(a, "--help") || str_eq(a, "-h")) {
            print_verb_help(c->verb);
            return CLI_OK;
        } else if (a[1] != '-') {
            rc = cli_usage(c, "unknown option %s", a);
        } else {
            rc = take_option(c, argc, argv, &i);
        }
        if (rc >= 0)
            return rc;
    }
    return check_count(c);
}

static const struct cli_verb *find_verb(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_eq(verbs[i]->name, name))
            return verbs[i];
    return NULL;
}

static int unknown_verb(const struct cli *c, const char *name) {
    const char *names[ARRAY_LEN(verbs)];
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        names[i] = verbs[i]->name; /* NOLINT(clang-analyzer-core.NullDereference): a full table */
    const char *near = str_nearest(name, names, ARRAY_LEN(names));
    return near ? cli_usage(c, "there is no verb \"%s\"; did you mean `%s`?", name, near)
                : cli_usage(c, "there is no verb \"%s\"", name);
}

int cli_main(int argc, char **argv) {
    /* For the width of what is printed; numbers stay as C writes them. */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    struct cli c = {.verb = &screen_verb};
    const char *first = argc > 1 ? argv[1] : NULL;
    if (first && (str_eq(first, "--help") || str_eq(first, "-h") || str_eq(first, "help"))) {
        print_help();
        return CLI_OK;
    }
    if (first && (str_eq(first, "--version") || str_eq(first, "-V"))) {
        printf("spacebot %s\n", PACKAGE_VERSION);
        return CLI_OK;
    }
    if (first && first[0] == '-')
        return str_prefix(first, "--") ? unknown_option(&c, first + 2, strcspn(first + 2, "="))
                                       : cli_usage(&c, "unknown option %s", first);
    if (first) {
        c.verb = find_verb(first);
        if (!c.verb) {
            c.verb = &screen_verb;
            return unknown_verb(&c, first);
        }
    }
    c.operands = xcalloc((size_t)argc + 1, sizeof(*c.operands));
    int rc = first ? parse(&c, argc - 2, argv + 2) : -1;
    if (rc < 0)
        rc = c.verb->run(&c);
    home_free(&c.home);
    free(c.operands);
    free(c.given);
    if (fflush(stdout) != 0 && rc == CLI_OK)
        rc = cli_fail(CLI_FAILED, "the output could not be written");
    return rc;
}

int cli_exit_of(enum status st) {
    switch (st) {
    case STATUS_OK:
        return CLI_OK;
    case STATUS_CONFIG:
        return CLI_CONFIG;
    case STATUS_PROVIDER:
        return CLI_PROVIDER;
    case STATUS_TIMEOUT:
        return CLI_TIMEOUT;
    case STATUS_INVALID:
        return CLI_USAGE;
    case STATUS_NOT_FOUND:
    case STATUS_EXISTS:
    case STATUS_DENIED:
    case STATUS_LIMIT:
    case STATUS_CANCELLED:
    case STATUS_IO:
    case STATUS_PROTOCOL:
    case STATUS_UNAVAILABLE:
    case STATUS_GONE:
        return CLI_FAILED;
    }
    return CLI_FAILED;
}

int cli_home(struct cli *c) {
    struct cause why;
    if (c->home)
        return CLI_OK;
    enum status st = home_open(&c->home, &why);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

int cli_connect(struct cli *c, struct ctl_conn **out) {
    struct cause why;
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    enum status st = ctl_connect(c->home, out, &why);
    if (st == STATUS_OK)
        return CLI_OK;
    if (st == STATUS_UNAVAILABLE)
        return cli_fail(CLI_NO_ENGINE,
                        "no engine runs in %s; `spacebot` opens the screen, `spacebot daemon` "
                        "starts one in the background",
                        c->home->dir);
    return cli_fail(cli_exit_of(st), "%s", why.text);
}

int cli_engine(struct cli *c, struct ctl_conn **out, bool *started) {
    struct cause why;
    *started = false;
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    struct engine_options o = {.home = c->home};
    int64_t until = clock_real_mono_ns() + ENGINE_WAIT_NS;
    for (;;) {
        enum status st = ctl_connect(c->home, out, &why);
        if (st == STATUS_OK)
            return CLI_OK;
        if (st != STATUS_UNAVAILABLE)
            return cli_fail(cli_exit_of(st), "%s", why.text);
        st = engine_start(&o, &why);
        if (st == STATUS_OK)
            *started = true;
        else if (st != STATUS_EXISTS || clock_real_mono_ns() > until)
            return cli_fail(st == STATUS_CONFIG ? CLI_CONFIG : CLI_FAILED, "%s", why.text);
        else
            (void)nanosleep(&(const struct timespec){0, 10 * NS_PER_MS}, NULL);
    }
}

int cli_request(struct ctl_conn *conn, const char *cmd, const cJSON *args, cJSON **body) {
    struct cause why;
    enum status st = ctl_request(conn, cmd, args, CTL_WAIT_NS, body, &why);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

void cli_print_json(const cJSON *item) {
    char *text = json_print(item);
    puts(text);
    free(text);
}

void cli_print_text(void *file, const char *text, size_t n) {
    FILE *f = file;
    if (!isatty(fileno(f))) {
        fwrite(text, 1, n, f);
        return;
    }
    struct buf safe = BUF_INIT;
    utf8_append_visible(&safe, text, n);
    fwrite(buf_str(&safe), 1, safe.len, f);
    buf_free(&safe);
}
