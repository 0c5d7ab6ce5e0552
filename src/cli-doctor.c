/* cli-doctor: what this machine and this home have of what spacebot needs; each line with its
 * remedy. */
#include <curl/curl.h>
#include <locale.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "cli-memory.h"
#include "cli-sandbox.h"
#include "cli.h"
#include "conf/config.h"
#include "engine.h"
#include "store/queries.gen.h"
#include "store/store.h"

#define FILES_LEAST 1024

/* X(NAME, "name") */
/* clang-format off */
#define VERDICT_TABLE(X)                                                                           \
    X(OK, "ok")                                                                                    \
    X(WARN, "warn")                                                                                \
    X(FAIL, "fail")
/* clang-format on */
enum verdict {
#define X(name, text) VERDICT_##name,
    VERDICT_TABLE(X)
#undef X
};

struct doctor {
    struct cli *cli;
    struct config *config; /* NULL: it cannot be read */
    bool json, failed;
};

static const char *verdict_name(enum verdict v) {
    switch (v) {
#define X(name, text)                                                                              \
    case VERDICT_##name:                                                                           \
        return text;
        VERDICT_TABLE(X)
#undef X
    }
    return "?";
}

static void tell(struct doctor *d, const char *check, enum verdict v, const char *text,
                 const char *remedy) {
    d->failed |= v == VERDICT_FAIL;
    if (d->json) {
        cJSON *o = json_new_obj();
        json_add_str(o, "check", check);
        json_add_str(o, "result", verdict_name(v));
        json_add_str(o, "text", text);
        json_add_str(o, "remedy", remedy);
        cli_print_json(o);
        cJSON_Delete(o);
        return;
    }
    printf("%-5s %-10s ", verdict_name(v), check);
    cli_print_text(stdout, text, strlen(text));
    putchar('\n');
    if (remedy) {
        printf("%*s", 17, "");
        cli_print_text(stdout, remedy, strlen(remedy));
        putchar('\n');
    }
    fflush(stdout);
}

static void check_versions(struct doctor *d) {
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    char *text = xasprintf("spacebot %s, libcurl %s, SQLite %s", PACKAGE_VERSION, curl->version,
                           sqlite3_libversion());
    tell(d, "version", VERDICT_OK, text, NULL);
    free(text);
}

/* What this libcurl can do of what the engine counts on. */
static void check_network(struct doctor *d) {
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    bool aside = curl->features & CURL_VERSION_ASYNCHDNS;
    bool http2 = curl->features & CURL_VERSION_HTTP2, gzip = curl->features & CURL_VERSION_LIBZ;
    char *text = xasprintf("TLS by %s, %s, %s, names looked up %s",
                           curl->ssl_version ? curl->ssl_version : "nobody",
                           http2 ? "HTTP/2" : "no HTTP/2", gzip ? "gzip" : "no gzip",
                           !aside       ? "while everything waits"
                           : curl->ares ? "aside, by c-ares"
                                        : "aside, by threads");
    if (!curl->ssl_version)
        tell(d, "network", VERDICT_FAIL, text,
             "install a libcurl with TLS: no provider is reached");
    else if (!aside)
        tell(d, "network", VERDICT_WARN, text,
             "install a libcurl with threads or c-ares for names: a slow name server stops all");
    else if (!http2)
        tell(d, "network", VERDICT_WARN, text,
             "install a libcurl with HTTP/2: each call needs a connection of its own");
    else if (!gzip)
        tell(d, "network", VERDICT_WARN, text,
             "install a libcurl with zlib: servers that pack unasked cannot be read");
    else
        tell(d, "network", VERDICT_OK, text, NULL);
    free(text);
}

static void check_config(struct doctor *d) {
    struct cause why;
    const char *path = d->cli->home->config;
    if (config_load(path, &d->config, &why) != STATUS_OK) {
        tell(d, "config", VERDICT_FAIL, why.text, "mend that line; `spacebot config check` again");
        return;
    }
    struct stat sb;
    bool readable = d->config->exists && stat(path, &sb) == 0 && (sb.st_mode & 077);
    bool holds_key = false;
    for (size_t i = 0; i < d->config->nproviders; i++)
        holds_key |=
            d->config->providers[i].api_key && !str_prefix(d->config->providers[i].api_key, "env:");
    char *text = xasprintf("%s%s", path, d->config->exists ? "" : " (none: defaults)");
    char *remedy = xasprintf("chmod 600 %s", path);
    if (readable && holds_key)
        tell(d, "config", VERDICT_WARN, "others can read the keys in it", remedy);
    else
        tell(d, "config", VERDICT_OK, text, NULL);
    free(remedy);
    free(text);
}

