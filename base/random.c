#include <signet/random.h>

#include <math.h>
#include <signet/cpu.h>
#include <signet/error.h>
#include <string.h>

#define LO(x) ((uint32_t)(x))
#define HI(x) ((uint32_t)((uint64_t)(x) >> 32))

#define GOLDEN 0x9E3779B9u /* golden ratio */
#define SQRT3  0xBB67AE85u /* sqrt(3) - 1 */

enum { BLOCKS = 16, WORDS = 4 * BLOCKS };

static inline __attribute__((always_inline)) void philox_round(uint32_t *c0, uint32_t *c1, uint32_t *c2,
                                                               uint32_t *c3, uint32_t k0, uint32_t k1)
{
    const uint64_t p0 = (uint64_t)0xD2511F53u * *c0, p1 = (uint64_t)0xCD9E8D57u * *c2;
    *c0 = HI(p1) ^ *c1 ^ k0;
    *c1 = LO(p1);
    *c2 = HI(p0) ^ *c3 ^ k1;
    *c3 = LO(p0);
}

void sg_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2])
{
    uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        philox_round(&c0, &c1, &c2, &c3, k0, k1);
        k0 += GOLDEN;
        k1 += SQRT3;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

sg_rng sg_rng_at(uint64_t seed, sg_rng_purpose purpose, uint64_t a, uint64_t b)
{
    static const uint32_t zero_key[2];
    sg_rng rng = {.left = 0};
    uint32_t out[4];
    sg_philox(out, (uint32_t[4]){LO(seed), HI(seed), (uint32_t)purpose, 0}, zero_key);
    memcpy(rng.key, out, sizeof rng.key);
    sg_philox(out, (uint32_t[4]){LO(a), HI(a), LO(b), HI(b)}, rng.key);
    memcpy(rng.ctr + 2, out, 2 * sizeof *out);
    return rng;
}

uint32_t sg_rng_u32(sg_rng *rng)
{
    if (rng->left == 0) {
        sg_philox(rng->block, rng->ctr, rng->key);
        if (++rng->ctr[0] == 0) rng->ctr[1]++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

uint64_t sg_rng_u64(sg_rng *rng)
{
    uint64_t low = sg_rng_u32(rng);
    return low | (uint64_t)sg_rng_u32(rng) << 32;
}

static float uniform_of(uint32_t word)
{
    return (float)(int32_t)(word >> 8) * 0x1p-24f;
}

float sg_rng_uniform(sg_rng *rng)
{
    return uniform_of(sg_rng_u32(rng));
}

double sg_rng_normal(sg_rng *rng)
{
    double u = ((double)sg_rng_u32(rng) + 1) * 0x1p-32; /* (0, 1]: its logarithm is finite */
    double v = (double)sg_rng_u32(rng) * 0x1p-32;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* Lemire 2019, "Fast random integer generation in an interval": the high half of a product, and another draw
 * where the low half falls into the part that would favour some answers. */
uint64_t sg_rng_below(sg_rng *rng, uint64_t n)
{
    SG_ASSERT(n > 0);
    for (;;) {
        unsigned __int128 product = (unsigned __int128)sg_rng_u64(rng) * n;
        uint64_t low = (uint64_t)product;
        if (low >= n || low >= -n % n) return (uint64_t)(product >> 64);
    }
}

void sg_rng_shuffle(sg_rng *rng, uint32_t *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)sg_rng_below(rng, i);
        uint32_t swap = v[i - 1];
        v[i - 1] = v[j];
        v[j] = swap;
    }
}

/* The words of BLOCKS blocks from `number` on: sg_philox of each, side by side in the processor's lanes. */
SG_CLONES static void philox_blocks(uint32_t words[WORDS], uint64_t number, const sg_rng *stream)
{
    uint32_t c[4][BLOCKS], k0 = stream->key[0], k1 = stream->key[1];
    for (uint32_t i = 0; i < BLOCKS; i++) {
        c[0][i] = LO(number + i);
        c[1][i] = HI(number + i);
        c[2][i] = stream->ctr[2];
        c[3][i] = stream->ctr[3];
    }
    for (int round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < BLOCKS; i++) philox_round(&c[0][i], &c[1][i], &c[2][i], &c[3][i], k0, k1);
        k0 += GOLDEN;
        k1 += SQRT3;
    }
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t k = 0; k < 4; k++) words[4 * i + k] = c[k][i];
}

/* The floats are made outside, where no product is fused with a sum: the same on every processor. */
void sg_rng_fill_uniform(float *dst, size_t first, size_t n, float lo, float hi, const sg_rng *stream)
{
    uint32_t words[WORDS];
    for (size_t i = first, end = first + n; i < end;) {
        const size_t from = i % WORDS, count = end - i < WORDS - from ? end - i : WORDS - from;
        philox_blocks(words, (i - from) / 4, stream);
        for (size_t j = 0; j < count; j++) dst[i - first + j] = lo + (hi - lo) * uniform_of(words[from + j]);
        i += count;
    }
}

uint64_t sg_name_hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) hash = (hash ^ *c) * 0x100000001b3u;
    return hash;
}
