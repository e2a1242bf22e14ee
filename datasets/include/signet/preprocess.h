/* From any image to what the network reads: channels, resize of the shorter side, centre crop, planar pixels. */
#ifndef SIGNET_PREPROCESS_H
#define SIGNET_PREPROCESS_H

#include <signet/image.h>

/* PIL's antialiased filters; bicubic is Keys's with a = -0.5. */
typedef enum { SG_BILINEAR, SG_BICUBIC } sg_filter;

typedef struct sg_preprocess {
    int channels;      /* of the network, 1 or 3 */
    int width, height; /* of the network's input */
    int resize; /* the shorter side becomes this before the crop; 0: straight to width x height (aspect lost) */
    sg_filter filter;    /* of the resize */
    bool scaled;         /* a JPEG at least twice as large as needed is decoded at a fraction of its size */
    bool oriented;       /* turned upright, as EXIF says */
    uint64_t max_pixels; /* of a picture, as in sg_decode_options: a guard, which changes no pixel */
} sg_preprocess;

/* How a picture is decoded for this. */
sg_decode_options sg_preprocess_decode(const sg_preprocess *pp);

/* What has names, as text: key "filter" is bilinear or bicubic, "decode" exact or scaled, "orientation" stored or exif.
 * The first of each is that of a zeroed sg_preprocess. */
const char *const *sg_preprocess_keys(size_t *n);
const char *sg_preprocess_get(const sg_preprocess *pp, const char *key);
/* SG_ERR_USAGE names the key and what there is. */
bool sg_preprocess_set(sg_preprocess *pp, const char *key, const char *value, sg_error *err);

/* As torchvision on PIL images: Resize(resize) gives the other side int(resize * long / short); CenterCrop takes
 * the offset round((a - b) / 2.0), half to even. A crop larger than the resized image is an error. */
bool sg_preprocess_image(sg_image *out, const sg_image *in, const sg_preprocess *pp, sg_error *err);

/* The same straight to planar pixels (channels, height, width); nothing is allocated when there is nothing to do. */
bool sg_preprocess_planar(uint8_t *planar, const sg_image *in, const sg_preprocess *pp, sg_error *err);

/* Interleaved (H, W, C) to planar (C, H, W), and back. */
void sg_image_to_planar(uint8_t *planar, const sg_image *image);
bool sg_image_from_planar(sg_image *image, const uint8_t *planar, int channels, int height, int width,
                          sg_error *err);

/* dst[i] = src[i] / 255: pixel space [0, 1], the network's input. The one place that does it. */
void sg_pixels_to_float(float *dst, const uint8_t *src, size_t n);

#endif
