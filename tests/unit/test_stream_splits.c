/* decode: every stream of the table as it comes from the fake provider, byte for byte, cut wherever
 * it can be: the answer is always the same. The small ones are kept as the corpus of the fuzz
 * targets; SPACEBOT_UPDATE_GOLDENS=1 writes them afresh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/id.h"
#include "base/utf8.h"
#include "llm/decode.h"
#include "llm/http.h"
#include "llm/wire.h"
#include "tests/lib/fake.h"
#include "tests/lib/where.h"
#include "tests/unit/stream_table.h"

#define EVERY_MAX 6000  /* bytes of a body that is cut at every place */
#define CORPUS_MAX 3000 /* of one that the fuzz targets begin with */
#define MULTI 24        /* ways in which a body is cut at many places */
#define LARGE_MULTI 6   /* the same of the largest */
#define LARGE 100000

static struct loop *loop;
static struct http *http;
static struct fake *fake;

/* ---- recording ---- */

struct recording {
    struct buf body;
    struct http_head head;
    bool ended;
};

static void on_data(void *arg, const struct http_head *h, const char *data, size_t n) {
    struct recording *r = arg;
    r->head = *h;
    buf_append(&r->body, data, n);
}

static void on_end(void *arg, const struct http_head *h, const struct http_result *result) {
    struct recording *r = arg;
    (void)h;
    (void)result;
    r->ended = true;
}

static void record(struct recording *r, const struct form *f) {
    char *url = xasprintf("%s%s", fake_url(fake), f->path), *base = wire_base(f->api, url);
    const struct wire_place p = {.id = f->id,
                                 .api = f->api,
                                 .base_url = base,
                                 .key = "sk-test",
                                 .deployment = f->deployment};
    struct llm_history history = {0};
    struct buf body = BUF_INIT;
    struct cause why = {""};
    struct strv headers = {0};
    llm_history_push_text(&history, LLM_ROLE_USER, "hello");
    const struct llm_request q = {.history = &history};
    assert_int_equal(wire_request(&p, &q, STREAM_MODEL, &body, &why), STATUS_OK);
    wire_headers(&p, false, &headers);
    free(url);
    url = wire_url(&p, STREAM_MODEL);
    size_t n = body.len;
    (void)http_send(http, &(struct http_request){.url = url,
                                                 .headers = &headers,
                                                 .body = buf_steal(&body),
                                                 .body_len = n,
                                                 .connect_secs = 30,
                                                 .silence_secs = 300,
                                                 .on_data = on_data,
                                                 .on_end = on_end,
                                                 .arg = r});
    while (!r->ended)
        (void)loop_turn(loop, -1);
    llm_history_free(&history);
    strv_free(&headers);
    free(url);
    free(base);
}

/* ---- decoding ---- */

struct decoding {
    enum provider_api api;
    struct decode *decode;
    struct buf heard[4]; /* text, thinking, starts, inputs: what pieces they come in may differ */
    enum decode_step step;
    struct cause why;
};

static void hear(void *arg, size_t kind, const char *text, size_t n) {
    struct decoding *d = arg;
    assert_true(utf8_valid(text, n));
    buf_append(&d->heard[kind], text, n);
}

static void on_text(void *arg, const char *text, size_t n) { hear(arg, 0, text, n); }
static void on_thinking(void *arg, const char *text, size_t n) { hear(arg, 1, text, n); }

static void on_tool_start(void *arg, size_t index, const char *id, const char *name) {
    struct decoding *d = arg;
    buf_printf(&d->heard[2], "%zu %s %s;", index, id, name);
}

static void on_tool_input(void *arg, size_t index, const char *text, size_t n) {
    struct decoding *d = arg;
    buf_printf(&d->heard[3], "%zu:", index);
    hear(arg, 3, text, n);
}

static const struct llm_events events = {.on_text = on_text,
                                         .on_thinking = on_thinking,
                                         .on_tool_start = on_tool_start,
                                         .on_tool_input = on_tool_input};

static bool on_event(void *arg, const struct sse_event *e) {
    struct decoding *d = arg;
    d->step = wire_event(d->api, d->decode, e, &d->why);
    return d->step == DECODE_MORE;
}

/* Where the pieces end; the same in every run. */
struct cuts {
    uint64_t state; /* 0: at `first`, and nowhere else */
    size_t first;
};

static size_t next_piece(struct cuts *c, size_t left) {
    size_t n = left;
    if (c->state) {
        c->state = c->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t r = c->state >> 33;
        n = 1 + (size_t)(r % (r & 0x100 ? 7 : r & 0x200 ? 200 : 20000));
    } else if (c->first) {
        n = c->first;
        c->first = 0;
    }
    return n < left ? n : left;
}

/* Everything that comes of it, as text: the answer whole, what was said of it, and what was heard
 * meanwhile. */
