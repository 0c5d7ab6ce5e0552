/* cli-config: the configuration file: start one, check it, show what acts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/gate.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli-config.h"

static int load(struct cli *c, struct config **out) {
    struct cause why;
    enum status st = config_load(c->home->config, out, &why);
    if (st == STATUS_OK)
        st = gate_check_config(*out, &why);
    return st == STATUS_OK ? CLI_OK : cli_fail(CLI_CONFIG, "%s", why.text);
}

static int init(struct cli *c) {
    const char *path = c->home->config;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST
                   ? cli_fail(CLI_FAILED, "%s exists already; nothing was changed", path)
                   : cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
    char *text = config_template();
    size_t n = strlen(text);
    bool ok = write(fd, text, n) == (ssize_t)n;
    ok = close(fd) == 0 && ok;
    free(text);
    if (!ok) {
        unlink(path);
        return cli_fail(CLI_FAILED, "%s could not be written", path);
    }
    printf("%s\n", path);
    return CLI_OK;
}

static int check(struct cli *c) {
    struct config *config = NULL;
    int rc = load(c, &config);
    if (rc == CLI_OK)
        printf(config->exists ? "%s: ok\n" : "%s: does not exist; the defaults act\n",
               c->home->config);
    config_free(&config);
    return rc;
}

static int show(struct cli *c) {
    struct config *config = NULL;
    int rc = load(c, &config);
    if (rc == CLI_OK && cli_has(c, "prompt")) {
        rc = cli_config_prompt(c, config);
    } else if (rc == CLI_OK) {
        char *text = config_show(config);
        fputs(text, stdout);
        free(text);
    }
    config_free(&config);
    return rc;
}

static int show_path(struct cli *c) {
    printf("%s\n", c->home->config);
    return CLI_OK;
}

static const struct {
    const char *name;
    int (*run)(struct cli *c);
} actions[] = {{"init", init}, {"check", check}, {"show", show}, {"path", show_path}};

static const struct cli_option options[] = {
    {"prompt", "KIND", "of show: what a model is told first: channel, branch or worker"},
    {"channel", "NAME", "of --prompt: for that conversation; a new one without it"},
    {"tools", NULL, "of --prompt: the tools that it is offered, too"},
    {"json", NULL, "of --prompt: as one JSON object"},
    {NULL, NULL, NULL}};

static int run(struct cli *c) {
    const char *names[ARRAY_LEN(actions)];
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        names[i] = actions[i].name;
        if (!str_eq(names[i], c->operands[0]))
            continue;
        for (const struct cli_option *o = options; o->name; o++)
            if (cli_has(c, o->name) && !(actions[i].run == show && cli_has(c, "prompt")))
                return cli_usage(c, "--%s goes with `config show --prompt KIND` only", o->name);
        int rc = cli_home(c);
        return rc == CLI_OK ? actions[i].run(c) : rc;
    }
    const char *near = str_nearest(c->operands[0], names, ARRAY_LEN(names));
    return near ? cli_usage(c, "unknown action \"%s\"; did you mean `%s`?", c->operands[0], near)
                : cli_usage(c, "unknown action \"%s\": init, check, show or path", c->operands[0]);
}

const struct cli_verb cli_verb_config = {
    .name = "config",
    .operands = "init|check|show|path",
    .summary = "the configuration file",
    .details =
        "  init   write a commented spacebot.conf with every key at its default\n"
        "  check  tell what is wrong in it, with the line\n"
        "  show   every key with the value that acts; keys of providers stay hidden\n"
        "  path   where it is\n"
        "The prompt is put together as for a turn's next call, from the texts in the program,\n"
        "the home's SOUL.md, IDENTITY.md and ROLE.md and the workspace's AGENTS.md. What changes\n"
        "from message to message (the time, what is at work) stands in front of the message\n"
        "and is no part of it.",
    .least = 1,
    .most = 1,
    .options = options,
    .run = run};
