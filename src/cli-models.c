/* cli-models: what the configured providers offer and what they take for it. Asks them itself,
 * whether an engine runs or not; what cannot be asked now is told from the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/connect.h"
#include "agent/models.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "cli.h"
#include "conf/config.h"
#include "llm/price.h"

struct models_verb {
    struct cli *cli;
    struct config *config;
    const struct catalog *catalog;
    const char *only; /* NULL: all */
    bool json, ended;
    size_t told; /* providers with a list, old or new */
};

static const struct config_provider *configured(const struct config_provider *v, size_t n,
                                                const char *id) {
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i].id, id))
            return &v[i];
    return NULL;
}

static bool is_known(const struct config *c, const char *id) {
    return configured(c->providers, c->nproviders, id) || configured(c->locals, c->nlocals, id);
}

/* ---- words ---- */

/* "3.00", with ~ before a guess; an en dash where nobody knows. */
static void money(const struct price *p, double dollars, bool known, char out[CLI_NUMBER]) {
    if (known)
        snprintf(out, CLI_NUMBER, "%s%.*f", p->is_estimate ? "~" : "",
                 dollars > 0 && dollars < 0.1 ? 3 : 2, dollars);
    else
        out[0] = '\0';
}

static void age_of(const struct catalog_list *l, char out[CLI_NUMBER]) {
    cli_duration(clock_wall_ms() - l->listed_ms, out);
}

static char *full_name(const struct catalog_list *l, const char *name) {
    return xasprintf("%s/%s", l->provider, name);
}

/* ---- tables ---- */

static void put_row(struct cli_table *t, const char *full, int64_t context, const char *used) {
    char ctx[CLI_NUMBER] = "", in[CLI_NUMBER], out[CLI_NUMBER], read[CLI_NUMBER];
    struct price p;
    bool known = price_find(full, &p);
    if (context)
        cli_count(context, ctx);
    money(&p, p.input, known, in);
    money(&p, p.output, known, out);
    money(&p, p.cache_read, known, read);
    const char *cells[] = {full, ctx, in, out, read, known ? p.as_of : "", used};
    cli_table_row(t, cells);
}

struct unlisted {
    struct models_verb *verb;
    const struct catalog_list *list;
    struct strv seen;
    void (*fn)(struct models_verb *v, const struct catalog_list *l, const char *full,
               const char *name);
};

static void on_slot(void *arg, const char *slot, const char *model) {
    struct unlisted *u = arg;
    size_t n = strlen(u->list->provider);
    (void)slot;
    if (!model || strncmp(model, u->list->provider, n) != 0 || model[n] != '/' ||
        catalog_lists(u->list, model + n + 1))
        return;
    for (size_t i = 0; i < u->seen.n; i++)
        if (str_eq(u->seen.v[i], model))
            return;
    strv_push(&u->seen, model);
    u->fn(u->verb, u->list, model, model + n + 1);
}

/* What is configured and not in the list. */
static void each_unlisted(struct models_verb *v, const struct catalog_list *l,
                          void (*fn)(struct models_verb *v, const struct catalog_list *l,
                                     const char *full, const char *name)) {
    struct unlisted u = {.verb = v, .list = l, .fn = fn};
    if (l->listed_ms && l->whole)
        models_slots(v->config, on_slot, &u);
    strv_free(&u.seen);
}

static void print_unlisted(struct models_verb *v, const struct catalog_list *l, const char *full,
                           const char *name) {
    struct buf text = BUF_INIT;
    const char *nearest = catalog_nearest(l, name);
    buf_printf(&text, "  not listed: %s (", full);
    models_used_by(v->config, full, &text);
    buf_puts(&text, ")");
    if (nearest)
        buf_printf(&text, "; nearest to it is %s/%s", l->provider, nearest);
    buf_putc(&text, '\n');
    cli_print_text(stdout, buf_str(&text), text.len);
    buf_free(&text);
}

static void print_models(struct models_verb *v, const struct catalog_list *l) {
    static const char *const heads[] = {"MODEL",  "CONTEXT",  "IN",     "OUT",
                                        "CACHED", "PRICE OF", "USED BY"};
    static const bool right[] = {false, true, true, true, true, false, false};
    struct cli_table *t = cli_table_new(ARRAY_LEN(heads), heads, right);
    for (size_t i = 0; i < l->n; i++) {
        struct buf used = BUF_INIT;
        char *full = full_name(l, l->v[i].name);
        models_used_by(v->config, full, &used);
        put_row(t, full, l->v[i].context_tokens, buf_str(&used));
        x_free(&full);
        buf_free(&used);
    }
    cli_table_print(&t);
}

