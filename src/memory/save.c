/* save: a memory comes into being, once. The hash of what it says decides, where only one writes:
 * who says the same again gets the first one's id. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/memory-internal.h"
#include "memory/text.h"

#define CHAIN_MAX 16 /* memories that took each other's place, one after the other */

struct save {
    struct memory_op op; /* first */
    enum memory_type type;
    char *content, *source, *channel, *person, *supersedes;
    double importance;
    int64_t created_at;
    struct {
        char *target;
        enum memory_relation relation;
        double weight;
    } * links;
    size_t nlinks;
    char id[ID_UUID_SIZE], hash[SHA256_HEX_SIZE];
};

static void save_free(struct memory_op *op) {
    struct save *s = (struct save *)op;
    for (size_t i = 0; i < s->nlinks; i++)
        x_free(&s->links[i].target);
    x_free(&s->links);
    x_free(&s->content);
    x_free(&s->source);
    x_free(&s->channel);
    x_free(&s->person);
    x_free(&s->supersedes);
}

/* The edges that came with it, and the one whose place it takes. */
static void hang(struct save *s, const char *id) {
    for (size_t i = 0; i < s->nlinks; i++)
        if (!str_eq(s->links[i].target, id))
            memory_op_link(&s->op, id, s->links[i].target, s->links[i].relation,
                           s->links[i].weight);
}

static enum status supersede(struct save *s, const char *id, struct cause *why) {
    struct memory old;
    if (!s->supersedes || str_eq(s->supersedes, id))
        return STATUS_OK;
    enum status st = memory_get(memories_read(s->op.m), s->supersedes, &old, why);
    if (st != STATUS_OK)
        return st;
    if (!old.forgotten_at) {
        struct memory next = old;
        next.forgotten_at = s->op.now;
        next.superseded_by = id;
        memory_op_set(&s->op, &old, &next, MEMORY_CHANGE_SUPERSEDED);
    }
    memory_op_link(&s->op, id, old.id, MEMORY_UPDATES, 1);
    memory_clear(&old);
    return STATUS_OK;
}

static enum status insert(struct save *s, struct cause *why) {
    int64_t at = s->created_at ? s->created_at : s->op.now;
    struct memory old;
    if (s->supersedes) { /* before anything is written */
        enum status st = memory_get(memories_read(s->op.m), s->supersedes, &old, why);
        if (st != STATUS_OK)
            return st;
        memory_clear(&old);
    }
    id_uuid(s->id);
    memcpy(s->op.result.id, s->id, sizeof s->id);
    memory_op_insert(&s->op,
                     &(struct memory){.id = s->id,
                                      .type = s->type,
                                      .content = s->content,
                                      .importance = s->importance,
                                      .source = s->source,
                                      .channel = s->channel,
                                      .person = s->person,
                                      .hash = s->hash,
                                      .created_at = at,
                                      .updated_at = at,
                                      .accessed_at = at},
                     MEMORY_CHANGE_SAVED);
    hang(s, s->id);
    return supersede(s, s->id, why);
}

/* What took the place of a forgotten one and says what it said: STATUS_OK and its id. */
static enum status successor(struct save *s, const struct memory *of, char id[ID_UUID_SIZE]) {
    struct store_read *r = memories_read(s->op.m);
    char *next = xstrdup_null(of->superseded_by);
    enum status st = STATUS_NOT_FOUND;
    for (int i = 0; next && i < CHAIN_MAX; i++) {
        struct memory m;
        struct cause why;
        st = memory_get(r, next, &m, &why);
        x_free(&next);
        if (st != STATUS_OK)
            break;
        if (!m.forgotten_at && memory_text_contains(m.content, s->content)) {
            memcpy(id, m.id, ID_UUID_SIZE);
            memory_clear(&m);
            return STATUS_OK;
        }
        next = m.forgotten_at ? xstrdup_null(m.superseded_by) : NULL;
        memory_clear(&m);
        st = STATUS_NOT_FOUND;
    }
    x_free(&next);
    return st;
}

static void revive(struct save *s, const struct memory *old) {
    struct memory next = *old;
    next.forgotten_at = 0;
    next.superseded_by = NULL;
    memory_op_set(&s->op, old, &next, MEMORY_CHANGE_RESTORED);
    s->op.result.restored = true;
}

/* More about somebody who has an anchor. */
static enum status append(struct save *s, const struct memory *anchor, struct cause *why) {
    struct memory next = *anchor;
    struct buf text = BUF_INIT;
    bool knows = memory_text_contains(anchor->content, s->content);
    if (knows && !anchor->forgotten_at && s->importance <= anchor->importance) {
        s->op.result.existed = true;
        return STATUS_OK;
    }
    buf_puts(&text, anchor->content);
    if (!knows)
        buf_printf(&text, "\n%s", s->content);
    if (text.len > MEMORY_CONTENT_MAX) {
        buf_free(&text);
        return cause_set(why, STATUS_LIMIT,
                         "the anchor of %.60s (memory %.36s) would grow past %u bytes: rewrite it "
                         "shorter (memory edit), or save this as a fact with that person",
                         s->person, anchor->id, MEMORY_CONTENT_MAX);
    }
    next.content = buf_str(&text);
    next.importance = s->importance > next.importance ? s->importance : next.importance;
    next.strength = next.importance;
    next.forgotten_at = 0;
    next.superseded_by = NULL;
    next.updated_at = s->op.now;
    s->op.result.existed = true;
    s->op.result.restored = anchor->forgotten_at != 0;
    memory_op_set(&s->op, anchor, &next, MEMORY_CHANGE_APPENDED);
    buf_free(&text);
    return STATUS_OK;
}

