/* What a format's door offers, and what the doors share. */
#ifndef SIGNET_CODEC_IMPL_H
#define SIGNET_CODEC_IMPL_H

#include <signet/image.h>

#define SG_SIGNATURE_MAX 12

typedef struct sg_codec {
    const char *name;
    unsigned char signature[SG_SIGNATURE_MAX];
    size_t signature_nbytes;
    /* options has max_pixels > 0 and channels 0, 1 or 3. *image is zeroed on entry and on failure. */
    bool (*decode)(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err);
} sg_codec;

extern const sg_codec sg_codec_jpeg, sg_codec_png;

/* The size that a header claims: at least 1 x 1, at most max_pixels, sides fit an int. */
bool sg_codec_check_size(uint64_t width, uint64_t height, uint64_t max_pixels, sg_error *err);
/* PIL's L of n RGB pixels; grey may be rgb. */
void sg_grey_row(uint8_t *grey, const uint8_t *rgb, size_t n);

#endif
