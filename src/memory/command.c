/* command: reads arguments, asks for the operation, replies. */
#include "memory/command.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/transfer.h"

struct memory_command_call {
    struct memory_op *op;
    enum memory_command command;
    enum memory_type type;
    memory_command_fn *fn;
    void *arg;
};

static enum status command_from_string(const char *s, enum memory_command *out) {
#define X(id, text)                                                                                \
    if (str_eq(s, text)) {                                                                         \
        *out = MEMORY_COMMAND_##id;                                                                \
        return STATUS_OK;                                                                          \
    }
    MEMORY_COMMAND_TABLE(X)
#undef X
    return STATUS_NOT_FOUND;
}

/* --- replies ------------------------------------------------------------------------------------
 */

static void reply(struct memory_command_call *c, enum status st, cJSON *body, const char *why) {
    memory_command_fn *fn = c->fn;
    void *arg = c->arg;
    x_free(&c);
    fn(arg, st, body, why);
}

static void done(void *arg, enum status st, const struct memory_result *r, const char *why) {
    struct memory_command_call *c = arg;
    cJSON *o = st == STATUS_OK ? json_new_obj() : NULL;
    if (o) {
        json_add_str(o, "id", r->id[0] ? r->id : NULL);
        if (c->command == MEMORY_COMMAND_ADD) {
            json_add_str(o, "type", memory_type_name(c->type));
            json_add_bool(o, "existed", r->existed);
            json_add_bool(o, "restored", r->restored);
        }
        json_add_i64(o, "changed", (int64_t)r->changed);
        json_add_str(o, "operation", r->operation[0] ? r->operation : NULL);
    }
    reply(c, st, o, why);
}

static void imported(void *arg, enum status st, const struct memory_import_result *r,
                     const char *why) {
    cJSON *o = st == STATUS_OK ? json_new_obj() : NULL;
    if (o) {
        json_add_i64(o, "imported", (int64_t)r->imported);
        json_add_i64(o, "known", (int64_t)r->known);
        cJSON_AddItemToObject(o, "refused", cJSON_Duplicate(r->refused, true));
        cJSON_AddItemToObject(o, "aliases", cJSON_Duplicate(r->aliases, true));
    }
    reply(arg, st, o, why);
}

/* --- arguments ----------------------------------------------------------------------------------
 */

/* An id or a prefix; "" where there is none and none is needed. */
static enum status take_id(struct memories *m, const cJSON *args, const char *key, bool needed,
                           char id[ID_UUID_SIZE], struct cause *why) {
    const char *given = json_str(args, key, NULL);
    id[0] = '\0';
    if (!given && !needed)
        return STATUS_OK;
    return memory_resolve(memories_read(m), given, id, why);
}

static enum status take_type(const cJSON *args, enum memory_type *type, bool *given,
                             struct cause *why) {
    const char *name = json_str(args, "type", NULL);
    *given = name != NULL;
    if (name && memory_type_from_string(name, type) != STATUS_OK)
        return cause_set(why, STATUS_INVALID,
                         "type \"%.40s\" is not known: "
#define X(id, text, importance, what, heading) text " "
                         MEMORY_TYPE_TABLE(X)
#undef X
                             "are",
                         name);
    return STATUS_OK;
}

static const double *take_number(const cJSON *args, const char *key, double *out) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(args, key);
    if (!cJSON_IsNumber(v))
        return NULL;
    *out = v->valuedouble;
    return out;
}

/* --- commands -----------------------------------------------------------------------------------
 */

static enum status add(struct memories *m, struct memory_command_call *c, const cJSON *args,
                       struct cause *why) {
    double importance;
    bool given;
    char old[ID_UUID_SIZE];
    c->type = MEMORY_FACT;
    enum status st = take_type(args, &c->type, &given, why);
    if (st == STATUS_OK)
        st = take_id(m, args, "supersedes", false, old, why);
    if (st != STATUS_OK)
        return st;
    struct memory_new v = {.type = c->type,
                           .content = json_str(args, "content", NULL),
                           .importance = take_number(args, "importance", &importance),
                           .source = json_str(args, "source", MEMORY_BY_PERSON),
                           .channel = json_str(args, "channel", NULL),
                           .person = json_str(args, "person", NULL),
                           .supersedes = old[0] ? old : NULL,
                           .by = MEMORY_BY_PERSON};
    return memory_save(m, &v, done, c, &c->op, why);
}

static enum status edit(struct memories *m, struct memory_command_call *c, const cJSON *args,
                        struct cause *why) {
    double importance;
    bool given;
    enum memory_type type;
    char id[ID_UUID_SIZE];
    enum status st = take_id(m, args, "memory_id", true, id, why);
    if (st == STATUS_OK)
        st = take_type(args, &type, &given, why);
    if (st != STATUS_OK)
        return st;
    struct memory_edit v = {.content = json_str(args, "content", NULL),
                            .type = given ? &type : NULL,
                            .importance = take_number(args, "importance", &importance),
                            .person = json_str(args, "person", NULL)};
    return memory_edit(m, id, &v, MEMORY_BY_PERSON, json_str(args, "reason", NULL), done, c, &c->op,
                       why);
}

static enum status forget(struct memories *m, struct memory_command_call *c, const cJSON *args,
                          struct cause *why) {
    char id[ID_UUID_SIZE], by[ID_UUID_SIZE];
    enum status st = take_id(m, args, "memory_id", true, id, why);
    if (st == STATUS_OK)
        st = take_id(m, args, "superseded_by", false, by, why);
    if (st != STATUS_OK)
        return st;
    return memory_forget(m, id, by[0] ? by : NULL, MEMORY_BY_PERSON, json_str(args, "reason", NULL),
                         done, c, &c->op, why);
}

