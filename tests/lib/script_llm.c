/* script_llm: see the header. Pieces are delivered as the real client does: text first, in two
 * halves, then the whole. */
#include "tests/lib/script_llm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"
#include "base/utf8.h"
#include "llm/transcribe.h"

struct answer {
    struct list link;
    char *blocks, *hang;
    enum llm_fault fault;
    char *text;
};

static struct script {
    struct list answers;
    size_t calls;
    char *history, *system, *fallback;
    int max_tokens;
    bool ready;
} scripts[3];

struct llm {
    struct loop *loop;
    size_t open;
};

struct llm_call {
    struct llm *llm;
    struct llm_events ev;
    void *arg;
    struct loop_timer *timer;
    struct answer *answer;
    size_t said; /* bytes of text */
    bool cancelled;
};

static int next_id;
static const struct script_chooser *chooser;

void script_choose(const struct script_chooser *c) { chooser = c; }

static struct script *script(enum script_who who) {
    struct script *s = &scripts[who];
    if (!s->ready) {
        list_init(&s->answers);
        s->ready = true;
    }
    return s;
}

static struct answer *push(enum script_who who) {
    struct answer *a = xcalloc(1, sizeof *a);
    list_push_back(&script(who)->answers, &a->link);
    return a;
}

static void answer_free(struct answer *a) {
    if (!a)
        return;
    x_free(&a->blocks);
    x_free(&a->hang);
    x_free(&a->text);
    x_free(&a);
}

void script_push(enum script_who who, const char *blocks) { push(who)->blocks = xstrdup(blocks); }
void script_push_hang(enum script_who who, const char *text) { push(who)->hang = xstrdup(text); }
void script_push_fault(enum script_who who, enum llm_fault fault, const char *text) {
    struct answer *a = push(who);
    a->fault = fault;
    a->text = xstrdup(text);
}

size_t script_left(enum script_who who) {
    size_t n = 0;
    list_for(&script(who)->answers, it) n++;
    return n;
}

size_t script_calls(enum script_who who) { return script(who)->calls; }
const char *script_last_history(enum script_who who) {
    return script(who)->history ? script(who)->history : "";
}

const char *script_last_system(enum script_who who) {
    return script(who)->system ? script(who)->system : "";
}

int script_max_tokens(enum script_who who) { return script(who)->max_tokens; }

void script_default(enum script_who who, const char *blocks) {
    x_free(&script(who)->fallback);
    script(who)->fallback = xstrdup_null(blocks);
}

/* --- speech ------------------------------------------------------------------------------------
 */

static struct list speeches;

static void push_speech(struct answer *a) {
    if (!speeches.next)
        list_init(&speeches);
    list_push_back(&speeches, &a->link);
}

void script_push_speech(const char *text) {
    struct answer *a = xcalloc(1, sizeof *a);
    a->blocks = xstrdup(text);
    push_speech(a);
}

void script_push_speech_fault(enum llm_fault fault, const char *text) {
    struct answer *a = xcalloc(1, sizeof *a);
    a->fault = fault;
    a->text = xstrdup(text);
    push_speech(a);
}

struct transcribe {
    const struct transcribe_events *ev;
    void *arg;
    struct loop_timer *timer;
    struct answer *answer;
};

static void speech_free(struct transcribe *t) {
    loop_timer_del(&t->timer);
    answer_free(t->answer);
    x_free(&t);
}

static void speak(void *arg) {
    struct transcribe *t = arg;
    const struct transcribe_events *ev = t->ev;
    void *ev_arg = t->arg;
    struct answer *a = t->answer;
    t->timer = NULL;
    if (a->blocks && str_eq(a->blocks, "…"))
        return;
    t->answer = xcalloc(1, sizeof *t->answer);
    speech_free(t);
    if (a->text) {
        struct llm_error e = {.fault = a->fault, .retry_after_ms = -1};
        snprintf(e.text, sizeof e.text, "%s", a->text);
        ev->on_error(ev_arg, &e);
    } else {
        const struct transcript out = {.text = a->blocks,
                                       .duration_ms = 2500,
                                       .usage = {.cost_usd = 0.002, .cost_is_estimate = true}};
        ev->on_done(ev_arg, &out);
    }
    answer_free(a);
}

