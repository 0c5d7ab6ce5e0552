/* memory: the words for memories, and reading them. Changing them is save.c's and change.c's. */
#include "memory/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "memory/memory-internal.h"
#include "store/queries.gen.h"

#define PREFIX_LEAST 4u /* characters of an id that name one */

/* --- words --------------------------------------------------------------------------------------
 */

const char *memory_type_name(enum memory_type t) {
    switch (t) {
#define X(id, text, importance, what, heading)                                                     \
    case MEMORY_##id:                                                                              \
        return text;
        MEMORY_TYPE_TABLE(X)
#undef X
    }
    return "?";
}

double memory_type_importance(enum memory_type t) {
    switch (t) {
#define X(id, text, importance, what, heading)                                                     \
    case MEMORY_##id:                                                                              \
        return importance;
        MEMORY_TYPE_TABLE(X)
#undef X
    }
    return 0;
}

const char *memory_type_heading(enum memory_type t) {
    switch (t) {
#define X(id, text, importance, what, heading)                                                     \
    case MEMORY_##id:                                                                              \
        return heading;
        MEMORY_TYPE_TABLE(X)
#undef X
    }
    return "?";
}

enum status memory_type_from_string(const char *s, enum memory_type *out) {
#define X(id, text, importance, what, heading)                                                     \
    if (str_eq(s, text)) {                                                                         \
        *out = MEMORY_##id;                                                                        \
        return STATUS_OK;                                                                          \
    }
    MEMORY_TYPE_TABLE(X)
#undef X
    return STATUS_NOT_FOUND;
}

const char *memory_relation_name(enum memory_relation r) {
    switch (r) {
#define X(id, text, worth, onward, what)                                                           \
    case MEMORY_##id:                                                                              \
        return text;
        MEMORY_RELATION_TABLE(X)
#undef X
    }
    return "?";
}

double memory_relation_worth(enum memory_relation r) {
    switch (r) {
#define X(id, text, worth, onward, what)                                                           \
    case MEMORY_##id:                                                                              \
        return worth;
        MEMORY_RELATION_TABLE(X)
#undef X
    }
    return 0;
}

bool memory_relation_onward(enum memory_relation r) {
    switch (r) {
#define X(id, text, worth, onward, what)                                                           \
    case MEMORY_##id:                                                                              \
        return onward;
        MEMORY_RELATION_TABLE(X)
#undef X
    }
    return false;
}

enum status memory_relation_from_string(const char *s, enum memory_relation *out) {
#define X(id, text, worth, onward, what)                                                           \
    if (str_eq(s, text)) {                                                                         \
        *out = MEMORY_##id;                                                                        \
        return STATUS_OK;                                                                          \
    }
    MEMORY_RELATION_TABLE(X)
#undef X
    return STATUS_NOT_FOUND;
}

const char *memory_change_name(enum memory_change c) {
    switch (c) {
#define X(id, text)                                                                                \
    case MEMORY_CHANGE_##id:                                                                       \
        return text;
        MEMORY_CHANGE_TABLE(X)
#undef X
    }
    return "?";
}

/* --- bounds -------------------------------------------------------------------------------------
 */

enum status memory_check_text(const char *what, const char *s, size_t max, struct cause *why) {
    size_t n = s ? strlen(s) : 0;
    if (n > max)
        return cause_set(why, STATUS_LIMIT, "%s has %zu bytes; %zu are the most", what, n, max);
    if (s && !utf8_valid(s, n))
        return cause_set(why, STATUS_INVALID, "%s is not valid UTF-8", what);
    return STATUS_OK;
}

enum status memory_check_content(const char *s, struct cause *why) {
    if (!s || !s[strspn(s, " \t\r\n\v\f")])
        return cause_set(why, STATUS_INVALID, "content is empty: say what is to be remembered");
    enum status st = memory_check_text("content", s, MEMORY_CONTENT_MAX, why);
    if (st == STATUS_LIMIT)
        return cause_set(why, st,
                         "content has %zu bytes; %u are the most: save its parts one by one",
                         strlen(s), MEMORY_CONTENT_MAX);
    return st;
}

enum status memory_check_unit(const char *what, double v, struct cause *why) {
    if (!isfinite(v) || v < 0 || v > 1)
        return cause_set(why, STATUS_INVALID, "%s is %g; it must be from 0 to 1", what, v);
    return STATUS_OK;
}

/* --- reading ------------------------------------------------------------------------------------
 */

void memory_clear(struct memory *m) {
    x_free(&m->id);
    x_free(&m->content);
    x_free(&m->source);
    x_free(&m->channel);
    x_free(&m->person);
    x_free(&m->hash);
    x_free(&m->superseded_by);
    *m = (struct memory){0};
}

