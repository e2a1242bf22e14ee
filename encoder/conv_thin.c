/* Backward of a first layer: few channels in (grey or colour), in their plain layout. One image at a time, on a copy
 * with its padding; threads share the images, so that an image's gradient does not depend on the batch. */
#include "conv_impl.h"
#include "kernels_impl.h"

#include <omp.h>
#include <string.h>

#define GROUP ((size_t)4) /* of taps */

static sg_thin *thin_of(const sg_step *step)
{
    return &((sg_conv_state *)step->state)->thin;
}

static bool new_buffer(sg_buffer **buffer, sg_step *step, size_t count, size_t size, sg_error *err)
{
    if (!sg_buffer_new(buffer, step->plan, count * size, err)) return false;
    sg_use(*buffer, step, SG_BACKWARD);
    return true;
}

bool sg_thin_weights(const sg_step *step)
{
    return step->train && sg_step_kind(step) == SG_F32;
}

bool sg_thin_runs(const sg_step *step)
{
    return thin_of(step)->image;
}

bool sg_thin_prepare_backward(sg_step *step, sg_error *err)
{
    sg_conv_state *s = step->state;
    sg_thin *t = &s->thin;
    const sg_conv_attr *a = &step->node->attr.conv;
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
    const size_t k = (size_t)a->window.kernel, pad = (size_t)a->window.pad;
    const size_t threads = (size_t)step->plan->threads, outputs = dst->blocks * dst->lanes;
    SG_ASSERT(a->groups == 1);
    if (!sg_thin_weights(step) && !step->src[0]->wants_grad) return true;
    t->taps = src->channels * k * k;
    t->groups = src->channels * k * ((k + GROUP - 1) / GROUP);
    t->row = (t->groups * GROUP + SG_TAPS - 1) / SG_TAPS * SG_TAPS;
    t->padded_width = src->width + 2 * pad;
    t->padded = src->channels * (src->height + 2 * pad) * t->padded_width + GROUP;
    if (!new_buffer(&t->image, step, threads * t->padded, sizeof(float), err)) return false;
    if (!new_buffer(&t->delta, step, threads * dst->width * dst->lanes, sizeof(float), err)) return false;
    if (!new_buffer(&t->at, step, t->taps, sizeof(size_t), err)) return false;
    if (sg_thin_weights(step)) {
        sg_use(step->src[0]->data, step, SG_BACKWARD);
        if (!new_buffer(&t->sums, step, threads * outputs * (2 * t->taps + 1), sizeof(float), err))
            return false;
    }
    if (!step->src[0]->wants_grad) return true;
    if (!new_buffer(&t->products, step, threads * dst->width * t->row, sizeof(float), err)) return false;
    if (!new_buffer(&t->groups_at, step, t->groups, sizeof(size_t), err)) return false;
    if (!new_buffer(&t->feedback, step, outputs * t->row, sizeof(float), err)) return false;
    sg_keep(t->feedback);
    return sg_value_part(&s->diff_src, step->src[0], step, err);
}

void sg_thin_load(sg_step *step, const float *feedback)
{
    const sg_thin *t = thin_of(step);
    const size_t outputs = (size_t)step->node->out.c, k = (size_t)step->node->attr.conv.window.kernel;
    const size_t full = (k + GROUP - 1) / GROUP * GROUP;
    memset(t->feedback->data, 0, t->feedback->nbytes);
    for (size_t o = 0; o < outputs; o++)
        for (size_t j = 0; j < t->taps; j++)
            sg_data(t->feedback)[o * t->row + j / k * full + j % k] = feedback[o * t->taps + j];
}

/* (C, H + 2 pad, W + 2 pad) from (C, H, W) of the view's kind, or back. */
static void copy_padded(float *padded, void *plain, const sg_view *src, size_t pad, bool back)
{
    const size_t width = src->width + 2 * pad, height = src->height + 2 * pad;
    for (size_t c = 0; c < src->channels; c++)
        for (size_t y = 0; y < src->height; y++) {
            float *p = padded + (c * height + y + pad) * width + pad;
            void *q = sg_number_at(plain, (c * src->height + y) * src->width, src->kind);
            if (back)
                sg_run_convert(src->kind, q, SG_F32, p, src->width);
            else
                sg_run_convert(SG_F32, p, src->kind, q, src->width);
        }
}

/* A row of output pixels' deltas in one block of image n, as floats: where they are, or copied to `row`. */
static const float *delta_row(const sg_step *step, float *row, size_t n, size_t b, size_t y)
{
    const sg_view *dst = &step->dst->view;
    const size_t size = dst->width * dst->lanes;
    const void *delta = sg_step_at(step, step->gradient, ((n * dst->blocks + b) * dst->height + y) * size);
    if (sg_step_kind(step) == SG_F32) return delta;
    sg_run_convert(SG_F32, row, sg_step_kind(step), delta, size);
    return row;
}