static enum status restore(struct memories *m, struct memory_command_call *c, const cJSON *args,
                           struct cause *why) {
    char id[ID_UUID_SIZE];
    enum status st = take_id(m, args, "memory_id", true, id, why);
    return st == STATUS_OK ? memory_restore(m, id, MEMORY_BY_PERSON, done, c, &c->op, why) : st;
}

static enum status link_two(struct memories *m, struct memory_command_call *c, const cJSON *args,
                            struct cause *why) {
    char source[ID_UUID_SIZE], target[ID_UUID_SIZE];
    const char *name = json_str(args, "relation", "related_to");
    struct memory_link l = {
        .target = target,
        .weight = json_bool(args, "cut", false) ? -1 : json_num(args, "weight", MEMORY_WEIGHT)};
    enum status st = take_id(m, args, "source", true, source, why);
    if (st == STATUS_OK)
        st = take_id(m, args, "target", true, target, why);
    if (st == STATUS_OK && memory_relation_from_string(name, &l.relation) != STATUS_OK)
        st = cause_set(why, STATUS_INVALID,
                       "relation \"%.40s\" is not known: "
#define X(id, text, worth, onward, what) text " "
                       MEMORY_RELATION_TABLE(X)
#undef X
                           "are",
                       name);
    return st == STATUS_OK ? memory_link(m, source, &l, MEMORY_BY_PERSON, done, c, &c->op, why)
                           : st;
}

static enum status merge(struct memories *m, struct memory_command_call *c, const cJSON *args,
                         struct cause *why) {
    struct memory_merge v[MEMORY_MERGES_MAX];
    char ids[2 * MEMORY_MERGES_MAX][ID_UUID_SIZE];
    const cJSON *item;
    size_t n = 0;
    cJSON_ArrayForEach(item, json_arr(args, "batch")) {
        if (n == MEMORY_MERGES_MAX)
            return cause_set(why, STATUS_LIMIT, "at most %u merges at once", MEMORY_MERGES_MAX);
        v[n] = (struct memory_merge){.survivor = ids[2 * n],
                                     .absorbed = ids[2 * n + 1],
                                     .content = json_str(item, "merged_content", NULL)};
        enum status st = take_id(m, item, "survivor_id", true, ids[2 * n], why);
        if (st == STATUS_OK)
            st = take_id(m, item, "absorbed_id", true, ids[2 * n + 1], why);
        if (st != STATUS_OK)
            return st;
        n++;
    }
    return memory_merge(m, v, n, MEMORY_BY_PERSON, done, c, &c->op, why);
}

static enum status undo(struct memories *m, struct memory_command_call *c, const cJSON *args,
                        struct cause *why) {
    char id[ID_UUID_SIZE], operation[ID_UUID_SIZE];
    const char *given = json_str(args, "operation", NULL);
    operation[0] = '\0';
    enum status st = take_id(m, args, "memory_id", false, id, why);
    if (st == STATUS_OK && given)
        st = memory_resolve_operation(memories_read(m), given, operation, why);
    if (st != STATUS_OK)
        return st;
    struct memory_undo v = {.id = id[0] ? id : NULL,
                            .operation = operation[0] ? operation : NULL,
                            .force = json_bool(args, "force", false)};
    return memory_undo(m, &v, MEMORY_BY_PERSON, done, c, &c->op, why);
}

enum status memory_command(struct memories *m, const cJSON *args, memory_command_fn *fn, void *arg,
                           struct memory_command_call **out, struct cause *why) {
    enum memory_command command;
    const char *name = json_str(args, "op", "");
    if (command_from_string(name, &command) != STATUS_OK)
        return cause_set(why, STATUS_INVALID, "memory: there is no \"%.40s\"", name);
    struct memory_command_call *c = xcalloc(1, sizeof *c);
    enum status st = STATUS_OK;
    c->command = command;
    c->fn = fn;
    c->arg = arg;
    switch (command) {
    case MEMORY_COMMAND_ADD:
        st = add(m, c, args, why);
        break;
    case MEMORY_COMMAND_EDIT:
        st = edit(m, c, args, why);
        break;
    case MEMORY_COMMAND_FORGET:
        st = forget(m, c, args, why);
        break;
    case MEMORY_COMMAND_RESTORE:
        st = restore(m, c, args, why);
        break;
    case MEMORY_COMMAND_LINK:
        st = link_two(m, c, args, why);
        break;
    case MEMORY_COMMAND_MERGE:
        st = merge(m, c, args, why);
        break;
    case MEMORY_COMMAND_UNDO:
        st = undo(m, c, args, why);
        break;
    case MEMORY_COMMAND_REPAIR:
        st = memory_repair(m, done, c, &c->op, why);
        break;
    case MEMORY_COMMAND_IMPORT:
        st = memory_import(m, json_arr(args, "items"), imported, c, &c->op, why);
        break;
    }
    if (st == STATUS_OK)
        *out = c;
    else
        x_free(&c);
    return st;
}

void memory_command_forget(struct memory_command_call **cp) {
    struct memory_command_call *c = *cp;
    if (!c)
        return;
    *cp = NULL;
    memory_op_forget(&c->op);
    x_free(&c);
}
