/* transcribe: which way a model is asked, and what comes back. */
#include "llm/transcribe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "llm/client-internal.h"
#include "llm/media.h"
#include "llm/price.h"

struct transcribe {
    struct loop *loop;
    struct llm *llm;
    const struct transcribe_events *ev;
    void *arg;
    char *model; /* as asked for */
    const struct provider *provider;
    int64_t duration_ms;
    int fd; /* -1: none */
    struct http_call *http;
    struct buf body;
    struct llm_call *call;
    bool telling; /* deferred: `error` */
    struct llm_error error;
};

static void transcribe_free(struct transcribe *t) {
    http_cancel(&t->http);
    llm_call_cancel(&t->call);
    if (t->fd >= 0)
        close(t->fd);
    buf_free(&t->body);
    x_free(&t->model);
    x_free(&t);
}

/* ---- ends: the last thing that is done with it ---- */

static void fail(struct transcribe *t, const struct llm_error *e) {
    const struct transcribe_events *ev = t->ev;
    void *arg = t->arg;
    struct llm_error copy = *e;
    transcribe_free(t);
    ev->on_error(arg, &copy);
}

static void tell(void *arg) {
    struct transcribe *t = arg;
    t->telling = false;
    fail(t, &t->error);
}

static void refuse(struct transcribe *t, const char *who, enum llm_fault fault, const char *text) {
    const struct fault_place p = {.provider = who, .host = ""};
    t->error.retry_after_ms = -1;
    rate_init(&t->error.rate);
    fault_set(&t->error, &p, fault, "%s", text);
    t->telling = true;
    loop_defer(t->loop, tell, t);
}

static void succeed(struct transcribe *t, const char *text, struct transcript *out) {
    struct buf clean = BUF_INIT;
    const struct transcribe_events *ev = t->ev;
    void *arg = t->arg;
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\n", text[n - 1]))
        n--;
    utf8_append_valid(&clean, text, n);
    out->text = buf_str(&clean);
    transcribe_free(t);
    ev->on_done(arg, out);
    buf_free(&clean);
}

/* ---- by the place for it ---- */

/* Those that are made for speech alone; whatever else is said to hear is asked in a conversation.
 */
static bool is_transcriber(const char *name) {
    static const char *const parts[] = {"whisper", "transcri", "voxtral", "parakeet",
                                        "canary",  "-stt",     "-asr"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strcasestr(name, parts[i]))
            return true;
    return false;
}

