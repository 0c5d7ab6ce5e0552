/* nghttpx: see nghttpx.h. */
#include "tests/lib/nghttpx.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/run.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/wait.h"

#define START_TRIES 5 /* a port that was free may be taken when it is asked for */
#define LOOK_MS 20

struct nghttpx {
    struct run *run;
    char *authority;
    int port, plain;
};

static bool in_path(const char *program) {
    char *path = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/bin"), *rest = path, *dir;
    bool found = false;
    while (!found && (dir = strsep(&rest, ":")) != NULL) {
        char *file = xasprintf("%s/%s", dir, program);
        found = access(file, X_OK) == 0;
        free(file);
    }
    free(path);
    return found;
}

/* ---- certificates ---- */

static bool openssl(const char *dir, const char *const *argv, struct cause *why) {
    struct run *r = run_all(&(struct run_spec){.argv = argv, .dir = dir}, WAIT_MS);
    bool ok = run_code(r) == 0;
    if (!ok)
        (void)cause_set(why, STATUS_IO, "openssl: %.300s", run_err(r));
    run_free(&r);
    return ok;
}

/* An authority that lives for a day, and what it says of whoever is to be named. */
static bool make_certificates(const char *dir, const char *name, struct cause *why) {
    char *names = xasprintf("%s/names", dir);
    FILE *f = fopen(names, "we");
    free(names);
    if (!f ||
        fprintf(f, "subjectAltName = %s\n", name ? name : "IP:127.0.0.1, DNS:localhost") < 0 ||
        fclose(f) != 0) {
        (void)cause_set(why, STATUS_IO, "cannot write in %s", dir);
        return false;
    }
    return openssl(dir,
                   ARGS("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                        "/CN=spacebot test authority", "-keyout", "authority.key", "-out",
                        "authority.pem"),
                   why) &&
           openssl(dir,
                   ARGS("openssl", "req", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1",
                        "-keyout", "key.pem", "-out", "request.pem"),
                   why) &&
           openssl(dir,
                   ARGS("openssl", "x509", "-req", "-in", "request.pem", "-CA", "authority.pem",
                        "-CAkey", "authority.key", "-CAcreateserial", "-days", "1", "-extfile",
                        "names", "-out", "cert.pem"),
                   why);
}

/* ---- the program ---- */

/* A socket that holds a port until somebody else is to have it. */
static int hold_port(int *port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 &&
        getsockname(fd, (struct sockaddr *)&a, &n) == 0)
        *port = ntohs(a.sin_port);
    return fd;
}

static bool answers(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* False when it ends without listening. */
static bool start_once(struct nghttpx *x, const struct nghttpx_spec *spec) {
    int held[2] = {hold_port(&x->port), hold_port(&x->plain)};
    struct strv argv = {0};
    strv_push(&argv, "nghttpx");
    strv_push(&argv, "--conf=/dev/null");
    strv_push(&argv, "--single-process");
    strv_push(&argv, "--workers=1");
    strv_push(&argv, "--no-ocsp");
    strv_push(&argv, "--accesslog-file=/dev/null");
    strv_push(&argv, "--log-level=WARN");
    if (spec->alpn)
        strv_pushf(&argv, "--npn-list=%s", spec->alpn); /* whatever the name: ALPN by it, too */
    strv_pushf(&argv, "--frontend-http2-max-concurrent-streams=%d", spec->streams);
    /* A stream of which nobody says anything is no stream that has died. */
    strv_push(&argv, "--frontend-http2-read-timeout=1h");
    strv_push(&argv, "--frontend-read-timeout=1h");
    strv_push(&argv, "--stream-write-timeout=1h");
    strv_push(&argv, "--backend-read-timeout=1h");
    strv_pushf(&argv, "--frontend=127.0.0.1,%d", x->port);
    strv_pushf(&argv, "--frontend=127.0.0.1,%d;no-tls", x->plain);
    strv_pushf(&argv, "--backend=127.0.0.1,%d", spec->backend);
    strv_push(&argv, "key.pem");
    strv_push(&argv, "cert.pem");
    close(held[0]);
    close(held[1]);
    x->run = run_start(&(struct run_spec){.argv = (const char *const *)argv.v, .dir = spec->dir});
    strv_free(&argv);
    /* It says nothing when it is ready, so it is asked. */
    int64_t deadline = wait_until(WAIT_MS);
    while (wait_left(deadline) > 0) {
        if (run_wait_exit(x->run, LOOK_MS))
            return false;
        if (answers(x->port) && answers(x->plain))
            return true;
    }
    return false;
}

struct nghttpx *nghttpx_start(const struct nghttpx_spec *spec, struct cause *why) {
    static const char *const needed[] = {"nghttpx", "openssl"};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (!in_path(needed[i])) {
            (void)cause_set(why, STATUS_NOT_FOUND, "%s is not installed", needed[i]);
            return NULL;
        }
    }
    if (!make_certificates(spec->dir, spec->name, why))
        return NULL;
    struct nghttpx *x = xcalloc(1, sizeof(*x));
    x->authority = xasprintf("%s/authority.pem", spec->dir);
    for (int i = 0; i < START_TRIES; i++) {
        if (start_once(x, spec))
            return x;
        (void)cause_set(why, STATUS_IO, "nghttpx: %.300s", run_err(x->run));
        run_free(&x->run);
    }
    nghttpx_stop(&x);
    return NULL;
}

int nghttpx_port(const struct nghttpx *x) { return x->port; }
int nghttpx_plain_port(const struct nghttpx *x) { return x->plain; }
const char *nghttpx_authority(const struct nghttpx *x) { return x->authority; }

void nghttpx_stop(struct nghttpx **px) {
    struct nghttpx *x = *px;
    if (!x)
        return;
    run_free(&x->run);
    free(x->authority);
    x_free(px);
}