/* dx of image n: every output pixel spreads its delta through B over its window. */
static void backward_data(const sg_step *step, size_t n, float *image, float *products, float *row)
{
    const sg_conv_state *s = step->state;
    const sg_thin *t = &s->thin;
    const sg_window *w = &step->node->attr.conv.window;
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
    const size_t stride = (size_t)w->stride;
    memset(image, 0, t->padded * sizeof *image);
    for (size_t y = 0; y < dst->height; y++) {
        memset(products, 0, dst->width * t->row * sizeof *products);
        for (size_t b = 0; b < dst->blocks; b++)
            sg_thin_spread(products, delta_row(step, row, n, b, y),
                           sg_data(t->feedback) + b * dst->lanes * t->row, dst->lanes, t->row, dst->width);
        sg_thin_scatter(image + y * stride * t->padded_width, t->groups_at->data, stride, products, t->groups,
                        t->row, dst->width);
    }
    copy_padded(image, sg_step_at(step, s->diff_src, n * src->channels * src->pixels), src, (size_t)w->pad,
                true);
}

static void add_bias(float *bias, const sg_step *step, size_t n, size_t b)
{
    const sg_view *dst = &step->dst->view;
    const size_t plane = dst->pixels * dst->lanes;
    float sums[SG_RUN] = {0}, squares[SG_RUN] = {0}, zero[SG_RUN] = {0};
    sg_run_moments(sg_step_kind(step), sums, squares,
                   sg_step_at(step, step->gradient, (n * dst->blocks + b) * plane), zero, plane);
    for (size_t j = 0; j < SG_RUN; j++) bias[j % dst->lanes] += sums[j];
}

/* Adds image n's dW to sums, its db to bias; one image's part is added up by itself first, for accuracy. */
static void backward_weights(const sg_step *step, size_t n, float *image, float *sums, float *part,
                             float *bias, float *row)
{
    const sg_thin *t = thin_of(step);
    const sg_window *w = &step->node->attr.conv.window;
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
    const size_t stride = (size_t)w->stride, *at = t->at->data, size = dst->blocks * t->taps * dst->lanes;
    copy_padded(image, sg_step_at(step, step->src[0]->data, n * src->channels * src->pixels), src,
                (size_t)w->pad, false);
    memset(part, 0, size * sizeof *part);
    for (size_t b = 0; b < dst->blocks; b++) {
        for (size_t y = 0; y < dst->height; y++)
            sg_thin_outer(part + b * t->taps * dst->lanes, image + y * stride * t->padded_width, at, stride,
                          delta_row(step, row, n, b, y), dst->lanes, t->taps, dst->width);
        add_bias(bias + b * dst->lanes, step, n, b);
    }
    for (size_t i = 0; i < size; i++) sums[i] += part[i];
}

/* The threads' sums, in the order of the threads, into the places of dW and db. */
static void store_weights(const sg_step *step)
{
    const sg_thin *t = thin_of(step);
    const sg_view *dst = &step->dst->view;
    const size_t outputs = dst->blocks * dst->lanes, size = outputs * (2 * t->taps + 1);
    float *dw = step->plan->grads + sg_step_tensor(step, step->node, 0)->offset;
    float *db =
        step->node->attr.conv.bias ? step->plan->grads + sg_step_tensor(step, step->node, 1)->offset : NULL;
    for (size_t thread = 0; thread < (size_t)step->plan->threads; thread++) {
        const float *sums = sg_data(t->sums) + thread * size, *bias = sums + 2 * outputs * t->taps;
        for (size_t o = 0; o < dst->channels; o++) {
            const float *row = sums + o / dst->lanes * t->taps * dst->lanes + o % dst->lanes;
            for (size_t j = 0; j < t->taps; j++) dw[o * t->taps + j] += row[j * dst->lanes];
            if (db) db[o] += bias[o];
        }
    }
}

static void fill_at(const sg_step *step)
{
    const sg_thin *t = thin_of(step);
    const sg_window *w = &step->node->attr.conv.window;
    const size_t k = (size_t)w->kernel, height = step->src[0]->view.height + 2 * (size_t)w->pad;
    const size_t in_row = (k + GROUP - 1) / GROUP;
    size_t *at = t->at->data;
    for (size_t j = 0; j < t->taps; j++) at[j] = (j / (k * k) * height + j / k % k) * t->padded_width + j % k;
    for (size_t g = 0; t->feedback && g < t->groups; g++)
        ((size_t *)t->groups_at->data)[g] = at[g / in_row * k] + g % in_row * GROUP;
}

void sg_thin_backward(sg_step *step)
{
    const sg_thin *t = thin_of(step);
    const sg_view *dst = &step->dst->view;
    const size_t outputs = dst->blocks * dst->lanes, size = outputs * (2 * t->taps + 1);
    fill_at(step);
    if (t->sums) memset(t->sums->data, 0, t->sums->nbytes);
    memset(t->image->data, 0, t->image->nbytes);
#pragma omp parallel
    {
        size_t first, count, thread = (size_t)omp_get_thread_num();
        float *image = sg_data(t->image) + thread * t->padded;
        float *row = sg_data(t->delta) + thread * dst->width * dst->lanes;
        sg_share(&first, &count, dst->n, 1);
        if (t->sums)
            for (size_t n = first; n < first + count; n++) {
                float *sums = sg_data(t->sums) + thread * size;
                backward_weights(step, n, image, sums, sums + outputs * t->taps, sums + 2 * outputs * t->taps,
                                 row);
            }
        if (t->feedback)
            for (size_t n = first; n < first + count; n++)
                backward_data(step, n, image, sg_data(t->products) + thread * dst->width * t->row, row);
    }
    if (t->sums) store_weights(step);
}
