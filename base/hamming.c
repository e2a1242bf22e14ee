/* The Hamming kernels: all distances of one query to n codes, and the registry. Each is compiled for its own
 * instructions and chosen at run time; all give the same answers. */
#include "hamming_impl.h"

#include <signet/cpu.h>
#include <string.h>

/* Word by word: portable, popcnt. */

/* Bits set, by sums of neighbours of 1, 2 and 4 bits (Warren, Hacker's Delight, 5-1). */
INLINE unsigned count_portable(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)(x * 0x0101010101010101u >> 56);
}

TARGET("popcnt") INLINE unsigned count_popcnt(uint64_t x)
{
    return (unsigned)__builtin_popcountll(x);
}

INLINE uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Fewer than 8 bytes, in an order of its own: the same on both sides is all that counts. */
INLINE uint64_t load_rest(const uint8_t *bytes, size_t nbytes)
{
    uint64_t word = 0;
    uint32_t four;
    uint16_t two;
    if (nbytes & 4) {
        memcpy(&four, bytes, 4);
        word = four;
        bytes += 4;
    }
    if (nbytes & 2) {
        memcpy(&two, bytes, 2);
        word = word << 16 | two;
        bytes += 2;
    }
    return nbytes & 1 ? word << 8 | *bytes : word;
}

INLINE void scan_words(uint16_t *restrict dist, const uint8_t *restrict query, const uint8_t *restrict codes,
                       size_t n, size_t nbytes, unsigned (*count)(uint64_t))
{
    const size_t whole = nbytes / 8 * 8;
    const uint64_t query_rest = load_rest(query + whole, nbytes - whole);
    for (size_t i = 0; i < n; i++, codes += nbytes) {
        unsigned distance = 0;
        for (size_t at = 0; at < whole; at += 8)
            distance += count(load_word(query + at) ^ load_word(codes + at));
        if (whole < nbytes) distance += count(query_rest ^ load_rest(codes + whole, nbytes - whole));
        dist[i] = (uint16_t)distance;
    }
}

void sg_hamming_scan_portable(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                              size_t nbytes)
{
    scan_words(dist, query, codes, n, nbytes, count_portable);
}

/* The common sizes are constants, so that their loops vanish. */
TARGET("popcnt")
void sg_hamming_scan_popcnt(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                            size_t nbytes)
{
    switch (nbytes) {
    case 4:
        scan_words(dist, query, codes, n, 4, count_popcnt);
        break;
    case 8:
        scan_words(dist, query, codes, n, 8, count_popcnt);
        break;
    case 16:
        scan_words(dist, query, codes, n, 16, count_popcnt);
        break;
    case 32:
        scan_words(dist, query, codes, n, 32, count_popcnt);
        break;
    default:
        scan_words(dist, query, codes, n, nbytes, count_popcnt);
    }
}

/* 256 bits at a time. */

/* The distances of 8 bytes each, as 64-bit numbers. */
TARGET("avx2") INLINE __m256i words_avx2(const uint8_t *codes, __m256i query)
{
    return _mm256_sad_epu8(xor_count_avx2(codes, query), _mm256_setzero_si256());
}

/* 16 rows of 4 bytes. */
TARGET("avx2") INLINE __m256i rows4_avx2(const uint8_t *codes, __m256i query)
{
    const __m256i one8 = _mm256_set1_epi8(1), one16 = _mm256_set1_epi16(1);
    __m256i rows[2];
    for (int k = 0; k < 2; k++)
        rows[k] = _mm256_madd_epi16(_mm256_maddubs_epi16(xor_count_avx2(codes + 32 * k, query), one8), one16);
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(rows[0], rows[1]), 0xd8);
}

/* 16 rows of 8 bytes. Each pack halves the width: 64-bit numbers end as 16-bit ones, pairs out of order. */
TARGET("avx2") INLINE __m256i rows8_avx2(const uint8_t *codes, __m256i query)
{
    __m256i rows[4];
    for (int k = 0; k < 4; k++) rows[k] = words_avx2(codes + 32 * k, query);
    __m256i all =
        _mm256_packus_epi32(_mm256_packus_epi32(rows[0], rows[1]), _mm256_packus_epi32(rows[2], rows[3]));
    return _mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* 16 rows of 16 bytes: the sums of two words each stand as (even rows, odd rows) until the end. */
TARGET("avx2") INLINE __m256i rows16_avx2(const uint8_t *codes, __m256i query)
{
    __m256i rows[4];
    for (int k = 0; k < 4; k++) {
        __m256i a = words_avx2(codes + 64 * k, query), b = words_avx2(codes + 64 * k + 32, query);
        rows[k] = _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    }
    __m256i all =
        _mm256_packus_epi32(_mm256_packus_epi32(rows[0], rows[1]), _mm256_packus_epi32(rows[2], rows[3]));
    __m128i even = _mm256_castsi256_si128(all), odd = _mm256_extracti128_si256(all, 1);
    return _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
}

TARGET("avx2")
void sg_hamming_scan_avx2(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes)
{
    size_t i = 0;
    if (nbytes == 4 || nbytes == 8 || nbytes == 16) {
        uint8_t repeated[32];
        repeat_query(repeated, sizeof repeated, query, nbytes);
        const __m256i q = _mm256_loadu_si256((const __m256i *)repeated);
        for (; i + 16 <= n; i += 16) {
            const uint8_t *rows = codes + i * nbytes;
            __m256i all = nbytes == 4   ? rows4_avx2(rows, q)
                          : nbytes == 8 ? rows8_avx2(rows, q)
                                        : rows16_avx2(rows, q);
            _mm256_storeu_si256((__m256i *)(dist + i), all);
        }
    }
    sg_hamming_scan_popcnt(dist + i, query, codes + i * nbytes, n - i, nbytes);
}

/* 512 bits at a time, with an instruction that counts. */

/* The sums of neighbours: 8 words of a, then 8 of b, become 8 in their order. */
TARGET(AVX512) INLINE __m512i add_pairs(__m512i a, __m512i b)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14),
                  odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    return _mm512_add_epi64(_mm512_permutex2var_epi64(a, even, b), _mm512_permutex2var_epi64(a, odd, b));
}

