/* config_text: the configuration as text for people: what acts now, and a commented file to start
 * from. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/provider.h"
#include "conf/config_keys.h"

static void put_string(struct buf *out, const char *s) {
    buf_putc(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *s);
    }
    buf_putc(out, '"');
}

/* As short as it can be, and a number with a point to libconfig. */
static void put_real(struct buf *out, double v) {
    size_t from = out->len;
    buf_printf(out, "%.15g", v);
    if (!strpbrk(buf_str(out) + from, ".en"))
        buf_puts(out, ".0");
}

static void put_list(struct buf *out, const struct strv *v) {
    buf_putc(out, '[');
    for (size_t i = 0; i < v->n; i++) {
        buf_puts(out, i ? ", " : " ");
        put_string(out, v->v[i]);
    }
    buf_puts(out, " ]");
}

static void put_value(struct buf *out, const struct config_key_info *k, const struct config *c) {
    const void *slot = (const char *)c + k->offset;
    switch (k->type) {
    case KEY_INT:
        buf_printf(out, "%lld", (long long)*(const int64_t *)slot);
        break;
    case KEY_REAL:
        put_real(out, *(const double *)slot);
        break;
    case KEY_BOOL:
        buf_puts(out, *(const bool *)slot ? "true" : "false");
        break;
    case KEY_STRING: {
        const char *s = *(char *const *)slot;
        put_string(out, s ? s : "");
        break;
    }
    case KEY_LIST:
        put_list(out, slot);
        break;
    }
}

static void put_key_state(struct buf *out, const struct config_provider *p) {
    const char *var = p->api_key ? config_env_name(p->api_key) : NULL;
    if (!p->api_key) {
        buf_puts(out, "    # api_key is not set\n");
    } else if (var) {
        char *key = config_key(p);
        buf_puts(out, "    api_key = ");
        put_string(out, p->api_key);
        buf_printf(out, ";   # the variable is %s\n", key ? "set" : "not set");
        config_key_free(&key);
    } else {
        buf_puts(out, "    # api_key is set\n");
    }
}

static void put_optional(struct buf *out, const char *name, const char *value) {
    if (!value)
        return;
    buf_printf(out, "    %s = ", name);
    put_string(out, value);
    buf_puts(out, ";\n");
}

static void put_permissions(struct buf *out, const struct config *c) {
    buf_puts(out, c->npermissions ? "permissions = (\n" : "permissions = ( );\n");
    for (size_t i = 0; i < c->npermissions; i++) {
        const struct config_permission *p = &c->permissions[i];
        buf_puts(out, "  { tool = ");
        put_string(out, p->tool);
        if (p->match) {
            buf_puts(out, "; match = ");
            put_string(out, p->match);
        }
        buf_puts(out, "; action = ");
        put_string(out, p->action);
        buf_printf(out, "; }%s\n", i + 1 < c->npermissions ? "," : "");
    }
    if (c->npermissions)
        buf_puts(out, ");\n");
}

static void put_member(struct buf *out, const char *name, const char *value) {
    if (!value)
        return;
    buf_printf(out, " %s = ", name);
    put_string(out, value);
    buf_putc(out, ';');
}

/* The lists of `routing`, inside its section. */
static void put_routing(struct buf *out, const struct config *c) {
    for (size_t i = 0; i < c->routing.ntask_overrides; i++) {
        buf_puts(out, i ? ",\n    {" : "  task_overrides = (\n    {");
        put_member(out, "task", c->routing.task_overrides[i].task);
        put_member(out, "model", c->routing.task_overrides[i].model);
        buf_puts(out, " }");
    }
    buf_puts(out, c->routing.ntask_overrides ? "\n  );\n" : "  task_overrides = ( );\n");
    for (size_t i = 0; i < c->routing.nfallbacks; i++) {
        const struct config_fallback *f = &c->routing.fallbacks[i];
        buf_puts(out, i ? ",\n    {" : "  fallbacks = (\n    {");
        put_member(out, "model", f->model);
        put_member(out, "process", f->process);
        buf_puts(out, " then = ");
        put_list(out, &f->then);
        buf_puts(out, "; }");
    }
    buf_puts(out, c->routing.nfallbacks ? "\n  );\n" : "  fallbacks = ( );\n");
}

static void put_prices(struct buf *out, const struct config *c) {
    for (size_t i = 0; i < c->nprices; i++) {
        const struct config_price *p = &c->prices[i];
        buf_puts(out, i ? ",\n  {" : "prices = (\n  {");
        put_member(out, "model", p->model);
        const double values[] = {p->input, p->output, p->cache_read, p->cache_write};
        static const char *const names[] = {"input", "output", "cache_read", "cache_write"};
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            buf_printf(out, " %s = ", names[k]);
            put_real(out, values[k]);
            buf_putc(out, ';');
        }
        buf_puts(out, " }");
    }
    buf_puts(out, c->nprices ? "\n);\n" : "prices = ( );\n");
}

