/* The door to libjpeg-turbo, by the interface of jpeglib.h: unlike TurboJPEG's it tells which warning was given,
 * and some damage is no more than a warning to libjpeg. */
#include "codec_impl.h"

#include <setjmp.h>
#include <signet/mem.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A progressive file may repeat scans without end over a large picture; real ones have about ten. */
#define SCANS_MAX 200

typedef struct jpeg_trap {
    struct jpeg_error_mgr base; /* first: libjpeg hands its address back */
    jmp_buf exit;
    sg_error *err;
} jpeg_trap;

typedef struct jpeg_reader {
    struct jpeg_decompress_struct info;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jpeg_trap trap;
    uint8_t *row; /* one row as libjpeg gives it, where the image wants it otherwise */
} jpeg_reader;

typedef struct jpeg_writer {
    struct jpeg_compress_struct info;
    jpeg_trap trap;
    unsigned char *bytes; /* malloc'd by libjpeg */
    unsigned long nbytes;
} jpeg_writer;

_Noreturn static void on_error(j_common_ptr info)
{
    jpeg_trap *trap = (jpeg_trap *)info->err;
    char text[JMSG_LENGTH_MAX];
    switch (info->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        sg_fail_memory(trap->err, "JPEG");
        break;
    case JERR_BAD_PRECISION:
        sg_fail(trap->err, SG_ERR_UNSUPPORTED, "JPEG has %d bits a sample; signet reads 8",
                info->err->msg_parm.i[0]);
        break;
    case JERR_SOF_UNSUPPORTED:
        sg_fail(trap->err, SG_ERR_UNSUPPORTED,
                "JPEG is lossless or hierarchical (SOF 0x%x), which signet does not read",
                (unsigned)info->err->msg_parm.i[0]);
        break;
    default:
        info->err->format_message(info, text);
        sg_fail(trap->err, SG_ERR_FORMAT, "JPEG is broken: %s", text);
    }
    longjmp(trap->exit, 1);
}

/* Warnings after which pixels are guesses count as errors. */
static void on_message(j_common_ptr info, int level)
{
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_HIT_MARKER: /* "premature end of data segment" */
    case JWRN_JPEG_EOF:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        on_error(info);
    default:
        break; /* bytes between segments, odd versions: the pixels stand */
    }
}

static void on_output(j_common_ptr info)
{
    (void)info;
}

static void on_progress(j_common_ptr info)
{
    jpeg_trap *trap = (jpeg_trap *)info->err;
    if (((j_decompress_ptr)info)->input_scan_number <= SCANS_MAX) return;
    sg_fail(trap->err, SG_ERR_LIMIT, "JPEG has more than %d scans", SCANS_MAX);
    longjmp(trap->exit, 1);
}

static void trap_init(jpeg_trap *trap, sg_error *err)
{
    jpeg_std_error(&trap->base);
    trap->base.error_exit = on_error;
    trap->base.emit_message = on_message;
    trap->base.output_message = on_output;
    trap->err = err;
}

static void source_start(j_decompress_ptr info)
{
    (void)info;
}

_Noreturn static boolean source_fill(j_decompress_ptr info)
{
    jpeg_trap *trap = (jpeg_trap *)info->err;
    sg_fail(trap->err, SG_ERR_FORMAT, "JPEG ends early");
    longjmp(trap->exit, 1);
}

static void source_skip(j_decompress_ptr info, long nbytes)
{
    if (nbytes <= 0) return;
    if ((size_t)nbytes > info->src->bytes_in_buffer) source_fill(info);
    info->src->next_input_byte += nbytes;
    info->src->bytes_in_buffer -= (size_t)nbytes;
}

/* The least number of bytes that the scans can take: each 8 x 8 block of the first component has a Huffman code
 * of one bit or more. Arithmetic coding has no such bound. */
