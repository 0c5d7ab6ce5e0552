/* replay: an answer as a row of parts (a text, a thought, a tool call), each a string that grows.
 * Only the bytes that came last are compared. */
#include "llm/replay.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum part_kind { PART_TEXT, PART_THINKING, PART_CALL };

struct replay_part {
    enum part_kind kind;
    size_t index; /* of a call: as this attempt counts */
    size_t shown; /* of a call: as it was announced */
    char *id, *name;
    struct buf text;
};

void replay_init(struct replay *r, const struct replay_sink *sink, void *arg, const bool *gone) {
    *r = (struct replay){.sink = *sink, .arg = arg, .gone = gone};
}

static void clear(struct replay_part **v, size_t *n) {
    for (size_t i = 0; i < *n; i++) {
        x_free(&(*v)[i].id);
        x_free(&(*v)[i].name);
        buf_free(&(*v)[i].text);
    }
    x_free(v);
    *n = 0;
}

void replay_free(struct replay *r) {
    clear(&r->had, &r->nhad);
    clear(&r->now, &r->nnow);
}

bool replay_delivered(const struct replay *r) { return r->nhad > 0; }

/* Another attempt thinks other thoughts on the way to the same words. */
static void forget_thoughts(struct replay *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->nhad; i++) {
        struct replay_part *p = &r->had[i];
        if (p->kind == PART_THINKING)
            buf_free(&p->text);
        else
            r->had[n++] = *p;
    }
    r->nhad = n;
}

void replay_again(struct replay *r) {
    clear(&r->now, &r->nnow);
    r->aloud = false;
    for (size_t i = 0; i < r->nhad; i++)
        r->aloud |= r->had[i].kind != PART_THINKING;
    if (r->aloud)
        forget_thoughts(r);
    r->holding = r->nhad > 0;
}

/* ---- passing on ---- */

static bool stopped(const struct replay *r) { return r->gone && *r->gone; }

static void pass(const struct replay *r, const struct replay_part *p, const char *text, size_t n) {
    if (n == 0 || stopped(r))
        return;
    switch (p->kind) {
    case PART_TEXT:
        if (r->sink.on_text)
            r->sink.on_text(r->arg, text, n);
        return;
    case PART_THINKING:
        if (r->sink.on_thinking)
            r->sink.on_thinking(r->arg, text, n);
        return;
    case PART_CALL:
        if (r->sink.on_tool_input)
            r->sink.on_tool_input(r->arg, p->shown, text, n);
        return;
    }
}

static void announce(const struct replay *r, const struct replay_part *p) {
    if (p->kind == PART_CALL && r->sink.on_tool_start && !stopped(r))
        r->sink.on_tool_start(r->arg, p->shown, p->id, p->name);
}

/* What was held back is what was passed on, from here on. */
static void adopt(struct replay *r) {
    clear(&r->had, &r->nhad);
    r->had = r->now;
    r->nhad = r->nnow;
    r->now = NULL;
    r->nnow = 0;
    r->holding = false;
}

static void begin_anew(struct replay *r) {
    if (r->sink.on_restart && !stopped(r))
        r->sink.on_restart(r->arg);
    for (size_t i = 0; i < r->nnow && !stopped(r); i++) {
        announce(r, &r->now[i]);
        pass(r, &r->now[i], buf_str(&r->now[i].text), r->now[i].text.len);
    }
    adopt(r);
}

/* The place in `had` that now[i] is compared with; SIZE_MAX: none, it is a thought on the way. */
static size_t place(const struct replay *r, size_t i) {
    size_t n = 0;
    if (r->aloud && r->now[i].kind == PART_THINKING)
        return SIZE_MAX;
    for (size_t j = 0; j < i; j++)
        n += !r->aloud || r->now[j].kind != PART_THINKING;
    return n;
}

