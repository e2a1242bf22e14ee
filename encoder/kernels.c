#include "kernels_impl.h"

#include <omp.h>

/* Levels, not names of processors: "arch=haswell" would be for Intel's alone. clang 14 gives the chosen function another
 * name than its callers look for. */
#ifdef __clang__
#define CLONES
#else
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

void sg_share(size_t *first, size_t *count, size_t n, size_t unit)
{
    size_t units = (n + unit - 1) / unit, threads = (size_t)omp_get_num_threads(),
           t = (size_t)omp_get_thread_num();
    size_t a = units * t / threads * unit, b = units * (t + 1) / threads * unit;
    *first = a;
    *count = (b < n ? b : n) - a;
}

CLONES void sg_run_gather(float *d, const float *a, const float *b, const float *mask, float top, size_t n)
{
    if (b && mask)
        for (size_t i = 0; i < n; i++) d[i] = mask[i] > 0 && mask[i] < top ? a[i] + b[i] : 0;
    else if (b)
        for (size_t i = 0; i < n; i++) d[i] = a[i] + b[i];
    else if (mask)
        for (size_t i = 0; i < n; i++) d[i] = mask[i] > 0 && mask[i] < top ? a[i] : 0;
    else
        for (size_t i = 0; i < n; i++) d[i] = a[i];
}

static inline float relu(float v, float top)
{
    return v > 0 ? v < top ? v : top : 0;
}

CLONES void sg_run_relu(float *y, const float *x, float top, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = relu(x[i], top);
}

static inline __attribute__((always_inline)) void affine(float *y, const float *x, const float *mean,
                                                         const float *scale, const float *shift,
                                                         const float *other, float top, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        float v = (x[j] - mean[j]) * scale[j] + shift[j];
        if (other) v += other[j];
        y[j] = top > 0 ? relu(v, top) : v;
    }
}

static inline __attribute__((always_inline)) void affine_run(float *y, const float *x, const float *mean,
                                                             const float *scale, const float *shift,
                                                             const float *other, float top, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN)
        affine(y + i, x + i, mean, scale, shift, other ? other + i : NULL, top, SG_RUN);
    affine(y + i, x + i, mean, scale, shift, other ? other + i : NULL, top, n - i);
}

CLONES void sg_run_affine(float *y, const float *x, const float *mean, const float *scale, const float *shift,
                          const float *other, float top, size_t n)
{
    if (other && top > 0)
        affine_run(y, x, mean, scale, shift, other, top, n);
    else if (other)
        affine_run(y, x, mean, scale, shift, other, 0, n);
    else if (top > 0)
        affine_run(y, x, mean, scale, shift, NULL, top, n);
    else
        affine_run(y, x, mean, scale, shift, NULL, 0, n);
}

CLONES void sg_run_moments(float *restrict s, float *restrict q, const float *restrict x,
                           const float *restrict pivot, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN)
        for (size_t j = 0; j < SG_RUN; j++) {
            float v = x[i + j] - pivot[j];
            s[j] += v;
            q[j] += v * v;
        }
    for (size_t j = 0; i + j < n; j++) {
        float v = x[i + j] - pivot[j];
        s[j] += v;
        q[j] += v * v;
    }
}

CLONES void sg_run_products(float *restrict s, float *restrict q, const float *restrict d,
                            const float *restrict x, const float *restrict mean, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN)
        for (size_t j = 0; j < SG_RUN; j++) {
            s[j] += d[i + j];
            q[j] += d[i + j] * (x[i + j] - mean[j]);
        }
    for (size_t j = 0; i + j < n; j++) {
        s[j] += d[i + j];
        q[j] += d[i + j] * (x[i + j] - mean[j]);
    }
}

CLONES void sg_run_combine(float *dx, const float *d, const float *x, const float *mean, const float *a,
                           const float *b, const float *c, size_t n)
{
    size_t i = 0;
    for (; i + SG_RUN <= n; i += SG_RUN)
        for (size_t j = 0; j < SG_RUN; j++) dx[i + j] = d[i + j] * a[j] + (x[i + j] - mean[j]) * b[j] + c[j];
    for (size_t j = 0; i + j < n; j++) dx[i + j] = d[i + j] * a[j] + (x[i + j] - mean[j]) * b[j] + c[j];
}

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
