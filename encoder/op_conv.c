/* Convolution on oneDNN's direct kernels, in training on its Winograd where that is faster; with batch-norm (in
 * evaluation), add and ReLU fused behind it. */
#include "conv_impl.h"
#include "feedback_impl.h"
#include "reference_impl.h"

#include <math.h>
#include <string.h>

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src;
    const sg_conv_attr *a = &node->attr.conv;
    const sg_window *w = &a->window;
    sg_shape in = node->in;
    SG_ASSERT(a->groups > 0 && in.c % a->groups == 0 && a->channels % a->groups == 0);
    if (in.h + 2 * w->pad < w->kernel || in.w + 2 * w->pad < w->kernel)
        return sg_fail(err, SG_ERR_USAGE, "%lldx%lld pixels are too few for a window of %lldx%lld",
                       (long long)in.w, (long long)in.h, (long long)w->kernel, (long long)w->kernel);
    node->out = (sg_shape){a->channels, (in.h + 2 * w->pad - w->kernel) / w->stride + 1,
                           (in.w + 2 * w->pad - w->kernel) / w->stride + 1};
    return true;
}

size_t sg_conv_tensors(const sg_node *node, sg_tensor *t, int ndim)
{
    const sg_conv_attr *a = &node->attr.conv;
    int64_t k = a->window.kernel, in = node->in.c / a->groups;
    t[0] = (sg_tensor){.name = "weight",
                       .role = SG_TENSOR_WEIGHT,
                       .ndim = ndim,
                       .dims = {a->channels, in, ndim > 2 ? k : 0, ndim > 2 ? k : 0},
                       .fan_in = (size_t)(in * k * k),
                       .fan_out = (size_t)(a->channels * k * k)};
    t[1] = (sg_tensor){.name = "bias", .role = SG_TENSOR_BIAS, .ndim = 1, .dims = {a->channels}};
    return a->bias ? 2 : 1;
}

static size_t tensors(const sg_node *node, sg_tensor *t)
{
    return sg_conv_tensors(node, t, 4);
}

uint64_t sg_conv_macs(const sg_node *node)
{
    const sg_conv_attr *a = &node->attr.conv;
    int64_t k = a->window.kernel;
    return (uint64_t)(node->in.c / a->groups * k * k) * sg_shape_size(node->out);
}

/* Output pixels first to last - 1 (of a row or column) whose window has its tap number `tap` within `size` pixels. */
typedef struct ref_range {
    int64_t first, last;
} ref_range;

static ref_range range_of(const sg_window *w, int64_t tap, int64_t size, int64_t out)
{
    ref_range r = {0, out};
    while (r.first < out && r.first * w->stride - w->pad + tap < 0) r.first++;
    while (r.last > r.first && (r.last - 1) * w->stride - w->pad + tap >= size) r.last--;
    return r;
}

/* All products of weight `tap` of output channel o, image n. */
static void ref_products(const sg_ref *ref, int64_t n, int64_t o, int64_t tap, bool backward)
{
    const sg_conv_attr *a = &ref->node->attr.conv;
    const sg_window *win = &a->window;
    const sg_shape in = ref->node->in, out = ref->node->out;
    const int64_t k = win->kernel, per_group = in.c / a->groups, ky = tap / k % k, kx = tap % k;
    const int64_t c = o / (out.c / a->groups) * per_group + tap / (k * k), w = o * per_group * k * k + tap;
    const ref_range rows = range_of(win, ky, in.h, out.h), columns = range_of(win, kx, in.w, out.w);
    for (int64_t y = rows.first; y < rows.last; y++) {
        const int64_t s = ((n * in.c + c) * in.h + y * win->stride - win->pad + ky) * in.w - win->pad + kx;
        const int64_t d = ((n * out.c + o) * out.h + y) * out.w;
        if (!backward)
            for (int64_t x = columns.first; x < columns.last; x++)
                ref->dst[d + x] += ref->tensors[0][w] * ref->src[0][s + x * win->stride];
        else
            for (int64_t x = columns.first; x < columns.last; x++) {
                ref->dsrc[0][s + x * win->stride] += ref->feedback[w] * ref->ddst[d + x];
                ref->dtensors[0][w] += ref->src[0][s + x * win->stride] * ref->ddst[d + x];
            }
    }
}

static void ref_all_products(const sg_ref *ref, bool backward)
{
    const sg_conv_attr *a = &ref->node->attr.conv;
    const int64_t taps = ref->node->in.c / a->groups * a->window.kernel * a->window.kernel;
    for (int64_t n = 0; n < (int64_t)ref->batch; n++)
        for (int64_t o = 0; o < a->channels; o++)
            for (int64_t tap = 0; tap < taps; tap++) ref_products(ref, n, o, tap, backward);
}

