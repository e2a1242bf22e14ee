/* Memory of a value: (n, blocks, pixels, lanes); channel c is lane c % lanes of block c / lanes. lanes 1 is plain
 * NCHW; else they are the processor's (16 or 8) and channels are padded by zeros up to a whole block. */
#ifndef SIGNET_VIEW_IMPL_H
#define SIGNET_VIEW_IMPL_H

#include "net_impl.h"
#include "number_impl.h"

typedef struct sg_view {
    size_t n, channels, height, width;
    size_t blocks, pixels, lanes;
    sg_precision kind; /* of its numbers */
} sg_view;

sg_view sg_view_of(size_t batch, sg_shape shape, size_t lanes, sg_precision kind);
size_t sg_view_size(const sg_view *view); /* numbers, padding too */
size_t sg_view_nbytes(const sg_view *view);

/* To plain NCHW, of numbers of any kind, and back; an image takes `stride` numbers on the plain side (pack fills what
 * is left of them with zeros). Threaded. */
void sg_view_pack(void *plain, sg_precision plain_kind, size_t stride, const sg_view *view, const void *data);
void sg_view_unpack(void *data, const sg_view *view, const void *plain, sg_precision plain_kind,
                    size_t stride);

/* Copies n channels from number `from_first` on to `to_first` on; same batch, size,
 * lanes and kind. When the last channel of
 * `to` is among them, its padding becomes zero. Threaded. */
void sg_view_copy(void *to, const sg_view *to_view, size_t to_first, const void *from,
                  const sg_view *from_view, size_t from_first, size_t n);

#endif
