/* attach-plain: follows everything and prints it as lines. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "ctl/attach.h"
#include "ctl/plain.h"

static enum status begin(struct ctl_conn *c, struct plain *p, struct cause *why) {
    cJSON *body = NULL;
    enum status st = ctl_request(c, "ps", NULL, CTL_WAIT_NS, &body, why);
    const cJSON *it = NULL;
    if (st == STATUS_OK)
        cJSON_ArrayForEach(it, json_arr(body, "processes")) plain_learn(p, it);
    cJSON_Delete(body);
    return st == STATUS_OK ? ctl_request(c, "follow", NULL, CTL_WAIT_NS, NULL, why) : st;
}

/* What has come. -1: go on; else the exit code. */
static int print_lines(struct ctl_conn *c, struct plain *p) {
    struct buf out = BUF_INIT;
    int code = -1;
    while (code < 0) {
        cJSON *line = NULL;
        struct cause why;
        enum status st = ctl_conn_read(c, 0, &line, &why);
        if (st == STATUS_TIMEOUT)
            break;
        if (st == STATUS_OK && ctl_line_event(line))
            plain_event(p, ctl_line_event(line), &out);
        if (st == STATUS_OK && ctl_line_ended(line)) {
            fprintf(stderr, "spacebot: %s\n", ctl_line_ended(line));
            code = 0;
        }
        if (st != STATUS_OK) {
            fprintf(stderr, "spacebot: %s\n", why.text);
            code = 1;
        }
        cJSON_Delete(line);
    }
    if (fwrite(buf_str(&out), 1, out.len, stdout) != out.len || fflush(stdout) != 0)
        code = 1; /* who read it is gone */
    buf_free(&out);
    return code;
}

int attach_plain(struct ctl_conn *c) {
    const struct plain_options o = {.times = true, .messages = true, .output = true};
    struct plain *p = plain_new(&o);
    struct cause why;
    int code = -1;
    if (begin(c, p, &why) != STATUS_OK) {
        fprintf(stderr, "spacebot: %s\n", why.text);
        code = 1;
    }
    int signals = ctl_interrupts();
    while (code < 0) {
        code = print_lines(c, p);
        if (code >= 0)
            break;
        enum status st = ctl_conn_wait(c, signals, -1);
        if (st != STATUS_OK)
            code = st == STATUS_CANCELLED ? 130 : 1;
    }
    close(signals);
    plain_free(&p);
    return code;
}
