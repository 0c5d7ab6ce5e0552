/* hash: the map against a plain array, order and deletion while walking, the hash itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

static int values[4096];

static void empty(void **state) {
    (void)state;
    struct map *m = map_new();
    size_t pos = 0;
    assert_null(map_get(m, "x"));
    assert_null(map_del(m, "x"));
    assert_null(map_next(m, &pos, NULL));
    assert_int_equal(map_count(m), 0);
    map_free(&m);
    assert_null(m);
    map_free(&m);
}

static void put_get_del(void **state) {
    (void)state;
    struct map *m = map_new();
    char key[] = "key";
    assert_null(map_put(m, key, &values[1]));
    key[0] = 'K'; /* the key was copied */
    assert_ptr_equal(map_get(m, "key"), &values[1]);
    assert_null(map_get(m, "Key"));
    assert_ptr_equal(map_put(m, "key", &values[2]), &values[1]);
    assert_int_equal(map_count(m), 1);
    assert_null(map_put(m, "", &values[3]));
    assert_ptr_equal(map_get(m, ""), &values[3]);
    assert_ptr_equal(map_del(m, "key"), &values[2]);
    assert_null(map_del(m, "key"));
    assert_int_equal(map_count(m), 1);
    map_free(&m);
}

static uint64_t next_random(uint64_t *s) {
    *s = *s * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *s >> 33;
}

/* Random puts and deletes; an array says what must be there. */
static void against_array(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t rnd = seed;
        struct map *m = map_new();
        void *want[300] = {0};
        size_t count = 0;
        for (int step = 0; step < 20000; step++) {
            size_t k = next_random(&rnd) % ARRAY_LEN(want);
            char key[32];
            snprintf(key, sizeof(key), "process-%zu", k);
            if (next_random(&rnd) % 2) {
                void *v = &values[next_random(&rnd) % ARRAY_LEN(values)];
                assert_ptr_equal(map_put(m, key, v), want[k]);
                count += !want[k];
                want[k] = v;
            } else {
                assert_ptr_equal(map_del(m, key), want[k]);
                count -= want[k] != NULL;
                want[k] = NULL;
            }
            assert_int_equal(map_count(m), count);
        }
        size_t seen = 0, pos = 0;
        const char *key;
        for (void *v; (v = map_next(m, &pos, &key)); seen++) {
            size_t k;
            assert_int_equal(sscanf(key, "process-%zu", &k), 1);
            assert_ptr_equal(v, want[k]);
        }
        assert_int_equal(seen, count);
        map_free(&m);
    }
}

static void walk_in_order(void **state) {
    (void)state;
    struct map *m = map_new();
    char key[32];
    for (size_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%zu", i);
        map_put(m, key, &values[i]);
    }
    /* Every third is deleted as it is met. */
    size_t pos = 0, i = 0;
    const char *k;
    for (void *v; (v = map_next(m, &pos, &k)); i++) {
        assert_ptr_equal(v, &values[i]);
        if (i % 3 == 0)
            assert_ptr_equal(map_del(m, k), v);
    }
    assert_int_equal(i, 1000);
    map_put(m, "0", &values[0]); /* deleted and put again: last */
    void *last = NULL;
    pos = 0;
    i = 0;
    for (void *v; (v = map_next(m, &pos, NULL)); i++)
        last = v;
    assert_int_equal(i, 667);
    assert_ptr_equal(last, &values[0]);
    map_free(&m);
}

/* SipHash-1-3 with the key 00..0f, computed by another implementation that gives the authors'
 * published value for SipHash-2-4. */
static void known_values(void **state) {
    (void)state;
    unsigned char in[64];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)i;
    assert_true(hash_bytes(in, 0) == UINT64_C(0xabac0158050fc4dc));
    assert_true(hash_bytes(in, 8) == UINT64_C(0x369095118d299a8e));
    assert_true(hash_bytes(in, 15) == UINT64_C(0xd320d86d2a519956));
    assert_true(hash_bytes(in, 63) == UINT64_C(0x9d199062b7bbb3a8));
}

static int virtual_time(void **state) {
    (void)state;
    clock_set_virtual(0); /* so that the key is the fixed one */
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),         cmocka_unit_test(put_get_del),
        cmocka_unit_test(against_array), cmocka_unit_test(walk_in_order),
        cmocka_unit_test(known_values),
    };
    return cmocka_run_group_tests(tests, virtual_time, NULL);
}
