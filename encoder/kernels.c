#include "kernels_impl.h"

#include <omp.h>
#include <signet/cpu.h>

#define CLONES SG_CLONES

void sg_share(size_t *first, size_t *count, size_t n, size_t unit)
{
    size_t units = (n + unit - 1) / unit, threads = (size_t)omp_get_num_threads(),
           t = (size_t)omp_get_thread_num();
    size_t a = units * t / threads * unit, b = units * (t + 1) / threads * unit;
    *first = a;
    *count = (b < n ? b : n) - a;
}

#define GET(p, i)    sg_number_get(kind, p, i)
#define SET(p, i, v) sg_number_set(kind, p, i, v)

SG_INLINE void gather(sg_precision kind, void *d, const void *a, const void *b, const void *mask, float top,
                      size_t n)
{
    if (b && mask)
        for (size_t i = 0; i < n; i++)
            SET(d, i, GET(mask, i) > 0 && GET(mask, i) < top ? GET(a, i) + GET(b, i) : 0);
    else if (b)
        for (size_t i = 0; i < n; i++) SET(d, i, GET(a, i) + GET(b, i));
    else if (mask)
        for (size_t i = 0; i < n; i++) SET(d, i, GET(mask, i) > 0 && GET(mask, i) < top ? GET(a, i) : 0);
    else
        for (size_t i = 0; i < n; i++) SET(d, i, GET(a, i));
}

CLONES void sg_run_gather(sg_precision kind, void *d, const void *a, const void *b, const void *mask,
                          float top, size_t n)
{
    SG_TYPED(kind, gather, d, a, b, mask, top, n);
}

SG_INLINE float cut(float v, float top)
{
    return v > 0 ? v < top ? v : top : 0;
}

SG_INLINE void relu(sg_precision kind, void *y, const void *x, float top, size_t n)
{
    for (size_t i = 0; i < n; i++) SET(y, i, cut(GET(x, i), top));
}

CLONES void sg_run_relu(sg_precision kind, void *y, const void *x, float top, size_t n)
{
    SG_TYPED(kind, relu, y, x, top, n);
}

SG_INLINE void affine_part(sg_precision kind, void *y, const void *x, const float *mean, const float *scale,
                           const float *shift, const void *other, float top, size_t first, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        float v = (GET(x, first + j) - mean[j]) * scale[j] + shift[j];
        if (other) v += GET(other, first + j);
        SET(y, first + j, top > 0 ? cut(v, top) : v);
    }
}

SG_INLINE void affine_run(sg_precision kind, void *y, const void *x, const float *mean, const float *scale,
                          const float *shift, const void *other, float top, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN) affine_part(kind, y, x, mean, scale, shift, other, top, i, SG_RUN);
    affine_part(kind, y, x, mean, scale, shift, other, top, i, n - i);
}

SG_INLINE void affine(sg_precision kind, void *y, const void *x, const float *mean, const float *scale,
                      const float *shift, const void *other, float top, size_t n)
{
    if (other && top > 0)
        affine_run(kind, y, x, mean, scale, shift, other, top, n);
    else if (other)
        affine_run(kind, y, x, mean, scale, shift, other, 0, n);
    else if (top > 0)
        affine_run(kind, y, x, mean, scale, shift, NULL, top, n);
    else
        affine_run(kind, y, x, mean, scale, shift, NULL, 0, n);
}

CLONES void sg_run_affine(sg_precision kind, void *y, const void *x, const float *mean, const float *scale,
                          const float *shift, const void *other, float top, size_t n)
{
    SG_TYPED(kind, affine, y, x, mean, scale, shift, other, top, n);
}

SG_INLINE void moments(sg_precision kind, float *restrict s, float *restrict q, const void *restrict x,
                       const float *restrict pivot, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN)
        for (size_t j = 0; j < SG_RUN; j++) {
            float v = GET(x, i + j) - pivot[j];
            s[j] += v;
            q[j] += v * v;
        }
    for (size_t j = 0; i + j < n; j++) {
        float v = GET(x, i + j) - pivot[j];
        s[j] += v;
        q[j] += v * v;
    }
}

CLONES void sg_run_moments(sg_precision kind, float *restrict s, float *restrict q, const void *restrict x,
                           const float *restrict pivot, size_t n)
{
    SG_TYPED(kind, moments, s, q, x, pivot, n);
}

SG_INLINE void products(sg_precision kind, float *restrict s, float *restrict q, const void *restrict d,
                        const void *restrict x, const float *restrict mean, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN)
        for (size_t j = 0; j < SG_RUN; j++) {
            s[j] += GET(d, i + j);
            q[j] += GET(d, i + j) * (GET(x, i + j) - mean[j]);
        }
    for (size_t j = 0; i + j < n; j++) {
        s[j] += GET(d, i + j);
        q[j] += GET(d, i + j) * (GET(x, i + j) - mean[j]);
    }
}

CLONES void sg_run_products(sg_precision kind, float *restrict s, float *restrict q, const void *restrict d,
                            const void *restrict x, const float *restrict mean, size_t n)
{
    SG_TYPED(kind, products, s, q, d, x, mean, n);
}

