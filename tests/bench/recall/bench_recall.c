/* bench_recall: how much of what a question asks for recall finds, and how fast. Reads a file of
 * conversations with questions about them (LoCoMo's format: turns with the ids of their session and
 * place, questions with the ids of their evidence), stores the turns as messages, and asks.
 *
 *   bench_recall FILE [CONVERSATIONS]      the questions of the first CONVERSATIONS (5)
 *
 * Once each conversation is a store of its own; once all conversations of the file are in one.
 * Evidence is what matches D<session>:<turn>; questions without any are left out; recall is the
 * part of the evidence that is among the first k, the mean is over questions. The sessions that are
 * found are those of the turns, each counted where it first comes. Beside it, over the same turns:
 * plain FTS5 (bm25, porter, stop words left out). */
#include <ctype.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "memory/recall.h"
#include "store/queries.gen.h"

#define HITS 200
#define TURN_MS INT64_C(30000) /* between two turns of a session: the file does not say */
#define EVIDENCE_MAX 64
#define CONVERSATIONS_MAX 64

struct id {
    int conversation, session, turn;
};

struct question {
    const char *text;
    int conversation;
    struct id evidence[EVIDENCE_MAX];
    size_t n;
};

struct score {
    double turn5, turn10, session5, session10;
    size_t n;
    double *us; /* of each question */
};

static cJSON *file;
static struct question *questions;
static size_t nquestions;
static char dir[] = "/tmp/bench_recall.XXXXXX";

static void die(const char *what, const char *why) {
    fprintf(stderr, "bench_recall: %s: %s\n", what, why);
    exit(1);
}

/* ---- the file ---- */

static void read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    struct buf text = BUF_INIT;
    struct cause why = {""};
    size_t n;
    if (!f)
        die(path, "cannot be read; take data/locomo10.json of a copy of the data set");
    while ((n = fread(buf_room(&text, 65536), 1, 65536, f)) > 0)
        buf_added(&text, n);
    fclose(f);
    if (json_parse(buf_str(&text), text.len, &file, &why) != STATUS_OK || !cJSON_IsArray(file))
        die(path, why.text[0] ? why.text : "no list of conversations");
    buf_free(&text);
}

/* Adds what matches D<session>:<turn>. */
static void add_evidence(struct question *q, const char *s) {
    for (; *s; s++) {
        int session, turn, len = 0;
        if (*s != 'D' || !isdigit((unsigned char)s[1]) ||
            sscanf(s, "D%d:%d%n", &session, &turn, &len) != 2 || !len)
            continue;
        bool there = false;
        for (size_t i = 0; i < q->n; i++)
            there |= q->evidence[i].session == session && q->evidence[i].turn == turn;
        if (!there && q->n < EVIDENCE_MAX)
            q->evidence[q->n++] = (struct id){q->conversation, session, turn};
        s += len - 1;
    }
}

static void read_questions(int conversations) {
    const cJSON *c, *item, *e;
    int number = 0;
    cJSON_ArrayForEach(c, file) {
        if (number == conversations)
            break;
        cJSON_ArrayForEach(item, json_arr(c, "qa")) {
            struct question q = {.text = json_str(item, "question", NULL), .conversation = number};
            cJSON_ArrayForEach(e, json_arr(item, "evidence")) {
                if (cJSON_IsString(e))
                    add_evidence(&q, e->valuestring);
            }
            if (!q.text || !q.n)
                continue;
            questions = xreallocarray(questions, nquestions + 1, sizeof *questions);
            questions[nquestions++] = q;
        }
        number++;
    }
}

/* ---- stores ---- */

struct stores {
    struct loop *loop;
    struct store *store;
    sqlite3 *plain;
    sqlite3_stmt *insert, *ask;
    char path[64];
    int64_t last_ms;
};

static void sql(struct stores *s, int rc) {
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        die("plain FTS5", sqlite3_errmsg(s->plain));
}

