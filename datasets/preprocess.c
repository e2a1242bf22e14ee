#include <signet/preprocess.h>

#include "preprocess_impl.h"
#include "resize_impl.h"
#include <signet/mem.h>
#include <string.h>

sg_decode_options sg_preprocess_decode(const sg_preprocess *pp)
{
    int larger = pp->width > pp->height ? pp->width : pp->height;
    return (sg_decode_options){.channels = pp->channels,
                               .max_pixels = pp->max_pixels,
                               .oriented = pp->oriented,
                               .shorter_min = !pp->scaled  ? 0
                                              : pp->resize ? pp->resize
                                                           : larger};
}

/* ---- as text ---- */

enum { DECODE, FILTER, ORIENTATION, NKEYS };
static const char *const keys[NKEYS] = {"decode", "filter", "orientation"};
static const char *const values[NKEYS][2] = {
    {"exact", "scaled"}, {"bilinear", "bicubic"}, {"stored", "exif"}};

static size_t key_number(const char *key)
{
    size_t i = 0;
    while (i < NKEYS && strcmp(keys[i], key) != 0) i++;
    SG_ASSERT(i < NKEYS);
    return i;
}

const char *const *sg_preprocess_keys(size_t *n)
{
    *n = NKEYS;
    return keys;
}

const char *sg_preprocess_get(const sg_preprocess *pp, const char *key)
{
    const int chosen[NKEYS] = {
        [DECODE] = pp->scaled, [FILTER] = (int)pp->filter, [ORIENTATION] = pp->oriented};
    size_t i = key_number(key);
    return values[i][chosen[i]];
}

bool sg_preprocess_set(sg_preprocess *pp, const char *key, const char *value, sg_error *err)
{
    size_t i = key_number(key);
    bool second = strcmp(value, values[i][1]) == 0;
    if (!second && strcmp(value, values[i][0]) != 0)
        return sg_fail(err, SG_ERR_USAGE, "%s: \"%s\" is not %s or %s", key, value, values[i][0],
                       values[i][1]);
    if (i == DECODE) pp->scaled = second;
    if (i == FILTER) pp->filter = second ? SG_BICUBIC : SG_BILINEAR;
    if (i == ORIENTATION) pp->oriented = second;
    return true;
}

/* ---- pixels ---- */

/* Where the network's input lies in the resized image. */
typedef struct plan {
    int width, height; /* of the whole resized image */
    int left, top;
} plan;

/* round((a - b) / 2.0) of Python: halves go to the even neighbour. */
static int centre(int a, int b)
{
    int half = (a - b) / 2;
    return (a - b) % 2 && half % 2 ? half + 1 : half;
}

static bool plan_make(plan *p, const sg_image *in, const sg_preprocess *pp, sg_error *err)
{
    SG_ASSERT(pp->channels == 1 || pp->channels == 3);
    SG_ASSERT(pp->width > 0 && pp->height > 0 && pp->resize >= 0);
    *p = (plan){pp->width, pp->height, 0, 0};
    if (pp->resize == 0) return true;
    int shorter = in->width < in->height ? in->width : in->height;
    int64_t width = (int64_t)pp->resize * in->width / shorter;
    int64_t height = (int64_t)pp->resize * in->height / shorter;
    if (width < pp->width || height < pp->height)
        return sg_fail(err, SG_ERR_MISMATCH,
                       "a crop of %d x %d does not fit into the image resized to %lld x %lld", pp->width,
                       pp->height, (long long)width, (long long)height);
    if ((uint64_t)width * (uint64_t)height > SG_MAX_PIXELS)
        return sg_fail(err, SG_ERR_LIMIT, "resized to %lld x %lld pixels it is more than %llu in all",
                       (long long)width, (long long)height, (unsigned long long)SG_MAX_PIXELS);
    *p = (plan){(int)width, (int)height, centre((int)width, pp->width), centre((int)height, pp->height)};
    return true;
}

/* The window of w x h pixels where the plan has it. */
static bool window(sg_image *out, const sg_image *in, const sg_preprocess *pp, const plan *p, int w, int h,
                   sg_error *err)
{
    sg_image converted = {0};
    if (in->channels != pp->channels && !sg_image_convert(&converted, in, pp->channels, err)) return false;
    bool ok = sg_resize_window(out, converted.pixels ? &converted : in, pp->filter, p->width, p->height,
                               p->left, p->top, w, h, err);
    sg_image_clear(&converted);
    return ok;
}

bool sg_preprocess_image(sg_image *out, const sg_image *in, const sg_preprocess *pp, sg_error *err)
{
    *out = (sg_image){0};
    plan p;
    return plan_make(&p, in, pp, err) && window(out, in, pp, &p, pp->width, pp->height, err);
}

bool sg_preprocess_resized(int *width, int *height, const sg_image *in, const sg_preprocess *pp,
                           sg_error *err)
{
    plan p;
    if (!plan_make(&p, in, pp, err)) return false;
    *width = p.width;
    *height = p.height;
    return true;
}

bool sg_preprocess_window(sg_image *out, const sg_image *in, const sg_preprocess *pp, int left, int top,
                          int w, int h, sg_error *err)
{
    *out = (sg_image){0};
    plan p;
    if (!plan_make(&p, in, pp, err)) return false;
    SG_ASSERT(left >= 0 && top >= 0 && w <= p.width - left && h <= p.height - top);
    p.left = left;
    p.top = top;
    return window(out, in, pp, &p, w, h, err);
}

bool sg_preprocess_planar(uint8_t *planar, const sg_image *in, const sg_preprocess *pp, sg_error *err)
{
    plan p;
    if (!plan_make(&p, in, pp, err)) return false;
    if (in->channels == pp->channels && in->width == pp->width && in->height == pp->height &&
        p.width == in->width && p.height == in->height) {
        sg_image_to_planar(planar, in);
        return true;
    }
    sg_image out;
    if (!sg_preprocess_image(&out, in, pp, err)) return false;
    sg_image_to_planar(planar, &out);
    sg_image_clear(&out);
    return true;
}

void sg_image_to_planar(uint8_t *planar, const sg_image *image)
{
    size_t n = (size_t)image->width * (size_t)image->height;
    if (image->channels == 1) {
        memcpy(planar, image->pixels, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        planar[i] = image->pixels[3 * i];
        planar[n + i] = image->pixels[3 * i + 1];
        planar[2 * n + i] = image->pixels[3 * i + 2];
    }
}

bool sg_image_from_planar(sg_image *image, const uint8_t *planar, int channels, int height, int width,
                          sg_error *err)
{
    if (!sg_image_init(image, width, height, channels, err)) return false;
    size_t n = (size_t)width * (size_t)height, c = (size_t)channels;
    for (size_t k = 0; k < c; k++)
        for (size_t i = 0; i < n; i++) image->pixels[i * c + k] = planar[k * n + i];
    return true;
}

void sg_pixels_to_float(float *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++) dst[i] = (float)src[i] / 255;
}
