/* The Hamming kernels' other half: the rows of n codes that are within a distance of one query. Hardly any are, so each
 * kernel asks of a group of rows whether one is; only then are the distances of the group written down and looked at. */
#include "hamming_impl.h"

#include <string.h>

#define ROWS  256  /* of a group at most */
#define AHEAD 4096 /* bytes: codes are asked for before their turn, which memory answers a quarter faster */

typedef void scan_function(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                           size_t nbytes);

/* Adds the rows first, first + 1, ... of these distances. Without a branch for each: where one is, often more are. */
INLINE size_t add_rows(uint32_t *hits, size_t found, const uint16_t *dist, size_t n, size_t first,
                       unsigned bound)
{
    for (size_t i = 0; i < n; i++) {
        hits[found] = (uint32_t)dist[i] << 16 | (uint32_t)(first + i);
        found += dist[i] <= bound;
    }
    return found;
}

/* By all distances: for any size of code. */
INLINE size_t filter_scanned(uint32_t *hits, size_t found, const uint8_t *query, const uint8_t *codes,
                             size_t first, size_t n, size_t nbytes, unsigned bound, scan_function *scan)
{
    enum { AT_ONCE = 64 };
    uint16_t dist[ROWS];
    for (size_t i = first; i < n; i += ROWS) {
        size_t rows = n - i < ROWS ? n - i : ROWS;
        scan(dist, query, codes + i * nbytes, rows, nbytes);
        for (size_t j = 0; j < rows; j += AT_ONCE) {
            size_t some = rows - j < AT_ONCE ? rows - j : AT_ONCE;
            unsigned any = some < AT_ONCE;
            if (!any)
                for (size_t k = 0; k < AT_ONCE; k++) any |= dist[j + k] <= bound;
            if (any) found = add_rows(hits, found, dist + j, some, i + j, bound);
        }
    }
    return found;
}

size_t sg_hamming_filter_portable(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                  size_t nbytes, unsigned bound)
{
    return filter_scanned(hits, 0, query, codes, 0, n, nbytes, bound, sg_hamming_scan_portable);
}

TARGET("popcnt") INLINE unsigned distance_popcnt(const uint8_t *a, const uint8_t *b, size_t nbytes)
{
    unsigned distance = 0;
    for (size_t at = 0; at < nbytes; at += 8) {
        uint64_t x, y;
        memcpy(&x, a + at, 8);
        memcpy(&y, b + at, 8);
        distance += (unsigned)__builtin_popcountll(x ^ y);
    }
    return distance;
}

/* Rows of whole words, four at a time. */
TARGET("popcnt")
INLINE size_t filter_words(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                           size_t nbytes, unsigned bound)
{
    size_t found = 0, i = 0;
    uint16_t dist[4];
    for (; i + 4 <= n; i += 4, codes += 4 * nbytes) {
        unsigned a = distance_popcnt(query, codes, nbytes),
                 b = distance_popcnt(query, codes + nbytes, nbytes);
        unsigned c = distance_popcnt(query, codes + 2 * nbytes, nbytes);
        unsigned d = distance_popcnt(query, codes + 3 * nbytes, nbytes);
        if (a > bound && b > bound && c > bound && d > bound) continue;
        sg_hamming_scan_popcnt(dist, query, codes, 4, nbytes);
        found = add_rows(hits, found, dist, 4, i, bound);
    }
    return filter_scanned(hits, found, query, codes - i * nbytes, i, n, nbytes, bound,
                          sg_hamming_scan_popcnt);
}

TARGET("popcnt")
size_t sg_hamming_filter_popcnt(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                size_t nbytes, unsigned bound)
{
    switch (nbytes) {
    case 8:
        return filter_words(hits, query, codes, n, 8, bound);
    case 16:
        return filter_words(hits, query, codes, n, 16, bound);
    case 32:
        return filter_words(hits, query, codes, n, 32, bound);
    default:
        return filter_scanned(hits, 0, query, codes, 0, n, nbytes, bound, sg_hamming_scan_popcnt);
    }
}

