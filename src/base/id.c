/* id: UUIDs and random bytes. The seeded sequence is splitmix64 (Steele, Lea, Flood 2014). */
#include "base/id.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

static atomic_bool seeded;
static _Atomic uint64_t seed_state;

static uint64_t seeded_next(void) {
    const uint64_t step = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = atomic_fetch_add(&seed_state, step) + step;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void id_random(void *out, size_t n) {
    unsigned char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            /* A program that cannot make secrets must not run on with guessable ones. */
            log_error("getrandom: %s", strerror(errno));
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

void id_seed(uint64_t seed) {
    atomic_store(&seed_state, seed);
    atomic_store(&seeded, true);
}

void id_uuid(char out[ID_UUID_SIZE]) {
    unsigned char b[16];
    if (atomic_load(&seeded)) {
        uint64_t half[2] = {seeded_next(), seeded_next()};
        memcpy(b, half, sizeof(b));
    } else {
        id_random(b, sizeof(b));
    }
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80); /* RFC 9562 variant */
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[b[i] >> 4];
        *p++ = hex[b[i] & 15];
    }
    *p = '\0';
}