static void print_provider(struct models_verb *v, const struct catalog_list *l) {
    const struct provider_info *known = provider_find(l->provider);
    char age[CLI_NUMBER];
    age_of(l, age);
    struct buf head = BUF_INIT;
    buf_printf(&head, "%s%s%s%s", l->provider, known ? " (" : "", known ? known->name : "",
               known ? ")" : "");
    if (l->listed_ms)
        buf_printf(&head, ": %zu model%s", l->n, l->n == 1 ? "" : "s");
    if (l->listed_ms && (l->error || cli_has(v->cli, "cached")))
        buf_printf(&head, ", as of %s ago", age);
    if (l->listed_ms && !l->whole)
        buf_puts(&head, ", and more that it did not tell");
    if (l->error)
        buf_printf(&head, "\n  %s: %s",
                   cli_has(v->cli, "cached") ? "could not be asked" : "cannot be asked now",
                   l->error);
    buf_putc(&head, '\n');
    cli_print_text(stdout, buf_str(&head), head.len);
    buf_free(&head);
    if (l->n)
        print_models(v, l);
    each_unlisted(v, l, print_unlisted);
    putchar('\n');
}

/* ---- JSON ---- */

static cJSON *head_json(const struct models_verb *v, const struct catalog_list *l) {
    char at[CLOCK_RFC3339_SIZE];
    cJSON *o = json_new_obj();
    clock_rfc3339(l->listed_ms, at);
    json_add_str(o, "provider", l->provider);
    json_add_str(o, "listed_at", l->listed_ms ? at : NULL);
    json_add_bool(o, "cached", l->error || cli_has(v->cli, "cached"));
    return o;
}

static void print_one_json(struct models_verb *v, const struct catalog_list *l, const char *full,
                           const struct catalog_model *m) {
    cJSON *o = head_json(v, l);
    struct price p;
    json_add_str(o, "model", full);
    json_add_str(o, "title", m ? m->title : NULL);
    json_add_bool(o, "listed", m != NULL);
    if (m && m->context_tokens)
        json_add_i64(o, "context_tokens", m->context_tokens);
    else
        json_add_null(o, "context_tokens");
    if (price_find(full, &p)) {
        cJSON *price = json_add_obj(o, "price");
        json_add_num(price, "input", p.input);
        json_add_num(price, "output", p.output);
        json_add_num(price, "cache_read", p.cache_read);
        json_add_num(price, "cache_write", p.cache_write);
        json_add_bool(price, "is_estimate", p.is_estimate);
        json_add_str(price, "as_of", *p.as_of ? p.as_of : NULL);
    } else {
        json_add_null(o, "price");
    }
    struct buf used = BUF_INIT;
    models_used_by(v->config, full, &used);
    cJSON *list = json_add_arr(o, "used_by");
    char *save = NULL;
    for (char *one = used.len ? strtok_r(used.data, ",", &save) : NULL; one;
         one = strtok_r(NULL, ",", &save))
        cJSON_AddItemToArray(list, cJSON_CreateString(one + strspn(one, " ")));
    buf_free(&used);
    if (!m) {
        const char *nearest = catalog_nearest(l, strchr(full, '/') + 1);
        char *name = nearest ? full_name(l, nearest) : NULL;
        json_add_str(o, "nearest", name);
        x_free(&name);
    }
    cli_print_json(o);
    cJSON_Delete(o);
}

static void unlisted_json(struct models_verb *v, const struct catalog_list *l, const char *full,
                          const char *name) {
    (void)name;
    print_one_json(v, l, full, NULL);
}

static void print_provider_json(struct models_verb *v, const struct catalog_list *l) {
    if (l->error) {
        cJSON *o = head_json(v, l);
        json_add_str(o, "error", l->error);
        cli_print_json(o);
        cJSON_Delete(o);
    }
    for (size_t i = 0; i < l->n; i++) {
        char *full = full_name(l, l->v[i].name);
        print_one_json(v, l, full, &l->v[i]);
        x_free(&full);
    }
    each_unlisted(v, l, unlisted_json);
}

/* ---- the verb ---- */

