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

/* All kernels, slower before faster: whether this processor can run it, and its functions. */
typedef struct sg_hamming_impl {
    const char *name;
    bool (*usable)(void);
    void (*scan)(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes);
    /* Rows at a distance <= bound, ascending, as distance << 16 | row; their number is returned. n <=
     * SG_HAMMING_ROWS_MAX; hits has room for n. */
    size_t (*filter)(uint32_t *hits, const uint8_t *query, const uint8_t *codes, size_t n, size_t nbytes,
                     unsigned bound);
    /* The same for many queries: the rows are turned into planes once. For `nbits` bits each group of sliced_rows rows
     * takes sliced_rows * nbits / 4 bytes (64-byte aligned); slots: of the query, by sg_hamming_slots. */
    size_t sliced_rows;
    void (*slice)(uint64_t *planes, const uint8_t *codes, size_t n, size_t nbytes);
    size_t (*sliced)(uint32_t *hits, const uint64_t *planes, const uint16_t *slots, const uint8_t *query,
                     const uint8_t *codes, size_t n, size_t nbytes, unsigned bound);
    double row_ns, byte_ns; /* what sg_hamming_scan_cost is made of */
} sg_hamming_impl;
#define SG_HAMMING_ROWS_MAX 65536
const sg_hamming_impl *sg_hamming_impls(size_t *n);
const sg_hamming_impl *sg_hamming_best(void); /* the last that this processor can run */
/* Where a query's planes stand among those of a group: slots (8 nbytes). */
void sg_hamming_slots(uint16_t *slots, const uint8_t *query, size_t nbytes, size_t sliced_rows);

/* The scan: the nearest of n codes, every one of them looked at. */
typedef struct sg_near {
    uint32_t distance;
    uint64_t position; /* row of codes */
} sg_near;

/* The answers to one query. */
typedef struct sg_near_list {
    sg_near *items; /* owned (sg_free) */
    size_t n;
} sg_near_list;

typedef struct sg_hamming_ask {
    size_t k;                    /* 0: all within radius */
    unsigned radius;             /* inclusive; UINT_MAX: no bound */
    const uint64_t *mask;        /* bit i % 64 of word i / 64: whether row i may be found; NULL: all */
    const sg_hamming_impl *impl; /* NULL: the best for this processor */
} sg_hamming_ask;

/* lists (nq): for each of queries (nq, nbytes) the k nearest rows of codes (n, nbytes) within radius, by (distance,
 * position), exact. A large scan uses all threads (sg_threads), one query too; a small one, or one inside a parallel
 * region, uses one. On failure, an interrupt included, all lists are empty. */
bool sg_hamming_nearest(sg_near_list *lists, const uint8_t *queries, size_t nq, const uint8_t *codes,
                        size_t n, size_t nbytes, const sg_hamming_ask *ask, sg_error *err);
/* What that takes for one query on one core of this processor, in nanoseconds, roughly: measured once (bench/), for
 * those who can choose between a scan and something else. */
double sg_hamming_scan_cost(size_t n, size_t nbytes);

#endif
