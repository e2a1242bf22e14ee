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

/* to = (from - mean) / std, in any layout; to may be from. */
static void affine(const sg_step *step, const sg_view *v, float *to, const float *from, bool with_mean)
{
    const sg_normalize_attr *a = &step->node->attr.normalize;
    const size_t plane = v->pixels * v->lanes;
    float mean[3][SG_RUN] = {0}, scale[3][SG_RUN] = {0}, zero[SG_RUN] = {0}; /* of each block */
    for (size_t b = 0; b < v->blocks; b++)
        for (size_t j = 0; j < SG_RUN; j++) {
            const size_t c = b * v->lanes + j % v->lanes;
            if (c >= v->channels) continue;
            mean[b][j] = with_mean ? a->mean[c] : 0;
            scale[b][j] = 1 / a->std[c];
        }
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < v->n * v->blocks; p++)
        sg_run_affine(to + p * plane, from + p * plane, mean[p % v->blocks], scale[p % v->blocks], zero, NULL,
                      0, plane);
}

static void forward(sg_step *step)
{
    const sg_view *v = &step->dst->view;
    float *dst = sg_data(step->dst->data);
    if (v->lanes > 1) sg_view_unpack(dst, v, step->plan->x, v->channels * v->pixels);
    affine(step, v, dst, v->lanes > 1 ? dst : step->plan->x, true);
}

static void backward(sg_step *step)
{
    const sg_view *v = &step->dst->view;
    const sg_view plain = sg_view_of(v->n, step->node->out, 1);
    sg_view_pack(step->plan->dx, plain.channels * plain.pixels, v, sg_data(step->gradient));
    affine(step, &plain, step->plan->dx, step->plan->dx, false);
}

const sg_op sg_op_normalize = {
    .name = "normalize",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .forward = forward,
    .backward = backward,
};
