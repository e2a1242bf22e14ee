#ifndef SIGNET_RESIZE_IMPL_H
#define SIGNET_RESIZE_IMPL_H

#include <signet/preprocess.h>

/* The window (left, top, w, h) of `in` resized to width x height: the same pixels as the whole resize then cropped,
 * but only what the window needs is computed. */
bool sg_resize_window(sg_image *out, const sg_image *in, sg_filter filter, int width, int height, int left,
                      int top, int w, int h, sg_error *err);

#endif
