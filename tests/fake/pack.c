/* pack: see pack.h. */
#include "pack.h"

#define STORED_MAX 65535u /* bytes of a block that is not packed */
#define PERIOD 13u        /* bytes of eight matches of 13 bits */
#define PERIODS 5041u     /* in one more() */

static const char head[] = {0x1F, (char)0x8B, 8, 0, 0, 0, 0, 0, 0, 3};

static uint32_t crc_of(uint32_t crc, const char *data, size_t n) {
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)data[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xEDB88320) : crc >> 1;
    }
    return ~crc;
}

static void put_le(struct buf *out, uint32_t v, int bytes) {
    for (int i = 0; i < bytes; i++, v >>= 8)
        buf_putc(out, (char)(v & 0xFF));
}

static void put_stored(struct buf *out, bool last, const char *data, size_t n) {
    buf_putc(out, last ? 1 : 0);
    put_le(out, (uint32_t)n, 2);
    put_le(out, ~(uint32_t)n & 0xFFFF, 2);
    buf_append(out, data, n);
}

void pack_begin(struct pack *k, struct buf *out) {
    *k = (struct pack){0};
    buf_append(out, head, sizeof(head));
}

void pack_add(struct pack *k, struct buf *out, const char *data, size_t n) {
    k->crc = crc_of(k->crc, data, n);
    k->n += (uint32_t)n;
    for (size_t at = 0; at < n; at += STORED_MAX)
        put_stored(out, false, data + at, n - at < STORED_MAX ? n - at : STORED_MAX);
}

void pack_end(struct pack *k, struct buf *out) {
    put_stored(out, true, "", 0);
    put_le(out, k->crc, 4);
    put_le(out, k->n, 4);
}

/* ---- the bomb ---- */

/* Bits into bytes, the lowest first. */
struct bits {
    unsigned char v[2 + 2 * PERIOD];
    size_t n;
};

static void put_bit(struct bits *b, unsigned bit) {
    if (bit)
        b->v[b->n / 8] = (unsigned char)(b->v[b->n / 8] | 1u << b->n % 8);
    b->n++;
}

/* Huffman codes come with their highest bit first. */
static void put_code(struct bits *b, unsigned code, int len) {
    while (len-- > 0)
        put_bit(b, code >> len & 1);
}

/* A block with the fixed codes: one literal, then 258 times the character before, again and
 * again. Behind the first two bytes the same 13 come for ever. */
static void bomb_bits(struct bits *b, char c) {
    *b = (struct bits){0};
    put_bit(b, 0);
    put_bit(b, 1);
    put_bit(b, 0);
    put_code(b, 0x30u + (unsigned char)c, 8);
    while (b->n + 13 <= 8 * sizeof(b->v)) {
        put_code(b, 0xC5, 8);
        put_code(b, 0, 5);
    }
}

void pack_bomb_begin(struct buf *out, char c) {
    struct bits b;
    bomb_bits(&b, c);
    buf_append(out, head, sizeof(head));
    buf_append(out, b.v, 2);
}

void pack_bomb_more(struct buf *out, char c) {
    struct bits b;
    bomb_bits(&b, c);
    for (unsigned i = 0; i < PERIODS; i++)
        buf_append(out, b.v + 2, PERIOD);
}
