/* Hundreds of turns at once, channels and their workers, of three APIs and a server that is not
 * there, while one request in five meets a fault: each turn ends once, with the right answer or an
 * error that says what happened; nobody reads a word twice; what the server has told of tokens is
 * what the store has; and nothing is left behind. A real engine in this process asks a real server
 * over the loopback. The faults are drawn from a seed, which a failure prints
 * (SPACEBOT_STORM_SEED=N runs it again). Under SPACEBOT_TEST_LONG there are more turns, and more
 * seeds. */
#include <dirent.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "agent/channel.h"
#include "agent/command.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/queries.gen.h"
#include "tests/lib/fake.h"
#include "tests/lib/scene.h"
#include "tests/lib/wait.h"

/* What the sanitizers look for is there with fewer, and they make all of it ten times slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TURNS 100
#define SILENCE_SECS 6
#else
#define TURNS 500
#define SILENCE_SECS 3
#endif
#define TURNS_LONG 1000
#define PERCENT 20
#define LIMIT_NS (300 * NS_PER_SEC) /* of one storm, under a sanitizer on a busy machine */

/* How a question is to be answered. */
enum shape { SHAPE_TEXT, SHAPE_REPLY, SHAPE_NAMED, SHAPE_DELEGATE };
#define SHAPES 4
static const char *const words[SHAPES] = {"text", "reply", "named", "delegate"};

struct turn_of {
    bool ended, ok;
    char *reply, *error;
    int64_t failed;   /* workers */
    struct buf heard; /* the channel's deltas, one behind the other */
};

static struct storm {
    uint64_t seed;
    int n, ended, silence_secs;
    struct turn_of *v;
    char dir[64], *conf;
    struct fake *fake;
    struct home home;
    struct config *config;
    struct loop *loop;
    struct job_pool *jobs;
    struct store *store;
    struct trace *trace;
    struct llm *llm;
    struct sandbox *sandbox;
    struct agent *agent;
    struct bus_listener *listener;
} storm;

#define must(cond, ...)                                                                            \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "SPACEBOT_STORM_SEED=%llu: ", (unsigned long long)storm.seed);         \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

/* ---- questions and answers ---- */

static enum shape shape_of(int i) { return (enum shape)(i % SHAPES); }

#define PROSE                                                                                      \
    " is a number of which much could be said: that it follows another one, that it comes before " \
    "the next \xE2\x80\x93 and that nobody has ever seen the last of them. \xE6\x95\xB0."

/* Of the question's number, and of nothing else; but for who is named. */
static char *answer_to(int i, const char *model) {
    switch (shape_of(i)) {
    case SHAPE_TEXT:
    case SHAPE_REPLY:
        return xasprintf("%d" PROSE, i);
    case SHAPE_NAMED:
        return xasprintf("%s says: %d" PROSE, model, i);
    case SHAPE_DELEGATE:
        return xasprintf("The worker has found <<%d>>.", i);
    }
    return NULL;
}

#define TO(word, step)                                                                             \
    "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"" word " #\",\"step\":" step "},"
#define SAYS(text) "\"respond\":[{\"text\":\"" text "\"}]}"
#define REPLIES(text)                                                                              \
    "\"respond\":[{\"tool_use\":{\"name\":\"reply\",\"input\":{\"content\":\"" text "\"}}}]}"
#define NUMBER "${between|#|!}"

