/* PyTorch's adaptive average pooling: pixel i of n along a side is the mean of source pixels floor(i in / n) to
 * ceil((i + 1) in / n) - 1, for any size of the source, smaller ones too. Threads share whole planes: an image's bits
 * depend on it alone. */
#include "plan_impl.h"
#include "reference_impl.h"

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

/* Of a pixel of the source in the average that is pixel (y, x) of the result. */
static float weight(size_t y, size_t x, const sg_view *small, const sg_view *big)
{
    const range rows = range_of(y, small->height, big->height),
                columns = range_of(x, small->width, big->width);
    return 1 / (float)((rows.last - rows.first) * (columns.last - columns.first));
}

/* Pixel `to` (number i of its plane, seen as v) is the sum of those of the plane `from` that it shares a window with,
 * each by the weight of the window. */
static void sum_pixel(const sg_step *step, void *to, size_t i, const sg_view *v, const void *from,
                      const sg_view *fv, bool back)
{
    const sg_view *big = &step->src[0]->view, *small = &step->dst->view;
    const size_t y = i / v->width, x = i % v->width;
    const range rows = range_of(y, v->height, fv->height), columns = range_of(x, v->width, fv->width);
    float sum[16] = {0};
    SG_ASSERT(v->lanes <= 16);
    for (size_t fy = rows.first; fy < rows.last; fy++)
        for (size_t fx = columns.first; fx < columns.last; fx++) {
            const float factor = back ? weight(fy, fx, small, big) : 1;
            for (size_t l = 0; l < v->lanes; l++)
                sum[l] += sg_number_get(v->kind, from, (fy * fv->width + fx) * v->lanes + l) * factor;
        }
    const float factor = back ? 1 : weight(y, x, small, big);
    for (size_t l = 0; l < v->lanes; l++) sg_number_set(v->kind, to, i * v->lanes + l, sum[l] * factor);
}

static void pool(const sg_step *step, const sg_buffer *to, const sg_view *v, const sg_buffer *from,
                 const sg_view *fv, bool back)
{
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < v->n * v->blocks; p++)
        for (size_t i = 0; i < v->pixels; i++)
            sum_pixel(step, sg_step_at(step, to, p * v->pixels * v->lanes), i, v,
                      sg_step_at(step, from, p * fv->pixels * fv->lanes), fv, back);
}

static void forward(sg_step *step)
{
    pool(step, step->dst->data, &step->dst->view, step->src[0]->data, &step->src[0]->view, false);
}

/* A pixel of the source is in the averages of floor(i n / in) to ceil((i + 1) n / in) - 1: the same rule. */
static void backward(sg_step *step)
{
    const adaptive_state *s = step->state;
    pool(step, s->diff_src, &step->src[0]->view, step->gradient, &step->dst->view, true);
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
