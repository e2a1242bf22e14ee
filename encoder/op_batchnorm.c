/* Batch normalisation (Ioffe and Szegedy 2015) where it is not folded into a convolution: on the batch's statistics,
 * or in evaluation on the running ones; add and ReLU are done in the same pass. Ours, because oneDNN's takes more
 * passes over memory and no add: forward reads x twice (moments, result), backward reads delta and x twice (sums,
 * result). Second passes run backwards over the images, to meet what the first left in the cache.
 *
 *   y = gamma (x - mean) / sqrt(var + eps) + beta,   dbeta = sum delta,   dgamma = sum delta (x - mean) / sqrt(var + eps)
 *   dx = gamma / sqrt(var + eps) (delta - dbeta / m - (x - mean) / (var + eps) sum delta (x - mean) / m),
 *   m values a channel; the last two terms only on batch statistics. */
#include "kernels_impl.h"
#include "plan_impl.h"
#include "reference_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define MOMENTUM 0.1f

enum { GAMMA, BETA, MEAN, VAR };

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    node->out = node->in;
    return true;
}

static size_t tensors(const sg_node *node, sg_tensor *t)
{
    static const struct {
        const char *name;
        sg_tensor_role role;
    } list[] = {{"weight", SG_TENSOR_BN_WEIGHT},
                {"bias", SG_TENSOR_BN_BIAS},
                {"running_mean", SG_TENSOR_BN_MEAN},
                {"running_var", SG_TENSOR_BN_VAR}};
    for (int i = 0; i < 4; i++) {
        t[i] = (sg_tensor){.role = list[i].role, .ndim = 1, .dims = {node->in.c}};
        snprintf(t[i].name, sizeof t[i].name, "%s", list[i].name);
    }
    return 4;
}

/* ---- the reference twin ---- */

typedef struct ref_stats {
    double mean, var, sum, product; /* sum: of delta; product: of delta (x - mean) */
} ref_stats;

static ref_stats ref_channel(const sg_ref *ref, size_t c, const double *delta)
{
    const size_t pixels = (size_t)(ref->node->in.h * ref->node->in.w), channels = (size_t)ref->node->in.c;
    const double m = (double)(ref->batch * pixels), *x = ref->src[0];
    ref_stats s = {ref->tensors[MEAN][c], ref->tensors[VAR][c], 0, 0};
    if (ref->batch_stats) {
        s.mean = s.var = 0;
        for (size_t i = 0; i < ref->batch * pixels; i++)
            s.mean += x[(i / pixels * channels + c) * pixels + i % pixels] / m;
        for (size_t i = 0; i < ref->batch * pixels; i++)
            s.var += pow(x[(i / pixels * channels + c) * pixels + i % pixels] - s.mean, 2) / m;
    }
    for (size_t i = 0; delta && i < ref->batch * pixels; i++) {
        size_t at = (i / pixels * channels + c) * pixels + i % pixels;
        s.sum += delta[at];
        s.product += delta[at] * (x[at] - s.mean);
    }
    return s;
}

static void ref_forward(const sg_ref *ref)
{
    const size_t pixels = (size_t)(ref->node->in.h * ref->node->in.w), channels = (size_t)ref->node->in.c;
    for (size_t c = 0; c < channels; c++) {
        ref_stats s = ref_channel(ref, c, NULL);
        double scale = ref->tensors[GAMMA][c] / sqrt(s.var + (double)SG_BN_EPS);
        for (size_t i = 0; i < ref->batch * pixels; i++) {
            size_t at = (i / pixels * channels + c) * pixels + i % pixels;
            ref->dst[at] = (ref->src[0][at] - s.mean) * scale + ref->tensors[BETA][c];
        }
    }
}

