/* What the convolution, the linear layer (a 1x1 convolution of one pixel) and the thin kernels share. */
#ifndef SIGNET_CONV_IMPL_H
#define SIGNET_CONV_IMPL_H

#include "onednn_impl.h"

/* Of a first layer. A window has `taps` taps (C k k). Going back to x they stand in groups of four along the window's
 * rows, the last of a row filled up by zeros: C k ceil(k / 4) groups; a row of groups is padded to `row` floats. */
typedef struct sg_thin {
    size_t taps, groups, row;
    size_t padded_width, padded; /* of an image with its padding; floats */
    sg_buffer *at, *groups_at;   /* where a tap, a group lies in the padded image, from a window's corner */
    sg_buffer *feedback;         /* B (O padded, row); NULL: no gradient of x */
    sg_buffer *image, *products; /* of each thread: a padded image; (W out, row) */
    sg_buffer *delta;            /* of each thread: (W out, lanes), a row of the gradient as floats */
    sg_buffer *sums; /* of each thread: (blocks, taps, lanes) twice, of an image and of all; (O) */
} sg_thin;

typedef struct sg_conv_state {
    sg_prim *forward, *backward_data, *backward_weights;
    sg_prim *load_weights, *load_feedback, *store_weights; /* between PyTorch's layout and the kernels' */
    sg_buffer *plain;                                      /* B, or W or B scaled, in PyTorch's layout */
    sg_buffer *scale;                                      /* (O) of the folded batch-norm */
    sg_buffer *bias, *diff_src;
    sg_buffer *diff_bias; /* (O, padded) */
    sg_thin thin;
} sg_conv_state;

typedef enum { SG_CONV_FORWARD, SG_CONV_DATA, SG_CONV_WEIGHTS } sg_conv_pass; /* the last two of backward */

size_t sg_conv_tensors(const sg_node *node, sg_tensor *tensors, int ndim);
uint64_t sg_conv_macs(const sg_node *node);
void sg_conv_ref_forward(const sg_ref *ref);
void sg_conv_ref_backward(const sg_ref *ref);
bool sg_conv_absorb(sg_step *step, const sg_node *next);
bool sg_conv_prepare(sg_step *step, sg_error *err);
bool sg_conv_prepare_backward(sg_step *step, sg_error *err);
void sg_conv_load(sg_step *step, const sg_load *load);
void sg_conv_forward(sg_step *step);
void sg_conv_backward(sg_step *step);

/* Winograd's algorithm is the faster one for this pass, and allowed (winograd.c). */
bool sg_winograd_wins(const sg_step *step, sg_conv_pass pass);

/* A first layer, whose source is x in its plain layout: oneDNN's backward kernels for 1 and 3 channels are slow or
 * missing, so these are ours (conv_thin.c); but in bf16 its kernel by weights is the faster one. */
bool sg_thin_weights(const sg_step *step); /* backward by weights is ours */
bool sg_thin_runs(const sg_step *step);    /* after prepare: a part of backward is ours */
bool sg_thin_prepare_backward(sg_step *step, sg_error *err);
void sg_thin_load(sg_step *step, const float *feedback);
void sg_thin_backward(sg_step *step);

#endif
