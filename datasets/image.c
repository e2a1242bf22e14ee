#include <signet/image.h>

#include "codec_impl.h"
#include <limits.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

static const sg_codec *const codecs[] = {&sg_codec_jpeg, &sg_codec_png, &sg_codec_webp, &sg_codec_heif};
#define NCODECS (sizeof codecs / sizeof *codecs)

bool sg_image_init(sg_image *image, int width, int height, int channels, sg_error *err)
{
    SG_ASSERT(width > 0 && height > 0 && (channels == 1 || channels == 3));
    *image = (sg_image){0};
    size_t cells, nbytes;
    if (!sg_mul_size(&cells, (size_t)width, (size_t)height) ||
        !sg_mul_size(&nbytes, cells, (size_t)channels) || !(image->pixels = sg_calloc(nbytes, 1)))
        return sg_fail_memory(err, "image");
    image->width = width;
    image->height = height;
    image->channels = channels;
    return true;
}

void sg_image_clear(sg_image *image)
{
    sg_free(image->pixels);
    *image = (sg_image){0};
}

static const sg_codec *codec_of(const void *bytes, size_t nbytes)
{
    for (size_t i = 0; i < NCODECS; i++)
        if (codecs[i]->match(bytes, nbytes)) return codecs[i];
    return NULL;
}

const char *sg_image_format(const void *bytes, size_t nbytes)
{
    const sg_codec *codec = codec_of(bytes, nbytes);
    return codec ? codec->name : NULL;
}

/* Turns the stored picture upright. Source column and row run backwards as the orientation says; from 5 on they are
 * exchanged too. */
static bool orient(sg_image *image, int orientation, sg_error *err)
{
    if (orientation == 1) return true;
    bool exchanged = orientation >= 5;
    bool back_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool back_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    ptrdiff_t width = image->width, height = image->height, c = image->channels;
    ptrdiff_t column = back_x ? -1 : 1, row = back_y ? -width : width; /* steps in the source, in pixels */
    const uint8_t *first =
        image->pixels + ((back_x ? width - 1 : 0) + (back_y ? (height - 1) * width : 0)) * c;
    sg_image out;
    if (!sg_image_init(&out, exchanged ? image->height : image->width,
                       exchanged ? image->width : image->height, image->channels, err))
        return false;
    ptrdiff_t step_x = (exchanged ? row : column) * c, step_y = (exchanged ? column : row) * c;
    enum { BAND = 64 }; /* columns at a time, so that the source's lines stay in the cache */
    for (ptrdiff_t left = 0; left < out.width; left += BAND) {
        ptrdiff_t right = left + BAND < out.width ? left + BAND : out.width;
        for (ptrdiff_t y = 0; y < out.height; y++)
            for (ptrdiff_t x = left; x < right; x++)
                memcpy(out.pixels + (y * out.width + x) * c, first + y * step_y + x * step_x, (size_t)c);
    }
    sg_image_clear(image);
    *image = out;
    return true;
}

static bool find_orientation(int *orientation, const sg_codec *codec, const void *bytes, size_t nbytes,
                             sg_error *err)
{
    size_t exif_nbytes;
    const unsigned char *exif = codec->exif ? codec->exif(&exif_nbytes, bytes, nbytes) : NULL;
    *orientation = 1;
    return exif ? sg_exif_orientation(orientation, exif, exif_nbytes, err) : true;
}

bool sg_image_decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                     sg_error *err)
{
    *image = (sg_image){0};
    sg_decode_options o = options ? *options : (sg_decode_options){0};
    SG_ASSERT((o.channels == 0 || o.channels == 1 || o.channels == 3) && o.shorter_min >= 0);
    if (o.max_pixels == 0) o.max_pixels = SG_MAX_PIXELS;
    if (nbytes == 0) return sg_fail(err, SG_ERR_FORMAT, "is empty");
    const sg_codec *codec = codec_of(bytes, nbytes);
    if (!codec) return sg_fail(err, SG_ERR_FORMAT, "is no image of a known format (JPEG, PNG, WebP, HEIF)");
    if (!codec->decode(image, bytes, nbytes, &o, err)) return false;
    int orientation;
    if (!o.oriented ||
        (find_orientation(&orientation, codec, bytes, nbytes, err) && orient(image, orientation, err)))
        return true;
    sg_image_clear(image);
    return false;
}