static char *scenario(void) {
    return xasprintf(
        "{\"chaos\":{\"seed\":%llu,\"percent\":%d},\"refuse_first\":5,\"rules\":["
        "{\"match\":{" SCENE_CHANNEL ",\"last_user_contains\":\"<<\"}," REPLIES(
            "The worker has found <<${worker_result}>>.") ","
                                                          "{\"match\":{" SCENE_CHANNEL
                                                          ",\"last_user_contains\":\"has come "
                                                          "back\"}," REPLIES(
                                                              "The worker has "
                                                              "failed.") "," TO("text", "0")
                                                              SAYS(NUMBER PROSE) "," TO(
                                                                  "reply",
                                                                  "0") REPLIES(NUMBER
                                                                                   PROSE) "," TO("n"
                                                                                                 "a"
                                                                                                 "m"
                                                                                                 "e"
                                                                                                 "d",
                                                                                                 "0")
                                                                  SAYS("${model} says: " NUMBER PROSE) "," TO(
                                                                      "delegate",
                                                                      "0") "\"respond\":[{\"tool_"
                                                                           "use\":{\"name\":"
                                                                           "\"spawn_worker\","
                                                                           "\"input\":"
                                                                           "{\"task\":\"Look at "
                                                                           "#" NUMBER
                                                                           "!\"}}}]}," TO(
                                                                               "delegate",
                                                                               "1") "\"respond\":[{"
                                                                                    "\"tool_use\":{"
                                                                                    "\"name\":"
                                                                                    "\"skip\","
                                                                                    "\"input\":{}}}"
                                                                                    "]},"
                                                                                    "{\"match\":"
                                                                                    "{" SCENE_WORKER
                                                                                    ",\"step\":0},"
                                                                                    "\"respond\":[{"
                                                                                    "\"text\":\"I "
                                                                                    "look at "
                                                                                    "it.\"},"
                                                                                    "{\"tool_use\":"
                                                                                    "{\"name\":"
                                                                                    "\"set_"
                                                                                    "status\","
                                                                                    "\"input\":{"
                                                                                    "\"kind\":"
                                                                                    "\"outcome\","
                                                                                    "\"status\":"
                                                                                    "\"<<" NUMBER
                                                                                    ">>\"}}}]},"
                                                                                    "{\"match\":"
                                                                                    "{" SCENE_WORKER
                                                                                    "}," SAYS(
                                                                                        "Done.") "]"
                                                                                                 "}",
        (unsigned long long)storm.seed, PERCENT);
}

/* ---- the engine ---- */

static const char *const models[] = {"anthropic/alpha", "chat/beta", "respond/gamma", "dead/delta"};

static void ready(void *arg) { (void)arg; }

static void heard(void *arg, const struct bus_event *e) {
    int i;
    (void)arg;
    if (e->type != EVENT_TEXT_DELTA || !e->id || sscanf(e->id, "channel:storm-%d", &i) != 1)
        return;
    for (size_t k = 0; k < e->n; k++)
        if (str_eq(e->fields[k].key, "delta"))
            buf_puts(&storm.v[i].heard, e->fields[k].str);
}

static void configure(void) {
    struct cause why = {""};
    FILE *f = fopen(storm.conf, "we");
    assert_non_null(f);
    fprintf(f, "routing = { channel = \"anthropic/alpha\"; worker = \"chat/beta\";\n"
               "  rate_limit_cooldown_secs = 1; retry_secs = 20;\n"
               "  fallbacks = ( { then = [ \"dead/delta\", \"respond/gamma\", \"chat/beta\", "
               "\"anthropic/alpha\" ]; "
               "} ); "
               "};\n"
               "prices = ( { model = \"anthropic/alpha\"; input = 1.0; output = 5.0; },\n"
               "  { model = \"chat/beta\"; input = 2.0; output = 4.0; },\n"
               "  { model = \"respond/gamma\"; input = 3.0; output = 6.0; } );\n"
               "limits = { dollars_a_day = 0.0; };\n"
               "coalesce = { debounce_ms = 0; };\n");
    fclose(f);
    if (config_load(storm.conf, &storm.config, &why) != STATUS_OK)
        fail_msg("%s", why.text);
}

