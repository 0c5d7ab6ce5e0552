/* cli-usage: tokens and money that were used, from the store alone, beside what is allowed. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli.h"
#include "conf/config.h"
#include "store/queries.gen.h"
#include "store/store.h"

#define NAME_SHOWN 48u /* bytes of a process's name in the table */
#define DAYS_MAX 36500
#define DAY_SIZE 11

static const char *const groups[] = {"model", "process", "channel", "day"};

struct usage_verb {
    struct cli *cli;
    struct config *config;
    struct store_read *read; /* NULL: there is no store yet */
    const char *by;
    char since[DAY_SIZE]; /* "": always */
    bool json;
    struct cli_table *table;
    int64_t rows;
    double today_usd;
    bool today_guess;
};

/* ---- when ---- */

static void day_before(int64_t days, char out[DAY_SIZE]) {
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms() - days * 24 * 3600 * 1000, at);
    memcpy(out, at, DAY_SIZE - 1);
    out[DAY_SIZE - 1] = '\0';
}

/* "2026-11-24", and what RFC 3339 has behind it, which says no more here: days are counted. */
static bool is_date(const char *s) {
    static const char form[] = "dddd-dd-dd";
    for (size_t i = 0; i < DAY_SIZE - 1; i++)
        if (form[i] == 'd' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
            return false;
    return s[DAY_SIZE - 1] == '\0' || s[DAY_SIZE - 1] == 'T';
}

/* "7d" are this day and the six before it. */
static bool is_days(const char *s, int64_t *out) {
    size_t n = strlen(s);
    char number[8];
    if (n < 2 || n > sizeof number || s[n - 1] != 'd')
        return false;
    memcpy(number, s, n - 1);
    number[n - 1] = '\0';
    return str_to_i64(number, out) == STATUS_OK && *out > 0 && *out <= DAYS_MAX;
}

static int read_since(struct usage_verb *v) {
    const char *s = cli_value(v->cli, "since");
    int64_t days = 1;
    if (!s)
        return CLI_OK;
    if (is_date(s))
        snprintf(v->since, sizeof v->since, "%.10s", s);
    else if (str_eq(s, "today") || is_days(s, &days))
        day_before(days - 1, v->since);
    else if (str_eq(s, "yesterday"))
        day_before(1, v->since);
    else
        return cli_usage(v->cli,
                         "--since %s: a day (2026-11-24), a number of days (7d), today or "
                         "yesterday",
                         s);
    return CLI_OK;
}

static int read_by(struct usage_verb *v) {
    const char *by = cli_value(v->cli, "by");
    v->by = by ? by : groups[0];
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (str_eq(v->by, groups[i]))
            return CLI_OK;
    const char *near = str_nearest(v->by, groups, ARRAY_LEN(groups));
    return near ? cli_usage(v->cli, "--by %s is not known; did you mean %s?", by, near)
                : cli_usage(v->cli, "--by %s is not known: model, process, channel or day", by);
}

/* ---- rows ---- */

static void put_json(const struct usage_verb *v, const char *type,
                     const struct q_usage_by_row *row) {
    cJSON *o = json_new_obj();
    json_add_str(o, "type", type);
    if (str_eq(type, "usage")) {
        json_add_str(o, "by", v->by);
        json_add_str(o, "name", row->name);
        if (row->label)
            json_add_str(o, "task", row->label);
    }
    json_add_i64(o, "input_tokens", row->input_tokens);
    json_add_i64(o, "output_tokens", row->output_tokens);
    json_add_i64(o, "cache_read_tokens", row->cache_read_tokens);
    json_add_i64(o, "cache_write_tokens", row->cache_write_tokens);
    json_add_i64(o, "calls", row->requests);
    json_add_num(o, "cost_usd", row->cost_usd);
    json_add_bool(o, "cost_is_estimate", row->estimated_rows > 0);
    cli_print_json(o);
    cJSON_Delete(o);
}

/* What a process is called: by what it was asked to do, else by its id. */
static char *name_of(const struct usage_verb *v, const struct q_usage_by_row *row) {
    if (str_eq(v->by, "channel"))
        return xasprintf("#%s", row->name);
    if (!row->label)
        return xstrdup(row->name);
    size_t n = strcspn(row->label, "\n"), keep = utf8_cut(row->label, n, NAME_SHOWN);
    return xasprintf("%.15s  %.*s%s", row->name, (int)keep, row->label,
                     row->label[keep] ? "…" : "");
}

static void put_cells(const struct usage_verb *v, const char *name,
                      const struct q_usage_by_row *row) {
    char calls[CLI_NUMBER], in[CLI_NUMBER], cached[CLI_NUMBER], out[CLI_NUMBER], usd[MONEY_SIZE];
    snprintf(calls, sizeof calls, "%lld", (long long)row->requests);
    cli_count(row->input_tokens + row->cache_read_tokens + row->cache_write_tokens, in);
    cli_count(row->cache_read_tokens, cached);
    cli_count(row->output_tokens, out);
    money_text(row->cost_usd, row->estimated_rows > 0, usd);
    cli_table_row(v->table, (const char *[]){name, calls, in, cached, out, usd});
}

static bool on_row(void *arg, const struct q_usage_by_row *row) {
    struct usage_verb *v = arg;
    v->rows++;
    if (v->json) {
        put_json(v, "usage", row);
        return true;
    }
    char *name = name_of(v, row);
    put_cells(v, name, row);
    x_free(&name);
    return true;
}

static bool on_total(void *arg, const struct q_usage_by_row *row) {
    struct usage_verb *v = arg;
    if (v->json)
        put_json(v, "total", row);
    else if (v->rows)
        put_cells(v, "total", row);
    return true;
}

/* ---- what is allowed ---- */

static void print_own(const char *kind, double dollars, int64_t tokens) {
    char usd[MONEY_SIZE], n[CLI_NUMBER];
    const char *what = str_eq(kind, "channel") ? " for one message" : "";
    money_text(dollars, false, usd);
    cli_count(tokens, n);
    if (dollars > 0)
        printf("a %s may cost %s%s (limits.%s_dollars)\n", kind, usd, what, kind);
    if (tokens > 0)
        printf("a %s may use %s tokens%s (limits.%s_tokens)\n", kind, n, what, kind);
}

static void print_limits(const struct usage_verb *v) {
    const struct config_limits *l = &v->config->limits;
    char spent[MONEY_SIZE], most[MONEY_SIZE];
    money_text(v->today_usd, v->today_guess, spent);
    money_text(l->dollars_a_day, false, most);
    if (l->dollars_a_day > 0)
        printf("today (UTC) %s of %s, %.0f %% (limits.dollars_a_day)\n", spent, most,
               v->today_usd / l->dollars_a_day * 100);
    else
        printf("today (UTC) %s, without a limit (limits.dollars_a_day)\n", spent);
    print_own("channel", l->channel_dollars, l->channel_tokens);
    print_own("branch", l->branch_dollars, l->branch_tokens);
    print_own("worker", l->worker_dollars, l->worker_tokens);
}

static void limits_json(const struct usage_verb *v) {
    const struct config_limits *l = &v->config->limits;
    char day[DAY_SIZE];
    day_before(0, day);
    cJSON *o = json_new_obj();
    json_add_str(o, "type", "today");
    json_add_str(o, "day", day);
    json_add_num(o, "cost_usd", v->today_usd);
    json_add_bool(o, "cost_is_estimate", v->today_guess);
    if (l->dollars_a_day > 0)
        json_add_num(o, "limit_usd", l->dollars_a_day);
    else
        json_add_null(o, "limit_usd");
    cli_print_json(o);
    cJSON_Delete(o);
}

/* ---- the verb ---- */

static enum status read_today(struct usage_verb *v, struct cause *why) {
    struct q_usage_of_day_row row;
    char day[DAY_SIZE];
    day_before(0, day);
    enum status st = q_usage_of_day(v->read, day, &row, why);
    if (st == STATUS_OK) {
        v->today_usd = row.cost_usd;
        v->today_guess = row.estimated_rows > 0;
    }
    return st;
}

static enum status print_usage(struct usage_verb *v, struct cause *why) {
    static const char *const titles[] = {"MODEL", "PROCESS", "CHANNEL", "DAY (UTC)"};
    static const bool right[] = {false, true, true, true, true, true};
    const char *heads[] = {"", "CALLS", "TOK IN", "CACHED", "OUT", "COST"};
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (str_eq(v->by, groups[i]))
            heads[0] = titles[i];
    enum status st = STATUS_OK;
    if (!v->json)
        v->table = cli_table_new(ARRAY_LEN(heads), heads, right);
    if (v->read)
        st = q_usage_by(v->read, v->by, v->since, on_row, v, why);
    if (v->read && st == STATUS_OK)
        st = q_usage_by(v->read, "", v->since, on_total, v, why);
    if (v->read && st == STATUS_OK)
        st = read_today(v, why);
    if (st == STATUS_OK && !v->json && v->rows == 0)
        fprintf(stderr, "no model was asked%s%s\n", *v->since ? " since " : " yet", v->since);
    if (v->table && v->rows) {
        cli_table_print(&v->table);
        putchar('\n');
    }
    cli_table_free(&v->table);
    if (st != STATUS_OK)
        return st;
    if (v->json)
        limits_json(v);
    else
        print_limits(v);
    return STATUS_OK;
}

static int run(struct cli *c) {
    struct usage_verb v = {.cli = c, .json = cli_has(c, "json")};
    struct cause why = {""};
    int rc = read_by(&v);
    if (rc == CLI_OK)
        rc = read_since(&v);
    if (rc == CLI_OK)
        rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    if (config_load(c->home->config, &v.config, &why) != STATUS_OK)
        return cli_fail(CLI_CONFIG, "%s", why.text);
    enum status st = store_open_readonly(c->home->db, &v.read, &why);
    if (st == STATUS_OK || st == STATUS_NOT_FOUND)
        st = print_usage(&v, &why);
    store_read_close(&v.read);
    config_free(&v.config);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why.text);
}

static const struct cli_option options[] = {
    {"by", "GROUP", "model (as without it), process, channel or day"},
    {"since", "T", "from that day on: 2026-11-24, 7d, today, yesterday"},
    {"json", NULL, "one JSON object a line"},
    {NULL, NULL, NULL}};
const struct cli_verb cli_verb_usage = {
    .name = "usage",
    .operands = "",
    .summary = "tokens and money that were used",
    .details =
        "Counted in whole days (UTC), from the store, with or without an engine. TOK IN has\n"
        "the cached ones in it. ~ before an amount: a price or a number of tokens in it is\n"
        "a guess. Below stands what may be used today.",
    .options = options,
    .run = run};
