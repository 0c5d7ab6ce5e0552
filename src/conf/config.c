/* config: reads spacebot.conf by libconfig and holds it against the table of keys. Whatever it does
 * not know is an error with file and line, so that a misspelt key never passes for a setting.
 * Includes are refused: what acts is in one file. */
#include "conf/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/utf8.h"
#include "conf/config-internal.h"

#define FILE_MAX (1024u * 1024u)
#define NAMES_MAX 64

#define KEY_AS_INT(d) .number = (double)(d)
#define KEY_AS_REAL(d) .number = (double)(d)
#define KEY_AS_BOOL(d) .number = (double)(d)
#define KEY_AS_STRING(d) .text = (d)

const struct config_key_info config_keys[] = {
#define X(sec, key, kind, def, least, most, text_)                                                 \
    {.section = #sec,                                                                              \
     .name = #key,                                                                                 \
     .type = KEY_##kind,                                                                           \
     .offset = offsetof(struct config, sec.key),                                                   \
     KEY_AS_##kind(def),                                                                           \
     .min = (least),                                                                               \
     .max = (most),                                                                                \
     .what = (text_)},
    CONFIG_TABLE(X)
#undef X
#define X(sec, key, text_)                                                                         \
    {.section = #sec,                                                                              \
     .name = #key,                                                                                 \
     .type = KEY_LIST,                                                                             \
     .offset = offsetof(struct config, sec.key),                                                   \
     .what = (text_)},
        CONFIG_LIST_TABLE(X)
#undef X
};
const size_t config_nkeys = ARRAY_LEN(config_keys);

size_t config_sections(const char **out, size_t max) {
    size_t n = 0;
    for (size_t i = 0; i < config_nkeys; i++) {
        size_t at = 0;
        while (at < n && !str_eq(out[at], config_keys[i].section))
            at++;
        if (at == n && n < max)
            out[n++] = config_keys[i].section;
    }
    return n;
}

static const char *key_type_text(enum key_type t) {
    switch (t) {
#define X(name, text)                                                                              \
    case KEY_##name:                                                                               \
        return text;
        CONFIG_TYPE_TABLE(X)
#undef X
    }
    return "?";
}

enum status config_wrong(const struct reading *r, const config_setting_t *at, const char *fmt,
                         ...) {
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    cause_set(r->why, STATUS_CONFIG, "%s:%u: %s", r->c->path, config_setting_source_line(at),
              buf_str(&text));
    buf_free(&text);
    return STATUS_CONFIG;
}

enum status config_unknown(const struct reading *r, const config_setting_t *at, const char *what,
                           const char *prefix, const char *const *names, size_t n) {
    const char *name = config_setting_name(at);
    const char *near = str_nearest(name, names, n);
    if (near)
        return config_wrong(r, at, "unknown %s `%s%s`; did you mean `%s`?", what, prefix, name,
                            near);
    /* A good key in the wrong place is the other common mistake. */
    for (size_t i = 0; i < config_nkeys; i++)
        if (str_eq(config_keys[i].name, name))
            return config_wrong(r, at, "unknown %s `%s%s`; did you mean `%s.%s`?", what, prefix,
                                name, config_keys[i].section, config_keys[i].name);
    struct buf all = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    enum status s =
        config_wrong(r, at, "unknown %s `%s%s`; known here: %s", what, prefix, name, buf_str(&all));
    buf_free(&all);
    return s;
}

/* What comes from here goes into URLs, environments and terminals. */
enum status config_get_string(const struct reading *r, const config_setting_t *at,
                              const char *label, const char **out) {
    *out = NULL;
    const char *s = config_setting_get_string(at);
    if (!s)
        return config_wrong(r, at, "`%s` must be a string", label);
    size_t n = strlen(s);
    if (n > CONFIG_STRING_MAX)
        return config_wrong(r, at, "`%s` is longer than %u bytes", label, CONFIG_STRING_MAX);
    if (!utf8_valid(s, n))
        return config_wrong(r, at, "`%s` is not valid UTF-8", label);
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return config_wrong(r, at, "`%s` may not hold control characters", label);
    *out = s;
    return STATUS_OK;
}

