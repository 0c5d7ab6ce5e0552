/* catalog: lists in memory, out of answers, and in their file. */
#include "llm/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define TITLE_MAX 120u
#define VERSION 1
#define PRICE_MAX 100000.0 /* dollars a million tokens: more is no price */

/* ---- lists ---- */

static void model_free(struct catalog_model *m) {
    x_free(&m->name);
    x_free(&m->title);
}

static void drop_models(struct catalog_list *l) {
    for (size_t i = 0; i < l->n; i++)
        model_free(&l->v[i]);
    x_free(&l->v);
    l->n = 0;
}

void catalog_free(struct catalog *c) {
    for (size_t i = 0; i < c->n; i++) {
        drop_models(&c->v[i]);
        x_free(&c->v[i].provider);
        x_free(&c->v[i].error);
    }
    x_free(&c->v);
    c->n = 0;
}

const struct catalog_list *catalog_find(const struct catalog *c, const char *provider) {
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->v[i].provider, provider))
            return &c->v[i];
    return NULL;
}

struct catalog_list *catalog_add(struct catalog *c, const char *provider) {
    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->v[i].provider, provider))
            return &c->v[i];
    c->v = xreallocarray(c->v, c->n + 1, sizeof(*c->v));
    c->v[c->n] = (struct catalog_list){.provider = xstrdup(provider)};
    return &c->v[c->n++];
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct catalog_model *)a)->name, ((const struct catalog_model *)b)->name);
}