static bool check_header(const struct jpeg_decompress_struct *info, size_t nbytes, uint64_t max_pixels,
                         sg_error *err)
{
    if (!sg_codec_check_size(info->image_width, info->image_height, nbytes, max_pixels, err)) return false;
    uint64_t blocks = (uint64_t)info->comp_info[0].width_in_blocks * info->comp_info[0].height_in_blocks;
    if (!info->arith_code && blocks / 8 > nbytes)
        return sg_fail(err, SG_ERR_FORMAT, "JPEG ends early: %u x %u pixels declared in %zu bytes",
                       info->image_width, info->image_height, nbytes);
    return true;
}

/* What libjpeg is asked for: grey, RGB or CMYK as stored. */
static bool choose_colours(struct jpeg_decompress_struct *info, sg_error *err)
{
    switch (info->jpeg_color_space) {
    case JCS_GRAYSCALE:
        info->out_color_space = JCS_GRAYSCALE;
        return true;
    case JCS_RGB:
    case JCS_YCbCr:
        info->out_color_space = JCS_RGB;
        return true;
    case JCS_CMYK:
    case JCS_YCCK:
        info->out_color_space = JCS_CMYK;
        return true;
    default:
        return sg_fail(err, SG_ERR_UNSUPPORTED, "JPEG has %d colour components, which signet does not read",
                       info->num_components);
    }
}

/* CMYK as Adobe and all that follow it store it, inverted, so that a channel is the light left: RGB is the product
 * of channel and black, by PIL's rounding. rgb may be cmyk. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = cmyk + 4 * i;
        unsigned light = p[3];
        for (int c = 0; c < 3; c++) {
            unsigned product = (255u - p[c]) * light + 128;
            rgb[3 * i + (size_t)c] = (uint8_t)(light - (((product >> 8) + product) >> 8));
        }
    }
}

static void convert_row(uint8_t *dst, uint8_t *row, const jpeg_reader *r, int channels)
{
    size_t n = r->info.output_width;
    if (r->info.out_color_space == JCS_GRAYSCALE) { /* wanted as RGB */
        for (size_t i = 0; i < n; i++) memset(dst + 3 * i, row[i], 3);
        return;
    }
    if (r->info.out_color_space == JCS_CMYK) cmyk_to_rgb(row, row, n);
    if (channels == 1)
        sg_grey_row(dst, row, n);
    else
        memcpy(dst, row, 3 * n);
}

/* The largest reduction that leaves the shorter side at least shorter_min pixels. */
static unsigned choose_reduction(const struct jpeg_decompress_struct *info, int shorter_min)
{
    unsigned shorter = info->image_width < info->image_height ? info->image_width : info->image_height;
    unsigned reduction = 1;
    while (shorter_min > 0 && reduction < 8 && shorter / (2 * reduction) >= (unsigned)shorter_min)
        reduction *= 2;
    return reduction;
}

static bool read_pixels(sg_image *image, jpeg_reader *r, size_t nbytes, const sg_decode_options *options)
{
    struct jpeg_decompress_struct *info = &r->info;
    sg_error *err = r->trap.err;
    jpeg_read_header(info, TRUE);
    if (!check_header(info, nbytes, options->max_pixels, err) || !choose_colours(info, err)) return false;
    int native = info->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    int channels = options->channels ? options->channels : native;
    bool direct = channels == native && info->out_color_space != JCS_CMYK;
    info->dct_method = JDCT_ISLOW;
    info->scale_num = 1;
    info->scale_denom = choose_reduction(info, options->shorter_min);
    jpeg_calc_output_dimensions(info);
    if (!sg_image_init(image, (int)info->output_width, (int)info->output_height, channels, err)) return false;
    jpeg_start_decompress(info);
    if (!direct && !(r->row = sg_alloc(info->output_width, (size_t)info->output_components)))
        return sg_fail_memory(err, "JPEG");
    while (info->output_scanline < info->output_height) {
        uint8_t *dst =
            image->pixels + (size_t)info->output_scanline * (size_t)image->width * (size_t)channels;
        JSAMPROW row = direct ? dst : r->row;
        jpeg_read_scanlines(info, &row, 1);
        if (!direct) convert_row(dst, row, r, channels);
    }
    jpeg_finish_decompress(info); /* to the end marker: that the file is whole */
    return true;
}

