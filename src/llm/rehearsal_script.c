/* rehearsal_script: what is answered to which sentence. A channel hands everything out, as any
 * model here does, and tells what came back in its own words; what it does not recognise it answers
 * with what it can do. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/rehearsal-internal.h"

#define AT_ONCE_MAX 200        /* calls in one answer: the client takes 256 blocks */
#define QUOTE_MAX 16000u       /* bytes of one result, when it comes alone */
#define QUOTE_SEVERAL_MAX 300u /* of each of many */
#define QUOTE_ALL_MAX 6000u    /* of few together */
#define RESULTS_MAX 512u       /* results told of in one reply */
#define SUBJECT_MAX 2000u      /* bytes of a sentence that are passed on in a task */

/* What a sentence asks for. */
enum wish {
    WISH_RUN,
    WISH_THINK,
    WISH_START,
    WISH_CANCEL,
    WISH_REMEMBER,
    WISH_RECALL,
    WISH_PAGE,
    WISH_NOTHING
};

struct sentence {
    enum wish wish;
    char *what;                /* the command, the subject, what the workers are to do */
    char *also;                /* what the branches of a start are to think about */
    int64_t workers, branches; /* of a start */
};

/* ---- sentences ---- */

static char *subject(const char *s) {
    size_t n = strlen(s);
    while (n && (isspace((unsigned char)s[n - 1]) || strchr(".!?", s[n - 1])))
        n--;
    return xstrndup(s, utf8_cut(s, n, SUBJECT_MAX));
}

