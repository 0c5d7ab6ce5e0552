/* health: a small table of models, looked up by name: there are as many as a person has named. */
#include "llm/health.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define LEARN_PERCENT 90 /* SPEC C */

struct model {
    char *name;
    char *why; /* NULL: it is well */
    int64_t until_ns;
    bool told;       /* it said itself how long */
    bool tried;      /* a call is trying it */
    int64_t ceiling; /* learned; 0: nothing */
    uint64_t used;
};

struct health {
    struct model *v;
    size_t n;
    int64_t rest_ms;
    uint64_t uses;
};

struct health *health_new(int64_t rest_ms) {
    struct health *h = xcalloc(1, sizeof *h);
    h->rest_ms = rest_ms;
    return h;
}

static void forget(struct model *m) {
    x_free(&m->name);
    x_free(&m->why);
}

void health_free(struct health **hp) {
    struct health *h = *hp;
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        forget(&h->v[i]);
    x_free(&h->v);
    x_free(hp);
}

static struct model *find(const struct health *h, const char *name) {
    for (size_t i = 0; i < h->n; i++)
        if (str_eq(h->v[i].name, name))
            return &h->v[i];
    return NULL;
}

/* The place of the one that nobody has used for longest: it is not being tried. */
static struct model *oldest(struct health *h) {
    struct model *old = &h->v[0];
    for (size_t i = 1; i < h->n; i++)
        if (!h->v[i].tried && (old->tried || h->v[i].used < old->used))
            old = &h->v[i];
    return old;
}

static struct model *use(struct health *h, const char *name) {
    struct model *m = find(h, name);
    if (!m && h->n < HEALTH_MODELS_MAX) {
        h->v = xreallocarray(h->v, h->n + 1, sizeof *h->v);
        m = &h->v[h->n++];
        *m = (struct model){.name = xstrdup(name)};
    } else if (!m) {
        m = oldest(h);
        forget(m);
        *m = (struct model){.name = xstrdup(name)};
    }
    m->used = ++h->uses;
    return m;
}

enum health_state health_of(const struct health *h, const char *model) {
    const struct model *m = find(h, model);
    if (!m || !m->why)
        return HEALTH_WELL;
    if (m->tried)
        return HEALTH_TRIED;
    return clock_mono_ns() < m->until_ns ? HEALTH_RESTS : HEALTH_DUE;
}

void health_failed(struct health *h, const char *model, int64_t rest_ms, const char *why) {
    struct model *m = use(h, model);
    x_free(&m->why);
    m->why = xstrdup(why);
    m->told = rest_ms >= 0;
    m->until_ns = clock_mono_ns() + (m->told ? rest_ms : h->rest_ms) * NS_PER_MS;
}

bool health_answers(struct health *h, const char *model) {
    struct model *m = find(h, model);
    if (!m || !m->why)
        return false;
    x_free(&m->why);
    m->tried = false;
    return true;
}

void health_tried(struct health *h, const char *model) { use(h, model)->tried = true; }

void health_untried(struct health *h, const char *model) {
    struct model *m = find(h, model);
    if (m)
        m->tried = false;
}

int64_t health_until_ns(const struct health *h, const char *model) {
    const struct model *m = find(h, model);
    return m && m->why ? m->until_ns : 0;
}

bool health_told(const struct health *h, const char *model) {
    const struct model *m = find(h, model);
    return m && m->why && m->told;
}

const char *health_why(const struct health *h, const char *model) {
    const struct model *m = find(h, model);
    return m && m->why ? m->why : "";
}

int64_t health_ceiling(const struct health *h, const char *model, int64_t usual) {
    const struct model *m = find(h, model);
    return m && m->ceiling && m->ceiling < usual ? m->ceiling : usual;
}

int64_t health_overflowed(struct health *h, const char *model, int64_t sent) {
    int64_t ceiling = sent * LEARN_PERCENT / 100;
    if (ceiling < HEALTH_CEILING_MIN || ceiling >= health_ceiling(h, model, INT64_MAX))
        return 0;
    use(h, model)->ceiling = ceiling;
    return ceiling;
}

void health_set_ceiling(struct health *h, const char *model, int64_t tokens) {
    if (tokens >= HEALTH_CEILING_MIN)
        use(h, model)->ceiling = tokens;
}
