#include "hamming_impl.h"

#include <string.h>

bool sg_bits_check(int64_t nbits, sg_error *err)
{
    if (nbits >= 8 && nbits <= SG_BITS_MAX && nbits % 8 == 0) return true;
    return sg_fail(err, SG_ERR_USAGE, "a code has a multiple of 8 bits, 8 to %d: not %lld", SG_BITS_MAX,
                   (long long)nbits);
}

void sg_codes_pack(uint8_t *codes, const float *z, size_t n, size_t nbits)
{
    for (size_t i = 0; i < n * nbits / 8; i++, z += 8) {
        unsigned byte = 0;
        for (int bit = 0; bit < 8; bit++) byte |= (unsigned)(z[bit] > 0) << bit;
        codes[i] = (uint8_t)byte;
    }
}

void sg_codes_unpack(float *signs, const uint8_t *codes, size_t n, size_t nbits)
{
    for (size_t i = 0; i < n * nbits; i++) signs[i] = codes[i / 8] >> i % 8 & 1 ? 1.0f : -1.0f;
}

unsigned sg_hamming(const uint8_t *a, const uint8_t *b, size_t nbytes)
{
    unsigned distance = 0;
    for (; nbytes >= 8; nbytes -= 8, a += 8, b += 8) {
        uint64_t x, y;
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        distance += (unsigned)__builtin_popcountll(x ^ y);
    }
    while (nbytes-- > 0) distance += (unsigned)__builtin_popcount((unsigned)(*a++ ^ *b++));
    return distance;
}

void sg_hamming_scan(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes)
{
    sg_hamming_best()->scan(dist, query, codes, n, nbytes);
}

const char *sg_hamming_kernel(void)
{
    return sg_hamming_best()->name;
}
