/* cli-config-prompt: what a model is told first: the system prompt as a turn's next call would have
 * it, put together by what a turn uses, and the tools. */
#include "cli-config.h"

#include <stdio.h>
#include <string.h>

#include "agent/prompt.h"
#include "agent/routing.h"
#include "agent/toolset.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/scrub.h"
#include "base/str.h"
#include "cli-sandbox.h"
#include "store/queries.gen.h"

#define CHANNEL "inbox" /* the screen opens on it */

/* "#ops", "channel:ops", "ops" */
static const char *bare_of(const char *name) {
    if (str_prefix(name, "channel:"))
        return name + strlen("channel:");
    return name + (*name == '#');
}

/* What the store has of the channel: its model, where it was told one, and its workspace. Nothing
 * is no failure: so a new one would be. */
static int load_channel(struct cli *c, const char *bare, bool named, struct q_channel_row *row) {
    struct store_read *r = NULL;
    struct cause why = {""};
    enum status st = store_open_readonly(c->home->db, &r, &why);
    if (st == STATUS_OK)
        st = q_channel(r, bare, row, &why);
    store_read_close(&r);
    if (st == STATUS_NOT_FOUND && named)
        return cli_fail(CLI_FAILED,
                        "there is no channel \"%s\"; without --channel it is told as for "
                        "a new one",
                        bare);
    return st == STATUS_OK || st == STATUS_NOT_FOUND ? CLI_OK
                                                     : cli_fail(cli_exit_of(st), "%s", why.text);
}

/* The keys of the configuration, so that none is printed: a person may have put one into SOUL.md.
 */
static struct scrub_values *values_of(const struct config *config) {
    struct scrub_values *values = scrub_values_new();
    for (size_t i = 0; i < config->nproviders; i++) {
        char *key = config_key(&config->providers[i]);
        if (key)
            (void)scrub_values_add(values, config->providers[i].id, key);
        config_key_free(&key);
    }
    return values;
}

static cJSON *tools_json(const struct toolset *set) {
    struct llm_tool *tools = toolset_describe(set);
    cJSON *list = json_new_arr();
    for (size_t i = 0; i < set->n; i++) {
        cJSON *t = json_new_obj(), *schema = NULL;
        struct cause why;
        json_add_str(t, "name", tools[i].name);
        json_add_str(t, "description", tools[i].description);
        if (json_parse(tools[i].schema, strlen(tools[i].schema), &schema, &why) == STATUS_OK)
            cJSON_AddItemToObject(t, "input_schema", schema);
        cJSON_AddItemToArray(list, t);
    }
    x_free(&tools);
    return list;
}

static void print_tools(const struct toolset *set) {
    struct llm_tool *tools = toolset_describe(set);
    for (size_t i = 0; i < set->n; i++)
        printf("\n# tool %s\n%s\n%s\n", tools[i].name, tools[i].description, tools[i].schema);
    x_free(&tools);
}

static void print_all(const struct cli *c, const struct process *p, const char *text) {
    struct toolset set = toolset_of(p->kind);
    if (!cli_has(c, "json")) {
        cli_print_text(stdout, text, strlen(text));
        if (!str_suffix(text, "\n"))
            putchar('\n');
        if (cli_has(c, "tools"))
            print_tools(&set);
        return;
    }
    cJSON *o = json_new_obj();
    json_add_str(o, "kind", process_kind_name(p->kind));
    json_add_str(o, "channel", p->channel);
    json_add_str(o, "model", p->model);
    json_add_str(o, "workspace", p->workspace);
    json_add_str(o, "system", text);
    if (cli_has(c, "tools"))
        cJSON_AddItemToObject(o, "tools", tools_json(&set));
    cli_print_json(o);
    cJSON_Delete(o);
}

/* p is complete but for its walls, which are tried now. */
static int print_prompt(const struct cli *c, const struct config *config, const struct process *p) {
    struct cli_sandbox trial;
    struct cause why = {""};
    int rc = CLI_OK;
    enum status st = cli_sandbox_try(c->home, config, &trial, &why);
    if (st != STATUS_OK) {
        rc = cli_fail(cli_exit_of(st), "%s", why.text);
    } else {
        struct scrub_values *values = values_of(config);
        const struct agent_parts parts = {
            .config = config, .home = c->home, .sandbox = trial.sandbox};
        char *text = scrub_take(values, prompt_system(&parts, p));
        print_all(c, p, text);
        x_free(&text);
        scrub_values_free(&values);
    }
    cli_sandbox_free(&trial);
    return rc;
}

static int find_kind(const struct cli *c, const char *name, enum process_kind *out) {
#define X(kind, text, symbol, ascii) +1
    const char *names[0 PROCESS_KIND_TABLE(X)];
#undef X
    size_t n = 0;
#define X(kind, text, symbol, ascii)                                                               \
    if (toolset_of(PROCESS_##kind).n)                                                              \
        names[n++] = text;
    PROCESS_KIND_TABLE(X)
#undef X
    if (process_kind_from_string(name, out) == STATUS_OK && toolset_of(*out).n)
        return CLI_OK;
    const char *near = str_nearest(name, names, n);
    struct buf all = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " and ", names[i]);
    int rc =
        near ? cli_usage(c, "no process of kind \"%s\" asks a model; did you mean %s?", name, near)
             : cli_usage(c, "no process of kind \"%s\" asks a model; %s do", name, buf_str(&all));
    buf_free(&all);
    return rc;
}

int cli_config_prompt(struct cli *c, const struct config *config) {
    enum process_kind kind = PROCESS_CHANNEL;
    const char *name = cli_value(c, "channel");
    const char *bare = name ? bare_of(name) : CHANNEL;
    struct q_channel_row row = {0};
    int rc = find_kind(c, cli_value(c, "prompt"), &kind);
    if (rc == CLI_OK)
        rc = load_channel(c, bare, name != NULL, &row);
    if (rc != CLI_OK)
        return rc;
    char *id = kind == PROCESS_CHANNEL ? xasprintf("channel:%s", bare)
                                       : xasprintf("%s:new", process_kind_name(kind));
    char *channel = xstrdup(bare);
    struct process p = {.kind = kind, .id = id, .bare = strchr(id, ':') + 1, .channel = channel};
    p.started_ms = clock_wall_ms();
    p.model = xstrdup(row.model ? row.model : routing_configured(config, kind, NULL));
    p.workspace = xstrdup(row.workspace ? row.workspace : c->home->workspace);
    rc = print_prompt(c, config, &p);
    x_free(&p.model);
    x_free(&p.workspace);
    x_free(&channel);
    x_free(&id);
    q_channel_free(&row);
    return rc;
}