/* A function of its own, so that no variable changes between setjmp and longjmp in the frame that setjmp keeps. */
static bool read_guarded(sg_image *image, jpeg_reader *r, const void *bytes, size_t nbytes,
                         const sg_decode_options *options)
{
    if (setjmp(r->trap.exit)) return false;
    jpeg_create_decompress(&r->info);
    r->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = nbytes,
        .init_source = source_start,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_start,
    };
    r->progress.progress_monitor = on_progress;
    r->info.src = &r->source;
    r->info.progress = &r->progress;
    return read_pixels(image, r, nbytes, options);
}

static bool decode(sg_image *image, const void *bytes, size_t nbytes, const sg_decode_options *options,
                   sg_error *err)
{
    jpeg_reader r = {0};
    trap_init(&r.trap, err);
    r.info.err = &r.trap.base;
    bool ok = read_guarded(image, &r, bytes, nbytes, options);
    jpeg_destroy_decompress(&r.info);
    sg_free(r.row);
    if (!ok) sg_image_clear(image);
    return ok;
}

/* The first APP1 segment that is EXIF, among the segments before the first scan. */
static const unsigned char *find_exif(size_t *exif_nbytes, const unsigned char *bytes, size_t nbytes)
{
    enum { APP1 = 0xe1, SOS = 0xda };
    for (size_t at = 2; nbytes - at >= 4;) {
        const unsigned char *p = bytes + at;
        if (p[0] != 0xff || p[1] == 0xff || p[1] <= 1 || (p[1] >= 0xd0 && p[1] <= 0xd9)) {
            at++; /* filling, bytes that libjpeg skips, markers that stand alone */
            continue;
        }
        if (p[1] == SOS) return NULL;
        size_t length = (size_t)p[2] << 8 | p[3]; /* with its own two bytes */
        if (length < 2 || length > nbytes - at - 2) return NULL;
        if (p[1] == APP1 && length >= 8 && memcmp(p + 4, "Exif\0", 6) == 0) {
            *exif_nbytes = length - 2;
            return p + 4;
        }
        at += 2 + length;
    }
    return NULL;
}

static bool match(const unsigned char *bytes, size_t nbytes)
{
    return nbytes >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

const sg_codec sg_codec_jpeg = {.name = "JPEG", .match = match, .decode = decode, .exif = find_exif};

static bool write_guarded(jpeg_writer *w, const sg_image *image, int quality)
{
    if (setjmp(w->trap.exit)) return false;
    jpeg_create_compress(&w->info);
    jpeg_mem_dest(&w->info, &w->bytes, &w->nbytes);
    w->info.image_width = (JDIMENSION)image->width;
    w->info.image_height = (JDIMENSION)image->height;
    w->info.input_components = image->channels;
    w->info.in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&w->info);
    jpeg_set_quality(&w->info, quality, TRUE);
    w->info.dct_method = JDCT_ISLOW;
    w->info.comp_info[0].h_samp_factor = w->info.comp_info[0].v_samp_factor = 1; /* 4:4:4 */
    jpeg_start_compress(&w->info, TRUE);
    while (w->info.next_scanline < w->info.image_height) {
        JSAMPROW row =
            image->pixels + (size_t)w->info.next_scanline * (size_t)image->width * (size_t)image->channels;
        jpeg_write_scanlines(&w->info, &row, 1);
    }
    jpeg_finish_compress(&w->info);
    return true;
}

bool sg_image_encode_jpeg(unsigned char **bytes, size_t *nbytes, const sg_image *image, int quality,
                          sg_error *err)
{
    *bytes = NULL;
    if (quality < 1 || quality > 100)
        return sg_fail(err, SG_ERR_USAGE, "JPEG quality %d is not in 1 to 100", quality);
    jpeg_writer w = {0};
    trap_init(&w.trap, err);
    w.info.err = &w.trap.base;
    bool ok = write_guarded(&w, image, quality);
    if (ok && !(*bytes = sg_memdup(w.bytes, w.nbytes))) ok = sg_fail_memory(err, "JPEG");
    *nbytes = w.nbytes;
    jpeg_destroy_compress(&w.info);
    free(w.bytes);
    return ok;
}
