/* The door to libwebp, which may be absent. */
#include "codec_impl.h"

#include <string.h>

static bool match(const unsigned char *bytes, size_t nbytes)
{
    return nbytes >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

#ifdef SIGNET_WEBP

#include <signet/mem.h>

#include <webp/decode.h>

static size_t little32(const unsigned char *p)
{
    return p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

/* The chunk EXIF among those of a whole file. */
static const unsigned char *find_exif(size_t *exif_nbytes, const unsigned char *bytes, size_t nbytes)
{
    for (size_t at = 12; nbytes - at >= 8;) {
        size_t length = little32(bytes + at + 4), padded = length + (length & 1);
        if (length > nbytes - at - 8) return NULL;
        if (memcmp(bytes + at, "EXIF", 4) == 0) {
            *exif_nbytes = length;
            return bytes + at + 8;
        }
        if (padded > nbytes - at - 8) return NULL;
        at += 8 + padded;
    }
    return NULL;
}

static bool fail(VP8StatusCode code, sg_error *err)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return sg_fail_memory(err, "WebP");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return sg_fail(err, SG_ERR_FORMAT, "WebP ends early");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return sg_fail(err, SG_ERR_UNSUPPORTED, "WebP has a feature that libwebp does not read");
    default:
        return sg_fail(err, SG_ERR_FORMAT, "WebP is broken");
    }
}

static bool decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err)
{
    /* libwebp forgives the loss of what follows the pixels. */
    if (little32((const unsigned char *)bytes + 4) > nbytes - 8)
        return sg_fail(err, SG_ERR_FORMAT, "WebP ends early");
    WebPDecoderConfig config;
    WebPInitDecoderConfig(&config);
    VP8StatusCode code = WebPGetFeatures(bytes, nbytes, &config.input);
    if (code != VP8_STATUS_OK) return fail(code, err);
    uint64_t width = (uint64_t)config.input.width, height = (uint64_t)config.input.height;
    if (config.input.has_animation)
        return sg_fail(err, SG_ERR_UNSUPPORTED, "WebP is animated, which signet does not read");
    if (!sg_codec_check_size(width, height, nbytes, options->max_pixels, err)) return false;

    size_t n = (size_t)(width * height), samples = config.input.has_alpha ? 4 : 3, size;
    if (!sg_mul_size(&size, n, samples) || !(image->pixels = sg_alloc(n, samples)))
        return sg_fail_memory(err, "image");
    config.output.colorspace = samples == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->pixels;
    config.output.u.RGBA.stride = (int)(width * samples);
    config.output.u.RGBA.size = size;
    code = WebPDecode(bytes, nbytes, &config);
    WebPFreeDecBuffer(&config.output);
    if (code != VP8_STATUS_OK) {
        sg_image_clear(image);
        return fail(code, err);
    }
    image->width = (int)width;
    image->height = (int)height;
    image->channels = options->channels ? options->channels : 3;
    if (samples == 4)
        sg_flatten(image->pixels, n, image->channels, false);
    else if (image->channels == 1)
        sg_grey_row(image->pixels, image->pixels, n);
    uint8_t *smaller = sg_realloc(image->pixels, n, (size_t)image->channels);
    if (smaller) image->pixels = smaller;
    return true;
}

const sg_codec sg_codec_webp = {.name = "WebP", .match = match, .decode = decode, .exif = find_exif};

#else

static bool decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err)
{
    (void)image, (void)bytes, (void)nbytes, (void)options;
    return sg_fail(err, SG_ERR_UNSUPPORTED, "is WebP, which this signet was built without (libwebp)");
}

const sg_codec sg_codec_webp = {.name = "WebP", .match = match, .decode = decode};

#endif
