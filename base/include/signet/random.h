/* Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1,
 * 2, 3"). A stream is named by (seed, purpose, a, b), typically (seed, purpose, epoch, sample): the same
 * numbers whatever the order or the thread that asks. Nothing here is global. */
#ifndef SIGNET_RANDOM_H
#define SIGNET_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* One block: out[4] from ctr[4] and key[2]. The known-answer vectors of the Random123 distribution hold. */
void sg_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2]);

/* What a stream is for: part of its name, so that two uses never share numbers. Values are fixed for ever. */
typedef enum {
    SG_RNG_SPLIT = 1,    /* protocols: which image goes where */
    SG_RNG_SHUFFLE = 2,  /* order of an epoch */
    SG_RNG_AUGMENT = 3,  /* per image */
    SG_RNG_INIT = 4,     /* weights; a = layer's name hash */
    SG_RNG_FEEDBACK = 5, /* R and M of frsf, brsf, fa; a = layer's name hash, b = step */
    SG_RNG_ATTACK = 6,   /* starts and noise; a = image key, b = restart */
    SG_RNG_CENTERS = 7,  /* hash centres */
    SG_RNG_BOOTSTRAP = 8,
    SG_RNG_DROPOUT = 9,
    SG_RNG_PROJECTION = 10, /* hash heads without labels: rotations, random directions */
    SG_RNG_SAMPLE = 11,     /* which of a collection's pictures are looked at */
    SG_RNG_TEST = 100
} sg_rng_purpose;

typedef struct sg_rng {
    uint32_t key[2];
    uint32_t ctr[4]; /* ctr[0..1] count blocks, ctr[2..3] name the stream */
    uint32_t block[4];
    unsigned left; /* unused words of block */
} sg_rng;

/* The stream (seed, purpose, a, b). key is derived from (seed, purpose) and ctr[2..3] from (a, b) by one
 * Philox block each, so that all 64 bits of every part count. */
sg_rng sg_rng_at(uint64_t seed, sg_rng_purpose purpose, uint64_t a, uint64_t b);

uint32_t sg_rng_u32(sg_rng *rng);
uint64_t sg_rng_u64(sg_rng *rng);
float sg_rng_uniform(sg_rng *rng);                       /* [0, 1), 24 bits */
double sg_rng_normal(sg_rng *rng);                       /* N(0, 1), Box-Muller, no state between calls */
uint64_t sg_rng_below(sg_rng *rng, uint64_t n);          /* [0, n), unbiased; n > 0 */
void sg_rng_shuffle(sg_rng *rng, uint32_t *v, size_t n); /* Fisher-Yates */

/* dst[i] = lo + (hi - lo) * U_i for i in [first, first + n), from dst[0] on; U_i comes from word i % 4 of
 * block i / 4, wherever `stream` itself stands: any range alone gives the same numbers, so threads may
 * share the work. */
void sg_rng_fill_uniform(float *dst, size_t first, size_t n, float lo, float hi, const sg_rng *stream);

/* 64-bit name hash for stream parts (FNV-1a), stable for ever. */
uint64_t sg_name_hash(const char *name);

#endif
