/* follow: events for those who listen. Changes of state go out one by one and are never lost; text
 * that streams faster than a follower reads is put together per process, so that a slow one costs
 * memory for text once and nobody waits. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/server-internal.h"

/* Both NULL: everything. */
struct follow {
    struct list link;
    char *process, *channel;
};

struct delta {
    struct list link;
    enum event_type type;
    int64_t ts_ms;
    struct process_handle process;
    char *id, *parent, *channel;
    struct buf text;
};

enum status follow_add(struct ctl_client *c, const char *process, const char *channel,
                       struct cause *why) {
    if (c->nfollows >= FOLLOWS_MAX)
        return cause_set(why, STATUS_LIMIT, "follows %u things already", FOLLOWS_MAX);
    struct follow *f = xcalloc(1, sizeof(*f));
    f->process = xstrdup_null(process);
    f->channel = xstrdup_null(channel);
    list_push_back(&c->follows, &f->link);
    c->nfollows++;
    return STATUS_OK;
}

static void follow_drop(struct ctl_client *c, struct follow *f) {
    list_remove(&f->link);
    c->nfollows--;
    free(f->process);
    free(f->channel);
    free(f);
}

void follow_remove_channel(struct ctl_client *c, const char *channel) {
    list_for(&c->follows, it) {
        struct follow *f = list_entry(it, struct follow, link);
        if (f->channel && str_eq(f->channel, channel)) {
            follow_drop(c, f);
            return;
        }
    }
}

static bool wants(const struct ctl_client *c, const struct bus_event *e) {
    list_for(&c->follows, it) {
        const struct follow *f = list_entry(it, const struct follow, link);
        if (!f->process && !f->channel)
            return true;
        if (f->process && str_eq(f->process, e->id))
            return true;
        if (f->channel && str_eq(f->channel, e->channel))
            return true;
    }
    return false;
}

static void delta_free(struct delta *d) {
    list_remove(&d->link);
    free(d->id);
    free(d->parent);
    free(d->channel);
    buf_free(&d->text);
    free(d);
}

static void send_event(struct ctl_client *c, const struct bus_event *e) {
    struct buf json = BUF_INIT, line = BUF_INIT;
    bus_event_json(e, &json);
    proto_put_event(&line, buf_str(&json), json.len);
    client_write(c, &line);
    buf_free(&json);
    buf_free(&line);
}

static void delta_send(struct ctl_client *c, struct delta *d) {
    const struct bus_field fields[] = {BUS_STR("process_id", d->id),
                                       BUS_STR("delta", buf_str(&d->text))};
    struct bus_event e = {.type = d->type,
                          .ts_ms = d->ts_ms,
                          .id = d->id,
                          .parent = d->parent,
                          .channel = d->channel,
                          .process = d->process,
                          .fields = fields,
                          .n = ARRAY_LEN(fields)};
    send_event(c, &e);
    delta_free(d);
}

void follow_flush(struct ctl_client *c) {
    list_for_safe(&c->deltas, it, next) delta_send(c, list_entry(it, struct delta, link));
}

static struct delta *delta_find(struct ctl_client *c, const char *id) {
    list_for(&c->deltas, it) {
        struct delta *d = list_entry(it, struct delta, link);
        if (str_eq(d->id, id))
            return d;
    }
    return NULL;
}

static const char *delta_text(const struct bus_event *e) {
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->fields[i].key, "delta") && e->fields[i].type == BUS_FIELD_STR)
            return e->fields[i].str;
    return NULL;
}

static void delta_add(struct ctl_client *c, const struct bus_event *e, const char *text) {
    struct delta *d = delta_find(c, e->id);
    if (d && d->type != e->type) {
        delta_send(c, d);
        d = NULL;
    }
    if (!d) {
        d = xcalloc(1, sizeof(*d));
        d->type = e->type;
        d->ts_ms = e->ts_ms;
        d->process = e->process;
        d->id = xstrdup(e->id);
        d->parent = xstrdup_null(e->parent);
        d->channel = xstrdup_null(e->channel);
        list_push_back(&c->deltas, &d->link);
    }
    buf_puts(&d->text, text);
    if (d->text.len > DELTA_MAX) {
        size_t cut = d->text.len - DELTA_MAX / 2;
        while (cut < d->text.len && ((unsigned char)d->text.data[cut] & 0xC0) == 0x80)
            cut++;
        buf_consume(&d->text, cut);
    }
}

void follow_event(void *server, const struct bus_event *e) {
    struct ctl_server *s = server;
    bool made = false;
    list_for(&s->clients, it) {
        struct ctl_client *c = list_entry(it, struct ctl_client, link);
        if (c->doomed || c->parting || !wants(c, e))
            continue;
        struct delta *waiting = delta_find(c, e->id);
        const char *text = event_type_is_delta(e->type) ? delta_text(e) : NULL;
        if (text && (waiting || outq_pending(c->out) > OUT_SLOW)) {
            delta_add(c, e, text);
            continue;
        }
        /* What a process said comes before what happened to it next. */
        if (waiting)
            delta_send(c, waiting);
        if (!made) {
            struct buf json = BUF_INIT;
            bus_event_json(e, &json);
            buf_reset(&s->event);
            proto_put_event(&s->event, buf_str(&json), json.len);
            buf_free(&json);
            made = true;
        }
        client_write(c, &s->event);
    }
}

void follow_free(struct ctl_client *c) {
    list_for_safe(&c->follows, it, next) follow_drop(c, list_entry(it, struct follow, link));
    list_for_safe(&c->deltas, it, next) delta_free(list_entry(it, struct delta, link));
}