const struct catalog_model *catalog_in_list(const struct catalog_list *l, const char *name) {
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(name, l->v[mid].name);
        if (order == 0)
            return &l->v[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* ":latest", "-latest", "-20250929" or "-2025-09-29". */
static bool is_tag(const char *rest) {
    if (str_eq(rest, ":latest") || str_eq(rest, "-latest"))
        return true;
    size_t digits = 0, others = 0;
    for (const char *p = *rest == '-' ? rest + 1 : rest; *p; p++)
        *p >= '0' && *p <= '9' ? digits++ : others++;
    bool dashed = others == 2 && strlen(rest) == 11 && rest[5] == '-' && rest[8] == '-';
    return *rest == '-' && digits == 8 && (dashed || !others);
}

bool catalog_lists(const struct catalog_list *l, const char *name) {
    const char *colon = strrchr(name, ':');
    char *base = colon ? xstrndup(name, (size_t)(colon - name)) : NULL;
    bool found = catalog_in_list(l, name) || (base && catalog_in_list(l, base));
    x_free(&base);
    for (size_t i = 0; i < l->n && !found; i++)
        found = str_prefix(l->v[i].name, name) && is_tag(l->v[i].name + strlen(name));
    return found;
}

const struct catalog_model *catalog_model(const struct catalog *c, const char *model,
                                          const struct catalog_list **list) {
    const char *slash = strchr(model, '/');
    char *id = slash ? xstrndup(model, (size_t)(slash - model)) : xstrdup("anthropic");
    const struct catalog_list *l = catalog_find(c, id);
    x_free(&id);
    if (list)
        *list = l;
    return l ? catalog_in_list(l, slash ? slash + 1 : model) : NULL;
}

/* ---- answers ---- */

/* It goes into requests, tables and onto the screen. */
static bool is_plain(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > CATALOG_NAME_MAX)
        return false;
    for (; *name; name++)
        if ((unsigned char)*name <= ' ' || (unsigned char)*name >= 0x7F)
            return false;
    return true;
}

static char *title_of(const char *s) {
    struct buf b = BUF_INIT;
    if (str_empty(s))
        return NULL;
    utf8_append_visible(&b, s, utf8_cut(s, strlen(s), TITLE_MAX));
    return buf_steal(&b);
}

static int64_t context_of(const cJSON *o) {
    static const char *const keys[] = {"context_length",   "context_window", "max_context_length",
                                       "max_input_tokens", "max_model_len",  "context_tokens"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (json_i64(o, keys[i], 0) > 0)
            return json_i64(o, keys[i], 0);
    return json_i64(json_obj(o, "meta"), "n_ctx_train", 0); /* llama.cpp */
}

/* A number, or a number in a string; -1: none that could be a price. */
static double amount(const cJSON *o, const char *key, double unit) {
    double v = -1;
    if (str_to_double(json_str(o, key, ""), &v) != STATUS_OK)
        v = json_num(o, key, -1);
    v *= unit;
    return v >= 0 && v <= PRICE_MAX ? v : -1;
}

static double or_else(double v, double other) { return v >= 0 ? v : other; }

/* OpenRouter and those like it tell dollars a token in strings, Together dollars a million. What
 * costs differently by the length of the input has no one price. */
static void take_price(struct catalog_model *m, const cJSON *pricing) {
    bool per_token = cJSON_GetObjectItemCaseSensitive(pricing, "prompt") != NULL;
    double unit = per_token ? 1e6 : 1;
    double in = amount(pricing, per_token ? "prompt" : "input", unit);
    double out = amount(pricing, per_token ? "completion" : "output", unit);
    if (in < 0 || out < 0)
        return;
    m->priced = true;
    m->input = in;
    m->output = out;
    m->cache_read = or_else(amount(pricing, "input_cache_read", unit), in);
    m->cache_write = or_else(amount(pricing, "input_cache_write", unit), in);
}

static bool take_model(struct catalog_model *m, const cJSON *o) {
    const char *id = json_str(o, "id", NULL), *name = id ? id : json_str(o, "name", "");
    if (str_prefix(name, "models/")) /* Gemini's resource names; a request has them without */
        name += strlen("models/");
    if (!is_plain(name))
        return false;
    *m = (struct catalog_model){.name = xstrdup(name), .context_tokens = context_of(o)};
    const char *title = json_str(o, "display_name", id ? json_str(o, "name", NULL) : NULL);
    m->title = str_eq(title, name) ? NULL : title_of(title);
    take_price(m, json_obj(o, "pricing"));
    return true;
}

static const cJSON *array_of(const cJSON *root) {
    if (cJSON_IsArray(root))
        return root;
    const cJSON *data = json_arr(root, "data");
    return data ? data : json_arr(root, "models");
}

/* By name, each once. */
static void put_in_order(struct catalog_list *l) {
    size_t kept = 0;
    if (l->n)
        qsort(l->v, l->n, sizeof(*l->v), by_name);
    for (size_t i = 0; i < l->n; i++) {
        if (kept && str_eq(l->v[kept - 1].name, l->v[i].name))
            model_free(&l->v[i]);
        else
            l->v[kept++] = l->v[i];
    }
    l->n = kept;
}

static void date_it(struct catalog_list *l, int64_t listed_ms) {
    char at[CLOCK_RFC3339_SIZE];
    l->listed_ms = listed_ms;
    clock_rfc3339(listed_ms, at);
    memcpy(l->as_of, at, 10);
    l->as_of[10] = '\0';
}

enum status catalog_take(struct catalog_list *l, const char *body, size_t n, int64_t now_ms,
                         struct cause *why) {
    cJSON *root = NULL;
    struct cause inner = {""};
    const cJSON *it, *list = NULL;
    if (json_parse(body, n, &root, &inner) == STATUS_OK)
        list = array_of(root);
    if (!list) {
        cJSON_Delete(root);
        return cause_set(why, STATUS_PROTOCOL, "%s: what it answered is no list of models%s%s",
                         l->provider, *inner.text ? ": " : "", inner.text);
    }
    drop_models(l);
    l->whole = !json_bool(root, "has_more", false);
    l->v = xcalloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*l->v));
    cJSON_ArrayForEach(it, list) {
        if (l->n == CATALOG_MODELS_MAX) {
            l->whole = false;
            break;
        }
        l->n += take_model(&l->v[l->n], it);
    }
    put_in_order(l);
    x_free(&l->error);
    l->asked_ms = now_ms;
    date_it(l, now_ms);
    cJSON_Delete(root);
    return STATUS_OK;
}

void catalog_refused(struct catalog_list *l, const char *error, int64_t now_ms) {
    char *copy = xstrdup(error); /* may be the one that is there */
    x_free(&l->error);
    l->error = copy;
    l->asked_ms = now_ms;
}

/* ---- the nearest ---- */

#define WORDS_MAX 16u
#define WORD_MAX 24u

/* "claude-sonnet-4-5-20250929": the words claude and sonnet, version 4.5. */
struct parts {
    char words[WORDS_MAX][WORD_MAX];
    size_t nwords;
    int64_t version;                 /* 4 05 00 */
    unsigned nnumbers;               /* that are in it */
    bool date;                       /* a year was read: months and days follow it */
    char text[STR_DISTANCE_MAX + 1]; /* words and numbers, without dates and what says nothing */
};