/* Adds those of 64 rows of 8 bytes whose bit is set. */
TARGET("popcnt")
INLINE size_t add_words(uint32_t *hits, size_t found, const uint8_t *query, const uint8_t *rows, size_t first,
                        uint64_t near)
{
    uint64_t q, word;
    memcpy(&q, query, 8);
    for (; near; near &= near - 1) {
        size_t row = (size_t)__builtin_ctzll(near);
        memcpy(&word, rows + 8 * row, 8);
        hits[found++] = (uint32_t)__builtin_popcountll(q ^ word) << 16 | (uint32_t)(first + row);
    }
    return found;
}

/* --- AVX2: is one of the rows in 256 bytes (1024 for the widest) near? --- */

/* The sums of the two halves of each 16 bytes: a's and b's side by side. */
TARGET("avx2") INLINE __m256i add_halves_avx2(__m256i a, __m256i b)
{
    return _mm256_add_epi8(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}

/* Rows of 4 bytes: the least of 8 distances at each place. */
TARGET("avx2") INLINE bool near4_avx2(const uint8_t *rows, const uint8_t *query, __m256i q, unsigned bound)
{
    (void)query;
    const __m256i one8 = _mm256_set1_epi8(1), one16 = _mm256_set1_epi16(1);
    __m256i least = _mm256_set1_epi32((int)bound + 1);
    for (size_t k = 0; k < 8; k++) {
        __m256i pairs = _mm256_maddubs_epi16(xor_count_avx2(rows + 32 * k, q), one8);
        least = _mm256_min_epi32(least, _mm256_madd_epi16(pairs, one16));
    }
    return _mm256_movemask_epi8(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)bound + 1), least));
}

TARGET("avx2") INLINE bool any_word_avx2(__m256i least, unsigned bound)
{
    return _mm256_movemask_epi8(_mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)bound + 1), least));
}

/* Of 64-bit words which are small numbers, the least at each place. */
TARGET("avx2") INLINE __m256i least_avx2(__m256i least, __m256i bytes)
{
    return _mm256_min_epu32(least, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
}

TARGET("avx2") INLINE bool near8_avx2(const uint8_t *rows, const uint8_t *query, __m256i q, unsigned bound)
{
    (void)query;
    __m256i least = _mm256_set1_epi64x(UINT32_MAX);
    for (size_t k = 0; k < 8; k++) least = least_avx2(least, xor_count_avx2(rows + 32 * k, q));
    return any_word_avx2(least, bound);
}

TARGET("avx2") INLINE bool near16_avx2(const uint8_t *rows, const uint8_t *query, __m256i q, unsigned bound)
{
    (void)query;
    __m256i least = _mm256_set1_epi64x(UINT32_MAX);
    for (size_t k = 0; k < 8; k += 2)
        least = least_avx2(
            least, add_halves_avx2(xor_count_avx2(rows + 32 * k, q), xor_count_avx2(rows + 32 * k + 32, q)));
    return any_word_avx2(least, bound);
}

/* The bits of a row of 32, 64 or 128 bytes in each of 32 places: at most 32 in each. */
TARGET("avx2") INLINE __m256i count_row_avx2(const uint8_t *row, const uint8_t *query, size_t nbytes)
{
    __m256i sum = xor_count_avx2(row, _mm256_loadu_si256((const __m256i *)query));
    for (size_t at = 32; at < nbytes; at += 32)
        sum =
            _mm256_add_epi8(sum, xor_count_avx2(row + at, _mm256_loadu_si256((const __m256i *)(query + at))));
    return sum;
}

/* 8 such rows: 4 places of 8 rows each become one word a row. */
TARGET("avx2")
INLINE bool near_wide_avx2(const uint8_t *rows, const uint8_t *query, size_t nbytes, unsigned bound)
{
    __m256i least = _mm256_set1_epi64x(UINT32_MAX);
    for (size_t k = 0; k < 8; k += 4) {
        __m256i row[4];
        for (size_t i = 0; i < 4; i++) row[i] = count_row_avx2(rows + (k + i) * nbytes, query, nbytes);
        __m256i a = add_halves_avx2(row[0], row[1]), b = add_halves_avx2(row[2], row[3]);
        least = least_avx2(least, _mm256_add_epi8(_mm256_permute2x128_si256(a, b, 0x20),
                                                  _mm256_permute2x128_si256(a, b, 0x31)));
    }
    return any_word_avx2(least, bound);
}

TARGET("avx2") INLINE bool near32_avx2(const uint8_t *rows, const uint8_t *query, __m256i q, unsigned bound)
{
    (void)q;
    return near_wide_avx2(rows, query, 32, bound);
}

TARGET("avx2") INLINE bool near64_avx2(const uint8_t *rows, const uint8_t *query, __m256i q, unsigned bound)
{
    (void)q;
    return near_wide_avx2(rows, query, 64, bound);
}

TARGET("avx2") INLINE bool near128_avx2(const uint8_t *rows, const uint8_t *query, __m256i q, unsigned bound)
{
    (void)q;
    return near_wide_avx2(rows, query, 128, bound);
}

/* The rows of a group that is near, by all distances. */
TARGET("avx2")
INLINE size_t add_group_avx2(uint32_t *hits, size_t found, const uint8_t *query, __m256i q,
                             const uint8_t *rows, size_t first, size_t n, size_t nbytes, unsigned bound)
{
    (void)q;
    uint16_t dist[ROWS];
    sg_hamming_scan_avx2(dist, query, rows, n, nbytes);
    return add_rows(hits, found, dist, n, first, bound);
}

/* Rows of 8 bytes: straight from the vectors. */
TARGET("avx2,popcnt")
INLINE size_t add_group8_avx2(uint32_t *hits, size_t found, const uint8_t *query, __m256i q,
                              const uint8_t *rows, size_t first, size_t n, size_t nbytes, unsigned bound)
{
    (void)n, (void)nbytes;
    const __m256i limit = _mm256_set1_epi64x((long long)bound + 1), zero = _mm256_setzero_si256();
    uint64_t near = 0;
    for (size_t k = 0; k < 8; k++) {
        __m256i dist = _mm256_sad_epu8(xor_count_avx2(rows + 32 * k, q), zero);
        near |= (uint64_t)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(limit, dist))) << 4 * k;
    }
    return add_words(hits, found, query, rows, first, near);
}

