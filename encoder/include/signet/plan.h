/* How a net is computed: bound to purpose, batch, precision and threads. All is decided and all memory taken when
 * the plan is made; running it allocates nothing. A plan is for one thread of control at a time.
 *
 *   encode   batch-norm folded, ReLU and residual add fused, buffers reused; no backward
 *   attack   batch-norm in evaluation mode; backward gives the input's gradient only
 *   train    batch-norm on batch statistics (or frozen), dropout; backward gives every parameter's gradient
 *
 * In bf16 the values between layers and their gradients are bf16; what the caller gives and gets is f32.
 * Encode and attack plans give an image the same bits whatever the batch it stands in and the number of threads. */
#ifndef SIGNET_PLAN_H
#define SIGNET_PLAN_H

#include <signet/feedback.h>
#include <signet/precision.h>

#define SG_BATCH_MAX 65536

typedef struct sg_plan sg_plan;

typedef enum { SG_ENCODE, SG_ATTACK, SG_TRAIN } sg_purpose;

typedef struct sg_plan_options {
    sg_purpose purpose;
    size_t batch;
    sg_precision precision;
    bool frozen_bn;      /* train: batch-norm in evaluation mode, its statistics untouched */
    bool head_only;      /* train: the body is a constant; only the head gets gradients */
    bool input_gradient; /* train: backward fills dx too (attack always does) */
    bool no_dropout;     /* train: dropout is the identity (as always in encode, attack and with head_only) */
    bool no_winograd;    /* train: direct convolutions only (as always in encode and attack) */
    uint64_t seed;       /* of dropout's masks, drawn anew for each step that is loaded */
} sg_plan_options;

/* The threads are those of sg_threads() now, whenever it runs. Borrows net until free. Running it leaves denormals
 * flushed to zero in the calling thread. SG_ERR_MEMORY, SG_ERR_UNSUPPORTED naming the layer or a precision
 * that this process lacks, SG_ERR_USAGE for a batch of 0 or more than SG_BATCH_MAX. */
bool sg_plan_new(sg_plan **plan, const sg_net *net, const sg_plan_options *options, sg_error *err);
void sg_plan_free(sg_plan *plan);

/* Takes the weights (reordered, folded) and, for attack and train, B: feedback NULL is the exact gradient, B = W.
 * Called once for encode and attack, before each step in training; step as in sg_feedback_fill. What an earlier forward
 * kept for backward is lost. */
void sg_plan_load(sg_plan *plan, const sg_params *params, const sg_feedback *feedback, uint64_t step);

/* z (batch, outputs) from x (batch, C, H, W) in [0, 1]. The caller's memory, any alignment. A train plan updates
 * the running statistics in `params` given to sg_plan_train_forward only. */
void sg_plan_forward(sg_plan *plan, const float *x, float *z);
/* As forward, in training: batch statistics are used, and running ones in params move by momentum 0.1 (PyTorch). */
void sg_plan_train_forward(sg_plan *plan, sg_params *params, const float *x, float *z);

/* From dz (batch, outputs), after a forward of the same x. attack: dx (batch, C, H, W), gradient by pixel space.
 * train: grads, a block of params' layout, is overwritten (running statistics' places 0); dx NULL unless the plan
 * has input_gradient. */
void sg_plan_backward(sg_plan *plan, const float *dz, float *grads, float *dx);

size_t sg_plan_batch(const sg_plan *plan);
size_t sg_plan_nbytes(const sg_plan *plan); /* arena, weights and workspaces */

#endif
