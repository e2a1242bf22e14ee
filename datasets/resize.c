/* PIL's antialiased resize, to the bit: Pillow's Resample.c as of 9.x, described in its docs as convolution with a
 * filter whose support grows with the scale. */
#include "resize_impl.h"

#include <math.h>
#include <signet/mem.h>

typedef struct kernel_shape {
    double support;            /* half of its width, in pixels of the smaller image */
    double (*value)(double x); /* at distance x >= 0 */
} kernel_shape;

static double triangle(double x)
{
    return x < 1 ? 1 - x : 0;
}

/* Keys 1981, a = -0.5. */
static double cubic(double x)
{
    const double a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static const kernel_shape filters[] = {[SG_BILINEAR] = {1, triangle}, [SG_BICUBIC] = {2, cubic}};

#define WEIGHT_NBITS 22 /* 32 less 8 of the pixel less 2 for sums */

/* One axis: output i reads inputs first[i] .. first[i] + count[i] - 1 with weights + i * width. */
typedef struct taps {
    int *first, *count;
    int32_t *weights;
    size_t n, width;
} taps;

static void taps_clear(taps *t)
{
    sg_free(t->first);
    sg_free(t->count);
    sg_free(t->weights);
}

/* One output's weights, normalised in double, then rounded to fixed point, halves away from 0. scale: input pixels a
 * filter's unit takes. */
static void taps_set(taps *t, size_t i, double *kernel, double center, const kernel_shape *f, double scale,
                     int size)
{
    double support = f->support * scale, sum = 0, step = 1 / scale;
    int from = (int)(center - support + 0.5), to = (int)(center + support + 0.5);
    if (from < 0) from = 0;
    if (to > size) to = size;
    for (int x = from; x < to; x++) {
        kernel[x - from] = f->value(fabs((x - center + 0.5) * step));
        sum += kernel[x - from];
    }
    t->first[i] = from;
    t->count[i] = to - from;
    for (int x = 0; x < to - from; x++) {
        double weight = kernel[x] / sum * (1 << WEIGHT_NBITS);
        t->weights[i * t->width + (size_t)x] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
}

/* Outputs start .. start + n - 1 of an axis of `size` pixels resized to `resized`. */
static bool taps_init(taps *t, const kernel_shape *f, int size, int resized, int start, int n, sg_error *err)
{
    double ratio = (double)size / resized, scale = ratio < 1 ? 1 : ratio;
    t->n = (size_t)n;
    t->width = (size_t)ceil(f->support * scale) * 2 + 1;
    t->first = sg_alloc(t->n, sizeof *t->first);
    t->count = sg_alloc(t->n, sizeof *t->count);
    size_t cells;
    if (sg_mul_size(&cells, t->n, t->width)) t->weights = sg_calloc(cells, sizeof *t->weights);
    double *kernel = sg_alloc(t->width, sizeof *kernel);
    bool ok = t->first && t->count && t->weights && kernel;
    for (size_t i = 0; ok && i < t->n; i++)
        taps_set(t, i, kernel, ((double)start + (double)i + 0.5) * ratio, f, scale, size);
    sg_free(kernel);
    return ok ? true : sg_fail_memory(err, "resize");
}

static uint8_t clip(int32_t sum)
{
    int32_t value = sum >> WEIGHT_NBITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void across_grey(uint8_t *dst, const uint8_t *src, const taps *t)
{
    for (size_t x = 0; x < t->n; x++) {
        const uint8_t *p = src + t->first[x];
        const int32_t *k = t->weights + x * t->width;
        int32_t sum = 1 << (WEIGHT_NBITS - 1);
        for (int i = 0; i < t->count[x]; i++) sum += p[i] * k[i];
        dst[x] = clip(sum);
    }
}

static void across_rgb(uint8_t *dst, const uint8_t *src, const taps *t)
{
    for (size_t x = 0; x < t->n; x++) {
        const uint8_t *p = src + 3 * t->first[x];
        const int32_t *k = t->weights + x * t->width;
        int32_t r = 1 << (WEIGHT_NBITS - 1), g = r, b = r;
        for (int i = 0; i < t->count[x]; i++) {
            r += p[3 * i] * k[i];
            g += p[3 * i + 1] * k[i];
            b += p[3 * i + 2] * k[i];
        }
        dst[3 * x] = clip(r);
        dst[3 * x + 1] = clip(g);
        dst[3 * x + 2] = clip(b);
    }
}

/* One output row of `row` bytes from `count` rows; sums (row). */
static void down(uint8_t *dst, const uint8_t *src, size_t row, const int32_t *k, int count, int32_t *sums)
{
    for (size_t x = 0; x < row; x++) sums[x] = 1 << (WEIGHT_NBITS - 1);
    for (int i = 0; i < count; i++)
        for (size_t x = 0; x < row; x++) sums[x] += src[(size_t)i * row + x] * k[i];
    for (size_t x = 0; x < row; x++) dst[x] = clip(sums[x]);
}

bool sg_resize_window(sg_image *out, const sg_image *in, sg_filter filter, int width, int height, int left,
                      int top, int w, int h, sg_error *err)
{
    if (width == in->width && height == in->height) return sg_image_crop(out, in, left, top, w, h, err);
    *out = (sg_image){0};
    bool ok = false;
    taps tx = {0}, ty = {0};
    uint8_t *rows = NULL; /* (last - first, w, channels): the rows that are needed, resized across */
    int32_t *sums = NULL;
    if (!taps_init(&tx, &filters[filter], in->width, width, left, w, err)) goto end;
    if (!taps_init(&ty, &filters[filter], in->height, height, top, h, err)) goto end;
    int first = ty.first[0], last = ty.first[h - 1] + ty.count[h - 1];
    size_t c = (size_t)in->channels, row = (size_t)w * c, row_in = (size_t)in->width * c;
    rows = sg_alloc((size_t)(last - first), row);
    sums = sg_alloc(row, sizeof *sums);
    if (!rows || !sums) {
        sg_fail_memory(err, "resize");
        goto end;
    }
    if (!sg_image_init(out, w, h, in->channels, err)) goto end;

    for (int y = first; y < last; y++)
        (c == 1 ? across_grey : across_rgb)(rows + (size_t)(y - first) * row, in->pixels + (size_t)y * row_in,
                                            &tx);
    for (size_t y = 0; y < (size_t)h; y++)
        down(out->pixels + y * row, rows + (size_t)(ty.first[y] - first) * row, row,
             ty.weights + y * ty.width, ty.count[y], sums);
    ok = true;
end:
    sg_free(sums);
    sg_free(rows);
    taps_clear(&ty);
    taps_clear(&tx);
    return ok;
}

bool sg_image_resize(sg_image *out, const sg_image *in, int width, int height, sg_error *err)
{
    return sg_resize_window(out, in, SG_BILINEAR, width, height, 0, 0, width, height, err);
}
