/* The door to libheif, which may be absent: HEIC and AVIF, what phones write. */
#include "heif_impl.h"

#include <string.h>

/* The major brand alone tells: a film's file starts with a box of the same kind. */
static bool match(const unsigned char *bytes, size_t nbytes)
{
    static const char brands[][5] = {"heic", "heix", "hevc", "hevx", "heim",
                                     "heis", "mif1", "msf1", "avif", "avis"};
    if (nbytes < 12 || memcmp(bytes + 4, "ftyp", 4) != 0) return false;
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (memcmp(bytes + 8, brands[i], 4) == 0) return true;
    return false;
}

#ifdef SIGNET_HEIF

#include <signet/mem.h>

#include <libheif/heif.h>

static uint64_t big32(const unsigned char *p)
{
    return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
}

/* Bytes of the boxes that a HEIF file is made of, without junk behind them; 0: the last of them is cut off. */
static size_t whole_nbytes(const unsigned char *bytes, size_t nbytes)
{
    static const char boxes[][5] = {"ftyp", "meta", "mdat", "moov", "free", "skip", "uuid"};
    size_t at = 0;
    while (nbytes - at >= 8) {
        bool known = false;
        for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
            known = known || memcmp(bytes + at + 4, boxes[i], 4) == 0;
        if (!known) return at;
        uint64_t size = big32(bytes + at);
        if (size == 0) return nbytes; /* to the end of the file */
        if (size == 1 && nbytes - at >= 16) size = big32(bytes + at + 8) << 32 | big32(bytes + at + 12);
        if (size < 8 || size > nbytes - at) return 0;
        at += (size_t)size;
    }
    return at;
}

static bool fail(struct heif_error error, sg_error *err)
{
    if (error.subcode == heif_suberror_End_of_data) return sg_fail(err, SG_ERR_FORMAT, "HEIF ends early");
    if (error.subcode == heif_suberror_Security_limit_exceeded)
        return sg_fail(err, SG_ERR_LIMIT, "HEIF exceeds libheif's limits: %s", error.message);
    switch (error.code) {
    case heif_error_Memory_allocation_error:
        return sg_fail_memory(err, "HEIF");
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
        return sg_fail(err, SG_ERR_UNSUPPORTED, "HEIF is not read by libheif: %s", error.message);
    default:
        return sg_fail(err, SG_ERR_FORMAT, "HEIF is broken: %s", error.message);
    }
}

/* libheif's interleaved rows to the image's pixels. */
static bool copy_pixels(sg_image *image, const struct heif_image *decoded, int samples, int channels,
                        sg_error *err)
{
    int width = heif_image_get_width(decoded, heif_channel_interleaved);
    int height = heif_image_get_height(decoded, heif_channel_interleaved), stride_nbytes;
    const uint8_t *rows = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride_nbytes);
    if (!rows || width <= 0 || height <= 0) return sg_fail(err, SG_ERR_FORMAT, "HEIF is broken: no pixels");
    size_t row_nbytes = (size_t)width * (size_t)samples;
    uint8_t *line = sg_alloc(row_nbytes, 1);
    bool ok = line ? sg_image_init(image, width, height, channels, err) : sg_fail_memory(err, "HEIF");
    for (int y = 0; ok && y < height; y++) {
        memcpy(line, rows + (size_t)y * (size_t)stride_nbytes, row_nbytes);
        if (samples == 4)
            sg_flatten(line, (size_t)width, channels, false);
        else if (channels == 1)
            sg_grey_row(line, line, (size_t)width);
        size_t nbytes = (size_t)width * (size_t)channels;
        memcpy(image->pixels + (size_t)y * nbytes, line, nbytes);
    }
    sg_free(line);
    return ok;
}

static bool decode_image(sg_image *image, const struct heif_image_handle *handle, size_t nbytes,
                         const sg_decode_options *options, sg_error *err)
{
    int width = heif_image_handle_get_width(handle), height = heif_image_handle_get_height(handle);
    if (width < 0 || height < 0) width = height = 0;
    if (!sg_codec_check_size((uint64_t)width, (uint64_t)height, nbytes, options->max_pixels, err))
        return false;
    if (heif_image_handle_is_premultiplied_alpha(handle))
        return sg_fail(err, SG_ERR_UNSUPPORTED, "HEIF has premultiplied alpha, which signet does not read");
    int samples = heif_image_handle_has_alpha_channel(handle) ? 4 : 3;
    struct heif_decoding_options *how = heif_decoding_options_alloc();
    if (!how) return sg_fail_memory(err, "HEIF");
    how->convert_hdr_to_8bit = 1;
    struct heif_image *decoded = NULL;
    struct heif_error error =
        heif_decode_image(handle, &decoded, heif_colorspace_RGB,
                          samples == 4 ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, how);
    bool ok = error.code
                  ? fail(error, err)
                  : copy_pixels(image, decoded, samples, options->channels ? options->channels : 3, err);
    heif_image_release(decoded);
    heif_decoding_options_free(how);
    return ok;
}

static bool decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err)
{
    size_t whole = whole_nbytes(bytes, nbytes);
    if (whole == 0) return sg_fail(err, SG_ERR_FORMAT, "HEIF ends early");
    if (!sg_heif_check(bytes, whole, options->max_pixels, err)) return false;
    struct heif_context *context = heif_context_alloc();
    if (!context) return sg_fail_memory(err, "HEIF");
    heif_context_set_max_decoding_threads(context, 0); /* signet decodes many pictures at once */
    struct heif_image_handle *handle = NULL;
    struct heif_error error = heif_context_read_from_memory_without_copy(context, bytes, whole, NULL);
    if (!error.code) error = heif_context_get_primary_image_handle(context, &handle);
    bool ok = error.code ? fail(error, err) : decode_image(image, handle, whole, options, err);
    heif_image_handle_release(handle);
    heif_context_free(context);
    return ok;
}

/* No EXIF: libheif applies the file's own transformations, of which EXIF's orientation is a copy. */
const sg_codec sg_codec_heif = {.name = "HEIF", .match = match, .decode = decode};

#else

static bool decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err)
{
    (void)image, (void)bytes, (void)nbytes, (void)options;
    return sg_fail(err, SG_ERR_UNSUPPORTED, "is HEIF, which this signet was built without (libheif)");
}

const sg_codec sg_codec_heif = {.name = "HEIF", .match = match, .decode = decode};

#endif
