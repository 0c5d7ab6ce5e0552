/* hash: SipHash-1-3 (Aumasson and Bernstein; one round a word, three at the end) and a map in the
 * two-array form: items in the order they came, and an open-addressed table of their numbers. */
#include "base/hash.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static uint64_t key[2];

static void key_make(void) {
    if (clock_is_virtual()) {
        key[0] = UINT64_C(0x0706050403020100);
        key[1] = UINT64_C(0x0f0e0d0c0b0a0908);
    } else {
        id_random(key, sizeof(key));
    }
}

static inline uint64_t rotl(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

uint64_t hash_bytes(const void *data, size_t n) {
    pthread_once(&key_once, key_make);
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    const unsigned char *p = data;
    size_t words = n / 8;
    for (size_t i = 0; i < words; i++, p += 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)(n & 0xFF) << 56;
    for (size_t i = 0; i < n % 8; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xFF;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct item {
    char *key; /* NULL: deleted */
    void *value;
    uint64_t hash;
};

#define SLOT_FREE UINT32_MAX
#define SLOT_GONE (UINT32_MAX - 1)

struct map {
    struct item *items;
    size_t n, cap, live; /* items used (deleted ones too), allocated, alive */
    uint32_t *slots;     /* numbers of items; a power of two of them, or none */
    size_t nslots;
};

struct map *map_new(void) {
    return xcalloc(1, sizeof(struct map));
}

void map_free(struct map **m) {
    if (!*m)
        return;
    for (size_t i = 0; i < (*m)->n; i++)
        free((*m)->items[i].key);
    free((*m)->items);
    free((*m)->slots);
    x_free(m);
}

/* The slot that holds `k`, or NULL. */
static uint32_t *find(const struct map *m, const char *k, uint64_t hash) {
    if (!m->nslots)
        return NULL;
    size_t mask = m->nslots - 1;
    for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
        uint32_t slot = m->slots[at];
        if (slot == SLOT_FREE)
            return NULL;
        if (slot != SLOT_GONE && m->items[slot].hash == hash && strcmp(m->items[slot].key, k) == 0)
            return &m->slots[at];
    }
}

/* Closes the gaps of deleted items and makes room so that the table is at most half full. */
static void rebuild(struct map *m) {
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->items[i].key)
            m->items[n++] = m->items[i];
    m->n = n;
    size_t cap = 8;
    while (cap < m->live * 2)
        cap *= 2;
    if (cap > SLOT_GONE / 2)
        (void)xreallocarray(NULL, SIZE_MAX, 2); /* more than memory holds */
    m->cap = cap;
    m->items = xreallocarray(m->items, cap, sizeof(*m->items));
    m->nslots = cap * 2;
    m->slots = xreallocarray(m->slots, m->nslots, sizeof(*m->slots));
    memset(m->slots, 0xFF, m->nslots * sizeof(*m->slots)); /* SLOT_FREE */
    size_t mask = m->nslots - 1;
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)m->items[i].hash & mask;
        while (m->slots[at] != SLOT_FREE)
            at = (at + 1) & mask;
        m->slots[at] = (uint32_t)i;
    }
}

void *map_get(const struct map *m, const char *k) {
    const uint32_t *slot = find(m, k, hash_bytes(k, strlen(k)));
    return slot ? m->items[*slot].value : NULL;
}

void *map_put(struct map *m, const char *k, void *value) {
    uint64_t hash = hash_bytes(k, strlen(k));
    const uint32_t *slot = find(m, k, hash);
    if (slot) {
        void *old = m->items[*slot].value;
        m->items[*slot].value = value;
        return old;
    }
    /* Every item ever added since the last rebuild took one slot, so items bound slots too. */
    if (m->n == m->cap)
        rebuild(m);
    size_t mask = m->nslots - 1;
    size_t at = (size_t)hash & mask;
    while (m->slots[at] != SLOT_FREE && m->slots[at] != SLOT_GONE)
        at = (at + 1) & mask;
    m->slots[at] = (uint32_t)m->n;
    m->items[m->n++] = (struct item){xstrdup(k), value, hash};
    m->live++;
    return NULL;
}

void *map_del(struct map *m, const char *k) {
    uint32_t *slot = find(m, k, hash_bytes(k, strlen(k)));
    if (!slot)
        return NULL;
    struct item *it = &m->items[*slot];
    void *old = it->value;
    x_free(&it->key);
    it->value = NULL;
    *slot = SLOT_GONE;
    m->live--;
    return old;
}

size_t map_count(const struct map *m) { return m->live; }

void *map_next(const struct map *m, size_t *pos, const char **k) {
    while (*pos < m->n) {
        const struct item *it = &m->items[(*pos)++];
        if (it->key) {
            if (k)
                *k = it->key;
            return it->value;
        }
    }
    return NULL;
}
