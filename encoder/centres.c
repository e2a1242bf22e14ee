#include "centres_impl.h"

#include <signet/codes.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>

enum { DRAWS = 20 };

/* The last part of a stream's name: centres and ties are different numbers of one seed. */
enum { STREAM_CENTRES, STREAM_TIES };

/* Signed row s of Sylvester's Hadamard matrix H[r][c] = (-1)^popcount(r & c): row s / 2, negated when s is odd. */
static void row_write(float *centre, uint32_t s, size_t nbits)
{
    for (size_t c = 0; c < nbits; c++) {
        unsigned minus = (unsigned)__builtin_popcount(s >> 1 & (uint32_t)c) + s;
        centre[c] = minus & 1 ? -1.0f : 1.0f;
    }
}

/* A set of vectors over GF(2) in echelon form: basis[b] has its highest bit at b, or is 0. */
typedef struct gf2_span {
    uint32_t basis[32];
} gf2_span;

/* Adds v when it is independent of what is there; says whether it was. */
static bool span_add(gf2_span *span, uint32_t v)
{
    for (int b = 31; b >= 0; b--) {
        if (!(v >> b & 1)) continue;
        if (!span->basis[b]) {
            span->basis[b] = v;
            return true;
        }
        v ^= span->basis[b];
    }
    return false;
}

/* Columns c and c' of the chosen rows r are equal where r . (c ^ c') = 0 over GF(2) for all of them: 2^rank columns
 * are distinct. They are opposite where it is 1 for all: never, once the vectors (r, 1) have full rank too. A row
 * chosen with its negative leaves no column constant. So: such a pair, then rows that raise the first rank, then
 * one that raises the second, then any. order (2 nbits) is all signed rows, shuffled. */
static void choose(uint32_t *chosen, size_t classes, const uint32_t *order, size_t nrows)
{
    gf2_span linear = {{0}}, affine = {{0}};
    bool used[2 * SG_BITS_MAX] = {false};
    size_t n = 0;
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < nrows && n < classes; i++) {
            uint32_t s = order[i], r = s >> 1;
            if (used[s] || (pass == 0 && !span_add(&linear, r))) continue;
            bool raised = span_add(&affine, r << 1 | 1);
            if (pass == 1 && !raised) continue;
            used[s] = true;
            chosen[n++] = s;
            if (n == 1 && classes > 1) {
                used[s ^ 1] = true;
                chosen[n++] = s ^ 1;
            }
        }
    }
}

static void hadamard(float *centres, size_t classes, size_t nbits, sg_rng rng)
{
    uint32_t order[2 * SG_BITS_MAX], chosen[2 * SG_BITS_MAX];
    for (size_t s = 0; s < 2 * nbits; s++) order[s] = (uint32_t)s;
    sg_rng_shuffle(&rng, order, 2 * nbits);
    choose(chosen, classes, order, 2 * nbits);
    for (size_t i = 0; i < classes; i++) row_write(centres + i * nbits, chosen[i], nbits);
}

static void bernoulli(float *signs, size_t n, sg_rng *rng)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % 32 == 0) bits = sg_rng_u32(rng);
        signs[i] = bits >> i % 32 & 1 ? 1.0f : -1.0f;
    }
}

/* Least Hamming distance between two of n codes; dist (n) is scratch. */
static unsigned least_distance(const uint8_t *codes, size_t n, size_t nbytes, uint16_t *dist)
{
    unsigned least = UINT16_MAX;
    for (size_t i = 0; i + 1 < n; i++) {
        sg_hamming_scan(dist, codes + i * nbytes, codes + (i + 1) * nbytes, n - i - 1, nbytes);
        for (size_t j = 0; j < n - i - 1; j++) least = dist[j] < least ? dist[j] : least;
    }
    return least;
}

static bool best_of_draws(float *centres, size_t classes, size_t nbits, sg_rng rng, sg_error *err)
{
    float *signs = sg_alloc(classes, nbits * sizeof *signs);
    uint8_t *codes = sg_alloc(classes, nbits / 8);
    uint16_t *dist = sg_alloc(classes, sizeof *dist);
    bool ok = signs && codes && dist;
    unsigned best = 0;
    for (int draw = 0; ok && draw < DRAWS; draw++) {
        bernoulli(signs, classes * nbits, &rng);
        sg_codes_pack(codes, signs, classes, nbits);
        unsigned least = least_distance(codes, classes, nbits / 8, dist);
        if (draw > 0 && least <= best) continue;
        best = least;
        memcpy(centres, signs, classes * nbits * sizeof *signs);
    }
    sg_free(dist);
    sg_free(codes);
    sg_free(signs);
    return ok ? true : sg_fail_memory(err, "hash centres");
}

bool sg_centres_draw(float *centres, size_t classes, size_t nbits, uint64_t seed, sg_error *err)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_CENTERS, nbits, STREAM_CENTRES);
    if ((nbits & (nbits - 1)) != 0 || classes > 2 * nbits)
        return best_of_draws(centres, classes, nbits, rng, err);
    hadamard(centres, classes, nbits, rng);
    return true;
}

void sg_centres_ties(float *code, size_t nbits, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_CENTERS, nbits, STREAM_TIES);
    bernoulli(code, nbits, &rng);
}