/* "anthropic/…": a name without a slash is Anthropic's. */
static const struct config_provider *provider_of(const struct config *c, const char *model,
                                                 char id[64]) {
    const char *slash = strchr(model, '/');
    snprintf(id, 64, "%.*s", slash ? (int)(slash - model) : 63, slash ? model : "anthropic");
    for (size_t i = 0; i < c->nproviders; i++)
        if (str_eq(c->providers[i].id, id))
            return &c->providers[i];
    return NULL;
}

static void check_model(struct doctor *d, const char *role, const char *model) {
    char id[64];
    const struct config_provider *p = provider_of(d->config, model, id);
    char *key = p ? config_key(p) : NULL;
    char *text = NULL, *remedy = NULL;
    if (key || (p && !config_needs_key(p))) {
        text = xasprintf("%s by %s, %s", model, p->base_url,
                         key ? "with a key" : "which needs no key");
        tell(d, role, VERDICT_OK, text, NULL);
    } else {
        text =
            xasprintf("%s: provider \"%s\" %s", model, id, p ? "has no key" : "is not described");
        const struct provider_info *e = provider_find(id);
        remedy = e ? xasprintf("export %s=…%s, or providers in %s", e->key_var,
                               d->config->nproviders ? "" : " (or another provider's key)",
                               d->cli->home->config)
                   : xasprintf("describe it under providers in %s", d->cli->home->config);
        tell(d, role, VERDICT_WARN, text, remedy);
    }
    config_key_free(&key);
    free(text);
    free(remedy);
}

static void tell_sandbox(struct doctor *d, const struct sandbox *sb, bool required) {
    enum sandbox_mode mode = sandbox_mode(sb);
    const char *reason = sandbox_reason(sb);
    char *text = xasprintf("%s%s%s", sandbox_mode_name(mode), *reason ? ": " : "", reason);
    if (mode == SANDBOX_NONE)
        tell(d, "sandbox", required ? VERDICT_FAIL : VERDICT_WARN, text,
             "install bubblewrap and allow user namespaces (sysctl "
             "kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu)");
    else
        tell(d, "sandbox", *reason ? VERDICT_WARN : VERDICT_OK, text, NULL);
    free(text);
}

static void check_sandbox(struct doctor *d) {
    char *launcher = engine_launcher();
    bool found = access(launcher, X_OK) == 0;
    tell(d, "launcher", found ? VERDICT_OK : VERDICT_FAIL, launcher,
         found ? NULL : "it is missing: install spacebot again");
    free(launcher);
    if (!found)
        return;
    struct cli_sandbox trial;
    struct cause why = {""};
    if (cli_sandbox_try(d->cli->home, d->config, &trial, &why) == STATUS_OK)
        tell_sandbox(d, trial.sandbox, !d->config || d->config->sandbox.required);
    else
        tell(d, "sandbox", VERDICT_FAIL, why.text, NULL);
    cli_sandbox_free(&trial);
}

static bool on_finding(void *arg, const struct q_quick_check_row *row) {
    char **worst = arg;
    if (!str_eq(row->result, "ok") && !*worst)
        *worst = xstrdup(row->result);
    return true;
}

static void check_store(struct doctor *d) {
    struct store_read *r = NULL;
    struct cause why = {""};
    char *worst = NULL;
    enum status st = store_open_readonly(d->cli->home->db, &r, &why);
    if (st == STATUS_NOT_FOUND) {
        tell(d, "store", VERDICT_OK, "none yet; the first engine makes it", NULL);
        return;
    }
    if (st == STATUS_OK)
        st = q_quick_check(r, on_finding, &worst, &why);
    store_read_close(&r);
    if (st == STATUS_OK && !worst)
        tell(d, "store", VERDICT_OK, "whole", NULL);
    else if (st == STATUS_UNAVAILABLE)
        tell(d, "store", VERDICT_WARN, why.text, "start an engine once: it brings it up to date");
    else
        tell(d, "store", VERDICT_FAIL, worst ? worst : why.text,
             "keep a copy of spacebot.db and its -wal file before anything else");
    free(worst);
}

