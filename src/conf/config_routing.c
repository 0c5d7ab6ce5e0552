/* config_routing: the lists of spacebot.conf that are about models: which one a kind of work has,
 * who is asked when one fails, what their tokens cost. */
#include <string.h>

#include "base/mem.h"
#include "conf/config-internal.h"

#define PRICE_MAX 100000.0 /* dollars a million tokens */

/* "provider/model". */
static enum status check_model(const struct reading *r, const config_setting_t *at,
                               const char *label, const char *model) {
    const char *slash = strchr(model, '/');
    char *id = slash ? xstrndup(model, (size_t)(slash - model)) : NULL;
    bool good = id && config_id_ok(id) && slash[1] && !strchr(model, ' ');
    x_free(&id);
    if (good)
        return STATUS_OK;
    return config_wrong(r, at, "`%s`: \"%.80s\" is no model; write provider/model", label, model);
}

static enum status check_group(const struct reading *r, const config_setting_t *g,
                               const char *list) {
    if (config_setting_is_group(g))
        return STATUS_OK;
    return config_wrong(r, g, "each of `%s` must be a group: { … }", list);
}

/* ---- task_overrides ---- */

static void task_free(struct config_task *t) {
    x_free(&t->task);
    x_free(&t->model);
}

enum status config_read_task(const struct reading *r, const config_setting_t *g) {
    static const char *const names[] = {"task", "model"};
    struct config_task t = {.line = (int)config_setting_source_line(g)};
    char **const slots[] = {&t.task, &t.model};
    enum status st = check_group(r, g, "routing.task_overrides");
    if (st == STATUS_OK)
        st = config_read_strings(r, g, "routing.task_overrides: ", names, slots, ARRAY_LEN(names));
    if (st == STATUS_OK && (!t.task || !t.model))
        st = config_wrong(r, g, "each of `routing.task_overrides` needs a `task` and a `model`");
    if (st == STATUS_OK && t.model)
        st = check_model(r, g, "routing.task_overrides: model", t.model);
    if (st != STATUS_OK) {
        task_free(&t);
        return st;
    }
    struct config *c = r->c;
    c->routing.task_overrides =
        xreallocarray(c->routing.task_overrides, c->routing.ntask_overrides + 1, sizeof t);
    c->routing.task_overrides[c->routing.ntask_overrides++] = t;
    return STATUS_OK;
}

/* ---- fallbacks ---- */

static void fallback_free(struct config_fallback *f) {
    x_free(&f->model);
    x_free(&f->process);
    strv_free(&f->then);
}

static enum status read_then(const struct reading *r, const config_setting_t *at,
                             struct strv *out) {
    int type = config_setting_type(at), n = config_setting_length(at);
    if ((type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) || n < 1 || n > CONFIG_LIST_MAX)
        return config_wrong(r, at, "`then` must be a list of models: [ \"provider/model\", … ]");
    for (int i = 0; i < n; i++) {
        const char *s = NULL;
        const config_setting_t *e = config_setting_get_elem(at, (unsigned)i);
        enum status st = config_get_string(r, e, "then", &s);
        if (st == STATUS_OK)
            st = check_model(r, at, "then", s);
        if (st != STATUS_OK)
            return st;
        strv_push(out, s);
    }
    return STATUS_OK;
}

static enum status check_process(const struct reading *r, const config_setting_t *at,
                                 const char *kind) {
    static const char *const kinds[] = {"channel", "branch", "worker"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(kind, kinds[i]))
            return STATUS_OK;
    return config_wrong(r, at, "`process` must be channel, branch or worker, not \"%.40s\"", kind);
}

static enum status read_fallback(const struct reading *r, const config_setting_t *g,
                                 struct config_fallback *f) {
    static const char *const names[] = {"model", "process", "then"};
    for (int i = 0; i < config_setting_length(g); i++) {
        const config_setting_t *at = config_setting_get_elem(g, (unsigned)i);
        const char *name = config_setting_name(at), *s = NULL;
        enum status st;
        if (str_eq(name, "then")) {
            st = read_then(r, at, &f->then);
        } else if (str_eq(name, "model") || str_eq(name, "process")) {
            bool model = str_eq(name, "model");
            st = config_get_string(r, at, name, &s);
            if (st == STATUS_OK)
                st = model ? check_model(r, at, "model", s) : check_process(r, at, s);
            if (st == STATUS_OK)
                *(model ? &f->model : &f->process) = xstrdup(s);
        } else {
            st = config_unknown(r, at, "key", "routing.fallbacks: ", names, ARRAY_LEN(names));
        }
        if (st != STATUS_OK)
            return st;
    }
    if (!f->then.n)
        return config_wrong(r, g, "each of `routing.fallbacks` needs a `then`");
    if (f->model && f->process)
        return config_wrong(r, g, "`routing.fallbacks`: either `model` or `process`, not both");
    return STATUS_OK;
}