static bool skip_any(const char **s, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (rehearsal_skip(s, words[i]))
            return true;
    return false;
}
#define SKIP_ANY(s, ...)                                                                           \
    skip_any(s, (const char *const[]){__VA_ARGS__},                                                \
             sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* "8 workers that DO": how many of which, and what they are to do. */
static int64_t crew(const char **s, const char *one, const char *many) {
    const char *p = *s;
    int64_t n = rehearsal_number(&p);
    if (n < 1 || !SKIP_ANY(&p, one, many))
        return 0;
    (void)SKIP_ANY(&p, "that", "which", "who", "to", "and");
    (void)rehearsal_skip(&p, "think about");
    *s = p;
    return n;
}

/* The branches of "8 workers that DO and 2 branches that think about X", cut off from DO. */
static void split_branches(struct sentence *s, char *what) {
    for (char *and = what; (and = strcasestr(and, " and ")); and++) {
        const char *rest = and+strlen(" and ");
        int64_t n = crew(&rest, "branch", "branches");
        if (!n)
            continue;
        s->branches = n;
        s->also = xstrdup(rest);
        *and = '\0';
        return;
    }
}

static bool read_start(struct sentence *s, const char *p) {
    if (rehearsal_skip(&p, "count")) { /* without a word of workers it is one of them */
        s->workers = 1;
        s->what = xasprintf("count %s", p);
    } else if (!SKIP_ANY(&p, "start", "spawn", "launch", "use")) {
        return false;
    } else if ((s->workers = crew(&p, "worker", "workers"))) {
        s->what = subject(p);
        split_branches(s, s->what);
    } else if ((s->branches = crew(&p, "branch", "branches"))) {
        s->also = subject(p);
    }
    return s->workers || s->branches;
}

static bool is_page(const char *p) {
    return rehearsal_has_word(p, "markdown") &&
           (rehearsal_has_word(p, "write") || rehearsal_has_word(p, "page") ||
            rehearsal_has_word(p, "show"));
}

static void read_sentence(struct sentence *s, const char *p) {
    *s = (struct sentence){.wish = WISH_NOTHING};
    (void)rehearsal_skip(&p, "please");
    if ((s->what = rehearsal_command(p)))
        s->wish = WISH_RUN;
    else if (read_start(s, p))
        s->wish = WISH_START;
    else if (SKIP_ANY(&p, "think about", "think:", "think"))
        s->wish = WISH_THINK;
    else if (SKIP_ANY(&p, "cancel", "stop"))
        s->wish = WISH_CANCEL;
    else if (SKIP_ANY(&p, "remember that", "remember:", "remember"))
        s->wish = WISH_REMEMBER;
    else if (SKIP_ANY(&p, "what do you know about", "what do we know about", "recall"))
        s->wish = WISH_RECALL;
    else if (is_page(p))
        s->wish = WISH_PAGE;
    if (!s->what)
        s->what = subject(p);
    if (!*s->what && s->wish != WISH_CANCEL && s->wish != WISH_START)
        s->wish = s->wish == WISH_PAGE ? WISH_PAGE : WISH_NOTHING;
}

static void sentence_free(struct sentence *s) {
    x_free(&s->what);
    x_free(&s->also);
}

/* ---- saying ---- */

static void say(const struct rehearsal_ask *q, struct rehearsal_answer *out, const char *text) {
    char *all = q->introduced ? xstrdup(text) : xasprintf("%s\n\n%s", text, rehearsal_notice);
    if (rehearsal_ask_has_tool(q, "reply"))
        rehearsal_answer_call_str(out, "reply", "content", all);
    else
        rehearsal_answer_text(out, all);
    x_free(&all);
}

/* ---- handing out ---- */

static void hand_out(const struct rehearsal_ask *q, struct rehearsal_answer *out,
                     const struct sentence *s) {
    int64_t room = AT_ONCE_MAX;
    (void)q;
    for (int64_t i = 1; i <= s->workers && room; i++, room--) {
        const char *what = *s->what ? s->what : "count the lines in this folder";
        char *task = s->workers == 1 ? xstrdup(what)
                                     : xasprintf("part %lld of %lld: %s", (long long)i,
                                                 (long long)s->workers, what);
        rehearsal_answer_call_str(out, "spawn_worker", "task", task);
        x_free(&task);
    }
    for (int64_t i = 1; i <= s->branches && room; i++, room--) {
        const char *what = str_empty(s->also) ? "what this conversation holds" : s->also;
        char *about = s->branches == 1 ? xstrdup(what)
                                       : xasprintf("%s (view %lld of %lld)", what, (long long)i,
                                                   (long long)s->branches);
        rehearsal_answer_call_str(out, "branch", "description", about);
        x_free(&about);
    }
}

/* "- worker:ID since …: TASK" of the status block: calls cancel for those that are meant. */
static void cancel_those(const struct rehearsal_ask *q, struct rehearsal_answer *out,
                         const char *which) {
    static const char *const all[] = {"",         "it",   "all",  "everything", "them",
                                      "them all", "both", "that", "work"};
    bool every = false;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        every |= strcasecmp(which, all[i]) == 0;
    (void)SKIP_ANY(&which, "all", "the", "every");
    (void)SKIP_ANY(&which, "workers", "worker", "branches", "branch");
    every |= !*which;
    for (const char *line = strstr(q->status, "\n- "); line; line = strstr(line, "\n- ")) {
        line += 3;
        size_t n = strcspn(line, "\n"), id = strcspn(line, " \n");
        const char *colon = memchr(line, ':', id);
        size_t kind = colon ? (size_t)(colon - line) : 0;
        bool known = (kind == 6 && strncmp(line, "worker", 6) == 0) ||
                     (kind == 6 && strncmp(line, "branch", 6) == 0);
        /* Only what is at work: what has come back stands in the block too. */
        if (!known || !str_prefix(line + id, " since "))
            continue;
        char *text = xstrndup(line, n);
        if ((every || rehearsal_has_word(text, which)) && out->message.n < AT_ONCE_MAX) {
            cJSON *input = json_new_obj();
            char *bare = xstrndup(colon + 1, id - kind - 1), *type = xstrndup(line, kind);
            json_add_str(input, "process_type", type);
            json_add_str(input, "process_id", bare);
            json_add_str(input, "reason", "the person asked for it");
            rehearsal_answer_call(out, "cancel", input);
            x_free(&bare);
            x_free(&type);
        }
        x_free(&text);
    }
    if (!out->message.n)
        say(q, out,
            *q->status && strstr(q->status, "\nat work:\n")
                ? "Nothing that is at work fits those words."
                : "Nothing is at work.");
}

static void first(const struct rehearsal_ask *q, struct rehearsal_answer *out,
                  const struct sentence *s) {
    char *text;
    switch (s->wish) {
    case WISH_RUN:
        text = xasprintf("run: %s", s->what);
        rehearsal_answer_call_str(out, "spawn_worker", "task", text);
        x_free(&text);
        return;
    case WISH_THINK:
        rehearsal_answer_call_str(out, "branch", "description", s->what);
        return;
    case WISH_START:
        hand_out(q, out, s);
        return;
    case WISH_CANCEL:
        cancel_those(q, out, s->what);
        return;
    case WISH_REMEMBER:
        text = xasprintf("remember: %s", s->what);
        rehearsal_answer_call_str(out, "branch", "description", text);
        x_free(&text);
        return;
    case WISH_RECALL:
        text = xasprintf("recall: %s", s->what);
        rehearsal_answer_call_str(out, "branch", "description", text);
        x_free(&text);
        return;
    case WISH_PAGE:
        say(q, out, rehearsal_page);
        return;
    case WISH_NOTHING:
        say(q, out, rehearsal_help);
        return;
    }
}

/* ---- how the handing out went ---- */

struct tally {
    size_t workers, branches, cancelled, over, failed;
    char *why; /* of the first that failed */
};

static struct tally count_results(const struct rehearsal_ask *q) {
    struct tally t = {0};
    struct rehearsal_result r;
    for (size_t i = 0; rehearsal_ask_result(q, i, &r); i++) {
        cJSON *o = NULL;
        bool good = !r.is_error && json_parse(r.text, strlen(r.text), &o, NULL) == STATUS_OK;
        if (str_eq(r.tool, "cancel") && good)
            *(json_bool(o, "cancelled", false) ? &t.cancelled : &t.over) += 1;
        else if (str_eq(r.tool, "spawn_worker") && good && json_bool(o, "spawned", false))
            t.workers++;
        else if (str_eq(r.tool, "branch") && good && json_bool(o, "spawned", false))
            t.branches++;
        else {
            t.failed++;
            if (!t.why) /* the sentence in the result, where it has one */
                t.why = xstrdup(good ? json_str(o, "message", r.text) : r.text);
        }
        cJSON_Delete(o);
    }
    return t;
}

static void counted(struct buf *out, size_t n, const char *one, const char *many) {
    if (n)
        buf_printf(out, "%s%zu %s", out->len ? ", " : "", n, n == 1 ? one : many);
}

static void then(const struct rehearsal_ask *q, struct rehearsal_answer *out,
                 const struct sentence *s) {
    struct tally t = count_results(q);
    struct buf b = BUF_INIT, crews = BUF_INIT;
    counted(&crews, t.workers, "worker", "workers");
    counted(&crews, t.branches, "branch", "branches");
    if (s->wish == WISH_RUN && t.workers) {
        buf_puts(&b, "A worker runs this; what it prints will stand here by itself.\n\n");
        rehearsal_fence(&b, s->what, SUBJECT_MAX);
    } else if (s->wish == WISH_REMEMBER && t.branches) {
        buf_puts(&b, "A branch takes care of it.");
    } else if (s->wish == WISH_RECALL && t.branches) {
        buf_puts(&b, "A branch looks what there is.");
    } else if (crews.len) {
        buf_printf(&b, "At work now: %s. What comes of it will stand here by itself.",
                   buf_str(&crews));
    }
    if (t.cancelled + t.over)
        buf_printf(&b, "Cancelled: %zu.", t.cancelled);
    if (t.over)
        buf_printf(&b, " Already ended: %zu.", t.over);
    if (t.failed) {
        buf_printf(&b, "%s%zu could not be done: ", b.len ? "\n\n" : "", t.failed);
        rehearsal_quote(&b, t.why, QUOTE_SEVERAL_MAX);
        x_free(&t.why);
    }
    if (s->workers + s->branches > AT_ONCE_MAX)
        buf_printf(&b, "\n\nMore than %d at once are not started here.", AT_ONCE_MAX);
    if (!b.len)
        buf_puts(&b, "There is nothing more to say.");
    say(q, out, buf_str(&b));
    buf_free(&b);
    buf_free(&crews);
}

/* ---- what came back ---- */

struct back {
    char *outcome, *task, *text;
};

static void back_free(struct back *b) {
    x_free(&b->outcome);
    x_free(&b->task);
    x_free(&b->text);
}

/* The value between two marks, and what follows; NULL when they are not there. */
static char *between(const char **s, const char *from, const char *to) {
    const char *begin = strstr(*s, from), *end = begin ? strstr(begin + strlen(from), to) : NULL;
    if (!end)
        return NULL;
    begin += strlen(from);
    *s = end + strlen(to);
    return xstrndup(begin, (size_t)(end - begin));
}

/* The next <result>. A result may hold what looks like its end; the end is the last before another
 * begins. */
static bool next_back(const char **s, struct back *out) {
    static const char begin[] = "<result process=\"", end[] = "\n</result>";
    const char *at = strstr(*s, begin);
    if (!at)
        return false;
    at += strlen(begin);
    out->outcome = between(&at, "outcome=\"", "\">");
    out->task = between(&at, "<task>", "</task>\n");
    const char *stop = at, *next = at;
    while ((next = strstr(next, end))) {
        stop = next;
        next += strlen(end);
        if (str_prefix(next + strspn(next, "\n"), begin))
            break;
    }
    if (stop == at)
        stop = at + strlen(at);
    out->text = xstrndup(at, (size_t)(stop - at));
    *s = *stop ? stop + strlen(end) : stop;
    if (out->outcome && out->task)
        return true;
    back_free(out);
    return false;
}

static void tell_one(struct buf *out, const struct back *b) {
    if (!str_eq(b->outcome, "succeeded")) {
        buf_puts(out, "“");
        rehearsal_quote(out, b->task, QUOTE_SEVERAL_MAX);
        buf_printf(out, "” ended as **%s**:\n\n", b->outcome);
    }
    rehearsal_quote(out, b->text, QUOTE_MAX);
}

/* One line for one of several; the numbers of those who counted are added up. */
static void tell_short(struct buf *out, const struct back *b, size_t max, long long sum[2],
                       size_t *counters) {
    buf_puts(out, "- ");
    /* Of parts of one thing the number is enough. */
    const char *colon = str_prefix(b->task, "part ") ? strchr(b->task, ':') : NULL;
    if (colon)
        buf_append(out, b->task, (size_t)(colon - b->task));
    else
        rehearsal_quote(out, b->task, QUOTE_SEVERAL_MAX);
    buf_printf(out, "%s%s: ", str_eq(b->outcome, "succeeded") ? "" : " – ",
               str_eq(b->outcome, "succeeded") ? "" : b->outcome);
    struct buf text = BUF_INIT;
    rehearsal_quote(&text, b->text, max);
    /* In a list everything has to stay in its item. */
    for (const char *p = buf_str(&text); *p; p++)
        if (*p != '\n')
            buf_putc(out, *p);
        else if (p[1] && p[1] != '\n')
            buf_puts(out, "\n  ");
        else if (p[1])
            buf_putc(out, '\n');
    buf_putc(out, '\n');
    long long n, files;
    char unit[16];
    if (sscanf(b->text, "%lld %15s in %lld file", &n, unit, &files) == 3) {
        sum[0] += n;
        sum[1] += files;
        ++*counters;
    }
    buf_free(&text);
}

static void came_back(const struct rehearsal_ask *q, struct rehearsal_answer *out) {
    struct buf b = BUF_INIT;
    struct back one;
    long long sum[2] = {0, 0};
    size_t n = 0, counters = 0;
    for (const char *s = q->text; n < RESULTS_MAX && next_back(&s, &one); n++)
        back_free(&one);
    size_t max = n && QUOTE_ALL_MAX / n > QUOTE_SEVERAL_MAX ? QUOTE_ALL_MAX / n : QUOTE_SEVERAL_MAX;
    if (n > 1)
        buf_printf(&b, "%zu have come back:\n\n", n);
    const char *s = q->text;
    for (size_t i = 0; i < n && next_back(&s, &one); i++) {
        if (n == 1)
            tell_one(&b, &one);
        else
            tell_short(&b, &one, max, sum, &counters);
        back_free(&one);
    }
    if (n > 1 && counters == n)
        buf_printf(&b, "\nTogether: **%lld** in %lld files.", sum[0], sum[1]);
    if (!n)
        buf_puts(&b, "Something has come back, but nothing that can be read here.");
    say(q, out, buf_str(&b));
    buf_free(&b);
}

static void channel(const struct rehearsal_ask *q, struct rehearsal_answer *out) {
    struct sentence s;
    if (q->came_back) {
        if (q->step == 0)
            came_back(q, out);
        else
            rehearsal_answer_text(out, "Nothing more.");
        return;
    }
    read_sentence(&s, q->text);
    if (q->step == 0)
        first(q, out, &s);
    else if (q->step == 1)
        then(q, out, &s);
    else
        rehearsal_answer_text(out, "Nothing more.");
    sentence_free(&s);
}

void rehearsal_script(const struct rehearsal_ask *q, struct rehearsal_answer *out) {
    switch (q->who) {
    case REHEARSAL_CHANNEL:
        channel(q, out);
        break;
    case REHEARSAL_BRANCH:
        rehearsal_branch(q, out);
        break;
    case REHEARSAL_WORKER:
        rehearsal_work(q, out);
        break;
    case REHEARSAL_OTHER:
        rehearsal_answer_text(out, rehearsal_notice);
        break;
    }
    if (!out->message.n)
        rehearsal_answer_text(out, rehearsal_notice);
}
