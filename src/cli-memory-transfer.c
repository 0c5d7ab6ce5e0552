/* cli-memory-transfer: memories out into a file and in from one, and recall. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli-memory.h"
#include "memory/memory.h"
#include "memory/recall.h"
#include "memory/source.h"
#include "memory/transfer.h"

#define AT_ONCE 500                /* lines in one transaction */
#define AT_ONCE_BYTES (512 * 1024) /* a request has at most 1 MB */
#define TELL_EVERY 10000           /* lines between two words of progress */

/* --- export -------------------------------------------------------------------------------------
 */

struct out {
    FILE *file;
    long lines;
};

static bool on_line(void *arg, const cJSON *line) {
    struct out *o = arg;
    char *text = json_print(line);
    fprintf(o->file, "%s\n", text);
    free(text);
    o->lines++;
    return !ferror(o->file);
}

/* Into a file of its own first: one that is there stays whole until the new one is. */
int cli_memory_export(struct cli *c) {
    struct store_read *r;
    struct cause why = {""};
    struct out o = {.file = stdout};
    const char *name = c->n > 1 && !str_eq(c->operands[1], "-") ? c->operands[1] : NULL;
    int rc;
    enum status st = cli_memory_read(c, &r, &rc);
    if (st != STATUS_OK && st != STATUS_NOT_FOUND)
        return rc;
    char *fresh = name ? xasprintf("%s.new", name) : NULL;
    if (fresh && !(o.file = fopen(fresh, "we"))) {
        rc = cli_fail(CLI_FAILED, "%s: %s", fresh, strerror(errno));
        free(fresh);
        store_read_close(&r);
        return rc;
    }
    st = r ? memory_export(r, on_line, &o, &why) : STATUS_OK;
    store_read_close(&r);
    bool bad = fflush(o.file) != 0 || ferror(o.file);
    if (fresh) {
        bad |= fsync(fileno(o.file)) != 0;
        bad |= fclose(o.file) != 0;
        bad = bad || st != STATUS_OK || rename(fresh, name) != 0;
    }
    if (st != STATUS_OK)
        rc = cli_fail(cli_exit_of(st), "%s", why.text);
    else if (bad)
        rc = cli_fail(CLI_FAILED, "%s: %s", name ? name : "standard output", strerror(errno));
    if (bad && fresh)
        (void)unlink(fresh);
    if (!bad && name)
        fprintf(stderr, "%ld lines\n", o.lines);
    free(fresh);
    return rc;
}

/* --- import -------------------------------------------------------------------------------------
 */

struct in {
    struct cli *cli;
    struct cli_memory *m;
    cJSON *items, *aliases;
    size_t bytes;
    int64_t imported, known, refused, read, told;
};

static void refuse(struct in *in, const char *text) {
    in->refused++;
    cli_fail(CLI_FAILED, "%s", text);
}

/* What this store calls a memory that the file calls otherwise. */
static void rename_ends(const struct in *in, cJSON *item) {
    static const char *const keys[] = {"source", "target"};
    for (size_t i = 0; i < ARRAY_LEN(keys) && str_eq(json_str(item, "kind", ""), "edge"); i++) {
        const char *given = json_str(item, keys[i], NULL);
        const char *here = given ? json_str(in->aliases, given, NULL) : NULL;
        if (here)
            cJSON_ReplaceItemInObjectCaseSensitive(item, keys[i], cJSON_CreateString(here));
    }
}

static int flush(struct in *in) {
    cJSON *args, *body = NULL, *item;
    if (!in->items->child)
        return CLI_OK;
    cJSON_ArrayForEach(item, in->items) rename_ends(in, item);
    args = json_new_obj();
    json_add_str(args, "op", "import");
    cJSON_AddItemReferenceToObject(args, "items", in->items);
    int rc = cli_memory_ask(in->m, args, &body);
    cJSON_Delete(args);
    if (rc == CLI_OK) {
        in->imported += json_i64(body, "imported", 0);
        in->known += json_i64(body, "known", 0);
        cJSON_ArrayForEach(item, json_arr(body, "refused")) {
            const cJSON *bad = cJSON_GetArrayItem(in->items, (int)json_i64(item, "item", 0));
            char *text =
                xasprintf("%s: %s", json_str(bad, "where", "?"), json_str(item, "error", ""));
            refuse(in, text);
            free(text);
        }
        cJSON_ArrayForEach(
            item, json_obj(body, "aliases")) if (!json_str(in->aliases, item->string, NULL))
            json_add_str(in->aliases, item->string, item->valuestring);
    }
    cJSON_Delete(body);
    cJSON_Delete(in->items);
    in->items = json_new_arr();
    in->bytes = 0;
    if (in->read - in->told >= TELL_EVERY && !cli_has(in->cli, "json")) {
        in->told = in->read;
        fprintf(stderr, "%lld read, %lld new\n", (long long)in->read, (long long)in->imported);
    }
    return rc;
}

static int take_all(struct in *in, struct memory_source *s) {
    for (;;) {
        struct cause why = {""};
        cJSON *item;
        enum status st = memory_source_next(s, &item, &why);
        if (st == STATUS_INVALID) {
            refuse(in, why.text);
            continue;
        }
        if (st == STATUS_NOT_FOUND)
            return flush(in);
        if (st != STATUS_OK) {
            int rc = flush(in);
            return rc == CLI_OK ? cli_fail(CLI_FAILED, "%s", why.text) : rc;
        }
        char *text = json_print(item);
        size_t n = strlen(text);
        free(text);
        int rc = in->items->child && in->bytes + n > AT_ONCE_BYTES ? flush(in) : CLI_OK;
        cJSON_AddItemToArray(in->items, item);
        in->bytes += n;
        in->read++;
        if (rc == CLI_OK && cJSON_GetArraySize(in->items) >= AT_ONCE)
            rc = flush(in);
        if (rc != CLI_OK)
            return rc;
    }
}

