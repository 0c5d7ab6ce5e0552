/* local: one GET a server, all at once; the first in the order asked for decides as soon as those
 * before it have answered or failed. What comes back is a stranger's: bounded, parsed, and one name
 * of it taken when it is a plain one. */
#include "llm/local.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/http.h"

#define USER_AGENT "spacebot"

struct asked {
    struct local *look;
    char *id;
    struct http_call *call; /* NULL: it has answered or failed */
    struct buf body;
    char *model; /* NULL: it has none */
};

struct local {
    struct loop *loop;
    struct http *http;
    struct asked servers[LOCAL_SERVERS_MAX];
    size_t n;
    struct loop_timer *timer;
    local_fn *fn;
    void *arg;
    bool telling; /* deferred */
};

/* A name goes into requests, logs and onto the screen. */
static bool is_plain(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > LOCAL_MODEL_MAX || !utf8_valid(name, n))
        return false;
    for (; *name; name++)
        if ((unsigned char)*name <= ' ' || (unsigned char)*name >= 0x7F)
            return false;
    return true;
}

/* {"data":[{"id":"llama3.2:latest"}, …]}: the first that can hold a conversation. Ollama lists what
 * it makes vectors with beside its chat models, and tells them apart by nothing but the name. */
static const char *first_model(const cJSON *root) {
    const cJSON *it;
    cJSON_ArrayForEach(it, json_arr(root, "data")) {
        const char *name = json_str(it, "id", "");
        if (is_plain(name) && !strcasestr(name, "embed"))
            return name;
    }
    return NULL;
}

static void take_answer(struct asked *s) {
    cJSON *root = NULL;
    struct cause why;
    if (json_parse(buf_str(&s->body), s->body.len, &root, &why) != STATUS_OK)
        return;
    const char *name = first_model(root);
    if (name)
        s->model = xasprintf("%s/%s", s->id, name);
    cJSON_Delete(root);
}

/* Out of every callback of the transfers: the owner may free us now. */
static void tell(void *arg) {
    struct local *look = arg;
    const char *model = NULL;
    for (size_t i = 0; i < look->n && !model; i++)
        model = look->servers[i].model;
    look->telling = false;
    look->fn(look->arg, model);
}

static void decide(struct local *look) {
    for (size_t i = 0; i < look->n && !look->servers[i].model; i++)
        if (look->servers[i].call)
            return; /* it comes before those behind it */
    if (look->telling)
        return;
    look->telling = true;
    loop_timer_del(&look->timer);
    loop_defer(look->loop, tell, look);
}

static void on_data(void *arg, const struct http_head *h, const char *data, size_t n) {
    struct asked *s = arg;
    (void)h;
    if (s->body.len + n <= LOCAL_BODY_MAX) {
        buf_append(&s->body, data, n);
        return;
    }
    http_cancel(&s->call);
    decide(s->look);
}

static void on_end(void *arg, const struct http_head *h, const struct http_result *r) {
    struct asked *s = arg;
    s->call = NULL;
    if (r->end == HTTP_END_COMPLETE && h->status == 200)
        take_answer(s);
    decide(s->look);
}

/* A name by which a server is reached may take as long to resolve as it likes, and a body to come:
 * one limit for everything. */
static void on_timeout(void *arg) {
    struct local *look = arg;
    look->timer = NULL;
    for (size_t i = 0; i < look->n; i++)
        http_cancel(&look->servers[i].call);
    decide(look);
}

static void ask(struct local *look, const struct local_server *server) {
    struct asked *s = &look->servers[look->n++];
    const struct strv headers = {0};
    char *url = xasprintf("%s/v1/models", server->base_url);
    s->look = look;
    s->id = xstrdup(server->id);
    const struct http_request r = {.url = url,
                                   .direct = true,
                                   .headers = &headers,
                                   .connect_secs = LOCAL_SECS,
                                   .silence_secs = LOCAL_SECS,
                                   .on_data = on_data,
                                   .on_end = on_end,
                                   .arg = s};
    s->call = http_send(look->http, &r);
    x_free(&url);
}

struct local *local_look(struct loop *l, const struct local_server *servers, size_t n, local_fn *fn,
                         void *arg) {
    struct local *look = xcalloc(1, sizeof *look);
    look->loop = l;
    look->fn = fn;
    look->arg = arg;
    look->http = http_new(l, USER_AGENT, NULL);
    for (size_t i = 0; i < n && i < LOCAL_SERVERS_MAX; i++)
        ask(look, &servers[i]);
    look->timer = loop_timer(l, LOCAL_SECS * NS_PER_SEC, on_timeout, look, "local models");
    decide(look); /* nobody to ask is an answer too */
    return look;
}

void local_free(struct local **lp) {
    struct local *look = *lp;
    *lp = NULL;
    if (!look)
        return;
    loop_timer_del(&look->timer);
    loop_undefer(look->loop, tell, look);
    for (size_t i = 0; i < look->n; i++) {
        http_cancel(&look->servers[i].call);
        buf_free(&look->servers[i].body);
        x_free(&look->servers[i].id);
        x_free(&look->servers[i].model);
    }
    http_free(&look->http);
    x_free(&look);
}
