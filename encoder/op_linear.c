/* A linear layer: a 1x1 convolution of one pixel. sgemm and oneDNN's inner product give other bits for other batches
 * and thread counts, the direct convolution does not. */
#include "conv_impl.h"

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    SG_ASSERT(node->in.h == 1 && node->in.w == 1);
    node->out = (sg_shape){node->attr.conv.channels, 1, 1};
    return true;
}

static size_t tensors(const sg_node *node, sg_tensor *t)
{
    return sg_conv_tensors(node, t, 2);
}

const sg_op sg_op_linear = {
    .name = "linear",
    .shape = shape,
    .tensors = tensors,
    .macs = sg_conv_macs,
    .ref_forward = sg_conv_ref_forward,
    .ref_backward = sg_conv_ref_backward,
    .widens = true,
    .state_size = sizeof(sg_conv_state),
    .absorb = sg_conv_absorb,
    .prepare = sg_conv_prepare,
    .prepare_backward = sg_conv_prepare_backward,
    .load = sg_conv_load,
    .forward = sg_conv_forward,
    .backward = sg_conv_backward,
};
