/* exchange: see exchange.h. One job at a time works through what has come since the last one; its
 * results come back in order, so that a chain grows in the order of its requests. */
#include "agent/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/channel.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/queries.gen.h"

#define BLOCK ((size_t)1024) /* what two requests have in common is found in steps of so much */
#define STORE_PENDING_MAX ((size_t)16 * 1024 * 1024)
#define PRUNED_A_TURN 4 /* segments */
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define MIB (INT64_C(1024) * 1024)

struct exchange_chain {
    int64_t segment;
    int64_t link;
    uint64_t *blocks; /* hashes of the whole blocks that it has */
    size_t n;
};

void exchange_chain_free(struct exchange_chain **c) {
    if (*c)
        free((*c)->blocks);
    x_free(c);
}

/* What waits to be written: a request, or an end. */
struct item {
    struct list link;
    int64_t n;
    bool is_end;
    struct buf text; /* of the request or the answer */
    int64_t at_ms;
    /* of a request */
    struct process_handle process;
    char *process_id, *channel, *turn_id, *model, *url, *headers;
    uint64_t *blocks; /* made by the job */
    size_t nblocks;
    struct item *ended; /* it ended before its bytes came */
    /* of an end */
    int status;
    char *fault;
};

struct segment {
    int64_t n, bytes, at_ms;
};

struct exchanges {
    struct agent *agent; /* NULL: it is gone, and the rest is only written */
    struct store *store;
    struct job_pool *jobs;
    const struct scrub_values *values;
    struct llm_tap tap;
    int64_t limit_bytes, limit_ms;
    int64_t last;         /* number given */
    bool loaded;          /* what earlier engines have left is known */
    struct list sent;     /* requests whose bytes are still needed elsewhere */
    struct list waiting;  /* for the next job */
    size_t waiting_bytes; /* and in the one that runs */
    bool at_work;
    struct segment *segments; /* oldest first, from `first` on */
    size_t first, n, cap;
    int64_t bytes;
    struct list passing; /* in the job */
    bool passed;         /* its work was done */
};

static void item_free(struct item *i) {
    list_remove(&i->link);
    if (i->ended)
        item_free(i->ended);
    buf_free(&i->text);
    x_free(&i->process_id);
    x_free(&i->channel);
    x_free(&i->turn_id);
    x_free(&i->model);
    x_free(&i->url);
    x_free(&i->headers);
    x_free(&i->blocks);
    x_free(&i->fault);
    free(i);
}

/* --- the job ------------------------------------------------------------------------------------
 */

static void clean(struct item *i, const struct scrub_values *values) {
    struct buf out = BUF_INIT;
    if (i->text.len && scrub_text(values, i->text.data, i->text.len, &out)) {
        buf_free(&i->text);
        i->text = out;
    }
    if (i->is_end)
        return;
    i->nblocks = i->text.len / BLOCK;
    i->blocks = xcalloc(i->nblocks, sizeof *i->blocks);
    for (size_t k = 0; k < i->nblocks; k++)
        i->blocks[k] = hash_bytes(i->text.data + k * BLOCK, BLOCK);
}

static void work(void *input, const atomic_bool *cancelled) {
    struct exchanges *e = input;
    (void)cancelled; /* what has come is kept */
    list_for(&e->passing, it) clean(list_entry(it, struct item, link), e->values);
    e->passed = true;
}

/* --- the store ----------------------------------------------------------------------------------
 */

static bool on_segment(void *arg, const struct q_exchange_segments_row *row) {
    struct exchanges *e = arg;
    if (e->n == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 64;
        e->segments = xreallocarray(e->segments, e->cap, sizeof *e->segments);
    }
    e->segments[e->n++] = (struct segment){row->segment_n, row->bytes, row->started_at};
    e->bytes += row->bytes;
    return true;
}

