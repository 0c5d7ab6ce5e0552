/* scrub: goes through a text, leaves out what scrub_search() calls a secret, and stops where it
 * cannot tell yet. All it remembers between two pieces is what that looks at: a few bytes before
 * the place, and what is undecided. */
#include "base/scrub.h"

#include <string.h>

#include "base/mem.h"
#include "base/scrub-internal.h"

#define FENCE 5u /* dashes before and after the words that end a private key */

/* What is left of a secret is passed over. True: s[at] was. */
static bool swallows(struct scrub *s, unsigned char c) {
    if (!s->swallow)
        return false;
    bool armour = (s->swallow & SCRUB_BLANK) != 0, ended = s->fences == 2;
    if (!armour)
        ended = false;
    else if (c != '-')
        s->dashes = 0;
    else if (++s->dashes == FENCE)
        s->fences++;
    if (!ended && (scrub_class[c] & s->swallow))
        return true;
    s->swallow = 0;
    return false;
}

static void leave_out(struct scrub *s, const struct scrub_secret *secret, struct buf *out) {
    if (secret->name)
        buf_printf(out, "[REDACTED:%s]", secret->name);
    else
        buf_puts(out, SCRUB_MARK);
    s->swallow = secret->armour ? SCRUB_ARMOUR : secret->swallow;
    s->dashes = s->fences = 0;
    s->found++;
}

/* From `at` on, as far as it can be decided: returns that place. out may be NULL. */
static size_t go(struct scrub *s, const char *text, size_t n, size_t at, bool whole,
                 struct buf *out) {
    size_t kept = at; /* text[kept..at) stays, and is not in out yet */
    while (at < n) {
        if (swallows(s, (unsigned char)text[at])) {
            kept = ++at;
            s->run = 0;
            continue;
        }
        struct scrub_place p = {text, n, at, s->run, whole, s->ahead};
        struct scrub_secret secret = {0};
        enum scrub_found found = scrub_search(s->values, &p, &secret);
        at = p.at;
        s->run = p.run;
        s->ahead = found == SCRUB_MORE ? p.ahead : 0;
        if (found != SCRUB_SECRET)
            break;
        if (out) {
            buf_append(out, text + kept, at - kept);
            leave_out(s, &secret, out);
        } else {
            s->found++;
            return n;
        }
        at += secret.n;
        kept = at;
        s->run = 0;
    }
    if (out && at > kept)
        buf_append(out, text + kept, at - kept);
    return at;
}

/* --- whole texts --------------------------------------------------------------------------------
 */

bool scrub_finds(const struct scrub_values *values, const char *text, size_t n) {
    struct scrub s = {.values = values};
    (void)go(&s, text, n, 0, true, NULL);
    return s.found > 0;
}

bool scrub_text(const struct scrub_values *values, const char *text, size_t n, struct buf *out) {
    if (!scrub_finds(values, text, n)) /* nearly always, and then nothing is copied */
        return false;
    struct scrub s = {.values = values};
    (void)go(&s, text, n, 0, true, out);
    return true;
}

char *scrub_take(const struct scrub_values *values, char *text) {
    struct buf out = BUF_INIT;
    if (!text || !scrub_text(values, text, strlen(text), &out))
        return text;
    explicit_bzero(text, strlen(text));
    x_free(&text);
    return buf_steal(&out);
}

/* --- text in pieces -----------------------------------------------------------------------------
 */

/* The first `n` bytes are done with; of them the last few stay, as what follows is judged by
 * them. */
static void forget(struct scrub *s, size_t n) {
    size_t keep = n < SCRUB_CONTEXT ? n : SCRUB_CONTEXT, rest = s->held.len - (n - keep);
    if (n > keep) {
        memmove(s->held.data, s->held.data + (n - keep), rest);
        explicit_bzero(s->held.data + rest, n - keep);
        buf_truncate(&s->held, rest);
    }
    s->context = keep;
}

void scrub_feed(struct scrub *s, const char *text, size_t n, struct buf *out) {
    if (n == 0)
        return;
    buf_append(&s->held, text, n);
    forget(s, go(s, s->held.data, s->held.len, s->context, false, out));
}

void scrub_end(struct scrub *s, struct buf *out) {
    if (s->held.len)
        (void)go(s, s->held.data, s->held.len, s->context, true, out);
    scrub_free(s);
}

void scrub_free(struct scrub *s) {
    if (s->held.data)
        explicit_bzero(s->held.data, s->held.cap);
    buf_free(&s->held);
    *s = (struct scrub){.values = s->values, .found = s->found};
}
