/* transfer: see transfer.h. Nothing that comes in is believed: each member is checked as if a
 * stranger had written the file. */
#include "memory/transfer.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/memory-internal.h"
#include "memory/text.h"
#include "store/queries.gen.h"

#define PAGE 1000 /* rows that are read at once */

/* --- out ----------------------------------------------------------------------------------------
 */

static void add_time(cJSON *o, const char *key, int64_t ms) {
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(ms, text);
    json_add_str(o, key, text);
}

cJSON *memory_json(const struct memory *m) {
    cJSON *o = json_new_obj();
    json_add_str(o, "kind", "memory");
    json_add_str(o, "id", m->id);
    json_add_str(o, "type", memory_type_name(m->type));
    json_add_str(o, "content", m->content);
    json_add_num(o, "importance", m->importance);
    json_add_str(o, "source", m->source);
    json_add_str(o, "channel", m->channel);
    json_add_str(o, "person", m->person);
    add_time(o, "created_at", m->created_at);
    add_time(o, "updated_at", m->updated_at);
    add_time(o, "accessed_at", m->accessed_at);
    json_add_i64(o, "access_count", m->access_count);
    if (m->forgotten_at)
        add_time(o, "forgotten_at", m->forgotten_at);
    else
        json_add_null(o, "forgotten_at");
    json_add_str(o, "superseded_by", m->superseded_by);
    return o;
}

struct out {
    memory_line_fn *fn;
    void *arg;
    int64_t last;
    int rows;
    bool stopped;
};

static bool give(struct out *out, cJSON *line) {
    out->rows++;
    out->stopped = !out->fn(out->arg, line);
    cJSON_Delete(line);
    return !out->stopped;
}

static bool out_memory(void *arg, const struct q_memories_all_row *row) {
    struct out *out = arg;
    enum memory_type type;
    out->last = row->n;
    if (memory_type_from_string(row->type, &type) != STATUS_OK)
        return true;
    struct memory m = MEMORY_OF_ROW(row, type);
    return give(out, memory_json(&m));
}

static bool out_edge(void *arg, const struct q_memory_edges_all_row *row) {
    struct out *out = arg;
    cJSON *o = json_new_obj();
    out->last = row->n;
    json_add_str(o, "kind", "edge");
    json_add_str(o, "source", row->source_id);
    json_add_str(o, "target", row->target_id);
    json_add_str(o, "relation", row->relation);
    json_add_num(o, "weight", row->weight);
    add_time(o, "created_at", row->created_at);
    return give(out, o);
}

/* By pages, so that no snapshot is held for long. */
enum status memory_export(struct store_read *r, memory_line_fn *fn, void *arg, struct cause *why) {
    struct out out = {.fn = fn, .arg = arg};
    enum status st;
    do {
        out.rows = 0;
        st = q_memories_all(r, out.last, PAGE, out_memory, &out, why);
    } while (st == STATUS_OK && out.rows == PAGE && !out.stopped);
    out.last = 0;
    while (st == STATUS_OK && !out.stopped) {
        out.rows = 0;
        st = q_memory_edges_all(r, out.last, PAGE, out_edge, &out, why);
        if (out.rows < PAGE)
            break;
    }
    return st;
}

/* --- in -----------------------------------------------------------------------------------------
 */

struct importing {
    struct memory_op op; /* first */
    cJSON *items;
    struct memory_import_result r;
    struct map *fresh; /* ids and hashes that this operation writes; values are ids, of `ids` */
    struct strv ids;
    memory_import_fn *told;
    void *told_arg;
};

static void forget_result(struct importing *g) {
    cJSON_Delete(g->r.refused);
    cJSON_Delete(g->r.aliases);
    map_free(&g->fresh);
    strv_free(&g->ids);
    g->r = (struct memory_import_result){.imported = 0};
}

static void importing_free(struct memory_op *op) {
    struct importing *g = (struct importing *)op;
    forget_result(g);
    cJSON_Delete(g->items);
}

