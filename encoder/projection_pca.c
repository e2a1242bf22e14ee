/* pca: the principal directions as they are; pca-rr: turned by a random rotation, which spreads the variance evenly over
 * the bits (Jegou et al. 2010). */
#include "blas_impl.h"
#include "projection_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <string.h>

#define BLOCK SG_PROJECTION_BLOCK

/* What is summed up over images or features at a time. */
static size_t block_at(size_t at, size_t n)
{
    return n - at < BLOCK ? n - at : BLOCK;
}

/* S (dim, dim) = the sum of x x' over the images, x less the mean. */
static bool scatter(double *S, const sg_projection *p, sg_error *err)
{
    double *X = sg_alloc(BLOCK * p->dim, sizeof *X);
    if (!X) return sg_fail_memory(err, p->kind);
    for (size_t at = 0; at < p->n; at += BLOCK) {
        size_t rows = block_at(at, p->n);
        sg_projection_centred(X, p, at, rows, 0, p->dim);
        sg_blas_double(S, X, true, X, false, p->dim, p->dim, rows, at ? 1.0 : 0.0);
    }
    sg_free(X);
    return true;
}

/* G (n, n) = the images' inner products, x less the mean. */
static bool gram(double *G, const sg_projection *p, sg_error *err)
{
    double *X = sg_alloc(p->n * BLOCK, sizeof *X);
    if (!X) return sg_fail_memory(err, p->kind);
    for (size_t at = 0; at < p->dim; at += BLOCK) {
        size_t columns = block_at(at, p->dim);
        sg_projection_centred(X, p, 0, p->n, at, columns);
        sg_blas_double(G, X, false, X, true, p->n, p->n, columns, at ? 1.0 : 0.0);
    }
    sg_free(X);
    return true;
}

/* weight = U X for U (nbits, n): eigenvectors u of X X' give those of X' X. */
static bool combine_images(sg_projection *p, const double *U, sg_error *err)
{
    double *X = sg_alloc(BLOCK * p->dim, sizeof *X), *part = sg_alloc(p->nbits * BLOCK, sizeof *part);
    bool ok = X && part ? true : sg_fail_memory(err, p->kind);
    for (size_t at = 0; ok && at < p->n; at += BLOCK) {
        size_t rows = block_at(at, p->n);
        sg_projection_centred(X, p, at, rows, 0, p->dim);
        for (size_t k = 0; k < p->nbits; k++) memcpy(part + k * rows, U + k * p->n + at, rows * sizeof *part);
        sg_blas_double(p->weight, part, false, X, false, p->nbits, p->dim, rows, at ? 1.0 : 0.0);
    }
    sg_free(part);
    sg_free(X);
    return ok;
}

/* Length 1, and one of two opposite vectors, always the same. */
static void normalise(double *v, size_t n)
{
    double norm = 0, largest = 0;
    for (size_t d = 0; d < n; d++) {
        norm += v[d] * v[d];
        if (fabs(v[d]) > fabs(largest)) largest = v[d];
    }
    double scale = 1 / copysign(sqrt(norm), largest);
    for (size_t d = 0; d < n; d++) v[d] *= scale;
}

static bool check_span(const sg_projection *p, const double *values, size_t size, sg_error *err)
{
    size_t span = 0;
    double least = values[size - 1] * 1e-12; /* the square of what double keeps of a direction's length */
    while (span < size && values[size - 1 - span] > least) span++;
    if (span >= p->nbits) return true;
    return sg_fail(err, SG_ERR_USAGE, "%s: %zu bits are more than the %zu directions that %zu images span",
                   p->kind, p->nbits, span, p->n);
}

/* From the smaller of the two matrices that have the same eigenvalues but for zeros. */
static bool directions(sg_projection *p, double *A, double *values, sg_error *err)
{
    bool few = p->n < p->dim;
    size_t size = few ? p->n : p->dim;
    if (!(few ? gram : scatter)(A, p, err)) return false;
    double total = 0, kept = 0;
    for (size_t i = 0; i < size; i++) total += A[i * size + i];
    if (!sg_blas_eigen(A, values, size, err) || !check_span(p, values, size, err)) return false;
    for (size_t k = 0; k < p->nbits; k++) kept += values[size - 1 - k];
    /* The largest first. */
    for (size_t i = 0, j = size - 1; i < j; i++, j--)
        for (size_t d = 0; d < size; d++) {
            double t = A[i * size + d];
            A[i * size + d] = A[j * size + d];
            A[j * size + d] = t;
        }
    if (!few)
        memcpy(p->weight, A, p->nbits * p->dim * sizeof *A);
    else if (!combine_images(p, A, err))
        return false;
    for (size_t k = 0; k < p->nbits; k++) normalise(p->weight + k * p->dim, p->dim);
    p->explained = kept / total;
    return true;
}

bool sg_projection_directions(sg_projection *p, sg_error *err)
{
    if (p->nbits > p->dim)
        return sg_fail(err, SG_ERR_USAGE, "%s: %zu bits are more than the %zu features", p->kind, p->nbits,
                       p->dim);
    if (p->nbits > p->n)
        return sg_fail(err, SG_ERR_USAGE, "%s: %zu bits are more than the %zu images", p->kind, p->nbits,
                       p->n);
    size_t size = p->n < p->dim ? p->n : p->dim;
    double *A = sg_alloc(size * size, sizeof *A), *values = sg_alloc(size, sizeof *values);
    bool ok = A && values ? directions(p, A, values, err) : sg_fail_memory(err, p->kind);
    sg_free(values);
    sg_free(A);
    return ok;
}

bool sg_projection_rotate(sg_projection *p, const double *rotation, sg_error *err)
{
    double *turned = sg_alloc(p->nbits * p->dim, sizeof *turned);
    if (!turned) return sg_fail_memory(err, p->kind);
    sg_blas_double(turned, rotation, true, p->weight, false, p->nbits, p->dim, p->nbits, 0.0);
    sg_free(p->weight);
    p->weight = turned;
    return true;
}

static bool fit_turned(sg_projection *p, sg_error *err)
{
    double *rotation = sg_alloc(p->nbits * p->nbits, sizeof *rotation);
    bool ok = rotation ? true : sg_fail_memory(err, p->kind);
    if (ok) sg_projection_rotation(rotation, p->nbits, p->seed);
    ok = ok && sg_projection_directions(p, err) && sg_projection_rotate(p, rotation, err);
    sg_free(rotation);
    return ok;
}

const sg_projection_kind sg_projection_pca = {.name = "pca", .fit = sg_projection_directions};
const sg_projection_kind sg_projection_pca_rr = {.name = "pca-rr", .fit = fit_turned};