static void account(struct exchanges *e, int64_t segment, int64_t bytes, int64_t at_ms) {
    for (size_t i = e->n; i-- > e->first && e->segments[i].n >= segment;) {
        if (e->segments[i].n != segment)
            continue;
        e->segments[i].bytes += bytes;
        e->bytes += bytes;
        return;
    }
    (void)on_segment(e, &(struct q_exchange_segments_row){
                            .segment_n = segment, .bytes = bytes, .started_at = at_ms});
}

/* Nobody goes on with what is gone. */
static void forget_chain(const struct exchanges *e, int64_t segment) {
    size_t pos = 0;
    for (struct process *p; e->agent && (p = process_next(agent_processes(e->agent), &pos));)
        if (p->sent && p->sent->segment == segment)
            exchange_chain_free(&p->sent);
}

static void prune(struct exchanges *e) {
    int64_t old_ms = clock_wall_ms() - e->limit_ms;
    for (int i = 0; i < PRUNED_A_TURN && e->first < e->n; i++) {
        const struct segment *s = &e->segments[e->first];
        if (e->bytes <= e->limit_bytes && s->at_ms >= old_ms)
            break;
        store_exchange_prune(e->store, s->n);
        forget_chain(e, s->n);
        e->bytes -= s->bytes;
        e->first++;
    }
    if (e->first > 1024 && e->first > e->n / 2) {
        e->n -= e->first;
        memmove(e->segments, e->segments + e->first, e->n * sizeof *e->segments);
        e->first = 0;
    }
}

/* What it has in common with the last one, if it is worth it. */
static size_t common(const struct exchange_chain *c, const struct item *i) {
    size_t same = 0;
    if (!c || c->link + 1 >= EXCHANGE_LINKS_MAX)
        return 0;
    while (same < c->n && same < i->nblocks && c->blocks[same] == i->blocks[same])
        same++;
    return same * BLOCK * 2 >= i->text.len ? same * BLOCK : 0;
}

static void write_request(struct exchanges *e, struct item *i) {
    struct process *p = e->agent ? process_get(agent_processes(e->agent), i->process) : NULL;
    size_t same = common(p ? p->sent : NULL, i);
    int64_t segment = same ? p->sent->segment : i->n, link = same ? p->sent->link + 1 : 0;
    size_t rest = i->text.len - same;
    int64_t kept = (int64_t)(rest + strlen(i->headers) + strlen(i->url));
    store_exchange_insert(e->store, &(struct store_exchange_insert){.n = i->n,
                                                                    .segment_n = segment,
                                                                    .link = link,
                                                                    .kept = kept,
                                                                    .process_id = i->process_id,
                                                                    .channel_id = i->channel,
                                                                    .turn_id = i->turn_id,
                                                                    .model = i->model,
                                                                    .started_at = i->at_ms,
                                                                    .url = i->url,
                                                                    .headers = i->headers,
                                                                    .bytes = (int64_t)i->text.len,
                                                                    .prefix = (int64_t)same,
                                                                    .rest = i->text.data + same,
                                                                    .rest_len = rest});
    account(e, segment, kept, i->at_ms);
    if (!p)
        return;
    exchange_chain_free(&p->sent);
    p->sent = xmalloc(sizeof *p->sent);
    *p->sent = (struct exchange_chain){segment, link, i->blocks, i->nblocks};
    i->blocks = NULL;
}

static void write_end(struct exchanges *e, const struct item *i) {
    store_exchange_end(e->store, (int64_t)i->text.len, &i->at_ms, i->status, i->fault,
                       i->text.len ? i->text.data : NULL, i->n);
    if (e->n > e->first) { /* counted where it weighs longest */
        e->segments[e->n - 1].bytes += (int64_t)i->text.len;
        e->bytes += (int64_t)i->text.len;
    }
}

static void write_all(struct exchanges *e, struct list *items) {
    while (!list_empty(items)) {
        struct item *i = list_entry(items->next, struct item, link);
        if (i->is_end)
            write_end(e, i);
        else
            write_request(e, i);
        item_free(i);
    }
    prune(e);
}

