/* The Hamming kernels for many queries over the same codes: bit k of 64 rows (or 512, in a vector) is one word, a plane,
 * and a query's distances to all of these rows come from adding its planes bit by bit: a tree of full adders (Harley and
 * Seal's; Mula, Kurz, Lemire 2018), two instructions each with AVX-512, instead of a count of each row's bits. Turning
 * the codes into planes pays from some tens of queries on. */
#include "hamming_impl.h"

#include <string.h>

INLINE uint64_t load_some(const uint8_t *bytes, size_t nbytes)
{
    uint64_t word = 0;
    memcpy(&word, bytes, nbytes < 8 ? nbytes : 8);
    return word;
}

/* Adds those of the rows first, first + 1, ... (below n) whose bit is set. */
INLINE size_t add_near(uint32_t *hits, size_t found, uint64_t near, const uint8_t *query,
                       const uint8_t *codes, size_t first, size_t n, size_t nbytes)
{
    for (; near; near &= near - 1) {
        size_t row = first + (size_t)__builtin_ctzll(near);
        if (row >= n) break;
        hits[found++] = (uint32_t)sg_hamming(query, codes + row * nbytes, nbytes) << 16 | (uint32_t)row;
    }
    return found;
}

#define MAJORITY_OF(a, b, c) (((a) & (b)) | (((a) ^ (b)) & (c)))

#define LANES      2
#define NAME(noun) noun##_portable
#define SLICED_TARGET
#define XOR3(a, b, c)     ((a) ^ (b) ^ (c))
#define MAJORITY(a, b, c) MAJORITY_OF(a, b, c)
#define ANY(v)            ((v)[0] | (v)[1])
#include "hamming_sliced_impl.h"

#define LANES             4
#define NAME(noun)        noun##_avx2
#define SLICED_TARGET     TARGET("avx2")
#define XOR3(a, b, c)     ((a) ^ (b) ^ (c))
#define MAJORITY(a, b, c) MAJORITY_OF(a, b, c)
#define ANY(v)            (!_mm256_testz_si256((__m256i)(v), (__m256i)(v)))
#include "hamming_sliced_impl.h"

#define LANES             8
#define NAME(noun)        noun##_avx512
#define SLICED_TARGET     TARGET(AVX512)
#define XOR3(a, b, c)     ((vec)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), 0x96))
#define MAJORITY(a, b, c) ((vec)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), 0xe8))
#define ANY(v)            _mm512_test_epi64_mask((__m512i)(v), (__m512i)(v))
#include "hamming_sliced_impl.h"

void sg_hamming_slots(uint16_t *slots, const uint8_t *query, size_t nbytes, size_t sliced_rows)
{
    for (size_t k = 0; k < 8 * nbytes; k++)
        slots[k] = (uint16_t)((2 * k + (query[k / 8] >> k % 8 & 1)) * sliced_rows / 64);
}
