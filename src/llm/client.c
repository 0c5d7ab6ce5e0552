/* client: one call from request to answer. It puts together http (bytes), sse (events), a
 * provider's decoder (meaning) and fault (failures), and sees to it that a caller who cancels in
 * the middle of a callback is never called again. */
#include "llm/client-internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/decode.h"
#include "llm/fault.h"
#include "llm/price.h"
#include "llm/sse.h"

#define ERROR_BODY_MAX ((size_t)65536)
/* Of a whole answer as it comes. The longest that models give (64,000 tokens) are 40 MB where a
 * server wraps each token in 600 bytes. */
#define ANSWER_MAX ((size_t)128 << 20)
#define DEFAULT_PROVIDER "anthropic"
#define DEFAULT_SILENCE_SECS 300
#define DEFAULT_CONNECT_SECS 30
#define DEFAULT_CALL_SECS 1800
#define DEFAULT_USER_AGENT "spacebot"

#define BODY_ROOM 16384 /* of a request, beside its history: system prompt and tools */

enum body { BODY_UNKNOWN, BODY_STREAM, BODY_ERROR };

struct llm_call {
    struct list link;
    struct llm *llm;
    const struct provider *provider; /* NULL: unknown */
    struct llm_events ev;
    void *arg;
    char *model; /* as asked for */
    struct http_call *http;
    struct loop_timer *refused; /* tells early_error from a later turn */
    struct sse sse;
    struct decode *decode;
    struct buf error_body;
    enum body body;
    size_t bytes;
    struct llm_rate rate;
    bool hung_up;    /* by us, before anything was answered to what had been sent */
    bool busy, dead; /* in a callback of http; cancelled during it */
    const struct llm_tap *tap;
    int64_t tap_n; /* 0: nobody waits for its end */
    int status;    /* HTTP's; 0: none came */
    struct llm_error early_error;
};

/* ---- configuration ---- */

/* Of what the environment and files put around a key, nothing belongs to it. */
static char *trimmed(const char *s) {
    size_t n;
    s += strspn(s, " \t\r\n");
    for (n = strlen(s); n && strchr(" \t\r\n", s[n - 1]); n--)
        ;
    return n ? xstrndup(s, n) : NULL;
}

static void add_provider(struct llm *llm, const struct llm_provider *from, enum llm_cache cache) {
    struct provider *p = &llm->providers[llm->nproviders++];
    char *base = wire_base(from->api, from->base_url ? from->base_url : "");
    p->place = (struct wire_place){.id = xstrdup(from->id),
                                   .api = from->api,
                                   .base_url = base,
                                   .key = from->api_key ? trimmed(from->api_key) : NULL,
                                   .deployment = xstrdup_null(from->deployment),
                                   .api_version = xstrdup_null(from->api_version),
                                   .quirks = provider_quirks(base),
                                   .cache = cache};
    p->keyless = from->keyless;
    p->socket = xstrdup_null(from->socket);
}

static int secs_or(int secs, int usual) { return secs > 0 ? secs : usual; }

struct llm *llm_new(struct loop *l, const struct llm_config *config) {
    struct llm *llm = xcalloc(1, sizeof(*llm));
    const struct http_net net = {config->proxy, config->no_proxy, config->ca_file};
    llm->loop = l;
    llm->silence_secs = secs_or(config->silence_secs, DEFAULT_SILENCE_SECS);
    llm->connect_secs = secs_or(config->connect_secs, DEFAULT_CONNECT_SECS);
    llm->call_secs = secs_or(config->call_secs, DEFAULT_CALL_SECS);
    llm->http = http_new(l, config->user_agent ? config->user_agent : DEFAULT_USER_AGENT, &net);
    llm->providers = xcalloc(config->nproviders, sizeof(*llm->providers));
    list_init(&llm->calls);
    for (size_t i = 0; i < config->nproviders; i++)
        add_provider(llm, &config->providers[i], config->cache);
    return llm;
}