enum status config_read_fallback(const struct reading *r, const config_setting_t *g) {
    struct config_fallback f = {.line = (int)config_setting_source_line(g)};
    enum status st = check_group(r, g, "routing.fallbacks");
    if (st == STATUS_OK)
        st = read_fallback(r, g, &f);
    if (st != STATUS_OK) {
        fallback_free(&f);
        return st;
    }
    struct config *c = r->c;
    c->routing.fallbacks = xreallocarray(c->routing.fallbacks, c->routing.nfallbacks + 1, sizeof f);
    c->routing.fallbacks[c->routing.nfallbacks++] = f;
    return STATUS_OK;
}

/* ---- prices ---- */

static enum status read_dollars(const struct reading *r, const config_setting_t *at,
                                const char *name, double *out) {
    int type = config_setting_type(at);
    bool whole = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
    if (!whole && type != CONFIG_TYPE_FLOAT)
        return config_wrong(r, at, "`prices: %s` must be a number", name);
    *out = whole ? (double)config_setting_get_int64(at) : config_setting_get_float(at);
    if (*out >= 0 && *out <= PRICE_MAX)
        return STATUS_OK;
    return config_wrong(r, at, "`prices: %s` must be from 0 to %.15g dollars a million tokens",
                        name, PRICE_MAX);
}

static enum status read_price(const struct reading *r, const config_setting_t *g,
                              struct config_price *p) {
    static const char *const names[] = {
#define X(field, what) #field,
        CONFIG_PRICE_FIELDS(X)
#undef X
    };
    double *const slots[] = {NULL, &p->input, &p->output, &p->cache_read, &p->cache_write};
    for (int i = 0; i < config_setting_length(g); i++) {
        const config_setting_t *at = config_setting_get_elem(g, (unsigned)i);
        const char *s = NULL;
        enum status st;
        size_t f = 0;
        while (f < ARRAY_LEN(names) && !str_eq(names[f], config_setting_name(at)))
            f++;
        if (f == ARRAY_LEN(names)) {
            st = config_unknown(r, at, "key", "prices: ", names, ARRAY_LEN(names));
        } else if (f > 0) {
            st = read_dollars(r, at, names[f], slots[f]);
        } else {
            st = config_get_string(r, at, "model", &s);
            if (st == STATUS_OK)
                st = check_model(r, at, "prices: model", s);
            if (st == STATUS_OK)
                p->model = xstrdup(s);
        }
        if (st != STATUS_OK)
            return st;
    }
    if (!p->model || p->input < 0 || p->output < 0)
        return config_wrong(r, g, "each of `prices` needs a `model`, an `input` and an `output`");
    if (p->cache_read < 0)
        p->cache_read = p->input;
    if (p->cache_write < 0)
        p->cache_write = p->input;
    return STATUS_OK;
}

enum status config_read_price(const struct reading *r, const config_setting_t *g) {
    struct config_price p = {.input = -1,
                             .output = -1,
                             .cache_read = -1,
                             .cache_write = -1,
                             .line = (int)config_setting_source_line(g)};
    enum status st = check_group(r, g, "prices");
    if (st == STATUS_OK)
        st = read_price(r, g, &p);
    if (st != STATUS_OK) {
        x_free(&p.model);
        return st;
    }
    struct config *c = r->c;
    c->prices = xreallocarray(c->prices, c->nprices + 1, sizeof p);
    c->prices[c->nprices++] = p;
    return STATUS_OK;
}

void config_free_routing(struct config *c) {
    for (size_t i = 0; i < c->routing.ntask_overrides; i++)
        task_free(&c->routing.task_overrides[i]);
    x_free(&c->routing.task_overrides);
    for (size_t i = 0; i < c->routing.nfallbacks; i++)
        fallback_free(&c->routing.fallbacks[i]);
    x_free(&c->routing.fallbacks);
    for (size_t i = 0; i < c->nprices; i++)
        x_free(&c->prices[i].model);
    x_free(&c->prices);
}
