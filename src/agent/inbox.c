/* inbox: the list in memory is what counts, the rows follow it. */
#include "agent/inbox.h"

#include <string.h>
#include <strings.h>

#include "agent/agent.h"
#include "agent/channel.h"
#include "agent/event.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/queries.gen.h"

#define PATH_MAX_STEPS 16u

struct inbox {
    struct agent *agent;
    struct list requests; /* by number */
    size_t n;
    int64_t last; /* number given */
    int64_t newest;
    uint64_t version;
};

const char *inbox_kind_name(enum inbox_kind k) {
    switch (k) {
#define X(name, text)                                                                              \
    case INBOX_##name:                                                                             \
        return text;
        INBOX_KIND_TABLE(X)
#undef X
    }
    return "?";
}

static const char *answer_name(enum inbox_answer a) {
    switch (a) {
#define X(name, text)                                                                              \
    case INBOX_ANSWER_##name:                                                                      \
        return text;
        INBOX_ANSWER_TABLE(X)
#undef X
    }
    return "?";
}

static struct store *store_of(const struct inbox *i) { return agent_parts(i->agent)->store; }

/* --- one request --------------------------------------------------------------------------------
 */

static void request_free(struct inbox_request *r) {
    loop_timer_del(&r->timeout);
    for (size_t k = 0; k < r->npath; k++) {
        x_free(&r->path[k].id);
        x_free(&r->path[k].name);
    }
    for (size_t k = 0; k < r->noptions; k++) {
        x_free(&r->options[k].label);
        x_free(&r->options[k].description);
    }
    x_free(&r->path);
    x_free(&r->options);
    x_free(&r->process_id);
    x_free(&r->channel);
    x_free(&r->call_id);
    x_free(&r->tool);
    x_free(&r->text);
    x_free(&r->preview);
    x_free(&r->reason);
    x_free(&r->pattern);
    x_free(&r);
}