char *config_show(const struct config *c) {
    struct buf out = BUF_INIT;
    buf_printf(&out, "# %s%s\n", c->path, c->exists ? "" : " (does not exist; defaults)");
    const char *sections[64];
    size_t n = config_sections(sections, ARRAY_LEN(sections));
    for (size_t s = 0; s < n; s++) {
        buf_printf(&out, "%s = {\n", sections[s]);
        for (size_t i = 0; i < config_nkeys; i++) {
            if (!str_eq(config_keys[i].section, sections[s]))
                continue;
            buf_printf(&out, "  %s = ", config_keys[i].name);
            put_value(&out, &config_keys[i], c);
            buf_puts(&out, ";\n");
        }
        if (str_eq(sections[s], "routing"))
            put_routing(&out, c);
        buf_puts(&out, "};\n");
    }
    buf_puts(&out, c->nproviders ? "providers = (\n" : "providers = ( );\n");
    for (size_t i = 0; i < c->nproviders; i++) {
        const struct config_provider *p = &c->providers[i];
        buf_puts(&out, "  {\n    id = ");
        put_string(&out, p->id);
        buf_puts(&out, ";\n    api = ");
        put_string(&out, p->api);
        buf_puts(&out, ";\n    base_url = ");
        put_string(&out, p->base_url);
        buf_puts(&out, ";\n");
        put_optional(&out, "deployment", p->deployment);
        put_optional(&out, "api_version", p->api_version);
        put_key_state(&out, p);
        buf_printf(&out, "  }%s\n", i + 1 < c->nproviders ? "," : "");
    }
    if (c->nproviders)
        buf_puts(&out, ");\n");
    put_permissions(&out, c);
    put_prices(&out, c);
    return buf_steal(&out);
}

static void put_routing_template(struct buf *out) {
    buf_puts(out, "  # Models for kinds of work; in each group:\n");
#define X(field, what) buf_printf(out, "  #   %-10s %s\n", #field, what);
    CONFIG_TASK_FIELDS(X)
    buf_puts(out, "  task_overrides = (\n"
                  "    #{ task = \"coding\"; model = \"anthropic/claude-sonnet-5-5\"; }\n"
                  "  );\n"
                  "  # Who is asked when a model fails; in each group:\n");
    CONFIG_FALLBACK_FIELDS(X)
#undef X
    buf_puts(out,
             "  fallbacks = (\n"
             "    #{ model = \"anthropic/claude-sonnet-5-5\"; then = [ \"openai/gpt-5.2\" ]; }\n"
             "  );\n");
}

char *config_template(void) {
    struct buf out = BUF_INIT;
    struct config *c = config_defaults("");
    config_add_routing(c);
    buf_puts(&out, "# spacebot.conf: every key with its default. Take the # away to change one.\n"
                   "# `spacebot config check` tells what is wrong, with the line.\n\n");
    const char *sections[64];
    size_t n = config_sections(sections, ARRAY_LEN(sections));
    for (size_t s = 0; s < n; s++) {
        buf_printf(&out, "%s = {\n", sections[s]);
        for (size_t i = 0; i < config_nkeys; i++) {
            const struct config_key_info *k = &config_keys[i];
            if (!str_eq(k->section, sections[s]))
                continue;
            buf_printf(&out, "  # %s", k->what);
            if (k->type == KEY_INT || k->type == KEY_REAL)
                buf_printf(&out, " (%.15g to %.15g)", k->min, k->max);
            buf_printf(&out, "\n  #%s = ", k->name);
            put_value(&out, k, c);
            buf_puts(&out, ";\n");
        }
        if (str_eq(sections[s], "routing"))
            put_routing_template(&out);
        buf_puts(&out, "};\n\n");
    }
    buf_puts(&out, "# Where models are. Without this list the usual variables are read:\n");
    for (size_t i = 0; i < provider_ninfos; i++)
        buf_printf(&out, "#   %s %s\n", provider_infos[i].key_var, provider_infos[i].url_var);
    buf_puts(&out, "# In each group (a comma stands between two):\n");
#define X(field, what) buf_printf(&out, "#   %-10s %s\n", #field, what);
    CONFIG_PROVIDER_FIELDS(X)
#undef X
    buf_puts(&out, "providers = (\n");
    for (size_t i = 0; i < provider_ninfos; i++) {
        const struct provider_info *e = &provider_infos[i];
        buf_printf(&out,
                   "  #{ id = \"%s\"; api = \"%s\"; base_url = \"%s\"; api_key = \"env:%s\"; }\n",
                   e->id, provider_api_name(e->api),
                   e->url ? e->url : "https://RESOURCE.openai.azure.com", e->key_var);
    }
    buf_puts(&out, ");\n\n");
    buf_puts(&out, "# What tools may do. Without a rule, what stays inside the workspace and the\n"
                   "# sandbox is allowed, and what would leave it asks. In each group:\n");
#define X(field, what) buf_printf(&out, "#   %-10s %s\n", #field, what);
    CONFIG_PERMISSION_FIELDS(X)
#undef X
    buf_puts(&out, "permissions = (\n"
                   "  #{ tool = \"shell\"; match = \"git push*\"; action = \"ask\"; }\n"
                   ");\n\n"
                   "# What models cost, where what is built in is not right. In each group:\n");
#define X(field, what) buf_printf(&out, "#   %-11s %s\n", #field, what);
    CONFIG_PRICE_FIELDS(X)
#undef X
    buf_puts(&out, "prices = (\n"
                   "  #{ model = \"local/llama\"; input = 0.0; output = 0.0; }\n"
                   ");\n");
    config_free(&c);
    return buf_steal(&out);
}
