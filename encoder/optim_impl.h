/* A kind of optimiser: one table of functions in one file (optim_NAME.c), listed in optim.c. */
#ifndef SIGNET_OPTIM_IMPL_H
#define SIGNET_OPTIM_IMPL_H

#include <signet/optim.h>

#define SG_OPTIM_BLOCKS 2 /* of state, at most */

typedef struct sg_optim_kind {
    const char *name;
    sg_optim_options defaults; /* PyTorch's */
    size_t blocks;             /* of state, zero at first */
    /* Updates n weights w by gradients g; state[b] is their place in state block b. lr is the rate of these weights
     * in this step, count the number of this step from 1. */
    void (*update)(float *w, const float *g, float *const *state, size_t n, const sg_optim_options *options,
                   float lr, uint64_t count);
} sg_optim_kind;

extern const sg_optim_kind sg_optim_sgd, sg_optim_adam;

#endif