static void open_stores(struct stores *s, const char *name) {
    struct cause why = {""};
    *s = (struct stores){.loop = loop_new(LOOP_INLINE)};
    snprintf(s->path, sizeof s->path, "%s/%s.db", dir, name);
    if (store_open(s->loop, s->path, &s->store, &why) != STATUS_OK)
        die(s->path, why.text);
    sql(s, sqlite3_open(":memory:", &s->plain));
    sql(s, sqlite3_exec(
               s->plain,
               "CREATE VIRTUAL TABLE t USING fts5(x, id UNINDEXED, tokenize='porter unicode61')",
               NULL, NULL, NULL));
    sql(s,
        sqlite3_prepare_v2(s->plain, "INSERT INTO t (x, id) VALUES (?, ?)", -1, &s->insert, NULL));
    sql(s, sqlite3_prepare_v2(s->plain, "SELECT id FROM t WHERE t MATCH ? ORDER BY rank LIMIT 200",
                              -1, &s->ask, NULL));
}

static void close_stores(struct stores *s) {
    struct cause why;
    if (store_close(&s->store, &why) != STATUS_OK)
        die(s->path, why.text);
    loop_free(&s->loop);
    sqlite3_finalize(s->insert);
    sqlite3_finalize(s->ask);
    sqlite3_close(s->plain);
}

static void add_turn(struct stores *s, const char *channel, const char *id, const cJSON *turn,
                     int64_t at) {
    const char *text = json_str(turn, "text", "");
    store_message_insert(
        s->store, &(struct store_message_insert){.id = id,
                                                 .channel_id = channel,
                                                 .role = "user",
                                                 .sender_name = json_str(turn, "speaker", "?"),
                                                 .content = text,
                                                 .created_at = at});
    sql(s, sqlite3_bind_text(s->insert, 1, text, -1, SQLITE_STATIC));
    sql(s, sqlite3_bind_text(s->insert, 2, id, -1, SQLITE_STATIC));
    sql(s, sqlite3_step(s->insert));
    sql(s, sqlite3_reset(s->insert));
}

static int64_t time_of(const cJSON *conversation, int session) {
    struct tm tm = {0};
    char *key = xasprintf("session_%d_date_time", session);
    const char *text = json_str(conversation, key, "");
    if (!strptime(text, "%I:%M %p on %d %B, %Y", &tm))
        die(key, "no time that is understood");
    x_free(&key);
    return (int64_t)timegm(&tm) * 1000;
}

static void add_conversation(struct stores *s, int number) {
    const cJSON *c = json_obj(cJSON_GetArrayItem(file, number), "conversation"), *turn;
    struct cause why = {""};
    char channel[32];
    snprintf(channel, sizeof channel, "talk%d", number);
    store_channel_touch(s->store, channel, "terminal", NULL, NULL, NULL, 1);
    for (int session = 1;; session++) {
        char *key = xasprintf("session_%d", session);
        const cJSON *turns = json_arr(c, key);
        x_free(&key);
        if (!turns)
            break;
        int64_t at = time_of(c, session);
        cJSON_ArrayForEach(turn, turns) {
            char *id = xasprintf("%d/%s", number, json_str(turn, "dia_id", "?"));
            add_turn(s, channel, id, turn, at);
            x_free(&id);
            at += TURN_MS;
        }
        s->last_ms = at > s->last_ms ? at : s->last_ms;
    }
    if (store_drain(s->store, 60 * NS_PER_SEC, &why) != STATUS_OK)
        die(s->path, why.text);
}

/* ---- asking ---- */

struct answers {
    struct id v[HITS];
    size_t n;
};

static void add_answer(struct answers *a, const char *id) {
    struct id *to = &a->v[a->n];
    if (a->n < HITS && sscanf(id, "%d/D%d:%d", &to->conversation, &to->session, &to->turn) == 3)
        a->n++;
}

