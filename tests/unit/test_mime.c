/* mime: kinds by content, whatever a name says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/mime.h"

static const struct {
    const char *bytes;
    size_t n;
    const char *want;
} samples[] = {
    {"\x89PNG\r\n\x1a\n....", 12, "image/png"},
    {"\xff\xd8\xff\xe0", 4, "image/jpeg"},
    {"GIF89a...", 9, "image/gif"},
    {"RIFF\x10\0\0\0WEBPVP8 ", 16, "image/webp"},
    {"RIFF\x10\0\0\0WAVEfmt ", 16, "audio/wav"},
    {"%PDF-1.7\n%\xe2\xe3", 11, "application/pdf"},
    {"PK\x03\x04\x14", 5, "application/zip"},
    {"\x1f\x8b\x08", 3, "application/gzip"},
    {"\0\0\0\x20"
     "ftypisom",
     12, "video/mp4"},
    {"SQLite format 3\0", 16, "application/vnd.sqlite3"},
    {"", 0, "text/plain"},
    {"a line\n", 7, "text/plain"},
    {"caf\xc3\xa9", 5, "text/plain"},
    {"caf\xc3", 4, "text/plain"}, /* the end has cut it */
    {"%PDF", 4, "text/plain"},
    {"a\0b", 3, "application/octet-stream"},
    {"a\xff\xfe b", 5, "application/octet-stream"},
    {"a\x01 b", 4, "application/octet-stream"},
    {"\xc3", 1, "application/octet-stream"},
};

static void content_tells_its_kind(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        assert_string_equal(mime_of(samples[i].bytes, samples[i].n), samples[i].want);
        assert_int_equal(mime_is_text(samples[i].want), strncmp(samples[i].want, "text", 4) == 0);
    }
}

static void only_the_beginning_counts(void **state) {
    static char long_text[20000];
    (void)state;
    memset(long_text, 'x', sizeof long_text);
    long_text[15000] = '\0';
    assert_string_equal(mime_of(long_text, sizeof long_text), "text/plain");
    long_text[8191] = '\xc3'; /* cut where the looking ends */
    assert_string_equal(mime_of(long_text, sizeof long_text), "text/plain");
    long_text[100] = '\0';
    assert_string_equal(mime_of(long_text, sizeof long_text), "application/octet-stream");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(content_tells_its_kind),
                                       cmocka_unit_test(only_the_beginning_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
