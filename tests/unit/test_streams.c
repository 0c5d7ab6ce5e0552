/* client: every stream of the table, over real sockets, at every address; and that what came can be
 * sent back as it must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"
#include "base/utf8.h"
#include "tests/lib/fake.h"
#include "tests/unit/stream_table.h"

static struct loop *loop;
static struct llm *llm;
static struct fake *fake;

/* ---- one call ---- */

struct record {
    const struct form *form;
    struct llm_history history;
    struct buf pieces; /* everything that was passed on */
    struct buf outcome;
    struct llm_message message;
    bool ended, good;
};

static void on_piece(void *arg, const char *text, size_t n) {
    struct record *r = arg;
    assert_true(utf8_valid(text, n));
    buf_append(&r->pieces, text, n);
}

static void on_input(void *arg, size_t index, const char *text, size_t n) {
    (void)index;
    on_piece(arg, text, n);
}

/* What was passed on in pieces is what is there in the end: every byte, if not in that order. */
static void assert_pieces(const struct record *r) {
    size_t sum[2] = {0, 0}, n = 0;
    for (size_t i = 0; i < r->pieces.len; i++)
        sum[0] += (unsigned char)r->pieces.data[i];
    for (size_t i = 0; i < r->message.n; i++) {
        const struct llm_block *b = &r->message.blocks[i];
        const char *text = b->kind == LLM_BLOCK_TOOL_USE ? b->input : b->text;
        if (b->kind == LLM_BLOCK_REDACTED_THINKING || !text)
            continue;
        if (b->kind == LLM_BLOCK_TOOL_USE && str_eq(text, "{}") && r->pieces.len == n)
            continue; /* made here, of nothing */
        n += strlen(text);
        for (; *text; text++)
            sum[1] += (unsigned char)*text;
    }
    assert_int_equal(r->pieces.len, n);
    assert_int_equal(sum[0], sum[1]);
}

static void on_done(void *arg, struct llm_response *response) {
    struct record *r = arg;
    r->ended = r->good = true;
    stream_outcome(&r->outcome, response);
    r->message = response->message;
    memset(&response->message, 0, sizeof(response->message));
    assert_pieces(r);
}

/* "kind[, delivered]: words", without the provider's name before them. */
static void on_error(void *arg, const struct llm_error *e) {
    struct record *r = arg;
    const char *id = r->form->id;
    r->ended = true;
    buf_puts(&r->outcome, llm_fault_name(e->fault));
    buf_puts(&r->outcome, e->delivered ? ", delivered: " : ": ");
    assert_true(str_prefix(e->text, id) && str_prefix(e->text + strlen(id), ": "));
    buf_puts(&r->outcome, e->text + strlen(id) + 2);
}

static const struct llm_events events = {.on_text = on_piece,
                                         .on_thinking = on_piece,
                                         .on_tool_input = on_input,
                                         .on_done = on_done,
                                         .on_error = on_error};

static void call(struct record *r) {
    char *model = xasprintf("%s/" STREAM_MODEL, r->form->id);
    struct llm_request q = {.model = model,
                            .system = "Be brief.",
                            .history = &r->history,
                            .tools = stream_tools,
                            .ntools = ARRAY_LEN(stream_tools)};
    buf_reset(&r->pieces);
    buf_reset(&r->outcome);
    r->ended = r->good = false;
    (void)llm_call_start(llm, &q, &events, r);
    while (!r->ended)
        (void)loop_turn(loop, -1);
    free(model);
}

/* ---- expectations ---- */