void sg_conv_ref_forward(const sg_ref *ref)
{
    const sg_shape out = ref->node->out;
    const size_t pixels = (size_t)(out.h * out.w), channels = (size_t)out.c;
    for (size_t d = 0; d < ref->batch * channels * pixels; d++)
        ref->dst[d] = ref->node->attr.conv.bias ? ref->tensors[1][d / pixels % channels] : 0;
    ref_all_products(ref, false);
}

void sg_conv_ref_backward(const sg_ref *ref)
{
    const sg_shape out = ref->node->out;
    const size_t pixels = (size_t)(out.h * out.w), channels = (size_t)out.c;
    ref_all_products(ref, true);
    for (size_t d = 0; ref->node->attr.conv.bias && d < ref->batch * channels * pixels; d++)
        ref->dtensors[1][d / pixels % channels] += ref->ddst[d];
}

bool sg_conv_absorb(sg_step *step, const sg_node *next)
{
    if (next->op != &sg_op_batchnorm) return sg_step_absorb(step, next);
    if (step->train || step->batchnorm || step->other || step->top > 0) return false;
    step->batchnorm = next;
    return true;
}

/* What the three primitives of a step are made from. */
typedef struct conv_dims {
    sg_md src, weights, bias, dst;
    sg_md diff_weights, diff_dst; /* of other kinds than weights and dst, in bf16 and of a last layer */
    dnnl_dims_t strides, pad;
} conv_dims;

static conv_dims dims_of(const sg_step *step)
{
    const sg_conv_attr *a = &step->node->attr.conv;
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
    const bool padded = sg_conv_padded(step->node);
    sg_view gradient = *dst;
    gradient.kind = sg_step_kind(step);
    return (conv_dims){.src = sg_md_of_view(src, padded),
                       .weights = sg_md_any_weights(step, sg_step_kind(step)),
                       .bias = sg_md_vector(padded ? dst->blocks * dst->lanes : dst->channels),
                       .dst = sg_md_of_view(dst, padded),
                       .diff_weights = sg_md_any_weights(step, SG_F32),
                       .diff_dst = sg_md_of_view(&gradient, padded),
                       .strides = {a->window.stride, a->window.stride},
                       .pad = {a->window.pad, a->window.pad}};
}

static bool has_bias(const sg_step *step)
{
    return step->node->attr.conv.bias || step->batchnorm;
}

/* A reorder of one weight tensor, from PyTorch's layout into a primitive's, whose padding becomes zero. */
static bool new_load(sg_prim **load, sg_prim *user, sg_step *step, sg_error *err)
{
    const sg_md plain = sg_md_plain_weights(step);
    const sg_md trimmed = sg_md_trimmed(sg_prim_md(user, DNNL_ARG_WEIGHTS), &plain);
    sg_buffer *weights;
    if (!sg_prim_new_reorder(load, step, SG_LOAD, &plain, &trimmed, err)) return false;
    if (!sg_buffer_new(&weights, step->plan, sg_prim_nbytes(user, DNNL_ARG_WEIGHTS), err)) return false;
    sg_keep(weights);
    sg_prim_bind(*load, DNNL_ARG_FROM, NULL);
    sg_prim_bind(*load, DNNL_ARG_TO, weights);
    sg_prim_bind(user, DNNL_ARG_WEIGHTS, weights);
    return true;
}

static bool new_buffers(sg_step *step, sg_error *err)
{
    sg_conv_state *s = step->state;
    const size_t channels = step->dst->view.blocks * step->dst->view.lanes * sizeof(float);
    const size_t weights = sg_step_tensor(step, step->node, 0)->size * sizeof(float);
    if (!sg_buffer_new(&s->scale, step->plan, channels, err)) return false;
    sg_use(s->scale, step, SG_LOAD);
    if (step->batchnorm || step->src[0]->wants_grad) {
        if (!sg_buffer_new(&s->plain, step->plan, weights, err)) return false;
        sg_use(s->plain, step, SG_LOAD);
    }
    if (!has_bias(step)) return true;
    if (!sg_buffer_new(&s->bias, step->plan, channels, err)) return false;
    sg_keep(s->bias);
    return true;
}

