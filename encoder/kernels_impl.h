/* Our own loops, compiled for several instruction sets and chosen at run time. They work on runs of numbers of one kind,
 * computing in floats: a plane (pixels x lanes) of a view is one run, whose coefficients repeat every `lanes` numbers.
 * As 8 and 16 (and 1) divide SG_RUN, a coefficient is given as SG_RUN floats, whatever the layout. Single-threaded:
 * callers share the work. */
#ifndef SIGNET_KERNELS_IMPL_H
#define SIGNET_KERNELS_IMPL_H

#include "number_impl.h"

#include <stdbool.h>

#define SG_RUN 64

/* d = (a + b) where 0 < mask < top, else 0. b and mask may be NULL; d may be a or b. */
void sg_run_gather(sg_precision kind, void *d, const void *a, const void *b, const void *mask, float top,
                   size_t n);
/* y = min(max(x, 0), top) */
void sg_run_relu(sg_precision kind, void *y, const void *x, float top, size_t n);
/* y = relu((x - mean) * scale + shift + other), cut off at top; other may be NULL; top 0: no relu. */
void sg_run_affine(sg_precision kind, void *y, const void *x, const float *mean, const float *scale,
                   const float *shift, const void *other, float top, size_t n);
/* s += x - pivot, q += (x - pivot)^2, each of SG_RUN partial sums. */
void sg_run_moments(sg_precision kind, float *s, float *q, const void *x, const float *pivot, size_t n);
/* s += d, q += d * (x - mean). */
void sg_run_products(sg_precision kind, float *s, float *q, const void *d, const void *x, const float *mean,
                     size_t n);
/* dx = d * a + (x - mean) * b + c */
void sg_run_combine(sg_precision kind, void *dx, const void *d, const void *x, const float *mean,
                    const float *a, const float *b, const float *c, size_t n);
/* From one kind to another. */
void sg_run_convert(sg_precision kind, void *y, sg_precision from, const void *x, size_t n);

/* Thin convolutions (few input channels), a row of output pixels at a time; v is (pixels, lanes) of one block.
 * spread: out (pixels, n) += v (pixels, lanes) w (lanes, n), n a multiple of SG_TAPS.
 * scatter: the four floats from x[at[g] + p * stride] on += products[p, 4 g ...], for the first `groups` of n / 4.
 * outer: acc (taps, lanes) += sum over pixels p of x[at[j] + p * stride] v[p, lane]. */
#define SG_TAPS 16
void sg_thin_spread(float *out, const float *v, const float *w, size_t lanes, size_t n, size_t pixels);
void sg_thin_scatter(float *x, const size_t *at, size_t stride, const float *products, size_t groups,
                     size_t n, size_t pixels);
void sg_thin_outer(float *acc, const float *x, const size_t *at, size_t stride, const float *v, size_t lanes,
                   size_t taps, size_t pixels);

/* The part of n items that falls to the calling thread of a parallel region, in whole units. */
void sg_share(size_t *first, size_t *count, size_t n, size_t unit);

#endif
