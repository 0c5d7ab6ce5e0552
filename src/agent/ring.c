/* ring: a list of events, and for each process the one that its next delta may go into. */
#include "agent/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

struct entry {
    struct list link;
    enum event_type type;
    bool delta, line;
    uint64_t events; /* that it stands for */
    int64_t ts_ms;
    struct process_handle process; /* the rest: of a delta only */
    char *id, *parent, *channel;   /* id: NULL for a line */
    struct buf text;               /* of a delta; else the whole event as JSON, or the line */
};

struct ring {
    size_t limit, bytes;
    struct list entries;
    struct map *last; /* process id: its newest entry here */
    struct ring_lag lag;
};

struct ring *ring_new(size_t limit) {
    struct ring *r = xcalloc(1, sizeof(*r));
    r->limit = limit;
    r->last = map_new();
    list_init(&r->entries);
    return r;
}

static size_t size_of(const struct entry *e) {
    return sizeof(*e) + e->text.len + (e->id ? strlen(e->id) : 0) +
           (e->parent ? strlen(e->parent) : 0) + (e->channel ? strlen(e->channel) : 0);
}

static void drop(struct ring *r, struct entry *e) {
    r->bytes -= size_of(e);
    if (e->id && map_get(r->last, e->id) == e)
        (void)map_del(r->last, e->id);
    list_remove(&e->link);
    free(e->id);
    free(e->parent);
    free(e->channel);
    buf_free(&e->text);
    free(e);
}

void ring_free(struct ring **rp) {
    struct ring *r = *rp;
    if (!r)
        return;
    list_for_safe(&r->entries, it, next) drop(r, list_entry(it, struct entry, link));
    map_free(&r->last);
    x_free(rp);
}

bool ring_empty(const struct ring *r) { return list_empty(&r->entries) && !r->lag.missed; }
size_t ring_bytes(const struct ring *r) { return r->bytes; }

/* The text of a delta; NULL: it is none. */
static const char *delta_text(const struct bus_event *e) {
    if (!event_type_is_delta(e->type))
        return NULL;
    for (size_t i = 0; i < e->n; i++)
        if (e->fields[i].type == BUS_FIELD_STR && str_eq(e->fields[i].key, "delta"))
            return e->fields[i].str;
    return NULL;
}

static void miss(struct ring *r, uint64_t events, int64_t ts_ms) {
    if (!r->lag.missed)
        r->lag.since_ms = ts_ms;
    r->lag.missed += events;
    r->lag.until_ms = ts_ms;
}

static void miss_all(struct ring *r) {
    list_for_safe(&r->entries, it, next) {
        struct entry *e = list_entry(it, struct entry, link);
        if (e->line)
            continue;
        miss(r, e->events, e->ts_ms);
        drop(r, e);
    }
}

static struct entry *append(struct ring *r, const struct bus_event *e, const char *text) {
    struct entry *n = xcalloc(1, sizeof(*n));
    n->type = e->type;
    n->delta = text != NULL;
    n->ts_ms = e->ts_ms;
    n->process = e->process;
    n->id = xstrdup(e->id);
    if (text) {
        n->parent = xstrdup_null(e->parent);
        n->channel = xstrdup_null(e->channel);
    } else {
        bus_event_json(e, &n->text);
    }
    list_push_back(&r->entries, &n->link);
    (void)map_put(r->last, n->id, n);
    r->bytes += size_of(n);
    return n;
}

void ring_push(struct ring *r, const struct bus_event *e) {
    const char *text = delta_text(e);
    size_t n = text ? strlen(text) : 0;
    struct entry *to = map_get(r->last, e->id);
    if (!text || !to || !to->delta || to->type != e->type || to->text.len + n > RING_TEXT_MAX)
        to = append(r, e, text);
    to->events++;
    if (text) {
        buf_append(&to->text, text, n);
        r->bytes += n;
    }
    if (r->bytes > r->limit)
        miss_all(r);
}

void ring_push_line(struct ring *r, const struct buf *line) {
    struct entry *n = xcalloc(1, sizeof(*n));
    n->line = true;
    buf_append(&n->text, line->data, line->len);
    list_push_back(&r->entries, &n->link);
    r->bytes += size_of(n);
    if (r->bytes > r->limit)
        miss_all(r);
}

bool ring_lag(struct ring *r, struct ring_lag *out) {
    *out = r->lag;
    r->lag = (struct ring_lag){0};
    return out->missed > 0;
}

bool ring_pop(struct ring *r, struct buf *out, bool *line) {
    if (list_empty(&r->entries))
        return false;
    struct entry *e = list_entry(r->entries.next, struct entry, link);
    *line = e->line;
    if (e->delta) {
        const struct bus_field fields[] = {BUS_STR("process_id", e->id),
                                           BUS_STR("delta", buf_str(&e->text))};
        bus_event_json(&(struct bus_event){.type = e->type,
                                           .ts_ms = e->ts_ms,
                                           .id = e->id,
                                           .parent = e->parent,
                                           .channel = e->channel,
                                           .process = e->process,
                                           .fields = fields,
                                           .n = ARRAY_LEN(fields)},
                       out);
    } else {
        buf_append(out, e->text.data, e->text.len);
    }
    drop(r, e);
    return true;
}
