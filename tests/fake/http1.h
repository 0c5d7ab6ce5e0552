/* http1: the server side of HTTP/1.1, as much of it as a model provider's client can come to need:
 * keep-alive, Content-Length and chunked request bodies, Expect: 100-continue. It reads bytes that
 * the caller has received and never touches a socket. */
#ifndef FAKE_HTTP1_H
#define FAKE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define HTTP1_HEAD_MAX (64u * 1024u)
#define HTTP1_BODY_MAX (32u * 1024u * 1024u) /* the provider's own limit: 413 above it */

struct http1_header {
    char *name; /* lower case */
    char *value;
};

struct http1_request {
    char *method, *path;
    struct http1_header *headers;
    size_t nheaders;
    struct buf body;
    bool keep_alive;
};

enum http1_result {
    HTTP1_MORE,     /* not complete yet */
    HTTP1_CONTINUE, /* not complete, and the client waits for "100 Continue" (answer it once) */
    HTTP1_DONE,     /* *out is filled, its bytes are gone from `in` */
    HTTP1_TOO_LARGE,
    HTTP1_BAD /* why says what */
};

/* Tries to take one request off the front of `in`. On HTTP1_DONE the caller owns *out. */
enum http1_result http1_parse(struct buf *in, struct http1_request *out, struct cause *why);
void http1_free(struct http1_request *r);
/* The value of a header (name in lower case), or NULL. Lent. */
const char *http1_header(const struct http1_request *r, const char *name);
/* "OK", "Too Many Requests", ... */
const char *http1_reason(int status);

#endif
