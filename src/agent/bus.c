/* bus: hands each event to every listener, in order, at once. */
#include "agent/bus.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

struct bus_listener {
    struct list link;
    struct bus *bus;
    bus_fn *fn;
    void *arg;
    bool left;
};

struct bus {
    struct list listeners;
    unsigned emitting; /* depth: listeners that left are freed when it is 0 again */
};

const char *event_type_name(enum event_type t) {
    switch (t) {
#define X(name, text, delta)                                                                       \
    case EVENT_##name:                                                                             \
        return text;
        EVENT_TABLE(X)
#undef X
    }
    return "?";
}

enum status event_type_from_string(const char *s, enum event_type *out) {
#define X(name, text, delta)                                                                       \
    if (str_eq(s, text)) {                                                                         \
        *out = EVENT_##name;                                                                       \
        return STATUS_OK;                                                                          \
    }
    EVENT_TABLE(X)
#undef X
    return STATUS_INVALID;
}

bool event_type_is_delta(enum event_type t) {
    switch (t) {
#define X(name, text, delta)                                                                       \
    case EVENT_##name:                                                                             \
        return delta;
        EVENT_TABLE(X)
#undef X
    }
    return false;
}

struct bus *bus_new(void) {
    struct bus *b = xcalloc(1, sizeof *b);
    list_init(&b->listeners);
    return b;
}

static void bus_collect(struct bus *b) {
    list_for_safe(&b->listeners, it, tmp) {
        struct bus_listener *l = list_entry(it, struct bus_listener, link);
        if (l->left) {
            list_remove(&l->link);
            x_free(&l);
        }
    }
}

void bus_free(struct bus **bp) {
    struct bus *b = *bp;
    if (!b)
        return;
    list_for_safe(&b->listeners, it, tmp) {
        struct bus_listener *l = list_entry(it, struct bus_listener, link);
        x_free(&l);
    }
    x_free(bp);
}

struct bus_listener *bus_listen(struct bus *b, bus_fn *fn, void *arg) {
    struct bus_listener *l = xcalloc(1, sizeof *l);
    l->bus = b;
    l->fn = fn;
    l->arg = arg;
    list_push_back(&b->listeners, &l->link);
    return l;
}

void bus_unlisten(struct bus_listener **lp) {
    struct bus_listener *l = *lp;
    if (!l)
        return;
    *lp = NULL;
    l->left = true;
    if (l->bus->emitting == 0)
        bus_collect(l->bus);
}

void bus_emit_fields(struct bus *b, const struct process_table *t, const struct process *p,
                     enum event_type type, const struct bus_field *fields, size_t n) {
    const struct process *parent = process_get(t, p->parent);
    struct bus_event e = {.type = type,
                          .ts_ms = clock_wall_ms(),
                          .id = p->id,
                          .parent = parent ? parent->id : NULL,
                          .channel = p->channel,
                          .process = p->handle,
                          .fields = fields,
                          .n = n};
    b->emitting++;
    list_for(&b->listeners, it) {
        struct bus_listener *l = list_entry(it, struct bus_listener, link);
        if (!l->left)
            l->fn(l->arg, &e);
    }
    if (--b->emitting == 0)
        bus_collect(b);
}

static void quote(struct buf *out, const char *s, size_t max) {
    size_t n = s ? strlen(s) : 0;
    if (s)
        json_quote(out, s, max ? utf8_cut(s, n, max) : n);
    else
        buf_puts(out, "null");
}

void bus_event_json(const struct bus_event *e, struct buf *out) {
    char ts[CLOCK_RFC3339_SIZE];
    clock_rfc3339(e->ts_ms, ts);
    buf_printf(out, "{\"ts\":\"%s\",\"type\":\"%s\",\"id\":", ts, event_type_name(e->type));
    quote(out, e->id, 0);
    buf_puts(out, ",\"parent\":");
    quote(out, e->parent, 0);
    buf_puts(out, ",\"agent_id\":\"main\",\"channel_id\":");
    quote(out, e->channel, 0);
    for (size_t i = 0; i < e->n; i++) {
        const struct bus_field *f = &e->fields[i];
        buf_printf(out, ",\"%s\":", f->key);
        switch (f->type) {
        case BUS_FIELD_STR:
            quote(out, f->str, f->max);
            break;
        case BUS_FIELD_I64:
            buf_printf(out, "%lld", (long long)f->i64);
            break;
        case BUS_FIELD_NUM:
            buf_printf(out, "%.10g", f->num);
            break;
        case BUS_FIELD_BOOL:
            buf_puts(out, f->i64 ? "true" : "false");
            break;
        case BUS_FIELD_RAW:
            buf_puts(out, f->str ? f->str : "null");
            break;
        }
    }
    buf_putc(out, '}');
}
