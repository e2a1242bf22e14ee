/* Where a convolution runs on Winograd's algorithm (Lavin and Gray 2016), F(4x4, 3x3): 36 products for what takes 144, on
 * tiles of 4x4 results. It errs some times as much as direct convolution, its bits depend on the batch, and oneDNN has
 * it on AVX-512 alone: it is for layers under training,
 * and the frozen body before a trained head keeps the bits it has in encoding.
 *
 * The rule is of the layer's shape and the batch, never of times taken at run time: the same training gives the same
 * bits. gain() was fitted by hand to what bench/bench_winograd.c prints: transforms weigh more the fewer the channels
 * that share them; few tiles do not fill the processor; what of a tile hangs over the edge is wasted. It is within a
 * quarter of nearly all that was measured from 0.8 on; where it errs more (gradients of few channels' weights) it says
 * too little. Below 1.1 the memory that Winograd takes is not worth it. */
#include "conv_impl.h"

#define TILE 4

/* Direct convolution's time by Winograd's, of forward; backward by data is like it. */
static double gain(const sg_view *src, const sg_view *dst)
{
    const size_t rows = (dst->height + TILE - 1) / TILE, columns = (dst->width + TILE - 1) / TILE;
    const double tiles = (double)(dst->n * rows * columns);
    const double used = (double)dst->pixels / (double)(rows * columns * TILE * TILE);
    const double channels = (double)(src->channels < dst->channels ? src->channels : dst->channels);
    return 3 * channels / (channels + 28) * tiles / (tiles + 32) * used;
}

bool sg_winograd_wins(const sg_step *step, sg_conv_pass pass)
{
    const sg_conv_attr *a = &step->node->attr.conv;
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
    const sg_plan_options *o = &step->plan->options;
    if (!step->train || o->no_winograd || o->precision != SG_F32 || sg_dnnl_lanes() != 16) return false;
    if (a->window.kernel != 3 || a->window.stride != 1 || a->groups != 1 || src->lanes == 1) return false;
    return gain(src, dst) * (pass == SG_CONV_WEIGHTS ? 1.25 : 1) > 1.1;
}
