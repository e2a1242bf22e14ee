/* What is learned: named f32 tensors (torchvision's names, PyTorch's layouts: OIHW, (out, in)) in one aligned
 * block, batch-norm's running statistics too. Gradients and optimiser states are blocks of the same layout. */
#ifndef SIGNET_PARAMS_H
#define SIGNET_PARAMS_H

#include <signet/net.h>

#define SG_TENSOR_NAME_MAX 128

typedef enum {
    SG_TENSOR_WEIGHT, /* of a convolution or linear layer: what a rule's B stands in for */
    SG_TENSOR_BIAS,
    SG_TENSOR_BN_WEIGHT,
    SG_TENSOR_BN_BIAS,
    SG_TENSOR_BN_MEAN, /* running, not learned */
    SG_TENSOR_BN_VAR
} sg_tensor_role;

typedef struct sg_tensor {
    char name[SG_TENSOR_NAME_MAX];
    sg_tensor_role role;
    int ndim;
    int64_t dims[4];
    size_t offset, size;    /* in floats, into the block; offset is a multiple of 16 */
    size_t fan_in, fan_out; /* of weights: Cin / groups * kh * kw, Cout * kh * kw */
    bool head;              /* belongs to the last layer */
} sg_tensor;

typedef struct sg_params {
    float *block;       /* owned, 64-byte aligned; gaps are zero */
    size_t size;        /* floats in the block */
    sg_tensor *tensors; /* owned; in the net's order */
    size_t ntensors;
} sg_params;

/* All zero but bn weight and var (1). */
bool sg_params_new(sg_params **params, const sg_net *net, sg_error *err);
void sg_params_free(sg_params *params);
bool sg_params_copy(sg_params **out, const sg_params *from, sg_error *err);
const sg_tensor *sg_params_find(const sg_params *params, const char *name); /* NULL when absent */
bool sg_tensor_learned(const sg_tensor *tensor); /* has a gradient: not a running statistic */

/* Draws all weights anew, each from stream (seed, SG_RNG_INIT, tensor's name hash). init is "he" (convolutions normal,
 * std sqrt(2 / fan_out), He et al. 2015; linear layers uniform +-1/sqrt(fan_in): torchvision's ResNet), "xavier"
 * (uniform, Glorot and Bengio 2010) or "torch" (PyTorch's default, uniform +-1/sqrt(fan_in), biases too). Biases 0
 * otherwise; batch-norm starts anew. */
bool sg_params_init(sg_params *params, const char *init, uint64_t seed, sg_error *err);
/* The same for the tensors of the head alone. */
bool sg_params_init_head(sg_params *params, const char *init, uint64_t seed, sg_error *err);

#endif
