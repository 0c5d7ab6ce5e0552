/* price: the table, and how a name finds its row. */
#include "llm/price.h"

#include <string.h>

#include "base/mem.h"
#include "base/provider.h"
#include "base/str.h"
#include "llm/catalog.h"

struct row {
    const char *provider;
    const char *model; /* the whole name, or what comes before a date or a suffix */
    const char *as_of; /* when the price was looked up */
    enum model_price sure;
    double input, output, cache_read, cache_write;
};

static const struct row rows[] = {
#define X(provider, model, use, as_of, sure, in, out, rd, wr)                                      \
    {provider, model, as_of, sure, in, out, rd, wr},
    MODEL_TABLE(X)
#undef X
};

static const struct row families[] = {
#define X(provider, model, use, as_of, sure, in, out, rd, wr)                                      \
    {provider, model, as_of, sure, in, out, rd, wr},
    MODEL_FAMILY_TABLE(X)
#undef X
};

/* Behind a row's name may come nothing, a date of eight digits (with dashes or without), or
 * "latest": claude-opus-4-20250514 is claude-opus-4, and claude-opus-4-9 is not. */
static bool is_version_of(const char *model, const char *name) {
    size_t n = strlen(name);
    if (strncmp(model, name, n) != 0)
        return false;
    const char *rest = model + n;
    if (*rest == '\0' || str_eq(rest, "-latest"))
        return true;
    size_t digits = 0, others = 0;
    for (const char *p = *rest == '-' ? rest + 1 : rest; *p; p++)
        *p >= '0' && *p <= '9' ? digits++ : others++;
    bool dashed = others == 2 && strlen(rest) == 11 && rest[5] == '-' && rest[8] == '-';
    return *rest == '-' && digits == 8 && (dashed || !others);
}

static bool is_of_family(const char *model, const char *name) {
    size_t n = strlen(name);
    return strncmp(model, name, n) == 0 && strchr("-.", model[n]);
}

/* What people say their models cost. */
static struct said {
    char *model;
    struct price price;
} * said;
static size_t nsaid;

void price_say(const char *model, const struct price *p) {
    said = xreallocarray(said, nsaid + 1, sizeof(*said));
    said[nsaid++] = (struct said){xstrdup(model), *p};
}

void price_forget(void) {
    for (size_t i = 0; i < nsaid; i++)
        x_free(&said[i].model);
    x_free(&said);
    nsaid = 0;
}

static bool find_said(const char *model, struct price *out) {
    char *full = strchr(model, '/') ? xstrdup(model) : xasprintf("anthropic/%s", model);
    size_t i = nsaid;
    while (i > 0 && !is_version_of(full, said[i - 1].model))
        i--;
    x_free(&full);
    if (i > 0)
        *out = said[i - 1].price;
    return i > 0;
}

static const struct catalog *offers;

void price_offers(const struct catalog *c) { offers = c; }

static bool find_offered(const char *model, struct price *out) {
    const struct catalog_list *l = NULL;
    const struct catalog_model *m = offers ? catalog_model(offers, model, &l) : NULL;
    if (!m || !m->priced)
        return false;
    *out = (struct price){m->input, m->output, m->cache_read, m->cache_write, false, l->as_of};
    return true;
}

static void take(struct price *out, const struct row *r, bool guess) {
    *out = (struct price){.input = r->input,
                          .output = r->output,
                          .cache_read = r->cache_read,
                          .cache_write = r->cache_write,
                          .is_estimate = guess || r->sure != MODEL_LISTED,
                          .as_of = r->as_of};
}

/* "provider/model" of this very row. */
static bool is_sold_by(const char *model, const struct row *r) {
    size_t n = strlen(r->provider);
    return strncmp(model, r->provider, n) == 0 && model[n] == '/' &&
           is_version_of(model + n + 1, r->model);
}

bool price_find(const char *model, struct price *out) {
    memset(out, 0, sizeof(*out));
    out->as_of = "";
    if (find_said(model, out) || find_offered(model, out))
        return true;
    /* Inside this program, or on this machine: it is free, and that is no guess. */
    if (str_prefix(model, "rehearsal/") || str_prefix(model, "ollama/"))
        return true;
    const char *slash = strrchr(model, '/');
    const char *name = slash ? slash + 1 : model;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!is_sold_by(model, &rows[i]))
            continue;
        if (rows[i].sure == MODEL_UNKNOWN)
            return false;
        take(out, &rows[i], false);
        return true;
    }
    /* What somebody else than its maker takes for it may differ. */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *own = strrchr(rows[i].model, '/');
        if (rows[i].sure == MODEL_UNKNOWN || !is_version_of(name, own ? own + 1 : rows[i].model))
            continue;
        take(out, &rows[i], slash || !str_eq(rows[i].provider, "anthropic"));
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (is_of_family(name, families[i].model)) {
            take(out, &families[i], true);
            return true;
        }
    }
    return false;
}

static const struct {
    const char *provider, *model;
    enum model_price sure;
    double usd;
} speech[] = {
#define X(provider, model, as_of, sure, usd) {provider, model, sure, usd},
    SPEECH_TABLE(X)
#undef X
};

bool price_speech(const char *model, double *usd, bool *is_estimate) {
    const char *slash = strchr(model, '/');
    size_t n = slash ? (size_t)(slash - model) : 0;
    for (size_t i = 0; i < ARRAY_LEN(speech); i++) {
        if (!slash || !is_version_of(slash + 1, speech[i].model))
            continue;
        bool own = strlen(speech[i].provider) == n && strncmp(model, speech[i].provider, n) == 0;
        *usd = speech[i].usd;
        *is_estimate = !own || speech[i].sure != MODEL_LISTED;
        return true;
    }
    return false;
}

static const struct {
    const char *provider, *model; /* whoever sells it */
    int64_t above;
    double times;
} long_prompts[] = {
#define X(provider, model, above, times) {provider, model, above, times},
    MODEL_LONG_TABLE(X)
#undef X
};

double price_times(const char *model, int64_t prompt_tokens) {
    struct price p;
    const char *slash = strrchr(model, '/'), *name = slash ? slash + 1 : model;
    if (find_said(model, &p) || find_offered(model, &p))
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(long_prompts); i++)
        if (prompt_tokens > long_prompts[i].above && is_version_of(name, long_prompts[i].model))
            return long_prompts[i].times;
    return 1;
}

void price_apply(const char *model, struct llm_usage *u) {
    struct price p;
    bool used =
        u->input_tokens || u->output_tokens || u->cache_read_tokens || u->cache_write_tokens;
    if ((!price_find(model, &p) || p.is_estimate) && used)
        u->cost_is_estimate = true;
    int64_t hour =
        u->cache_hour_tokens < u->cache_write_tokens ? u->cache_hour_tokens : u->cache_write_tokens;
    /* Kept for an hour it costs twice the input. */
    u->cost_usd =
        price_times(model, u->input_tokens + u->cache_read_tokens + u->cache_write_tokens) *
        ((double)u->input_tokens * p.input + (double)u->output_tokens * p.output +
         (double)u->cache_read_tokens * p.cache_read +
         (double)(u->cache_write_tokens - hour) * p.cache_write + (double)hour * 2 * p.input) /
        1e6;
}
