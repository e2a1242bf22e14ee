/* Tensors of files that signet did not make: PyTorch's (torch.save: the zip format, and the older one) and safetensors.
 * A PyTorch file is a program; here it is read as data by a machine that knows what a state_dict needs, and runs
 * nothing (docs/formats.md). Tensors may share storages, stand at an offset, and have any strides. */
#ifndef SIGNET_WEIGHTS_H
#define SIGNET_WEIGHTS_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

#define SG_WEIGHT_DIMS_MAX 8
#define SG_WEIGHTS_MAX     10000

typedef struct sg_weights sg_weights;

typedef struct sg_weight {
    char *name;        /* as in the file */
    const char *dtype; /* "f32", "f16", "bf16", "f64", "i64" ... */
    bool floats;       /* it has real numbers, which sg_weights_read gives */
    int ndim;
    int64_t dims[SG_WEIGHT_DIMS_MAX];
    size_t size; /* numbers */
} sg_weight;

/* Known by content. All claims are checked but the numbers, which are not read yet. SG_ERR_FORMAT, SG_ERR_LIMIT, and
 * SG_ERR_UNSUPPORTED (an opcode or global that no state_dict needs, a compressed member) name what and where;
 * messages begin with the path. A PyTorch checkpoint may hold its state_dict as "state_dict" or "model". */
bool sg_weights_open(sg_weights **weights, const char *path, sg_error *err);
void sg_weights_close(sg_weights *weights);
const char *sg_weights_path(const sg_weights *weights);
const char *sg_weights_format(const sg_weights *weights); /* for people: "PyTorch (zip)" */
/* Is it one of our own models (sg_model_load)? */
bool sg_weights_is_model(const sg_weights *weights);
size_t sg_weights_count(const sg_weights *weights);
const sg_weight *sg_weights_at(const sg_weights *weights, size_t i); /* in the file's order; borrowed */

/* The i-th tensor's numbers (size) as floats in its C order. SG_ERR_FORMAT for one that is not finite, SG_ERR_UNSUPPORTED
 * for a tensor of whole numbers. */
bool sg_weights_read(float *dst, sg_weights *weights, size_t i, sg_error *err);

#endif
