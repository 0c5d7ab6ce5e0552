/* cli-status: how the engine of this home is. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/money.h"
#include "base/str.h"
#include "cli.h"

static void line(const char *label, const char *text) {
    printf("%-11s ", label);
    cli_print_text(stdout, text, __builtin_strlen(text));
    putchar('\n');
}

static void put_screen(const cJSON *body, struct buf *out) {
    const cJSON *screen = json_obj(body, "screen");
    int64_t followers = json_i64(body, "followers", 0);
    if (screen)
        buf_printf(out, "%s, %lldx%lld", json_str(screen, "term", "?"),
                   (long long)json_i64(screen, "cols", 0), (long long)json_i64(screen, "rows", 0));
    else
        buf_puts(out, "none");
    if (followers)
        buf_printf(out, ", %lld following", (long long)followers);
}

static void put_processes(const cJSON *body, struct buf *out) {
    const cJSON *list = json_obj(body, "processes"), *it = NULL;
    cJSON_ArrayForEach(it, list) {
        if (it->valuedouble > 0)
            buf_printf(out, "%s%.0f %s%s", out->len ? ", " : "", it->valuedouble, it->string,
                       it->valuedouble > 1 ? (str_suffix(it->string, "ch") ? "es" : "s") : "");
    }
    if (!out->len)
        buf_puts(out, "none");
}

/* Of this day (UTC), beside what it may be. */
static void put_money(const cJSON *today, struct buf *out) {
    char spent[MONEY_SIZE], limit[MONEY_SIZE];
    double most = json_num(today, "limit_usd", 0);
    money_text(json_num(today, "cost_usd", 0), json_bool(today, "cost_is_estimate", false), spent);
    money_text(most, false, limit);
    buf_printf(out, "%s today%s%s", spent, most > 0 ? " of " : "", most > 0 ? limit : ", no limit");
}

static void print_human(const cJSON *body) {
    struct buf text = BUF_INIT;
    char n[CLI_NUMBER];
    cli_duration(json_i64(body, "uptime_ms", 0), n);
    buf_printf(&text, "running for %s, pid %lld, version %s%s", n,
               (long long)json_i64(body, "pid", 0), json_str(body, "version", "?"),
               json_bool(body, "daemon", false) ? ", a daemon" : "");
    line("engine", buf_str(&text));
    line("home", json_str(body, "home", "?"));
    buf_reset(&text);
    buf_printf(&text, "%s%s", json_str(body, "model", "?"),
               json_bool(body, "connected", true) ? "" : " (no key: `spacebot doctor` tells how)");
    line("model", buf_str(&text));
    line("sandbox", json_str(body, "sandbox", "none"));
    buf_reset(&text);
    put_screen(body, &text);
    line("screen", buf_str(&text));
    buf_reset(&text);
    put_processes(body, &text);
    line("processes", buf_str(&text));
    buf_reset(&text);
    put_money(json_obj(body, "today"), &text);
    line("money", buf_str(&text));
    const cJSON *loop = json_obj(body, "loop"), *store = json_obj(body, "store");
    buf_reset(&text);
    buf_printf(&text, "%lld µs a turn at p99, %lld µs at most",
               (long long)json_i64(loop, "p99_us", 0), (long long)json_i64(loop, "max_us", 0));
    line("loop", buf_str(&text));
    buf_reset(&text);
    cli_count(json_i64(store, "bytes", 0), n);
    buf_printf(&text, "%s bytes, %lld writes committed", n, (long long)json_i64(store, "seq", 0));
    if (!str_eq(json_str(store, "state", "running"), "running"))
        buf_printf(&text, ", %s", json_str(store, "state", ""));
    line("store", buf_str(&text));
    if (json_i64(body, "interrupted", 0) > 0)
        printf("%lld tool runs of an earlier engine were cut off and may have had effects\n",
               (long long)json_i64(body, "interrupted", 0));
    buf_free(&text);
}

static int run(struct cli *c) {
    struct ctl_conn *conn = NULL;
    struct cause why;
    bool json = cli_has(c, "json");
    int rc = cli_home(c);
    if (rc != CLI_OK)
        return rc;
    enum status st = ctl_connect(c->home, &conn, &why);
    if (st == STATUS_UNAVAILABLE) {
        printf(json ? "{\"running\":false}\n" : "no engine runs in %s\n", c->home->dir);
        return CLI_NO_ENGINE;
    }
    if (st != STATUS_OK)
        return cli_fail(cli_exit_of(st), "%s", why.text);
    cJSON *body = NULL;
    rc = cli_request(conn, "status", NULL, &body);
    if (rc == CLI_OK && json)
        cli_print_json(body);
    else if (rc == CLI_OK)
        print_human(body);
    cJSON_Delete(body);
    ctl_conn_free(&conn);
    return rc;
}

static const struct cli_option options[] = {{"json", NULL, "one JSON object"}, {NULL, NULL, NULL}};
const struct cli_verb cli_verb_status = {.name = "status",
                                         .operands = "",
                                         .summary = "how the engine is",
                                         .options = options,
                                         .run = run};