static void print_all(struct models_verb *v) {
    for (size_t i = 0; i < v->catalog->n; i++) {
        const struct catalog_list *l = &v->catalog->v[i];
        /* What was connected once and is no longer is of no use now. */
        if ((v->only && !str_eq(l->provider, v->only)) || !is_known(v->config, l->provider))
            continue;
        v->told += l->listed_ms > 0;
        if (v->json)
            print_provider_json(v, l);
        else
            print_provider(v, l);
    }
    if (v->told && !v->json)
        printf("dollars a million tokens; ~ is a guess, – is not known; prices in spacebot.conf go "
               "before all\n");
}

static void on_known(void *arg) {
    struct models_verb *v = arg;
    v->ended = true;
}

/* Nothing is asked for what cannot answer. */
static int check_provider(struct models_verb *v) {
    const struct config *c = v->config;
    if (v->only && !is_known(c, v->only)) {
        const struct provider_info *known = provider_find(v->only);
        if (known)
            return cli_fail(CLI_CONFIG,
                            "%s is not connected: set %s, or name it under providers in "
                            "%s",
                            known->id, known->key_var, c->path);
        const char **names = xcalloc(c->nproviders + provider_ninfos, sizeof(*names));
        size_t n = 0;
        for (size_t i = 0; i < c->nproviders; i++)
            names[n++] = c->providers[i].id;
        for (size_t i = 0; i < provider_ninfos; i++)
            names[n++] = provider_infos[i].id;
        const char *near = str_nearest(v->only, names, n);
        int rc =
            near ? cli_usage(v->cli, "there is no provider \"%s\"; did you mean %s?", v->only, near)
                 : cli_usage(v->cli, "there is no provider \"%s\"", v->only);
        x_free(&names);
        return rc;
    }
    return CLI_OK;
}

static int ask(struct models_verb *v) {
    struct loop *loop = loop_new(LOOP_REAL);
    struct job_pool *jobs = job_pool_new(loop, 1, 4);
    struct llm *llm = connect_llm(loop, v->config, NULL, NULL);
    log_set_level(LOG_ERROR);
    connect_prices(v->config);
    struct models *m = models_new(&(struct models_options){.loop = loop,
                                                           .jobs = jobs,
                                                           .llm = llm,
                                                           .config = v->config,
                                                           .path = v->cli->home->models,
                                                           .now = true,
                                                           .cached = cli_has(v->cli, "cached"),
                                                           .only = v->only,
                                                           .done = on_known,
                                                           .arg = v});
    while (!v->ended)
        (void)loop_turn(loop, -1);
    v->catalog = models_catalog(m);
    print_all(v);
    int rc = CLI_OK;
    if (!v->told && !v->catalog->n && !cli_has(v->cli, "cached"))
        rc = cli_fail(CLI_CONFIG,
                      "no provider is connected: set " PROVIDER_KEYS_TEXT ", or name one in %s",
                      v->config->path);
    else if (!v->told)
        rc = cli_fail(CLI_PROVIDER, "no provider has said what it offers%s",
                      cli_has(v->cli, "cached") ? " yet; without --cached they are asked" : "");
    job_pool_free(&jobs);
    models_free(&m);
    llm_free(&llm);
    price_forget();
    loop_free(&loop);
    return rc;
}

static int run(struct cli *c) {
    struct models_verb v = {
        .cli = c, .only = c->n ? c->operands[0] : NULL, .json = cli_has(c, "json")};
    struct cause why;
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    if (config_load(c->home->config, &v.config, &why) != STATUS_OK)
        return cli_fail(CLI_CONFIG, "%s", why.text);
    rc = check_provider(&v);
    if (rc == CLI_OK)
        rc = ask(&v);
    config_free(&v.config);
    return rc;
}

static const struct cli_option options[] = {{"cached", NULL, "ask nobody: what they said last"},
                                            {"json", NULL, "one JSON object a line"},
                                            {NULL, NULL, NULL}};
const struct cli_verb cli_verb_models = {
    .name = "models",
    .operands = "[PROVIDER]",
    .summary = "what the providers offer, and what it costs",
    .details =
        "Asks every provider that is connected, all at once; one that does not answer is told\n"
        "from what it said last. Prices are dollars a million tokens: what the\n"
        "configuration says, else the provider's own list, else the table of this program,\n"
        "with ~ where that is a guess. Exit 4 when nobody has answered, now or before.",
    .most = 1,
    .options = options,
    .run = run};
