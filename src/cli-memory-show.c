/* cli-memory-show: memories read from the store, which needs no engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cli-memory.h"
#include "memory/memory.h"
#include "memory/transfer.h"
#include "store/queries.gen.h"

#define LIMIT_USUAL 50
#define LIMIT_MAX 100000
#define EDGES_MAX 200
#define LINE_MAX_BYTES 100 /* of a content in a list */

enum status cli_memory_read(struct cli *c, struct store_read **out, int *rc) {
    struct cause why = {""};
    *out = NULL;
    *rc = cli_home(c);
    if (*rc != CLI_OK)
        return STATUS_CONFIG;
    enum status st = store_open_readonly(c->home->db, out, &why);
    if (st == STATUS_NOT_FOUND)
        *rc = CLI_OK; /* nothing is known yet */
    else if (st != STATUS_OK)
        *rc = cli_fail(cli_exit_of(st), "%s", why.text);
    return st;
}

static int end(struct store_read **r, enum status st, const struct cause *why) {
    store_read_close(r);
    return st == STATUS_OK ? CLI_OK : cli_fail(cli_exit_of(st), "%s", why->text);
}

static int limit_of(const struct cli *c, int64_t *out) {
    const char *value = cli_value(c, "limit");
    *out = LIMIT_USUAL;
    if (value && (str_to_i64(value, out) != STATUS_OK || *out < 1 || *out > LIMIT_MAX))
        return cli_usage(c, "--limit %s: a number from 1 to %d is needed", value, LIMIT_MAX);
    return CLI_OK;
}

static int type_of(const struct cli *c, enum memory_type *out, bool *given) {
    const char *value = cli_value(c, "type");
    *given = value != NULL;
    if (value && memory_type_from_string(value, out) != STATUS_OK)
        return cli_usage(c, "--type %s: there is no such type", value);
    return CLI_OK;
}

void cli_memory_line(struct buf *out, const char *text) {
    size_t n = strcspn(text, "\r\n"), cut = utf8_cut(text, n, LINE_MAX_BYTES);
    utf8_append_visible(out, text, cut);
    if (text[cut])
        buf_puts(out, "…");
}

/* --- list ---------------------------------------------------------------------------------------
 */

static bool on_memory(void *arg, const struct memory *m) {
    const struct cli *c = arg;
    if (cli_has(c, "json")) {
        cJSON *o = memory_json(m);
        json_add_num(o, "strength", m->strength);
        json_add_i64(o, "revision", m->revision);
        cli_print_json(o);
        cJSON_Delete(o);
        return true;
    }
    struct buf b = BUF_INIT;
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(m->created_at, at);
    buf_printf(&b, "%.8s  %.10s  %-11s %.2f  ", m->id, at, memory_type_name(m->type), m->strength);
    if (m->person)
        buf_printf(&b, "[%s] ", m->person);
    cli_memory_line(&b, m->content);
    buf_putc(&b, '\n');
    cli_print_text(stdout, buf_str(&b), b.len);
    buf_free(&b);
    return true;
}

int cli_memory_list(struct cli *c) {
    struct store_read *r;
    struct cause why = {""};
    enum memory_type type;
    bool typed;
    struct memory_filter f = {.person = cli_value(c, "person"),
                              .channel = cli_value(c, "channel"),
                              .forgotten = cli_has(c, "forgotten")};
    int rc = limit_of(c, &f.limit);
    if (rc == CLI_OK)
        rc = type_of(c, &type, &typed);
    if (rc != CLI_OK)
        return rc;
    f.type = typed ? &type : NULL;
    if (cli_memory_read(c, &r, &rc) != STATUS_OK)
        return rc;
    enum status st = memory_list(r, &f, on_memory, c, &why);
    return end(&r, st, &why);
}

/* --- show ---------------------------------------------------------------------------------------
 */

struct edges {
    cJSON *json;
    struct buf text;
};

static bool on_edge(void *arg, const struct q_memory_edges_of_row *row) {
    struct edges *e = arg;
    cJSON *o = json_new_obj();
    json_add_str(o, "id", row->other);
    json_add_bool(o, "outward", row->outward);
    json_add_str(o, "relation", row->relation);
    json_add_num(o, "weight", row->weight);
    json_add_str(o, "type", row->type);
    json_add_str(o, "content", row->content);
    json_add_bool(o, "forgotten", !row->forgotten_at_null);
    cJSON_AddItemToArray(e->json, o);
    buf_printf(&e->text, "  %s %-11s %.2f  %.8s  ", row->outward ? "->" : "<-", row->relation,
               row->weight, row->other);
    cli_memory_line(&e->text, row->content);
    buf_puts(&e->text, row->forgotten_at_null ? "\n" : " (forgotten)\n");
    return true;
}

