/* Learning rules: which matrix B the backward pass sends down in the place of W (Xiao et al. 2018; Sanfiz and
 * Akrout 2021, BioTorch). Only the signal sent down changes: dW and db are exact for every rule. */
#ifndef SIGNET_FEEDBACK_H
#define SIGNET_FEEDBACK_H

#include <signet/params.h>

typedef struct sg_rule sg_rule; /* bp, usf, frsf, brsf, fa: one table each */

const sg_rule *sg_rule_find(const char *name, sg_error *err); /* SG_ERR_USAGE lists what there is */
const char *sg_rule_name(const sg_rule *rule);
const char *const *sg_rule_names(size_t *n);

typedef struct sg_feedback {
    const sg_rule *rule;
    uint64_t seed;
    bool exact_head;     /* the head sends W down (Xiao et al. 2018) */
    char scale_kind[16]; /* norm, norm-live, xavier, fan-in, he */
    float *scales;       /* owned: s of each weight tensor, in the order of params->tensors; NULL for bp */
    size_t nscales;
} sg_feedback;

/* Scales by kind from the weights as they are now (norm: ||W||_F / sqrt(non-zero entries)): load first, then this.
 * scale_kind NULL: norm. */
bool sg_feedback_init(sg_feedback *fb, const char *rule, const char *scale_kind, uint64_t seed,
                      const sg_params *params, sg_error *err);
bool sg_feedback_copy(sg_feedback *to, const sg_feedback *from, sg_error *err);
void sg_feedback_clear(sg_feedback *fb);

/* B (w->size floats) of weight tensor w, for weights at params->block + w->offset. Step counts training steps
 * (brsf redraws M by it; attacks pass 0, or the draw's number under eot). R and M come from stream
 * (seed, SG_RNG_FEEDBACK, hash of the tensor's name, step or 0). sign(0) = 0. Threaded; same numbers for any number of threads. */
void sg_feedback_fill(float *B, const sg_feedback *fb, const sg_params *params, const sg_tensor *w,
                      uint64_t step);

/* Angle in degrees between B and W, and ||B|| / ||W||, of each weight tensor. arrays of nscales (number of weight
 * tensors, sg_params_weights). */
bool sg_feedback_angles(float *angle, float *norm_ratio, const sg_feedback *fb, const sg_params *params,
                        uint64_t step, sg_error *err);
size_t sg_params_weights(const sg_params *params);

#endif