static void go_on(struct replay *r) {
    for (size_t i = 0; i < r->nnow && !stopped(r); i++) {
        struct replay_part *p = &r->now[i];
        size_t at = place(r, i);
        if (at == SIZE_MAX)
            continue;
        size_t old = 0;
        if (at < r->nhad) {
            p->shown = r->had[at].shown;
            old = r->had[at].text.len;
        } else {
            announce(r, p);
        }
        pass(r, p, buf_str(&p->text) + old, p->text.len - old);
    }
    adopt(r);
}

/* Everything that was passed on has come again. */
static bool covered(const struct replay *r) {
    size_t n = 0;
    for (size_t i = 0; i < r->nnow; i++) {
        size_t at = place(r, i);
        if (at == SIZE_MAX || at >= r->nhad)
            continue;
        if (r->now[i].text.len < r->had[at].text.len)
            return false;
        n++;
    }
    return n == r->nhad;
}

/* The last `n` bytes of now[i] are not where they should be. */
static bool differs(const struct replay *r, size_t i, size_t n) {
    const struct replay_part *p = &r->now[i];
    size_t at = place(r, i);
    if (at == SIZE_MAX || at >= r->nhad)
        return false;
    const struct replay_part *old = &r->had[at];
    size_t from = p->text.len - n;
    if (p->kind != old->kind || (p->kind == PART_CALL && !str_eq(p->name, old->name)))
        return true;
    if (from >= old->text.len)
        return false;
    size_t most = old->text.len - from;
    return memcmp(buf_str(&p->text) + from, buf_str(&old->text) + from, n < most ? n : most) != 0;
}

/* ---- pieces ---- */

static struct replay_part *add(struct replay_part **v, size_t *n, enum part_kind kind,
                               size_t index) {
    *v = xreallocarray(*v, *n + 1, sizeof **v);
    struct replay_part *p = &(*v)[(*n)++];
    *p = (struct replay_part){.kind = kind, .index = index, .shown = index, .text = BUF_INIT};
    return p;
}

/* Texts and thoughts grow at the end; fragments of calls may come by turns. */
static struct replay_part *grow(struct replay_part **v, size_t *n, enum part_kind kind,
                                size_t index) {
    if (kind != PART_CALL)
        return *n && (*v)[*n - 1].kind == kind ? &(*v)[*n - 1] : add(v, n, kind, 0);
    for (size_t i = *n; i-- > 0;)
        if ((*v)[i].kind == PART_CALL && (*v)[i].index == index)
            return &(*v)[i];
    return NULL; /* a fragment of no call: there is none without a start */
}

static void judge(struct replay *r, size_t i, size_t n) {
    if (differs(r, i, n))
        begin_anew(r);
    else if (covered(r))
        go_on(r);
}

static void piece(struct replay *r, enum part_kind kind, size_t index, const char *text, size_t n) {
    struct replay_part **v = r->holding ? &r->now : &r->had;
    size_t *count = r->holding ? &r->nnow : &r->nhad;
    struct replay_part *p = n ? grow(v, count, kind, index) : NULL;
    if (!p)
        return;
    buf_append(&p->text, text, n);
    if (r->holding)
        judge(r, (size_t)(p - *v), n);
    else
        pass(r, p, text, n);
}

void replay_text(struct replay *r, const char *text, size_t n) { piece(r, PART_TEXT, 0, text, n); }

void replay_thinking(struct replay *r, const char *text, size_t n) {
    piece(r, PART_THINKING, 0, text, n);
}

void replay_tool_input(struct replay *r, size_t index, const char *fragment, size_t n) {
    piece(r, PART_CALL, index, fragment, n);
}

void replay_tool_start(struct replay *r, size_t index, const char *id, const char *name) {
    struct replay_part *p = r->holding ? add(&r->now, &r->nnow, PART_CALL, index)
                                       : add(&r->had, &r->nhad, PART_CALL, index);
    p->id = xstrdup_null(id);
    p->name = xstrdup_null(name);
    if (r->holding)
        judge(r, r->nnow - 1, 0);
    else
        announce(r, p);
}

void replay_done(struct replay *r) {
    if (r->holding)
        begin_anew(r);
}
