/* Max pooling over a window and the average over all pixels, on oneDNN. */
#include "onednn_impl.h"
#include "reference_impl.h"

#include <math.h>

static sg_window window_of(const sg_node *node, bool vertical)
{
    if (node->op == &sg_op_maxpool) return node->attr.pool.window;
    return (sg_window){vertical ? node->in.h : node->in.w, 1, 0};
}

/* Windows along a side; one that would start behind the image and its padding is left out (PyTorch). */
static int64_t count(const sg_window *w, int64_t size, bool ceil)
{
    const int64_t room = size + 2 * w->pad - w->kernel, whole = (room + w->stride) / w->stride;
    if (!ceil) return room < 0 ? 0 : whole;
    const int64_t n = (room + w->stride - 1 + w->stride) / w->stride;
    return n > 0 && (n - 1) * w->stride >= size + w->pad ? n - 1 : n;
}

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src;
    sg_window y = window_of(node, true), x = window_of(node, false);
    bool ceil = node->op == &sg_op_maxpool && node->attr.pool.ceil;
    node->out = (sg_shape){node->in.c, count(&y, node->in.h, ceil), count(&x, node->in.w, ceil)};
    if (node->out.h < 1 || node->out.w < 1)
        return sg_fail(err, SG_ERR_USAGE, "%lldx%lld pixels are too few for a window of %lldx%lld",
                       (long long)node->in.w, (long long)node->in.h, (long long)x.kernel,
                       (long long)y.kernel);
    return true;
}

/* The first place of the greatest value under output pixel d of `ref`. */
static size_t argmax(const sg_ref *ref, size_t d)
{
    const sg_shape in = ref->node->in, out = ref->node->out;
    const sg_window w = ref->node->attr.pool.window;
    const int64_t plane = (int64_t)d / (out.h * out.w), y = (int64_t)d / out.w % out.h,
                  x = (int64_t)d % out.w;
    double best = -INFINITY;
    size_t place = 0;
    for (int64_t i = 0; i < w.kernel * w.kernel; i++) {
        int64_t sy = y * w.stride - w.pad + i / w.kernel, sx = x * w.stride - w.pad + i % w.kernel;
        if (sy < 0 || sy >= in.h || sx < 0 || sx >= in.w) continue;
        size_t s = (size_t)((plane * in.h + sy) * in.w + sx);
        if (ref->src[0][s] > best) {
            best = ref->src[0][s];
            place = s;
        }
    }
    return place;
}

static void max_ref_forward(const sg_ref *ref)
{
    for (size_t d = 0; d < ref->batch * sg_shape_size(ref->node->out); d++)
        ref->dst[d] = ref->src[0][argmax(ref, d)];
}

static void max_ref_backward(const sg_ref *ref)
{
    for (size_t d = 0; d < ref->batch * sg_shape_size(ref->node->out); d++)
        ref->dsrc[0][argmax(ref, d)] += ref->ddst[d];
}

static void avg_ref_forward(const sg_ref *ref)
{
    const size_t pixels = (size_t)(ref->node->in.h * ref->node->in.w);
    for (size_t d = 0; d < ref->batch * sg_shape_size(ref->node->out); d++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += ref->src[0][d * pixels + p];
        ref->dst[d] = sum / (double)pixels;
    }
}

static void avg_ref_backward(const sg_ref *ref)
{
    const size_t pixels = (size_t)(ref->node->in.h * ref->node->in.w);
    for (size_t s = 0; s < ref->batch * sg_shape_size(ref->node->in); s++)
        ref->dsrc[0][s] += ref->ddst[s / pixels] / (double)pixels;
}

typedef struct pool_state {
    sg_prim *forward, *backward;
    sg_buffer *workspace; /* of max: where the greatest was */
} pool_state;

typedef struct pool_dims {
    dnnl_alg_kind_t kind;
    dnnl_dims_t strides, kernel, pad, pad_end;
} pool_dims;

