/* itq: principal directions turned so that signs lose least (Gong and Lazebnik, "Iterative Quantization: A Procrustean
 * Approach to Learning Binary Codes", CVPR 2011). */
#include "blas_impl.h"
#include "projection_impl.h"

#include <signet/interrupt.h>
#include <signet/mem.h>

/* B = sign(V R), and how far V R is from it: the mean of the squares. */
static double quantise(double *B, const double *VR, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        B[i] = VR[i] > 0 ? 1 : -1;
        sum += (B[i] - VR[i]) * (B[i] - VR[i]);
    }
    return sum / (double)n;
}

typedef struct rounds {
    double *VR, *B;                    /* (n, k) */
    double *C, *left, *values, *right; /* (k, k), values (k) */
} rounds;

static bool rounds_init(rounds *r, size_t n, size_t k)
{
    *r = (rounds){.VR = sg_alloc(n * k, sizeof *r->VR),
                  .B = sg_alloc(n * k, sizeof *r->B),
                  .C = sg_alloc(k * k, sizeof *r->C),
                  .left = sg_alloc(k * k, sizeof *r->left),
                  .values = sg_alloc(k, sizeof *r->values),
                  .right = sg_alloc(k * k, sizeof *r->right)};
    return r->VR && r->B && r->C && r->left && r->values && r->right;
}

static void rounds_clear(rounds *r)
{
    sg_free(r->right);
    sg_free(r->values);
    sg_free(r->left);
    sg_free(r->C);
    sg_free(r->B);
    sg_free(r->VR);
}

/* B'V = S Q T', R = T S': the orthogonal Procrustes problem. */
bool sg_projection_itq_rounds(double *rotation, double *errors, const double *V, size_t n, size_t k,
                              size_t nrounds, sg_error *err)
{
    rounds r;
    bool ok = rounds_init(&r, n, k) ? true : sg_fail_memory(err, "itq");
    for (size_t i = 0; ok && i <= nrounds; i++) {
        sg_blas_double(r.VR, V, false, rotation, false, n, k, k, 0.0);
        errors[i] = quantise(r.B, r.VR, n * k);
        if (i == nrounds) break;
        sg_blas_double(r.C, r.B, true, V, false, k, k, n, 0.0);
        ok = sg_blas_svd(r.left, r.values, r.right, r.C, k, err) && sg_interrupt_check(err);
        if (ok) sg_blas_double(rotation, r.right, true, r.left, true, k, k, k, 0.0);
    }
    rounds_clear(&r);
    return ok;
}

/* V (n, nbits): the images along the directions. */
static bool project(double *V, const sg_projection *p, sg_error *err)
{
    enum { BLOCK = SG_PROJECTION_BLOCK };
    double *X = sg_alloc(BLOCK * p->dim, sizeof *X);
    if (!X) return sg_fail_memory(err, p->kind);
    for (size_t at = 0; at < p->n; at += BLOCK) {
        size_t rows = p->n - at < BLOCK ? p->n - at : BLOCK;
        sg_projection_centred(X, p, at, rows, 0, p->dim);
        sg_blas_double(V + at * p->nbits, X, false, p->weight, true, rows, p->nbits, p->dim, 0.0);
    }
    sg_free(X);
    return true;
}

static bool fit(sg_projection *p, sg_error *err)
{
    size_t k = p->nbits;
    p->nerrors = SG_ITQ_ROUNDS + 1;
    p->errors = sg_alloc(p->nerrors, sizeof *p->errors);
    double *rotation = sg_alloc(k * k, sizeof *rotation), *V = sg_alloc(p->n * k, sizeof *V);
    bool ok = p->errors && rotation && V ? true : sg_fail_memory(err, p->kind);
    if (ok) sg_projection_rotation(rotation, k, p->seed);
    ok = ok && sg_projection_directions(p, err) && project(V, p, err) &&
         sg_projection_itq_rounds(rotation, p->errors, V, p->n, k, SG_ITQ_ROUNDS, err) &&
         sg_projection_rotate(p, rotation, err);
    sg_free(V);
    sg_free(rotation);
    return ok;
}

const sg_projection_kind sg_projection_itq = {.name = "itq", .fit = fit};
