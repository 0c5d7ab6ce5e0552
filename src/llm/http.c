/* http: the one place that talks to curl. Two multi handles: one for https, where HTTP/2 puts
 * several streams on a connection and requests therefore go through a door (door.h), and one for
 * plain http (servers on this machine), where every stream needs its own. */
#include "llm/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/door.h"
#include "llm/head.h"

#define READ_BYTES 4096L           /* curl's buffer a stream; a thousand streams have one each */
#define UPLOAD_BYTES 16384L        /* the least that curl takes */
#define TURN_BYTES ((size_t)16384) /* handled of one stream in one turn: a millisecond's work */
#define BACKLOG_MAX TURN_BYTES     /* past this the stream is paused: curl reads all there is */
#define SETTLE_NS (NS_PER_SEC / 2)
#define IDLE_CONNECTIONS 16L
/* Requests that begin in one turn of the loop. curl opens the connections of all that are new in
 * one call, at some 70 us each: a burst of a thousand would hold up everybody else. */
#define STARTS_A_TURN 16
#define HOST_MAX 280

enum { PLAIN, SECURE, NMULTI };

struct multi {
    struct http *http;
    CURLM *curl; /* NULL until needed */
    struct loop_timer *timer;
};

struct http {
    struct loop *loop;
    char *user_agent;
    char *ca_file, *ca_dir; /* NULL: curl's own file; no directory */
    char *proxy, *no_proxy; /* NULL: what the environment says */
    struct multi multi[NMULTI];
    struct list calls;
    struct doors doors;        /* of hosts by https */
    struct list starting;      /* calls that begin in turns to come */
    struct loop_timer *starts; /* the next of these turns */
    int started;               /* in this one */
    struct list ready;         /* calls with bytes, or ended */
    struct loop_timer *again;  /* some have more than a turn's share */
    struct http_call *current; /* whose callback runs; NULL once it is gone */
    bool delivering, opening;
};

struct http_call {
    struct list link, ready;
    struct list start; /* among the starting */
    struct http *http;
    struct multi *multi;
    CURL *easy;
    struct door_guest guest;
    struct curl_slist *headers;
    char *body;
    char *tail;        /* of an upload; NULL: what is posted is the body alone */
    int64_t upload_at; /* bytes of it that curl has taken */
    int silence_secs;
    struct http_request r; /* its callbacks */
    struct http_head head;
    size_t head_bytes;     /* of all heads */
    enum http_end refused; /* what was wrong with the head; COMPLETE: nothing */
    char refusal[128];     /* and in words */
    struct buf in;
    bool alive, paused, ended, silent, late, settled;
    CURLcode code;
    int64_t last_ns;            /* when the last byte came */
    int64_t end_ns;             /* when it must have ended; 0: never */
    struct loop_timer *silence; /* before: of waiting at the door; later: of the settling */
    char error[CURL_ERROR_SIZE];
};

static void deliver_all(struct http *h);

/* ---- curl's callbacks: copy, and no more ---- */

static void mark(struct http_call *c) {
    list_remove(&c->ready);
    list_push_back(&c->http->ready, &c->ready);
}

static void sign_of_life(struct http_call *c) {
    c->alive = true;
    c->last_ns = loop_now_ns(c->http->loop);
    mark(c);
}

