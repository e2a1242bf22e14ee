/* The option-A shortcut of He et al. 2015: every second pixel, and zeros for the new channels, half of them before
 * the old ones and half after (as BioTorch and most ports have it). No weights. */
#include "plan_impl.h"
#include "reference_impl.h"

#include <string.h>

static bool shape(sg_node *node, const sg_node *const *src, sg_error *err)
{
    (void)src, (void)err;
    SG_ASSERT(node->attr.channels >= node->in.c);
    node->out = (sg_shape){node->attr.channels, (node->in.h + 1) / 2, (node->in.w + 1) / 2};
    return true;
}

/* Source index of output index d, plain NCHW; false for a new channel. */
static bool source_of(size_t *s, const sg_node *node, size_t d)
{
    const int64_t w = node->out.w, h = node->out.h;
    const int64_t x = (int64_t)d % w, y = (int64_t)d / w % h, c = (int64_t)d / (w * h) % node->out.c;
    const int64_t n = (int64_t)d / (w * h * node->out.c), from = c - (node->out.c - node->in.c) / 2;
    *s = (size_t)(((n * node->in.c + from) * node->in.h + 2 * y) * node->in.w + 2 * x);
    return from >= 0 && from < node->in.c;
}

static void ref_forward(const sg_ref *ref)
{
    for (size_t s, d = 0; d < ref->batch * sg_shape_size(ref->node->out); d++)
        ref->dst[d] = source_of(&s, ref->node, d) ? ref->src[0][s] : 0;
}

static void ref_backward(const sg_ref *ref)
{
    for (size_t s, d = 0; d < ref->batch * sg_shape_size(ref->node->out); d++)
        if (source_of(&s, ref->node, d)) ref->dsrc[0][s] += ref->ddst[d];
}

typedef struct shortcut_state {
    sg_buffer *diff_src;
} shortcut_state;

static bool prepare_backward(sg_step *step, sg_error *err)
{
    shortcut_state *s = step->state;
    return sg_value_part(&s->diff_src, step->src[0], step, err);
}

static size_t place(const sg_view *v, size_t n, size_t c, size_t y, size_t x)
{
    return ((n * v->blocks + c / v->lanes) * v->pixels + y * v->width + x) * v->lanes + c % v->lanes;
}

/* Copies one image between the big side (source) and the small one (result): a run of channels that lie together on
 * both sides at a time. */
static void copy_image(char *to, const char *from, const sg_view *big, const sg_view *small, size_t n,
                       bool back)
{
    const size_t number = sg_number_nbytes(big->kind);
    const size_t shift = (small->channels - big->channels) / 2;
    for (size_t c = 0, run; c < big->channels; c += run) {
        size_t left = big->lanes - c % big->lanes, room = small->lanes - (c + shift) % small->lanes;
        run = left < room ? left : room;
        if (run > big->channels - c) run = big->channels - c;
        for (size_t y = 0; y < small->height; y++)
            for (size_t x = 0; x < small->width; x++) {
                size_t a = place(big, n, c, 2 * y, 2 * x), b = place(small, n, c + shift, y, x);
                memcpy(to + (back ? a : b) * number, from + (back ? b : a) * number, run * number);
            }
    }
}

static void copy(const sg_buffer *to, const sg_buffer *from, const sg_step *step, bool back)
{
    const sg_view *big = &step->src[0]->view, *small = &step->dst->view;
    const size_t image = sg_view_nbytes(back ? big : small) / big->n;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < big->n; n++) {
        memset((char *)to->data + n * image, 0, image);
        copy_image(to->data, from->data, big, small, n, back);
    }
}

static void forward(sg_step *step)
{
    copy(step->dst->data, step->src[0]->data, step, false);
}

static void backward(sg_step *step)
{
    const shortcut_state *s = step->state;
    copy(s->diff_src, step->gradient, step, true);
}

const sg_op sg_op_shortcut = {
    .name = "shortcut",
    .shape = shape,
    .ref_forward = ref_forward,
    .ref_backward = ref_backward,
    .state_size = sizeof(shortcut_state),
    .prepare_backward = prepare_backward,
    .forward = forward,
    .backward = backward,
};