/* got with the host, and the numbers that `want` leaves open, taken out. The caller frees. */
static char *masked(const char *got, const char *want) {
    struct buf out = BUF_INIT;
    const char *host = fake_url(fake) + strlen("http://");
    for (const char *p = got; *p;) {
        bool in = str_prefix(p, "in ") && strstr(want, "in ?");
        bool after = str_prefix(p, "after ") && strstr(want, "after N");
        if (str_prefix(p, host)) {
            buf_puts(&out, "HOST");
            p += strlen(host);
        } else if (in || after) {
            p += in ? 3 : 6;
            assert_true(*p >= '1' && *p <= '9');
            p += strspn(p, "0123456789");
            buf_puts(&out, in ? "in ?" : "after N");
        } else {
            buf_putc(&out, *p++);
        }
    }
    size_t n = strlen(want);
    if (n && want[n - 1] == '*' && out.len >= n && strncmp(out.data, want, n - 1) == 0) {
        buf_truncate(&out, n - 1);
        buf_putc(&out, '*');
    }
    return buf_steal(&out);
}

static void expect(struct record *r, const struct stream *s, const char *want) {
    char *got = masked(buf_str(&r->outcome), want);
    if (strcmp(got, want) != 0)
        fail_msg("%s, by %s:\n%s\nwanted:\n%s", s->name, r->form->id, got, want);
    free(got);
}

/* The conversation goes on with a result for each call, in the words of this format. */
static bool answer_calls(struct record *r) {
    struct llm_message results = {.role = LLM_ROLE_USER};
    for (size_t i = 0; i < r->message.n; i++) {
        const struct llm_block *b = &r->message.blocks[i];
        if (b->kind == LLM_BLOCK_TOOL_USE)
            llm_message_add_result(&results, b->id, "done", false);
    }
    bool any = results.n;
    llm_history_push(&r->history, &r->message);
    llm_history_push(&r->history, &results);
    llm_message_free(&results);
    return any;
}

static void run(const struct stream *s, const struct form *f) {
    struct record r = {.form = f};
    llm_history_push_text(&r.history, LLM_ROLE_USER, "hello");
    call(&r);
    expect(&r, s, stream_want(s, f->family));
    if (r.good && answer_calls(&r)) {
        call(&r);
        expect(&r, s, "text(So it is.) end_turn in 100 out 30");
    }
    llm_message_free(&r.message);
    llm_history_free(&r.history);
    buf_free(&r.pieces);
    buf_free(&r.outcome);
}

/* ---- the table ---- */

static void new_client(void) {
    struct llm_provider p[ARRAY_LEN(forms)] = {0};
    char *urls[ARRAY_LEN(forms)];
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        urls[i] = xasprintf("%s%s", fake_url(fake), forms[i].path);
        p[i] = (struct llm_provider){.id = forms[i].id,
                                     .api = forms[i].api,
                                     .base_url = urls[i],
                                     .api_key = "sk-test-0123456789",
                                     .deployment = forms[i].deployment};
    }
    llm = llm_new(loop, &(struct llm_config){.providers = p, .nproviders = ARRAY_LEN(p)});
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        free(urls[i]);
}

/* What a server wanted to be kept is not sent back to it. */
static void assert_no_cookies(size_t calls) {
    cJSON *all = fake_requests(fake), *it;
    cJSON_ArrayForEach(it, all) assert_null(json_str(json_obj(it, "headers"), "cookie", NULL));
    assert_true(cJSON_GetArraySize(all) >= (int)calls);
    cJSON_Delete(all);
}

static void test_stream(void **state) {
    const struct stream *s = *state;
    char *scenario = stream_scenario(s);
    fake = fake_start(scenario);
    free(scenario);
    loop = loop_new(LOOP_REAL);
    new_client();
    /* What a gigabyte is made of is no matter of the format, and takes seconds to unpack. */
    size_t n = strstr(s->rule, "\"bomb\"") ? 1 : ARRAY_LEN(forms);
    for (size_t i = 0; i < n; i++)
        run(s, &forms[i]);
    fake_assert_clean(fake);
    assert_no_cookies(n);
    llm_free(&llm);
    loop_free(&loop);
    fake_stop(&fake);
}

int main(void) {
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY"};
    struct CMUnitTest tests[ARRAY_LEN(streams)];
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        unsetenv(proxies[i]);
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        tests[i] = (struct CMUnitTest){.name = streams[i].name,
                                       .test_func = test_stream,
                                       .initial_state = (void *)(uintptr_t)&streams[i]};
    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
