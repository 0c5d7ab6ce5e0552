/* sound: heads tell the length, and what lies or is cut off tells nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sound.h"

/* 16,000 bytes a second. */
#define FMT "RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0"
#define DATA(len) FMT "data" len

static int64_t of(const char *s, size_t n, int64_t bytes) { return sound_duration_ms(s, n, bytes); }

static void wav(void **state) {
    (void)state;
    static const char two[] = DATA("\0\x7d\0\0"); /* 32,000 bytes */
    static const char open[] = DATA("\xff\xff\xff\xff"), none[] = DATA("\0\0\0\0");
    static const char still[] = "RIFF....WAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x02\0\x10\0"
                                "data\0\x7d\0\0";
    size_t n = sizeof two - 1;
    assert_int_equal(of(two, n, (int64_t)n + 32000), 2000);
    assert_int_equal(of(two, n, (int64_t)n + 8000), 500); /* the file ends first */
    assert_int_equal(of(open, n, (int64_t)n + 16000), 1000);
    assert_int_equal(of(none, n, (int64_t)n + 16000), 1000);
    assert_int_equal(of(none, n, (int64_t)n), -1);
    assert_int_equal(of(still, sizeof still - 1, 99999), -1);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(of(two, cut, (int64_t)n + 32000), -1);
}

static void flac(void **state) {
    (void)state;
    /* 44,100 samples a second, 88,200 of them. */
    static const char head[] =
        "fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x40\xf0\0\x01\x58\x88";
    size_t n = sizeof head - 1;
    assert_int_equal(of(head, n, 5000), 2000);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(of(head, cut, 5000), -1);
}

static void others(void **state) {
    (void)state;
    assert_int_equal(of("OggS....", 8, 5000), -1);
    assert_int_equal(of("", 0, 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wav), cmocka_unit_test(flac),
                                       cmocka_unit_test(others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