/* --- what comes ---------------------------------------------------------------------------------
 */

static void done(void *arg, void *input, bool cancelled);

static void move_all(struct list *from, struct list *to) {
    while (!list_empty(from)) {
        struct list *it = from->next;
        list_remove(it);
        list_push_back(to, it);
    }
}

/* Here and now: what had no job is written without one. */
static void finish_passing(struct exchanges *e) {
    if (!e->passed) {
        static const atomic_bool no;
        work(e, &no);
    }
    write_all(e, &e->passing);
    e->waiting_bytes = 0;
    list_for(&e->waiting, it) e->waiting_bytes += list_entry(it, struct item, link)->text.cap;
}

static void begin_job(struct exchanges *e) {
    struct cause why;
    move_all(&e->waiting, &e->passing);
    e->passed = false;
    e->at_work = true;
    if (job_submit(e->jobs, "requests", work, done, NULL, e, NULL, &why) == STATUS_OK)
        return;
    /* All others are busy for long: the next that comes tries again. */
    e->at_work = false;
    move_all(&e->passing, &e->waiting);
}

/* Nothing is written any more; whose bytes are still to come is waited for. */
static void destroy(struct exchanges *e) {
    e->store = NULL;
    if (!list_empty(&e->sent))
        return;
    free(e->segments);
    free(e);
}

static void done(void *arg, void *input, bool cancelled) {
    struct exchanges *e = input;
    (void)arg;
    (void)cancelled;
    e->at_work = false;
    finish_passing(e);
    if (e->agent && !list_empty(&e->waiting)) {
        begin_job(e);
    } else if (!e->agent) {
        move_all(&e->waiting, &e->passing);
        e->passed = false;
        finish_passing(e);
        destroy(e);
    }
}

/* Takes i. */
static void come(struct exchanges *e, struct item *i) {
    e->waiting_bytes += i->text.cap;
    list_push_back(&e->waiting, &i->link);
    if (!e->at_work)
        begin_job(e);
}

static void load(struct exchanges *e) {
    struct q_exchange_last_row row;
    struct cause why = {""};
    enum status st = q_exchange_last(store_read(e->store), &row, &why);
    if (st == STATUS_OK) {
        e->last = row.n;
        st = q_exchange_segments(store_read(e->store), on_segment, e, &why);
    }
    if (st != STATUS_OK)
        log_error("what was kept of requests could not be read: %s", why.text);
    e->loaded = true;
}

static int64_t on_sent(void *arg, const void *of, const char *model, const char *url,
                       const struct strv *headers, size_t n) {
    struct exchanges *e = arg;
    const struct process *p = of;
    if (!p || n > EXCHANGE_REQUEST_MAX || e->waiting_bytes + n > EXCHANGE_PENDING_MAX ||
        store_pending_bytes(e->store) > STORE_PENDING_MAX)
        return 0;
    if (!e->loaded)
        load(e);
    struct item *i = xcalloc(1, sizeof *i);
    list_init(&i->link);
    struct buf lines = BUF_INIT;
    for (size_t k = 0; k < headers->n; k++)
        buf_printf(&lines, "%s%s", k ? "\n" : "", headers->v[k]);
    i->n = ++e->last;
    i->at_ms = clock_wall_ms();
    i->process = p->handle;
    i->process_id = xstrdup(p->id);
    i->channel = xstrdup_null(p->channel);
    i->turn_id = p->kind == PROCESS_CHANNEL ? xstrdup_null(channel_turn_id(p)) : NULL;
    i->model = xstrdup(model);
    i->url = xstrdup(url);
    i->headers = buf_steal(&lines);
    list_push_back(&e->sent, &i->link);
    return i->n;
}

