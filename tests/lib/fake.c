/* fake: see fake.h. */
#include "tests/lib/fake.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/jsonl.h"
#include "tests/lib/run.h"
#include "tests/lib/wait.h"
#include "tests/lib/where.h"

struct fake {
    struct run *run;
    char dir[64], scenario[96], log[96];
    char url[64];
    int port;
};

struct fake *fake_start(const char *scenario) {
    struct fake *f = xcalloc(1, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/sbfake-XXXXXX");
    if (!mkdtemp(f->dir))
        fail_msg("mkdtemp: %s", strerror(errno));
    snprintf(f->scenario, sizeof(f->scenario), "%s/scenario.json", f->dir);
    snprintf(f->log, sizeof(f->log), "%s/log.jsonl", f->dir);
    FILE *out = fopen(f->scenario, "we");
    if (!out || fputs(scenario, out) < 0 || fclose(out) != 0)
        fail_msg("%s: %s", f->scenario, strerror(errno));
    const char *argv[] = {where_fake(), "--log", f->log, f->scenario, NULL};
    f->run = run_start(&(struct run_spec){.argv = argv, .open_stdin = true});
    if (!run_wait_out(f->run, "\n", WAIT_MS) ||
        sscanf(run_out(f->run), "port %d\n", &f->port) != 1) {
        fprintf(stderr, "the fake provider does not start: %s", run_err(f->run));
        fake_stop(&f);
        fail();
    }
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d", f->port);
    return f;
}

int fake_port(const struct fake *f) { return f->port; }
const char *fake_url(const struct fake *f) { return f->url; }

/* Whether the nth line with the prefix is there, complete. */
static bool said(const struct fake *f, const char *prefix, int nth) {
    for (const char *at = run_out(f->run), *nl; (nl = strchr(at, '\n')); at = nl + 1)
        if (str_prefix(at, prefix) && --nth == 0)
            return true;
    return false;
}

bool fake_wait(struct fake *f, const char *prefix, int nth, int ms) {
    int64_t deadline = wait_until(ms);
    while (!said(f, prefix, nth)) {
        /* Waits for one more byte than there is: for any new line. */
        size_t before = strlen(run_out(f->run));
        if (!run_wait_more(f->run, before, wait_left(deadline)))
            return false;
    }
    return true;
}

void fake_must(struct fake *f, const char *prefix, int nth, const char *file, int line) {
    if (fake_wait(f, prefix, nth, WAIT_MS))
        return;
    fprintf(stderr, "%s:%d: the fake provider has not said \"%s\" (%d); it said:\n%s%s", file, line,
            prefix, nth, run_out(f->run), run_err(f->run));
    fail();
}

void fake_release(struct fake *f, const char *name) {
    char *command = xasprintf("release %s\n", name);
    run_write(f->run, command);
    x_free(&command);
}

cJSON *fake_log(const struct fake *f) {
    struct buf text = BUF_INIT;
    FILE *in = fopen(f->log, "re");
    size_t n;
    if (!in)
        fail_msg("%s: %s", f->log, strerror(errno));
    while ((n = fread(buf_room(&text, 65536), 1, 65536, in)) > 0)
        buf_added(&text, n);
    fclose(in);
    cJSON *all = jsonl_parse(buf_str(&text));
    buf_free(&text);
    return all;
}

cJSON *fake_requests(const struct fake *f) {
    cJSON *all = fake_log(f), *it = all->child;
    while (it) {
        cJSON *next = it->next;
        if (strcmp(json_str(it, "type", ""), "request") != 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(all, it));
        it = next;
    }
    return all;
}

void fake_assert_clean(const struct fake *f) {
    cJSON *all = fake_requests(f), *it;
    cJSON_ArrayForEach(it, all) {
        const char *rejected = json_str(it, "rejected", NULL);
        if (!rejected)
            continue;
        char *shown = json_print(it);
        fprintf(stderr, "the fake provider refused request %d: %s\n%s\n",
                (int)json_i64(it, "call", 0), rejected, shown);
        x_free(&shown);
        cJSON_Delete(all);
        fail();
    }
    cJSON_Delete(all);
}

void fake_stop(struct fake **fp) {
    struct fake *f = *fp;
    if (!f)
        return;
    *fp = NULL;
    run_close_stdin(f->run);
    bool ended = run_wait_exit(f->run, WAIT_MS);
    int code = run_code(f->run);
    if (!ended || code != 0)
        fprintf(stderr, "the fake provider ended with %d: %s\n", code, run_err(f->run));
    run_free(&f->run);
    unlink(f->scenario);
    unlink(f->log);
    rmdir(f->dir);
    free(f);
    assert_int_equal(code, 0);
}

char *fake_dead_url(int *fd) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&addr, len) < 0 ||
        getsockname(*fd, (struct sockaddr *)&addr, &len) < 0)
        fail_msg("cannot bind: %s", strerror(errno));
    return xasprintf("http://127.0.0.1:%d", ntohs(addr.sin_port));
}