bool sg_image_load(sg_image *image, const char *path, const sg_decode_options *options, sg_error *err)
{
    *image = (sg_image){0};
    char *bytes;
    size_t nbytes;
    if (!sg_file_read(&bytes, &nbytes, path, SG_MAX_FILE_NBYTES, err)) return false;
    bool ok = sg_image_decode(image, bytes, nbytes, options, err);
    sg_free(bytes);
    return ok ? true : sg_prefix(err, "%s", path);
}

static bool write_and_free(const char *path, unsigned char *bytes, size_t nbytes, sg_error *err)
{
    bool ok = sg_file_write(path, bytes, nbytes, err);
    sg_free(bytes);
    return ok;
}

bool sg_image_write_png(const sg_image *image, const char *path, sg_error *err)
{
    unsigned char *bytes;
    size_t nbytes;
    return sg_image_encode_png(&bytes, &nbytes, image, err) && write_and_free(path, bytes, nbytes, err);
}

bool sg_image_write_jpeg(const sg_image *image, const char *path, int quality, sg_error *err)
{
    unsigned char *bytes;
    size_t nbytes;
    return sg_image_encode_jpeg(&bytes, &nbytes, image, quality, err) &&
           write_and_free(path, bytes, nbytes, err);
}

/* One colour over a whole picture takes some formats no room at all, so that 40 bytes would command a gigabyte: from
 * a size on pixels must cost something. A blank page of black or white as PNG, the tightest there is in earnest, has
 * 8256 a byte. */
#define CHEAP_PIXELS    ((uint64_t)16 * 1000 * 1000)
#define PIXELS_PER_BYTE 16384

bool sg_codec_check_size(uint64_t width, uint64_t height, size_t nbytes, uint64_t max_pixels, sg_error *err)
{
    if (width == 0 || height == 0) return sg_fail(err, SG_ERR_FORMAT, "declares a width or height of 0");
    if (width > INT_MAX || height > INT_MAX || width > max_pixels / height)
        return sg_fail(err, SG_ERR_LIMIT, "declares %llu x %llu pixels, more than %llu in all",
                       (unsigned long long)width, (unsigned long long)height, (unsigned long long)max_pixels);
    if (width * height > CHEAP_PIXELS && width * height / PIXELS_PER_BYTE > nbytes)
        return sg_fail(err, SG_ERR_LIMIT, "declares %llu x %llu pixels in %zu bytes",
                       (unsigned long long)width, (unsigned long long)height, nbytes);
    return true;
}

static uint8_t over_white(unsigned value, unsigned alpha)
{
    return (uint8_t)(255 - ((255 - value) * alpha + 127) / 255);
}

void sg_flatten(uint8_t *pixels, size_t n, int channels, bool grey)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = pixels + 4 * i;
        uint8_t rgb[3];
        for (int c = 0; c < 3; c++) rgb[c] = over_white(p[c], p[3]);
        if (channels == 3)
            memcpy(pixels + 3 * i, rgb, 3);
        else if (grey)
            pixels[i] = rgb[0];
        else
            sg_grey_row(pixels + i, rgb, 1);
    }
}

void sg_grey_row(uint8_t *grey, const uint8_t *rgb, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = rgb + 3 * i;
        grey[i] = (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 0x8000u) >> 16);
    }
}

bool sg_image_convert(sg_image *out, const sg_image *in, int channels, sg_error *err)
{
    if (!sg_image_init(out, in->width, in->height, channels, err)) return false;
    size_t n = (size_t)in->width * (size_t)in->height;
    if (channels == in->channels)
        memcpy(out->pixels, in->pixels, n * (size_t)channels);
    else if (channels == 1)
        sg_grey_row(out->pixels, in->pixels, n);
    else
        for (size_t i = 0; i < n; i++) memset(out->pixels + 3 * i, in->pixels[i], 3);
    return true;
}

bool sg_image_crop(sg_image *out, const sg_image *in, int left, int top, int width, int height, sg_error *err)
{
    SG_ASSERT(left >= 0 && top >= 0 && width > 0 && height > 0 && width <= in->width - left &&
              height <= in->height - top);
    if (!sg_image_init(out, width, height, in->channels, err)) return false;
    size_t c = (size_t)in->channels, row = (size_t)width * c;
    for (int y = 0; y < height; y++)
        memcpy(out->pixels + (size_t)y * row,
               in->pixels + ((size_t)(top + y) * (size_t)in->width + (size_t)left) * c, row);
    return true;
}
