/* Images as 8-bit pixels: decoding by content, writing, colour to grey, resizing, cropping. */
#ifndef SIGNET_IMAGE_H
#define SIGNET_IMAGE_H

#include <signet/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sg_image {
    uint8_t *pixels; /* owned; height rows of width * channels bytes, interleaved, no padding */
    int width, height;
    int channels; /* 1 grey, 3 RGB */
} sg_image;

bool sg_image_init(sg_image *image, int width, int height, int channels, sg_error *err); /* zeroed */
void sg_image_clear(sg_image *image);

typedef struct sg_decode_options {
    int channels;        /* 1 or 3: converted to it (grey is PIL's L); 0: as in the file, grey or RGB */
    uint64_t max_pixels; /* width * height above it is refused before memory is taken; 0: SG_MAX_PIXELS */
    bool oriented;       /* EXIF orientation is applied: pixels stand upright */
    int shorter_min; /* a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size in the DCT domain as long as its
                          * shorter side stays at least this; 0: at full size */
} sg_decode_options;

#define SG_MAX_PIXELS      ((uint64_t)200 * 1000 * 1000)
#define SG_MAX_FILE_NBYTES ((size_t)1 << 30)

/* Decodes JPEG, PNG, WebP or HEIF (HEIC, AVIF), known by signature. Alpha is laid over white, 16 bits become 8 by their high byte. A file
 * that ends early is refused (SG_ERR_FORMAT), junk after its end is accepted. options NULL: defaults. On failure
 * *image is zeroed.
 * `oriented`: EXIF that is damaged or says nothing sensible counts as upright. A picture that is turned takes its
 * memory twice while it is.
 * `shorter_min`: the side is rounded up by libjpeg (ceil(width / d)); a picture whose shorter side is below twice
 * shorter_min, and all that is no JPEG, gives the very pixels of shorter_min 0. A reduced one gives those of a full
 * decode and a box filter only nearly. max_pixels holds for the size that the file declares. */
bool sg_image_decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                     sg_error *err);
/* The same from a file ("-": standard input); messages begin with the path. */
bool sg_image_load(sg_image *image, const char *path, const sg_decode_options *options, sg_error *err);
/* Name of the format by signature ("JPEG", "PNG", "WebP", "HEIF"), NULL when it is none that signet knows. 12 bytes are enough. */
const char *sg_image_format(const void *bytes, size_t nbytes);

/* To a file (atomic) or to memory (the caller's, sg_free). PNG is lossless; JPEG quality 1 to 100, 4:4:4. */
bool sg_image_write_png(const sg_image *image, const char *path, sg_error *err);
bool sg_image_encode_png(unsigned char **bytes, size_t *nbytes, const sg_image *image, sg_error *err);
bool sg_image_write_jpeg(const sg_image *image, const char *path, int quality, sg_error *err);
bool sg_image_encode_jpeg(unsigned char **bytes, size_t *nbytes, const sg_image *image, int quality,
                          sg_error *err);

/* Grey to RGB by repetition, RGB to grey by PIL's L: (19595 R + 38470 G + 7471 B + 0x8000) >> 16. */
bool sg_image_convert(sg_image *out, const sg_image *in, int channels, sg_error *err);
/* PIL's antialiased bilinear resize (two passes, 8-bit between them, fixed-point weights of 22 bits), of the box
 * (whole image). */
bool sg_image_resize(sg_image *out, const sg_image *in, int width, int height, sg_error *err);
bool sg_image_crop(sg_image *out, const sg_image *in, int left, int top, int width, int height,
                   sg_error *err);

/* How sharp a grey picture is: the variance of its Laplacian, I(x-1,y) + I(x+1,y) + I(x,y-1) + I(x,y+1) - 4 I(x,y), over all
 * pixels but the border (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", ICPR). Pictures of one
 * size and scene compare; others hardly. 0 below 3 x 3 pixels, or when it is not grey. */
double sg_image_sharpness(const sg_image *grey);

#endif