SG_INLINE void combine(sg_precision kind, void *dx, const void *d, const void *x, const float *mean,
                       const float *a, const float *b, const float *c, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN)
        for (size_t j = 0; j < SG_RUN; j++)
            SET(dx, i + j, GET(d, i + j) * a[j] + (GET(x, i + j) - mean[j]) * b[j] + c[j]);
    for (size_t j = 0; i + j < n; j++)
        SET(dx, i + j, GET(d, i + j) * a[j] + (GET(x, i + j) - mean[j]) * b[j] + c[j]);
}

CLONES void sg_run_combine(sg_precision kind, void *dx, const void *d, const void *x, const float *mean,
                           const float *a, const float *b, const float *c, size_t n)
{
    SG_TYPED(kind, combine, dx, d, x, mean, a, b, c, n);
}

SG_INLINE void convert(sg_precision kind, void *y, sg_precision from, const void *x, size_t n)
{
    for (size_t i = 0; i < n; i++) SET(y, i, sg_number_get(from, x, i));
}

CLONES void sg_run_convert(sg_precision kind, void *y, sg_precision from, const void *x, size_t n)
{
    if (from == SG_BF16)
        SG_TYPED(kind, convert, y, SG_BF16, x, n);
    else
        SG_TYPED(kind, convert, y, SG_F32, x, n);
}

#undef GET
#undef SET

/* Eight floats at any address. */
typedef float float8 __attribute__((vector_size(32), aligned(4), may_alias));

static inline const float8 *at8(const float *p)
{
    return (const float8 *)p;
}

/* Eight sums at a time, so that none waits for the one before: four pixels by sixteen taps; and below, four taps by
 * sixteen lanes or eight taps by eight. */
static inline __attribute__((always_inline)) void spread(float *out, const float *v, const float *w,
                                                         size_t lanes, size_t n, size_t pixels)
{
    for (size_t j = 0; j < n; j += SG_TAPS) {
        float8 sum[4][2];
        for (size_t p = 0; p < pixels; p++)
            for (size_t h = 0; h < 2; h++) sum[p][h] = *at8(out + p * n + j + 8 * h);
        for (size_t l = 0; l < lanes; l++)
            for (size_t p = 0; p < pixels; p++)
                for (size_t h = 0; h < 2; h++) sum[p][h] += v[p * lanes + l] * *at8(w + l * n + j + 8 * h);
        for (size_t p = 0; p < pixels; p++)
            for (size_t h = 0; h < 2; h++) *(float8 *)(out + p * n + j + 8 * h) = sum[p][h];
    }
}

CLONES void sg_thin_spread(float *out, const float *v, const float *w, size_t lanes, size_t n, size_t pixels)
{
    size_t p = 0;
    for (; p + 4 <= pixels; p += 4) spread(out + p * n, v + p * lanes, w, lanes, n, 4);
    for (; p < pixels; p++) spread(out + p * n, v + p * lanes, w, lanes, n, 1);
}

/* Four floats at any address. */
typedef float float4 __attribute__((vector_size(16), aligned(4), may_alias));

CLONES void sg_thin_scatter(float *x, const size_t *at, size_t stride, const float *products, size_t groups,
                            size_t n, size_t pixels)
{
    for (size_t p = 0; p < pixels; p++)
        for (size_t g = 0; g < groups; g++)
            *(float4 *)(x + at[g] + p * stride) += *(const float4 *)(products + p * n + 4 * g);
}

static inline __attribute__((always_inline)) void outer(float *acc, const float *x, const size_t *at,
                                                        size_t stride, const float *v, size_t lanes,
                                                        size_t taps, size_t pixels)
{
    const size_t halves = lanes / 8;
    float8 sum[8][2] = {{{0}}};
    for (size_t p = 0; p < pixels; p++)
        for (size_t j = 0; j < taps; j++)
            for (size_t h = 0; h < halves; h++)
                sum[j][h] += x[at[j] + p * stride] * *at8(v + p * lanes + 8 * h);
    for (size_t j = 0; j < taps; j++)
        for (size_t h = 0; h < halves; h++) *(float8 *)(acc + j * lanes + 8 * h) += sum[j][h];
}

CLONES void sg_thin_outer(float *acc, const float *x, const size_t *at, size_t stride, const float *v,
                          size_t lanes, size_t taps, size_t pixels)
{
    size_t j = 0;
    if (lanes == 16)
        for (; j + 4 <= taps; j += 4) outer(acc + j * 16, x, at + j, stride, v, 16, 4, pixels);
    else
        for (; j + 8 <= taps; j += 8) outer(acc + j * 8, x, at + j, stride, v, 8, 8, pixels);
    for (; j < taps; j++)
        if (lanes == 16)
            outer(acc + j * 16, x, at + j, stride, v, 16, 1, pixels);
        else
            outer(acc + j * 8, x, at + j, stride, v, 8, 1, pixels);
}