static void ask_recall(struct stores *s, const char *text, struct answers *a) {
    struct recall_query q = {
        .text = text, .kinds = 1u << RECALL_TURN, .limit = HITS, .now_ms = s->last_ms};
    struct recall_result *found;
    struct cause why = {""};
    if (recall_run(store_read(s->store), &q, &found, &why) != STATUS_OK)
        die(text, why.text);
    for (size_t i = 0; i < found->n; i++)
        add_answer(a, found->v[i].id);
    recall_free(&found);
}

/* As it is used: ten hits. */
static void time_recall(struct stores *s, const char *text) {
    struct recall_query q = {.text = text, .kinds = 1u << RECALL_TURN, .now_ms = s->last_ms};
    struct recall_result *found;
    struct cause why = {""};
    if (recall_run(store_read(s->store), &q, &found, &why) != STATUS_OK)
        die(text, why.text);
    recall_free(&found);
}

/* The usual short list. */
static bool is_stop(const char *w, size_t n) {
    static const char *const stop[] = {
        "a",     "an",    "and",   "are", "as",   "at",   "be",    "been", "but",  "by",
        "can",   "could", "did",   "do",  "does", "for",  "from",  "had",  "has",  "have",
        "he",    "her",   "his",   "how", "i",    "if",   "in",    "is",   "it",   "its",
        "me",    "my",    "of",    "on",  "or",   "s",    "she",   "that", "the",  "their",
        "them",  "they",  "this",  "to",  "was",  "we",   "were",  "what", "when", "where",
        "which", "who",   "whose", "why", "will", "with", "would", "you",  "your"};
    for (size_t i = 0; i < ARRAY_LEN(stop); i++)
        if (strlen(stop[i]) == n && !strncasecmp(w, stop[i], n))
            return true;
    return false;
}

static void ask_plain(struct stores *s, const char *text, struct answers *a) {
    struct buf match = BUF_INIT;
    for (const char *w = text; *w;) {
        size_t n = 0;
        while (isalnum((unsigned char)w[n]) || (unsigned char)w[n] >= 0x80)
            n++;
        if (n && !is_stop(w, n))
            buf_printf(&match, "%s\"%.*s\"", match.len ? " OR " : "", (int)n, w);
        w += n ? n : 1;
    }
    sql(s, sqlite3_bind_text(s->ask, 1, buf_str(&match), -1, SQLITE_STATIC));
    while (match.len && sqlite3_step(s->ask) == SQLITE_ROW)
        add_answer(a, (const char *)sqlite3_column_text(s->ask, 0));
    sqlite3_reset(s->ask);
    buf_free(&match);
}

/* ---- scoring ---- */

static bool same_session(const struct id *a, const struct id *b) {
    return a->conversation == b->conversation && a->session == b->session;
}

static void score(struct score *s, const struct question *q, const struct answers *a) {
    double turn5 = 0, turn10 = 0, session5 = 0, session10 = 0, sessions = 0;
    for (size_t e = 0; e < q->n; e++) {
        bool first = true;
        for (size_t k = 0; k < e; k++)
            first &= !same_session(&q->evidence[k], &q->evidence[e]);
        sessions += first;
        size_t distinct = 0;
        for (size_t i = 0; i < a->n; i++) {
            bool mine = same_session(&a->v[i], &q->evidence[e]), seen = false;
            for (size_t k = 0; k < i && !seen; k++)
                seen = same_session(&a->v[k], &a->v[i]);
            if (first && mine && !seen) {
                session5 += distinct < 5;
                session10 += distinct < 10;
            }
            distinct += !seen;
            if (mine && a->v[i].turn == q->evidence[e].turn) {
                turn5 += i < 5;
                turn10 += i < 10;
            }
        }
    }
    s->turn5 += turn5 / (double)q->n;
    s->turn10 += turn10 / (double)q->n;
    s->session5 += session5 / sessions;
    s->session10 += session10 / sessions;
    s->n++;
}

typedef void ask_fn(struct stores *s, const char *text, struct answers *a);