static void engine_start(const char *dead) {
    struct cause why = {""};
    const struct llm_provider providers[] = {
        {.id = "anthropic",
         .api = PROVIDER_API_ANTHROPIC,
         .base_url = fake_url(storm.fake),
         .api_key = "sk-storm-0123456789"},
        {.id = "chat",
         .api = PROVIDER_API_OPENAI_COMPLETIONS,
         .base_url = fake_url(storm.fake),
         .api_key = "sk-storm-0123456789"},
        {.id = "respond",
         .api = PROVIDER_API_OPENAI_RESPONSES,
         .base_url = fake_url(storm.fake),
         .api_key = "sk-storm-0123456789"},
        {.id = "dead", .api = PROVIDER_API_ANTHROPIC, .base_url = dead, .api_key = "k"},
    };
    const struct llm_config lc = {.providers = providers,
                                  .nproviders = ARRAY_LEN(providers),
                                  .silence_secs = storm.silence_secs,
                                  .connect_secs = 10,
                                  .proxy = ""};
    const struct sandbox_config sc = {
        .launcher = "/bin/false", .spacebot_home = storm.home.dir, .required = true};
    storm.loop = loop_new(LOOP_REAL);
    storm.jobs = job_pool_new(storm.loop, 2, 64);
    storm.trace = trace_new(256, 256);
    storm.llm = llm_new(storm.loop, &lc);
    assert_int_equal(store_open(storm.loop, storm.home.db, &storm.store, &why), STATUS_OK);
    assert_int_equal(sandbox_new(storm.loop, &sc, ready, NULL, &storm.sandbox, &why), STATUS_OK);
    const struct agent_parts parts = {storm.loop, storm.jobs,    storm.store,  storm.trace,
                                      storm.llm,  storm.sandbox, storm.config, &storm.home,
                                      NULL,       NULL};
    if (agent_new(&parts, &storm.agent, &why) != STATUS_OK)
        fail_msg("%s", why.text);
    storm.listener = bus_listen(agent_bus(storm.agent), heard, NULL);
}

static void engine_stop(void) {
    struct cause why = {""};
    bus_unlisten(&storm.listener);
    agent_free(&storm.agent);
    job_pool_free(&storm.jobs); /* before the store, as the engine does */
    assert_int_equal(store_close(&storm.store, &why), STATUS_OK);
    sandbox_free(&storm.sandbox);
    llm_free(&storm.llm);
    trace_free(&storm.trace);
    child_shutdown();
    loop_free(&storm.loop);
}

/* ---- the turns ---- */

static void answered(void *arg, enum status st, cJSON *body, const char *why) {
    struct turn_of *t = arg;
    must(!t->ended, "turn %d ended twice", (int)(t - storm.v));
    t->ended = true;
    t->ok = st == STATUS_OK;
    const char *reply = json_str(body, "reply", NULL);
    t->reply = xstrdup_null(reply);
    t->error = xstrdup(why);
    t->failed = json_i64(json_obj(body, "processes"), "failed", 0);
    cJSON_Delete(body);
    storm.ended++;
}

static void ask_all(void) {
    for (int i = 0; i < storm.n; i++) {
        cJSON *args = json_new_obj();
        char *channel = xasprintf("storm-%d", i);
        char *text = xasprintf("%s #%d!", words[shape_of(i)], i);
        json_add_str(args, "channel", channel);
        json_add_str(args, "text", text);
        json_add_str(args, "model", models[i / SHAPES % (int)ARRAY_LEN(models)]);
        command_run(storm.agent, COMMAND_EXEC, args, answered, &storm.v[i]);
        cJSON_Delete(args);
        x_free(&channel);
        x_free(&text);
    }
}

/* ---- what came of them ---- */

/* What a person is told when it fails: who, and what it was. */
static const char truth[] =
    "^(anthropic|chat|respond|dead): (too many requests|overloaded|the server failed|the stream "
    "was cut|"
    "127\\.0\\.0\\.1:[0-9]+ (closed the connection|sends us on|answered with)|"
    "cannot connect to 127\\.0\\.0\\.1|no byte for [0-9]+ s|not the stream that was expected|"
    "the conversation is too long)";