struct transcribe *transcribe_start(struct loop *l, struct llm *llm,
                                    const struct transcribe_request *r,
                                    const struct transcribe_events *ev, void *arg) {
    (void)llm;
    if (!speeches.next || list_empty(&speeches)) {
        fprintf(stderr, "script: no speech left for %s\n", r->name);
        abort();
    }
    struct transcribe *t = xcalloc(1, sizeof *t);
    t->ev = ev;
    t->arg = arg;
    t->answer = list_entry(speeches.next, struct answer, link);
    list_remove(&t->answer->link);
    t->timer = loop_timer(l, NS_PER_MS, speak, t, "script speech");
    return t;
}

void transcribe_cancel(struct transcribe **tp) {
    if (*tp)
        speech_free(*tp);
    *tp = NULL;
}

void script_reset(void) {
    while (speeches.next && !list_empty(&speeches)) {
        struct answer *a = list_entry(speeches.next, struct answer, link);
        list_remove(&a->link);
        answer_free(a);
    }
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct script *s = script((enum script_who)i);
        list_for_safe(&s->answers, it, tmp) {
            struct answer *a = list_entry(it, struct answer, link);
            list_remove(&a->link);
            answer_free(a);
        }
        x_free(&s->history);
        x_free(&s->system);
        x_free(&s->fallback);
        s->calls = 0;
    }
    next_id = 0;
}

/* --- the client's interface ---------------------------------------------------------------------
 */

void llm_usage_add(struct llm_usage *to, const struct llm_usage *from) {
    to->input_tokens += from->input_tokens;
    to->output_tokens += from->output_tokens;
    to->cache_read_tokens += from->cache_read_tokens;
    to->cache_write_tokens += from->cache_write_tokens;
    to->cost_usd += from->cost_usd;
    to->cost_is_estimate |= from->cost_is_estimate;
}

struct llm *llm_new(struct loop *l, const struct llm_config *config) {
    struct llm *llm = xcalloc(1, sizeof *llm);
    (void)config;
    llm->loop = l;
    return llm;
}

void llm_free(struct llm **llm) { x_free(llm); }
bool llm_has_provider(const struct llm *llm, const char *model) { return llm && model; }
size_t llm_calls_open(const struct llm *llm) { return llm->open; }

static void call_free(struct llm_call *c) {
    c->llm->open--;
    loop_timer_del(&c->timer);
    answer_free(c->answer);
    x_free(&c);
}

/* Streams a text in two pieces, cut at a character. False: cancelled meanwhile. */
static bool stream(struct llm_call *c, const char *text,
                   void (*fn)(void *arg, const char *text, size_t n)) {
    size_t n = strlen(text), half = utf8_cut(text, n, n / 2);
    c->said += n;
    if (fn && half)
        fn(c->arg, text, half);
    if (!c->cancelled && fn && n > half)
        fn(c->arg, text + half, n - half);
    return !c->cancelled;
}

static void add_block(struct llm_message *m, const cJSON *item) {
    const char *type = json_str(item, "type", "text");
    if (str_eq(type, "tool_use")) {
        struct llm_block *b = llm_message_add(m, LLM_BLOCK_TOOL_USE);
        b->id = xasprintf("call_%d", ++next_id);
        b->name = xstrdup(json_str(item, "name", ""));
        const char *raw = json_str(item, "raw_input", NULL);
        char *input = raw ? xstrdup(raw) : json_print(cJSON_GetObjectItem(item, "input"));
        b->input = text_of(input);
        free(input);
    } else {
        llm_message_add_text(m, json_str(item, "text", ""));
    }
}

static void deliver(struct llm_call *c) {
    cJSON *blocks = NULL;
    struct cause why;
    struct llm_response r = {
        .stop = LLM_STOP_END_TURN,
        .usage = {.input_tokens = 100, .output_tokens = 10, .cost_usd = 0.001}};
    snprintf(r.model, sizeof r.model, "scripted");
    if (json_parse(c->answer->blocks, strlen(c->answer->blocks), &blocks, &why) != STATUS_OK) {
        fprintf(stderr, "script: %s: %s\n", why.text, c->answer->blocks);
        abort();
    }
    r.message.role = LLM_ROLE_ASSISTANT;
    const cJSON *item;
    cJSON_ArrayForEach(item, blocks) add_block(&r.message, item);
    cJSON_Delete(blocks);
    bool alive = true;
    for (size_t i = 0; alive && i < r.message.n; i++) {
        const struct llm_block *b = &r.message.blocks[i];
        if (b->kind == LLM_BLOCK_TEXT) {
            alive = stream(c, b->text, c->ev.on_text);
        } else {
            r.stop = LLM_STOP_TOOL_USE;
            if (c->ev.on_tool_start)
                c->ev.on_tool_start(c->arg, i, b->id, b->name);
            if (!c->cancelled && c->ev.on_tool_input)
                c->ev.on_tool_input(c->arg, i, b->input, strlen(b->input));
            alive = !c->cancelled;
        }
    }
    if (alive)
        c->ev.on_done(c->arg, &r);
    llm_message_free(&r.message);
}

