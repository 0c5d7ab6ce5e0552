/* nghttpx: TLS and HTTP/2 in front of a server that speaks plain HTTP/1.1, by the program of that
 * name (Debian's nghttp2-proxy), with a certificate by an authority that is made for the occasion.
 * Whoever connects verifies it as any other: the authority's file is named to it. */
#ifndef TESTLIB_NGHTTPX_H
#define TESTLIB_NGHTTPX_H

#include "base/status.h"

struct nghttpx;

struct nghttpx_spec {
    const char *dir;  /* an empty place for keys and certificates */
    int backend;      /* the server's port on 127.0.0.1 */
    int streams;      /* at most so many at once on a connection */
    const char *alpn; /* what TLS offers, "http/1.1"; NULL: all that it speaks */
    const char *name; /* the certificate is for it: "DNS:host"; NULL: for this machine */
};

/* NULL with the reason when it or openssl is not installed, or does not work. */
struct nghttpx *nghttpx_start(const struct nghttpx_spec *spec, struct cause *why);
int nghttpx_port(const struct nghttpx *x);       /* TLS, on 127.0.0.1 */
int nghttpx_plain_port(const struct nghttpx *x); /* HTTP/2 without TLS, to who knows beforehand */
const char *nghttpx_authority(const struct nghttpx *x); /* a file, for SSL_CERT_FILE; lent */
/* NULL is fine; sets NULL. */
void nghttpx_stop(struct nghttpx **x);

#endif