static enum status check_number(const struct reading *r, const config_setting_t *at,
                                const struct config_key_info *k, double v) {
    if (v >= k->min && v <= k->max)
        return STATUS_OK;
    return config_wrong(r, at, "`%s.%s` must be from %.15g to %.15g, not %.15g", k->section,
                        k->name, k->min, k->max, v);
}

/* A wrong element must be caught here: each list is used without a further look. */
static enum status check_list_item(const struct reading *r, const config_setting_t *at,
                                   const char *label, const struct config_key_info *k,
                                   const char *s) {
    if (str_eq(k->name, "writable_paths") && s[0] != '/')
        return config_wrong(r, at, "`%s`: \"%s\" is not an absolute path", label, s);
    if (str_eq(k->name, "passthrough_env") && (!*s || strchr(s, '=')))
        return config_wrong(r, at, "`%s`: \"%s\" is not the name of a variable", label, s);
    return STATUS_OK;
}

static enum status check_choice(const struct reading *r, const config_setting_t *at,
                                const struct config_key_info *k, const char *s) {
    static const struct {
        const char *section, *name, *words;
    } choices[] = {
#define X(sec, key, list) {#sec, #key, list},
        CONFIG_CHOICE_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        if (!str_eq(choices[i].section, k->section) || !str_eq(choices[i].name, k->name))
            continue;
        size_t n = strlen(s);
        for (const char *w = choices[i].words; (w = strstr(w, s)); w++)
            if ((w == choices[i].words || w[-1] == ' ') && (w[n] == ' ' || w[n] == '\0'))
                return STATUS_OK;
        return config_wrong(r, at, "`%s.%s` must be one of: %s; not \"%s\"", k->section, k->name,
                            choices[i].words, s);
    }
    return STATUS_OK;
}

static enum status read_list(const struct reading *r, const config_setting_t *at, const char *label,
                             const struct config_key_info *k, struct strv *out) {
    int type = config_setting_type(at);
    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
        return config_wrong(r, at, "`%s` must be %s: [ \"…\", \"…\" ]", label,
                            key_type_text(k->type));
    int n = config_setting_length(at);
    if (n > CONFIG_LIST_MAX)
        return config_wrong(r, at, "`%s` has more than %d entries", label, CONFIG_LIST_MAX);
    for (int i = 0; i < n; i++) {
        const config_setting_t *e = config_setting_get_elem(at, (unsigned)i);
        const char *s = NULL;
        enum status st = config_get_string(r, e, label, &s);
        if (s)
            st = check_list_item(r, e, label, k, s);
        if (!s || st != STATUS_OK)
            return st;
        strv_push(out, s);
    }
    return STATUS_OK;
}

static bool is_integer(int type) { return type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64; }

static enum status read_key(const struct reading *r, const config_setting_t *at,
                            const struct config_key_info *k) {
    char *base = (char *)r->c;
    char *label = xasprintf("%s.%s", k->section, k->name);
    int type = config_setting_type(at);
    enum status st = STATUS_OK;
    switch (k->type) {
    case KEY_INT:
        if (!is_integer(type)) {
            st = config_wrong(r, at, "`%s` must be %s", label, key_type_text(k->type));
            break;
        }
        st = check_number(r, at, k, (double)config_setting_get_int64(at));
        if (st == STATUS_OK)
            *(int64_t *)(void *)(base + k->offset) = config_setting_get_int64(at);
        break;
    case KEY_REAL: {
        if (!is_integer(type) && type != CONFIG_TYPE_FLOAT) {
            st = config_wrong(r, at, "`%s` must be %s", label, key_type_text(k->type));
            break;
        }
        double v =
            is_integer(type) ? (double)config_setting_get_int64(at) : config_setting_get_float(at);
        st = check_number(r, at, k, v);
        if (st == STATUS_OK)
            *(double *)(void *)(base + k->offset) = v;
        break;
    }
    case KEY_BOOL:
        if (type != CONFIG_TYPE_BOOL)
            st = config_wrong(r, at, "`%s` must be %s", label, key_type_text(k->type));
        else
            *(bool *)(void *)(base + k->offset) = config_setting_get_bool(at) != 0;
        break;
    case KEY_STRING: {
        const char *s = NULL;
        st = config_get_string(r, at, label, &s);
        if (s && !*s)
            st = config_wrong(r, at, "`%s` is empty", label);
        if (s && st == STATUS_OK)
            st = check_choice(r, at, k, s);
        if (s && st == STATUS_OK) {
            char **slot = (char **)(void *)(base + k->offset);
            x_free(slot);
            *slot = xstrdup(s);
        }
        break;
    }
    case KEY_LIST:
        st = read_list(r, at, label, k, (struct strv *)(void *)(base + k->offset));
        break;
    }
    x_free(&label);
    return st;
}