/* The descriptor of one of the three passes. */
static dnnl_convolution_desc_t describe(const sg_step *step, sg_conv_pass pass, dnnl_alg_kind_t kind)
{
    dnnl_convolution_desc_t desc;
    dnnl_status_t status;
    const conv_dims d = dims_of(step);
    const sg_md *bias = has_bias(step) ? &d.bias : NULL;
    if (pass == SG_CONV_FORWARD)
        status = dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training, kind, &d.src, &d.weights,
                                                    bias, &d.dst, d.strides, d.pad, d.pad);
    else if (pass == SG_CONV_DATA)
        status = dnnl_convolution_backward_data_desc_init(&desc, kind, &d.src, &d.weights, &d.diff_dst,
                                                          d.strides, d.pad, d.pad);
    else
        status = dnnl_convolution_backward_weights_desc_init(&desc, kind, &d.src, &d.diff_weights, bias,
                                                             &d.diff_dst, d.strides, d.pad, d.pad);
    SG_ASSERT(status == dnnl_success);
    return desc;
}

static bool new_pass(sg_prim **prim, sg_step *step, sg_conv_pass pass, sg_error *err)
{
    const sg_conv_state *s = step->state;
    const sg_md dst = dims_of(step).dst;
    const bool forward = pass == SG_CONV_FORWARD;
    dnnl_convolution_desc_t desc = describe(step, pass, dnnl_convolution_winograd);
    if (!sg_winograd_wins(step, pass) || !sg_prim_possible(step, &desc))
        desc = describe(step, pass, dnnl_convolution_direct);
    return sg_prim_new(prim, step, forward ? SG_FORWARD : SG_BACKWARD, &desc, forward ? NULL : s->forward,
                       forward && step->other ? &dst : NULL, forward ? step->top : 0, err);
}

bool sg_conv_prepare(sg_step *step, sg_error *err)
{
    sg_conv_state *s = step->state;
    if (!new_buffers(step, err)) return false;
    if (!new_pass(&s->forward, step, SG_CONV_FORWARD, err)) return false;
    sg_prim_bind(s->forward, DNNL_ARG_SRC, step->src[0]->data);
    sg_prim_bind(s->forward, DNNL_ARG_DST, step->dst->data);
    if (has_bias(step)) sg_prim_bind(s->forward, DNNL_ARG_BIAS, s->bias);
    if (step->other) sg_prim_bind(s->forward, SG_ARG_OTHER, step->other->data);
    return new_load(&s->load_weights, s->forward, step, err);
}

static bool prepare_backward_data(sg_step *step, sg_error *err)
{
    sg_conv_state *s = step->state;
    if (!new_pass(&s->backward_data, step, SG_CONV_DATA, err)) return false;
    if (!sg_value_part(&s->diff_src, step->src[0], step, err)) return false;
    sg_prim_bind(s->backward_data, DNNL_ARG_DIFF_DST, step->gradient);
    sg_prim_bind(s->backward_data, DNNL_ARG_DIFF_SRC, s->diff_src);
    return new_load(&s->load_feedback, s->backward_data, step, err);
}

/* From the primitive's layout to PyTorch's, in the caller's block of gradients. */
static bool new_store(sg_step *step, sg_error *err)
{
    sg_conv_state *s = step->state;
    const sg_md plain = sg_md_plain_weights(step);
    const sg_md trimmed = sg_md_trimmed(sg_prim_md(s->backward_weights, DNNL_ARG_DIFF_WEIGHTS), &plain);
    sg_buffer *blocked;
    if (!sg_buffer_new(&blocked, step->plan, sg_prim_nbytes(s->backward_weights, DNNL_ARG_DIFF_WEIGHTS), err))
        return false;
    if (!sg_prim_new_reorder(&s->store_weights, step, SG_BACKWARD, &trimmed, &plain, err)) return false;
    sg_prim_bind(s->backward_weights, DNNL_ARG_DIFF_WEIGHTS, blocked);
    sg_prim_bind(s->store_weights, DNNL_ARG_FROM, blocked);
    sg_prim_bind(s->store_weights, DNNL_ARG_TO, NULL);
    return true;
}

static bool prepare_backward_weights(sg_step *step, sg_error *err)
{
    sg_conv_state *s = step->state;
    if (!new_pass(&s->backward_weights, step, SG_CONV_WEIGHTS, err)) return false;
    sg_prim_bind(s->backward_weights, DNNL_ARG_SRC, step->src[0]->data);
    sg_prim_bind(s->backward_weights, DNNL_ARG_DIFF_DST, step->gradient);
    if (has_bias(step)) {
        size_t nbytes = sg_prim_nbytes(s->backward_weights, DNNL_ARG_DIFF_BIAS);
        if (!sg_buffer_new(&s->diff_bias, step->plan, nbytes, err)) return false;
        sg_prim_bind(s->backward_weights, DNNL_ARG_DIFF_BIAS, s->diff_bias);
    }
    return new_store(step, err);
}

