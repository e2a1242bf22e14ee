/* CSQ (Yuan et al., CVPR 2020, equations 4 to 6): each output is pulled to the bit of its class's centre,
 *     L = mean softplus(-2 z c) + a mean (abs tanh z - 1)^2,
 * whose first part is BCE((tanh z + 1) / 2, (c + 1) / 2). Means over the images that have a label. */
#include "centres_impl.h"
#include "loss_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <string.h>

/* work: centres (classes, K), then the code (K) that settles ties of several labels. */
static bool init(sg_loss *loss, sg_error *err)
{
    size_t cells, rows;
    if (sg_add_size(&rows, loss->classes, 1) && sg_mul_size(&cells, rows, loss->outputs))
        loss->work = sg_alloc_aligned(cells, sizeof(float));
    if (!loss->work) return sg_fail_memory(err, "loss csq");
    sg_centres_ties(loss->work + loss->classes * loss->outputs, loss->outputs, loss->seed);
    return sg_centres_draw(loss->work, loss->classes, loss->outputs, loss->seed, err);
}

/* c (K): the centre of item i: of its class, or the sign of the sum over its labels. */
static void target(float *c, const sg_loss *loss, const sg_labels *labels, size_t i)
{
    size_t nbits = loss->outputs;
    const float *ties = loss->work + loss->classes * nbits;
    memset(c, 0, nbits * sizeof *c);
    for (size_t y = 0; y < loss->classes; y++)
        if (sg_labels_has(labels, i, y))
            for (size_t k = 0; k < nbits; k++) c[k] += loss->work[y * nbits + k];
    for (size_t k = 0; k < nbits; k++) c[k] = c[k] > 0.0f ? 1.0f : c[k] < 0.0f ? -1.0f : ties[k];
}

/* On entry dz holds the target c of the row, on return the gradient. */
static double row(float *dz, const float *z, size_t nbits, float a, float scale)
{
    double sum = 0.0;
    for (size_t k = 0; k < nbits; k++) {
        float c = dz[k], u = tanhf(z[k]), sign = z[k] > 0.0f ? 1.0f : -1.0f, gap = sign * u - 1.0f;
        sum += (double)sg_softplus(-2.0f * z[k] * c) + (double)(a * gap * gap);
        dz[k] = scale * (-2.0f * c * sg_logistic(-2.0f * z[k] * c) + 2.0f * a * gap * sign * (1.0f - u * u));
    }
    return sum;
}

static double run(sg_loss *loss, float *dz, const float *z, const sg_labels *labels, size_t n)
{
    size_t nbits = loss->outputs, labelled = 0;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) labelled += sg_labels_count(labels, i) > 0;
    memset(dz, 0, n * nbits * sizeof *dz);
    for (size_t i = 0; i < n; i++) {
        if (sg_labels_count(labels, i) == 0) continue;
        target(dz + i * nbits, loss, labels, i);
        sum += row(dz + i * nbits, z + i * nbits, nbits, loss->values[0], 1.0f / (float)(labelled * nbits));
    }
    return labelled ? sum / (double)(labelled * nbits) : 0.0;
}

const sg_loss_kind sg_loss_csq = {
    .name = "csq",
    .head = SG_HEAD_HASH,
    .multi = true,
    .values = {{"a", 1e-4f, 0.0f, 1e6f}},
    .init = init,
    .run = run,
};
