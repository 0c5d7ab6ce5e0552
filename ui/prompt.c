/* prompt: a line editor of a dozen keys; the composer's readline is one instance and stays with the
 * composer. */
#include "ui/prompt.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "ui/text.h"

static struct strv *history(struct prompt *p) { return &p->history[p->sign == ':' ? 0 : 1]; }

static void set(struct prompt *p, const char *text) {
    buf_reset(&p->text);
    buf_puts(&p->text, text);
    p->at = p->text.len;
}

void prompt_start(struct prompt *p, char sign) {
    p->sign = sign;
    p->place = history(p)->n;
    strv_free(&p->candidates);
    set(p, "");
}

void prompt_stop(struct prompt *p) {
    p->sign = 0;
    strv_free(&p->candidates);
}

void prompt_free(struct prompt *p) {
    buf_free(&p->text);
    strv_free(&p->history[0]);
    strv_free(&p->history[1]);
    strv_free(&p->candidates);
}

static void insert(struct prompt *p, const char *s, size_t n) {
    struct buf rest = BUF_INIT;
    if (p->text.len + n > PROMPT_MAX)
        return;
    buf_append(&rest, buf_str(&p->text) + p->at, p->text.len - p->at);
    buf_truncate(&p->text, p->at);
    buf_append(&p->text, s, n);
    p->at = p->text.len;
    buf_append(&p->text, buf_str(&rest), rest.len);
    buf_free(&rest);
}

static void erase(struct prompt *p, size_t from, size_t to) {
    if (from >= to)
        return;
    memmove(p->text.data + from, p->text.data + to, p->text.len - to);
    buf_truncate(&p->text, p->text.len - (to - from));
    p->at = from;
}

/* The character before the cursor begins here. */
static size_t before(const struct prompt *p) {
    size_t at = p->at;
    while (at > 0 && ((unsigned char)p->text.data[--at] & 0xC0) == 0x80)
        ;
    return at;
}

static size_t after(const struct prompt *p) {
    int width;
    return p->at < p->text.len
               ? p->at + text_next(p->text.data + p->at, p->text.len - p->at, &width)
               : p->at;
}

static size_t word_before(const struct prompt *p) {
    size_t at = p->at;
    while (at > 0 && p->text.data[at - 1] == ' ')
        at--;
    while (at > 0 && p->text.data[at - 1] != ' ')
        at--;
    return at;
}

static void from_history(struct prompt *p, int by) {
    const struct strv *h = history(p);
    if ((by < 0 && p->place == 0) || (by > 0 && p->place >= h->n))
        return;
    p->place = by < 0 ? p->place - 1 : p->place + 1;
    set(p, p->place < h->n ? h->v[p->place] : "");
}

static void remember(struct prompt *p) {
    struct strv *h = history(p);
    if (p->text.len == 0 || (h->n && str_eq(h->v[h->n - 1], buf_str(&p->text))))
        return;
    if (h->n == PROMPT_HISTORY) {
        x_free(&h->v[0]);
        memmove(h->v, h->v + 1, h->n * sizeof *h->v); /* with the NULL behind */
        h->n--;
    }
    strv_push(h, buf_str(&p->text));
}

/* The first Tab puts the first candidate in, each further one the next. */
static void complete(struct prompt *p, prompt_complete_fn *fn, void *arg) {
    if (p->candidates.n == 0) {
        p->completed_from = word_before(p);
        if (p->at > 0 && p->text.data[p->at - 1] == ' ')
            p->completed_from = p->at;
        fn(arg, buf_str(&p->text), p->completed_from, &p->candidates);
        p->candidate = 0;
    } else {
        p->candidate = (p->candidate + 1) % p->candidates.n;
    }
    if (p->candidates.n == 0)
        return;
    erase(p, p->completed_from, p->text.len);
    p->at = p->text.len;
    insert(p, p->candidates.v[p->candidate], strlen(p->candidates.v[p->candidate]));
}

static enum prompt_verdict control(struct prompt *p, uint32_t letter) {
    switch (letter) {
    case 'a':
        p->at = 0;
        break;
    case 'e':
        p->at = p->text.len;
        break;
    case 'u':
        erase(p, 0, p->at);
        break;
    case 'k':
        buf_truncate(&p->text, p->at);
        break;
    case 'w':
        erase(p, word_before(p), p->at);
        break;
    case 'h':
        erase(p, before(p), p->at);
        break;
    case 'c':
    case 'g':
        return PROMPT_ABORTED;
    default:
        break;
    }
    return PROMPT_GOING;
}

enum prompt_verdict prompt_key(struct prompt *p, const struct key *k, prompt_complete_fn *fn,
                               void *arg) {
    if (k->sym == KEYSYM_TAB) {
        complete(p, fn, arg);
        return PROMPT_GOING;
    }
    strv_free(&p->candidates);
    if (k->sym == KEYSYM_CHAR && (k->mods & KEYMOD_CTRL))
        return control(p, k->cp);
    if (k->sym == KEYSYM_CHAR) {
        char c[4];
        insert(p, c, utf8_encode(k->cp, c));
    } else if (k->sym == KEYSYM_PASTE) {
        insert(p, k->raw, strcspn(k->raw, "\r\n") < k->nraw ? strcspn(k->raw, "\r\n") : k->nraw);
    } else if (k->sym == KEYSYM_ENTER) {
        remember(p);
        return PROMPT_DONE;
    } else if (k->sym == KEYSYM_ESC) {
        return PROMPT_ABORTED;
    } else if (k->sym == KEYSYM_BACKSPACE) {
        if (p->text.len == 0)
            return PROMPT_ABORTED;
        erase(p, before(p), p->at);
    } else if (k->sym == KEYSYM_DELETE) {
        erase(p, p->at, after(p));
    } else if (k->sym == KEYSYM_LEFT) {
        p->at = before(p);
    } else if (k->sym == KEYSYM_RIGHT) {
        p->at = after(p);
    } else if (k->sym == KEYSYM_HOME) {
        p->at = 0;
    } else if (k->sym == KEYSYM_END) {
        p->at = p->text.len;
    } else if (k->sym == KEYSYM_UP) {
        from_history(p, -1);
    } else if (k->sym == KEYSYM_DOWN) {
        from_history(p, 1);
    }
    return PROMPT_GOING;
}

void prompt_draw(const struct prompt *p, const struct window *w) {
    char sign[2] = {p->sign, '\0'};
    window_clear(w);
    int col = window_puts(w, 0, 0, STYLE_ACCENT | STYLE_BOLD, sign), room = w->r.w - col - 1;
    /* A line that is too long shows its part before the cursor. */
    size_t from = 0;
    while (from < p->at && text_width(buf_str(&p->text) + from, p->at - from) > room) {
        int width;
        from += text_next(p->text.data + from, p->text.len - from, &width);
    }
    window_put(w, 0, col, room, STYLE_TEXT, buf_str(&p->text) + from, p->text.len - from);
    window_cursor(w, 0, col + text_width(buf_str(&p->text) + from, p->at - from));
}
