/* (C, H, W) to C H W channels of one pixel, in NCHW order, as PyTorch's flatten. */
#include "plan_impl.h"
#include "reference_impl.h"

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    node->out = (sg_shape){node->in.c * node->in.h * node->in.w, 1, 1};
    return true;
}

static void ref_forward(const sg_ref *ref)
{
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++) ref->dst[i] = ref->src[0][i];
}

static void ref_backward(const sg_ref *ref)
{
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++) ref->dsrc[0][i] += ref->ddst[i];
}

typedef struct flatten_state {
    sg_buffer *diff_src;
} flatten_state;

static bool prepare_backward(sg_step *step, sg_error *err)
{
    flatten_state *s = step->state;
    return sg_value_part(&s->diff_src, step->src[0], step, err);
}

static size_t stride(const sg_step *step)
{
    return step->dst->view.blocks * step->dst->view.lanes;
}

static void forward(sg_step *step)
{
    const sg_view *src = &step->src[0]->view;
    sg_view_pack(step->dst->data->data, src->kind, stride(step), src, step->src[0]->data->data);
}

static void backward(sg_step *step)
{
    const flatten_state *s = step->state;
    const sg_view *src = &step->src[0]->view;
    sg_view_unpack(s->diff_src->data, src, step->gradient->data, src->kind, stride(step));
}

const sg_op sg_op_flatten = {
    .name = "flatten",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .state_size = sizeof(flatten_state),
    .prepare_backward = prepare_backward,
    .forward = forward,
    .backward = backward,
};
