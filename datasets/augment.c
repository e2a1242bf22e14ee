#include <signet/augment.h>

#include "preprocess_impl.h"
#include <math.h>
#include <signet/mem.h>
#include <string.h>

enum { TRIES = 10 };

typedef bool crop_run(sg_image *out, const sg_image *in, const sg_preprocess *pp, const sg_augment *augment,
                      sg_rng *rng, sg_error *err);

static bool crop_centre(sg_image *out, const sg_image *in, const sg_preprocess *pp, const sg_augment *augment,
                        sg_rng *rng, sg_error *err)
{
    (void)augment, (void)rng;
    return sg_preprocess_image(out, in, pp, err);
}

/* Copies `in` into `out` with its corner at (left, top). */
static void paste(sg_image *out, const sg_image *in, int left, int top)
{
    size_t c = (size_t)in->channels, row = (size_t)in->width * c;
    for (int y = 0; y < in->height; y++)
        memcpy(out->pixels + ((size_t)(top + y) * (size_t)out->width + (size_t)left) * c,
               in->pixels + (size_t)y * row, row);
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Where a crop of `size` pixels begins on an axis of `length` with `padding` on both sides: -padding at least. */
static int random_start(sg_rng *rng, int length, int size, int padding)
{
    return (int)sg_rng_below(rng, (uint64_t)(length - size) + 2 * (uint64_t)padding + 1) - padding;
}

/* Only what the crop shows of the resized image is computed. */
static bool crop_random(sg_image *out, const sg_image *in, const sg_preprocess *pp, const sg_augment *augment,
                        sg_rng *rng, sg_error *err)
{
    int width, height;
    *out = (sg_image){0};
    if (!sg_preprocess_resized(&width, &height, in, pp, err)) return false;
    int left = random_start(rng, width, pp->width, augment->padding);
    int top = random_start(rng, height, pp->height, augment->padding);
    int x0 = larger(left, 0), x1 = smaller(left + pp->width, width);
    int y0 = larger(top, 0), y1 = smaller(top + pp->height, height);
    if (x0 >= x1 || y0 >= y1) return sg_image_init(out, pp->width, pp->height, pp->channels, err);
    sg_image seen;
    if (!sg_preprocess_window(&seen, in, pp, x0, y0, x1 - x0, y1 - y0, err)) return false;
    if (seen.width == pp->width && seen.height == pp->height) {
        *out = seen;
        return true;
    }
    bool ok = sg_image_init(out, pp->width, pp->height, pp->channels, err);
    if (ok) paste(out, &seen, x0 - left, y0 - top);
    sg_image_clear(&seen);
    return ok;
}

static double uniform(sg_rng *rng, double low, double high)
{
    return low + (high - low) * (double)sg_rng_uniform(rng);
}

/* The largest part in the middle with a ratio from 3/4 to 4/3. */
static sg_box middle_box(int width, int height)
{
    int w = width, h = height;
    if (4.0 * width < 3.0 * height)
        h = (int)lrint(width / 0.75);
    else if (3.0 * width > 4.0 * height)
        w = (int)lrint(height * (4.0 / 3));
    return (sg_box){(width - w) / 2, (height - h) / 2, w, h};
}

sg_box sg_augment_box(sg_rng *rng, int width, int height, double scale)
{
    double area = (double)width * height, log_ratio = log(4.0 / 3);
    for (int i = 0; i < TRIES; i++) {
        double part = area * uniform(rng, scale, 1), ratio = exp(uniform(rng, -log_ratio, log_ratio));
        long w = lrint(sqrt(part * ratio)), h = lrint(sqrt(part / ratio));
        if (w < 1 || w > width || h < 1 || h > height) continue;
        int top = (int)sg_rng_below(rng, (uint64_t)(height - h + 1));
        int left = (int)sg_rng_below(rng, (uint64_t)(width - w + 1));
        return (sg_box){left, top, (int)w, (int)h};
    }
    return middle_box(width, height);
}

static bool crop_resized(sg_image *out, const sg_image *in, const sg_preprocess *pp,
                         const sg_augment *augment, sg_rng *rng, sg_error *err)
{
    sg_box box = sg_augment_box(rng, in->width, in->height, augment->scale);
    sg_preprocess straight = *pp;
    straight.resize = 0;
    *out = (sg_image){0};
    sg_image part;
    if (!sg_image_crop(&part, in, box.left, box.top, box.width, box.height, err)) return false;
    bool ok = sg_preprocess_image(out, &part, &straight, err);
    sg_image_clear(&part);
    return ok;
}

/* The registry of crops, by sg_crop; names with and without a flip. */
static const struct {
    const char *name, *with_flip;
    bool full_size; /* works on the picture before any resize */
    crop_run *run;
} crops[] = {
    [SG_CROP_CENTRE] = {"none", "flip", false, crop_centre},
    [SG_CROP_RANDOM] = {"crop", "crop,flip", false, crop_random},
    [SG_CROP_RESIZED] = {"resized-crop", "resized-crop,flip", true, crop_resized},
};
#define NCROPS (sizeof crops / sizeof *crops)

bool sg_augment_parse(sg_augment *augment, const char *const *names, size_t n, sg_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], "flip") == 0) {
            augment->flip = true;
            continue;
        }
        size_t k = 0;
        while (k < NCROPS && strcmp(names[i], crops[k].name) != 0) k++;
        if (k == NCROPS)
            return sg_fail(err, SG_ERR_USAGE, "\"%s\" is not none, flip, crop or resized-crop", names[i]);
        if (k == SG_CROP_CENTRE && n > 1) return sg_fail(err, SG_ERR_USAGE, "none stands alone");
        if (augment->crop && augment->crop != (sg_crop)k)
            return sg_fail(err, SG_ERR_USAGE, "an image is cropped in one way: crop or resized-crop");
        augment->crop = (sg_crop)k;
    }
    augment->padding = augment->crop == SG_CROP_RANDOM ? SG_AUGMENT_PADDING : 0;
    augment->scale = augment->crop == SG_CROP_RESIZED ? SG_AUGMENT_SCALE : 0;
    return true;
}

const char *sg_augment_name(const sg_augment *augment)
{
    return augment->flip ? crops[augment->crop].with_flip : crops[augment->crop].name;
}

sg_decode_options sg_augment_decode(const sg_augment *augment, const sg_preprocess *pp)
{
    sg_decode_options options = sg_preprocess_decode(pp);
    if (crops[augment->crop].full_size) options.shorter_min = 0;
    return options;
}

static void flip(uint8_t *planar, size_t rows, size_t width)
{
    for (uint8_t *row = planar; row < planar + rows * width; row += width)
        for (size_t i = 0, j = width - 1; i < j; i++, j--) {
            uint8_t kept = row[i];
            row[i] = row[j];
            row[j] = kept;
        }
}

bool sg_augment_planar(uint8_t *planar, const sg_image *in, const sg_preprocess *pp,
                       const sg_augment *augment, sg_rng *rng, sg_error *err)
{
    if (!augment->crop && !augment->flip) return sg_preprocess_planar(planar, in, pp, err);
    sg_image out;
    if (!crops[augment->crop].run(&out, in, pp, augment, rng, err)) return false;
    sg_image_to_planar(planar, &out);
    if (augment->flip && sg_rng_below(rng, 2))
        flip(planar, (size_t)out.channels * (size_t)out.height, (size_t)out.width);
    sg_image_clear(&out);
    return true;
}
