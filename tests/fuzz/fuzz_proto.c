/* fuzz_proto: any bytes at all from a client. The lines do not depend on how the bytes were cut,
 * and a request that is taken is the same when it is written again. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/proto.h"
#include "tests/fuzz/driver.h"

#define SMALL 64 /* a bound that the corpus passes */

static void read_lines(const uint8_t *data, size_t n, size_t piece, size_t limit, struct buf *out) {
    struct proto_reader r = {.limit = limit};
    for (size_t at = 0; at < n; at += piece) {
        size_t k = n - at < piece ? n - at : piece;
        const char *line;
        size_t len;
        enum status st;
        memcpy(proto_reader_room(&r, k), data + at, k);
        proto_reader_added(&r, k);
        while ((st = proto_reader_line(&r, &line, &len)) == STATUS_OK) {
            fuzz_must(len <= (limit ? limit : PROTO_LINE_MAX), "a line beyond the bound");
            fuzz_must(!memchr(line, '\n', len), "a newline inside a line");
            buf_printf(out, "%zu:", len);
            buf_append(out, line, len);
        }
        if (st == STATUS_LIMIT) {
            buf_puts(out, "limit");
            break;
        }
    }
    proto_reader_free(&r);
}

static void check_cuts(const uint8_t *data, size_t n, size_t limit) {
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    read_lines(data, n, n + 1, limit, &whole);
    for (size_t piece = 1; piece <= 7; piece += 3) {
        buf_reset(&parts);
        read_lines(data, n, piece, limit, &parts);
        fuzz_must(whole.len == parts.len &&
                      (!whole.len || memcmp(whole.data, parts.data, whole.len) == 0),
                  "the cuts change the lines");
    }
    buf_free(&whole);
    buf_free(&parts);
}

static void check_request(const char *line, size_t n) {
    struct proto_request r, again;
    struct cause why = {""};
    if (proto_request_parse(line, n, &r, &why) != STATUS_OK) {
        fuzz_must(!r.args && why.text[0], "refused without a cause");
        return;
    }
    fuzz_must(r.id >= 1 && r.cmd, "a request without id or command");
    struct buf b = BUF_INIT, c = BUF_INIT;
    proto_put_request(&b, r.id, r.cmd, r.args);
    fuzz_must(b.data[b.len - 1] == '\n' && !memchr(b.data, '\n', b.len - 1), "not one line");
    fuzz_must(proto_request_parse(b.data, b.len - 1, &again, &why) == STATUS_OK,
              "what is written cannot be read");
    fuzz_must(r.id == again.id && str_eq(r.cmd, again.cmd), "another request");
    proto_put_request(&c, again.id, again.cmd, again.args);
    fuzz_must(str_eq(buf_str(&b), buf_str(&c)), "writing it again changes it");
    buf_free(&b);
    buf_free(&c);
    proto_request_free(&r);
    proto_request_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct proto_reader r = {0};
    const char *line;
    size_t len;
    check_cuts(data, n, 0);
    check_cuts(data, n, SMALL);
    if (n) {
        memcpy(proto_reader_room(&r, n), data, n);
        proto_reader_added(&r, n);
    }
    while (proto_reader_line(&r, &line, &len) == STATUS_OK)
        check_request(line, len);
    proto_reader_free(&r);
    return 0;
}

FUZZ_MAIN("proto")