static void put_field(struct buf *b, const char *name, const char *value) {
    if (!value)
        return;
    buf_printf(b, "%-12s ", name);
    utf8_append_visible(b, value, strlen(value));
    buf_putc(b, '\n');
}

static void put_time(struct buf *b, const char *name, int64_t ms) {
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(ms, at);
    put_field(b, name, at);
}

static void print_memory(const struct memory *m, const struct edges *e) {
    struct buf b = BUF_INIT;
    put_field(&b, "id", m->id);
    put_field(&b, "type", memory_type_name(m->type));
    buf_printf(&b, "%-12s %.2f (now %.2f)\n", "importance", m->importance, m->strength);
    put_field(&b, "person", m->person);
    put_field(&b, "channel", m->channel);
    put_field(&b, "source", m->source);
    put_time(&b, "created", m->created_at);
    put_time(&b, "updated", m->updated_at);
    buf_printf(&b, "%-12s %lld times\n", "recalled", (long long)m->access_count);
    if (m->forgotten_at)
        put_time(&b, "forgotten", m->forgotten_at);
    put_field(&b, "superseded", m->superseded_by);
    buf_putc(&b, '\n');
    utf8_append_visible(&b, m->content, strlen(m->content));
    buf_puts(&b, e->text.len ? "\n\n" : "\n");
    buf_append(&b, buf_str(&e->text), e->text.len);
    cli_print_text(stdout, buf_str(&b), b.len);
    buf_free(&b);
}

int cli_memory_show(struct cli *c) {
    struct store_read *r;
    struct cause why = {""};
    struct memory m = {0};
    struct edges e = {.json = json_new_arr()};
    char id[ID_UUID_SIZE];
    int rc;
    enum status st = cli_memory_read(c, &r, &rc);
    if (st == STATUS_NOT_FOUND)
        rc = cli_fail(CLI_FAILED, "there is no memory %.40s", c->operands[1]);
    if (st != STATUS_OK) {
        cJSON_Delete(e.json);
        return rc;
    }
    st = memory_resolve(r, c->operands[1], id, &why);
    if (st == STATUS_OK)
        st = memory_get(r, id, &m, &why);
    if (st == STATUS_OK)
        st = q_memory_edges_of(r, id, EDGES_MAX, on_edge, &e, &why);
    if (st == STATUS_OK && cli_has(c, "json")) {
        cJSON *o = memory_json(&m);
        json_add_num(o, "strength", m.strength);
        json_add_i64(o, "revision", m.revision);
        cJSON_AddItemToObject(o, "edges", cJSON_Duplicate(e.json, true));
        cli_print_json(o);
        cJSON_Delete(o);
    } else if (st == STATUS_OK) {
        print_memory(&m, &e);
    }
    memory_clear(&m);
    cJSON_Delete(e.json);
    buf_free(&e.text);
    return end(&r, st, &why);
}

/* --- history ------------------------------------------------------------------------------------
 */

/* What both queries of the history select. */
#define PRINT_CHANGE(c, row)                                                                       \
    print_change(                                                                                  \
        c, &(struct change){.memory = (row)->memory_id,                                            \
                            .operation = (row)->operation,                                         \
                            .change = (row)->change,                                               \
                            .actor = (row)->actor,                                                 \
                            .reason = (row)->reason,                                               \
                            .at = (row)->at,                                                       \
                            .revision = (row)->revision,                                           \
                            .type = (row)->type,                                                   \
                            .content = (row)->content,                                             \
                            .importance = (row)->importance,                                       \
                            .person = (row)->person,                                               \
                            .superseded_by = (row)->superseded_by,                                 \
                            .target = (row)->target_id,                                            \
                            .relation = (row)->relation,                                           \
                            .weight = (row)->weight_null ? -1 : (row)->weight,                     \
                            .weight_after = (row)->weight_after_null ? -1 : (row)->weight_after,   \
                            .undone_by = (row)->undone_by})

struct change {
    const char *memory, *operation, *change, *actor, *reason, *type, *content, *person,
        *superseded_by, *target, *relation, *undone_by;
    int64_t at, revision;
    double importance, weight, weight_after;
};

static void add_weight(cJSON *o, const char *key, double weight) {
    if (weight < 0)
        json_add_null(o, key);
    else
        json_add_num(o, key, weight);
}

