/* env: the environment of a command, built from nothing: what the engine has in its own (keys of
 * providers above all) is passed only by name, on a person's word. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/provider.h"
#include "sandbox/policy.h"

/* Ours: a command's own settings do not change them. */
static const char *const reserved[] = {
    "PATH", "HOME", "TMPDIR",           "CI",  "USER",   "DEBIAN_FRONTEND",
    "LANG", "TERM", "PYTHONUNBUFFERED", "PWD", "LOGNAME"};

/* They load code into whatever starts next, the launcher and bubblewrap included, which run outside
 * the walls. */
static const char *const dangerous[] = {
    "PYTHONPATH",  "PYTHONSTARTUP", "PYTHONHOME",   "NODE_OPTIONS",  "RUBYOPT",
    "PERL5OPT",    "PERL5LIB",      "BASH_ENV",     "ENV",           "GLIBC_TUNABLES",
    "GCONV_PATH",  "LOCPATH",       "SHELLOPTS",    "BASHOPTS",      "PS4",
    "IFS",         "MALLOC_TRACE",  "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
    "LSAN_OPTIONS"};
static const char *const dangerous_prefixes[] = {"LD_", "DYLD_", "BASH_FUNC_"};

/* What providers are reached with never goes to a command, not even by name. */
static const char *const credentials[] = {
#define X(id, name, api, key_var, url_var, url, quirks) key_var,
    PROVIDER_TABLE(X)
#undef X
        "ANTHROPIC_AUTH_TOKEN"};

static bool in_list(const char *name, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, list[i]))
            return true;
    return false;
}

static bool is_dangerous(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(dangerous_prefixes); i++)
        if (str_prefix(name, dangerous_prefixes[i]))
            return true;
    return in_list(name, dangerous, ARRAY_LEN(dangerous));
}

static bool is_name(const char *s) {
    if (!*s || (*s >= '0' && *s <= '9'))
        return false;
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

enum status env_check_passthrough(const char *name, struct cause *why) {
    if (!is_name(name))
        return cause_set(why, STATUS_CONFIG,
                         "sandbox.passthrough_env: \"%s\" is not a variable's name", name);
    if (in_list(name, credentials, ARRAY_LEN(credentials)))
        return cause_set(why, STATUS_CONFIG,
                         "sandbox.passthrough_env: %s is a provider's key and is never passed on",
                         name);
    bool locale = str_eq(name, "LANG"); /* the one of ours that a person may well want as it is */
    if (is_dangerous(name) || (in_list(name, reserved, ARRAY_LEN(reserved)) && !locale))
        return cause_set(why, STATUS_CONFIG,
                         "sandbox.passthrough_env: %s may not be passed on to commands", name);
    return STATUS_OK;
}

/* ---- building ----------------------------------------------------------------------------------
 */

static bool has(const struct strv *env, const char *name, size_t n) {
    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
            return true;
    return false;
}

/* The engine's PATH without what is relative or hidden: a shell would stumble over it at each
 * lookup. */
static void add_path(const struct sandbox *sb, enum sandbox_mode mode, const char *workspace,
                     struct strv *out) {
    const char *path = getenv("PATH");
    struct buf list = BUF_INIT;
    char *copy = xstrdup(path ? path : ""), *save = NULL;
    for (char *p = strtok_r(copy, ":", &save); p; p = strtok_r(NULL, ":", &save)) {
        bool seen = mode == SANDBOX_NONE || !path_is_below_any(p, &sb->hidden) ||
                    path_is_below(p, workspace);
        if (p[0] == '/' && seen)
            buf_printf(&list, "%s%s", list.len ? ":" : "", p);
    }
    strv_pushf(out, "PATH=%s",
               list.len ? buf_str(&list)
                        : "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    buf_free(&list);
    x_free(&copy);
}

static void add_ours(const struct sandbox *sb, enum sandbox_mode mode, const char *workspace,
                     struct strv *out) {
    add_path(sb, mode, workspace, out);
    bool contained = mode != SANDBOX_NONE;
    strv_pushf(out, "HOME=%s", contained || !sb->home ? workspace : sb->home);
    switch (mode) {
    case SANDBOX_BUBBLEWRAP_LANDLOCK:
    case SANDBOX_BUBBLEWRAP:
    case SANDBOX_NONE:
        strv_push(out, "TMPDIR=/tmp");
        break;
    case SANDBOX_LANDLOCK:
        strv_pushf(out, "TMPDIR=%s/.tmp", workspace); /* /tmp is everybody's */
        break;
    }
    strv_push(out, "CI=true");
    strv_push(out, "DEBIAN_FRONTEND=noninteractive");
    strv_push(out, "TERM=dumb");
    strv_push(out, "PYTHONUNBUFFERED=1"); /* else its output comes at the end */
    const char *user = getenv("USER");
    if (!str_empty(user)) {
        strv_pushf(out, "USER=%s", user);
        strv_pushf(out, "LOGNAME=%s", user);
    }
}

static void add_passthrough(const struct sandbox *sb, struct strv *out) {
    for (size_t i = 0; i < sb->passthrough.n; i++) {
        const char *name = sb->passthrough.v[i], *value = getenv(name);
        if (value)
            strv_pushf(out, "%s=%s", name, value);
    }
    if (!has(out, "LANG", 4))
        strv_push(out, "LANG=C.UTF-8");
}

/* One NAME=VALUE of the request; a later one of the same name wins. */
static enum status add_requested(const char *item, struct strv *out, struct cause *why) {
    const char *equals = strchr(item, '=');
    char *name = xstrndup(item, equals ? (size_t)(equals - item) : strlen(item));
    enum status s = STATUS_OK;
    if (!equals || !is_name(name))
        s = cause_set(why, STATUS_INVALID, "env: \"%.64s\" is not a variable's name", name);
    else if (in_list(name, reserved, ARRAY_LEN(reserved)))
        s = cause_set(why, STATUS_INVALID,
                      "env: %s is set by spacebot; set it inside the command if you must", name);
    else if (is_dangerous(name))
        s = cause_set(why, STATUS_INVALID,
                      "env: %.64s can load code into other programs and is not accepted; set it "
                      "inside the command if you must",
                      name);
    for (size_t i = 0; s == STATUS_OK && i < out->n; i++) {
        size_t n = strlen(name);
        if (strncmp(out->v[i], name, n) == 0 && out->v[i][n] == '=') {
            x_free(&out->v[i]);
            out->v[i] = xstrdup(item);
            x_free(&name);
            return s;
        }
    }
    if (s == STATUS_OK)
        strv_push(out, item);
    x_free(&name);
    return s;
}

enum status env_build(const struct sandbox *sb, enum sandbox_mode mode,
                      const struct sandbox_request *r, struct strv *out, struct cause *why) {
    add_ours(sb, mode, r->workspace, out);
    add_passthrough(sb, out);
    enum status s = STATUS_OK;
    for (size_t i = 0; s == STATUS_OK && r->env && r->env[i]; i++)
        s = add_requested(r->env[i], out, why);
    return s;
}