static bool says_nothing(const char *word) {
    static const char *const words[] = {"latest", "preview", "exp", "experimental", "beta"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(word, words[i]))
            return true;
    return false;
}

static void add_part(struct parts *p, const char *part) {
    size_t n = strlen(p->text);
    (void)snprintf(p->text + n, sizeof(p->text) - n, "%s%s", n ? "-" : "", part);
}

static void add_word(struct parts *p, const char *word) {
    p->date = false;
    if (says_nothing(word))
        return;
    add_part(p, word);
    if (p->nwords < WORDS_MAX)
        (void)snprintf(p->words[p->nwords++], WORD_MAX, "%s", word);
}

/* Four digits and more are a day or a year, and two behind a year its month. */
static void add_number(struct parts *p, const char *digits) {
    static const int64_t weight[] = {10000, 100, 1};
    size_t n = strlen(digits);
    if (n >= 4 || p->date) {
        p->date = p->date || n == 4;
        return;
    }
    if (p->nnumbers < ARRAY_LEN(weight))
        p->version += strtol(digits, NULL, 10) * weight[p->nnumbers++];
    add_part(p, digits);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* 0: neither. */
static int kind_of(char c) { return c >= '0' && c <= '9' ? 1 : c >= 'a' && c <= 'z' ? 2 : 0; }

static void take_apart(struct parts *p, const char *name) {
    *p = (struct parts){.nwords = 0};
    while (*name) {
        char part[WORD_MAX];
        size_t n = 0;
        int kind = kind_of(lower(*name));
        for (; *name && kind_of(lower(*name)) == kind; name++)
            if (n + 1 < sizeof part)
                part[n++] = lower(*name);
        part[n] = '\0';
        if (kind == 1)
            add_number(p, part);
        else if (kind == 2)
            add_word(p, part);
    }
}

static bool has_word(const struct parts *p, const char *word) {
    for (size_t i = 0; i < p->nwords; i++)
        if (str_eq(p->words[i], word))
            return true;
    return false;
}

static size_t words_missing(const struct parts *in, const struct parts *of) {
    size_t n = 0;
    for (size_t i = 0; i < of->nwords; i++)
        n += !has_word(in, of->words[i]);
    return n;
}

const char *catalog_nearest(const struct catalog_list *l, const char *name) {
    struct parts gone, best = {.nwords = 0};
    const char *nearest = NULL;
    int64_t score[3] = {0};
    take_apart(&gone, name);
    for (size_t i = 0; i < l->n; i++) {
        struct parts p;
        take_apart(&p, l->v[i].name);
        size_t missing = words_missing(&p, &gone);
        if (missing == gone.nwords)
            continue; /* it shares nothing with it */
        int64_t apart = p.version - gone.version;
        int64_t mine[3] = {(int64_t)(missing + words_missing(&gone, &p)),
                           apart < 0 ? -apart : apart, (int64_t)str_distance(gone.text, p.text)};
        int order = 0;
        for (size_t k = 0; k < 3 && order == 0; k++)
            order = mine[k] < score[k] ? -1 : mine[k] > score[k];
        if (nearest && (order > 0 || (order == 0 && p.version <= best.version)))
            continue;
        memcpy(score, mine, sizeof score);
        best = p;
        nearest = l->v[i].name;
    }
    return nearest;
}

/* ---- the file ---- */

static void read_model(struct catalog_list *l, const cJSON *o) {
    struct catalog_model m = {.context_tokens = json_i64(o, "context_tokens", 0)};
    const char *name = json_str(o, "name", "");
    if (!is_plain(name))
        return;
    m.name = xstrdup(name);
    m.title = title_of(json_str(o, "title", NULL));
    m.input = amount(o, "input", 1);
    m.output = amount(o, "output", 1);
    m.cache_read = amount(o, "cache_read", 1);
    m.cache_write = amount(o, "cache_write", 1);
    m.priced = m.input >= 0 && m.output >= 0 && m.cache_read >= 0 && m.cache_write >= 0;
    l->v[l->n++] = m;
}

static void read_list(struct catalog *c, const cJSON *o) {
    const cJSON *it, *models = json_arr(o, "models");
    const char *id = json_str(o, "id", "");
    int n = cJSON_GetArraySize(models);
    if (!is_plain(id) || catalog_find(c, id) || n > (int)CATALOG_MODELS_MAX)
        return;
    struct catalog_list *l = catalog_add(c, id);
    l->asked_ms = json_i64(o, "asked_at", 0);
    l->whole = json_bool(o, "whole", false);
    l->error = title_of(json_str(o, "error", NULL));
    if (json_i64(o, "listed_at", 0) > 0)
        date_it(l, json_i64(o, "listed_at", 0));
    l->v = xcalloc((size_t)n + 1, sizeof(*l->v));
    cJSON_ArrayForEach(it, models) read_model(l, it);
    put_in_order(l);
}

static enum status read_all(const char *path, struct buf *out, struct cause *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat sb;
    if (fd < 0)
        return cause_errno(why, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, errno, "%s", path);
    enum status st = STATUS_OK;
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode) || sb.st_size > (off_t)CATALOG_BODY_MAX)
        st = cause_set(why, STATUS_INVALID, "%s is no list of models", path);
    while (st == STATUS_OK) {
        ssize_t n = read(fd, buf_room(out, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = cause_errno(why, STATUS_IO, errno, "%s", path);
        if (n <= 0 || out->len > CATALOG_BODY_MAX)
            break;
        buf_added(out, (size_t)n);
    }
    close(fd);
    return st;
}

enum status catalog_read(const char *path, struct catalog *out, struct cause *why) {
    struct buf text = BUF_INIT;
    cJSON *root = NULL;
    enum status st = read_all(path, &text, why);
    if (st == STATUS_OK)
        st = json_parse(buf_str(&text), text.len, &root, why);
    *out = (struct catalog){.n = 0};
    const cJSON *it;
    if (st == STATUS_OK && json_i64(root, "version", 0) == VERSION)
        cJSON_ArrayForEach(it, json_arr(root, "providers")) read_list(out, it);
    cJSON_Delete(root);
    buf_free(&text);
    return st;
}

static cJSON *model_json(const struct catalog_model *m) {
    cJSON *o = json_new_obj();
    json_add_str(o, "name", m->name);
    if (m->title)
        json_add_str(o, "title", m->title);
    if (m->context_tokens)
        json_add_i64(o, "context_tokens", m->context_tokens);
    if (m->priced) {
        json_add_num(o, "input", m->input);
        json_add_num(o, "output", m->output);
        json_add_num(o, "cache_read", m->cache_read);
        json_add_num(o, "cache_write", m->cache_write);
    }
    return o;
}

static char *print(const struct catalog *c) {
    cJSON *root = json_new_obj();
    json_add_i64(root, "version", VERSION);
    cJSON *providers = json_add_arr(root, "providers");
    for (size_t i = 0; i < c->n; i++) {
        const struct catalog_list *l = &c->v[i];
        cJSON *o = json_new_obj();
        json_add_str(o, "id", l->provider);
        json_add_i64(o, "asked_at", l->asked_ms);
        json_add_i64(o, "listed_at", l->listed_ms);
        json_add_bool(o, "whole", l->whole);
        if (l->error)
            json_add_str(o, "error", l->error);
        cJSON *models = json_add_arr(o, "models");
        for (size_t k = 0; k < l->n; k++)
            cJSON_AddItemToArray(models, model_json(&l->v[k]));
        cJSON_AddItemToArray(providers, o);
    }
    char *text = json_print(root);
    cJSON_Delete(root);
    return text;
}

enum status catalog_write(const char *path, const struct catalog *c, struct cause *why) {
    char *temporary = xasprintf("%s.XXXXXX", path), *text = print(c);
    size_t n = strlen(text);
    enum status st = STATUS_OK;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        st = cause_errno(why, STATUS_IO, errno, "%s", path);
    for (size_t done = 0; st == STATUS_OK && done < n;) {
        ssize_t k = write(fd, text + done, n - done);
        if (k < 0 && errno != EINTR)
            st = cause_errno(why, STATUS_IO, errno, "%s", path);
        done += k > 0 ? (size_t)k : 0;
    }
    if (fd >= 0)
        close(fd);
    if (st == STATUS_OK && rename(temporary, path) != 0)
        st = cause_errno(why, STATUS_IO, errno, "%s", path);
    if (fd >= 0 && st != STATUS_OK)
        (void)unlink(temporary);
    x_free(&temporary);
    x_free(&text);
    return st;
}