bool config_id_ok(const char *s) {
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return n && !s[n] && n <= 64;
}

/* "anthropic, openai_completions, …". The caller frees. */
static char *api_names(void) {
    struct buf out = BUF_INIT;
#define X(api, text, what) buf_printf(&out, "%s%s", out.len ? ", " : "", text);
    PROVIDER_API_TABLE(X)
#undef X
    return buf_steal(&out);
}

/* What the format needs besides. */
static enum status api_check(const struct reading *r, const config_setting_t *at,
                             const struct config_provider *p) {
    const struct provider_info *known = provider_find(p->id);
    enum provider_api api = known ? known->api : PROVIDER_API_ANTHROPIC;
    char *names = api_names();
    enum status st = STATUS_OK;
    if (!p->api && !known)
        st = config_wrong(r, at, "provider \"%s\" needs an `api`: one of %s", p->id, names);
    else if (p->api && !provider_api_from(p->api, &api))
        st = config_wrong(r, at, "provider \"%s\": unknown api \"%s\"; known: %s", p->id, p->api,
                          names);
    else if (!provider_api_is_azure(api) && (p->deployment || p->api_version))
        st = config_wrong(r, at,
                          "provider \"%s\": only the apis azure and azure_responses have a "
                          "deployment and an api_version",
                          p->id);
    x_free(&names);
    return st;
}

static enum status provider_check(const struct reading *r, const config_setting_t *at,
                                  const struct config_provider *p) {
    if (!p->id)
        return config_wrong(r, at, "a provider needs an `id`");
    if (!config_id_ok(p->id))
        return config_wrong(r, at, "provider id \"%s\" may only hold a-z, 0-9, _ and -", p->id);
    if (str_eq(p->id, "rehearsal"))
        return config_wrong(r, at, "provider \"rehearsal\" is built in; choose another id");
    for (size_t i = 0; i < r->c->nproviders; i++)
        if (str_eq(r->c->providers[i].id, p->id))
            return config_wrong(r, at, "provider \"%s\" is already described in line %d", p->id,
                                r->c->providers[i].line);
    enum status st = api_check(r, at, p);
    if (st != STATUS_OK)
        return st;
    if (p->base_url && !config_url_ok(p->base_url))
        return config_wrong(r, at, "provider \"%s\": base_url must begin with http:// or https://",
                            p->id);
    if (p->base_url && config_url_has_login(p->base_url))
        return config_wrong(r, at, "provider \"%s\": no login in base_url; use api_key", p->id);
    if (!p->base_url && !provider_find(p->id))
        return config_wrong(r, at, "provider \"%s\" needs a `base_url`", p->id);
    const char *var = p->api_key ? config_env_name(p->api_key) : NULL;
    if (var && (!*var || strchr(var, '=') || strchr(var, ' ')))
        return config_wrong(r, at, "provider \"%s\": \"%s\" does not name a variable", p->id,
                            p->api_key);
    return STATUS_OK;
}

