#include "datasets/codec_impl.h"
#include "fuzz.h"

/* Decodes at one size or another, and looks for what EXIF says. */
static void decode(const sg_codec *codec, const uint8_t *bytes, size_t nbytes)
{
    static const sg_decode_options ways[] = {
        {.channels = 0}, {.channels = 1, .shorter_min = 4}, {.channels = 3}};
    sg_image image = {0};
    sg_error err = {0};
    sg_decode_options o = ways[nbytes % 3];
    o.max_pixels = 1 << 20;
    if (nbytes == 0 || !codec->match(bytes, nbytes)) return;
    if (codec->decode(&image, bytes, nbytes, &o, &err)) {
        SG_ASSERT(image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3));
        SG_ASSERT(o.channels == 0 || image.channels == o.channels);
        SG_ASSERT((uint64_t)image.width * (uint64_t)image.height <= o.max_pixels);
        volatile uint8_t last =
            image.pixels[(size_t)image.width * (size_t)image.height * (size_t)image.channels - 1];
        (void)last;
        sg_image_clear(&image);
    } else {
        SG_ASSERT(!image.pixels && err.code != SG_OK && err.message[0]);
    }
    size_t exif_nbytes;
    int orientation;
    const unsigned char *exif = codec->exif ? codec->exif(&exif_nbytes, bytes, nbytes) : NULL;
    if (!exif) return;
    SG_ASSERT(exif >= bytes && exif_nbytes <= nbytes && exif <= bytes + nbytes - exif_nbytes);
    SG_ASSERT(sg_exif_orientation(&orientation, exif, exif_nbytes, &err) && orientation >= 1 &&
              orientation <= 8);
}

void fuzz_jpeg(const uint8_t *bytes, size_t nbytes)
{
    decode(&sg_codec_jpeg, bytes, nbytes);
}

void fuzz_png(const uint8_t *bytes, size_t nbytes)
{
    decode(&sg_codec_png, bytes, nbytes);
}

void fuzz_webp(const uint8_t *bytes, size_t nbytes)
{
    decode(&sg_codec_webp, bytes, nbytes);
}

void fuzz_heif(const uint8_t *bytes, size_t nbytes)
{
    decode(&sg_codec_heif, bytes, nbytes);
}
