/* The steps of preprocessing, for crops that are not in the middle. */
#ifndef SIGNET_PREPROCESS_IMPL_H
#define SIGNET_PREPROCESS_IMPL_H

#include <signet/preprocess.h>

/* Size of the whole resized image, of which the network's input is cut. */
bool sg_preprocess_resized(int *width, int *height, const sg_image *in, const sg_preprocess *pp,
                           sg_error *err);
/* A window of that image, wholly inside it. */
bool sg_preprocess_window(sg_image *out, const sg_image *in, const sg_preprocess *pp, int left, int top,
                          int w, int h, sg_error *err);

#endif
