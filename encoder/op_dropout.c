/* Dropout (Srivastava et al. 2014), inverted as PyTorch's: in training a value is 0 with probability p, else divided by
 * 1 - p. Value i (image, pixel, channel: the channel runs fastest) is dropped where U_i < p, U the stream (seed,
 * SG_RNG_DROPOUT, the node's name, step): the same for any layout and number of threads. Forward and backward are the
 * same product, whose factors are drawn anew. */
#include "plan_impl.h"
#include "reference_impl.h"

#include <signet/random.h>

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    SG_ASSERT(node->attr.p >= 0 && node->attr.p < 1);
    node->out = node->in;
    return true;
}

/* ---- the reference twin ---- */

static void ref_apply(const sg_ref *ref, double *to, const double *from, bool add)
{
    const size_t channels = (size_t)ref->node->in.c, pixels = (size_t)(ref->node->in.h * ref->node->in.w);
    sg_rng rng = sg_rng_at(ref->seed, SG_RNG_DROPOUT, sg_name_hash(ref->node->name), ref->step);
    for (size_t i = 0; i < ref->batch * channels * pixels; i++) {
        const size_t n = i / channels / pixels, p = i / channels % pixels, c = i % channels;
        const size_t at = (n * channels + c) * pixels + p;
        const bool drop = ref->dropout && sg_rng_uniform(&rng) < ref->node->attr.p;
        const double factor = drop ? 0 : ref->dropout ? 1 / (1 - (double)ref->node->attr.p) : 1;
        to[at] = (add ? to[at] : 0) + from[at] * factor;
    }
}

static void ref_forward(const sg_ref *ref)
{
    ref_apply(ref, ref->dst, ref->src[0], false);
}

static void ref_backward(const sg_ref *ref)
{
    ref_apply(ref, ref->dsrc[0], ref->ddst, true);
}

/* ---- in a plan ---- */

typedef struct dropout_state {
    sg_rng stream;
    float p;
    sg_buffer *diff_src;
} dropout_state;

/* A body that is a constant (head_only) is computed as in evaluation. */
static bool idle(const sg_plan *plan)
{
    const sg_plan_options *o = &plan->options;
    return o->purpose != SG_TRAIN || o->head_only || o->no_dropout;
}

static bool prepare(sg_step *step, sg_error *err)
{
    dropout_state *s = step->state;
    (void)err;
    s->p =
        idle(step->plan) ? 0 : step->node->attr.p; /* idle, yet not taken in: its source has other readers */
    return true;
}

static bool prepare_backward(sg_step *step, sg_error *err)
{
    dropout_state *s = step->state;
    return sg_value_part(&s->diff_src, step->src[0], step, err);
}

static void load(sg_step *step, const sg_load *from)
{
    dropout_state *s = step->state;
    s->stream =
        sg_rng_at(step->plan->options.seed, SG_RNG_DROPOUT, sg_name_hash(step->node->name), from->number);
}

/* One pixel of one block. */
static void apply_lanes(const dropout_state *s, const sg_view *v, void *to, const void *from, size_t element,
                        size_t channels)
{
    const float factor = 1 / (1 - s->p);
    float u[16];
    SG_ASSERT(channels <= v->lanes && v->lanes <= 16);
    sg_rng_fill_uniform(u, element, channels, 0, 1, &s->stream);
    for (size_t l = 0; l < v->lanes; l++)
        sg_number_set(v->kind, to, l,
                      l < channels && u[l] >= s->p ? sg_number_get(v->kind, from, l) * factor : 0);
}

static void apply(const sg_step *step, const sg_buffer *to, const sg_buffer *from)
{
    const dropout_state *s = step->state;
    const sg_view *v = &step->dst->view;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < v->n * v->blocks * v->pixels; i++) {
        const size_t p = i % v->pixels, b = i / v->pixels % v->blocks, n = i / v->pixels / v->blocks;
        const size_t first = b * v->lanes, left = v->channels - first;
        apply_lanes(s, v, sg_step_at(step, to, i * v->lanes), sg_step_at(step, from, i * v->lanes),
                    (n * v->pixels + p) * v->channels + first, left < v->lanes ? left : v->lanes);
    }
}

static void forward(sg_step *step)
{
    apply(step, step->dst->data, step->src[0]->data);
}

static void backward(sg_step *step)
{
    const dropout_state *s = step->state;
    apply(step, s->diff_src, step->gradient);
}

const sg_op sg_op_dropout = {
    .name = "dropout",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .state_size = sizeof(dropout_state),
    .idle = idle,
    .prepare = prepare,
    .prepare_backward = prepare_backward,
    .load = load,
    .forward = forward,
    .backward = backward,
};