static void fire(void *arg) {
    struct llm_call *c = arg;
    c->timer = NULL;
    if (c->answer->hang) {
        stream(c, c->answer->hang, c->ev.on_text);
        if (c->cancelled)
            call_free(c);
        else
            c->timer = loop_timer(c->llm->loop, 1000000 * NS_PER_SEC, fire, c, "hang");
        x_free(&c->answer->hang);
        c->answer->hang = xstrdup("");
        return;
    }
    bool faulty = c->answer->text != NULL;
    if (faulty) {
        struct llm_error e = {.fault = c->answer->fault, .retry_after_ms = -1};
        snprintf(e.text, sizeof e.text, "%s", c->answer->text);
        c->ev.on_error(c->arg, &e);
    } else {
        deliver(c);
    }
    call_free(c);
}

static enum script_who who_asks(const struct llm_request *r) {
    bool reply = false, shell = false;
    for (size_t i = 0; i < r->ntools; i++) {
        reply |= str_eq(r->tools[i].name, "reply");
        shell |= str_eq(r->tools[i].name, "shell");
    }
    return reply ? SCRIPT_CHANNEL : shell ? SCRIPT_WORKER : SCRIPT_BRANCH;
}

struct llm_call *llm_call_start(struct llm *llm, const struct llm_request *r,
                                const struct llm_events *ev, void *arg) {
    enum script_who who = who_asks(r);
    struct script *s = script(who);
    struct llm_call *c = xcalloc(1, sizeof *c);
    c->llm = llm;
    c->ev = *ev;
    c->arg = arg;
    llm->open++;
    s->calls++;
    x_free(&s->history);
    s->history = llm_history_json(r->history);
    x_free(&s->system);
    s->system = xstrdup_null(r->system);
    s->max_tokens = r->max_tokens;
    if (chooser) {
        enum llm_fault fault = LLM_FAULT_CANCELLED;
        chooser->check(chooser->arg, who, r);
        char *blocks = chooser->choose(chooser->arg, who, &fault);
        c->answer = xcalloc(1, sizeof *c->answer);
        c->answer->fault = fault;
        if (!blocks)
            c->answer->text = xstrdup("provider: chosen to fail");
        else if (!*blocks)
            c->answer->hang = xstrdup("going on and on");
        if (blocks && *blocks)
            c->answer->blocks = blocks;
        else
            x_free(&blocks);
    } else if (!list_empty(&s->answers)) {
        c->answer = list_entry(s->answers.next, struct answer, link);
        list_remove(&c->answer->link);
    } else if (s->fallback) {
        c->answer = xcalloc(1, sizeof *c->answer);
        c->answer->blocks = xstrdup(s->fallback);
    } else {
        fprintf(stderr, "script: nothing left to answer: %s\n", s->history);
        abort();
    }
    c->timer = loop_timer(llm->loop, NS_PER_MS, fire, c, "script");
    return c;
}

/* As the real one guesses: what the script usually says of the request, and four bytes a token. */
void llm_call_used(const struct llm_call *c, struct llm_usage *out, const char **model) {
    *out = (struct llm_usage){0};
    *model = "scripted";
    if (!c->said)
        return;
    out->input_tokens = 100;
    out->output_tokens = (int64_t)((c->said + 3) / 4);
    out->cost_usd = 0.0005;
    out->cost_is_estimate = true;
}

void llm_call_cancel(struct llm_call **cp) {
    struct llm_call *c = *cp;
    if (!c)
        return;
    *cp = NULL;
    c->cancelled = true;
    if (c->timer) /* else fire() is running and frees it */
        call_free(c);
}