static struct item *sent_item(const struct exchanges *e, int64_t n) {
    list_for(&e->sent, it) {
        struct item *i = list_entry(it, struct item, link);
        if (i->n == n)
            return i;
    }
    return NULL;
}

static void on_spent(void *arg, int64_t n, char *body, size_t bytes) {
    struct exchanges *e = arg;
    struct item *i = sent_item(e, n);
    assert(i);
    list_remove(&i->link);
    i->text = (struct buf){.data = body, .len = bytes, .cap = bytes + 1};
    if (!e->agent) { /* too late to be written */
        item_free(i);
        if (!e->store)
            destroy(e);
        return;
    }
    struct item *end = i->ended;
    i->ended = NULL;
    come(e, i);
    if (end)
        come(e, end);
}

static void put_usage(struct buf *out, const struct llm_usage *u) {
    buf_printf(out,
               "{\"input_tokens\":%lld,\"output_tokens\":%lld,\"cache_read_tokens\":%lld,"
               "\"cache_write_tokens\":%lld,\"cost_usd\":%.6f,\"cost_is_estimate\":%s}",
               (long long)u->input_tokens, (long long)u->output_tokens,
               (long long)u->cache_read_tokens, (long long)u->cache_write_tokens, u->cost_usd,
               u->cost_is_estimate ? "true" : "false");
}

/* {"model":…,"stop":…,"usage":{…},"messages":[{"role":"assistant","blocks":[…]}]} */
static void put_answer(struct buf *out, const struct llm_response *r) {
    struct llm_message m = r->message;
    const struct llm_history one = {.v = &m, .n = 1, .cap = 1};
    char *blocks = llm_history_json(&one);
    buf_puts(out, "{\"model\":");
    json_quote(out, r->model, strlen(r->model));
    buf_printf(out, ",\"stop\":\"%s\",\"usage\":", llm_stop_name(r->stop));
    put_usage(out, &r->usage);
    buf_printf(out, ",\"messages\":%s}", blocks);
    x_free(&blocks);
}

static void on_ended(void *arg, int64_t n, int status, const struct llm_response *r,
                     const struct llm_error *err, const char *body) {
    struct exchanges *e = arg;
    struct item *i = xcalloc(1, sizeof *i);
    list_init(&i->link);
    i->n = n;
    i->is_end = true;
    i->at_ms = clock_wall_ms();
    i->status = status;
    i->fault = err ? xstrdup(err->text) : NULL;
    if (r)
        put_answer(&i->text, r);
    else
        buf_puts(&i->text, body);
    struct item *of = sent_item(e, n);
    if (of && !of->ended)
        of->ended = i;
    else
        come(e, i);
}

/* --- life ---------------------------------------------------------------------------------------
 */

struct exchanges *exchanges_new(struct agent *a) {
    const struct agent_parts *parts = agent_parts(a);
    const struct config_limits *limits = &parts->config->limits;
    if (!limits->keep_requests_mb)
        return NULL;
    struct exchanges *e = xcalloc(1, sizeof *e);
    e->agent = a;
    e->store = parts->store;
    e->jobs = parts->jobs;
    e->values = parts->values;
    e->tap = (struct llm_tap){.sent = on_sent, .spent = on_spent, .ended = on_ended, .arg = e};
    e->limit_bytes = limits->keep_requests_mb * MIB;
    e->limit_ms = limits->keep_requests_days * DAY_MS;
    list_init(&e->sent);
    list_init(&e->waiting);
    list_init(&e->passing);
    return e;
}

const struct llm_tap *exchanges_tap(const struct exchanges *e) { return e ? &e->tap : NULL; }

void exchanges_free(struct exchanges **pe) {
    struct exchanges *e = *pe;
    *pe = NULL;
    if (!e)
        return;
    e->agent = NULL;
    if (e->at_work)
        return; /* done() does the rest */
    move_all(&e->waiting, &e->passing);
    e->passed = false;
    finish_passing(e);
    destroy(e);
}
