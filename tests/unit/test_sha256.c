/* SHA-256 against the vectors of FIPS 180-4 and their edges: what the padding does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/sha256.h"

static void is(const char *text, size_t n, const char *hex) {
    char out[SHA256_HEX_SIZE];
    sha256_of(text, n, out);
    assert_string_equal(out, hex);
}

static void known_texts_have_their_known_hashes(void **state) {
    (void)state;
    is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *long_one = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    is(long_one, strlen(long_one),
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void a_million_letters_in_pieces_of_every_size(void **state) {
    (void)state;
    static const char expected[] =
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    const size_t all = 1000000;
    char *text = xmalloc(all);
    memset(text, 'a', all);
    for (size_t piece = 1; piece < 200; piece += 21) {
        struct sha256 h;
        char out[SHA256_HEX_SIZE];
        sha256_init(&h);
        for (size_t at = 0; at < all; at += piece)
            sha256_add(&h, text + at, all - at < piece ? all - at : piece);
        sha256_hex(&h, out);
        assert_string_equal(out, expected);
    }
    x_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_known_hashes),
        cmocka_unit_test(a_million_letters_in_pieces_of_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
