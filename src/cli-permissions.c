/* cli-permissions: the rules about what tools may do: those of spacebot.conf, and those that
 * "always" has remembered, which can be taken back. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/permission.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli.h"
#include "conf/config.h"
#include "conf/lock.h"
#include "loop/loop.h"
#include "store/queries.gen.h"
#include "store/store.h"

#define LOCK_NS (INT64_C(5) * NS_PER_SEC)

static cJSON *rule(const char *source, const char *tool, const char *match, const char *action) {
    char *pattern = permission_pattern(tool, match);
    cJSON *o = json_new_obj();
    json_add_str(o, "source", source);
    json_add_str(o, "pattern", pattern);
    json_add_str(o, "action", action);
    x_free(&pattern);
    return o;
}

static bool on_row(void *arg, const struct q_permission_rules_row *row) {
    cJSON *o = rule("remembered", row->tool, row->match, row->action);
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(row->created_at, at);
    json_add_i64(o, "id", row->n);
    json_add_str(o, "since", at);
    if (!row->request_n_null)
        json_add_i64(o, "request", row->request_n);
    cJSON_AddItemToArray(arg, o);
    return true;
}

static enum status collect(struct cli *c, cJSON *rules, struct cause *why) {
    struct config *config = NULL;
    struct store_read *r = NULL;
    enum status st = config_load(c->home->config, &config, why);
    for (size_t i = 0; st == STATUS_OK && i < config->npermissions; i++) {
        const struct config_permission *p = &config->permissions[i];
        cJSON *o = rule("config", p->tool, p->match, p->action);
        json_add_i64(o, "line", p->line);
        cJSON_AddItemToArray(rules, o);
    }
    config_free(&config);
    if (st != STATUS_OK)
        return st;
    st = store_open_readonly(c->home->db, &r, why);
    if (st == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (st == STATUS_OK)
        st = q_permission_rules(r, on_row, rules, why);
    store_read_close(&r);
    return st;
}

static void print_rules(const cJSON *rules) {
    static const char *const heads[] = {"ID", "ACTION", "PATTERN", "SINCE"};
    static const bool right[] = {true, false, false, false};
    struct cli_table *t = cli_table_new(ARRAY_LEN(heads), heads, right);
    const cJSON *r;
    cJSON_ArrayForEach(r, rules) {
        char *id = json_i64(r, "id", 0) ? xasprintf("%lld", (long long)json_i64(r, "id", 0)) : NULL;
        char *since = json_str(r, "since", NULL)
                          ? xstrdup(json_str(r, "since", ""))
                          : xasprintf("spacebot.conf:%lld", (long long)json_i64(r, "line", 0));
        const char *cells[] = {id, json_str(r, "action", ""), json_str(r, "pattern", ""), since};
        cli_table_row(t, cells);
        x_free(&id);
        x_free(&since);
    }
    if (cJSON_GetArraySize(rules) == 0)
        fprintf(stderr,
                "no rules: what stays inside the workspace and the sandbox is allowed, what "
                "would leave it asks\n");
    cli_table_print(&t);
}

static int list(struct cli *c) {
    struct cause why = {""};
    cJSON *rules = json_new_arr();
    const cJSON *r;
    enum status st = collect(c, rules, &why);
    if (st == STATUS_OK && cli_has(c, "json")) {
        cJSON_ArrayForEach(r, rules) cli_print_json(r);
    } else if (st == STATUS_OK) {
        print_rules(rules);
    }
    cJSON_Delete(rules);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

struct outcome {
    enum status st;
    struct cause why;
};

static void on_stored(void *arg, enum status st, const char *why) {
    struct outcome *o = arg;
    o->st = cause_set(&o->why, st, "%s", why);
}

/* Without an engine: the same writer, here. */
static enum status delete_here(struct cli *c, int64_t id, struct cause *why) {
    int lock = -1;
    struct store *s = NULL;
    struct outcome o = {.st = STATUS_IO};
    enum status st = lock_take_wait(c->home, LOCK_NS, &lock, why);
    if (st != STATUS_OK)
        return st;
    struct loop *l = loop_new(LOOP_INLINE);
    st = store_open(l, c->home->db, &s, why);
    if (st == STATUS_OK) {
        (void)store_after(s, store_permission_rule_delete(s, id), on_stored, &o);
        st = store_drain(s, LOCK_NS, why);
        struct cause ignored;
        (void)!store_close(&s, &ignored);
        if (st == STATUS_OK && o.st != STATUS_OK)
            st = o.st == STATUS_NOT_FOUND
                     ? cause_set(why, o.st, "no rule %lld is remembered", (long long)id)
                     : cause_set(why, o.st, "%s", o.why.text);
    }
    loop_free(&l);
    lock_release(&lock);
    return st;
}

static int revoke(struct cli *c) {
    struct ctl_conn *conn = NULL;
    struct cause why = {""};
    int64_t id = 0;
    if (c->n != 2 || str_to_i64(c->operands[1], &id) != STATUS_OK || id < 1)
        return cli_usage(c, "revoke needs the ID of a remembered rule");
    enum status st = ctl_connect(c->home, &conn, &why);
    if (st == STATUS_UNAVAILABLE) {
        st = delete_here(c, id, &why);
    } else if (st == STATUS_OK) {
        cJSON *args = json_new_obj();
        json_add_i64(args, "rule", id);
        st = ctl_request(conn, "revoke", args, CTL_WAIT_NS, NULL, &why);
        cJSON_Delete(args);
    }
    ctl_conn_free(&conn);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

static int run(struct cli *c) {
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    if (c->n == 0 || str_eq(c->operands[0], "list"))
        return c->n > 1 ? cli_usage(c, "list takes nothing more") : list(c);
    if (str_eq(c->operands[0], "revoke"))
        return revoke(c);
    return cli_usage(c, "unknown action \"%s\": list or revoke", c->operands[0]);
}

static const struct cli_option options[] = {{"json", NULL, "one JSON object a line"},
                                            {NULL, NULL, NULL}};
const struct cli_verb cli_verb_permissions = {
    .name = "permissions",
    .operands = "[list | revoke ID]",
    .summary = "the rules about what tools may do",
    .details = "  list       those of spacebot.conf, and those that \"always\" has remembered\n"
               "  revoke ID  takes a remembered one back: it is asked again",
    .most = 2,
    .options = options,
    .run = run};
