/* The net in plain C and double precision, by the ops' reference twins: the oracle of the tests. Slow and simple. */
#ifndef SIGNET_REFERENCE_IMPL_H
#define SIGNET_REFERENCE_IMPL_H

#include "net_impl.h"

/* One node's data, NCHW, PyTorch's layouts. */
struct sg_ref {
    const sg_node *node;
    size_t batch;
    bool batch_stats; /* batch-norm by the batch's statistics */
    bool dropout;     /* by the masks of this seed and step; else none */
    uint64_t seed, step;
    const double *src[SG_NODE_SRCS];
    double *dst;
    const double *tensors[SG_NODE_TENSORS]; /* in the order of op->tensors */
    const double *feedback;                 /* B, in the first tensor's layout */
    /* backward: added to what is there */
    const double *ddst;
    double *dsrc[SG_NODE_SRCS];
    double *dtensors[SG_NODE_TENSORS];
};

typedef struct sg_reference {
    const sg_net *net;
    size_t batch;
    bool batch_stats;
    bool dropout; /* off; the caller may set it, seed and step */
    uint64_t seed, step;
    const bool *rounds; /* by node: its value is rounded to bf16; NULL: none; the caller may set it */
    double *params;     /* (block) the caller fills it in */
    double *feedback;   /* (block) B in the places of the weights; the caller fills it in */
    double *grads;      /* (block) after backward */
    double *x, *dx;     /* (batch, C, H, W) */
    double **values;    /* of each node; the last is z */
    double **dvalues;
} sg_reference;

/* params and feedback are filled with params'; batch-norm by running statistics unless batch_stats. */
bool sg_reference_new(sg_reference **ref, const sg_net *net, const sg_params *params, size_t batch,
                      bool batch_stats, sg_error *err);
void sg_reference_free(sg_reference *ref);
/* The nearest bf16, ties to even. */
double sg_bf16_rounded(double value);
const double *sg_reference_forward(sg_reference *ref); /* from ref->x; z */
void sg_reference_backward(sg_reference *ref, const double *dz);

#endif
