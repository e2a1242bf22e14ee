/* SGD with momentum, as torch.optim.SGD: g += decay w; v = momentum v + g; w -= lr v. */
#include "optim_impl.h"

static void update(float *w, const float *g, float *const *state, size_t n, const sg_optim_options *options,
                   float lr, uint64_t count)
{
    (void)count;
    float momentum = options->momentum, decay = options->weight_decay, *v = state[0];
    for (size_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + (g[i] + decay * w[i]);
        w[i] -= lr * v[i];
    }
}

const sg_optim_kind sg_optim_sgd = {
    .name = "sgd",
    .defaults = {.name = "sgd", .lr = 0.1f, .head_lr = 1.0f},
    .blocks = 1,
    .update = update,
};