static void provider_free(struct provider *p) {
    char *own[] = {(char *)(uintptr_t)p->place.key, (char *)(uintptr_t)p->place.id,
                   (char *)(uintptr_t)p->place.base_url, (char *)(uintptr_t)p->place.deployment,
                   (char *)(uintptr_t)p->place.api_version};
    if (own[0])
        explicit_bzero(own[0], strlen(own[0]));
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        free(own[i]);
    free(p->socket);
}

static void call_free(struct llm_call *c) {
    list_remove(&c->link);
    if (!c->dead)
        c->llm->open--;
    http_cancel(&c->http);
    loop_timer_del(&c->refused);
    sse_free(&c->sse);
    decode_free(&c->decode);
    buf_free(&c->error_body);
    free(c->model);
    free(c);
}

void llm_free(struct llm **pl) {
    struct llm *llm = *pl;
    if (!llm)
        return;
    while (!list_empty(&llm->calls))
        call_free(list_entry(llm->calls.next, struct llm_call, link));
    http_free(&llm->http);
    for (size_t i = 0; i < llm->nproviders; i++)
        provider_free(&llm->providers[i]);
    for (size_t i = 0; i < llm->nrates; i++)
        free(llm->rates[i].model);
    free(llm->providers);
    x_free(pl);
}

/* "provider/model" at the first slash; *model is what follows. */
static struct provider *provider_of(const struct llm *llm, const char *name, const char **model) {
    const char *slash = strchr(name, '/');
    const char *id = slash ? name : DEFAULT_PROVIDER;
    size_t n = slash ? (size_t)(slash - name) : strlen(id);
    *model = slash ? slash + 1 : name;
    for (size_t i = 0; i < llm->nproviders; i++)
        if (strlen(llm->providers[i].place.id) == n &&
            memcmp(llm->providers[i].place.id, id, n) == 0)
            return &llm->providers[i];
    return NULL;
}

bool llm_has_provider(const struct llm *llm, const char *model) {
    const struct provider *p = provider_of(llm, model, &model);
    return p && (p->place.key || p->keyless);
}

size_t llm_calls_open(const struct llm *llm) { return llm->open; }

void llm_usage_add(struct llm_usage *to, const struct llm_usage *from) {
    to->input_tokens += from->input_tokens;
    to->output_tokens += from->output_tokens;
    to->cache_read_tokens += from->cache_read_tokens;
    to->cache_write_tokens += from->cache_write_tokens;
    to->cache_hour_tokens += from->cache_hour_tokens;
    to->cost_usd += from->cost_usd;
    to->cost_is_estimate |= from->cost_is_estimate;
}

/* ---- rates ---- */

static void keep_rate(struct llm_call *c, const struct llm_rate *rate) {
    struct llm *llm = c->llm;
    if (!rate->at_ms)
        return;
    struct known_rate *k = NULL;
    for (size_t i = 0; i < llm->nrates && !k; i++)
        if (str_eq(llm->rates[i].model, c->model))
            k = &llm->rates[i];
    if (!k && llm->nrates < RATES_MAX) {
        k = &llm->rates[llm->nrates++];
        k->model = xstrdup(c->model);
    } else if (!k) {
        k = &llm->rates[llm->oldest++ % RATES_MAX];
        free(k->model);
        k->model = xstrdup(c->model);
    }
    k->rate = *rate;
}

bool llm_rate(const struct llm *llm, const char *model, struct llm_rate *out) {
    rate_init(out);
    for (size_t i = 0; i < llm->nrates; i++) {
        if (!str_eq(llm->rates[i].model, model))
            continue;
        *out = llm->rates[i].rate;
        return true;
    }
    return false;
}

/* ---- the end of a call: exactly one of these, and the call is gone ---- */

