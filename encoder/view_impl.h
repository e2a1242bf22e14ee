/* Memory of a value: (n, blocks, pixels, lanes); channel c is lane c % lanes of block c / lanes. lanes 1 is plain
 * NCHW; else they are the processor's (16 or 8) and channels are padded by zeros up to a whole block. */
#ifndef SIGNET_VIEW_IMPL_H
#define SIGNET_VIEW_IMPL_H

#include "net_impl.h"

typedef struct sg_view {
    size_t n, channels, height, width;
    size_t blocks, pixels, lanes;
} sg_view;

sg_view sg_view_of(size_t batch, sg_shape shape, size_t lanes);
size_t sg_view_size(const sg_view *view); /* floats, padding too */

/* To plain NCHW and back; an image takes `stride` floats on the plain side (pack fills
 * what is left of them with zeros). Threaded. */
void sg_view_pack(float *plain, size_t stride, const sg_view *view, const float *data);
void sg_view_unpack(float *data, const sg_view *view, const float *plain, size_t stride);

/* Copies n channels from number `from_first` on to `to_first` on; same batch, size and lanes. When the last channel of
 * `to` is among them, its padding becomes zero. Threaded. */
void sg_view_copy(float *to, const sg_view *to_view, size_t to_first, const float *from,
                  const sg_view *from_view, size_t from_first, size_t n);

#endif