enum status memory_get(struct store_read *r, const char *id, struct memory *out,
                       struct cause *why) {
    struct q_memory_row row;
    enum memory_type type;
    *out = (struct memory){0};
    enum status st = q_memory(r, id, &row, why);
    if (st == STATUS_NOT_FOUND)
        return cause_set(why, st, "there is no memory %.40s", id);
    if (st != STATUS_OK)
        return st;
    st = memory_type_from_string(row.type, &type);
    if (st != STATUS_OK) { /* the schema lists them too */
        st =
            cause_set(why, STATUS_INVALID, "memory %.40s has the unknown type %.40s", id, row.type);
        q_memory_free(&row);
        return st;
    }
    *out = MEMORY_OF_ROW(&row, type); /* its text is the caller's now */
    x_free(&row.type);
    return STATUS_OK;
}

enum status memory_by_hash(struct store_read *r, const char *hash, struct memory *out,
                           struct cause *why) {
    struct q_memory_by_hash_row row;
    enum memory_type type;
    *out = (struct memory){0};
    enum status st = q_memory_by_hash(r, hash, &row, why);
    if (st != STATUS_OK)
        return st;
    if (memory_type_from_string(row.type, &type) != STATUS_OK)
        type = MEMORY_FACT;
    *out = MEMORY_OF_ROW(&row, type);
    x_free(&row.type);
    return STATUS_OK;
}

struct prefix {
    char id[ID_UUID_SIZE];
    int found;
};

static void take_id(struct prefix *p, const char *id) {
    snprintf(p->id, sizeof p->id, "%s", id);
    p->found++;
}

static bool on_memory_id(void *arg, const struct q_memories_between_row *row) {
    take_id(arg, row->id);
    return true;
}

static bool on_operation_id(void *arg, const struct q_memory_operations_between_row *row) {
    take_id(arg, row->operation);
    return true;
}

static enum status check_prefix(const char *what, const char *given, struct cause *why) {
    size_t n = given ? strlen(given) : 0;
    if (n >= PREFIX_LEAST && n < ID_UUID_SIZE)
        return STATUS_OK;
    return cause_set(
        why, STATUS_INVALID,
        "\"%.40s\" names no %s: its id, or at least its first %u characters, is needed",
        given ? given : "", what, PREFIX_LEAST);
}

static enum status only_one(const struct prefix *p, const char *what, const char *given,
                            char id[ID_UUID_SIZE], struct cause *why) {
    if (p->found == 0)
        return cause_set(why, STATUS_NOT_FOUND, "there is no %s %.40s", what, given);
    if (p->found > 1)
        return cause_set(why, STATUS_INVALID, "several begin with %.40s: give more of it", given);
    memcpy(id, p->id, sizeof p->id);
    return STATUS_OK;
}

enum status memory_resolve(struct store_read *r, const char *given, char id[ID_UUID_SIZE],
                           struct cause *why) {
    struct prefix p = {.found = 0};
    id[0] = '\0';
    enum status st = check_prefix("memory", given, why);
    if (st != STATUS_OK)
        return st;
    char *high = xasprintf("%s\x7f", given);
    st = q_memories_between(r, given, high, 2, on_memory_id, &p, why);
    x_free(&high);
    return st == STATUS_OK ? only_one(&p, "memory", given, id, why) : st;
}

enum status memory_resolve_operation(struct store_read *r, const char *given, char id[ID_UUID_SIZE],
                                     struct cause *why) {
    struct prefix p = {.found = 0};
    id[0] = '\0';
    enum status st = check_prefix("change", given, why);
    if (st != STATUS_OK)
        return st;
    char *high = xasprintf("%s\x7f", given);
    st = q_memory_operations_between(r, given, high, 2, on_operation_id, &p, why);
    x_free(&high);
    return st == STATUS_OK ? only_one(&p, "change", given, id, why) : st;
}

struct listing {
    memory_row_fn *fn;
    void *arg;
};

static bool on_newest(void *arg, const struct q_memories_newest_row *row) {
    const struct listing *l = arg;
    enum memory_type type;
    if (memory_type_from_string(row->type, &type) != STATUS_OK)
        return true;
    struct memory m = MEMORY_OF_ROW(row, type);
    return l->fn(l->arg, &m);
}

enum status memory_list(struct store_read *r, const struct memory_filter *f, memory_row_fn *fn,
                        void *arg, struct cause *why) {
    struct listing l = {fn, arg};
    return q_memories_newest(r, f->before ? f->before : INT64_MAX,
                             f->type ? memory_type_name(*f->type) : NULL, f->person, f->channel,
                             f->forgotten, f->limit, on_newest, &l, why);
}