static enum status take_time(const cJSON *item, const char *key, int64_t fallback, int64_t *out,
                             struct cause *why) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(item, key);
    *out = fallback;
    if (!v || cJSON_IsNull(v))
        return STATUS_OK;
    if (!cJSON_IsString(v) || !clock_parse(v->valuestring, out))
        return cause_set(why, STATUS_INVALID,
                         "%s is no time: a date, or as in 2026-11-24T09:51:26.123Z", key);
    return STATUS_OK;
}

static enum status take_unit(const cJSON *item, const char *key, double fallback, double *out,
                             struct cause *why) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(item, key);
    *out = fallback;
    if (!v || cJSON_IsNull(v))
        return STATUS_OK;
    if (!cJSON_IsNumber(v))
        return cause_set(why, STATUS_INVALID, "%s is no number", key);
    *out = v->valuedouble;
    return memory_check_unit(key, *out, why);
}

static enum status take_text(const cJSON *item, const char *key, const char **out,
                             struct cause *why) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(item, key);
    *out = NULL;
    if (!v || cJSON_IsNull(v))
        return STATUS_OK;
    if (!cJSON_IsString(v))
        return cause_set(why, STATUS_INVALID, "%s is no text", key);
    *out = v->valuestring;
    return memory_check_text(key, *out, MEMORY_TEXT_MAX, why);
}

static bool is_id(const char *s) {
    return strlen(s) == ID_UUID_SIZE - 1 && strspn(s, "0123456789abcdef-") == ID_UUID_SIZE - 1;
}

static enum status take_id(const cJSON *item, const char *key, const char **out,
                           struct cause *why) {
    enum status st = take_text(item, key, out, why);
    if (st == STATUS_OK && *out && !is_id(*out))
        st = cause_set(why, STATUS_INVALID, "%s \"%.40s\" is no id (a uuid in lower case)", key,
                       *out);
    return st;
}

/* Text is lent from the item. */
static enum status take_memory(const struct importing *g, const cJSON *item, struct memory *m,
                               struct cause *why) {
    const char *type = NULL;
    *m = (struct memory){.type = MEMORY_FACT, .content = json_str(item, "content", NULL)};
    enum status st = memory_check_content(m->content, why);
    if (st == STATUS_OK)
        st = take_text(item, "type", &type, why);
    if (st == STATUS_OK && type && memory_type_from_string(type, &m->type) != STATUS_OK)
        st = cause_set(why, STATUS_INVALID, "type \"%.40s\" is not known", type);
    if (st == STATUS_OK)
        st = take_unit(item, "importance", memory_type_importance(m->type), &m->importance, why);
    if (st == STATUS_OK)
        st = take_id(item, "id", &m->id, why);
    if (st == STATUS_OK)
        st = take_id(item, "superseded_by", &m->superseded_by, why);
    if (st == STATUS_OK)
        st = take_text(item, "source", &m->source, why);
    if (st == STATUS_OK)
        st = take_text(item, "channel", &m->channel, why);
    if (st == STATUS_OK)
        st = take_text(item, "person", &m->person, why);
    if (st == STATUS_OK)
        st = take_time(item, "created_at", g->op.now, &m->created_at, why);
    if (st == STATUS_OK)
        st = take_time(item, "updated_at", m->created_at, &m->updated_at, why);
    if (st == STATUS_OK)
        st = take_time(item, "accessed_at", m->updated_at, &m->accessed_at, why);
    if (st == STATUS_OK)
        st = take_time(item, "forgotten_at", 0, &m->forgotten_at, why);
    m->access_count = json_i64(item, "access_count", 0);
    if (st == STATUS_OK && m->access_count < 0)
        st = cause_set(why, STATUS_INVALID, "access_count is below 0");
    if (st == STATUS_OK && m->type == MEMORY_HUMAN && str_empty(m->person))
        st = cause_set(why, STATUS_INVALID, "a memory of type human needs a person");
    if (st == STATUS_OK && m->superseded_by && !m->forgotten_at)
        st = cause_set(why, STATUS_INVALID, "superseded_by without forgotten_at");
    return st;
}

