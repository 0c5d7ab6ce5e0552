/* mime: the signatures are those of the formats' own specifications. */
#include "base/mime.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#define LOOK 8192u

static const struct {
    size_t at;
    const char *bytes;
    size_t n;
    const char *mime;
} signatures[] = {
    {0, "\x89PNG\r\n\x1a\n", 8, "image/png"},
    {0, "\xff\xd8\xff", 3, "image/jpeg"},
    {0, "GIF87a", 6, "image/gif"},
    {0, "GIF89a", 6, "image/gif"},
    {8, "WEBP", 4, "image/webp"},
    {8, "WAVE", 4, "audio/wav"},
    {0, "%PDF-", 5, "application/pdf"},
    {0, "ID3", 3, "audio/mpeg"},
    {0, "\xff\xfb", 2, "audio/mpeg"},
    {0, "\xff\xf3", 2, "audio/mpeg"},
    {0, "\xff\xf2", 2, "audio/mpeg"},
    {0, "\xff\xf1", 2, "audio/aac"},
    {8, "AIFF", 4, "audio/aiff"},
    {0, "#!AMR", 5, "audio/amr"},
    {0, "OggS", 4, "audio/ogg"},
    {0, "fLaC", 4, "audio/flac"},
    {4, "ftypM4A", 7, "audio/mp4"},
    {4, "ftyp", 4, "video/mp4"},
    {0, "\x1a\x45\xdf\xa3", 4, "video/webm"},
    {0, "PK\x03\x04", 4, "application/zip"},
    {0, "\x1f\x8b", 2, "application/gzip"},
    {0, "\x28\xb5\x2f\xfd", 4, "application/zstd"},
    {0,
     "\xfd"
     "7zXZ",
     5, "application/x-xz"},
    {0, "SQLite format 3", 16, "application/vnd.sqlite3"},
    {0,
     "\x7f"
     "ELF",
     4, "application/x-executable"},
};

/* All of it but a character that the end has cut. */
static bool is_text(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int len = utf8_decode(s + i, n - i, &c);
        if (len < 0)
            return false;
        if (len == 0)
            return n - i < 4 && i > 0;
        if ((c < 0x20 && !strchr("\t\n\r\f\x1b", (int)c)) || c == 0)
            return false;
        i += (size_t)len;
    }
    return true;
}

const char *mime_of(const char *s, size_t n) {
    if (n > LOOK)
        n = LOOK;
    for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
        size_t at = signatures[i].at, len = signatures[i].n;
        if (n >= at + len && memcmp(s + at, signatures[i].bytes, len) == 0)
            return signatures[i].mime;
    }
    return is_text(s, n) ? "text/plain" : "application/octet-stream";
}

bool mime_is_text(const char *mime) { return str_prefix(mime, "text/"); }