/* Padding behind the image: more than before it where the last window stands over the edge. */
static int64_t pad_end(const sg_window *w, int64_t size, int64_t out)
{
    const int64_t need = (out - 1) * w->stride + w->kernel - size - w->pad;
    return need > w->pad ? need : w->pad;
}

static pool_dims dims_of(const sg_node *node)
{
    sg_window y = window_of(node, true), x = window_of(node, false);
    return (pool_dims){node->op == &sg_op_maxpool ? dnnl_pooling_max : dnnl_pooling_avg_include_padding,
                       {y.stride, x.stride},
                       {y.kernel, x.kernel},
                       {y.pad, x.pad},
                       {pad_end(&y, node->in.h, node->out.h), pad_end(&x, node->in.w, node->out.w)}};
}

static bool prepare(sg_step *step, sg_error *err)
{
    pool_state *s = step->state;
    dnnl_pooling_desc_t desc;
    pool_dims p = dims_of(step->node);
    sg_md src = sg_md_of_view(&step->src[0]->view, true), dst = sg_md_of_view(&step->dst->view, true);
    dnnl_prop_kind_t kind = step->dst->wants_grad ? dnnl_forward_training : dnnl_forward_inference;
    SG_ASSERT(dnnl_pooling_forward_desc_init(&desc, kind, p.kind, &src, &dst, p.strides, p.kernel, p.pad,
                                             p.pad_end) == dnnl_success);
    if (!sg_prim_new(&s->forward, step, SG_FORWARD, &desc, NULL, NULL, 0, err)) return false;
    sg_prim_bind(s->forward, DNNL_ARG_SRC, step->src[0]->data);
    sg_prim_bind(s->forward, DNNL_ARG_DST, step->dst->data);
    size_t workspace = sg_prim_nbytes(s->forward, DNNL_ARG_WORKSPACE);
    if (!workspace) return true;
    if (!sg_buffer_new(&s->workspace, step->plan, workspace, err)) return false;
    sg_prim_bind(s->forward, DNNL_ARG_WORKSPACE, s->workspace);
    return true;
}

static bool prepare_backward(sg_step *step, sg_error *err)
{
    pool_state *s = step->state;
    dnnl_pooling_desc_t desc;
    pool_dims p = dims_of(step->node);
    sg_md src = sg_md_of_view(&step->src[0]->view, true), dst = sg_md_of_view(&step->dst->view, true);
    sg_buffer *diff_src;
    SG_ASSERT(dnnl_pooling_backward_desc_init(&desc, p.kind, &src, &dst, p.strides, p.kernel, p.pad,
                                              p.pad_end) == dnnl_success);
    if (!sg_prim_new(&s->backward, step, SG_BACKWARD, &desc, s->forward, NULL, 0, err)) return false;
    if (!sg_value_part(&diff_src, step->src[0], step, err)) return false;
    sg_prim_bind(s->backward, DNNL_ARG_DIFF_DST, step->gradient);
    sg_prim_bind(s->backward, DNNL_ARG_DIFF_SRC, diff_src);
    if (s->workspace) sg_prim_bind(s->backward, DNNL_ARG_WORKSPACE, s->workspace);
    return true;
}

static void forward(sg_step *step)
{
    const pool_state *s = step->state;
    sg_prim_run(s->forward);
}

static void backward(sg_step *step)
{
    const pool_state *s = step->state;
    sg_prim_run(s->backward);
}

const sg_op sg_op_maxpool = {
    .name = "maxpool",
    .shape = shape,
    .ref_forward = max_ref_forward,
    .ref_backward = max_ref_backward,
    .state_size = sizeof(pool_state),
    .prepare = prepare,
    .prepare_backward = prepare_backward,
    .forward = forward,
    .backward = backward,
};

const sg_op sg_op_avgpool = {
    .name = "avgpool",
    .shape = shape,
    .ref_forward = avg_ref_forward,
    .ref_backward = avg_ref_backward,
    .state_size = sizeof(pool_state),
    .prepare = prepare,
    .prepare_backward = prepare_backward,
    .forward = forward,
    .backward = backward,
};
