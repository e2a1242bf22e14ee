/* What a format's door offers, and what the doors share. */
#ifndef SIGNET_CODEC_IMPL_H
#define SIGNET_CODEC_IMPL_H

#include <signet/image.h>

typedef struct sg_codec {
    const char *name;
    bool (*match)(const unsigned char *bytes, size_t nbytes); /* by the first 12 bytes at most */
    /* options has max_pixels > 0 and channels 0, 1 or 3; `oriented` is not its business. *image is zeroed on entry
     * and on failure. */
    bool (*decode)(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err);
    /* The file's EXIF block (in bytes), NULL where there is none. NULL: a format whose decoder turns by itself. */
    const unsigned char *(*exif)(size_t *exif_nbytes, const unsigned char *bytes, size_t nbytes);
} sg_codec;

extern const sg_codec sg_codec_jpeg, sg_codec_png, sg_codec_webp, sg_codec_heif;

/* The size that the header of a file of nbytes claims: at least 1 x 1, at most max_pixels, sides fit an int, and no
 * more than so small a file can hold of any picture worth the name. */
bool sg_codec_check_size(uint64_t width, uint64_t height, size_t nbytes, uint64_t max_pixels, sg_error *err);
/* rgba (n, 4) to (n, channels) over white, at the start of the same memory. grey: the three colours are equal. */
void sg_flatten(uint8_t *pixels, size_t n, int channels, bool grey);
/* 1 to 8 as EXIF numbers them, of a block that begins with "Exif\0\0" or with its TIFF header; 1 if it says nothing
 * that makes sense. */
bool sg_exif_orientation(int *orientation, const unsigned char *exif, size_t nbytes, sg_error *err);
/* PIL's L of n RGB pixels; grey may be rgb. */
void sg_grey_row(uint8_t *grey, const uint8_t *rgb, size_t n);

#endif