static void ref_backward(const sg_ref *ref)
{
    const size_t pixels = (size_t)(ref->node->in.h * ref->node->in.w), channels = (size_t)ref->node->in.c;
    const double m = (double)(ref->batch * pixels);
    for (size_t c = 0; c < channels; c++) {
        ref_stats s = ref_channel(ref, c, ref->ddst);
        double inverse = 1 / sqrt(s.var + (double)SG_BN_EPS);
        ref->dtensors[GAMMA][c] += s.product * inverse;
        ref->dtensors[BETA][c] += s.sum;
        for (size_t i = 0; i < ref->batch * pixels; i++) {
            size_t at = (i / pixels * channels + c) * pixels + i % pixels;
            double d = ref->ddst[at];
            if (ref->batch_stats)
                d -= s.sum / m + (ref->src[0][at] - s.mean) * inverse * inverse * s.product / m;
            ref->dsrc[0][at] += ref->tensors[GAMMA][c] * inverse * d;
        }
    }
}

/* ---- in a plan ---- */

/* Per channel, padded to whole blocks. */
typedef struct bn_state {
    bool batch_stats;
    sg_buffer *gamma, *beta;     /* as loaded; 0 in the padding */
    sg_buffer *mean, *inverse;   /* of the last forward, or loaded; inverse = 1 / sqrt(var + eps) */
    sg_buffer *sums, *back_sums; /* doubles, of each thread: (2, channels) */
    sg_buffer *diff_src;
} bn_state;

static bool new_kept(sg_buffer **buffer, sg_step *step, sg_error *err)
{
    const sg_view *v = &step->dst->view;
    if (!sg_buffer_new(buffer, step->plan, v->blocks * v->lanes * sizeof(float), err)) return false;
    sg_keep(*buffer);
    return true;
}

static bool new_sums(sg_buffer **buffer, sg_step *step, sg_phase phase, sg_error *err)
{
    const sg_view *v = &step->dst->view;
    const size_t count = (size_t)step->plan->threads * 2 * v->blocks * v->lanes;
    if (!sg_buffer_new(buffer, step->plan, count * sizeof(double), err)) return false;
    sg_use(*buffer, step, phase);
    return true;
}

static bool prepare(sg_step *step, sg_error *err)
{
    bn_state *s = step->state;
    s->batch_stats = step->train && !step->plan->options.frozen_bn;
    return new_kept(&s->gamma, step, err) && new_kept(&s->beta, step, err) && new_kept(&s->mean, step, err) &&
           new_kept(&s->inverse, step, err) && new_sums(&s->sums, step, SG_FORWARD, err);
}

static bool prepare_backward(sg_step *step, sg_error *err)
{
    bn_state *s = step->state;
    sg_use(step->src[0]->data, step, SG_BACKWARD);
    if (!new_sums(&s->back_sums, step, SG_BACKWARD, err)) return false;
    return !step->src[0]->wants_grad || sg_value_part(&s->diff_src, step->src[0], step, err);
}

static void load(sg_step *step, const sg_load *from)
{
    const bn_state *s = step->state;
    const float *tensor[4];
    for (size_t i = 0; i < 4; i++)
        tensor[i] = from->params->block + sg_step_tensor(step, step->node, i)->offset;
    for (size_t c = 0; c < (size_t)step->node->in.c; c++) {
        sg_data(s->gamma)[c] = tensor[GAMMA][c];
        sg_data(s->beta)[c] = tensor[BETA][c];
        if (s->batch_stats) continue;
        sg_data(s->mean)[c] = tensor[MEAN][c];
        sg_data(s->inverse)[c] = (float)(1 / sqrt((double)tensor[VAR][c] + (double)SG_BN_EPS));
    }
}

/* The coefficients of one block of channels, as the kernels want them. */
static void repeat(float run[SG_RUN], const float *coefficients, size_t lanes)
{
    for (size_t j = 0; j < SG_RUN; j++) run[j] = coefficients[j % lanes];
}

/* Adds the partial sums of a plane to those of its channels. */
static void add_sums(double *first, double *second, const float s[SG_RUN], const float q[SG_RUN],
                     size_t lanes)
{
    for (size_t j = 0; j < SG_RUN; j++) {
        first[j % lanes] += (double)s[j];
        second[j % lanes] += (double)q[j];
    }
}

/* The first value of a channel, near its mean. */
static float pivot_of(const sg_step *step, size_t channel)
{
    const sg_view *v = &step->src[0]->view;
    const size_t plane = channel / v->lanes * v->pixels * v->lanes;
    return sg_number_get(v->kind, step->src[0]->data->data, plane + channel % v->lanes);
}