static void print_change_json(const struct change *h) {
    char at[CLOCK_RFC3339_SIZE];
    cJSON *o = json_new_obj();
    clock_rfc3339(h->at, at);
    json_add_str(o, "memory", h->memory);
    json_add_str(o, "operation", h->operation);
    json_add_str(o, "change", h->change);
    json_add_str(o, "by", h->actor);
    json_add_str(o, "reason", h->reason);
    json_add_str(o, "at", at);
    json_add_i64(o, "revision", h->revision);
    json_add_str(o, "undone_by", h->undone_by);
    if (h->target) {
        json_add_str(o, "target", h->target);
        json_add_str(o, "relation", h->relation);
        add_weight(o, "weight_before", h->weight);
        add_weight(o, "weight_after", h->weight_after);
    } else if (h->type) {
        cJSON *before = json_add_obj(o, "before");
        json_add_str(before, "type", h->type);
        if (h->content)
            json_add_str(before, "content", h->content);
        json_add_num(before, "importance", h->importance);
        json_add_str(before, "person", h->person);
        json_add_str(before, "superseded_by", h->superseded_by);
    } else {
        json_add_null(o, "before");
    }
    cli_print_json(o);
    cJSON_Delete(o);
}

static void print_change(const struct cli *c, const struct change *h) {
    if (cli_has(c, "json")) {
        print_change_json(h);
        return;
    }
    struct buf b = BUF_INIT;
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(h->at, at);
    buf_printf(&b, "%.8s  %s  %.8s  %-10s by ", h->operation, at, h->memory, h->change);
    utf8_append_visible(&b, h->actor, strlen(h->actor));
    if (h->target)
        buf_printf(&b, "  %s %.8s", h->relation, h->target);
    if (h->content) {
        buf_puts(&b, "  was: ");
        cli_memory_line(&b, h->content);
    }
    if (h->reason) {
        buf_puts(&b, "  because: ");
        cli_memory_line(&b, h->reason);
    }
    buf_puts(&b, h->undone_by ? "  (undone)\n" : "\n");
    cli_print_text(stdout, buf_str(&b), b.len);
    buf_free(&b);
}

static bool on_change(void *arg, const struct q_memory_history_row *row) {
    PRINT_CHANGE(arg, row);
    return true;
}

static bool on_newest(void *arg, const struct q_memory_history_newest_row *row) {
    PRINT_CHANGE(arg, row);
    return true;
}

int cli_memory_history(struct cli *c) {
    struct store_read *r;
    struct cause why = {""};
    char id[ID_UUID_SIZE];
    int64_t limit;
    int rc = limit_of(c, &limit);
    if (rc != CLI_OK || cli_memory_read(c, &r, &rc) != STATUS_OK)
        return rc;
    enum status st = c->n > 1 ? memory_resolve(r, c->operands[1], id, &why) : STATUS_OK;
    if (st == STATUS_OK && c->n > 1)
        st = q_memory_history(r, id, limit, on_change, c, &why);
    else if (st == STATUS_OK)
        st = q_memory_history_newest(r, INT64_MAX, limit, on_newest, c, &why);
    return end(&r, st, &why);
}

/* --- stats --------------------------------------------------------------------------------------
 */

static bool on_count(void *arg, const struct q_memory_counts_row *row) {
    json_add_i64(arg, row->type, row->live);
    return true;
}

static void add_time_null(cJSON *o, const char *key, int64_t ms, bool null) {
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(ms, at);
    json_add_str(o, key, null ? NULL : at);
}

int cli_memory_stats(struct cli *c) {
    struct store_read *r;
    struct cause why = {""};
    struct q_memory_stats_row s = {.oldest_null = true, .newest_null = true};
    cJSON *o = json_new_obj(), *types = json_new_obj();
    int rc;
    enum status st = cli_memory_read(c, &r, &rc);
    if (st == STATUS_OK)
        st = q_memory_stats(r, &s, &why);
    if (st == STATUS_OK)
        st = q_memory_counts(r, on_count, types, &why);
    if (st == STATUS_NOT_FOUND)
        st = STATUS_OK;
    json_add_i64(o, "live", s.total - s.forgotten);
    json_add_i64(o, "forgotten", s.forgotten);
    json_add_i64(o, "edges", s.edges);
    json_add_i64(o, "changes", s.changes);
    add_time_null(o, "oldest", s.oldest, s.oldest_null);
    add_time_null(o, "newest", s.newest, s.newest_null);
    cJSON_AddItemToObject(o, "types", types);
    if (st == STATUS_OK && cli_has(c, "json")) {
        cli_print_json(o);
    } else if (st == STATUS_OK) {
        const cJSON *t;
        printf("%lld memories, %lld forgotten, %lld edges, %lld changes\n",
               (long long)(s.total - s.forgotten), (long long)s.forgotten, (long long)s.edges,
               (long long)s.changes);
        cJSON_ArrayForEach(t, types) if (t->valuedouble > 0)
            printf("  %-12s %.0f\n", t->string, t->valuedouble);
    }
    cJSON_Delete(o);
    return end(&r, st, &why);
}