struct fault_place client_place(const struct llm *llm, const struct provider *p) {
    return (struct fault_place){
        .provider = p->place.id,
        .host = p->host,
        .key = p->place.key,
        .silence_secs = llm->silence_secs,
        .connect_secs = llm->connect_secs,
        .call_secs = llm->call_secs,
    };
}

static struct fault_place place_of(const struct llm_call *c) {
    return client_place(c->llm, c->provider);
}

static void tell_tap(struct llm_call *c, const struct llm_response *r, const struct llm_error *e) {
    int64_t n = c->tap_n;
    c->tap_n = 0;
    if (n)
        c->tap->ended(c->tap->arg, n, c->status, r, e, buf_str(&c->error_body));
}

/* It will not be whole: what came of it is told all the same. */
static void tell_tap_partly(struct llm_call *c, const struct llm_error *e) {
    struct llm_response r = {.stop = LLM_STOP_OTHER};
    bool some = c->tap_n && c->decode && c->decode->begun;
    if (some)
        decode_take(c->decode, &r);
    tell_tap(c, some ? &r : NULL, e);
    llm_message_free(&r.message);
}

/* Ends the call, busy or not, and then speaks: the callback may do as it likes. */
static void retire(struct llm_call *c) {
    list_remove(&c->link);
    c->llm->open--;
    c->dead = true;
    http_cancel(&c->http);
    if (!c->busy)
        call_free(c);
}

static void price(const struct llm_call *c, const char *said, struct llm_usage *u) {
    /* What the provider says it was, unless only the asked name has a price. */
    struct price p;
    char *full = *said ? xasprintf("%s/%s", c->provider->place.id, said) : NULL;
    price_apply(full && price_find(full, &p) ? full : c->model, u);
    free(full);
}

/* hung_up: by us, before anything was said to the request that had left. */
static void used(const struct llm_call *c, bool hung_up, struct llm_usage *out) {
    decode_usage(c->decode, out);
    if (!c->decode->begun && hung_up) {
        out->input_tokens = c->decode->input_guess;
        out->cost_is_estimate = true;
    }
    price(c, c->decode->model, out);
}

void llm_call_used(const struct llm_call *c, struct llm_usage *out, const char **model) {
    *out = (struct llm_usage){0};
    *model = c->decode ? c->decode->model : "";
    if (c->decode)
        used(c, c->http && c->body != BODY_ERROR && http_sent(c->http), out);
}

static void fail(struct llm_call *c, struct llm_error *e) {
    if (c->decode) {
        e->delivered = c->decode->delivered;
        used(c, c->hung_up, &e->usage);
        memcpy(e->model, c->decode->model, sizeof(e->model));
    }
    if (!e->rate.at_ms)
        e->rate = c->rate;
    keep_rate(c, &e->rate);
    tell_tap_partly(c, e);
    void (*on_error)(void *, const struct llm_error *) = c->ev.on_error;
    void *arg = c->arg;
    retire(c);
    on_error(arg, e);
}

/* Whose thinking it is: nobody else takes it back. */
static void sign(const struct llm_call *c, struct llm_message *m) {
    for (size_t i = 0; i < m->n; i++) {
        struct llm_block *b = &m->blocks[i];
        if ((b->kind == LLM_BLOCK_THINKING || b->kind == LLM_BLOCK_REDACTED_THINKING) && !b->name)
            b->name = xstrdup(c->provider->place.id);
    }
}

static void finish(struct llm_call *c) {
    struct llm_response r;
    decode_take(c->decode, &r);
    if (c->dead) { /* by a callback for the last held-back character */
        llm_message_free(&r.message);
        return;
    }
    price(c, r.model, &r.usage);
    r.rate = c->rate;
    keep_rate(c, &r.rate);
    sign(c, &r.message);
    tell_tap(c, &r, NULL);
    void (*on_done)(void *, struct llm_response *) = c->ev.on_done;
    void *arg = c->arg;
    if (c->http)
        http_settle(&c->http);
    retire(c);
    on_done(arg, &r);
    llm_message_free(&r.message);
}

