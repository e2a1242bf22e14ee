/* How a plan is made of steps, values and buffers. Private to the encoder.
 *
 * Steps stand in the net's order; a step computes a node and the nodes it absorbed. Load runs all steps' load once,
 * forward runs them in order, backward in reverse. A buffer lives from the first to the last phase of a step that
 * uses it; when all steps are prepared, buffers are placed in one arena so that those alive together do not overlap.
 * Every step that reads or writes a buffer says so (sg_use), once, when it is prepared. */
#ifndef SIGNET_PLAN_IMPL_H
#define SIGNET_PLAN_IMPL_H

#include "view_impl.h"

#include <signet/plan.h>
#include <signet/profile.h>

#define SG_VALUE_GRADS 8 /* readers of one value that send a gradient */

typedef struct sg_dnnl sg_dnnl;
typedef struct sg_prim sg_prim;

typedef enum { SG_LOAD, SG_FORWARD, SG_BACKWARD } sg_phase;

typedef struct sg_buffer {
    size_t nbytes, offset;
    int first, last; /* phases of steps, in order of running */
    int owners;      /* values whose gradient it is (a part of) */
    void *data;      /* once the arena stands */
} sg_buffer;

/* What a step gives to those after it, and the parts of its gradient that they send back. */
typedef struct sg_value {
    sg_view view;
    sg_buffer *data;
    bool taken;      /* the node is computed by a step before its turn */
    bool wants_grad; /* something learned, or x, lies before it */
    sg_buffer *grads[SG_VALUE_GRADS];
    int ngrads;
} sg_value;

struct sg_step {
    sg_plan *plan;
    const sg_node *node;
    bool train; /* its tensors get gradients; batch-norm is not folded */
    int index;
    /* absorbed, in this order */
    const sg_node *batchnorm;
    sg_value *other; /* added to the result */
    float top;       /* ReLU of all that, cut off at this (INFINITY: not); 0: none */
    sg_value *src[SG_NODE_SRCS], *dst;
    /* of dst: its parts added up and masked by ReLU, before op->backward runs or (op->gathers) by it */
    sg_buffer *gradient;
    void *state;                           /* the op's own, state_size bytes, zero at first */
    int rows[SG_BACKWARD + 1], gather_row; /* of the plan's profile */
};

struct sg_load {
    const sg_params *params;
    const sg_feedback *feedback; /* NULL: B = W */
    uint64_t number;             /* of the training step */
};

struct sg_plan {
    const sg_net *net;
    sg_plan_options options;
    int threads;
    sg_step *steps; /* room for one a node */
    size_t nsteps;
    sg_value
        *values; /* by node; absorbed nodes leave theirs empty, but for the last, whose value is the step's */
    sg_dnnl *dnnl;
    sg_prim **prims;
    size_t nprims, prims_cap;
    sg_buffer **buffers;
    size_t nbuffers, buffers_cap;
    void *arena;
    size_t arena_nbytes;
    /* of the call under way */
    const float *x;
    float *dx, *grads;
    sg_params *running;  /* whose batch-norm statistics move; NULL: none */
    sg_profile *profile; /* NULL: nothing is timed */
};

/* plan_memory.c: buffers and where they lie */
bool sg_buffer_new(sg_buffer **buffer, sg_plan *plan, size_t nbytes, sg_error *err);
void sg_use(sg_buffer *buffer, const sg_step *step, sg_phase phase);
void sg_keep(sg_buffer *buffer); /* it lives as long as the plan */
/* A new buffer for this step's part of the gradient of a source. */
bool sg_value_part(sg_buffer **buffer, sg_value *value, sg_step *step, sg_error *err);
/* The step's own gradient is the source's part, unchanged. */
void sg_value_share(sg_value *value, sg_step *step);
bool sg_plan_place(sg_plan *plan, sg_error *err); /* makes the arena */

/* plan.c */
/* Takes add (when its other operand is there already) or relu into the step. */
bool sg_step_absorb(sg_step *step, const sg_node *next);
const sg_tensor *sg_step_tensor(const sg_step *step, const sg_node *node, size_t i);

/* plan_run.c */
/* Adds up the parts of the gradient of a step's dst, masked where relu cut it off: n numbers from first on. */
void sg_step_gather(const sg_step *step, size_t first, size_t n);

/* onednn.c */
bool sg_dnnl_new(sg_dnnl **dnnl, sg_error *err);
void sg_dnnl_free(sg_dnnl *dnnl);
size_t sg_dnnl_lanes(void);                       /* channels in a block of the layout its kernels like */
bool sg_prim_ready(sg_prim *prim, sg_error *err); /* the arena stands */
void sg_prim_free(sg_prim *prim);

static inline float *sg_data(const sg_buffer *buffer)
{
    return buffer->data;
}

/* Of all values and their gradients, but for a last value that is f32 (sg_op.widens). */
static inline sg_precision sg_step_kind(const sg_step *step)
{
    return step->plan->options.precision;
}

/* Number i of a buffer of that kind. */
static inline void *sg_step_at(const sg_step *step, const sg_buffer *buffer, size_t i)
{
    return sg_number_at(buffer->data, i, sg_step_kind(step));
}

#endif