static void ask(struct score *to, ask_fn *fn, struct stores *s, const struct question *q) {
    struct answers a = {.n = 0};
    int64_t start = clock_real_mono_ns();
    if (fn == ask_recall)
        time_recall(s, q->text);
    else
        fn(s, q->text, &a);
    int64_t end = clock_real_mono_ns();
    if (fn == ask_recall)
        fn(s, q->text, &a);
    to->us = xreallocarray(to->us, to->n + 1, sizeof *to->us);
    to->us[to->n] = (double)(end - start) / 1000;
    score(to, q, &a);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *what, struct score *s) {
    double n = (double)s->n;
    if (!s->n)
        return;
    qsort(s->us, s->n, sizeof *s->us, ascending);
    printf("  %-12s %6.3f %7.3f   %7.3f %7.3f   %6.2f ms %6.2f ms\n", what, s->turn5 / n,
           s->turn10 / n, s->session5 / n, s->session10 / n, s->us[s->n / 2] / 1000,
           s->us[(size_t)((n - 1) * 0.99)] / 1000);
    x_free(&s->us);
}

static bool reaches(const struct score *s, double turn5, double turn10, double session5,
                    double session10) {
    double n = (double)s->n;
    return s->turn5 / n >= turn5 && s->turn10 / n >= turn10 && s->session5 / n >= session5 &&
           s->session10 / n >= session10;
}

int main(int argc, char **argv) {
    int wanted = argc > 2 ? atoi(argv[2]) : 5;
    static struct score own[2], all[2], each[CONVERSATIONS_MAX];
    struct stores s;
    if (argc < 2 || wanted < 1 || wanted > CONVERSATIONS_MAX)
        die("usage", "bench_recall FILE [CONVERSATIONS]");
    if (!mkdtemp(dir))
        die(dir, "cannot be made");
    clock_set_virtual(INT64_C(1795000000000));
    read_file(argv[1]);
    read_questions(wanted);
    int conversations = cJSON_GetArraySize(file);
    for (int c = 0; c < wanted && c < conversations; c++) {
        char name[16];
        snprintf(name, sizeof name, "%d", c);
        open_stores(&s, name);
        add_conversation(&s, c);
        for (size_t i = 0; i < nquestions; i++)
            if (questions[i].conversation == c) {
                ask(&own[0], ask_recall, &s, &questions[i]);
                ask(&each[c], ask_recall, &s, &questions[i]);
                ask(&own[1], ask_plain, &s, &questions[i]);
            }
        close_stores(&s);
    }
    open_stores(&s, "all");
    for (int c = 0; c < conversations; c++)
        add_conversation(&s, c);
    for (size_t i = 0; i < nquestions; i++) {
        ask(&all[0], ask_recall, &s, &questions[i]);
        ask(&all[1], ask_plain, &s, &questions[i]);
    }
    close_stores(&s);
    bool good = reaches(&own[0], 0.75, 0.83, 0.90, 0.95),
         common = reaches(&all[0], 0.67, 0.75, 0, 0);
    printf("%zu questions            turn@5     @10  session@5     @10       p50       p99\n",
           nquestions);
    printf("one store a conversation (goal 0.75, 0.83, 0.90, 0.95: %s)\n", good ? "met" : "missed");
    print("recall", &own[0]);
    print("plain FTS5", &own[1]);
    for (int c = 0; c < wanted && c < conversations; c++) {
        char name[24];
        snprintf(name, sizeof name, "  talk %d", c + 1);
        print(name, &each[c]);
    }
    printf("all %d in one store (goal by turn 0.67, 0.75: %s)\n", conversations,
           common ? "met" : "missed");
    print("recall", &all[0]);
    print("plain FTS5", &all[1]);
    x_free(&questions);
    cJSON_Delete(file);
    char *cmd = xasprintf("rm -rf %s", dir);
    if (system(cmd) != 0)
        die(dir, "could not be removed");
    x_free(&cmd);
    return 0;
}
