/* Adam (Kingma and Ba 2015), as torch.optim.Adam: the decay is part of the gradient, eps outside the root. */
#include "optim_impl.h"

#include <math.h>

static void update(float *w, const float *g, float *const *state, size_t n, const sg_optim_options *options,
                   float lr, uint64_t count)
{
    float beta1 = options->beta1, beta2 = options->beta2, eps = options->eps, decay = options->weight_decay;
    float *m = state[0], *v = state[1];
    float step = (float)((double)lr / (1.0 - pow((double)beta1, (double)count)));
    float root = (float)(1.0 / sqrt(1.0 - pow((double)beta2, (double)count)));
    for (size_t i = 0; i < n; i++) {
        float d = g[i] + decay * w[i];
        m[i] = beta1 * m[i] + (1.0f - beta1) * d;
        v[i] = beta2 * v[i] + (1.0f - beta2) * d * d;
        w[i] -= step * m[i] / (sqrtf(v[i]) * root + eps);
    }
}

const sg_optim_kind sg_optim_adam = {
    .name = "adam",
    .defaults = {.name = "adam", .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .head_lr = 1.0f},
    .blocks = 2,
    .update = update,
};
