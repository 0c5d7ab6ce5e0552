/* permission: rules about what tools may do, and the decision for one call. Pure: no state, no
 * store, no process; gate.c holds the rules of an engine and acts on what is decided here.
 *
 * A rule is an action, a tool, and perhaps a glob that its subject must match; written TOOL[:GLOB].
 * `*` stands for any characters (`/` too), `?` for one, `\` takes the next one as it is. A command
 * that is more than one simple command is matched by no glob. deny beats ask beats allow. Answers
 * are a person's: they are looked at only when the rules, or what is usual, say ask. */
#ifndef AGENT_PERMISSION_H
#define AGENT_PERMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* In order of strictness. */
#define PERMISSION_ACTION_TABLE(X) X(ALLOW, "allow") X(ASK, "ask") X(DENY, "deny")
enum permission_action {
#define X(name, text) PERMISSION_##name,
    PERMISSION_ACTION_TABLE(X)
#undef X
};
const char *permission_action_name(enum permission_action a);
enum status permission_action_from_string(const char *s, enum permission_action *out) MUST_CHECK;

#define PERMISSION_PATTERN_MAX 4096u /* bytes of TOOL:GLOB */

struct permission_rule {
    char *tool;
    char *match; /* NULL: whatever it is about */
    enum permission_action action;
    char *origin; /* where it stands, for people: "spacebot.conf:12" */
    int64_t id;   /* of a remembered one; else 0 */
};

struct permission_rules {
    struct permission_rule *v;
    size_t n, cap;
};
/* Texts are copied; match may be NULL. */
void permission_add(struct permission_rules *r, enum permission_action action, const char *tool,
                    const char *match, const char *origin, int64_t id);
void permission_remove(struct permission_rules *r, size_t at);
void permission_free(struct permission_rules *r);

/* Splits TOOL[:GLOB]; the caller frees both, *match is NULL without a glob. INVALID: no tool, a
 * tool's name with other characters than a-z, 0-9 and _, an empty glob, one that ends in a lone
 * backslash, or too long. Whether there is such a tool is not looked at. */
enum status permission_parse(const char *pattern, char **tool, char **match,
                             struct cause *why) MUST_CHECK;
/* The check of a glob alone. */
enum status permission_check_glob(const char *glob, struct cause *why) MUST_CHECK;
/* "shell:git push *", or the tool alone. The caller frees. */
char *permission_pattern(const char *tool, const char *match);

bool permission_glob(const char *glob, const char *text);
/* One command as the shell sees it, for all that can be told without being a shell. */
bool permission_simple_command(const char *command);

/* What a call is about to do. All lent. */
struct permission_call {
    const char *tool;
    /* The name under which it has to be allowed, where that is another one than the tool's: what
     * leaves the sandbox is not allowed by what allows the tool. NULL: the tool's. */
    const char *escape;
    /* Another tool whose rules hold for this call too. NULL: none. */
    const char *kin;
    const char *forms[2]; /* what globs may match: either is enough; NULL: none */
    bool command;         /* forms[0] is one for sh */
    bool bare;            /* nothing beside it changes what it does (a command's environment) */
    enum permission_action usual; /* without any rule */
};

/* *by: the rule that decided, lent; NULL when none did. */
enum permission_action permission_decide(const struct permission_rules *rules,
                                         const struct permission_rules *answers,
                                         const struct permission_call *call,
                                         const struct permission_rule **by);

/* What "always" would remember for a call: the pattern's glob, or NULL where no glob can hold for
 * it. A command by its program and subcommand where it has one ("git push *"), else as it stands.
 * The caller frees. */
char *permission_suggest(const struct permission_call *call);

#endif