static const char *remember(struct importing *g, const char *key, const char *id) {
    strv_push(&g->ids, id);
    map_put(g->fresh, key, g->ids.v[g->ids.n - 1]);
    return g->ids.v[g->ids.n - 1];
}

static void alias(struct importing *g, const char *given, const char *here) {
    g->r.known++;
    if (given && !str_eq(given, here) && !json_str(g->r.aliases, given, NULL))
        json_add_str(g->r.aliases, given, here);
}

/* More about somebody who is known. */
static enum status enrich(struct importing *g, const struct memory *m, const struct memory *anchor,
                          struct cause *why) {
    struct buf text = BUF_INIT;
    alias(g, m->id, anchor->id);
    if (anchor->forgotten_at || m->forgotten_at ||
        memory_text_contains(anchor->content, m->content))
        return STATUS_OK;
    buf_printf(&text, "%s\n%s", anchor->content, m->content);
    struct memory next = *anchor;
    enum status st = STATUS_OK;
    next.content = buf_str(&text);
    next.updated_at = g->op.now;
    if (text.len > MEMORY_CONTENT_MAX) {
        st = cause_set(why, STATUS_LIMIT, "what is known of %.60s would grow past %u bytes",
                       anchor->person, MEMORY_CONTENT_MAX);
    } else {
        memory_op_set(&g->op, anchor, &next, MEMORY_CHANGE_APPENDED);
        g->r.known--;
        g->r.imported++;
    }
    buf_free(&text);
    return st;
}

static enum status import_memory(struct importing *g, const cJSON *item, struct cause *why) {
    struct store_read *r = memories_read(g->op.m);
    struct memory m, there;
    char id[ID_UUID_SIZE], hash[SHA256_HEX_SIZE];
    enum status st = take_memory(g, item, &m, why);
    if (st != STATUS_OK)
        return st;
    memory_text_hash(m.type, m.person, m.content, hash);
    const char *fresh = map_get(g->fresh, hash);
    if (!fresh && m.id)
        fresh = map_get(g->fresh, m.id);
    if (fresh) {
        alias(g, m.id, fresh);
        return STATUS_OK;
    }
    struct cause none;
    if (m.id && memory_get(r, m.id, &there, &none) == STATUS_OK) {
        alias(g, m.id, there.id);
        memory_clear(&there);
        return STATUS_OK;
    }
    st = memory_by_hash(r, hash, &there, why);
    if (st == STATUS_OK) {
        if (m.type == MEMORY_HUMAN) {
            st = enrich(g, &m, &there, why);
            remember(g, hash, there.id); /* once in an operation */
        } else {
            alias(g, m.id, there.id);
        }
        memory_clear(&there);
        return st;
    }
    if (st != STATUS_NOT_FOUND)
        return st;
    id_uuid(id);
    m.id = remember(g, hash, m.id ? m.id : id);
    remember(g, m.id, m.id);
    m.hash = hash;
    memory_op_insert(&g->op, &m, MEMORY_CHANGE_IMPORTED);
    g->r.imported++;
    return STATUS_OK;
}

/* What the end of an edge is called here: "" is nowhere. */
static enum status end_of(struct importing *g, const cJSON *item, const char *key, const char **out,
                          struct cause *why) {
    struct memory there;
    enum status st = take_id(item, key, out, why);
    if (st == STATUS_OK && !*out)
        st = cause_set(why, STATUS_INVALID, "%s is missing", key);
    if (st != STATUS_OK)
        return st;
    *out = json_str(g->r.aliases, *out, *out);
    if (map_get(g->fresh, *out))
        return STATUS_OK;
    st = memory_get(memories_read(g->op.m), *out, &there, why);
    memory_clear(&there);
    return st;
}

