/* DPSH (Li et al., IJCAI 2016, equations 3 to 5): the likelihood of pairs by t_ij = u_i . u_j / 2,
 *     L = mean over i != j of [ softplus(t_ij) - s_ij t_ij ] + a mean (u - sign u)^2,   u = z. */
#include "blas_impl.h"
#include "loss_impl.h"

#include <signet/mem.h>

static bool init(sg_loss *loss, sg_error *err)
{
    size_t cells, rows; /* the sum of each row (batch) as doubles, then t (batch, batch) */
    if (sg_add_size(&rows, loss->batch, 2) && sg_mul_size(&cells, loss->batch, rows))
        loss->work = sg_alloc_aligned(cells, sizeof(float));
    return loss->work ? true : sg_fail_memory(err, "loss dpsh");
}

/* Row i of t becomes that of dL/dt; returns the row's sum of the likelihood. */
static double pairs(float *t, size_t i, const sg_labels *labels, size_t n, float scale)
{
    double sum = 0.0;
    for (size_t j = 0; j < n; j++) {
        if (j == i) {
            t[j] = 0.0f;
            continue;
        }
        float s = sg_labels_similar(labels, i, labels, j) ? 1.0f : 0.0f;
        sum += (double)sg_softplus(t[j]) - (double)(s * t[j]);
        t[j] = scale * (sg_logistic(t[j]) - s);
    }
    return sum;
}

/* Adds the gradient of a mean (u - sign u)^2 to row dz; returns the row's sum of squares. */
static double quantize(float *dz, const float *z, size_t nbits, float scale)
{
    double sum = 0.0;
    for (size_t k = 0; k < nbits; k++) {
        float d = z[k] - (z[k] > 0.0f ? 1.0f : -1.0f);
        sum += (double)d * d;
        dz[k] += scale * d;
    }
    return sum;
}

static double run(sg_loss *loss, float *dz, const float *z, const sg_labels *labels, size_t n)
{
    size_t nbits = loss->outputs;
    float a = loss->values[0];
    double npairs = (double)n * (double)(n - 1), likelihood = 0.0, squares = 0.0;
    double *row = (double *)loss->work; /* sums of one row each, then added in order */
    float *t = loss->work + 2 * loss->batch;
    sg_blas_nt(t, z, z, n, n, nbits, 0.5f);
    float scale = n > 1 ? (float)(1.0 / npairs) : 0.0f;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) row[i] = pairs(t + i * n, i, labels, n, scale);
    for (size_t i = 0; i < n; i++) likelihood += row[i];
    /* t is symmetric and so is dL/dt: u_i stands in t_ij and t_ji, half each, so that dL/du = (dL/dt) u. */
    sg_blas_nn(dz, t, z, n, nbits, n, 1.0f);
    for (size_t i = 0; i < n; i++)
        squares += quantize(dz + i * nbits, z + i * nbits, nbits, 2.0f * a / (float)(n * nbits));
    return (n > 1 ? likelihood / npairs : 0.0) + (double)a * squares / (double)(n * nbits);
}

const sg_loss_kind sg_loss_dpsh = {
    .name = "dpsh",
    .head = SG_HEAD_HASH,
    .multi = true,
    .values = {{"a", 0.1f, 0.0f, 1e6f}},
    .init = init,
    .run = run,
};
