/* A border of zeros, where a convolution's own padding would cost it its fast kernel. */
#include "plan_impl.h"
#include "reference_impl.h"

#include <string.h>

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    node->out = (sg_shape){node->in.c, node->in.h + 2 * node->attr.pad, node->in.w + 2 * node->attr.pad};
    return true;
}

/* Where pixel i (of all planes) of the source lies in the result. */
static size_t place(const sg_node *node, size_t i)
{
    const size_t w = (size_t)node->in.w, h = (size_t)node->in.h, pad = (size_t)node->attr.pad;
    return ((i / (w * h) * (h + 2 * pad)) + i / w % h + pad) * (w + 2 * pad) + i % w + pad;
}

static void ref_forward(const sg_ref *ref)
{
    memset(ref->dst, 0, ref->batch * sg_shape_size(ref->node->out) * sizeof *ref->dst);
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++)
        ref->dst[place(ref->node, i)] = ref->src[0][i];
}

static void ref_backward(const sg_ref *ref)
{
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++)
        ref->dsrc[0][i] += ref->ddst[place(ref->node, i)];
}

typedef struct pad_state {
    sg_buffer *diff_src;
} pad_state;

static bool prepare_backward(sg_step *step, sg_error *err)
{
    pad_state *s = step->state;
    return sg_value_part(&s->diff_src, step->src[0], step, err);
}

/* Into the middle of the padded planes, or back. */
static void copy(const sg_step *step, char *padded, char *plain, bool back)
{
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
    const size_t pad = (size_t)step->node->attr.pad, pixel = src->lanes * sg_number_nbytes(src->kind),
                 row = src->width * pixel;
    SG_ASSERT(src->lanes == dst->lanes);
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < src->n * src->blocks; p++) {
        char *plane = padded + p * dst->pixels * pixel;
        if (!back) memset(plane, 0, dst->pixels * pixel);
        for (size_t y = 0; y < src->height; y++) {
            char *a = plane + ((y + pad) * dst->width + pad) * pixel;
            char *b = plain + (p * src->height + y) * row;
            memcpy(back ? b : a, back ? a : b, row);
        }
    }
}

static void forward(sg_step *step)
{
    copy(step, step->dst->data->data, step->src[0]->data->data, false);
}

static void backward(sg_step *step)
{
    const pad_state *s = step->state;
    copy(step, step->gradient->data, s->diff_src->data, true);
}

const sg_op sg_op_pad = {
    .name = "pad",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .state_size = sizeof(pad_state),
    .prepare_backward = prepare_backward,
    .forward = forward,
    .backward = backward,
};