static size_t on_body(char *data, size_t size, size_t n, void *arg) {
    struct http_call *c = arg;
    n *= size;
    if (c->settled)
        return n;
    if (c->in.len && c->in.len + n > BACKLOG_MAX) {
        c->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    sign_of_life(c);
    buf_append(&c->in, data, n);
    return n;
}

static void spend_body(struct http_call *c) {
    char *body = c->body;
    c->body = NULL;
    if (body && c->r.spent.fn)
        c->r.spent.fn(c->r.spent.arg, c->r.spent.n, body, c->r.body_len);
    else
        free(body);
}

/* An answer has begun: the request is not sent again, and a history of megabytes need not be kept
 * beside it for as long as the answer takes. */
static void forget_body(struct http_call *c) {
    curl_off_t sent = 0;
    curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (sent < (curl_off_t)c->r.body_len)
        return; /* answered before all of it was read: curl may still be at it */
    spend_body(c);
    /* curl keeps the 64 KB that a large body went through until the answer has ended. Being told
     * another size it drops them; it would make new ones if there were more to send. */
    curl_easy_setopt(c->easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
    mem_released(c->r.body_len);
}

/* ---- uploads: body, file, tail, one after the other ---- */

static int64_t upload_len(const struct http_call *c) {
    return (int64_t)c->r.body_len + c->r.file_bytes + (int64_t)strlen(c->tail);
}

/* What curl asks for is at most what it sends at once. A file that has become shorter breaks the
 * request off: what was promised cannot be sent. */
static size_t on_upload(char *out, size_t size, size_t n, void *arg) {
    struct http_call *c = arg;
    int64_t body = (int64_t)c->r.body_len, at = c->upload_at, room = (int64_t)(size * n), k;
    int64_t end = body + c->r.file_bytes, all = upload_len(c);
    if (at < body) {
        k = room < body - at ? room : body - at;
        memcpy(out, c->body + at, (size_t)k);
    } else if (at < end) {
        k = pread(c->r.file, out, (size_t)(room < end - at ? room : end - at), at - body);
        if (k <= 0)
            return CURL_READFUNC_ABORT;
    } else {
        k = room < all - at ? room : all - at;
        memcpy(out, c->tail + (at - end), (size_t)k);
    }
    c->upload_at += k;
    c->last_ns = loop_now_ns(c->http->loop);
    return (size_t)k;
}

/* A connection that was kept turned out to be dead: it is sent again on a new one. */
static int on_seek(void *arg, curl_off_t offset, int origin) {
    struct http_call *c = arg;
    if (origin != SEEK_SET || offset < 0 || offset > upload_len(c))
        return CURL_SEEKFUNC_CANTSEEK;
    c->upload_at = offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- the door ---- */

static void on_open(void *arg);

static void open_door(struct http *h) {
    if (h->opening)
        return;
    h->opening = true;
    loop_defer(h->loop, on_open, h);
}

/* The connection stands, its own or another's; the request is about to be sent. */
static int on_connected(void *arg, char *to, char *from, int to_port, int from_port) {
    struct http_call *c = arg;
    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    door_through(&c->guest);
    open_door(c->http);
    return CURL_PREREQFUNC_OK;
}

static void learn_version(struct http_call *c, bool http1) {
    if (!c->guest.door)
        return;
    door_learn(&c->guest, http1);
    open_door(c->http);
}

/* ---- heads ---- */

static size_t on_header(char *line, size_t size, size_t n, void *arg) {
    struct http_call *c = arg;
    n *= size;
    sign_of_life(c);
    if (head_is_status(line, n)) {
        long status = 0;
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        head_begin(&c->head, status);
        if (n >= 6)
            learn_version(c, line[5] == '1');
    }
    c->refused = head_line(&c->head, &c->head_bytes, line, n, c->refusal, sizeof(c->refusal));
    return c->refused == HTTP_END_COMPLETE ? n : 0; /* which ends it */
}

static void on_fd(void *arg, int fd, unsigned events);

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch) {
    struct multi *m = arg;
    struct loop_watch *w = watch;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(m->curl, fd, NULL);
        loop_unwatch(&w);
        return 0;
    }
    unsigned events =
        (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
    if (w) {
        loop_watch_events(w, events);
        return 0;
    }
    /* The transfer falls to its silence timer then; there is nothing else to do for it. */
    if (loop_watch(m->http->loop, fd, events, on_fd, m, "provider", &w) != STATUS_OK) {
        log_error("cannot watch the connection to a provider (descriptor %d)", fd);
        return 0;
    }
    loop_watch_patient(w);
    curl_multi_assign(m->curl, fd, w);
    return 0;
}

static void on_timeout(void *arg);

static int on_timer(CURLM *curl, long ms, void *arg) {
    struct multi *m = arg;
    (void)curl;
    if (ms < 0)
        loop_timer_del(&m->timer);
    else if (m->timer)
        loop_timer_again(m->timer, ms * NS_PER_MS);
    else
        m->timer = loop_timer(m->http->loop, ms * NS_PER_MS, on_timeout, m, "provider timeout");
    return 0;
}

/* ---- the loop's callbacks ---- */

/* Which transfers have ended; then, with curl out of the way, everybody is told. */
static void collect(struct multi *m) {
    int left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(m->curl, &left));) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        struct http_call *c = (struct http_call *)(void *)private;
        c->code = msg->data.result;
        c->ended = true;
        mark(c);
    }
}