/* ---- pieces, on their way through ---- */

static void on_text(void *arg, const char *text, size_t n) {
    struct llm_call *c = arg;
    if (!c->dead && c->ev.on_text)
        c->ev.on_text(c->arg, text, n);
}

static void on_thinking(void *arg, const char *text, size_t n) {
    struct llm_call *c = arg;
    if (!c->dead && c->ev.on_thinking)
        c->ev.on_thinking(c->arg, text, n);
}

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    struct llm_call *c = arg;
    if (!c->dead && c->ev.on_tool_start)
        c->ev.on_tool_start(c->arg, index, id, name);
}

static void on_tool_input(void *arg, size_t index, const char *fragment, size_t n) {
    struct llm_call *c = arg;
    if (!c->dead && c->ev.on_tool_input)
        c->ev.on_tool_input(c->arg, index, fragment, n);
}

static const struct llm_events pieces = {
    .on_text = on_text,
    .on_thinking = on_thinking,
    .on_tool_start = on_tool_start,
    .on_tool_input = on_tool_input,
};

static void fail_stream(struct llm_call *c, enum llm_fault fault, const char *text) {
    struct llm_error e = {.http_status = 200, .retry_after_ms = -1};
    struct fault_place p = place_of(c);
    if (fault == LLM_FAULT_GARBAGE) {
        fault_set(&e, &p, fault, "not the stream that was expected: %s", text);
    } else {
        const struct decode_error *said = &c->decode->error;
        fault_event(&e, &p, said->type, said->message, said->status);
    }
    fail(c, &e);
}

static bool on_event(void *arg, const struct sse_event *e) {
    struct llm_call *c = arg;
    struct cause why = {""};
    enum decode_step step = wire_event(c->provider->place.api, c->decode, e, &why);
    if (c->dead)
        return false;
    switch (step) {
    case DECODE_MORE:
        return true;
    case DECODE_DONE:
        finish(c);
        return false;
    case DECODE_ERROR:
        fail_stream(c, LLM_FAULT_SERVER, "");
        return false;
    case DECODE_BAD:
        fail_stream(c, LLM_FAULT_GARBAGE, why.text);
        return false;
    }
    return false;
}

/* ---- http's callbacks ---- */

static void enter(struct llm_call *c) { c->busy = true; }

static void leave(struct llm_call *c) {
    c->busy = false;
    if (c->dead)
        call_free(c);
}

static bool is_stream(const struct http_head *h) {
    /* Without a type it is taken at its word: the events will tell. */
    return h->status == 200 &&
           (!*h->content_type || strncasecmp(h->content_type, "text/event-stream", 17) == 0);
}

static void fail_response(struct llm_call *c, const struct http_head *h) {
    struct llm_error e = {.retry_after_ms = -1};
    struct fault_place p = place_of(c);
    fault_response(&e, &p, h, buf_str(&c->error_body), c->error_body.len);
    fail(c, &e);
}

static void on_alive(void *arg) {
    struct llm_call *c = arg;
    enter(c);
    if (c->ev.on_bytes)
        c->ev.on_bytes(c->arg);
    leave(c);
}

static void on_data(void *arg, const struct http_head *h, const char *data, size_t n) {
    struct llm_call *c = arg;
    enter(c);
    c->bytes += n;
    c->status = h->status;
    if (c->body == BODY_UNKNOWN) {
        c->body = is_stream(h) ? BODY_STREAM : BODY_ERROR;
        c->rate = h->rate;
    }
    if (c->body == BODY_STREAM) {
        struct cause why = {""};
        enum status s =
            c->bytes > ANSWER_MAX
                ? cause_set(&why, STATUS_LIMIT, "the answer is larger than %zu bytes", ANSWER_MAX)
                : sse_feed(&c->sse, data, n, on_event, c, &why);
        if (s == STATUS_LIMIT)
            fail_stream(c, LLM_FAULT_GARBAGE, why.text);
    } else {
        size_t room = ERROR_BODY_MAX - c->error_body.len;
        buf_append(&c->error_body, data, n < room ? n : room);
        if (n >= room)
            fail_response(c, h);
    }
    leave(c);
}

