/* What the files of the Hamming kernels share. */
#ifndef SIGNET_HAMMING_IMPL_H
#define SIGNET_HAMMING_IMPL_H

#include <immintrin.h>
#include <signet/codes.h>

#define TARGET(instructions) __attribute__((target(instructions)))
#define INLINE               static inline __attribute__((always_inline))
#define AVX512               "avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq"

/* The columns `scan` and `filter` of the registry. */
void sg_hamming_scan_portable(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                              size_t nbytes);
void sg_hamming_scan_popcnt(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                            size_t nbytes);
void sg_hamming_scan_avx2(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                          size_t nbytes);
void sg_hamming_scan_avx512(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                            size_t nbytes);
size_t sg_hamming_filter_portable(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                  size_t nbytes, unsigned bound);
size_t sg_hamming_filter_popcnt(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                size_t nbytes, unsigned bound);
size_t sg_hamming_filter_avx2(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                              size_t nbytes, unsigned bound);
size_t sg_hamming_filter_avx512(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n,
                                size_t nbytes, unsigned bound);

/* The columns `slice` and `sliced`. */
#define SG_HAMMING_SLICED(isa)                                                                               \
    void sg_hamming_slice_##isa(uint64_t *planes, const uint8_t *codes, size_t n, size_t nbytes);            \
    size_t sg_hamming_sliced_##isa(uint32_t *hits, const uint64_t *planes, const uint16_t *slots,            \
                                   const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes,      \
                                   unsigned bound)
SG_HAMMING_SLICED(portable);
SG_HAMMING_SLICED(avx2);
SG_HAMMING_SLICED(avx512);

/* The query again and again, up to 32 bytes (64 for AVX-512). */
INLINE void repeat_query(uint8_t *out, size_t nbytes_out, const uint8_t *query, size_t nbytes)
{
    for (size_t i = 0; i < nbytes_out; i++) out[i] = query[i % nbytes];
}

/* The bits set in each byte of codes ^ query, those of half bytes from a table in a register (Mula, Kurz, Lemire 2018,
 * "Faster population counts using AVX2 instructions"). */
TARGET("avx2") INLINE __m256i xor_count_avx2(const uint8_t *codes, __m256i query)
{
    const __m256i table =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i low = _mm256_set1_epi8(15);
    __m256i x = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)codes), query);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)),
                           _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
}

#endif