static void check_error(int i, const struct turn_of *t) {
    regex_t re;
    assert_int_equal(regcomp(&re, truth, REG_EXTENDED | REG_NOSUB), 0);
    bool told = regexec(&re, t->error, 0, NULL, 0) == 0;
    regfree(&re);
    must(told, "turn %d failed with what says nothing: %s", i, t->error);
    must(utf8_valid(t->error, strlen(t->error)) && !strpbrk(t->error, "\n{}"),
         "turn %d failed with what is not for people: %s", i, t->error);
    must(!strstr(t->error, "sk-storm"), "turn %d tells the key: %s", i, t->error);
}

static void check_answer(int i, const struct turn_of *t) {
    bool right = false;
    for (size_t m = 0; m < ARRAY_LEN(models) && !right; m++) {
        char *want = answer_to(i, strchr(models[m], '/') + 1);
        right = str_eq(t->reply, want);
        x_free(&want);
    }
    /* A worker that failed is told of, and then that is the truth. */
    if (shape_of(i) == SHAPE_DELEGATE && t->failed > 0)
        right |= str_eq(t->reply, "The worker has failed.");
    must(right, "turn %d has a wrong answer: %s", i, t->reply ? t->reply : "(none)");
}

struct said {
    int i, n;
};

static bool on_message(void *arg, const struct q_messages_newest_row *row) {
    struct said *s = arg;
    const struct turn_of *t = &storm.v[s->i];
    if (!str_eq(row->role, "assistant"))
        return true;
    s->n++;
    if (t->ok)
        must(str_eq(row->content, t->reply), "turn %d stored another answer: %s", s->i,
             row->content);
    return true;
}

/* What stands in the store, in the journal and what went past: once each, no word twice. */
static void check_words(int i, const struct turn_of *t) {
    struct said s = {.i = i};
    struct cause why = {""};
    char *id = xasprintf("channel:storm-%d", i), *channel = id + strlen("channel:");
    assert_int_equal(q_messages_newest(store_read(storm.store), channel, 10, on_message, &s, &why),
                     STATUS_OK);
    if (t->ok)
        must(s.n == 1, "turn %d has %d answers in the store", i, s.n);
    const struct process *p = process_find(agent_processes(storm.agent), id);
    assert_non_null(p);
    int whole = 0;
    char mark[32];
    snprintf(mark, sizeof mark, "%d is a number", i);
    for (size_t k = 0; k < p->journal.n; k++) {
        const struct journal_entry *e = p->journal.v[k];
        if (e->kind != JOURNAL_REPLY && e->kind != JOURNAL_TEXT)
            continue;
        const char *first = strstr(buf_str(&e->text), mark);
        must(!first || !strstr(first + 1, mark), "turn %d: words twice in an entry: %s", i,
             buf_str(&e->text));
        must(!e->open, "turn %d: an entry is open for ever: %s", i, buf_str(&e->text));
        whole += !e->interrupted && e->kind == JOURNAL_REPLY;
    }
    if (t->ok)
        must(whole == 1, "turn %d: %d whole answers in the journal", i, whole);
    /* Where every attempt says the same, nothing is ever said again. */
    if (t->ok && (shape_of(i) == SHAPE_TEXT || shape_of(i) == SHAPE_REPLY))
        must(str_eq(buf_str(&t->heard), t->reply), "turn %d: what was heard: %s", i,
             buf_str(&t->heard));
    x_free(&id);
}

/* ---- accounts ---- */

struct sums {
    int64_t input, output, calls;
};

static void add(struct map *m, const char *model, bool guess, int64_t in, int64_t out,
                int64_t calls) {
    char *key = xasprintf("%s %s", model, guess ? "guessed" : "told");
    struct sums *s = map_get(m, key);
    if (!s) {
        s = xcalloc(1, sizeof *s);
        map_put(m, key, s);
    }
    s->input += in;
    s->output += out;
    s->calls += calls;
    x_free(&key);
}