/* Sums over the images that are this thread's: of x - pivot and its square. */
static void sum_moments(const sg_step *step, double *sums, size_t first, size_t count)
{
    const sg_view *v = &step->dst->view;
    const size_t plane = v->pixels * v->lanes, channels = v->blocks * v->lanes;
    const sg_buffer *x = step->src[0]->data;
    for (size_t b = 0; b < v->blocks; b++) {
        float pivot[SG_RUN];
        for (size_t j = 0; j < SG_RUN; j++) pivot[j] = pivot_of(step, b * v->lanes + j % v->lanes);
        for (size_t n = first; n < first + count; n++) {
            float s[SG_RUN] = {0}, q[SG_RUN] = {0};
            sg_run_moments(v->kind, s, q, sg_step_at(step, x, (n * v->blocks + b) * plane), pivot, plane);
            add_sums(sums + b * v->lanes, sums + channels + b * v->lanes, s, q, v->lanes);
        }
    }
}

/* Mean and variance from all threads' sums; running statistics move, the variance unbiased, as PyTorch's do. */
static void finish_moments(const sg_step *step)
{
    const bn_state *s = step->state;
    const sg_view *v = &step->dst->view;
    const size_t channels = v->blocks * v->lanes;
    const double m = (double)(v->n * v->pixels), *sums = s->sums->data;
    sg_params *running = step->plan->running;
    for (size_t c = 0; c < v->channels; c++) {
        double sum = 0, squares = 0;
        for (size_t t = 0; t < (size_t)step->plan->threads; t++) {
            sum += sums[2 * t * channels + c];
            squares += sums[(2 * t + 1) * channels + c];
        }
        double pivot = (double)pivot_of(step, c);
        double var = fmax(squares / m - sum / m * (sum / m), 0);
        sg_data(s->mean)[c] = (float)(pivot + sum / m);
        sg_data(s->inverse)[c] = (float)(1 / sqrt(var + (double)SG_BN_EPS));
        if (!running) continue;
        float *mean = running->block + sg_step_tensor(step, step->node, MEAN)->offset + c;
        float *variance = running->block + sg_step_tensor(step, step->node, VAR)->offset + c;
        *mean += MOMENTUM * ((float)(pivot + sum / m) - *mean);
        *variance += MOMENTUM * ((float)(var * m / fmax(m - 1, 1)) - *variance);
    }
}

static void normalize(const sg_step *step, size_t first, size_t count)
{
    const bn_state *s = step->state;
    const sg_view *v = &step->dst->view;
    const size_t plane = v->pixels * v->lanes;
    for (size_t b = 0; b < v->blocks; b++) {
        const size_t channel = b * v->lanes;
        float mean[SG_RUN], scale[SG_RUN], shift[SG_RUN];
        repeat(mean, sg_data(s->mean) + channel, v->lanes);
        repeat(scale, sg_data(s->inverse) + channel, v->lanes);
        repeat(shift, sg_data(s->beta) + channel, v->lanes);
        for (size_t j = 0; j < SG_RUN; j++) scale[j] *= sg_data(s->gamma)[channel + j % v->lanes];
        for (size_t n = first + count; n-- > first;) {
            const size_t at = (n * v->blocks + b) * plane;
            sg_run_affine(v->kind, sg_step_at(step, step->dst->data, at),
                          sg_step_at(step, step->src[0]->data, at), mean, scale, shift,
                          step->other ? sg_step_at(step, step->other->data, at) : NULL, step->top, plane);
        }
    }
}

static void forward(sg_step *step)
{
    const bn_state *s = step->state;
    const sg_view *v = &step->dst->view;
    memset(s->sums->data, 0, s->sums->nbytes);
#pragma omp parallel
    {
        size_t first, count;
        sg_share(&first, &count, v->n, 1);
        if (s->batch_stats) {
            double *sums = (double *)s->sums->data + (size_t)omp_get_thread_num() * 2 * v->blocks * v->lanes;
            sum_moments(step, sums, first, count);
#pragma omp barrier
#pragma omp single
            finish_moments(step);
        }
        normalize(step, first, count);
    }
}