static void on_fd(void *arg, int fd, unsigned events) {
    struct multi *m = arg;
    int mask = 0, running;
    /* Never ERR alone: curl would say "select/poll error"; reading and writing tell it the real
     * one. */
    if (events & (LOOP_READ | LOOP_HUP))
        mask |= CURL_CSELECT_IN;
    if (events & (LOOP_WRITE | LOOP_HUP))
        mask |= CURL_CSELECT_OUT;
    curl_multi_socket_action(m->curl, fd, mask, &running);
    collect(m);
    deliver_all(m->http);
}

static void on_timeout(void *arg) {
    struct multi *m = arg;
    int running;
    m->timer = NULL; /* curl sets the next one while it acts */
    curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(m);
    deliver_all(m->http);
}

static void on_silence(void *arg) {
    struct http_call *c = arg;
    struct http *h = c->http;
    int64_t due = c->last_ns + c->silence_secs * NS_PER_SEC, now = loop_now_ns(h->loop);
    /* Bytes that wait here, read or paused, are not the other side's silence. */
    if (c->paused || c->in.len)
        due = now + NS_PER_SEC;
    bool late = c->end_ns && now >= c->end_ns;
    if (c->end_ns && due > c->end_ns)
        due = c->end_ns;
    if (now < due) {
        loop_timer_again(c->silence, due - now);
        return;
    }
    c->silence = NULL;
    if (!c->ended) {
        c->ended = true;
        c->late = late;
        c->silent = !late;
        mark(c);
    }
    deliver_all(h);
}

static void on_again(void *arg) {
    struct http *h = arg;
    h->again = NULL;
    deliver_all(h);
}

/* Its end is told from a later turn. */
static void end_later(struct http_call *c, CURLcode code) {
    struct http *h = c->http;
    c->code = code;
    c->ended = true;
    mark(c);
    if (!h->again)
        h->again = loop_timer(h->loop, 0, on_again, h, "provider backlog");
}

/* ---- delivery ---- */

static void call_free(struct http_call *c) {
    list_remove(&c->link);
    list_remove(&c->ready);
    list_remove(&c->start);
    loop_timer_del(&c->silence);
    if (c->http->current == c)
        c->http->current = NULL;
    if (c->guest.door) {
        door_leave(&c->guest);
        open_door(c->http);
    }
    /* Outside every callback of curl, as it must be. */
    curl_multi_remove_handle(c->multi->curl, c->easy);
    curl_easy_cleanup(c->easy);
    for (struct curl_slist *s = c->headers; s; s = s->next)
        explicit_bzero(s->data, strlen(s->data));
    curl_slist_free_all(c->headers);
    spend_body(c);
    free(c->tail);
    buf_free(&c->in);
    free(c);
}

static bool sent_request(const struct http_call *c) {
    curl_off_t us = 0;
    curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
    return us > 0;
}

bool http_sent(const struct http_call *c) {
    curl_off_t n = 0;
    curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &n);
    return n > 0 && (size_t)n >= c->r.body_len;
}

static bool refused_by_proxy(const struct http_call *c) {
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300;
}

/* Of a certificate that does not do: whether it is for want of trust in who made it, which a person
 * may have reasons for. */
static enum http_end end_of_trust(const struct http_call *c) {
    long verified = 0;
    curl_easy_getinfo(c->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    /* 1: it did not come to that; the name did not fit, or there was no certificate. */
    return verified > 1 && !strstr(c->error, "expired") ? HTTP_END_UNTRUSTED : HTTP_END_NO_TLS;
}

static enum http_end end_of(const struct http_call *c) {
    if (c->silent)
        return HTTP_END_SILENT;
    if (c->late)
        return HTTP_END_OVERTIME;
    if (c->refused != HTTP_END_COMPLETE)
        return c->refused;
    if (c->code != CURLE_OK && refused_by_proxy(c))
        return HTTP_END_NO_PROXY;
    switch ((int)c->code) {
    case CURLE_OK:
        return HTTP_END_COMPLETE;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_END_NO_NAME;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
        return HTTP_END_NO_CONNECT;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HTTP_END_NO_PROXY;
    case CURLE_OPERATION_TIMEDOUT: /* only connecting has a time limit in curl's hands */
        return HTTP_END_NO_CONNECT;
    case CURLE_URL_MALFORMAT:
        return HTTP_END_BAD_URL;
    case CURLE_UNSUPPORTED_PROTOCOL: /* also what curl says to an answer that is not HTTP */
        return sent_request(c) ? HTTP_END_GARBAGE : HTTP_END_BAD_URL;
    case CURLE_PEER_FAILED_VERIFICATION:
        return end_of_trust(c);
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_END_NO_TRUST;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
        return HTTP_END_NO_TLS;
    case CURLE_WEIRD_SERVER_REPLY:
        return HTTP_END_GARBAGE;
    case CURLE_BAD_CONTENT_ENCODING:
        return HTTP_END_PACKED;
    }
    return HTTP_END_CUT;
}

/* curl says of any of its failures to get one that the other side cannot be reached. */
static bool no_descriptor_left(void) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0 && (errno == EMFILE || errno == ENFILE);
}

