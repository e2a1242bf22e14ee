/* The Hamming kernels: one query against n codes, and their registry. */
#include <signet/codes.h>

#include <signet/cpu.h>
#include <string.h>

/* Up to 8 bytes as a word, the rest zero. */
static inline uint64_t load_word(const uint8_t *bytes, size_t nbytes)
{
    uint64_t word = 0;
    memcpy(&word, bytes, nbytes);
    return word;
}

/* Bits set, by sums of neighbours of 1, 2 and 4 bits (Warren, Hacker's Delight, 5-1). */
static inline unsigned count_portable(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(x * 0x0101010101010101u >> 56);
}

static void scan_portable(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes)
{
    for (size_t i = 0; i < n; i++, codes += nbytes) {
        unsigned distance = 0;
        size_t at = 0;
        for (; at + 8 <= nbytes; at += 8)
            distance += count_portable(load_word(query + at, 8) ^ load_word(codes + at, 8));
        if (at < nbytes)
            distance +=
                count_portable(load_word(query + at, nbytes - at) ^ load_word(codes + at, nbytes - at));
        dist[i] = (uint16_t)distance;
    }
}

static bool usable_portable(void)
{
    return true;
}

static const sg_hamming_impl impls[] = {
    {"portable", usable_portable, scan_portable},
};

const sg_hamming_impl *sg_hamming_impls(size_t *n)
{
    *n = sizeof impls / sizeof *impls;
    return impls;
}