enum status config_read_strings(const struct reading *r, const config_setting_t *g,
                                const char *prefix, const char *const *names, char **const *slots,
                                size_t n) {
    for (int i = 0; i < config_setting_length(g); i++) {
        const config_setting_t *at = config_setting_get_elem(g, (unsigned)i);
        size_t f = 0;
        while (f < n && !str_eq(names[f], config_setting_name(at)))
            f++;
        if (f == n)
            return config_unknown(r, at, "key", prefix, names, n);
        const char *s = NULL;
        enum status st = config_get_string(r, at, names[f], &s);
        if (s && !*s)
            st = config_wrong(r, at, "`%s` is empty", names[f]);
        if (st != STATUS_OK)
            return st;
        x_free(slots[f]);
        *slots[f] = xstrdup(s);
    }
    return STATUS_OK;
}

static enum status read_provider(const struct reading *r, const config_setting_t *g) {
    static const char *const names[] = {
#define X(field, what) #field,
        CONFIG_PROVIDER_FIELDS(X)
#undef X
    };
    if (!config_setting_is_group(g))
        return config_wrong(r, g, "each provider must be a group: { id = \"…\"; … }");
    struct config_provider p = {.line = (int)config_setting_source_line(g)};
    char **const slots[] = {
#define X(field, what) &p.field,
        CONFIG_PROVIDER_FIELDS(X)
#undef X
    };
    enum status st = config_read_strings(r, g, "providers: ", names, slots, ARRAY_LEN(names));
    if (st == STATUS_OK)
        st = provider_check(r, g, &p);
    if (st != STATUS_OK) {
        config_provider_free(&p);
        return st;
    }
    if (!p.api)
        p.api = xstrdup(provider_api_name(provider_find(p.id)->api));
    r->c->providers =
        xreallocarray(r->c->providers, r->c->nproviders + 1, sizeof(*r->c->providers));
    r->c->providers[r->c->nproviders++] = p;
    return STATUS_OK;
}

/* ---- permissions ----------------------------------------------------------------------------- */

static void permission_free(struct config_permission *p) {
    x_free(&p->tool);
    x_free(&p->match);
    x_free(&p->action);
}

static enum status permission_check(const struct reading *r, const config_setting_t *at,
                                    const struct config_permission *p) {
    static const char *const actions[] = {"allow", "ask", "deny"};
    if (!p->tool || !p->action)
        return config_wrong(r, at, "a permission needs a `tool` and an `action`");
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (str_eq(p->action, actions[i]))
            return STATUS_OK;
    const char *near = str_nearest(p->action, actions, ARRAY_LEN(actions));
    return config_wrong(r, at, "`action` must be allow, ask or deny, not \"%.40s\"%s%s%s",
                        p->action, near ? "; did you mean `" : "", near ? near : "",
                        near ? "`?" : "");
}

static enum status read_permission(const struct reading *r, const config_setting_t *g) {
    static const char *const names[] = {
#define X(field, what) #field,
        CONFIG_PERMISSION_FIELDS(X)
#undef X
    };
    if (!config_setting_is_group(g))
        return config_wrong(r, g,
                            "each permission must be a group: { tool = \"…\"; action = \"…\"; }");
    struct config_permission p = {.line = (int)config_setting_source_line(g)};
    char **const slots[] = {
#define X(field, what) &p.field,
        CONFIG_PERMISSION_FIELDS(X)
#undef X
    };
    enum status st = config_read_strings(r, g, "permissions: ", names, slots, ARRAY_LEN(names));
    if (st == STATUS_OK)
        st = permission_check(r, g, &p);
    if (st != STATUS_OK) {
        permission_free(&p);
        return st;
    }
    r->c->permissions =
        xreallocarray(r->c->permissions, r->c->npermissions + 1, sizeof(*r->c->permissions));
    r->c->permissions[r->c->npermissions++] = p;
    return STATUS_OK;
}

/* ---- lists of groups, beside the sections of keys and in them ---- */

static const struct config_list lists[] = {
    {NULL, "providers", "( { id = \"…\"; … } )", read_provider},
    {NULL, "permissions", "( { tool = \"…\"; match = \"…\"; action = \"…\"; } )", read_permission},
    {NULL, "prices", "( { model = \"…\"; input = 1.0; output = 5.0; } )", config_read_price},
    {"routing", "task_overrides", "( { task = \"…\"; model = \"…\"; } )", config_read_task},
    {"routing", "fallbacks", "( { model = \"…\"; then = [ \"…\" ]; } )", config_read_fallback},
};

