/* x in pixel space to the network's: (x - mean) / std a channel. The first node of every net: it reads the caller's
 * x and gives the caller's dx. */
#include "kernels_impl.h"
#include "plan_impl.h"
#include "reference_impl.h"

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src;
    if (node->in.c > 3) return sg_fail(err, SG_ERR_USAGE, "%lld channels (1 to 3)", (long long)node->in.c);
    for (int64_t c = 0; c < node->in.c; c++)
        if (!(node->attr.normalize.std[c] > 0))
            return sg_fail(err, SG_ERR_USAGE, "standard deviation %g of channel %lld is not positive",
                           (double)node->attr.normalize.std[c], (long long)c);
    node->out = node->in;
    return true;
}

static size_t channel_of(const sg_ref *ref, size_t i)
{
    return i / (size_t)(ref->node->in.h * ref->node->in.w) % (size_t)ref->node->in.c;
}

static void ref_forward(const sg_ref *ref)
{
    const sg_normalize_attr *a = &ref->node->attr.normalize;
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++) {
        size_t c = channel_of(ref, i);
        ref->dst[i] = (ref->src[0][i] - (double)a->mean[c]) / (double)a->std[c];
    }
}

static void ref_backward(const sg_ref *ref)
{
    const sg_normalize_attr *a = &ref->node->attr.normalize;
    for (size_t i = 0; i < ref->batch * sg_shape_size(ref->node->in); i++)
        ref->dsrc[0][i] += ref->ddst[i] / (double)a->std[channel_of(ref, i)];
}

#define PART 1024 /* floats; divided by SG_RUN and by any number of lanes */

/* x = (x - mean) / std: n floats of block b, in the layout of v. */
static void affine(const sg_step *step, const sg_view *v, size_t b, float *x, bool with_mean, size_t n)
{
    const sg_normalize_attr *a = &step->node->attr.normalize;
    float mean[SG_RUN] = {0}, scale[SG_RUN] = {0}, zero[SG_RUN] = {0};
    for (size_t j = 0; j < SG_RUN; j++) {
        const size_t c = b * v->lanes + j % v->lanes;
        if (c >= v->channels) continue;
        mean[j] = with_mean ? a->mean[c] : 0;
        scale[j] = 1 / a->std[c];
    }
    sg_run_affine(SG_F32, x, x, mean, scale, zero, NULL, 0, n);
}

/* n numbers of plane p of the result, from number `first` on, as floats from the caller's x. */
static void take(float part[PART], const sg_step *step, size_t p, size_t first, size_t n)
{
    const sg_view *v = &step->dst->view;
    const size_t channel = p % v->blocks * v->lanes;
    const float *x = step->plan->x + (p / v->blocks * v->channels + channel) * v->pixels;
    for (size_t l = 0; l < v->lanes; l++)
        for (size_t i = 0; i < n / v->lanes; i++)
            part[i * v->lanes + l] = channel + l < v->channels ? x[l * v->pixels + first / v->lanes + i] : 0;
}

static void forward(sg_step *step)
{
    const sg_view *v = &step->dst->view;
    const size_t plane = v->pixels * v->lanes;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < v->n * v->blocks; p++)
        for (size_t first = 0; first < plane; first += PART) {
            float part[PART];
            const size_t n = plane - first < PART ? plane - first : PART;
            take(part, step, p, first, n);
            affine(step, v, p % v->blocks, part, true, n);
            sg_run_convert(v->kind, sg_step_at(step, step->dst->data, p * plane + first), SG_F32, part, n);
        }
}

static void backward(sg_step *step)
{
    const sg_view *v = &step->dst->view;
    float *dx = step->plan->dx;
    const sg_view plain = sg_view_of(v->n, step->node->out, 1, SG_F32);
    sg_view_pack(dx, SG_F32, plain.channels * plain.pixels, v, step->gradient->data);
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < plain.n * plain.blocks; p++)
        affine(step, &plain, p % plain.blocks, dx + p * plain.pixels, false, plain.pixels);
}

const sg_op sg_op_normalize = {
    .name = "normalize",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .forward = forward,
    .backward = backward,
};