/* What is kept beside the memories agrees with them; --repair makes it anew first. */
static void check_memory(struct doctor *d) {
    struct store_read *r = NULL;
    struct q_memory_check_row row;
    struct cause why = {""};
    if (cli_has(d->cli, "repair")) {
        struct cli_memory *m = NULL;
        cJSON *args = json_new_obj(), *body = NULL;
        json_add_str(args, "op", "repair");
        if (cli_memory_open(d->cli, &m) == CLI_OK)
            d->failed |= cli_memory_ask(m, args, &body) != CLI_OK;
        cli_memory_close(&m);
        cJSON_Delete(body);
        cJSON_Delete(args);
    }
    enum status st = store_open_readonly(d->cli->home->db, &r, &why);
    if (st == STATUS_OK)
        st = q_memory_check(r, &row, &why);
    store_read_close(&r);
    if (st != STATUS_OK) {
        if (st != STATUS_NOT_FOUND && st != STATUS_UNAVAILABLE)
            tell(d, "memory", VERDICT_FAIL, why.text, NULL);
        return;
    }
    int64_t wrong = row.words + row.trigrams + row.edges + row.counts;
    char *text = wrong
                     ? xasprintf("%lld entries of its indexes do not agree with what is remembered",
                                 (long long)wrong)
                     : xstrdup("its indexes agree with what is remembered");
    tell(d, "memory", wrong ? VERDICT_FAIL : VERDICT_OK, text,
         wrong ? "`spacebot doctor --repair` makes them anew; no memory is touched" : NULL);
    free(text);
}

static void check_engine(struct doctor *d) {
    struct ctl_conn *conn = NULL;
    struct cause why;
    enum status st = ctl_connect(d->cli->home, &conn, &why);
    if (st == STATUS_OK) {
        char *text = xasprintf("runs, pid %ld", (long)ctl_conn_engine(conn));
        tell(d, "engine", VERDICT_OK, text, NULL);
        free(text);
    } else if (st == STATUS_UNAVAILABLE) {
        tell(d, "engine", VERDICT_OK, "none runs", NULL);
    } else {
        tell(d, "engine", VERDICT_FAIL, why.text, NULL);
    }
    ctl_conn_free(&conn);
}

static void check_terminal(struct doctor *d) {
    const char *term = getenv("TERM");
    struct winsize w = {0};
    if (!isatty(STDIN_FILENO) && !isatty(STDOUT_FILENO)) {
        tell(d, "terminal", VERDICT_OK, "none here; exec, say and ps work without one", NULL);
        return;
    }
    (void)ioctl(isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDIN_FILENO, TIOCGWINSZ, &w);
    char *text =
        xasprintf("%s, %ux%u", term && *term ? term : "TERM is not set", w.ws_col, w.ws_row);
    if (!term || !*term || str_eq(term, "dumb"))
        tell(d, "terminal", VERDICT_WARN, text, "the screen needs TERM; --plain does not");
    else if (w.ws_col && (w.ws_col < 60 || w.ws_row < 12))
        tell(d, "terminal", VERDICT_WARN, text, "below 60x12 one pane is shown at a time");
    else
        tell(d, "terminal", VERDICT_OK, text, NULL);
    free(text);
}

static void check_system(struct doctor *d) {
    /* The engine uses this locale whatever the shell's is. */
    bool utf8 = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
    tell(d, "locale", utf8 ? VERDICT_OK : VERDICT_FAIL, "C.UTF-8",
         utf8 ? NULL : "it is missing: install the C library's locales");
    struct rlimit r = {0};
    (void)getrlimit(RLIMIT_NOFILE, &r);
    char *text = xasprintf("%llu open files allowed", (unsigned long long)r.rlim_max);
    bool few = r.rlim_max < FILES_LEAST;
    tell(d, "limits", few ? VERDICT_WARN : VERDICT_OK, text,
         few ? "raise the hard limit (ulimit -Hn) for many processes at once" : NULL);
    free(text);
}

static int run(struct cli *c) {
    struct doctor d = {.cli = c, .json = cli_has(c, "json")};
    struct cause why;
    check_versions(&d);
    check_network(&d);
    enum status st = home_open(&c->home, &why);
    if (st != STATUS_OK) {
        tell(&d, "home", VERDICT_FAIL, why.text, "or set SPACEBOT_DIR to another directory");
        return CLI_FAILED;
    }
    tell(&d, "home", VERDICT_OK, c->home->dir, NULL);
    log_set_level(LOG_ERROR); /* what rooms log of their trials is told here in words */
    check_config(&d);
    if (d.config) {
        check_model(&d, "channel", d.config->routing.channel);
        check_model(&d, "worker", d.config->routing.worker);
    }
    check_sandbox(&d);
    check_store(&d);
    check_memory(&d);
    check_engine(&d);
    check_terminal(&d);
    check_system(&d);
    config_free(&d.config);
    return d.failed ? CLI_FAILED : CLI_OK;
}

static const struct cli_option options[] = {{"repair", NULL, "make the indexes of memory anew"},
                                            {"json", NULL, "one JSON object a line"},
                                            {NULL, NULL, NULL}};
const struct cli_verb cli_verb_doctor = {
    .name = "doctor",
    .operands = "",
    .summary = "whether everything needed is here, and how to mend it",
    .details = "Exit 1 when something fails; a warning is no failure.",
    .options = options,
    .run = run};
