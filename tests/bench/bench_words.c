/* bench_words: a question to a hundred thousand memories, by words, context, text and graph (no
 * vectors), against the least that can be done with SQLite: the same words joined by OR in the same
 * full-text index, ranked by bm25, the first ten. Words are as common as in a language (Zipf); the
 * questions are made of words of a memory that is there. */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "memory/recall.h"
#include "store/queries.gen.h"
#include "tests/bench/bench.h"

#define MEMORIES 100000
#define BATCH 2000
#define WORDS 20     /* of a memory */
#define ASKED 4      /* of a question */
#define KNOWN 30000  /* different ones */
#define QUESTIONS 40 /* in a round */

struct job {
    char dir[64], path[96];
    struct store_read *read;
    sqlite3 *plain;
    sqlite3_stmt *ask;
    char *questions[QUESTIONS], *matches[QUESTIONS];
    double *sums; /* of Zipf's weights */
};

static uint64_t seed = 42;

static double draw(void) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) / (double)(UINT64_C(1) << 53);
}

static int draw_word(const struct job *j) {
    double x = draw() * j->sums[KNOWN - 1];
    int low = 0, high = KNOWN - 1;
    while (low < high) {
        int mid = (low + high) / 2;
        if (j->sums[mid] < x)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* No stemmer changes them: consonants and u. */
static void put_word(struct buf *b, int word) {
    static const char letters[] = "bcdfghjklmnpqrtvwxz";
    for (int n = word + 19; n; n /= 19)
        buf_printf(b, "%cu", letters[n % 19]);
    buf_putc(b, 'k');
}

static void make_questions(struct job *j, const int *words, int i) {
    struct buf question = BUF_INIT, match = BUF_INIT;
    for (int k = 0; k < ASKED; k++) {
        int word = words[k * (WORDS / ASKED)];
        buf_puts(&question, k ? " " : "");
        put_word(&question, word);
        buf_puts(&match, k ? " OR \"" : "\"");
        put_word(&match, word);
        buf_putc(&match, '"');
    }
    j->questions[i] = buf_steal(&question);
    j->matches[i] = buf_steal(&match);
}

static bool fill(struct job *j, struct cause *why) {
    struct loop *l = loop_new(LOOP_INLINE);
    struct store *s;
    struct buf text = BUF_INIT;
    int words[WORDS];
    if (store_open(l, j->path, &s, why) != STATUS_OK)
        return false;
    bool ok = true;
    for (int i = 0; i < MEMORIES && ok; i++) {
        char id[40];
        buf_reset(&text);
        for (int k = 0; k < WORDS; k++) {
            words[k] = draw_word(j);
            put_word(&text, words[k]);
            buf_putc(&text, ' ');
        }
        if (i % (MEMORIES / QUESTIONS) == 0)
            make_questions(j, words, i / (MEMORIES / QUESTIONS));
        snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", i);
        store_memory_insert(s, &(struct store_memory_insert){.importance = 0.6,
                                                             .id = id,
                                                             .type = "fact",
                                                             .content = buf_str(&text),
                                                             .content_hash = id,
                                                             .created_at = i,
                                                             .updated_at = i,
                                                             .accessed_at = i,
                                                             .change = "saved",
                                                             .actor = "person",
                                                             .operation = id,
                                                             .changed_at = i});
        if (i % BATCH == BATCH - 1)
            ok = store_drain(s, 600 * NS_PER_SEC, why) == STATUS_OK;
    }
    buf_free(&text);
    ok = store_close(&s, why) == STATUS_OK && ok;
    loop_free(&l);
    return ok;
}

static bool subject(void *arg, double *values, struct cause *why) {
    struct job *j = arg;
    (void)values;
    bench_subject_core();
    for (int i = 0; i < QUESTIONS; i++) {
        struct recall_query q = {.text = j->questions[i], .now_ms = MEMORIES};
        struct recall_result *found;
        int64_t start = clock_real_mono_ns();
        if (recall_run(j->read, &q, &found, why) != STATUS_OK)
            return false;
        double ms = (double)(clock_real_mono_ns() - start) / 1e6;
        if (!found->n)
            return cause_set(why, STATUS_NOT_FOUND, "nothing is found"), false;
        recall_free(&found);
        bench_sample(0, ms);
        bench_sample(1, ms);
    }
    bench_driver_core();
    return true;
}

static bool control(void *arg, double *values, struct cause *why) {
    struct job *j = arg;
    (void)values;
    bench_subject_core();
    for (int i = 0; i < QUESTIONS; i++) {
        int64_t start = clock_real_mono_ns();
        int rows = 0;
        sqlite3_bind_text(j->ask, 1, j->matches[i], -1, SQLITE_STATIC);
        while (sqlite3_step(j->ask) == SQLITE_ROW)
            rows++;
        sqlite3_reset(j->ask);
        double ms = (double)(clock_real_mono_ns() - start) / 1e6;
        if (!rows)
            return cause_set(why, STATUS_NOT_FOUND, "nothing is found"), false;
        bench_sample(0, ms);
        bench_sample(1, ms);
    }
    bench_driver_core();
    return true;
}

static bool prepare(struct job *j, struct cause *why) {
    strcpy(j->dir, "/tmp/bench_words.XXXXXX");
    if (!mkdtemp(j->dir))
        return cause_set(why, STATUS_IO, "no directory"), false;
    snprintf(j->path, sizeof j->path, "%s/spacebot.db", j->dir);
    j->sums = xcalloc(KNOWN, sizeof *j->sums);
    for (int i = 0; i < KNOWN; i++)
        j->sums[i] = (i ? j->sums[i - 1] : 0) + 1 / (double)(i + 10);
    return fill(j, why) && store_open_readonly(j->path, &j->read, why) == STATUS_OK &&
           sqlite3_open_v2(j->path, &j->plain, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
           sqlite3_prepare_v2(
               j->plain,
               "SELECT m.id, m.content FROM memories_words AS w JOIN memories AS m ON "
               "m.n = w.rowid WHERE memories_words MATCH ? ORDER BY rank LIMIT 10",
               -1, &j->ask, NULL) == SQLITE_OK;
}

int main(int argc, char **argv) {
    static const struct bench_figure figures[] = {
        {.name = "recall_words",
         .what = "a question of four words to 100,000 memories; control: the same words in FTS5, "
                 "by bm25",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = 3,
         .percentile = 0.5},
        {.name = "recall_words_late",
         .what = "the same, one in a hundred takes longer",
         .unit = "ms",
         .kind = BENCH_RATIO_MAX,
         .goal = 3,
         .percentile = 0.99}};
    struct job j = {.read = NULL};
    struct cause why = {""};
    bench_begin(argc, argv);
    if (prepare(&j, &why))
        bench_run(&(struct bench_case){.figures = figures,
                                       .n = sizeof figures / sizeof figures[0],
                                       .subject = subject,
                                       .control = control,
                                       .arg = &j});
    else
        for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
            bench_skip(&figures[i], why.text[0] ? why.text : "the store could not be prepared");
    store_read_close(&j.read);
    sqlite3_finalize(j.ask);
    sqlite3_close(j.plain);
    for (int i = 0; i < QUESTIONS; i++) {
        free(j.questions[i]);
        free(j.matches[i]);
    }
    free(j.sums);
    char *cmd = xasprintf("rm -rf %s", j.dir);
    if (system(cmd) != 0)
        fprintf(stderr, "bench_words: %s could not be removed\n", j.dir);
    free(cmd);
    return bench_end();
}
