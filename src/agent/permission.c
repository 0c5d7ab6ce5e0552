/* permission: matching and deciding. Whatever is in doubt is not matched by what allows. */
#include "agent/permission.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#define TOOL_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"

const char *permission_action_name(enum permission_action a) {
    switch (a) {
#define X(name, text)                                                                              \
    case PERMISSION_##name:                                                                        \
        return text;
        PERMISSION_ACTION_TABLE(X)
#undef X
    }
    return "?";
}

enum status permission_action_from_string(const char *s, enum permission_action *out) {
#define X(name, text)                                                                              \
    if (str_eq(s, text)) {                                                                         \
        *out = PERMISSION_##name;                                                                  \
        return STATUS_OK;                                                                          \
    }
    PERMISSION_ACTION_TABLE(X)
#undef X
    return STATUS_INVALID;
}

/* --- lists --------------------------------------------------------------------------------------
 */

void permission_add(struct permission_rules *r, enum permission_action action, const char *tool,
                    const char *match, const char *origin, int64_t id) {
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->v = xreallocarray(r->v, r->cap, sizeof *r->v);
    }
    r->v[r->n++] = (struct permission_rule){.tool = xstrdup(tool),
                                            .match = xstrdup_null(match),
                                            .action = action,
                                            .origin = xstrdup_null(origin),
                                            .id = id};
}

static void rule_free(struct permission_rule *r) {
    x_free(&r->tool);
    x_free(&r->match);
    x_free(&r->origin);
}

void permission_remove(struct permission_rules *r, size_t at) {
    rule_free(&r->v[at]);
    memmove(r->v + at, r->v + at + 1, (r->n - at - 1) * sizeof *r->v);
    r->n--;
}

void permission_free(struct permission_rules *r) {
    for (size_t i = 0; i < r->n; i++)
        rule_free(&r->v[i]);
    x_free(&r->v);
    *r = (struct permission_rules){0};
}

/* --- patterns -----------------------------------------------------------------------------------
 */

enum status permission_check_glob(const char *glob, struct cause *why) {
    if (!*glob)
        return cause_set(why, STATUS_INVALID,
                         "the glob is empty: leave it out to mean every call of the tool");
    if (strlen(glob) > PERMISSION_PATTERN_MAX)
        return cause_set(why, STATUS_INVALID, "the glob is longer than %u bytes",
                         PERMISSION_PATTERN_MAX);
    for (const char *g = glob; *g; g++)
        if (*g == '\\' && !*++g)
            return cause_set(why, STATUS_INVALID, "the glob ends in a lone backslash");
    return STATUS_OK;
}

enum status permission_parse(const char *pattern, char **tool, char **match, struct cause *why) {
    size_t n = strspn(pattern, TOOL_CHARACTERS);
    *tool = *match = NULL;
    if (n == 0 || (pattern[n] && pattern[n] != ':'))
        return cause_set(why, STATUS_INVALID,
                         "\"%.80s\" is no pattern: TOOL or TOOL:GLOB, as in shell:git push *",
                         pattern);
    if (pattern[n]) {
        enum status st = permission_check_glob(pattern + n + 1, why);
        if (st != STATUS_OK)
            return st;
        *match = xstrdup(pattern + n + 1);
    }
    *tool = xstrndup(pattern, n);
    return STATUS_OK;
}

char *permission_pattern(const char *tool, const char *match) {
    return match ? xasprintf("%s:%s", tool, match) : xstrdup(tool);
}

/* A star that did not fit takes one character more and the rest is tried again from there; only the
 * last star needs that, so the time is at most the product of both lengths. */
bool permission_glob(const char *glob, const char *text) {
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*glob == '*') {
            star = ++glob;
            retry = text;
            continue;
        }
        bool escaped = *glob == '\\' && glob[1];
        const char *literal = escaped ? glob + 1 : glob;
        if ((*glob == '?' && !escaped) || (*literal && *literal == *text)) {
            glob = literal + 1;
            /* `?` is one character, however many bytes it has. */
            text++;
            if (literal[0] == '?' && !escaped)
                while (((unsigned char)*text & 0xC0) == 0x80)
                    text++;
            continue;
        }
        if (!star)
            return false;
        glob = star;
        text = ++retry;
    }
    while (*glob == '*')
        glob++;
    return !*glob;
}

bool permission_simple_command(const char *command) {
    return command[strcspn(command, ";&|<>$()`\n")] == '\0';
}

/* --- deciding -----------------------------------------------------------------------------------
 */

static bool named(const struct permission_rule *r, const struct permission_call *c) {
    bool escape = c->escape && str_eq(r->tool, c->escape);
    if (r->action == PERMISSION_ALLOW && c->escape)
        return escape;
    return escape || str_eq(r->tool, c->tool) || (c->kin && str_eq(r->tool, c->kin));
}

static bool fits(const struct permission_rule *r, const struct permission_call *c) {
    if (!named(r, c))
        return false;
    if (!r->match)
        return true;
    if (c->command && (!c->forms[0] || !permission_simple_command(c->forms[0])))
        return false;
    /* `git push *` was not meant for a git of somebody else's choice. */
    if (!c->bare && r->action == PERMISSION_ALLOW)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(c->forms); i++)
        if (c->forms[i] && permission_glob(r->match, c->forms[i]))
            return true;
    return false;
}

/* The strictest rule that fits; NULL: none does. */
static const struct permission_rule *strictest(const struct permission_rules *rules,
                                               const struct permission_call *c) {
    const struct permission_rule *best = NULL;
    for (size_t i = 0; i < rules->n; i++)
        if ((!best || rules->v[i].action > best->action) && fits(&rules->v[i], c))
            best = &rules->v[i];
    return best;
}

enum permission_action permission_decide(const struct permission_rules *rules,
                                         const struct permission_rules *answers,
                                         const struct permission_call *call,
                                         const struct permission_rule **by) {
    const struct permission_rule *rule = strictest(rules, call);
    *by = rule;
    enum permission_action action = rule ? rule->action : call->usual;
    if (action != PERMISSION_ASK)
        return action;
    const struct permission_rule *answer = strictest(answers, call);
    if (!answer)
        return action;
    *by = answer;
    return answer->action;
}

/* --- suggesting ---------------------------------------------------------------------------------
 */

static void put_literal(struct buf *out, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strchr("*?\\", s[i]))
            buf_putc(out, '\\');
        buf_putc(out, s[i]);
    }
}

/* The length of "git push" in "git push --tags": a program and a subcommand, and more behind; 0:
 * it has no such beginning. */
static size_t program_and_subcommand(const char *command) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t program = strspn(command, plain);
    if (program == 0 || command[program] != ' ' || command[0] == '-')
        return 0;
    const char *second = command + program + 1;
    size_t n = strspn(second, plain);
    if (n == 0 || second[0] == '-' || second[n] != ' ' || !second[n + 1])
        return 0;
    return program + 1 + n;
}

char *permission_suggest(const struct permission_call *call) {
    const char *text = call->forms[0];
    struct buf out = BUF_INIT;
    if (!text || !*text || !call->bare || strlen(text) > PERMISSION_PATTERN_MAX / 4)
        return NULL;
    if (call->command && !permission_simple_command(text))
        return NULL;
    size_t head = call->command ? program_and_subcommand(text) : 0;
    put_literal(&out, text, head ? head : strlen(text));
    if (head)
        buf_puts(&out, " *");
    return buf_steal(&out);
}
