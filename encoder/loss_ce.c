/* Softmax cross-entropy of a classifier, mean over the images that have a label. */
#include "loss_impl.h"

#include <math.h>
#include <string.h>

/* dz = scale (softmax(z) - onehot(y)); returns -log softmax(z)[y]. */
static double row(float *dz, const float *z, size_t classes, size_t y, float scale)
{
    float top = z[0];
    for (size_t c = 1; c < classes; c++) top = fmaxf(top, z[c]);
    double sum = 0.0;
    for (size_t c = 0; c < classes; c++) {
        dz[c] = expf(z[c] - top);
        sum += (double)dz[c];
    }
    for (size_t c = 0; c < classes; c++) dz[c] *= (float)((double)scale / sum);
    dz[y] -= scale;
    return log(sum) - ((double)z[y] - (double)top);
}

static double run(sg_loss *loss, float *dz, const float *z, const sg_labels *labels, size_t n)
{
    size_t classes = loss->outputs, labelled = 0;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) labelled += labels->ids[i] >= 0;
    memset(dz, 0, n * classes * sizeof *dz);
    for (size_t i = 0; i < n; i++)
        if (labels->ids[i] >= 0)
            sum += row(dz + i * classes, z + i * classes, classes, (size_t)labels->ids[i],
                       1.0f / (float)labelled);
    return labelled ? sum / (double)labelled : 0.0;
}

const sg_loss_kind sg_loss_ce = {.name = "ce", .head = SG_HEAD_CLASSIFIER, .run = run};
