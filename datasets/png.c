/* The door to libspng. */
#include "codec_impl.h"

#include <signet/mem.h>
#include <spng.h>
#include <string.h>

/* Text and colour profiles larger than this make a file refused: they are read whole. */
#define CHUNK_MAX_NBYTES ((size_t)64 << 20)
/* Deflate never packs tighter than 1032 to 1, so that a few bytes cannot claim a large picture. */
#define DEFLATE_RATIO_MAX 1032

/* An allocation of this thread's decoder has failed: where inflate makes it, libspng calls the file broken. Its hooks
 * have no context. */
static _Thread_local bool memory_short;

static void *noted(void *block)
{
    if (!block) memory_short = true;
    return block;
}

static void *alloc(size_t size)
{
    return noted(sg_alloc(1, size));
}

static void *resize(void *block, size_t size)
{
    return noted(sg_realloc(block, 1, size));
}

static void *zeroed(size_t count, size_t size)
{
    return noted(sg_calloc(count, size));
}

static spng_ctx *context(int flags)
{
    struct spng_alloc hooks = {alloc, resize, zeroed, sg_free};
    memory_short = false;
    return spng_ctx_new2(&hooks, flags);
}

/* The first chunk of a kind among those that are whole; NULL: none up to the end of the file or IEND. */
static const unsigned char *find_chunk(size_t *length, const char *kind, const unsigned char *bytes,
                                       size_t nbytes)
{
    for (size_t at = 8; nbytes - at >= 12;) {
        const unsigned char *p = bytes + at;
        *length = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        if (*length > nbytes - at - 12) return NULL;
        if (memcmp(p + 4, kind, 4) == 0) return p + 8;
        if (memcmp(p + 4, "IEND", 4) == 0) return NULL;
        at += 12 + *length;
    }
    return NULL;
}

static const unsigned char *find_exif(size_t *exif_nbytes, const unsigned char *bytes, size_t nbytes)
{
    return find_chunk(exif_nbytes, "eXIf", bytes, nbytes);
}

static bool is_memory(int code)
{
    return code == SPNG_EMEM || code == SPNG_EZLIB_INIT || memory_short;
}

static bool fail(int code, sg_error *err)
{
    if (is_memory(code)) return sg_fail_memory(err, "PNG");
    if (code == SPNG_IO_EOF) return sg_fail(err, SG_ERR_FORMAT, "PNG ends early");
    return sg_fail(err, SG_ERR_FORMAT, "PNG is broken: %s", spng_strerror(code));
}

static bool is_grey(const struct spng_ihdr *header)
{
    return header->color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
           header->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
}

static bool check_header(const struct spng_ihdr *header, size_t nbytes, uint64_t max_pixels, sg_error *err)
{
    if (!sg_codec_check_size(header->width, header->height, nbytes, max_pixels, err)) return false;
    static const uint8_t samples[7] = {1, 0, 3, 1, 2, 0, 4};
    uint64_t row_nbits = (uint64_t)header->width * header->bit_depth * samples[header->color_type];
    uint64_t raw_nbytes = (row_nbits + 7) / 8 * header->height;
    if (raw_nbytes / DEFLATE_RATIO_MAX > nbytes)
        return sg_fail(err, SG_ERR_FORMAT, "PNG ends early: %lu x %lu pixels declared in %zu bytes",
                       (unsigned long)header->width, (unsigned long)header->height, nbytes);
    return true;
}

static bool decode_pixels(sg_image *image, spng_ctx *ctx, size_t nbytes, const sg_decode_options *options,
                          sg_error *err)
{
    struct spng_ihdr header;
    int code = spng_get_ihdr(ctx, &header);
    if (code) return fail(code, err);
    if (!check_header(&header, nbytes, options->max_pixels, err)) return false;
    size_t n = (size_t)header.width * header.height, size;
    if (!sg_mul_size(&size, n, 4) || !(image->pixels = sg_alloc(n, 4))) return sg_fail_memory(err, "image");
    code = spng_decode_image(ctx, image->pixels, size, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
    if (!code) code = spng_decode_chunks(ctx); /* to IEND */
    if (code) return fail(code, err);

    image->channels = options->channels ? options->channels : is_grey(&header) ? 1 : 3;
    image->width = (int)header.width;
    image->height = (int)header.height;
    sg_flatten(image->pixels, n, image->channels, is_grey(&header));
    uint8_t *smaller = sg_realloc(image->pixels, n, (size_t)image->channels);
    if (smaller) image->pixels = smaller;
    return true;
}

static bool decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err)
{
    size_t length; /* libspng forgives an end cut off */
    if (!find_chunk(&length, "IEND", bytes, nbytes)) return sg_fail(err, SG_ERR_FORMAT, "PNG ends early");
    spng_ctx *ctx = context(0);
    if (!ctx) return sg_fail_memory(err, "PNG");
    spng_set_chunk_limits(ctx, CHUNK_MAX_NBYTES, CHUNK_MAX_NBYTES);
    int code = spng_set_png_buffer(ctx, bytes, nbytes);
    bool ok = code ? fail(code, err) : decode_pixels(image, ctx, nbytes, options, err);
    spng_ctx_free(ctx);
    if (!ok) sg_image_clear(image);
    return ok;
}

static bool match(const unsigned char *bytes, size_t nbytes)
{
    return nbytes >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

const sg_codec sg_codec_png = {.name = "PNG", .match = match, .decode = decode, .exif = find_exif};

bool sg_image_encode_png(unsigned char **bytes, size_t *nbytes, const sg_image *image, sg_error *err)
{
    *bytes = NULL;
    spng_ctx *ctx = context(SPNG_CTX_ENCODER);
    if (!ctx) return sg_fail_memory(err, "PNG");
    struct spng_ihdr header = {
        .width = (uint32_t)image->width,
        .height = (uint32_t)image->height,
        .bit_depth = 8,
        .color_type = image->channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR,
    };
    size_t size = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    int code = spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);
    if (!code) code = spng_set_ihdr(ctx, &header);
    if (!code) code = spng_encode_image(ctx, image->pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (!code) *bytes = spng_get_png_buffer(ctx, nbytes, &code);
    spng_ctx_free(ctx);
    if (is_memory(code)) return sg_fail_memory(err, "PNG");
    if (code) return sg_fail(err, SG_ERR_UNSUPPORTED, "PNG cannot be written: %s", spng_strerror(code));
    return true;
}
