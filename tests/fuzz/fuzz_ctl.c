/* fuzz_ctl: any bytes at all from a client that has shown the token, to a real control server in
 * front of a real agent. Whatever is asked, every line that comes back is an object, no request is
 * answered twice, and the next client is served. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/fuzz/driver.h"
#include "tests/lib/ctl.h"
#include "tests/lib/script_llm.h"

#define TURNS 24    /* of the loop for what was asked */
#define ROUNDS 4000 /* inputs that one server sees: what they leave in it is bounded then */

static struct ctl_fixture *f;
static int rounds;

static void stop(void) {
    void *state = f;
    if (f)
        (void)fixture_teardown(&state);
    f = NULL;
}

static void start(void) {
    static bool registered;
    void *state = NULL;
    (void)fixture_setup_daemon(&state);
    f = state;
    rounds = 0;
    static const char yes[] =
        "[{\"type\":\"tool_use\",\"name\":\"reply\",\"input\":{\"content\":\"yes\"}}]";
    script_default(SCRIPT_CHANNEL, yes);
    script_default(SCRIPT_BRANCH, "[{\"type\":\"text\",\"text\":\"thought\"}]");
    script_default(SCRIPT_WORKER, "[{\"type\":\"text\",\"text\":\"done\"}]");
    if (!registered)
        (void)atexit(stop);
    registered = true;
}

/* What has come, without waiting: each line is an object of a known form. False: hung up on. */
static bool hear(struct peer *p, struct buf *answered) {
    for (;;) {
        const char *line;
        size_t n;
        while (proto_reader_line(&p->in, &line, &n) == STATUS_OK) {
            cJSON *o = NULL;
            fuzz_must(json_parse(line, n, &o, NULL) == STATUS_OK && cJSON_IsObject(o),
                      "a line that is no object");
            fuzz_must(cJSON_HasObjectItem(o, "ok") || json_obj(o, "event") ||
                          json_str(o, "screen", NULL) || json_str(o, "ended", NULL),
                      "a line of no known form");
            if (cJSON_HasObjectItem(o, "ok"))
                buf_putc(answered, '.');
            cJSON_Delete(o);
        }
        ssize_t got = recv(p->fd, proto_reader_room(&p->in, 65536), 65536, MSG_DONTWAIT);
        if (got > 0)
            proto_reader_added(&p->in, (size_t)got);
        else
            return got < 0 && errno == EAGAIN;
    }
}

static void ask(const uint8_t *data, size_t n) {
    struct peer *p = peer_greeted(f);
    struct buf answered = BUF_INIT;
    bool open = true;
    size_t lines = 1;
    for (size_t i = 0; i < n; i++)
        lines += data[i] == '\n';
    for (size_t at = 0; at < n && open;) {
        ssize_t sent = send(p->fd, data + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        fixture_turn(f);
        open = hear(p, &answered);
    }
    for (int i = 0; i < TURNS && open; i++) {
        fixture_turn(f);
        open = hear(p, &answered);
    }
    fuzz_must(answered.len <= lines, "more answers than requests");
    buf_free(&answered);
    peer_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (!f)
        start();
    ask(data, n);
    fixture_turns(f, 2);
    struct peer *next = peer_greeted(f);
    peer_expect_ok(f, next, "status", "");
    peer_free(&next);
    fixture_turns(f, 2);
    if (++rounds == ROUNDS)
        stop();
    return 0;
}

FUZZ_MAIN("ctl")