static bool is_unreached(enum http_end end) {
    return end == HTTP_END_NO_NAME || end == HTTP_END_NO_CONNECT || end == HTTP_END_NO_PROXY ||
           end == HTTP_END_CUT;
}

static void tell_end(struct http_call *c) {
    struct http_result r = {.end = end_of(c), .sent = http_sent(c)};
    long err = 0;
    if (!c->silent && !c->late) {
        curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &err);
        r.timed_out = c->code == CURLE_OPERATION_TIMEDOUT;
        const char *detail = *c->refusal ? c->refusal
                             : *c->error ? c->error
                             : c->code   ? curl_easy_strerror(c->code)
                                         : "";
        size_t n = utf8_cut(detail, strlen(detail), sizeof(r.detail) - 1);
        memcpy(r.detail, detail, n);
    }
    r.os_errno = err > 0 && err <= INT_MAX ? (int)err : 0;
    if (c->code != CURLE_OK && !r.sent && is_unreached(r.end) && no_descriptor_left()) {
        r.end = HTTP_END_NO_CONNECT;
        r.timed_out = false;
        r.os_errno = EMFILE;
        r.detail[0] = '\0';
    }
    struct http_head head = c->head;
    void (*on_end)(void *, const struct http_head *, const struct http_result *) = c->r.on_end;
    void *arg = c->r.arg;
    /* First gone, then told: the callback may start the next call on the freed connection. */
    call_free(c);
    on_end(arg, &head, &r);
}

/* At most a turn's share of one call. Its callbacks may free it. */
static void deliver(struct http *h, struct http_call *c) {
    h->current = c;
    if (c->body && !c->tail && c->head.status >= 200)
        forget_body(c);
    if (c->alive) {
        c->alive = false;
        if (c->r.on_alive)
            c->r.on_alive(c->r.arg);
    }
    if (h->current && c->in.len) {
        struct buf in = c->in;
        struct http_head head = c->head;
        memset(&c->in, 0, sizeof(c->in));
        size_t n = in.len < TURN_BYTES ? in.len : TURN_BYTES;
        c->r.on_data(c->r.arg, &head, in.data, n);
        if (!h->current) {
            buf_free(&in);
            return;
        }
        buf_consume(&in, n);
        c->in = in;
    }
    if (!h->current)
        return;
    h->current = NULL;
    if (c->in.len) {
        mark(c);
        return;
    }
    if (c->paused) {
        /* Hands over what it held back, by on_body(): that is for the next turn. */
        c->paused = false;
        curl_easy_pause(c->easy, CURLPAUSE_CONT);
        collect(c->multi);
    }
    if (c->ended && !c->in.len)
        tell_end(c);
}

static void deliver_all(struct http *h) {
    if (h->delivering)
        return;
    h->delivering = true;
    struct list now;
    list_init(&now);
    while (!list_empty(&h->ready)) {
        struct list *it = h->ready.next;
        list_remove(it);
        list_push_back(&now, it);
    }
    while (!list_empty(&now)) {
        struct http_call *c = list_entry(now.next, struct http_call, ready);
        list_remove(&c->ready);
        if (!c->settled)
            deliver(h, c);
        else if (c->ended)
            call_free(c);
    }
    h->delivering = false;
    if (!list_empty(&h->ready) && !h->again)
        h->again = loop_timer(h->loop, 0, on_again, h, "provider backlog");
}

/* ---- requests ---- */

/* curl says NULL only when there is no memory, and that ends the program here as elsewhere. */
static void *must(void *p) {
    if (!p)
        (void)xreallocarray(NULL, SIZE_MAX, 2);
    return p;
}

