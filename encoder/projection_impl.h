/* Hash heads without labels: a kind is one table in one file (projection_NAME.c), listed in projection.c. All matrices are
 * row-major. */
#ifndef SIGNET_PROJECTION_IMPL_H
#define SIGNET_PROJECTION_IMPL_H

#include <signet/fit.h>

#define SG_ITQ_ROUNDS       50
#define SG_PROJECTION_BLOCK 512 /* rows, or columns, brought to double at a time */

/* What a projection is made from and what it comes to. */
typedef struct sg_projection {
    const float *features; /* (n, dim) borrowed */
    size_t n, dim, nbits;
    uint64_t seed;
    const char *kind;
    double *mean;     /* (dim) of the features */
    double *weight;   /* (nbits, dim): z = weight (f - mean) */
    double explained; /* share of the features' variance that the directions span; NAN: not known */
    double *errors; /* (nerrors) quantisation error before the first round and after each; NULL: no rounds */
    size_t nerrors;
} sg_projection;

typedef struct sg_projection_kind {
    const char *name;
    /* Fills weight, of mean as it is, and what it knows of explained and errors. */
    bool (*fit)(sg_projection *p, sg_error *err);
} sg_projection_kind;

extern const sg_projection_kind sg_projection_itq, sg_projection_pca, sg_projection_pca_rr, sg_projection_lsh;

/* ---- projection.c ---- */
/* Means, then the kind's fit. kind must be registered. Takes what memory it needs; the caller clears. */
bool sg_projection_init(sg_projection *p, const char *kind, const float *features, size_t n, size_t dim,
                        size_t nbits, uint64_t seed, sg_error *err);
void sg_projection_clear(sg_projection *p);
/* Rows row .. row + nrows - 1 and columns col .. col + ncols - 1 of the features less their mean, out (nrows, ncols). */
void sg_projection_centred(double *out, const sg_projection *p, size_t row, size_t nrows, size_t col,
                           size_t ncols);
/* n numbers of N(0, 1) from the stream (seed, SG_RNG_PROJECTION, number). */
void sg_projection_normal(double *out, size_t n, uint64_t seed, uint64_t number);
/* A random orthogonal matrix (k, k): the rows of a Gaussian one made orthonormal one after the other. That is Q' of the QR
 * decomposition of its transpose with a positive diagonal of R: uniform over all rotations and reflections (Stewart 1980). */
void sg_projection_rotation(double *rotation, size_t k, uint64_t seed);

/* ---- projection_pca.c ---- */
/* weight = the nbits directions of largest variance, the largest first, each with its entry of largest size positive; sets
 * explained. Bits that are more than the directions that the features span: SG_ERR_USAGE. */
bool sg_projection_directions(sg_projection *p, sg_error *err);
/* weight = rotation' weight. */
bool sg_projection_rotate(sg_projection *p, const double *rotation, sg_error *err);

/* ---- projection_itq.c ---- */
/* Rounds of B = sign(V R), then the R that minimises ||B - V R|| (Gong and Lazebnik 2011, section 3): V (n, k), rotation
 * (k, k) from its start; errors (rounds + 1) of ||B - V R||^2 / (n k), before the first round and after each. */
bool sg_projection_itq_rounds(double *rotation, double *errors, const double *V, size_t n, size_t k,
                              size_t rounds, sg_error *err);

#endif