/* Servers tell a file's kind by its name. */
static const char *file_name(const char *mime) {
    static const char *const names[][2] = {
        {"audio/wav", "speech.wav"},   {"audio/mpeg", "speech.mp3"}, {"audio/ogg", "speech.ogg"},
        {"audio/flac", "speech.flac"}, {"audio/mp4", "speech.m4a"},  {"audio/webm", "speech.webm"},
        {"audio/aac", "speech.aac"},   {"audio/aiff", "speech.aiff"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(mime, names[i][0]))
            return names[i][1];
    return "speech";
}

static void field(struct buf *out, const char *boundary, const char *name, const char *value) {
    buf_printf(out, "--%s\r\ncontent-disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", boundary,
               name, value);
}

static struct fault_place place_of(const struct transcribe *t) {
    return client_place(t->llm, t->provider);
}

static void take_usage(struct transcribe *t, const cJSON *root, struct transcript *out) {
    const cJSON *usage = json_obj(root, "usage");
    double secs = json_num(usage, "seconds", json_num(root, "duration", -1));
    double minute = 0;
    bool guess = false;
    if (secs < 0)
        secs = json_num(usage, "prompt_audio_seconds", -1); /* Mistral */
    out->duration_ms = secs >= 0 && secs < 1e9 ? (int64_t)(secs * 1000) : t->duration_ms;
    if (price_speech(t->model, &minute, &guess) && out->duration_ms >= 0) {
        out->usage.cost_usd = minute * (double)out->duration_ms / 60000;
        out->usage.cost_is_estimate = guess;
    }
    out->usage.input_tokens = json_i64(usage, "input_tokens", json_i64(usage, "prompt_tokens", 0));
    out->usage.output_tokens =
        json_i64(usage, "output_tokens", json_i64(usage, "completion_tokens", 0));
    if (minute > 0)
        return;
    price_apply(t->model, &out->usage);
    struct price p;
    /* Nothing was said of what it used: it was not for nothing. */
    bool free_of_charge = price_find(t->model, &p) && !p.is_estimate && p.input <= 0;
    if (!out->usage.input_tokens && !out->usage.output_tokens && !free_of_charge)
        out->usage.cost_is_estimate = true;
}

static void take_answer(struct transcribe *t) {
    struct transcript out = {.duration_ms = -1};
    struct fault_place p = place_of(t);
    cJSON *root = NULL;
    struct cause why = {""};
    const char *text = NULL;
    if (json_parse(buf_str(&t->body), t->body.len, &root, &why) == STATUS_OK)
        text = json_str(root, "text", NULL);
    if (!text) {
        struct llm_error e = {.http_status = 200, .retry_after_ms = -1};
        fault_set(&e, &p, LLM_FAULT_GARBAGE, "not the transcript that was expected%s%s",
                  *why.text ? ": " : "", why.text);
        cJSON_Delete(root);
        fail(t, &e);
        return;
    }
    take_usage(t, root, &out);
    succeed(t, text, &out);
    cJSON_Delete(root);
}

static void on_alive(void *arg) {
    const struct transcribe *t = arg;
    if (t->ev->on_bytes)
        t->ev->on_bytes(t->arg);
}

static void on_data(void *arg, const struct http_head *h, const char *data, size_t n) {
    struct transcribe *t = arg;
    (void)h;
    if (t->body.len + n <= TRANSCRIPT_MAX) {
        buf_append(&t->body, data, n);
        return;
    }
    struct llm_error e = {.http_status = 200, .retry_after_ms = -1};
    struct fault_place p = place_of(t);
    fault_set(&e, &p, LLM_FAULT_GARBAGE, "its answer has more than %zu MB", TRANSCRIPT_MAX >> 20);
    fail(t, &e);
}

static void on_end(void *arg, const struct http_head *h, const struct http_result *r) {
    struct transcribe *t = arg;
    struct llm_error e = {.http_status = h->status, .retry_after_ms = h->retry_after_ms};
    struct fault_place p = place_of(t);
    t->http = NULL;
    if (r->end == HTTP_END_COMPLETE && h->status == 200) {
        take_answer(t);
        return;
    }
    if (r->end == HTTP_END_COMPLETE || h->status >= 300)
        fault_response(&e, &p, h, buf_str(&t->body), t->body.len);
    else
        fault_transfer(&e, &p, r, t->body.len);
    fail(t, &e);
}

static void post(struct transcribe *t, const struct transcribe_request *r, const char *model,
                 const char *url) {
    char id[ID_UUID_SIZE], *boundary, *tail;
    struct buf head = BUF_INIT;
    struct strv headers = {0};
    id_uuid(id);
    boundary = xasprintf("spacebot-%s", id);
    tail = xasprintf("\r\n--%s--\r\n", boundary);
    field(&head, boundary, "model", model);
    field(&head, boundary, "response_format", "json");
    buf_printf(&head,
               "--%s\r\ncontent-disposition: form-data; name=\"file\"; filename=\"%s\"\r\n"
               "content-type: %s\r\n\r\n",
               boundary, file_name(r->mime), r->mime);
    wire_headers(&t->provider->place, true, &headers);
    strv_pushf(&headers, "content-type: multipart/form-data; boundary=%s", boundary);
    size_t n = head.len;
    const struct http_request request = {.url = url,
                                         .socket = t->provider->socket,
                                         .headers = &headers,
                                         .body = buf_steal(&head),
                                         .body_len = n,
                                         .file = t->fd,
                                         .file_bytes = r->bytes,
                                         .tail = tail,
                                         .connect_secs = t->llm->connect_secs,
                                         .silence_secs = t->llm->silence_secs,
                                         .call_secs = t->llm->call_secs,
                                         .on_data = on_data,
                                         .on_alive = on_alive,
                                         .on_end = on_end,
                                         .arg = t};
    t->http = http_send(t->llm->http, &request);
    for (size_t i = 0; i < headers.n; i++)
        explicit_bzero(headers.v[i], strlen(headers.v[i]));
    strv_free(&headers);
    x_free(&tail);
    x_free(&boundary);
}

/* ---- by asking ---- */

static void on_call_done(void *arg, struct llm_response *r) {
    struct transcribe *t = arg;
    struct transcript out = {.duration_ms = t->duration_ms, .usage = r->usage};
    memcpy(out.model, r->model, sizeof out.model);
    t->call = NULL;
    char *text = llm_message_text(&r->message);
    if (r->stop == LLM_STOP_REFUSAL) {
        struct llm_error e = {.http_status = 200, .retry_after_ms = -1, .usage = r->usage};
        struct fault_place p = place_of(t);
        fault_set(&e, &p, LLM_FAULT_BAD_REQUEST, "it refused to listen%s%s", *text ? ": " : "",
                  text);
        fail(t, &e);
    } else {
        succeed(t, text, &out);
    }
    x_free(&text);
}

static void on_call_error(void *arg, const struct llm_error *e) {
    struct transcribe *t = arg;
    t->call = NULL;
    fail(t, e);
}

static const struct llm_events call_events = {
    .on_bytes = on_alive, .on_done = on_call_done, .on_error = on_call_error};

static bool read_file(int fd, int64_t bytes, struct buf *out) {
    while ((int64_t)out->len < bytes) {
        ssize_t n = pread(fd, buf_room(out, 65536), 65536, (off_t)out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf_added(out, (size_t)n);
    }
    return true;
}

static void ask(struct transcribe *t, const struct transcribe_request *r) {
    struct llm_message m = {.role = LLM_ROLE_USER};
    struct llm_history h = {0};
    struct buf bytes = BUF_INIT;
    if (!read_file(t->fd, r->bytes, &bytes)) {
        refuse(t, t->provider->place.id, LLM_FAULT_BAD_REQUEST, "the recording cannot be read");
        buf_free(&bytes);
        return;
    }
    llm_message_add_file(&m, r->mime, r->name, buf_str(&bytes), bytes.len);
    buf_free(&bytes);
    llm_message_add_text(&m, "Write down what is said in this recording.");
    llm_history_push(&h, &m);
    t->call = llm_call_start(
        t->llm, &(struct llm_request){.model = t->model, .system = r->system, .history = &h},
        &call_events, t);
    llm_history_free(&h);
}

/* ---- life ---- */

static void choose(struct transcribe *t, const struct transcribe_request *r, const char *model) {
    const struct wire_place *place = &t->provider->place;
    char mime[64];
    (void)snprintf(mime, sizeof mime, "%s", r->mime);
    const struct llm_block file = {.kind = LLM_BLOCK_FILE, .mime = mime, .text = ""};
    char *url = wire_speech_url(place, model);
    bool asked = url && !is_transcriber(model) && media_hears(model);
    if (!url)
        refuse(t, place->id, LLM_FAULT_BAD_REQUEST,
               "it takes no speech; choose another model for routing.voice");
    else if (asked && media_as(place, model, &file) != MEDIA_AUDIO)
        refuse(t, place->id, LLM_FAULT_BAD_REQUEST,
               "this model takes recordings as WAV or MP3 by Chat Completions only");
    else if (asked)
        ask(t, r);
    else
        post(t, r, model, url);
    x_free(&url);
}

struct transcribe *transcribe_start(struct loop *l, struct llm *llm,
                                    const struct transcribe_request *r,
                                    const struct transcribe_events *ev, void *arg) {
    struct transcribe *t = xcalloc(1, sizeof *t);
    struct cause why = {""};
    struct stat sb;
    const char *model;
    char *id;
    t->loop = l;
    t->llm = llm;
    t->ev = ev;
    t->arg = arg;
    t->model = xstrdup(r->model);
    t->duration_ms = r->duration_ms;
    t->fd = -1;
    t->provider = client_ready(llm, r->model, &model, &id, &why);
    if (!t->provider)
        refuse(t, id, LLM_FAULT_NOT_CONFIGURED, why.text);
    else if ((t->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0 ||
             fstat(t->fd, &sb) != 0 || !S_ISREG(sb.st_mode) || sb.st_size != r->bytes)
        refuse(t, t->provider->place.id, LLM_FAULT_BAD_REQUEST, "the recording cannot be read");
    else
        choose(t, r, model);
    x_free(&id);
    return t;
}

void transcribe_cancel(struct transcribe **tp) {
    struct transcribe *t = *tp;
    *tp = NULL;
    if (!t)
        return;
    if (t->telling)
        loop_undefer(t->loop, tell, t);
    transcribe_free(t);
}
