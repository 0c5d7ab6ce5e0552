/* fuzz_recall: any bytes at all as a question. None breaks the syntax of a search, and what is
 * found is what was stored, best first, at most as much as was asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "memory/recall.h"
#include "store/queries.gen.h"
#include "tests/fuzz/driver.h"

#define LIMIT 5

static struct store_read *store;

static void add(struct store *s, const char *id, const char *text) {
    store_message_insert(s, &(struct store_message_insert){.id = id,
                                                           .channel_id = "c",
                                                           .role = "user",
                                                           .sender_name = "ann",
                                                           .content = text,
                                                           .created_at = 1000});
}

/* A store in memory of its own: the file is gone as soon as it is open. */
static void prepare(void) {
    char dir[] = "/tmp/fuzz_recall.XXXXXX";
    struct cause why = {""};
    struct store *s;
    fuzz_must(mkdtemp(dir) != NULL, "no directory");
    char *path = xasprintf("%s/spacebot.db", dir), *wal = xasprintf("%s-wal", path),
         *shm = xasprintf("%s-shm", path);
    struct loop *l = loop_new(LOOP_INLINE);
    fuzz_must(store_open(l, path, &s, &why) == STATUS_OK, why.text);
    store_channel_touch(s, "c", "terminal", NULL, NULL, NULL, 1);
    add(s, "1", "When do we meet in may? At store_open(), say \"Ann\".");
    add(s, "2", "我们明天在东京见面 and then went to the lake");
    add(s, "3", "a x y z, AND OR NOT NEAR: 8 May 2023");
    fuzz_must(store_close(&s, &why) == STATUS_OK, why.text);
    loop_free(&l);
    fuzz_must(store_open_readonly(path, &store, &why) == STATUS_OK, why.text);
    struct recall_query q = {.text = "lake"};
    struct recall_result *r;
    fuzz_must(recall_run(store, &q, &r, &why) == STATUS_OK && r->n > 0, "nothing is found");
    recall_free(&r);
    unlink(path);
    unlink(wal);
    unlink(shm);
    rmdir(dir);
    x_free(&path);
    x_free(&wal);
    x_free(&shm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct cause why = {""};
    struct recall_result *r;
    char *text = xstrndup((const char *)data, n);
    if (!store)
        prepare();
    struct recall_query q = {.text = text, .limit = LIMIT, .now_ms = INT64_C(1795000000000)};
    enum status st = recall_run(store, &q, &r, &why);
    fuzz_must(st == (text[0] ? STATUS_OK : STATUS_INVALID), why.text);
    if (st == STATUS_OK) {
        fuzz_must(r->n <= LIMIT, "more than was asked for");
        for (size_t i = 0; i < r->n; i++) {
            fuzz_must(i == 0 || r->v[i].score <= r->v[i - 1].score, "not the best first");
            fuzz_must(r->v[i].why.n > 0, "found for no reason");
        }
        recall_free(&r);
    }
    free(text);
    return 0;
}

FUZZ_MAIN("recall")
