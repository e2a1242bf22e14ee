/* The registry of projections, and what they share. */
#include "projection_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>

static const sg_projection_kind *const kinds[] = {&sg_projection_itq, &sg_projection_pca,
                                                  &sg_projection_pca_rr, &sg_projection_lsh};
static const char *const names[] = {"itq", "pca", "pca-rr", "lsh"};
#define NKINDS (sizeof kinds / sizeof *kinds)
_Static_assert(sizeof names / sizeof *names == NKINDS, "a name for each projection");

const char *const *sg_projection_names(size_t *n)
{
    *n = NKINDS;
    return names;
}

static const sg_projection_kind *find(const char *name)
{
    for (size_t i = 0; i < NKINDS; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

bool sg_projection_known(const char *name)
{
    return find(name) != NULL;
}

/* In double, image by image: the sum's order is the images', whatever the threads. */
static void set_mean(sg_projection *p)
{
    memset(p->mean, 0, p->dim * sizeof *p->mean);
    for (size_t i = 0; i < p->n; i++)
        for (size_t d = 0; d < p->dim; d++) p->mean[d] += (double)p->features[i * p->dim + d];
    for (size_t d = 0; d < p->dim; d++) p->mean[d] /= (double)p->n;
}

bool sg_projection_init(sg_projection *p, const char *kind, const float *features, size_t n, size_t dim,
                        size_t nbits, uint64_t seed, sg_error *err)
{
    *p = (sg_projection){.features = features,
                         .n = n,
                         .dim = dim,
                         .nbits = nbits,
                         .seed = seed,
                         .kind = kind,
                         .explained = NAN,
                         .mean = sg_alloc(dim, sizeof *p->mean),
                         .weight = sg_alloc(nbits * dim, sizeof *p->weight)};
    bool ok = p->mean && p->weight ? true : sg_fail_memory(err, kind);
    if (ok) {
        set_mean(p);
        ok = find(kind)->fit(p, err);
    }
    if (!ok) sg_projection_clear(p);
    return ok;
}

void sg_projection_clear(sg_projection *p)
{
    sg_free(p->errors);
    sg_free(p->weight);
    sg_free(p->mean);
    *p = (sg_projection){.features = NULL};
}

void sg_projection_centred(double *out, const sg_projection *p, size_t row, size_t nrows, size_t col,
                           size_t ncols)
{
    for (size_t i = 0; i < nrows; i++)
        for (size_t d = 0; d < ncols; d++)
            out[i * ncols + d] = (double)p->features[(row + i) * p->dim + col + d] - p->mean[col + d];
}

void sg_projection_normal(double *out, size_t n, uint64_t seed, uint64_t number)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_PROJECTION, number, 0);
    for (size_t i = 0; i < n; i++) out[i] = sg_rng_normal(&rng);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

void sg_projection_rotation(double *rotation, size_t k, uint64_t seed)
{
    sg_projection_normal(rotation, k * k, seed, 0);
    for (size_t i = 0; i < k; i++) {
        double *row = rotation + i * k;
        for (int twice = 0; twice < 2;
             twice++) /* what rounding leaves of the earlier rows goes the second time */
            for (size_t j = 0; j < i; j++) {
                const double *earlier = rotation + j * k;
                double along = dot(row, earlier, k);
                for (size_t d = 0; d < k; d++) row[d] -= along * earlier[d];
            }
        double norm = sqrt(dot(row, row, k));
        for (size_t d = 0; d < k; d++) row[d] /= norm;
    }
}