static char *decode(enum provider_api api, const struct buf *body, struct cuts c) {
    struct decoding d = {.api = api, .step = DECODE_MORE};
    struct sse s;
    enum status st = STATUS_OK;
    struct llm_response r;
    d.decode = decode_new(&events, &d);
    sse_init(&s, 0);
    for (size_t at = 0, n; at < body->len && st == STATUS_OK; at += n) {
        n = next_piece(&c, body->len - at);
        /* A block of its own: reading past it is seen. */
        char *piece = xmalloc(n);
        memcpy(piece, body->data + at, n);
        st = sse_feed(&s, piece, n, on_event, &d, &d.why);
        free(piece);
    }
    struct buf out = BUF_INIT;
    bool stopped = d.decode->stopped, delivered = d.decode->delivered;
    struct decode_error error = d.decode->error;
    decode_take(d.decode, &r);
    stream_outcome(&out, &r);
    buf_printf(&out, "\n%d %s %s %d %d %d\n%s %s %d\n%s\n", (int)d.step, d.why.text,
               status_name(st), stopped, delivered, r.usage.cost_is_estimate, error.type,
               error.message, error.status, r.model);
    struct llm_history h = {0};
    llm_history_push(&h, &r.message);
    char *json = llm_history_json(&h);
    buf_puts(&out, json);
    free(json);
    llm_history_free(&h);
    for (size_t i = 0; i < ARRAY_LEN(d.heard); i++) {
        buf_putc(&out, '\n');
        buf_append(&out, buf_str(&d.heard[i]), d.heard[i].len);
        buf_free(&d.heard[i]);
    }
    sse_free(&s);
    decode_free(&d.decode);
    return buf_steal(&out);
}

static void check(const struct form *f, const struct buf *body, struct cuts c, const char *whole) {
    char *text = decode(f->api, body, c);
    if (strcmp(text, whole) != 0)
        fail_msg("%s, cut at %zu (%llu):\n%.2000s\nin one piece:\n%.2000s", f->id, c.first,
                 (unsigned long long)c.state, text, whole);
    free(text);
}

/* Every single cut of a small body, each byte alone, and cuts at many places. */
static void check_splits(const struct form *f, const struct buf *body) {
    char *whole = decode(f->api, body, (struct cuts){0});
    for (size_t at = 1; at < body->len && body->len <= EVERY_MAX; at++)
        check(f, body, (struct cuts){.first = at}, whole);
    for (uint64_t seed = 1; seed <= (body->len > LARGE ? LARGE_MULTI : MULTI); seed++)
        check(f, body, (struct cuts){.state = seed * UINT64_C(0x9E3779B97F4A7C15)}, whole);
    free(whole);
}

/* ---- the corpus ---- */

static const char *corpus_of(enum family family) {
    switch (family) {
    case FAMILY_ANTHROPIC:
        return "anthropic";
    case FAMILY_CHAT:
        return "openai";
    case FAMILY_RESPONSES:
        return "responses";
    case FAMILY_AZURE: /* decoded as Chat Completions are */
    case FAMILIES:
        break;
    }
    return NULL;
}

static void check_corpus(const struct stream *s, const struct form *f, const struct buf *body) {
    const char *dir = corpus_of(f->family);
    if (!dir || body->len > CORPUS_MAX)
        return;
    char *path = xasprintf("%s/tests/fuzz/corpus/%s/%s", where_source(), dir, s->name);
    for (char *p = strrchr(path, '/') + 1; *p; p++)
        *p = *p == ' ' || *p == ',' ? '-' : *p;
    FILE *file = fopen(path, getenv("SPACEBOT_UPDATE_GOLDENS") ? "we" : "re");
    if (!file)
        fail_msg("%s is missing: SPACEBOT_UPDATE_GOLDENS=1 writes it", path);
    if (getenv("SPACEBOT_UPDATE_GOLDENS")) {
        assert_int_equal(fwrite(body->data, 1, body->len, file), body->len);
    } else {
        struct buf kept = BUF_INIT;
        buf_added(&kept, fread(buf_room(&kept, CORPUS_MAX + 1), 1, CORPUS_MAX + 1, file));
        if (kept.len != body->len || memcmp(kept.data, body->data, kept.len) != 0)
            fail_msg("%s is not what is sent: SPACEBOT_UPDATE_GOLDENS=1 writes it afresh", path);
        buf_free(&kept);
    }
    assert_int_equal(fclose(file), 0);
    free(path);
}

/* ---- the table ---- */

static void test_stream(void **state) {
    const struct stream *s = *state;
    bool seen[FAMILIES] = {false};
    char *scenario = stream_scenario(s);
    fake = fake_start(scenario);
    free(scenario);
    loop = loop_new(LOOP_REAL);
    http = http_new(loop, "test", NULL);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct recording r = {0};
        if (seen[forms[i].family])
            continue;
        seen[forms[i].family] = true;
        record(&r, &forms[i]);
        if (r.head.status == 200 && str_prefix(r.head.content_type, "text/event-stream")) {
            check_splits(&forms[i], &r.body);
            check_corpus(s, &forms[i], &r.body);
        }
        buf_free(&r.body);
    }
    http_free(&http);
    loop_free(&loop);
    fake_stop(&fake);
}

int main(void) {
    struct CMUnitTest tests[ARRAY_LEN(streams)];
    size_t n = 0;
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        if (strstr(streams[i].rule, "bomb") || strstr(streams[i].rule, "flood"))
            continue; /* nothing in them is an event */
        tests[n++] = (struct CMUnitTest){.name = streams[i].name,
                                         .test_func = test_stream,
                                         .initial_state = (void *)(uintptr_t)&streams[i]};
    }
    return _cmocka_run_group_tests("stream splits", tests, n, NULL, NULL);
}