typedef bool near_avx2(const uint8_t *rows, const uint8_t *query, __m256i q, unsigned bound);
typedef size_t add_avx2(uint32_t *hits, size_t found, const uint8_t *query, __m256i q, const uint8_t *rows,
                        size_t first, size_t n, size_t nbytes, unsigned bound);

TARGET("avx2")
INLINE size_t filter_grouped_avx2(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                  size_t nbytes, unsigned bound, near_avx2 *near, add_avx2 *add)
{
    const size_t group = nbytes < 32 ? 256 / nbytes : 8;
    size_t found = 0, i = 0;
    uint8_t repeated[32];
    repeat_query(repeated, sizeof repeated, query, nbytes < 32 ? nbytes : 32);
    const __m256i q = _mm256_loadu_si256((const __m256i *)repeated);
    for (; i + group <= n; i += group) {
        for (size_t at = 0; at < group * nbytes; at += 64)
            _mm_prefetch((const char *)codes + i * nbytes + AHEAD + at, _MM_HINT_T0);
        if (!near(codes + i * nbytes, query, q, bound)) continue;
        found = add(hits, found, query, q, codes + i * nbytes, i, group, nbytes, bound);
    }
    return filter_scanned(hits, found, query, codes, i, n, nbytes, bound, sg_hamming_scan_avx2);
}

TARGET("avx2")
size_t sg_hamming_filter_avx2(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                              size_t nbytes, unsigned bound)
{
    switch (nbytes) {
    case 4:
        return filter_grouped_avx2(hits, query, codes, n, 4, bound, near4_avx2, add_group_avx2);
    case 8:
        return filter_grouped_avx2(hits, query, codes, n, 8, bound, near8_avx2, add_group8_avx2);
    case 16:
        return filter_grouped_avx2(hits, query, codes, n, 16, bound, near16_avx2, add_group_avx2);
    case 32:
        return filter_grouped_avx2(hits, query, codes, n, 32, bound, near32_avx2, add_group_avx2);
    case 64:
        return filter_grouped_avx2(hits, query, codes, n, 64, bound, near64_avx2, add_group_avx2);
    case 128:
        return filter_grouped_avx2(hits, query, codes, n, 128, bound, near128_avx2, add_group_avx2);
    default:
        return filter_scanned(hits, 0, query, codes, 0, n, nbytes, bound, sg_hamming_scan_avx2);
    }
}