/* curl the library does not look at these variables, only its command does. With a directory it
 * parses all certificates for every connection, 30 ms of this thread; without one it keeps them for
 * a day. Debian's curl has by default a file and the directory that the file was made of: the file
 * is enough. */
static void find_certificates(struct http *h) {
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    if (!h->ca_file)
        h->ca_file = xstrdup_null(getenv("SSL_CERT_FILE"));
    const char *dir = getenv("SSL_CERT_DIR"), *file = h->ca_file ? h->ca_file : curl->cainfo;
    bool same = file && str_eq(file, curl->cainfo) && str_eq(dir, curl->capath);
    h->ca_dir = same ? NULL : xstrdup_null(dir);
}

static void start_curl(struct multi *m, bool secure) {
    static bool started;
    if (!started && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        must(NULL);
    started = true;
    m->curl = must(curl_multi_init());
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
    curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
    curl_multi_setopt(m->curl, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(m->curl, CURLMOPT_MAX_CONCURRENT_STREAMS, HTTP_STREAMS);
    if (secure)
        find_certificates(m->http);
}

/* "host:port" of this machine itself. */
static bool is_loopback(const char *host) {
    const char *port = strrchr(host, ':');
    size_t n = port ? (size_t)(port - host) : 0;
    return (n == 9 && strncasecmp(host, "localhost", n) == 0) ||
           (n == 5 && strncmp(host, "[::1]", n) == 0) ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n);
}

static void set_options(struct http_call *c, const struct http_request *r, const char *host,
                        bool secure) {
    CURL *e = c->easy;
    struct http *h = c->http;
    for (size_t i = 0; i < r->headers->n; i++)
        c->headers = must(curl_slist_append(c->headers, r->headers->v[i]));
    /* No asking before a large body: it would wait a second for servers that do not know the
     * question. */
    c->headers = must(curl_slist_append(c->headers, "expect:"));
    curl_easy_setopt(e, CURLOPT_URL, r->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    if (r->socket)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, r->socket);
    if (r->socket || r->direct || is_loopback(host))
        curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not even where the environment names one */
    else if (h->proxy)
        curl_easy_setopt(e, CURLOPT_PROXY, h->proxy);
    if (h->no_proxy)
        curl_easy_setopt(e, CURLOPT_NOPROXY, h->no_proxy);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* none of it for a proxy */
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, h->user_agent);
    if (c->tail) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)upload_len(c));
        curl_easy_setopt(e, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(e, CURLOPT_READDATA, c);
        curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(e, CURLOPT_SEEKDATA, c);
    } else if (c->body) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body); /* not copied: c->body lives longer */
        curl_easy_setopt(e, CURLOPT_POST, 1L);
    }
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                     (long)(secure ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    /* Nothing is asked to be packed: that would be held back until a packet is full. What comes
     * packed all the same is unpacked. */
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "identity");
    curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    if (h->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
    if (h->ca_dir || h->ca_file || curl_version_info(CURLVERSION_NOW)->cainfo)
        curl_easy_setopt(e, CURLOPT_CAPATH, h->ca_dir);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, READ_BYTES);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)r->connect_secs);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    if (secure) {
        curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
        curl_easy_setopt(e, CURLOPT_PREREQDATA, c);
    }
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(e, CURLOPT_PRIVATE, c);
}

static void begin(struct http_call *c) {
    struct http *h = c->http;
    h->started++;
    loop_timer_del(&c->silence);
    c->last_ns = loop_now_ns(h->loop);
    int64_t whole = c->r.call_secs * NS_PER_SEC, silent = c->silence_secs * NS_PER_SEC;
    c->end_ns = whole ? c->last_ns + whole : 0;
    c->silence = loop_timer(h->loop, whole && whole < silent ? whole : silent, on_silence, c,
                            "provider silence");
    CURLMcode code = curl_multi_add_handle(c->multi->curl, c->easy);
    if (code == CURLM_OK)
        return;
    log_error("cannot start a request: %s", curl_multi_strerror(code));
    end_later(c, CURLE_FAILED_INIT);
}

static void on_starts(void *arg) {
    struct http *h = arg;
    h->starts = NULL;
    h->started = 0;
    while (h->started < STARTS_A_TURN && !list_empty(&h->starting)) {
        struct http_call *c = list_entry(h->starting.next, struct http_call, start);
        list_remove(&c->start);
        begin(c);
    }
    if (h->started)
        h->starts = loop_timer(h->loop, 0, on_starts, h, "provider starts");
}