static cJSON *path_json(const struct inbox_request *r) {
    cJSON *list = json_new_arr();
    for (size_t k = 0; k < r->npath; k++) {
        cJSON *o = json_new_obj();
        json_add_str(o, "kind", process_kind_name(r->path[k].kind));
        json_add_str(o, "id", r->path[k].id);
        json_add_str(o, "name", r->path[k].name);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

static cJSON *options_json(const struct inbox_request *r) {
    cJSON *list = json_new_arr();
    for (size_t k = 0; k < r->noptions; k++) {
        cJSON *o = json_new_obj();
        json_add_str(o, "label", r->options[k].label);
        if (r->options[k].description)
            json_add_str(o, "description", r->options[k].description);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

cJSON *inbox_json(const struct inbox_request *r) {
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(r->asked_ms, at);
    cJSON *o = json_new_obj();
    json_add_i64(o, "id", r->number);
    json_add_str(o, "kind", inbox_kind_name(r->kind));
    json_add_str(o, "process", r->process_id);
    json_add_str(o, "channel", r->channel);
    cJSON_AddItemToObject(o, "path", path_json(r));
    json_add_str(o, "tool", r->tool);
    json_add_str(o, "call_id", r->call_id);
    json_add_str(o, "text", r->text);
    switch (r->kind) {
    case INBOX_PERMISSION:
        json_add_str(o, "reason", r->reason);
        json_add_str(o, "always", r->pattern);
        if (r->preview)
            json_add_str(o, "preview", r->preview);
        break;
    case INBOX_QUESTION:
        cJSON_AddItemToObject(o, "options", options_json(r));
        json_add_bool(o, "multi_select", r->multi_select);
        break;
    }
    json_add_str(o, "asked_at", at);
    return o;
}

static void add_step(struct inbox_request *r, enum process_kind kind, const char *id,
                     const char *name) {
    r->path = xreallocarray(r->path, r->npath + 1, sizeof *r->path);
    r->path[r->npath++] = (struct inbox_step){kind, xstrdup(id), xstrdup(name)};
}

static void find_path(const struct inbox *i, struct inbox_request *r, const struct process *p) {
    const struct process *up[PATH_MAX_STEPS];
    size_t n = 0;
    for (; p && n < ARRAY_LEN(up); p = process_get(agent_processes(i->agent), p->parent))
        up[n++] = p;
    while (n > 0) {
        const struct process *q = up[--n];
        add_step(r, q->kind, q->id, q->kind == PROCESS_CHANNEL ? q->bare : q->name);
    }
}

static void add_option(struct inbox_request *r, const cJSON *option) {
    const char *description = json_str(option, "description", NULL);
    if (r->noptions == INBOX_OPTIONS_MAX)
        return;
    r->options = xreallocarray(r->options, r->noptions + 1, sizeof *r->options);
    r->options[r->noptions++] =
        (struct inbox_option){xstrdup(json_str(option, "label", "")), xstrdup_null(description)};
}

/* --- beginning and end --------------------------------------------------------------------------
 */

static void changed(struct inbox *i, const struct inbox_request *r) {
    struct process_table *t = agent_processes(i->agent);
    struct process *p = process_get(t, r->process);
    i->version++;
    if (p)
        process_changed(t, p); /* whoever draws looks at the table */
}

static void record_begin(struct inbox *i, const struct inbox_request *r) {
    cJSON *path = path_json(r), *options = options_json(r);
    char *path_text = json_print(path), *options_text = json_print(options);
    store_request_insert(
        store_of(i),
        &(struct store_request_insert){.n = r->number,
                                       .kind = inbox_kind_name(r->kind),
                                       .process_id = r->process_id,
                                       .channel_id = r->channel,
                                       .call_id = r->call_id,
                                       .path = path_text,
                                       .tool = r->tool,
                                       .text = r->text,
                                       .reason = r->reason,
                                       .pattern = r->pattern,
                                       .options = r->kind == INBOX_QUESTION ? options_text : NULL,
                                       .multi_select = r->multi_select,
                                       .asked_at = r->asked_ms});
    x_free(&path_text);
    x_free(&options_text);
    cJSON_Delete(path);
    cJSON_Delete(options);
}

static uint64_t record_end(struct inbox *i, const struct inbox_request *r, const char *state,
                           const char *answer, const char *remark) {
    return store_request_end(store_of(i), clock_wall_ms(), state, answer,
                             str_empty(remark) ? NULL : remark, r->number);
}

/* `tell` is lent the event. */
static void begun(const struct inbox_request *r,
                  void (*tell)(void *arg, const struct inbox_request *r, const struct event *e),
                  void *arg) {
    cJSON *path = path_json(r), *options = options_json(r), *patterns = json_new_arr();
    if (r->pattern)
        cJSON_AddItemToArray(patterns, cJSON_CreateString(r->pattern));
    char *path_text = json_print(path), *options_text = json_print(options),
         *patterns_text = json_print(patterns);
    const char *worker =
        str_prefix(r->process_id, "worker:") ? r->process_id + strlen("worker:") : NULL;
    const struct event_request q = {.worker = worker,
                                    .id = r->process_id,
                                    .tool = r->tool,
                                    .call_id = r->call_id,
                                    .text = r->text,
                                    .reason = r->reason,
                                    .preview = r->preview,
                                    .number = r->number,
                                    .multi_select = r->multi_select,
                                    .path = path_text,
                                    .options = options_text,
                                    .patterns = patterns_text};
    struct event e = {0};
    switch (r->kind) {
    case INBOX_PERMISSION:
        e = event_permission(&q);
        break;
    case INBOX_QUESTION:
        e = event_question(&q);
        break;
    }
    tell(arg, r, &e);
    x_free(&path_text);
    x_free(&options_text);
    x_free(&patterns_text);
    cJSON_Delete(path);
    cJSON_Delete(options);
    cJSON_Delete(patterns);
}

static void tell_all(void *arg, const struct inbox_request *r, const struct event *e) {
    const struct inbox *i = arg;
    const struct process *p = process_get(agent_processes(i->agent), r->process);
    if (p)
        event_tell(i->agent, p, *e);
}

static void tell_begin(struct inbox *i, const struct inbox_request *r) { begun(r, tell_all, i); }

static void tell_end(struct inbox *i, const struct inbox_request *r, const char *state,
                     const char *answer) {
    const struct event e =
        event_request_ended(r->process_id, r->number, inbox_kind_name(r->kind), state, answer);
    tell_all(i, r, &e);
}

struct again {
    const struct inbox *inbox;
    bus_fn *fn;
    void *arg;
};

static void tell_again(void *arg, const struct inbox_request *r, const struct event *e) {
    const struct again *to = arg;
    struct process_table *t = agent_processes(to->inbox->agent);
    const struct process *p = process_get(t, r->process);
    const struct process *parent = p ? process_get(t, p->parent) : NULL;
    struct bus_field all[EVENT_FIELDS_MAX + 1];
    memcpy(all, e->fields, e->n * sizeof *all);
    all[e->n] = BUS_BOOL("from_store", true);
    to->fn(to->arg, &(struct bus_event){.type = e->type,
                                        .ts_ms = r->asked_ms,
                                        .id = r->process_id,
                                        .parent = parent ? parent->id : NULL,
                                        .channel = r->channel,
                                        .fields = all,
                                        .n = e->n + 1});
}

void inbox_tell_again(const struct inbox *i, int64_t since_ms, int64_t until_ms, bus_fn *fn,
                      void *arg) {
    struct again to = {i, fn, arg};
    for (const struct inbox_request *r = NULL; (r = inbox_next(i, r));)
        if (r->asked_ms >= since_ms && r->asked_ms <= until_ms)
            begun(r, tell_again, &to);
}

static void drop(struct inbox *i, struct inbox_request *r) {
    list_remove(&r->link);
    i->n--;
    changed(i, r);
    request_free(r);
}

static char *valid(const char *text) {
    struct buf clean = BUF_INIT;
    utf8_append_valid(&clean, text, strlen(text));
    return buf_steal(&clean);
}

static struct inbox_request *begin(struct inbox *i, struct process *p, enum inbox_kind kind,
                                   const char *call_id, const char *tool, const char *text) {
    struct inbox_request *r = xcalloc(1, sizeof *r);
    r->inbox = i;
    r->number = i->newest = ++i->last;
    r->kind = kind;
    r->process = p->handle;
    r->process_id = xstrdup(p->id);
    r->channel = xstrdup(p->channel);
    r->call_id = xstrdup(call_id);
    r->tool = xstrdup(tool);
    r->text = valid(text);
    r->asked_ms = clock_wall_ms();
    find_path(i, r, p);
    list_push_back(&i->requests, &r->link);
    i->n++;
    return r;
}

/* --- permissions --------------------------------------------------------------------------------
 */

void inbox_settle(struct inbox *i, struct inbox_request *r, enum inbox_answer answer,
                  const char *remark) {
    bool answered = answer != INBOX_ANSWER_TIMED_OUT;
    const char *state = answered ? "answered" : "timed_out";
    const char *name = answered ? answer_name(answer) : NULL;
    inbox_fn *fn = r->fn;
    void *arg = r->arg;
    record_end(i, r, state, name, remark);
    tell_end(i, r, state, name);
    drop(i, r);
    fn(arg, answer, remark ? remark : "");
}

static void on_timeout(void *arg) {
    struct inbox_request *r = arg;
    r->timeout = NULL;
    inbox_settle(r->inbox, r, INBOX_ANSWER_TIMED_OUT, NULL);
}

struct inbox_request *inbox_ask(struct inbox *i, struct process *p,
                                const struct inbox_permission *q) {
    struct inbox_request *r = begin(i, p, INBOX_PERMISSION, q->call_id, q->tool, q->text);
    r->preview = q->preview ? valid(q->preview) : NULL;
    r->reason = xstrdup_null(q->reason);
    r->pattern = xstrdup_null(q->pattern);
    r->fn = q->fn;
    r->arg = q->arg;
    r->timeout = loop_timer(agent_parts(i->agent)->loop, q->timeout_secs * NS_PER_SEC, on_timeout,
                            r, "permission timeout");
    record_begin(i, r);
    tell_begin(i, r);
    changed(i, r);
    return r;
}

void inbox_withdraw(struct inbox *i, struct inbox_request **rp) {
    struct inbox_request *r = *rp;
    if (!r)
        return;
    *rp = NULL;
    record_end(i, r, "withdrawn", NULL, NULL);
    tell_end(i, r, "withdrawn", NULL);
    drop(i, r);
}

static enum status answer_permission(struct inbox *i, struct inbox_request *r, const char *answer,
                                     const char *remark, uint64_t *seq, struct cause *why) {
    static const struct {
        const char *word;
        enum inbox_answer answer;
    } words[] = {
        {"once", INBOX_ANSWER_ONCE},  {"yes", INBOX_ANSWER_ONCE},      {"y", INBOX_ANSWER_ONCE},
        {"allow", INBOX_ANSWER_ONCE}, {"always", INBOX_ANSWER_ALWAYS}, {"a", INBOX_ANSWER_ALWAYS},
        {"deny", INBOX_ANSWER_DENY},  {"no", INBOX_ANSWER_DENY},       {"n", INBOX_ANSWER_DENY}};
    size_t k = 0;
    while (k < ARRAY_LEN(words) && strcasecmp(words[k].word, answer) != 0)
        k++;
    if (k == ARRAY_LEN(words))
        return cause_set(why, STATUS_INVALID,
                         "\"%.40s\" is no answer to a permission: once, always or deny", answer);
    if (words[k].answer == INBOX_ANSWER_ALWAYS && !r->pattern)
        return cause_set(why, STATUS_INVALID,
                         "no rule can stand for this one (it is more than one simple command, or "
                         "brings its own environment): once or deny");
    inbox_settle(i, r, words[k].answer, remark);
    *seq = store_seq(store_of(i));
    return STATUS_OK;
}

/* --- questions ----------------------------------------------------------------------------------
 */

struct inbox_request *inbox_question(struct inbox *i, struct process *p, const char *call_id,
                                     const char *question, const cJSON *options,
                                     bool multi_select) {
    struct inbox_request *r = begin(i, p, INBOX_QUESTION, call_id, "ask", question);
    const cJSON *option;
    cJSON_ArrayForEach(option, options) add_option(r, option);
    r->multi_select = multi_select;
    record_begin(i, r);
    tell_begin(i, r);
    changed(i, r);
    return r;
}

static enum status wrong_choice(const struct inbox_request *r, const char *given,
                                struct cause *why) {
    struct buf all = BUF_INIT;
    for (size_t k = 0; k < r->noptions; k++)
        buf_printf(&all, "%s%zu %.60s", k ? ", " : "", k + 1, r->options[k].label);
    enum status st =
        cause_set(why, STATUS_INVALID, "\"%.40s\" is none of: %s", given, buf_str(&all));
    buf_free(&all);
    return st;
}

static bool choose(const struct inbox_request *r, const char *given, bool *chosen) {
    int64_t number = 0;
    bool numeric = str_to_i64(given, &number) == STATUS_OK;
    for (size_t k = 0; k < r->noptions; k++) {
        if (numeric ? number == (int64_t)k + 1 : strcasecmp(given, r->options[k].label) == 0) {
            chosen[k] = true;
            return true;
        }
    }
    return false;
}

/* "1", "1, 3", or a label, which may hold commas of its own. */
static enum status parse_choice(const struct inbox_request *r, const char *answer, bool *chosen,
                                struct cause *why) {
    if (choose(r, answer, chosen))
        return STATUS_OK;
    size_t n = 0;
    for (const char *at = answer; *at;) {
        size_t len = strcspn(at, ",");
        char *one = xstrndup(at, len), *word = one + strspn(one, " ");
        for (size_t end = strlen(word); end && word[end - 1] == ' ';)
            word[--end] = '\0';
        bool fits = choose(r, word, chosen);
        enum status st = fits ? STATUS_OK : wrong_choice(r, word, why);
        x_free(&one);
        if (!fits)
            return st;
        n++;
        at += len + (at[len] == ',');
    }
    if (n == 0)
        return wrong_choice(r, answer, why);
    if (n > 1 && !r->multi_select)
        return cause_set(why, STATUS_INVALID, "one option can be chosen, not %zu", n);
    return STATUS_OK;
}

/* The answer is a message of the person, and the end of the question; both are one write. */
static enum status answer_question(struct inbox *i, struct inbox_request *r, const char *answer,
                                   const char *remark, bool screen, uint64_t *seq,
                                   struct cause *why) {
    bool chosen[INBOX_OPTIONS_MAX] = {false};
    char id[ID_UUID_SIZE];
    struct buf labels = BUF_INIT, text = BUF_INIT;
    struct process *p;
    enum status st = parse_choice(r, answer, chosen, why);
    for (size_t k = 0; k < r->noptions && k < ARRAY_LEN(chosen); k++)
        if (chosen[k])
            buf_printf(&labels, "%s%s", labels.len ? ", " : "", r->options[k].label);
    buf_printf(&text, "Answer to \"%s\": %s", r->text, buf_str(&labels));
    if (!str_empty(remark))
        buf_printf(&text, "\n%s", remark);
    if (st == STATUS_OK)
        st = channel_open(i->agent, r->channel, NULL, NULL, &p, why);
    if (st == STATUS_OK)
        r->process = p->handle; /* an earlier engine's channel asked: this one is told of the end */
    if (st == STATUS_OK && screen)
        channel_stand_in(i->agent, p, agent_default_model(i->agent), NULL);
    if (st == STATUS_OK)
        st = channel_say(i->agent, p,
                         &(struct channel_message){.sender = CHANNEL_YOU, .text = buf_str(&text)},
                         NULL, NULL, NULL, id, why);
    if (st == STATUS_OK) {
        *seq = record_end(i, r, "answered", buf_str(&labels), remark);
        tell_end(i, r, "answered", buf_str(&labels));
        drop(i, r);
    }
    buf_free(&labels);
    buf_free(&text);
    return st;
}

enum status inbox_answer(struct inbox *i, int64_t number, const char *answer, const char *remark,
                         bool screen, uint64_t *seq, struct cause *why) {
    struct inbox_request *r = (struct inbox_request *)(uintptr_t)inbox_find(i, number);
    if (!r)
        return cause_set(why, STATUS_NOT_FOUND,
                         "no request %lld waits (it may have been answered, or timed out)",
                         (long long)number);
    if (remark && strlen(remark) > INBOX_REMARK_MAX)
        return cause_set(why, STATUS_LIMIT, "the remark is longer than %u bytes", INBOX_REMARK_MAX);
    switch (r->kind) {
    case INBOX_PERMISSION:
        return answer_permission(i, r, answer, remark, seq, why);
    case INBOX_QUESTION:
        return answer_question(i, r, answer, remark, screen, seq, why);
    }
    return STATUS_INVALID;
}

/* --- looking ------------------------------------------------------------------------------------
 */

size_t inbox_count(const struct inbox *i) { return i->n; }
int64_t inbox_newest(const struct inbox *i) { return i->newest; }
uint64_t inbox_version(const struct inbox *i) { return i->version; }

const struct inbox_request *inbox_next(const struct inbox *i, const struct inbox_request *after) {
    const struct list *it = after ? after->link.next : i->requests.next;
    return it == &i->requests ? NULL : list_entry(it, const struct inbox_request, link);
}

const struct inbox_request *inbox_find(const struct inbox *i, int64_t number) {
    const struct inbox_request *r = NULL;
    while ((r = inbox_next(i, r)) && r->number != number)
        ;
    return r;
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void load_path(struct inbox_request *r, const char *json) {
    cJSON *list = NULL;
    const cJSON *step;
    if (json_parse(json, strlen(json), &list, NULL) != STATUS_OK)
        return;
    cJSON_ArrayForEach(step, list) {
        enum process_kind kind;
        if (process_kind_from_string(json_str(step, "kind", ""), &kind) == STATUS_OK)
            add_step(r, kind, json_str(step, "id", ""), json_str(step, "name", ""));
    }
    cJSON_Delete(list);
}

static bool load(void *arg, const struct q_requests_waiting_row *row) {
    struct inbox *i = arg;
    cJSON *options = NULL;
    const cJSON *option;
    if (!str_eq(row->kind, inbox_kind_name(INBOX_QUESTION)) || !row->options ||
        json_parse(row->options, strlen(row->options), &options, NULL) != STATUS_OK)
        return true; /* a permission ends with the engine that asked */
    struct inbox_request *r = xcalloc(1, sizeof *r);
    r->inbox = i;
    r->number = row->n;
    r->kind = INBOX_QUESTION;
    r->process_id = xstrdup(row->process_id);
    r->channel = xstrdup(row->channel_id);
    r->call_id = xstrdup(row->call_id);
    r->tool = xstrdup(row->tool);
    r->text = xstrdup(row->text);
    r->multi_select = row->multi_select != 0;
    r->asked_ms = row->asked_at;
    load_path(r, row->path);
    cJSON_ArrayForEach(option, options) add_option(r, option);
    cJSON_Delete(options);
    list_push_back(&i->requests, &r->link);
    i->n++;
    i->newest = r->number; /* it rings again where nobody has answered */
    return true;
}

enum status inbox_new(struct agent *a, struct inbox **out, struct cause *why) {
    struct inbox *i = xcalloc(1, sizeof *i);
    struct q_request_last_row last = {0};
    struct store_read *r = store_read(agent_parts(a)->store);
    i->agent = a;
    list_init(&i->requests);
    *out = i;
    enum status st = q_request_last(r, &last, why);
    i->last = last.n;
    return st == STATUS_OK ? q_requests_waiting(r, load, i, why) : st;
}

void inbox_free(struct inbox **ip) {
    struct inbox *i = *ip;
    if (!i)
        return;
    list_for_safe(&i->requests, it, tmp) {
        struct inbox_request *r = list_entry(it, struct inbox_request, link);
        list_remove(&r->link);
        request_free(r);
    }
    x_free(ip);
}