/* --- AVX-512: is one of the rows in 512 bytes (1024 for the widest) near? --- */

TARGET(AVX512) INLINE __m512i count_avx512(const uint8_t *codes, __m512i query)
{
    return _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_loadu_si512(codes), query));
}

/* Sums of neighbouring words: those of a and of b side by side, in an order of their own. */
TARGET(AVX512) INLINE __m512i add_words_avx512(__m512i a, __m512i b)
{
    return _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

/* The same for neighbouring pairs of words. */
TARGET(AVX512) INLINE __m512i add_pairs_avx512(__m512i a, __m512i b)
{
    return _mm512_add_epi64(_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xdd));
}

/* Of words which are small numbers, the least at each place: of their lower halves, which is the faster instruction. */
TARGET(AVX512) INLINE __m512i least_avx512(__m512i a, __m512i b)
{
    return _mm512_min_epu32(a, b);
}

TARGET(AVX512) INLINE bool any_word_avx512(__m512i least, unsigned bound)
{
    return _mm512_cmple_epu64_mask(least, _mm512_set1_epi64(bound));
}

TARGET(AVX512) INLINE bool near4_avx512(const uint8_t *rows, const uint8_t *query, __m512i q, unsigned bound)
{
    (void)query;
    __m512i least = _mm512_set1_epi32(INT32_MAX);
    for (size_t k = 0; k < 8; k++) {
        __m512i x = _mm512_xor_si512(_mm512_loadu_si512(rows + 64 * k), q);
        least = _mm512_min_epu32(least, _mm512_popcnt_epi32(x));
    }
    return _mm512_cmple_epu32_mask(least, _mm512_set1_epi32((int)bound));
}

TARGET(AVX512) INLINE bool near8_avx512(const uint8_t *rows, const uint8_t *query, __m512i q, unsigned bound)
{
    (void)query;
    __m512i v[8];
    for (size_t k = 0; k < 8; k++) v[k] = count_avx512(rows + 64 * k, q);
    for (size_t n = 4; n > 0; n /= 2)
        for (size_t k = 0; k < n; k++) v[k] = least_avx512(v[k], v[k + n]);
    return any_word_avx512(v[0], bound);
}

TARGET(AVX512) INLINE bool near16_avx512(const uint8_t *rows, const uint8_t *query, __m512i q, unsigned bound)
{
    (void)query;
    __m512i v[8];
    for (size_t k = 0; k < 8; k++) v[k] = count_avx512(rows + 64 * k, q);
    for (size_t k = 0; k < 4; k++) v[k] = add_words_avx512(v[2 * k], v[2 * k + 1]);
    return any_word_avx512(least_avx512(least_avx512(v[0], v[1]), least_avx512(v[2], v[3])), bound);
}

TARGET(AVX512) INLINE bool near32_avx512(const uint8_t *rows, const uint8_t *query, __m512i q, unsigned bound)
{
    (void)query;
    __m512i v[8];
    for (size_t k = 0; k < 8; k++) v[k] = count_avx512(rows + 64 * k, q);
    for (size_t k = 0; k < 4; k++) v[k] = add_words_avx512(v[2 * k], v[2 * k + 1]);
    return any_word_avx512(least_avx512(add_pairs_avx512(v[0], v[1]), add_pairs_avx512(v[2], v[3])), bound);
}

/* 8 rows of one vector or two. */
TARGET(AVX512)
INLINE bool near_wide_avx512(const uint8_t *rows, const uint8_t *query, size_t nbytes, unsigned bound)
{
    __m512i v[8];
    for (size_t k = 0; k < 8; k++) v[k] = count_avx512(rows + k * nbytes, _mm512_loadu_si512(query));
    for (size_t at = 64; at < nbytes; at += 64)
        for (size_t k = 0; k < 8; k++)
            v[k] =
                _mm512_add_epi64(v[k], count_avx512(rows + k * nbytes + at, _mm512_loadu_si512(query + at)));
    for (size_t k = 0; k < 4; k++) v[k] = add_words_avx512(v[2 * k], v[2 * k + 1]);
    for (size_t k = 0; k < 2; k++) v[k] = add_pairs_avx512(v[2 * k], v[2 * k + 1]);
    return any_word_avx512(add_pairs_avx512(v[0], v[1]), bound);
}