/* It begins now, or in the first turn that has room for it. */
static void go(struct http_call *c) {
    struct http *h = c->http;
    if (!h->starts)
        h->starts = loop_timer(h->loop, 0, on_starts, h, "provider starts");
    if (h->started < STARTS_A_TURN && list_empty(&h->starting))
        begin(c);
    else
        list_push_back(&h->starting, &c->start);
}

static void on_open(void *arg) {
    struct http *h = arg;
    struct door_guest *g;
    h->opening = false;
    while ((g = door_next(&h->doors)) != NULL)
        go(list_entry(g, struct http_call, guest));
}

/* As long as connecting may take it has stood at the door: those before it do not get through. */
static void on_waited(void *arg) {
    struct http_call *c = arg;
    c->silence = NULL;
    door_leave(&c->guest);
    end_later(c, CURLE_OPERATION_TIMEDOUT);
}

struct http_call *http_send(struct http *h, const struct http_request *r) {
    bool secure = strncasecmp(r->url, "https:", 6) == 0;
    struct multi *m = &h->multi[secure ? SECURE : PLAIN];
    char host[HOST_MAX] = "";
    if (!m->curl)
        start_curl(m, secure);
    struct http_call *c = xcalloc(1, sizeof(*c));
    c->http = h;
    c->multi = m;
    c->r = *r;
    c->body = r->body;
    c->tail = xstrdup_null(r->tail);
    head_begin(&c->head, 0);
    c->silence_secs = r->silence_secs;
    list_init(&c->ready);
    list_init(&c->start);
    list_push_back(&h->calls, &c->link);
    c->easy = must(curl_easy_init());
    bool named = http_host(r->url, host, sizeof(host));
    set_options(c, r, host, secure);
    if (secure && named) {
        door_enter(&h->doors, &c->guest, host);
        c->silence =
            loop_timer(h->loop, r->connect_secs * NS_PER_SEC, on_waited, c, "provider door");
        open_door(h);
    } else {
        go(c);
    }
    return c;
}

void http_cancel(struct http_call **c) {
    if (*c)
        call_free(*c);
    *c = NULL;
}

static void on_settled(void *arg) {
    struct http_call *c = arg;
    c->silence = NULL;
    call_free(c);
}

void http_settle(struct http_call **pc) {
    struct http_call *c = *pc;
    *pc = NULL;
    if (c->ended || c->paused) {
        call_free(c);
        return;
    }
    c->settled = true;
    if (c->http->current == c)
        c->http->current = NULL;
    buf_free(&c->in);
    loop_timer_del(&c->silence);
    c->silence = loop_timer(c->http->loop, SETTLE_NS, on_settled, c, "provider settling");
}

/* ---- the whole ---- */

struct http *http_new(struct loop *l, const char *user_agent, const struct http_net *net) {
    struct http *h = xcalloc(1, sizeof(*h));
    h->loop = l;
    h->user_agent = xstrdup(user_agent);
    if (net) {
        h->proxy = xstrdup_null(net->proxy);
        h->no_proxy = xstrdup_null(net->no_proxy);
        h->ca_file = xstrdup_null(net->ca_file);
    }
    for (size_t i = 0; i < NMULTI; i++)
        h->multi[i].http = h;
    list_init(&h->calls);
    list_init(&h->ready);
    list_init(&h->starting);
    doors_init(&h->doors);
    return h;
}

void http_free(struct http **ph) {
    struct http *h = *ph;
    if (!h)
        return;
    while (!list_empty(&h->calls))
        call_free(list_entry(h->calls.next, struct http_call, link));
    for (size_t i = 0; i < NMULTI; i++) {
        if (h->multi[i].curl)
            curl_multi_cleanup(h->multi[i].curl);
        loop_timer_del(&h->multi[i].timer);
    }
    loop_timer_del(&h->again);
    loop_timer_del(&h->starts);
    loop_undefer(h->loop, on_open, h);
    free(h->user_agent);
    free(h->ca_file);
    free(h->ca_dir);
    free(h->proxy);
    free(h->no_proxy);
    x_free(ph);
}

bool http_host(const char *url, char *out, size_t size) {
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL;
    bool good = u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (good)
        snprintf(out, size, "%s:%s", host, port);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return good;
}
