/* price: the table, and how a name finds its row. */
#include "llm/price.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* List prices of the makers' own APIs in dollars a million tokens; cache writes are those of the
 * five-minute kind (1.25 times input), cache reads a tenth of input unless published otherwise. The
 * long-context surcharge is not in here: nothing asks for it. OpenAI's prices change under the same
 * names: they are all estimates. It takes nothing extra for cache writes. */
struct row {
    const char *model; /* the whole name, or what comes before a date or a suffix */
    const char *as_of; /* when the price was looked up */
    struct price price;
};

static const struct row rows[] = {
    /* The defaults: newer than the last price list that went in here, so the family's price. */
    {"claude-sonnet-5-5", "2026-11", {3.00, 15.00, 0.30, 3.75, true}},
    {"claude-haiku-5-5", "2026-11", {1.00, 5.00, 0.10, 1.25, true}},

    {"claude-opus-4-6", "2026-02", {5.00, 25.00, 0.50, 6.25, false}},
    {"claude-opus-4-5", "2025-11", {5.00, 25.00, 0.50, 6.25, false}},
    {"claude-opus-4-1", "2025-08", {15.00, 75.00, 1.50, 18.75, false}},
    {"claude-opus-4", "2025-05", {15.00, 75.00, 1.50, 18.75, false}},
    {"claude-sonnet-4-6", "2026-02", {3.00, 15.00, 0.30, 3.75, false}},
    {"claude-sonnet-4-5", "2025-09", {3.00, 15.00, 0.30, 3.75, false}},
    {"claude-sonnet-4", "2025-05", {3.00, 15.00, 0.30, 3.75, false}},
    {"claude-haiku-4-5", "2025-10", {1.00, 5.00, 0.10, 1.25, false}},
    {"claude-3-7-sonnet", "2025-02", {3.00, 15.00, 0.30, 3.75, false}},
    {"claude-3-5-sonnet", "2024-10", {3.00, 15.00, 0.30, 3.75, false}},
    {"claude-3-5-haiku", "2024-12", {0.80, 4.00, 0.08, 1.00, false}},
    {"claude-3-opus", "2024-03", {15.00, 75.00, 1.50, 18.75, false}},
    {"claude-3-haiku", "2024-03", {0.25, 1.25, 0.03, 0.30, false}},

    {"gpt-5.2", "2025-12", {1.75, 14.00, 0.175, 1.75, true}},
    {"gpt-5.1", "2025-11", {1.25, 10.00, 0.125, 1.25, true}},
    {"gpt-5-mini", "2025-08", {0.25, 2.00, 0.025, 0.25, true}},
    {"gpt-5-nano", "2025-08", {0.05, 0.40, 0.005, 0.05, true}},
    {"gpt-5", "2025-08", {1.25, 10.00, 0.125, 1.25, true}},
    {"gpt-4.1-mini", "2025-04", {0.40, 1.60, 0.10, 0.40, true}},
    {"gpt-4.1-nano", "2025-04", {0.10, 0.40, 0.025, 0.10, true}},
    {"gpt-4.1", "2025-04", {2.00, 8.00, 0.50, 2.00, true}},
    {"gpt-4o-mini", "2024-07", {0.15, 0.60, 0.075, 0.15, true}},
    {"gpt-4o", "2024-10", {2.50, 10.00, 1.25, 2.50, true}},
    {"o4-mini", "2025-04", {1.10, 4.40, 0.275, 1.10, true}},
    {"o3", "2025-06", {2.00, 8.00, 0.50, 2.00, true}},
};

/* What a family cost last, for names that are not above. */
static const struct row families[] = {
    {"claude-opus", "2026-02", {5.00, 25.00, 0.50, 6.25, true}},
    {"claude-sonnet", "2026-02", {3.00, 15.00, 0.30, 3.75, true}},
    {"claude-haiku", "2025-10", {1.00, 5.00, 0.10, 1.25, true}},
    {"gpt-5", "2025-12", {1.75, 14.00, 0.175, 1.75, true}},
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

bool price_find(const char *model, struct price *out) {
    memset(out, 0, sizeof(*out));
    if (find_said(model, out))
        return true;
    /* Inside this program, or on this machine: it is free, and that is no guess. */
    if (str_prefix(model, "rehearsal/") || str_prefix(model, "ollama/"))
        return true;
    const char *slash = strrchr(model, '/');
    const char *name = slash ? slash + 1 : model;
    bool first_party = !slash || str_prefix(model, "anthropic/") || str_prefix(model, "openai/");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (is_version_of(name, rows[i].model)) {
            *out = rows[i].price;
            out->is_estimate |= !first_party;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (is_of_family(name, families[i].model)) {
            *out = families[i].price;
            return true;
        }
    }
    return false;
}

void price_apply(const char *model, struct llm_usage *u) {
    struct price p;
    bool used =
        u->input_tokens || u->output_tokens || u->cache_read_tokens || u->cache_write_tokens;
    if ((!price_find(model, &p) || p.is_estimate) && used)
        u->cost_is_estimate = true;
    u->cost_usd = ((double)u->input_tokens * p.input + (double)u->output_tokens * p.output +
                   (double)u->cache_read_tokens * p.cache_read +
                   (double)u->cache_write_tokens * p.cache_write) /
                  1e6;
}
