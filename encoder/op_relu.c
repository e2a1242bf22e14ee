/* max(x, 0), or min(max(x, 0), 6), where no convolution or batch-norm before it takes it in. */
#include "kernels_impl.h"
#include "plan_impl.h"
#include "reference_impl.h"

#include <math.h>

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    node->out = node->in;
    return true;
}

static void ref_forward(const sg_ref *ref)
{
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++)
        ref->dst[i] = fmin(fmax(ref->src[0][i], 0), (double)ref->node->attr.top);
}

static void ref_backward(const sg_ref *ref)
{
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++)
        if (ref->dst[i] > 0 && ref->dst[i] < (double)ref->node->attr.top)
            ref->dsrc[0][i] += ref->ddst[i];
}

static bool prepare(sg_step *step, sg_error *err)
{
    (void)err;
    step->top = step->node->attr.top; /* masks the gradient of dst, which then is src's */
    return true;
}

static bool prepare_backward(sg_step *step, sg_error *err)
{
    (void)err;
    sg_value_share(step->src[0], step);
    return true;
}

static void forward(sg_step *step)
{
#pragma omp parallel
    {
        size_t first, n;
        sg_share(&first, &n, sg_view_size(&step->dst->view), SG_RUN);
        sg_run_relu(sg_step_kind(step), sg_step_at(step, step->dst->data, first),
                    sg_step_at(step, step->src[0]->data, first), step->top, n);
    }
}

const sg_op sg_op_relu = {
    .name = "relu",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .prepare = prepare,
    .prepare_backward = prepare_backward,
    .forward = forward,
};