/* From the file itself, as somebody with a database program would. */
static struct map *read_store(void) {
    struct map *m = map_new();
    sqlite3 *db;
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_open_v2(storm.home.db, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT model, cost_status = 'estimated', input_tokens, "
                                        "output_tokens, request_count FROM token_usage",
                                        -1, &q, NULL),
                     SQLITE_OK);
    while (sqlite3_step(q) == SQLITE_ROW)
        add(m, (const char *)sqlite3_column_text(q, 0), sqlite3_column_int(q, 1),
            sqlite3_column_int64(q, 2), sqlite3_column_int64(q, 3), sqlite3_column_int64(q, 4));
    sqlite3_finalize(q);
    sqlite3_close(db);
    return m;
}

static void show(FILE *f, const char *who, const struct map *m) {
    size_t pos = 0;
    const char *key;
    for (struct sums *s; (s = map_next(m, &pos, &key));)
        fprintf(f, "%s: %s: %lld in, %lld out, %lld calls\n", who, key, (long long)s->input,
                (long long)s->output, (long long)s->calls);
}

static void sums_free(struct map **m) {
    size_t pos = 0;
    for (struct sums *s; (s = map_next(*m, &pos, NULL));)
        free(s);
    map_free(m);
}

static bool same(const struct map *a, const struct map *b) {
    size_t pos = 0;
    const char *key;
    for (struct sums *s; (s = map_next(a, &pos, &key));) {
        const struct sums *o = map_get(b, key);
        if (!o || o->input != s->input || o->output != s->output || o->calls != s->calls)
            return false;
    }
    return map_count(a) == map_count(b);
}

/* Tokens by model, the told ones and the guessed ones. `struck`: requests that met a fault. False:
 * nothing can be said, as the machine was so slow that the client took work for silence. */
static bool check_accounts(struct map *store, int *requests, int *struck) {
    struct map *server = map_new();
    int left = 0;
    cJSON *log = fake_log(storm.fake);
    const cJSON *e;
    cJSON_ArrayForEach(e, log) {
        if (str_eq(json_str(e, "type", ""), "request"))
            ++*requests;
        if (!str_eq(json_str(e, "type", ""), "account"))
            continue;
        left += json_bool(e, "left", false);
        int64_t in = json_i64(e, "input", 0), out = json_i64(e, "output", 0);
        *struck += *json_str(e, "chaos", "") != '\0';
        if (in || out)
            add(server, json_str(e, "model", ""), json_bool(e, "guess", false), in, out, 1);
    }
    cJSON_Delete(log);
    if (left == 0 && (!same(server, store) || !same(store, server))) {
        show(stderr, "server", server);
        show(stderr, "store", store);
        must(false, "the server's books are not the store's");
    }
    must(left || storm.n < 400 || map_count(server) == 6, "no fault left anything to guess");
    sums_free(&server);
    return left == 0;
}

/* ---- one storm ---- */

