/* The sum of two values of one shape, where no convolution or batch-norm before it takes it in. */
#include "kernels_impl.h"
#include "plan_impl.h"
#include "reference_impl.h"

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)err;
    SG_ASSERT(src[0]->out.c == src[1]->out.c && src[0]->out.h == src[1]->out.h &&
              src[0]->out.w == src[1]->out.w);
    node->out = node->in;
    return true;
}

static void ref_forward(const sg_ref *ref)
{
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++)
        ref->dst[i] = ref->src[0][i] + ref->src[1][i];
}

static void ref_backward(const sg_ref *ref)
{
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++) {
        ref->dsrc[0][i] += ref->ddst[i];
        ref->dsrc[1][i] += ref->ddst[i];
    }
}

static bool prepare_backward(sg_step *step, sg_error *err)
{
    (void)err;
    for (int i = 0; i < 2; i++)
        if (step->src[i]->wants_grad) sg_value_share(step->src[i], step);
    return true;
}

static void forward(sg_step *step)
{
#pragma omp parallel
    {
        size_t first, n;
        sg_share(&first, &n, sg_view_size(&step->dst->view), SG_RUN);
        sg_run_gather(sg_step_kind(step), sg_step_at(step, step->dst->data, first),
                      sg_step_at(step, step->src[0]->data, first),
                      sg_step_at(step, step->src[1]->data, first), NULL, 0, n);
    }
}

const sg_op sg_op_add = {
    .name = "add",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .prepare_backward = prepare_backward,
    .forward = forward,
};