static enum status import_edge(struct importing *g, const cJSON *item, struct cause *why) {
    const char *source = NULL, *target = NULL, *name = NULL;
    enum memory_relation relation = MEMORY_RELATED_TO;
    double weight = 0;
    int64_t created_at = 0;
    struct q_memory_edge_row row;
    enum status st = end_of(g, item, "source", &source, why);
    if (st == STATUS_OK)
        st = end_of(g, item, "target", &target, why);
    if (st == STATUS_OK)
        st = take_text(item, "relation", &name, why);
    if (st == STATUS_OK && name && memory_relation_from_string(name, &relation) != STATUS_OK)
        st = cause_set(why, STATUS_INVALID, "relation \"%.40s\" is not known", name);
    if (st == STATUS_OK)
        st = take_unit(item, "weight", MEMORY_WEIGHT, &weight, why);
    if (st == STATUS_OK)
        st = take_time(item, "created_at", g->op.now, &created_at, why);
    if (st == STATUS_OK && str_eq(source, target))
        st = cause_set(why, STATUS_INVALID, "the edge leads to where it begins");
    if (st != STATUS_OK)
        return st;
    name = memory_relation_name(relation);
    char *key = xasprintf("%s %s %s", source, target, name);
    st = map_get(g->fresh, key)
             ? STATUS_OK
             : q_memory_edge(memories_read(g->op.m), source, target, name, &row, why);
    if (st == STATUS_NOT_FOUND) {
        remember(g, key, source);
        memory_op_edge(&g->op, source, target, relation, weight, created_at);
        g->r.imported++;
        st = STATUS_OK;
    } else if (st == STATUS_OK) {
        g->r.known++;
        if (!map_get(g->fresh, key))
            q_memory_edge_free(&row);
    }
    x_free(&key);
    return st;
}

static enum status importing_run(struct memory_op *op, struct cause *why) {
    struct importing *g = (struct importing *)op;
    const cJSON *item;
    int64_t at = 0;
    (void)why;
    forget_result(g);
    g->r.refused = json_new_arr();
    g->r.aliases = json_new_obj();
    g->fresh = map_new();
    cJSON_ArrayForEach(item, g->items) {
        struct cause wrong = {""};
        const char *kind = json_str(item, "kind", "memory");
        enum status st = str_eq(kind, "memory") ? import_memory(g, item, &wrong)
                         : str_eq(kind, "edge") ? import_edge(g, item, &wrong)
                                                : cause_set(&wrong, STATUS_INVALID,
                                                            "kind \"%.40s\" is not known", kind);
        if (st != STATUS_OK) {
            cJSON *o = json_new_obj();
            json_add_i64(o, "item", at);
            json_add_str(o, "error", wrong.text);
            cJSON_AddItemToArray(g->r.refused, o);
        }
        at++;
    }
    return STATUS_OK;
}

static void importing_tell(struct memory_op *op, enum status st, const char *why) {
    struct importing *g = (struct importing *)op;
    if (g->told)
        g->told(g->told_arg, st, &g->r, why);
}

static const struct memory_op_kind importing_kind = {
    .name = "import", .run = importing_run, .tell = importing_tell, .free = importing_free};

enum status memory_import(struct memories *m, const cJSON *items, memory_import_fn *fn, void *arg,
                          struct memory_op **op, struct cause *why) {
    int n = cJSON_GetArraySize(items);
    if (!cJSON_IsArray(items) || n > MEMORY_IMPORT_MAX)
        return cause_set(why, STATUS_LIMIT, "at most %d lines at once, as an array",
                         MEMORY_IMPORT_MAX);
    struct importing *g =
        memory_op_new(m, &importing_kind, sizeof *g, MEMORY_BY_IMPORT, NULL, NULL, NULL);
    g->op.alone = true;
    g->items = cJSON_Duplicate(items, true);
    g->told = fn;
    g->told_arg = arg;
    return memory_op_submit(&g->op, op, why);
}