static void on_end(void *arg, const struct http_head *h, const struct http_result *r) {
    struct llm_call *c = arg;
    enter(c);
    c->http = NULL; /* gone already */
    c->status = h->status;
    bool answered = r->end == HTTP_END_COMPLETE || c->error_body.len || h->status >= 300;
    if (c->body == BODY_STREAM && c->decode->stopped) {
        /* Only the last words are missing, and they say nothing. */
        finish(c);
    } else if (c->body != BODY_STREAM && h->status && answered && !is_stream(h)) {
        fail_response(c, h);
    } else {
        struct llm_error e = {.http_status = h->status, .retry_after_ms = h->retry_after_ms};
        struct fault_place p = place_of(c);
        bool ours = r->end == HTTP_END_SILENT || r->end == HTTP_END_OVERTIME;
        c->hung_up = ours && r->sent && (!h->status || is_stream(h));
        fault_transfer(&e, &p, r, c->bytes);
        fail(c, &e);
    }
    leave(c);
}

/* ---- starting ---- */

static void on_refused(void *arg) {
    struct llm_call *c = arg;
    c->refused = NULL;
    struct llm_error e = c->early_error;
    fail(c, &e);
}

/* Told from the next turn on, as everything is. */
static void refuse(struct llm_call *c, const char *who, enum llm_fault fault, const char *text) {
    struct fault_place p = {.provider = who, .host = ""};
    c->early_error.retry_after_ms = -1;
    rate_init(&c->early_error.rate);
    fault_set(&c->early_error, &p, fault, "%s", text);
    c->refused = loop_timer(c->llm->loop, 0, on_refused, c, "provider refusal");
}

/* Into a header goes only what can stand in one. */
static bool is_clean(const char *key) {
    for (; *key; key++)
        if (*key <= ' ' || *key > '~')
            return false;
    return true;
}

struct provider *client_ready(struct llm *llm, const char *name, const char **model, char **id,
                              struct cause *why) {
    struct provider *p = provider_of(llm, name, model);
    *id = NULL;
    if (!p) {
        size_t n = *model == name ? 0 : (size_t)(*model - name) - 1;
        *id = n ? xstrndup(name, n) : xstrdup(DEFAULT_PROVIDER);
        struct buf shown = BUF_INIT; /* it may be what a person typed */
        fault_clean(&shown, *id, strlen(*id), 64, NULL);
        cause_set(why, STATUS_CONFIG, "no such provider; add \"%s\" to providers in spacebot.conf",
                  shown.data);
        buf_free(&shown);
        return NULL;
    }
    const char *key = p->place.key;
    if (!key && !p->keyless) {
        const char *var = fault_key_variable(p->place.id);
        cause_set(why, STATUS_CONFIG, "there is no key; set %s%sproviders in spacebot.conf",
                  var ? var : "it in ", var ? " or " : "");
    } else if (key && !is_clean(key)) {
        cause_set(why, STATUS_CONFIG, "the key has characters that no key has");
    } else if (!*p->host && !http_host(p->place.base_url, p->host, sizeof(p->host))) {
        cause_set(why, STATUS_CONFIG, "its base_url is not a web address");
    } else {
        return p;
    }
    *id = xstrdup(p->place.id);
    return NULL;
}

static bool check_provider(struct llm_call *c, const char *model) {
    struct cause why = {""};
    char *id;
    c->provider = client_ready(c->llm, c->model, &model, &id, &why);
    if (!c->provider)
        refuse(c, id, LLM_FAULT_NOT_CONFIGURED, why.text);
    free(id);
    return c->provider != NULL;
}