static enum status save_known(struct save *s, const struct memory *m, struct cause *why) {
    char *id = s->op.result.id;
    enum status st = STATUS_OK;
    memcpy(id, m->id, ID_UUID_SIZE);
    if (!s->op.alone && (m->forgotten_at || s->type == MEMORY_HUMAN)) {
        s->op.again = true;
        return STATUS_OK;
    }
    s->op.result.existed = true;
    if (s->type == MEMORY_HUMAN)
        st = append(s, m, why);
    else if (m->forgotten_at && successor(s, m, id) != STATUS_OK)
        revive(s, m);
    if (st != STATUS_OK)
        return st;
    hang(s, id);
    return supersede(s, id, why);
}

static enum status save_run(struct memory_op *op, struct cause *why) {
    struct save *s = (struct save *)op;
    struct memory m;
    enum status st = memory_by_hash(memories_read(op->m), s->hash, &m, why);
    if (st == STATUS_NOT_FOUND)
        return insert(s, why);
    if (st != STATUS_OK)
        return st;
    st = save_known(s, &m, why);
    memory_clear(&m);
    return st;
}

/* Another one with the same words may have been on its way: then it is there now, and this one is
 * not. */
static bool save_settled(struct memory_op *op, enum status st) {
    struct save *s = (struct save *)op;
    struct memory m;
    struct cause why;
    if (st != STATUS_OK || !s->id[0] ||
        memory_by_hash(memories_read(op->m), s->hash, &m, &why) != STATUS_OK)
        return false;
    bool other = !str_eq(m.id, s->id);
    s->id[0] = '\0';
    if (!other && op->m->news)
        op->m->news(op->m->news_arg, &(struct memory_news){.id = m.id,
                                                           .content = m.content,
                                                           .channel = m.channel,
                                                           .by = op->by,
                                                           .type = m.type,
                                                           .importance = m.importance});
    memory_clear(&m);
    return other;
}

static const struct memory_op_kind save_kind = {
    .name = "save", .run = save_run, .settled = save_settled, .free = save_free};

static enum status check(const struct memory_new *v, struct cause *why) {
    enum status st = memory_check_content(v->content, why);
    if (st == STATUS_OK && v->importance)
        st = memory_check_unit("importance", *v->importance, why);
    if (st == STATUS_OK)
        st = memory_check_text("source", v->source, MEMORY_TEXT_MAX, why);
    if (st == STATUS_OK)
        st = memory_check_text("channel", v->channel, MEMORY_TEXT_MAX, why);
    if (st == STATUS_OK)
        st = memory_check_text("person", v->person, MEMORY_TEXT_MAX, why);
    if (st == STATUS_OK && v->type == MEMORY_HUMAN && str_empty(v->person))
        st = cause_set(why, STATUS_INVALID,
                       "a memory of type human needs the person whom it is about");
    if (st == STATUS_OK && v->nlinks > MEMORY_LINKS_MAX)
        st = cause_set(why, STATUS_LIMIT, "%zu associations are given; %u are the most", v->nlinks,
                       MEMORY_LINKS_MAX);
    for (size_t i = 0; i < v->nlinks && st == STATUS_OK; i++)
        st = memory_check_unit("weight", v->links[i].weight, why);
    return st;
}

enum status memory_save(struct memories *m, const struct memory_new *v, memory_done_fn *fn,
                        void *arg, struct memory_op **out, struct cause *why) {
    enum status st = check(v, why);
    if (st != STATUS_OK)
        return st;
    struct save *s = memory_op_new(m, &save_kind, sizeof *s, v->by, NULL, fn, arg);
    struct buf even = BUF_INIT;
    /* Only its ends: what is in it may be code. */
    size_t n = strlen(v->content), from = strspn(v->content, " \t\r\n\v\f");
    while (n > from && strchr(" \t\r\n\v\f", v->content[n - 1]))
        n--;
    buf_append(&even, v->content + from, n - from);
    s->type = v->type;
    s->content = buf_steal(&even);
    s->source = xstrdup_null(v->source);
    s->channel = xstrdup_null(v->channel);
    s->person = str_empty(v->person) ? NULL : xstrdup(v->person);
    s->supersedes = str_empty(v->supersedes) ? NULL : xstrdup(v->supersedes);
    s->importance = v->importance ? *v->importance : memory_type_importance(v->type);
    s->created_at = v->created_at;
    s->links = v->nlinks ? xcalloc(v->nlinks, sizeof *s->links) : NULL;
    for (; s->nlinks < v->nlinks; s->nlinks++) {
        s->links[s->nlinks].target = xstrdup(v->links[s->nlinks].target);
        s->links[s->nlinks].relation = v->links[s->nlinks].relation;
        s->links[s->nlinks].weight = v->links[s->nlinks].weight;
    }
    memory_text_hash(s->type, s->person, s->content, s->hash);
    s->op.alone = s->supersedes || s->type == MEMORY_HUMAN;
    return memory_op_submit(&s->op, out, why);
}