TARGET(AVX512) INLINE bool near64_avx512(const uint8_t *rows, const uint8_t *query, __m512i q, unsigned bound)
{
    (void)q;
    return near_wide_avx512(rows, query, 64, bound);
}

TARGET(AVX512)
INLINE bool near128_avx512(const uint8_t *rows, const uint8_t *query, __m512i q, unsigned bound)
{
    (void)q;
    return near_wide_avx512(rows, query, 128, bound);
}

TARGET(AVX512)
INLINE size_t add_group_avx512(uint32_t *hits, size_t found, const uint8_t *query, __m512i q,
                               const uint8_t *rows, size_t first, size_t n, size_t nbytes, unsigned bound)
{
    (void)q;
    uint16_t dist[ROWS];
    sg_hamming_scan_avx512(dist, query, rows, n, nbytes);
    return add_rows(hits, found, dist, n, first, bound);
}

TARGET(AVX512 ",popcnt")
INLINE size_t add_group8_avx512(uint32_t *hits, size_t found, const uint8_t *query, __m512i q,
                                const uint8_t *rows, size_t first, size_t n, size_t nbytes, unsigned bound)
{
    (void)n, (void)nbytes;
    const __m512i limit = _mm512_set1_epi64(bound);
    uint64_t near = 0;
    for (size_t k = 0; k < 8; k++)
        near |= (uint64_t)_mm512_cmple_epu64_mask(count_avx512(rows + 64 * k, q), limit) << 8 * k;
    return add_words(hits, found, query, rows, first, near);
}

typedef bool near_avx512(const uint8_t *rows, const uint8_t *query, __m512i q, unsigned bound);
typedef size_t add_avx512(uint32_t *hits, size_t found, const uint8_t *query, __m512i q, const uint8_t *rows,
                          size_t first, size_t n, size_t nbytes, unsigned bound);

TARGET(AVX512)
INLINE size_t filter_grouped_avx512(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                    size_t nbytes, unsigned bound, near_avx512 *near, add_avx512 *add)
{
    const size_t group = nbytes < 64 ? 512 / nbytes : 8;
    size_t found = 0, i = 0;
    uint8_t repeated[64];
    repeat_query(repeated, sizeof repeated, query, nbytes < 64 ? nbytes : 64);
    const __m512i q = _mm512_loadu_si512(repeated);
    for (; i + group <= n; i += group) {
        for (size_t at = 0; at < group * nbytes; at += 64)
            _mm_prefetch((const char *)codes + i * nbytes + AHEAD + at, _MM_HINT_T0);
        if (!near(codes + i * nbytes, query, q, bound)) continue;
        found = add(hits, found, query, q, codes + i * nbytes, i, group, nbytes, bound);
    }
    return filter_scanned(hits, found, query, codes, i, n, nbytes, bound, sg_hamming_scan_avx512);
}

TARGET(AVX512)
size_t sg_hamming_filter_avx512(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                size_t nbytes, unsigned bound)
{
    switch (nbytes) {
    case 4:
        return filter_grouped_avx512(hits, query, codes, n, 4, bound, near4_avx512, add_group_avx512);
    case 8:
        return filter_grouped_avx512(hits, query, codes, n, 8, bound, near8_avx512, add_group8_avx512);
    case 16:
        return filter_grouped_avx512(hits, query, codes, n, 16, bound, near16_avx512, add_group_avx512);
    case 32:
        return filter_grouped_avx512(hits, query, codes, n, 32, bound, near32_avx512, add_group_avx512);
    case 64:
        return filter_grouped_avx512(hits, query, codes, n, 64, bound, near64_avx512, add_group_avx512);
    case 128:
        return filter_grouped_avx512(hits, query, codes, n, 128, bound, near128_avx512, add_group_avx512);
    default:
        return filter_scanned(hits, 0, query, codes, 0, n, nbytes, bound, sg_hamming_scan_avx512);
    }
}