static void print_result(const struct in *in) {
    cJSON *o = json_new_obj();
    json_add_i64(o, "imported", in->imported);
    json_add_i64(o, "known", in->known);
    json_add_i64(o, "refused", in->refused);
    if (cli_has(in->cli, "json"))
        cli_print_json(o);
    else
        printf("%lld imported, %lld known already, %lld refused\n", (long long)in->imported,
               (long long)in->known, (long long)in->refused);
    cJSON_Delete(o);
}

int cli_memory_import(struct cli *c) {
    struct cause why = {""};
    struct memory_source *s = NULL;
    struct in in = {.cli = c};
    enum status st = memory_source_open(c->operands[1], &s, &why);
    if (st != STATUS_OK)
        return cli_fail(CLI_FAILED, "%s", why.text);
    in.items = json_new_arr();
    in.aliases = json_new_obj();
    int rc = cli_memory_open(c, &in.m);
    if (rc == CLI_OK)
        rc = take_all(&in, s);
    if (in.read || in.refused)
        print_result(&in);
    if (rc == CLI_OK && in.refused)
        rc = CLI_FAILED;
    cli_memory_close(&in.m);
    memory_source_close(&s);
    cJSON_Delete(in.items);
    cJSON_Delete(in.aliases);
    return rc;
}

/* --- recall -------------------------------------------------------------------------------------
 */

static void print_hit(const struct cli *c, const struct recall_hit *h) {
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(h->created_at, at);
    if (cli_has(c, "json")) {
        cJSON *o = json_new_obj();
        json_add_str(o, "id", h->id);
        json_add_str(o, "kind", recall_kind_name(h->kind));
        json_add_str(o, "type", h->type);
        json_add_str(o, "content", h->content);
        json_add_num(o, "importance", h->importance);
        json_add_str(o, "created_at", at);
        json_add_num(o, "score", h->score);
        cJSON *why = json_add_arr(o, "why");
        for (size_t i = 0; i < h->why.n; i++)
            cJSON_AddItemToArray(why, cJSON_CreateString(h->why.v[i]));
        json_add_str(o, "channel", h->channel);
        json_add_str(o, "person", h->person);
        cli_print_json(o);
        cJSON_Delete(o);
        return;
    }
    struct buf b = BUF_INIT;
    buf_printf(&b, "%.8s  %.10s  %-11s ", h->id, at, h->type ? h->type : recall_kind_name(h->kind));
    if (h->person)
        buf_printf(&b, "[%s] ", h->person);
    cli_memory_line(&b, h->content);
    for (size_t i = 0; i < h->why.n; i++)
        buf_printf(&b, "%s%s", i ? ", " : "\n          ", h->why.v[i]);
    buf_putc(&b, '\n');
    cli_print_text(stdout, buf_str(&b), b.len);
    buf_free(&b);
}

static int recall_options(const struct cli *c, struct recall_query *q) {
    const char *limit = cli_value(c, "limit"), *mode = cli_value(c, "mode");
    const char *type = cli_value(c, "type"), *since = cli_value(c, "since");
    int64_t n = RECALL_LIMIT;
    enum memory_type t;
    if (limit && (str_to_i64(limit, &n) != STATUS_OK || n < 1 || n > RECALL_LIMIT_MAX))
        return cli_usage(c, "--limit %s: a number from 1 to %d is needed", limit, RECALL_LIMIT_MAX);
    q->limit = (int)n;
    if (mode && recall_mode_from_string(mode, &q->mode) != STATUS_OK)
        return cli_usage(c, "--mode %s: hybrid, recent, important or typed is needed", mode);
    if (type && memory_type_from_string(type, &t) != STATUS_OK)
        return cli_usage(c, "--type %s: there is no such type", type);
    if (type)
        q->types = 1u << t;
    if (since && !clock_parse(since, &q->since))
        return cli_usage(c, "--since %s: a date, or as in 2026-11-24T09:51:26Z", since);
    return CLI_OK;
}

int cli_memory_recall(struct cli *c) {
    struct store_read *r;
    struct cause why = {""};
    struct recall_result *found = NULL;
    struct recall_query q = {.text = c->operands[1],
                             .person = cli_value(c, "person"),
                             .channel = cli_value(c, "channel"),
                             .now_ms = clock_wall_ms()};
    int rc = recall_options(c, &q);
    if (rc != CLI_OK || cli_memory_read(c, &r, &rc) != STATUS_OK)
        return rc;
    enum status st = recall_run(r, &q, &found, &why);
    store_read_close(&r);
    if (st != STATUS_OK)
        return cli_fail(st == STATUS_INVALID ? CLI_USAGE : cli_exit_of(st), "%s", why.text);
    if (found->all_common && !cli_has(c, "json"))
        fputs("every word of that is too common to look for: these are the newest\n", stderr);
    for (size_t i = 0; i < found->n; i++)
        print_hit(c, &found->v[i]);
    recall_free(&found);
    return CLI_OK;
}
