/* copy: OSC 52, as xterm has it, and a file. */
#include "ui/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define SCREEN_PIECE 500u /* screen takes a device string of 768 bytes at most */

static void base64(const char *text, size_t n, struct buf *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)text[i] << 16;
        v |= i + 1 < n ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint32_t)(unsigned char)text[i + 2] : 0;
        buf_putc(out, digits[v >> 18 & 63]);
        buf_putc(out, digits[v >> 12 & 63]);
        buf_putc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
        buf_putc(out, i + 2 < n ? digits[v & 63] : '=');
    }
}

bool copy_sequence(const char *term, const char *text, size_t n, struct buf *out) {
    if (n > COPY_MAX)
        return false;
    struct buf b = BUF_INIT;
    buf_puts(&b, "\x1b]52;c;");
    base64(text, n, &b);
    buf_putc(&b, '\a');
    if (!str_prefix(term, "screen")) {
        buf_append(out, b.data, b.len);
    } else { /* in pieces, each in a device string of its own */
        for (size_t at = 0; at < b.len; at += SCREEN_PIECE) {
            size_t len = b.len - at < SCREEN_PIECE ? b.len - at : SCREEN_PIECE;
            buf_puts(out, "\x1bP");
            buf_append(out, b.data + at, len);
            buf_puts(out, "\x1b\\");
        }
    }
    buf_free(&b);
    return true;
}

enum status copy_to_file(const char *path, const char *text, size_t n, struct cause *why) {
    char *beside = xasprintf("%s.new", path);
    enum status st = STATUS_OK;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t done = 0;
    while (fd >= 0 && done < n) {
        ssize_t w = write(fd, text + done, n - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            break;
        done += (size_t)w;
    }
    if (fd < 0 || done < n || rename(beside, path) < 0)
        st = cause_errno(why, STATUS_IO, errno, "%s could not be written", path);
    if (fd >= 0)
        close(fd);
    x_free(&beside);
    return st;
}