/* Without what is secret. */
static void tap(struct llm_call *c, const void *of, const char *url, const struct strv *headers,
                const struct buf *body) {
    static const char *const keys[] = {"authorization:", "x-api-key:", "api-key:"};
    struct strv shown = {0};
    for (size_t i = 0; i < headers->n; i++) {
        size_t k = 0;
        while (k < ARRAY_LEN(keys) && strncasecmp(headers->v[i], keys[k], strlen(keys[k])) != 0)
            k++;
        if (k == ARRAY_LEN(keys))
            strv_push(&shown, headers->v[i]);
        else
            strv_pushf(&shown, "%s [key]", keys[k]);
    }
    c->tap_n = c->tap->sent(c->tap->arg, of, c->model, url, &shown, body->len);
    strv_free(&shown);
}

static void post(struct llm_call *c, const char *model, const void *tapped, struct buf *body) {
    struct strv headers = {0};
    char *url = wire_url(&c->provider->place, model);
    wire_headers(&c->provider->place, false, &headers);
    if (c->tap)
        tap(c, tapped, url, &headers, body);
    size_t n = body->len;
    struct http_request r = {
        .url = url,
        .socket = c->provider->socket,
        .headers = &headers,
        .body = buf_steal(body),
        .body_len = n,
        .connect_secs = c->llm->connect_secs,
        .silence_secs = c->llm->silence_secs,
        .call_secs = c->llm->call_secs,
        .on_data = on_data,
        .on_alive = on_alive,
        .on_end = on_end,
        .arg = c,
    };
    if (c->tap_n) {
        r.spent.fn = c->tap->spent;
        r.spent.arg = c->tap->arg;
        r.spent.n = c->tap_n;
    }
    c->http = http_send(c->llm->http, &r);
    for (size_t i = 0; i < headers.n; i++)
        explicit_bzero(headers.v[i], strlen(headers.v[i]));
    strv_free(&headers);
    free(url);
}

/* Four bytes of a request are a token, but for the files in it. */
static int64_t input_guess(const struct llm_history *h, size_t body) {
    size_t base64;
    int64_t files = llm_history_files(h, &base64);
    return files + (int64_t)((body - (base64 < body ? base64 : body) + 3) / 4);
}

struct llm_call *llm_call_start(struct llm *llm, const struct llm_request *r,
                                const struct llm_events *ev, void *arg) {
    struct llm_call *c = xcalloc(1, sizeof(*c));
    c->llm = llm;
    c->ev = *ev;
    c->arg = arg;
    c->model = xstrdup(r->model);
    c->tap = r->tap;
    rate_init(&c->rate);
    sse_init(&c->sse, 0);
    list_push_back(&llm->calls, &c->link);
    llm->open++;
    const char *model = r->model;
    (void)provider_of(llm, r->model, &model);
    if (!check_provider(c, model))
        return c;
    struct buf body = BUF_INIT;
    struct cause why = {""};
    c->decode = decode_new(&pieces, c);
    /* Room for all of it at once, escapes too: growing would copy a long history several times. */
    size_t n = (size_t)llm_history_tokens(r->history) * 4;
    (void)buf_room(&body, n + n / 16 + BODY_ROOM);
    enum status s = wire_request(&c->provider->place, r, model, &body, &why);
    c->decode->input_guess = input_guess(r->history, body.len);
    if (s == STATUS_OK)
        post(c, model, r->tapped, &body);
    else
        refuse(c, c->provider->place.id, LLM_FAULT_BAD_REQUEST, why.text);
    buf_free(&body);
    return c;
}

void llm_call_cancel(struct llm_call **pc) {
    struct llm_call *c = *pc;
    *pc = NULL;
    if (!c || c->dead)
        return;
    static const struct llm_error cancelled = {.fault = LLM_FAULT_CANCELLED, .text = "cancelled"};
    if (c->busy) /* the decoder is in the middle of something */
        tell_tap(c, NULL, &cancelled);
    else
        tell_tap_partly(c, &cancelled);
    retire(c);
}