static void sum_products(const sg_step *step, double *sums, size_t first, size_t count)
{
    const bn_state *s = step->state;
    const sg_view *v = &step->dst->view;
    const size_t plane = v->pixels * v->lanes, channels = v->blocks * v->lanes;
    for (size_t b = 0; b < v->blocks; b++) {
        float mean[SG_RUN];
        repeat(mean, sg_data(s->mean) + b * v->lanes, v->lanes);
        for (size_t n = first; n < first + count; n++) {
            const size_t at = (n * v->blocks + b) * plane;
            float sum[SG_RUN] = {0}, product[SG_RUN] = {0};
            sg_step_gather(step, at, plane);
            sg_run_products(v->kind, sum, product, sg_step_at(step, step->gradient, at),
                            sg_step_at(step, step->src[0]->data, at), mean, plane);
            add_sums(sums + b * v->lanes, sums + channels + b * v->lanes, sum, product, v->lanes);
        }
    }
}

/* Adds up the threads' sums into the first's; gradients of gamma and beta. */
static void finish_products(const sg_step *step)
{
    const bn_state *s = step->state;
    const sg_view *v = &step->dst->view;
    const size_t channels = v->blocks * v->lanes;
    double *sums = s->back_sums->data;
    for (size_t t = 1; t < (size_t)step->plan->threads; t++)
        for (size_t i = 0; i < 2 * channels; i++) sums[i] += sums[2 * t * channels + i];
    if (!step->train) return;
    float *dgamma = step->plan->grads + sg_step_tensor(step, step->node, GAMMA)->offset;
    float *dbeta = step->plan->grads + sg_step_tensor(step, step->node, BETA)->offset;
    for (size_t c = 0; c < v->channels; c++) {
        dgamma[c] = (float)(sums[channels + c] * (double)sg_data(s->inverse)[c]);
        dbeta[c] = (float)sums[c];
    }
}

static void send_down(const sg_step *step, size_t first, size_t count)
{
    const bn_state *s = step->state;
    const sg_view *v = &step->dst->view;
    const size_t plane = v->pixels * v->lanes, channels = v->blocks * v->lanes;
    const double m = (double)(v->n * v->pixels), *sums = s->back_sums->data;
    for (size_t b = 0; b < v->blocks; b++) {
        float mean[SG_RUN], scale[SG_RUN], slope[SG_RUN], shift[SG_RUN];
        for (size_t j = 0; j < SG_RUN; j++) {
            const size_t c = b * v->lanes + j % v->lanes;
            const double inverse = (double)sg_data(s->inverse)[c],
                         factor = (double)sg_data(s->gamma)[c] * inverse;
            mean[j] = sg_data(s->mean)[c];
            scale[j] = (float)factor;
            slope[j] = s->batch_stats ? (float)(-factor * inverse * inverse * sums[channels + c] / m) : 0;
            shift[j] = s->batch_stats ? (float)(-factor * sums[c] / m) : 0;
        }
        for (size_t n = first + count; n-- > first;) {
            const size_t at = (n * v->blocks + b) * plane;
            sg_run_combine(v->kind, sg_step_at(step, s->diff_src, at), sg_step_at(step, step->gradient, at),
                           sg_step_at(step, step->src[0]->data, at), mean, scale, slope, shift, plane);
        }
    }
}

static void backward(sg_step *step)
{
    const bn_state *s = step->state;
    const sg_view *v = &step->dst->view;
    memset(s->back_sums->data, 0, s->back_sums->nbytes);
#pragma omp parallel
    {
        size_t first, count;
        double *sums = (double *)s->back_sums->data + (size_t)omp_get_thread_num() * 2 * v->blocks * v->lanes;
        sg_share(&first, &count, v->n, 1);
        sum_products(step, sums, first, count);
#pragma omp barrier
#pragma omp single
        finish_products(step);
        if (s->diff_src) send_down(step, first, count);
    }
}

const sg_op sg_op_batchnorm = {
    .name = "batchnorm",
    .shape = shape,
    .tensors = tensors,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .state_size = sizeof(bn_state),
    .absorb = sg_step_absorb,
    .prepare = prepare,
    .prepare_backward = prepare_backward,
    .load = load,
    .forward = forward,
    .gathers = true,
    .backward = backward,
};
