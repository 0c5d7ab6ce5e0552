/* words: see words.h. FTS5 gives its tokenizers to C through a pointer that a statement fills in;
 * that is the only way to them that SQLite has. */
#include "store/words.h"

#include <sqlite3.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "store/db.h"
#include "store/queries.gen.h"
#include "store/query.h"
#include "store/read.h"

struct words {
    fts5_tokenizer vtable;
    Fts5Tokenizer *tokenizer;
};

struct call {
    words_fn *fn;
    void *arg;
};

static enum status api_of(sqlite3 *db, fts5_api **out, struct cause *why) {
    sqlite3_stmt *st = NULL;
    *out = NULL;
    int rc = sqlite3_prepare_v2(db, store_queries[STORE_Q_fts5_api].sql, -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_pointer(st, 1, out, "fts5_api_ptr", NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    sqlite3_finalize(st);
    if (!*out)
        return cause_set(why, STATUS_UNAVAILABLE, "this SQLite has no full-text search (%s)",
                         sqlite3_errstr(rc));
    return STATUS_OK;
}

enum status words_new(struct store_read *r, struct words **out, struct cause *why) {
    const char *args[] = {"unicode61"};
    fts5_api *api;
    void *user;
    *out = NULL;
    enum status st = api_of(store_read_db(r), &api, why);
    if (st != STATUS_OK)
        return st;
    struct words *w = xcalloc(1, sizeof *w);
    int rc = api->xFindTokenizer(api, "porter", &user, &w->vtable);
    if (rc == SQLITE_OK)
        rc = w->vtable.xCreate(user, args, ARRAY_LEN(args), &w->tokenizer);
    if (rc != SQLITE_OK) {
        x_free(&w);
        return cause_set(why, db_status(rc), "no tokenizer: %s", sqlite3_errstr(rc));
    }
    *out = w;
    return STATUS_OK;
}

void words_free(struct words **wp) {
    if (!*wp)
        return;
    (*wp)->vtable.xDelete((*wp)->tokenizer);
    x_free(wp);
}

static int on_token(void *arg, int flags, const char *token, int n, int start, int end) {
    const struct call *c = arg;
    char stem[WORDS_TERM_MAX + 1];
    if (flags & FTS5_TOKEN_COLOCATED)
        return SQLITE_OK;
    size_t len = utf8_cut(token, (size_t)n, WORDS_TERM_MAX);
    memcpy(stem, token, len);
    stem[len] = '\0';
    return c->fn(c->arg, stem, (size_t)start, (size_t)end) ? SQLITE_OK : SQLITE_DONE;
}

enum status words_each(struct words *w, const char *text, size_t n, words_fn *fn, void *arg,
                       struct cause *why) {
    struct call c = {fn, arg};
    if (n > INT32_MAX)
        return cause_set(why, STATUS_LIMIT, "a text of %zu bytes is too long", n);
    int rc = w->vtable.xTokenize(w->tokenizer, &c, FTS5_TOKENIZE_QUERY, text, (int)n, on_token);
    if (rc == SQLITE_OK || rc == SQLITE_DONE)
        return STATUS_OK;
    return cause_set(why, db_status(rc), "the words of a text: %s", sqlite3_errstr(rc));
}
