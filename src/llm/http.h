/* http: streamed requests over curl's multi_socket interface, on the loop. Bytes in, bytes
 * out, and why it ended; what they mean is the caller's. curl's own callbacks only copy: everything
 * that decides runs after curl has returned, so that a callback of ours may start and cancel
 * whatever it likes. */
#ifndef LLM_HTTP_H
#define LLM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "llm/rate.h"
#include "loop/loop.h"

struct http;
struct http_call;

/* Streams that share a connection by HTTP/2, or as many as the server allows when that is fewer.
 * Whatever arrives on a connection, curl turns to each of its streams (4 us each): a thousand
 * streams, of which each has an event a second, take 35 % of a core at a hundred a connection, 5 %
 * at sixteen and 2 % at eight. A connection is 70 KB, and dies for its own streams alone. */
#define HTTP_STREAMS 8L

/* How a request ended. */
#define HTTP_END_TABLE(X)                                                                          \
    X(COMPLETE)   /* the body came to its end; any status */                                       \
    X(NO_NAME)    /* the host's name was not found */                                              \
    X(NO_CONNECT) /* refused, unreachable, no answer in connect_secs */                            \
    X(NO_PROXY)   /* the same of the proxy */                                                      \
    X(NO_TLS)     /* no secure connection, or a certificate for somebody else */                   \
    X(UNTRUSTED)  /* a certificate by nobody who is trusted here */                                \
    X(NO_TRUST)   /* the certificates to trust cannot be read */                                   \
    X(BAD_URL)                                                                                     \
    X(CUT)      /* the connection ended first */                                                   \
    X(SILENT)   /* no byte for silence_secs */                                                     \
    X(OVERTIME) /* no end for call_secs */                                                         \
    X(GARBAGE)  /* not HTTP */                                                                     \
    X(PACKED)   /* HTTP, but a body that cannot be unpacked, or is not */
enum http_end {
#define X(name) HTTP_END_##name,
    HTTP_END_TABLE(X)
#undef X
};

/* From the last response header block; as received but for being cut: clean before showing. */
struct http_head {
    int status;             /* 0: none yet */
    int64_t retry_after_ms; /* -1: not told */
    struct llm_rate rate;
    char content_type[128];
    char request_id[80];
    char location[512];
    bool packed; /* its body is, or is said to be */
};

struct http_result {
    enum http_end end;
    bool timed_out;   /* of NO_CONNECT and NO_NAME: no answer at all */
    bool sent;        /* the whole request had left */
    int os_errno;     /* 0 when none */
    char detail[256]; /* curl's words, "" when none */
};

struct http_request {
    const char *url;
    const char *socket;         /* a UNIX socket to connect to in place of the host; NULL: none */
    bool direct;                /* by no proxy, whatever the environment says */
    const struct strv *headers; /* "name: value"; copied, and wiped at the end */
    char *body;                 /* what is posted; taken: freed at the end. NULL: a GET */
    size_t body_len;
    /* Where there is a `tail` (copied), a file and it are posted behind the body: a regular one,
     * from its beginning, read in the pieces that curl sends; lent until the end. */
    const char *tail;
    int file;
    int64_t file_bytes;
    /* Who wants the body when it is not needed any more, as an answer has begun or the call has
     * ended, perhaps after on_end: it is theirs to free. fn NULL: nobody. */
    struct {
        void (*fn)(void *arg, int64_t n, char *body, size_t len);
        void *arg;
        int64_t n;
    } spent;
    int connect_secs, silence_secs;
    int call_secs; /* for all of it; 0: as long as it takes */
    /* Bytes of the body, in order; h is what is known by now. Lent. */
    void (*on_data)(void *arg, const struct http_head *h, const char *data, size_t n);
    /* Anything at all arrived, headers included; before on_data. May be NULL. */
    void (*on_alive)(void *arg);
    /* Last call; the call is gone when it returns. */
    void (*on_end)(void *arg, const struct http_head *h, const struct http_result *r);
    void *arg;
};

/* How the net is reached; NULL: what the environment says. This machine itself is never reached
 * through a proxy. Copied. */
struct http_net {
    const char *proxy;    /* a URL; "": none */
    const char *no_proxy; /* hosts that are reached without one, divided by commas */
    const char *ca_file;  /* certificates to trust, in place of the system's */
};
/* Nothing of curl is touched before the first request. `net`: NULL: all as the environment says. */
struct http *http_new(struct loop *l, const char *user_agent, const struct http_net *net);
/* Ends all without a callback. Not from a callback of a call. */
void http_free(struct http **h);

/* Never NULL; callbacks come from later turns only. */
struct http_call *http_send(struct http *h, const struct http_request *r);
/* No callback comes after it. At once: does not wait for a name to be resolved. NULL is fine; sets
 * NULL. */
void http_cancel(struct http_call **c);
/* Whether the whole request has left. */
bool http_sent(const struct http_call *c);
/* The answer is complete for its reader: no callback comes after it, but the connection gets a
 * moment to come to the body's end, so that it can be used again. Sets NULL. */
void http_settle(struct http_call **c);

/* "host:port" of a URL, for people; never user or password. False when it is no URL. */
bool http_host(const char *url, char *out, size_t size);

#endif
