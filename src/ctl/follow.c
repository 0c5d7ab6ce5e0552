/* follow: events for those who listen. What a client does not take at once waits in its ring:
 * changes of state one by one, text put together per process. When even that is too much, the
 * client is told how much it missed, and what the store has of it comes before anything newer. So a
 * slow one costs a bounded amount of memory, loses nothing that was decided, and nobody waits for
 * it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/server-internal.h"

/* Both NULL: everything. */
struct follow {
    struct list link;
    char *process, *channel;
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
    if (!c->ring)
        c->ring = ring_new(RING_BYTES);
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

/* ---- out of the ring ---- */

static void put_line(struct ctl_client *c, const struct buf *json) {
    struct buf line = BUF_INIT;
    proto_put_event(&line, buf_str(json), json->len);
    client_write(c, &line);
    buf_free(&line);
}

static void put_event(void *client, const struct bus_event *e) {
    struct ctl_client *c = client;
    if (c->doomed || c->parting || (e->id && !wants(c, e)))
        return;
    struct buf json = BUF_INIT;
    bus_event_json(e, &json);
    put_line(c, &json);
    buf_free(&json);
}

/* "lagged": what was missed, and of which time; in between the store is asked for it. */
static void put_lag(struct ctl_client *c, const struct ring_lag *lag) {
    char since[CLOCK_RFC3339_SIZE], until[CLOCK_RFC3339_SIZE];
    clock_rfc3339(lag->since_ms, since);
    clock_rfc3339(lag->until_ms, until);
    const struct bus_field fields[] = {BUS_I64("missed", (int64_t)lag->missed),
                                       BUS_STR("since", since), BUS_STR("until", until)};
    put_event(c, &(struct bus_event){.type = EVENT_LAGGED,
                                     .ts_ms = clock_wall_ms(),
                                     .fields = fields,
                                     .n = ARRAY_LEN(fields)});
}

static void on_committed(void *arg, enum status st, const char *why) {
    struct ctl_client *c = arg;
    (void)st; /* one write that failed is not there to be told of */
    (void)why;
    c->commit = NULL;
    follow_pump(c);
}

static void catch_up(struct ctl_client *c) {
    struct cause why = {""};
    bool more = false;
    if (missed_page(c->server->o.agent, &c->missed, put_event, c, &more, &why) != STATUS_OK)
        log_warn("a follower's missed events could not be read: %s", why.text);
    c->catching = more;
}

/* One step: what was missed goes first, then the ring. False: nothing is left to do now. */
static bool pump_one(struct ctl_client *c) {
    struct store *store = agent_parts(c->server->o.agent)->store;
    struct ring_lag lag;
    if (c->commit)
        return false;
    if (c->catching) {
        catch_up(c);
        return true;
    }
    if (ring_lag(c->ring, &lag)) {
        put_lag(c, &lag);
        c->missed = (struct missed){.since_ms = lag.since_ms, .until_ms = lag.until_ms};
        c->catching = true;
        if (store_committed(store) < store_seq(store))
            c->commit = store_after(store, store_seq(store), on_committed, c);
        return true;
    }
    struct buf text = BUF_INIT;
    bool line = false, any = ring_pop(c->ring, &text, &line);
    if (any && line)
        client_write(c, &text);
    else if (any)
        put_line(c, &text);
    buf_free(&text);
    return any;
}

static void pump_again(void *arg) {
    struct ctl_client *c = arg;
    c->pumping = false;
    follow_pump(c);
}

void follow_pump(struct ctl_client *c) {
    if (!c->ring || c->pumping)
        return;
    size_t before = c->written;
    while (!c->doomed && !c->parting && outq_pending(c->out) <= OUT_SLOW) {
        if (c->written - before > PUMP_MAX) {
            c->pumping = true;
            loop_defer(c->server->loop, pump_again, c);
            loop_wake(c->server->loop);
            return;
        }
        if (!pump_one(c))
            return;
    }
}

void follow_flush(struct ctl_client *c) {
    while (c->ring && !c->doomed && !c->parting && pump_one(c))
        continue;
}

static bool is_behind(const struct ctl_client *c) {
    return c->ring && (c->catching || !ring_empty(c->ring));
}

void follow_line(struct ctl_client *c, const struct buf *line) {
    if (is_behind(c))
        ring_push_line(c->ring, line);
    else
        client_write(c, line);
}

void follow_event(void *server, const struct bus_event *e) {
    struct ctl_server *s = server;
    bool made = false;
    list_for(&s->clients, it) {
        struct ctl_client *c = list_entry(it, struct ctl_client, link);
        if (c->doomed || c->parting || !wants(c, e))
            continue;
        if (is_behind(c) || outq_pending(c->out) > OUT_SLOW) {
            ring_push(c->ring, e);
            continue;
        }
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
    store_after_cancel(&c->commit);
    loop_undefer(c->server->loop, pump_again, c);
    ring_free(&c->ring);
}