bool sg_conv_prepare_backward(sg_step *step, sg_error *err)
{
    const bool first = step->src[0]->view.lanes == 1;
    if (step->train && !(first && sg_thin_weights(step)) && !prepare_backward_weights(step, err))
        return false;
    if (first) return sg_thin_prepare_backward(step, err);
    return !step->src[0]->wants_grad || prepare_backward_data(step, err);
}

/* Batch-norm in evaluation is y = (x - mean) scale + shift a channel, scale = gamma / sqrt(var + eps): weights (and
 * B, since delta passes it too) are multiplied by scale, the bias becomes (bias - mean) scale + shift. */
static void load_fold(sg_step *step, const float *block)
{
    const sg_conv_state *s = step->state;
    const sg_node *bn = step->batchnorm;
    const float *bias =
        step->node->attr.conv.bias ? block + sg_step_tensor(step, step->node, 1)->offset : NULL;
    for (int64_t o = 0; o < step->node->out.c; o++) {
        double scale = 1, shift = 0, mean = 0;
        if (bn) {
            scale = block[sg_step_tensor(step, bn, 0)->offset + (size_t)o] /
                    sqrt((double)block[sg_step_tensor(step, bn, 3)->offset + (size_t)o] + (double)SG_BN_EPS);
            shift = block[sg_step_tensor(step, bn, 1)->offset + (size_t)o];
            mean = block[sg_step_tensor(step, bn, 2)->offset + (size_t)o];
        }
        sg_data(s->scale)[o] = (float)scale;
        if (s->bias) sg_data(s->bias)[o] = (float)(((bias ? (double)bias[o] : 0) - mean) * scale + shift);
    }
}

/* W or B as it is loaded: itself, or in the plain buffer (where it may be already) its rows by the folded batch-norm's
 * scale. */
static const float *scaled(const sg_step *step, const float *weights)
{
    const sg_conv_state *s = step->state;
    const size_t rows = (size_t)step->node->out.c, n = sg_step_tensor(step, step->node, 0)->size / rows;
    if (!step->batchnorm) return weights;
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < rows; o++)
        for (size_t i = o * n; i < (o + 1) * n; i++) sg_data(s->plain)[i] = weights[i] * sg_data(s->scale)[o];
    return sg_data(s->plain);
}

static void load_by(const sg_prim *reorder, const float *weights)
{
    sg_prim_set(reorder, DNNL_ARG_FROM, weights);
    sg_prim_run(reorder);
}

void sg_conv_load(sg_step *step, const sg_load *load)
{
    const sg_conv_state *s = step->state;
    const sg_tensor *w = sg_step_tensor(step, step->node, 0),
                    *own = &load->params->tensors[w - step->plan->net->tensors];
    load_fold(step, load->params->block);
    const float *rows = scaled(step, load->params->block + w->offset);
    load_by(s->load_weights, rows);
    if (!s->load_feedback && !s->thin.feedback) return;
    if (load->feedback && !sg_feedback_exact(load->feedback, own)) {
        sg_feedback_fill(sg_data(s->plain), load->feedback, load->params, own, load->number);
        rows = scaled(step, sg_data(s->plain));
    }
    if (s->load_feedback) load_by(s->load_feedback, rows);
    if (s->thin.feedback) sg_thin_load(step, rows);
}

void sg_conv_forward(sg_step *step)
{
    const sg_conv_state *s = step->state;
    sg_prim_run(s->forward);
}

void sg_conv_backward(sg_step *step)
{
    const sg_conv_state *s = step->state;
    float *grads = step->plan->grads;
    if (sg_thin_runs(step)) sg_thin_backward(step);
    if (s->backward_weights) {
        sg_prim_run(s->backward_weights);
        sg_prim_set(s->store_weights, DNNL_ARG_TO, grads + sg_step_tensor(step, step->node, 0)->offset);
        sg_prim_run(s->store_weights);
    }
    if (s->diff_bias)
        memcpy(grads + sg_step_tensor(step, step->node, 1)->offset, s->diff_bias->data,
               (size_t)step->node->out.c * sizeof *grads);
    if (s->backward_data) sg_prim_run(s->backward_data);
}

const sg_op sg_op_conv = {
    .name = "conv",
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