static const struct config_list *find_list(const char *section, const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (str_eq(lists[i].section, section) && str_eq(lists[i].name, name))
            return &lists[i];
    return NULL;
}

/* Appends the lists of a section (NULL: the top) to what is known there. */
static size_t list_names(const char *section, const char **names, size_t n) {
    for (size_t i = 0; i < ARRAY_LEN(lists) && n < NAMES_MAX; i++)
        if (str_eq(lists[i].section, section))
            names[n++] = lists[i].name;
    return n;
}

enum status config_read_list(const struct reading *r, const config_setting_t *list,
                             const struct config_list *kind) {
    const char *dot = kind->section ? "." : "", *section = kind->section ? kind->section : "";
    if (!config_setting_is_list(list))
        return config_wrong(r, list, "`%s%s%s` must be a list of groups: %s", section, dot,
                            kind->name, kind->example);
    if (config_setting_length(list) > CONFIG_LIST_MAX)
        return config_wrong(r, list, "`%s%s%s` has more than %d entries", section, dot, kind->name,
                            CONFIG_LIST_MAX);
    for (int i = 0; i < config_setting_length(list); i++) {
        const config_setting_t *g = config_setting_get_elem(list, (unsigned)i);
        enum status st = kind->read(r, g);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

static enum status read_section(const struct reading *r, const config_setting_t *sec) {
    const char *section = config_setting_name(sec);
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < config_nkeys; i++)
        if (str_eq(config_keys[i].section, section) && n < NAMES_MAX)
            names[n++] = config_keys[i].name;
    n = list_names(section, names, n);
    if (!config_setting_is_group(sec))
        return config_wrong(r, sec, "`%s` must be a group: %s = { … };", section, section);
    for (int i = 0; i < config_setting_length(sec); i++) {
        const config_setting_t *at = config_setting_get_elem(sec, (unsigned)i);
        const struct config_list *list = find_list(section, config_setting_name(at));
        const struct config_key_info *k = NULL;
        for (size_t j = 0; j < config_nkeys && !k; j++)
            if (str_eq(config_keys[j].section, section) &&
                str_eq(config_keys[j].name, config_setting_name(at)))
                k = &config_keys[j];
        enum status st;
        if (k) {
            st = read_key(r, at, k);
        } else if (list) {
            st = config_read_list(r, at, list);
        } else {
            char *prefix = xasprintf("%s.", section);
            st = config_unknown(r, at, "key", prefix, names, n);
            x_free(&prefix);
        }
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

static enum status read_root(const struct reading *r, const config_setting_t *root) {
    const char *sections[NAMES_MAX];
    size_t keyed = config_sections(sections, NAMES_MAX), n = list_names(NULL, sections, keyed);
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *at = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(at);
        const struct config_list *list = find_list(NULL, name);
        size_t s = 0;
        while (s < keyed && !str_eq(sections[s], name))
            s++;
        enum status st = list        ? config_read_list(r, at, list)
                         : s < keyed ? read_section(r, at)
                                     : config_unknown(r, at, "section", "", sections, n);
        if (st != STATUS_OK)
            return st;
    }
    return STATUS_OK;
}

/* libconfig opens what `@include` names before anything could be checked. */
static enum status refuse_includes(const struct config *c, const char *text, struct cause *why) {
    int line = 1;
    for (const char *p = text; p; line++) {
        const char *word = p + strspn(p, " \t");
        if (str_prefix(word, "@include"))
            return cause_set(why, STATUS_CONFIG, "%s:%d: @include is not supported", c->path, line);
        p = strchr(p, '\n');
        if (p)
            p++;
    }
    return STATUS_OK;
}

static enum status parse(struct config *c, const char *text, struct cause *why) {
    enum status st = refuse_includes(c, text, why);
    if (st != STATUS_OK)
        return st;
    config_t cfg;
    config_init(&cfg);
    if (config_read_string(&cfg, text) == CONFIG_TRUE) {
        struct reading r = {c, why};
        st = read_root(&r, config_root_setting(&cfg));
    } else {
        st = cause_set(why, STATUS_CONFIG, "%s:%d: %s", c->path, config_error_line(&cfg),
                       config_error_text(&cfg) ? config_error_text(&cfg) : "cannot be read");
    }
    config_destroy(&cfg);
    return st;
}

static enum status read_file(struct config *c, struct buf *text, struct cause *why) {
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? STATUS_OK : cause_errno(why, STATUS_CONFIG, errno, "%s", c->path);
    struct stat sb;
    enum status st = STATUS_OK;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode))
        st = cause_set(why, STATUS_CONFIG, "%s: not a regular file", c->path);
    while (st == STATUS_OK) {
        ssize_t n = read(fd, buf_room(text, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = cause_errno(why, STATUS_CONFIG, errno, "%s", c->path);
        if (n <= 0)
            break;
        buf_added(text, (size_t)n);
        if (text->len > FILE_MAX)
            st = cause_set(why, STATUS_CONFIG, "%s: larger than %u bytes", c->path, FILE_MAX);
    }
    close(fd);
    if (st == STATUS_OK && text->len && memchr(text->data, 0, text->len))
        st = cause_set(why, STATUS_CONFIG, "%s: holds NUL bytes; not a text file", c->path);
    c->exists = true;
    return st;
}

struct config *config_defaults(const char *path) {
    struct config *c = xcalloc(1, sizeof(*c));
    c->path = xstrdup(path);
    char *base = (char *)c;
    for (size_t i = 0; i < config_nkeys; i++) {
        const struct config_key_info *k = &config_keys[i];
        void *slot = base + k->offset;
        switch (k->type) {
        case KEY_INT:
            *(int64_t *)slot = (int64_t)k->number;
            break;
        case KEY_REAL:
            *(double *)slot = k->number;
            break;
        case KEY_BOOL:
            *(bool *)slot = k->number != 0.0;
            break;
        case KEY_STRING:
            *(char **)slot = xstrdup_null(k->text);
            break;
        case KEY_LIST:
            break;
        }
    }
    return c;
}

enum status config_load(const char *path, struct config **out, struct cause *why) {
    *out = NULL;
    struct config *c = config_defaults(path);
    struct buf text = BUF_INIT;
    enum status st = read_file(c, &text, why);
    if (st == STATUS_OK && text.len)
        st = parse(c, buf_str(&text), why);
    if (st == STATUS_OK)
        st = config_add_environment(c, why);
    if (st == STATUS_OK)
        st = config_add_locals(c, why);
    if (st == STATUS_OK)
        config_add_routing(c);
    if (text.data)
        explicit_bzero(text.data, text.cap); /* it may have held keys */
    buf_free(&text);
    if (st != STATUS_OK) {
        config_free(&c);
        return st;
    }
    *out = c;
    return STATUS_OK;
}

void config_free(struct config **c) {
    if (!*c)
        return;
    char *base = (char *)*c;
    for (size_t i = 0; i < config_nkeys; i++) {
        const struct config_key_info *k = &config_keys[i];
        if (k->type == KEY_STRING)
            x_free(base + k->offset);
        else if (k->type == KEY_LIST)
            strv_free((struct strv *)(void *)(base + k->offset));
    }
    for (size_t i = 0; i < (*c)->nproviders; i++)
        config_provider_free(&(*c)->providers[i]);
    x_free(&(*c)->providers);
    for (size_t i = 0; i < (*c)->nlocals; i++)
        config_provider_free(&(*c)->locals[i]);
    x_free(&(*c)->locals);
    for (size_t i = 0; i < (*c)->npermissions; i++)
        permission_free(&(*c)->permissions[i]);
    x_free(&(*c)->permissions);
    config_free_routing(*c);
    x_free(&(*c)->path);
    x_free(c);
}