/* n vectors (a power of two) to one, by sums of neighbours. */
TARGET(AVX512) INLINE __m128i sum_rows(__m512i *v, int n)
{
    for (; n > 1; n /= 2)
        for (int k = 0; k < n / 2; k++) v[k] = add_pairs(v[2 * k], v[2 * k + 1]);
    return _mm512_cvtepi64_epi16(v[0]);
}

/* Rows of 8, 16 or 32 bytes, 8 rows at a time. */
TARGET(AVX512)
INLINE size_t scan_packed_avx512(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                                 size_t nbytes)
{
    size_t i = 0;
    uint8_t repeated[64];
    repeat_query(repeated, sizeof repeated, query, nbytes);
    const __m512i q = _mm512_loadu_si512(repeated);
    for (; i + 8 <= n; i += 8) {
        __m512i v[4];
        for (size_t k = 0; k < nbytes / 8; k++)
            v[k] = _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_loadu_si512(codes + i * nbytes + 64 * k), q));
        _mm_storeu_si128((__m128i *)(dist + i), sum_rows(v, (int)nbytes / 8));
    }
    return i;
}

/* Rows of 4 bytes, 16 at a time. */
TARGET(AVX512)
INLINE size_t scan_rows4_avx512(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n)
{
    size_t i = 0;
    int word;
    memcpy(&word, query, 4);
    const __m512i q = _mm512_set1_epi32(word);
    for (; i + 16 <= n; i += 16) {
        __m512i v = _mm512_popcnt_epi32(_mm512_xor_si512(_mm512_loadu_si512(codes + 4 * i), q));
        _mm256_storeu_si256((__m256i *)(dist + i), _mm512_cvtepi32_epi16(v));
    }
    return i;
}

/* Rows of any size, 8 at a time: each in one or two vectors of its own, the last one masked. */
TARGET(AVX512)
INLINE size_t scan_any_avx512(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                              size_t nbytes)
{
    size_t i = 0, last = (nbytes - 1) / 64 * 64;
    const __mmask64 mask = ~(uint64_t)0 >> (64 - (nbytes - last));
    const __m512i q_last = _mm512_maskz_loadu_epi8(mask, query + last);
    for (; i + 8 <= n; i += 8) {
        __m512i v[8];
        for (int k = 0; k < 8; k++) {
            const uint8_t *row = codes + (i + (size_t)k) * nbytes;
            v[k] = _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, row + last), q_last));
            for (size_t at = 0; at < last; at += 64) {
                __m512i x = _mm512_xor_si512(_mm512_loadu_si512(row + at), _mm512_loadu_si512(query + at));
                v[k] = _mm512_add_epi64(v[k], _mm512_popcnt_epi64(x));
            }
        }
        _mm_storeu_si128((__m128i *)(dist + i), sum_rows(v, 8));
    }
    return i;
}

TARGET(AVX512)
void sg_hamming_scan_avx512(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                            size_t nbytes)
{
    size_t done;
    switch (nbytes) {
    case 4:
        done = scan_rows4_avx512(dist, query, codes, n);
        break;
    case 8:
        done = scan_packed_avx512(dist, query, codes, n, 8);
        break;
    case 16:
        done = scan_packed_avx512(dist, query, codes, n, 16);
        break;
    case 32:
        done = scan_packed_avx512(dist, query, codes, n, 32);
        break;
    default:
        done = scan_any_avx512(dist, query, codes, n, nbytes);
    }
    sg_hamming_scan_popcnt(dist + done, query, codes + done * nbytes, n - done, nbytes);
}

/* The registry: slower before faster, so that the last usable one is chosen. */

static bool usable_portable(void)
{
    return true;
}

static bool usable_popcnt(void)
{
    return sg_cpu_features()->popcnt;
}

static bool usable_avx2(void)
{
    return usable_popcnt() && sg_cpu_features()->avx2;
}

static bool usable_avx512(void)
{
    return usable_popcnt() && sg_cpu_features()->avx512_vpopcntdq;
}

/* The costs are from bench/bench_search (one query by each kernel, one core, a processor of 3 GHz): codes beyond the second
 * cache, where the two best kernels wait for them. */
#define ROW(name, sliced, rows, row_ns, byte_ns)                                                             \
    {                                                                                                        \
#name, usable_##name, sg_hamming_scan_##name, sg_hamming_filter_##name, rows,                        \
            sg_hamming_slice_##sliced, sg_hamming_sliced_##sliced, row_ns, byte_ns                           \
    }

static const sg_hamming_impl impls[] = {
    ROW(portable, portable, 128, 0.1, 0.14),
    ROW(popcnt, portable, 128, 0.1, 0.055),
    ROW(avx2, avx2, 256, 0.05, 0.037),
    ROW(avx512, avx512, 512, 0.02, 0.037),
};

const sg_hamming_impl *sg_hamming_impls(size_t *n)
{
    *n = sizeof impls / sizeof *impls;
    return impls;
}

const sg_hamming_impl *sg_hamming_best(void)
{
    size_t n;
    const sg_hamming_impl *all = sg_hamming_impls(&n);
    while (n > 1 && !all[n - 1].usable()) n--;
    return &all[n - 1];
}
