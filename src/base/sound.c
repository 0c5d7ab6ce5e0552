/* sound: the heads of WAV (RIFF, chunk after chunk) and of FLAC. */
#include "base/sound.h"

#include <string.h>

static uint32_t little32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Chunks: "fmt " tells the bytes a second, "data" how many there are (a recorder that was cut off
 * has left 0 or all ones there: then to the end). */
static int64_t wav_ms(const unsigned char *p, size_t n, int64_t bytes) {
    uint32_t rate = 0;
    for (size_t at = 12; at + 8 <= n;) {
        uint32_t len = little32(p + at + 4);
        if (memcmp(p + at, "fmt ", 4) == 0 && at + 20 <= n)
            rate = little32(p + at + 16);
        if (memcmp(p + at, "data", 4) == 0) {
            int64_t left = bytes - (int64_t)at - 8;
            int64_t data = len && (int64_t)len < left ? (int64_t)len : left;
            return rate && data > 0 ? data * 1000 / (int64_t)rate : -1;
        }
        if (len > n)
            return -1;
        at += 8 + (size_t)len + (len & 1);
    }
    return -1;
}

/* STREAMINFO stands first: 20 bits of samples a second, later 36 bits of how many there are. */
static int64_t flac_ms(const unsigned char *p, size_t n) {
    if (n < 26 || (p[4] & 0x7F) != 0)
        return -1;
    int64_t rate = (int64_t)p[18] << 12 | (int64_t)p[19] << 4 | p[20] >> 4;
    int64_t samples = (int64_t)(p[21] & 0x0F) << 32 | (int64_t)p[22] << 24 | (int64_t)p[23] << 16 |
                      (int64_t)p[24] << 8 | p[25];
    return rate && samples ? samples * 1000 / rate : -1;
}

int64_t sound_duration_ms(const char *head, size_t n, int64_t bytes) {
    const unsigned char *p = (const unsigned char *)head;
    if (n >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WAVE", 4) == 0)
        return wav_ms(p, n, bytes);
    if (n >= 4 && memcmp(p, "fLaC", 4) == 0)
        return flac_ms(p, n);
    return -1;
}
