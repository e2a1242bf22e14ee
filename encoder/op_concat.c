/* The channels of one value behind those of another (SqueezeNet's Fire). */
#include "plan_impl.h"
#include "reference_impl.h"

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)err;
    SG_ASSERT(src[0]->out.h == src[1]->out.h && src[0]->out.w == src[1]->out.w);
    node->out = node->in;
    node->out.c += src[1]->out.c;
    return true;
}

/* Where output index d (plain NCHW) comes from: the source's number; *s its index there. */
static int source_of(size_t *s, const sg_node *node, size_t d)
{
    const size_t pixels = (size_t)(node->out.h * node->out.w), all = (size_t)node->out.c,
                 first = (size_t)node->in.c;
    const size_t p = d % pixels, c = d / pixels % all, n = d / pixels / all;
    *s = c < first ? (n * first + c) * pixels + p : (n * (all - first) + c - first) * pixels + p;
    return c >= first;
}

static void ref_forward(const sg_ref *ref)
{
    for (size_t s, d = 0; d < ref->batch * sg_shape_size(ref->node->out); d++) {
        const int i = source_of(&s, ref->node, d);
        ref->dst[d] = ref->src[i][s];
    }
}

static void ref_backward(const sg_ref *ref)
{
    for (size_t s, d = 0; d < ref->batch * sg_shape_size(ref->node->out); d++) {
        const int i = source_of(&s, ref->node, d);
        ref->dsrc[i][s] += ref->ddst[d];
    }
}

typedef struct concat_state {
    sg_buffer *diff_src[2];
} concat_state;

static bool prepare_backward(sg_step *step, sg_error *err)
{
    concat_state *s = step->state;
    for (int i = 0; i < 2; i++)
        if (step->src[i]->wants_grad && !sg_value_part(&s->diff_src[i], step->src[i], step, err))
            return false;
    return true;
}

static void forward(sg_step *step)
{
    const sg_view *dst = &step->dst->view;
    for (size_t i = 0, at = 0; i < 2; at += step->src[i++]->view.channels)
        sg_view_copy(step->dst->data->data, dst, at, step->src[i]->data->data, &step->src[i]->view, 0,
                     step->src[i]->view.channels);
}

static void backward(sg_step *step)
{
    const concat_state *s = step->state;
    for (size_t i = 0, at = 0; i < 2; at += step->src[i++]->view.channels)
        if (s->diff_src[i])
            sg_view_copy(s->diff_src[i]->data, &step->src[i]->view, 0, step->gradient->data, &step->dst->view,
                         at, step->src[i]->view.channels);
}

const sg_op sg_op_concat = {
    .name = "concat",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .state_size = sizeof(concat_state),
    .prepare_backward = prepare_backward,
    .forward = forward,
    .backward = backward,
};
