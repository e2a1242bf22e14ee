/* PyTorch's adaptive average pooling: pixel i of n along a side is the mean of source pixels floor(i in / n) to
 * ceil((i + 1) in / n) - 1, for any size of the source, smaller ones too. Threads share whole planes: an image's bits
 * depend on it alone. */
#include "plan_impl.h"
#include "reference_impl.h"

#include <string.h>

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    node->out = (sg_shape){node->in.c, node->attr.size.h, node->attr.size.w};
    return true;
}

typedef struct range {
    size_t first, last; /* last: one behind */
} range;

static range range_of(size_t i, size_t n, size_t in)
{
    return (range){i * in / n, ((i + 1) * in + n - 1) / n};
}

/* ---- the reference twin ---- */

static void ref_pool(const sg_ref *ref, bool back)
{
    const sg_shape in = ref->node->in, out = ref->node->out;
    const size_t width = (size_t)in.w, pixels = (size_t)(in.h * in.w);
    for (size_t d = 0; d < ref->batch * sg_shape_size(out); d++) {
        const size_t x = d % (size_t)out.w, y = d / (size_t)out.w % (size_t)out.h;
        const size_t plane = d / (size_t)(out.h * out.w) * pixels;
        const range rows = range_of(y, (size_t)out.h, (size_t)in.h),
                    columns = range_of(x, (size_t)out.w, width);
        const double area = (double)((rows.last - rows.first) * (columns.last - columns.first));
        if (!back) ref->dst[d] = 0;
        for (size_t sy = rows.first; sy < rows.last; sy++)
            for (size_t sx = columns.first; sx < columns.last; sx++)
                if (back)
                    ref->dsrc[0][plane + sy * width + sx] += ref->ddst[d] / area;
                else
                    ref->dst[d] += ref->src[0][plane + sy * width + sx] / area;
    }
}

static void ref_forward(const sg_ref *ref)
{
    ref_pool(ref, false);
}

static void ref_backward(const sg_ref *ref)
{
    ref_pool(ref, true);
}

/* ---- in a plan ---- */

typedef struct adaptive_state {
    sg_buffer *diff_src;
} adaptive_state;

static bool prepare_backward(sg_step *step, sg_error *err)
{
    adaptive_state *s = step->state;
    return sg_value_part(&s->diff_src, step->src[0], step, err);
}

/* One pixel (lanes) of the result and its window in the plane `big`: pixel = mean of the window, or back. */
static void window(float *pixel, float *big, const sg_view *v, range rows, range columns, bool back)
{
    const size_t lanes = v->lanes;
    const float factor = 1 / (float)((rows.last - rows.first) * (columns.last - columns.first));
    float sum[16] = {0};
    SG_ASSERT(lanes <= 16);
    for (size_t y = rows.first; y < rows.last; y++)
        for (size_t x = columns.first; x < columns.last; x++) {
            float *at = big + (y * v->width + x) * lanes;
            for (size_t l = 0; l < lanes; l++)
                if (back)
                    at[l] += pixel[l] * factor;
                else
                    sum[l] += at[l];
        }
    for (size_t l = 0; l < lanes && !back; l++) pixel[l] = sum[l] * factor;
}

static void pool(const sg_step *step, float *small, float *big, bool back)
{
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < src->n * src->blocks; p++) {
        float *plane = big + p * src->pixels * src->lanes, *to = small + p * dst->pixels * dst->lanes;
        if (back) memset(plane, 0, src->pixels * src->lanes * sizeof *plane);
        for (size_t i = 0; i < dst->pixels; i++)
            window(to + i * dst->lanes, plane, src, range_of(i / dst->width, dst->height, src->height),
                   range_of(i % dst->width, dst->width, src->width), back);
    }
}

static void forward(sg_step *step)
{
    pool(step, sg_data(step->dst->data), sg_data(step->src[0]->data), false);
}

static void backward(sg_step *step)
{
    const adaptive_state *s = step->state;
    pool(step, sg_data(step->gradient), sg_data(s->diff_src), true);
}

const sg_op sg_op_adaptive = {
    .name = "adaptive",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .state_size = sizeof(adaptive_state),
    .prepare_backward = prepare_backward,
    .forward = forward,
    .backward = backward,
};
