/* Codes like those of trained models, and the answers by looking at all of them. For tests and bench. */
#ifndef SIGNET_TESTS_CROWD_H
#define SIGNET_TESTS_CROWD_H

#include <signet/codes.h>
#include <signet/random.h>
#include <stdlib.h>
#include <string.h>

/* n codes around ncentres: like a class each, of unequal sizes, with some bits that the model is unsure of. Most codes are
 * at a few bits from their centre, and many are equal. ncentres 0: uniform ones. first: the number of the first one. */
static inline void crowd_codes(uint8_t *codes, size_t first, size_t n, size_t nbits, size_t ncentres,
                               uint64_t seed)
{
    const size_t nbytes = nbits / 8, nunsure = nbits / 4;
    for (size_t i = 0; i < n; i++) {
        uint8_t *code = codes + i * nbytes;
        sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 1, first + i);
        uint64_t centre = 0;
        if (ncentres > 0) {
            const float u = sg_rng_uniform(&rng);
            centre = (uint64_t)(u * u * (float)ncentres);
        }
        sg_rng own = ncentres > 0 ? sg_rng_at(seed, SG_RNG_TEST, 2, centre) : rng;
        for (size_t b = 0; b < nbytes; b++) code[b] = (uint8_t)sg_rng_u32(&own);
        if (ncentres == 0) continue;
        while (sg_rng_below(&rng, 5) < 3) {
            sg_rng unsure = sg_rng_at(seed, SG_RNG_TEST, 3 + sg_rng_below(&rng, nunsure), centre);
            const size_t bit = sg_rng_below(&unsure, nbits);
            code[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        if (sg_rng_below(&rng, 10) == 0) { /* and some anywhere */
            const size_t bit = sg_rng_below(&rng, nbits);
            code[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static inline unsigned naive_distance(const uint8_t *a, const uint8_t *b, size_t nbytes)
{
    unsigned distance = 0;
    for (size_t i = 0; i < nbytes; i++) distance += (unsigned)__builtin_popcount(a[i] ^ b[i]);
    return distance;
}

static inline int naive_order(const void *a, const void *b)
{
    const sg_near *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

/* The k nearest (0: all) within radius by sorting everything; items (n) are filled, their number is returned. */
static inline size_t naive_nearest(sg_near *items, const uint8_t *query, const uint8_t *codes, size_t n,
                                   size_t nbytes, size_t k, unsigned radius)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned distance = naive_distance(query, codes + i * nbytes, nbytes);
        if (distance <= radius) items[found++] = (sg_near){distance, i};
    }
    qsort(items, found, sizeof *items, naive_order);
    return k > 0 && k < found ? k : found;
}

#endif
