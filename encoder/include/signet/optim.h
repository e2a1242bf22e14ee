/* Optimisers and schedules, as PyTorch defines them. */
#ifndef SIGNET_OPTIM_H
#define SIGNET_OPTIM_H

#include <signet/params.h>

typedef struct sg_optim sg_optim;

typedef struct sg_optim_options {
    const char *name;                 /* "sgd", "adam" */
    float lr, weight_decay, momentum; /* momentum: sgd */
    float beta1, beta2, eps;          /* adam */
    float head_lr;                    /* multiplier of the head's rate */
    bool head_only;                   /* the body stays as it is */
} sg_optim_options;

/* PyTorch's defaults of the named kind (sgd: momentum 0; adam: .9 .999 1e-8), head_lr 1. */
bool sg_optim_defaults(sg_optim_options *options, const char *name, sg_error *err);
bool sg_optim_new(sg_optim **optim, const sg_optim_options *options, const sg_params *params, sg_error *err);
void sg_optim_free(sg_optim *optim);
/* One step in one threaded pass over the block; rate: this step's factor on lr (the schedule). */
void sg_optim_step(sg_optim *optim, sg_params *params, const float *grads, float rate);
/* Its state, for checkpoints: blocks of params' layout and the step count. */
size_t sg_optim_blocks(const sg_optim *optim);
float *sg_optim_block(sg_optim *optim, size_t i);
uint64_t *sg_optim_count(sg_optim *optim);
const char *const *sg_optim_names(size_t *n);

/* Schedules: the factor on lr at a step, from 0. "constant"; "step", times gamma after each `every` epochs (StepLR);
 * "cosine", to 0 at the end of the run. The warm-up multiplies by (step + 1) / warmup; cosine begins after it. */
typedef struct sg_schedule {
    const char *name;
    float gamma;  /* step */
    size_t every; /* step: in epochs */
    size_t steps_per_epoch, epochs;
    size_t warmup; /* linear, in steps */
} sg_schedule;
bool sg_schedule_check(const sg_schedule *schedule, sg_error *err);
float sg_schedule_rate(const sg_schedule *schedule, size_t step);
const char *const *sg_schedule_names(size_t *n);

#endif
