/* speech: see speech.h. */
#include "speech.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"

bool speech_asked(const struct http1_request *h) {
    size_t n = strcspn(h->path, "?");
    char *path = xstrndup(h->path, n);
    bool yes = str_suffix(path, "/audio/transcriptions");
    x_free(&path);
    return yes;
}

struct form {
    char *model, *filename, *mime;
    const char *file; /* in the body */
    size_t bytes;
};

static void form_free(struct form *f) {
    x_free(&f->model);
    x_free(&f->filename);
    x_free(&f->mime);
}

static const char *find(const char *from, const char *end, const char *what) {
    return memmem(from, (size_t)(end - from), what, strlen(what));
}

/* The value of name="…" in a part's head. */
static char *quoted(const char *head, const char *end, const char *name) {
    char *sign = xasprintf(" %s=\"", name);
    const char *at = find(head, end, sign), *stop;
    at = at ? at + strlen(sign) : NULL;
    stop = at ? memchr(at, '"', (size_t)(end - at)) : NULL;
    x_free(&sign);
    return stop ? xstrndup(at, (size_t)(stop - at)) : NULL;
}

static void take_part(struct form *f, const char *head, const char *body, const char *end) {
    char *name = quoted(head, body, "name");
    if (str_eq(name, "model") && !f->model)
        f->model = xstrndup(body, (size_t)(end - body));
    if (str_eq(name, "file") && !f->file) {
        const char *type = find(head, body, "content-type: ");
        f->filename = quoted(head, body, "filename");
        if (type)
            f->mime = xstrndup(type + strlen("content-type: "),
                               strcspn(type + strlen("content-type: "), "\r\n"));
        f->file = body;
        f->bytes = (size_t)(end - body);
    }
    x_free(&name);
}

/* What is wrong with it; NULL: nothing. */
static const char *read_form(const struct http1_request *h, struct form *f) {
    const char *type = http1_header(h, "content-type");
    const char *boundary = type ? strstr(type, "boundary=") : NULL;
    if (!type || !str_prefix(type, "multipart/form-data;") || !boundary)
        return "content-type: must be multipart/form-data";
    char *line = xasprintf("--%s", boundary + strlen("boundary="));
    const char *at = buf_str(&h->body), *end = at + h->body.len, *wrong = NULL;
    bool closed = false;
    if (h->body.len < strlen(line) || !str_prefix(at, line))
        wrong = "the body does not begin with its boundary";
    while (!wrong && !closed) {
        at += strlen(line);
        closed = str_eq(at, "--\r\n");
        if (closed)
            break;
        const char *body = find(at, end, "\r\n\r\n");
        const char *next = body ? find(body + 4, end, line) : NULL;
        if (!str_prefix(at, "\r\n") || !next || next - 2 < body + 4 ||
            memcmp(next - 2, "\r\n", 2) != 0)
            wrong = "the form is not well-formed";
        else
            take_part(f, at, body + 4, next - 2);
        at = next;
    }
    x_free(&line);
    if (!wrong && (!f->model || !*f->model))
        wrong = "you must provide a model parameter";
    if (!wrong && (!f->file || !f->filename || !strchr(f->filename, '.')))
        wrong = "unrecognized file format";
    return wrong;
}

static char *answer_of(const cJSON *o) {
    if (json_str(o, "body", NULL))
        return xstrdup(json_str(o, "body", ""));
    cJSON *root = json_new_obj();
    json_add_str(root, "text", json_str(o, "text", ""));
    if (json_num(o, "seconds", -1) >= 0) {
        cJSON *usage = json_add_obj(root, "usage");
        json_add_str(usage, "type", "duration");
        json_add_num(usage, "seconds", json_num(o, "seconds", 0));
    } else if (json_i64(o, "input_tokens", -1) >= 0) {
        cJSON *usage = json_add_obj(root, "usage");
        json_add_str(usage, "type", "tokens");
        json_add_i64(usage, "input_tokens", json_i64(o, "input_tokens", 0));
        json_add_i64(usage, "output_tokens", json_i64(o, "output_tokens", 0));
    }
    char *text = json_print(root);
    cJSON_Delete(root);
    return text;
}

void speech_plan(struct server *s, struct conn *c, const struct http1_request *h) {
    const cJSON *list = json_arr(s->scenario.root, "speech");
    const char *bearer = http1_header(h, "authorization"), *wrong;
    struct form f = {.model = NULL};
    int n = cJSON_GetArraySize(list);
    const cJSON *o = n ? cJSON_GetArrayItem(list, s->speeches < n ? s->speeches : n - 1) : NULL;
    char hex[SHA256_HEX_SIZE] = "-";
    s->speeches++;
    wrong = strcmp(h->method, "POST") != 0 ? "Method Not Allowed" : read_form(h, &f);
    if (!wrong && f.file)
        sha256_of(f.file, f.bytes, hex);
    if (s->key && (!bearer || !str_suffix(bearer, s->key)))
        plan_error(&c->plan, &dialect_openai, 401, "Incorrect API key provided");
    else if (!o)
        plan_error(&c->plan, &dialect_openai, 404, "Not found");
    else if (wrong)
        plan_error(&c->plan, &dialect_openai, 400, wrong);
    else if (json_i64(o, "status", 200) != 200)
        plan_error(&c->plan, &dialect_openai, (int)json_i64(o, "status", 500),
                   json_str(o, "message", "no"));
    else {
        char *body = answer_of(o);
        plan_body(&c->plan, body);
        x_free(&body);
    }
    if (json_str(o, "hold", NULL)) {
        c->plan.hold = json_str(o, "hold", NULL);
        c->plan.hold_after = 0;
    }
    report_say(&s->report, "speech %d %s %s %zu %s", s->speeches, f.model ? f.model : "-",
               f.filename ? f.filename : "-", f.bytes, hex);
    form_free(&f);
}
