#include <signet/metrics.h>

#include <math.h>
#include <signet/mem.h>
#include <signet/random.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between the two nearest of the sorted values (numpy's percentile). */
static double quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

bool sg_bootstrap(double *low, double *high, const double *values, size_t n, size_t resamples, uint64_t seed,
                  sg_error *err)
{
    SG_ASSERT(n > 0 && resamples > 0);
    double *means = sg_alloc(resamples, sizeof *means);
    if (!means) return sg_fail_memory(err, "bootstrap");
        /* Each resample has its own stream, whatever thread draws it. */
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < resamples; r++) {
        sg_rng rng = sg_rng_at(seed, SG_RNG_BOOTSTRAP, r, 0);
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += values[sg_rng_below(&rng, n)];
        means[r] = sum / (double)n;
    }
    qsort(means, resamples, sizeof *means, compare_doubles);
    *low = quantile(means, resamples, 0.025);
    *high = quantile(means, resamples, 0.975);
    sg_free(means);
    return true;
}
