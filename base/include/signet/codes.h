/* Binary codes: packing and Hamming distance, the one place for all rooms.
 * Bit k of a code is bit k % 8 of byte k / 8 (least significant first: FAISS's order). A stored bit is 1
 * where the output z > 0, else 0. A code of K bits takes K / 8 bytes; K is a multiple of 8, 8 <= K <=
 * SG_BITS_MAX. */
#ifndef SIGNET_CODES_H
#define SIGNET_CODES_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

#define SG_BITS_MAX 1024

bool sg_bits_check(int64_t nbits, sg_error *err); /* SG_ERR_USAGE with the rule when it is no allowed K */

/* codes (n, nbits/8) from z (n, nbits): 1 where z > 0 (0, -0 and NaN give 0). */
void sg_codes_pack(uint8_t *codes, const float *z, size_t n, size_t nbits);
/* signs (n, nbits) in {-1, +1} from codes. */
void sg_codes_unpack(float *signs, const uint8_t *codes, size_t n, size_t nbits);

unsigned sg_hamming(const uint8_t *a, const uint8_t *b, size_t nbytes);
/* dist[i] = distance of query to codes row i; the kernel is chosen once for this processor. n rows of nbytes.
 */
void sg_hamming_scan(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes);
const char *sg_hamming_kernel(void); /* name of the kernel in use: "portable", "popcnt", "avx2", "avx512" */

/* All kernels, for tests: name, whether this processor can run it, and the function. */
typedef struct sg_hamming_impl {
    const char *name;
    bool (*usable)(void);
    void (*scan)(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes);
} sg_hamming_impl;
const sg_hamming_impl *sg_hamming_impls(size_t *n);

#endif
