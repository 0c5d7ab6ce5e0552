/* listing: from a provider's address to the body of its list, or to why there is none. */
#include "llm/listing.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/catalog.h"
#include "llm/client-internal.h"

struct listing {
    struct loop *loop;
    struct llm *llm;
    const struct provider *provider; /* NULL: it cannot be asked */
    struct http_call *call;
    struct buf body;
    bool telling; /* deferred: `error` says why */
    char error[512];
    listing_fn *fn;
    void *arg;
};

static void listing_free(struct listing *l) {
    http_cancel(&l->call);
    buf_free(&l->body);
    x_free(&l);
}

/* The last thing that is done with it. */
static void end(struct listing *l, const char *error) {
    listing_fn *fn = l->fn;
    void *arg = l->arg;
    struct buf body = l->body;
    char *text = xstrdup_null(error);
    l->body = (struct buf)BUF_INIT;
    listing_free(l);
    fn(arg, text, text ? NULL : buf_str(&body), text ? 0 : body.len);
    buf_free(&body);
    x_free(&text);
}

static void tell(void *arg) {
    struct listing *l = arg;
    l->telling = false;
    end(l, l->error);
}

static void refuse(struct listing *l, const char *who, const char *text) {
    struct llm_error e;
    const struct fault_place p = {.provider = who, .host = ""};
    fault_set(&e, &p, LLM_FAULT_NOT_CONFIGURED, "%s", text);
    memcpy(l->error, e.text, sizeof l->error);
    l->telling = true;
    loop_defer(l->loop, tell, l);
}

static struct fault_place place_of(const struct listing *l) {
    struct fault_place p = client_place(l->llm, l->provider);
    p.connect_secs = LISTING_CONNECT_SECS;
    p.silence_secs = p.call_secs = LISTING_SECS;
    return p;
}

static void on_data(void *arg, const struct http_head *h, const char *data, size_t n) {
    struct listing *l = arg;
    (void)h;
    if (l->body.len + n <= CATALOG_BODY_MAX) {
        buf_append(&l->body, data, n);
        return;
    }
    struct llm_error e;
    struct fault_place p = place_of(l);
    fault_set(&e, &p, LLM_FAULT_GARBAGE, "its list of models has more than %zu MB",
              CATALOG_BODY_MAX >> 20);
    end(l, e.text);
}

static void on_end(void *arg, const struct http_head *h, const struct http_result *r) {
    struct listing *l = arg;
    struct llm_error e = {.http_status = h->status, .retry_after_ms = -1};
    struct fault_place p = place_of(l);
    l->call = NULL;
    if (r->end != HTTP_END_COMPLETE)
        fault_transfer(&e, &p, r, l->body.len);
    else if (h->status != 200)
        fault_response(&e, &p, h, buf_str(&l->body), l->body.len);
    end(l, *e.text ? e.text : NULL);
}

/* Ollama's own list says more than the one that it has for others' programs. */
static char *url_of(const struct wire_place *p) {
    return str_eq(p->id, "ollama") ? xasprintf("%s/api/tags", p->base_url) : wire_list_url(p);
}

static void ask(struct listing *l, bool direct) {
    const struct wire_place *place = &l->provider->place;
    struct strv headers = {0};
    char *url = url_of(place);
    wire_headers(place, true, &headers);
    const struct http_request r = {.url = url,
                                   .socket = l->provider->socket,
                                   .direct = direct,
                                   .headers = &headers,
                                   .connect_secs = LISTING_CONNECT_SECS,
                                   .silence_secs = LISTING_SECS,
                                   .call_secs = LISTING_SECS,
                                   .on_data = on_data,
                                   .on_end = on_end,
                                   .arg = l};
    l->call = http_send(l->llm->http, &r);
    for (size_t i = 0; i < headers.n; i++)
        explicit_bzero(headers.v[i], strlen(headers.v[i]));
    strv_free(&headers);
    x_free(&url);
}

struct listing *listing_start(struct loop *loop, struct llm *llm, const char *provider, bool direct,
                              listing_fn *fn, void *arg) {
    struct listing *l = xcalloc(1, sizeof *l);
    struct cause why = {""};
    const char *model;
    char *name = xasprintf("%s/", provider), *id;
    l->loop = loop;
    l->llm = llm;
    l->fn = fn;
    l->arg = arg;
    l->provider = client_ready(llm, name, &model, &id, &why);
    if (!l->provider)
        refuse(l, id, why.text);
    else if (l->provider->place.quirks & PROVIDER_NO_LIST)
        refuse(l, provider, "it has no list of its models to ask for");
    else
        ask(l, direct);
    x_free(&id);
    x_free(&name);
    return l;
}

void listing_cancel(struct listing **lp) {
    struct listing *l = *lp;
    *lp = NULL;
    if (!l)
        return;
    if (l->telling)
        loop_undefer(l->loop, tell, l);
    listing_free(l);
}
