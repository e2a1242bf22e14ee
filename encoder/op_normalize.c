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

/* to = (from - mean) / std for every plane (image, channel). */
static void affine(const sg_step *step, float *to, const float *from, bool with_mean)
{
    const sg_normalize_attr *a = &step->node->attr.normalize;
    const sg_view *v = &step->dst->view;
    float mean[3][SG_RUN], scale[3][SG_RUN], zero[SG_RUN] = {0};
    for (size_t c = 0; c < v->channels; c++)
        for (size_t j = 0; j < SG_RUN; j++) {
            mean[c][j] = with_mean ? a->mean[c] : 0;
            scale[c][j] = 1 / a->std[c];
        }
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < v->n * v->channels; p++)
        sg_run_affine(to + p * v->pixels, from + p * v->pixels, mean[p % v->channels], scale[p % v->channels],
                      zero, NULL, false, v->pixels);
}

static void forward(sg_step *step)
{
    affine(step, sg_data(step->dst->data), step->plan->x, true);
}

static void backward(sg_step *step)
{
    affine(step, step->plan->dx, sg_data(step->gradient), false);
}

const sg_op sg_op_normalize = {
    .name = "normalize",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .forward = forward,
    .backward = backward,
};