static int descriptors(void) {
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Whether the accounts could be compared. */
static bool storms(uint64_t seed, int n, int silence_secs) {
    struct cause why = {""};
    int dead_fd, before = descriptors(), right = 0, requests = 0, struck = 0;
    storm = (struct storm){.seed = seed, .n = n, .silence_secs = silence_secs};
    storm.v = xcalloc((size_t)n, sizeof *storm.v);
    strcpy(storm.dir, "/tmp/test-storm-XXXXXX");
    assert_non_null(mkdtemp(storm.dir));
    storm.home.dir = xasprintf("%s/home", storm.dir);
    storm.home.db = xasprintf("%s/home/spacebot.db", storm.dir);
    storm.home.workspace = xasprintf("%s/ws", storm.dir);
    storm.conf = xasprintf("%s/spacebot.conf", storm.dir);
    assert_int_equal(mkdir(storm.home.dir, 0700), 0);
    assert_int_equal(mkdir(storm.home.workspace, 0700), 0);
    char *text = scenario(), *dead = fake_dead_url(&dead_fd);
    storm.fake = fake_start(text);
    configure();
    engine_start(dead);

    int64_t began = clock_real_mono_ns();
    ask_all();
    while (storm.ended < n) {
        loop_turn(storm.loop, NS_PER_SEC);
        must(clock_real_mono_ns() - began < LIMIT_NS, "%d of %d turns have ended", storm.ended, n);
    }
    int64_t took = clock_real_mono_ns() - began;
    while (!agent_idle(storm.agent))
        loop_turn(storm.loop, NS_PER_SEC);
    must(llm_calls_open(storm.llm) == 0, "%zu calls are open", llm_calls_open(storm.llm));
    assert_int_equal(store_drain(storm.store, 60 * NS_PER_SEC, &why), STATUS_OK);
    for (int i = 0; i < n; i++) {
        const struct turn_of *t = &storm.v[i];
        if (t->ok)
            check_answer(i, t);
        else
            check_error(i, t);
        check_words(i, t);
        right += t->ok;
    }
    engine_stop();
    struct map *books = read_store();
    cJSON *asked = fake_requests(storm.fake);
    assert_true(fake_wait(storm.fake, "end ", cJSON_GetArraySize(asked), WAIT_MS));
    cJSON_Delete(asked);
    bool compared = check_accounts(books, &requests, &struck);
    sums_free(&books);
    fake_assert_clean(storm.fake);
    fake_stop(&storm.fake);
    close(dead_fd);
    must(struck * 100 > requests * (PERCENT - 8), "only %d of %d requests met a fault", struck,
         requests);
    must(right * 100 > n * 80, "only %d of %d were answered", right, n);
    must(descriptors() == before, "%d descriptors are left", descriptors() - before);
    print_message("storm %llu: %d turns in %.1f s, %d answered, %d requests, %d struck\n",
                  (unsigned long long)seed, n, (double)took / NS_PER_SEC, right, requests, struck);

    config_free(&storm.config);
    char *rm = xasprintf("rm -rf %s", storm.dir);
    assert_int_equal(system(rm), 0);
    for (int i = 0; i < n; i++) {
        x_free(&storm.v[i].reply);
        x_free(&storm.v[i].error);
        buf_free(&storm.v[i].heard);
    }
    x_free(&rm);
    x_free(&text);
    x_free(&dead);
    x_free(&storm.v);
    x_free(&storm.conf);
    x_free(&storm.home.dir);
    x_free(&storm.home.db);
    x_free(&storm.home.workspace);
    return compared;
}

/* What stalls costs the client's patience each time, so it is short; where it turns out too short
 * for the machine, there is another storm with more of it. */
static void all_end_with_an_answer_or_the_truth(uint64_t seed, int n) {
    for (int secs = SILENCE_SECS; !storms(seed, n, secs); secs *= 4)
        must(secs < 60, "the server takes longer than %d s to answer", secs);
}

static void a_storm(void **state) {
    const char *seed = getenv("SPACEBOT_STORM_SEED");
    bool more = getenv("SPACEBOT_TEST_LONG") != NULL;
    (void)state;
    all_end_with_an_answer_or_the_truth(seed ? strtoull(seed, NULL, 10) : 1, TURNS);
    for (uint64_t i = 2; more && i <= 5; i++)
        all_end_with_an_answer_or_the_truth(i, TURNS_LONG);
}

/* No two storms are the same: this one's seed is the day's. */
static void another_storm(void **state) {
    (void)state;
    all_end_with_an_answer_or_the_truth((uint64_t)time(NULL), TURNS / 5);
}

int main(void) {
    static const char *const proxies[] = {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        unsetenv(proxies[i]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_storm), cmocka_unit_test(another_storm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
